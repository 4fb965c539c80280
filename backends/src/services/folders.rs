//! A walk through folders that can be listed one at a time: several at once, and each again if that fails for a passing reason,
//! because the stream as a whole can't begin anew.

use std::future::Future;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, FuturesUnordered, StreamExt};

use super::names::{is_prefix, listed};
use crate::Listed;
use crate::http::Failure;

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// `None` for a folder.
    pub(crate) size: Option<u64>,
}

/// What is in a folder; `None` if there is no such folder.
type Looked = Result<Option<Vec<Entry>>, Failure>;

/// Every object whose path starts with `prefix`. `look` lists the folder of a path, which ends in a slash or is empty.
pub(crate) fn walk<'a, F, Fut>(prefix: &'a str, look: F) -> BoxStream<'a, Result<Listed, Failure>>
where
    F: Fn(String) -> Fut + Send + Sync + Clone + 'a,
    Fut: Future<Output = Looked> + Send + 'a,
{
    if !is_prefix(prefix) {
        return stream::empty().boxed();
    }
    let start = prefix.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let walk = Walk { prefix, look, waiting: vec![start], asked: FuturesUnordered::new(), ready: Vec::new() };
    stream::try_unfold(walk, |mut walk| async move { Ok(walk.next().await?.map(|item| (item, walk))) }).fuse().boxed()
}

struct Walk<'a, F> {
    prefix: &'a str,
    look: F,
    waiting: Vec<String>,
    asked: FuturesUnordered<BoxFuture<'a, (String, Looked)>>,
    ready: Vec<Listed>,
}

impl<'a, F, Fut> Walk<'a, F>
where
    F: Fn(String) -> Fut + Send + Sync + Clone + 'a,
    Fut: Future<Output = Looked> + Send + 'a,
{
    async fn next(&mut self) -> Result<Option<Listed>, Failure> {
        loop {
            if let Some(item) = self.ready.pop() {
                return Ok(Some(item));
            }
            while self.asked.len() < AT_ONCE
                && let Some(folder) = self.waiting.pop()
            {
                let look = self.look.clone();
                self.asked.push(Box::pin(async move { (folder.clone(), patiently(|| look(folder.clone())).await) }));
            }
            let Some((folder, found)) = self.asked.next().await else { return Ok(None) };
            self.take(&folder, found?.unwrap_or_default());
        }
    }

    /// Nothing but names is believed, so no answer leads around in circles.
    fn take(&mut self, folder: &str, found: Vec<Entry>) {
        for Entry { name, size } in found {
            if name.is_empty() || name.contains('/') {
                continue;
            }
            let path = format!("{folder}{name}");
            if let Some(size) = size {
                self.ready.extend(listed(&path, self.prefix, size));
                continue;
            }
            let below = format!("{path}/");
            if (below.starts_with(self.prefix) || self.prefix.starts_with(&below)) && is_prefix(&below) {
                self.waiting.push(below);
            }
        }
    }
}

/// Again and again while it fails for a passing reason.
pub(crate) async fn patiently<T, Fut>(call: impl Fn() -> Fut) -> Result<T, Failure>
where
    Fut: Future<Output = Result<T, Failure>>,
{
    for attempt in 0..AGAIN {
        match call().await {
            Err(failure) if failure.kind.is_transient() => {
                let pause = PAUSE.mul_f64(fastrand::f64() * f64::from(1 << attempt));
                tokio::time::sleep(pause.max(failure.retry_after.unwrap_or_default())).await;
            }
            done => return done,
        }
    }
    call().await
}

const AT_ONCE: usize = 4;
const AGAIN: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);
