//! In what two runs of a case differ.

use std::collections::BTreeSet;
use std::fmt;

use super::case::{Case, Shape, Side};
use super::runner::Ran;
use super::tree::{Kind, Node, Tree};

/// One difference.
#[derive(Debug, Clone, PartialEq)]
pub enum Difference {
    /// The exit codes: rclone's, and cryptsync's.
    Code(i32, i32),
    /// A line of standard output or of a file, that only one has.
    Line { of: String, ours: bool, text: String },
    /// The same lines in another order.
    Order(String),
    /// A place is only there with one of them.
    Place { side: Side, ours: bool },
    /// An entry: what each of them has.
    Entry { side: Side, path: String, theirs: Option<Node>, ours: Option<Node> },
}

impl Difference {
    /// The path of an entry of this place.
    pub fn path_in(&self, place: Side) -> Option<&str> {
        match self {
            Self::Entry { side, path, .. } if *side == place => Some(path),
            _ => None,
        }
    }

    /// Whether it is of what was printed.
    pub fn is_output(&self) -> bool {
        matches!(self, Self::Line { .. } | Self::Order(_))
    }

    /// Whether both have an entry, and only its time differs.
    pub fn is_time(&self) -> bool {
        matches!(self, Self::Entry { theirs: Some(a), ours: Some(b), .. } if a.kind == b.kind)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = |ours: bool| if ours { "cryptsync" } else { "rclone" };
        match self {
            Self::Code(theirs, ours) => write!(f, "exit code: {theirs} by rclone, {ours} by cryptsync"),
            Self::Line { of, ours, text } => write!(f, "{of}: only by {}: {text}", who(*ours)),
            Self::Order(of) => write!(f, "{of}: in another order"),
            Self::Place { side, ours } => write!(f, "{}: only there with {}", side.name(), who(*ours)),
            Self::Entry { side, path, theirs, ours } => {
                write!(f, "{}/{path}: ", side.name())?;
                match (theirs, ours) {
                    (Some(a), Some(b)) if a.kind == b.kind => {
                        write!(f, "of {:?} by rclone, of {:?} by cryptsync", a.mtime, b.mtime)
                    }
                    (Some(a), Some(b)) => write!(f, "{:?} by rclone, {:?} by cryptsync", a.kind, b.kind),
                    (theirs, _) => write!(f, "only there with {}", who(theirs.is_none())),
                }
            }
        }
    }
}

/// All of them, of runs that began at `started`.
pub fn compare(case: &Case, rclone: &Ran, cryptsync: &Ran, started: i64) -> Vec<Difference> {
    let mut found = Vec::new();
    if rclone.code != cryptsync.code {
        found.push(Difference::Code(rclone.code, cryptsync.code));
    }
    if rclone.code == 0 || case.verb == "check" || case.verb.ends_with("sum") {
        compare_text("standard output", &case.shape, &rclone.stdout, &cryptsync.stdout, &mut found);
    }
    for name in rclone.files.keys().chain(cryptsync.files.keys()).collect::<BTreeSet<_>>() {
        let text = |ran: &Ran| ran.files.get(name).cloned().unwrap_or_else(|| "(no file)".to_owned());
        compare_text(&format!("file {name}"), &Shape::Lines, &text(rclone), &text(cryptsync), &mut found);
    }
    for side in Side::ALL {
        match (rclone.trees.get(&side), cryptsync.trees.get(&side)) {
            (None, None) => {}
            // Whether there is a directory for what was not needed says nothing.
            (None, Some(ours)) if side == Side::Bak && ours.is_empty() => {}
            (Some(theirs), Some(ours)) => compare_trees(case, side, theirs, ours, started, &mut found),
            (theirs, ours) => {
                found.push(Difference::Place { side, ours: theirs.is_none() });
                let none = Tree::new();
                compare_trees(case, side, theirs.unwrap_or(&none), ours.unwrap_or(&none), started, &mut found);
            }
        }
    }
    found
}

fn compare_text(of: &str, shape: &Shape, theirs: &str, ours: &str, found: &mut Vec<Difference>) {
    let (theirs, ours) = (pieces(shape, theirs), pieces(shape, ours));
    if theirs == ours {
        return;
    }
    let before = found.len();
    let mut without = |lines: &[String], other: &[String], ours| {
        let mut other = other.to_vec();
        for text in lines {
            match other.iter().position(|line| line == text) {
                Some(at) => drop(other.swap_remove(at)),
                None => found.push(Difference::Line { of: of.to_owned(), ours, text: text.clone() }),
            }
        }
    };
    without(&theirs, &ours, false);
    without(&ours, &theirs, true);
    if found.len() == before {
        found.push(Difference::Order(of.to_owned()));
    }
}

fn pieces(shape: &Shape, text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = match shape {
        Shape::Ignored => return Vec::new(),
        Shape::Exact => return text.lines().map(str::to_owned).collect(),
        Shape::Lines => text.lines().map(str::to_owned).collect(),
        // The size of a directory is the file system's business.
        Shape::Dirs => {
            text.lines().map(|line| line.trim_start().split_once(' ').unwrap_or_default().1.to_owned()).collect()
        }
        Shape::Pieces(between) => text.split(between.as_str()).map(str::to_owned).collect(),
        Shape::Json => match serde_json::from_str(text) {
            Ok(serde_json::Value::Array(rows)) => rows.into_iter().map(row).collect(),
            Ok(other) => vec![row(other)],
            Err(_) => text.lines().map(str::to_owned).collect(),
        },
    };
    pieces.sort();
    pieces
}

/// An entry of a listing. The size of a directory is the file system's business.
fn row(mut value: serde_json::Value) -> String {
    if value["IsDir"] == true {
        value["Size"] = (-1).into();
    }
    value.to_string()
}

fn compare_trees(case: &Case, side: Side, theirs: &Tree, ours: &Tree, started: i64, found: &mut Vec<Difference>) {
    for path in theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
        let (a, b) = (theirs.get(path), ours.get(path));
        let same = match (a, b) {
            (Some(a), Some(b)) => same_kind(case, &a.kind, &b.kind) && same_time(a, b, started),
            _ => false,
        };
        if !same {
            found.push(Difference::Entry { side, path: path.clone(), theirs: a.cloned(), ours: b.cloned() });
        }
    }
}

fn same_kind(case: &Case, a: &Kind, b: &Kind) -> bool {
    match (a, b) {
        (Kind::File { content: a, executable: x }, Kind::File { content: b, executable: y }) => {
            a == b && (!case.modes || x == y)
        }
        _ => a == b,
    }
}

/// What was touched in this run has some time of this run, and with directories it is chance which.
fn same_time(a: &Node, b: &Node, started: i64) -> bool {
    let fresh = |time: (i64, u32)| time.0 >= started;
    let skipped = fresh(a.mtime) && (a.kind == Kind::Dir || fresh(b.mtime)) || matches!(a.kind, Kind::Link(_));
    skipped || a.mtime == b.mtime
}
