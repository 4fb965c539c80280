//! Bounds how many operations run at once, and keeps a few places that bulk data cannot take, so that a lookup never
//! waits behind a queue of large objects. What is bulk is decided by size alone, or by the owner of the names.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::contract::Observed;
use crate::{Caps, Listed, Put, Remote, RemotePath, Result, Stat, Stray};

/// At most so many operations at once.
///
/// Listings, lookups, deletes, and reads and writes of up to [`Limit::SMALL`] bytes are quick. The rest is bulk, and
/// leaves a quarter of the places, but at least one and at most four, to what is quick. With a limit of one there is
/// one queue for all.
#[derive(Debug)]
pub struct Limit {
    inner: Arc<dyn Remote>,
    all: Semaphore,
    bulk: Semaphore,
    quick_get: fn(&RemotePath) -> bool,
    seen: Observed,
}

impl Limit {
    /// Up to this many bytes a read or a write is quick.
    pub const SMALL: u64 = 64 << 10;

    /// Wraps `inner` and lets `limit` operations run at once, at least one.
    pub fn new(inner: Arc<dyn Remote>, limit: usize) -> Self {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        let kept = (limit / 4).clamp(1, 4).min(limit - 1);
        Self {
            inner,
            all: Semaphore::new(limit),
            bulk: Semaphore::new(limit - kept),
            quick_get: |_| false,
            seen: Observed::default(),
        }
    }

    /// Tells which objects are small by their name. A `get` does not know its size, so without this it is bulk.
    #[must_use]
    pub fn with_quick_get(mut self, quick_get: fn(&RemotePath) -> bool) -> Self {
        self.quick_get = quick_get;
        self
    }

    /// Tells what the remote was seen to do, in this run or an earlier one: what it declares is not believed against that.
    #[must_use]
    pub fn knowing(self, seen: Observed) -> Self {
        if let Some(put_new) = seen.put_new {
            self.inner.recall(put_new);
        }
        Self { seen, ..self }
    }

    async fn quick(&self) -> Place<'_> {
        Place { _all: acquire(&self.all).await, _bulk: None }
    }

    async fn bulk(&self) -> Place<'_> {
        // In this order: bulk that waits for its lane must not hold a place that something quick could use.
        let bulk = acquire(&self.bulk).await;
        Place { _all: acquire(&self.all).await, _bulk: Some(bulk) }
    }

    async fn sized(&self, bytes: u64) -> Place<'_> {
        if bytes <= Self::SMALL { self.quick().await } else { self.bulk().await }
    }
}

struct Place<'a> {
    _all: SemaphorePermit<'a>,
    _bulk: Option<SemaphorePermit<'a>>,
}

async fn acquire(semaphore: &Semaphore) -> SemaphorePermit<'_> {
    semaphore.acquire().await.expect("the semaphores are never closed")
}

#[async_trait]
impl Remote for Limit {
    fn caps(&self) -> Caps {
        self.seen.bounds(self.inner.caps())
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    async fn get(&self, path: &RemotePath) -> Result<Bytes> {
        let _place = if (self.quick_get)(path) { self.quick().await } else { self.bulk().await };
        self.inner.get(path).await
    }

    async fn get_range(&self, path: &RemotePath, range: Range<u64>) -> Result<Bytes> {
        let _place = self.sized(range.end.saturating_sub(range.start)).await;
        self.inner.get_range(path, range).await
    }

    async fn put_new(&self, path: &RemotePath, body: Vec<Bytes>) -> Result<Put> {
        let _place = self.sized(body.iter().map(|part| part.len() as u64).sum()).await;
        self.inner.put_new(path, body).await
    }

    async fn stat(&self, path: &RemotePath) -> Result<Stat> {
        let _place = self.quick().await;
        self.inner.stat(path).await
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed>> {
        // A place is held while an item is awaited, not between items: a consumer that reads each object as it is
        // listed would otherwise wait for itself.
        stream::unfold(self.inner.list(prefix), move |mut items| async move {
            let _place = self.quick().await;
            Some((items.next().await?, items))
        })
        .boxed()
    }

    async fn delete(&self, path: &RemotePath) -> Result<()> {
        let _place = self.quick().await;
        self.inner.delete(path).await
    }

    async fn delete_many(&self, paths: &[RemotePath]) -> Result<()> {
        let _place = self.quick().await;
        self.inner.delete_many(paths).await
    }

    async fn barrier(&self) -> Result<()> {
        let _place = self.quick().await;
        self.inner.barrier().await
    }

    async fn strays(&self) -> Result<Vec<Stray>> {
        let _place = self.quick().await;
        self.inner.strays().await
    }

    async fn remove_stray(&self, stray: &Stray) -> Result<()> {
        let _place = self.quick().await;
        self.inner.remove_stray(stray).await
    }

    fn recall(&self, put_new: bool) {
        self.inner.recall(put_new);
    }

    async fn remove_directory(&self, directory: &str) -> Result<()> {
        let _place = self.quick().await;
        self.inner.remove_directory(directory).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::future::join_all;
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::services::Memory;
    use crate::testing::{FaultPlan, Faulty, contract};

    fn path(name: impl ToString) -> RemotePath {
        RemotePath::new(name.to_string()).unwrap()
    }

    /// Every call takes a second of the paused clock.
    fn slow(limit: usize) -> Limit {
        let plan = FaultPlan::seeded(1).delay(Duration::from_secs(1));
        Limit::new(Arc::new(Faulty::over(Arc::new(Memory::new()), plan)), limit)
    }

    #[tokio::test]
    async fn keeps_the_contract() {
        for limit in [0, 1, 2, 8] {
            contract(Arc::new(Limit::new(Arc::new(Memory::new()), limit))).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_limit_run_at_once() {
        let (start, remote) = (Instant::now(), slow(4));
        let names: Vec<_> = (0..8).map(path).collect();
        join_all(names.iter().map(|name| remote.stat(name))).await;
        assert_eq!(start.elapsed().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookup_does_not_queue_behind_bulk() {
        let remote = slow(4);
        let names: Vec<_> = (0..30).map(path).collect();
        let bulk = join_all(names.iter().map(|name| remote.get(name)));
        let quick = async {
            tokio::task::yield_now().await;
            timeout(Duration::from_millis(1500), remote.stat(&names[0])).await.expect("has a place of its own").ok();
        };
        let start = Instant::now();
        futures::join!(bulk, quick);
        assert_eq!(start.elapsed().as_secs(), 10); // bulk on its own has three of the four places
    }

    #[tokio::test]
    async fn reading_while_listing_does_not_wait_for_itself() {
        let remote = Limit::new(Arc::new(Memory::new()), 1);
        remote.put_new(&path("a"), vec![Bytes::from_static(b"x")]).await.unwrap();
        let mut items = remote.list("");
        while let Some(item) = items.next().await {
            remote.get(&item.unwrap().path).await.unwrap();
        }
    }
}
