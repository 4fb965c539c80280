//! `writer list`: who writes to a vault.

use std::collections::BTreeMap;

use super::open::open;
use super::{Ctx, OpsError, RemoteProfile};
use crate::vault::Commit;
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
    /// When it wrote first and last, by effective time.
    pub first: Timestamp,
    /// See `first`.
    pub last: Timestamp,
    /// The number of its last record.
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
    let view = vault.view();
    let times = view.effective_times(ctx.world.clock.now());
    let time = |commit: &Commit| times.get(&commit.id).copied().unwrap_or(commit.record.time);
    let mut found: BTreeMap<_, (Timestamp, &Commit)> = BTreeMap::new();
    let all = view.newest_first();
    for commit in &all {
        // The newest comes first.
        found.entry(commit.writer).or_insert((time(commit), commit)).0 = time(commit);
    }
    let own = vault.known_writer()?;
    let access = vault.access();
    let members = &access.body().members;
    let mut rows: Vec<WriterRow> = found
        .into_iter()
        .map(|(writer, (first, last))| WriterRow {
            id: writer.to_string(),
            label: last.record.writer_label.clone(),
            member: members
                .iter()
                .find(|member| member.sign_pk == last.record.writer_sign)
                .map(|member| (member.label.clone(), crate::vault::member_id(member).to_string())),
            first,
            last: time(last),
            seq: last.record.seq,
            state: match (view.retired().contains_key(&writer), last.record.closed) {
                (true, _) => WriterState::Retired,
                (false, true) => WriterState::Closed,
                (false, false) => WriterState::Live,
            },
            own: own == Some(writer),
        })
        .collect();
    rows.sort_by(|a, b| b.last.cmp(&a.last).then_with(|| a.id.cmp(&b.id)));
    Ok(rows)
}
