//! Where a relay has the content of files from: another vault, or a place of plain files.

use super::files_side::{FilesTree, said};
use super::item::TransferError;
use super::source_tree::SourceTree;
use crate::format::entry::{Content, Entry};
use crate::format::limits::INLINE_MAX;
use crate::format::wire::Put;
use crate::path::TreePath;
use crate::vault::{FileEntry, FileKind, Part, VaultError, is_changed, is_of_one_file, is_passing, mtime_of};

/// A source of content.
pub trait Supply: Sync {
    /// Gives the content of a file of the plan, from its first byte on, to `each`, unless it is small enough to stand in its entry.
    ///
    /// # Errors
    /// Why there is none. What `each` was given is then worth nothing.
    fn supply(
        &self,
        path: &TreePath,
        entry: &Entry,
        each: &mut dyn FnMut(Part<'_>) -> Result<(), TransferError>,
    ) -> Result<Supplied, Unsupplied>;
}

/// A file that was read.
pub struct Supplied {
    /// What is to be stored of it; without content, if that was given in parts.
    pub entry: Entry,
    /// What it was when it was read (its path and a mark), if it can be removed.
    pub seen: Option<(TreePath, Vec<u8>)>,
}

/// Why a file could not be read.
pub enum Unsupplied {
    /// It became another while it was read, or the connection broke: it may be tried again.
    Again(String),
    /// This file can't be read; others may.
    File(String),
    /// Nothing more can be read.
    Fatal(TransferError),
}

impl From<TransferError> for Unsupplied {
    fn from(error: TransferError) -> Self {
        Self::Fatal(error)
    }
}

impl From<VaultError> for Unsupplied {
    fn from(error: VaultError) -> Self {
        Self::Fatal(error.into())
    }
}

impl Supply for SourceTree<'_> {
    fn supply(
        &self,
        path: &TreePath,
        entry: &Entry,
        each: &mut dyn FnMut(Part<'_>) -> Result<(), TransferError>,
    ) -> Result<Supplied, Unsupplied> {
        let gone = || VaultError::damaged("tree", format!("`{path}` is listed but not there"));
        let found = self.find(path)?.ok_or_else(gone)?;
        let content = match &found.entry.content {
            Content::Inline(bytes) => Content::Inline(bytes.clone()),
            Content::Chunk(_) | Content::List(_) => {
                let size = found.entry.size;
                self.vault.read_content(&found.entry, found.place.as_ref(), 0..size, each)?;
                Content::None // the pieces are the content
            }
            Content::None | Content::Link(_) => Content::None,
        };
        Ok(Supplied { entry: Entry { content, ..entry.clone() }, seen: None })
    }
}

impl Supply for FilesTree<'_> {
    fn supply(
        &self,
        path: &TreePath,
        entry: &Entry,
        each: &mut dyn FnMut(Part<'_>) -> Result<(), TransferError>,
    ) -> Result<Supplied, Unsupplied> {
        let full = self.full(path)?;
        let found = self.io.stat(&full).map_err(of_file)?;
        let seen = match found {
            Some(seen) if seen.kind == FileKind::File => seen,
            Some(_) => return Err(Unsupplied::File("is no file any more".into())),
            None => return Err(Unsupplied::File("is not there any more".into())),
        };
        let mut content = Content::None;
        if seen.size > 0 && seen.size <= INLINE_MAX as u64 {
            let mut bytes = Vec::new();
            self.io
                .read::<VaultError>(&full, 0..seen.size, &seen, &mut |part| {
                    bytes.extend_from_slice(part);
                    Ok(())
                })
                .map_err(of_file)?;
            content = Content::Inline(bytes.into());
        } else if seen.size > 0 {
            let read = self.io.read(&full, 0..seen.size, &seen, &mut |part| each(Part::Data(part)));
            read.map_err(|error| match error {
                TransferError::Vault(error) => of_file(error),
                error => error.into(),
            })?;
        }
        if !self.io.caps().notices_changes {
            let after = self.io.stat(&full).map_err(of_file)?;
            if after.is_none_or(|after| !after.is_same_version(&seen)) {
                return Err(Unsupplied::Again(CHANGED.into()));
            }
        }
        let mtime = mtime_of(&seen).unwrap_or(entry.mtime);
        let entry = Entry { size: seen.size, mtime, content, ..entry.clone() };
        Ok(Supplied { entry, seen: Some((full, mark_of(&seen))) })
    }
}

fn of_file(error: VaultError) -> Unsupplied {
    match error {
        error if is_changed(&error) => Unsupplied::Again(CHANGED.into()),
        error if is_passing(&error) => Unsupplied::Again(format!("can't be read: {}", said(&error))),
        error if is_of_one_file(&error) => Unsupplied::File(format!("can't be read: {}", said(&error))),
        error => error.into(),
    }
}

/// What tells a file from one that takes its place.
pub(super) fn mark_of(seen: &FileEntry) -> Vec<u8> {
    let mut mark = Vec::new();
    mark.put_varint(seen.size);
    let time = mtime_of(seen);
    mark.push(u8::from(time.is_some()));
    if let Some(time) = time {
        mark.put_time(time);
    }
    mark.put_bytes(seen.version.as_deref().unwrap_or_default().as_bytes());
    mark
}

const CHANGED: &str = "it kept changing while it was read";
