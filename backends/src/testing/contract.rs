//! The one suite that every remote runs, bare and in layers. What a remote cannot do it declares in its [`Caps`]; no
//! check is skipped by hand. Start reading at [`contract`].
//!
//! [`Caps`]: crate::Caps

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use futures::stream::TryStreamExt;

use crate::{ErrorKind, Listed, Op, Put, Remote, RemoteError, RemotePath, Stat};

/// Checks that a remote does what [`Remote`] says. Works below `contract/` and clears that before and after.
///
/// # Panics
///
/// When it does not.
pub async fn contract(remote: Arc<dyn Remote>) {
    let remote = &*remote;
    clear(remote).await;
    sizes_round_trip(remote).await;
    ranges_are_exact(remote).await;
    the_first_body_stays(remote).await;
    of_many_writers_one_wins(remote).await;
    new_directories_may_race(remote).await;
    listings_are_complete_and_exact(remote).await;
    foreign_prefixes_match_nothing(remote).await;
    what_is_absent_is_not_found(remote).await;
    deleting_twice_is_fine(remote).await;
    remote.barrier().await.expect("a barrier with writes before it");
    remote.barrier().await.expect("a barrier with nothing to do");
    assert!(!remote.describe().is_empty());
    clear(remote).await;
    let mut left = list(remote, "contract/").await;
    // A server that overwrites may go on showing what was raced, however often it is deleted.
    left.retain(|item| remote.caps().put_new || item.path != path("raced"));
    assert_eq!(left, []);
}

async fn sizes_round_trip(remote: &dyn Remote) {
    for size in [1, 65_536, LARGE] {
        let (path, body) = (path(format!("sizes/{size}")), pattern(size));
        // In uneven parts, as a pack writer would hand it over.
        let (head, tail) = (body.slice(..size / 3), body.slice(size / 3..));
        assert_eq!(remote.put_new(&path, vec![head, Bytes::new(), tail]).await.expect("put"), Put::Created);
        assert_eq!(remote.stat(&path).await.expect("stat"), Stat { size: size as u64 });
        assert!(remote.get(&path).await.expect("get") == body, "{size} bytes came back changed");
    }
}

async fn ranges_are_exact(remote: &dyn Remote) {
    let (path, body) = (path("sizes/65536"), pattern(65_536));
    for range in [0..1, 0..65_536, 1..65_535, 65_535..65_536, 4_095..4_097, 0..0, 65_536..65_536] {
        let read = remote.get_range(&path, range.start as u64..range.end as u64).await.expect("range");
        assert!(read == body.slice(range.clone()), "{range:?} is not exact");
    }
    #[expect(clippy::reversed_empty_ranges, reason = "that is the point")]
    for range in [65_535..65_537, 65_536..65_537, 70_000..70_001, 0..u64::MAX, 10..5] {
        let error = remote.get_range(&path, range).await.expect_err("past the end");
        expect_error(&error, ErrorKind::RangePastEnd, Op::GetRange, path.as_str());
    }
}

async fn the_first_body_stays(remote: &dyn Remote) {
    let path = path("first");
    assert_eq!(put(remote, &path, "first").await, Put::Created);
    for body in ["second, and longer", "x", "first"] {
        assert_eq!(put(remote, &path, body).await, Put::Existed);
    }
    assert_eq!(remote.get(&path).await.expect("get"), "first");
}

async fn of_many_writers_one_wins(remote: &dyn Remote) {
    let path = path("raced");
    let bodies: Vec<_> = (0..WRITERS).map(|n| Bytes::from(vec![n; 100_000 + usize::from(n)])).collect();
    let puts = join_all(bodies.iter().map(|body| remote.put_new(&path, vec![body.clone()]))).await;
    let created = puts.into_iter().filter(|put| *put.as_ref().expect("put") == Put::Created).count();
    if remote.caps().put_new {
        assert_eq!(created, 1, "exactly one writer creates an object");
    } else {
        assert!(created >= 1, "at least one writer creates an object");
    }
    let stored = remote.get(&path).await.expect("get");
    assert!(bodies.contains(&stored), "the object is no writer's body");
}

async fn new_directories_may_race(remote: &dyn Remote) {
    let paths: Vec<_> = (0..WRITERS).map(|n| path(format!("deep/a/b/c/d/e/f/{}/{n}", n % 2))).collect();
    let puts = join_all(paths.iter().map(|path| put(remote, path, "x"))).await;
    assert!(puts.into_iter().all(|put| put == Put::Created));
    assert_eq!(list(remote, "contract/deep/").await.len(), paths.len());
}

async fn listings_are_complete_and_exact(remote: &dyn Remote) {
    for (name, body) in [("log/a", "1"), ("log/b/c", "22"), ("log/b/d/e", "333"), ("logs/x", "4444"), ("lo", "55555")] {
        put(remote, &path(name), body).await;
    }
    let many: Vec<_> = (0..MANY).map(|n| path(format!("many/{n}"))).collect();
    join_all(many.iter().map(|path| put(remote, path, "x"))).await;
    tokio::time::sleep(remote.caps().list_delay).await;

    let listed = |name: &str, size| Listed { path: path(name), size };
    let log = [listed("log/a", 1), listed("log/b/c", 2), listed("log/b/d/e", 3)];
    assert_eq!(list(remote, "contract/log/").await, log);
    assert_eq!(list(remote, "contract/log/b/").await, log[1..]);
    assert_eq!(list(remote, "contract/log/b/d/e").await, log[2..]);
    assert_eq!(list(remote, "contract/log").await, [&log[..], &[listed("logs/x", 4)]].concat());
    assert_eq!(list(remote, "contract/missing/").await, []);
    assert_eq!(list(remote, "contract/log/a/").await, [], "an object is not a directory");
    let found: BTreeSet<_> = list(remote, "contract/many/").await.into_iter().map(|item| item.path).collect();
    assert_eq!(found, many.into_iter().collect());
    let mut all = list(remote, "contract/").await;
    // A server that overwrites may show an object twice right after a race: a listing is a hint.
    all.dedup_by(|a, b| a.path == b.path);
    // Three sizes, first, raced, the deep ones, the five above and the many: a temporary file would be one more.
    assert_eq!(all.len(), 3 + 2 + usize::from(WRITERS) + 5 + MANY, "{all:?}");
}

async fn foreign_prefixes_match_nothing(remote: &dyn Remote) {
    for prefix in ["/", "../", "contract/../", "contract//", "./contract/", "contract/\n/", "contract/\u{e4}/"] {
        assert_eq!(list(remote, prefix).await, [], "{prefix:?}");
    }
}

async fn what_is_absent_is_not_found(remote: &dyn Remote) {
    for path in [path("absent"), path("absent/in/deep"), path("log/absent")] {
        let error = remote.get(&path).await.expect_err("absent");
        expect_error(&error, ErrorKind::NotFound, Op::Get, path.as_str());
        let error = remote.get_range(&path, 0..1).await.expect_err("absent");
        expect_error(&error, ErrorKind::NotFound, Op::GetRange, path.as_str());
        let error = remote.stat(&path).await.expect_err("absent");
        expect_error(&error, ErrorKind::NotFound, Op::Stat, path.as_str());
    }
}

async fn deleting_twice_is_fine(remote: &dyn Remote) {
    let path = path("deleted");
    put(remote, &path, "before").await;
    for _ in 0..2 {
        remote.delete(&path).await.expect("delete");
    }
    remote.delete(&self::path("absent/in/deep")).await.expect("delete what never was");
    remote.delete_many(&[]).await.expect("delete nothing");
    let several = ["several/a", "several/b", "absent/in/deep"].map(self::path);
    put(remote, &several[0], "a").await;
    put(remote, &several[1], "b").await;
    remote.delete_many(&several).await.expect("delete several");
    assert_eq!(list(remote, "contract/several/").await, []);
    let error = remote.get(&path).await.expect_err("deleted");
    expect_error(&error, ErrorKind::NotFound, Op::Get, path.as_str());
    assert_eq!(put(remote, &path, "after").await, Put::Created);
    assert_eq!(remote.get(&path).await.expect("get"), "after");
}

fn expect_error(error: &RemoteError, kind: ErrorKind, op: Op, path: &str) {
    assert_eq!((error.kind(), error.op(), error.path()), (kind, op, path), "{error}");
    assert!(!error.is_transient());
    assert!(error.to_string().contains(path), "{error}");
}

/// Deletes what is listed until nothing is: a server that overwrites may keep twins of a name after a race, and one
/// deletion takes one of them.
async fn clear(remote: &dyn Remote) {
    for _ in 0..CLEARINGS {
        let items = list(remote, "contract/").await;
        if items.is_empty() {
            return;
        }
        let paths: Vec<RemotePath> = items.into_iter().map(|item| item.path).collect();
        remote.delete_many(&paths).await.expect("clear");
        tokio::time::sleep(remote.caps().list_delay).await;
    }
}

async fn list(remote: &dyn Remote, prefix: &str) -> Vec<Listed> {
    let mut items: Vec<_> = remote.list(prefix).try_collect().await.expect("list");
    items.sort();
    items
}

async fn put(remote: &dyn Remote, path: &RemotePath, body: &'static str) -> Put {
    remote.put_new(path, vec![Bytes::from_static(body.as_bytes())]).await.expect("put")
}

fn path(name: impl AsRef<str>) -> RemotePath {
    RemotePath::new(format!("contract/{}", name.as_ref())).expect("the suite's own paths are good")
}

/// Bytes that differ at every offset a wrong range could start at.
fn pattern(size: usize) -> Bytes {
    (0..size).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect()
}

const LARGE: usize = (5 << 20) + 1;
const WRITERS: u8 = 16;
const CLEARINGS: u8 = 40;
const MANY: usize = 300;
