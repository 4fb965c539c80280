//! What is different about verbs that write and delete.

use std::collections::BTreeMap;

use super::super::case::{Case, Direction, Side, Word, flag, valued};
use super::super::difference::Difference;
use super::super::tree::{Kind, Node, Tree};
use super::{
    Kept, at, below, between, case, codes, dir, file, has, has_any, is_code, is_left, link, source_of, value, with,
    within,
};

pub(super) const ALL: &[Kept] = &[
    Kept {
        told: "What is to be removed and is not there is exit code 3",
        why: "it says so; rclone has the general 1",
        explains: |case, outcome, difference| {
            ["rmdir", "rmdirs", "purge"].contains(&case.verb) && codes(outcome) == (1, 3) && is_code(difference)
        },
        example: || Case { verb: "purge", operands: vec![at("nope")], ..case() },
    },
    Kept {
        told: "A dry run of `rmdir` fails where `rmdir` would",
        why: "that is what a dry run is for",
        explains: |case, outcome, difference| {
            let fails = [(0, 1), (0, 3)].contains(&codes(outcome));
            case.verb == "rmdir" && has(case, "--dry-run") && fails && is_code(difference)
        },
        example: || Case { verb: "rmdir", flags: vec![flag("--dry-run")], operands: vec![at("d")], ..case() },
    },
    Kept {
        told: "`purge` takes links with it",
        why: "a vault holds links; rclone does not see them, and finds the directory not empty",
        explains: |case, outcome, difference| {
            let (Some(at), Some(tree)) = (below(case, Side::Dst), case.trees.get(&Side::Dst)) else { return false };
            let is_below = |path: &str| within(at, path).is_some();
            let linked = tree.iter().any(|(path, node)| matches!(node.kind, Kind::Link(_)) && is_below(path));
            let left = match difference {
                Difference::Entry { side: Side::Dst, path, ours: None, .. } => is_below(path),
                Difference::Place { side: Side::Dst, ours: false } => at.is_empty(),
                _ => is_code(difference),
            };
            case.verb == "purge" && codes(outcome) == (1, 0) && linked && left
        },
        example: || {
            let operands = vec![Word::Place(Side::Dst, "d".to_owned())];
            with(Case { verb: "purge", operands, ..case() }, Side::Dst, "d/link", link("a"))
        },
    },
    Kept {
        told: "`--copy-dest` refers to content in a vault",
        why: "what is there has the time that it has there; rclone can't on local directories, and runs here without it",
        explains: |case, _, difference| {
            let Difference::Entry { side: Side::Dst, path, ours: Some(ours), .. } = difference else { return false };
            let there = within(below(case, Side::Dst).unwrap_or_default(), path)
                .and_then(|path| case.trees.get(&Side::Cmp)?.get(path));
            has(case, "--copy-dest") && there.is_some_and(|there| same_file(there, ours) && there.mtime == ours.mtime)
        },
        example: || {
            let flags =
                vec![flag("-c"), vec![Word::Text("--copy-dest".to_owned()), Word::Place(Side::Cmp, String::new())]];
            let mut case = Case { flags, ..between("copy") };
            case.trees.insert(Side::Dst, Tree::new());
            case.trees.insert(Side::Cmp, Tree::from([("a".to_owned(), file("abc", 1_500_000_000))]));
            case
        },
    },
    Kept {
        told: "The directory that files are to go into is made even if none does",
        why: "a destination that is named is there afterwards",
        explains: |case, outcome, difference| {
            let (Some(to), Some(ours)) = (below(case, Side::Dst), outcome.cryptsync.trees.get(&Side::Dst)) else {
                return false;
            };
            let path = match difference {
                Difference::Entry { side: Side::Dst, path, theirs: None, ours: Some(node) }
                    if node.kind == Kind::Dir =>
                {
                    path
                }
                Difference::Place { side: Side::Dst, ours: true } => "",
                _ => return false,
            };
            let inside = |(other, node): (&String, &Node)| node.kind != Kind::Dir && within(path, other).is_some();
            within(path, to).is_some() && !ours.iter().any(inside)
        },
        example: || Case { trees: BTreeMap::from([(Side::Src, Tree::new())]), ..between("copy") },
    },
    Kept {
        told: "A link that leads nowhere is an entry that can't be read, with exit code 1",
        why: "rclone has 6 for it, and makes nothing of the rest",
        explains: |case, outcome, difference| {
            let stopped = outcome.rclone.stderr.contains("Listing error: symlink");
            let rest = match difference {
                Difference::Entry { side: Side::Dst, path, .. } => source_of(case, path).is_some(),
                Difference::Entry { side: Side::Src, ours: None, .. } => case.verb.starts_with("move"),
                Difference::Entry { side: Side::Bak, .. } | Difference::Place { .. } => true,
                _ => is_code(difference),
            };
            has_any(case, &["-L", "--copy-links"]) && codes(outcome) == (6, 1) && stopped && rest
        },
        example: || {
            let case = Case { direction: Direction::Up, flags: vec![flag("-L")], ..between("copy") };
            with(case, Side::Src, "link", link("nowhere"))
        },
    },
    Kept {
        told: "A link takes the place of a file of its name, and a file that of a link",
        why: "with --links rclone takes the link for another name, and may delete it right after it was made",
        explains: |case, outcome, difference| {
            let kinds = |is_link: bool, path: &str| {
                case.trees
                    .values()
                    .filter_map(|tree| tree.get(path))
                    .any(|node| matches!(node.kind, Kind::Link(_)) == is_link)
            };
            let meets = |path: &str| kinds(true, path) && kinds(false, path);
            let met = || case.trees.values().flat_map(Tree::keys).any(|path| meets(path));
            // To be written over, which --immutable forbids; and then nothing is deleted.
            let refused = has(case, "--immutable") && codes(outcome) == (0, 6);
            has_any(case, &["-l", "--links"])
                && match difference {
                    _ if refused && met() && is_left(case, difference) => true,
                    Difference::Entry { path, .. } => {
                        path.match_indices('/').map(|(at, _)| &path[..at]).chain([path.as_str()]).any(meets)
                    }
                    _ => is_code(difference) && met(),
                }
        },
        example: || {
            let case = Case { direction: Direction::Down, flags: vec![flag("--links")], ..between("sync") };
            with(case, Side::Src, "a", link("d"))
        },
    },
    Kept {
        told: "With `--suffix` what is kept of a link is a link",
        why: "rclone keeps a file with the target in it, called NAME.rclonelink and the suffix",
        explains: |case, _, difference| {
            let is_kept = match difference {
                Difference::Entry { path, theirs: Some(_), ours: None, .. } => path.contains(".rclonelink"),
                Difference::Entry { theirs: None, ours: Some(node), .. } => matches!(node.kind, Kind::Link(_)),
                _ => false,
            };
            has(case, "--suffix") && has_any(case, &["-l", "--links"]) && is_kept
        },
        example: || {
            let case = Case { flags: vec![flag("--links"), valued("--suffix", ".bak")], ..between("sync") };
            with(case, Side::Dst, "link", link("a"))
        },
    },
    Kept {
        told: "An empty directory does not take the place of a file with `--create-empty-src-dirs`",
        why: "rclone fails at first, and finds the file deleted when it tries again",
        explains: |case, outcome, difference| {
            let meets = |(path, node): (&String, &Node)| {
                node.kind != Kind::Dir && source_of(case, path).is_some_and(|new| new.kind == Kind::Dir)
            };
            let met = case.trees.get(&Side::Dst).is_some_and(|dst| dst.iter().any(meets));
            let at_one = match difference {
                Difference::Entry { side: Side::Dst, path, .. } => {
                    let node = case.trees.get(&Side::Dst).and_then(|dst| dst.get(path));
                    node.is_some_and(|node| meets((path, node)))
                }
                _ => false,
            };
            let explained = at_one || is_left(case, difference) || is_code(difference);
            has(case, "--create-empty-src-dirs") && codes(outcome) == (0, 1) && met && explained
        },
        example: || {
            with(Case { flags: vec![flag("--create-empty-src-dirs")], ..between("sync") }, Side::Src, "a", dir())
        },
    },
    Kept {
        told: "`--track-renames` changes nothing about what is kept or looked for elsewhere",
        why: "rclone renames what it would have kept, and does not look at --compare-dest",
        explains: |case, outcome, difference| {
            let besides = ["--backup-dir", "--suffix", "--compare-dest", "--copy-dest"];
            let (side, theirs, ours) = match difference {
                Difference::Entry { side, theirs, ours, .. } => (side, theirs, ours),
                Difference::Place { side: Side::Bak, .. } => return has(case, "--track-renames"),
                _ => return false,
            };
            let Some(node) = ours.as_ref().or(theirs.as_ref()) else { return false };
            let has_it = |node: &Node| {
                let same_link = |other: &Node| matches!(other.kind, Kind::Link(_)) && other.kind == node.kind;
                let is_source = |other: &Node| same_file(other, node) || same_link(other);
                case.trees.get(&Side::Src).is_some_and(|src| src.values().any(is_source))
            };
            // A directory that is made for what is kept.
            let holds_it = |(path, kept): (&String, &Node)| {
                difference.path_in(Side::Bak).and_then(|dir| within(dir, path)).is_some() && has_it(kept)
            };
            let kept = outcome.cryptsync.trees.get(&Side::Bak);
            let made = theirs.is_none() && node.kind == Kind::Dir && kept.is_some_and(|kept| kept.iter().any(holds_it));
            let renamed = has_it(node) || made;
            has(case, "--track-renames") && has_any(case, &besides) && *side != Side::Src && renamed
        },
        example: || {
            let backup = vec![Word::Text("--backup-dir".to_owned()), Word::Place(Side::Bak, String::new())];
            renaming(Case { flags: vec![flag("--track-renames"), backup], ..between("sync") })
        },
    },
    Kept {
        told: "`--max-delete` deletes all or nothing",
        why: "rclone deletes until the limit is reached, in no order that could be relied on",
        explains: |case, outcome, difference| {
            has(case, "--max-delete") && codes(outcome) == (7, 7) && is_left(case, difference)
        },
        example: || {
            let mut case = Case { flags: vec![valued("--max-delete", "1")], ..between("sync") };
            case.trees.insert(Side::Src, Tree::new());
            case
        },
    },
    Kept {
        told: "`--max-delete` counts what was renamed with `--track-renames` too",
        why: "whether it was is known when everything is stored, and what may be deleted has to be known before",
        explains: |case, outcome, difference| {
            let both = has(case, "--max-delete") && has(case, "--track-renames");
            both && codes(outcome) == (0, 7) && (is_left(case, difference) || is_code(difference))
        },
        example: || {
            renaming(Case { flags: vec![flag("--track-renames"), valued("--max-delete", "0")], ..between("sync") })
        },
    },
    Kept {
        told: "A source that is not there deletes nothing, with `--delete-before` either",
        why: "rclone takes it for an empty one",
        explains: |case, outcome, difference| {
            let from = below(case, Side::Src).unwrap_or_default();
            let nowhere = !from.is_empty() && !case.trees.get(&Side::Src).is_some_and(|src| src.contains_key(from));
            let first = has_any(case, &["--delete-before", "--delete-during"]);
            first && nowhere && outcome.cryptsync.code == 3 && (is_left(case, difference) || is_code(difference))
        },
        example: || {
            let operands = vec![at("nope"), Word::Place(Side::Dst, String::new())];
            Case { flags: vec![flag("--delete-before")], operands, ..between("sync") }
        },
    },
    Kept {
        told: "Nothing is done about a directory that is not made",
        why: "with --compare-dest or --copy-dest rclone sets times of directories that it has not made, and fails",
        explains: |case, outcome, difference| {
            has_any(case, &["--compare-dest", "--copy-dest"])
                && codes(outcome) == (1, 0)
                && outcome.rclone.stderr.contains("Failed to update directory timestamp")
                && is_code(difference)
        },
        example: || {
            let compare = vec![Word::Text("--compare-dest".to_owned()), Word::Place(Side::Cmp, String::new())];
            let mut case = Case { flags: vec![flag("-I"), compare], ..between("copy") };
            let src = case.trees[&Side::Src].clone();
            case.trees.insert(Side::Cmp, src);
            case.trees.insert(Side::Dst, Tree::new());
            case
        },
    },
    Kept {
        told: "A file that stands where a directory is needed keeps its time and its mode",
        why: "rclone gives it those of the directory",
        explains: |case, _, difference| {
            let Difference::Entry { side: Side::Dst, path, ours: Some(ours), .. } = difference else { return false };
            let is_dir = source_of(case, path).is_some_and(|node| node.kind == Kind::Dir);
            let was = case.trees.get(&Side::Dst).and_then(|dst| dst.get(path));
            let kept = difference.is_time() || has_any(case, &["-M", "--metadata"]) && was == Some(ours);
            kept && is_dir && ours.kind != Kind::Dir
        },
        example: || {
            let mut case = between("copy");
            case.trees.get_mut(&Side::Dst).unwrap().retain(|path, _| !path.starts_with('d'));
            with(case, Side::Dst, "d", file("abc", 1_500_000_000))
        },
    },
    Kept {
        told: "What `--immutable` refuses is exit code 6, whatever follows from it",
        why: "rclone ends with the last error, which may be that directories of the source were left",
        explains: |case, outcome, difference| {
            has(case, "--immutable") && codes(outcome) == (1, 6) && is_code(difference)
        },
        example: || {
            let flags = vec![flag("--immutable"), flag("--delete-empty-src-dirs")];
            with(
                Case { direction: Direction::Across, flags, ..between("move") },
                Side::Dst,
                "a",
                file("another", 1_500_000_000),
            )
        },
    },
    Kept {
        told: "`--delete-excluded` deletes nothing below `--max-depth`",
        why: "what is too deep was not looked at; rclone removes a directory with all that is in it, however deep",
        explains: |case, outcome, difference| {
            let depth = value(case, "--max-depth").and_then(|depth| depth.parse::<usize>().ok());
            let Difference::Entry { side: Side::Dst, path, theirs: None, .. } = difference else { return false };
            let too_deep = |other: &str| Some(other.split('/').count()) > depth && within(path, other).is_some();
            let left =
                outcome.cryptsync.trees.get(&Side::Dst).is_some_and(|dst| dst.keys().any(|other| too_deep(other)));
            depth.is_some() && has(case, "--delete-excluded") && left
        },
        example: || {
            let flags = vec![flag("--delete-excluded"), valued("--max-depth", "1")];
            let case = with(Case { flags, ..between("sync") }, Side::Dst, "x", dir());
            with(case, Side::Dst, "x/f", file("abc", 1_600_000_000))
        },
    },
];

/// Whether two files have the same content.
fn same_file(a: &Node, b: &Node) -> bool {
    matches!((&a.kind, &b.kind), (Kind::File { content: a, .. }, Kind::File { content: b, .. }) if a == b)
}

/// The same, with another name for a file of the source.
fn renaming(mut case: Case) -> Case {
    let src = case.trees.get_mut(&Side::Src).unwrap();
    let node = src.remove("a").unwrap();
    src.insert("b".to_owned(), node);
    case
}
