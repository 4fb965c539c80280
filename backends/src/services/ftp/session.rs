//! One login, and what can be done with it. Names are absolute here.

use std::io::ErrorKind as IoKind;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use suppaftp::list::ListParser;
use suppaftp::tokio::{AsyncRustlsStream, ImplAsyncFtpStream};
use suppaftp::{FtpError, FtpResult};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::trouble::{Trouble, within};
use crate::ErrorKind;
use crate::http::{BODY_MAX, Failure};
use crate::services::answers::{not_found, past_end, too_large};
use crate::services::walk::Entry;
use crate::shape::{Direction, Shaper};

type Outcome<T> = Result<T, Failure>;

/// A login.
pub(super) struct Session {
    ftp: ImplAsyncFtpStream<AsyncRustlsStream>,
    /// Where the login leads, without a slash at the end.
    home: String,
    /// Whether directories are listed in the form that is meant for programs.
    mlsd: bool,
    idle: Duration,
    broken: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session")
    }
}

impl Session {
    pub(super) fn new(ftp: ImplAsyncFtpStream<AsyncRustlsStream>, home: String, mlsd: bool, idle: Duration) -> Self {
        Self { ftp, home: home.trim_end_matches('/').to_owned(), mlsd, idle, broken: false }
    }

    /// Whether it must not be used again, though it has done what was asked.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// The whole name of a path below `root`.
    pub(super) fn full(&self, root: &str, path: &str) -> String {
        let root = if root.starts_with('/') { root.to_owned() } else { format!("{}/{root}", self.home) };
        format!("{}/{path}", root.trim_end_matches('/'))
    }

    /// The size of a file; `None` if there is none of this name.
    pub(super) async fn size(&mut self, full: &str) -> Outcome<Option<u64>> {
        match within(self.idle, self.ftp.size(full)).await {
            Ok(size) => Ok(Some(size as u64)),
            Err(Trouble::Refused { code: 500 | 502 | 504, .. }) => self.listed_size(full).await,
            Err(trouble) if trouble.is_about_the_name() => match trouble.failure() {
                failure if failure.kind == ErrorKind::PermissionDenied => Err(failure),
                _ => Ok(None),
            },
            Err(trouble) => Err(trouble.failure()),
        }
    }

    /// The size as the directory has it, for servers that can't be asked.
    async fn listed_size(&mut self, full: &str) -> Outcome<Option<u64>> {
        let (directory, name) = full.rsplit_once('/').unwrap_or(("", full));
        let entries = self.entries(directory).await?;
        Ok(entries.into_iter().find(|entry| entry.name == name).and_then(|entry| entry.size))
    }

    /// Stores a body under a name, and sees that all of it arrived.
    pub(super) async fn store(
        &mut self,
        full: &str,
        body: &[Bytes],
        shaper: Option<&Arc<Shaper>>,
    ) -> Result<(), Trouble> {
        let idle = self.idle;
        let mut data = within(idle, self.ftp.put_with_stream(full)).await?;
        for part in body {
            for piece in part.chunks(PIECE) {
                if let Some(shaper) = shaper {
                    shaper.take(Direction::Up, piece.len()).await;
                }
                within(idle, async { data.write_all(piece).await.map_err(FtpError::ConnectionError) }).await?;
            }
        }
        within(idle, data.finish()).await
    }

    /// All of a file, or a range of it.
    pub(super) async fn fetch(
        &mut self,
        full: &str,
        range: Option<Range<u64>>,
        shaper: Option<&Arc<Shaper>>,
    ) -> Outcome<Bytes> {
        let size = self.size(full).await?.ok_or_else(not_found)?;
        let Range { start, end } = range.unwrap_or(0..size);
        if start > end || end > size {
            return Err(past_end());
        }
        if end - start > BODY_MAX {
            return Err(too_large());
        }
        if start == end {
            return Ok(Bytes::new());
        }
        let idle = self.idle;
        if start > 0 {
            within(idle, self.ftp.resume_transfer(start as usize)).await.map_err(Trouble::failure)?;
        }
        let mut data = within(idle, self.ftp.retr_as_stream(full)).await.map_err(Trouble::failure)?;
        let wanted = (end - start) as usize;
        let mut body = BytesMut::with_capacity(wanted.min(CAPACITY_MAX));
        while body.len() < wanted {
            let before = body.len();
            let mut rest = (&mut data).take((wanted - before).min(PIECE) as u64);
            let read = within(idle, async { ended(rest.read_buf(&mut body).await) }).await;
            if read.map_err(Trouble::failure)? == 0 {
                return Err(Failure::new(ErrorKind::Reset, "the connection ends before the file does"));
            }
            if let Some(shaper) = shaper {
                shaper.take(Direction::Down, body.len() - before).await;
            }
        }
        if end == size {
            // The end of the stream belongs to it: who hangs up before has the server complain.
            let mut more = [0; 1];
            if within(idle, async { ended(data.read(&mut more).await) }).await.map_err(Trouble::failure)? > 0 {
                return Err(Failure::new(ErrorKind::Reset, "the file has grown while it was read"));
            }
            within(idle, data.finish()).await.map_err(Trouble::failure)?;
        } else {
            // The rest is not wanted: the server notices, says so, and that is read before the next command.
            drop(data);
            self.broken = within(idle.min(DRAIN_MAX), self.ftp.noop()).await.is_err();
        }
        Ok(body.freeze())
    }

    /// What is directly in a directory; nothing if it is not there, or is none.
    pub(super) async fn entries(&mut self, directory: &str) -> Outcome<Vec<Entry>> {
        let idle = self.idle;
        let directory = if directory.len() > 1 { directory.trim_end_matches('/') } else { "/" };
        // Into it first: a file would be listed as if it were in itself.
        match within(idle, self.ftp.cwd(directory)).await {
            Ok(()) => {}
            Err(trouble) if trouble.is_about_the_name() => {
                let failure = trouble.failure();
                return if failure.kind == ErrorKind::PermissionDenied { Err(failure) } else { Ok(Vec::new()) };
            }
            Err(trouble) => return Err(trouble.failure()),
        }
        let lines = match self.mlsd {
            true => within(idle, self.ftp.mlsd(None)).await,
            false => within(idle, self.ftp.list(None)).await,
        };
        let lines = lines.map_err(Trouble::failure)?;
        lines.iter().filter(|line| !line.starts_with("total ")).filter_map(|line| self.parsed(line)).collect()
    }

    fn parsed(&self, line: &str) -> Option<Outcome<Entry>> {
        let file = match self.mlsd {
            true => ListParser::parse_mlsd(line),
            false => ListParser::parse_posix(line).or_else(|_| ListParser::parse_dos(line)),
        };
        // The directory itself and the one above it are told by their type, whatever they are called.
        let lower = line.to_ascii_lowercase();
        if self.mlsd && (lower.contains("type=cdir") || lower.contains("type=pdir")) {
            return None;
        }
        match file {
            Ok(file) if file.is_symlink() => None,
            Ok(file) => Some(Ok(Entry {
                name: file.name().to_owned(),
                changed: Some(file.modified()),
                size: (!file.is_directory()).then_some(file.size() as u64),
            })),
            // What can't be read may be an object: a listing with a hole in it is worse than none.
            Err(_) => {
                let line: String = line.chars().filter(|c| !c.is_control()).take(100).collect();
                let says = format!("the server lists a directory in a form that is not known: `{line}`");
                Some(Err(Failure::new(ErrorKind::Unsupported, says)))
            }
        }
    }

    /// Gives a file another name. Most servers replace what has that name.
    pub(super) async fn rename(&mut self, from: &str, to: &str) -> Result<(), Trouble> {
        within(self.idle, self.ftp.rename(from, to)).await
    }

    pub(super) async fn remove(&mut self, full: &str) -> Result<(), Trouble> {
        within(self.idle, self.ftp.rm(full)).await
    }

    pub(super) async fn remove_directory(&mut self, full: &str) -> Result<(), Trouble> {
        within(self.idle, self.ftp.rmdir(full)).await
    }

    pub(super) async fn make_directory(&mut self, full: &str) -> Result<(), Trouble> {
        within(self.idle, self.ftp.mkdir(full)).await
    }
}

/// Many servers end TLS by hanging up. That nothing is missing shows in the size and in the server's last word.
fn ended(read: std::io::Result<usize>) -> FtpResult<usize> {
    match read {
        Err(error) if error.kind() == IoKind::UnexpectedEof => Ok(0),
        read => read.map_err(FtpError::ConnectionError),
    }
}

/// What is handed on at once.
const PIECE: usize = 64 << 10;
/// Memory is taken for so much before anything has come.
const CAPACITY_MAX: usize = 16 << 20;
/// How long a server may take to notice that nobody listens.
const DRAIN_MAX: Duration = Duration::from_secs(5);
