//! Members: one seed, two key pairs; slots that wrap an epoch's secret for one of them; signatures
//! (docs/format.md, sections 4.1, 4.3, 4.6).

use std::io;

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use subtle::ConstantTimeEq;
use x_wing::{Ciphertext, Decapsulate, DecapsulationKey, Decapsulator, EncapsulationKey, KeyExport};
use zeroize::Zeroizing;

use super::domain::Domain;
use super::keys::{Secret32, hash};
use super::seal::lp;
use crate::id::{MemberId, VaultId, WriterId};
use crate::world::Entropy;

/// Length of a slot in bytes.
pub const SLOT_LEN: usize = 1200;

/// The secret half of a member.
pub struct MemberKeys {
    kem: DecapsulationKey,
    sign: SigningKey,
}

/// The public half of a member.
#[derive(Clone, PartialEq, Eq)]
pub struct MemberPublic {
    /// X-Wing encapsulation key.
    pub kem: Box<[u8; 1216]>,
    /// Ed25519 public key.
    pub sign: [u8; 32],
}

/// A public key that must not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a public key is malformed or weak")]
pub struct BadKey;

/// What a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// A log record.
    Commit,
    /// An access version.
    Access,
    /// The adoption of a quarantined commit.
    Adopt,
}

impl MemberKeys {
    /// The keys that come of a seed.
    pub fn from_seed(seed: &Secret32) -> Self {
        let kem = DecapsulationKey::from(*seed.derive(Domain::MemberKem).expose());
        let sign = SigningKey::from_bytes(seed.derive(Domain::MemberSign).expose());
        Self { kem, sign }
    }

    /// The public half.
    pub fn public(&self) -> MemberPublic {
        let kem: [u8; 1216] = self.kem.encapsulation_key().to_bytes().into();
        MemberPublic { kem: Box::new(kem), sign: self.sign.verifying_key().to_bytes() }
    }

    /// Signs a message.
    pub fn sign(&self, label: Label, vault: &VaultId, message: &[u8]) -> [u8; 64] {
        self.sign.sign(&signed_bytes(label, vault, message)).to_bytes()
    }
}

impl MemberPublic {
    /// The id of the member.
    pub fn id(&self) -> MemberId {
        let hash = Domain::Member.hasher().update(&self.kem[..]).update(&self.sign).finalize();
        MemberId::new(hash.as_bytes()[..16].try_into().expect("a hash has 32 bytes"))
    }

    /// The id of the writer that this member is on one installation.
    pub fn writer_id(&self, salt: &[u8; 16]) -> WriterId {
        writer_id(&self.sign, salt)
    }

    /// Refuses keys that are malformed, or weak: with a small-order key a signature proves nothing.
    ///
    /// # Errors
    /// [`BadKey`].
    pub fn check(&self) -> Result<(), BadKey> {
        verifying_key(&self.sign)?;
        EncapsulationKey::try_from(&self.kem[..]).map_err(|_| BadKey)?;
        Ok(())
    }
}

/// The id of a writer: a member's signing key and what is particular to one installation.
pub fn writer_id(sign: &[u8; 32], salt: &[u8; 16]) -> WriterId {
    let hash = Domain::Writer.hasher().update(sign).update(salt).finalize();
    WriterId::new(hash.as_bytes()[..16].try_into().expect("a hash has 32 bytes"))
}

/// Verifies a signature strictly.
pub fn verify(sign: &[u8; 32], label: Label, vault: &VaultId, message: &[u8], signature: &[u8; 64]) -> bool {
    verifying_key(sign).is_ok_and(|key| {
        key.verify_strict(&signed_bytes(label, vault, message), &Signature::from_bytes(signature)).is_ok()
    })
}

fn verifying_key(sign: &[u8; 32]) -> Result<VerifyingKey, BadKey> {
    // Decoding accepts a few keys in two spellings; a key has one.
    let canonical = |key: &VerifyingKey| key.to_edwards().compress().as_bytes() == sign;
    VerifyingKey::from_bytes(sign).ok().filter(|key| !key.is_weak() && canonical(key)).ok_or(BadKey)
}

fn signed_bytes(label: Label, vault: &VaultId, message: &[u8]) -> Vec<u8> {
    let context = match label {
        Label::Commit => Domain::SignCommit,
        Label::Access => Domain::SignAccess,
        Label::Adopt => Domain::SignAdopt,
    };
    let context = context.context().as_bytes();
    [&lp(context), context, vault.as_bytes(), message].concat()
}

/// Wraps an epoch's secret for a member.
///
/// # Errors
/// The operating system has no entropy, or the key is malformed.
pub fn seal_slot(
    to: &MemberPublic,
    vault: &VaultId,
    epoch: u32,
    slot_id: u32,
    secret: &Secret32,
    entropy: &dyn Entropy,
) -> io::Result<[u8; SLOT_LEN]> {
    let key = EncapsulationKey::try_from(&to.kem[..]).map_err(|_| io::Error::other(BadKey))?;
    let mut randomness = Zeroizing::new([0; 64]);
    entropy.fill(&mut *randomness)?;
    let (ciphertext, shared) = key.encapsulate_deterministic(&(*randomness).into());
    let (cipher, check) = slot_keys(&shared, &ciphertext, &to.kem, vault, epoch, slot_id);
    let mut slot = [0; SLOT_LEN];
    slot[..CT].copy_from_slice(&ciphertext);
    slot[CT..CT + 32].copy_from_slice(&check);
    let (body, tag) = slot[CT + 32..].split_at_mut(32);
    body.copy_from_slice(secret.expose());
    tag.copy_from_slice(&cipher.encrypt_inout_detached(&XNonce::default(), b"", body.into()).expect("32 bytes"));
    Ok(slot)
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
    use crate::world::World;

    fn member(byte: u8) -> MemberKeys {
        MemberKeys::from_seed(&Secret32::new([byte; 32]))
    }

    const VAULT: VaultId = VaultId::new([1; 32]);

    #[test]
    fn slots_open_for_their_member_only_and_only_in_place() {
        let entropy = World::system().entropy;
        let slot = seal_slot(&member(1).public(), &VAULT, 3, 2, &Secret32::new([42; 32]), &*entropy).unwrap();
        assert_eq!(open_slot(&member(1), &VAULT, 3, 2, &slot).unwrap().expose(), &[42; 32]);
        assert!(open_slot(&member(2), &VAULT, 3, 2, &slot).is_none());
        assert!(open_slot(&member(1), &VAULT, 4, 2, &slot).is_none());
        assert!(open_slot(&member(1), &VAULT, 3, 1, &slot).is_none());
        assert!(open_slot(&member(1), &VaultId::new([2; 32]), 3, 2, &slot).is_none());
        for at in (0..SLOT_LEN).step_by(37).chain([SLOT_LEN - 1]) {
            let mut bad = slot;
            bad[at] ^= 1;
            assert!(open_slot(&member(1), &VAULT, 3, 2, &bad).is_none(), "byte {at}");
        }
    }

    #[test]
    fn signatures_are_bound_to_label_and_vault() {
        let (keys, sign) = (member(1), member(1).public().sign);
        let signature = keys.sign(Label::Commit, &VAULT, b"m");
        assert!(verify(&sign, Label::Commit, &VAULT, b"m", &signature));
        assert!(!verify(&sign, Label::Access, &VAULT, b"m", &signature));
        assert!(!verify(&sign, Label::Commit, &VaultId::new([2; 32]), b"m", &signature));
        assert!(!verify(&sign, Label::Commit, &VAULT, b"n", &signature));
        assert!(!verify(&member(2).public().sign, Label::Commit, &VAULT, b"m", &signature));
    }

    #[test]
    fn weak_keys_are_refused() {
        // The eight points of small order, as y coordinates; those that decode at all must be called weak.
        let mut one = [0; 32];
        one[0] = 1;
        let minus_one =
            std::array::from_fn(|i| [0xec, 0x7f][usize::from(i == 31)] | if (1..31).contains(&i) { 0xff } else { 0 });
        for point in [[0; 32], one, minus_one] {
            assert!(verifying_key(&point).is_err());
            assert!(!verify(&point, Label::Commit, &VAULT, b"m", &[0; 64]));
        }
    }

    /// Frozen: a change here is a change of the format.
    #[test]
    fn member_keys_are_frozen() {
        let public = member(7).public();
        let vector = format!(
            "{} {} {}",
            public.id(),
            public.writer_id(&[5; 16]),
            crate::id::base32(&member(7).sign(Label::Commit, &VAULT, b"m"))
        );
        assert_eq!(vector, include_str!("testdata/member.txt").trim_end());
        public.check().unwrap();
    }
}
