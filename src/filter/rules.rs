//! Rules in order; the first that matches decides.

use std::borrow::Cow;
use std::sync::Arc;

use super::pattern::{BadPattern, Pattern};
use crate::path::TreePath;

/// One rule as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// What matches is in scope. Any of these puts everything else out of scope.
    Include(String),
    /// What matches is out of scope.
    Exclude(String),
}

/// What is in scope. The default is everything.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    rules: Arc<[Compiled]>,
    /// The answer where no rule matches.
    otherwise_out: bool,
}

impl Filter {
    /// Compiles rules in rclone's order: all includes, then all excludes, each family in the order given; if there is an
    /// include at all, what matches nothing is out.
    ///
    /// # Errors
    /// [`BadPattern`] says which pattern is wrong, where, and how to write it.
    pub fn from_rules(rules: Vec<Rule>) -> Result<Self, BadPattern> {
        let mut compiled = rules.iter().map(Compiled::new).collect::<Result<Vec<_>, _>>()?;
        compiled.sort_by_key(|rule| !rule.include); // stable: keeps the order within each family
        let otherwise_out = compiled.iter().any(|rule| rule.include);
        Ok(Self { rules: compiled.into(), otherwise_out })
    }

    /// Whether everything is in scope.
    pub fn is_everything(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether a file (or a link: anything but a directory) at this path is in scope.
    pub fn decide_file(&self, path: &TreePath) -> bool {
        let text = as_text(path.as_bytes());
        let first = self.rules.iter().find(|rule| rule.pattern.matches(&text));
        first.map_or(!self.otherwise_out, |rule| rule.include)
    }

    /// Whether something below this directory may be in scope. `false` only if nothing can be, so that a walk that skips
    /// the directory finds the same files as one that does not.
    pub fn decide_dir(&self, dir: &TreePath) -> bool {
        let text = as_text(dir.as_bytes());
        for rule in &*self.rules {
            if rule.include && rule.pattern.may_match_below(&text) {
                return true;
            }
            if !rule.include && rule.pattern.covers(&text) {
                return false;
            }
        }
        !self.otherwise_out
    }
}

#[derive(Debug)]
struct Compiled {
    include: bool,
    pattern: Pattern,
}

impl Compiled {
    fn new(rule: &Rule) -> Result<Self, BadPattern> {
        let (include, glob) = match rule {
            Rule::Include(glob) => (true, glob),
            Rule::Exclude(glob) => (false, glob),
        };
        Ok(Self { include, pattern: Pattern::parse(glob)? })
    }
}

fn as_text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(text)
}
