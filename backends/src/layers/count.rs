//! Counts requests and bytes, because requests are the bill and bytes are the wait. Never slows anything down: plain
//! atomics, no lock, nothing kept per object.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};

use crate::{Caps, Listed, Op, Put, Remote, RemotePath, Result, Stat, Stray};

/// Counts what passes.
#[derive(Debug)]
pub struct Counted {
    inner: Arc<dyn Remote>,
    counters: [Counter; Op::ALL.len()],
}

impl Counted {
    /// Wraps `inner`, with all counts at zero.
    pub fn new(inner: Arc<dyn Remote>) -> Self {
        Self { inner, counters: Default::default() }
    }

    /// The counts so far. Each is exact, but calls under way may be in one and not yet in another.
    pub fn snapshot(&self) -> Counts {
        Counts(self.counters.each_ref().map(|counter| Count {
            calls: counter.calls.load(Ordering::Relaxed),
            failed: counter.failed.load(Ordering::Relaxed),
            bytes: counter.bytes.load(Ordering::Relaxed),
        }))
    }

    async fn counting<T>(&self, op: Op, call: impl Future<Output = Result<T>>, bytes: impl Fn(&T) -> u64) -> Result<T> {
        let counter = &self.counters[op as usize];
        counter.calls.fetch_add(1, Ordering::Relaxed);
        let result = call.await;
        match &result {
            Ok(done) => counter.bytes.fetch_add(bytes(done), Ordering::Relaxed),
            Err(_) => counter.failed.fetch_add(1, Ordering::Relaxed),
        };
        result
    }
}

/// What was counted, by operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts([Count; Op::ALL.len()]);

impl Counts {
    /// The counts of one operation.
    pub fn of(&self, op: Op) -> Count {
        self.0[op as usize]
    }

    /// The counts of all operations together.
    pub fn total(&self) -> Count {
        self.0.iter().fold(Count::default(), |sum, count| Count {
            calls: sum.calls + count.calls,
            failed: sum.failed + count.failed,
            bytes: sum.bytes + count.bytes,
        })
    }
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Calls begun. A listing is one, however many pages it takes, and so is deleting many.
    pub calls: u64,
    /// Those that ended in an error.
    pub failed: u64,
    /// Bytes of object bodies that were read, or sent and acknowledged (also when the object existed).
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct Counter {
    calls: AtomicU64,
    failed: AtomicU64,
    bytes: AtomicU64,
}

#[async_trait]
impl Remote for Counted {
    fn caps(&self) -> Caps {
        self.inner.caps()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    async fn get(&self, path: &RemotePath) -> Result<Bytes> {
        self.counting(Op::Get, self.inner.get(path), |body| body.len() as u64).await
    }

    async fn get_range(&self, path: &RemotePath, range: Range<u64>) -> Result<Bytes> {
        self.counting(Op::GetRange, self.inner.get_range(path, range), |body| body.len() as u64).await
    }

    async fn put_new(&self, path: &RemotePath, body: Vec<Bytes>) -> Result<Put> {
        let bytes = body.iter().map(|part| part.len() as u64).sum();
        self.counting(Op::PutNew, self.inner.put_new(path, body), |_| bytes).await
    }

    async fn stat(&self, path: &RemotePath) -> Result<Stat> {
        self.counting(Op::Stat, self.inner.stat(path), |_| 0).await
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed>> {
        let counter = &self.counters[Op::List as usize];
        counter.calls.fetch_add(1, Ordering::Relaxed);
        let failed = |item: &Result<Listed>| _ = counter.failed.fetch_add(u64::from(item.is_err()), Ordering::Relaxed);
        self.inner.list(prefix).inspect(failed).boxed()
    }

    async fn delete(&self, path: &RemotePath) -> Result<()> {
        self.counting(Op::Delete, self.inner.delete(path), |()| 0).await
    }

    async fn delete_many(&self, paths: &[RemotePath]) -> Result<()> {
        self.counting(Op::Delete, self.inner.delete_many(paths), |()| 0).await
    }

    async fn barrier(&self) -> Result<()> {
        self.counting(Op::Barrier, self.inner.barrier(), |()| 0).await
    }

    async fn strays(&self) -> Result<Vec<Stray>> {
        self.counting(Op::List, self.inner.strays(), |_| 0).await
    }

    async fn remove_stray(&self, stray: &Stray) -> Result<()> {
        self.counting(Op::Delete, self.inner.remove_stray(stray), |()| 0).await
    }

    fn recall(&self, put_new: bool) {
        self.inner.recall(put_new);
    }

    async fn remove_directory(&self, directory: &str) -> Result<()> {
        self.counting(Op::Delete, self.inner.remove_directory(directory), |()| 0).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::Memory;
    use crate::testing::contract;

    #[tokio::test]
    async fn keeps_the_contract() {
        contract(Arc::new(Counted::new(Arc::new(Memory::new())))).await;
    }

    #[tokio::test]
    async fn counts_calls_failures_and_bytes() {
        let (remote, path) = (Counted::new(Arc::new(Memory::new())), RemotePath::new("a").unwrap());
        remote.get(&path).await.unwrap_err();
        remote.put_new(&path, vec![Bytes::from_static(b"abc"), Bytes::from_static(b"de")]).await.unwrap();
        remote.get(&path).await.unwrap();
        remote.get_range(&path, 1..3).await.unwrap();
        assert_eq!(remote.list("").count().await, 1);
        let counts = remote.snapshot();
        assert_eq!(counts.of(Op::Get), Count { calls: 2, failed: 1, bytes: 5 });
        assert_eq!(counts.of(Op::PutNew), Count { calls: 1, failed: 0, bytes: 5 });
        assert_eq!(counts.of(Op::List), Count { calls: 1, failed: 0, bytes: 0 });
        assert_eq!(counts.total(), Count { calls: 5, failed: 1, bytes: 12 });
    }
}
