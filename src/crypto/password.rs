//! Password entries: a member's seed under a password (docs/format.md, section 4.4).

use std::io;

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::domain::Domain;
use super::keys::Secret32;
use crate::id::VaultId;
use crate::world::Entropy;

/// Length of an entry in bytes.
pub const PASSWORD_ENTRY_LEN: usize = 152;

/// The cost of guessing: Argon2id's memory in KiB, passes and lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KdfParams {
    /// Memory in KiB.
    pub m_kib: u32,
    /// Passes.
    pub t: u32,
    /// Lanes.
    pub p: u32,
}

/// Why an entry does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KdfError {
    /// Below what the format allows: somebody wants guessing to be cheap.
    #[error("its password is protected by weaker settings than the format allows")]
    TooWeak,
    /// Above what the format allows: somebody wants this machine to run out of memory.
    #[error("its password settings demand more memory or time than the format allows")]
    TooCostly,
    /// This machine can't provide the memory.
    #[error("this machine can't run Argon2id with the vault's settings")]
    Failed,
    /// The password, or the entry, is wrong.
    #[error("the password is wrong")]
    Wrong,
}

impl KdfParams {
    /// What new vaults get: about half a second and 256 MiB.
    pub const DEFAULT: Self = Self { m_kib: 256 << 10, t: 3, p: 4 };
    /// The least the format allows.
    pub const FLOOR: Self = Self { m_kib: 64 << 10, t: 3, p: 1 };

    /// Holds the parameters against floor and ceiling. Done before asking for a password and before allocating.
    ///
    /// # Errors
    /// [`KdfError::TooWeak`] or [`KdfError::TooCostly`].
    pub fn check(&self) -> Result<(), KdfError> {
        if self.m_kib < Self::FLOOR.m_kib || self.t < Self::FLOOR.t || self.p == 0 {
            return Err(KdfError::TooWeak);
        }
        if self.m_kib > 2 << 20 || self.t > 64 || self.p > 64 { Err(KdfError::TooCostly) } else { Ok(()) }
    }
}

/// A sealed seed with all that is needed to open it but the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordEntry {
    /// Its id.
    pub id: [u8; 16],
    /// The cost.
    pub params: KdfParams,
    salt: [u8; 32],
    commitment: [u8; 32],
    sealed: [u8; 48],
}

impl PasswordEntry {
    /// Seals a seed.
    ///
    /// # Errors
    /// No entropy, or parameters outside the limits or beyond this machine.
    pub fn seal(
        vault: &VaultId,
        password: &str,
        seed: &Secret32,
        params: KdfParams,
        entropy: &dyn Entropy,
    ) -> io::Result<Self> {
        params.check().map_err(io::Error::other)?;
        let mut entry = Self { id: [0; 16], params, salt: [0; 32], commitment: [0; 32], sealed: [0; 48] };
        entropy.fill(&mut entry.id)?;
        entropy.fill(&mut entry.salt)?;
        let (cipher, commitment) = entry.keys(vault, password).map_err(io::Error::other)?;
        entry.commitment = commitment;
        let (body, tag) = entry.sealed.split_at_mut(32);
        body.copy_from_slice(seed.expose());
        tag.copy_from_slice(&cipher.encrypt_inout_detached(&XNonce::default(), b"", body.into()).expect("32 bytes"));
        Ok(entry)
    }

    /// Opens the seed.
    ///
    /// # Errors
    /// The password is wrong or the parameters are unacceptable.
    pub fn open(&self, vault: &VaultId, password: &str) -> Result<Secret32, KdfError> {
        self.params.check()?;
        let (cipher, commitment) = self.keys(vault, password)?;
        if !bool::from(commitment.ct_eq(&self.commitment)) {
            return Err(KdfError::Wrong);
        }
        let mut seed = Zeroizing::new([0; 32]);
        seed.copy_from_slice(&self.sealed[..32]);
        let tag = Tag::try_from(&self.sealed[32..]).expect("the slice has the tag's length");
        let opened = cipher.decrypt_inout_detached(&XNonce::default(), b"", seed.as_mut_slice().into(), &tag);
        opened.map_err(|_| KdfError::Wrong)?;
        Ok(Secret32::new(*seed))
    }

    /// The bytes of the entry.
    pub fn encode(&self) -> [u8; PASSWORD_ENTRY_LEN] {
        let mut out = [0; PASSWORD_ENTRY_LEN];
        let KdfParams { m_kib, t, p } = self.params;
        let numbers = [m_kib, t, p].map(u32::to_le_bytes).concat();
        let all = [&self.id[..], &self.salt, &numbers, &self.commitment, &self.sealed].concat();
        out[..all.len()].copy_from_slice(&all);
        out
    }

    /// Reads an entry; `None` if its reserved bytes are not zero.
    pub fn decode(bytes: &[u8; PASSWORD_ENTRY_LEN]) -> Option<Self> {
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        (bytes[140..] == [0; 12]).then(|| Self {
            id: bytes[..16].try_into().expect("sixteen bytes"),
            salt: bytes[16..48].try_into().expect("thirty-two bytes"),
            params: KdfParams { m_kib: number(48), t: number(52), p: number(56) },
            commitment: bytes[60..92].try_into().expect("thirty-two bytes"),
            sealed: bytes[92..140].try_into().expect("forty-eight bytes"),
        })
    }

    fn keys(&self, vault: &VaultId, password: &str) -> Result<(XChaCha20Poly1305, [u8; 32]), KdfError> {
        let KdfParams { m_kib, t, p } = self.params;
        let slow = stretch(password, &self.salt, self.params)?;
        let mut hasher = Domain::Password.hasher();
        hasher.update(&*slow).update(vault.as_bytes()).update(&self.id);
        for number in [m_kib, t, p] {
            hasher.update(&number.to_le_bytes());
        }
        let mut okm = Zeroizing::new([0; 64]);
        hasher.finalize_xof().fill(&mut *okm);
        let cipher = XChaCha20Poly1305::new_from_slice(&okm[..32]).expect("the key has 32 bytes");
        Ok((cipher, okm[32..].try_into().expect("thirty-two bytes")))
    }
}

/// The slow hash of a password.
pub(super) fn stretch(password: &str, salt: &[u8; 32], cost: KdfParams) -> Result<Zeroizing<[u8; 32]>, KdfError> {
    let params = Params::new(cost.m_kib, cost.t, cost.p, Some(32)).map_err(|_| KdfError::Failed)?;
    let mut slow = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut *slow)
        .map_err(|_| KdfError::Failed)?;
    Ok(slow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    const VAULT: VaultId = VaultId::new([1; 32]);

    #[test]
    fn opens_with_the_password_and_nothing_else() {
        let entropy = World::system().entropy;
        let entry = PasswordEntry::seal(&VAULT, "pass", &Secret32::new([5; 32]), KdfParams::FLOOR, &*entropy).unwrap();
        let entry = PasswordEntry::decode(&entry.encode()).unwrap();
        assert_eq!(entry.open(&VAULT, "pass").unwrap().expose(), &[5; 32]);
        assert_eq!(entry.open(&VAULT, "Pass").err(), Some(KdfError::Wrong));
        assert_eq!(entry.open(&VaultId::new([2; 32]), "pass").err(), Some(KdfError::Wrong));
        let mut bad = entry.encode();
        bad[100] ^= 1;
        assert_eq!(PasswordEntry::decode(&bad).unwrap().open(&VAULT, "pass").err(), Some(KdfError::Wrong));
    }

    #[test]
    fn unacceptable_settings_are_refused_before_any_work() {
        let entropy = World::system().entropy;
        let good = PasswordEntry::seal(&VAULT, "pass", &Secret32::new([5; 32]), KdfParams::FLOOR, &*entropy).unwrap();
        for (m_kib, t, p, error) in [
            (8, 1, 1, KdfError::TooWeak),
            (65_535, 3, 1, KdfError::TooWeak),
            (65_536, 3, 0, KdfError::TooWeak),
            (u32::MAX, 3, 1, KdfError::TooCostly),
            (65_536, u32::MAX, 1, KdfError::TooCostly),
        ] {
            let entry = PasswordEntry { params: KdfParams { m_kib, t, p }, ..good.clone() };
            assert_eq!(entry.open(&VAULT, "pass").err(), Some(error));
        }
    }
}
