//! Keeps a remote within the rates of a [`Shaper`], for services that take or give a whole body in one call.
//!
//! Such a call can't be slowed down from outside, so what is known before it (a body to store, a range to read) waits
//! before it, and a whole object, whose size is known only afterwards, is paid for before it is handed on. Services that
//! see their bodies pass in parts ask the shaper themselves and are not wrapped.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use crate::shape::{Direction, Shaper};
use crate::{Caps, Listed, Put, Remote, RemotePath, Result, Stat, Stray};

/// Goes as fast as it may.
#[derive(Debug)]
pub struct Shaped {
    inner: Arc<dyn Remote>,
    shaper: Arc<Shaper>,
}

impl Shaped {
    /// Wraps `inner`.
    pub fn new(inner: Arc<dyn Remote>, shaper: Arc<Shaper>) -> Self {
        Self { inner, shaper }
    }

    async fn bytes(&self, direction: Direction, bytes: u64) {
        self.shaper.begin(direction).take(usize::try_from(bytes).unwrap_or(usize::MAX)).await;
    }
}

#[async_trait]
impl Remote for Shaped {
    fn caps(&self) -> Caps {
        self.inner.caps()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    async fn get(&self, path: &RemotePath) -> Result<Bytes> {
        self.shaper.request().await;
        let body = self.inner.get(path).await?;
        self.bytes(Direction::Down, body.len() as u64).await;
        Ok(body)
    }

    async fn get_range(&self, path: &RemotePath, range: Range<u64>) -> Result<Bytes> {
        self.shaper.request().await;
        self.bytes(Direction::Down, range.end.saturating_sub(range.start)).await;
        self.inner.get_range(path, range).await
    }

    async fn put_new(&self, path: &RemotePath, body: Vec<Bytes>) -> Result<Put> {
        self.shaper.request().await;
        self.bytes(Direction::Up, body.iter().map(|part| part.len() as u64).sum()).await;
        self.inner.put_new(path, body).await
    }

    async fn stat(&self, path: &RemotePath) -> Result<Stat> {
        self.shaper.request().await;
        self.inner.stat(path).await
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed>> {
        let listing = async move {
            self.shaper.request().await;
            self.inner.list(prefix)
        };
        stream::once(listing).flatten().boxed()
    }

    async fn delete(&self, path: &RemotePath) -> Result<()> {
        self.shaper.request().await;
        self.inner.delete(path).await
    }

    async fn delete_many(&self, paths: &[RemotePath]) -> Result<()> {
        for _ in paths {
            self.shaper.request().await;
        }
        self.inner.delete_many(paths).await
    }

    async fn barrier(&self) -> Result<()> {
        self.inner.barrier().await
    }

    async fn strays(&self) -> Result<Vec<Stray>> {
        self.shaper.request().await;
        self.inner.strays().await
    }

    async fn remove_stray(&self, stray: &Stray) -> Result<()> {
        self.shaper.request().await;
        self.inner.remove_stray(stray).await
    }

    fn recall(&self, put_new: bool) {
        self.inner.recall(put_new);
    }

    async fn remove_directory(&self, directory: &str) -> Result<()> {
        self.shaper.request().await;
        self.inner.remove_directory(directory).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::services::Memory;
    use crate::shape::{Rate, Rates, RequestRate};
    use crate::testing::contract;

    #[tokio::test]
    async fn keeps_the_contract() {
        contract(Arc::new(Shaped::new(Arc::new(Memory::new()), Arc::new(Shaper::unlimited())))).await;
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_and_requests_are_paced() {
        let rates = Rates { total: Rate { up: Some(1000), down: Some(2000) }, ..Rates::default() };
        let shaper = Shaper::new(move || rates, Some(RequestRate { per_second: 0.1, burst: 1 }));
        let (remote, path) = (Shaped::new(Arc::new(Memory::new()), Arc::new(shaper)), RemotePath::new("a").unwrap());
        let mut start = Instant::now();
        let mut lap = || std::mem::replace(&mut start, Instant::now()).elapsed().as_secs_f64();
        remote.put_new(&path, vec![Bytes::from(vec![0; 4000])]).await.unwrap();
        assert!((3.8..4.1).contains(&lap()));
        tokio::time::advance(Duration::from_secs(100)).await;
        lap();
        remote.get(&path).await.unwrap();
        assert!((1.8..2.1).contains(&lap()));
        remote.get_range(&path, 0..4000).await.unwrap();
        assert!((9.8..10.2).contains(&lap()), "the ten seconds between requests are in it");
        assert_eq!(remote.list("").count().await, 1);
        assert!(lap() > 8.0);
    }
}
