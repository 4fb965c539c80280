//! Where cryptsync is different on purpose: each kind of difference with its reason, how it is recognised, and a command line
//! that shows it. `help rclone` tells users of them.

use std::collections::BTreeMap;

use super::case::{Case, Direction, Shape, Side, Word, flag, valued};
use super::runner::Outcome;
use super::tree::{Kind, Node, Tree};

/// A kind of difference.
pub struct Kept {
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

/// What still differs and has not been looked into far enough: why, and how it is recognised. Nothing is to be added here
/// that could be settled instead.
pub const OPEN: &[Open] = &[
    ("a file where the other side has a directory of its name: which of them is told, and what is left", clash),
    ("links among what is transferred", |case, _| moves(case) && holds(case, |kind| matches!(kind, Kind::Link(_)))),
    ("`tree` with sizes of directories, with directories alone, and its count of directories", |case, _| {
        case.verb == "tree"
    }),
    ("`delete --rmdirs` with filters: directories that the filters leave out", |case, _| {
        case.verb == "delete" && has(case, "--rmdirs")
    }),
    ("--exclude-if-present with the marker at the top", |case, _| has(case, "--exclude-if-present")),
    (
        "times of directories in which something was written, with flags that leave those of others alone",
        |case, outcome| moves(case) && outcome.differences.iter().all(|text| text.contains(": of (")),
    ),
    ("a directory moved as a whole to where there is nothing", |case, _| case.verb.starts_with("move")),
    ("content that differs though size and time are the same, inside one vault", |case, outcome| {
        let content = |text: &String| text.contains(": File {") || text.contains(": of (");
        moves(case) && case.direction == Direction::Across && outcome.differences.iter().all(content)
    }),
    ("--files-from together with --delete-excluded and backups", |case, _| {
        case.flags.iter().flatten().any(|word| matches!(word, Word::Text(text) if text.starts_with("--files-from")))
    }),
    ("--immutable where other things go wrong as well", |case, _| has(case, "--immutable")),
];

type Open = (&'static str, fn(&Case, &Outcome) -> bool);

/// Whether this is a matter that is still open.
pub fn is_open(case: &Case, outcome: &Outcome) -> bool {
    OPEN.iter().any(|(_, is)| is(case, outcome))
}

fn moves(case: &Case) -> bool {
    ["copy", "sync", "move", "copyto", "moveto"].contains(&case.verb)
}

fn holds(case: &Case, is: fn(&Kind) -> bool) -> bool {
    case.trees.values().flat_map(Tree::values).any(|node| is(&node.kind))
}

fn clash(case: &Case, _: &Outcome) -> bool {
    let (Some(src), Some(dst)) = (case.trees.get(&Side::Src), case.trees.get(&Side::Dst)) else { return false };
    let is_dir = |node: &Node| node.kind == Kind::Dir;
    src.iter().any(|(path, node)| dst.get(path).is_some_and(|other| is_dir(node) != is_dir(other)))
}

/// All of them.
pub const ALL: &[Kept] = &[
    Kept {
        why: "what is to be removed is not there: exit code 3 says so, rclone has the general 1",
        is: |case, outcome| {
            ["rmdir", "rmdirs", "purge"].contains(&case.verb)
                && codes(outcome) == (1, 3)
                && outcome.differences.len() == 1
        },
        example: || Case { verb: "purge", operands: vec![at("nope")], ..case() },
    },
    Kept {
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
        why: "filter flags that contradict each other are a usage error, exit code 2; rclone has the general 1",
        is: |_, outcome| codes(outcome) == (1, 2) && outcome.differences.len() == 1,
        example: || Case {
            verb: "lsf",
            flags: vec![valued("--min-age", "10d"), valued("--max-age", "1h")],
            operands: vec![at("")],
            shape: Shape::Lines,
            ..case()
        },
    },
    Kept {
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
        why: "sums are not held against a place that is not there; rclone first lists all of them as missing",
        is: |case, outcome| {
            let sums = case.verb.ends_with("sum") && (has(case, "-C") || has(case, "--checkfile"));
            sums && codes(outcome) == (3, 3)
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
