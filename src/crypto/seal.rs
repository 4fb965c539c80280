//! Sealing: one construction for every object but the genesis (docs/format.md, section 6.1).
//!
//! Random access by segment, truncation and reordering noticed at every boundary, committing to the key.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::geometry::{HEADER, SEGMENT, TAG, plain_len, sealed_len, segment_offset};
use super::keys::{Secret32, VaultKeys};
use crate::id::{ObjectId, VaultId, WriterId};
use crate::world::Entropy;

/// What an object is; bound into its key, so that none passes for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// A log record.
    Log,
    /// The sealed part of an access version.
    Access,
    /// A pack of file content.
    Data,
    /// A pack of nodes.
    Meta,
    /// An index segment.
    Index,
}

impl Class {
    fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Log => b"log",
            Self::Access => b"access",
            Self::Data => b"data",
            Self::Meta => b"meta",
            Self::Index => b"index",
        }
    }
}

/// What else the key of an object depends on.
#[derive(Debug, Clone, Copy)]
pub struct SealContext<'a> {
    /// The class.
    pub class: Class,
    /// The logical name; empty for packs and index segments.
    pub name: &'a [u8],
}

/// A sealed object.
pub struct Sealed {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The salt, which references carry.
    pub salt: [u8; 32],
    /// Hash of the bytes.
    pub id: ObjectId,
}

/// Why an object does not open. Deliberately coarse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not a sealed object at all.
    #[error("it is not a sealed object")]
    NotSealed,
    /// A version or suite that this program does not know.
    #[error("it is sealed in a way this version does not know")]
    UnknownVersion,
    /// An epoch that nothing at hand opens.
    #[error("no key for its epoch")]
    UnknownEpoch,
    /// A tag or commitment is wrong.
    #[error("its seal is broken")]
    Broken,
}

/// The public start of a sealed object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectHeader {
    /// The epoch whose key seals it.
    pub epoch: u32,
    /// The salt.
    pub salt: [u8; 32],
    commitment: [u8; 32],
}

impl ObjectHeader {
    /// Reads the first [`OBJECT_HEADER_LEN`] bytes.
    ///
    /// # Errors
    /// They are not the header of a sealed object this program knows.
    pub fn parse(object: &[u8]) -> Result<Self, OpenError> {
        let header = object.get(..OBJECT_HEADER_LEN).ok_or(OpenError::NotSealed)?;
        let array = |range: std::ops::Range<usize>| header[range].try_into().expect("the range has 32 bytes");
        if &header[..4] != MAGIC {
            return Err(OpenError::NotSealed);
        }
        if header[4..8] != [VERSION, SUITE, 0, 0] {
            return Err(OpenError::UnknownVersion);
        }
        let epoch = u32::from_le_bytes(header[8..12].try_into().expect("four bytes"));
        Ok(Self { epoch, salt: array(12..44), commitment: array(44..76) })
    }
}

/// Seals a plaintext given in pieces. Padding, where wanted, is already in it.
///
/// # Errors
/// The operating system has no entropy.
///
/// # Panics
/// The keys of `epoch` are not there: the caller seals only in the epoch it has opened.
pub fn seal(
    keys: &VaultKeys,
    epoch: u32,
    context: &SealContext<'_>,
    writer: &WriterId,
    entropy: &dyn Entropy,
    plaintext: &[&[u8]],
) -> io::Result<Sealed> {
    let len = plaintext.iter().map(|part| part.len() as u64).sum();
    let mut buffer = SealBuffer::default();
    buffer.reserve(len);
    plaintext.iter().for_each(|part| buffer.push(part));
    buffer.seal(keys, epoch, context, writer, entropy)
}

/// A plaintext laid out as its object will be, with room for header and tags: sealed where it lies, without a copy.
#[derive(Default)]
pub struct SealBuffer {
    bytes: Vec<u8>,
    len: u64,
}

impl SealBuffer {
    /// An empty plaintext in memory that was used before.
    pub fn reusing(mut memory: Vec<u8>) -> Self {
        memory.clear();
        Self { bytes: memory, len: 0 }
    }

    /// Makes room for an object of `plain` bytes of plaintext.
    pub fn reserve(&mut self, plain: u64) {
        let all = usize::try_from(sealed_len(plain)).unwrap_or(usize::MAX);
        self.bytes.reserve_exact(all.saturating_sub(self.bytes.len()));
    }

    /// Bytes of plaintext so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends plaintext.
    pub fn push(&mut self, mut plaintext: &[u8]) {
        while !plaintext.is_empty() {
            let filled = self.len % SEGMENT;
            if filled == 0 {
                self.bytes.resize(segment_offset(self.len / SEGMENT) as usize, 0);
            }
            let (now, later) = plaintext.split_at(plaintext.len().min((SEGMENT - filled) as usize));
            self.bytes.extend_from_slice(now);
            self.len += now.len() as u64;
            plaintext = later;
        }
    }

    /// Appends zeros.
    pub fn push_zeros(&mut self, mut len: u64) {
        while len > 0 {
            let step = len.min(ZEROS.len() as u64);
            self.push(&ZEROS[..step as usize]);
            len -= step;
        }
    }

    /// Drops all plaintext behind the first `len` bytes.
    pub fn truncate(&mut self, len: u64) {
        if len < self.len {
            self.len = len;
            self.bytes.truncate(if len == 0 { 0 } else { (sealed_len(len) - TAG) as usize });
        }
    }

    /// The plaintext in a range, in pieces.
    pub fn pieces(&self, range: Range<u64>) -> impl Iterator<Item = &[u8]> {
        let end = range.end.min(self.len);
        let mut at = range.start;
        std::iter::from_fn(move || {
            let (index, skip) = (at / SEGMENT, at % SEGMENT);
            let len = end.checked_sub(at).filter(|left| *left > 0)?.min(SEGMENT - skip);
            at += len;
            let from = (segment_offset(index) + skip) as usize;
            Some(&self.bytes[from..from + len as usize])
        })
    }

    /// Seals it.
    ///
    /// # Errors
    /// The operating system has no entropy.
    ///
    /// # Panics
    /// The keys of `epoch` are not there: the caller seals only in the epoch it has opened.
    pub fn seal(
        mut self,
        keys: &VaultKeys,
        epoch: u32,
        context: &SealContext<'_>,
        writer: &WriterId,
        entropy: &dyn Entropy,
    ) -> io::Result<Sealed> {
        let mut digest = blake3::Hasher::new();
        for piece in self.pieces(0..self.len) {
            digest.update(piece);
        }
        let fresh = Secret32::random(entropy)?;
        let mut hedge = keys.hedge_key().keyed();
        hedge.update(fresh.expose()).update(writer.as_bytes()).update(digest.finalize().as_bytes());
        let salt = *hedge.finalize().as_bytes();

        let secrets = keys.object_keys(epoch);
        let secret = secrets.first().expect("sealing happens in the epoch that was opened");
        let header = header_bytes(epoch);
        let object = ObjectKey::derive(secret, &header, keys.vault(), context, &salt);
        self.bytes.resize(sealed_len(self.len) as usize, 0);
        self.bytes[..12].copy_from_slice(&header);
        self.bytes[12..44].copy_from_slice(&salt);
        self.bytes[44..OBJECT_HEADER_LEN].copy_from_slice(&object.commitment);
        let mut id = blake3::Hasher::new();
        let (head, segments) = self.bytes.split_at_mut(OBJECT_HEADER_LEN);
        id.update(head);
        let last = self.len.div_ceil(SEGMENT).max(1) - 1;
        for (index, segment) in (0..).zip(segments.chunks_mut((SEGMENT + TAG) as usize)) {
            let (body, room) = segment.split_at_mut(segment.len() - TAG as usize);
            let nonce = object.nonce(index, index == last);
            let tag = object.cipher.encrypt_inout_detached(&nonce, &header, body.into());
            room.copy_from_slice(&tag.expect("a segment is far below the cipher's limit"));
            id.update(segment);
        }
        Ok(Sealed { bytes: self.bytes, salt, id: ObjectId::new(*id.finalize().as_bytes()) })
    }
}

/// Opens a whole object.
///
/// # Errors
/// [`OpenError`] says no more than it must.
pub fn open(keys: &VaultKeys, context: &SealContext<'_>, object: &[u8]) -> Result<Vec<u8>, OpenError> {
    let opener = Opener::from_header(keys, context, &ObjectHeader::parse(object)?)?;
    let plain = plain_len(object.len() as u64).ok_or(OpenError::Broken)?;
    let last = plain.div_ceil(SEGMENT).max(1) - 1;
    let mut out = Vec::with_capacity(plain as usize);
    for index in 0..=last {
        let end = segment_offset(index + 1).min(object.len() as u64);
        opener.open_segment(index, index == last, &object[segment_offset(index) as usize..end as usize], &mut out)?;
    }
    Ok(out)
}

/// Opens segments of one object.
pub struct Opener {
    /// One for each key of the epoch that may be the object's.
    keys: Vec<ObjectKey>,
    header: [u8; 12],
}

impl Opener {
    /// From the object's own header; the commitment is checked.
    ///
    /// # Errors
    /// No key for the epoch, or the commitment is not this key's.
    pub fn from_header(keys: &VaultKeys, context: &SealContext<'_>, header: &ObjectHeader) -> Result<Self, OpenError> {
        let mut opener = Self::from_salt(keys, context, header.epoch, &header.salt)?;
        opener.keys.retain(|key| key.commitment.ct_eq(&header.commitment).into());
        if opener.keys.is_empty() { Err(OpenError::Broken) } else { Ok(opener) }
    }

    /// From an authenticated reference, which carries epoch and salt.
    ///
    /// # Errors
    /// No key for the epoch.
    pub fn from_salt(
        keys: &VaultKeys,
        context: &SealContext<'_>,
        epoch: u32,
        salt: &[u8; 32],
    ) -> Result<Self, OpenError> {
        let header = header_bytes(epoch);
        let derive = |secret: &Arc<Secret32>| ObjectKey::derive(secret, &header, keys.vault(), context, salt);
        let keys: Vec<_> = keys.object_keys(epoch).iter().map(derive).collect();
        if keys.is_empty() { Err(OpenError::UnknownEpoch) } else { Ok(Self { keys, header }) }
    }

    /// Opens segment `index` and appends its plaintext.
    ///
    /// # Errors
    /// The tag is wrong: `out` is as it was.
    pub fn open_segment(&self, index: u64, last: bool, sealed: &[u8], out: &mut Vec<u8>) -> Result<(), OpenError> {
        let start = out.len();
        let (body, tag) = sealed.split_at_checked(sealed.len().wrapping_sub(TAG as usize)).ok_or(OpenError::Broken)?;
        let tag = Tag::try_from(tag).map_err(|_| OpenError::Broken)?;
        for key in &self.keys {
            out.extend_from_slice(body);
            let nonce = key.nonce(index, last);
            if key.cipher.decrypt_inout_detached(&nonce, &self.header, out[start..].as_mut().into(), &tag).is_ok() {
                return Ok(());
            }
            out.truncate(start);
        }
        Err(OpenError::Broken)
    }
}

struct ObjectKey {
    cipher: XChaCha20Poly1305,
    prefix: [u8; 16],
    commitment: [u8; 32],
}

impl ObjectKey {
    fn derive(
        secret: &Secret32,
        header: &[u8; 12],
        vault: &VaultId,
        context: &SealContext<'_>,
        salt: &[u8; 32],
    ) -> Self {
        let (class, name) = (context.class.as_bytes(), context.name);
        let ctx = [header, &vault.as_bytes()[..], &lp(class), class, &lp(name), name].concat();
        let mut okm = Zeroizing::new([0; 80]);
        secret.keyed().update(&lp(&ctx)).update(&ctx).update(salt).finalize_xof().fill(&mut *okm);
        Self {
            cipher: XChaCha20Poly1305::new_from_slice(&okm[..32]).expect("the key has 32 bytes"),
            prefix: okm[32..48].try_into().expect("sixteen bytes"),
            commitment: okm[48..].try_into().expect("thirty-two bytes"),
        }
    }

    fn nonce(&self, index: u64, last: bool) -> XNonce {
        let mut nonce = [0; 24];
        nonce[..16].copy_from_slice(&self.prefix);
        nonce[16..].copy_from_slice(&(index | u64::from(last) << 63).to_be_bytes());
        nonce.into()
    }
}

/// The u32 length that `LP` puts before bytes.
pub(super) fn lp(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).expect("labels, names and keys are short").to_le_bytes()
}

fn header_bytes(epoch: u32) -> [u8; 12] {
    let mut header = [0; 12];
    header[..4].copy_from_slice(MAGIC);
    header[4..6].copy_from_slice(&[VERSION, SUITE]);
    header[8..].copy_from_slice(&epoch.to_le_bytes());
    header
}

/// Length of the public start of a sealed object.
pub const OBJECT_HEADER_LEN: usize = HEADER as usize;
const MAGIC: &[u8; 4] = b"CSYN";
const VERSION: u8 = 1;
const SUITE: u8 = 1;
static ZEROS: [u8; 4096] = [0; 4096];

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;
