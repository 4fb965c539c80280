//! docs/format.md, section 9.2: entries, the values of the tree.
//!
//! One file has one encoding: what [`Entry::check`] refuses is neither written nor read.

use super::attribute::LOST;
use super::limits::{ATTRIBUTES_MAX, CHUNK_MAX, INLINE_MAX};
use super::wire::{Malformed, Put, Reader};
use crate::id::{BlobId, BlobKind, CommitId};
use crate::path::{NAME_MAX, PATH_MAX, check_name};
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

/// What an entry has that is a conflict copy: the version of a file that lost its name in a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict<'a> {
    /// The name that it lost, in the same directory.
    pub name: &'a [u8],
    /// The head whose version this is.
    pub commit: CommitId,
}

impl<'a> Conflict<'a> {
    /// The tag of the attribute.
    pub const TAG: u64 = 5;

    /// The value of the attribute.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.name.len() + 34);
        out.put_bytes(self.name);
        out.put(self.commit.as_bytes());
        out
    }

    fn decode(value: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(value, MALFORMED.what);
        let conflict = Self { name: reader.bytes(NAME_MAX)?, commit: CommitId::new(reader.array()?) };
        reader.finish()?;
        check_name(conflict.name).map_err(|_| MALFORMED)?;
        Ok(conflict)
    }
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
        let marked = self.attributes.iter().any(|(tag, _)| *tag == Conflict::TAG);
        let conflict = !marked || (self.kind != EntryKind::Dir && self.conflict().is_some());
        if content && mode && ascending && small && conflict { Ok(()) } else { Err(MALFORMED) }
    }

    /// What makes this a conflict copy, if it is one.
    pub fn conflict(&self) -> Option<Conflict<'_>> {
        let (_, value) = self.attributes.iter().find(|(tag, _)| *tag == Conflict::TAG)?;
        Conflict::decode(value).ok()
    }

    /// Makes this a conflict copy, or no longer one.
    pub fn set_conflict(&mut self, conflict: Option<Conflict<'_>>) {
        self.attributes.retain(|(tag, _)| *tag != Conflict::TAG);
        if let Some(conflict) = conflict {
            let at = self.attributes.partition_point(|(tag, _)| *tag < Conflict::TAG);
            self.attributes.insert(at, (Conflict::TAG, conflict.encode()));
        }
    }

    /// Whether its content was found to be missing.
    pub fn is_lost(&self) -> bool {
        self.attribute(LOST).is_some()
    }

    /// The bytes of an attribute.
    pub fn attribute(&self, tag: u64) -> Option<&[u8]> {
        self.attributes.iter().find(|(known, _)| *known == tag).map(|(_, bytes)| bytes.as_slice())
    }

    /// Sets or removes an attribute.
    pub fn set_attribute(&mut self, tag: u64, bytes: Option<Vec<u8>>) {
        self.attributes.retain(|(known, _)| *known != tag);
        if let Some(bytes) = bytes {
            let at = self.attributes.partition_point(|(known, _)| *known < tag);
            self.attributes.insert(at, (tag, bytes));
        }
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
        let conflict = proptest::option::of(("[a-z]{1,9}", any::<[u8; 32]>()));
        let time = (any::<i64>(), 0u32..1_000_000_000).prop_map(|(secs, nanos)| Timestamp { secs, nanos });
        (content, time, proptest::option::of(0u16..=0o7777), attributes, conflict).prop_map(
            |((kind, size, content), mtime, mode, attributes, conflict)| {
                let attributes = attributes.into_iter().collect();
                let mut entry = Entry { kind, size, mtime, mode, content, attributes };
                let conflict = conflict.as_ref().filter(|_| kind != EntryKind::Dir);
                entry.set_conflict(
                    conflict.map(|(name, commit)| Conflict { name: name.as_bytes(), commit: CommitId::new(*commit) }),
                );
                entry
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
    fn frozen_conflict() {
        let conflict = Conflict { name: b"a.txt", commit: CommitId::new([0xee; 32]) };
        assert_eq!(conflict.encode(), [&[5][..], b"a.txt", &[0xee; 32]].concat());
        let mut entry = Entry {
            kind: EntryKind::File,
            size: 0,
            mtime: Timestamp::default(),
            mode: None,
            content: Content::None,
            attributes: vec![(1, vec![1]), (9, vec![2])],
        };
        entry.set_conflict(Some(conflict));
        assert_eq!(entry.attributes.iter().map(|(tag, _)| *tag).collect::<Vec<_>>(), [1, 5, 9]);
        assert_eq!((entry.conflict(), entry.check()), (Some(conflict), Ok(())));
        assert!(Entry { kind: EntryKind::Dir, ..entry.clone() }.check().is_err());
        for bad in [Conflict { name: b"a/b", ..conflict }, Conflict { name: b"", ..conflict }] {
            assert!(Entry { attributes: vec![(5, bad.encode())], ..entry.clone() }.check().is_err());
        }
        assert!(Entry { attributes: vec![(5, vec![0; 33])], ..entry.clone() }.check().is_err());
        entry.set_conflict(None);
        assert_eq!((entry.conflict(), entry.attributes.len()), (None, 2));
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
