//! Where cryptsync is different on purpose: each kind of difference with its reason, what of an outcome it explains, and a
//! command line that shows it. `help rclone` tells users of them.

mod reading;
mod writing;

use std::collections::BTreeMap;

use super::case::{Case, Direction, Side, Word};
use super::difference::Difference;
use super::runner::Outcome;
use super::tree::{Kind, Node, Tree};

/// A kind of difference.
pub struct Kept {
    /// What `help rclone` says of it, word by word.
    pub told: &'static str,
    /// Why it stays.
    pub why: &'static str,
    /// Whether this difference is of this kind. The others of the case have to be explained as well.
    pub explains: fn(&Case, &Outcome, &Difference) -> bool,
    /// A case that shows it.
    pub example: fn() -> Case,
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Kept> {
    reading::ALL.iter().chain(writing::ALL)
}

/// The differences of an outcome that are not on purpose.
pub fn unexplained<'o>(case: &Case, outcome: &'o Outcome) -> Vec<&'o Difference> {
    let explained = |difference: &&Difference| all().any(|kept| (kept.explains)(case, outcome, difference));
    outcome.differences.iter().filter(|difference| !explained(difference)).collect()
}

fn codes(outcome: &Outcome) -> (i32, i32) {
    (outcome.rclone.code, outcome.cryptsync.code)
}

fn is_code(difference: &Difference) -> bool {
    matches!(difference, Difference::Code(..))
}

fn has(case: &Case, name: &str) -> bool {
    case.flags.iter().flatten().any(|word| matches!(word, Word::Text(text) if text == name))
}

fn has_any(case: &Case, names: &[&str]) -> bool {
    names.iter().any(|name| has(case, name))
}

/// The text after a flag.
fn value<'c>(case: &'c Case, name: &str) -> Option<&'c str> {
    case.flags.iter().find_map(|words| match words.as_slice() {
        [Word::Text(flag), Word::Text(value)] if flag == name => Some(value.as_str()),
        _ => None,
    })
}

/// Where in a place the command works: what an operand says.
fn below(case: &Case, side: Side) -> Option<&str> {
    case.operands.iter().find_map(|word| match word {
        Word::Place(place, below) if *place == side => Some(below.as_str()),
        _ => None,
    })
}

/// The path within what an operand names.
fn within<'p>(dir: &str, path: &'p str) -> Option<&'p str> {
    match path.strip_prefix(dir)? {
        "" => Some(""),
        rest if dir.is_empty() => Some(rest),
        rest => rest.strip_prefix('/'),
    }
}

/// What the source has for a path of the destination.
fn source_of<'c>(case: &'c Case, path: &str) -> Option<&'c Node> {
    let rest = within(below(case, Side::Dst)?, path)?;
    let (tree, from) = (case.trees.get(&Side::Src)?, below(case, Side::Src)?);
    match (from, rest) {
        ("", rest) => tree.get(rest),
        (from, "") => tree.get(from),
        (from, rest) => tree.get(&format!("{from}/{rest}")),
    }
}

/// Whether this is an entry of the destination that cryptsync has not deleted, or has not moved to where it is kept.
fn is_left(case: &Case, difference: &Difference) -> bool {
    match difference {
        Difference::Entry { side: Side::Dst, path, theirs: None, .. } => {
            let passes_over = !has_any(case, &["-l", "--links", "-L", "--copy-links"]);
            let excluded = has(case, "--delete-excluded"); // what is left out of the source is deleted too
            source_of(case, path).is_none_or(|node| excluded || passes_over && matches!(node.kind, Kind::Link(_)))
        }
        // The same with a suffix: rclone has moved it beside itself.
        Difference::Entry { side: Side::Dst, path, theirs: Some(_), ours: None } => {
            let was_there = case.trees.get(&Side::Dst).is_some_and(|dst| dst.contains_key(path));
            has(case, "--suffix") && !was_there && source_of(case, path).is_none()
        }
        Difference::Entry { side: Side::Bak, ours: None, .. } | Difference::Place { side: Side::Bak, ours: false } => {
            true
        }
        _ => false,
    }
}

/// A path below the source.
fn at(path: &str) -> Word {
    Word::Place(Side::Src, path.to_owned())
}

/// The operands of a transfer of everything.
fn whole() -> Vec<Word> {
    vec![at(""), Word::Place(Side::Dst, String::new())]
}

fn file(text: &str, secs: i64) -> Node {
    Node { kind: Kind::File { content: text.to_owned(), executable: false }, mtime: (secs, 0) }
}

fn dir() -> Node {
    Node { kind: Kind::Dir, mtime: (1_600_000_000, 0) }
}

fn link(target: &str) -> Node {
    Node { kind: Kind::Link(target.to_owned()), mtime: (1_600_000_000, 0) }
}

/// Two files in a vault, and nothing to do with them yet.
fn case() -> Case {
    let tree = Tree::from([
        ("a".to_owned(), file("abc", 1_600_000_000)),
        ("d".to_owned(), dir()),
        ("d/file".to_owned(), file("abc", 1_600_000_000)),
    ]);
    Case::of(0, Direction::Across, BTreeMap::from([(Side::Src, tree.clone()), (Side::Dst, tree)]))
}

/// A transfer between vaults.
fn between(verb: &'static str) -> Case {
    Case { verb, direction: Direction::Between, operands: whole(), ..case() }
}

/// The same with another entry in one of the places.
fn with(mut case: Case, side: Side, path: &str, node: Node) -> Case {
    case.trees.get_mut(&side).unwrap().insert(path.to_owned(), node);
    case
}
