//! `remote test`: whether a remote does what is relied on, and how fast. Needs no key, touches no vault that is there, and takes away
//! what it has written.

mod cleanup;
mod known;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use cryptsync_backends::contract::{Check, Observed, Outcome, Speed};
use cryptsync_backends::contract::{Depth, Report, Scratch, examine};

pub use cleanup::{Leftover, cleanup};
pub(super) use known::{recall, remember};

use super::open::{Connection, connect};
use super::{Ctx, OpsError, RemoteProfile};
use crate::class::Class;
use crate::event::Event;
use crate::vault::{RemoteIo, VaultError, exists};

/// What `remote test` found.
#[derive(Debug)]
pub struct Trial {
    /// The remote in words.
    pub place: String,
    /// What was checked.
    pub checks: Vec<Check>,
    /// What the service says it can do.
    pub declared: Abilities,
    /// What was seen.
    pub observed: Observed,
    /// How fast it is, unless a check has failed.
    pub speed: Option<Speed>,
    /// Why what was written could not be removed, if so, and where it is.
    pub left: Option<String>,
    /// The kind of the first failure; `None` if all is well.
    pub failed: Option<Class>,
    /// What to do about that, if it is known.
    pub hint: Option<String>,
}

/// What a service says it can do.
#[derive(Debug, Clone, Copy)]
pub struct Abilities {
    /// Of several writers of one name exactly one is told that it made the object.
    pub put_new: bool,
    /// A range of an object can be had.
    pub read_range: bool,
    /// How long a listing may lag.
    pub list_delay: Duration,
    /// The largest object in bytes.
    pub max_object: u64,
    /// Requests at once.
    pub max_concurrency: usize,
}

/// Tries a remote out, in a directory of its own.
///
/// # Errors
/// The remote can't be used at all; the run was stopped.
pub fn trial(ctx: &Ctx<'_>, remote: &RemoteProfile) -> Result<Trial, OpsError> {
    let connection = connect(ctx, remote)?;
    // That it can't be reached at all is one thing to say, and not a report.
    exists(&connection.io)?;
    let (report, speed, left) = tried(ctx, &connection, Depth::Whole)?;
    remember(ctx, &connection.io.describe(), report.observed);
    let declared = Abilities {
        put_new: report.declared.put_new,
        read_range: report.declared.read_range,
        list_delay: report.declared.list_delay,
        max_object: report.declared.max_object,
        max_concurrency: report.declared.max_concurrency,
    };
    let mut report = report;
    let (mut failed, mut hint) = (None, None);
    for check in &mut report.checks {
        if let (Outcome::Failed { error, .. }, None) = (&mut check.outcome, failed) {
            let error = error.take().map(VaultError::from);
            failed = Some(error.as_ref().map_or(Class::Failed, VaultError::class));
            hint = error.and_then(|error| error.hint());
        }
    }
    if left.is_some() {
        failed = failed.or(Some(Class::Failed));
    }
    let place = connection.io.describe();
    Ok(Trial { place, checks: report.checks, declared, observed: report.observed, speed, left, failed, hint })
}

/// Makes the checks, measures if it is worth it, and removes what was written, whatever has happened.
pub(super) fn tried(
    ctx: &Ctx<'_>,
    connection: &Connection,
    depth: Depth,
) -> Result<(Report, Option<Speed>, Option<String>), OpsError> {
    let scratch = Scratch::new(now(ctx));
    let io = &connection.io;
    let told = |check: &Check| ctx.observer.event(Event::Info(&format!("checked: {}", check.name)));
    let done = io.drive(async |remote| {
        let report = examine(remote, &scratch, depth, &told).await;
        let worth_it = depth == Depth::Whole && report.failed().next().is_none();
        let speed = if worth_it { Speed::measure(remote, &scratch).await.map(Some) } else { Ok(None) };
        (report, speed)
    });
    let left = clear(&io.uncancelled(), &scratch);
    let (report, speed) = done.inspect_err(|_| {
        left.iter().for_each(|left| ctx.observer.event(Event::Notice(left)));
    })?;
    Ok((report, speed.map_err(VaultError::from)?, left))
}

/// Why what was written is still there, if it is.
fn clear(io: &RemoteIo, scratch: &Scratch) -> Option<String> {
    let cleared = io.drive(async |remote| tokio::time::timeout(PATIENCE, scratch.clear(remote)).await).ok()?;
    let why = match cleared {
        Ok(Ok(())) => return None,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("it takes longer than {} s", PATIENCE.as_secs()),
    };
    Some(format!("`{}` could not be removed again: {why}", scratch.as_str()))
}

/// The time of this machine.
pub(super) fn now(ctx: &Ctx<'_>) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(ctx.world.clock.now().secs).unwrap_or_default())
}

/// How long removing may take when everything else is over.
const PATIENCE: Duration = Duration::from_secs(120);
