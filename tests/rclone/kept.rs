//! Where cryptsync is different on purpose: each kind of difference with its reason, how it is recognised, and a command line
//! that shows it. `help rclone` tells users of them.

use std::collections::BTreeMap;

use super::case::{Case, Direction, Shape, Side, Word, flag, valued};
use super::runner::Outcome;
use super::tree::{Kind, Node, Tree};

/// A kind of difference.
pub struct Kept {
    /// What `help rclone` says of it, word by word.
    pub told: &'static str,
    /// Why it stays.
    pub why: &'static str,
    /// Whether all that differs is of this kind.
    pub is: fn(&Case, &Outcome) -> bool,
    /// A case that shows it.
    pub example: fn() -> Case,
}

/// The kind that this outcome is of, if it is of one.
pub fn kind_of(case: &Case, outcome: &Outcome) -> Option<&'static Kept> {
    ALL.iter().find(|kept| (kept.is)(case, outcome))
}

/// All of them.
pub const ALL: &[Kept] = &[
    Kept {
        told: "What is to be removed and is not there is exit code 3",
        why: "what is to be removed is not there: exit code 3 says so, rclone has the general 1",
        is: |case, outcome| {
            ["rmdir", "rmdirs", "purge"].contains(&case.verb)
                && codes(outcome) == (1, 3)
                && outcome.differences.len() == 1
        },
        example: || Case { verb: "purge", operands: vec![at("nope")], ..case() },
    },
    Kept {
        told: "A negative `--offset` that reaches before the start of a file means its start",
        why: "a negative --offset that reaches before the start of a file means its start; rclone drops bytes then",
        is: |case, _| {
            let far = |word: &Word| matches!(word, Word::Text(text) if text.starts_with("--offset=-"));
            case.verb == "cat" && case.flags.iter().flatten().any(far) && has(case, "--count")
        },
        example: || Case {
            verb: "cat",
            flags: vec![flag("--offset=-2000"), valued("--count", "2000")],
            operands: vec![at("d/file")],
            shape: Shape::Exact,
            ..case()
        },
    },
    Kept {
        told: "Filters have no say where one file is named",
        why: "filters have no say where one file is named; rclone refuses to go on",
        is: |_, outcome| {
            outcome.rclone.stderr.contains("can't limit to single files when using filters") && codes(outcome).1 == 0
        },
        example: || Case {
            verb: "lsf",
            flags: vec![valued("--include", "*")],
            operands: vec![at("d/file")],
            shape: Shape::Lines,
            ..case()
        },
    },
    Kept {
        told: "`lsjson --stat` of a directory names it and tells its time",
        why: "`lsjson --stat` of a directory names it and tells its time; rclone leaves the name empty and tells the time it is",
        is: |case, outcome| {
            let about = |text: &str| text.contains("\"IsDir\":true") || text.contains("\"IsDir\": true");
            case.verb == "lsjson" && has(case, "--stat") && codes(outcome) == (0, 0) && about(&outcome.cryptsync.stdout)
        },
        example: || Case {
            verb: "lsjson",
            flags: vec![flag("--stat")],
            operands: vec![at("d")],
            shape: Shape::Json,
            ..case()
        },
    },
    Kept {
        told: "flags that contradict each other, are errors of usage, with exit code 2",
        why: "filter flags that contradict each other are a usage error, exit code 2; rclone has the general 1",
        is: |_, outcome| [(1, 2), (7, 2)].contains(&codes(outcome)) && outcome.differences.len() == 1,
        example: || Case {
            verb: "lsf",
            flags: vec![valued("--min-age", "10d"), valued("--max-age", "1h")],
            operands: vec![at("")],
            shape: Shape::Lines,
            ..case()
        },
    },
    Kept {
        told: "`--copy-dest` refers to content in a vault",
        why: "--copy-dest refers to content in a vault; rclone refuses it on local directories, which can't copy by reference",
        is: |_, outcome| outcome.rclone.code == 7 && outcome.rclone.stderr.contains("--copy-dest"),
        example: || Case {
            verb: "copy",
            flags: vec![vec![Word::Text("--copy-dest".to_owned()), Word::Place(Side::Dst, "d".to_owned())]],
            operands: vec![at(""), Word::Place(Side::Dst, "new".to_owned())],
            ..case()
        },
    },
    Kept {
        told: "Nothing is compared with a place that is not there",
        why: "sums are not held against a place that is not there; rclone first lists all of them as missing",
        is: |case, outcome| {
            let sums = case.verb.ends_with("sum") && (has(case, "-C") || has(case, "--checkfile"));
            (sums || case.verb == "check") && codes(outcome) == (3, 3)
        },
        example: || Case {
            verb: "md5sum",
            flags: vec![vec![Word::Text("-C".to_owned()), Word::File("sums".to_owned())]],
            files: BTreeMap::from([("sums".to_owned(), "0cc175b9c0f1b6a831c399e269772661  a\n".to_owned())]),
            operands: vec![at("nope")],
            shape: Shape::Lines,
            ..case()
        },
    },
    Kept {
        told: "`tree` counts the directories it shows",
        why: "rclone counts none where it shows no file",
        is: |case, outcome| {
            let only = |line: &String| line.starts_with("standard output") || line.contains(" directories");
            case.verb == "tree"
                && codes(outcome) == (0, 0)
                && outcome.differences.iter().all(only)
                && outcome.differences.iter().any(|line| line.starts_with("  rclone:    0 directories"))
        },
        example: || Case {
            verb: "tree",
            flags: vec![flag("--dirs-only")],
            operands: vec![at("")],
            shape: Shape::Exact,
            ..case()
        },
    },
    Kept {
        told: "The directory that files are to go into is made even if none does",
        why: "a destination that is named is there afterwards",
        is: |case, outcome| {
            let Some(Word::Place(Side::Dst, operand)) = case.operands.last() else { return false };
            let to = format!("dst/{operand}");
            let Some(ours) = outcome.cryptsync.trees.get(&Side::Dst) else { return false };
            let empty = |line: &String| {
                let Some(path) = line.strip_suffix(": only there with cryptsync") else { return false };
                let below = path.strip_prefix("dst").unwrap_or_default().trim_start_matches('/');
                let inside = |(other, node): (&String, &Node)| {
                    node.kind != Kind::Dir && (below.is_empty() || other.starts_with(&format!("{below}/")))
                };
                let is_dir = below.is_empty() || ours.get(below).is_some_and(|node| node.kind == Kind::Dir);
                is_dir && to.starts_with(path) && !ours.iter().any(inside)
            };
            let (rclone, cryptsync) = codes(outcome);
            rclone == cryptsync && outcome.differences.iter().all(empty)
        },
        example: || Case {
            verb: "copy",
            direction: Direction::Between,
            trees: BTreeMap::from([(Side::Src, Tree::new())]),
            operands: vec![at(""), Word::Place(Side::Dst, String::new())],
            ..case()
        },
    },
    Kept {
        told: "Verbs that list, and `check`, have no `-l` and `-L`",
        why: "a listing shows links as what they are, and follows none",
        is: |case, outcome| {
            let links = ["-l", "-L", "--links", "--copy-links"].iter().any(|name| has(case, name));
            links && outcome.cryptsync.code == 2 && outcome.cryptsync.stderr.contains("unexpected argument '-")
        },
        example: || Case { verb: "ls", flags: vec![flag("-L")], operands: vec![at("")], shape: Shape::Lines, ..case() },
    },
    Kept {
        told: "`purge` takes links with it",
        why: "a vault holds links; rclone does not see them, and finds the directory not empty",
        is: |case, outcome| {
            let linked = |tree: &Tree| tree.values().any(|node| matches!(node.kind, Kind::Link(_)));
            case.verb == "purge" && codes(outcome) == (1, 0) && case.trees.values().any(linked)
        },
        example: || {
            let mut case = Case { verb: "purge", operands: vec![at("d")], ..case() };
            let link = Node { kind: Kind::Link("a".to_owned()), mtime: (1_600_000_000, 0) };
            case.trees.get_mut(&Side::Src).unwrap().insert("d/link".to_owned(), link);
            case
        },
    },
    Kept {
        told: "A link that leads nowhere is an entry that can't be read, with exit code 1",
        why: "rclone has 6 for it, and makes nothing of the rest",
        is: |case, outcome| {
            let follows = has(case, "-L") || has(case, "--copy-links");
            follows && codes(outcome) == (6, 1) && outcome.rclone.stderr.contains("Listing error: symlink")
        },
        example: || {
            let mut case = Case {
                verb: "copy",
                direction: Direction::Up,
                flags: vec![flag("-L")],
                operands: vec![at(""), Word::Place(Side::Dst, String::new())],
                ..case()
            };
            let link = Node { kind: Kind::Link("nowhere".to_owned()), mtime: (1_600_000_000, 0) };
            case.trees.get_mut(&Side::Src).unwrap().insert("link".to_owned(), link);
            case
        },
    },
    Kept {
        told: "A link takes the place of a file of its name, and a file that of a link",
        why: "with --links rclone takes the link for another name, and may delete it right after it was made",
        is: |case, _| {
            let kinds = |is: fn(&Kind) -> bool, path: &String, tree: &Tree| tree.get(path).is_some_and(|n| is(&n.kind));
            let link: fn(&Kind) -> bool = |kind| matches!(kind, Kind::Link(_));
            let other: fn(&Kind) -> bool = |kind| !matches!(kind, Kind::Link(_));
            let trees: Vec<_> = case.trees.values().collect();
            let meets = |path: &String| {
                trees.iter().any(|tree| kinds(link, path, tree)) && trees.iter().any(|tree| kinds(other, path, tree))
            };
            (has(case, "-l") || has(case, "--links")) && case.trees.values().flat_map(Tree::keys).any(meets)
        },
        example: || {
            let mut case = Case {
                verb: "sync",
                direction: Direction::Down,
                flags: vec![flag("--links")],
                operands: vec![at(""), Word::Place(Side::Dst, String::new())],
                ..case()
            };
            let link = Node { kind: Kind::Link("d".to_owned()), mtime: (1_600_000_000, 0) };
            case.trees.get_mut(&Side::Src).unwrap().insert("a".to_owned(), link);
            case
        },
    },
    Kept {
        told: "An empty directory does not take the place of a file with `--create-empty-src-dirs`",
        why: "rclone fails at first, and finds the file deleted when it tries again",
        is: |case, outcome| {
            let (Some(src), Some(dst)) = (case.trees.get(&Side::Src), case.trees.get(&Side::Dst)) else { return false };
            let meets = |(path, node): (&String, &Node)| {
                node.kind == Kind::Dir && dst.get(path).is_some_and(|old| old.kind != Kind::Dir)
            };
            has(case, "--create-empty-src-dirs") && codes(outcome) == (0, 1) && src.iter().any(meets)
        },
        example: || {
            let mut case = Case {
                verb: "sync",
                direction: Direction::Between,
                flags: vec![flag("--create-empty-src-dirs")],
                operands: vec![at(""), Word::Place(Side::Dst, String::new())],
                ..case()
            };
            let dir = Node { kind: Kind::Dir, mtime: (1_600_000_000, 0) };
            case.trees.get_mut(&Side::Src).unwrap().insert("a".to_owned(), dir);
            case
        },
    },
    Kept {
        told: "`--track-renames` changes nothing about what is kept or looked for elsewhere",
        why: "rclone renames what it would have kept, and does not look at --compare-dest",
        is: |case, outcome| {
            let besides = ["--backup-dir", "--suffix", "--compare-dest", "--copy-dest"];
            let (rclone, cryptsync) = codes(outcome);
            has(case, "--track-renames") && besides.iter().any(|name| has(case, name)) && rclone == cryptsync
        },
        example: || {
            let mut case = Case {
                verb: "sync",
                direction: Direction::Between,
                flags: vec![
                    flag("--track-renames"),
                    vec![Word::Text("--backup-dir".to_owned()), Word::Place(Side::Bak, String::new())],
                ],
                operands: vec![at(""), Word::Place(Side::Dst, String::new())],
                ..case()
            };
            let src = case.trees.get_mut(&Side::Src).unwrap();
            let node = src.remove("a").unwrap();
            src.insert("b".to_owned(), node);
            case
        },
    },
    Kept {
        told: "A dry run of `rmdir` fails where `rmdir` would",
        why: "that is what a dry run is for",
        is: |case, outcome| case.verb == "rmdir" && has(case, "--dry-run") && codes(outcome) == (0, 1),
        example: || Case { verb: "rmdir", flags: vec![flag("--dry-run")], operands: vec![at("d")], ..case() },
    },
    Kept {
        told: "A source that is not there deletes nothing, with `--delete-before` either",
        why: "rclone takes it for an empty one",
        is: |case, outcome| {
            (has(case, "--delete-before") || has(case, "--delete-during")) && outcome.cryptsync.code == 3
        },
        example: || Case {
            verb: "sync",
            direction: Direction::Between,
            flags: vec![flag("--delete-before")],
            operands: vec![at("nope"), Word::Place(Side::Dst, String::new())],
            ..case()
        },
    },
    Kept {
        told: "A link of the name that `--exclude-if-present` looks for counts as well",
        why: "what is in a vault is there; rclone does not see links",
        is: |case, _| {
            let marker = case.flags.iter().find(|words| words[0] == Word::Text("--exclude-if-present".to_owned()));
            let Some([_, Word::Text(name)]) = marker.map(Vec::as_slice) else { return false };
            let marks = |(path, node): (&String, &Node)| {
                matches!(node.kind, Kind::Link(_)) && path.rsplit('/').next() == Some(name.as_str())
            };
            case.trees.values().flatten().any(marks)
        },
        example: || {
            let mut case = Case {
                verb: "lsf",
                flags: vec![valued("--exclude-if-present", "link")],
                operands: vec![at("")],
                shape: Shape::Lines,
                ..case()
            };
            let link = Node { kind: Kind::Link("a".to_owned()), mtime: (1_600_000_000, 0) };
            case.trees.get_mut(&Side::Src).unwrap().insert("link".to_owned(), link);
            case
        },
    },
    Kept {
        told: "Nothing is done about a directory that is not made",
        why: "with --compare-dest or --copy-dest rclone sets times of directories that it has not made, and fails",
        is: |case, outcome| {
            let besides = has(case, "--compare-dest") || has(case, "--copy-dest");
            besides
                && codes(outcome) == (1, 0)
                && outcome.rclone.stderr.contains("Failed to update directory timestamp")
        },
        example: || {
            let mut case = Case {
                verb: "copy",
                direction: Direction::Between,
                flags: vec![
                    flag("-I"),
                    vec![Word::Text("--compare-dest".to_owned()), Word::Place(Side::Cmp, String::new())],
                ],
                operands: vec![at(""), Word::Place(Side::Dst, String::new())],
                ..case()
            };
            let src = case.trees[&Side::Src].clone();
            case.trees.insert(Side::Cmp, src);
            case.trees.insert(Side::Dst, Tree::new());
            case
        },
    },
    Kept {
        told: "A file that stands where a directory is needed keeps its time",
        why: "rclone gives it that of the directory",
        is: |case, outcome| {
            let (Some(src), Some(dst)) = (case.trees.get(&Side::Src), case.trees.get(&Side::Dst)) else { return false };
            let timed = |line: &String| {
                let path = line.strip_prefix("dst/").and_then(|line| Some(line.split_once(": of (")?.0));
                path.is_some_and(|path| {
                    src.get(path).is_some_and(|node| node.kind == Kind::Dir)
                        && dst.get(path).is_some_and(|node| node.kind != Kind::Dir)
                })
            };
            outcome.differences.iter().all(timed)
        },
        example: || {
            let mut case = Case {
                verb: "copy",
                direction: Direction::Between,
                operands: vec![at(""), Word::Place(Side::Dst, String::new())],
                ..case()
            };
            let file =
                Node { kind: Kind::File { content: "abc".to_owned(), executable: false }, mtime: (1_500_000_000, 0) };
            let dst = case.trees.get_mut(&Side::Dst).unwrap();
            dst.retain(|path, _| !path.starts_with('d'));
            dst.insert("d".to_owned(), file);
            case
        },
    },
    Kept {
        told: "`--max-delete` deletes all or nothing",
        why: "rclone deletes until the limit is reached, in no order that could be relied on",
        is: |case, outcome| {
            let counted = |line: &String| line.starts_with("dst: ") && line.contains(" entries by rclone");
            let coded =
                outcome.cryptsync.code == 7 && outcome.differences.iter().all(|line| line.starts_with("exit code"));
            has(case, "--max-delete") && (coded || outcome.differences.iter().all(counted))
        },
        example: || {
            let mut case = Case {
                verb: "sync",
                direction: Direction::Between,
                flags: vec![valued("--max-delete", "1")],
                operands: vec![at(""), Word::Place(Side::Dst, String::new())],
                loose: true,
                ..case()
            };
            case.trees.insert(Side::Src, Tree::new());
            case
        },
    },
];

fn codes(outcome: &Outcome) -> (i32, i32) {
    (outcome.rclone.code, outcome.cryptsync.code)
}

fn has(case: &Case, name: &str) -> bool {
    case.flags.iter().flatten().any(|word| matches!(word, Word::Text(text) if text == name))
}

/// A path below the source.
fn at(path: &str) -> Word {
    Word::Place(Side::Src, path.to_owned())
}

/// Two files in a vault, and nothing to do with them yet.
fn case() -> Case {
    let mtime = (1_600_000_000, 0);
    let file = |text: &str| Node { kind: Kind::File { content: text.to_owned(), executable: false }, mtime };
    let tree = Tree::from([
        ("a".to_owned(), file("abc")),
        ("d".to_owned(), Node { kind: Kind::Dir, mtime }),
        ("d/file".to_owned(), file("abc")),
    ]);
    Case::of(0, Direction::Across, BTreeMap::from([(Side::Src, tree.clone()), (Side::Dst, tree)]))
}
