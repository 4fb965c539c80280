//! The second narrow trait: files of other programs, stored as they are. Start reading at [`Files`].
//!
//! A vault's objects are written once and have no times; files are written over, have times, and live in directories. So
//! little is shared with [`Remote`](crate::Remote) but settings, connections and errors. Nothing here belongs to a vault.

mod dal;
mod retry;
mod times;

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;
use std::{collections::BTreeMap, result};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{BadSetting, ErrorKind, Op, RemoteError, Result, Transport};

pub(crate) use dal::DalFiles;
pub use retry::RetryFiles;
pub use times::FileTime;

/// Files and directories below one directory. Paths are relative to it, with `/` between names; the empty one is it.
#[async_trait]
pub trait Files: Send + Sync + Debug {
    /// What this place can do.
    fn caps(&self) -> FilesCaps;

    /// The place for people and error texts. Never a secret.
    fn describe(&self) -> String;

    /// What is directly in a directory, in any order; `None` if there is no such directory. Names are as the service has
    /// them: whoever asks makes sure that they are names. `times`: whether times are wanted where they cost a request each.
    async fn list(&self, dir: &str, times: bool) -> Result<Option<Vec<FileEntry>>>;

    /// What is at a path, with the last of its names; `None` if nothing is.
    async fn stat(&self, path: &str) -> Result<Option<FileEntry>>;

    /// Exactly these bytes of the file that is `seen`; the range is not empty. If it is another by now, that is
    /// [`Changed`](ErrorKind::Changed) as far as the service can tell.
    async fn read(&self, path: &str, range: Range<u64>, seen: &FileEntry) -> Result<Bytes>;

    /// Begins to write a file, whose directories are made if they are missing.
    async fn begin(&self, path: &str, file: NewFile) -> Result<Box<dyn FileWriter>>;

    /// Gives a file another time. `false`: that can't be done but by writing it anew.
    async fn set_time(&self, path: &str, time: FileTime) -> Result<bool>;

    /// Deletes a file if it is still `seen`, as far as the service can tell; otherwise that is
    /// [`Changed`](ErrorKind::Changed). Deleting what is absent is fine.
    async fn remove(&self, path: &str, seen: &FileEntry) -> Result<()>;

    /// Makes a directory and those it is in. One that is there is fine.
    async fn make_dir(&self, path: &str) -> Result<()>;

    /// Removes a directory. `false` if something is in it. One that is absent is fine.
    async fn remove_dir(&self, path: &str) -> Result<bool>;
}

/// One file on its way. Nothing is to be seen of it before [`finish`](FileWriter::finish) returns, and if it never does nothing ever is.
#[async_trait]
pub trait FileWriter: Send {
    /// Takes the next bytes.
    async fn write(&mut self, bytes: Bytes) -> Result<()>;

    /// Gives the file its name. If that is not any more what it was when it was begun, that is
    /// [`Changed`](ErrorKind::Changed), as far as the service can tell, and what is there stays.
    async fn finish(&mut self) -> Result<()>;

    /// Takes back what was written.
    async fn abort(&mut self);
}

/// A file that is about to be written.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// How many bytes will come.
    pub size: u64,
    /// Its time.
    pub time: FileTime,
    /// What it takes the place of: nothing, or the file that was seen there.
    pub replaces: Option<FileEntry>,
}

/// What a place of files can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilesCaps {
    /// How many requests it serves well at once.
    pub max_concurrency: usize,
    /// How exactly it keeps times that it is given, in nanoseconds; `None` if times are those of writing.
    pub keeps_times: Option<u64>,
    /// Whether there are directories without anything in them.
    pub empty_dirs: bool,
    /// Whether a read, by itself, tells that the file has become another.
    pub notices_changes: bool,
}

/// An entry of a directory, or what is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name, without those of directories above it.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// Length in bytes; 0 for other than files.
    pub size: u64,
    /// When it was changed, if that is known.
    pub time: Option<FileTime>,
    /// What the service calls this version of the file (an ETag), if it has a word for it.
    pub version: Option<String>,
}

impl FileEntry {
    /// Whether this is, as far as both tell, the same version of a file.
    pub fn is_same_version(&self, other: &Self) -> bool {
        let same = self.kind == other.kind && self.size == other.size && self.time == other.time;
        same && (self.version.is_none() || other.version.is_none() || self.version == other.version)
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link to a directory, or to nothing.
    Link,
    /// Something else: a device, a pipe, a socket.
    Other,
}

/// The files that the settings of a remote of this kind describe. Connects to nothing yet.
///
/// # Errors
/// A service of this kind can't hold plain files yet, or a setting can't be used.
pub fn open_files(
    kind: &str,
    values: &BTreeMap<String, String>,
    transport: &Transport,
) -> result::Result<Arc<dyn Files>, BadSetting> {
    crate::services::open_files(kind, values, transport).unwrap_or_else(|| {
        let why = format!("is true, and plain files of type `{kind}` are not supported yet");
        Err(BadSetting::new("plain", why))
    })
}

/// The services whose files can be plain, by their types.
pub const PLAIN_TYPES: &[&str] = &["fs", "opendal", "s3", "sftp"];

/// The error for a file that is not any more what was seen.
pub(crate) fn changed(op: Op, path: &str, remote: &str) -> RemoteError {
    RemoteError::new(ErrorKind::Changed, op, path).on(remote)
}

/// The last name of a path.
pub(crate) fn last_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
