//! The narrow trait that every storage service implements and every layer wraps. Nothing here renames, overwrites,
//! locks or reads a time: what services disagree about is left out.

use std::fmt::Debug;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future;
use futures::stream::BoxStream;

use crate::{ErrorKind, Op, RemoteError, RemotePath, Result};

/// Bytes at a path. Objects are written once and whole: an object that is there is complete.
#[async_trait]
pub trait Remote: Send + Sync + Debug {
    /// What this remote can do. Cheap; may get worse while running, when a limit shows itself, but never better.
    fn caps(&self) -> Caps;

    /// The remote for people and error texts, such as `/backup/vault`. Never a secret.
    fn describe(&self) -> String;

    /// The whole object. One larger than [`Caps::max_object`] is refused before it is read.
    async fn get(&self, path: &RemotePath) -> Result<Bytes>;

    /// Exactly these bytes. A range that ends past the end of the object, or before its own start, is
    /// [`RangePastEnd`](crate::ErrorKind::RangePastEnd).
    async fn get_range(&self, path: &RemotePath, range: Range<u64>) -> Result<Bytes>;

    /// Stores the parts as one object, unless the path is taken; never overwrites. Missing parents are created.
    /// It is all there or not there at all, also after a crash. After an error, or when the future is dropped, it
    /// may or may not be there; trying again is always right.
    async fn put_new(&self, path: &RemotePath, body: Vec<Bytes>) -> Result<Put>;

    /// What is known of an object without reading it.
    async fn stat(&self, path: &RemotePath) -> Result<Stat>;

    /// Every object whose path starts with `prefix`, from all depths, in any order. No match is an empty stream. An
    /// error ends the stream. Objects that come or go meanwhile may or may not appear: a listing is a hint.
    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed>>;

    /// Deletes an object. Deleting what is absent is fine.
    async fn delete(&self, path: &RemotePath) -> Result<()>;

    /// Deletes objects, in as few requests as the service needs. Those that are absent are fine. After an error any of them may
    /// still be there.
    async fn delete_many(&self, paths: &[RemotePath]) -> Result<()> {
        for some in paths.chunks(self.caps().max_concurrency.clamp(1, DELETES_AT_ONCE)) {
            let calls: Vec<_> = some.iter().map(|path| self.delete(path)).collect();
            future::try_join_all(calls).await?;
        }
        Ok(())
    }

    /// When this returns, every put that returned before it was called survives a loss of power.
    async fn barrier(&self) -> Result<()> {
        Ok(())
    }

    /// What runs that ended too early have left at the service and no listing shows, as far as it tells.
    async fn strays(&self) -> Result<Vec<Stray>> {
        Ok(Vec::new())
    }

    /// Removes what [`strays`](Self::strays) has named. What is gone already is fine.
    async fn remove_stray(&self, stray: &Stray) -> Result<()> {
        Err(RemoteError::new(ErrorKind::Unsupported, Op::Delete, stray.name.as_str()).on(self.describe()))
    }

    /// Is told whether `put_new` was seen to be exclusive, in this run or an earlier one: a service that would have to try need not, and
    /// one that claims it is not believed against that.
    fn recall(&self, _put_new: bool) {}

    /// Removes a directory, which ends in a slash, and those below it, where the service has such. Whoever calls this has deleted the
    /// objects in them and puts none meanwhile. One that is not there is fine.
    async fn remove_directory(&self, _directory: &str) -> Result<()> {
        Ok(())
    }
}

/// Something that a run which ended too early has left at a service: it takes space, and is no object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stray {
    /// What it is.
    pub kind: StrayKind,
    /// What it was to be, or where it lies, for people.
    pub name: String,
    /// What the service knows it by.
    pub id: String,
    /// When it was begun, or last written to, if the service says so.
    pub since: Option<SystemTime>,
    /// Its bytes, if the service says so.
    pub size: Option<u64>,
}

/// What a stray is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StrayKind {
    /// An upload in parts that was neither completed nor given up.
    Upload,
    /// A file that was to be renamed when it was whole.
    Temporary,
}

/// What a remote can do: declared by the service, so that nobody has to guess or to skip a test by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// How many requests it serves well at once.
    pub max_concurrency: usize,
    /// Whether `get_range` fetches the range only. Without, it costs as much as the whole object.
    pub read_range: bool,
    /// Whether `put_new` is exclusive: of several writers of one path, exactly one sees `Created`. Without, each may
    /// see `Created` and any one of the bodies stays.
    pub put_new: bool,
    /// The largest object it stores, in bytes.
    pub max_object: u64,
    /// How long after a put a listing may still miss the object.
    pub list_delay: Duration,
    /// How large objects should be that many small things are packed into, in bytes: larger where each call is slow, smaller where
    /// an upload that breaks off has to begin anew over a thin line.
    pub pack_size: u64,
}

impl Caps {
    /// What suits most services.
    pub const PACK: u64 = 16 << 20;
    /// For services that take a second or so for each object, however small.
    pub const LARGE_PACK: u64 = 32 << 20;
}

/// What `put_new` did. Names are content hashes, so that something is already there is a fact and not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The object was not there and is now.
    Created,
    /// The path was taken; its object is as before.
    Existed,
}

/// What `stat` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// The length of the object in bytes.
    pub size: u64,
}

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Where it is.
    pub path: RemotePath,
    /// Its length in bytes.
    pub size: u64,
}

/// Deletions at a time where each is a request.
const DELETES_AT_ONCE: usize = 8;
