//! A place of plain files as a side of a transfer: entries below a directory, in the order of a vault's keys.
//!
//! A directory is listed at a time, and the next few while it is looked through. Names come from a service and are not
//! believed: one that is no name is told and left out.

use std::collections::VecDeque;
use std::sync::Arc;

use super::item::{Item, SideError, TransferError};
use super::kept::Kept;
use super::walk::facts_in_scope;
use crate::filter::Filter;
use crate::format::entry::{Content, Entry, EntryKind};
use crate::path::TreePath;
use crate::vault::{FileEntry, FileKind, FilesIo, Listing, VaultError, mtime_of};
use crate::world::Timestamp;

/// A directory, or one file, among plain files.
#[derive(Clone, Copy)]
pub struct FilesTree<'a> {
    /// The service.
    pub io: &'a FilesIo,
    /// The directory there that paths are below, or the one file.
    pub dir: &'a TreePath,
    /// Whether it is the one file, whatever its name in a plan.
    pub single: bool,
}

impl FilesTree<'_> {
    /// Where a path of a plan is.
    ///
    /// # Errors
    /// It would be too long.
    pub(super) fn full(&self, below: &TreePath) -> Result<TreePath, VaultError> {
        let below = if self.single { &TreePath::root() } else { below };
        self.dir.join_path(below).map_err(|bad| VaultError::UnsafePath(bad.to_string()))
    }
}

/// Entries below a directory.
pub struct FilesSide<'a> {
    tree: FilesTree<'a>,
    filter: Arc<Filter>,
    recursive: bool,
    /// Whether times are wanted even if each costs a request.
    times: bool,
    now: Timestamp,
    kept: Option<Kept>,
    stack: Vec<Level>,
    pending: VecDeque<SideError>,
}

struct Level {
    path: TreePath,
    children: std::vec::IntoIter<FileEntry>,
    subdirs: VecDeque<Below>,
}

/// A directory that is looked through later.
struct Below {
    path: TreePath,
    state: State,
}

enum State {
    Waiting,
    Asked(Listing),
    Known(Vec<FileEntry>),
}

impl<'a> FilesSide<'a> {
    /// Lists a directory; `None` if it is not there. `now`: what stands for times that nobody knows.
    ///
    /// # Errors
    /// It can't be listed.
    pub fn open(
        tree: FilesTree<'a>,
        filter: Arc<Filter>,
        recursive: bool,
        times: bool,
        now: Timestamp,
    ) -> Result<Option<Self>, TransferError> {
        let Some(found) = tree.io.listed(&tree.io.begin_list(tree.dir, times))? else { return Ok(None) };
        let (stack, pending) = (Vec::new(), VecDeque::new());
        let mut side = Self { tree, filter, recursive, times, now, kept: None, stack, pending };
        if !side.is_marked(&found) {
            side.enter(TreePath::root(), found);
        }
        Ok(Some(side))
    }

    /// Tells `kept` of everything that is left out.
    #[must_use]
    pub fn keeping(mut self, kept: &Kept) -> Self {
        self.kept = Some(kept.clone());
        self
    }

    fn keep(&self, path: &TreePath) {
        if let Some(kept) = &self.kept {
            kept.note(path);
        }
    }

    /// Whether a directory holds a file that puts it out of scope.
    fn is_marked(&self, found: &[FileEntry]) -> bool {
        let is_marker =
            |entry: &FileEntry| self.filter.markers().iter().any(|marker| *marker == *entry.name.as_bytes());
        found.iter().any(|entry| entry.kind == FileKind::File && is_marker(entry))
    }

    fn enter(&mut self, path: TreePath, mut found: Vec<FileEntry>) {
        // Of one name, a directory comes first; a file of the same name is told.
        let rank = |entry: &FileEntry| u8::from(entry.kind != FileKind::Dir);
        found.sort_unstable_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()).then(rank(a).cmp(&rank(b))));
        let mut children: Vec<FileEntry> = Vec::with_capacity(found.len());
        for entry in found {
            if children.last().is_some_and(|last| last.name == entry.name) {
                let twice = path.join(entry.name.as_bytes()).unwrap_or_else(|_| path.clone());
                self.keep(&twice);
                let reason = "has the name of a directory, or of another file, which a vault can't hold".into();
                self.pending.push_back(SideError::Skipped { path: twice, reason });
            } else {
                children.push(entry);
            }
        }
        self.stack.push(Level { path, children: children.into_iter(), subdirs: VecDeque::new() });
    }

    /// The next entry of the innermost directory, or a step into or out of one.
    fn step(&mut self) -> Option<Option<Result<Item, SideError>>> {
        if let Some(error) = self.pending.pop_front() {
            return Some(Some(Err(error)));
        }
        let level = self.stack.last_mut()?;
        let Some(entry) = level.children.next() else {
            match level.subdirs.pop_front() {
                Some(below) => {
                    self.look_ahead();
                    return Some(self.descend(below).err().map(Err));
                }
                None => drop(self.stack.pop()),
            }
            return Some(None);
        };
        let path = match level.path.join(entry.name.as_bytes()) {
            Ok(path) if !entry.name.bytes().any(|b| b.is_ascii_control()) => path,
            Ok(_) => return Some(Some(Err(self.unsafe_name(&entry, "it holds a control character")))),
            Err(bad) => return Some(Some(Err(self.unsafe_name(&entry, &bad.to_string())))),
        };
        Some(self.found(path, &entry))
    }

    fn unsafe_name(&self, entry: &FileEntry, why: &str) -> SideError {
        let path = self.stack.last().map(|level| level.path.clone()).unwrap_or_default();
        if let Some(kept) = &self.kept {
            kept.note_in(path.clone());
        }
        let name = crate::path::printable(entry.name.as_bytes());
        SideError::Skipped { path, reason: format!("the name `{name}` in it can't be used: {why}") }
    }

    fn found(&mut self, path: TreePath, entry: &FileEntry) -> Option<Result<Item, SideError>> {
        let is_dir = entry.kind == FileKind::Dir;
        let left_out = match entry.kind {
            FileKind::File | FileKind::Dir => None,
            FileKind::Link => Some(SideError::Link(path.clone())),
            FileKind::Other => Some(SideError::Special(path.clone())),
        };
        if let Some(left_out) = left_out {
            self.keep(&path);
            return self.filter.takes_name(&path).then_some(Err(left_out));
        }
        let item = item(path.clone(), entry, self.now);
        let mut known = None;
        let wanted = if !is_dir {
            facts_in_scope(&self.filter, &item, &Vec::new)
        } else if !self.filter.enters(&path) {
            false
        } else if self.filter.markers().is_empty() {
            true
        } else {
            let full = self.tree.full(&path).map_err(TransferError::from);
            let listed = full.and_then(|full| Ok(self.tree.io.listed(&self.tree.io.begin_list(&full, self.times))?));
            match listed {
                Ok(found) => {
                    let found = found.unwrap_or_default();
                    let marked = self.is_marked(&found);
                    known = Some(found);
                    !marked
                }
                Err(error) => return Some(Err(error.into())),
            }
        };
        if !wanted {
            self.keep(&path);
            return self.kept.is_some().then(|| Err(SideError::Stands(Box::new(item))));
        }
        if is_dir && self.recursive {
            if self.filter.descends(&path) {
                let state = known.map_or(State::Waiting, State::Known);
                self.stack.last_mut()?.subdirs.push_back(Below { path, state });
            } else if let Some(kept) = &self.kept {
                kept.note_in(path);
            }
        }
        Some(Ok(item))
    }

    /// Has the next directories listed before it is their turn.
    fn look_ahead(&mut self) {
        let (tree, times) = (self.tree, self.times);
        let next = self.stack.iter_mut().rev().flat_map(|level| level.subdirs.iter_mut()).take(AHEAD);
        for below in next.filter(|below| matches!(below.state, State::Waiting)) {
            if let Ok(full) = tree.full(&below.path) {
                below.state = State::Asked(tree.io.begin_list(&full, times));
            }
        }
    }

    fn descend(&mut self, below: Below) -> Result<(), SideError> {
        let found = match below.state {
            State::Known(found) => Ok(Some(found)),
            State::Asked(listing) => self.tree.io.listed(&listing),
            State::Waiting => {
                let full = self.tree.full(&below.path).map_err(TransferError::from)?;
                self.tree.io.listed(&self.tree.io.begin_list(&full, self.times))
            }
        };
        match found {
            // One that is gone meanwhile has nothing to show.
            Ok(found) => self.enter(below.path, found.unwrap_or_default()),
            Err(error) if crate::vault::is_of_one_file(&error) && !crate::vault::is_passing(&error) => {
                if let Some(kept) = &self.kept {
                    kept.note_in(below.path.clone());
                }
                return Err(SideError::Skipped {
                    path: below.path,
                    reason: format!("can't be listed: {}", said(&error)),
                });
            }
            Err(error) => return Err(TransferError::from(error).into()),
        }
        Ok(())
    }
}

impl Iterator for FilesSide<'_> {
    type Item = Result<Item, SideError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(found) = self.step()? {
                return Some(found);
            }
        }
    }
}

/// What is at the place itself, by its own name; `None` if nothing is.
///
/// # Errors
/// The service's.
pub fn stat_file(tree: FilesTree<'_>, path: &TreePath, now: Timestamp) -> Result<Option<Item>, TransferError> {
    let found = tree.io.stat(&tree.full(path)?)?;
    Ok(found.filter(|found| found.kind == FileKind::File).map(|found| item(path.clone(), &found, now)))
}

/// An entry as the engine takes it. Directories have no times: services tell of none, or of ones that mean little.
pub(super) fn item(path: TreePath, entry: &FileEntry, now: Timestamp) -> Item {
    let kind = if entry.kind == FileKind::Dir { EntryKind::Dir } else { EntryKind::File };
    let mtime = mtime_of(entry).unwrap_or(now);
    let entry = Entry { kind, size: entry.size, mtime, mode: None, content: Content::None, attributes: Vec::new() };
    Item { path, entry, place: None }
}

/// What went wrong with one file, in words: the cause, and what to do.
pub(super) fn said(error: &VaultError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(at) = cause {
        let more = at.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = at.source();
    }
    text
}

/// Directories that are listed before it is their turn.
const AHEAD: usize = 8;
