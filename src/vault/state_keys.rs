//! Small values of an installation's state, by the beginnings of their keys.

use rusqlite::params;

use super::error::VaultError;
use super::state::State;

impl State {
    /// Small values whose keys begin with `prefix`, which holds no wildcards.
    ///
    /// # Errors
    /// The database fails.
    pub fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, VaultError> {
        self.run(|db| {
            let mut statement = db.prepare_cached("SELECT key, value FROM meta WHERE key GLOB ?1 ORDER BY key")?;
            let rows = statement.query_map([format!("{prefix}*")], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
    }

    /// Forgets a small value.
    ///
    /// # Errors
    /// The database fails.
    pub fn drop_meta(&self, key: &str) -> Result<(), VaultError> {
        self.run(|db| db.execute("DELETE FROM meta WHERE key = ?1", params![key])).map(|_| ())
    }
}
