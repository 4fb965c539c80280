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
}

impl Kept {
    /// Something at `path` stays, whatever the source has.
    pub fn note(&self, path: &TreePath) {
        if let Some(dir) = path.parent() {
            self.note_in(dir);
        }
    }

    /// Whether the directory with this mark holds something that stays.
    pub(super) fn holds_mark(&self, mark: u64) -> bool {
        self.holding.borrow().contains(&mark)
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
