//! Gives up on a call that takes too long, for services that set no limits of their own. A service with connections
//! measures how long nothing came, which is better; this layer sees whole calls only.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use crate::{Caps, ErrorKind, Listed, Op, Put, Remote, RemoteError, RemotePath, Result, Stat, Stray};

/// Every call, and every item of a listing, within a time. Barriers are left alone: how long it takes to make things durable
/// depends on all that was written before.
#[derive(Debug)]
pub struct Timeout {
    inner: Arc<dyn Remote>,
    limit: Duration,
}

impl Timeout {
    /// Wraps `inner`.
    pub fn new(inner: Arc<dyn Remote>, limit: Duration) -> Self {
        Self { inner, limit }
    }

    async fn within<T>(&self, op: Op, path: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
        match tokio::time::timeout(self.limit, call).await {
            Ok(done) => done,
            Err(_) => Err(self.too_late(op, path)),
        }
    }

    fn too_late(&self, op: Op, path: &str) -> RemoteError {
        let why = format!("no answer within {:?}", self.limit);
        RemoteError::new(ErrorKind::Timeout, op, path).on(self.describe()).with_source(why)
    }
}

#[async_trait]
impl Remote for Timeout {
    fn caps(&self) -> Caps {
        self.inner.caps()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    async fn get(&self, path: &RemotePath) -> Result<Bytes> {
        self.within(Op::Get, path.as_str(), self.inner.get(path)).await
    }

    async fn get_range(&self, path: &RemotePath, range: Range<u64>) -> Result<Bytes> {
        self.within(Op::GetRange, path.as_str(), self.inner.get_range(path, range)).await
    }

    async fn put_new(&self, path: &RemotePath, body: Vec<Bytes>) -> Result<Put> {
        self.within(Op::PutNew, path.as_str(), self.inner.put_new(path, body)).await
    }

    async fn stat(&self, path: &RemotePath) -> Result<Stat> {
        self.within(Op::Stat, path.as_str(), self.inner.stat(path)).await
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed>> {
        let items = Some(self.inner.list(prefix));
        stream::unfold(items, move |items| async move {
            let mut items = items?;
            match tokio::time::timeout(self.limit, items.next()).await {
                Ok(item) => Some((item?, Some(items))),
                Err(_) => Some((Err(self.too_late(Op::List, prefix)), None)),
            }
        })
        .boxed()
    }

    async fn delete(&self, path: &RemotePath) -> Result<()> {
        self.within(Op::Delete, path.as_str(), self.inner.delete(path)).await
    }

    async fn delete_many(&self, paths: &[RemotePath]) -> Result<()> {
        let first = paths.first().map(RemotePath::as_str).unwrap_or_default();
        self.within(Op::Delete, first, self.inner.delete_many(paths)).await
    }

    async fn barrier(&self) -> Result<()> {
        self.inner.barrier().await
    }

    // Looking for strays looks at everything, which takes as long as it takes.
    async fn strays(&self) -> Result<Vec<Stray>> {
        self.inner.strays().await
    }

    async fn remove_stray(&self, stray: &Stray) -> Result<()> {
        self.within(Op::Delete, &stray.name, self.inner.remove_stray(stray)).await
    }

    fn recall(&self, put_new: bool) {
        self.inner.recall(put_new);
    }

    async fn remove_directory(&self, directory: &str) -> Result<()> {
        self.within(Op::Delete, directory, self.inner.remove_directory(directory)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::Memory;
    use crate::testing::{FaultPlan, Faulty, contract};

    fn over(delay: Duration) -> Timeout {
        let slow = Faulty::over(Arc::new(Memory::new()), FaultPlan::seeded(1).delay(delay));
        Timeout::new(Arc::new(slow), Duration::from_secs(5))
    }

    #[tokio::test]
    async fn keeps_the_contract() {
        contract(Arc::new(Timeout::new(Arc::new(Memory::new()), Duration::from_secs(60)))).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_in_time_or_is_given_up() {
        let path = RemotePath::new("a/b").unwrap();
        let remote = over(Duration::from_secs(4));
        remote.put_new(&path, vec![Bytes::from_static(b"x")]).await.unwrap();
        assert_eq!(remote.list("").count().await, 1);
        let remote = over(Duration::from_secs(6));
        let error = remote.get(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.is_transient() && error.to_string().contains("cannot read `a/b`"), "{error}");
        let listed: Vec<_> = remote.list("a/").collect().await;
        assert!(matches!(&listed[..], [Err(error)] if error.kind() == ErrorKind::Timeout));
        remote.barrier().await.unwrap();
    }
}
