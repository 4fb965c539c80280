//! docs/format.md, section 3: the genesis, the one object that is not sealed and never changes.

use super::limits::CHUNK_MAX;
use super::wire::{Malformed, Put, Reader};

/// What a vault is from its first moment on. The hash of its encoding is the id of the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// How files are cut.
    pub chunker: ChunkerPolicy,
    /// Root key for encapsulation: the recovery member's.
    pub root_kem: Box<[u8; 1216]>,
    /// Root key for signatures.
    pub root_sign: [u8; 32],
    /// Random: two vaults never share an id.
    pub nonce: [u8; 32],
}

/// How files are cut into chunks, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkerPolicy {
    /// Where the content says so.
    Gear {
        /// Shortest chunk.
        min: u32,
        /// Where the odds of a cut rise.
        avg: u32,
        /// Longest chunk.
        max: u32,
    },
    /// Every so many bytes.
    Fixed(u32),
}

/// Why bytes are not a genesis that this program can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadGenesis {
    /// Not a genesis at all, or a damaged one.
    #[error("not the genesis of a vault")]
    NotAGenesis,
    /// A later version of the format.
    #[error("the vault has format version {version}, newer than this program knows")]
    NewerVersion {
        /// The version found.
        version: u8,
    },
    /// Another set of ciphers.
    #[error("unknown cipher suite {0}")]
    UnknownSuite(u8),
    /// Another way to cut files, or sizes beyond the limits.
    #[error("unknown chunker {0}, or chunk sizes beyond the limits")]
    UnsupportedChunker(u8),
    /// Another padding rule.
    #[error("unknown padding rule {0}")]
    UnsupportedPadding(u8),
}

impl From<Malformed> for BadGenesis {
    fn from(_: Malformed) -> Self {
        Self::NotAGenesis
    }
}

impl Genesis {
    /// The bytes of the genesis.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, sizes) = match self.chunker {
            ChunkerPolicy::Gear { min, avg, max } => (1, [min, avg, max]),
            ChunkerPolicy::Fixed(size) => (2, [size; 3]),
        };
        let mut out = Vec::with_capacity(GENESIS_LEN);
        out.put(MAGIC);
        out.put(&[VERSION, SUITE, kind]);
        sizes.iter().for_each(|size| out.put(&size.to_le_bytes()));
        out.push(PADDING);
        out.put(&*self.root_kem);
        out.put(&self.root_sign);
        out.put(&self.nonce);
        debug_assert_eq!(Self::decode(&out).as_ref(), Ok(self), "only what can be read is written");
        out
    }

    /// Reads a genesis.
    ///
    /// # Errors
    /// [`BadGenesis`] tells a foreign or damaged object from a vault that needs another program.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadGenesis> {
        let [version, suite, rest @ ..] = bytes.strip_prefix(MAGIC).ok_or(BadGenesis::NotAGenesis)? else {
            return Err(BadGenesis::NotAGenesis);
        };
        match (*version, *suite) {
            (0, _) => return Err(BadGenesis::NotAGenesis),
            (VERSION, SUITE) => {}
            (VERSION, suite) => return Err(BadGenesis::UnknownSuite(suite)),
            (version, _) => return Err(BadGenesis::NewerVersion { version }),
        }
        let mut reader = Reader::new(rest, "genesis");
        let kind = reader.u8()?;
        let sizes = [reader.u32()?, reader.u32()?, reader.u32()?];
        let padding = reader.u8()?;
        let root_kem = Box::new(reader.array()?);
        let (root_sign, nonce) = (reader.array()?, reader.array()?);
        reader.finish()?;
        let chunker = chunker(kind, sizes).ok_or(BadGenesis::UnsupportedChunker(kind))?;
        if padding != PADDING {
            return Err(BadGenesis::UnsupportedPadding(padding));
        }
        Ok(Self { chunker, root_kem, root_sign, nonce })
    }
}

fn chunker(kind: u8, [min, avg, max]: [u32; 3]) -> Option<ChunkerPolicy> {
    if !(CHUNK_MIN <= min && min <= avg && avg <= max && max as usize <= CHUNK_MAX) {
        return None;
    }
    match kind {
        1 => Some(ChunkerPolicy::Gear { min, avg, max }),
        2 if min == max => Some(ChunkerPolicy::Fixed(min)),
        _ => None,
    }
}

/// The length of a genesis in bytes.
pub const GENESIS_LEN: usize = 1303;

const MAGIC: &[u8] = b"CSYNVLT";
const VERSION: u8 = 1;
const SUITE: u8 = 1;
const PADDING: u8 = 1;
/// The gear hash looks back 64 bytes.
const CHUNK_MIN: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn genesis() -> impl Strategy<Value = Genesis> {
        let chunker = prop_oneof![
            (64u32..1000, 0u32..1000, 0u32..1000).prop_map(|(min, a, b)| ChunkerPolicy::Gear {
                min,
                avg: min + a,
                max: min + a + b
            }),
            (64u32..=CHUNK_MAX as u32).prop_map(ChunkerPolicy::Fixed),
        ];
        (chunker, any::<u8>(), any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(|(chunker, kem, root_sign, nonce)| {
            Genesis { chunker, root_kem: Box::new([kem; 1216]), root_sign, nonce }
        })
    }

    fn sample() -> Genesis {
        Genesis {
            chunker: ChunkerPolicy::Gear { min: 262_144, avg: 1_048_576, max: 4_194_304 },
            root_kem: Box::new(std::array::from_fn(|i| i as u8)),
            root_sign: [1; 32],
            nonce: [2; 32],
        }
    }

    proptest! {
        #[test]
        fn genesis_round_trips(genesis in genesis()) {
            let bytes = genesis.encode();
            prop_assert_eq!(bytes.len(), GENESIS_LEN);
            prop_assert_eq!(Genesis::decode(&bytes), Ok(genesis));
        }

        #[test]
        fn an_accepted_genesis_is_canonical(genesis in genesis(), at in 0..60usize, bit in 0u8..8, cut in 0usize..2) {
            let mut bytes = genesis.encode();
            bytes[at] ^= 1u8 << bit;
            bytes.truncate(GENESIS_LEN - cut);
            if let Ok(genesis) = Genesis::decode(&bytes) {
                prop_assert_eq!(genesis.encode(), bytes);
            }
        }
    }

    #[test]
    fn frozen_vector() {
        let bytes = sample().encode();
        let head = b"CSYNVLT\x01\x01\x01\x00\x00\x04\x00\x00\x00\x10\x00\x00\x00\x40\x00\x01\x00\x01\x02\x03";
        assert_eq!(&bytes[..head.len()], head);
        assert_eq!(
            blake3::hash(&bytes).to_hex().as_str(),
            "c9106e679d10458baa128050a66eeb0331674ae2c3b4b18d092542d70e7be157"
        );
    }

    #[test]
    fn each_refusal_has_its_name() {
        let with = |at: usize, byte: u8| {
            let mut bytes = sample().encode();
            bytes[at] = byte;
            Genesis::decode(&bytes).unwrap_err()
        };
        assert_eq!(with(0, b'X'), BadGenesis::NotAGenesis);
        assert_eq!(with(7, 2), BadGenesis::NewerVersion { version: 2 });
        assert_eq!(with(8, 2), BadGenesis::UnknownSuite(2));
        assert_eq!(with(9, 3), BadGenesis::UnsupportedChunker(3));
        assert_eq!(with(9, 2), BadGenesis::UnsupportedChunker(2), "fixed with three sizes");
        assert_eq!(with(21, 1), BadGenesis::UnsupportedChunker(1), "a chunk of 16 MiB and more");
        assert_eq!(with(22, 2), BadGenesis::UnsupportedPadding(2));
        assert_eq!(Genesis::decode(&[sample().encode(), vec![0]].concat()), Err(BadGenesis::NotAGenesis));
        assert_eq!(Genesis::decode(b"CSYNVLT\x02\x09"), Err(BadGenesis::NewerVersion { version: 2 }));
    }
}
