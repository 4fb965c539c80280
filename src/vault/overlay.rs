//! Nodes that exist on this machine only: those of a merge that no commit has recorded yet.
//!
//! Their bytes are in memory while they are few and in an unnamed temporary file beyond that. They stay as long as the
//! vault is open, because a run may still go on from a tree after the heads have moved.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

use tempfile::SpooledTempFile;

use super::error::VaultError;
use super::open::Vault;
use crate::format::hints::{Holder, Place, encode_hints};
use crate::format::node::{join_blob, split_blob};
use crate::history::source::{NewNode, NodeBlob, NodeSink, NodeSource, ResolvedPlace};
use crate::id::{BlobId, BlobKind};

/// The nodes.
pub(super) struct Overlay {
    inner: Mutex<Inner>,
}

struct Inner {
    file: SpooledTempFile,
    end: u64,
    at: HashMap<BlobId, (u64, u32)>,
}

impl Default for Overlay {
    fn default() -> Self {
        let file = SpooledTempFile::new(IN_MEMORY);
        Self { inner: Mutex::new(Inner { file, end: 0, at: HashMap::new() }) }
    }
}

impl Overlay {
    /// A node, if it is here.
    pub(super) fn get(&self, id: &BlobId) -> Result<Option<NodeBlob>, VaultError> {
        let mut inner = self.inner.lock().expect("held over file operations, which return errors");
        let Some((offset, len)) = inner.at.get(id).copied() else { return Ok(None) };
        let mut blob = vec![0; len as usize];
        let read = inner.file.seek(SeekFrom::Start(offset)).and_then(|_| inner.file.read_exact(&mut blob));
        read.map_err(VaultError::local("cannot read the merged tree from a temporary file"))?;
        let (canonical, hints) = split_blob(&blob)?;
        Ok(Some(NodeBlob { canonical: canonical.to_vec(), hints: hints.to_vec(), origin: None }))
    }

    fn put(&self, id: BlobId, blob: &[u8]) -> Result<(), VaultError> {
        let mut inner = self.inner.lock().expect("held over file operations, which return errors");
        if inner.at.contains_key(&id) {
            return Ok(());
        }
        let end = inner.end;
        let written = inner.file.seek(SeekFrom::Start(end)).and_then(|_| inner.file.write_all(blob));
        written.map_err(VaultError::local("cannot keep the merged tree in a temporary file"))?;
        inner.end += blob.len() as u64;
        inner.at.insert(id, (end, blob.len() as u32));
        Ok(())
    }
}

/// A vault whose new nodes go nowhere but into its [`Overlay`].
pub(super) struct Unrecorded<'v>(pub(super) &'v Vault);

impl NodeSource for Unrecorded<'_> {
    type Error = VaultError;

    fn read(&self, kind: BlobKind, id: &BlobId, place: Option<&ResolvedPlace>) -> Result<Arc<NodeBlob>, VaultError> {
        self.0.checkpoint()?;
        self.0.read(kind, id, place)
    }
}

impl NodeSink for Unrecorded<'_> {
    fn split_hash(&self, level: u8, key: &[u8]) -> u32 {
        self.0.keys().split_hash(level, key)
    }

    fn write(&self, node: NewNode) -> Result<BlobId, VaultError> {
        let id = self.0.keys().blob_id(node.kind, &node.canonical);
        let place = |place: ResolvedPlace| Place { holder: Holder::Object(place.object), location: place.location };
        let places: Vec<Option<Place>> = node.references.iter().map(|at| at.place.map(place)).collect();
        self.0.overlay.put(id, &join_blob(&node.canonical, &encode_hints(&places)))?;
        Ok(id)
    }
}

/// Bytes of nodes in memory.
const IN_MEMORY: usize = 4 << 20;
