//! A directory tree of this machine as a destination. Everything happens beneath its root: each component is opened
//! without following links, whatever the paths say and whoever else changes the tree meanwhile.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use lru::LruCache;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

use super::departed::Mark;
use super::walk::mtime_of;
use crate::format::entry::{Entry, EntryKind};
use crate::path::TreePath;
use crate::world::Timestamp;

/// The destination.
pub(super) struct Dest {
    root: Arc<OwnedFd>,
    open: Mutex<LruCache<TreePath, Arc<OwnedFd>>>,
    /// Directories that were written in, with the time they had before.
    touched: Mutex<HashMap<TreePath, Timestamp>>,
    /// Tells the temporary files of this run from those that a killed one has left.
    token: u64,
    serial: AtomicU64,
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
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(root)?;
        let root = rustix::fs::openat(CWD, root, DIR_FLAGS, Mode::empty())?;
        Ok(Self {
            root: Arc::new(root),
            open: Mutex::new(LruCache::new(OPEN_DIRS.try_into().expect("not zero"))),
            touched: Mutex::default(),
            token: RandomState::new().hash_one(0),
            serial: AtomicU64::new(0),
        })
    }

    /// Makes a directory if it is not there. Its final mode and times come with [`Dest::set_meta`].
    pub(super) fn make_dir(&self, path: &TreePath) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        match rustix::fs::mkdirat(&dir, name.as_slice(), Mode::RWXU) {
            Err(Errno::EXIST) => match self.kind(path)? {
                Some(EntryKind::Dir) => Ok(()),
                _ => Err(Errno::EXIST.into()),
            },
            other => Ok(other?),
        }
    }

    /// Makes a symbolic link, replacing a file or link of that name at once.
    pub(super) fn make_link(&self, path: &TreePath, target: &[u8]) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        let temp = self.temp_name(&name);
        rustix::fs::symlinkat(target, &dir, temp.as_slice())?;
        put_in_place(dir.as_fd(), &temp, &name)
            .inspect_err(|_| rustix::fs::unlinkat(&dir, temp.as_slice(), AtFlags::empty()).unwrap_or_default())
    }

    /// Begins a file.
    pub(super) fn begin_file(&self, path: &TreePath) -> io::Result<PartialFile> {
        let (dir, name) = self.parent(path)?;
        let temp = self.temp_name(&name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&dir, temp.as_slice(), flags, Mode::RUSR | Mode::WUSR)?;
        Ok(PartialFile { dir, temp, file: file.into(), finished: false })
    }

    /// Sets mode and modification time of what is there already.
    pub(super) fn set_meta(&self, path: &TreePath, entry: &Entry) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        if let Some(mode) = entry.mode
            && entry.kind != EntryKind::Symlink
        {
            // `chmodat` follows links: look first, and open what is there so that nothing is swapped in between.
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            match rustix::fs::openat(&dir, name.as_slice(), flags, Mode::empty()) {
                Ok(file) => rustix::fs::fchmod(&file, mode_bits(mode))?,
                Err(Errno::ACCESS) => {
                    rustix::fs::chmodat(&dir, name.as_slice(), mode_bits(mode), AtFlags::empty())?;
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        rustix::fs::utimensat(&dir, name.as_slice(), &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)?;
        if entry.kind == EntryKind::Dir {
            self.touched.lock().expect("map operations").remove(path);
        }
        Ok(())
    }

    /// Gives directories that were written in, but whose own entry did not change, the time they had before.
    pub(super) fn restore_dir_times(&self) -> io::Result<()> {
        let touched = std::mem::take(&mut *self.touched.lock().expect("map operations"));
        for (path, mtime) in touched {
            match self.dir(&path) {
                Ok(dir) => rustix::fs::futimens(&dir, &times(mtime))?,
                // It was deleted since, or something else has its place.
                Err(error)
                    if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Removes a file, a link or an empty directory. What is not there is fine.
    pub(super) fn remove(&self, path: &TreePath, kind: EntryKind) -> io::Result<()> {
        let (dir, name) = match self.parent(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let is_dir = kind == EntryKind::Dir;
        self.open.lock().expect("map operations").pop(path);
        match rustix::fs::unlinkat(&dir, name.as_slice(), if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() }) {
            Err(Errno::NOENT) => {}
            other => other?,
        }
        // Something else may take its name now, and has a time of its own.
        self.touched.lock().expect("map operations").remove(path);
        Ok(())
    }

    /// Removes a file or a link that still is what its mark says; `false` if it is not. What is gone already is fine.
    pub(super) fn remove_marked(&self, path: &TreePath, mark: &Mark) -> io::Result<bool> {
        let (dir, name) = match self.parent(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            other => other?,
        };
        match Mark::at(&dir, &name) {
            Ok(now) if now == *mark => {
                rustix::fs::unlinkat(&dir, name.as_slice(), AtFlags::empty())?;
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
        rustix::fs::syncfs(&self.root)?;
        #[cfg(not(target_os = "linux"))]
        rustix::fs::sync();
        Ok(())
    }

    /// The open parent of `path` and its last component.
    fn parent(&self, path: &TreePath) -> io::Result<(Arc<OwnedFd>, Vec<u8>)> {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the root itself is not an entry"));
        };
        let dir = self.dir(&parent)?;
        if !parent.is_root() {
            let mut touched = self.touched.lock().expect("map operations");
            if let std::collections::hash_map::Entry::Vacant(slot) = touched.entry(parent) {
                slot.insert(mtime_of(&rustix::fs::fstat(&dir)?));
            }
        }
        Ok((dir, name.to_vec()))
    }

    fn dir(&self, path: &TreePath) -> io::Result<Arc<OwnedFd>> {
        if path.is_root() {
            return Ok(Arc::clone(&self.root));
        }
        if let Some(dir) = self.open.lock().expect("map operations").get(path) {
            return Ok(Arc::clone(dir));
        }
        let mut dir = Arc::clone(&self.root);
        for name in path.components() {
            dir = Arc::new(rustix::fs::openat(&dir, name, DIR_FLAGS | OFlags::NOFOLLOW, Mode::empty())?);
        }
        self.open.lock().expect("map operations").put(path.clone(), Arc::clone(&dir));
        Ok(dir)
    }

    /// A name beside `name` that nobody else uses, short enough for every file system.
    fn temp_name(&self, name: &[u8]) -> Vec<u8> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let mut temp = name[..name.len().min(200)].to_vec();
        temp.extend_from_slice(format!(".{:x}-{serial:x}.partial", self.token).as_bytes());
        temp
    }
}

impl PartialFile {
    /// Writes at an offset.
    pub(super) fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    /// Gives the file its length, mode, time and name.
    pub(super) fn finish(mut self, path: &TreePath, entry: &Entry) -> io::Result<()> {
        // Holes at the end, and files that are nothing but holes, get their length here.
        self.file.set_len(entry.size)?;
        if let Some(mode) = entry.mode {
            rustix::fs::fchmod(&self.file, mode_bits(mode))?;
        }
        rustix::fs::futimens(&self.file, &times(entry.mtime))?;
        let name = path.name().expect("files have names");
        put_in_place(self.dir.as_fd(), &self.temp, name)?;
        self.finished = true;
        Ok(())
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

fn mode_bits(mode: u16) -> Mode {
    Mode::from_raw_mode(mode.into())
}

const DIR_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const OPEN_DIRS: usize = 128;
