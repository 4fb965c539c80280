//! Paths of a vault that a directory of this machine does not show, though nobody has removed them there: it can't hold
//! them, or holds something else that it takes for the same.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use super::plan::path_mark;
use crate::path::TreePath;

/// A set of such paths, as marks. What is below one is in it too.
#[derive(Debug, Default, Clone)]
pub struct Shadow {
    prefix: TreePath,
    marks: Rc<RefCell<HashSet<u64>>>,
}

impl Shadow {
    /// For paths below `prefix` in the vault, of which `marks` are known from before.
    pub fn new(prefix: &TreePath, marks: HashSet<u64>) -> Self {
        Self { prefix: prefix.clone(), marks: Rc::new(RefCell::new(marks)) }
    }

    /// Adds a path below the prefix.
    pub(super) fn note(&self, path: &TreePath) -> u64 {
        let mark = path_mark(&self.prefix, path);
        self.marks.borrow_mut().insert(mark);
        mark
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.marks.borrow().is_empty()
    }

    /// Whether `path` or a directory above it is in the set.
    pub fn covers(&self, path: &TreePath) -> bool {
        let marks = self.marks.borrow();
        if marks.is_empty() {
            return false;
        }
        let mut at = Some(path.clone());
        while let Some(path) = at {
            if marks.contains(&path_mark(&self.prefix, &path)) {
                return true;
            }
            at = path.parent().filter(|parent| !parent.is_root());
        }
        false
    }
}
