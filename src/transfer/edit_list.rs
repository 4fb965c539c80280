//! Changes of a tree that move no content: entries put and removed, in key order, spooled like those of an upload.

use std::collections::HashSet;

use super::edit::{self, Edit};
use super::item::TransferError;
use super::spool::SpoolWriter;
use super::upload::Uploaded;
use crate::format::entry::Entry;
use crate::path::TreePath;

/// A list of edits being made. They are added in key order: what is out of order is refused when the tree is built.
pub struct EditList {
    spool: SpoolWriter,
    len: u64,
}

impl Default for EditList {
    fn default() -> Self {
        Self { spool: SpoolWriter::new(SPOOL_MEMORY), len: 0 }
    }
}

impl EditList {
    /// Sets an entry.
    ///
    /// # Errors
    /// The temporary file can't be written.
    pub fn put(&mut self, path: &TreePath, entry: Entry) -> Result<(), TransferError> {
        self.push(&Edit::Put(path.clone(), entry))
    }

    /// Removes an entry, but nothing below it.
    ///
    /// # Errors
    /// The temporary file can't be written.
    pub fn delete(&mut self, path: &TreePath) -> Result<(), TransferError> {
        self.push(&Edit::Delete(path.clone()))
    }

    /// Removes everything below a directory, unread. Its own entry stays.
    ///
    /// # Errors
    /// The temporary file can't be written.
    pub fn delete_below(&mut self, dir: &TreePath) -> Result<(), TransferError> {
        self.push(&Edit::DeleteBelow(dir.clone()))
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Ends the list.
    ///
    /// # Errors
    /// The temporary file can't be written.
    pub fn finish(self) -> Result<Uploaded, TransferError> {
        let edits = self.spool.finish().map_err(TransferError::local(SPOOLING))?;
        Ok(Uploaded {
            edits,
            backups: None,
            over_dirs: HashSet::new(),
            files: 0,
            bytes: 0,
            failed: 0,
            suspects: Vec::new(),
            settled: Vec::new(),
        })
    }

    pub(super) fn push(&mut self, edit: &Edit) -> Result<(), TransferError> {
        self.len += 1;
        self.spool.push(&edit::encode(edit)).map_err(TransferError::local(SPOOLING))
    }
}

const SPOOLING: &str = "cannot write the edits to a temporary file";
const SPOOL_MEMORY: usize = 1 << 20;
