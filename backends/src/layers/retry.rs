//! Tries again when the service says that this can help. Safe for every operation, because objects are written once:
//! a put whose reply was lost finds its own object and says `Existed`, and a delete is done when nothing is there.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use crate::{Caps, Listed, Put, Remote, RemoteError, RemotePath, Result, Stat, Stray};

/// How often and how patiently to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many times in all, the first included.
    pub attempts: u32,
    /// The longest pause after the first attempt; it doubles with each one.
    pub base: Duration,
    /// The longest pause there is.
    pub cap: Duration,
}

impl RetryPolicy {
    /// A pause for after attempt number `attempt`, counted from 0. Anything from nothing to the whole pause ("full
    /// jitter"), so that many clients thrown off together do not come back together.
    pub(crate) fn pause(&self, attempt: u32) -> Duration {
        let longest = self.base.saturating_mul(2_u32.saturating_pow(attempt)).min(self.cap);
        longest.mul_f64(fastrand::f64())
    }
}

/// Repeats what failed for a transient reason.
#[derive(Debug)]
pub struct Retry {
    inner: Arc<dyn Remote>,
    policy: RetryPolicy,
}

impl Retry {
    /// Wraps `inner`.
    pub fn new(inner: Arc<dyn Remote>, policy: RetryPolicy) -> Self {
        Self { inner, policy }
    }

    async fn retrying<T, F>(&self, call: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut attempt = 0;
        loop {
            match call().await {
                Err(error) if self.again(&error, attempt) => {
                    let asked = error.retry_after().unwrap_or_default();
                    tokio::time::sleep(asked.max(self.policy.pause(attempt))).await;
                }
                done => return done,
            }
            attempt += 1;
        }
    }

    fn again(&self, error: &RemoteError, attempt: u32) -> bool {
        error.is_transient() && attempt.saturating_add(1) < self.policy.attempts
    }
}

#[async_trait]
impl Remote for Retry {
    fn caps(&self) -> Caps {
        self.inner.caps()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    async fn get(&self, path: &RemotePath) -> Result<Bytes> {
        self.retrying(|| self.inner.get(path)).await
    }

    async fn get_range(&self, path: &RemotePath, range: Range<u64>) -> Result<Bytes> {
        self.retrying(|| self.inner.get_range(path, range.clone())).await
    }

    async fn put_new(&self, path: &RemotePath, body: Vec<Bytes>) -> Result<Put> {
        self.retrying(|| self.inner.put_new(path, body.clone())).await
    }

    async fn stat(&self, path: &RemotePath) -> Result<Stat> {
        self.retrying(|| self.inner.stat(path)).await
    }

    /// Starts again only while nothing was passed on: later an item could come twice, so the error passes through.
    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed>> {
        let started = self.retrying(move || async move {
            let mut items = self.inner.list(prefix);
            let first = items.next().await.transpose()?;
            Ok(stream::iter(first).map(Ok).chain(items).boxed())
        });
        stream::once(started).map(|started| started.unwrap_or_else(failed)).flatten().boxed()
    }

    async fn delete(&self, path: &RemotePath) -> Result<()> {
        self.retrying(|| self.inner.delete(path)).await
    }

    async fn delete_many(&self, paths: &[RemotePath]) -> Result<()> {
        self.retrying(|| self.inner.delete_many(paths)).await
    }

    async fn barrier(&self) -> Result<()> {
        self.retrying(|| self.inner.barrier()).await
    }

    async fn strays(&self) -> Result<Vec<Stray>> {
        self.retrying(|| self.inner.strays()).await
    }

    async fn remove_stray(&self, stray: &Stray) -> Result<()> {
        self.retrying(|| self.inner.remove_stray(stray)).await
    }

    fn recall(&self, put_new: bool) {
        self.inner.recall(put_new);
    }

    async fn remove_directory(&self, directory: &str) -> Result<()> {
        self.retrying(|| self.inner.remove_directory(directory)).await
    }
}

fn failed<'a>(error: RemoteError) -> BoxStream<'a, Result<Listed>> {
    stream::iter([Err(error)]).boxed()
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;
    use crate::services::Memory;
    use crate::testing::{FaultPlan, Faulty, Recorder, When, contract};
    use crate::{ErrorKind, Op};

    const POLICY: RetryPolicy =
        RetryPolicy { attempts: 4, base: Duration::from_millis(100), cap: Duration::from_secs(2) };

    fn path() -> RemotePath {
        RemotePath::new("a/b").unwrap()
    }

    fn over(plan: FaultPlan) -> (Arc<Recorder>, Retry) {
        let recorder = Arc::new(Recorder::over(Arc::new(Faulty::over(Arc::new(Memory::new()), plan))));
        (Arc::clone(&recorder), Retry::new(recorder, POLICY))
    }

    #[tokio::test]
    async fn keeps_the_contract() {
        contract(Arc::new(over(FaultPlan::seeded(1)).1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_reply_is_found_again() {
        let (recorder, retry) = over(FaultPlan::seeded(1).lose_reply(When::of(Op::PutNew, 1), ErrorKind::Timeout));
        assert_eq!(retry.put_new(&path(), vec![Bytes::from_static(b"x")]).await.unwrap(), Put::Existed);
        assert_eq!(recorder.calls().len(), 2);
        assert_eq!(retry.get(&path()).await.unwrap(), "x");
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_in_the_end_and_at_once_when_it_cannot_help() {
        let (recorder, retry) = over(FaultPlan::seeded(1).fail(When::any(1).forever(), ErrorKind::Throttled));
        assert_eq!(retry.stat(&path()).await.unwrap_err().kind(), ErrorKind::Throttled);
        assert_eq!(recorder.calls().len(), 4);
        let (recorder, retry) = over(FaultPlan::seeded(1).fail(When::any(1).forever(), ErrorKind::NoSpace));
        assert_eq!(retry.put_new(&path(), Vec::new()).await.unwrap_err().kind(), ErrorKind::NoSpace);
        assert_eq!(recorder.calls().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_starts_again_before_its_first_item() {
        let (recorder, retry) = over(FaultPlan::seeded(1).fail(When::of(Op::List, 1), ErrorKind::Reset));
        retry.put_new(&path(), vec![Bytes::from_static(b"x")]).await.unwrap();
        let listed: Vec<_> = retry.list("a/").try_collect().await.unwrap();
        assert_eq!(listed, [Listed { path: path(), size: 1 }]);
        assert_eq!(recorder.calls().len(), 3);
    }

    #[test]
    fn pauses_grow_to_the_cap() {
        for attempt in 0..70 {
            let longest = if attempt < 5 { POLICY.base * (1 << attempt) } else { POLICY.cap };
            assert!(POLICY.pause(attempt) <= longest);
        }
    }
}
