//! Reading a whole pack to see that all of it is what it should be.

use super::error::VaultError;
use super::io::RemoteIo;
use super::objects::{fetch_range, fetch_whole, good_copy, object_name};
use super::open::Vault;
use super::session::seal_class;
use crate::crypto::{self, ObjectHasher, SealContext};
use crate::format::index::{IndexClass, PackEntry};
use crate::format::limits::PACK_OBJECT_MAX;
use crate::format::name::ObjectName;
use crate::format::node::split_blob;
use crate::format::pack::{Directory, Footer, decode_frame, split_footer};
use crate::id::BlobKind;

/// Reads a pack from the remote itself, opens it, and recomputes the id of every blob. Gives the bytes read.
///
/// # Errors
/// The remote's, or the first thing in the pack that is not as it should be.
pub fn verify_pack(vault: &Vault, pack: &PackEntry) -> Result<u64, VaultError> {
    if pack.class == IndexClass::Log {
        return Ok(0); // part of the log, which `verify_bytes` reads
    }
    verified_directory(vault, pack).map(|_| pack.object.size)
}

/// The same, of a pack that is no bundle; gives its directory.
pub(super) fn verified_directory(vault: &Vault, pack: &PackEntry) -> Result<Vec<u8>, VaultError> {
    let class = seal_class(pack.class);
    let name = object_name(class, pack.object.id);
    let damaged = |reason: &str| VaultError::damaged(name, reason);
    if pack.object.size > PACK_OBJECT_MAX {
        return Err(damaged("it is larger than the format allows"));
    }
    let bytes = fetch_whole(&vault.objects.io, &name, pack.object.size)?;
    let plain = crypto::open(vault.keys(), &SealContext { class, name: b"" }, &bytes)
        .map_err(|error| damaged(&error.to_string()))?;
    let Footer::Whole(footer) = split_footer(&plain)? else { return Err(damaged("its directory is malformed")) };
    let space = (plain.len() - footer.len() - 4) as u64;
    let mut at = 0;
    for frame in Directory::decode(footer, space)?.frames {
        let stored = &plain[at..at + frame.stored_len as usize];
        at += frame.stored_len as usize;
        let content = decode_frame(stored).map_err(|_| damaged("a frame does not decode"))?;
        let mut rest = &content[..];
        for blob in &frame.blobs {
            let (bytes, after) =
                rest.split_at_checked(blob.len as usize).ok_or_else(|| damaged("a frame is too short"))?;
            rest = after;
            let hashed = if blob.kind == BlobKind::Chunk { bytes } else { split_blob(bytes)?.0 };
            if vault.keys().blob_id(blob.kind, hashed) != blob.id {
                return Err(damaged("a blob is not the one it should be"));
            }
        }
    }
    if plain[at..space as usize].iter().any(|byte| *byte != 0) {
        return Err(damaged("its padding is not zero"));
    }
    Ok(footer.to_vec())
}

/// Reads an object from the remote itself and holds its bytes against its name. Gives the bytes read.
///
/// # Errors
/// The remote's, or [`VaultError::Damaged`].
pub fn verify_bytes(io: &RemoteIo, name: &ObjectName, size: u64) -> Result<u64, VaultError> {
    let mut hasher = ObjectHasher::new();
    for start in (0..size).step_by(STEP as usize) {
        hasher.update(&fetch_range(io, name, start..(start + STEP).min(size))?);
    }
    let is_good = hasher.finish() == name.id() || (size <= PACK_OBJECT_MAX && good_copy(io, name)?.is_some());
    if is_good { Ok(size) } else { Err(VaultError::damaged(name, "its bytes do not hash to its name")) }
}

const STEP: u64 = 4 << 20;
