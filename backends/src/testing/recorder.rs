//! Remembers every call, so that a test can pin what an operation costs.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{Caps, Listed, Op, Put, Remote, RemotePath, Result, Stat, Stray};

/// One call. Displays compactly: `get log/c1`, `get data/a/b 0..16`, `list log/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What was asked for.
    pub op: Op,
    /// The object's path or the listing's prefix; empty for a barrier.
    pub path: String,
    /// The range of a `get_range`.
    pub range: Option<Range<u64>>,
    /// The bytes of the body that was sent, or that came back; 0 for a read that failed or is still under way.
    pub bytes: u64,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.op {
            Op::Get | Op::GetRange => "get",
            Op::PutNew => "put",
            Op::Stat => "stat",
            Op::List => "list",
            Op::Delete => "delete",
            Op::Barrier => return f.write_str("barrier"),
        };
        write!(f, "{verb} {}", self.path)?;
        self.range.as_ref().map_or(Ok(()), |range| write!(f, " {}..{}", range.start, range.end))
    }
}

/// Records the calls to the remote it wraps, in the order in which they began.
#[derive(Debug)]
pub struct Recorder {
    inner: Arc<dyn Remote>,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    calls: Vec<Call>,
    /// How many calls were taken away, so that a read which ends later still finds its own.
    taken: usize,
}

impl Recorder {
    /// Wraps `inner`.
    pub fn over(inner: Arc<dyn Remote>) -> Self {
        Self { inner, log: Mutex::default() }
    }

    /// The calls since the start or the last `take`.
    pub fn calls(&self) -> Vec<Call> {
        self.log().calls.clone()
    }

    /// The calls, and forgets them.
    pub fn take(&self) -> Vec<Call> {
        let mut log = self.log();
        log.taken += log.calls.len();
        std::mem::take(&mut log.calls)
    }

    fn begin(&self, op: Op, path: &str, range: Option<Range<u64>>, bytes: u64) -> usize {
        let mut log = self.log();
        log.calls.push(Call { op, path: path.to_owned(), range, bytes });
        log.taken + log.calls.len() - 1
    }

    fn received(&self, number: usize, body: &Result<Bytes>) {
        let mut log = self.log();
        let index = number.checked_sub(log.taken);
        if let (Ok(body), Some(call)) = (body, index.and_then(|index| log.calls.get_mut(index))) {
            call.bytes = body.len() as u64;
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Remote for Recorder {
    fn caps(&self) -> Caps {
        self.inner.caps()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    async fn get(&self, path: &RemotePath) -> Result<Bytes> {
        let call = self.begin(Op::Get, path.as_str(), None, 0);
        let body = self.inner.get(path).await;
        self.received(call, &body);
        body
    }

    async fn get_range(&self, path: &RemotePath, range: Range<u64>) -> Result<Bytes> {
        let call = self.begin(Op::GetRange, path.as_str(), Some(range.clone()), 0);
        let body = self.inner.get_range(path, range).await;
        self.received(call, &body);
        body
    }

    async fn put_new(&self, path: &RemotePath, body: Vec<Bytes>) -> Result<Put> {
        self.begin(Op::PutNew, path.as_str(), None, body.iter().map(|part| part.len() as u64).sum());
        self.inner.put_new(path, body).await
    }

    async fn stat(&self, path: &RemotePath) -> Result<Stat> {
        self.begin(Op::Stat, path.as_str(), None, 0);
        self.inner.stat(path).await
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed>> {
        self.begin(Op::List, prefix, None, 0);
        self.inner.list(prefix)
    }

    async fn delete(&self, path: &RemotePath) -> Result<()> {
        self.begin(Op::Delete, path.as_str(), None, 0);
        self.inner.delete(path).await
    }

    async fn barrier(&self) -> Result<()> {
        self.begin(Op::Barrier, "", None, 0);
        self.inner.barrier().await
    }

    async fn strays(&self) -> Result<Vec<Stray>> {
        self.inner.strays().await
    }

    async fn remove_stray(&self, stray: &Stray) -> Result<()> {
        self.inner.remove_stray(stray).await
    }

    fn recall(&self, put_new: bool) {
        self.inner.recall(put_new);
    }

    async fn remove_directory(&self, directory: &str) -> Result<()> {
        self.inner.remove_directory(directory).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::Memory;

    #[tokio::test]
    async fn remembers_what_was_asked_in_order() {
        let remote = Recorder::over(Arc::new(Memory::new()));
        let path = RemotePath::new("data/a").unwrap();
        remote.put_new(&path, vec![Bytes::from_static(b"abcd")]).await.unwrap();
        remote.get_range(&path, 1..3).await.unwrap();
        remote.get(&path).await.unwrap();
        drop(remote.list("log/"));
        remote.barrier().await.unwrap();
        let calls = remote.take();
        let said: Vec<_> = calls.iter().map(Call::to_string).collect();
        assert_eq!(said, ["put data/a", "get data/a 1..3", "get data/a", "list log/", "barrier"]);
        assert_eq!(calls.iter().map(|call| call.bytes).collect::<Vec<_>>(), [4, 2, 4, 0, 0]);
        remote.stat(&path).await.unwrap();
        assert_eq!(remote.calls(), [Call { op: Op::Stat, path: "data/a".to_owned(), range: None, bytes: 0 }]);
    }
}
