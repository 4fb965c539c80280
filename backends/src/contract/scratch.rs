//! The directory in which a remote is tried out, and what the checks do there.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::stream::TryStreamExt;

use crate::{ErrorKind, Listed, Op, Put, Remote, RemoteError, RemotePath, Result};

/// A directory of a remote for nothing but trying out. Its name says when it was made, so that what is left in one by a run that was
/// killed can be told from what is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scratch {
    /// With a slash at its end.
    base: String,
}

impl Scratch {
    /// What the names of all of them begin with.
    pub const PREFIX: &'static str = "cryptsync-test-";

    /// A new one.
    pub fn new(now: SystemTime) -> Self {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self { base: format!("{}{seconds}-{:08x}/", Self::PREFIX, fastrand::u32(..)) }
    }

    /// One of this name, for tests: it says nothing of its age.
    #[cfg(any(test, feature = "testing"))]
    pub fn named(name: &str) -> Self {
        Self { base: format!("{name}/") }
    }

    /// With a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.base
    }

    /// The path of an object in it.
    pub(super) fn path(&self, name: impl AsRef<str>) -> RemotePath {
        RemotePath::new(self.prefix(name)).expect("the names of the checks are good")
    }

    /// A prefix in it.
    pub(super) fn prefix(&self, name: impl AsRef<str>) -> String {
        format!("{}{}", self.base, name.as_ref())
    }

    /// Deletes what is listed until nothing is: a server that overwrites may keep twins of a name after a race, and one
    /// deletion takes one of them.
    ///
    /// # Errors
    /// The remote's.
    pub async fn clear(&self, remote: &dyn Remote) -> Result<()> {
        for _ in 0..CLEARINGS {
            let items: Vec<Listed> = remote.list(&self.base).try_collect().await?;
            if items.is_empty() {
                break;
            }
            let paths: Vec<RemotePath> = items.into_iter().map(|item| item.path).collect();
            remote.delete_many(&paths).await?;
            tokio::time::sleep(remote.caps().list_delay).await;
        }
        remote.remove_directory(&self.base).await
    }
}

/// How old the directory for trying out is in which a path lies; `None` if it lies in none, or in one of the future.
pub fn age_of(path: &RemotePath, now: SystemTime) -> Option<Duration> {
    let (made, _) = path.as_str().strip_prefix(Scratch::PREFIX)?.split_once('-')?;
    let made = UNIX_EPOCH.checked_add(Duration::from_secs(made.parse().ok()?))?;
    now.duration_since(made).ok()
}

/// Why a check has failed.
pub(super) enum Wrong {
    /// The remote said so.
    Remote(RemoteError),
    /// It did something else than it should, as a clause.
    Not(String),
}

impl From<RemoteError> for Wrong {
    fn from(error: RemoteError) -> Self {
        Self::Remote(error)
    }
}

/// Fails a check unless something holds.
pub(super) fn hold(holds: bool, otherwise: impl FnOnce() -> String) -> std::result::Result<(), Wrong> {
    if holds { Ok(()) } else { Err(Wrong::Not(otherwise())) }
}

/// Fails a check unless a call has failed as it should, for good, and with words that name the place.
pub(super) fn refused<T>(
    done: Result<T>,
    kind: ErrorKind,
    op: Op,
    path: &RemotePath,
) -> std::result::Result<(), Wrong> {
    let error = match done {
        Ok(_) => return Err(Wrong::Not(format!("`{path}`: there should have been the error \"{kind}\""))),
        Err(error) => error,
    };
    if error.kind() != kind && error.kind() != ErrorKind::RangePastEnd && error.kind() != ErrorKind::NotFound {
        return Err(Wrong::Remote(error));
    }
    let right = (error.kind(), error.op(), error.path()) == (kind, op, path.as_str());
    hold(right && !error.is_transient() && error.to_string().contains(path.as_str()), || {
        format!("the error is `{error}`, where it should be \"{kind}\"")
    })
}

/// Everything below a prefix, in order.
pub(super) async fn list(remote: &dyn Remote, prefix: &str) -> Result<Vec<Listed>> {
    let mut items: Vec<_> = remote.list(prefix).try_collect().await?;
    items.sort();
    Ok(items)
}

/// Stores a short text.
pub(super) async fn put(remote: &dyn Remote, path: &RemotePath, body: &'static str) -> Result<Put> {
    remote.put_new(path, vec![Bytes::from_static(body.as_bytes())]).await
}

/// Bytes that differ at every offset a wrong range could start at.
pub(super) fn pattern(size: usize) -> Bytes {
    (0..size).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect()
}

const CLEARINGS: u32 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_age_is_in_its_name() {
        let made = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let scratch = Scratch::new(made);
        let path = scratch.path("a/b");
        assert_eq!(age_of(&path, made + Duration::from_secs(7)), Some(Duration::from_secs(7)));
        assert_eq!(age_of(&path, made - Duration::from_secs(7)), None);
        for other in ["cryptsync-test-x-1/a", "cryptsync-test-12", "data/1700000000-1/a", "cryptsync-tests-17-1/a"] {
            assert_eq!(age_of(&RemotePath::new(other).unwrap(), made), None, "{other}");
        }
        assert!(Scratch::new(made) != Scratch::new(made));
    }
}
