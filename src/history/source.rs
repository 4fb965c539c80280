//! What the algorithms need of a store: nodes to read, and to write nodes.
//!
//! The vault implements both traits, and so does a `HashMap` in tests. Implementors hash and verify; hints only ever
//! save them a search.

use std::sync::Arc;

use crate::format::hints::{Holder, Location, ObjectRef, Place, decode_hints};
use crate::format::node::Totals;
use crate::format::wire::Malformed;
use crate::id::{BlobId, BlobKind};

/// Reads nodes.
pub trait NodeSource {
    /// What can go wrong; what is wrong with a tree itself is a [`TreeError`].
    type Error: std::error::Error + From<TreeError>;

    /// The node with this id. The implementor looks at `place` first, then into its index, and MUST have recomputed the id
    /// over what it returns.
    ///
    /// # Errors
    /// The node can't be had, or is not what its id says.
    fn read(&self, kind: BlobKind, id: &BlobId, place: Option<&ResolvedPlace>) -> Result<Arc<NodeBlob>, Self::Error>;

    /// Whether a reader goes on after a subtree that can't be read: that of the keys above `after`, up to `last`. Never by
    /// default: who relies on a whole tree must not get a part of it.
    fn passes_over(&self, _error: &Self::Error, _after: &[u8], _last: &[u8]) -> bool {
        false
    }
}

/// Writes nodes.
pub trait NodeSink: NodeSource {
    /// The split hash (docs/format.md, section 5).
    fn split_hash(&self, level: u8, key: &[u8]) -> u32;

    /// Stores a node unless it is stored already. The implementor makes its hints, when it lays the node out: it knows
    /// where the blobs of this run went, and `NewNode::references` tells where the old ones are.
    ///
    /// # Errors
    /// The node can't be stored.
    fn write(&self, node: NewNode) -> Result<BlobId, Self::Error>;
}

/// A node as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeBlob {
    /// What the id is taken over.
    pub canonical: Vec<u8>,
    /// The hints, not decoded.
    pub hints: Vec<u8>,
    /// The object that it was read from, if it is known.
    pub origin: Option<ObjectRef>,
}

impl NodeBlob {
    /// The hinted places of the node's `count` references: all `None` if the hints are missing or malformed.
    pub fn places(&self, count: usize) -> Vec<Option<ResolvedPlace>> {
        let Ok(places) = decode_hints(&self.hints, count) else { return vec![None; count] };
        let resolve = |place: Place| {
            let object = match place.holder {
                Holder::SameObject => self.origin?,
                Holder::Object(object) => object,
            };
            Some(ResolvedPlace { object, location: place.location })
        };
        places.into_iter().map(|place| place.and_then(resolve)).collect()
    }
}

/// A node to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNode {
    /// [`BlobKind::Node`] or [`BlobKind::List`].
    pub kind: BlobKind,
    /// What the id is taken over.
    pub canonical: Vec<u8>,
    /// The references of the canonical part, in order: what the hints are made for.
    pub references: Vec<Reference>,
}

/// A blob that a node refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    /// The blob.
    pub id: BlobId,
    /// Where older hints say that it is. `None` for what is new in this run, and for what no hint speaks of.
    pub place: Option<ResolvedPlace>,
}

/// A hinted place in an object that is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResolvedPlace {
    /// The object.
    pub object: ObjectRef,
    /// The spot inside it.
    pub location: Location,
}

/// The root of a tree, as a commit states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    /// The root node.
    pub id: BlobId,
    /// Where it lies, if that is known; `None` for a node written in this run.
    pub place: Option<ResolvedPlace>,
    /// What the tree adds up to.
    pub totals: Totals,
}

/// Whether two trees are the same. None is the empty one.
pub fn same_tree(a: Option<&Root>, b: Option<&Root>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.id == b.id,
        (None, None) => true,
        (Some(one), None) | (None, Some(one)) => one.totals.entries == 0,
    }
}

/// A tree or list that is not well-formed, or a caller that would make one. Behind valid seals the former is damage or
/// malice: the reader stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A node can't be decoded, or an entry can't be encoded.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A node is not the one its parent describes.
    #[error("node {id} is not what its parent says: its {what} does not fit", id = id.short())]
    Misplaced {
        /// The node.
        id: BlobId,
        /// What differs.
        what: &'static str,
    },
    /// Entries, edits or pieces were not given in ascending order.
    #[error("entries or edits are not in ascending order")]
    Unsorted,
    /// More levels than the format allows.
    #[error("the tree or the file is larger than the format allows")]
    TooLarge,
}
