//! What is kept of a history: commits and a policy in, reasons out. Start at [`decide`].
//!
//! The rules mean what restic's `--keep-…` mean, for the commits of each key by themselves: whoever holds one key can't
//! push out what was written with another. Nothing here reads a clock or a vault; docs/format.md, section 10.2, has the
//! same in words.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use jiff::civil::{DateTime, date};
use jiff::tz::Offset;

use crate::format::policy::{Count, PERIODS, Policy, Rule, Scope, Span};
use crate::id::{CommitId, WriterId};
use crate::path::TreePath;
use crate::world::Timestamp;

/// A commit that is to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: CommitId,
    /// Its writer.
    pub writer: WriterId,
    /// The key that signed it.
    pub signer: [u8; 32],
    /// Its place in the writer's log.
    pub seq: u64,
    /// Its Lamport time.
    pub lamport: u64,
    /// When it was made, as its writer claims.
    pub time: Timestamp,
    /// The command that made it.
    pub operation: String,
    /// The tags it has.
    pub tags: BTreeSet<String>,
    /// The pins that hold it; empty texts are pins without a name.
    pub pins: BTreeSet<String>,
    /// Which paths that the policy speaks of it changes something at or below.
    pub touched: HashSet<TreePath>,
    /// Whether it is a head.
    pub head: bool,
    /// Whether it is the last of a writer whose log has not ended.
    pub last: bool,
    /// Whether an admin has said by hand that it shall be forgotten.
    pub unwanted: bool,
}

/// What becomes of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Its id.
    pub id: CommitId,
    /// When it was made, as it was judged by: see [`decide`].
    pub time: Timestamp,
    /// Why it is kept; nothing if it is to be forgotten.
    pub reasons: Vec<Reason>,
}

/// Why a commit is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It is a head.
    Head,
    /// Its writer has written nothing since, and may go on from it.
    LastOfWriter,
    /// It is pinned, by this name if any.
    Pin(String),
    /// The policy has no rules.
    NoRules,
    /// A rule of the policy keeps it.
    Rule {
        /// Of the commits that the rule speaks of.
        scope: Scope,
        /// The place in [`PERIODS`].
        period: usize,
        /// Where the rule counts by age: up to which.
        within: Option<Span>,
        /// Whether it is kept only because it is the oldest and the rule has not run out.
        oldest: bool,
    },
    /// It is the newest of its key.
    Newest,
}

impl Decision {
    /// Whether it is kept.
    pub fn is_kept(&self) -> bool {
        !self.reasons.is_empty()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("head"),
            Self::LastOfWriter => f.write_str("last of its writer"),
            Self::Pin(name) if name.is_empty() => f.write_str("pinned"),
            Self::Pin(name) => write!(f, "pinned as {name}"),
            Self::NoRules => f.write_str("policy is empty"),
            Self::Newest => f.write_str("newest"),
            Self::Rule { scope, period, within, oldest } => {
                if *scope != Scope::All {
                    write!(f, "{scope}: ")?;
                }
                let oldest = if *oldest { "oldest " } else { "" };
                match within {
                    Some(span) if *period == 0 => write!(f, "within {span}"),
                    Some(span) => write!(f, "{oldest}{} within {span}", PERIODS[*period]),
                    None => write!(f, "{oldest}{}", PERIODS[*period]),
                }
            }
        }
    }
}

/// Judges commits, in the order they come in; that order and their number change nothing of what is kept of each key.
///
/// Heads, last commits of writers and pinned commits are always kept. Those that an admin does not want are not kept
/// otherwise. What remains is judged by the rules, and the newest of each key is kept in any case. A commit of a clock that
/// was wrong is taken to be as old as the one before it of its writer: the times that stand are the longest sequence of a
/// writer's claims that does not run backwards. Claims after `now` are `now`.
pub fn decide(commits: &[Candidate], policy: &Policy, now: Timestamp) -> Vec<Decision> {
    let times = times(commits, now);
    let mut reasons: Vec<BTreeSet<Reason>> = commits.iter().map(standing).collect();
    let mut keys: BTreeMap<[u8; 32], Vec<usize>> = BTreeMap::new();
    for (at, _) in commits.iter().enumerate().filter(|(_, commit)| !commit.unwanted) {
        keys.entry(commits[at].signer).or_default().push(at);
    }
    for list in keys.values_mut() {
        list.sort_unstable_by_key(|at| {
            std::cmp::Reverse((times[*at], commits[*at].lamport, commits[*at].writer, commits[*at].id))
        });
        reasons[list[0]].insert(Reason::Newest);
        if policy.rules.is_empty() {
            for at in list.iter() {
                reasons[*at].insert(Reason::NoRules);
            }
        }
        for rule in &policy.rules {
            let spoken_of: Vec<usize> = list.iter().filter(|at| speaks_of(rule, &commits[**at])).copied().collect();
            let moments: Vec<Timestamp> = spoken_of.iter().map(|at| times[*at]).collect();
            for (nth, reason) in by_rule(rule, &moments, policy.offset) {
                reasons[spoken_of[nth]].insert(reason);
            }
        }
    }
    let decision = |(at, reasons): (usize, BTreeSet<Reason>)| Decision {
        id: commits[at].id,
        time: times[at],
        reasons: reasons.into_iter().collect(),
    };
    reasons.into_iter().enumerate().map(decision).collect()
}

/// Whether a rule of the policy keeps any commit at all of those given: if not, it would forget everything there is.
pub fn keeps_any(decisions: &[Decision]) -> bool {
    let by_rule = |reason: &Reason| matches!(reason, Reason::Rule { .. } | Reason::NoRules);
    decisions.is_empty() || decisions.iter().any(|decision| decision.reasons.iter().any(by_rule))
}

/// What keeps a commit whatever the policy says.
fn standing(commit: &Candidate) -> BTreeSet<Reason> {
    let mut reasons: BTreeSet<Reason> = commit.pins.iter().cloned().map(Reason::Pin).collect();
    reasons.extend(commit.head.then_some(Reason::Head));
    reasons.extend(commit.last.then_some(Reason::LastOfWriter));
    reasons
}

fn speaks_of(rule: &Rule, commit: &Candidate) -> bool {
    match &rule.scope {
        Scope::All => true,
        Scope::Tag(tag) => commit.tags.contains(tag),
        Scope::Path(path) => commit.touched.contains(path),
    }
}

/// What a rule keeps of commits that were made at these moments, newest first: which, and why.
fn by_rule(rule: &Rule, newest_first: &[Timestamp], offset: i32) -> Vec<(usize, Reason)> {
    let Some(latest) = newest_first.first() else { return Vec::new() };
    let latest = civil(*latest, offset);
    let mut kept = Vec::new();
    for period in 0..PERIODS.len() {
        let reason = |within, oldest| Reason::Rule { scope: rule.scope.clone(), period, within, oldest };
        for within in [None, Some(rule.within[period]).filter(|span| !span.is_zero())] {
            let mut left = if within.is_some() { Count::ALL } else { rule.keep[period] };
            let since = within.map(|span| before(latest, span));
            let mut bucket = None;
            for (nth, time) in newest_first.iter().enumerate() {
                let time = civil(*time, offset);
                if left.0 == 0 || since.is_some_and(|since| time <= since) {
                    break;
                }
                let this = Some(bucket_of(period, time, nth));
                let oldest = this == bucket;
                // The oldest of all is kept while the rule has not run out: so a history grows to the length that is wanted.
                if !oldest || nth + 1 == newest_first.len() {
                    bucket = this;
                    if left != Count::ALL {
                        left.0 -= 1;
                    }
                    kept.push((nth, reason(within, oldest)));
                }
            }
            if rule.within[period].is_zero() {
                break;
            }
        }
    }
    kept
}

/// What all commits of an hour, a day and so on have in common; each is its own where all count.
fn bucket_of(period: usize, time: DateTime, nth: usize) -> (i64, i64, i64) {
    let (year, month, day) = (time.year().into(), i64::from(time.month()), i64::from(time.day()));
    match period {
        0 => (nth as i64, 0, 0),
        1 => (year, month * 100 + day, time.hour().into()),
        2 => (year, month, day),
        3 => {
            let week = time.date().iso_week_date();
            (week.year().into(), week.week().into(), 0)
        }
        4 => (year, month, 0),
        _ => (year, 0, 0),
    }
}

/// Date and time by a calendar; what lies outside of it is its first or last moment.
fn civil(time: Timestamp, offset: i32) -> DateTime {
    let local = time.secs.saturating_add(i64::from(offset) * 60);
    let (first, last) = (jiff::Timestamp::MIN.as_second() + 1, jiff::Timestamp::MAX.as_second() - 1);
    let inside = jiff::Timestamp::new(local.clamp(first, last), time.nanos as i32).unwrap_or_default();
    Offset::UTC.to_datetime(inside)
}

/// So much earlier. A day that its month does not have is counted on into the next, as restic does.
fn before(time: DateTime, span: Span) -> DateTime {
    let months = i64::from(time.year()) * 12 + i64::from(time.month()) - 1;
    let months = months - i64::from(span.years) * 12 - i64::from(span.months);
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) as i8 + 1);
    let Some(year) = i16::try_from(year).ok().filter(|year| *year >= -9000) else { return DateTime::MIN };
    let days = i64::from(time.day()) - 1 - i64::from(span.days);
    let first = date(year, month, 1).to_datetime(time.time());
    let span = jiff::Span::new().days(days).hours(-i64::from(span.hours));
    first.checked_add(span).unwrap_or(DateTime::MIN)
}

/// When each commit was made, as far as its writer's clock can be believed.
fn times(commits: &[Candidate], now: Timestamp) -> Vec<Timestamp> {
    let mut writers: HashMap<WriterId, Vec<usize>> = HashMap::new();
    for (at, commit) in commits.iter().enumerate() {
        writers.entry(commit.writer).or_default().push(at);
    }
    let mut times: Vec<Timestamp> = commits.iter().map(|commit| commit.time.min(now)).collect();
    for log in writers.values_mut() {
        log.sort_unstable_by_key(|at| (commits[*at].seq, commits[*at].id));
        let claims: Vec<Timestamp> = log.iter().map(|at| times[*at]).collect();
        let stands = rising(&claims);
        let first = stands.iter().position(|stands| *stands).unwrap_or(0);
        let mut time = claims.get(first).copied().unwrap_or(now);
        for (nth, at) in log.iter().enumerate() {
            if stands[nth] {
                time = claims[nth];
            }
            times[*at] = time;
        }
    }
    times
}

/// Which of the claims belong to the longest sequence that does not run backwards. Of several of one length the one with the
/// earliest times is taken.
fn rising(claims: &[Timestamp]) -> Vec<bool> {
    // The last claim of the best sequence of each length, and what comes before each claim.
    let (mut ends, mut before): (Vec<usize>, Vec<Option<usize>>) = (Vec::new(), Vec::new());
    for (at, claim) in claims.iter().enumerate() {
        let length = ends.partition_point(|end| claims[*end] <= *claim);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        match ends.get_mut(length) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let mut stands = vec![false; claims.len()];
    let mut at = ends.last().copied();
    while let Some(one) = at {
        stands[one] = true;
        at = before[one];
    }
    stands
}

#[cfg(test)]
#[path = "retention_tests.rs"]
mod tests;
