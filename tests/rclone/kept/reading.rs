//! What is different about verbs that only read.

use std::collections::BTreeMap;

use super::super::case::{Case, Shape, Side, Word, flag, valued};
use super::super::difference::Difference;
use super::super::tree::{Kind, Tree};
use super::{Kept, at, below, case, codes, has, has_any, is_code, link, with};

pub(super) const ALL: &[Kept] = &[
    Kept {
        told: "A negative `--offset` that reaches before the start of a file means its start",
        why: "rclone drops bytes then",
        explains: |case, _, difference| {
            let offset = case.flags.iter().flatten().find_map(|word| match word {
                Word::Text(text) => text.strip_prefix("--offset=-")?.parse::<usize>().ok(),
                _ => None,
            });
            let reaches = |tree: &Tree| {
                tree.values()
                    .any(|node| matches!(&node.kind, Kind::File { content, .. } if Some(content.len()) < offset))
            };
            case.verb == "cat"
                && has(case, "--count")
                && difference.is_output()
                && case.trees.get(&Side::Src).is_some_and(reaches)
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
        why: "rclone refuses to go on",
        explains: |case, outcome, difference| {
            let named = below(case, Side::Src).or_else(|| below(case, Side::Dst)).unwrap_or_default();
            let name = named.rsplit('/').next().unwrap_or_default();
            let of_it = |path: Option<&str>| path.is_some_and(|path| path.rsplit('/').next() == Some(name));
            outcome.rclone.stderr.contains("can't limit to single files when using filters")
                && codes(outcome).1 == 0
                && (is_code(difference)
                    || difference.is_output()
                    || of_it(difference.path_in(Side::Dst))
                    || of_it(difference.path_in(Side::Src)))
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
        why: "rclone leaves the name empty and tells the time it is",
        explains: |case, outcome, difference| {
            let about = |text: &str| text.contains("\"IsDir\":true");
            let no_file = has(case, "--files-only") && about(&outcome.cryptsync.stdout);
            let is_line = |text: &str| about(text) || no_file && text == "null";
            let line = matches!(difference, Difference::Line { text, .. } if is_line(text));
            case.verb == "lsjson" && has(case, "--stat") && codes(outcome) == (0, 0) && line
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
        told: "`lsjson --stat` of what is not there is exit code 3",
        why: "rclone prints null and succeeds, which a script takes for an answer",
        explains: |case, outcome, difference| {
            let there = outcome.rclone.stdout.trim() != "null";
            case.verb == "lsjson"
                && has(case, "--stat")
                && codes(outcome) == (0, 3)
                && !there
                && (is_code(difference) || difference.is_output())
        },
        example: || Case {
            verb: "lsjson",
            flags: vec![flag("--stat"), flag("--files-only")],
            operands: vec![at("nope")],
            shape: Shape::Lines,
            ..case()
        },
    },
    Kept {
        told: "flags that contradict each other, are errors of usage, with exit code 2",
        why: "rclone has the general 1, or 7",
        explains: |_, outcome, difference| [(1, 2), (7, 2)].contains(&codes(outcome)) && is_code(difference),
        example: || Case {
            verb: "lsf",
            flags: vec![valued("--min-age", "10d"), valued("--max-age", "1h")],
            operands: vec![at("")],
            shape: Shape::Lines,
            ..case()
        },
    },
    Kept {
        told: "Nothing is compared with a place that is not there",
        why: "rclone first lists all of it as missing",
        explains: |case, outcome, difference| {
            let sums = case.verb.ends_with("sum") && has_any(case, &["-C", "--checkfile"]);
            (sums || case.verb == "check") && codes(outcome) == (3, 3) && difference.is_output()
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
        explains: |case, outcome, difference| {
            let none = outcome.rclone.stdout.contains("\n0 directories");
            let line = matches!(difference, Difference::Line { text, .. } if text.contains(" directories"));
            case.verb == "tree" && codes(outcome) == (0, 0) && none && line
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
        told: "`tree -p` shows the permission bits that files have",
        why: "rclone has the same for all of them",
        explains: |case, outcome, difference| {
            let Difference::Line { text, .. } = difference else { return false };
            // The same line is there, but for what is in brackets.
            let rest = |text: &str| {
                let (before, after) = text.split_once('[')?;
                Some(format!("{before}{}", after.get(10..)?))
            };
            let has_it = |output: &str| output.lines().any(|line| rest(line).is_some() && rest(line) == rest(text));
            case.verb == "tree"
                && has(case, "-p")
                && has_it(&outcome.rclone.stdout)
                && has_it(&outcome.cryptsync.stdout)
        },
        example: || Case {
            verb: "tree",
            flags: vec![flag("-p")],
            operands: vec![at("")],
            shape: Shape::Exact,
            ..case()
        },
    },
    Kept {
        told: "With `-L` links in a vault are not followed",
        why: "where they lead on another machine nobody knows; rclone runs here on a directory",
        explains: |case, _, difference| {
            let linked = |(side, tree): (&Side, &Tree)| {
                case.direction.vault_of(*side).is_some() && tree.values().any(|node| matches!(node.kind, Kind::Link(_)))
            };
            let follows = has_any(case, &["-L", "--copy-links"]) && case.trees.iter().any(linked);
            follows && (is_code(difference) || difference.is_output())
        },
        example: || {
            let case =
                Case { verb: "ls", flags: vec![flag("-L")], operands: vec![at("")], shape: Shape::Lines, ..case() };
            with(case, Side::Src, "link", link("a"))
        },
    },
];
