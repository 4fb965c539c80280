//! A directory of another machine as a remote.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use russh_sftp::client::error::Error;
use russh_sftp::protocol::{File, FileAttributes, OpenFlags, StatusCode};

use super::PROVIDER;
use super::login::Login;
use super::pool::{Lent, Pool};
use crate::http::{BODY_MAX, Failure};
use crate::services::answers::{all_there, in_the_way, past_end, too_large};
use crate::services::bodies::length;
use crate::services::store::{Store, Tried, USUAL};
use crate::services::walk::{Entry, TEMP_PREFIX, directories, walk};
use crate::settings::Values;
use crate::shape::{Direction, Shaper};
use crate::{BadSetting, Caps, ErrorKind, Listed, Put, Transport};

/// A directory of another machine.
#[derive(Debug, Clone)]
pub struct Sftp {
    pub(super) pool: Arc<Pool>,
    /// Without a slash at the end; empty for where a login leads.
    root: String,
    pub(super) said: String,
    shaper: Option<Arc<Shaper>>,
    /// Directories that are known to be there.
    made: Arc<Mutex<BTreeSet<String>>>,
}

impl Sftp {
    /// The remote that the settings describe. Connects to nothing yet.
    ///
    /// # Errors
    /// A setting can't be used.
    pub fn open(values: &BTreeMap<String, String>, transport: &Transport) -> Result<Self, BadSetting> {
        let values = Values::check(&PROVIDER, values)?;
        let login = Login::of(&values, transport)?;
        let connections =
            values.text("connections").and_then(|text| text.parse().ok()).filter(|n| (1..=64).contains(n));
        let connections = connections.ok_or_else(|| BadSetting::new("connections", "is not a number from 1 to 64"))?;
        let root = values.text("root").unwrap_or_default();
        let root = if root.starts_with('/') && root.trim_matches('/').is_empty() { "/." } else { root };
        let root = root.strip_prefix("~/").unwrap_or(root).trim_end_matches('/').to_owned();
        let said = format!("sftp:{login:?}/{root}").replace("//", "/");
        Ok(Self {
            pool: Arc::new(Pool::new(login, connections)),
            root,
            said,
            shaper: transport.shaper.clone(),
            made: Arc::default(),
        })
    }

    /// The server's name for a path.
    pub(super) fn full(&self, path: &str) -> String {
        match self.root.as_str() {
            "" if path.is_empty() => ".".to_owned(),
            "" => path.to_owned(),
            root => format!("{root}/{path}"),
        }
    }

    pub(super) async fn shape(&self, direction: Direction, bytes: usize) {
        if let Some(shaper) = &self.shaper {
            shaper.take(direction, bytes).await;
        }
    }

    pub(super) async fn lend(&self) -> Tried<Lent<'_>> {
        if let Some(shaper) = &self.shaper {
            shaper.request().await;
        }
        self.pool.lend().await
    }

    /// Makes the directories above a path, and those of the root, that are not known to be there.
    async fn make_directories(&self, lent: &Lent<'_>, path: &str) -> Tried<()> {
        let full = self.full(path);
        let parents: Vec<usize> = full.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0).collect();
        for at in parents {
            let directory = &full[..at];
            let known = self.made.lock().unwrap_or_else(PoisonError::into_inner).contains(directory);
            if known || matches!(directory, "." | "..") {
                continue;
            }
            let attributes = FileAttributes { permissions: Some(0o700), ..FileAttributes::empty() };
            match lent.mkdir(directory, attributes).await {
                Ok(_) => {}
                // There are as many words for what is there already as there are servers. What is missing shows when it is used.
                Err(Error::Status(_)) => {}
                Err(error) => return Err(lent.failure(error)),
            }
            self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(directory.to_owned());
        }
        Ok(())
    }

    /// The size of what is at a path, if it is a file; `None` if nothing is there.
    async fn size_by(&self, lent: &Lent<'_>, path: &str) -> Tried<Option<u64>> {
        match lent.lstat(self.full(path)).await {
            Ok(found) if found.attrs.permissions.is_none() || found.attrs.is_regular() => {
                Ok(Some(found.attrs.size.unwrap_or_default()))
            }
            Ok(_) => Err(in_the_way()),
            Err(Error::Status(status)) if status.status_code == StatusCode::NoSuchFile => Ok(None),
            Err(error) => Err(lent.failure(error)),
        }
    }

    /// Writes a new file, many pieces at once, and makes it durable where the server can.
    async fn write(&self, lent: &Lent<'_>, temp: &str, body: &[Bytes]) -> Tried<()> {
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUDE;
        let attributes = || FileAttributes { permissions: Some(0o600), ..FileAttributes::empty() };
        let handle = match lent.open(self.full(temp), flags, attributes()).await {
            Err(Error::Status(_)) => {
                self.make_directories(lent, temp).await?;
                lent.open(self.full(temp), flags, attributes()).await
            }
            opened => opened,
        };
        let handle = handle.map_err(|error| lent.failure(error))?.handle;
        let length = length(body);
        let written = stream::iter(pieces(body).map(Ok))
            .try_for_each_concurrent(AT_ONCE, |(offset, piece)| {
                let handle = handle.clone();
                async move {
                    self.shape(Direction::Up, piece.len()).await;
                    lent.write(handle, offset, piece.to_vec()).await.map(drop).map_err(|error| lent.failure(error))
                }
            })
            .await;
        let (synced, found) = match &written {
            Ok(()) => futures::join!(lent.fsync(handle.clone()), lent.fstat(handle.clone())),
            Err(_) => (Err(Error::UnexpectedPacket), Err(Error::UnexpectedPacket)),
        };
        let closed = lent.close(handle).await;
        written?;
        match synced {
            // An old server, or another's, knows of no such thing.
            Ok(_) | Err(Error::Status(_)) => {}
            Err(error) => return Err(lent.failure(error)),
        }
        let there = found.map_err(|error| lent.failure(error))?.attrs.size.unwrap_or(length);
        closed.map_err(|error| lent.failure(error))?;
        all_there(length, there)
    }

    /// Gives what is at `temp` its name. OpenSSH replaces nothing then; others may, and some lose both of two at once.
    async fn publish(&self, lent: &Lent<'_>, temp: &str, path: &str) -> Tried<Put> {
        let publish = || lent.rename(self.full(temp), self.full(path));
        let failed = match publish().await {
            Ok(_) if self.size_by(lent, path).await?.is_some() => return Ok(Put::Created),
            Ok(_) => return Err(Failure::new(ErrorKind::Reset, "it was there and is gone")),
            Err(error) => error,
        };
        if !matches!(failed, Error::Status(_)) {
            return Err(lent.failure(failed));
        }
        if self.size_by(lent, path).await?.is_some() {
            return Ok(Put::Existed);
        }
        self.make_directories(lent, path).await?;
        match publish().await {
            Ok(_) => Ok(Put::Created),
            Err(Error::Status(_)) if self.size_by(lent, path).await?.is_some() => Ok(Put::Existed),
            Err(error) => Err(lent.failure(error)),
        }
    }

    pub(super) async fn read_open(&self, lent: &Lent<'_>, handle: &str, range: Option<Range<u64>>) -> Tried<Bytes> {
        let found = lent.fstat(handle).await.map_err(|error| lent.failure(error))?.attrs;
        if found.permissions.is_some() && !found.is_regular() {
            return Err(in_the_way());
        }
        let size = found.size.unwrap_or_default();
        let range = range.unwrap_or(0..size);
        if range.start > range.end || range.end > size {
            return Err(past_end());
        }
        if range.end - range.start > BODY_MAX {
            return Err(too_large());
        }
        let starts = (range.start..range.end).step_by(PIECE as usize);
        let mut pieces = stream::iter(starts)
            .map(|start| self.read_piece(lent, handle, start, PIECE.min(range.end - start)))
            .buffered(AT_ONCE);
        let mut body = BytesMut::with_capacity((range.end - range.start) as usize);
        while let Some(piece) = pieces.try_next().await? {
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }

    async fn read_piece(&self, lent: &Lent<'_>, handle: &str, start: u64, length: u64) -> Tried<Vec<u8>> {
        let mut piece: Vec<u8> = Vec::new();
        while (piece.len() as u64) < length {
            let wanted = length - piece.len() as u64;
            let read = lent.read(handle, start + piece.len() as u64, wanted as u32).await;
            let data = read.map_err(|error| lent.failure(error))?.data;
            if data.is_empty() || data.len() as u64 > wanted {
                return Err(Failure::new(
                    ErrorKind::Unexpected,
                    "the server gives another piece than the one asked for",
                ));
            }
            self.shape(Direction::Down, data.len()).await;
            if piece.is_empty() { piece = data } else { piece.extend_from_slice(&data) }
        }
        Ok(piece)
    }

    /// What is directly in a directory.
    async fn look(&self, directory: &str) -> Tried<Vec<Entry>> {
        let lent = self.lend().await?;
        let full = self.full(directory);
        let path = if full.len() > 1 { full.trim_end_matches('/') } else { &full };
        let handle = match lent.opendir(path).await {
            Ok(opened) => opened.handle,
            Err(Error::Status(status)) if status.status_code == StatusCode::NoSuchFile => return Ok(Vec::new()),
            // A file where the path says directory.
            Err(error) => match lent.lstat(path).await {
                Ok(found) if found.attrs.permissions.is_some() && !found.attrs.is_dir() => return Ok(Vec::new()),
                _ => return Err(lent.failure(error)),
            },
        };
        let mut entries = Vec::new();
        let read = loop {
            match lent.readdir(handle.clone()).await {
                Ok(more) => entries.extend(more.files.into_iter().filter_map(entry)),
                Err(Error::Status(status)) if status.status_code == StatusCode::Eof => break Ok(entries),
                Err(error) => break Err(lent.failure(error)),
            }
        };
        lent.close(handle).await.map_err(|error| lent.failure(error))?;
        read
    }
}

#[async_trait]
impl Store for Sftp {
    fn caps(&self) -> Caps {
        // Whether a rename replaces what is there is up to the server.
        Caps { max_concurrency: 16, ..USUAL }
    }

    fn describe(&self) -> String {
        self.said.clone()
    }

    async fn read(&self, path: &str, range: Option<Range<u64>>) -> Tried<Bytes> {
        let lent = self.lend().await?;
        let opened = lent.open(self.full(path), OpenFlags::READ, FileAttributes::empty()).await;
        let handle = opened.map_err(|error| lent.failure(error))?.handle;
        let read = self.read_open(&lent, &handle, range).await;
        let closed = lent.close(handle).await;
        let body = read?;
        closed.map_err(|error| lent.failure(error))?;
        Ok(body)
    }

    async fn size(&self, path: &str) -> Tried<Option<u64>> {
        self.size_by(&self.lend().await?, path).await
    }

    async fn put(&self, path: &str, body: &[Bytes]) -> Tried<Put> {
        let lent = self.lend().await?;
        if self.size_by(&lent, path).await?.is_some() {
            return Ok(Put::Existed);
        }
        let temp = format!("{TEMP_PREFIX}{:032x}", fastrand::u128(..));
        let put = match self.write(&lent, &temp, body).await {
            Ok(()) => self.publish(&lent, &temp, path).await,
            Err(failure) => Err(failure),
        };
        if !matches!(put, Ok(Put::Created)) {
            // Left behind it is in nobody's way, and the first failure is the one to tell.
            drop(tokio::time::timeout(Duration::from_secs(5), lent.remove(self.full(&temp))).await);
        }
        put
    }

    fn walk<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Tried<Listed>> {
        walk(prefix, DIRECTORIES_AT_ONCE, move |directory| async move { self.look(&directory).await })
    }

    async fn remove(&self, path: &str) -> Tried<()> {
        let lent = self.lend().await?;
        let failed = match lent.remove(self.full(path)).await {
            Ok(_) => return Ok(()),
            Err(Error::Status(status)) if status.status_code == StatusCode::NoSuchFile => return Ok(()),
            Err(error) => error,
        };
        if !matches!(failed, Error::Status(_)) {
            return Err(lent.failure(failed));
        }
        match self.size_by(&lent, path).await? {
            None => Ok(()),
            Some(_) => Err(lent.failure(failed)),
        }
    }

    async fn top(&self) -> Tried<Vec<Entry>> {
        self.look("").await
    }

    async fn remove_directory(&self, path: &str) -> Tried<()> {
        let all = directories(path, |directory| async move { self.look(&directory).await }).await?;
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let lent = self.lend().await?;
        for directory in all.iter().rev() {
            match lent.rmdir(self.full(directory)).await {
                // There are as many words for what is gone already, or holds something, as there are servers.
                Ok(_) | Err(Error::Status(_)) => {}
                Err(error) => return Err(lent.failure(error)),
            }
        }
        Ok(())
    }
}

/// A file or a directory; a server that tells no kinds has files only.
fn entry(found: File) -> Option<Entry> {
    let (name, attrs) = (found.filename, found.attrs);
    let changed = attrs.mtime.map(|seconds| UNIX_EPOCH + Duration::from_secs(u64::from(seconds)));
    if attrs.is_dir() {
        return Some(Entry { name, size: None, changed });
    }
    let is_file = attrs.permissions.is_none() || attrs.is_regular();
    is_file.then(|| Entry { name, size: Some(attrs.size.unwrap_or_default()), changed })
}

/// The body in pieces that a request can hold, with their places.
fn pieces(body: &[Bytes]) -> impl Iterator<Item = (u64, Bytes)> {
    let mut offset = 0;
    body.iter().flat_map(move |part| {
        let start = offset;
        offset += part.len() as u64;
        let cut = move |at: usize| (start + at as u64, part.slice(at..(at + PIECE as usize).min(part.len())));
        (0..(offset - start) as usize).step_by(PIECE as usize).map(cut)
    })
}

/// What every server takes and gives in one request.
pub(super) const PIECE: u64 = 32 << 10;
/// Requests of one object on their way: 2 MiB, which is 320 Mbit/s at 50 ms for each object.
pub(super) const AT_ONCE: usize = 64;
const DIRECTORIES_AT_ONCE: usize = 8;
