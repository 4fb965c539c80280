//! What a person has given up on this machine with `--accept-rollback`, and that this installation needs another writer.
//! Part of the state.

use std::collections::{BTreeSet, HashSet};

use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};

use super::demands::Newest;
use super::error::VaultError;
use super::judge::Court;
use super::listing::Listing;
use super::log::Reading;
use super::state::State;
use crate::class::Class;
use crate::format::limits::GIVEN_UP_MAX;
use crate::format::record::{Attribute, Record};
use crate::format::statement::AcceptedRollback;
use crate::id::CommitId;

impl State {
    /// Commits that may be missing.
    ///
    /// # Errors
    /// The database fails.
    pub fn given_up(&self) -> Result<HashSet<CommitId>, VaultError> {
        self.run(|db| {
            let mut statement = db.prepare_cached("SELECT id FROM given_up")?;
            let rows = statement.query_map([], |row| Ok(CommitId::new(row.get(0)?)))?;
            rows.collect()
        })
    }

    /// Gives up commits: `forgotten` ones are no longer demanded, and what follows a `missing` one is left out. What is
    /// pending is dropped, because it may follow them; so is the writer, because its next number may be one of theirs.
    ///
    /// # Errors
    /// The database fails.
    pub(super) fn give_up(
        &self,
        rollback: &AcceptedRollback,
        forgotten: &[CommitId],
        missing: &[CommitId],
    ) -> Result<(), VaultError> {
        let note = Attribute::accepted_rollback(rollback).value;
        self.run(|db| {
            let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
            for id in forgotten {
                transaction.execute("DELETE FROM records WHERE id = ?1", [id.as_bytes()])?;
            }
            for id in missing {
                transaction.execute("INSERT OR IGNORE INTO given_up VALUES (?1)", [id.as_bytes()])?;
            }
            transaction.execute("DELETE FROM pending", [])?;
            transaction.execute("DELETE FROM meta WHERE key = 'writer_salt'", [])?;
            transaction.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", params![NOTE, note])?;
            transaction.commit()
        })
    }

    /// What the next record has to tell of a rollback that was accepted.
    ///
    /// # Errors
    /// The database fails.
    pub fn rollback_note(&self) -> Result<Option<Attribute>, VaultError> {
        let value = self.run(|db| {
            db.query_row("SELECT value FROM meta WHERE key = ?1", [NOTE], |row| row.get::<_, Vec<u8>>(0)).optional()
        })?;
        Ok(value.map(|value| Attribute { tag: Attribute::ACCEPTED_ROLLBACK, value }))
    }

    /// A record has told it.
    ///
    /// # Errors
    /// The database fails.
    pub fn clear_rollback_note(&self) -> Result<(), VaultError> {
        self.run(|db| db.execute("DELETE FROM meta WHERE key = ?1", [NOTE])).map(|_| ())
    }

    /// The writer of this installation has ended: what comes next is the first of another one.
    ///
    /// # Errors
    /// The database fails.
    pub fn renew_writer(&self) -> Result<(), VaultError> {
        self.run(|db| db.execute("DELETE FROM meta WHERE key = 'writer_salt'", [])).map(|_| ())
    }
}

impl Reading<'_> {
    /// Accepts what `listing` shows up to `newest`: what was seen here and is not in its ancestry is demanded no more. Gives
    /// a line for each commit that is given up.
    pub(super) fn accept_rollback(&self, listing: &Listing, newest: Newest) -> Result<Vec<String>, VaultError> {
        let gathered = self.gather(listing)?;
        let given_up = self.state.given_up()?;
        let court = Court { records: &gathered.candidates, versions: &self.access.versions, given_up: &given_up };
        let judgement = court.judge();
        let kept = match newest {
            Newest::Empty => HashSet::new(),
            Newest::Commit(id) => {
                let whole = !judgement.quarantined.contains_key(&id) && !judgement.cut.contains(&id);
                if !whole || !gathered.candidates.contains_key(&id) {
                    return Err(VaultError::Alarm {
                        class: Class::Rollback,
                        what: format!("commit {} can't be accepted as the newest", id.short()),
                        details: vec!["it is not there, it follows one that is not there, or it is quarantined".into()],
                        hint: "name a commit that `cryptsync log` on this or another machine shows and that the storage still has".into(),
                    });
                }
                court.ancestry([id])
            }
        };
        let seen = self.state.records()?;
        let forgotten: Vec<CommitId> = seen.iter().map(|seen| seen.id).filter(|id| !kept.contains(id)).collect();
        let lost: BTreeSet<CommitId> = gathered.lost.iter().map(|seen| seen.id).collect();
        let missing: Vec<CommitId> =
            lost.iter().copied().chain(judgement.incomplete.iter().map(|(_, parent)| *parent)).collect();
        let note = AcceptedRollback {
            newest: match newest {
                Newest::Empty => None,
                Newest::Commit(id) => Some(id),
            },
            given_up: lost.into_iter().take(GIVEN_UP_MAX).collect(),
        };
        self.state.give_up(&note, &forgotten, &missing)?;
        let told = gathered.lost.iter().filter_map(|seen| {
            let record = Record::decode(&seen.record).ok()?;
            let (label, time, what) = (record.writer_label, record.time.utc(), record.operation);
            Some(format!("given up: commit {} of `{label}`, made {time} (`{what}`)", seen.id.short()))
        });
        Ok(told.chain([format!("the state up to commit {newest} is accepted, on this machine")]).collect())
    }
}

const NOTE: &str = "accepted_rollback";
