//! A walk through the directories of a service that lists one at a time, several of them at once.

use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, FuturesUnordered, StreamExt};

use super::names::{is_prefix, listed};
use crate::Listed;
use crate::http::Failure;

/// A service with directories.
#[async_trait]
pub(super) trait Directories: Sync {
    /// What is directly in a directory, which ends in a slash unless it is the root. One that is not there has nothing.
    async fn look(&self, directory: &str) -> Result<Vec<Entry>, Failure>;
}

/// One name in a directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The name alone.
    pub(super) name: String,
    /// Whether more is below it; otherwise it is a file.
    pub(super) is_directory: bool,
    pub(super) size: u64,
}

/// Every object whose path starts with `prefix`, with `at_once` directories asked for at a time.
pub(super) fn walk<'a, D: Directories>(
    service: &'a D,
    prefix: &'a str,
    at_once: usize,
) -> BoxStream<'a, Result<Listed, Failure>> {
    if !is_prefix(prefix) {
        return stream::empty().boxed();
    }
    let start = prefix.rsplit_once('/').map_or(String::new(), |(directory, _)| format!("{directory}/"));
    let walk = Walk { service, prefix, at_once, waiting: vec![start], asked: FuturesUnordered::new(), ready: vec![] };
    stream::try_unfold(walk, |mut walk| async move { Ok(walk.next().await?.map(|item| (item, walk))) }).fuse().boxed()
}

/// A directory, and what is in it.
type Looked<'a> = BoxFuture<'a, Result<(String, Vec<Entry>), Failure>>;

struct Walk<'a, D> {
    service: &'a D,
    prefix: &'a str,
    at_once: usize,
    waiting: Vec<String>,
    asked: FuturesUnordered<Looked<'a>>,
    ready: Vec<Listed>,
}

impl<D: Directories> Walk<'_, D> {
    async fn next(&mut self) -> Result<Option<Listed>, Failure> {
        loop {
            if let Some(item) = self.ready.pop() {
                return Ok(Some(item));
            }
            while self.asked.len() < self.at_once
                && let Some(directory) = self.waiting.pop()
            {
                self.asked.push(Box::pin(look(self.service, directory)));
            }
            let Some(looked) = self.asked.next().await else { return Ok(None) };
            let (directory, entries) = looked?;
            self.take(&directory, entries);
        }
    }

    fn take(&mut self, directory: &str, entries: Vec<Entry>) {
        for Entry { name, is_directory, size } in entries {
            if matches!(name.as_str(), "" | "." | "..") || name.contains('/') || name.starts_with(TEMP_PREFIX) {
                continue;
            }
            let path = format!("{directory}{name}");
            if is_directory {
                let below = format!("{path}/");
                if (below.starts_with(self.prefix) || self.prefix.starts_with(&below)) && is_prefix(&below) {
                    self.waiting.push(below);
                }
            } else {
                self.ready.extend(listed(&path, self.prefix, size));
            }
        }
    }
}

/// What is in a directory, with further attempts if they may help: the layers above can't repeat a part of a listing.
async fn look<D: Directories>(service: &D, directory: String) -> Result<(String, Vec<Entry>), Failure> {
    let mut failures = 0;
    loop {
        match service.look(&directory).await {
            Err(failure) if failure.kind.is_transient() && failures < RETRIES => {
                failures += 1;
                let pause = Duration::from_millis(250 << failures).mul_f64(fastrand::f64());
                tokio::time::sleep(pause.max(failure.retry_after.unwrap_or_default())).await;
            }
            Err(failure) => return Err(failure),
            Ok(entries) => return Ok((directory, entries)),
        }
    }
}

/// What a name begins with that is no object's.
pub(super) const TEMP_PREFIX: &str = ".tmp-";
const RETRIES: u32 = 4;

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    struct Known;

    #[async_trait]
    impl Directories for Known {
        async fn look(&self, directory: &str) -> Result<Vec<Entry>, Failure> {
            let of = |name: &str, is_directory| Entry { name: name.to_owned(), is_directory, size: 1 };
            Ok(match directory {
                "" => vec![of("log", true), of("logs", true), of("lo", false), of(".tmp-1", false), of("..", true)],
                "log/" => vec![of("a", false), of("b", true), of("../x", false), of("", true), of(".", true)],
                "log/b/" => vec![of("c", false)],
                "logs/" => vec![of("d", false)],
                other => panic!("nobody has to look into {other:?}"),
            })
        }
    }

    #[tokio::test]
    async fn only_what_can_match_is_looked_at() {
        for (prefix, expected) in [
            ("", vec!["lo", "log/a", "log/b/c", "logs/d"]),
            ("log", vec!["log/a", "log/b/c", "logs/d"]),
            ("log/", vec!["log/a", "log/b/c"]),
            ("log/b/c", vec!["log/b/c"]),
            ("../", vec![]),
        ] {
            let found: Vec<Listed> = walk(&Known, prefix, 2).try_collect().await.unwrap();
            let mut found: Vec<String> = found.into_iter().map(|item| item.path.to_string()).collect();
            found.sort();
            assert_eq!(found, expected, "{prefix}");
        }
    }
}
