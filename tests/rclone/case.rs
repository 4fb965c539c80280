//! A case: trees, a command line, and how to look at what comes out.

use std::collections::BTreeMap;
use std::path::Path;

use super::tree::Tree;

/// Everything that one run of both programs needs.
#[derive(Debug, Clone)]
pub struct Case {
    pub seed: u64,
    pub direction: Direction,
    /// Trees by the name of their place; a place that is not here is not there.
    pub trees: BTreeMap<Side, Tree>,
    /// Files beside the trees: rules, lists, sums.
    pub files: BTreeMap<String, String>,
    pub verb: &'static str,
    /// A flag and its value each.
    pub flags: Vec<Vec<Word>>,
    pub operands: Vec<Word>,
    pub stdin: Option<String>,
    pub shape: Shape,
    /// Whether the trees are compared only by the number of their files: which ones are meant is a matter of timing.
    pub loose: bool,
    /// Whether modes are part of it.
    pub modes: bool,
}

impl Case {
    /// Trees, and nothing to do with them yet.
    pub fn of(seed: u64, direction: Direction, trees: BTreeMap<Side, Tree>) -> Self {
        Self {
            seed,
            direction,
            trees,
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
}

/// Which places are in a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// All but the source.
    Up,
    /// Only the source.
    Down,
    /// All.
    Across,
}

/// The places of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Src,
    Dst,
    /// `--compare-dest` and `--copy-dest`
    Cmp,
    /// `--backup-dir`
    Bak,
}

/// A part of the command line.
#[derive(Debug, Clone, PartialEq)]
pub enum Word {
    Text(String),
    /// Something below a place.
    Place(Side, String),
    /// A flag that is one word with a place: `--backup-dir=`.
    File(String),
}

/// What standard output is.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Lines in any order.
    Lines,
    /// Lines that begin with the size of a directory, in any order.
    Dirs,
    /// As it is.
    Exact,
    /// Objects of JSON in any order.
    Json,
    /// Pieces in any order, with something between them.
    Pieces(String),
    /// Nothing to look at.
    Ignored,
}

impl Side {
    pub const ALL: [Self; 4] = [Self::Src, Self::Dst, Self::Cmp, Self::Bak];

    pub fn name(self) -> &'static str {
        match self {
            Self::Src => "src",
            Self::Dst => "dst",
            Self::Cmp => "cmp",
            Self::Bak => "bak",
        }
    }
}

impl Direction {
    /// Whether cryptsync has this place in a vault.
    pub fn in_vault(self, side: Side) -> bool {
        match self {
            Self::Up => side != Side::Src,
            Self::Down => side == Side::Src,
            Self::Across => true,
        }
    }
}

impl Case {
    fn words(&self, render: &dyn Fn(&Word) -> String) -> Vec<String> {
        let flags = self.flags.iter().flatten();
        std::iter::once(self.verb.to_owned()).chain(flags.chain(&self.operands).map(render)).collect()
    }

    /// The arguments for rclone, with everything in one local directory.
    pub fn rclone(&self, root: &Path) -> Vec<String> {
        self.words(&|word| match word {
            Word::Text(text) => text.clone(),
            Word::Place(side, below) => below_place(&root.join(side.name()).display().to_string(), below),
            Word::File(name) => root.join("files").join(name).display().to_string(),
        })
    }

    /// The arguments for cryptsync: what is not in the vault, at `vault`, is in a local directory.
    pub fn cryptsync(&self, root: &Path, vault: &str) -> Vec<String> {
        let words = self.words(&|word| match word {
            Word::Text(text) => text.clone(),
            Word::Place(side, below) if self.direction.in_vault(*side) => {
                below_place(&format!("{vault}/{}", side.name()), below)
            }
            Word::Place(side, below) => below_place(&root.join(side.name()).display().to_string(), below),
            Word::File(name) => root.join("files").join(name).display().to_string(),
        });
        [vec!["--rclone-compat".to_owned()], words].concat()
    }
}

fn below_place(place: &str, below: &str) -> String {
    if below.is_empty() { place.to_owned() } else { format!("{place}/{below}") }
}

/// A flag without a value.
pub fn flag(name: &str) -> Vec<Word> {
    vec![Word::Text(name.to_owned())]
}

/// A flag with a value.
pub fn valued(name: &str, value: impl Into<String>) -> Vec<Word> {
    vec![Word::Text(name.to_owned()), Word::Text(value.into())]
}
