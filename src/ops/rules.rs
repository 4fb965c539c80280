//! How `copy`, `sync` and `move` decide: what counts as the same, what may go, and when a run ends early.

use super::Place;
use crate::transfer::{Comparison, Naming, Symlinks, Totals};

/// All of it. The default is what the verbs do without flags.
#[derive(Debug, Clone)]
pub struct TransferRules {
    /// When two entries are the same.
    pub compare: Comparison,
    /// Make directories that nothing is written into.
    pub empty_dirs: bool,
    /// Files may take the place of directories, and the other way round, where the destination's own entries go.
    pub replace: bool,
    /// Ask before most of the destination goes.
    pub brake: bool,
    /// A move removes from the source whatever the destination has, without storing it again.
    pub trusting: bool,
    /// What becomes of symbolic links.
    pub links: Symlinks,
    /// Stay on the file system that the source is on.
    pub one_file_system: bool,
    /// The destination's entries go even if the filters leave them out.
    pub delete_excluded: bool,
    /// Delete even if something could not be read.
    pub ignore_errors: bool,
    /// When to delete.
    pub delete: DeleteWhen,
    /// The most files that may be deleted.
    pub max_delete: Option<u64>,
    /// The most bytes that may be deleted.
    pub max_delete_size: Option<u64>,
    /// What is written over or deleted is kept.
    pub backup: Option<Backup>,
    /// Where else the destination's content may be.
    pub elsewhere: Vec<Place>,
    /// Whether it is copied from there; otherwise it is left out.
    pub copied: bool,
    /// The destination is the name of the file itself, not of the directory that it goes into.
    pub to_name: bool,
}

impl TransferRules {
    /// Whether a plan deletes more than it may.
    pub(super) fn over_max_delete(&self, totals: &Totals) -> bool {
        let over = |max: Option<u64>, amount: u64| max.is_some_and(|max| amount > max);
        over(self.max_delete, totals.deleted_files) || over(self.max_delete_size, totals.deleted_bytes)
    }
}

/// Where what is written over or deleted is kept.
#[derive(Debug, Clone)]
pub struct Backup {
    /// The directory; `None` for where it was.
    pub dir: Option<Place>,
    /// What it is called there.
    pub naming: Naming,
}

/// When to delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeleteWhen {
    /// Before anything is written, whatever comes of that.
    Before,
    /// When everything is written, and only if nothing failed.
    #[default]
    After,
}

impl Default for TransferRules {
    fn default() -> Self {
        Self {
            compare: Comparison::default(),
            empty_dirs: true,
            replace: true,
            brake: true,
            trusting: false,
            links: Symlinks::Keep,
            one_file_system: false,
            delete_excluded: false,
            ignore_errors: false,
            delete: DeleteWhen::After,
            max_delete: None,
            max_delete_size: None,
            backup: None,
            elsewhere: Vec::new(),
            copied: false,
            to_name: false,
        }
    }
}
