//! Which objects this machine has read in full, and when: so that samples go on where the last one ended. Part of the state.

use std::collections::HashMap;

use rusqlite::params;

use super::error::VaultError;
use super::state::State;
use crate::id::ObjectId;
use crate::world::Timestamp;

impl State {
    /// When each object was last read in full, in seconds since 1970.
    ///
    /// # Errors
    /// The database fails.
    pub fn when_verified(&self) -> Result<HashMap<ObjectId, i64>, VaultError> {
        self.run(|db| {
            let mut statement = db.prepare_cached("SELECT id, at FROM verified")?;
            let rows = statement.query_map([], |row| Ok((ObjectId::new(row.get(0)?), row.get(1)?)))?;
            rows.collect()
        })
    }

    /// These objects were read.
    ///
    /// # Errors
    /// The database fails.
    pub fn note_verified(&self, ids: &[ObjectId], now: Timestamp) -> Result<(), VaultError> {
        self.run(|db| {
            let transaction = db.unchecked_transaction()?;
            {
                let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO verified VALUES (?1, ?2)")?;
                for id in ids {
                    insert.execute(params![id.as_bytes(), now.secs])?;
                }
            }
            transaction.commit()
        })
    }

    /// Forgets all others.
    ///
    /// # Errors
    /// The database fails.
    pub fn retain_verified(&self, there: impl Fn(&ObjectId) -> bool) -> Result<(), VaultError> {
        let gone: Vec<ObjectId> = self.when_verified()?.into_keys().filter(|id| !there(id)).collect();
        self.run(|db| {
            let transaction = db.unchecked_transaction()?;
            for id in &gone {
                transaction.execute("DELETE FROM verified WHERE id = ?1", [id.as_bytes()])?;
            }
            transaction.commit()
        })
    }
}
