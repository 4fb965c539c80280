//! What interrupted runs leave behind: packs that were stored but belong to no commit yet. Start at [`resume`].

use std::collections::{HashMap, HashSet};

use super::error::VaultError;
use super::index::short;
use super::objects::object_name;
use super::open::Vault;
use super::session::{Placed, seal_class};
use super::state::JournalPack;
use crate::format::index::IndexClass;
use crate::format::limits::PACK_OBJECT_MAX;
use crate::format::name::{DATA_PREFIX, META_PREFIX};
use crate::format::pack::Directory;
use crate::id::ObjectId;

/// Takes over what interrupted runs of this installation have stored: packs of the journal that the remote still has.
pub(super) fn resume(vault: &Vault) -> Result<Placed, VaultError> {
    let mut placed = Placed::default();
    let mut gone = Vec::new();
    let journal = vault.state.journal()?;
    if journal.is_empty() {
        return Ok(placed);
    }
    let known = vault.committed_objects()?;
    let present = present(vault, &journal)?;
    for pack in journal {
        let class = IndexClass::from_u8(pack.class).unwrap_or(IndexClass::Data);
        if known.contains(&pack.object.id) || !present.contains(&pack.object.id) {
            gone.push(pack.object.id);
            continue;
        }
        let number = placed.packs.len() as u32;
        placed.packs.push(Some((class, pack.object)));
        for (blob, at) in Directory::decode(&pack.directory, PACK_OBJECT_MAX)?.blobs() {
            placed.blobs.insert(short(&blob.id), (number, at));
        }
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

const ASK_ONE_BY_ONE: usize = 16;
