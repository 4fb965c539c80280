//! docs/format.md, section 9.2: entries, the values of the tree.
//!
//! One file has one encoding: what [`Entry::check`] refuses is neither written nor read.

use super::limits::{ATTRIBUTES_MAX, CHUNK_MAX, INLINE_MAX};
use super::wire::{Malformed, Put, Reader};
use crate::id::{BlobId, BlobKind};
use crate::path::PATH_MAX;
use crate::world::Timestamp;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum EntryKind {
    /// A regular file.
    File = 1,
    /// A directory.
    Dir = 2,
    /// A symbolic link.
    Symlink = 3,
}

impl EntryKind {
    /// The kind with this number.
    pub fn from_u8(byte: u8) -> Option<Self> {
        [Self::File, Self::Dir, Self::Symlink].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// Where the content of an entry is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Content {
    /// There is none: an empty file, a directory.
    None,
    /// In the entry itself: files of at most [`INLINE_MAX`] bytes.
    Inline(Box<[u8]>),
    /// One data chunk, which is the whole file.
    Chunk(BlobId),
    /// The root of a chunk list.
    List(BlobId),
    /// The target of a symbolic link.
    Link(Box<[u8]>),
}

impl Content {
    /// The blob that this content refers to.
    pub fn reference(&self) -> Option<(BlobKind, BlobId)> {
        match self {
            Self::Chunk(id) => Some((BlobKind::Chunk, *id)),
            Self::List(id) => Some((BlobKind::List, *id)),
            Self::None | Self::Inline(_) | Self::Link(_) => None,
        }
    }
}

/// One file, directory or symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Length of the content of a file, 0 for anything else.
    pub size: u64,
    /// When it was last modified.
    pub mtime: Timestamp,
    /// Permission bits (07777), if known.
    pub mode: Option<u16>,
    /// The content.
    pub content: Content,
    /// Attributes, ascending by tag. Unknown ones are kept as they are.
    pub attributes: Vec<(u64, Vec<u8>)>,
}

impl Entry {
    /// Checks that the fields fit together as the format demands.
    ///
    /// # Errors
    /// [`Malformed`] if they do not.
    pub fn check(&self) -> Result<(), Malformed> {
        let content = match (self.kind, &self.content) {
            (EntryKind::File, Content::None) | (EntryKind::Dir, Content::None) => self.size == 0,
            (EntryKind::File, Content::Inline(bytes)) => {
                (1..=INLINE_MAX).contains(&bytes.len()) && bytes.len() as u64 == self.size
            }
            (EntryKind::File, Content::Chunk(_)) => (INLINE_MAX as u64 + 1..=CHUNK_MAX as u64).contains(&self.size),
            (EntryKind::File, Content::List(_)) => self.size > INLINE_MAX as u64,
            (EntryKind::Symlink, Content::Link(target)) => self.size == 0 && (1..=PATH_MAX).contains(&target.len()),
            _ => false,
        };
        let mode = self.mode.is_none_or(|mode| mode <= MODE_MAX);
        let ascending = self.attributes.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let lengths = self.attributes.iter().map(|(_, bytes)| bytes.len());
        let small = lengths.fold(0usize, usize::saturating_add) <= ATTRIBUTES_MAX;
        if content && mode && ascending && small { Ok(()) } else { Err(MALFORMED) }
    }

    /// Appends the entry.
    pub fn encode(&self, out: &mut Vec<u8>) {
        debug_assert_eq!(self.check(), Ok(()), "only what can be read is written");
        out.push(self.kind as u8);
        out.put_varint(self.size);
        out.put_time(self.mtime);
        out.put_varint(self.mode.map_or(0, |mode| u64::from(mode) + 1));
        match &self.content {
            Content::None => out.push(0),
            Content::Inline(bytes) => {
                out.push(1);
                out.put_bytes(bytes);
            }
            Content::Chunk(id) => {
                out.push(2);
                out.put(id.as_bytes());
            }
            Content::List(id) => {
                out.push(3);
                out.put(id.as_bytes());
            }
            Content::Link(target) => {
                out.push(4);
                out.put_bytes(target);
            }
        }
        out.put_varint(self.attributes.len() as u64);
        for (tag, bytes) in &self.attributes {
            out.put_varint(*tag);
            out.put_bytes(bytes);
        }
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes end, a number is out of range, or the fields do not fit together.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let kind = EntryKind::from_u8(reader.u8()?).ok_or_else(|| reader.bad())?;
        let size = reader.varint()?;
        let mtime = reader.time()?;
        let mode = match reader.count(usize::from(MODE_MAX) + 1)? {
            0 => None,
            more => Some(more as u16 - 1),
        };
        let content = match reader.u8()? {
            0 => Content::None,
            1 => Content::Inline(reader.bytes(INLINE_MAX)?.into()),
            2 => Content::Chunk(BlobId::new(reader.array()?)),
            3 => Content::List(BlobId::new(reader.array()?)),
            4 => Content::Link(reader.bytes(PATH_MAX)?.into()),
            _ => return Err(reader.bad()),
        };
        let mut attributes = Vec::new();
        for _ in 0..reader.count(ATTRIBUTES_COUNT_MAX)? {
            attributes.push((reader.varint()?, reader.bytes(ATTRIBUTES_MAX)?.to_vec()));
        }
        let entry = Self { kind, size, mtime, mode, content, attributes };
        entry.check()?;
        Ok(entry)
    }
}

const MALFORMED: Malformed = Malformed { what: "tree entry" };
/// All permission bits.
const MODE_MAX: u16 = 0o7777;
/// Attributes of one entry.
const ATTRIBUTES_COUNT_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry() -> impl Strategy<Value = Entry> {
        let content = prop_oneof![
            Just((EntryKind::File, 0, Content::None)),
            Just((EntryKind::Dir, 0, Content::None)),
            proptest::collection::vec(any::<u8>(), 1..=INLINE_MAX).prop_map(|v| (
                EntryKind::File,
                v.len() as u64,
                Content::Inline(v.into())
            )),
            (513u64..=8 << 20, any::<[u8; 32]>()).prop_map(|(size, id)| (
                EntryKind::File,
                size,
                Content::Chunk(BlobId::new(id))
            )),
            (513u64.., any::<[u8; 32]>()).prop_map(|(size, id)| (
                EntryKind::File,
                size,
                Content::List(BlobId::new(id))
            )),
            proptest::collection::vec(any::<u8>(), 1..40).prop_map(|v| (
                EntryKind::Symlink,
                0,
                Content::Link(v.into())
            )),
        ];
        let attributes =
            proptest::collection::btree_map(any::<u64>(), proptest::collection::vec(any::<u8>(), 0..9), 0..4);
        (content, any::<i64>(), 0u32..1_000_000_000, proptest::option::of(0u16..=0o7777), attributes).prop_map(
            |((kind, size, content), secs, nanos, mode, attributes)| Entry {
                kind,
                size,
                mtime: Timestamp { secs, nanos },
                mode,
                content,
                attributes: attributes.into_iter().collect(),
            },
        )
    }

    fn decode(bytes: &[u8]) -> Result<Entry, Malformed> {
        let mut reader = Reader::new(bytes, "tree entry");
        let entry = Entry::decode(&mut reader)?;
        reader.finish()?;
        Ok(entry)
    }

    proptest! {
        #[test]
        fn round_trip(entry in entry()) {
            let mut out = Vec::new();
            entry.encode(&mut out);
            prop_assert_eq!(decode(&out), Ok(entry));
        }

        #[test]
        fn accepted_entries_are_canonical(entry in entry(), at: proptest::sample::Index, byte: u8) {
            let mut out = Vec::new();
            entry.encode(&mut out);
            let at = at.index(out.len());
            out[at] = byte;
            if let Ok(entry) = decode(&out) {
                let mut again = Vec::new();
                entry.encode(&mut again);
                prop_assert_eq!(again, out);
            }
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _either = decode(&bytes);
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let id = BlobId::new([7; 32]);
        let file = |size, content| Entry {
            kind: EntryKind::File,
            size,
            mtime: Timestamp::default(),
            mode: None,
            content,
            attributes: Vec::new(),
        };
        let inline = |len: usize| Content::Inline(vec![1; len].into());
        let link = |len: usize| Content::Link(vec![b'x'; len].into());
        for good in [file(0, Content::None), file(512, inline(512)), file(513, Content::Chunk(id))] {
            assert!(good.check().is_ok(), "{good:?}");
        }
        let symlink = |size, content| Entry { kind: EntryKind::Symlink, ..file(size, content) };
        for bad in [
            file(1, Content::None),
            file(0, inline(0)),
            file(3, inline(2)),
            file(513, inline(513)),
            file(512, Content::Chunk(id)),
            file((8 << 20) + 1, Content::Chunk(id)),
            file(512, Content::List(id)),
            file(0, link(1)),
            symlink(0, link(0)),
            symlink(1, link(1)),
            symlink(0, link(PATH_MAX + 1)),
            Entry { kind: EntryKind::Dir, ..file(513, Content::Chunk(id)) },
            Entry { mode: Some(0o10000), ..file(0, Content::None) },
            Entry { attributes: vec![(2, vec![]), (2, vec![])], ..file(0, Content::None) },
            Entry { attributes: vec![(1, vec![0; 9000]), (3, vec![0; 9000])], ..file(0, Content::None) },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
