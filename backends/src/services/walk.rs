//! A walk through the directories of a service that lists one at a time, several of them at once; and how a part of a listing is
//! asked for again.

use std::future::Future;
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, FuturesUnordered, StreamExt};

use super::names::{is_prefix, listed};
use super::store::Tried;
use crate::Listed;

/// One name in a directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The name alone.
    pub(crate) name: String,
    /// The size of a file in bytes; `None` for a directory.
    pub(crate) size: Option<u64>,
    /// When it was last written to, where that is told beside.
    pub(crate) changed: Option<SystemTime>,
}

/// Every object whose path starts with `prefix`, with `at_once` directories asked for at a time. `look` tells what is directly in a
/// directory, whose path ends in a slash unless it is empty; one that is not there has nothing.
pub(super) fn walk<'a, L, F>(prefix: &'a str, at_once: usize, look: L) -> BoxStream<'a, Tried<Listed>>
where
    L: Fn(String) -> F + Send + Sync + Clone + 'a,
    F: Future<Output = Tried<Vec<Entry>>> + Send + 'a,
{
    let start = prefix.rsplit_once('/').map_or(String::new(), |(directory, _)| format!("{directory}/"));
    let walk = Walk { prefix, at_once, look, waiting: vec![start], asked: FuturesUnordered::new(), ready: Vec::new() };
    stream::try_unfold(walk, |mut walk| async move { Ok(walk.next().await?.map(|item| (item, walk))) }).fuse().boxed()
}

/// A directory, and what is in it.
type Looked<'a> = BoxFuture<'a, Tried<(String, Vec<Entry>)>>;

struct Walk<'a, L> {
    prefix: &'a str,
    at_once: usize,
    look: L,
    waiting: Vec<String>,
    asked: FuturesUnordered<Looked<'a>>,
    ready: Vec<Listed>,
}

impl<'a, L, F> Walk<'a, L>
where
    L: Fn(String) -> F + Send + Sync + Clone + 'a,
    F: Future<Output = Tried<Vec<Entry>>> + Send + 'a,
{
    async fn next(&mut self) -> Tried<Option<Listed>> {
        loop {
            if let Some(item) = self.ready.pop() {
                return Ok(Some(item));
            }
            while self.asked.len() < self.at_once
                && let Some(directory) = self.waiting.pop()
            {
                let look = self.look.clone();
                self.asked.push(Box::pin(async move {
                    let entries = patiently(RETRIES, || look(directory.clone())).await?;
                    Ok((directory, entries))
                }));
            }
            let Some(looked) = self.asked.next().await else { return Ok(None) };
            let (directory, entries) = looked?;
            self.take(&directory, entries);
        }
    }

    /// Nothing but names is believed, so no answer leads around in circles.
    fn take(&mut self, directory: &str, entries: Vec<Entry>) {
        for Entry { name, size, .. } in entries {
            if matches!(name.as_str(), "" | "." | "..") || name.contains('/') || name.starts_with(TEMP_PREFIX) {
                continue;
            }
            let path = format!("{directory}{name}");
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

/// A directory and all that are below it, each before those that are in it. `look` is as for [`walk`].
pub(super) async fn directories<F>(top: &str, look: impl Fn(String) -> F) -> Tried<Vec<String>>
where
    F: Future<Output = Tried<Vec<Entry>>>,
{
    let mut found = vec![top.to_owned()];
    let mut at = 0;
    while let Some(directory) = found.get(at).map(|path| format!("{path}/")) {
        let entries = look(directory.clone()).await?;
        let below = entries.into_iter().filter(|entry| entry.size.is_none()).map(|entry| entry.name);
        let plain = below.filter(|name| !matches!(name.as_str(), "" | "." | "..") && !name.contains('/'));
        found.extend(plain.map(|name| format!("{directory}{name}")));
        at += 1;
    }
    Ok(found)
}

/// Asks, and again up to `retries` times while that fails for a passing reason: the layers above can't repeat a part of a listing.
pub(super) async fn patiently<T, F: Future<Output = Tried<T>>>(retries: u32, call: impl Fn() -> F) -> Tried<T> {
    let mut failures = 0;
    loop {
        match call().await {
            Err(failure) if failure.kind.is_transient() && failures < retries => {
                failures += 1;
                let pause = PAUSE.mul_f64(fastrand::f64() * f64::from(1 << failures));
                tokio::time::sleep(pause.max(failure.retry_after.unwrap_or_default())).await;
            }
            done => return done,
        }
    }
}

/// What a name begins with that is no object's.
pub(super) const TEMP_PREFIX: &str = ".tmp-";
/// How often a part of a listing may fail in a row.
pub(super) const RETRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::TryStreamExt;

    use super::*;
    use crate::ErrorKind;
    use crate::http::Failure;

    async fn known(directory: String) -> Tried<Vec<Entry>> {
        let file = |name: &str| Entry { name: name.to_owned(), size: Some(1), changed: None };
        let folder = |name: &str| Entry { name: name.to_owned(), size: None, changed: None };
        Ok(match directory.as_str() {
            "" => vec![folder("log"), folder("logs"), file("lo"), file(".tmp-1"), folder("..")],
            "log/" => vec![file("a"), folder("b"), file("../x"), folder(""), folder(".")],
            "log/b/" => vec![file("c")],
            "logs/" => vec![file("d")],
            other => panic!("nobody has to look into {other:?}"),
        })
    }

    #[tokio::test]
    async fn only_what_can_match_is_looked_at() {
        for (prefix, expected) in [
            ("", vec!["lo", "log/a", "log/b/c", "logs/d"]),
            ("log", vec!["log/a", "log/b/c", "logs/d"]),
            ("log/", vec!["log/a", "log/b/c"]),
            ("log/b/c", vec!["log/b/c"]),
        ] {
            let found: Vec<Listed> = walk(prefix, 2, known).try_collect().await.unwrap();
            let mut found: Vec<String> = found.into_iter().map(|item| item.path.to_string()).collect();
            found.sort();
            assert_eq!(found, expected, "{prefix}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_waited_for_and_what_does_not_is_told() {
        for (kind, retries, expected) in
            [(ErrorKind::Reset, 4, 5), (ErrorKind::Throttled, 0, 1), (ErrorKind::PermissionDenied, 4, 1)]
        {
            let asked = AtomicU32::new(0);
            let call = || async {
                asked.fetch_add(1, Ordering::Relaxed);
                Err::<(), _>(Failure::new(kind, "no"))
            };
            assert_eq!(patiently(retries, call).await.unwrap_err().kind, kind);
            assert_eq!(asked.load(Ordering::Relaxed), expected);
        }
    }
}
