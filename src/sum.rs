//! Sums of content as other tools compute and write them: for `hashsum`, for listings, and for checks against their files.
//! Nothing here protects anything.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64Url, Encoding};
use digest::DynDigest;
use twox_hash::{XxHash3_64, XxHash3_128};

/// The functions there are, by rclone's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SumKind {
    /// MD5
    Md5,
    /// SHA-1
    Sha1,
    /// CRC-32 of Ethernet and zip
    Crc32,
    /// SHA-256
    Sha256,
    /// SHA-512
    Sha512,
    /// BLAKE3 of 32 bytes
    Blake3,
    /// XXH3 of 64 bits
    Xxh3,
    /// XXH3 of 128 bits
    Xxh128,
}

impl SumKind {
    /// All of them, in rclone's order.
    pub const ALL: [Self; 8] =
        [Self::Md5, Self::Sha1, Self::Crc32, Self::Sha256, Self::Sha512, Self::Blake3, Self::Xxh3, Self::Xxh128];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Crc32 => "crc32",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Blake3 => "blake3",
            Self::Xxh3 => "xxh3",
            Self::Xxh128 => "xxh128",
        }
    }

    /// How long a sum is, in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::Crc32 => 4,
            Self::Xxh3 => 8,
            Self::Md5 | Self::Xxh128 => 16,
            Self::Sha1 => 20,
            Self::Sha256 | Self::Blake3 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for SumKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a hash; there are md5, sha1, crc32, sha256, sha512, blake3, xxh3 and xxh128")]
pub struct NoSuchSum(String);

impl FromStr for SumKind {
    type Err = NoSuchSum;

    fn from_str(text: &str) -> Result<Self, NoSuchSum> {
        // With hyphens as in `SHA-1`, as rclone has it.
        let name = text.replace('-', "");
        let found = Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(&name));
        found.ok_or_else(|| NoSuchSum(text.to_owned()))
    }
}

/// A sum that was computed or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum(Box<[u8]>);

impl Sum {
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As the tools write it: hexadecimal, small letters.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Base64 with `-` and `_`, padded.
    pub fn base64(&self) -> String {
        Base64Url::encode_string(&self.0)
    }
}

/// Adds up content.
pub struct Summer(State);

enum State {
    Digest(Box<dyn DynDigest>),
    Crc32(crc32fast::Hasher),
    Blake3(Box<blake3::Hasher>),
    Xxh3(Box<XxHash3_64>),
    Xxh128(Box<XxHash3_128>),
}

impl Summer {
    /// Nothing added yet.
    pub fn new(kind: SumKind) -> Self {
        Self(match kind {
            SumKind::Md5 => State::Digest(Box::<md5::Md5>::default()),
            SumKind::Sha1 => State::Digest(Box::<sha1::Sha1>::default()),
            SumKind::Sha256 => State::Digest(Box::<sha2::Sha256>::default()),
            SumKind::Sha512 => State::Digest(Box::<sha2::Sha512>::default()),
            SumKind::Crc32 => State::Crc32(crc32fast::Hasher::new()),
            SumKind::Blake3 => State::Blake3(Box::default()),
            SumKind::Xxh3 => State::Xxh3(Box::new(XxHash3_64::new())),
            SumKind::Xxh128 => State::Xxh128(Box::new(XxHash3_128::new())),
        })
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Digest(digest) => digest.update(bytes),
            State::Crc32(hasher) => hasher.update(bytes),
            State::Blake3(hasher) => drop(hasher.update(bytes)),
            State::Xxh3(hasher) => std::hash::Hasher::write(&mut **hasher, bytes),
            State::Xxh128(hasher) => hasher.write(bytes),
        }
    }

    /// Adds so many zero bytes.
    pub fn push_zeros(&mut self, mut len: u64) {
        let zeros = [0; 64 << 10];
        while len > 0 {
            let step = len.min(zeros.len() as u64);
            self.push(&zeros[..step as usize]);
            len -= step;
        }
    }

    /// The sum of all that was added.
    pub fn finish(self) -> Sum {
        Sum(match self.0 {
            State::Digest(digest) => digest.finalize(),
            State::Crc32(hasher) => hasher.finalize().to_be_bytes().into(),
            State::Blake3(hasher) => hasher.finalize().as_bytes().as_slice().into(),
            State::Xxh3(hasher) => std::hash::Hasher::finish(&*hasher).to_be_bytes().into(),
            State::Xxh128(hasher) => hasher.finish_128().to_be_bytes().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_rclones() {
        let of = |kind: SumKind, text: &str| {
            let mut summer = Summer::new(kind);
            text.bytes().for_each(|byte| summer.push(&[byte]));
            summer.finish()
        };
        // `printf 'hi\n'`, as rclone 1.75 lists it.
        for (name, hex) in [
            ("md5", "764efa883dda1e11db47671c4a3bbd9e"),
            ("SHA1", "55ca6286e3e4f4fba5d0448333fa99fc5a404a73"),
            ("crc32", "ed6f7a7a"),
            ("sha256", "98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4"),
            ("blake3", "0b8b60248fad7ac6dfac221b7e01a8b91c772421a15b387dd1fb2d6a94aee438"),
            ("xxh3", "b34d1a3ab2bece70"),
            ("xxh128", "f4d0497cf9394caab34d1a3ab2bece70"),
        ] {
            let kind: SumKind = name.parse().unwrap();
            assert_eq!(of(kind, "hi\n").hex(), hex, "{name}");
            assert_eq!(hex.len(), 2 * kind.size());
        }
        assert_eq!(of(SumKind::Md5, "yo\n").base64(), "9iVbsBxkj-lncU1SqJ6OnA==");
        assert!("whirlpool".parse::<SumKind>().is_err());
    }

    #[test]
    fn zeros_are_bytes() {
        for kind in SumKind::ALL {
            let (mut a, mut b) = (Summer::new(kind), Summer::new(kind));
            a.push_zeros(100_000);
            b.push(&vec![0; 100_000]);
            assert_eq!(a.finish(), b.finish(), "{kind}");
        }
    }
}
