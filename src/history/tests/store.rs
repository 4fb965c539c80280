//! A store in memory that counts, that gives every blob a place, and that minds wrong hints.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::format::entry::{Content, Entry, EntryKind};
use crate::format::hints::{Holder, Location, ObjectRef, Place, encode_hints};
use crate::format::key::TreeKey;
use crate::format::node::{Node, join_blob, split_blob};
use crate::history::cursor::{Cursor, Found};
use crate::history::source::{NewNode, NodeBlob, NodeSink, NodeSource, Reference, ResolvedPlace, Root, TreeError};
use crate::id::{BlobId, BlobKind, ObjectId};
use crate::path::TreePath;
use crate::world::Timestamp;

pub(super) type Model = BTreeMap<TreeKey, Entry>;

/// Where nodes end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Split {
    /// As the format says.
    Keyed,
    /// After one key in so many.
    OneIn(u32),
    /// Only where they must.
    Never,
}

#[derive(Debug)]
pub(super) struct MemStore {
    pub(super) split: Split,
    pub(super) reads: Cell<usize>,
    pub(super) hinted: Cell<usize>,
    pub(super) writes: Cell<usize>,
    blobs: RefCell<HashMap<BlobId, (Arc<NodeBlob>, ResolvedPlace)>>,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum MemError {
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error("missing {0}")]
    Missing(BlobId),
}

impl MemStore {
    pub(super) fn new(split: Split) -> Self {
        let (reads, hinted, writes) = (Cell::new(0), Cell::new(0), Cell::new(0));
        Self { split, reads, hinted, writes, blobs: RefCell::default() }
    }

    /// Runs something; says what it read and wrote.
    pub(super) fn count<T>(&self, run: impl FnOnce() -> T) -> (T, usize, usize) {
        self.reads.set(0);
        self.writes.set(0);
        let out = run();
        (out, self.reads.get(), self.writes.get())
    }

    pub(super) fn node(&self, id: &BlobId) -> Node {
        Node::decode(&self.blobs.borrow()[id].0.canonical).unwrap()
    }

    pub(super) fn canonical_lens(&self) -> Vec<(u8, usize)> {
        self.blobs.borrow().values().map(|(blob, _)| (blob.canonical[0], blob.canonical.len())).collect()
    }

    /// Puts any bytes under their right id.
    pub(super) fn plant(&self, kind: BlobKind, canonical: Vec<u8>, hints: Vec<u8>) -> BlobId {
        let id = blob_id(kind, &canonical);
        let number = self.blobs.borrow().len() as u32;
        let place = node_place(number);
        let blob = Arc::new(NodeBlob { canonical, hints, origin: Some(place.object) });
        self.blobs.borrow_mut().entry(id).or_insert((blob, place));
        id
    }

    fn place_of(&self, reference: &Reference) -> Option<ResolvedPlace> {
        let known = self.blobs.borrow().get(&reference.id).map(|(_, place)| *place);
        Some(reference.place.or(known).unwrap_or_else(|| chunk_place(&reference.id)))
    }
}

impl NodeSource for MemStore {
    type Error = MemError;

    fn read(&self, kind: BlobKind, id: &BlobId, place: Option<&ResolvedPlace>) -> Result<Arc<NodeBlob>, MemError> {
        self.reads.set(self.reads.get() + 1);
        let blobs = self.blobs.borrow();
        let (blob, real) = blobs.get(id).ok_or(MemError::Missing(*id))?;
        if let Some(place) = place {
            assert_eq!(place, real, "a hint is right");
            self.hinted.set(self.hinted.get() + 1);
        }
        assert_eq!(blob_id(kind, &blob.canonical), *id);
        Ok(Arc::clone(blob))
    }
}

impl NodeSink for MemStore {
    fn split_hash(&self, level: u8, key: &[u8]) -> u32 {
        let hash = blake3::Hasher::new_keyed(&[2; 32]).update(&[level]).update(key).finalize();
        let hash = u32::from_le_bytes(hash.as_bytes()[..4].try_into().unwrap());
        match self.split {
            Split::Keyed => hash,
            Split::OneIn(n) => {
                if hash.is_multiple_of(n) {
                    0
                } else {
                    u32::MAX
                }
            }
            Split::Never => u32::MAX,
        }
    }

    fn write(&self, node: NewNode) -> Result<BlobId, MemError> {
        self.writes.set(self.writes.get() + 1);
        let own = node_place(self.blobs.borrow().len() as u32).object;
        let place = |found: ResolvedPlace| {
            let holder = if found.object == own { Holder::SameObject } else { Holder::Object(found.object) };
            Place { holder, location: found.location }
        };
        let places: Vec<_> = node.references.iter().map(|r| self.place_of(r).map(place)).collect();
        let blob = join_blob(&node.canonical, &encode_hints(&places));
        let (canonical, hints) = split_blob(&blob).unwrap();
        Ok(self.plant(node.kind, canonical.to_vec(), hints.to_vec()))
    }
}

pub(super) fn blob_id(kind: BlobKind, canonical: &[u8]) -> BlobId {
    let hash = blake3::Hasher::new_keyed(&[1; 32]).update(&[kind as u8]).update(canonical).finalize();
    BlobId::new(*hash.as_bytes())
}

/// Four nodes share an object.
fn node_place(number: u32) -> ResolvedPlace {
    let object = object((number / 4).to_le_bytes());
    ResolvedPlace { object, location: Location { frame_offset: number, frame_len: 9, blob_offset: 0, blob_len: 9 } }
}

/// Where data chunks are said to be.
pub(super) fn chunk_place(id: &BlobId) -> ResolvedPlace {
    let object = object([0xda, id.as_bytes()[0], 0, 0]);
    let frame_offset = u32::from(id.as_bytes()[1]);
    ResolvedPlace { object, location: Location { frame_offset, frame_len: 7, blob_offset: 0, blob_len: 7 } }
}

fn object(start: [u8; 4]) -> ObjectRef {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&start);
    ObjectRef { id: ObjectId::new(id), size: 4096, epoch: 1, salt: [3; 32] }
}

pub(super) fn key(path: &str) -> TreeKey {
    TreeKey::from_path(&TreePath::from_bytes(path.as_bytes()).unwrap()).unwrap()
}

/// Some entry for each number: small and large files, directories, links.
pub(super) fn entry(seed: u64) -> Entry {
    let id = blob_id(BlobKind::Chunk, &seed.to_le_bytes());
    let (kind, size, content) = match seed % 8 {
        0 => (EntryKind::Dir, 0, Content::None),
        1 => (EntryKind::File, 0, Content::None),
        2 => (EntryKind::Symlink, 0, Content::Link(format!("to/{seed}").into_bytes().into())),
        3 => (EntryKind::File, 1 + seed % 512, Content::Inline(vec![seed as u8; 1 + (seed % 512) as usize].into())),
        4 => (EntryKind::File, 10_000_000 + seed % 1000, Content::List(id)),
        _ => (EntryKind::File, 513 + seed % 1_000_000, Content::Chunk(id)),
    };
    let mtime = Timestamp { secs: 1_700_000_000 + seed as i64 % 10_000_000, nanos: (seed % 1_000_000_000) as u32 };
    Entry { kind, size, mtime, mode: Some(0o644), content, attributes: Vec::new() }
}

pub(super) fn build(store: &MemStore, model: &Model) -> Root {
    crate::history::builder::build(store, model).unwrap()
}

/// Everything in a tree; every hinted place is checked.
pub(super) fn contents(store: &MemStore, root: &Root) -> Model {
    Cursor::open(store, root).unwrap().map(|found| pair(found.unwrap())).collect()
}

pub(super) fn pair(found: Found) -> (TreeKey, Entry) {
    let wanted = found.entry.content.reference().map(|(_, id)| chunk_place(&id));
    assert_eq!(found.place, wanted);
    (found.key, found.entry)
}

/// The number of levels of a tree.
pub(super) fn levels(store: &MemStore, root: &Root) -> usize {
    usize::from(store.node(&root.id).level()) + 1
}
