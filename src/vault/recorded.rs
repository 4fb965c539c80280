//! What this installation remembers of access versions: the ends of the branches it has seen count, the strongest password
//! settings, and which version's slots were found to be those of its members.

use std::collections::HashSet;

use super::access::Access;
use super::chain::Versions;
use super::error::VaultError;
use super::state::State;
use crate::format::access::Body;
use crate::id::{AccessId, ObjectId};

/// A version that was seen in force.
pub(super) struct Recorded {
    pub(super) n: u32,
    pub(super) id: AccessId,
    object: ObjectId,
}

/// The ends of branches seen last.
pub(super) fn tips(state: &State) -> Result<Vec<Recorded>, VaultError> {
    let bytes = state.meta(TIPS)?.unwrap_or_default();
    let decode = |row: &[u8]| {
        let (n, ids) = row.split_first_chunk::<4>().expect("rows have 68 bytes");
        let (id, object) = ids.split_first_chunk::<32>().expect("64 bytes are left");
        let object = ObjectId::new(object.try_into().expect("32 bytes are left"));
        Recorded { n: u32::from_le_bytes(*n), id: AccessId::new(*id), object }
    };
    Ok(bytes.chunks_exact(68).map(decode).collect())
}

/// Holds what is there against what was seen: none of it may be gone. `is_shut` tells what is there, but not for this key.
pub(super) fn check(
    known: &[Recorded],
    versions: &Versions,
    is_shut: &dyn Fn(&ObjectId) -> bool,
    location: &str,
    problem: Option<VaultError>,
) -> Result<(), VaultError> {
    let Some(gone) = known.iter().find(|tip| versions.get(&tip.id).is_none()) else { return Ok(()) };
    if is_shut(&gone.object) {
        return Err(VaultError::NoKey(format!(
            "access version {} does not let this key in: this password was changed or removed",
            gone.n
        )));
    }
    if let Some(damaged @ VaultError::Damaged { .. }) = problem {
        return Err(damaged);
    }
    let newest = versions.newest();
    if newest < gone.n {
        return Err(VaultError::Rollback(format!(
            "the vault at {location} has gone back to access version {newest}; version {} was seen here before",
            gone.n
        )));
    }
    Err(VaultError::Equivocation(format!(
        "access version {} of the vault at {location} is another one than seen here before ({}): somebody shows a different list of members",
        gone.n,
        gone.id.short()
    )))
}

/// Remembers what is in force.
pub(super) fn remember(state: &State, access: &Access) -> Result<(), VaultError> {
    let row =
        |tip: &super::access::Tip| [&tip.body.n.to_le_bytes()[..], tip.id.as_bytes(), tip.object.as_bytes()].concat();
    let tips = access.material.tips.iter().map(row).collect::<Vec<_>>().concat();
    if state.meta(TIPS)?.is_some_and(|known| known == tips) {
        return Ok(());
    }
    if let Some(least) = access.least_kdf() {
        // Of all passwords of a version the weakest, of all versions the strongest: each password that is let in has to be as good.
        let (m_kib, t) = strongest_kdf(state)?.unwrap_or_default().max((least.m_kib, least.t));
        state.set_meta(KDF, &[m_kib, t].map(u32::to_le_bytes).concat())?;
    }
    state.set_meta(TIPS, &tips)
}

/// What was changed since this installation looked last: nobody is let in unnoticed.
pub(super) fn news(known: &[Recorded], versions: &Versions, access: &Access) -> Vec<String> {
    if known.is_empty() {
        return Vec::new();
    }
    let seen: HashSet<AccessId> = known.iter().flat_map(|tip| versions.line(&tip.id)).collect();
    let new = access.versions.iter().filter(|(id, _)| !seen.contains(id));
    let tell = |(_, body): &(AccessId, Body)| {
        let by = access.label_of(&body.signer);
        format!(
            "who has access was changed by {by}: {} (access version {}; `cryptsync key history`)",
            body.note, body.n
        )
    };
    new.map(tell).collect()
}

/// The memory (KiB) and passes that every password has to cost, by what was seen.
pub(super) fn strongest_kdf(state: &State) -> Result<Option<(u32, u32)>, VaultError> {
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let bytes = state.meta(KDF)?.filter(|bytes| bytes.len() == 8);
    Ok(bytes.map(|bytes| (number(&bytes[..4]), number(&bytes[4..]))))
}

/// Whether the slots of a version were found to be those of its members.
pub(super) fn is_sound(state: &State, id: &AccessId) -> Result<bool, VaultError> {
    Ok(state.meta(SOUND)?.is_some_and(|known| known == id.as_bytes()))
}

/// They were.
pub(super) fn set_sound(state: &State, id: &AccessId) -> Result<(), VaultError> {
    state.set_meta(SOUND, id.as_bytes())
}

const TIPS: &str = "access_tips";
const KDF: &str = "access_kdf";
const SOUND: &str = "access_sound";
