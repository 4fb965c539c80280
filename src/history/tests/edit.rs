//! Edits: whatever they are, they lead to the tree that is built from scratch.

use proptest::prelude::*;

use super::store::{MemError, MemStore, Model, Split, build, contents, entry, key, levels};
use super::tree::{model, path, split};
use crate::format::key::{TreeKey, subtree_range};
use crate::history::editor::{Edit, apply_edits};
use crate::history::source::{Root, TreeError};
use crate::path::TreePath;

pub(super) fn apply(store: &MemStore, old: Option<&Root>, edits: Vec<Edit>) -> Result<Root, MemError> {
    apply_edits(store, old, edits.into_iter().map(Ok))
}

/// What the edits do to a plain map.
fn apply_to_model(model: &mut Model, edits: &[Edit]) {
    for edit in edits {
        match edit {
            Edit::Put(key, entry) => drop(model.insert(key.clone(), entry.clone())),
            Edit::Delete(key) => drop(model.remove(key)),
            Edit::DeleteRange(start, end) => model.retain(|key, _| !(start..end).contains(&key)),
        }
    }
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        4 => (path(), 0u64..10_000).prop_map(|(path, seed)| Edit::Put(key(&path), entry(seed))),
        4 => path().prop_map(|path| Edit::Delete(key(&path))),
        1 => path().prop_map(|path| {
            let range = subtree_range(&TreePath::from_bytes(path.as_bytes()).unwrap());
            Edit::DeleteRange(range.start, range.end)
        }),
        1 => (path(), path()).prop_map(|(a, b)| Edit::DeleteRange(key(&a), key(&b))),
    ];
    proptest::collection::vec(edit, 0..12).prop_map(sorted)
}

/// Sorted by key, ranges first; of several other edits to one key one stays.
fn sorted(mut edits: Vec<Edit>) -> Vec<Edit> {
    let point = |edit: &Edit| !matches!(edit, Edit::DeleteRange(..));
    edits.sort_by_key(|edit| (edit.key().clone(), point(edit)));
    edits.dedup_by(|a, b| a.key() == b.key() && point(a) && point(b));
    edits
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn edits_lead_to_the_tree_built_from_scratch(
        start in model(),
        split in split(),
        batches in proptest::collection::vec(edits(), 1..6),
    ) {
        let store = MemStore::new(split);
        let mut model = start;
        let mut root = build(&store, &model);
        for batch in batches {
            apply_to_model(&mut model, &batch);
            root = apply(&store, Some(&root), batch).unwrap();
            let scratch = build(&store, &model);
            prop_assert_eq!((root.id, root.totals), (scratch.id, scratch.totals));
            prop_assert_eq!(&contents(&store, &root), &model);
        }
    }

    #[test]
    fn the_order_of_edits_does_not_matter(
        model in model(),
        split in split(),
        order in any::<u64>(),
        group in 1usize..40,
    ) {
        let store = MemStore::new(split);
        let mut puts: Vec<Edit> = model.iter().map(|(key, entry)| Edit::Put(key.clone(), entry.clone())).collect();
        puts.sort_by_key(|edit| blake3::hash(&[&order.to_le_bytes(), edit.key().as_bytes()].concat()).as_bytes().to_vec());
        let mut root = None;
        for batch in puts.chunks(group) {
            root = Some(apply(&store, root.as_ref(), sorted(batch.to_vec())).unwrap());
        }
        prop_assert_eq!(root.map_or(0, |root| root.totals.entries), model.len() as u64);
        prop_assert!(root.is_none_or(|root| root.id == build(&store, &model).id));
    }

    #[test]
    fn deleting_everything_leaves_the_empty_tree(model in model(), split in split(), order: u64, group in 1usize..20) {
        let store = MemStore::new(split);
        let mut root = build(&store, &model);
        let mut left = model.clone();
        let mut keys: Vec<TreeKey> = model.into_keys().collect();
        keys.sort_by_key(|key| blake3::hash(&[&order.to_le_bytes(), key.as_bytes()].concat()).as_bytes().to_vec());
        for batch in keys.chunks(group) {
            let batch = sorted(batch.iter().cloned().map(Edit::Delete).collect());
            apply_to_model(&mut left, &batch);
            root = apply(&store, Some(&root), batch).unwrap();
            prop_assert_eq!(root.id, build(&store, &left).id);
        }
        prop_assert_eq!(root.id, build(&store, &Model::new()).id);
    }

    #[test]
    fn edits_that_change_nothing_write_nothing(model in model(), split in split(), missing in path(), n: usize) {
        let store = MemStore::new(split);
        let root = build(&store, &model);
        let same = model.iter().nth(n % model.len().max(1)).map(|(key, entry)| Edit::Put(key.clone(), entry.clone()));
        let missing = Some(Edit::Delete(key(&missing))).filter(|edit| !model.contains_key(edit.key()));
        let batch = sorted(same.into_iter().chain(missing).collect());
        let (after, _, writes) = store.count(|| apply(&store, Some(&root), batch).unwrap());
        prop_assert_eq!((after.id, writes), (root.id, 0));
    }
}

#[test]
fn no_edits_read_nothing() {
    let store = MemStore::new(Split::Keyed);
    let root = build(&store, &Model::from([(key("a"), entry(5))]));
    let (after, reads, writes) = store.count(|| apply(&store, Some(&root), Vec::new()));
    assert_eq!((after, reads, writes), (Ok(root), 0, 0));
    let empty = apply(&store, None, Vec::new()).unwrap();
    assert_eq!(empty.id, build(&store, &Model::new()).id);
}

#[test]
fn unsorted_edits_are_refused() {
    let store = MemStore::new(Split::Keyed);
    let delete = |path: &str| Edit::Delete(key(path));
    for bad in [
        vec![delete("b"), delete("a")],
        vec![delete("a"), delete("a")],
        vec![delete("a"), Edit::DeleteRange(key("a"), key("b"))],
    ] {
        assert_eq!(apply(&store, None, bad), Err(MemError::Tree(TreeError::Unsorted)));
    }
    let failing = [Ok(delete("a")), Err(MemError::Tree(TreeError::TooLarge))];
    assert_eq!(apply_edits(&store, None, failing), Err(MemError::Tree(TreeError::TooLarge)));
}

#[test]
fn a_tree_collapses_onto_the_node_that_is_left() {
    // A node for each key, two for each node above: the last spine is nodes of one item.
    let store = MemStore::new(Split::OneIn(1));
    let model: Model = (0..257).map(|n| (key(&format!("{n:03}")), entry(n))).collect();
    let root = build(&store, &model);
    assert_eq!(levels(&store, &root), 10);
    let range = Edit::DeleteRange(key("000"), key("256"));
    let (after, reads, writes) = store.count(|| apply(&store, Some(&root), vec![range]).unwrap());
    assert_eq!((levels(&store, &after), after.totals.entries, writes), (1, 1, 0));
    assert!(reads <= 3 * levels(&store, &root), "{reads}");
    assert_eq!(after.id, build(&store, &model.into_iter().skip(256).collect()).id);
}
