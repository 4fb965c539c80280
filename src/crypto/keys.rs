//! Secrets, the keys derived from them, and the hashes that name things (docs/format.md, section 5).

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, RwLock};

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::domain::Domain;
use crate::id::{AccessId, BlobId, BlobKind, CommitId, NameTag, ObjectId, VaultId};
use crate::world::Entropy;

/// 32 secret bytes, wiped when dropped.
pub struct Secret32(Zeroizing<[u8; 32]>);

impl Secret32 {
    /// Fresh random bytes.
    ///
    /// # Errors
    /// The operating system has none.
    pub fn random(entropy: &dyn Entropy) -> io::Result<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        entropy.fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// Wraps bytes that came from elsewhere.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes. Whoever takes them answers for where they go.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn derive(&self, domain: Domain) -> Self {
        Self::new(*domain.hasher().update(self.expose()).finalize().as_bytes())
    }

    pub(super) fn keyed(&self) -> blake3::Hasher {
        blake3::Hasher::new_keyed(self.expose())
    }
}

/// Everything derived from the vault's secrets.
pub struct VaultKeys {
    vault: VaultId,
    chunk: Secret32,
    hedge: Secret32,
    tag: Secret32,
    split: Secret32,
    gear: Zeroizing<Vec<u64>>,
    /// More than one key to an epoch: a fork made them. The first is the one to seal with.
    objects: RwLock<BTreeMap<u32, Vec<Arc<Secret32>>>>,
}

impl VaultKeys {
    /// Derives the keys of the vault's life from S0; those of epochs come with [`VaultKeys::add_epoch`].
    pub fn new(vault: VaultId, s0: &Secret32) -> Self {
        let mut table = Zeroizing::new([0; 2048]);
        Domain::Cdc.hasher().update(s0.expose()).finalize_xof().fill(&mut *table);
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("chunks of eight"));
        Self {
            vault,
            chunk: s0.derive(Domain::ChunkId),
            hedge: s0.derive(Domain::Hedge),
            tag: s0.derive(Domain::RecordName),
            split: s0.derive(Domain::Split),
            gear: Zeroizing::new(table.chunks_exact(8).map(word).collect()),
            objects: RwLock::default(),
        }
    }

    /// Adds a secret of an epoch. What was added first stays the one to seal with.
    pub fn add_epoch(&self, epoch: u32, secret: &Secret32) {
        let key = secret.derive(Domain::Object);
        let mut objects = self.objects.write().expect("held only for map operations");
        let keys = objects.entry(epoch).or_default();
        if !keys.iter().any(|known| bool::from(known.expose().ct_eq(key.expose()))) {
            keys.push(Arc::new(key));
        }
    }

    /// The vault these keys belong to.
    pub fn vault(&self) -> &VaultId {
        &self.vault
    }

    /// The id of a blob: no two vaults agree on it, and nobody without the keys can compute it.
    pub fn blob_id(&self, kind: BlobKind, bytes: &[u8]) -> BlobId {
        BlobId::new(*self.chunk.keyed().update(&[kind as u8]).update(bytes).finalize().as_bytes())
    }

    /// What the name of a log object has to bear: nobody without the keys can compute it.
    pub fn name_tag(&self, lamport: u64, seq: u64, object: &ObjectId) -> NameTag {
        let mut hasher = self.tag.keyed();
        hasher.update(&lamport.to_le_bytes()).update(&seq.to_le_bytes()).update(object.as_bytes());
        let hash = hasher.finalize();
        NameTag::new(hash.as_bytes()[..10].try_into().expect("a hash has 32 bytes"))
    }

    /// What decides where tree nodes end.
    pub fn split_hash(&self, level: u8, key: &[u8]) -> u32 {
        let hash = self.split.keyed().update(&[level]).update(key).finalize();
        u32::from_le_bytes(hash.as_bytes()[..4].try_into().expect("a hash has 32 bytes"))
    }

    /// The table that decides where chunks end.
    pub fn gear_table(&self) -> [u64; 256] {
        self.gear.as_slice().try_into().expect("2048 bytes are 256 words")
    }

    /// Every key of an epoch.
    pub(super) fn object_keys(&self, epoch: u32) -> Vec<Arc<Secret32>> {
        self.objects.read().expect("held only for map operations").get(&epoch).cloned().unwrap_or_default()
    }

    pub(super) fn hedge_key(&self) -> &Secret32 {
        &self.hedge
    }
}

/// A streaming hash for object ids and checksums.
#[derive(Default)]
pub struct ObjectHasher(blake3::Hasher);

impl ObjectHasher {
    /// An empty hash.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all bytes so far.
    pub fn finish(&self) -> ObjectId {
        ObjectId::new(*self.0.finalize().as_bytes())
    }
}

/// BLAKE3-256.
pub fn hash(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

/// The id of an object given in pieces.
pub fn object_id(parts: &[&[u8]]) -> ObjectId {
    let mut hasher = ObjectHasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finish()
}

/// The id of the vault with this genesis.
pub fn vault_id(genesis: &[u8]) -> VaultId {
    VaultId::new(hash(genesis))
}

/// The id of a commit: over its record, without signature or ciphertext.
pub fn commit_id(vault: &VaultId, record: &[u8]) -> CommitId {
    CommitId::new(labelled(Domain::Commit, vault, record))
}

/// The id of an access version: over its body.
pub fn access_id(vault: &VaultId, body: &[u8]) -> AccessId {
    AccessId::new(labelled(Domain::Access, vault, body))
}

fn labelled(domain: Domain, vault: &VaultId, bytes: &[u8]) -> [u8; 32] {
    *domain.hasher().update(vault.as_bytes()).update(bytes).finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frozen: a change here is a change of the format.
    #[test]
    fn derived_keys_are_frozen() {
        let keys = VaultKeys::new(VaultId::new([1; 32]), &Secret32::new([7; 32]));
        let blob = keys.blob_id(BlobKind::Chunk, b"hello");
        let vector = format!(
            "{} {} {:08x} {:016x} {:016x} {} {}",
            blob,
            keys.name_tag(5, 3, &ObjectId::new([2; 32])),
            keys.split_hash(0, b"\0\x01a"),
            keys.gear_table()[0],
            keys.gear_table()[255],
            commit_id(&VaultId::new([1; 32]), b"record"),
            access_id(&VaultId::new([1; 32]), b"record"),
        );
        assert_eq!(vector, include_str!("testdata/keys.txt").trim_end());
    }

    #[test]
    fn kinds_and_vaults_do_not_share_ids() {
        let keys = VaultKeys::new(VaultId::new([1; 32]), &Secret32::new([7; 32]));
        let other = VaultKeys::new(VaultId::new([1; 32]), &Secret32::new([8; 32]));
        assert_ne!(keys.blob_id(BlobKind::Chunk, b"x"), keys.blob_id(BlobKind::Node, b"x"));
        assert_ne!(keys.blob_id(BlobKind::Chunk, b"x"), other.blob_id(BlobKind::Chunk, b"x"));
        assert_ne!(keys.gear_table(), other.gear_table());
    }
}
