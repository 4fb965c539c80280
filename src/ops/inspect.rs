//! `log` and `status`: what is known of a vault.

use std::collections::HashMap;

use super::init::checkpoint;
use super::open::open;
use super::{Ctx, LogEntry, OpsError, RemoteProfile, StatusReport};
use crate::format::record::RecordKind;
use crate::id::CommitId;
use crate::vault::{Commit, kind_name, role_name};
use crate::world::Timestamp;

/// The newest commits first, at most `limit`.
///
/// # Errors
/// The vault can't be read.
pub fn log(ctx: &Ctx<'_>, remote: &RemoteProfile, limit: usize) -> Result<Vec<LogEntry>, OpsError> {
    let opened = open(ctx, remote)?;
    let view = opened.vault.view();
    let times = view.effective_times(ctx.world.clock.now());
    let commits = view.newest_first().into_iter().filter(|commit| commit.record.kind == RecordKind::Commit);
    Ok(commits.take(limit).map(|commit| log_entry(commit, &times)).collect())
}

/// What is known of a vault and of this installation's part in it.
///
/// # Errors
/// The vault can't be read.
pub fn status(ctx: &Ctx<'_>, remote: &RemoteProfile) -> Result<StatusReport, OpsError> {
    let opened = open(ctx, remote)?;
    let vault = &opened.vault;
    let view = vault.view();
    let access = vault.access();
    let journal = vault.state.journal()?;
    let mut warnings = Vec::new();
    if !vault.state.is_persistent() {
        warnings.push("the local state can't be written: a rollback of the vault would not be noticed".to_owned());
    }
    if view.heads().len() > 1 {
        warnings
            .push(format!("{} commits are heads at the same time: their trees are not merged yet", view.heads().len()));
    }
    if !view.foreign().is_empty() {
        warnings.push(format!("{} objects in `log/` are not this vault's", view.foreign().len()));
    }
    let members = access.body().members.iter().map(|member| {
        let kind = kind_name(member.kind).to_owned();
        [kind, role_name(member.role).to_owned(), member.label.clone(), crate::vault::member_id(member).to_string()]
    });
    let all = view.newest_first();
    let times = view.effective_times(ctx.world.clock.now());
    let newest = all.first();
    let mut commits = all.iter().copied().filter(|commit| commit.record.kind == RecordKind::Commit);
    let head = newest.as_ref().map(|commit| commit.id.to_string());
    Ok(StatusReport {
        location: vault.objects.io.describe(),
        vault_id: vault.id.to_string(),
        access_version: access.n,
        epoch: access.epoch,
        members: members.collect(),
        writer: vault.known_writer()?.map(|writer| writer.to_string()),
        head: commits.next().map(|commit| log_entry(commit, &times)),
        commits: all.iter().filter(|commit| commit.record.kind == RecordKind::Commit).count() as u64,
        checkpoint: checkpoint(&vault.id.to_string(), head.as_deref()),
        unfinished: (journal.len() as u64, journal.iter().map(|pack| pack.object.size).sum()),
        warnings,
    })
}

fn log_entry(commit: &Commit, times: &HashMap<CommitId, Timestamp>) -> LogEntry {
    LogEntry {
        id: commit.id.to_string(),
        time: times.get(&commit.id).copied().unwrap_or(commit.record.time),
        writer: commit.record.writer_label.clone(),
        operation: commit.record.operation.clone(),
        entries: commit.record.root.totals.entries,
        bytes: commit.record.root.totals.bytes,
    }
}
