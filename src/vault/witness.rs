//! Another place that holds the same vault, as a witness: what it has of the log that the storage does not show exposes a
//! rollback. It is believed no more than the storage: what counts is what members have signed.

use std::collections::HashSet;
use std::sync::Arc;

use super::error::VaultError;
use super::io::RemoteIo;
use super::listing::Listing;
use super::log::Commit;
use super::objects::Objects;
use super::open::Vault;
use super::verify_record::{Verdict, Verifier};
use crate::class::Class;
use crate::format::name::ObjectName;
use crate::id::ObjectId;

impl Vault {
    /// Holds the log against that of a witness, `name` to people. The newest records that only the witness has are read from it.
    /// One that lags behind proves nothing and is no fault.
    ///
    /// # Errors
    /// [`VaultError::Alarm`] if the witness has a commit that the storage hides; the witness's own errors.
    pub fn hear(&self, io: RemoteIo, name: &str) -> Result<(), VaultError> {
        let mut listing = Listing::read(&io)?;
        listing.keep_genuine(self.keys());
        let view = self.view();
        let names: HashSet<&str> = view.names().iter().map(String::as_str).collect();
        let known: HashSet<ObjectId> = view.log_objects().collect();
        let only_there =
            |(name, _): &(&ObjectName, &u64)| !known.contains(&name.id()) && !names.contains(name.to_string().as_str());
        let newest: Vec<(ObjectName, u64)> = listing
            .records
            .iter()
            .rev()
            .filter(only_there)
            .take(HEARD_MAX)
            .map(|(name, size)| (*name, *size))
            .collect();
        let objects = Objects::new(io, Arc::clone(&self.objects.keys), self.objects.cache.clone(), MEMORY);
        let access = self.access();
        let verifier = Verifier { objects: &objects, access: &access, vault: &self.id };
        for (object, size) in newest {
            // What does not verify is no testimony; a version of the members that is not here belongs to what is hidden.
            if let Verdict::Signed(candidate, _) = verifier.verify(&object, size)?
                && candidate.fault.is_none()
                && !self.has_seen(&candidate.commit)?
            {
                return Err(self.hidden(&candidate.commit, name));
            }
        }
        Ok(())
    }

    fn has_seen(&self, commit: &Commit) -> Result<bool, VaultError> {
        // What a person has given up here stays given up, wherever else it is.
        if self.state.given_up()?.contains(&commit.id)
            || self.view().quarantined().iter().any(|known| known.commit.id == commit.id)
        {
            return Ok(true);
        }
        match self.record_of(&commit.id) {
            Ok(_) => Ok(true),
            Err(VaultError::Missing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn hidden(&self, commit: &Commit, witness: &str) -> VaultError {
        let location = self.objects.io.describe();
        VaultError::Alarm {
            class: Class::Rollback,
            what: format!(
                "the vault at {location} does not show commit {}, which the witness `{witness}:` has",
                commit.id.short()
            ),
            details: vec![format!(
                "it is number {} of writer {} on `{}`, made {} (`{}`)",
                commit.record.seq,
                commit.writer.short(),
                commit.record.writer_label,
                commit.record.time.utc(),
                commit.record.operation
            )],
            hint: format!(
                "nothing was changed. Try again later; if this stays so, the storage was set back or somebody hides what is newer: `cryptsync replicate {witness}: REMOTE:` brings it back"
            ),
        }
    }
}

/// The newest are enough: whoever hides one commit has to hide all that follow it.
const HEARD_MAX: usize = 16;
/// Log records are small.
const MEMORY: usize = 4 << 20;
