//! A directory of a WebDAV server as a remote.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use super::PROVIDER;
use super::multistatus::Found;
use super::site::{Site, refused};
use crate::http::{BODY_MAX, Reply};
use crate::services::answers::{all_there, exactly, in_the_way};
use crate::services::bodies::length;
use crate::services::store::{Store, Tried, USUAL};
use crate::services::walk::{Entry, TEMP_PREFIX, walk};
use crate::settings::Values;
use crate::{BadSetting, Caps, Listed, Put, Transport};

/// A directory of a WebDAV server.
#[derive(Debug)]
pub struct WebDav {
    site: Site,
    /// Directories that are known to be there, as addresses.
    made: Mutex<BTreeSet<String>>,
}

impl WebDav {
    /// The remote that the settings describe. Connects to nothing yet.
    ///
    /// # Errors
    /// A setting can't be used.
    pub fn open(values: &BTreeMap<String, String>, transport: &Transport) -> Result<Self, BadSetting> {
        let values = Values::check(&PROVIDER, values)?;
        Ok(Self { site: Site::of(&values, transport)?, made: Mutex::default() })
    }

    fn is_made(&self, address: &str) -> bool {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).contains(address)
    }

    /// Makes the directories above a path that are not known to be there.
    async fn make_directories(&self, path: &str) -> Tried<()> {
        for address in self.site.directories(path) {
            if self.is_made(&address) {
                continue;
            }
            let reply = self.site.ask(self.site.request("MKCOL", &address), Vec::new()).await?;
            match reply.status.as_u16() {
                // 405: it is there. Some say so with another word, so what is missing shows when it is used.
                200..=299 | 405 | 409 | 301 => {}
                403 | 500 if reply.header("allow").is_some() => {}
                _ => return Err(refused(&reply)),
            }
            self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(address);
        }
        Ok(())
    }

    /// Puts the body under a name that nobody else has.
    async fn put_temp(&self, temp: &str, body: &[Bytes]) -> Tried<()> {
        let put = || async {
            let request = self.site.request("PUT", &self.site.address(temp));
            self.site.ask(request.header("content-type", "application/octet-stream"), body.to_vec()).await
        };
        let mut reply = put().await?;
        if is_missing(&reply) {
            self.make_directories(temp).await?;
            reply = put().await?;
        }
        if !reply.status.is_success() {
            return Err(refused(&reply));
        }
        let length = length(body);
        if length < LARGE {
            return Ok(());
        }
        // What arrived is looked at before it gets its name, where the question is cheap beside the body.
        all_there(length, self.size(temp).await?.unwrap_or_default())
    }

    /// Gives what is at `temp` its name, unless that is taken.
    async fn publish(&self, temp: &str, path: &str, length: u64) -> Tried<Put> {
        let publish = || async {
            let request = self.site.request("MOVE", &self.site.address(temp));
            let request = request.header("destination", self.site.address(path)).header("overwrite", "F");
            self.site.ask(request, Vec::new()).await
        };
        let mut reply = publish().await?;
        if is_missing(&reply) {
            self.make_directories(path).await?;
            reply = publish().await?;
        }
        match reply.status.as_u16() {
            200..=299 => Ok(Put::Created),
            412 => Ok(Put::Existed),
            // Of two at once some servers fail one in their own words: what counts is what is there now.
            _ if self.size(path).await? == Some(length) => Ok(Put::Existed),
            _ => Err(refused(&reply)),
        }
    }

    /// What is directly below a directory: nothing else is believed.
    async fn look(&self, directory: &str) -> Tried<Vec<Entry>> {
        // One that is gone meanwhile has nothing to show.
        let found = self.site.find(directory, "1").await?.unwrap_or_default();
        let entry = |Found { path, is_directory, size, changed }: Found| {
            let name = path.strip_prefix(directory)?.trim_end_matches('/').to_owned();
            Some(Entry { name, size: (!is_directory).then_some(size.unwrap_or_default()), changed })
        };
        Ok(found.into_iter().filter_map(entry).collect())
    }
}

#[async_trait]
impl Store for WebDav {
    fn caps(&self) -> Caps {
        // A MOVE that must not overwrite is looked at and then done by some servers, so two can both believe they were first.
        Caps { max_concurrency: 8, ..USUAL }
    }

    fn describe(&self) -> String {
        self.site.describe()
    }

    async fn read(&self, path: &str, range: Option<Range<u64>>) -> Tried<Bytes> {
        let mut request = self.site.request("GET", &self.site.address(path));
        if let Some(range) = &range {
            request = request.header("range", format!("bytes={}-{}", range.start, range.end - 1));
        }
        let reply = self.site.send(request, Vec::new()).await?.read(BODY_MAX).await?;
        exactly(reply, range, refused)
    }

    async fn size(&self, path: &str) -> Tried<Option<u64>> {
        let Some(found) = self.site.find(path, "0").await? else { return Ok(None) };
        let Some(found) = found.into_iter().next() else { return Ok(None) };
        if found.is_directory {
            return Err(in_the_way());
        }
        Ok(Some(found.size.unwrap_or_default()))
    }

    async fn put(&self, path: &str, body: &[Bytes]) -> Tried<Put> {
        let temp = format!("{TEMP_PREFIX}{:032x}", fastrand::u128(..));
        let length = length(body);
        let put = match self.put_temp(&temp, body).await {
            Ok(()) => self.publish(&temp, path, length).await,
            Err(failure) => Err(failure),
        };
        if !matches!(put, Ok(Put::Created)) {
            // Left behind it is in nobody's way, and the first failure is the one to tell.
            drop(self.site.ask(self.site.request("DELETE", &self.site.address(&temp)), Vec::new()).await);
        }
        put
    }

    fn walk<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Tried<Listed>> {
        walk(prefix, DIRECTORIES_AT_ONCE, move |directory| async move { self.look(&directory).await })
    }

    async fn remove(&self, path: &str) -> Tried<()> {
        let request = self.site.request("DELETE", &self.site.address(path));
        let reply = self.site.ask(request, Vec::new()).await?;
        match reply.status.as_u16() {
            200..=299 | 404 | 410 => Ok(()),
            // A parent that is a file, or not there.
            409 => Ok(()),
            _ => Err(refused(&reply)),
        }
    }

    async fn top(&self) -> Tried<Vec<Entry>> {
        self.look("").await
    }

    async fn remove_directory(&self, path: &str) -> Tried<()> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.remove(&format!("{path}/")).await
    }
}

/// Whether an answer may mean that a directory is missing. Servers have many words for it.
fn is_missing(reply: &Reply) -> bool {
    matches!(reply.status.as_u16(), 403 | 404 | 409 | 500)
}

/// From here on what arrived is looked at before it gets its name.
const LARGE: u64 = 1 << 20;
const DIRECTORIES_AT_ONCE: usize = 8;
