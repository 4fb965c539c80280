//! Large trees: sizes of nodes, and how many of them an operation reads and writes.

use super::edit::apply;
use super::store::{MemStore, Model, Split, build, contents, entry, key, levels};
use crate::format::entry::Entry;
use crate::format::key::{TreeKey, subtree_range};
use crate::history::cursor::{Cursor, get};
use crate::history::diff::diff;
use crate::history::editor::Edit;
use crate::path::TreePath;

const ENTRIES: u64 = 50_000;

fn name(n: u64) -> TreeKey {
    key(&format!("some directory {}/and another {}/file number {n}.txt", n % 13, n % 101))
}

fn large() -> Model {
    (0..ENTRIES).map(|n| (name(n), entry(n * 7))).collect()
}

#[test]
fn nodes_are_of_the_size_they_should_be() {
    let store = MemStore::new(Split::Keyed);
    let root = build(&store, &large());
    for level in 0..levels(&store, &root) as u8 {
        let lens: Vec<usize> =
            store.canonical_lens().into_iter().filter(|(l, _)| *l == level).map(|(_, n)| n).collect();
        let mean = lens.iter().sum::<usize>() / lens.len();
        let (min, max) = (lens.iter().min().unwrap(), lens.iter().max().unwrap());
        println!("level {level}: {} nodes, {mean} bytes each, {min} to {max}", lens.len());
        assert!(*max < 65_536 + 600);
        assert!(level > 0 || (16 << 10..48 << 10).contains(&mean), "{mean}");
    }
}

/// The format's nodes, and smaller ones for a taller tree.
const SPLITS: [Split; 2] = [Split::Keyed, Split::OneIn(30)];

#[test]
fn one_edit_touches_one_path() {
    SPLITS.into_iter().for_each(one_edit_touches_one_path_of);
}

fn one_edit_touches_one_path_of(split: Split) {
    let store = MemStore::new(split);
    let mut model = large();
    let mut root = build(&store, &model);
    let levels = levels(&store, &root);
    let (mut reads_sum, mut writes_sum, mut most) = (0, 0, (0, 0));
    for n in 0..300u64 {
        let at = name(n * 163 % ENTRIES);
        let edit = match n % 3 {
            0 => Edit::Put(at, entry(n * 8 + 5)),
            1 => Edit::Delete(at),
            _ => Edit::Put(key(&format!("some directory {}/new {n}", n % 29)), entry(n)),
        };
        match &edit {
            Edit::Put(key, entry) => drop(model.insert(key.clone(), entry.clone())),
            Edit::Delete(key) | Edit::DeleteRange(key, _) => drop(model.remove(key)),
        }
        let (after, reads, writes) = store.count(|| apply(&store, Some(&root), vec![edit]).unwrap());
        (reads_sum, writes_sum) = (reads_sum + reads, writes_sum + writes);
        most = (most.0.max(reads), most.1.max(writes));
        root = after;
    }
    println!("{levels} levels; 300 edits: {reads_sum} reads, {writes_sum} writes; at most {most:?} in one");
    assert!(most.0 <= 3 * levels && most.1 <= 3 * levels, "{most:?}");
    assert!(2 * reads_sum <= 3 * 300 * levels && 2 * writes_sum <= 3 * 300 * levels);
    assert_eq!(root.id, build(&store, &model).id);
}

#[test]
fn frozen() {
    let store = MemStore::new(Split::Keyed);
    let root = build(&store, &large());
    assert_eq!(
        (root.id.to_string(), root.totals.entries, root.totals.bytes),
        ("xcuj2gup7w5lcd6adffgcw2dnmvi4ez653pyd5pbevng7cvvht6q".into(), ENTRIES, 65_795_330_290)
    );
}

#[test]
fn finding_reads_one_path_and_uses_the_hints() {
    let store = MemStore::new(Split::Keyed);
    let root = build(&store, &large());
    let (found, reads, _) = store.count(|| get(&store, &root, &name(4711)).unwrap());
    assert!(found.is_some());
    assert_eq!((reads, store.hinted.get()), (levels(&store, &root), reads - 1));
    let (_, reads, _) = store.count(|| {
        let mut cursor = Cursor::open(&store, &root).unwrap();
        for n in 0..50 {
            cursor.seek(name(n * 997).as_bytes()).unwrap();
            assert!(cursor.next().is_some());
        }
    });
    assert!(reads <= 51 * levels(&store, &root), "{reads}");
}

#[test]
fn a_difference_costs_what_differs() {
    SPLITS.into_iter().for_each(a_difference_costs_what_differs_in);
}

fn a_difference_costs_what_differs_in(split: Split) {
    let store = MemStore::new(split);
    let mut model = large();
    let old = build(&store, &model);
    model.insert(key("some directory 5/new"), entry(5));
    model.remove(&name(4711));
    let new = build(&store, &model);
    let (changes, reads, _) = store.count(|| diff(&store, &old, &new).unwrap().count());
    println!("two changes: {reads} reads");
    assert_eq!(changes, 2);
    assert!(reads <= 2 * (1 + 2 * 3 * (levels(&store, &old) - 1)), "{reads}");
    let (changes, reads, _) = store.count(|| diff(&store, &old, &old).unwrap().count());
    assert_eq!((changes, reads), (0, 0));
}

#[test]
fn deleting_a_large_directory_reads_its_edges() {
    SPLITS.into_iter().for_each(deleting_a_large_directory_reads_its_edges_in);
}

fn deleting_a_large_directory_reads_its_edges_in(split: Split) {
    let store = MemStore::new(split);
    let mut model = large();
    let root = build(&store, &model);
    let range = subtree_range(&TreePath::from_bytes(b"some directory 5").unwrap());
    model.retain(|key, _| !range.contains(key));
    let gone = root.totals.entries - model.len() as u64;
    let edit = Edit::DeleteRange(range.start, range.end);
    let (after, reads, writes) = store.count(|| apply(&store, Some(&root), vec![edit]).unwrap());
    println!("{gone} entries deleted: {reads} reads, {writes} writes");
    assert!(reads <= 3 * levels(&store, &root) && writes <= 2 * levels(&store, &root), "{reads} {writes}");
    assert_eq!(after.id, build(&store, &model).id);
}

#[test]
fn long_keys_and_long_values_make_tall_trees_that_stay_within_limits() {
    for split in [Split::Keyed, Split::Never, Split::OneIn(1)] {
        let store = MemStore::new(split);
        let long = "n".repeat(250);
        let mut model: Model = (0..60u64)
            .map(|n| {
                let start = blake3::hash(&n.to_le_bytes()).to_hex();
                let path = format!("{}/{}", &start[..8], vec![&long[..]; 120].join("/"));
                let attributes = vec![(1, vec![n as u8; 16_000])];
                (key(&path), Entry { attributes, ..entry(n) })
            })
            .collect();
        let mut root = build(&store, &model);
        assert!(levels(&store, &root) >= 3);
        assert_eq!(contents(&store, &root), model);
        while let Some((first, _)) = model.pop_first() {
            root = apply(&store, Some(&root), vec![Edit::Delete(first)]).unwrap();
            assert_eq!(root.id, build(&store, &model).id);
            model.pop_last().inspect(|(last, _)| {
                root = apply(&store, Some(&root), vec![Edit::Delete(last.clone())]).unwrap();
            });
            model.pop_last().inspect(|(last, _)| {
                root = apply(&store, Some(&root), vec![Edit::Delete(last.clone())]).unwrap();
            });
        }
        assert_eq!(root.totals.entries, 0);
    }
}
