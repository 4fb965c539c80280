//! Steps that write, and what they mean for the directories above.

use super::super::item::{Item, TransferError};
use super::super::kept::mark;
use super::super::step::Step;
use super::Maker;
use crate::format::entry::EntryKind;
use crate::path::TreePath;

impl Maker<'_> {
    pub(super) fn put(
        &mut self,
        item: Item,
        replaces: Option<EntryKind>,
        old: Option<Box<Item>>,
    ) -> Result<(), TransferError> {
        if replaces == Some(EntryKind::Dir) && item.entry.kind != EntryKind::Dir {
            self.replaced_dirs.push(item.clone());
        }
        if item.entry.kind == EntryKind::File {
            self.totals.files += 1;
            self.totals.bytes += item.entry.size;
        } else {
            self.totals.updates += 1;
        }
        if item.entry.kind != EntryKind::Dir || self.options.empty_dirs {
            self.touch(&item.path);
        }
        if !self.options.empty_dirs {
            match (item.entry.kind, replaces) {
                (EntryKind::Dir, None) => self.made_dirs.push(mark(&item.path)),
                _ => self.need(&item.path),
            }
        }
        self.push(&Step::Put { item, replaces, old })
    }

    /// Something is written at `path`, which touches the directories above it.
    pub(super) fn touch(&mut self, path: &TreePath) {
        if self.idle.is_empty() {
            return;
        }
        for dir in std::iter::successors(path.parent(), TreePath::parent) {
            self.idle.remove(&mark(&dir));
        }
    }

    /// Something is written at `path`: the directories above it have to be made.
    pub(super) fn need(&mut self, path: &TreePath) {
        let mut above = path.parent();
        while let Some(dir) = above
            && !self.options.empty_dirs
            && self.needed.insert(mark(&dir))
        {
            above = dir.parent();
        }
    }
}
