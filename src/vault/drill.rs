//! When the recovery words of a vault were last tested: a statement that anybody who may write can make.

use super::error::VaultError;
use super::open::Vault;
use crate::format::access::Role;
use crate::format::record::Attribute;
use crate::id::CommitId;
use crate::world::Timestamp;

impl Vault {
    /// Records that the recovery words opened the vault just now, and that so many bytes were read with them.
    ///
    /// # Errors
    /// The key at hand may not write; the remote or the local state fails.
    pub fn record_drill(&self, bytes: u64) -> Result<CommitId, VaultError> {
        let drill = Attribute::drill(self.world.clock.now(), bytes);
        self.state_that(&[drill], "recovery test", Role::Writer)
    }

    /// When that was last recorded, by the writer's claim but not in the future. Looks through the log, newest first.
    ///
    /// # Errors
    /// The log's history can't be read.
    pub fn recovery_tested(&self) -> Result<Option<Timestamp>, VaultError> {
        let time = |attribute: &Attribute| attribute.as_drill().ok().map(|(time, _)| time);
        let said = |record: &crate::format::record::Record| record.attribute(Attribute::DRILL).and_then(time);
        let newest = self.newest(1, |commit| said(&commit.record).is_some())?.pop();
        Ok(newest.and_then(|commit| said(&commit.record)).map(|time| time.min(self.world.clock.now())))
    }
}
