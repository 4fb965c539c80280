//! What [`Fs`](super::Fs) does to files. Blocking; knows nothing of futures. Start reading at [`Files::put_new`].
//!
//! Never replaces a file, never opens a symbolic link, and leaves no temporary file unless the process is killed.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::walk::{TEMP_PREFIX, Walk, is_temp};
use crate::{ErrorKind, Put, RemotePath, Stat};

/// The largest object: what the narrowest file system in use, FAT, can hold.
pub(super) const OBJECT_LEN_MAX: u64 = u32::MAX as u64;

/// A root directory and what was done below it since the last sync.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    exclusive: AtomicBool,
    touched: Mutex<BTreeSet<PathBuf>>,
    syncing: Mutex<()>,
    publishing: Mutex<()>,
}

impl Files {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root: if root == Path::new("") { PathBuf::from(".") } else { root },
            exclusive: AtomicBool::new(true),
            touched: Mutex::default(),
            syncing: Mutex::default(),
            publishing: Mutex::default(),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether `put_new` has been exclusive so far; see [`Files::publish_by_check`].
    pub(super) fn exclusive(&self) -> bool {
        self.exclusive.load(Ordering::Relaxed)
    }

    pub(super) fn put_new(&self, path: &RemotePath, body: &[Bytes]) -> Result<Put, Fault> {
        let target = self.locate(path)?;
        if body.iter().map(|part| part.len() as u64).sum::<u64>() > OBJECT_LEN_MAX {
            return Err(ErrorKind::Unsupported.into());
        }
        let directory = parent(&target);
        let put = if find(&target)?.is_some() {
            Put::Existed // decided again below, but here it costs no write
        } else {
            self.make_directories(directory)?;
            let temp = Temp::write(directory, body)?;
            self.publish(&temp.path, &target)?
        };
        self.relied_on(directory);
        Ok(put)
    }

    /// Notes that an object in `directory` is relied on. Also one that existed already: whoever made it may not have synced
    /// its directories, and our caller is about to treat it as if it were his own.
    fn relied_on(&self, directory: &Path) {
        let ours = directory.ancestors().take_while(|directory| directory.starts_with(&self.root));
        lock(&self.touched).extend(ours.map(Path::to_owned));
    }

    pub(super) fn read(&self, path: &RemotePath) -> Result<Bytes, Fault> {
        let (file, size) = self.open(path)?;
        if size > OBJECT_LEN_MAX {
            return Err(ErrorKind::Unsupported.into());
        }
        Ok(read_exactly(file, size)?)
    }

    pub(super) fn read_range(&self, path: &RemotePath, range: Range<u64>) -> Result<Bytes, Fault> {
        let (mut file, size) = self.open(path)?;
        if range.start > range.end || range.end > size {
            return Err(ErrorKind::RangePastEnd.into());
        }
        file.seek(SeekFrom::Start(range.start))?;
        Ok(read_exactly(file, range.end - range.start)?)
    }

    pub(super) fn stat(&self, path: &RemotePath) -> Result<Stat, Fault> {
        let target = self.locate(path)?;
        let metadata = find(&target)?.ok_or(ErrorKind::NotFound)?;
        self.relied_on(parent(&target));
        Ok(Stat { size: metadata.len() })
    }

    pub(super) fn delete(&self, path: &RemotePath) -> Result<(), Fault> {
        let target = self.locate(path)?;
        if find(&target)?.is_none() {
            return Ok(());
        }
        match fs::remove_file(target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Syncs every directory touched since it was last synced.
    pub(super) fn sync_directories(&self) -> io::Result<()> {
        // One at a time: a second caller must not find the set empty and return while the first is still syncing.
        let _alone = lock(&self.syncing);
        let mut directories = std::mem::take(&mut *lock(&self.touched));
        while let Some(directory) = directories.pop_last() {
            if let Err(error) = sync_directory(&directory) {
                directories.insert(directory);
                lock(&self.touched).append(&mut directories);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Forgets that directories have to be synced which are about to go.
    pub(super) fn forget_below(&self, directory: &Path) {
        lock(&self.touched).retain(|touched| !touched.starts_with(directory));
    }

    pub(super) fn clean_temps(&self, older_than: Duration) -> io::Result<u64> {
        let mut removed = 0;
        for found in Walk::of_prefix(&self.root, "") {
            let found = match found {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => continue,
                found => found?,
            };
            // The one real clock of this crate: a file's time is real too. A time in the future counts as young.
            let stale = found.metadata.modified()?.elapsed().is_ok_and(|age| age >= older_than);
            if !stale || !is_temp(&found.path) {
                continue;
            }
            match fs::remove_file(self.root.join(found.path.as_str())) {
                Ok(()) => removed += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }

    fn locate(&self, path: &RemotePath) -> Result<PathBuf, Fault> {
        if path.as_str().split('/').any(|part| part.starts_with(TEMP_PREFIX)) {
            return Err(ErrorKind::Unsupported.into());
        }
        Ok(self.root.join(path.as_str()))
    }

    fn open(&self, path: &RemotePath) -> Result<(File, u64), Fault> {
        // NONBLOCK: opening a pipe that lies where an object belongs must not hang.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(self.locate(path)?)?;
        let metadata = file.metadata()?;
        if metadata.is_file() { Ok((file, metadata.len())) } else { Err(ErrorKind::NotADirectory.into()) }
    }

    /// Creates the directory and its missing parents, also those of the root, and remembers where.
    fn make_directories(&self, directory: &Path) -> io::Result<()> {
        let missing = directory.ancestors().take_while(|&above| above != Path::new("") && !above.is_dir());
        let missing: Vec<_> = missing.collect();
        // Held meanwhile, so that no other put that finds a new directory returns before that is remembered.
        let mut touched = lock(&self.touched);
        for directory in missing.into_iter().rev() {
            match DirBuilder::new().mode(0o700).create(directory) {
                Err(raced) if raced.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => {}
                made => made?,
            }
            touched.insert(parent(directory).to_owned());
        }
        Ok(())
    }

    /// Gives the file at `temp` the name `target`, unless that is taken. A hard link is the one way that is atomic
    /// and exclusive on every file system that has it.
    fn publish(&self, temp: &Path, target: &Path) -> Result<Put, Fault> {
        match fs::hard_link(temp, target) {
            Ok(()) => Ok(Put::Created),
            Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists => Ok(whose(temp, target)?),
            Err(error) if is_one_of(&error, NO_LINKS) => self.publish_by_rename(temp, target),
            Err(error) => Err(error.into()),
        }
    }

    /// For file systems without links, such as FAT and some network ones.
    pub(super) fn publish_by_rename(&self, temp: &Path, target: &Path) -> Result<Put, Fault> {
        match rename_new(temp, target) {
            Ok(()) => Ok(Put::Created),
            Err(Errno::EXIST) => Ok(whose(temp, target)?),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.publish_by_check(temp, target),
            Err(error) => Err(io::Error::from(error).into()),
        }
    }

    /// The last resort, exclusive among the threads of this process only. A second process can replace our object
    /// with its own of the same name, so from here on the remote no longer claims to be exclusive.
    pub(super) fn publish_by_check(&self, temp: &Path, target: &Path) -> Result<Put, Fault> {
        self.exclusive.store(false, Ordering::Relaxed);
        let _alone = lock(&self.publishing);
        if find(target)?.is_some() {
            return Ok(Put::Existed);
        }
        fs::rename(temp, target)?;
        Ok(Put::Created)
    }
}

/// A file under a temporary name, which is gone when this is dropped.
struct Temp {
    path: PathBuf,
}

impl Temp {
    fn write(directory: &Path, body: &[Bytes]) -> io::Result<Self> {
        let path = directory.join(format!("{TEMP_PREFIX}{:032x}", fastrand::u128(..)));
        // Exclusive creation follows no link either. 128 random bits do not meet, so there is no second attempt.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let temp = Self { path };
        for part in body {
            file.write_all(part)?;
        }
        file.sync_all()?;
        Ok(temp)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.path)); // after a rename it is gone already, and `clean_temps` gets the rest
    }
}

/// Who owns the taken name. A network file system may repeat a link or a rename whose reply was lost, and then says
/// that the name exists: if it is our own file, we made it.
fn whose(temp: &Path, target: &Path) -> Result<Put, Fault> {
    let Some(there) = find(target)? else {
        return Err(ErrorKind::Reset.into()); // deleted this moment: the next attempt will tell
    };
    let ours = fs::symlink_metadata(temp).is_ok_and(|ours| (ours.dev(), ours.ino()) == (there.dev(), there.ino()));
    Ok(if ours { Put::Created } else { Put::Existed })
}

/// The object at `target`, if something is there; an error if that is no regular file.
fn find(target: &Path) -> Result<Option<fs::Metadata>, Fault> {
    match fs::symlink_metadata(target) {
        Ok(metadata) if metadata.is_file() => Ok(Some(metadata)),
        Ok(_) => Err(ErrorKind::NotADirectory.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_new(temp: &Path, target: &Path) -> rustix::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, temp, CWD, target, RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_new(_temp: &Path, _target: &Path) -> rustix::io::Result<()> {
    Err(Errno::NOSYS)
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        // Some network file systems cannot sync a directory; their server decides, and there is no other way to ask.
        Err(error) if is_one_of(&error, NO_DIRECTORY_SYNC) => Ok(()),
        synced => synced,
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."), // of a relative path of one component
    }
}

fn read_exactly(file: File, len: u64) -> io::Result<Bytes> {
    let mut body = Vec::new();
    // An error instead of an abort: the length comes from the disk.
    body.try_reserve_exact(usize::try_from(len).unwrap_or(usize::MAX)).map_err(|_| io::ErrorKind::OutOfMemory)?;
    file.take(len).read_to_end(&mut body)?;
    if body.len() as u64 == len { Ok(body.into()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn is_one_of(error: &io::Error, errnos: &[Errno]) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| errnos.contains(&errno))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An error without its context, which [`Fs`](super::Fs) adds.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) kind: ErrorKind,
    pub(super) source: Option<io::Error>,
}

impl From<ErrorKind> for Fault {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl From<io::Error> for Fault {
    fn from(source: io::Error) -> Self {
        let kind = match Errno::from_io_error(&source) {
            Some(Errno::NOENT) => ErrorKind::NotFound,
            Some(Errno::ACCESS | Errno::PERM) => ErrorKind::PermissionDenied,
            Some(Errno::ROFS) => ErrorKind::ReadOnly,
            Some(Errno::NOSPC | Errno::DQUOT) => ErrorKind::NoSpace,
            Some(Errno::NOTDIR | Errno::ISDIR | Errno::LOOP | Errno::EXIST | Errno::NXIO) => ErrorKind::NotADirectory,
            Some(Errno::NAMETOOLONG | Errno::FBIG | Errno::NOSYS | Errno::OPNOTSUPP) => ErrorKind::Unsupported,
            Some(Errno::MFILE | Errno::NFILE) => ErrorKind::Throttled,
            Some(Errno::TIMEDOUT) => ErrorKind::Timeout,
            Some(Errno::INTR | Errno::AGAIN | Errno::STALE) => ErrorKind::Reset,
            _ => ErrorKind::Unexpected, // an I/O error of the disk is here: trying again must be a person's decision
        };
        Self { kind, source: Some(source) }
    }
}

const NO_LINKS: &[Errno] =
    &[Errno::PERM, Errno::ACCESS, Errno::OPNOTSUPP, Errno::NOSYS, Errno::MLINK, Errno::XDEV, Errno::INVAL];
const NO_DIRECTORY_SYNC: &[Errno] = &[Errno::INVAL, Errno::OPNOTSUPP, Errno::NOSYS, Errno::BADF];
