//! Writing nodes: into the bundle of a small commit, or into packs. Owns the hints of new nodes.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use super::container::Container;
use super::error::VaultError;
use super::placed::{Spot, ids};
use super::session::Session;
use crate::format::hints::{Holder, Location, Place, encode_hints};
use crate::format::index::id16;
use crate::format::limits::BUNDLE_MAX;
use crate::format::node::{Node, join_blob, split_blob};
use crate::format::pack::{BlobEntry, FrameCoder, decode_frame, encode_frame};
use crate::history::source::{NewNode, NodeBlob, NodeSink, NodeSource, Reference, ResolvedPlace};
use crate::id::{BlobId, BlobKind};

/// Where the nodes of one commit go.
pub struct TreeWriter<'s> {
    session: &'s Session,
    coder: RefCell<FrameCoder>,
    target: RefCell<Target>,
    overflowed: Cell<bool>,
}

enum Target {
    /// Everything new lies in the commit object itself.
    Bundle { container: Container, begun: usize, blobs: HashMap<[u8; 16], Location> },
    /// Nodes go to packs of their own; chunks are in sealed packs already.
    Packs { open: Option<(u32, Container)> },
}

impl<'s> TreeWriter<'s> {
    /// Into a bundle that holds the commit's chunks already, and what an earlier writer has put into it.
    pub(super) fn bundle(session: &'s Session, container: Container) -> Self {
        let blobs = container.blobs().map(|(blob, at)| (id16(&blob.id), at)).collect();
        Self::new(session, Target::Bundle { begun: container.frame_count(), container, blobs })
    }

    /// Into packs.
    pub(super) fn packs(session: &'s Session) -> Self {
        Self::new(session, Target::Packs { open: None })
    }

    fn new(session: &'s Session, target: Target) -> Self {
        let coder = RefCell::new(FrameCoder::default());
        Self { session, coder, target: RefCell::new(target), overflowed: Cell::new(false) }
    }

    /// Whether an error of the writer means only that a bundle can't hold all this.
    pub(super) fn overflowed(&self) -> bool {
        self.overflowed.get()
    }

    /// Ends the writing. A bundle is given back: whole, or as it was to begin with after it has overflowed.
    pub(super) fn finish(self) -> Result<Option<Container>, VaultError> {
        match self.target.into_inner() {
            Target::Bundle { mut container, begun, .. } => {
                if self.overflowed.get() {
                    container.truncate(begun);
                }
                Ok(Some(container))
            }
            Target::Packs { open: Some((number, container)) } => {
                self.session.send_meta(number, container)?;
                Ok(None)
            }
            Target::Packs { open: None } => Ok(None),
        }
    }

    /// Stores a node of a merge that no commit has recorded yet, and what is new below it. Does nothing for any other.
    pub(super) fn record(&self, id: &BlobId) -> Result<(), VaultError> {
        let vault = &self.session.shared.vault;
        let Some(blob) = vault.overlay.get(id)? else { return Ok(()) };
        if self.place_of(id)?.is_some() {
            return Ok(());
        }
        let references: Vec<BlobId> = Node::decode(&blob.canonical)?.references().into_iter().flatten().collect();
        let places = blob.places(references.len());
        let references = references.into_iter().zip(places).map(|(id, place)| Reference { id, place }).collect();
        self.write(NewNode { kind: BlobKind::Node, canonical: blob.canonical, references }).map(drop)
    }

    /// Where a blob lies, from the point of view of the object that is being filled.
    pub(super) fn place_of(&self, id: &BlobId) -> Result<Option<Place>, VaultError> {
        place_of(self.session, &self.target.borrow(), id)
    }

    /// A node in the object that is being filled.
    fn unsent(&self, id: &BlobId) -> Result<Option<NodeBlob>, VaultError> {
        let found = match &*self.target.borrow() {
            Target::Bundle { container, blobs, .. } => blobs.get(&id16(id)).map(|at| (container.frame(at), *at)),
            Target::Packs { open: Some((number, container)) } => match self.session.shared.placed.find(id)? {
                Some(Spot { open: Some(found), at, .. }) if found == *number => Some((container.frame(&at), at)),
                _ => None,
            },
            Target::Packs { open: None } => None,
        };
        let Some((stored, at)) = found else { return Ok(None) };
        let blob = decode_frame(&stored)?;
        let from = at.blob_offset as usize;
        let (canonical, hints) = split_blob(&blob[from..from + at.blob_len as usize])?;
        Ok(Some(NodeBlob { canonical: canonical.to_vec(), hints: hints.to_vec(), origin: None }))
    }

    fn hints(&self, target: &Target, references: &[Reference]) -> Result<Vec<u8>, VaultError> {
        let mut places = Vec::with_capacity(references.len());
        for reference in references {
            let old = reference.place.map(|p| Place { holder: Holder::Object(p.object), location: p.location });
            places.push(match old {
                Some(place) => Some(place),
                None => place_of(self.session, target, &reference.id)?,
            });
        }
        Ok(encode_hints(&places))
    }
}

fn place_of(session: &Session, target: &Target, id: &BlobId) -> Result<Option<Place>, VaultError> {
    if let Target::Bundle { blobs, .. } = target
        && let Some(location) = blobs.get(&id16(id))
    {
        return Ok(Some(Place { holder: Holder::SameObject, location: *location }));
    }
    let open_number = match target {
        Target::Packs { open: Some((number, _)) } => Some(*number),
        _ => None,
    };
    Ok(match session.shared.find(id)? {
        Some(Spot { object: Some(object), at, .. }) => Some(Place { holder: Holder::Object(object), location: at }),
        Some(Spot { open: Some(number), at, .. }) if Some(number) == open_number => {
            Some(Place { holder: Holder::SameObject, location: at })
        }
        _ => None,
    })
}

impl NodeSource for TreeWriter<'_> {
    type Error = VaultError;

    fn read(&self, kind: BlobKind, id: &BlobId, place: Option<&ResolvedPlace>) -> Result<Arc<NodeBlob>, VaultError> {
        let shared = &self.session.shared;
        if place.is_some() {
            return shared.vault.read(kind, id, place);
        }
        // A node of this run may be in memory still, or on its way.
        if let Some(node) = self.unsent(id)? {
            return Ok(Arc::new(node));
        }
        let place = loop {
            match shared.placed.find(id)? {
                Some(Spot { object: Some(object), at, .. }) => break Some(ResolvedPlace { object, location: at }),
                Some(_) => shared.wait_a_moment()?,
                None => break None,
            }
        };
        shared.vault.read(kind, id, place.as_ref())
    }
}

impl NodeSink for TreeWriter<'_> {
    fn split_hash(&self, level: u8, key: &[u8]) -> u32 {
        self.session.shared.vault.keys().split_hash(level, key)
    }

    fn write(&self, node: NewNode) -> Result<BlobId, VaultError> {
        // What is only on this machine so far is stored before something that refers to it.
        for reference in &node.references {
            self.record(&reference.id)?;
        }
        let shared = &self.session.shared;
        let id = shared.vault.keys().blob_id(node.kind, &node.canonical);
        let target = &mut *self.target.borrow_mut();
        let stored = match target {
            Target::Bundle { blobs, .. } => blobs.contains_key(&id16(&id)) || shared.is_stored(&id)?,
            Target::Packs { .. } => !shared.claim(&id)?,
        };
        if stored {
            return Ok(id);
        }
        if let Target::Packs { open } = target
            && open.is_none()
        {
            *open = Some(shared.new_pack()?);
        }
        let blob = join_blob(&node.canonical, &self.hints(target, &node.references)?);
        let entry = BlobEntry { kind: node.kind, id, len: blob.len() as u32 };
        let coder = &mut *self.coder.borrow_mut();
        let frame = encode_frame(&blob, self.session.compression(), coder);
        match target {
            Target::Bundle { container, blobs, .. } => {
                if container.body_len_max() + frame.stored_len() + 64 > BUNDLE_MAX {
                    self.overflowed.set(true);
                    return Err(VaultError::Limit("the commit is larger than a bundle may be".into()));
                }
                blobs.extend(container.append(frame, vec![entry]).into_iter().map(|(blob, at)| (id16(&blob.id), at)));
            }
            Target::Packs { open } => {
                let (number, container) = open.as_mut().expect("it was made above");
                shared.placed.place(*number, ids(&container.append(frame, vec![entry])));
                // After appending, so that hints to "this object" are always right for the node that comes next.
                if container.len() >= self.session.pack_target()
                    && let Some((number, container)) = open.take()
                {
                    self.session.send_meta(number, container)?;
                }
            }
        }
        Ok(id)
    }
}
