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
    Case {
        seed: 0,
        direction: Direction::Across,
        trees: BTreeMap::from([(Side::Src, tree.clone()), (Side::Dst, tree)]),
        files: BTreeMap::new(),
        verb: "",
        flags: Vec::new(),
        operands: Vec::new(),
        stdin: None,
        shape: Shape::Ignored,
        loose: false,
        modes: false,
    }
}
