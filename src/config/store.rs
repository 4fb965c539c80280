//! The file on disk: read whole, and replaced whole, by one program at a time.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::error::ConfigError;

/// The bytes of the file; `None` if there is none.
///
/// # Errors
/// It can't be read, or is larger than 1 MiB.
pub fn read_config(path: &Path) -> Result<Option<Vec<u8>>, ConfigError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut bytes));
    let wrong = |source| Err(ConfigError::Read { path: path.to_owned(), source });
    match read {
        Ok(length) if length as u64 > FILE_MAX => wrong(io::Error::other("it is larger than 1 MiB")),
        Ok(_) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => wrong(source),
    }
}

/// The right to replace the file: whoever else wants to waits until this is dropped.
#[derive(Debug)]
pub struct ConfigLock {
    /// The file itself, behind all links.
    target: PathBuf,
    /// Its directory, locked.
    dir: File,
}

impl ConfigLock {
    /// Waits for the right to replace the file at `path`, and makes its directory.
    ///
    /// # Errors
    /// The directory can't be made or locked.
    pub fn take(path: &Path) -> Result<Self, ConfigError> {
        let take = || -> io::Result<Self> {
            let target = behind_links(path)?;
            let parent = target.parent().unwrap_or(Path::new("/"));
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            let dir = File::open(parent)?;
            flock(&dir, FlockOperation::LockExclusive)?;
            Ok(Self { target, dir })
        };
        take().map_err(|source| ConfigError::Write { path: path.to_owned(), source })
    }

    /// The file's bytes, as they are under the lock.
    ///
    /// # Errors
    /// As for [`read_config`].
    pub fn read(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        read_config(&self.target)
    }

    /// Replaces the file: it has the old bytes or the new ones at any time. Its mode stays; a new one is 0600.
    ///
    /// # Errors
    /// It can't be written; then it is as it was.
    pub fn replace(&self, bytes: &[u8]) -> Result<(), ConfigError> {
        self.write(&self.target, bytes)
    }

    /// Keeps a copy of the file beside it and tells where.
    ///
    /// # Errors
    /// It can't be written.
    pub fn back_up(&self, bytes: &[u8]) -> Result<PathBuf, ConfigError> {
        let free = (1..).map(|n| self.beside(&format!(".old{n}"))).find(|path| !path.exists());
        let path = free.expect("some number is free");
        self.write(&path, bytes)?;
        Ok(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), ConfigError> {
        let dir = path.parent().unwrap_or(Path::new("/"));
        let write = || -> io::Result<()> {
            let old = fs::metadata(&self.target).ok();
            let mode = old.as_ref().map_or(0o600, |meta| meta.mode() & 0o777);
            let mut temp = tempfile::Builder::new()
                .prefix(".config-")
                .permissions(Permissions::from_mode(0o600))
                .tempfile_in(dir)?;
            temp.write_all(bytes)?;
            temp.as_file().set_permissions(Permissions::from_mode(mode))?;
            if let Some(old) = old.filter(|_| rustix::process::getuid().is_root()) {
                std::os::unix::fs::fchown(temp.as_file(), Some(old.uid()), Some(old.gid()))?;
            }
            temp.as_file().sync_all()?;
            temp.persist(path).map_err(|error| error.error)?;
            self.dir.sync_all()
        };
        write().map_err(|source| ConfigError::Write { path: path.to_owned(), source })
    }

    fn beside(&self, end: &str) -> PathBuf {
        let mut name = self.target.file_name().unwrap_or_default().to_owned();
        name.push(end);
        self.target.with_file_name(name)
    }
}

/// The file that a path leads to, which need not be there.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::read_link(&path) {
            Ok(to) => path = path.parent().unwrap_or(Path::new("/")).join(to),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => {
                return Ok(path);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

const FILE_MAX: u64 = 1 << 20;
const LINKS_MAX: usize = 40;
