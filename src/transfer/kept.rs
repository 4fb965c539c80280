//! What a run leaves alone at its destination.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use super::plan::path_mark;
use crate::path::TreePath;

/// Directories that hold something the run must not touch: it is excluded, or can't be read. They stay.
#[derive(Debug, Default, Clone)]
pub struct Kept {
    holding: Rc<RefCell<HashSet<u64>>>,
    /// Directories that are themselves left alone.
    whole: Rc<RefCell<HashSet<u64>>>,
}

impl Kept {
    /// Something at `path` stays, whatever the source has.
    pub fn note(&self, path: &TreePath) {
        if let Some(dir) = path.parent() {
            self.note_in(dir);
        }
    }

    /// The directory `dir` stays, with all that is in it.
    pub(super) fn note_dir(&self, dir: &TreePath) {
        let mut whole = self.whole.borrow_mut();
        if !dir.parent().is_some_and(|parent| whole.contains(&mark(&parent))) {
            whole.insert(mark(dir));
        }
    }

    /// Whether the directory with this mark holds something that stays.
    pub(super) fn holds_mark(&self, mark: u64) -> bool {
        self.holding.borrow().contains(&mark)
    }

    /// Whether `path` is a directory that stays as a whole.
    pub(super) fn is(&self, path: &TreePath) -> bool {
        self.whole.borrow().contains(&mark(path))
    }

    /// Something in the directory `dir` stays.
    pub fn note_in(&self, dir: TreePath) {
        let mut marks = self.holding.borrow_mut();
        let mut above = Some(dir);
        while let Some(dir) = above
            && marks.insert(mark(&dir))
        {
            above = dir.parent();
        }
    }

    /// Whether something in the directory `dir`, or further below it, stays.
    pub fn holds(&self, dir: &TreePath) -> bool {
        self.holding.borrow().contains(&mark(dir))
    }
}

/// The mark of a path within a plan.
pub(super) fn mark(path: &TreePath) -> u64 {
    path_mark(&TreePath::root(), path)
}
