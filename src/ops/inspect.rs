//! `log` and `status`: what is known of a vault.

use super::init::checkpoint;
use super::open::open;
use super::writers::last_of_writers;
use super::{Ctx, LogEntry, OpsError, Policy, QuarantinedEntry, RemoteProfile, WriterRow};
use crate::format::record::{Attribute, RecordKind};
use crate::vault::{Commit, KeyPlace, Quarantined, Vault, effective_times, kind_name, role_name};

/// What `status` knows.
#[derive(Debug, Clone)]
pub struct StatusReport {
    /// Commits that no other commit follows.
    pub heads: Vec<LogEntry>,
    /// All writers, the one that wrote last first.
    pub writers: Vec<WriterRow>,
    /// Commits of members that do not count.
    pub quarantined: Vec<QuarantinedEntry>,
    /// Objects below `log/` that are not this vault's.
    pub foreign: Vec<String>,
    /// Conflict copies in the newest tree that wait for somebody.
    pub conflicts: u64,
    /// Entries of the newest tree, and the sizes of its files together.
    pub tree: (u64, u64),
    /// Which commits are kept.
    pub policy: Policy,
    /// How many commits are pinned, and how many are to be forgotten by hand.
    pub named: (u64, u64),
    /// Seconds since the newest commit was made, by its writer's claim.
    pub age: Option<u64>,
    /// Where the vault is.
    pub location: String,
    /// Its id.
    pub vault_id: String,
    /// Access version and epoch.
    pub access_version: u32,
    /// Epoch.
    pub epoch: u32,
    /// Members: kind, role, label, id.
    pub members: Vec<[String; 4]>,
    /// This writer's id, if this installation writes.
    pub writer: Option<String>,
    /// Newest commit.
    pub head: Option<LogEntry>,
    /// Records of the log: commits, and the joins and closes of writers.
    pub records: u64,
    /// Checkpoint string for `--checkpoint` on another machine.
    pub checkpoint: String,
    /// Where this device's key is kept, if it has one.
    pub device_key: Option<KeyPlace>,
    /// Objects and bytes of packs that were sent but belong to no commit yet.
    pub unfinished: (u64, u64),
    /// Warnings.
    pub warnings: Vec<String>,
}

/// The newest commits first, at most `limit`.
///
/// # Errors
/// The vault can't be read.
pub fn log(ctx: &Ctx<'_>, remote: &RemoteProfile, limit: usize) -> Result<Vec<LogEntry>, OpsError> {
    let opened = open(ctx, remote)?;
    let read = std::cell::RefCell::new(Vec::new());
    let commits = opened.vault.newest(limit, |commit| {
        read.borrow_mut().push(commit.clone());
        commit.record.kind == RecordKind::Commit
    })?;
    let times = effective_times(read.borrow().iter(), ctx.world.clock.now());
    let time = |commit: &Commit| times.get(&commit.id).copied().unwrap_or(commit.record.time);
    Ok(commits.iter().map(|commit| LogEntry { time: time(commit), ..log_entry(commit) }).collect())
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
    let mut warnings = access.warnings.clone();
    if let Some(error) = access.may_write().err().filter(|_| access.is_forked()) {
        warnings.push(error.to_string());
    }
    if !vault.state.is_persistent() {
        warnings.push("the local state can't be written: a rollback of the vault would not be noticed".to_owned());
    }
    if vault.state.pending()?.is_some() {
        warnings.push(
            "a commit of this machine may not have arrived; the next command that writes sends it again".to_owned(),
        );
    }
    if !view.foreign().is_empty() {
        warnings.push(format!("{} objects in `log/` are not this vault's", view.foreign().len()));
    }
    let members = access.body().members.iter().map(|member| {
        let kind = kind_name(member.kind).to_owned();
        [kind, role_name(member.role).to_owned(), member.label.clone(), crate::vault::member_id(member).to_string()]
    });
    let times = view.effective_times(ctx.world.clock.now());
    let time = |commit: &Commit| times.get(&commit.id).copied().unwrap_or(commit.record.time);
    let newest = vault.newest(1, |_| true)?.pop();
    let shown = vault.newest(1, |commit| commit.record.kind == RecordKind::Commit)?.pop();
    let head = newest.as_ref().map(|commit| commit.id.to_string());
    let writer = vault.known_writer()?.map(|writer| writer.to_string());
    let heads: Vec<&Commit> = view.heads().iter().filter_map(|id| view.commit(id)).collect();
    let now = ctx.world.clock.now().secs;
    let totals = vault.root()?.map(|root| root.totals).unwrap_or_default();
    Ok(StatusReport {
        conflicts: totals.conflicts,
        tree: (totals.entries, totals.bytes),
        policy: vault.policy(),
        named: (vault.pins().len() as u64, vault.forget_requests().len() as u64),
        heads: heads.into_iter().map(log_entry).collect(),
        writers: last_of_writers(vault)?,
        quarantined: quarantined(vault),
        foreign: view.foreign().to_vec(),
        age: newest.as_ref().map(|commit| u64::try_from(now - commit.record.time.secs).unwrap_or(0)),
        location: vault.objects.io.describe(),
        vault_id: vault.id.to_string(),
        access_version: access.n,
        epoch: access.epoch,
        members: members.collect(),
        writer,
        head: shown.map(|commit| LogEntry { time: time(&commit), ..log_entry(&commit) }),
        records: view.count(),
        checkpoint: checkpoint(&vault.id.to_string(), head.as_deref()),
        device_key: vault.state.device_place()?,
        unfinished: (journal.len() as u64, journal.iter().map(|pack| pack.object.size).sum()),
        warnings,
    })
}

/// Commits of members that do not count, by Lamport time.
pub(super) fn quarantined(vault: &Vault) -> Vec<QuarantinedEntry> {
    vault.view().quarantined().iter().map(quarantined_entry).collect()
}

pub(super) fn quarantined_entry(quarantined: &Quarantined) -> QuarantinedEntry {
    QuarantinedEntry {
        entry: log_entry(&quarantined.commit),
        why: quarantined.why.to_string(),
        adoptable: quarantined.why.adoptable(),
    }
}

pub(super) fn log_entry(commit: &Commit) -> LogEntry {
    let told = commit.record.attribute(Attribute::ACCEPTED_ROLLBACK);
    let rollback = told.and_then(|attribute| attribute.as_accepted_rollback().ok());
    LogEntry {
        kind: match commit.record.kind {
            RecordKind::Commit => "commit",
            RecordKind::Join => "join",
            RecordKind::Close => "close",
            RecordKind::Epoch => "epoch",
            RecordKind::Acknowledgement => "acknowledgement",
            RecordKind::Completion => "completion",
        },
        writer_id: commit.writer.to_string(),
        number: commit.record.seq,
        given_up: rollback.map(|rollback| rollback.given_up.iter().map(ToString::to_string).collect()),
        id: commit.id.to_string(),
        time: commit.record.time,
        writer: commit.record.writer_label.clone(),
        operation: commit.record.operation.clone(),
        entries: commit.record.root.totals.entries,
        bytes: commit.record.root.totals.bytes,
    }
}
