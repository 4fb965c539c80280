//! Trees that nobody honest has written.

use std::sync::Arc;

use super::store::{MemError, MemStore, Model, Split, build, contents, entry, key};
use crate::format::key::TreeKey;
use crate::format::node::{Child, NodeWriter, Totals};
use crate::history::cursor::{Cursor, get};
use crate::history::diff::diff;
use crate::history::editor::{Edit, apply_edits};
use crate::history::source::{NodeBlob, NodeSource, ResolvedPlace, Root, TreeError};
use crate::id::{BlobId, BlobKind};

fn count(entries: u64) -> Totals {
    Totals { entries, bytes: 0, conflicts: 0 }
}

fn leaf(store: &MemStore, keys: &[&str]) -> Child {
    let mut writer = NodeWriter::new(0);
    let (mut value, dir) = (Vec::new(), entry(0));
    dir.encode(&mut value);
    for path in keys {
        writer.push(key(path).as_bytes(), &value);
    }
    let id = store.plant(BlobKind::Node, writer.finish(), Vec::new());
    Child { id, totals: count(keys.len() as u64) }
}

fn inner(store: &MemStore, level: u8, items: &[(&str, Child)]) -> Child {
    let mut writer = NodeWriter::new(level);
    for (path, child) in items {
        let mut value = Vec::new();
        child.encode(&mut value);
        writer.push(key(path).as_bytes(), &value);
    }
    let id = store.plant(BlobKind::Node, writer.finish(), Vec::new());
    let entries = items.iter().map(|(_, child)| child.totals.entries).sum();
    Child { id, totals: count(entries) }
}

/// Every way through the tree must end in the same kind of error.
fn fails(store: &MemStore, top: Child) -> TreeError {
    let root = Root { id: top.id, place: None, totals: top.totals };
    let error = |result: Result<(), MemError>| match result {
        Err(MemError::Tree(error)) => Some(error),
        Err(MemError::Missing(id)) => panic!("missing {id}"),
        Ok(()) => None,
    };
    let walk = Cursor::open(store, &root).and_then(|mut cursor| cursor.try_for_each(|found| found.map(drop)));
    let walked = error(walk).expect("an error");
    let empty = build(store, &Model::new());
    let compared = diff(store, &empty, &root).and_then(|mut diff| diff.try_for_each(|change| change.map(drop)));
    assert_eq!(error(compared), Some(walked));
    let last = TreeKey::from_bytes(b"\xff");
    let everything = Edit::Delete(last);
    let _either = apply_edits(store, Some(&root), [Ok(everything)]);
    let _either = get(store, &root, &key("m"));
    walked
}

fn what(error: TreeError) -> &'static str {
    match error {
        TreeError::Misplaced { what, .. } => what,
        TreeError::Malformed(malformed) => malformed.what,
        TreeError::Unsorted | TreeError::TooLarge => panic!("{error}"),
    }
}

#[test]
fn nodes_that_do_not_fit_are_refused() {
    let store = MemStore::new(Split::Keyed);
    let (ab, cd) = (leaf(&store, &["a", "b"]), leaf(&store, &["c", "d"]));
    let good = inner(&store, 1, &[("b", ab), ("d", cd)]);
    let root = Root { id: good.id, place: None, totals: count(4) };
    assert_eq!(contents(&store, &root).len(), 4);

    let wrong_last = inner(&store, 1, &[("b", ab), ("e", cd)]);
    assert_eq!(what(fails(&store, wrong_last)), "range of keys");
    let shorter_last = inner(&store, 1, &[("a", ab)]);
    assert_eq!(what(fails(&store, shorter_last)), "range of keys");
    let overlap = inner(&store, 1, &[("b", ab), ("e", leaf(&store, &["b", "e"]))]);
    assert_eq!(what(fails(&store, overlap)), "range of keys");
    let level_skipped = inner(&store, 2, &[("b", ab)]);
    assert_eq!(what(fails(&store, level_skipped)), "level");
    let level_stays = inner(&store, 1, &[("d", good)]);
    assert_eq!(what(fails(&store, level_stays)), "level");
    let empty = inner(&store, 1, &[("b", ab), ("d", leaf(&store, &[]))]);
    assert_eq!(what(fails(&store, empty)), "range of keys");
    let wrong_count = inner(&store, 1, &[("b", Child { totals: count(3), ..ab })]);
    assert_eq!(what(fails(&store, wrong_count)), "total");
    for totals in [Totals { bytes: 3, ..ab.totals }, Totals { conflicts: 1, ..ab.totals }] {
        let wrong = inner(&store, 1, &[("b", Child { totals, ..ab })]);
        assert_eq!(what(fails(&store, Child { totals, ..wrong })), "total");
    }
    let wrong_root = Child { totals: count(5), ..good };
    assert_eq!(what(fails(&store, wrong_root)), "total");
    let garbage = Child { id: store.plant(BlobKind::Node, vec![7; 100], Vec::new()), totals: count(1) };
    assert_eq!(what(fails(&store, garbage)), "tree node");
}

#[test]
fn unsafe_names_stop_at_the_path() {
    let store = MemStore::new(Split::Keyed);
    let model = Model::from([(TreeKey::from_bytes(b"\0\x02..\0\x01x"), entry(0))]);
    let root = build(&store, &model);
    assert!(Cursor::open(&store, &root).unwrap().next().unwrap().unwrap().key.to_path().is_err());
}

/// A store whose nodes go round in a circle, which no hash would allow.
#[derive(Debug)]
struct Circle {
    inner: MemStore,
    node: BlobId,
}

impl NodeSource for Circle {
    type Error = MemError;

    fn read(&self, kind: BlobKind, _: &BlobId, _: Option<&ResolvedPlace>) -> Result<Arc<NodeBlob>, MemError> {
        self.inner.read(kind, &self.node, None)
    }
}

#[test]
fn circles_and_endless_depth_end() {
    let inner_store = MemStore::new(Split::Keyed);
    let around = inner(&inner_store, 15, &[("z", Child { id: BlobId::new([1; 32]), totals: count(1) })]);
    let circle = Circle { inner: inner_store, node: around.id };
    let root = Root { id: around.id, place: None, totals: count(1) };
    let mut cursor = Cursor::open(&circle, &root).unwrap();
    assert!(matches!(cursor.next(), Some(Err(MemError::Tree(TreeError::Misplaced { what: "level", .. })))));
    assert!(cursor.next().is_none());

    // A chain as deep as levels go works; one more level is no node.
    let store = MemStore::new(Split::Keyed);
    let mut top = leaf(&store, &["a"]);
    for level in 1..16 {
        top = inner(&store, level, &[("a", top)]);
    }
    let root = Root { id: top.id, place: None, totals: count(1) };
    assert_eq!(contents(&store, &root).len(), 1);
    assert_eq!(what(fails(&store, inner(&store, 16, &[("a", top)]))), "tree node");
}

#[test]
fn bad_hints_are_no_hints() {
    let store = MemStore::new(Split::Keyed);
    let ab = leaf(&store, &["a", "b"]);
    let mut writer = NodeWriter::new(1);
    let mut value = Vec::new();
    ab.encode(&mut value);
    writer.push(key("b").as_bytes(), &value);
    let id = store.plant(BlobKind::Node, writer.finish(), vec![9; 30]);
    let root = Root { id, place: None, totals: count(2) };
    assert_eq!(contents(&store, &root).len(), 2);
}
