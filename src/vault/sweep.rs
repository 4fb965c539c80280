//! Deleting what a checkpoint before the last has folded: the only code that takes objects off the remote.
//!
//! An object goes only after this very run has seen that nothing is lost with it: its record is in the history, and every
//! blob of its bundle in a pack that is there. What can't be shown stays. Failing to delete fails nothing.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::checkpoint::Doomed;
use super::error::VaultError;
use super::index::drop_segment;
use super::open::Vault;
use super::session::{Session, Shared};
use crate::format::hints::ObjectRef;
use crate::format::limits::PACK_OBJECT_MAX;
use crate::format::name::ObjectName;
use crate::format::pack::Directory;
use crate::format::summary::Folded;
use crate::id::{BlobKind, ObjectId};

impl Session {
    /// Deletes what `doomed` names, as far as that is safe and the remote lets it.
    ///
    /// # Errors
    /// The run is cancelled.
    pub(super) fn sweep(&self, doomed: &Doomed) -> Result<(), VaultError> {
        let shared = &self.shared;
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..doomed.records.len().min(SWEEPERS) {
                scope.spawn(|| {
                    while let Some(folded) = doomed.records.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if shared.vault.checkpoint().is_err() || shared.delete_folded(folded).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        let in_force: Vec<ObjectId> = shared.vault.view().segment_refs().iter().map(|segment| segment.id).collect();
        for id in doomed.segments.iter().filter(|id| !in_force.contains(id)) {
            shared.vault.checkpoint()?;
            if shared.vault.objects.io.delete(&ObjectName::Index(*id).to_string()).is_ok() {
                drop_segment(&shared.vault.state, id);
            }
        }
        shared.vault.checkpoint()
    }
}

impl Shared {
    fn delete_folded(&self, folded: &Folded) -> Result<(), VaultError> {
        if self.is_redundant(folded)? {
            self.vault.objects.io.delete(&log_name(&self.vault, folded).to_string())?;
        }
        Ok(())
    }

    /// Whether nothing would be lost with a log object.
    fn is_redundant(&self, folded: &Folded) -> Result<bool, VaultError> {
        let vault = &self.vault;
        let view = vault.view();
        let segments = view.segment_refs();
        if view.past.histories.find(&vault.history_source(&segments), folded.lamport, &folded.id)?.is_none() {
            return Ok(false);
        }
        let object = ObjectRef { id: folded.object, size: 0, epoch: 0, salt: [0; 32] };
        let directory = vault.objects.bundle_directory(&object)?;
        if directory.is_empty() {
            return Ok(true);
        }
        for (blob, _) in Directory::decode(&directory, PACK_OBJECT_MAX)?.blobs() {
            if blob.kind != BlobKind::History && !self.is_packed(&blob.id)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn log_name(vault: &Vault, folded: &Folded) -> ObjectName {
    let tag = vault.keys().writer_tag(&folded.writer);
    ObjectName::Record { lamport: folded.lamport, tag, seq: folded.seq, id: folded.object }
}

/// Deletions at a time.
const SWEEPERS: usize = 8;
