//! The vault as a side of a transfer: entries below a path, in key order.

use std::sync::Arc;

use super::item::{Item, SideError, TransferError};
use super::kept::Kept;
use super::metadata;
use super::walk::facts_in_scope;
use crate::filter::Filter;
use crate::format::entry::EntryKind;
use crate::format::key::{TreeKey, UnsafePath, children_range, subtree_range};
use crate::history::cursor::{Cursor, Found, get};
use crate::history::source::Root;
use crate::path::TreePath;
use crate::vault::{Vault, VaultError};

/// Entries of a tree below a directory.
pub struct VaultSide<'v> {
    vault: &'v Vault,
    root: Option<Root>,
    cursor: Cursor<'v, Vault>,
    dir: TreePath,
    filter: Arc<Filter>,
    kept: Option<Kept>,
    /// The directory that the cursor is in, after those above it: all of them are in scope.
    within: Vec<TreePath>,
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
        let within = vec![TreePath::root()];
        let mut side =
            Self { vault, root: root.copied(), cursor, dir: dir.clone(), filter, kept: None, within, done: false };
        side.done = side.has_marker(&TreePath::root())?;
        Ok(side)
    }

    /// The direct children of `below`, with the paths that they have below `dir`.
    ///
    /// # Errors
    /// The tree can't be read.
    pub fn children(
        vault: &'v Vault,
        root: Option<&Root>,
        (dir, below): (&TreePath, &TreePath),
        filter: Arc<Filter>,
    ) -> Result<Self, TransferError> {
        let full = dir.join_path(below).map_err(|bad| VaultError::UnsafePath(bad.to_string()))?;
        let side = Self::open(vault, root, &full, filter, false)?;
        Ok(Self { dir: dir.clone(), ..side })
    }

    /// Tells `kept` of every entry that is left out, which comes as [`SideError::Stands`].
    #[must_use]
    pub fn keeping(mut self, kept: &Kept) -> Self {
        self.kept = Some(kept.clone());
        self
    }

    /// Whether a directory holds a file that puts it out of scope.
    fn has_marker(&self, dir: &TreePath) -> Result<bool, VaultError> {
        let markers = self.filter.markers();
        for marker in markers {
            let Ok(path) = self.dir.join_path(dir).and_then(|dir| dir.join(marker)) else { continue };
            let (Some(root), Some(key)) = (&self.root, TreeKey::from_path(&path)) else { continue };
            if get(self.vault, root, &key)?.is_some_and(|found| found.entry.kind == EntryKind::File) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn enters(&self, dir: &TreePath) -> Result<bool, VaultError> {
        Ok(self.filter.enters(dir) && !self.has_marker(dir)?)
    }

    /// Whether the directory that an entry is in is walked. If not, the cursor goes past it.
    fn reached(&mut self, path: &TreePath) -> Result<bool, VaultError> {
        if self.filter.is_everything() {
            return Ok(true);
        }
        let parent = path.parent().unwrap_or_default();
        while self.within.last().is_some_and(|dir| parent.strip_prefix(dir).is_none()) {
            self.within.pop();
        }
        let known = self.within.last().map_or(0, |dir| dir.components().count());
        let mut dir = self.within.last().cloned().unwrap_or_default();
        for name in parent.components().skip(known) {
            dir = dir.join(name).map_err(|bad| VaultError::UnsafePath(bad.to_string()))?;
            if !self.filter.descends(&dir) || !self.enters(&dir)? {
                let full = self.dir.join_path(&dir).map_err(|bad| VaultError::UnsafePath(bad.to_string()))?;
                self.cursor.seek(subtree_range(&full).end.as_bytes())?;
                return Ok(false);
            }
            self.within.push(dir.clone());
        }
        Ok(true)
    }

    fn item(&mut self, found: Found) -> Result<Option<Result<Item, SideError>>, VaultError> {
        let full = found.key.to_path().map_err(unsafe_path)?;
        let path = full
            .strip_prefix(&self.dir)
            .ok_or_else(|| VaultError::damaged("tree", "an entry lies outside its directory"))?;
        let item = Item { path, entry: found.entry, place: found.place };
        if !self.reached(&item.path)? {
            if let Some(kept) = &self.kept {
                kept.note(&item.path); // where the walk ends for its depth there is more below
            }
            return Ok(None);
        }
        let wanted = match item.entry.kind {
            EntryKind::Dir => self.enters(&item.path)?,
            _ => entry_in_scope(&self.filter, &item),
        };
        if wanted {
            return Ok(Some(Ok(item)));
        }
        Ok(self.kept.as_ref().map(|kept| {
            kept.note(&item.path);
            Err(SideError::Stands(Box::new(item)))
        }))
    }
}

impl Iterator for VaultSide<'_> {
    type Item = Result<Item, SideError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            match self.cursor.next()? {
                Ok(found) => match self.item(found) {
                    Ok(Some(found)) => return Some(found),
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

/// Whether an entry that is no directory is in scope, by all that it tells of itself.
pub fn entry_in_scope(filter: &Filter, item: &Item) -> bool {
    facts_in_scope(filter, item, &|| metadata::lines(&item.entry))
}

/// The root of the tree that a command starts from: what all heads come to, or none in a vault without commits.
///
/// # Errors
/// A tree can't be read.
pub fn base_root(vault: &Vault) -> Result<Option<Root>, VaultError> {
    if vault.forgives() { vault.root_left() } else { vault.root() }
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
