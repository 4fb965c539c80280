//! Members: one seed, two key pairs; signatures (docs/format.md, sections 4.1 and 4.6). Slots are in `slot.rs`.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use x_wing::{DecapsulationKey, Decapsulator, EncapsulationKey, KeyExport};

use super::domain::Domain;
use super::keys::Secret32;
use super::seal::lp;
use crate::id::{MemberId, VaultId, WriterId};

/// The secret half of a member.
pub struct MemberKeys {
    pub(super) kem: DecapsulationKey,
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
    /// That an access version is by whoever may make one, for those whom it lets in no more.
    Notice,
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
        Label::Notice => Domain::SignNotice,
    };
    let context = context.context().as_bytes();
    [&lp(context), context, vault.as_bytes(), message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(byte: u8) -> MemberKeys {
        MemberKeys::from_seed(&Secret32::new([byte; 32]))
    }

    const VAULT: VaultId = VaultId::new([1; 32]);

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
