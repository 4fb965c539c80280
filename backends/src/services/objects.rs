//! What services of whole objects over HTTP have in common, so that each has to know no more than its own requests. Start
//! reading at [`Bucket`].
//!
//! Owns how an object is created once, what a range means, and how a long listing survives a page that fails.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use super::answers::exactly;
use super::bodies::length;
use super::names::{listed, root};
use super::store::{Store, Tried, USUAL};
use super::walk::patiently;
use crate::http::{Failure, Reply};
use crate::settings::Values;
use crate::{BadSetting, Caps, ErrorKind, Listed, Put};

/// Requests of one service. Keys are whole: below the root already.
#[async_trait]
pub(super) trait Bucket: Send + Sync + Debug {
    /// The bucket for people.
    fn describe(&self) -> String;

    /// Stores a whole object and sees that what arrived is what was sent: on condition that there is none, or in any case.
    async fn put(&self, key: &str, body: &[Bytes], on_condition: bool) -> Tried<Put>;

    /// The answer to a request for an object or a range of it, whatever it is.
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Tried<Reply>;

    /// The size of an object; `None` if there is none.
    async fn size(&self, key: &str) -> Tried<Option<u64>>;

    /// Some of the keys that start with `prefix`, from where `from` says on.
    async fn page(&self, prefix: &str, from: Option<&str>) -> Tried<Page>;

    /// Deletes an object, which need not be there.
    async fn delete(&self, key: &str) -> Tried<()>;

    /// What an answer means that is no success.
    fn refused(&self, reply: &Reply) -> Failure;
}

/// A page of a listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Keys and sizes.
    pub(super) found: Vec<(String, u64)>,
    /// Where the next page begins, if there is one.
    pub(super) next: Option<String>,
}

/// Whether a service creates an object exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CreatesOnce {
    /// It does.
    Yes,
    /// It refuses a name that is taken, but of two at once both may be told that they made it.
    Mostly,
    /// It overwrites.
    No,
    /// It is found out with the first small object, which is put twice.
    Unknown,
}

/// A place in a bucket, as a remote.
#[derive(Debug)]
pub(super) struct Objects<B> {
    bucket: B,
    /// With a slash at its end, unless it is empty.
    root: String,
    said: String,
    max_concurrency: usize,
    creates_once: AtomicU8,
}

impl<B: Bucket> Objects<B> {
    /// What is below the setting `root` of a bucket.
    pub(super) fn new(
        bucket: B,
        values: &Values<'_>,
        max_concurrency: usize,
        creates_once: CreatesOnce,
    ) -> Result<Self, BadSetting> {
        let root = root(values)?;
        let slash = if root.is_empty() { "" } else { "/" };
        let said = format!("{}{slash}{root}", bucket.describe());
        let creates_once = AtomicU8::new(creates_once as u8);
        Ok(Self { bucket, root: format!("{root}{slash}"), said, max_concurrency, creates_once })
    }

    fn key(&self, path: &str) -> String {
        format!("{}{path}", self.root)
    }

    fn knows(&self, what: CreatesOnce) -> bool {
        self.creates_once.load(Ordering::Relaxed) == what as u8
    }

    fn learn(&self, what: CreatesOnce) {
        self.creates_once.store(what as u8, Ordering::Relaxed);
    }
}

#[async_trait]
impl<B: Bucket> Store for Objects<B> {
    fn caps(&self) -> Caps {
        Caps {
            max_concurrency: self.max_concurrency,
            put_new: self.knows(CreatesOnce::Yes) || self.knows(CreatesOnce::Unknown),
            ..USUAL
        }
    }

    fn recall(&self, put_new: bool) {
        // What is known of a service for certain, or never said, is known better here.
        if self.knows(CreatesOnce::Unknown) || (!put_new && self.knows(CreatesOnce::Yes)) {
            self.learn(if put_new { CreatesOnce::Yes } else { CreatesOnce::No });
        }
    }

    fn describe(&self) -> String {
        self.said.clone()
    }

    async fn read(&self, path: &str, range: Option<Range<u64>>) -> Tried<Bytes> {
        let reply = self.bucket.get(&self.key(path), range.clone()).await?;
        exactly(reply, range, |reply| self.bucket.refused(reply))
    }

    async fn size(&self, path: &str) -> Tried<Option<u64>> {
        self.bucket.size(&self.key(path)).await
    }

    async fn put(&self, path: &str, body: &[Bytes]) -> Tried<Put> {
        let key = self.key(path);
        if self.knows(CreatesOnce::Yes) || self.knows(CreatesOnce::Mostly) {
            return self.bucket.put(&key, body, true).await;
        }
        if self.bucket.size(&key).await?.is_some() {
            return Ok(Put::Existed);
        }
        let unknown = self.knows(CreatesOnce::Unknown);
        let put = self.bucket.put(&key, body, unknown).await?;
        if unknown && put == Put::Existed {
            self.learn(CreatesOnce::Yes);
        } else if unknown && length(body) <= TRIAL {
            // A server that creates exactly once says so now; another has stored the same bytes again.
            let again = self.bucket.put(&key, body, true).await?;
            self.learn(if again == Put::Existed { CreatesOnce::Yes } else { CreatesOnce::No });
        }
        Ok(put)
    }

    fn walk<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Tried<Listed>> {
        let walk = Walk { remote: self, prefix, ready: Vec::new(), next: Next::First };
        stream::try_unfold(walk, |mut walk| async move { Ok(walk.next().await?.map(|item| (item, walk))) })
            .fuse()
            .boxed()
    }

    async fn remove(&self, path: &str) -> Tried<()> {
        self.bucket.delete(&self.key(path)).await
    }
}

/// A listing that asks again for a page that has failed: the layers above can't repeat what was handed on already.
struct Walk<'a, B> {
    remote: &'a Objects<B>,
    prefix: &'a str,
    ready: Vec<Listed>,
    next: Next,
}

enum Next {
    First,
    From(String),
    Nothing,
}

impl<B: Bucket> Walk<'_, B> {
    async fn next(&mut self) -> Tried<Option<Listed>> {
        loop {
            if let Some(item) = self.ready.pop() {
                return Ok(Some(item));
            }
            let from = match &self.next {
                Next::First => None,
                Next::From(from) => Some(from.as_str()),
                Next::Nothing => return Ok(None),
            };
            // The first one is for the layers above to repeat.
            let retries = if from.is_none() { 0 } else { PAGE_RETRIES };
            let key = self.remote.key(self.prefix);
            let page = patiently(retries, || self.remote.bucket.page(&key, from)).await?;
            let root = &self.remote.root;
            let below = |(key, size): &(String, u64)| listed(key.strip_prefix(root.as_str())?, self.prefix, *size);
            self.ready = page.found.iter().rev().filter_map(below).collect();
            self.next = match page.next {
                // A server that leads back to the same page would never come to an end.
                Some(next) if from == Some(next.as_str()) => {
                    return Err(Failure::new(ErrorKind::Unexpected, "the listing leads around in circles"));
                }
                Some(next) => Next::From(next),
                None => Next::Nothing,
            };
        }
    }
}

/// What lets us in, made when it is needed and kept until it is refused or old. One caller makes it, the others wait.
#[derive(Debug)]
pub(super) struct Pass<T>(tokio::sync::Mutex<Option<(Arc<T>, tokio::time::Instant)>>);

impl<T> Pass<T> {
    pub(super) fn new() -> Self {
        Self(tokio::sync::Mutex::new(None))
    }

    /// What is held, or what `make` makes, with how long it holds.
    pub(super) async fn get(&self, make: impl Future<Output = Tried<(T, Duration)>>) -> Tried<Arc<T>> {
        let mut held = self.0.lock().await;
        if let Some((pass, until)) = &*held
            && tokio::time::Instant::now() < *until
        {
            return Ok(Arc::clone(pass));
        }
        let (pass, lasts) = make.await?;
        let pass = Arc::new(pass);
        // A little early: it has to hold until the request arrives.
        let lasts = lasts.min(PASS_MAX).saturating_sub(Duration::from_secs(60));
        *held = Some((Arc::clone(&pass), tokio::time::Instant::now() + lasts));
        Ok(pass)
    }

    /// Sends a request with what lets us in, and once more with another if that is `refused`.
    pub(super) async fn send<M, S>(
        &self,
        make: impl Fn() -> M,
        send: impl Fn(Arc<T>) -> S,
        refused: impl Fn(&Reply) -> bool,
    ) -> Tried<Reply>
    where
        M: Future<Output = Tried<(T, Duration)>>,
        S: Future<Output = Tried<Reply>>,
    {
        let pass = self.get(make()).await?;
        let reply = send(Arc::clone(&pass)).await?;
        if !refused(&reply) {
            return Ok(reply);
        }
        self.forget(&pass).await;
        send(self.get(make()).await?).await
    }

    /// Forgets what was refused, unless somebody has another by now.
    async fn forget(&self, refused: &Arc<T>) {
        let mut held = self.0.lock().await;
        if held.as_ref().is_some_and(|(pass, _)| Arc::ptr_eq(pass, refused)) {
            *held = None;
        }
    }
}

/// Whether an answer says that what lets us in does not any more.
pub(super) fn is_nobody(reply: &Reply) -> bool {
    reply.status.as_u16() == 401
}

/// An object up to this size may be put twice to find out what the server does.
const TRIAL: u64 = 64 << 10;
/// How often in a row a page of a listing may fail.
const PAGE_RETRIES: u32 = 6;
const PASS_MAX: Duration = Duration::from_secs(86_400);
