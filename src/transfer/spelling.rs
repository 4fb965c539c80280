//! Names of a file system that folds them, as the vault spells them: `README` here and `Readme` there are one file.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, statat};

use super::fold::{fold, respelled};
use super::item::TransferError;
use super::shadow::Shadow;
use super::traits::Traits;
use crate::format::key::children_range;
use crate::history::cursor::Cursor;
use crate::history::source::Root;
use crate::path::TreePath;
use crate::vault::{Vault, VaultError};

/// Knows the names of the vault.
pub struct Spelling<'v> {
    vault: &'v Vault,
    root: Option<Root>,
    prefix: TreePath,
    shadow: Shadow,
}

impl<'v> Spelling<'v> {
    /// For a directory that is, or is to be, what is below `prefix` in the tree `root`. `shadow` is told of names of the
    /// vault that the file system takes for one it has under another name of the vault.
    pub fn new(vault: &'v Vault, root: Option<&Root>, prefix: &TreePath, shadow: &Shadow) -> Self {
        Self { vault, root: root.cloned(), prefix: prefix.clone(), shadow: shadow.clone() }
    }

    /// Gives names in the directory `path` that differ from the vault's in spelling alone the vault's spelling. Looks, and
    /// changes nothing; a directory that does not fold names costs one look or two.
    ///
    /// # Errors
    /// The vault can't be read.
    pub(super) fn respell(
        &self,
        dir: BorrowedFd<'_>,
        path: &TreePath,
        names: &mut [CString],
    ) -> Result<(), TransferError> {
        if self.root.is_none() || !folds(dir, names) {
            return Ok(());
        }
        let stored = self.stored(path)?;
        let here: HashSet<CString> = names.iter().cloned().collect();
        let exact: HashSet<Vec<u8>> =
            stored.iter().filter(|name| here.contains(*name)).map(|name| folded(name)).collect();
        let mut free: HashMap<Vec<u8>, Vec<&CString>> = HashMap::new();
        for name in stored.iter().filter(|name| !here.contains(*name)) {
            if exact.contains(&folded(name)) {
                self.shade(dir, path, name);
            } else {
                free.entry(folded(name)).or_default().push(name);
            }
        }
        for name in names {
            // What the vault has under just this name is not among the free ones, nor is what folds to that.
            let candidates = free.remove(&folded(name)).unwrap_or_default();
            let mut same = candidates.into_iter().filter(|other| are_one(dir, name, other));
            if let Some(first) = same.next() {
                same.for_each(|other| self.shade(dir, path, other));
                name.clone_from(first);
            }
        }
        Ok(())
    }

    /// The file system has this name, but as another's.
    fn shade(&self, dir: BorrowedFd<'_>, path: &TreePath, name: &CStr) {
        if statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
            && let Ok(path) = path.join(name.to_bytes())
        {
            self.shadow.note(&path);
        }
    }

    /// What the vault has there, in its order.
    fn stored(&self, path: &TreePath) -> Result<Vec<CString>, TransferError> {
        let (Some(root), Ok(full)) = (&self.root, self.prefix.join_path(path)) else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for found in Cursor::range(self.vault, root, children_range(&full))? {
            let path = found?.key.to_path().map_err(|error| VaultError::UnsafePath(error.to_string()))?;
            names.extend(path.name().and_then(|name| CString::new(name).ok()));
        }
        Ok(names)
    }
}

/// Whether different names are one in this directory, as far as its own names tell.
fn folds(dir: BorrowedFd<'_>, names: &[CString]) -> bool {
    (0..2).any(|way| {
        let telling = names.iter().find_map(|name| {
            let other = respelled(name.to_bytes()).into_iter().nth(way).flatten();
            Some((name, CString::new(other?).ok()?))
        });
        telling.is_some_and(|(name, other)| !names.contains(&other) && are_one(dir, name, &other))
    })
}

/// Whether `b`, which is not listed, is what is listed as `a`. Inode numbers tell nothing where they are made up from names.
fn are_one(dir: BorrowedFd<'_>, a: &CStr, b: &CStr) -> bool {
    let stat = |name| statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
    let shown = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_mode, stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    matches!((stat(a), stat(b)), (Ok(a), Ok(b)) if shown(a) == shown(b))
}

fn folded(name: &CStr) -> Vec<u8> {
    let most = Traits { folds_case: true, folds_forms: true, trims: true, ..Traits::default() };
    fold(name.to_bytes(), &most)
}
