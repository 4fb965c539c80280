//! docs/format.md, section 2: the names of objects in the storage. Start reading at [`ObjectName`].
//!
//! Names are hints: what counts is the hash of the object and the signed record inside, which the caller checks.

use std::fmt;
use std::str::FromStr;

use crate::id::{NameTag, ObjectId};

/// Where the genesis lies.
pub const VAULT_PREFIX: &str = "vault/";
/// Where access versions and log records lie.
pub const LOG_PREFIX: &str = "log/";
/// Where packs of file content lie.
pub const DATA_PREFIX: &str = "data/";
/// Where packs of tree nodes and chunk lists lie.
pub const META_PREFIX: &str = "meta/";
/// Where index segments lie.
pub const INDEX_PREFIX: &str = "index/";
/// The highest number of an access version: eight digits.
pub const ACCESS_NUMBER_MAX: u32 = 99_999_999;
/// The highest Lamport time and sequence number of a record: twelve digits.
pub const RECORD_NUMBER_MAX: u64 = 999_999_999_999;

/// The name of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectName {
    /// The genesis: its hash is the id of the vault.
    Genesis(ObjectId),
    /// An access version.
    Access {
        /// Its number, at most [`ACCESS_NUMBER_MAX`].
        n: u32,
        /// Hash of the object.
        id: ObjectId,
    },
    /// A log record.
    Record {
        /// Its Lamport time, at most [`RECORD_NUMBER_MAX`].
        lamport: u64,
        /// What shows that somebody with the vault's keys has named it so.
        tag: NameTag,
        /// Its place in the writer's log, at most [`RECORD_NUMBER_MAX`].
        seq: u64,
        /// Hash of the object.
        id: ObjectId,
    },
    /// A pack of file content.
    Data(ObjectId),
    /// A pack of tree nodes and chunk lists.
    Meta(ObjectId),
    /// An index segment.
    Index(ObjectId),
}

impl ObjectName {
    /// The hash of the object.
    pub fn id(&self) -> ObjectId {
        match *self {
            Self::Genesis(id) | Self::Data(id) | Self::Meta(id) | Self::Index(id) => id,
            Self::Access { id, .. } | Self::Record { id, .. } => id,
        }
    }

    /// The class that seals are bound to (section 6.1); `None` for the genesis, which is not sealed.
    pub fn class(&self) -> Option<ObjectClass> {
        match self {
            Self::Genesis(_) => None,
            Self::Access { .. } => Some(ObjectClass::Access),
            Self::Record { .. } => Some(ObjectClass::Log),
            Self::Data(_) => Some(ObjectClass::Data),
            Self::Meta(_) => Some(ObjectClass::Meta),
            Self::Index(_) => Some(ObjectClass::Index),
        }
    }

    /// The logical name that seals are bound to (section 6.1).
    pub fn logical_name(&self) -> String {
        match *self {
            Self::Access { n, .. } => access_logical_name(n),
            Self::Record { lamport, seq, .. } => record_logical_name(lamport, seq),
            Self::Genesis(_) | Self::Data(_) | Self::Meta(_) | Self::Index(_) => String::new(),
        }
    }
}

/// The class of a sealed object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectClass {
    /// A log record.
    Log,
    /// An access version.
    Access,
    /// A pack of file content.
    Data,
    /// A pack of tree nodes and chunk lists.
    Meta,
    /// An index segment.
    Index,
}

impl ObjectClass {
    /// The class as the seal spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Access => "access",
            Self::Data => "data",
            Self::Meta => "meta",
            Self::Index => "index",
        }
    }
}

/// The logical name of access version `n`.
pub fn access_logical_name(n: u32) -> String {
    debug_assert!(n <= ACCESS_NUMBER_MAX, "an access version number has eight digits");
    format!("{n:08}")
}

/// The logical name of a log record.
pub fn record_logical_name(lamport: u64, seq: u64) -> String {
    debug_assert!(lamport.max(seq) <= RECORD_NUMBER_MAX, "numbers of records have twelve digits");
    format!("{lamport:012}-{seq:012}")
}

/// The folders below `prefix` (data, meta or index): one for each first character of a hash.
pub fn shards(prefix: &str) -> impl Iterator<Item = String> {
    ('a'..='z').chain('2'..='7').map(move |first| format!("{prefix}{first}/"))
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prefix, id) = match self {
            Self::Genesis(id) => return write!(f, "{VAULT_PREFIX}{id}"),
            Self::Access { id, .. } => return write!(f, "{LOG_PREFIX}k{}-{id}", self.logical_name()),
            Self::Record { lamport, tag, seq, id } => {
                return write!(f, "{LOG_PREFIX}c{lamport:012}-{tag}-{seq:012}-{id}");
            }
            Self::Data(id) => (DATA_PREFIX, id),
            Self::Meta(id) => (META_PREFIX, id),
            Self::Index(id) => (INDEX_PREFIX, id),
        };
        let hash = id.to_string();
        write!(f, "{prefix}{}/{hash}", &hash[..1])
    }
}

/// A name that is no object's of this format: the object is to be ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an object of a vault")]
pub struct ForeignName;

impl FromStr for ObjectName {
    type Err = ForeignName;

    fn from_str(name: &str) -> Result<Self, ForeignName> {
        parse(name).ok_or(ForeignName)
    }
}

fn parse(name: &str) -> Option<ObjectName> {
    let cut = name.find('/')? + 1;
    let (prefix, rest) = name.split_at(cut);
    match prefix {
        VAULT_PREFIX => Some(ObjectName::Genesis(rest.parse().ok()?)),
        LOG_PREFIX => parse_log(rest),
        DATA_PREFIX => Some(ObjectName::Data(parse_shard(rest)?)),
        META_PREFIX => Some(ObjectName::Meta(parse_shard(rest)?)),
        INDEX_PREFIX => Some(ObjectName::Index(parse_shard(rest)?)),
        _ => None,
    }
}

fn parse_log(rest: &str) -> Option<ObjectName> {
    let mut parts = rest.get(1..)?.split('-');
    let mut part = || parts.next();
    let parsed = match rest.as_bytes()[0] {
        b'k' => ObjectName::Access { n: digits(part()?, 8)? as u32, id: part()?.parse().ok()? },
        b'c' => ObjectName::Record {
            lamport: digits(part()?, 12)?,
            tag: part()?.parse().ok()?,
            seq: digits(part()?, 12)?,
            id: part()?.parse().ok()?,
        },
        _ => return None,
    };
    parts.next().is_none().then_some(parsed)
}

fn parse_shard(rest: &str) -> Option<ObjectId> {
    let (shard, hash) = rest.split_once('/')?;
    if shard.len() == 1 && hash.starts_with(shard) { hash.parse().ok() } else { None }
}

/// Exactly `width` decimal digits: `parse` alone would take a sign.
fn digits(text: &str, width: usize) -> Option<u64> {
    (text.len() == width && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name() -> impl Strategy<Value = ObjectName> {
        let id = any::<[u8; 32]>().prop_map(ObjectId::new);
        let numbers = (0..=RECORD_NUMBER_MAX, 0..=RECORD_NUMBER_MAX, any::<[u8; 10]>());
        (0u8..6, id, 0..=ACCESS_NUMBER_MAX, numbers).prop_map(|(which, id, n, (lamport, seq, tag))| match which {
            0 => ObjectName::Genesis(id),
            1 => ObjectName::Access { n, id },
            2 => ObjectName::Record { lamport, tag: NameTag::new(tag), seq, id },
            3 => ObjectName::Data(id),
            4 => ObjectName::Meta(id),
            _ => ObjectName::Index(id),
        })
    }

    proptest! {
        #[test]
        fn names_round_trip(name in name()) {
            prop_assert_eq!(name.to_string().parse(), Ok(name));
        }

        #[test]
        fn accepted_names_are_canonical(name in name(), at in any::<prop::sample::Index>(), with in "[-/+a0A ]|é") {
            let mut text = name.to_string();
            let at = at.index(text.len());
            text.replace_range(at..=at, &with);
            if let Ok(name) = text.parse::<ObjectName>() {
                prop_assert_eq!(name.to_string(), text);
            }
        }

        #[test]
        fn names_never_panic(text in "((vault|log|data|meta|index)/)?[kc]?\\PC{0,80}") {
            let _either = text.parse::<ObjectName>();
        }
    }

    #[test]
    fn names_are_spelled_as_the_format_says() {
        let (id, tag) = (ObjectId::new([0; 32]), NameTag::new([0xff; 10]));
        let hash = "a".repeat(52);
        for (name, text) in [
            (ObjectName::Genesis(id), format!("vault/{hash}")),
            (ObjectName::Access { n: 7, id }, format!("log/k00000007-{hash}")),
            (
                ObjectName::Record { lamport: 12, tag, seq: 3, id },
                format!("log/c000000000012-7777777777777777-000000000003-{hash}"),
            ),
            (ObjectName::Data(id), format!("data/a/{hash}")),
            (ObjectName::Index(id), format!("index/a/{hash}")),
        ] {
            assert_eq!(name.to_string(), text);
        }
        assert_eq!(shards(DATA_PREFIX).count(), 32);
    }

    #[test]
    fn foreign_names_are_refused() {
        let hash = "a".repeat(52);
        for text in [
            String::new(),
            "log/".to_owned(),
            "log/é".to_owned(),
            format!("data/b/{hash}"),
            format!("data//{hash}"),
            format!("data/{hash}"),
            format!("vault/{hash}.tmp"),
            format!("log/k0000007-{hash}"),
            format!("log/k+0000007-{hash}"),
            format!("log/k00000007-{hash}-"),
            format!("log/x00000007-{hash}"),
        ] {
            assert_eq!(text.parse::<ObjectName>(), Err(ForeignName), "{text}");
        }
    }
}
