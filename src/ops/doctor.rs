//! `doctor`: looks at this machine and at a vault, and says what is wrong and what to do about it. Changes nothing.

use std::path::Path;

use super::open::open;
use super::recovery::tested;
use super::writers::last_of_writers;
use super::{Ctx, OpsError, RemoteProfile, WriterState};
use crate::units::ByteSize;
use crate::vault::Vault;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// All is well.
    Good,
    /// It will be a problem one day, or somebody should look.
    Warning,
    /// It is a problem.
    Bad,
}

impl Health {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

/// What was found about one thing.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub about: &'static str,
    /// How it is.
    pub health: Health,
    /// What was found, in a sentence.
    pub text: String,
    /// What to do, if there is something to be done.
    pub hint: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn good(about: &'static str, text: impl Into<String>) -> Self {
        Self { about, health: Health::Good, text: text.into(), hint: None }
    }

    /// Something that somebody should look at.
    pub fn warning(about: &'static str, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { about, health: Health::Warning, text: text.into(), hint: Some(hint.into()) }
    }

    /// Something that is wrong.
    pub fn bad(about: &'static str, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { about, health: Health::Bad, text: text.into(), hint: Some(hint.into()) }
    }
}

/// Looks at the directories of this machine, and at the clock.
pub fn examine_machine(ctx: &Ctx<'_>) -> Vec<Finding> {
    let temp = std::env::temp_dir();
    let dirs = [
        ("state directory", &ctx.state_dir, true),
        ("cache directory", &ctx.cache_dir, true),
        ("temporary files", &temp, false),
    ];
    let mut found: Vec<Finding> = dirs.iter().map(|(about, dir, private)| directory(about, dir, *private)).collect();
    let now = ctx.world.clock.now();
    found.push(if now.secs < RELEASED {
        Finding::bad(
            "clock",
            format!("this machine believes that it is {}", now.utc()),
            "set the clock: commits would claim to be older than they are",
        )
    } else {
        Finding::good("clock", now.utc())
    });
    found
}

/// Looks at a vault.
pub fn examine_vault(ctx: &Ctx<'_>, remote: &RemoteProfile) -> Vec<Finding> {
    let opened = match open(ctx, remote) {
        Ok(opened) => opened,
        Err(error) => {
            let hint = error
                .hint
                .clone()
                .unwrap_or_else(|| "`cryptsync remote test` tells what the service can do".to_owned());
            return vec![Finding::bad("vault", error.chain.join(": "), hint)];
        }
    };
    let vault = &opened.vault;
    let reached = format!("opened at {}, {} requests", vault.objects.io.describe(), opened.requests());
    let mut found = vec![Finding::good("vault", reached)];
    match log(ctx, vault, &remote.name).and_then(|mut log| {
        log.extend(tree(vault, &remote.name)?);
        Ok(log)
    }) {
        Ok(more) => found.extend(more),
        Err(error) => {
            let hint =
                format!("`cryptsync verify {}:` tells what is damaged, `repair -n` what can be mended", remote.name);
            found.push(Finding::bad("vault", error.chain.join(": "), hint));
        }
    }
    found
}

fn log(ctx: &Ctx<'_>, vault: &Vault, name: &str) -> Result<Vec<Finding>, OpsError> {
    let (view, access, now) = (vault.view(), vault.access(), ctx.world.clock.now().secs);
    let mut found = Vec::new();
    found.push(match access.may_write() {
        Err(error) if access.is_forked() => Finding::bad(
            "access",
            error.to_string(),
            format!("an admin merges both with `cryptsync key merge {name}:`"),
        ),
        Err(error) => Finding::warning("access", error.to_string(), "reading works"),
        Ok(()) => Finding::good("access", format!("version {}, epoch {}; this key may write", access.n, access.epoch)),
    });
    if !vault.state.is_persistent() {
        let hint = "make the state directory writable, or name another with `--state-dir`";
        found.push(Finding::warning(
            "memory",
            "the local state can't be written: a rollback would not be noticed",
            hint,
        ));
    }
    if vault.state.pending()?.is_some() {
        let hint = "the next command that writes sends it again";
        found.push(Finding::warning("pending", "a commit of this machine may not have arrived", hint));
    }
    let heads = view.heads().len();
    found.push(if heads > MANY_HEADS {
        let hint = "the next commit of any machine merges them";
        Finding::warning("heads", format!("{heads} commits are heads at the same time"), hint)
    } else {
        Finding::good("heads", format!("{heads}, of {} records", view.count()))
    });
    if !view.quarantined().is_empty() {
        let text = format!("{} commits are quarantined", view.quarantined().len());
        found.push(Finding::warning(
            "quarantine",
            text,
            format!("`cryptsync status {name}:` tells why; `adopt` lets them count"),
        ));
    }
    if !view.foreign().is_empty() {
        let text = format!("{} objects in `log/` are not this vault's", view.foreign().len());
        found.push(Finding::warning("foreign", text, "somebody else writes to this place: look who may"));
    }
    let newest = vault.newest(1, |_| true)?.pop().map(|commit| commit.record.time.secs);
    if let Some(ahead) = newest.map(|time| time - now).filter(|ahead| *ahead > CLOCKS_DIFFER) {
        let text = format!("the newest commit claims to be {} minutes ahead of this machine's clock", ahead / 60);
        found.push(Finding::warning("clock", text, "one of the two clocks is wrong"));
    }
    let silent: Vec<String> = last_of_writers(vault)?
        .into_iter()
        .filter(|row| row.state == WriterState::Live && now - row.last.secs > SILENT * DAY)
        .map(|row| format!("`{}` ({} days)", row.label, (now - row.last.secs) / DAY))
        .collect();
    found.push(if silent.is_empty() {
        Finding::good("writers", format!("{}, none silent for more than {SILENT} days", view.writers().len()))
    } else {
        let text = format!("silent for more than {SILENT} days: {}", silent.join(", "));
        Finding::warning("writers", text, format!("if one won't come back: `cryptsync writer retire {name}: WRITER`"))
    });
    found.push(drill(vault, name, now)?);
    Ok(found)
}

fn drill(vault: &Vault, name: &str, now: i64) -> Result<Finding, OpsError> {
    let hint = format!("`cryptsync recovery test {name}:` tries them");
    Ok(match tested(vault)?.map(|time| (now - time.secs) / DAY) {
        None => Finding::warning("recovery words", "never tested", hint),
        Some(days) if days > DRILL_OLD => {
            Finding::warning("recovery words", format!("last tested {days} days ago"), hint)
        }
        Some(days) => Finding::good("recovery words", format!("tested {days} days ago")),
    })
}

fn tree(vault: &Vault, name: &str) -> Result<Vec<Finding>, OpsError> {
    let Some(root) = vault.root()? else { return Ok(vec![Finding::good("tree", "empty")]) };
    let totals = root.totals;
    let mut found = vec![Finding::good("tree", format!("{} entries, {}", totals.entries, ByteSize(totals.bytes)))];
    if totals.conflicts > 0 {
        let text = format!("{} conflicts wait for somebody", totals.conflicts);
        found.push(Finding::warning("conflicts", text, format!("see `cryptsync conflicts list {name}:`")));
    }
    Ok(found)
}

/// A directory that the program writes to: there or possible, to nobody else, and with room.
fn directory(about: &'static str, dir: &Path, private: bool) -> Finding {
    use std::os::unix::fs::MetadataExt;
    let shown = dir.display();
    // The nearest one that is there has the room.
    let there = dir.ancestors().find(|dir| dir.is_dir()).unwrap_or(Path::new("/"));
    if rustix::fs::access(there, rustix::fs::Access::WRITE_OK).is_err() {
        return Finding::bad(
            about,
            format!("{shown} can't be written"),
            "give it to this user, or name another directory",
        );
    }
    if let Ok(meta) = dir.metadata()
        && private
        && meta.mode() & 0o022 != 0
    {
        let text = format!("{shown} can be written by others (mode {:03o})", meta.mode() & 0o777);
        return Finding::bad(about, text, format!("chmod 700 {shown}"));
    }
    let free = rustix::fs::statvfs(there).map_or(u64::MAX, |found| found.f_bavail.saturating_mul(found.f_frsize));
    let text = format!("{shown}, {} free", ByteSize(free));
    match free {
        ..ROOM_LEAST => Finding::bad(about, text, "make room: runs will fail"),
        ROOM_LEAST..ROOM_GOOD => Finding::warning(about, text, "make room before a large transfer"),
        _ => Finding::good(about, text),
    }
}

const DAY: i64 = 86_400;
/// Days after which a writer counts as silent.
const SILENT: i64 = 90;
/// Days after which a test of the recovery words is old.
const DRILL_OLD: i64 = 180;
/// Several machines that write at once make a few heads; more than this is unusual.
const MANY_HEADS: usize = 8;
/// Seconds by which clocks may differ.
const CLOCKS_DIFFER: i64 = 600;
/// Nobody runs this program before 2026.
const RELEASED: i64 = 1_767_225_600;
const ROOM_LEAST: u64 = 64 << 20;
const ROOM_GOOD: u64 = 1 << 30;
