//! Tries again when the service says that this can help. A file that is being written is not tried again in the middle: whoever
//! writes it begins anew.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;

use super::{FileEntry, FileTime, FileWriter, Files, FilesCaps, NewFile};
use crate::Result;
use crate::layers::RetryPolicy;

/// Files of a service that is asked again, and how often it was asked.
#[derive(Debug)]
pub struct RetryFiles {
    inner: Arc<dyn Files>,
    policy: RetryPolicy,
    calls: AtomicU64,
}

impl RetryFiles {
    /// Wraps `inner`.
    pub fn new(inner: Arc<dyn Files>, policy: RetryPolicy) -> Self {
        Self { inner, policy, calls: AtomicU64::new(0) }
    }

    /// How many calls there were, repeated ones included.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    async fn retrying<T, F>(&self, call: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut attempt = 0;
        loop {
            self.calls.fetch_add(1, Ordering::Relaxed);
            match call().await {
                Err(error) if error.is_transient() && attempt + 1 < self.policy.attempts => {
                    let asked = error.retry_after().unwrap_or_default();
                    tokio::time::sleep(asked.max(self.policy.pause(attempt))).await;
                }
                done => return done,
            }
            attempt += 1;
        }
    }
}

#[async_trait]
impl Files for RetryFiles {
    fn caps(&self) -> FilesCaps {
        self.inner.caps()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    async fn list(&self, dir: &str, times: bool) -> Result<Option<Vec<FileEntry>>> {
        self.retrying(|| self.inner.list(dir, times)).await
    }

    async fn stat(&self, path: &str) -> Result<Option<FileEntry>> {
        self.retrying(|| self.inner.stat(path)).await
    }

    async fn read(&self, path: &str, range: Range<u64>, seen: &FileEntry) -> Result<Bytes> {
        self.retrying(|| self.inner.read(path, range.clone(), seen)).await
    }

    async fn begin(&self, path: &str, file: NewFile) -> Result<Box<dyn FileWriter>> {
        self.retrying(|| self.inner.begin(path, file.clone())).await
    }

    async fn set_time(&self, path: &str, time: FileTime) -> Result<bool> {
        self.retrying(|| self.inner.set_time(path, time)).await
    }

    async fn remove(&self, path: &str, seen: &FileEntry) -> Result<()> {
        self.retrying(|| self.inner.remove(path, seen)).await
    }

    async fn make_dir(&self, path: &str) -> Result<()> {
        self.retrying(|| self.inner.make_dir(path)).await
    }

    async fn remove_dir(&self, path: &str) -> Result<bool> {
        self.retrying(|| self.inner.remove_dir(path)).await
    }
}
