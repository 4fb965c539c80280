//! Plain files at a remote, as the threads of the engine see them: blocking calls, each given up when the run is cancelled.
//!
//! Never called from a thread of the async runtime. What comes from there is not believed to be names: [`TreePath`] decides.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{Receiver, bounded};
use cryptsync_backends::ErrorKind;
use cryptsync_backends::files::{FileTime, FileWriter, Files, FilesCaps, NewFile, RetryFiles};

pub use cryptsync_backends::files::{FileEntry, FileKind};

use super::error::VaultError;
use super::io::{CANCEL_POLL, wait};
use crate::path::TreePath;
use crate::world::{Cancel, Timestamp};

/// A place of plain files with the runtime that drives it. Paths are below its root.
#[derive(Clone)]
pub struct FilesIo {
    files: Arc<RetryFiles>,
    runtime: tokio::runtime::Handle,
    cancel: Cancel,
    /// How much is read in one request.
    piece: u64,
}

/// A directory that is being listed.
pub struct Listing(Receiver<Result<Option<Vec<FileEntry>>, VaultError>>);

impl FilesIo {
    /// Wraps `files`; `piece` is how many bytes are read at once.
    pub fn new(files: Arc<RetryFiles>, runtime: tokio::runtime::Handle, cancel: Cancel, piece: u64) -> Self {
        Self { files, runtime, cancel, piece }
    }

    /// The place in words.
    pub fn describe(&self) -> String {
        self.files.describe()
    }

    /// What it can do.
    pub fn caps(&self) -> FilesCaps {
        self.files.caps()
    }

    /// How many bytes are read at once.
    pub fn piece(&self) -> u64 {
        self.piece
    }

    /// How many requests were made.
    pub fn requests(&self) -> u64 {
        self.files.calls()
    }

    /// Whether to stop.
    ///
    /// # Errors
    /// [`VaultError::Cancelled`] if so.
    pub fn checkpoint(&self) -> Result<(), VaultError> {
        if self.cancel.is_cancelled() { Err(VaultError::Cancelled) } else { Ok(()) }
    }

    /// Begins to list a directory. `times`: whether times are wanted even if each costs a request.
    pub fn begin_list(&self, dir: &TreePath, times: bool) -> Listing {
        let (sender, receiver) = bounded(1);
        let files = Arc::clone(&self.files);
        match text(dir) {
            Err(error) => drop(sender.send(Err(error))),
            Ok(dir) => {
                let dir = dir.to_owned();
                let listing = async move { drop(sender.send(files.list(&dir, times).await.map_err(VaultError::from))) };
                drop(self.runtime.spawn(listing));
            }
        }
        Listing(receiver)
    }

    /// What a directory turned out to have; `None` if it is not there.
    ///
    /// # Errors
    /// The service's, or cancelled.
    pub fn listed(&self, listing: &Listing) -> Result<Option<Vec<FileEntry>>, VaultError> {
        loop {
            self.checkpoint()?;
            match listing.0.recv_timeout(CANCEL_POLL) {
                Ok(found) => return found,
                Err(crossbeam_channel::RecvTimeoutError::Timeout) => {}
                Err(crossbeam_channel::RecvTimeoutError::Disconnected) => return Err(VaultError::Cancelled),
            }
        }
    }

    /// What is at a path; `None` if nothing is.
    ///
    /// # Errors
    /// The service's, or cancelled.
    pub fn stat(&self, path: &TreePath) -> Result<Option<FileEntry>, VaultError> {
        let path = text(path)?;
        self.wait(async { Ok(self.files.stat(path).await?) })
    }

    /// Calls `each` with the pieces of a range of the file that is `seen`, while the next one is on its way.
    ///
    /// # Errors
    /// The service's, which [`is_changed`] if it is another file by now; cancelled; or what `each` returns.
    pub fn read<E: From<VaultError>>(
        &self,
        path: &TreePath,
        range: Range<u64>,
        seen: &FileEntry,
        each: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let path = text(path)?;
        let mut at = range.start;
        let mut ahead: Option<tokio::task::JoinHandle<_>> = None;
        let begin = |at: u64| {
            let (files, path, seen) = (Arc::clone(&self.files), path.to_owned(), seen.clone());
            let piece = at..range.end.min(at + self.piece);
            self.runtime.spawn(async move { files.read(&path, piece, &seen).await })
        };
        while at < range.end {
            let current = ahead.take().unwrap_or_else(|| begin(at));
            let next = at + self.piece;
            if next < range.end {
                ahead = Some(begin(next));
            }
            let piece = self.wait(async { Ok(current.await.map_err(|_| VaultError::Cancelled)??) })?;
            at += piece.len() as u64;
            each(&piece)?;
        }
        Ok(())
    }

    /// Begins to write a file of `size` bytes, in place of nothing or of what was seen there.
    ///
    /// # Errors
    /// The service's, or cancelled.
    pub fn begin(
        &self,
        path: &TreePath,
        size: u64,
        mtime: Timestamp,
        replaces: Option<FileEntry>,
    ) -> Result<PlainWriter<'_>, VaultError> {
        let file = NewFile { size, time: time_of(mtime), replaces };
        let path = text(path)?;
        let writer = self.wait(async { Ok(self.files.begin(path, file).await?) })?;
        Ok(PlainWriter { io: self, writer: Some(writer), buffer: Vec::new() })
    }

    /// Gives a file another time. `false`: that can't be done but by writing it anew.
    ///
    /// # Errors
    /// The service's, or cancelled.
    pub fn set_time(&self, path: &TreePath, mtime: Timestamp) -> Result<bool, VaultError> {
        let path = text(path)?;
        self.wait(async { Ok(self.files.set_time(path, time_of(mtime)).await?) })
    }

    /// Deletes a file that is still what was seen.
    ///
    /// # Errors
    /// The service's, which [`is_changed`] if it is another file by now; or cancelled.
    pub fn remove(&self, path: &TreePath, seen: &FileEntry) -> Result<(), VaultError> {
        let path = text(path)?;
        self.wait(async { Ok(self.files.remove(path, seen).await?) })
    }

    /// Makes a directory and those it is in.
    ///
    /// # Errors
    /// The service's, or cancelled.
    pub fn make_dir(&self, path: &TreePath) -> Result<(), VaultError> {
        let path = text(path)?;
        self.wait(async { Ok(self.files.make_dir(path).await?) })
    }

    /// Removes a directory; `false` if something is in it.
    ///
    /// # Errors
    /// The service's, or cancelled.
    pub fn remove_dir(&self, path: &TreePath) -> Result<bool, VaultError> {
        let path = text(path)?;
        self.wait(async { Ok(self.files.remove_dir(path).await?) })
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T, VaultError>>) -> Result<T, VaultError> {
        wait(&self.runtime, &self.cancel, work)
    }
}

/// A file that is being written. Dropped unfinished, it is taken back.
pub struct PlainWriter<'a> {
    io: &'a FilesIo,
    writer: Option<Box<dyn FileWriter>>,
    buffer: Vec<u8>,
}

impl PlainWriter<'_> {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// The service's, or cancelled.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), VaultError> {
        while !bytes.is_empty() {
            let step = bytes.len().min(WRITE_AT_ONCE - self.buffer.len());
            self.buffer.extend_from_slice(&bytes[..step]);
            bytes = &bytes[step..];
            if self.buffer.len() == WRITE_AT_ONCE {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// The service's, which [`is_changed`] if there is not any more what was seen; or cancelled.
    pub fn finish(mut self) -> Result<(), VaultError> {
        self.flush()?;
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        let done = self.io.wait(async { Ok(writer.finish().await?) });
        if done.is_err() {
            self.writer = Some(writer);
        }
        done
    }

    fn flush(&mut self) -> Result<(), VaultError> {
        let (Some(writer), false) = (&mut self.writer, self.buffer.is_empty()) else { return Ok(()) };
        let bytes = Bytes::from(std::mem::take(&mut self.buffer));
        self.io.wait(async { Ok(writer.write(bytes).await?) })
    }
}

impl Drop for PlainWriter<'_> {
    fn drop(&mut self) {
        if let Some(mut writer) = self.writer.take() {
            let abort = async { tokio::time::timeout(ABORT_MAX, writer.abort()).await };
            drop(self.io.runtime.block_on(abort));
        }
    }
}

/// Whether an error says that a file is not any more what was seen.
pub fn is_changed(error: &VaultError) -> bool {
    matches!(error, VaultError::Remote(error) if matches!(error.kind(), ErrorKind::Changed | ErrorKind::NotFound))
}

/// Whether an error is of one file, and others may do better.
pub fn is_of_one_file(error: &VaultError) -> bool {
    let alone = |kind| {
        matches!(
            kind,
            ErrorKind::NotFound
                | ErrorKind::Changed
                | ErrorKind::PermissionDenied
                | ErrorKind::NotADirectory
                | ErrorKind::RangePastEnd
                | ErrorKind::Unsupported
                | ErrorKind::Timeout
                | ErrorKind::Reset
                | ErrorKind::Throttled
                | ErrorKind::Unexpected
        )
    };
    matches!(error, VaultError::Remote(error) if alone(error.kind())) || matches!(error, VaultError::UnsafePath(_))
}

/// Whether trying the same again may do better.
pub fn is_passing(error: &VaultError) -> bool {
    matches!(error, VaultError::Remote(error) if error.is_transient())
}

/// The time of a file, if it has one.
pub fn mtime_of(entry: &FileEntry) -> Option<Timestamp> {
    entry.time.and_then(|time| Timestamp::new(time.secs, time.nanos))
}

fn time_of(mtime: Timestamp) -> FileTime {
    FileTime { secs: mtime.secs, nanos: mtime.nanos }
}

/// The path as services take it.
fn text(path: &TreePath) -> Result<&str, VaultError> {
    std::str::from_utf8(path.as_bytes())
        .map_err(|_| VaultError::UnsafePath(format!("`{path}`: services take names in UTF-8 only")))
}

const WRITE_AT_ONCE: usize = 1 << 20;
const ABORT_MAX: Duration = Duration::from_secs(5);
