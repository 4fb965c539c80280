//! What interrupted runs leave behind: packs that were stored but belong to no commit yet. Start at [`resume`].

use std::collections::{HashMap, HashSet};

use super::epochs::Epochs;
use super::error::VaultError;
use super::journal::{JournalPack, LiveSession};
use super::objects::object_name;
use super::open::Vault;
use super::placed::Placed;
use super::rules::Rule;
use super::session::seal_class;
use crate::format::index::{IndexClass, PackEntry};
use crate::format::limits::PACK_OBJECT_MAX;
use crate::format::name::{DATA_PREFIX, META_PREFIX};
use crate::format::pack::Directory;
use crate::id::ObjectId;

/// Takes over what dead runs of this installation have stored: packs of the journal that the remote still has.
pub(super) fn resume(vault: &Vault, session: &LiveSession, epochs: &Epochs) -> Result<Placed, VaultError> {
    let placed = Placed::new(vault.state.index_dir());
    let mut gone = Vec::new();
    vault.state.take_over(session)?;
    let journal = vault.state.journal_of(session)?;
    if journal.is_empty() {
        return Ok(placed);
    }
    let known = vault.committed_objects()?;
    let present = present(vault, &journal)?;
    for JournalPack { object, class } in journal {
        // What is sealed under the keys of an epoch that is over is open to whoever was removed then.
        let is_old = object.epoch != vault.epoch();
        let is_condemned = epochs.condemn(&object.id) && vault.rules.hold(Rule::Resume);
        if is_old || is_condemned || known.contains(&object.id) || !present.contains(&object.id) {
            gone.push(object.id);
            continue;
        }
        let class = IndexClass::from_u8(class).unwrap_or(IndexClass::Data);
        let directory = Directory::decode(&vault.state.journal_directory(&object.id)?, PACK_OBJECT_MAX)?;
        let number = placed.new_pack();
        placed.place(number, directory.blobs().map(|(blob, at)| (blob.id, at)));
        placed.stored(number, PackEntry { object, class })?;
    }
    vault.state.journal_remove(&gone)?;
    Ok(placed)
}

/// Which of the journal's packs the remote has: asked one by one while that is cheaper than listing.
fn present(vault: &Vault, journal: &[JournalPack]) -> Result<HashSet<ObjectId>, VaultError> {
    let io = &vault.objects.io;
    let mut present = HashSet::new();
    if journal.len() <= ASK_ONE_BY_ONE {
        for pack in journal {
            let class = seal_class(IndexClass::from_u8(pack.class).unwrap_or(IndexClass::Data));
            if io.size(&object_name(class, pack.object.id).to_string())? == Some(pack.object.size) {
                present.insert(pack.object.id);
            }
        }
        return Ok(present);
    }
    let sizes: HashMap<ObjectId, u64> = journal.iter().map(|pack| (pack.object.id, pack.object.size)).collect();
    for prefix in [DATA_PREFIX, META_PREFIX] {
        io.list(prefix, &mut |listed| {
            if let Ok(id) = listed.path.name().parse::<ObjectId>()
                && sizes.get(&id) == Some(&listed.size)
            {
                present.insert(id);
            }
            Ok(())
        })?;
    }
    Ok(present)
}

/// On a directory of this machine asking also makes the next barrier cover what is relied on.
const ASK_ONE_BY_ONE: usize = 1024;
