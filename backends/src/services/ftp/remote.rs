//! A directory of an FTP server as a remote.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use super::PROVIDER;
use super::login::Login;
use super::pool::Pool;
use super::session::Session;
use super::trouble::Trouble;
use crate::http::Failure;
use crate::services::answers::all_there;
use crate::services::bodies::length;
use crate::services::store::{Store, Tried, USUAL};
use crate::services::walk::{Entry, TEMP_PREFIX, directories, walk};
use crate::settings::Values;
use crate::shape::Shaper;
use crate::{BadSetting, Caps, ErrorKind, Listed, Put, Transport};

/// A directory of an FTP server.
#[derive(Debug)]
pub struct Ftp {
    pool: Pool,
    /// Without a slash at the end, except for `/` itself.
    root: String,
    said: String,
    sessions: usize,
    shaper: Option<Arc<Shaper>>,
    /// Directories that are known to be there, by their whole names.
    made: Mutex<BTreeSet<String>>,
}

impl Ftp {
    /// The remote that the settings describe. Connects to nothing yet.
    ///
    /// # Errors
    /// A setting can't be used.
    pub fn open(values: &BTreeMap<String, String>, transport: &Transport) -> Result<Self, BadSetting> {
        let values = Values::check(&PROVIDER, values)?;
        let login = Login::of(&values, transport)?;
        let sessions = values.text("concurrency").and_then(|text| text.parse().ok()).filter(|n| (1..=64).contains(n));
        let sessions = sessions.ok_or_else(|| BadSetting::new("concurrency", "is not a number from 1 to 64"))?;
        let root = values.text("root").unwrap_or_default();
        if root.split('/').any(|part| part == "..") {
            return Err(BadSetting::new("root", "has a component `..`"));
        }
        let said = format!("ftp:{login:?}/{}", root.trim_matches('/'));
        Ok(Self {
            pool: Pool::new(login, sessions),
            root: root.to_owned(),
            said,
            sessions,
            shaper: transport.shaper.clone(),
            made: Mutex::default(),
        })
    }

    async fn paced(&self) {
        if let Some(shaper) = &self.shaper {
            shaper.request().await;
        }
    }

    async fn look(&self, directory: &str) -> Tried<Vec<Entry>> {
        self.paced().await;
        let mut lent = self.pool.lend().await?;
        let full = lent.full(&self.root, directory);
        let done = lent.entries(&full).await;
        lent.back(done)
    }

    /// Makes the directories above a path, and those of the root, that are not known to be there.
    async fn make_directories(&self, session: &mut Session, full: &str) -> Tried<()> {
        let parents: Vec<usize> = full.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0).collect();
        for at in parents {
            let directory = &full[..at];
            if self.made.lock().unwrap_or_else(PoisonError::into_inner).contains(directory) {
                continue;
            }
            match session.make_directory(directory).await {
                Ok(()) => {}
                // There are as many words for what is there already as there are servers. What is missing shows when it is used.
                Err(Trouble::Refused { .. }) => {}
                Err(trouble) => return Err(trouble.failure()),
            }
            self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(directory.to_owned());
        }
        Ok(())
    }

    /// Stores under a temporary name, compares the size, and gives it its name.
    async fn put_by(&self, session: &mut Session, path: &str, body: &[Bytes]) -> Tried<Put> {
        let full = session.full(&self.root, path);
        if session.size(&full).await?.is_some() {
            return Ok(Put::Existed);
        }
        let temp = session.full(&self.root, &format!("{TEMP_PREFIX}{:032x}", fastrand::u128(..)));
        let put = match self.store(session, &temp, body).await {
            Ok(()) => self.publish(session, &temp, &full).await,
            Err(failure) => Err(failure),
        };
        if !matches!(put, Ok(Put::Created)) {
            // Left behind it is in nobody's way, and the first failure is the one to tell.
            drop(tokio::time::timeout(Duration::from_secs(5), session.remove(&temp)).await);
        }
        put
    }

    async fn store(&self, session: &mut Session, temp: &str, body: &[Bytes]) -> Tried<()> {
        let shaper = self.shaper.as_ref();
        match session.store(temp, body, shaper).await {
            Err(trouble) if trouble.is_about_the_name() => {
                self.make_directories(session, temp).await?;
                session.store(temp, body, shaper).await.map_err(|trouble| unwritten(trouble.failure()))?;
            }
            stored => stored.map_err(Trouble::failure)?,
        }
        let there = session.size(temp).await?.unwrap_or_default();
        all_there(length(body), there)
    }

    async fn publish(&self, session: &mut Session, temp: &str, full: &str) -> Tried<Put> {
        // Looked at again: a large body takes its time, and a rename replaces.
        if session.size(full).await?.is_some() {
            return Ok(Put::Existed);
        }
        match session.rename(temp, full).await {
            Ok(()) => return Ok(Put::Created),
            Err(trouble) if trouble.is_about_the_name() => {}
            Err(trouble) => return Err(trouble.failure()),
        }
        if session.size(full).await?.is_some() {
            return Ok(Put::Existed);
        }
        self.make_directories(session, full).await?;
        match session.rename(temp, full).await {
            Ok(()) => Ok(Put::Created),
            Err(trouble) => match session.size(full).await? {
                Some(_) => Ok(Put::Existed),
                None => Err(unwritten(trouble.failure())),
            },
        }
    }

    async fn remove_by(&self, session: &mut Session, path: &str) -> Tried<()> {
        let full = session.full(&self.root, path);
        match session.remove(&full).await {
            Ok(()) => Ok(()),
            Err(trouble) if trouble.is_about_the_name() => match session.size(&full).await? {
                None => Ok(()),
                Some(_) => Err(unwritten(trouble.failure())),
            },
            Err(trouble) => Err(trouble.failure()),
        }
    }
}

#[async_trait]
impl Store for Ftp {
    fn caps(&self) -> Caps {
        Caps {
            max_concurrency: self.sessions,
            // A rename replaces what is there, and nothing else is whole.
            ..USUAL
        }
    }

    fn describe(&self) -> String {
        self.said.clone()
    }

    async fn read(&self, path: &str, range: Option<Range<u64>>) -> Tried<Bytes> {
        self.paced().await;
        let mut lent = self.pool.lend().await?;
        let full = lent.full(&self.root, path);
        let done = lent.fetch(&full, range, self.shaper.as_ref()).await;
        lent.back(done)
    }

    async fn size(&self, path: &str) -> Tried<Option<u64>> {
        self.paced().await;
        let mut lent = self.pool.lend().await?;
        let full = lent.full(&self.root, path);
        let done = lent.size(&full).await;
        lent.back(done)
    }

    async fn put(&self, path: &str, body: &[Bytes]) -> Tried<Put> {
        self.paced().await;
        let mut lent = self.pool.lend().await?;
        let done = self.put_by(&mut lent, path, body).await;
        lent.back(done)
    }

    fn walk<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Tried<Listed>> {
        walk(prefix, self.sessions, move |directory| async move { self.look(&directory).await })
    }

    async fn remove(&self, path: &str) -> Tried<()> {
        self.paced().await;
        let mut lent = self.pool.lend().await?;
        let done = self.remove_by(&mut lent, path).await;
        lent.back(done)
    }

    async fn top(&self) -> Tried<Vec<Entry>> {
        self.look("").await
    }

    async fn remove_directory(&self, path: &str) -> Tried<()> {
        let all = directories(path, |directory| async move { self.look(&directory).await }).await?;
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let mut lent = self.pool.lend().await?;
        for directory in all.iter().rev() {
            self.paced().await;
            let full = lent.full(&self.root, directory);
            match lent.remove_directory(&full).await {
                // There are as many words for what is gone already, or holds something, as there are servers.
                Ok(()) | Err(Trouble::Refused { .. }) => {}
                Err(trouble) => return lent.back(Err(trouble.failure())),
            }
        }
        lent.back(Ok(()))
    }
}

/// That a name is refused after its directories were made is no absence: it is not allowed.
fn unwritten(failure: Failure) -> Failure {
    match failure.kind {
        ErrorKind::NotFound => Failure { kind: ErrorKind::PermissionDenied, ..failure }
            .advice("check what this user may do there, and `root`"),
        _ => failure,
    }
}
