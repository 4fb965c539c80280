//! docs/format.md, section 10.2: which commits are worth keeping, as an admin states it. Start at [`Policy`].
//!
//! Owns the meaning of the words and their bytes; what follows from them is `history::retention`'s.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::access::{list, put_list, text};
use super::limits::{POLICY_RULES_MAX, TAG_MAX};
use super::wire::{Malformed, Put, Reader};
use crate::path::{PATH_MAX, TreePath};

/// Which commits are kept. Each rule adds to what the others keep; without any, everything is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Where hours, days and weeks begin: minutes east of UTC, less than a day.
    pub offset: i32,
    /// The rules, ascending by scope, one for each.
    pub rules: Vec<Rule>,
}

/// What is kept of some commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Of which.
    pub scope: Scope,
    /// How many of the newest; then for how many hours, days, weeks, months and years that have commits the newest of each.
    pub keep: [Count; 6],
    /// All that are not so much older than the newest; then of those the newest of each hour, day, week, month and year.
    pub within: [Span; 6],
}

/// The commits that a rule speaks of. Ordered as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All.
    All,
    /// Those with a tag.
    Tag(String),
    /// Those that change something at or below a path.
    Path(TreePath),
}

/// A number of commits, or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Count(pub u32);

/// A length of time by the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span {
    /// Years.
    pub years: u32,
    /// Months.
    pub months: u32,
    /// Days.
    pub days: u32,
    /// Hours.
    pub hours: u32,
}

/// Text that is no number of commits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a number of commits; write for example `7`, or `unlimited` for all")]
pub struct BadCount(String);

/// Text that is no length of time by the calendar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a length of time; write years, months, days and hours: `1y6m`, `30d`, `12h`")]
pub struct BadSpan(String);

/// What the places in [`Rule::keep`] and [`Rule::within`] are called.
pub const PERIODS: [&str; 6] = ["last", "hourly", "daily", "weekly", "monthly", "yearly"];

impl Default for Policy {
    /// Everything of the last 30 days, then one a day for a year, then one a month.
    fn default() -> Self {
        let mut rule = Rule::new(Scope::All);
        rule.within[0] = Span { days: 30, ..Span::default() };
        rule.within[2] = Span { years: 1, ..Span::default() };
        rule.keep[4] = Count::ALL;
        Self { offset: 0, rules: vec![rule] }
    }
}

impl Rule {
    /// A rule that keeps nothing.
    pub fn new(scope: Scope) -> Self {
        Self { scope, keep: [Count(0); 6], within: [Span::default(); 6] }
    }

    /// Whether it keeps nothing.
    pub fn is_empty(&self) -> bool {
        self.keep == [Count(0); 6] && self.within == [Span::default(); 6]
    }
}

impl Count {
    /// As many as there are.
    pub const ALL: Self = Self(u32::MAX);
}

impl Span {
    /// Whether it has no length.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    fn parts(&mut self) -> [(char, &mut u32); 4] {
        [('y', &mut self.years), ('m', &mut self.months), ('d', &mut self.days), ('h', &mut self.hours)]
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL { f.write_str("unlimited") } else { self.0.fmt(f) }
    }
}

impl FromStr for Count {
    type Err = BadCount;

    fn from_str(text: &str) -> Result<Self, BadCount> {
        if text == "unlimited" || text == "-1" {
            return Ok(Self::ALL);
        }
        text.parse().map(Self).map_err(|_| BadCount(text.to_owned()))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, n) in self.clone().parts().into_iter().filter(|(_, n)| **n > 0) {
            write!(f, "{n}{unit}")?;
        }
        if self.is_zero() { f.write_str("0h") } else { Ok(()) }
    }
}

impl FromStr for Span {
    type Err = BadSpan;

    fn from_str(text: &str) -> Result<Self, BadSpan> {
        let bad = || BadSpan(text.to_owned());
        let (mut span, mut rest) = (Self::default(), text);
        if rest.is_empty() {
            return Err(bad());
        }
        while let Some(len) = rest.find(|c: char| !c.is_ascii_digit()) {
            let number = rest[..len].parse().ok().filter(|n| *n <= SPAN_MAX).ok_or_else(bad)?;
            let unit = rest[len..].chars().next().ok_or_else(bad)?;
            let part = span.parts().into_iter().find(|(name, _)| *name == unit).ok_or_else(bad)?.1;
            if std::mem::replace(part, number) != 0 {
                return Err(bad());
            }
            rest = &rest[len + unit.len_utf8()..];
        }
        if rest.is_empty() { Ok(span) } else { Err(bad()) }
    }
}

impl Scope {
    /// Its kind and its name, as they are written.
    fn bytes(&self) -> (u8, &[u8]) {
        match self {
            Self::All => (0, b""),
            Self::Tag(tag) => (1, tag.as_bytes()),
            Self::Path(path) => (2, path.as_bytes()),
        }
    }
}

impl Ord for Scope {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes().cmp(&other.bytes())
    }
}

impl PartialOrd for Scope {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Tag(tag) => write!(f, "tag {tag}"),
            Self::Path(path) => write!(f, "path {path}"),
        }
    }
}

impl fmt::Display for Rule {
    /// As options of the command line: `--keep-daily 7 --keep-within 30d`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (period, span) in PERIODS.iter().zip(&self.within).filter(|(_, span)| !span.is_zero()) {
            let what = if *period == "last" { String::new() } else { format!("-{period}") };
            parts.push(format!("--keep-within{what} {span}"));
        }
        for (period, count) in PERIODS.iter().zip(&self.keep).filter(|(_, count)| count.0 > 0) {
            parts.push(format!("--keep-{period} {count}"));
        }
        f.write_str(&parts.join(" "))
    }
}

impl Policy {
    /// The bytes of a policy.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_svarint(self.offset.into());
        put_list(&mut out, &self.rules, |out, rule| {
            let (kind, name) = rule.scope.bytes();
            out.push(kind);
            out.put_bytes(name);
            rule.keep.iter().for_each(|count| out.put_varint(count.0.into()));
            for mut span in rule.within {
                span.parts().into_iter().for_each(|(_, n)| out.put_varint(u64::from(*n)));
            }
        });
        out
    }

    /// Reads a policy.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not exactly one, within the limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, "policy");
        let offset = reader.svarint()?;
        if offset.abs() >= OFFSET_END {
            return Err(reader.bad());
        }
        let rules = list(&mut reader, POLICY_RULES_MAX, 32, rule)?;
        if !rules.is_sorted_by(|a, b| a.scope < b.scope) || rules.iter().any(Rule::is_empty) {
            return Err(reader.bad());
        }
        reader.finish()?;
        Ok(Self { offset: offset as i32, rules })
    }
}

fn rule(r: &mut Reader<'_>) -> Result<Rule, Malformed> {
    let scope = match r.u8()? {
        0 if r.bytes(0)?.is_empty() => Scope::All,
        1 => Scope::Tag(tag_name(r)?),
        2 => Scope::Path(TreePath::from_bytes(r.bytes(PATH_MAX)?).map_err(|_| r.bad())?),
        _ => return Err(r.bad()),
    };
    let mut rule = Rule::new(scope);
    for count in &mut rule.keep {
        *count = Count(r.varint32()?);
    }
    for (_, part) in rule.within.iter_mut().flat_map(Span::parts) {
        *part = r.count(SPAN_MAX as usize)? as u32;
    }
    Ok(rule)
}

/// The name of a tag or a pin that must have one.
pub(super) fn tag_name(r: &mut Reader<'_>) -> Result<String, Malformed> {
    let name = text(r, TAG_MAX)?;
    if is_tag(&name) { Ok(name) } else { Err(r.bad()) }
}

/// Whether a text can name commits: 1 to [`TAG_MAX`] bytes, no control characters, no white space, no comma, none of `:~^`, and
/// not like an option.
pub fn is_tag(name: &str) -> bool {
    let forbidden = |c: char| c.is_control() || c.is_whitespace() || ",:~^".contains(c);
    !name.is_empty() && name.len() <= TAG_MAX && !name.starts_with('-') && !name.contains(forbidden)
}

/// The highest number of one unit in a [`Span`].
const SPAN_MAX: u32 = 9999;
/// A time zone is less than a day away.
const OFFSET_END: i64 = 24 * 60;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rules() -> impl Strategy<Value = Policy> {
        let tag = "[a-z]{1,5}".prop_map(Scope::Tag);
        let path = "[a-z]{1,5}(/[a-z]{1,3})?".prop_map(|p| Scope::Path(TreePath::from_bytes(p.as_bytes()).unwrap()));
        let scope = prop_oneof![Just(Scope::All), tag, path];
        let span = (0..=SPAN_MAX, 0..99u32, 0..99u32, 0..99u32).prop_map(|(years, months, days, hours)| Span {
            years,
            months,
            days,
            hours,
        });
        let rule =
            (any::<[u32; 6]>(), proptest::array::uniform6(span)).prop_map(|(keep, within)| (keep.map(Count), within));
        let rules = proptest::collection::btree_map(scope, rule, 0..5);
        (-1439..1440, rules).prop_map(|(offset, rules)| Policy {
            offset,
            rules: rules
                .into_iter()
                .map(|(scope, (keep, within))| Rule { scope, keep, within })
                .filter(|rule| !rule.is_empty())
                .collect(),
        })
    }

    proptest! {
        #[test]
        fn policies_round_trip(policy in rules()) {
            prop_assert_eq!(Policy::decode(&policy.encode()), Ok(policy.clone()));
            for rule in &policy.rules {
                for span in &rule.within {
                    prop_assert_eq!(span.to_string().parse(), Ok(*span));
                }
                for count in &rule.keep {
                    prop_assert_eq!(count.to_string().parse(), Ok(*count));
                }
            }
        }

        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            if let Ok(policy) = Policy::decode(&bytes) {
                prop_assert_eq!(Policy::decode(&policy.encode()), Ok(policy));
            }
        }
    }

    #[test]
    fn frozen_vector() {
        let bytes = Policy::default().encode();
        let keep = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0];
        let within = [&[0, 0, 30, 0][..], &[0; 4], &[1, 0, 0, 0], &[0; 12]].concat();
        assert_eq!(bytes, [&[0, 1, 0, 0][..], &keep, &within].concat());
        assert_eq!(
            Policy::default().rules[0].to_string(),
            "--keep-within 30d --keep-within-daily 1y --keep-monthly unlimited"
        );
    }

    #[test]
    fn spans_are_read_as_they_are_written() {
        assert_eq!("2y5m7d3h".parse(), Ok(Span { years: 2, months: 5, days: 7, hours: 3 }));
        for bad in ["", "7", "d", "1w", "1d1d", "1d2", "-1d", "99999d", "1 d", "1µ"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
        for bad in ["", "x", "-2", "1.5"] {
            assert!(bad.parse::<Count>().is_err(), "{bad}");
        }
        for bad in ["", "a b", "a,b", "-x", "a:b", "a\n"] {
            assert!(!is_tag(bad), "{bad}");
        }
        assert!(is_tag("before-the-move/2026"));
    }
}
