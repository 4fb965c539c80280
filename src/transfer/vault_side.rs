//! The vault as a side of a transfer: entries below a path, in key order.

use std::sync::Arc;

use super::item::{Item, SideError, TransferError};
use super::kept::Kept;
use crate::filter::Filter;
use crate::format::entry::EntryKind;
use crate::format::key::{TreeKey, UnsafePath, children_range, subtree_range};
use crate::history::cursor::{Cursor, Found, get};
use crate::history::source::Root;
use crate::path::TreePath;
use crate::vault::{Vault, VaultError};

/// Entries of a tree below a directory.
pub struct VaultSide<'v> {
    cursor: Cursor<'v, Vault>,
    dir: TreePath,
    filter: Arc<Filter>,
    kept: Option<Kept>,
    done: bool,
}

impl<'v> VaultSide<'v> {
    /// Entries below `dir`; all of them, or its direct children.
    ///
    /// # Errors
    /// The tree can't be read.
    pub fn open(
        vault: &'v Vault,
        root: Option<&Root>,
        dir: &TreePath,
        filter: Arc<Filter>,
        recursive: bool,
    ) -> Result<Self, TransferError> {
        let cursor = match root {
            None => Cursor::empty(vault),
            Some(root) => {
                let range = if recursive { subtree_range(dir) } else { children_range(dir) };
                Cursor::range(vault, root, range)?
            }
        };
        Ok(Self { cursor, dir: dir.clone(), filter, kept: None, done: false })
    }

    /// Tells `kept` of every entry that is left out.
    #[must_use]
    pub fn keeping(mut self, kept: &Kept) -> Self {
        self.kept = Some(kept.clone());
        self
    }

    fn item(&self, found: Found) -> Result<Option<Item>, VaultError> {
        let full = found.key.to_path().map_err(unsafe_path)?;
        let path = full
            .strip_prefix(&self.dir)
            .ok_or_else(|| VaultError::damaged("tree", "an entry lies outside its directory"))?;
        let wanted = match found.entry.kind {
            EntryKind::Dir => self.filter.decide_dir(&path),
            _ => self.filter.decide_file(&path),
        };
        if let (false, Some(kept)) = (wanted, &self.kept) {
            kept.note(&path);
            if found.entry.kind == EntryKind::Dir {
                kept.note_dir(&path);
            }
        }
        Ok(wanted.then_some(Item { path, entry: found.entry, place: found.place }))
    }
}

impl Iterator for VaultSide<'_> {
    type Item = Result<Item, SideError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            match self.cursor.next()? {
                Ok(found) => match self.item(found) {
                    Ok(Some(item)) => return Some(Ok(item)),
                    Ok(None) => {}
                    Err(error) => return Some(Err(self.fail(error))),
                },
                Err(error) => return Some(Err(self.fail(error))),
            }
        }
        None
    }
}

impl VaultSide<'_> {
    fn fail(&mut self, error: VaultError) -> SideError {
        self.done = true;
        SideError::Fatal(error.into())
    }
}

/// The root of the tree that a command starts from: what all heads come to, or none in a vault without commits.
///
/// # Errors
/// A tree can't be read.
pub fn base_root(vault: &Vault) -> Result<Option<Root>, VaultError> {
    vault.root()
}

/// The entry at a path; `None` if there is none, and for the root, which is a directory always.
///
/// # Errors
/// The tree can't be read.
pub fn lookup(vault: &Vault, root: Option<&Root>, path: &TreePath) -> Result<Option<Item>, TransferError> {
    let (Some(root), Some(key)) = (root, TreeKey::from_path(path)) else { return Ok(None) };
    let found = get(vault, root, &key)?;
    Ok(found.map(|found| Item { path: path.clone(), entry: found.entry, place: found.place }))
}

fn unsafe_path(error: UnsafePath) -> VaultError {
    VaultError::UnsafePath(error.to_string())
}
