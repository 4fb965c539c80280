//! What is said when the past is not what it was: rollback (exit code 21) and equivocation (22). Each names the writer
//! and the commit, what can have happened, and what to do. Decides nothing.

use super::error::VaultError;
use super::io::RemoteIo;
use super::judge::Judgement;
use super::log::Commit;
use super::state::SeenRecord;
use crate::format::record::Record;
use crate::id::CommitId;
use crate::world::Timestamp;

/// Commits that were seen here are no longer there. `newest` is what is left to go on from, `later` the highest Lamport time
/// of what is there at all.
pub(super) fn rollback(io: &RemoteIo, lost: &[&SeenRecord], newest: Option<&Commit>, later: u64) -> VaultError {
    let Some(last) = lost.iter().max_by_key(|seen| (lamport(seen), seen.id)) else {
        return VaultError::Rollback(format!("the vault at {} has gone back", io.describe()));
    };
    let what = match lost.len() {
        1 => format!("the vault at {} has gone back: a commit seen here before is no longer there", io.describe()),
        n => format!("the vault at {} has gone back: {n} commits seen here before are no longer there", io.describe()),
    };
    let record = Record::decode(&last.record).ok();
    let (label, time, operation) = record.map(|r| (r.writer_label, r.time, r.operation)).unwrap_or_default();
    let seen = Timestamp { secs: last.at, nanos: 0 };
    let which = format!(
        "the newest of them is commit {} (`{operation}`), number {} of writer {} on `{label}`, made {}, seen here {}",
        last.id.short(),
        last.seq,
        last.writer.short(),
        time.utc(),
        seen.utc(),
    );
    let writers: std::collections::BTreeSet<_> = lost.iter().map(|seen| seen.writer).collect();
    let left = match newest {
        Some(commit) => {
            format!("the newest that is left is commit {} of {}", commit.id.short(), commit.record.time.utc())
        }
        None => "nothing is left".into(),
    };
    let scope = if writers.len() == 1 && later >= lamport(last) {
        "only this writer's commits are missing: somebody hides them, or the storage has lost them"
    } else {
        "the storage was set back, for example from a backup; or it lists late; or somebody hides what is newer"
    };
    let accept = newest.map_or("empty".to_owned(), |commit| commit.id.to_string());
    VaultError::Alarm {
        class: crate::class::Class::Rollback,
        what,
        details: vec![which, format!("{left}; {scope}")],
        hint: format!(
            "nothing was changed, here or there. Try again later. If what is left is what you want, go on from it with `--accept-rollback {accept}`, once and on this machine alone"
        ),
    }
}

/// Two commits claim one place of one writer.
pub(super) fn twins(first: &Commit, second: &Commit) -> VaultError {
    let told = |commit: &Commit| {
        format!("commit {} of {} (`{}`)", commit.id.short(), commit.record.time.utc(), commit.record.operation)
    };
    VaultError::Alarm {
        class: crate::class::Class::Equivocation,
        what: format!(
            "writer {} on `{}` has two different commits number {}",
            first.writer.short(),
            first.record.writer_label,
            first.record.seq
        ),
        details: vec![
            format!("{}, and {}", told(first), told(second)),
            "a copied state directory or a restored machine does this, and so does somebody who has its key".into(),
        ],
        hint: format!(
            "nothing was changed. If it was a copy, an admin ends that writer with `cryptsync writer retire REMOTE: {}`; both commits stay, and the machine goes on as another writer. If it was not, remove its key as well",
            first.writer
        ),
    }
}

/// What a run that takes whatever there is goes on without.
pub(super) fn passed_over(lost: &[SeenRecord], judgement: &Judgement) -> Vec<String> {
    let told = lost.iter().map(|seen| {
        let time = Record::decode(&seen.record).map(|record| record.time.utc()).unwrap_or_default();
        format!("commit {} of {time}, which was seen here before, is missing", seen.id.short())
    });
    let missing = judgement
        .incomplete
        .iter()
        .map(|(child, parent)| format!("commit {} is missing, which commit {} follows", parent.short(), child.short()));
    told.chain(missing).collect()
}

/// Another commit stands where this one was seen.
pub(super) fn replaced(seen: &SeenRecord, now: &Commit) -> VaultError {
    VaultError::Alarm {
        class: crate::class::Class::Equivocation,
        what: format!(
            "commit {}, number {} of writer {} on `{}`, was replaced by commit {}",
            seen.id.short(),
            seen.seq,
            seen.writer.short(),
            now.record.writer_label,
            now.id.short()
        ),
        details: vec![format!(
            "the first was seen here {}; the second claims to be of {}",
            Timestamp { secs: seen.at, nanos: 0 }.utc(),
            now.record.time.utc()
        )],
        hint: format!(
            "nothing was changed. The storage shows another history than before: either it was set back and that machine has written again, or somebody has its key. Compare with your other machines. To go on from what is there, use `--accept-rollback {}` once, on this machine alone",
            now.id
        ),
    }
}

/// A record follows one that is not there.
pub(super) fn incomplete(child: &Commit, parent: &CommitId, newest: Option<&Commit>) -> VaultError {
    let accept = newest.map_or("empty".to_owned(), |commit| commit.id.to_string());
    VaultError::Alarm {
        class: crate::class::Class::Missing,
        what: format!("commit {} is missing", parent.short()),
        details: vec![format!(
            "commit {} of writer {} on `{}`, made {}, follows it: somebody hides it, or the storage has lost it",
            child.id.short(),
            child.writer.short(),
            child.record.writer_label,
            child.record.time.utc()
        )],
        hint: format!(
            "nothing was changed. Try again later. To go on without it and what follows it, use `--accept-rollback {accept}` once, on this machine alone"
        ),
    }
}

fn lamport(seen: &SeenRecord) -> u64 {
    Record::decode(&seen.record).map_or(0, |record| record.lamport)
}
