//! Objects of a bucket that OpenDAL reaches, as files. Directories are what names have before a slash.
//!
//! Times are where rclone keeps them: in the metadata `mtime`, as seconds. A listing does not show metadata, so each time costs a request.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use opendal::{Error, ErrorKind as DalKind, Metadata, Operator, Writer};

use super::{FileEntry, FileKind, FileTime, FileWriter, Files, FilesCaps, NewFile, changed, last_name};
use crate::http::from_dal;
use crate::{ErrorKind, Op, RemoteError, Result};

/// A place in a bucket.
#[derive(Debug)]
pub(crate) struct DalFiles {
    operator: Operator,
    said: Arc<str>,
    /// Whether the place is the whole bucket, which is there even if it is empty.
    whole: bool,
    /// Set when the server turns out to refuse conditions on what it is to write.
    unconditional: Arc<AtomicBool>,
}

impl DalFiles {
    /// The files that `operator` reaches: a whole bucket, or those below some name.
    pub(crate) fn new(operator: Operator, said: String, whole: bool) -> Self {
        Self { operator, said: said.into(), whole, unconditional: Arc::default() }
    }

    fn failed(&self, op: Op, path: &str) -> impl Fn(Error) -> RemoteError {
        failed(Arc::clone(&self.said), op, path)
    }

    fn has_metadata(&self) -> bool {
        self.operator.info().capability().write_with_user_metadata
    }

    fn entry(&self, path: &str, found: &Metadata) -> FileEntry {
        let kind = if found.is_dir() { FileKind::Dir } else { FileKind::File };
        let kept = found.user_metadata().and_then(|kept| FileTime::from_decimal(kept.get(MTIME)?));
        let own = found.last_modified().map(|time| {
            let time = time.into_inner().as_nanosecond();
            FileTime { secs: time.div_euclid(SECOND) as i64, nanos: time.rem_euclid(SECOND) as u32 }
        });
        FileEntry {
            name: last_name(path).to_owned(),
            kind,
            size: if kind == FileKind::File { found.content_length() } else { 0 },
            time: kept.or(own).filter(|_| kind == FileKind::File),
            version: found.etag().map(str::to_owned),
        }
    }

    /// What is at a path, for an entry that a listing has shown.
    async fn timed(&self, dir: &str, entry: FileEntry) -> Result<Option<FileEntry>> {
        if entry.kind != FileKind::File {
            return Ok(Some(entry));
        }
        let path = format!("{dir}{}", entry.name);
        if check_path(&path, &self.said).is_err() {
            return Ok(Some(entry));
        }
        self.stat(&path).await
    }
}

#[async_trait]
impl Files for DalFiles {
    fn caps(&self) -> FilesCaps {
        FilesCaps {
            max_concurrency: 32,
            keeps_times: self.has_metadata().then_some(1),
            empty_dirs: false,
            notices_changes: self.operator.info().capability().read_with_if_match,
        }
    }

    fn describe(&self) -> String {
        self.said.to_string()
    }

    async fn list(&self, dir: &str, times: bool) -> Result<Option<Vec<FileEntry>>> {
        let failed = self.failed(Op::List, dir);
        let prefix = if dir.is_empty() { String::new() } else { format!("{dir}/") };
        check_path(dir, &self.said)?;
        let mut lister = self.operator.lister(&prefix).await.map_err(&failed)?;
        let (mut found, mut there) = (Vec::new(), self.whole && dir.is_empty());
        while let Some(entry) = lister.try_next().await.map_err(&failed)? {
            there = true;
            let is_dir = entry.metadata().is_dir();
            let Some(name) = entry.path().strip_prefix(&*prefix) else { continue };
            let name = if is_dir { name.strip_suffix('/').unwrap_or(name) } else { name };
            // The object that stands for the directory itself.
            if name.is_empty() && (entry.path() == prefix || entry.path() == "/") {
                continue;
            }
            found.push(FileEntry { name: name.to_owned(), ..self.entry(name, entry.metadata()) });
        }
        if times && self.has_metadata() {
            let prefix = prefix.as_str();
            let timed = stream::iter(found).map(|entry| self.timed(prefix, entry)).buffered(STATS_AT_ONCE);
            found = timed.try_filter_map(|entry| async move { Ok(entry) }).try_collect().await?;
        }
        Ok(there.then_some(found))
    }

    async fn stat(&self, path: &str) -> Result<Option<FileEntry>> {
        check_path(path, &self.said)?;
        match self.operator.stat(path).await {
            Ok(found) => Ok(Some(self.entry(path, &found))),
            Err(error) if error.kind() == DalKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(Op::Stat, path)(error)),
        }
    }

    async fn read(&self, path: &str, range: Range<u64>, seen: &FileEntry) -> Result<Bytes> {
        check_path(path, &self.said)?;
        let mut read = self.operator.read_with(path).range(range.clone());
        if let (Some(version), true) = (&seen.version, self.caps().notices_changes) {
            read = read.if_match(version);
        }
        match read.await {
            Ok(body) if body.len() as u64 == range.end - range.start => Ok(body.to_bytes()),
            Ok(_) => Err(changed(Op::GetRange, path, &self.said)),
            Err(error) if matches!(error.kind(), DalKind::ConditionNotMatch | DalKind::RangeNotSatisfied) => {
                Err(changed(Op::GetRange, path, &self.said))
            }
            Err(error) => Err(self.failed(Op::GetRange, path)(error)),
        }
    }

    async fn begin(&self, path: &str, file: NewFile) -> Result<Box<dyn FileWriter>> {
        check_path(path, &self.said)?;
        let failed = self.failed(Op::PutNew, path);
        let (can, fits) = (self.operator.info().capability(), !self.unconditional.load(Ordering::Relaxed));
        // A part of a file is no smaller than so that the file has no more parts than a service takes.
        let part = PART.max(file.size.div_ceil(PARTS_MAX) as usize);
        let mut write = self.operator.writer_with(path).chunk(part).concurrent(PARTS_AT_ONCE);
        if can.write_with_user_metadata {
            write = write.user_metadata([(MTIME.to_owned(), file.time.to_decimal())]);
        }
        let version = file.replaces.as_ref().and_then(|seen| seen.version.as_deref());
        match (&file.replaces, version) {
            (None, _) if fits && can.write_with_if_not_exists => write = write.if_not_exists(true),
            (Some(_), Some(version)) if fits && can.write_with_if_match => write = write.if_match(version),
            _ => {}
        }
        let writer = Some(write.await.map_err(failed)?);
        let (path, said) = (path.to_owned(), Arc::clone(&self.said));
        Ok(Box::new(DalWriter { writer, path, said, unconditional: Arc::clone(&self.unconditional) }))
    }

    async fn set_time(&self, _: &str, _: FileTime) -> Result<bool> {
        Ok(!self.has_metadata())
    }

    async fn remove(&self, path: &str, seen: &FileEntry) -> Result<()> {
        match self.stat(path).await? {
            None => Ok(()),
            Some(found) if !found.is_same_version(seen) => Err(changed(Op::Delete, path, &self.said)),
            Some(_) => self.operator.delete(path).await.map_err(self.failed(Op::Delete, path)),
        }
    }

    async fn make_dir(&self, _: &str) -> Result<()> {
        Ok(())
    }

    async fn remove_dir(&self, path: &str) -> Result<bool> {
        check_path(path, &self.said)?;
        // Somebody may have left an object that stands for the directory.
        let failed = self.failed(Op::Delete, path);
        let below = self.list(path, false).await?.unwrap_or_default();
        if below.is_empty() {
            self.operator.delete(&format!("{path}/")).await.map_err(failed)?;
        }
        Ok(below.is_empty())
    }
}

/// An object on its way, in one request or in parts.
struct DalWriter {
    writer: Option<Writer>,
    path: String,
    said: Arc<str>,
    unconditional: Arc<AtomicBool>,
}

impl DalWriter {
    fn outcome(&self, done: opendal::Result<()>) -> Result<()> {
        let Err(error) = done else { return Ok(()) };
        if error.kind() == DalKind::ConditionNotMatch {
            return Err(changed(Op::PutNew, &self.path, &self.said));
        }
        // Some refuse what they do not know, instead of ignoring it: the next attempt is without.
        if error.message().contains("NotImplemented") && !self.unconditional.swap(true, Ordering::Relaxed) {
            return Err(RemoteError::new(ErrorKind::Reset, Op::PutNew, &*self.path).on(&*self.said));
        }
        Err(failed(Arc::clone(&self.said), Op::PutNew, &self.path)(error))
    }
}

#[async_trait]
impl FileWriter for DalWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let written = writer.write(bytes).await;
        self.outcome(written)
    }

    async fn finish(&mut self) -> Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let closed = writer.close().await.map(drop);
        if closed.is_ok() {
            self.writer = None;
        }
        self.outcome(closed)
    }

    async fn abort(&mut self) {
        if let Some(mut writer) = self.writer.take() {
            // What can't be taken back now is left to the bucket's own rules.
            drop(writer.abort().await);
        }
    }
}

impl Drop for DalWriter {
    /// Parts that are left would cost money unseen.
    fn drop(&mut self) {
        if let (Some(mut writer), Ok(runtime)) = (self.writer.take(), tokio::runtime::Handle::try_current()) {
            drop(runtime.spawn(async move { writer.abort().await }));
        }
    }
}

fn failed(said: Arc<str>, op: Op, path: &str) -> impl Fn(Error) -> RemoteError {
    let path = path.to_owned();
    move |error| from_dal(&error, op, &path, &said)
}

/// Refuses what OpenDAL would take for another path: it forgives slashes, and spaces at both ends.
fn check_path(path: &str, said: &str) -> Result<()> {
    let is_strange = path.trim() != path || path.contains("//") || path.starts_with('/') || path.ends_with('/');
    if !is_strange {
        return Ok(());
    }
    let why = "a name that begins or ends with a space can't be reached here";
    Err(RemoteError::new(ErrorKind::Unsupported, Op::Stat, path).on(said).with_source(why))
}

/// Under which name rclone keeps times.
const MTIME: &str = "mtime";
const SECOND: i128 = 1_000_000_000;
const STATS_AT_ONCE: usize = 16;
/// The smallest that services take: several files are on their way at once, in a bounded memory.
const PART: usize = 5 << 20;
const PARTS_AT_ONCE: usize = 2;
/// A service takes 10,000.
const PARTS_MAX: u64 = 9_000;
