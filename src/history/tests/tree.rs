//! Trees: built, read and compared as a sorted map and a construction by the letter of the format have them.

use proptest::prelude::*;

use super::store::{MemStore, Model, Split, blob_id, build, contents, entry, key, levels, pair};
use crate::format::entry::Entry;
use crate::format::key::{TreeKey, children_range, subtree_range};
use crate::format::node::Totals;
use crate::format::wire::Put;
use crate::history::cursor::{Cursor, get};
use crate::history::diff::diff;
use crate::history::source::NodeSink;
use crate::id::{BlobId, BlobKind};
use crate::path::TreePath;

pub(super) fn model() -> impl Strategy<Value = Model> {
    proptest::collection::btree_map(path(), 0u64..10_000, 0..150)
        .prop_map(|map| map.into_iter().map(|(path, seed)| (key(&path), entry(seed))).collect())
}

pub(super) fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec("[a-d\u{1}]{1,2}", 1..4).prop_map(|parts| parts.join("/"))
}

pub(super) fn split() -> impl Strategy<Value = Split> {
    prop_oneof![
        Just(Split::Keyed),
        Just(Split::OneIn(1)),
        Just(Split::OneIn(2)),
        Just(Split::OneIn(4)),
        Just(Split::OneIn(16)),
        Just(Split::Never)
    ]
}

/// The root by the letter of docs/format.md, section 9.3: level by level, with all items in memory.
fn root_by_the_letter(store: &MemStore, model: &Model) -> BlobId {
    let encode = |(key, entry): (&TreeKey, &Entry)| {
        let mut value = Vec::new();
        entry.encode(&mut value);
        (key.as_bytes().to_vec(), value, Totals::of(entry))
    };
    let mut items: Vec<(Vec<u8>, Vec<u8>, Totals)> = model.iter().map(encode).collect();
    for level in 0.. {
        let mut nodes: Vec<Vec<(Vec<u8>, Totals)>> = vec![Vec::new()]; // encoded items
        let (mut above, mut before) = (Vec::new(), Vec::new());
        let last = items.len().saturating_sub(1);
        for (n, (key, value, totals)) in items.iter().enumerate() {
            let node = nodes.last_mut().unwrap();
            let s: u128 = node.iter().map(|(item, ..)| item.len() as u128).sum();
            let shared = (0..key.len()).take_while(|&i| !node.is_empty() && before.get(i) == key.get(i)).count();
            let mut item = Vec::new();
            item.put_varint(shared as u64);
            item.put_bytes(&key[shared..]);
            item.put(value);
            let end = s + item.len() as u128;
            node.push((item, *totals));
            let unlikely = u128::from(store.split_hash(level, key)) * 36_864u128.pow(4);
            let ends = end >= 65_536 || unlikely < (end.pow(4) - s.pow(4)) * (1 << 32);
            if n == last || (ends && (level == 0 || node.len() > 1)) {
                above.push(key.clone());
                nodes.push(Vec::new());
            }
            before.clone_from(key);
        }
        let nodes: Vec<_> = nodes.into_iter().take(above.len().max(1)).collect();
        let written = nodes.iter().map(|node| {
            let mut canonical = vec![level];
            canonical.put_varint(node.len() as u64);
            node.iter().for_each(|(item, ..)| canonical.put(item));
            (blob_id(BlobKind::Node, &canonical), node.iter().map(|n| n.1).fold(Totals::default(), Totals::plus))
        });
        let written: Vec<(BlobId, Totals)> = written.collect();
        if let [(root, ..)] = written[..] {
            return root;
        }
        let inner = above.into_iter().zip(written).map(|(key, (id, totals))| {
            let mut value = id.as_bytes().to_vec();
            [totals.entries, totals.bytes, totals.conflicts].into_iter().for_each(|total| value.put_varint(total));
            (key, value, totals)
        });
        items = inner.collect();
    }
    unreachable!("levels end")
}

/// The order of a walk: a directory's names sorted, then the directories among them in the same order.
fn walk(dir: &TreePath, paths: &[TreePath], out: &mut Vec<TreePath>) {
    let mut names: Vec<Vec<u8>> =
        paths.iter().filter_map(|path| path.strip_prefix(dir)?.components().next().map(<[u8]>::to_vec)).collect();
    names.sort();
    names.dedup();
    let below: Vec<TreePath> = names.iter().map(|name| dir.join(name).unwrap()).collect();
    out.extend(below.iter().filter(|path| paths.contains(path)).cloned());
    below.iter().for_each(|path| walk(path, paths, out));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_tree_is_its_map(model in model(), split in split(), probe in path()) {
        let store = MemStore::new(split);
        let root = build(&store, &model);
        prop_assert_eq!(root.id, root_by_the_letter(&store, &model));
        prop_assert_eq!(root.totals.entries, model.len() as u64);
        prop_assert_eq!(root.totals.bytes, model.values().map(|entry| entry.size).sum::<u64>());
        prop_assert_eq!(&contents(&store, &root), &model);
        let probe = key(&probe);
        let found = get(&store, &root, &probe).unwrap();
        prop_assert_eq!(found.map(|found| found.entry), model.get(&probe).cloned());
    }

    #[test]
    fn ranges_and_seeks(model in model(), split in split(), bounds in proptest::collection::vec(path(), 6)) {
        let store = MemStore::new(split);
        let root = build(&store, &model);
        let dir = TreePath::from_bytes(bounds[0].as_bytes()).unwrap();
        for range in [
            key(&bounds[1])..key(&bounds[2]),
            children_range(&dir),
            subtree_range(&dir),
            children_range(&TreePath::root()),
            subtree_range(&TreePath::root()),
        ] {
            let listed: Vec<_> = Cursor::range(&store, &root, range.clone()).unwrap().map(|f| pair(f.unwrap())).collect();
            let wanted: Vec<_> = model.iter().filter(|(key, _)| range.contains(key)).map(|(k, e)| (k.clone(), e.clone())).collect();
            prop_assert_eq!(listed, wanted);
        }
        let mut cursor = Cursor::open(&store, &root).unwrap();
        for bound in bounds {
            cursor.seek(key(&bound).as_bytes()).unwrap();
            let wanted = model.range(key(&bound)..).next().map(|(k, e)| (k.clone(), e.clone()));
            prop_assert_eq!(cursor.next().map(|f| pair(f.unwrap())), wanted);
        }
    }

    #[test]
    fn keys_ascend_as_a_walk_goes(paths in proptest::collection::btree_set(path(), 0..40)) {
        let paths: Vec<TreePath> = paths.iter().map(|path| TreePath::from_bytes(path.as_bytes()).unwrap()).collect();
        let mut walked = Vec::new();
        walk(&TreePath::root(), &paths, &mut walked);
        let mut keys: Vec<TreeKey> = paths.iter().map(|path| TreeKey::from_path(path).unwrap()).collect();
        keys.sort();
        let sorted: Vec<TreePath> = keys.iter().map(|key| key.to_path().unwrap()).collect();
        prop_assert_eq!(sorted, walked);
    }

    #[test]
    fn diffs_are_the_differences(old in model(), changes in model(), gone in path(), split in split()) {
        let store = MemStore::new(split);
        let mut new = old.clone();
        new.extend(changes);
        new.retain(|at, _| !subtree_range(&TreePath::from_bytes(gone.as_bytes()).unwrap()).contains(at));
        let (a, b) = (build(&store, &old), build(&store, &new));
        let mut wanted: Vec<_> = old.keys().chain(new.keys()).filter(|key| old.get(*key) != new.get(*key)).cloned().collect();
        wanted.sort();
        wanted.dedup();
        let mut got = Vec::new();
        for change in diff(&store, &a, &b).unwrap() {
            let change = change.unwrap();
            prop_assert_eq!(change.old.map(|found| pair(found).1), old.get(&change.key).cloned());
            prop_assert_eq!(change.new.map(|found| pair(found).1), new.get(&change.key).cloned());
            got.push(change.key);
        }
        prop_assert_eq!(got, wanted);
    }
}

#[test]
fn a_large_tree_is_cut_by_the_letter() {
    let store = MemStore::new(Split::Keyed);
    let model: Model = (0..12_000).map(|n| (key(&format!("dir {}/{n}", n % 50)), entry(n))).collect();
    let root = build(&store, &model);
    assert!(store.node(&root.id).len() > 20);
    assert_eq!(root.id, root_by_the_letter(&store, &model));
}

#[test]
fn an_empty_tree_is_one_empty_leaf() {
    let store = MemStore::new(Split::Keyed);
    let root = build(&store, &Model::new());
    assert_eq!((levels(&store, &root), root.totals), (1, Totals::default()));
    assert_eq!(Cursor::open(&store, &root).unwrap().count(), 0);
    assert_eq!(get(&store, &root, &key("a")), Ok(None));
}

#[test]
fn sums_stop_at_the_largest_number() {
    let store = MemStore::new(Split::OneIn(1));
    let huge = |n: u64| Entry { size: u64::MAX - 3, ..entry(4 + 8 * n) };
    let model: Model = (0..9).map(|n| (key(&format!("{n}")), huge(n))).collect();
    let root = build(&store, &model);
    assert_eq!(root.totals.bytes, u64::MAX);
    assert_eq!(contents(&store, &root), model);
}
