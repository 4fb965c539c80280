//! `adopt` and `writer retire`: what an admin states about the records of others.

use super::inspect::{log_entry, quarantined_entry};
use super::open::open;
use super::{Ctx, LogEntry, OpsError, QuarantinedEntry, RemoteProfile};

/// What an adoption lets count.
#[derive(Debug, Clone)]
pub struct AdoptReport {
    /// The commits, oldest first.
    pub adopted: Vec<QuarantinedEntry>,
    /// The commit that says so; none with `--dry-run`.
    pub commit: Option<String>,
}

/// How a writer has ended.
#[derive(Debug, Clone)]
pub struct RetireReport {
    /// Its id.
    pub writer: String,
    /// The last of its commits; more than one if it had said two things at once.
    pub kept: Vec<LogEntry>,
    /// The commit that says so; none with `--dry-run`.
    pub commit: Option<String>,
}

/// Lets a quarantined commit count, and what it follows.
///
/// # Errors
/// There is no such commit, it can't be adopted, or the key at hand is no admin's.
pub fn adopt(ctx: &Ctx<'_>, remote: &RemoteProfile, id: &str, dry_run: bool) -> Result<AdoptReport, OpsError> {
    let vault = &open(ctx, remote)?.vault;
    let adoption = vault.adoption(id)?;
    let adopted: Vec<QuarantinedEntry> = adoption.commits.iter().map(quarantined_entry).collect();
    let commit = if dry_run { None } else { Some(vault.adopt_commits(&adoption, &format!("adopt {id}"))?.to_string()) };
    Ok(AdoptReport { adopted, commit })
}

/// Ends a writer: what it has written stays, what it writes from now on does not count.
///
/// # Errors
/// There is no such writer, or the key at hand is no admin's.
pub fn retire(ctx: &Ctx<'_>, remote: &RemoteProfile, id: &str, dry_run: bool) -> Result<RetireReport, OpsError> {
    let mut remote = remote.clone();
    remote.demands.retiring = Some(id.to_owned());
    let vault = &open(ctx, &remote)?.vault;
    let ending = vault.ending(id)?;
    let writer = ending.writer.to_string();
    let kept = ending.kept.iter().map(log_entry).collect();
    let commit =
        if dry_run { None } else { Some(vault.retire(&ending, &format!("writer retire {writer}"))?.to_string()) };
    Ok(RetireReport { writer, kept, commit })
}
