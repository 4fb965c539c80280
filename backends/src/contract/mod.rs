//! Whether a remote does what [`Remote`] says: named checks and a report, for tests of this crate and for somebody who wants
//! to know what a service of theirs can do. Start reading at [`examine`].
//!
//! Works below a directory of its own. What a remote cannot do it declares in its [`Caps`](crate::Caps); what it declares and does not
//! do is found.

mod checks;
mod scratch;
mod speed;

use std::time::{Duration, Instant};

use crate::{Caps, Remote, RemoteError};
use scratch::Wrong;

pub use scratch::{Scratch, age_of};
pub use speed::Speed;

/// What was found out about a remote.
#[derive(Debug)]
pub struct Report {
    /// One for each check, in the order in which they were made.
    pub checks: Vec<Check>,
    /// What the service says of itself.
    pub declared: Caps,
    /// What it was seen to do.
    pub observed: Observed,
}

impl Report {
    /// The checks that have failed.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| matches!(check.outcome, Outcome::Failed { .. }))
    }
}

/// What was checked, and how it went.
#[derive(Debug)]
pub struct Check {
    /// A short name in words, the same in every version.
    pub name: &'static str,
    /// How it went.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// How a check went.
#[derive(Debug)]
pub enum Outcome {
    /// As it should. What is worth saying about it, as a clause; mostly nothing.
    Fine(String),
    /// The service does not have that, and can be used without it. Why that is so, as a clause.
    Absent(String),
    /// Not as it should.
    Failed {
        /// What is wrong, as a clause.
        why: String,
        /// What the remote answered, if it was an error.
        error: Option<RemoteError>,
    },
}

/// What a remote was seen to do; `None` where that did not come out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Observed {
    /// Whether of several writers of one path exactly one was told that it made the object.
    pub put_new: Option<bool>,
    /// Whether a range of an object can be had.
    pub read_range: Option<bool>,
    /// Whether two names that differ in case only are two objects.
    pub case_sensitive: Option<bool>,
    /// How long after a put a listing had the object.
    pub list_delay: Option<Duration>,
}

impl Observed {
    /// What a service declares, as far as nothing else was seen.
    pub fn bounds(self, declared: Caps) -> Caps {
        Caps {
            put_new: declared.put_new && self.put_new != Some(false),
            read_range: declared.read_range && self.read_range != Some(false),
            list_delay: declared.list_delay.max(self.list_delay.unwrap_or_default()),
            ..declared
        }
    }
}

/// How much is done to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What a single object shows: a handful of requests.
    Probe,
    /// Every promise of the trait: some hundreds of requests.
    Whole,
}

/// Checks that a remote does what [`Remote`] says, in a directory of its own, which whoever calls this clears away afterwards. `told`
/// hears of each check when it is done. A remote that can't even be written to is not asked further.
pub async fn examine(remote: &dyn Remote, scratch: &Scratch, depth: Depth, told: &(dyn Fn(&Check) + Sync)) -> Report {
    let mut observed = Observed::default();
    let mut done = Vec::new();
    for check in checks::of(depth) {
        let start = Instant::now();
        let outcome = match checks::make(check, remote, scratch, &mut observed).await {
            Ok(outcome) => outcome,
            Err(Wrong::Remote(error)) => Outcome::Failed { why: in_words(&error), error: Some(error) },
            Err(Wrong::Not(why)) => Outcome::Failed { why, error: None },
        };
        let check = Check { name: check.name(), outcome, took: start.elapsed() };
        told(&check);
        let hopeless = done.is_empty() && matches!(check.outcome, Outcome::Failed { .. });
        done.push(check);
        if hopeless {
            break;
        }
    }
    Report { checks: done, declared: remote.caps(), observed }
}

/// An error with its causes, in one line.
fn in_words(error: &RemoteError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
