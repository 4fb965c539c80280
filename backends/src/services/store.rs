//! What a service has to be able to do, and how that makes a remote of it. Start reading at [`Store`].
//!
//! Owns what is the same for all of them: what a range means, what is too large, whose prefix matches nothing, and that an error
//! names the operation, the path and the remote.

use std::fmt::Debug;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use super::answers::{not_found, past_end, too_large};
use super::bodies::length;
use super::names::is_prefix;
use super::walk::{Entry, TEMP_PREFIX};
use crate::http::{BODY_MAX, Failure};
use crate::{Caps, Listed, Op, Put, Remote, RemotePath, Result, Stat, Stray, StrayKind};

/// What a service can do that declares nothing else.
pub(crate) const USUAL: Caps = Caps {
    max_concurrency: 1,
    read_range: true,
    put_new: false,
    max_object: BODY_MAX,
    list_delay: Duration::ZERO,
    pack_size: Caps::PACK,
};

/// What became of a request.
pub(crate) type Tried<T> = std::result::Result<T, Failure>;

/// A service, by what it can do with paths below its root. Each is a [`Remote`].
#[async_trait]
pub(crate) trait Store: Send + Sync + Debug {
    /// See [`Remote::caps`].
    fn caps(&self) -> Caps;

    /// See [`Remote::describe`].
    fn describe(&self) -> String;

    /// The whole object, or a range of it that is neither empty nor backwards.
    async fn read(&self, path: &str, range: Option<Range<u64>>) -> Tried<Bytes>;

    /// The size of an object; `None` if there is none.
    async fn size(&self, path: &str) -> Tried<Option<u64>>;

    /// See [`Remote::put_new`].
    async fn put(&self, path: &str, body: &[Bytes]) -> Tried<Put>;

    /// Every object whose path starts with `prefix`, which one of ours can.
    fn walk<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Tried<Listed>>;

    /// Deletes an object, which need not be there.
    async fn remove(&self, path: &str) -> Tried<()>;

    /// What is directly where bodies lie before they get their names, if that is among the objects.
    async fn top(&self) -> Tried<Vec<Entry>> {
        Ok(Vec::new())
    }

    /// See [`Remote::remove_directory`]. The path has no slash at its end.
    async fn remove_directory(&self, _path: &str) -> Tried<()> {
        Ok(())
    }

    /// See [`Remote::recall`].
    fn recall(&self, _put_new: bool) {}
}

#[async_trait]
impl<S: Store> Remote for S {
    fn caps(&self) -> Caps {
        Store::caps(self)
    }

    fn describe(&self) -> String {
        Store::describe(self)
    }

    async fn get(&self, path: &RemotePath) -> Result<Bytes> {
        self.read(path.as_str(), None).await.map_err(failed(self, Op::Get, path.as_str()))
    }

    async fn get_range(&self, path: &RemotePath, range: Range<u64>) -> Result<Bytes> {
        read_range(self, path.as_str(), range).await.map_err(failed(self, Op::GetRange, path.as_str()))
    }

    async fn put_new(&self, path: &RemotePath, body: Vec<Bytes>) -> Result<Put> {
        let put = if length(&body) > BODY_MAX { Err(too_large()) } else { self.put(path.as_str(), &body).await };
        put.map_err(failed(self, Op::PutNew, path.as_str()))
    }

    async fn stat(&self, path: &RemotePath) -> Result<Stat> {
        let size = self.size(path.as_str()).await.and_then(|size| size.ok_or_else(not_found));
        Ok(Stat { size: size.map_err(failed(self, Op::Stat, path.as_str()))? })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed>> {
        if !is_prefix(prefix) {
            return stream::empty().boxed();
        }
        self.walk(prefix).map(move |item| item.map_err(failed(self, Op::List, prefix))).boxed()
    }

    async fn delete(&self, path: &RemotePath) -> Result<()> {
        self.remove(path.as_str()).await.map_err(failed(self, Op::Delete, path.as_str()))
    }

    async fn strays(&self) -> Result<Vec<Stray>> {
        let top = self.top().await.map_err(failed(self, Op::List, ""))?;
        let temps = top.into_iter().filter(|entry| is_temp(&entry.name) && entry.size.is_some());
        let stray = |Entry { name, size, changed }: Entry| {
            let id = name.clone();
            Stray { kind: StrayKind::Temporary, name, id, since: changed, size }
        };
        Ok(temps.map(stray).collect())
    }

    async fn remove_stray(&self, stray: &Stray) -> Result<()> {
        let removed = if is_temp(&stray.id) { self.remove(&stray.id).await } else { Err(not_found()) };
        removed.map_err(failed(self, Op::Delete, &stray.name))
    }

    async fn remove_directory(&self, directory: &str) -> Result<()> {
        let removed = Store::remove_directory(self, directory.trim_end_matches('/')).await;
        removed.map_err(failed(self, Op::Delete, directory))
    }

    fn recall(&self, put_new: bool) {
        Store::recall(self, put_new);
    }
}

/// Whether a name is that of a temporary file.
fn is_temp(name: &str) -> bool {
    name.starts_with(TEMP_PREFIX) && !name.contains('/')
}

async fn read_range<S: Store>(store: &S, path: &str, range: Range<u64>) -> Tried<Bytes> {
    if range.start > range.end {
        return Err(past_end());
    }
    // A range of nothing has no spelling, and one that hardly any object has is read differently by every server.
    if range.is_empty() || range.end > BODY_MAX {
        let size = store.size(path).await?.ok_or_else(not_found)?;
        if range.end > size {
            return Err(past_end());
        }
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        if range.end - range.start > BODY_MAX {
            return Err(too_large());
        }
    }
    store.read(path, Some(range)).await
}

fn failed<S: Store>(store: &S, op: Op, path: &str) -> impl Fn(Failure) -> crate::RemoteError {
    move |failure| failure.of(op, path, &Store::describe(store))
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;
    use crate::ErrorKind;

    /// One object of a size that nobody has memory for.
    #[derive(Debug)]
    struct Huge;

    const SIZE: u64 = BODY_MAX + 1000;

    #[async_trait]
    impl Store for Huge {
        fn caps(&self) -> Caps {
            Caps { max_concurrency: 1, ..USUAL }
        }

        fn describe(&self) -> String {
            "huge".to_owned()
        }

        async fn read(&self, _path: &str, range: Option<Range<u64>>) -> Tried<Bytes> {
            Ok(range.map(|range| Bytes::from(range.start.to_string())).unwrap_or_default())
        }

        async fn size(&self, path: &str) -> Tried<Option<u64>> {
            Ok((path == "there").then_some(SIZE))
        }

        async fn put(&self, _path: &str, _body: &[Bytes]) -> Tried<Put> {
            Ok(Put::Created)
        }

        fn walk<'a>(&'a self, _prefix: &'a str) -> BoxStream<'a, Tried<Listed>> {
            stream::iter([Err(too_large())]).boxed()
        }

        async fn remove(&self, _path: &str) -> Tried<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_range_is_what_was_asked_for_or_an_error() {
        let there = RemotePath::new("there").unwrap();
        let read = |range: Range<u64>| async { Remote::get_range(&Huge, &there, range).await };
        assert_eq!(read(SIZE - 10..SIZE).await.unwrap(), (SIZE - 10).to_string());
        assert_eq!(read(5..7).await.unwrap(), "5");
        assert_eq!(read(SIZE..SIZE).await.unwrap(), "");
        assert_eq!(read(1..SIZE).await.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(read(1..SIZE + 1).await.unwrap_err().kind(), ErrorKind::RangePastEnd);
        assert_eq!(read(0..u64::MAX).await.unwrap_err().kind(), ErrorKind::RangePastEnd);
        #[expect(clippy::reversed_empty_ranges, reason = "that is the point")]
        let backwards = read(7..5).await;
        assert_eq!(backwards.unwrap_err().kind(), ErrorKind::RangePastEnd);
        let error = Remote::get_range(&Huge, &RemotePath::new("x").unwrap(), 3..3).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot read `x` on huge: not found");
    }

    #[tokio::test]
    async fn what_can_be_nobodys_is_not_looked_for() {
        let listed: Vec<_> = Huge.list("../").try_collect().await.unwrap();
        assert_eq!(listed, []);
        let error = Huge.list("log/").try_collect::<Vec<_>>().await.unwrap_err();
        assert_eq!((error.op(), error.path()), (Op::List, "log/"));
    }
}
