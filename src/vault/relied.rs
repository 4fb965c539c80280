//! What a run may rely on: objects that are there and that no epoch condemns. Start at [`Shared::exists`].
//!
//! Owns when a place counts as one where a blob is kept, and what a run has to do when its writer ends while it is at work.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use super::error::VaultError;
use super::index::Found;
use super::journal::LiveSession;
use super::objects::object_name;
use super::open::Vault;
use super::rules::Rule;
use super::session::{Shared, seal_class};
use crate::format::index::IndexClass;
use crate::format::name::{DATA_PREFIX, META_PREFIX};
use crate::id::{BlobId, ObjectId};

impl Shared {
    /// Whether an object must not be relied on, although it may be there.
    pub(super) fn refuses(&self, object: &ObjectId) -> bool {
        let condemned = self.epochs.read().expect("swapping does not panic").condemn(object);
        condemned && self.vault.rules.hold(Rule::Refuse)
            || self.refused.read().expect("set operations").contains(object)
    }

    /// From now on these objects are not relied on. For runs that have relied on nothing yet.
    pub(super) fn refuse(&self, objects: impl IntoIterator<Item = ObjectId>) {
        self.refused.write().expect("set operations").extend(objects);
    }

    /// The packs that this run relies on: its own, and those that it has found to be there.
    pub(super) fn relies_on(&self) -> Vec<ObjectId> {
        let checked = self.checked.lock().expect("held over requests, which return errors");
        let found = checked.iter().filter(|(_, exists)| **exists).map(|(id, _)| *id);
        found.chain(self.placed.objects()).collect()
    }

    /// For a run whose writer has ended while it was at work, and that goes on as another, for whom nobody has waited: everything
    /// it relies on must be there still, and must not be condemned.
    pub(super) fn look_again(&self) -> Result<(), VaultError> {
        if !self.vault.rules.hold(Rule::Again) {
            return Ok(());
        }
        let epochs = self.vault.epochs()?;
        let mut missing: HashSet<ObjectId> = self.relies_on().into_iter().collect();
        let condemned = missing.iter().any(|id| epochs.condemn(id));
        *self.epochs.write().expect("swapping does not panic") = epochs;
        for prefix in [DATA_PREFIX, META_PREFIX] {
            self.vault.objects.io.list(prefix, &mut |listed| {
                if let Ok(id) = listed.path.name().parse::<ObjectId>() {
                    missing.remove(&id);
                }
                Ok(())
            })?;
        }
        let bundles: HashSet<ObjectId> = self.vault.view().live().iter().map(|brief| brief.object.id).collect();
        let folded = !self.bundles.lock().expect("set operations").is_subset(&bundles);
        if condemned || folded || !missing.is_empty() { Err(ended()) } else { Ok(()) }
    }

    /// A committed place of a blob whose object is known to exist: asked once for each object newly relied on.
    pub(super) fn committed(&self, id: &BlobId) -> Result<Option<Found>, VaultError> {
        let places = self.index().lookup(id)?;
        for found in &places {
            let exists = match found.class {
                IndexClass::Log => {
                    self.bundles.lock().expect("set operations").insert(found.object.id);
                    true // it was listed when the log was read
                }
                IndexClass::Data | IndexClass::Meta => self.exists(found)?,
            };
            if exists {
                return Ok(Some(*found));
            }
        }
        // What garbage collection has condemned is expected to go.
        if places.iter().any(|found| !self.refuses(&found.object.id)) {
            self.stats.restored.fetch_add(1, Ordering::Relaxed);
        }
        Ok(None)
    }

    pub(super) fn exists(&self, found: &Found) -> Result<bool, VaultError> {
        let mut checked = self.checked.lock().expect("held over requests, which return errors");
        if let Some(exists) = checked.get(&found.object.id) {
            return Ok(*exists);
        }
        if self.refuses(&found.object.id) {
            return Ok(false);
        }
        let name = object_name(seal_class(found.class), found.object.id).to_string();
        let exists = self.vault.objects.io.size(&name)? == Some(found.object.size);
        checked.insert(found.object.id, exists);
        Ok(exists)
    }
}

/// This installation's writer has ended while a run was at work, and what the run rests on may be gone.
pub(super) fn ended() -> VaultError {
    VaultError::Busy(
        "this machine was taken for gone while it was at work, and the vault has been tidied up since: run the command again".into(),
    )
}

/// Makes a run known to the others of this installation, with the epochs that it has seen. Whoever publishes while this one
/// begins may claim more than that: then the log is read again.
pub(super) fn announce(vault: &Vault) -> Result<LiveSession, VaultError> {
    let lock = vault.publish_lock()?;
    let live = vault.state.begin_session(&*vault.world.entropy, &vault.epochs()?.open())?;
    let last = vault.own_last(&vault.view())?.map_or(0, |last| last.seq);
    let salt = vault.state.known_writer_salt()?;
    let own = salt.map(|salt| vault.access().member.public().writer_id(&salt));
    let newest = vault.state.records()?.iter().filter(|seen| Some(seen.writer) == own).map(|seen| seen.seq).max();
    drop(lock);
    if newest > Some(last) {
        vault.refresh()?;
    }
    Ok(live)
}
