//! Slots: an epoch's secret, wrapped for one member each (docs/format.md, section 4.3).
//!
//! The list of slots is a function of the secret and of the members: nothing in it is left to chance, so that everybody who holds
//! the secret can tell whether it is wrapped for the members there are, and for nobody else.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use subtle::ConstantTimeEq;
use x_wing::{Ciphertext, Decapsulate, EncapsulationKey};
use zeroize::Zeroizing;

use super::domain::Domain;
use super::keys::{Secret32, hash};
use super::member::{BadKey, MemberKeys, MemberPublic};
use super::seal::lp;
use crate::id::VaultId;

/// Length of a slot in bytes.
pub const SLOT_LEN: usize = 1200;

/// The slots of access version `n` with the secret of its epoch for these members, in their order, and dummies that fill the
/// list up to a multiple of eight.
///
/// # Errors
/// A member's key is malformed.
pub fn slot_list(
    members: &[MemberPublic],
    vault: &VaultId,
    n: u32,
    epoch: u32,
    secret: &Secret32,
) -> Result<Vec<[u8; SLOT_LEN]>, BadKey> {
    let count = members.len().next_multiple_of(8);
    (0..count as u32)
        .map(|id| {
            let place = Place { vault, n, epoch, id };
            match members.get(id as usize) {
                Some(member) => place.seal(member, secret, secret),
                None => place.dummy(secret),
            }
        })
        .collect()
}

struct Place<'a> {
    vault: &'a VaultId,
    n: u32,
    epoch: u32,
    id: u32,
}

impl Place<'_> {
    /// A slot for `to` with `content`; what an encapsulation draws at random comes of the epoch's `secret`.
    fn seal(&self, to: &MemberPublic, content: &Secret32, secret: &Secret32) -> Result<[u8; SLOT_LEN], BadKey> {
        let key = EncapsulationKey::try_from(&to.kem[..]).map_err(|_| BadKey)?;
        let mut randomness = Zeroizing::new([0; 64]);
        let mut hasher = self.hasher(Domain::Encapsulate, secret);
        hasher.update(&hash(&to.kem[..])).finalize_xof().fill(&mut *randomness);
        let (ciphertext, shared) = key.encapsulate_deterministic(&(*randomness).into());
        let (cipher, check) = slot_keys(&shared, &ciphertext, &to.kem, self.vault, self.epoch, self.id);
        let mut slot = [0; SLOT_LEN];
        slot[..CT].copy_from_slice(&ciphertext);
        slot[CT..CT + 32].copy_from_slice(&check);
        let (body, tag) = slot[CT + 32..].split_at_mut(32);
        body.copy_from_slice(content.expose());
        tag.copy_from_slice(&cipher.encrypt_inout_detached(&XNonce::default(), b"", body.into()).expect("32 bytes"));
        Ok(slot)
    }

    /// A slot of nobody's. Random bytes could be told from real slots: neither half of a ciphertext is uniform.
    fn dummy(&self, secret: &Secret32) -> Result<[u8; SLOT_LEN], BadKey> {
        let mut okm = Zeroizing::new([0; 64]);
        self.hasher(Domain::Dummy, secret).finalize_xof().fill(&mut *okm);
        let part = |at: usize| Secret32::new(okm[at..at + 32].try_into().expect("thirty-two bytes"));
        self.seal(&MemberKeys::from_seed(&part(0)).public(), &part(32), secret)
    }

    fn hasher(&self, domain: Domain, secret: &Secret32) -> blake3::Hasher {
        let mut hasher = domain.hasher();
        hasher.update(secret.expose()).update(self.vault.as_bytes());
        for number in [self.n, self.epoch, self.id] {
            hasher.update(&number.to_le_bytes());
        }
        hasher
    }
}

/// Unwraps an epoch's secret; `None` if the slot is not this member's.
pub fn open_slot(
    member: &MemberKeys,
    vault: &VaultId,
    epoch: u32,
    slot_id: u32,
    slot: &[u8; SLOT_LEN],
) -> Option<Secret32> {
    let ciphertext = Ciphertext::try_from(&slot[..CT]).expect("the slice has the ciphertext's length");
    let shared = member.kem.decapsulate(&ciphertext);
    let (cipher, check) = slot_keys(&shared, &ciphertext, &member.public().kem, vault, epoch, slot_id);
    if !bool::from(check.ct_eq(&slot[CT..CT + 32])) {
        return None;
    }
    let mut secret = Zeroizing::new([0; 32]);
    secret.copy_from_slice(&slot[CT + 32..CT + 64]);
    let tag = Tag::try_from(&slot[CT + 64..]).expect("the slice has the tag's length");
    cipher.decrypt_inout_detached(&XNonce::default(), b"", secret.as_mut_slice().into(), &tag).ok()?;
    Some(Secret32::new(*secret))
}

fn slot_keys(
    shared: &[u8],
    ciphertext: &[u8],
    kem: &[u8; 1216],
    vault: &VaultId,
    epoch: u32,
    slot_id: u32,
) -> (XChaCha20Poly1305, [u8; 32]) {
    let mut hasher = Domain::Slot.hasher();
    for part in [&lp(shared), shared, &lp(ciphertext), ciphertext, &hash(kem), vault.as_bytes()] {
        hasher.update(part);
    }
    hasher.update(&epoch.to_le_bytes()).update(&slot_id.to_le_bytes());
    let mut okm = Zeroizing::new([0; 64]);
    hasher.finalize_xof().fill(&mut *okm);
    let cipher = XChaCha20Poly1305::new_from_slice(&okm[..32]).expect("the key has 32 bytes");
    (cipher, okm[32..].try_into().expect("thirty-two bytes"))
}

const CT: usize = x_wing::CIPHERTEXT_SIZE;

#[cfg(test)]
mod tests {
    use super::*;

    const VAULT: VaultId = VaultId::new([1; 32]);

    fn member(byte: u8) -> MemberKeys {
        MemberKeys::from_seed(&Secret32::new([byte; 32]))
    }

    fn list(n: u32, epoch: u32, secret: u8) -> Vec<[u8; SLOT_LEN]> {
        let members = [member(1).public(), member(2).public(), member(3).public()];
        slot_list(&members, &VAULT, n, epoch, &Secret32::new([secret; 32])).unwrap()
    }

    #[test]
    fn slots_open_for_their_member_only_and_only_in_place() {
        let slot = list(7, 3, 42)[2];
        assert_eq!(open_slot(&member(3), &VAULT, 3, 2, &slot).unwrap().expose(), &[42; 32]);
        assert!(open_slot(&member(2), &VAULT, 3, 2, &slot).is_none());
        assert!(open_slot(&member(3), &VAULT, 4, 2, &slot).is_none());
        assert!(open_slot(&member(3), &VAULT, 3, 1, &slot).is_none());
        assert!(open_slot(&member(3), &VaultId::new([2; 32]), 3, 2, &slot).is_none());
        for at in (0..SLOT_LEN).step_by(37).chain([SLOT_LEN - 1]) {
            let mut bad = slot;
            bad[at] ^= 1;
            assert!(open_slot(&member(3), &VAULT, 3, 2, &bad).is_none(), "byte {at}");
        }
    }

    #[test]
    fn the_list_is_a_function_of_secret_members_and_place() {
        let slots = list(7, 3, 42);
        assert_eq!(slots.len(), 8);
        assert_eq!(slots, list(7, 3, 42));
        let distinct: std::collections::HashSet<[u8; SLOT_LEN]> = slots.iter().copied().collect();
        assert_eq!(distinct.len(), 8, "no dummy equals another");
        for other in [list(8, 3, 42), list(7, 4, 42), list(7, 3, 43)] {
            assert!(slots.iter().zip(&other).all(|(a, b)| a[..64] != b[..64]));
        }
        for slot in &slots[3..] {
            assert!((0..8).all(|id| (1..4).all(|m| open_slot(&member(m), &VAULT, 3, id, slot).is_none())));
        }
    }

    /// Frozen: a change here is a change of the format.
    #[test]
    fn slots_are_frozen() {
        let slots = list(7, 3, 42);
        let vector = format!("{} {}", crate::id::base32(&hash(&slots[0])), crate::id::base32(&hash(&slots[7])));
        assert_eq!(vector, include_str!("testdata/slots.txt").trim_end());
    }
}
