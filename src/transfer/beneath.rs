//! Directories below a root, opened one component at a time without following links unless that is wanted, and kept open for a
//! while.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex};

use lru::LruCache;
use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::path::TreePath;

/// A root, and what is open below it.
pub struct Beneath {
    root: Arc<OwnedFd>,
    /// How directories below it are opened.
    flags: OFlags,
    open: Mutex<LruCache<TreePath, Arc<OwnedFd>>>,
}

impl Beneath {
    /// Opens the root, following links to it.
    ///
    /// # Errors
    /// It can't be opened as a directory.
    pub fn new(root: &Path) -> io::Result<Self> {
        let root = Arc::new(openat(CWD, root, DIR_FLAGS, Mode::empty())?);
        let flags = DIR_FLAGS | OFlags::NOFOLLOW;
        Ok(Self { root, flags, open: Mutex::new(LruCache::new(OPEN_DIRS.try_into().expect("not zero"))) })
    }

    /// The same with links to directories taken for what they point to, if `follows`.
    #[must_use]
    pub(super) fn following(mut self, follows: bool) -> Self {
        self.flags.set(OFlags::NOFOLLOW, !follows);
        self
    }

    /// The root itself.
    pub(super) fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// A directory below it.
    pub(super) fn dir(&self, path: &TreePath) -> io::Result<Arc<OwnedFd>> {
        if path.is_root() {
            return Ok(Arc::clone(&self.root));
        }
        if let Some(dir) = self.open.lock().expect("map operations").get(path) {
            return Ok(Arc::clone(dir));
        }
        let mut dir = Arc::clone(&self.root);
        for name in path.components() {
            dir = Arc::new(openat(&dir, name, self.flags, Mode::empty())?);
        }
        self.open.lock().expect("map operations").put(path.clone(), Arc::clone(&dir));
        Ok(dir)
    }

    /// The open parent of `path`, and its last component.
    pub(super) fn parent<'p>(&self, path: &'p TreePath) -> io::Result<(Arc<OwnedFd>, &'p [u8])> {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the root itself is not an entry"));
        };
        Ok((self.dir(&parent)?, name))
    }

    /// A file below it, for reading. Neither it nor a directory on the way is followed if it is a link, and nothing that waits
    /// for somebody at the other end is waited for.
    ///
    /// # Errors
    /// It can't be opened, or is no file.
    pub fn file(&self, path: &TreePath) -> io::Result<File> {
        let (dir, name) = self.parent(path)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(&dir, name, flags, Mode::empty())?);
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"))
        }
    }

    /// Something else may have this name from now on.
    pub(super) fn forget(&self, path: &TreePath) {
        self.open.lock().expect("map operations").pop(path);
    }
}

const DIR_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const OPEN_DIRS: usize = 128;
