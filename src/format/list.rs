//! docs/format.md, section 9.4: the nodes of chunk lists.

use super::limits::{CHUNK_MAX, LEVELS_MAX};
use super::wire::{Malformed, Put, Reader};
use crate::id::BlobId;

/// The items of one list node.
pub const LIST_ITEMS_MAX: usize = 1024;

/// One item of a list. `len` is what it covers of the file, and never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListItem {
    /// A data chunk. Level 0.
    Data {
        /// The chunk.
        id: BlobId,
        /// Its length.
        len: u64,
    },
    /// Zero bytes that are stored nowhere. Level 0.
    Hole {
        /// How many.
        len: u64,
    },
    /// A node of the level below. Above level 0.
    Child {
        /// The node.
        id: BlobId,
        /// How much of the file is below it.
        len: u64,
    },
}

impl ListItem {
    /// How much of the file it covers.
    pub fn len(&self) -> u64 {
        match self {
            Self::Data { len, .. } | Self::Hole { len } | Self::Child { len, .. } => *len,
        }
    }

    /// Whether it covers nothing; no list holds such an item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The blob it refers to.
    pub fn id(&self) -> Option<&BlobId> {
        match self {
            Self::Data { id, .. } | Self::Child { id, .. } => Some(id),
            Self::Hole { .. } => None,
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Data { id, .. } => {
                out.push(0);
                out.put(id.as_bytes());
            }
            Self::Hole { .. } => out.push(1),
            Self::Child { id, .. } => out.put(id.as_bytes()),
        }
        out.put_varint(self.len());
    }

    fn decode(level: u8, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let item = if level > 0 {
            Self::Child { id: BlobId::new(reader.array()?), len: reader.varint()? }
        } else {
            match reader.u8()? {
                0 => Self::Data { id: BlobId::new(reader.array()?), len: reader.count(CHUNK_MAX)? as u64 },
                1 => Self::Hole { len: reader.varint()? },
                _ => return Err(reader.bad()),
            }
        };
        if item.is_empty() { Err(reader.bad()) } else { Ok(item) }
    }
}

/// A node of a chunk list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListNode {
    /// 0 for the nodes that hold data and holes.
    pub level: u8,
    /// The items, in the order of the file. All are of the level's kinds; there is at least one.
    pub items: Vec<ListItem>,
}

impl ListNode {
    /// Encodes the node.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + 37 * self.items.len());
        out.push(self.level);
        out.put_varint(self.items.len() as u64);
        self.items.iter().for_each(|item| item.encode(&mut out));
        debug_assert_eq!(Self::decode(&out).as_ref(), Ok(self), "only what can be read is written");
        out
    }

    /// Decodes the canonical part of a node blob.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not exactly such a node, or cover more than 2^64 bytes.
    pub fn decode(canonical: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(canonical, "chunk list");
        let level = reader.u8()?;
        let count = reader.count(LIST_ITEMS_MAX)?;
        if level >= LEVELS_MAX || count == 0 {
            return Err(reader.bad());
        }
        let mut items: Vec<ListItem> = Vec::with_capacity(count);
        let mut total = 0u64;
        for _ in 0..count {
            let item = ListItem::decode(level, &mut reader)?;
            let split_hole = matches!((items.last(), item), (Some(ListItem::Hole { .. }), ListItem::Hole { .. }));
            total = total.checked_add(item.len()).filter(|_| !split_hole).ok_or_else(|| reader.bad())?;
            items.push(item);
        }
        reader.finish()?;
        Ok(Self { level, items })
    }

    /// How much of the file is below this node.
    pub fn total(&self) -> u64 {
        self.items.iter().map(ListItem::len).fold(0, u64::saturating_add)
    }

    /// Whether a node of this level with these items is complete: what follows belongs to the next.
    pub fn is_complete(&self) -> bool {
        let alone = self.level > 0 && self.items.len() == 1;
        let marked = self.items.last().and_then(ListItem::id).is_some_and(|id| id.as_bytes()[31] == 0);
        !alone && (marked || self.items.len() >= LIST_ITEMS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(last: u8) -> BlobId {
        let mut bytes = [0xab; 32];
        bytes[31] = last;
        BlobId::new(bytes)
    }

    #[test]
    fn frozen() {
        let leaf =
            ListNode { level: 0, items: vec![ListItem::Data { id: id(1), len: 300 }, ListItem::Hole { len: 1 << 18 }] };
        let id_bytes = id(1);
        assert_eq!(leaf.encode(), [&[0, 2, 0][..], id_bytes.as_bytes(), &[0xac, 0x02, 1, 0x80, 0x80, 0x10]].concat());
        let inner = ListNode { level: 1, items: vec![ListItem::Child { id: id(1), len: 5 }] };
        assert_eq!(inner.encode(), [&[1, 1][..], id_bytes.as_bytes(), &[5]].concat());
    }

    #[test]
    fn nodes_end_where_they_should() {
        let data = |last| ListItem::Data { id: id(last), len: 1 };
        let ends = |level, items: Vec<ListItem>| ListNode { level, items }.is_complete();
        assert!(ends(0, vec![data(0)]));
        assert!(!ends(0, vec![data(0), data(1)]));
        assert!(!ends(0, vec![data(0), ListItem::Hole { len: 1 }]));
        assert!(!ends(0, vec![data(1); 1023]));
        assert!(ends(0, vec![data(1); 1024]));
        let child = ListItem::Child { id: id(0), len: 1 };
        assert!(!ends(1, vec![child]));
        assert!(ends(1, vec![child; 2]));
    }

    #[test]
    fn what_would_not_be_written_is_refused() {
        let hole = [1u8, 9];
        for bad in [
            vec![0, 0],
            vec![16, 1, 1, 9],
            [&[0, 2][..], &hole, &hole].concat(),
            vec![0, 1, 1, 0],
            vec![0, 1, 2, 9],
            [&[0, 1, 0][..], &[0; 32], &[0x80, 0x80, 0x80, 0x40]].concat(),
            [&[1, 2][..], &[0; 32], &[1], &[0; 32], &[0xff; 9], &[1]].concat(),
            [&[0, 1][..], &hole, &hole].concat(),
        ] {
            assert!(ListNode::decode(&bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn accepted_nodes_are_canonical(level in 0u8..2, bytes in proptest::collection::vec(0u8..3, 0..120)) {
            let bytes = [&[level][..], &bytes].concat();
            if let Ok(node) = ListNode::decode(&bytes) {
                prop_assert_eq!(node.encode(), bytes);
            }
        }
    }
}
