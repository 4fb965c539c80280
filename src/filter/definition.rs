//! What was asked for, as flags and files say it, and the filter that it makes.

use super::decide::{Filter, Limits};
use super::names::Names;
use super::partition::Partition;
use super::pattern::BadPattern;
use super::rules::Rules;
use crate::world::Timestamp;

/// One rule as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// What matches is in scope. Any of these puts everything else out of scope.
    Include(String),
    /// What matches is out of scope.
    Exclude(String),
    /// `+ PATTERN`, `- PATTERN`, or `!`, which clears the list.
    Filter(String),
}

/// A rule, and where it was given.
#[derive(Debug, Clone)]
pub struct Stated {
    /// The rule.
    pub rule: Rule,
    /// A flag, or a file and a line: for errors.
    pub place: String,
}

/// Everything that was asked for. The default is everything in scope.
#[derive(Debug, Default)]
pub struct Definition {
    /// Whether patterns are read as rclone reads them.
    pub compat: bool,
    /// Whether upper and lower case are the same.
    pub ignore_case: bool,
    /// Rules about paths: they are tried by kind (includes, excludes, filters), and in this order within each.
    pub rules: Vec<Stated>,
    /// Rules about `key=value`.
    pub metadata: Vec<Stated>,
    /// A list of includes that is empty takes nothing in.
    pub includes: bool,
    /// The same for metadata.
    pub metadata_includes: bool,
    /// The only files in scope.
    pub names: Option<Names>,
    /// Names of files that put the directory they are in out of scope.
    pub markers: Vec<Vec<u8>>,
    /// The smallest size in scope, in bytes.
    pub min_size: Option<u64>,
    /// The largest size in scope, in bytes.
    pub max_size: Option<u64>,
    /// The earliest modification time in scope.
    pub not_before: Option<Timestamp>,
    /// The latest modification time in scope.
    pub not_after: Option<Timestamp>,
    /// How many levels are in scope: 1 is what is directly in the directory. 0 is all.
    pub max_depth: Option<u32>,
    /// Only files of one part.
    pub partition: Option<Partition>,
}

/// A filter that can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFilter {
    /// A rule is wrong.
    #[error(transparent)]
    Pattern(#[from] BadPattern),
    /// Nothing can be in scope.
    #[error("--min-{0} is more than --max-{0}, so that nothing is in scope")]
    Empty(&'static str),
    /// A list of names stands alone.
    #[error("--files-from names all files itself, so other filters can't be given with it")]
    NotAlone,
}

impl Definition {
    /// Makes the filter.
    ///
    /// # Errors
    /// [`BadFilter`] says which rule is wrong, where it was given, and how to write it.
    pub fn build(self) -> Result<Filter, BadFilter> {
        let (markers, rules) = (self.markers, compile(self.rules, self.compat, self.ignore_case, self.includes)?);
        let metadata = compile(self.metadata, self.compat, false, self.metadata_includes)?;
        let limits = Limits {
            min_size: self.min_size,
            max_size: self.max_size,
            not_before: self.not_before,
            not_after: self.not_after,
        };
        if let (Some(min), Some(max)) = (limits.min_size, limits.max_size)
            && min > max
            && !self.compat
        {
            return Err(BadFilter::Empty("size"));
        }
        if let (Some(from), Some(to)) = (limits.not_before, limits.not_after)
            && to < from
        {
            return Err(BadFilter::Empty("age"));
        }
        let filter =
            Filter::new(rules, metadata, limits, markers, self.partition, self.max_depth.filter(|depth| *depth > 0));
        match self.names {
            Some(_) if filter.has_rules() => Err(BadFilter::NotAlone),
            Some(names) => Ok(filter.only(names)),
            None => Ok(filter),
        }
    }
}

/// Rules by kind, in the order given.
fn compile(mut stated: Vec<Stated>, compat: bool, ignore_case: bool, closed: bool) -> Result<Rules, BadPattern> {
    stated.sort_by_key(|Stated { rule, .. }| match rule {
        Rule::Include(_) => 0,
        Rule::Exclude(_) => 1,
        Rule::Filter(_) => 2,
    }); // stable: keeps the order within each kind
    let mut rules = Rules::new(compat);
    let mut closes = closed;
    for Stated { rule, place } in &stated {
        let added = match rule {
            Rule::Include(pattern) => {
                closes = true;
                rules.add(true, pattern, ignore_case)
            }
            Rule::Exclude(pattern) => rules.add(false, pattern, ignore_case),
            Rule::Filter(rule) => add_rule(&mut rules, rule, ignore_case),
        };
        added.map_err(|bad| bad.given_in(place))?;
    }
    if closes {
        rules.close()?;
    }
    Ok(rules)
}

fn add_rule(rules: &mut Rules, rule: &str, ignore_case: bool) -> Result<(), BadPattern> {
    let moved = |bad: BadPattern| BadPattern { pattern: rule.to_owned(), at: bad.at + 2, ..bad };
    match rule.split_at_checked(2) {
        Some(("+ ", pattern)) => rules.add(true, pattern, ignore_case).map_err(moved),
        Some(("- ", pattern)) => rules.add(false, pattern, ignore_case).map_err(moved),
        _ if rule == "!" => {
            rules.clear();
            Ok(())
        }
        _ => {
            let fix = "write `+ PATTERN` to take in, `- PATTERN` to leave out, or `!` to clear the list";
            Err(BadPattern::new(rule, 1, "a rule begins with `+ ` or `- `", fix))
        }
    }
}
