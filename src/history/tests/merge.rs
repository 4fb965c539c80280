//! Merging: one test for each row of the table of docs/format.md, section 9.6, and what must hold for any trees.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::store::{MemStore, Split, blob_id, build, contents, key};
use super::tree::split;
use crate::format::entry::{Conflict, Content, Entry, EntryKind};
use crate::history::merge::{Side, merge, merge_with_room};
use crate::history::source::Root;
use crate::id::{BlobKind, CommitId, WriterId};
use crate::world::Timestamp;

/// A tree in plain words: path and entry.
type Plain = BTreeMap<String, Entry>;

fn entry(kind: EntryKind, size: u64, content: Content) -> Entry {
    let mtime = Timestamp { secs: 1_700_000_000, nanos: 0 };
    Entry { kind, size, mtime, mode: Some(0o644), content, attributes: Vec::new() }
}

fn dir() -> Entry {
    Entry { mode: Some(0o755), ..entry(EntryKind::Dir, 0, Content::None) }
}

/// A file whose content is this text: large for some texts, so that there are blobs too.
fn file(text: &str) -> Entry {
    match text.len() {
        0 => entry(EntryKind::File, 0, Content::None),
        len if len % 2 == 0 => entry(EntryKind::File, len as u64, Content::Inline(text.as_bytes().into())),
        len => {
            let id = blob_id(BlobKind::Chunk, text.as_bytes());
            entry(EntryKind::File, 1000 + len as u64, Content::Chunk(id))
        }
    }
}

fn link(to: &str) -> Entry {
    entry(EntryKind::Symlink, 0, Content::Link(to.as_bytes().into()))
}

fn plain(entries: &[(&str, Entry)]) -> Plain {
    entries.iter().map(|(path, entry)| ((*path).to_owned(), entry.clone())).collect()
}

fn tree(store: &MemStore, plain: &Plain) -> Root {
    build(store, &plain.iter().map(|(path, entry)| (key(path), entry.clone())).collect())
}

fn read(store: &MemStore, root: &Root) -> Plain {
    contents(store, root).into_iter().map(|(key, entry)| (key.to_path().unwrap().to_string(), entry)).collect()
}

fn side<'a>(root: &'a Root, lamport: u64, label: &'a str) -> Side<'a> {
    let time = Timestamp { secs: 1_790_000_000 + 86_400 * lamport as i64, nanos: 0 };
    let commit = CommitId::new([lamport as u8; 32]);
    Side { root, rank: (lamport, WriterId::new([lamport as u8; 16])), time, label, commit }
}

/// Merges with `hi` of the higher rank; both ways round, with any room for fixes, and checks what must always hold.
fn merged(split: Split, base: Option<&Plain>, hi: &Plain, lo: &Plain) -> Plain {
    let store = MemStore::new(split);
    let base = base.map(|base| tree(&store, base));
    let (hi, lo) = (tree(&store, hi), tree(&store, lo));
    let (hi, lo) = (side(&hi, 7, "hi"), side(&lo, 5, "lo"));
    let root = merge(&store, base.as_ref(), &hi, &lo).unwrap();
    assert_eq!(merge(&store, base.as_ref(), &lo, &hi).unwrap().id, root.id, "it commutes");
    assert_eq!(merge_with_room(&store, base.as_ref(), &hi, &lo, 1).unwrap().id, root.id, "in little memory");
    let all = contents(&store, &root);
    let scratch = build(&store, &all);
    assert_eq!((scratch.id, scratch.totals), (root.id, root.totals), "it is the tree of its entries");
    let merged = read(&store, &root);
    for path in merged.keys() {
        let parent = path.rsplit_once('/').map(|(parent, _)| parent);
        let fits = parent.is_none_or(|parent| merged.get(parent).is_some_and(|dir| dir.kind == EntryKind::Dir));
        assert!(fits, "{path} lies in a directory: {merged:#?}");
    }
    merged
}

fn check(base: &[(&str, Entry)], hi: &[(&str, Entry)], lo: &[(&str, Entry)], expected: &[(&str, Entry)]) {
    assert_eq!(merged(Split::Keyed, Some(&plain(base)), &plain(hi), &plain(lo)), plain(expected));
}

fn lost(entry: Entry, name: &str, lamport: u8) -> Entry {
    let mut entry = entry;
    entry.set_conflict(Some(Conflict { name: name.as_bytes(), commit: CommitId::new([lamport; 32]) }));
    entry
}

/// The names that copies get: those of the side of the lower rank, and of the other.
fn copy_name(store: &Plain, start: &str, label: &str) -> String {
    let (day, label) = if label == "lo" { ("2026-09-26", "lo") } else { ("2026-09-28", "hi") };
    let start = format!("{start}.conflict-{day}-{label}-");
    let found: Vec<&String> = store.keys().filter(|path| path.starts_with(&start)).collect();
    assert_eq!(found.len(), 1, "{start}: {store:#?}");
    found[0].clone()
}

#[test]
fn one_side_unchanged_gives_the_other_deletes_too() {
    let base = [("a", file("one")), ("b", file("two")), ("d", dir()), ("d/x", file("x"))];
    let changed = [("a", file("1")), ("c", file("new"))];
    check(&base, &base, &changed, &changed);
    check(&base, &changed, &base, &changed);
    // Path by path, too.
    let (hi, lo) = ([base[0].clone(), ("b", file("2")), base[2].clone()], [("a", file("1")), base[1].clone()]);
    check(&base, &hi, &lo, &[("a", file("1")), ("b", file("2"))]);
}

#[test]
fn the_same_content_is_kept_with_the_metadata_of_both() {
    let at = |secs, mode, tags: &[(u64, u8)]| Entry {
        mtime: Timestamp { secs, nanos: 0 },
        mode,
        attributes: tags.iter().map(|(tag, value)| (*tag, vec![*value])).collect(),
        ..file("same")
    };
    let base = [("a", at(1, Some(0o600), &[(1, 1), (2, 2), (7, 7)]))];
    let hi = [("a", at(2, Some(0o600), &[(1, 9), (2, 2), (7, 7)]))];
    let lo = [("a", at(1, Some(0o640), &[(1, 8), (7, 5), (9, 9)]))];
    check(&base, &hi, &lo, &[("a", at(2, Some(0o640), &[(1, 9), (7, 5), (9, 9)]))]);
    // Content of one side, metadata of the other: no conflict.
    let edited = [(
        "a",
        Entry {
            content: file("edit").content,
            ..at(5, Some(0o600), &base[0].1.attributes.iter().map(|(t, v)| (*t, v[0])).collect::<Vec<_>>())
        },
    )];
    let touched = [("a", at(9, Some(0o777), &[(2, 2), (7, 7)]))];
    let both = Entry { content: file("edit").content, ..at(5, Some(0o777), &[(2, 2), (7, 7)]) };
    check(&base, &edited, &touched, &[("a", both.clone())]);
    check(&base, &touched, &edited, &[("a", both)]);
    // Added alike by both: what the higher rank says.
    check(
        &[],
        &hi,
        &lo,
        &[("a", at(2, Some(0o600), &[(1, 9), (2, 2), (7, 5), (9, 9)]))].map(|(path, mut entry)| {
            entry.attributes[2].1 = vec![7];
            (path, entry)
        }),
    );
}

#[test]
fn edits_of_both_sides_and_additions_of_both_leave_a_copy() {
    for base in [vec![("d", dir()), ("d/a.txt", file("base"))], vec![("d", dir())]] {
        // The older mtime wins: rank decides, not time.
        let old = Entry { mtime: Timestamp { secs: 5, nanos: 0 }, ..file("high") };
        let (hi, lo) =
            (plain(&[("d", dir()), ("d/a.txt", old.clone())]), plain(&[("d", dir()), ("d/a.txt", file("low"))]));
        let merged = merged(Split::Keyed, Some(&plain(&base)), &hi, &lo);
        let copy = copy_name(&merged, "d/a", "lo");
        assert!(copy.ends_with(".txt") && copy.len() == "d/a.conflict-2026-09-26-lo-123456.txt".len());
        let expected = [("d", dir()), ("d/a.txt", old), (&copy, lost(file("low"), "a.txt", 5))];
        assert_eq!(merged, plain(&expected));
    }
    let links = merged(Split::Keyed, None, &plain(&[("a", link("x"))]), &plain(&[("a", file("x"))]));
    assert_eq!(links[&copy_name(&links, "a", "lo")], lost(file("x"), "a", 5));
}

#[test]
fn an_edit_survives_a_deletion() {
    let base = [("a", file("one")), ("b", file("two"))];
    let (hi, lo) = ([("a", file("edited"))], [("b", file("edited too"))]);
    check(&base, &hi, &lo, &[hi[0].clone(), lo[0].clone()]);
}

#[test]
fn what_changed_below_a_deleted_directory_stays() {
    let base =
        [("d", dir()), ("d/e", dir()), ("d/e/x", file("x")), ("d/e/y", file("y")), ("d/f", dir()), ("z", file("z"))];
    let edited = [
        ("d", dir()),
        ("d/e", dir()),
        ("d/e/new", file("new")),
        ("d/e/x", file("edited")),
        ("d/e/y", file("y")),
        ("d/f", dir()),
        ("z", file("z")),
    ];
    let deleted = [("z", file("z"))];
    let expected =
        [("d", dir()), ("d/e", dir()), ("d/e/new", file("new")), ("d/e/x", file("edited")), ("z", file("z"))];
    check(&base, &deleted, &edited, &expected);
    check(&base, &edited, &deleted, &expected);
    // A directory whose metadata alone has changed is deleted.
    let touched = [("d", Entry { mtime: Timestamp { secs: 9, nanos: 9 }, ..dir() }), ("z", file("z"))];
    let less = [("d", dir()), ("z", file("z"))];
    check(&less, &deleted, &touched, &deleted);
    check(&less, &touched, &deleted, &deleted);
}

#[test]
fn a_directory_keeps_the_name_against_a_file() {
    for (hi_is_dir, label, lamport) in [(true, "lo", 5), (false, "hi", 7)] {
        for other in [file("content"), link("target")] {
            let (with_dir, with_file) = (plain(&[("n", dir()), ("n/x", file("x"))]), plain(&[("n", other.clone())]));
            // Made by both; and made of a directory by one while the other went on in it.
            for base in [plain(&[]), plain(&[("n", dir())]), plain(&[("n", dir()), ("n/x", file("before"))])] {
                let (hi, lo) = if hi_is_dir { (&with_dir, &with_file) } else { (&with_file, &with_dir) };
                let merged = merged(Split::Keyed, Some(&base), hi, lo);
                let copy = copy_name(&merged, "n", label);
                let copy = (&copy[..], lost(other.clone(), "n", lamport));
                assert_eq!(merged, plain(&[("n", dir()), ("n/x", file("x")), copy]));
            }
        }
    }
    // Nothing of its own is in the directory: one side has changed, the other has not.
    let base = [("n", dir()), ("n/x", file("x"))];
    check(&base, &base, &[("n", file("f"))], &[("n", file("f"))]);
    check(&[("n", file("f"))], &base, &[("n", Entry { mode: None, ..file("f") })], &base);
}

#[test]
fn an_edit_follows_a_renamed_file() {
    let base = [("old", file("content")), ("other", file("other!"))];
    let renamed = [("new", Entry { mode: Some(0o600), ..file("content") }), ("other", file("other!"))];
    let edited = [("old", file("edited")), ("other", file("other!"))];
    let expected = [("new", Entry { mode: Some(0o600), ..file("edited") }), ("other", file("other!"))];
    check(&base, &renamed, &edited, &expected);
    check(&base, &edited, &renamed, &expected);
    // A directory that was renamed takes the edit along, and is not kept for its sake.
    let base = [("d", dir()), ("d/a", file("aaa")), ("d/b", file("bbb"))];
    let renamed = [("e", dir()), ("e/a", file("aaa")), ("e/b", file("bbb"))];
    let edited = [("d", dir()), ("d/a", file("AAA")), ("d/b", file("bbb"))];
    check(&base, &renamed, &edited, &[("e", dir()), ("e/a", file("AAA")), ("e/b", file("bbb"))]);
    // Where the same content went twice nothing is certain: the edit stays where it was made.
    let twice = [("e1", file("content")), ("e2", file("content"))];
    let edited = [("old", file("edited"))];
    check(&[("old", file("content"))], &twice, &edited, &[twice[0].clone(), twice[1].clone(), edited[0].clone()]);
}

#[test]
fn a_copy_is_not_made_twice_and_never_over_something_else() {
    let (hi, lo) = (plain(&[("a", file("high"))]), plain(&[("a", file("low"))]));
    let first = merged(Split::Keyed, None, &hi, &lo);
    let name = copy_name(&first, "a", "lo");
    // Both sides have found the same conflict before.
    let again = merged(Split::Keyed, None, &first, &plain(&[("a", file("low")), (&name, first[&name].clone())]));
    assert_eq!(again, first);
    // The name is taken by other content on either side.
    for (hi_has, lo_has) in [(true, false), (false, true)] {
        let with = |tree: &Plain, has: bool| {
            let mut tree = tree.clone();
            if has {
                tree.insert(name.clone(), file("mine"));
            }
            tree
        };
        let merged = merged(Split::Keyed, None, &with(&hi, hi_has), &with(&lo, lo_has));
        assert_eq!(merged.len(), 3);
        assert_eq!(merged[&name], file("mine"));
        let longer = merged.keys().find(|path| path.len() == name.len() + 20).unwrap();
        assert!(longer.starts_with(&name) && merged[longer] == lost(file("low"), "a", 5));
    }
}

#[test]
fn many_conflicts_in_little_memory() {
    let name = |n: u32| format!("d{}/f{}", n % 7, blake3::hash(&n.to_le_bytes()).to_hex());
    let tree = |salt: &str| {
        let mut plain: Plain = (0..60).map(|n| (name(n), file(&format!("{salt}{n}")))).collect();
        plain.extend((0..7).map(|n| (format!("d{n}"), dir())));
        plain
    };
    let (hi, lo) = (tree("hi"), tree("lo"));
    let merged = merged(Split::Keyed, Some(&tree("base")), &hi, &lo);
    assert_eq!(merged.len(), 127);
    assert_eq!(merged.values().filter(|entry| entry.conflict().is_some()).count(), 60);
}

/// What a person does to a tree.
#[derive(Debug, Clone)]
enum Act {
    Write(String, u8),
    Link(String, u8),
    MakeDir(String),
    Remove(String),
    Rename(String, String),
    Touch(String, u8),
}

fn acts(max: usize) -> impl Strategy<Value = Vec<Act>> {
    let path = || proptest::collection::vec("[abc]", 1..4).prop_map(|parts| parts.join("/"));
    let act = prop_oneof![
        5 => (path(), 0u8..40).prop_map(|(path, text)| Act::Write(path, text)),
        1 => (path(), 0u8..4).prop_map(|(path, to)| Act::Link(path, to)),
        1 => path().prop_map(Act::MakeDir),
        3 => path().prop_map(Act::Remove),
        3 => (path(), path()).prop_map(|(from, to)| Act::Rename(from, to)),
        2 => (path(), 0u8..4).prop_map(|(path, mode)| Act::Touch(path, mode)),
    ];
    proptest::collection::vec(act, 0..max)
}

fn put(tree: &mut Plain, path: &str, entry: Entry) {
    if entry.kind != EntryKind::Dir {
        remove(tree, path);
    }
    tree.insert(path.to_owned(), entry);
    let mut parent = path;
    while let Some((dir_path, _)) = parent.rsplit_once('/') {
        if tree.get(dir_path).is_none_or(|there| there.kind != EntryKind::Dir) {
            tree.insert(dir_path.to_owned(), dir());
        }
        parent = dir_path;
    }
}

fn remove(tree: &mut Plain, path: &str) -> Plain {
    let inside = |other: &str| other == path || other.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
    let gone = tree.iter().filter(|(path, _)| inside(path)).map(|(p, e)| (p.clone(), e.clone())).collect();
    tree.retain(|path, _| !inside(path));
    gone
}

fn act(tree: &Plain, acts: &[Act]) -> Plain {
    let mut tree = tree.clone();
    for act in acts {
        match act {
            Act::Write(path, text) => put(&mut tree, path, file(&"x".repeat(usize::from(*text)))),
            Act::Link(path, to) => put(&mut tree, path, link(&format!("to{to}"))),
            Act::MakeDir(path) if tree.contains_key(path) => {}
            Act::MakeDir(path) => put(&mut tree, path, dir()),
            Act::Remove(path) => drop(remove(&mut tree, path)),
            Act::Rename(from, to) if to.starts_with(&format!("{from}/")) || from == to => {}
            Act::Rename(from, to) => {
                for (path, entry) in remove(&mut tree, from) {
                    put(&mut tree, &format!("{to}{}", &path[from.len()..]), entry);
                }
            }
            Act::Touch(path, mode) => {
                if let Some(entry) = tree.get_mut(path) {
                    entry.mode = Some(u16::from(*mode));
                    entry.mtime.secs += i64::from(*mode);
                }
            }
        }
    }
    tree
}

/// What of a tree must never be lost: the contents of its files and links.
fn treasures(tree: &Plain) -> BTreeSet<(EntryKind, u64, String)> {
    let files = tree.values().filter(|entry| entry.kind != EntryKind::Dir);
    files.map(|entry| (entry.kind, entry.size, format!("{:?}", entry.content))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_two_trees(start in acts(25), hi in acts(12), lo in acts(12), with_base: bool, split in split()) {
        let base = act(&Plain::new(), &start);
        let (hi, lo) = (act(&base, &hi), act(&base, &lo));
        let merged_tree = merged(split, with_base.then_some(&base), &hi, &lo);
        // Chunking of trees does not matter.
        prop_assert_eq!(&merged(Split::Never, with_base.then_some(&base), &hi, &lo), &merged_tree);
        let base = if with_base { base } else { Plain::new() };
        // Nothing new of either side is lost.
        let (before, after) = (treasures(&base), treasures(&merged_tree));
        for side in [&hi, &lo] {
            for new in treasures(side).difference(&before) {
                prop_assert!(after.contains(new), "{:?} is lost: {:#?}", new, merged_tree);
            }
        }
        for (path, entry) in &base {
            let file = entry.kind != EntryKind::Dir;
            // What both sides have left as it was is as it was.
            if hi.get(path) == Some(entry) && lo.get(path) == Some(entry) {
                prop_assert_eq!(merged_tree.get(path), Some(entry));
            }
            // What one side has deleted and the other has left alone is gone.
            if file && hi.get(path).xor(lo.get(path)) == Some(entry) {
                prop_assert_eq!(merged_tree.get(path), None, "{} is back", path);
            }
        }
        // What was made from nothing by one side is there.
        for (side, other) in [(&hi, &lo), (&lo, &hi)] {
            for (path, entry) in side.iter().filter(|(path, _)| !base.contains_key(*path) && !other.contains_key(*path)) {
                let there = merged_tree.get(path);
                let followed = treasures(&plain(&[("x", entry.clone())])).iter().all(|content| before.contains(content));
                prop_assert!(there.is_some() && (there == Some(entry) || followed), "{}", path);
            }
        }
        let conflicts = merged_tree.values().filter(|entry| entry.conflict().is_some()).count();
        prop_assert!(conflicts <= hi.len().min(lo.len()));
    }

    #[test]
    fn sides_that_are_alike_or_unchanged(start in acts(25), changes in acts(12), split in split()) {
        let base = act(&Plain::new(), &start);
        let changed = act(&base, &changes);
        prop_assert_eq!(&merged(split, Some(&base), &changed, &base), &changed);
        prop_assert_eq!(&merged(split, Some(&base), &base, &changed), &changed);
        prop_assert_eq!(&merged(split, Some(&base), &changed, &changed), &changed);
        prop_assert_eq!(&merged(split, None, &changed, &changed), &changed);
    }

    /// Merging what was merged with one of its sides again, from that side, changes nothing.
    #[test]
    fn merging_again_changes_nothing(start in acts(25), hi in acts(12), lo in acts(12)) {
        let base = act(&Plain::new(), &start);
        let (hi, lo) = (act(&base, &hi), act(&base, &lo));
        let both = merged(Split::Keyed, Some(&base), &hi, &lo);
        prop_assert_eq!(&merged(Split::Keyed, Some(&hi), &both, &hi), &both);
        prop_assert_eq!(&merged(Split::Keyed, Some(&lo), &both, &lo), &both);
    }
}

/// A large tree, three hundred changes on either side: only what leads to them is read.
#[test]
fn merging_costs_what_was_changed() {
    let store = MemStore::new(Split::Keyed);
    let name = |n: u32| format!("d{:03}/f{n:06}", n % 500);
    let mut base: Plain = (0..30_000).map(|n| (name(n), file(&format!("{n}")))).collect();
    base.extend((0..500).map(|n| (format!("d{n:03}"), dir())));
    let changed = |text: &str, from: u32| {
        let mut tree = base.clone();
        // In one part of the directories, as a person's changes are.
        (0..300).for_each(|n| drop(tree.insert(name((n % 20) + from + n / 20 * 500), file(&format!("{text}{n}")))));
        tree
    };
    let (hi, lo) = (changed("hi", 100), changed("lo", 110));
    let (base, hi, lo) = (tree(&store, &base), tree(&store, &hi), tree(&store, &lo));
    let (hi, lo) = (side(&hi, 7, "hi"), side(&lo, 5, "lo"));
    let start = std::time::Instant::now();
    let (root, reads, writes) = store.count(|| merge(&store, Some(&base), &hi, &lo).unwrap());
    println!("{reads} reads, {writes} writes, {:?}, {} conflicts", start.elapsed(), root.totals.conflicts);
    assert!(root.totals.conflicts > 0 && writes < 60, "{writes}");
}
