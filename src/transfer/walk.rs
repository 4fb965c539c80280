//! The local side: a directory tree in the order of a vault's keys, in memory of one directory a level.
//!
//! Relative to directory handles all the way down, so that a path as long as the format allows can be walked and no
//! component is resolved twice.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};

use super::item::{Item, SideError, TransferError};
use super::kept::Kept;
use super::links::Links;
use super::metadata;
use super::people::People;
use super::spelling::Spelling;
use super::symlinks::{self, Symlinks};
use super::temp::is_temporary;
use crate::event::Observer;
use crate::filter::{Facts, Filter};
use crate::format::attribute::{HARD_LINK, HardLink};
use crate::format::entry::{Content, Entry, EntryKind};
use crate::path::TreePath;
use crate::world::Timestamp;

/// Walks below a directory.
pub struct Walk<'v> {
    stack: Vec<Level>,
    filter: Arc<Filter>,
    recursive: bool,
    kept: Option<Kept>,
    spelling: Option<Spelling<'v>>,
    /// Whether what killed runs have left is removed.
    sweeps: bool,
    links: Option<Links<'v>>,
    symlinks: Symlinks,
    /// Set if other file systems are left out: the device of this one.
    device: Option<u64>,
    /// Set if owners and extended attributes are read.
    people: Option<People>,
    pending: Option<SideError>,
    /// Comes right after what was told of it.
    held: Option<Item>,
}

struct Level {
    dir: Arc<OwnedFd>,
    path: TreePath,
    children: std::vec::IntoIter<CString>,
    subdirs: Vec<CString>,
    /// What runs that write here have there for a while: nobody's entries.
    temporary: Vec<CString>,
    listed: bool,
}

impl<'v> Walk<'v> {
    /// Opens `root`, following links to it. Nothing below it is followed.
    ///
    /// # Errors
    /// `root` can't be opened as a directory or can't be read.
    pub fn open(root: &Path, filter: Arc<Filter>, recursive: bool) -> Result<Self, TransferError> {
        let fail = || TransferError::local(format!("cannot read the directory {}", root.display()));
        let dir = openat(CWD, root, DIR_FLAGS, Mode::empty()).map_err(|e| fail()(e.into()))?;
        let mut level = Level::read(dir, TreePath::root()).map_err(|e| fail()(e.into()))?;
        if has_marker(level.dir.as_fd(), c".", &filter, Symlinks::Keep) {
            level.children = Vec::new().into_iter();
        }
        Ok(Self {
            stack: vec![level],
            filter,
            recursive,
            kept: None,
            spelling: None,
            sweeps: false,
            links: None,
            symlinks: Symlinks::Keep,
            device: None,
            people: None,
            pending: None,
            held: None,
        })
    }

    /// Gives what is found the paths that it has below another directory, of which this one is `dir`.
    #[must_use]
    pub fn under(mut self, dir: &TreePath) -> Self {
        self.stack.iter_mut().for_each(|level| level.path = dir.clone());
        self
    }

    /// Spells names as the vault does where the file system takes both for one.
    ///
    /// # Errors
    /// The vault can't be read.
    pub fn spelled(mut self, spelling: Spelling<'v>) -> Result<Self, TransferError> {
        for level in &mut self.stack {
            level.respell(&spelling)?;
        }
        self.spelling = Some(spelling);
        Ok(self)
    }

    /// Tells which files are hard links to earlier ones; `observer` hears of it if there are more than can be told.
    #[must_use]
    pub fn linking(mut self, observer: &'v dyn Observer) -> Self {
        self.links = Some(Links::new(observer));
        self
    }

    /// What becomes of symbolic links, and (if `one_file_system`) directories of other file systems left out.
    ///
    /// # Errors
    /// The root can't be looked at.
    pub fn across(mut self, symlinks: Symlinks, one_file_system: bool) -> Result<Self, TransferError> {
        self.symlinks = symlinks;
        for level in &mut self.stack {
            if has_marker(level.dir.as_fd(), c".", &self.filter, symlinks) {
                level.children = Vec::new().into_iter();
            }
        }
        if let (true, Some(root)) = (one_file_system, self.stack.first()) {
            let fail = TransferError::local("cannot look at the directory to be read");
            self.device = Some(symlinks::identity(&root.dir).map_err(fail)?.0);
        }
        Ok(self)
    }

    /// Reads owners and extended attributes as well, if `wanted`.
    #[must_use]
    pub fn with_metadata(mut self, wanted: bool) -> Self {
        self.people = wanted.then(People::of_system);
        self
    }

    /// Removes what killed runs have left. Nobody else may be writing there.
    #[must_use]
    pub fn sweeping(mut self, sweeps: bool) -> Self {
        self.sweeps = sweeps;
        self.stack.iter_mut().filter(|_| sweeps).for_each(Level::sweep);
        self
    }

    /// Tells `kept` of everything that is left out; what the filters leave out, and links, come as [`SideError::Stands`].
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

    /// The next child of the innermost directory that still lists, or a step into or out of one.
    fn step(&mut self) -> Option<Option<Result<Item, SideError>>> {
        let level = self.stack.last_mut()?;
        let Some(name) = level.children.next() else {
            if !std::mem::replace(&mut level.listed, true) {
                level.subdirs.reverse();
            }
            match level.subdirs.pop() {
                Some(name) => self.descend(&name),
                None => drop(self.stack.pop()),
            }
            return Some(self.pending.take().map(Err));
        };
        let path = match level.path.join(name.to_bytes()) {
            Ok(path) => path,
            Err(bad) => {
                let reason = format!("a name in it can't be stored: {bad}");
                if let Some(kept) = &self.kept {
                    kept.note_in(level.path.clone());
                }
                return Some(Some(Err(SideError::Skipped { path: level.path.clone(), reason })));
            }
        };
        let found = match item(level.dir.as_fd(), &name, &path) {
            Ok(Some((link, _))) if link.entry.kind == EntryKind::Symlink && self.symlinks != Symlinks::Keep => {
                if self.symlinks.skips() {
                    if self.kept.is_some() {
                        self.keep(&path);
                        return Some(Some(Err(SideError::Stands(Box::new(link)))));
                    }
                    let told = self.symlinks == Symlinks::Skip && self.filter.decide_file(&path);
                    return Some(told.then_some(Err(SideError::Link(path))));
                }
                followed(level.dir.as_fd(), &name, &path)
            }
            Ok(Some((item, stat))) if self.is_beyond(&item, &stat) => {
                self.keep(&path);
                return Some(None);
            }
            found => found,
        };
        match found {
            Ok(Some((item, stat))) => Some(self.found(name, path, item, &stat)),
            Ok(None) => {
                self.keep(&path);
                let in_scope = self.filter.takes_name(&path);
                Some(in_scope.then_some(Err(SideError::Special(path))))
            }
            Err(errno) => {
                self.keep(&path);
                let in_scope = self.filter.takes_name(&path);
                Some(in_scope.then(|| Err(SideError::Skipped { path, reason: describe(errno) })))
            }
        }
    }

    /// Whether a directory is of another file system that is left out.
    fn is_beyond(&self, item: &Item, stat: &Stat) -> bool {
        self.device.is_some_and(|device| item.entry.kind == EntryKind::Dir && device != symlinks::device(stat))
    }

    /// What becomes of an entry of the innermost directory.
    fn found(&mut self, name: CString, path: TreePath, mut item: Item, stat: &Stat) -> Option<Result<Item, SideError>> {
        let level = self.stack.last_mut()?;
        let is_dir = item.entry.kind == EntryKind::Dir;
        let wanted = if is_dir {
            self.filter.enters(&path) && !has_marker(level.dir.as_fd(), &name, &self.filter, self.symlinks)
        } else {
            in_scope(&self.filter, level.dir.as_fd(), &name, &item, stat)
        };
        if !wanted {
            self.keep(&path);
            return self.kept.is_some().then(|| Err(SideError::Stands(Box::new(item))));
        }
        if item.entry.kind == EntryKind::File
            && let Some(first) = self.links.as_mut().and_then(|links| links.first(stat, &path))
        {
            let link = HardLink::between(&path, &first).map(|link| link.encode());
            item.entry.set_attribute(HARD_LINK, link.filter(|link| link.len() <= LINK_MAX));
        }
        let looked = self
            .people
            .as_ref()
            .map_or(Ok(()), |people| metadata::look(level.dir.as_fd(), &name, stat, people, &mut item.entry));
        if is_dir && self.recursive {
            if self.filter.descends(&path) {
                level.subdirs.push(name);
            } else if let Some(kept) = self.kept.as_ref().filter(|_| !is_empty(level.dir.as_fd(), &name)) {
                kept.note_in(path.clone());
            }
        }
        if let Err(reason) = looked {
            self.held = Some(item);
            return Some(Err(SideError::Partly { path, reason }));
        }
        Some(Ok(item))
    }

    fn descend(&mut self, name: &CStr) {
        let level = self.stack.last().expect("a directory was just taken from it");
        let path = level.path.join(name.to_bytes()).expect("it was joined when it was listed");
        let follows = self.symlinks == Symlinks::Follow;
        let flags = if follows { DIR_FLAGS } else { DIR_FLAGS | OFlags::NOFOLLOW };
        let opened = openat(&level.dir, name, flags, Mode::empty());
        if let (true, Ok(dir)) = (follows, &opened)
            && symlinks::is_among(dir, self.stack.iter().map(|level| level.dir.as_fd()))
        {
            let reason = "leads back to a directory that it is in".into();
            self.pending = Some(SideError::Skipped { path, reason });
            return;
        }
        match opened.and_then(|dir| Level::read(dir, path.clone())) {
            Ok(mut below) => {
                if self.sweeps {
                    below.sweep();
                }
                if let Some(Err(error)) = self.spelling.as_ref().map(|spelling| below.respell(spelling)) {
                    self.pending = Some(error.into());
                }
                self.stack.push(below);
            }
            Err(errno) => {
                self.keep(&path);
                self.pending = Some(SideError::Skipped { path, reason: describe(errno) });
            }
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Item, SideError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.held.take() {
                return Some(Ok(item));
            }
            if let Some(found) = self.step()? {
                return Some(found);
            }
        }
    }
}

impl Level {
    fn read(dir: OwnedFd, path: TreePath) -> rustix::io::Result<Self> {
        let (mut names, mut temporary) = (Vec::new(), Vec::new());
        for entry in Dir::read_from(&dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                let list = if is_temporary(name.to_bytes()) { &mut temporary } else { &mut names };
                list.push(name.to_owned());
            }
        }
        names.sort_unstable();
        let children = names.into_iter();
        Ok(Self { dir: Arc::new(dir), path, children, subdirs: Vec::new(), temporary, listed: false })
    }

    fn sweep(&mut self) {
        self.temporary.drain(..).for_each(|name| super::temp::remove(self.dir.as_fd(), &name));
    }

    fn respell(&mut self, spelling: &Spelling<'_>) -> Result<(), TransferError> {
        let mut names: Vec<CString> = self.children.by_ref().collect();
        spelling.respell(self.dir.as_fd(), &self.path, &mut names)?;
        names.sort_unstable();
        self.children = names.into_iter();
        Ok(())
    }
}

/// What one path of this machine is, without following it; `None` for sockets, devices and pipes.
///
/// # Errors
/// It can't be looked at.
pub fn stat_item(path: &Path, name: TreePath) -> Result<Option<Item>, TransferError> {
    Ok(stat_all(path, name)?.map(|(item, ..)| item))
}

/// The same with its owner and extended attributes.
///
/// # Errors
/// It can't be looked at, or has more of those than the format allows.
pub fn stat_with_metadata(path: &Path, name: TreePath) -> Result<Option<Item>, TransferError> {
    let Some((mut item, stat, text)) = stat_all(path, name)? else { return Ok(None) };
    let looked = metadata::look(CWD, &text, &stat, &People::of_system(), &mut item.entry);
    looked.map_err(|reason| TransferError::local(path.display().to_string())(std::io::Error::other(reason)))?;
    Ok(Some(item))
}

fn stat_all(path: &Path, name: TreePath) -> Result<Option<(Item, Stat, CString)>, TransferError> {
    let fail = || TransferError::local(format!("cannot read {}", path.display()));
    let text = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|e| fail()(e.into()))?;
    let found = item(CWD, &text, &name).map_err(|e| fail()(e.into()))?;
    Ok(found.map(|(item, stat)| (item, stat, text)))
}

/// What a name is; a link is what it points to.
fn followed(dir: impl AsFd, name: &CStr, path: &TreePath) -> rustix::io::Result<Option<(Item, Stat)>> {
    let stat = statat(&dir, name, AtFlags::empty())?;
    item_of(dir, name, path, stat)
}

fn item(dir: impl AsFd, name: &CStr, path: &TreePath) -> rustix::io::Result<Option<(Item, Stat)>> {
    let stat = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    item_of(dir, name, path, stat)
}

fn item_of(dir: impl AsFd, name: &CStr, path: &TreePath, stat: Stat) -> rustix::io::Result<Option<(Item, Stat)>> {
    let (kind, content) = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => (EntryKind::File, Content::None),
        FileType::Directory => (EntryKind::Dir, Content::None),
        FileType::Symlink => {
            let target = readlinkat(dir, name, Vec::new())?;
            (EntryKind::Symlink, Content::Link(target.into_bytes().into()))
        }
        _ => return Ok(None),
    };
    let size = if kind == EntryKind::File { stat.st_size as u64 } else { 0 };
    let mode = Some((stat.st_mode & 0o7777) as u16);
    let entry = Entry { kind, size, mtime: mtime_of(&stat), mode, content, attributes: Vec::new() };
    Ok(Some((Item { path: path.clone(), entry, place: None }, stat)))
}

/// Whether a directory holds a file that puts it out of scope. What can't be looked at is told of when it is listed.
fn has_marker(dir: BorrowedFd<'_>, name: &CStr, filter: &Filter, symlinks: Symlinks) -> bool {
    let flags = if symlinks == Symlinks::Follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
    filter.markers().iter().any(|marker| {
        let path = [name.to_bytes(), b"/", marker].concat();
        statat(dir, path, flags).is_ok_and(|stat| {
            let kind = FileType::from_raw_mode(stat.st_mode);
            kind != FileType::Directory && kind != FileType::Symlink
        })
    })
}

/// Whether a directory is known to hold nothing.
fn is_empty(dir: BorrowedFd<'_>, name: &CStr) -> bool {
    let opened = openat(dir, name, DIR_FLAGS | OFlags::NOFOLLOW, Mode::empty());
    let entries = opened.and_then(|dir| Dir::read_from(&dir));
    entries.is_ok_and(|mut entries| {
        entries.all(|entry| entry.is_ok_and(|entry| matches!(entry.file_name().to_bytes(), b"." | b"..")))
    })
}

fn in_scope(filter: &Filter, dir: BorrowedFd<'_>, name: &CStr, item: &Item, stat: &Stat) -> bool {
    let known = || {
        let mut entry = item.entry.clone();
        // What can't be read is told of if the entry is in scope.
        drop(metadata::look(dir, name, stat, &People::of_system(), &mut entry));
        metadata::lines(&entry)
    };
    facts_in_scope(filter, item, &known)
}

/// Whether an entry that is no directory is in scope.
pub(super) fn facts_in_scope(filter: &Filter, item: &Item, metadata: &dyn Fn() -> Vec<String>) -> bool {
    let facts = |size| Facts { size, mtime: item.entry.mtime, metadata };
    match item.link_target() {
        Some(target) => filter.takes(&filter.link_name(&item.path), &facts(target.len() as u64)),
        None => filter.takes(&item.path, &facts(item.entry.size)),
    }
}

/// The modification time of a stat.
pub(super) fn mtime_of(stat: &Stat) -> Timestamp {
    #[expect(clippy::unnecessary_cast, reason = "the types differ between platforms")]
    let (secs, nanos) = (stat.st_mtime as i64, stat.st_mtime_nsec as u32);
    Timestamp::new(secs, nanos).unwrap_or_default()
}

fn describe(errno: rustix::io::Errno) -> String {
    format!("can't be read: {}", crate::transfer::os_text(&errno.into()))
}

/// A link further away than this is stored as a file of its own.
const LINK_MAX: usize = 2048;
const DIR_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
