//! What a person has given up on this machine with `--accept-rollback`, and that this installation needs another writer.
//! Part of the state.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};

use super::error::VaultError;
use super::state::State;
use crate::format::record::Attribute;
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

    /// Gives up commits: those that were seen are no longer demanded, and what follows any of them may stay away. What is
    /// pending is dropped, because it may follow them; so is the writer, because its next number may be one of theirs.
    ///
    /// # Errors
    /// The database fails.
    pub fn give_up(&self, rollback: &AcceptedRollback, forgotten: &[CommitId]) -> Result<(), VaultError> {
        let note = Attribute::accepted_rollback(rollback).value;
        self.run(|db| {
            let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
            for id in forgotten {
                transaction.execute("DELETE FROM records WHERE id = ?1", [id.as_bytes()])?;
            }
            for id in &rollback.given_up {
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

const NOTE: &str = "accepted_rollback";
