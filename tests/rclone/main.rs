//! What rclone does on a plain directory, cryptsync does on a vault: generated trees and command lines, run by both, with
//! `--rclone-compat`. Resulting trees, output and exit codes have to be the same.
//!
//! `CRYPTSYNC_TEST_SEED` and `CRYPTSYNC_TEST_CASES` choose other cases and more of them, `CRYPTSYNC_TEST_CASE` a single one by
//! the number that a failure shows. docs/testing.md says how to use them.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "tests: a failed unwrap is a failed test, helpers are shared by `pub`"
)]

mod case;
mod commands;
mod difference;
mod filters;
mod kept;
mod reading;
mod report;
mod rng;
mod runner;
mod shrink;
mod sums;
#[expect(dead_code, reason = "the tests of the verbs use the rest")]
mod support;
mod tree;

use std::collections::BTreeMap;

use case::{Case, Direction, Side, Word};
use rng::Rng;
use runner::{Runner, now};
use tree::{Kind, Node, Tree};

#[test]
fn first_quarter() {
    quarter(0);
}

#[test]
fn second_quarter() {
    quarter(1);
}

#[test]
fn third_quarter() {
    quarter(2);
}

#[test]
fn last_quarter() {
    quarter(3);
}

/// What is different on purpose is so in the way that is written down, and would be missed here if it were not.
#[test]
fn kept_differences() {
    let cases: Vec<_> = kept::all().map(|kept| (kept.example)()).collect();
    let outcomes = Runner::new().run(&cases);
    for ((kept, case), outcome) in kept::all().zip(&cases).zip(&outcomes) {
        let text = || format!("{}: {}\n{}", kept.told, kept.why, report::render(case, outcome));
        assert!(!outcome.differences.is_empty(), "no longer different: {}", text());
        let explained = outcome.differences.iter().all(|difference| (kept.explains)(case, outcome, difference));
        assert!(explained, "different in another way: {}", text());
    }
}

/// An empty file took the place of another inside a vault, and the run ended with an error.
#[test]
fn an_empty_file_replaces_another_inside_a_vault() {
    let file =
        |text: &str, secs| Node { kind: Kind::File { content: text.to_owned(), executable: false }, mtime: (secs, 0) };
    let tree = |text, secs| Tree::from([("a".to_owned(), file(text, secs))]);
    let trees = BTreeMap::from([(Side::Src, tree("", 1_600_000_000)), (Side::Dst, tree("abc", 1_500_000_000))]);
    for verb in ["copy", "sync", "move"] {
        let place = |side| Word::Place(side, String::new());
        let operands = vec![place(Side::Src), place(Side::Dst)];
        let case = Case { verb, operands, ..Case::of(0, Direction::Across, trees.clone()) };
        let outcome = Runner::new().run(std::slice::from_ref(&case)).remove(0);
        assert!(outcome.differences.is_empty(), "{}", report::render(&case, &outcome));
    }
}

/// Users are told of everything that stays different.
#[test]
fn the_topic_has_them_all() {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let topic = words(include_str!("../../src/cli/topics/rclone.md"));
    for kept in kept::all() {
        assert!(topic.contains(&words(kept.told)), "`help rclone` lacks: {}", kept.told);
    }
}

/// Every fourth of the cases.
fn quarter(which: u64) {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        let parsed = text.strip_prefix("0x").map_or_else(|| text.parse(), |hex| u64::from_str_radix(hex, 16));
        Some(parsed.unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
    };
    let seed = number("CRYPTSYNC_TEST_SEED").unwrap_or(SEED);
    let count = number("CRYPTSYNC_TEST_CASES").unwrap_or(CASES);
    let shown_at_most = number("CRYPTSYNC_TEST_SHOWN").unwrap_or(SHOWN);
    let seeds: Vec<u64> = match number("CRYPTSYNC_TEST_CASE") {
        Some(one) => (which == 0).then_some(one).into_iter().collect(),
        None => (which..count).step_by(4).map(|at| Rng::new(seed.wrapping_add(at)).number()).collect(),
    };
    if seeds.is_empty() {
        return;
    }
    let mut runner = Runner::new();
    let mut failures = Vec::new();
    for seeds in seeds.chunks(BATCH) {
        let cases: Vec<_> = seeds.iter().map(|seed| commands::generate(*seed, now())).collect();
        let outcomes = runner.run(&cases);
        let different =
            cases.into_iter().zip(outcomes).filter(|(case, outcome)| !kept::unexplained(case, outcome).is_empty());
        failures.extend(different);
    }
    let (count, all) = (failures.len(), seeds.len());
    let mut shown: String = failures.iter().map(|(case, outcome)| report::brief(case, outcome)).collect();
    if number("CRYPTSYNC_TEST_CASE").is_some() {
        failures.iter().for_each(|(case, outcome)| shown += &format!("\n==== {}", report::render(case, outcome)));
    }
    for (case, outcome) in failures.into_iter().take(shown_at_most as usize) {
        let (case, outcome) = shrink::shrink(&mut runner, case, outcome);
        shown += &format!("\n==== {}", report::render(&case, &outcome));
    }
    assert!(count == 0, "{count} of {all} cases came out differently; the first of them made smaller:\n{shown}");
}

const SEED: u64 = 20_261_121;
const CASES: u64 = 2000;
/// Cases that share a transfer into the vault and one out of it.
const BATCH: usize = 25;
/// Failures that are made smaller and shown.
const SHOWN: u64 = 5;
