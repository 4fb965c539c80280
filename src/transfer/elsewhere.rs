//! Other places that may have what the destination lacks: `--compare-dest` and `--copy-dest`.

use std::path::{Path, PathBuf};

use super::contents::{Contents, LocalContents};
use super::item::{Item, TransferError};
use super::vault_side::lookup;
use super::walk::stat_item;
use crate::format::entry::EntryKind;
use crate::history::source::Root;
use crate::path::TreePath;
use crate::vault::Vault;

/// What is done with a file that is found in such a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It is not written: `--compare-dest`.
    Enough,
    /// It is copied from there: `--copy-dest`.
    Copied,
}

/// Asks whether a file that was found is the one looked for, by contents that can be compared so.
pub(super) type Same<'s> = &'s mut dyn FnMut(&dyn Contents, &Item) -> Result<bool, TransferError>;

/// Such places, tried in order.
pub trait Elsewhere {
    /// What is done with what is found.
    fn found(&self) -> Found;

    /// The file or link of this path in each of the places, the first for which `same` holds.
    ///
    /// # Errors
    /// A place can't be read, or those of `same`.
    fn find(&self, path: &TreePath, same: Same<'_>) -> Result<Option<Item>, TransferError>;
}

/// Directories of the destination's vault.
pub struct VaultPlaces<'a> {
    /// The vault.
    pub vault: &'a Vault,
    /// Its tree.
    pub root: Option<&'a Root>,
    /// The directories.
    pub dirs: &'a [TreePath],
    /// Compares the source with what is in this vault.
    pub contents: &'a dyn Contents,
    /// What is done with what is found.
    pub found: Found,
}

impl Elsewhere for VaultPlaces<'_> {
    fn found(&self) -> Found {
        self.found
    }

    fn find(&self, path: &TreePath, same: Same<'_>) -> Result<Option<Item>, TransferError> {
        for dir in self.dirs {
            let Ok(full) = dir.join_path(path) else { continue };
            let Some(item) = lookup(self.vault, self.root, &full)? else { continue };
            let item = Item { path: path.clone(), ..item };
            if item.entry.kind != EntryKind::Dir && same(self.contents, &item)? {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }
}

/// Directories of this machine.
pub struct LocalPlaces<'a> {
    /// The directories, each with what compares the source with what is in it.
    pub dirs: Vec<(PathBuf, LocalContents<'a>)>,
    /// What is done with what is found.
    pub found: Found,
}

impl LocalPlaces<'_> {
    fn stat(dir: &Path, path: &TreePath) -> Option<Item> {
        let full = super::local_path(dir, path);
        full.symlink_metadata().ok()?;
        stat_item(&full, path.clone()).ok().flatten().filter(|item| item.entry.kind != EntryKind::Dir)
    }
}

impl Elsewhere for LocalPlaces<'_> {
    fn found(&self) -> Found {
        self.found
    }

    fn find(&self, path: &TreePath, same: Same<'_>) -> Result<Option<Item>, TransferError> {
        for (dir, contents) in &self.dirs {
            if let Some(item) = Self::stat(dir, path)
                && same(contents, &item)?
            {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }
}
