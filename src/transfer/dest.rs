//! A directory tree of this machine as a destination. Everything happens beneath its root: each component is opened
//! without following links, whatever the paths say and whoever else changes the tree meanwhile.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use super::beneath::Beneath;
use super::departed::{Mark, Unlinked};
use super::local::SET_ID;
use super::metadata;
use super::people::People;
use super::temp::TempNames;
use super::traits::Traits;
use super::walk::mtime_of;
use super::xattr;
use crate::event::{Event, Observer};
use crate::format::entry::{Entry, EntryKind};
use crate::path::TreePath;
use crate::world::Timestamp;

/// The destination.
pub(super) struct Dest {
    dirs: Beneath,
    /// Directories that were written in, with the time they had before.
    touched: Mutex<HashMap<TreePath, Timestamp>>,
    /// Directories that had to be made writable, with the permission bits they had before.
    loosened: Mutex<HashMap<TreePath, Mode>>,
    temp: TempNames,
    traits: Traits,
    /// Set if owners, extended attributes and the set-id bits of files are given.
    people: Option<People>,
    /// Entries whose owner could not be given.
    unowned: AtomicU64,
    /// Extended attributes that could not be given.
    unset: AtomicU64,
}

/// A file being written beside its final name. Dropped unfinished, it is removed.
pub(super) struct PartialFile {
    dir: Arc<OwnedFd>,
    temp: Vec<u8>,
    file: File,
    finished: bool,
}

impl Dest {
    /// Opens `root`, making it and its parents if needed.
    pub(super) fn open(root: &Path, traits: &Traits, metadata: bool) -> io::Result<Self> {
        std::fs::create_dir_all(root)?;
        Ok(Self {
            dirs: Beneath::new(root)?,
            touched: Mutex::default(),
            loosened: Mutex::default(),
            temp: TempNames::new(),
            traits: traits.clone(),
            people: metadata.then(People::of_system),
            unowned: AtomicU64::new(0),
            unset: AtomicU64::new(0),
        })
    }

    /// The same with links to directories on the way taken for what they point to, if `follows`.
    #[must_use]
    pub(super) fn following(mut self, follows: bool) -> Self {
        self.dirs = self.dirs.following(follows);
        self
    }

    /// Makes a directory if it is not there. Its final mode and times come with [`Dest::set_meta`].
    pub(super) fn make_dir(&self, path: &TreePath, is_new: bool) -> io::Result<()> {
        self.beside(path, |dir, name| {
            self.refuse_clash(dir, name, is_new)?;
            match rustix::fs::mkdirat(dir, name, Mode::RWXU) {
                Err(Errno::EXIST) => match self.kind(path)? {
                    Some(EntryKind::Dir) => Ok(()),
                    _ => Err(Errno::EXIST.into()),
                },
                other => Ok(other?),
            }
        })
    }

    /// Makes a symbolic link, replacing a file or link of that name at once.
    pub(super) fn make_link(&self, path: &TreePath, target: &[u8], is_new: bool) -> io::Result<()> {
        self.beside(path, |dir, name| {
            self.refuse_clash(dir, name, is_new)?;
            let temp = self.temp.name(name);
            rustix::fs::symlinkat(target, dir, temp.as_slice())?;
            put_in_place(dir.as_fd(), &temp, name)
                .inspect_err(|_| rustix::fs::unlinkat(dir, temp.as_slice(), AtFlags::empty()).unwrap_or_default())
        })
    }

    /// Begins a file.
    pub(super) fn begin_file(&self, path: &TreePath) -> io::Result<PartialFile> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.beside(path, |dir, name| {
            let temp = self.temp.name(name);
            let file = rustix::fs::openat(dir, temp.as_slice(), flags, Mode::RUSR | Mode::WUSR)?;
            Ok(PartialFile { dir: Arc::clone(dir), temp, file: file.into(), finished: false })
        })
    }

    /// Gives a file its length, mode, time and name.
    pub(super) fn finish_file(
        &self,
        mut partial: PartialFile,
        path: &TreePath,
        entry: &Entry,
        is_new: bool,
    ) -> io::Result<()> {
        let name = path.name().expect("files have names");
        // Holes at the end, and files that are nothing but holes, get their length here.
        partial.file.set_len(entry.size)?;
        self.dress(partial.file.as_fd(), entry)?;
        rustix::fs::futimens(&partial.file, &times(entry.mtime))?;
        self.refuse_clash(&partial.dir, name, is_new)?;
        put_in_place(partial.dir.as_fd(), &partial.temp, name)?;
        partial.finished = true;
        Ok(())
    }

    /// Sets mode and modification time of what is there already.
    pub(super) fn set_meta(&self, path: &TreePath, entry: &Entry) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        if entry.kind == EntryKind::Symlink {
            if let Some((uid, gid)) = self.owner(entry) {
                let given = rustix::fs::chownat(&dir, name.as_slice(), Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW);
                self.unowned.fetch_add(given.is_err().into(), Ordering::Relaxed);
            }
        } else if self.people.is_some() || self.mode(entry).is_some() {
            // `chmodat` follows links: look first, and open what is there so that nothing is swapped in between.
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            match (rustix::fs::openat(&dir, name.as_slice(), flags, Mode::empty()), self.mode(entry)) {
                (Ok(file), _) => self.dress(file.as_fd(), entry)?,
                (Err(Errno::ACCESS), Some(mode)) => {
                    rustix::fs::chmodat(&dir, name.as_slice(), mode, AtFlags::empty())?;
                }
                (Err(errno), _) => return Err(errno.into()),
            }
        }
        rustix::fs::utimensat(&dir, name.as_slice(), &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)?;
        if entry.kind == EntryKind::Dir {
            self.touched.lock().expect("map operations").remove(path);
            self.loosened.lock().expect("map operations").remove(path);
        }
        Ok(())
    }

    /// Gives an open file or directory its owner, mode and extended attributes, in the order in which none undoes another.
    fn dress(&self, file: BorrowedFd<'_>, entry: &Entry) -> io::Result<()> {
        let mode = self.mode(entry);
        let Some((uid, gid)) = self.owner(entry) else {
            return mode.map_or(Ok(()), |mode| Ok(rustix::fs::fchmod(file, mode)?));
        };
        let xattrs = metadata::xattrs(entry);
        let stat = rustix::fs::fstat(file)?;
        if !xattrs.is_empty() && stat.st_mode & 0o200 == 0 {
            // Those of users need a file that may be written.
            rustix::fs::fchmod(file, Mode::from_raw_mode(stat.st_mode & 0o7777) | Mode::WUSR).unwrap_or_default();
        }
        let mut unset = xattr::write(file, &xattrs, xattr::is_of_users);
        if (stat.st_uid, stat.st_gid) != (uid.as_raw(), gid.as_raw()) {
            let given = rustix::fs::fchown(file, Some(uid), Some(gid));
            self.unowned.fetch_add(given.is_err().into(), Ordering::Relaxed);
        }
        if let Some(mode) = mode {
            rustix::fs::fchmod(file, mode)?;
        }
        unset += xattr::write(file, &xattrs, |name| !xattr::is_of_users(name));
        self.unset.fetch_add(unset, Ordering::Relaxed);
        Ok(())
    }

    /// The owner that `entry` is to have here.
    fn owner(&self, entry: &Entry) -> Option<(Uid, Gid)> {
        let people = self.people.as_ref()?;
        let (uid, gid) = people.ids(&metadata::owner(entry)?);
        Some((Uid::from_raw(uid), Gid::from_raw(gid)))
    }

    /// Makes `path` another name of the file at `first`, which is what `entry` says. `false` if that is not so, or can't be
    /// done here: then it has to be written.
    pub(super) fn link(&self, first: &TreePath, path: &TreePath, entry: &Entry, is_new: bool) -> io::Result<bool> {
        let Ok((first_dir, first_name)) = self.parent(first) else { return Ok(false) };
        let Ok(stat) = rustix::fs::statat(&first_dir, first_name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) else {
            return Ok(false);
        };
        let is_file = FileType::from_raw_mode(stat.st_mode).is_file();
        if !is_file || stat.st_size as u64 != entry.size || !self.traits.same_time(mtime_of(&stat), entry.mtime) {
            return Ok(false);
        }
        self.beside(path, |dir, name| {
            self.refuse_clash(dir, name, is_new)?;
            let temp = self.temp.name(name);
            match rustix::fs::linkat(&first_dir, first_name.as_slice(), dir, temp.as_slice(), AtFlags::empty()) {
                Ok(()) => {}
                Err(Errno::ACCESS) => return Err(Errno::ACCESS.into()),
                Err(_) => return Ok(false),
            }
            let placed = put_in_place(dir.as_fd(), &temp, name);
            // If both were one file already the temporary name is still there.
            rustix::fs::unlinkat(dir, temp.as_slice(), AtFlags::empty()).unwrap_or_default();
            placed.map(|()| true)
        })
    }

    /// Does something to a name in its directory. If that is not writable but ours it is made so until the run ends.
    fn beside<T>(&self, path: &TreePath, act: impl Fn(&Arc<OwnedFd>, &[u8]) -> io::Result<T>) -> io::Result<T> {
        let (dir, name) = self.parent(path)?;
        match act(&dir, &name) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && self.loosen(path, &dir) => {
                act(&dir, &name)
            }
            done => done,
        }
    }

    fn loosen(&self, path: &TreePath, dir: &OwnedFd) -> bool {
        let (Some(parent), Ok(stat)) = (path.parent(), rustix::fs::fstat(dir)) else { return false };
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        if mode.contains(Mode::RWXU) || rustix::fs::fchmod(dir, mode | Mode::RWXU).is_err() {
            return false;
        }
        self.loosened.lock().expect("map operations").entry(parent).or_insert(mode);
        true
    }

    /// Gives directories that were written in, but whose own entry did not change, the time and mode they had before.
    pub(super) fn restore_dirs(&self) -> io::Result<()> {
        let touched = std::mem::take(&mut *self.touched.lock().expect("map operations"));
        for (path, mtime) in touched {
            if let Some(dir) = self.still_there(&path)? {
                rustix::fs::futimens(&dir, &times(mtime))?;
            }
        }
        let loosened = std::mem::take(&mut *self.loosened.lock().expect("map operations"));
        let mut loosened: Vec<_> = loosened.into_iter().collect();
        // The innermost first: what is below one that is closed again can't be reached.
        loosened.sort_by_key(|(path, _)| std::cmp::Reverse(path.components().count()));
        for (path, mode) in loosened {
            if let Some(dir) = self.still_there(&path)? {
                rustix::fs::fchmod(&dir, mode)?;
            }
        }
        Ok(())
    }

    /// A directory, unless it was deleted since or something else has its place.
    fn still_there(&self, path: &TreePath) -> io::Result<Option<Arc<OwnedFd>>> {
        match self.dirs.dir(path) {
            Ok(dir) => Ok(Some(dir)),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// Removes a file, a link or an empty directory. What is not there is fine.
    pub(super) fn remove(&self, path: &TreePath, kind: EntryKind) -> io::Result<()> {
        let flags = if kind == EntryKind::Dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        self.dirs.forget(path);
        match self.beside(path, |dir, name| Ok(rustix::fs::unlinkat(dir, name, flags)?)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        // Something else may take its name now, and has a time of its own.
        self.touched.lock().expect("map operations").remove(path);
        self.loosened.lock().expect("map operations").remove(path);
        Ok(())
    }

    /// Moves a file or a link to another directory of the same file system, if it is there.
    pub(super) fn rename_to(&self, path: &TreePath, other: &Self, to: &TreePath) -> io::Result<()> {
        let (to_dir, to_name) = other.parent(to)?;
        match self.beside(path, |dir, name| Ok(rustix::fs::renameat(dir, name, &to_dir, to_name.as_slice())?)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Removes a file or a link that still is what its mark says; `false` if it is not. What is gone already is fine.
    pub(super) fn remove_marked(&self, path: &TreePath, mark: &Mark, unlinked: &mut Unlinked) -> io::Result<bool> {
        let (dir, name) = match self.parent(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            other => other?,
        };
        match Mark::at(&dir, &name) {
            Ok(now) if now == *mark || unlinked.explains(mark, &now) => {
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let held = rustix::fs::openat(&dir, name.as_slice(), flags, Mode::empty());
                rustix::fs::unlinkat(&dir, name.as_slice(), AtFlags::empty())?;
                if let Ok(after) = held.and_then(|file| rustix::fs::fstat(&file)) {
                    unlinked.note(mark, &after);
                }
                Ok(true)
            }
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// What is at `path`.
    pub(super) fn kind(&self, path: &TreePath) -> io::Result<Option<EntryKind>> {
        let (dir, name) = self.parent(path)?;
        match rustix::fs::statat(&dir, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => EntryKind::Dir,
                FileType::Symlink => EntryKind::Symlink,
                _ => EntryKind::File,
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Makes everything written durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(self.dirs.root())?;
        #[cfg(not(target_os = "linux"))]
        rustix::fs::sync();
        Ok(())
    }

    /// Tells what of owners and extended attributes could not be given.
    pub(super) fn tell_metadata(&self, observer: &dyn Observer) {
        let (unowned, unset) = (self.unowned.load(Ordering::Relaxed), self.unset.load(Ordering::Relaxed));
        for (amount, what) in [
            (unowned, "entries could not be given their owner: only root can do that"),
            (unset, "extended attributes could not be set: the file system or the system does not allow it"),
        ] {
            if amount > 0 {
                observer.event(Event::Notice(&format!("{amount} {what}")));
            }
        }
    }

    /// The open parent of `path` and its last component.
    fn parent(&self, path: &TreePath) -> io::Result<(Arc<OwnedFd>, Vec<u8>)> {
        let (dir, name) = self.dirs.parent(path)?;
        let parent = path.parent().filter(|parent| !parent.is_root());
        if let Some(parent) = parent {
            let mut touched = self.touched.lock().expect("map operations");
            if let std::collections::hash_map::Entry::Vacant(slot) = touched.entry(parent) {
                slot.insert(mtime_of(&rustix::fs::fstat(&dir)?));
            }
        }
        Ok((dir, name.to_vec()))
    }

    /// The permission bits that `entry` is given here; `None` if it gets none.
    fn mode(&self, entry: &Entry) -> Option<Mode> {
        let mode = entry.mode.filter(|_| self.traits.modes && entry.kind != EntryKind::Symlink)?;
        let drops = entry.kind == EntryKind::File && self.people.is_none();
        Some(Mode::from_raw_mode(if drops { mode & !SET_ID } else { mode }.into()))
    }

    /// Fails if a name that is new in the plan is there: the file system takes it for that of another entry.
    fn refuse_clash(&self, dir: &OwnedFd, name: &[u8], is_new: bool) -> io::Result<()> {
        if is_new && self.traits.folds() && rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Err(io::Error::other("this file system takes its name for that of another entry, which is there"));
        }
        Ok(())
    }
}

impl PartialFile {
    /// Writes at an offset.
    pub(super) fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if !self.finished {
            rustix::fs::unlinkat(self.dir.as_fd(), self.temp.as_slice(), AtFlags::empty()).unwrap_or_default();
        }
    }
}

/// Gives what is at `temp` its final name, in place of a file, a link or an empty directory.
fn put_in_place(dir: BorrowedFd<'_>, temp: &[u8], name: &[u8]) -> io::Result<()> {
    match rustix::fs::renameat(dir, temp, dir, name) {
        Err(Errno::ISDIR) => {
            rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)?;
            Ok(rustix::fs::renameat(dir, temp, dir, name)?)
        }
        done => Ok(done?),
    }
}

fn times(mtime: Timestamp) -> Timestamps {
    let omit = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    Timestamps { last_access: omit, last_modification: Timespec { tv_sec: mtime.secs, tv_nsec: mtime.nanos.into() } }
}
