//! How `copy`, `sync` and `move` decide: what counts as the same, what may go, and when a run ends early.

use std::sync::Arc;
use std::time::Duration;

use super::{Difference, Place};
use crate::path::TreePath;
use crate::transfer::{Comparison, Naming, Order, Relation, Replace, Rows, Symlinks, Totals};

/// All of it. The default is what the verbs do without flags.
#[derive(Debug, Clone)]
pub struct TransferRules {
    /// When two entries are the same.
    pub compare: Comparison,
    /// Make directories that nothing is written into.
    pub empty_dirs: bool,
    /// Files may take the place of directories, and the other way round, where the destination's own entries go.
    pub replace: Replace,
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
    /// The most bytes of files that are transferred.
    pub max_transfer: Option<u64>,
    /// What becomes of the file that would be too much.
    pub cutoff: Cutoff,
    /// After this time no file is begun, and with [`Cutoff::Hard`] none is finished.
    pub max_duration: Option<Duration>,
    /// Who hears how files relate.
    pub rows: Option<RowSink>,
    /// The order in which files are transferred; that of the tree if `None`.
    pub order: Option<Order>,
    /// Ask a person about each change.
    pub interactive: bool,
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

/// What becomes of the file with which a run would have transferred too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cutoff {
    /// It is left out.
    #[default]
    Hard,
    /// It is transferred, and is the last.
    Soft,
    /// It is left out, also if it would just reach the limit.
    Cautious,
}

/// Hears how files relate.
#[derive(Clone)]
pub struct RowSink(Arc<dyn HearsRows>);

/// Who hears how files relate.
pub trait HearsRows: Send + Sync {
    /// How a file of both sides relates, and whether the destination will have it.
    fn row(&self, difference: Difference, path: &TreePath, after: bool);
    /// It all begins again: what was heard before is not so any more.
    fn begin(&self);
}

impl RowSink {
    /// Tells `hears`.
    pub fn new(hears: Arc<dyn HearsRows>) -> Self {
        Self(hears)
    }
}

impl std::fmt::Debug for RowSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RowSink")
    }
}

impl Rows for RowSink {
    fn row(&self, relation: Relation, path: &TreePath, after: bool) {
        let difference = match relation {
            Relation::Same => Difference::Same,
            Relation::Differ => Difference::Differ,
            Relation::OnlySource => Difference::OnlySource,
            Relation::OnlyDest => Difference::OnlyDest,
            Relation::Error => Difference::Error,
        };
        self.0.row(difference, path, after);
    }

    fn begin(&self) {
        self.0.begin();
    }
}

impl Default for TransferRules {
    fn default() -> Self {
        Self {
            compare: Comparison::default(),
            empty_dirs: true,
            replace: Replace::Both,
            brake: true,
            trusting: false,
            links: Symlinks::Keep,
            one_file_system: false,
            delete_excluded: false,
            ignore_errors: false,
            delete: DeleteWhen::After,
            max_delete: None,
            max_delete_size: None,
            max_transfer: None,
            cutoff: Cutoff::Hard,
            max_duration: None,
            rows: None,
            order: None,
            interactive: false,
            backup: None,
            elsewhere: Vec::new(),
            copied: false,
            to_name: false,
        }
    }
}
