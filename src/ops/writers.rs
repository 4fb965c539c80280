//! `writer list`: who writes to a vault.

use std::collections::BTreeMap;

use super::open::open;
use super::{Ctx, OpsError, RemoteProfile};
use crate::id::WriterId;
use crate::vault::{Commit, Vault, effective_times, member_id};
use crate::world::Timestamp;

/// One writer of a vault: one installation, or one run of one that keeps no state.
#[derive(Debug, Clone)]
pub struct WriterRow {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub label: String,
    /// The member whose key it signs with: label and id. None if it is no member any more.
    pub member: Option<(String, String)>,
    /// When it wrote first, by effective time; `None` where the log was not read that far.
    pub first: Option<Timestamp>,
    /// When it wrote last: by effective time, or where `first` is not known as it claims.
    pub last: Timestamp,
    /// The id of its last record that counts.
    pub commit: String,
    /// The number of that record.
    pub seq: u64,
    /// What became of it.
    pub state: WriterState,
    /// Whether it is this installation's.
    pub own: bool,
}

/// Whether more of a writer is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriterState {
    /// It may write again.
    Live,
    /// Its last record says that it is the last.
    Closed,
    /// An admin has ended it.
    Retired,
}

impl WriterState {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Closed => "closed",
            Self::Retired => "retired",
        }
    }
}

/// All writers that the log knows, the one that wrote last first.
///
/// # Errors
/// The vault can't be read.
pub fn writers(ctx: &Ctx<'_>, remote: &RemoteProfile) -> Result<Vec<WriterRow>, OpsError> {
    let opened = open(ctx, remote)?;
    let vault = &opened.vault;
    let all = vault.newest(usize::MAX, |_| true)?;
    let times = effective_times(all.iter(), ctx.world.clock.now());
    let time = |commit: &Commit| times.get(&commit.id).copied().unwrap_or(commit.record.time);
    let mut found: BTreeMap<_, (Timestamp, &Commit)> = BTreeMap::new();
    for commit in &all {
        // The newest comes first.
        found.entry(commit.writer).or_insert((time(commit), commit)).0 = time(commit);
    }
    let own = vault.known_writer()?;
    let rows = found.into_values();
    let rows = rows.map(|(first, last)| WriterRow { first: Some(first), last: time(last), ..row(vault, own, last) });
    let mut rows: Vec<WriterRow> = rows.collect();
    rows.sort_by(|a, b| b.last.cmp(&a.last).then_with(|| a.id.cmp(&b.id)));
    Ok(rows)
}

/// The same but for when they wrote first, without reading all of the log.
pub(super) fn last_of_writers(vault: &Vault) -> Result<Vec<WriterRow>, OpsError> {
    let own = vault.known_writer()?;
    Ok(vault.last_records()?.iter().map(|last| row(vault, own, last)).collect())
}

/// A writer, by the last of its records that counts.
fn row(vault: &Vault, own: Option<WriterId>, last: &Commit) -> WriterRow {
    let (access, Commit { writer, record, .. }) = (vault.access(), last);
    let member = access.body().members.iter().find(|member| member.sign_pk == record.writer_sign);
    WriterRow {
        id: writer.to_string(),
        label: record.writer_label.clone(),
        member: member.map(|member| (member.label.clone(), member_id(member).to_string())),
        first: None,
        last: record.time,
        commit: last.id.to_string(),
        seq: record.seq,
        state: match (vault.view().retired().contains_key(writer), record.closed) {
            (true, _) => WriterState::Retired,
            (false, true) => WriterState::Closed,
            (false, false) => WriterState::Live,
        },
        own: own == Some(*writer),
    }
}
