//! A walk through the directories of another machine, several at once.

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use russh_sftp::client::error::Error;
use russh_sftp::protocol::{File, StatusCode};

use super::remote::{Sftp, TEMP_PREFIX};
use crate::Listed;
use crate::http::Failure;
use crate::services::names::{is_prefix, listed};

type Outcome<T> = Result<T, Failure>;
/// A directory, and what is in it.
type Looked<'a> = BoxFuture<'a, Outcome<(String, Vec<File>)>>;

/// What is still to be looked at, and what was found.
pub(super) struct Walk<'a> {
    remote: &'a Sftp,
    prefix: &'a str,
    /// Directories, each with a slash at its end unless it is the root.
    waiting: Vec<String>,
    asked: FuturesUnordered<Looked<'a>>,
    ready: Vec<Listed>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(remote: &'a Sftp, prefix: &'a str) -> Self {
        let start = prefix.rsplit_once('/').map_or(String::new(), |(directory, _)| format!("{directory}/"));
        Self { remote, prefix, waiting: vec![start], asked: FuturesUnordered::new(), ready: Vec::new() }
    }

    pub(super) async fn next(&mut self) -> Outcome<Option<Listed>> {
        loop {
            if let Some(item) = self.ready.pop() {
                return Ok(Some(item));
            }
            while self.asked.len() < DIRECTORIES_AT_ONCE
                && let Some(directory) = self.waiting.pop()
            {
                self.asked.push(Box::pin(look(self.remote, directory)));
            }
            let Some(looked) = self.asked.next().await else { return Ok(None) };
            let (directory, files) = looked?;
            self.take(&directory, files);
        }
    }

    fn take(&mut self, directory: &str, files: Vec<File>) {
        for file in files {
            let name = file.filename;
            if matches!(name.as_str(), "" | "." | "..") || name.contains('/') || name.starts_with(TEMP_PREFIX) {
                continue;
            }
            let path = format!("{directory}{name}");
            if file.attrs.is_dir() {
                let below = format!("{path}/");
                if (below.starts_with(self.prefix) || self.prefix.starts_with(&below)) && is_prefix(&below) {
                    self.waiting.push(below);
                }
            } else if file.attrs.permissions.is_none() || file.attrs.is_regular() {
                self.ready.extend(listed(&path, self.prefix, file.attrs.size.unwrap_or_default()));
            }
        }
    }
}

/// What is in a directory, with another attempt if the connection breaks. One that is not there has nothing.
async fn look(remote: &Sftp, directory: String) -> Outcome<(String, Vec<File>)> {
    let mut failures = 0;
    loop {
        match read(remote, &directory).await {
            Err(failure) if failure.kind.is_transient() && failures < RETRIES => failures += 1,
            Err(failure) => return Err(failure),
            Ok(files) => return Ok((directory, files)),
        }
    }
}

async fn read(remote: &Sftp, directory: &str) -> Outcome<Vec<File>> {
    let lent = remote.pool.lend().await?;
    let full = remote.full(directory);
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
    let mut files = Vec::new();
    let read = loop {
        match lent.readdir(handle.clone()).await {
            Ok(more) => files.extend(more.files),
            Err(Error::Status(status)) if status.status_code == StatusCode::Eof => break Ok(files),
            Err(error) => break Err(lent.failure(error)),
        }
    };
    lent.close(handle).await.map_err(|error| lent.failure(error))?;
    read
}

const DIRECTORIES_AT_ONCE: usize = 8;
const RETRIES: u32 = 3;
