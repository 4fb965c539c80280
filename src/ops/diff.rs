//! `diff`: what differs between two states of one vault, in tree order. Parts that are equal are not read.

use std::collections::HashMap;
use std::io;

use super::inspect::log_entry;
use super::list::listed;
use super::moment::{State, state_at};
use super::open::open;
use super::{Ctx, Listed, LogEntry, Moment, OpsError, RemoteProfile};
use crate::class::Class;
use crate::format::entry::{Content, Entry, EntryKind};
use crate::format::key::{TreeKey, subtree_range};
use crate::history::cursor::{Cursor, Found};
use crate::history::diff::{Change, Diff};
use crate::history::source::Root;
use crate::path::TreePath;
use crate::transfer::{Item, lookup};
use crate::vault::{Vault, VaultError};

/// What to compare.
#[derive(Debug, Clone)]
pub struct DiffOptions {
    /// The vault.
    pub remote: RemoteProfile,
    /// The directory to look into.
    pub dir: TreePath,
    /// The older state; now if `None`.
    pub old: Option<Moment>,
    /// The newer state, likewise.
    pub new: Option<Moment>,
    /// Whether entries count of which only times, modes or attributes differ.
    pub metadata: bool,
}

/// How an entry differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiffKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It was one kind of entry and is another.
    Type,
    /// Its content differs.
    Content,
    /// Only its time, mode or attributes differ.
    Metadata,
    /// It had this path, and the same content.
    Renamed(TreePath),
}

/// One difference.
#[derive(Debug, Clone)]
pub struct DiffRow {
    /// What it is.
    pub kind: DiffKind,
    /// The entry as it is, or was if it is gone.
    pub listed: Listed,
    /// The size that it had, if it was there.
    pub old_size: Option<u64>,
}

/// What the differences add up to. Entries are files and links; directories are counted apart.
#[derive(Debug, Clone, Default)]
pub struct DiffReport {
    /// The commits of the older state; none if that is the state now.
    pub old: Vec<LogEntry>,
    /// The commits of the newer state; none if that is the state now.
    pub new: Vec<LogEntry>,
    /// Entries that are new, gone, changed in content or kind, changed in metadata, renamed.
    pub counts: [u64; 5],
    /// Directories that are new and gone.
    pub dirs: [u64; 2],
    /// Bytes of files in the older state that are gone or changed, and of files in the newer that are new or changed.
    pub bytes: [u64; 2],
}

/// Compares, calling `row` for each difference in tree order.
///
/// # Errors
/// There is no such commit or directory, or the vault can't be read.
pub fn diff(
    ctx: &Ctx<'_>,
    options: &DiffOptions,
    row: &mut dyn FnMut(&DiffRow) -> io::Result<()>,
) -> Result<DiffReport, OpsError> {
    let opened = open(ctx, &options.remote)?;
    let vault = &opened.vault;
    let (old, old_root) = state(&options.remote, vault, options.old.as_ref())?;
    let (new, new_root) = state(&options.remote, vault, options.new.as_ref())?;
    let roots = [old_root.as_ref(), new_root.as_ref()];
    must_be_there(vault, roots, options)?;
    let renames = Renames::find(changes(vault, roots, &options.dir)?)?;
    let mut report = DiffReport { old, new, ..DiffReport::default() };
    for change in changes(vault, roots, &options.dir)? {
        if ctx.cancel.is_cancelled() {
            return Err(VaultError::Cancelled.into());
        }
        let Some(found) = judge(&change?, &renames, &options.dir)? else { continue };
        if found.kind == DiffKind::Metadata && !options.metadata {
            continue;
        }
        report.add(&found);
        row(&found).map_err(VaultError::local("cannot write the listing"))?;
    }
    Ok(report)
}

impl DiffReport {
    fn add(&mut self, row: &DiffRow) {
        let is_dir = row.listed.kind == super::ListedKind::Dir;
        let dir = match row.kind {
            DiffKind::Added if is_dir => Some(0),
            DiffKind::Removed if is_dir => Some(1),
            _ => None,
        };
        if let Some(at) = dir {
            self.dirs[at] += 1;
            return;
        }
        let (at, gone, came) = match row.kind {
            DiffKind::Added => (0, 0, row.listed.size),
            DiffKind::Removed => (1, row.listed.size, 0),
            DiffKind::Type | DiffKind::Content => (2, row.old_size.unwrap_or(0), row.listed.size),
            DiffKind::Metadata => (3, 0, 0),
            DiffKind::Renamed(_) => (4, 0, 0),
        };
        self.counts[at] += 1;
        self.bytes[0] = self.bytes[0].saturating_add(gone);
        self.bytes[1] = self.bytes[1].saturating_add(came);
    }
}

/// The tree of a moment, or what all heads come to now; of one commit with what `log` tells of it.
fn state(
    remote: &RemoteProfile,
    vault: &Vault,
    moment: Option<&Moment>,
) -> Result<(Vec<LogEntry>, Option<Root>), OpsError> {
    match moment {
        None => Ok((Vec::new(), vault.root()?)),
        Some(moment) => {
            let State { root, commits } = state_at(remote, vault, moment)?;
            Ok((commits.iter().map(log_entry).collect(), root))
        }
    }
}

/// A directory that neither state has is a slip of the pen.
fn must_be_there(vault: &Vault, roots: [Option<&Root>; 2], options: &DiffOptions) -> Result<(), OpsError> {
    if options.dir.is_root() {
        return Ok(());
    }
    for root in roots {
        if lookup(vault, root, &options.dir)?.is_some_and(|item| item.entry.kind == EntryKind::Dir) {
            return Ok(());
        }
    }
    let (name, dir) = (&options.remote.name, &options.dir);
    Err(OpsError::new(Class::DirNotFound, format!("neither state has a directory `{name}:{dir}`")))
}

fn changes<'v>(vault: &'v Vault, roots: [Option<&Root>; 2], dir: &TreePath) -> Result<Diff<'v, Vault>, VaultError> {
    let same = roots[0].map(|root| root.id) == roots[1].map(|root| root.id);
    let cursor = |root: Option<&Root>| match root {
        Some(root) if !same => Cursor::range(vault, root, subtree_range(dir)),
        _ => Ok(Cursor::empty(vault)),
    };
    Ok(Diff::new(cursor(roots[0])?, cursor(roots[1])?))
}

/// What a change is; none if it is told elsewhere.
fn judge(change: &Change, renames: &Renames, dir: &TreePath) -> Result<Option<DiffRow>, OpsError> {
    let row = |kind, found: &Found, old_size| {
        let path = below(&change.key, dir)?;
        let item = Item { path, entry: found.entry.clone(), place: None };
        Ok(Some(DiffRow { kind, listed: listed(item), old_size }))
    };
    match (&change.old, &change.new) {
        (Some(old), None) if renames.gone(&change.key, &old.entry) => Ok(None),
        (Some(old), None) => row(DiffKind::Removed, old, Some(old.entry.size)),
        (None, Some(new)) => match renames.from(&change.key, &new.entry) {
            Some(from) => row(DiffKind::Renamed(below(from, dir)?), new, Some(new.entry.size)),
            None => row(DiffKind::Added, new, None),
        },
        (Some(old), Some(new)) => {
            let kind = if old.entry.kind != new.entry.kind {
                DiffKind::Type
            } else if old.entry.content != new.entry.content || old.entry.size != new.entry.size {
                DiffKind::Content
            } else {
                DiffKind::Metadata
            };
            row(kind, new, Some(old.entry.size))
        }
        (None, None) => Ok(None),
    }
}

fn below(key: &TreeKey, dir: &TreePath) -> Result<TreePath, OpsError> {
    let path = key.to_path().map_err(|bad| OpsError::new(Class::UnsafePath, bad.to_string()))?;
    Ok(path.strip_prefix(dir).unwrap_or(path))
}

/// Files whose content went from one name to one other.
#[derive(Debug, Default)]
struct Renames(HashMap<(EntryKind, Content), Moved>);

#[derive(Debug, Default)]
struct Moved {
    old: Vec<TreeKey>,
    new: Vec<TreeKey>,
}

impl Renames {
    /// Goes through the changes once. A content that left one name and came to one other was renamed; with more of either
    /// nobody can tell which became which.
    fn find(changes: Diff<'_, Vault>) -> Result<Self, VaultError> {
        let mut moved: HashMap<(EntryKind, Content), Moved> = HashMap::new();
        for change in changes {
            let change = change?;
            let (entry, is_old) = match (&change.old, &change.new) {
                (Some(old), None) => (&old.entry, true),
                (None, Some(new)) => (&new.entry, false),
                _ => continue,
            };
            if entry.content == Content::None {
                continue;
            }
            let known = moved.entry((entry.kind, entry.content.clone())).or_default();
            let list = if is_old { &mut known.old } else { &mut known.new };
            if list.len() < 2 {
                list.push(change.key);
            }
            if moved.len() > RENAMES_MAX {
                return Ok(Self::default());
            }
        }
        moved.retain(|_, moved| moved.old.len() == 1 && moved.new.len() == 1);
        Ok(Self(moved))
    }

    fn of(&self, entry: &Entry) -> Option<&Moved> {
        self.0.get(&(entry.kind, entry.content.clone()))
    }

    fn gone(&self, key: &TreeKey, entry: &Entry) -> bool {
        self.of(entry).is_some_and(|moved| moved.old.first() == Some(key))
    }

    fn from(&self, key: &TreeKey, entry: &Entry) -> Option<&TreeKey> {
        self.of(entry).filter(|moved| moved.new.first() == Some(key))?.old.first()
    }
}

/// Contents that are looked at for renames: some tens of MiB. Beyond that names are shown as gone and new.
const RENAMES_MAX: usize = 100_000;
