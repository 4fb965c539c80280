//! Identifiers: fixed bytes, each its own type, all written in lower-case base32.
//!
//! Owns the text form of ids (RFC 4648 alphabet in lower case, no padding: safe on stores that fold case).
//! Never hashes anything: ids are computed in `crypto`, this module only carries them.

use std::fmt;
use std::str::FromStr;

/// Text that is not a valid identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid identifier: expected {expected} characters of lower-case base32")]
pub struct BadId {
    /// How many characters the text form has.
    pub expected: usize,
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $len:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// Wraps the bytes of an id.
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// The first ten characters of the text form: enough for a person, never for a decision.
            pub fn short(&self) -> String {
                let mut text = self.to_string();
                text.truncate(10);
                text
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&base32(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                let bad = BadId { expected: base32_len($len) };
                let bytes = unbase32(text).ok_or_else(|| bad.clone())?;
                Ok(Self(bytes.try_into().map_err(|_| bad)?))
            }
        }
    };
}

id_type!(
    /// A vault: BLAKE3-256 of the genesis bytes.
    VaultId,
    32
);
id_type!(
    /// A stored object: BLAKE3-256 of its bytes, and the last part of its name.
    ObjectId,
    32
);
id_type!(
    /// A blob (chunk, tree node, chunk list): the vault's keyed hash of its type and plaintext.
    BlobId,
    32
);
id_type!(
    /// A commit: hash of its signed record, without signature or ciphertext.
    CommitId,
    32
);
id_type!(
    /// An access version: hash of its signed body.
    AccessId,
    32
);
id_type!(
    /// A member: hash of its public keys.
    MemberId,
    16
);
id_type!(
    /// A writer: one installation with its own linear log.
    WriterId,
    16
);
id_type!(
    /// What shows that a log object's name was given by somebody who has the vault's keys.
    NameTag,
    10
);

/// What a blob is: the first byte that its id is taken over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum BlobKind {
    /// A piece of file content.
    Chunk = 1,
    /// A node of a tree.
    Node = 2,
    /// A node of a chunk list.
    List = 3,
    /// A node of folded history.
    History = 4,
}

impl BlobKind {
    /// The kind with this number.
    pub fn from_u8(byte: u8) -> Option<Self> {
        [Self::Chunk, Self::Node, Self::List, Self::History].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// Number of characters of the base32 form of `len` bytes.
pub const fn base32_len(len: usize) -> usize {
    (len * 8).div_ceil(5)
}

/// Lower-case base32 (RFC 4648 alphabet) without padding.
pub fn base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(base32_len(bytes.len()));
    let (mut acc, mut bits) = (0u32, 0u32);
    for &byte in bytes {
        acc = (acc << 8) | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(ALPHABET[(acc >> bits) as usize & 31]));
        }
    }
    if bits > 0 {
        out.push(char::from(ALPHABET[(acc << (5 - bits)) as usize & 31]));
    }
    out
}

/// The inverse of [`base32`]; `None` for foreign characters, impossible lengths and non-zero trailing bits.
pub fn unbase32(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 5 / 8);
    let (mut acc, mut bits) = (0u32, 0u32);
    for byte in text.bytes() {
        let value = match byte {
            b'a'..=b'z' => byte - b'a',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return None,
        };
        acc = (acc << 5) | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.push((acc >> bits) as u8);
        }
        acc &= 0xff;
    }
    (bits < 5 && acc & ((1 << bits) - 1) == 0 && base32_len(out.len()) == text.len()).then_some(out)
}

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4648_vectors() {
        for (plain, text) in
            [("", ""), ("f", "my"), ("fo", "mzxq"), ("foo", "mzxw6"), ("foob", "mzxw6yq"), ("foobar", "mzxw6ytboi")]
        {
            assert_eq!(base32(plain.as_bytes()), text);
            assert_eq!(unbase32(text).as_deref(), Some(plain.as_bytes()));
        }
    }

    #[test]
    fn rejects_what_it_would_not_write() {
        for text in ["a", "MY", "mz", "m1", "mzx", "my======"] {
            assert_eq!(unbase32(text), None, "{text}");
        }
        assert!("abc".parse::<ObjectId>().is_err());
    }

    #[test]
    fn ids_round_trip() {
        let id = ObjectId::new(std::array::from_fn(|i| i as u8));
        assert_eq!(id.to_string().len(), 52);
        assert_eq!(id.to_string().parse(), Ok(id));
    }
}
