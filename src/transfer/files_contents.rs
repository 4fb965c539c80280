//! Content of plain files, read front to back, for those who compare.

use std::io::{self, Read};
use std::ops::Range;

use super::contents::{Contents, matches};
use super::files_side::FilesTree;
use super::item::{Item, TransferError};
use crate::path::TreePath;
use crate::vault::{FileEntry, FileKind, Vault, VaultError, is_changed, is_of_one_file, is_passing};

/// One file, from its first byte on. An error holds the [`VaultError`].
pub struct FileReader<'a> {
    tree: FilesTree<'a>,
    path: TreePath,
    seen: FileEntry,
    at: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl<'a> FileReader<'a> {
    /// Looks the file up. `None` if there is none.
    ///
    /// # Errors
    /// The service's.
    pub fn open(tree: FilesTree<'a>, path: &TreePath) -> Result<Option<Self>, VaultError> {
        let path = tree.full(path)?;
        let seen = tree.io.stat(&path)?.filter(|seen| seen.kind == FileKind::File);
        Ok(seen.map(|seen| Self { tree, path, seen, at: 0, buffer: Vec::new(), used: 0 }))
    }

    /// How long it is.
    pub fn size(&self) -> u64 {
        self.seen.size
    }
}

impl Read for FileReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.used == self.buffer.len() {
            let end = self.seen.size.min(self.at + self.tree.io.piece());
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.clear();
            let read = self.tree.io.read::<VaultError>(&self.path, self.at..end, &self.seen, &mut |part| {
                buffer.extend_from_slice(part);
                Ok(())
            });
            read.map_err(io::Error::other)?;
            (self.buffer, self.used, self.at) = (buffer, 0, end);
        }
        let step = into.len().min(self.buffer.len() - self.used);
        into[..step].copy_from_slice(&self.buffer[self.used..self.used + step]);
        self.used += step;
        Ok(step)
    }
}

/// A place of plain files against a vault.
pub struct FilesContents<'a> {
    /// The files.
    pub tree: FilesTree<'a>,
    /// The vault.
    pub vault: &'a Vault,
    /// Whether the files are the source.
    pub is_source: bool,
}

impl Contents for FilesContents<'_> {
    fn same(&self, source: &Item, dest: &Item) -> Result<Option<bool>, TransferError> {
        let (file, stored) = if self.is_source { (source, dest) } else { (dest, source) };
        if file.entry.size != stored.entry.size {
            return Ok(Some(false));
        }
        let mut reader = match FileReader::open(self.tree, &file.path) {
            Ok(Some(reader)) if reader.size() == stored.entry.size => reader,
            Ok(Some(_)) => return Ok(Some(false)),
            Ok(None) => return Ok(None),
            Err(error) => return of_one(error),
        };
        let mut read = |range: Range<u64>, into: &mut Vec<u8>| {
            into.resize((range.end - range.start) as usize, 0);
            reader.read_exact(into).map_err(unwrapped)
        };
        match matches(self.vault, &stored.entry, stored.place, &mut read) {
            Err(TransferError::Vault(error)) => of_one(error),
            other => other.map(Some),
        }
    }
}

/// The service's error that a reader's error holds.
pub fn unwrapped(error: io::Error) -> TransferError {
    match error.downcast::<VaultError>() {
        Ok(error) => error.into(),
        Err(error) => TransferError::local("cannot read a file that is compared")(error),
    }
}

fn of_one(error: VaultError) -> Result<Option<bool>, TransferError> {
    let alone = is_changed(&error) || is_of_one_file(&error) && !is_passing(&error);
    if alone { Ok(None) } else { Err(error.into()) }
}
