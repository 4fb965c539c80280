//! Deleting what a checkpoint before the last has folded: the only code that takes objects off the remote.
//!
//! Whoever folded may be another machine, faulty or hostile. So an object goes only after this very run has seen that nothing
//! is lost with it: its own record, with a good signature, is in the history, and every blob of its bundle was read from a
//! pack that is there. What can't be shown stays. Failing to delete fails nothing.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::checkpoint::Doomed;
use super::error::VaultError;
use super::index::{Found, Index, drop_segment, read_segment};
use super::listing::record_name;
use super::open::Vault;
use super::session::{Session, Shared};
use crate::crypto::{self, Label};
use crate::format::hints::Location;
use crate::format::index::{IndexClass, IndexRecord, Preload, SegmentReader};
use crate::format::name::ObjectName;
use crate::format::pack::{BlobEntry, Directory};
use crate::format::record::LogPlaintext;
use crate::format::summary::Folded;
use crate::id::{BlobId, BlobKind, ObjectId};

impl Session {
    /// Deletes what `doomed` names, as far as that is safe and the remote lets it.
    ///
    /// # Errors
    /// The run is cancelled.
    pub(super) fn sweep(&self, doomed: &Doomed) -> Result<(), VaultError> {
        let shared = &self.shared;
        let (next, read, gone) = (AtomicUsize::new(0), Windows::default(), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..doomed.records.len().min(SWEEPERS) {
                scope.spawn(|| {
                    while let Some(folded) = doomed.records.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let judged = shared.vault.checkpoint().and_then(|()| shared.is_redundant(folded, &read));
                        match judged {
                            Ok(true) => gone.lock().expect("pushes").push(log_name(&shared.vault, folded).to_string()),
                            Err(error) if !is_its_own_fault(&error) => return,
                            _ => {}
                        }
                    }
                });
            }
        });
        let gone = gone.into_inner().expect("pushes");
        if !gone.is_empty() && matches!(shared.vault.objects.io.delete_many(&gone), Err(VaultError::Cancelled)) {
            return Err(VaultError::Cancelled);
        }
        match self.sweep_segments(&doomed.segments) {
            Err(VaultError::Cancelled) => Err(VaultError::Cancelled),
            _ => shared.vault.checkpoint(),
        }
    }

    fn sweep_segments(&self, doomed: &[ObjectId]) -> Result<(), VaultError> {
        let vault = &self.shared.vault;
        let segments = vault.view().segment_refs();
        let doomed: Vec<&ObjectId> =
            doomed.iter().filter(|id| !segments.iter().any(|segment| segment.id == **id)).collect();
        if doomed.is_empty() {
            return Ok(());
        }
        let in_force = Index::load(&vault.objects, &vault.state, &segments, &[], false)?;
        for id in doomed {
            vault.checkpoint()?;
            match is_superseded(vault, id, &in_force) {
                Ok(true) => {
                    vault.objects.io.delete(&ObjectName::Index(*id).to_string())?;
                    drop_segment(&vault.state, id);
                }
                Ok(false) => {}
                Err(error) if is_its_own_fault(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether the segments in force tell all that this one tells of packs.
fn is_superseded(vault: &Vault, id: &ObjectId, in_force: &Index) -> Result<bool, VaultError> {
    let reader = SegmentReader::open(read_segment(&vault.objects, &vault.state, id)?, Preload::None)?;
    for record in reader.iter() {
        let IndexRecord { id16, pack, location } = record?;
        let pack = reader.pack(pack)?;
        let known = |found: &Found| found.object.id == pack.object.id && found.at == location;
        // Segments know half of an id.
        let id = BlobId::new([id16, [0; 16]].concat().try_into().expect("two halves"));
        if pack.class != IndexClass::Log && !in_force.lookup(&id)?.iter().any(known) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether an error tells of one object, and nothing of the next.
fn is_its_own_fault(error: &VaultError) -> bool {
    error.is_not_found() || matches!(error, VaultError::Damaged { .. } | VaultError::Limit(_))
}

impl Shared {
    /// Whether nothing would be lost with a log object.
    fn is_redundant(&self, folded: &Folded, read: &Windows) -> Result<bool, VaultError> {
        let vault = &self.vault;
        let view = vault.view();
        let segments = view.segment_refs();
        let source = vault.history_source(&segments);
        let Some(kept) = view.past.histories.find(&source, folded.lamport, &folded.id)? else { return Ok(false) };
        let (key, signed) = (&kept.record.writer_sign, &kept.signed);
        if !crypto::verify(key, Label::Commit, &vault.id, &signed.record, &signed.signature) {
            return Ok(false);
        }
        let name = log_name(vault, folded);
        let Some(size) = vault.objects.log_size(&name) else { return Ok(false) };
        let Some((_, plain)) = vault.objects.open_log(&name, size)? else { return Ok(false) };
        let parts = LogPlaintext::split(&plain)?;
        // The object may be of another record than the one that is kept.
        if crypto::commit_id(&vault.id, parts.record) != folded.id {
            return Ok(false);
        }
        let body = &plain[parts.body];
        if body.is_empty() || kept.record.collects() {
            return Ok(true);
        }
        for (blob, _) in Directory::of_bundle(body)?.blobs() {
            if blob.kind != BlobKind::History && !self.is_kept(blob, read)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a blob is in a pack: one that this run has stored, or one that it has read it from.
    fn is_kept(&self, blob: &BlobEntry, read: &Windows) -> Result<bool, VaultError> {
        if self.placed.find(&blob.id)?.is_some() {
            return Ok(true);
        }
        for found in self.index().lookup(&blob.id)? {
            if found.class == IndexClass::Log || !self.exists(&found)? || !read.may(&found.object.id, &found.at) {
                continue;
            }
            match self.vault.objects.blob(blob.kind, &blob.id, &found.object, &found.at) {
                Ok(_) => return Ok(true),
                Err(error) if is_its_own_fault(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

/// What was read of packs: bounds what a run reads for the sake of deleting. What is left over is for the next checkpoint.
#[derive(Default)]
struct Windows(Mutex<HashSet<(ObjectId, u32)>>);

impl Windows {
    fn may(&self, pack: &ObjectId, at: &Location) -> bool {
        let mut read = self.0.lock().expect("set operations");
        let last = at.frame_offset.saturating_add(at.frame_len) / WINDOW;
        let new: Vec<_> =
            (at.frame_offset / WINDOW..=last).map(|i| (*pack, i)).filter(|window| !read.contains(window)).collect();
        let fits = read.len() + new.len() <= WINDOWS_MAX;
        if fits {
            read.extend(new);
        }
        fits
    }
}

fn log_name(vault: &Vault, folded: &Folded) -> ObjectName {
    record_name(vault.keys(), folded.lamport, folded.seq, folded.object)
}

/// Objects that are judged at a time.
const SWEEPERS: usize = 8;
/// Bytes of a pack that are read at once.
const WINDOW: u32 = 1 << 20;
/// How many such windows one run reads: four times what it takes for all bundles of a log that is due to be folded, if they were
/// folded in one go.
const WINDOWS_MAX: usize = 128;
