//! Walks a directory tree one entry at a time. Blocking. Holds one open directory and the names of those still to
//! visit, never the files. Follows no symbolic link and sees no name that a [`RemotePath`] cannot have.

use std::fs::{self, DirEntry, Metadata, ReadDir};
use std::io;
use std::path::{Path, PathBuf};

use crate::{Listed, RemotePath};

/// What the name of a temporary file starts with. No object may be called so.
pub(super) const TEMP_PREFIX: &str = ".tmp-";

/// The regular files below a root whose relative path starts with a prefix, temporary ones included.
#[derive(Debug)]
pub(super) struct Walk {
    root: PathBuf,
    prefix: String,
    /// Relative directories: empty for the root itself, else with a `/` at the end.
    pending: Vec<String>,
    open: Option<(String, ReadDir)>,
}

impl Walk {
    pub(super) fn of_prefix(root: &Path, prefix: &str) -> Self {
        let directory = prefix.rfind('/').map_or("", |slash| &prefix[..slash]);
        // A prefix is text from outside. One that is no path, such as `../`, has no objects and must not be opened.
        let start = match (prefix.rfind('/'), RemotePath::new(directory)) {
            (None, _) => Some(String::new()),
            (Some(_), Ok(directory)) => Some(format!("{directory}/")),
            (Some(_), Err(_)) => None,
        };
        Self { root: root.to_owned(), prefix: prefix.to_owned(), pending: start.into_iter().collect(), open: None }
    }

    /// Remembers a directory, passes on a file, drops the rest.
    fn visit(&mut self, directory: &str, entry: &DirEntry) -> io::Result<Option<Found>> {
        let name = entry.file_name();
        let Some(path) = name.to_str().and_then(|name| RemotePath::new(format!("{directory}{name}")).ok()) else {
            return Ok(None);
        };
        let kind = entry.file_type()?;
        if !path.as_str().starts_with(&self.prefix) || path.as_str() == LOST_AND_FOUND {
            return Ok(None);
        }
        if kind.is_dir() && !is_temp(&path) {
            self.pending.push(format!("{path}/"));
        }
        if kind.is_file() { Ok(Some(Found { path, metadata: entry.metadata()? })) } else { Ok(None) }
    }
}

impl Iterator for Walk {
    type Item = io::Result<Found>;

    fn next(&mut self) -> Option<io::Result<Found>> {
        loop {
            let Some((directory, mut entries)) = self.open.take() else {
                let directory = self.pending.pop()?;
                match fs::read_dir(self.root.join(&directory)) {
                    Ok(entries) => self.open = Some((directory, entries)),
                    Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
                    // A file has nothing below it, unless it lies where the whole remote should be.
                    Err(file) if file.kind() == io::ErrorKind::NotADirectory && self.root.is_dir() => {}
                    Err(error) => return Some(Err(error)),
                }
                continue;
            };
            let found = match entries.next() {
                None => continue,
                Some(entry) => entry.and_then(|entry| self.visit(&directory, &entry)),
            };
            self.open = Some((directory, entries));
            match found {
                Ok(None) => {}
                Ok(Some(found)) => return Some(Ok(found)),
                Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// A regular file.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: RemotePath,
    pub(super) metadata: Metadata,
}

impl Found {
    /// The file as an object, if it is one.
    pub(super) fn listed(self) -> Option<Listed> {
        (!is_temp(&self.path)).then_some(Listed { size: self.metadata.len(), path: self.path })
    }
}

/// Whether the last component names a temporary file.
pub(super) fn is_temp(path: &RemotePath) -> bool {
    path.name().starts_with(TEMP_PREFIX)
}

/// Made by ext4 at the top of a volume and readable by root alone: a vault on a whole disk must still be listable.
const LOST_AND_FOUND: &str = "lost+found";
