//! A directory of another machine as plain files. A file is written beside its name and renamed over it.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, TryStreamExt};
use russh_sftp::client::error::Error;
use russh_sftp::protocol::{FileAttributes, OpenFlags, Packet, StatusCode};

use super::pool::{Lent, Link};
use super::remote::{AT_ONCE, PIECE, Sftp};
use crate::files::{FileEntry, FileKind, FileTime, FileWriter, Files, FilesCaps, NewFile, changed, last_name};
use crate::http::Failure;
use crate::services::store::Tried;
use crate::shape::Direction;
use crate::{ErrorKind, Op, Result};

impl Sftp {
    /// The entry that attributes describe. A link is what it points to, if that is a file.
    async fn entry(&self, lent: &Lent<'_>, path: &str, attributes: FileAttributes) -> Tried<FileEntry> {
        let name = last_name(path).to_owned();
        let link = FileEntry { name, kind: FileKind::Link, size: 0, time: None, version: None };
        if !attributes.is_symlink() {
            return Ok(of_attributes(path, &attributes));
        }
        match lent.stat(self.full(path)).await {
            Ok(found) if found.attrs.is_regular() => Ok(of_attributes(path, &found.attrs)),
            Ok(_) | Err(Error::Status(_)) => Ok(link),
            Err(error) => Err(lent.failure(error)),
        }
    }

    async fn find(&self, lent: &Lent<'_>, path: &str) -> Tried<Option<FileEntry>> {
        // The directory itself may be reached by a link.
        let found = if path.is_empty() { lent.stat(self.full(path)).await } else { lent.lstat(self.full(path)).await };
        match found {
            Ok(found) => Ok(Some(self.entry(lent, path, found.attrs).await?)),
            Err(Error::Status(status)) if status.status_code == StatusCode::NoSuchFile => Ok(None),
            Err(error) => Err(lent.failure(error)),
        }
    }

    async fn entries(&self, dir: &str) -> Tried<Option<Vec<FileEntry>>> {
        let lent = self.lend().await?;
        let handle = match lent.opendir(self.full(dir)).await {
            Ok(opened) => opened.handle,
            Err(error @ Error::Status(_)) => {
                return match self.find(&lent, dir).await? {
                    Some(found) if found.kind == FileKind::Dir => Err(lent.failure(error)),
                    _ => Ok(None),
                };
            }
            Err(error) => return Err(lent.failure(error)),
        };
        let mut found = Vec::new();
        let read = loop {
            match lent.readdir(handle.clone()).await {
                Ok(more) => found.extend(more.files),
                Err(Error::Status(status)) if status.status_code == StatusCode::Eof => break Ok(()),
                Err(error) => break Err(lent.failure(error)),
            }
        };
        let closed = lent.close(handle).await;
        read?;
        closed.map_err(|error| lent.failure(error))?;
        let mut entries = Vec::with_capacity(found.len());
        for file in found {
            if matches!(file.filename.as_str(), "." | "..") || is_partial(&file.filename) {
                continue;
            }
            let path = if dir.is_empty() { file.filename.clone() } else { format!("{dir}/{}", file.filename) };
            let entry = self.entry(&lent, &path, file.attrs).await?;
            entries.push(FileEntry { name: file.filename, ..entry });
        }
        Ok(Some(entries))
    }

    /// A range of the file that was seen. What is open stays what it is, should another take its name.
    async fn read_seen(&self, path: &str, range: Range<u64>, seen: &FileEntry) -> Tried<Option<Bytes>> {
        let lent = self.lend().await?;
        let opened = lent.open(self.full(path), OpenFlags::READ, FileAttributes::empty()).await;
        let handle = opened.map_err(|error| lent.failure(error))?.handle;
        let read = async {
            let is_seen = || async {
                let found = lent.fstat(&*handle).await.map_err(|error| lent.failure(error))?.attrs;
                Ok::<_, Failure>(of_attributes(path, &found).is_same_version(seen))
            };
            if !is_seen().await? {
                return Ok(None);
            }
            let body = self.read_open(&lent, &handle, Some(range)).await?;
            Ok(is_seen().await?.then_some(body))
        };
        let read = read.await;
        let closed = lent.close(handle.as_str()).await;
        let body = read?;
        closed.map_err(|error| lent.failure(error))?;
        Ok(body)
    }

    async fn create(&self, temp: &str) -> Tried<(Arc<Link>, String)> {
        let lent = self.lend().await?;
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUDE;
        let open = || lent.open(self.full(temp), flags, FileAttributes::empty());
        let opened = match open().await {
            Err(Error::Status(_)) => {
                self.make_plain_dirs(&lent, temp).await?;
                open().await
            }
            opened => opened,
        };
        Ok((lent.link(), opened.map_err(|error| lent.failure(error))?.handle))
    }

    /// Makes the directories that a path is in, as everybody else would make them.
    async fn make_plain_dirs(&self, lent: &Lent<'_>, path: &str) -> Tried<()> {
        let full = self.full(path);
        for at in full.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0) {
            let dir = &full[..at];
            if matches!(dir, "." | "..") {
                continue;
            }
            match lent.mkdir(dir, FileAttributes::empty()).await {
                // There are as many words for what is there already as there are servers. What is missing shows when it is used.
                Ok(_) | Err(Error::Status(_)) => {}
                Err(error) => return Err(lent.failure(error)),
            }
        }
        Ok(())
    }

    /// Gives what is at `temp` its name, in place of what has it.
    async fn rename_over(&self, lent: &Lent<'_>, temp: &str, path: &str, replaces: bool) -> Tried<()> {
        if !replaces {
            let renamed = lent.rename(self.full(temp), self.full(path)).await;
            return renamed.map(drop).map_err(|error| lent.failure(error));
        }
        let mut data = Vec::new();
        for text in [self.full(temp), self.full(path)] {
            data.extend((text.len() as u32).to_be_bytes());
            data.extend(text.into_bytes());
        }
        let failed = match lent.extended(POSIX_RENAME, data).await {
            Ok(Packet::Status(status)) if status.status_code == StatusCode::Ok => return Ok(()),
            Ok(Packet::Status(status)) => Error::Status(status),
            Ok(_) => Error::UnexpectedPacket,
            Err(error) => error,
        };
        let unknown = matches!(&failed, Error::Status(status) if status.status_code == StatusCode::OpUnsupported);
        if !unknown {
            return Err(lent.failure(failed));
        }
        // A server that can't replace: for a moment there is nothing of this name.
        lent.remove(self.full(path)).await.map_err(|error| lent.failure(error))?;
        lent.rename(self.full(temp), self.full(path)).await.map(drop).map_err(|error| lent.failure(error))
    }
}

#[async_trait]
impl Files for Sftp {
    fn caps(&self) -> FilesCaps {
        FilesCaps { max_concurrency: 16, keeps_times: Some(SECOND), empty_dirs: true, notices_changes: true }
    }

    fn describe(&self) -> String {
        self.said.clone()
    }

    async fn list(&self, dir: &str, _: bool) -> Result<Option<Vec<FileEntry>>> {
        self.entries(dir).await.map_err(|failure| failure.of(Op::List, dir, &self.said))
    }

    async fn stat(&self, path: &str) -> Result<Option<FileEntry>> {
        let found = async { self.find(&self.lend().await?, path).await };
        found.await.map_err(|failure| failure.of(Op::Stat, path, &self.said))
    }

    async fn read(&self, path: &str, range: Range<u64>, seen: &FileEntry) -> Result<Bytes> {
        match self.read_seen(path, range, seen).await {
            Ok(Some(body)) => Ok(body),
            Ok(None) => Err(changed(Op::GetRange, path, &self.said)),
            Err(failure) if failure.kind == ErrorKind::RangePastEnd => Err(changed(Op::GetRange, path, &self.said)),
            Err(failure) => Err(failure.of(Op::GetRange, path, &self.said)),
        }
    }

    async fn begin(&self, path: &str, file: NewFile) -> Result<Box<dyn FileWriter>> {
        let dir = path.rsplit_once('/').map_or(String::new(), |(dir, _)| format!("{dir}/"));
        let temp = format!("{dir}{PARTIAL}{:032x}", fastrand::u128(..));
        let (link, handle) = self.create(&temp).await.map_err(|failure| failure.of(Op::PutNew, path, &self.said))?;
        let sftp = self.clone();
        Ok(Box::new(SftpWriter { sftp, link, path: path.to_owned(), temp, handle, file, at: 0 }))
    }

    async fn set_time(&self, path: &str, time: FileTime) -> Result<bool> {
        let set = async {
            let lent = self.lend().await?;
            lent.setstat(self.full(path), attributes(time)).await.map_err(|error| lent.failure(error))
        };
        set.await.map(|_| true).map_err(|failure| failure.of(Op::PutNew, path, &self.said))
    }

    async fn remove(&self, path: &str, seen: &FileEntry) -> Result<()> {
        let failed = |failure: Failure| failure.of(Op::Delete, path, &self.said);
        let lent = self.lend().await.map_err(failed)?;
        match self.find(&lent, path).await.map_err(failed)? {
            None => Ok(()),
            Some(found) if !found.is_same_version(seen) => Err(changed(Op::Delete, path, &self.said)),
            Some(_) => lent.remove(self.full(path)).await.map(drop).map_err(|error| failed(lent.failure(error))),
        }
    }

    async fn make_dir(&self, path: &str) -> Result<()> {
        let made = async { self.make_plain_dirs(&self.lend().await?, &format!("{path}/")).await };
        made.await.map_err(|failure| failure.of(Op::PutNew, path, &self.said))
    }

    async fn remove_dir(&self, path: &str) -> Result<bool> {
        let failed = |failure: Failure| failure.of(Op::Delete, path, &self.said);
        let lent = self.lend().await.map_err(failed)?;
        let error = match lent.rmdir(self.full(path)).await {
            Ok(_) => return Ok(true),
            Err(Error::Status(status)) if status.status_code == StatusCode::NoSuchFile => return Ok(true),
            Err(error) => error,
        };
        match (&error, self.entries(path).await.map_err(failed)?) {
            (Error::Status(_), Some(below)) if !below.is_empty() => Ok(false),
            _ => Err(failed(lent.failure(error))),
        }
    }
}

/// A file on its way, under a temporary name.
struct SftpWriter {
    sftp: Sftp,
    /// The connection that it is open on.
    link: Arc<Link>,
    path: String,
    temp: String,
    handle: String,
    file: NewFile,
    at: u64,
}

impl SftpWriter {
    async fn put(&self, bytes: Bytes) -> Tried<()> {
        let lent = self.sftp.pool.lend_again(&self.link).await;
        let starts = (0..bytes.len()).step_by(PIECE as usize).map(Ok);
        stream::iter(starts)
            .try_for_each_concurrent(AT_ONCE, |start| {
                let piece = bytes.slice(start..(start + PIECE as usize).min(bytes.len()));
                let lent = &lent;
                async move {
                    self.sftp.shape(Direction::Up, piece.len()).await;
                    let written = lent.write(self.handle.as_str(), self.at + start as u64, piece.to_vec()).await;
                    written.map(drop).map_err(|error| lent.failure(error))
                }
            })
            .await
    }

    async fn publish(&self) -> Tried<bool> {
        let lent = self.sftp.pool.lend_again(&self.link).await;
        // An old server, or another's, knows of no such thing.
        match lent.fsync(self.handle.as_str()).await {
            Ok(_) | Err(Error::Status(_)) => {}
            Err(error) => return Err(lent.failure(error)),
        }
        let there = lent.fstat(self.handle.as_str()).await.map_err(|error| lent.failure(error))?.attrs.size;
        lent.close(self.handle.as_str()).await.map_err(|error| lent.failure(error))?;
        if there.is_some_and(|there| there != self.at) {
            return Err(Failure::new(ErrorKind::Reset, "what has arrived is not what was sent"));
        }
        let timed = lent.setstat(self.sftp.full(&self.temp), attributes(self.file.time)).await;
        timed.map_err(|error| lent.failure(error))?;
        let there = self.sftp.find(&lent, &self.path).await?;
        let as_seen = match (&there, &self.file.replaces) {
            (None, _) => true,
            (Some(there), Some(seen)) => there.is_same_version(seen),
            (Some(_), None) => false,
        };
        if as_seen {
            self.sftp.rename_over(&lent, &self.temp, &self.path, there.is_some()).await?;
        }
        Ok(as_seen)
    }
}

#[async_trait]
impl FileWriter for SftpWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let length = bytes.len() as u64;
        match self.put(bytes).await {
            Ok(()) => self.at += length,
            Err(failure) => return Err(failure.of(Op::PutNew, &self.path, &self.sftp.said)),
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        match self.publish().await {
            Ok(true) => Ok(()),
            Ok(false) => Err(changed(Op::PutNew, &self.path, &self.sftp.said)),
            Err(failure) => Err(failure.of(Op::PutNew, &self.path, &self.sftp.said)),
        }
    }

    async fn abort(&mut self) {
        // What is left behind is in nobody's way.
        drop(self.sftp.pool.lend_again(&self.link).await.close(self.handle.as_str()).await);
        if let Ok(lent) = self.sftp.lend().await {
            drop(lent.remove(self.sftp.full(&self.temp)).await);
        }
    }
}

fn of_attributes(path: &str, found: &FileAttributes) -> FileEntry {
    let kind = match found {
        found if found.is_dir() => FileKind::Dir,
        found if found.permissions.is_none() || found.is_regular() => FileKind::File,
        _ => FileKind::Other,
    };
    let time = found.mtime.map(|secs| FileTime { secs: i64::from(secs), nanos: 0 });
    let size = if kind == FileKind::File { found.size.unwrap_or_default() } else { 0 };
    FileEntry { name: last_name(path).to_owned(), kind, size, time, version: None }
}

/// Times of SFTP are seconds from 1970 to 2106.
fn attributes(time: FileTime) -> FileAttributes {
    let secs = time.secs.clamp(0, i64::from(u32::MAX)) as u32;
    FileAttributes { atime: Some(secs), mtime: Some(secs), ..FileAttributes::empty() }
}

/// Whether a name is of a file that is being written, or never was to its end.
fn is_partial(name: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    name.strip_prefix(PARTIAL).is_some_and(|rest| rest.len() == 32 && rest.bytes().all(hex))
}

const PARTIAL: &str = ".cryptsync-partial-";
const POSIX_RENAME: &str = "posix-rename@openssh.com";
const SECOND: u64 = 1_000_000_000;
