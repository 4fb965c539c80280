//! Entries that a destination on this machine can't be given, known before anything is written.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::fold::fold;
use super::item::Item;
use super::local::Local;
use crate::format::entry::EntryKind;
use crate::path::TreePath;

/// Looks at the entries of a plan in key order. Remembers the names of one directory at a time, which that order keeps
/// together, and only where names fold.
#[derive(Default)]
pub(super) struct Clashes {
    parent: Option<TreePath>,
    seen: HashSet<u64>,
    hash: RandomState,
}

impl Clashes {
    /// Why the destination can't be given `item`. `is_there`: it has an entry of just this name.
    pub(super) fn refuse(&mut self, local: &Local, item: &Item, is_there: bool) -> Option<&'static str> {
        let folds = local.traits.folds();
        let clashes = folds && !self.admit(local, &item.path);
        if item.entry.kind == EntryKind::Symlink && !local.traits.symlinks {
            return Some("this file system holds no symbolic links");
        }
        if is_there {
            return None;
        }
        if item.path.parent().is_some_and(|parent| local.shadow.covers(&parent)) {
            return Some("the directory it belongs into could not be written");
        }
        (clashes || local.shadow.covers(&item.path))
            .then_some("this file system takes its name for that of another entry, which is there already")
    }

    /// Whether no earlier entry of the directory has what is the same name here.
    fn admit(&mut self, local: &Local, path: &TreePath) -> bool {
        let parent = path.parent();
        if self.parent != parent {
            self.seen.clear();
            self.parent = parent;
        }
        self.seen.insert(self.hash.hash_one(fold(path.name().unwrap_or_default(), &local.traits)))
    }
}
