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
    /// All, in one vault.
    Across,
    /// All: the source in one vault, everything else in another.
    Between,
}

/// The vaults that places are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum In {
    First,
    Second,
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

impl In {
    /// The remote it is.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "v",
            Self::Second => "w",
        }
    }
}

impl Direction {
    /// The vault that cryptsync has this place in, if it is in one.
    pub fn vault_of(self, side: Side) -> Option<In> {
        let is_source = side == Side::Src;
        match self {
            Self::Up => (!is_source).then_some(In::First),
            Self::Down => is_source.then_some(In::First),
            Self::Across => Some(In::First),
            Self::Between => Some(if is_source { In::First } else { In::Second }),
        }
    }
}

impl Case {
    fn words<'c>(
        &'c self,
        flags: impl Iterator<Item = &'c Vec<Word>>,
        render: &dyn Fn(&Word) -> String,
    ) -> Vec<String> {
        std::iter::once(self.verb.to_owned()).chain(flags.flatten().chain(&self.operands).map(render)).collect()
    }

    /// The arguments for rclone, with everything in one local directory. Places that cryptsync has elsewhere than the source
    /// are another remote, from which nothing can be renamed. `--copy-dest` is left out: rclone refuses it there, and what
    /// comes of it is what comes of a copy.
    pub fn rclone(&self, root: &Path) -> Vec<String> {
        let flags = self.flags.iter().filter(|words| words[0] != Word::Text("--copy-dest".to_owned()));
        self.words(flags, &|word| match word {
            Word::Text(text) => text.clone(),
            Word::Place(side, below) => {
                let apart = self.direction != Direction::Across && *side != Side::Src;
                let remote = if apart { ":local:" } else { "" };
                below_place(&format!("{remote}{}", root.join(side.name()).display()), below)
            }
            Word::File(name) => root.join("files").join(name).display().to_string(),
        })
    }

    /// The arguments for cryptsync: what is not in a vault, below `path`, is in a local directory.
    pub fn cryptsync(&self, root: &Path, path: &str) -> Vec<String> {
        let words = self.words(self.flags.iter(), &|word| match word {
            Word::Text(text) => text.clone(),
            Word::Place(side, below) => {
                let place = match self.direction.vault_of(*side) {
                    Some(vault) => format!("{}:{path}/{}", vault.name(), side.name()),
                    None => root.join(side.name()).display().to_string(),
                };
                below_place(&place, below)
            }
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
