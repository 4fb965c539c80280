//! docs/format.md, section 9.3: the nodes of the tree, the rule that ends them, and the blobs that carry them (section 7).
//!
//! Keys share prefixes, so a small node can spell out very long keys: a [`Node`] keeps the suffixes and its reader rebuilds
//! one key at a time ([`Node::step_key`]). Nothing here takes more memory than a small multiple of the encoded bytes.

use super::entry::Entry;
use super::key::KEY_MAX;
use super::limits::{LEVELS_MAX, NODE_BLOB_MAX, NODE_ITEMS_MAX};
use super::wire::{Malformed, Put, Reader};
use crate::id::BlobId;

/// What an item above level 0 says of the node below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Child {
    /// The node.
    pub id: BlobId,
    /// What is below it.
    pub totals: Totals,
}

/// What a node, a tree or an entry adds up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Totals {
    /// Entries.
    pub entries: u64,
    /// Sum of the sizes of the files, or `u64::MAX` if it is more.
    pub bytes: u64,
    /// Entries that are conflict copies.
    pub conflicts: u64,
}

impl Totals {
    /// Of one entry.
    pub fn of(entry: &Entry) -> Self {
        Self { entries: 1, bytes: entry.size, conflicts: u64::from(entry.conflict().is_some()) }
    }

    /// Of both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            entries: self.entries.saturating_add(other.entries),
            bytes: self.bytes.saturating_add(other.bytes),
            conflicts: self.conflicts.saturating_add(other.conflicts),
        }
    }

    /// Appends the numbers.
    pub fn encode(&self, out: &mut Vec<u8>) {
        [self.entries, self.bytes, self.conflicts].into_iter().for_each(|total| out.put_varint(total));
    }

    /// Reads the numbers.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes end, or a number is not in its shortest form.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { entries: reader.varint()?, bytes: reader.varint()?, conflicts: reader.varint()? })
    }
}

impl Child {
    /// Appends the value.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put(self.id.as_bytes());
        self.totals.encode(out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { id: BlobId::new(reader.array()?), totals: Totals::decode(reader)? })
    }
}

/// The values of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// At level 0.
    Entries(Vec<Entry>),
    /// Above.
    Children(Vec<Child>),
}

/// A decoded node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    level: u8,
    keys: Vec<KeyPart>,
    suffixes: Vec<u8>,
    values: Values,
}

/// A key: so many bytes of the key before it, then the suffix that ends at `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct KeyPart {
    shared: u32,
    end: u32,
}

impl Node {
    /// Decodes the canonical part of a node blob.
    ///
    /// # Errors
    /// [`Malformed`] unless the bytes are exactly what [`NodeWriter`] would make of these items.
    pub fn decode(canonical: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(canonical, "tree node");
        let level = reader.u8()?;
        let count = reader.count(NODE_ITEMS_MAX)?;
        if level >= LEVELS_MAX || (level > 0 && count == 0) {
            return Err(reader.bad());
        }
        let room = count.min(canonical.len() / MIN_ITEM_LEN);
        let mut values = match level {
            0 => Values::Entries(Vec::with_capacity(room)),
            _ => Values::Children(Vec::with_capacity(room)),
        };
        let mut keys = Vec::with_capacity(room);
        let (mut suffixes, mut key) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let shared = reader.count(key.len())?;
            let suffix = reader.bytes(KEY_MAX - shared)?;
            // One look at the first byte proves that the key ascends and that `shared` counts all that it could.
            let ascends = suffix.first().is_some_and(|first| key.get(shared).is_none_or(|before| first > before));
            if !ascends {
                return Err(reader.bad());
            }
            key.truncate(shared);
            key.extend_from_slice(suffix);
            suffixes.extend_from_slice(suffix);
            keys.push(KeyPart { shared: shared as u32, end: suffixes.len() as u32 });
            match &mut values {
                Values::Entries(entries) => entries.push(Entry::decode(&mut reader)?),
                Values::Children(children) => children.push(Child::decode(&mut reader)?),
            }
        }
        reader.finish()?;
        Ok(Self { level, keys, suffixes, values })
    }

    /// 0 for the nodes that hold entries, else one more than that of the children.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none: so only the root of an empty tree.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The values.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Turns the key of item `index - 1` into that of item `index`; for item 0 what is in `key` does not matter.
    pub fn step_key(&self, index: usize, key: &mut Vec<u8>) {
        let KeyPart { shared, end } = self.keys[index];
        let start = if index == 0 { 0 } else { self.keys[index - 1].end };
        key.truncate(shared as usize);
        key.extend_from_slice(&self.suffixes[start as usize..end as usize]);
    }

    /// The key of the last item.
    pub fn last_key(&self) -> Option<Vec<u8>> {
        let mut key = Vec::new();
        (0..self.len()).for_each(|index| self.step_key(index, &mut key));
        (!self.is_empty()).then_some(key)
    }

    /// What is at and below this node.
    pub fn totals(&self) -> Totals {
        match &self.values {
            Values::Entries(entries) => entries.iter().map(Totals::of).fold(Totals::default(), Totals::plus),
            Values::Children(children) => {
                children.iter().map(|child| child.totals).fold(Totals::default(), Totals::plus)
            }
        }
    }

    /// For each item the blob it refers to, if any. Hints have one place for each `Some`, in order.
    pub fn references(&self) -> Vec<Option<BlobId>> {
        match &self.values {
            Values::Entries(entries) => entries.iter().map(|e| e.content.reference().map(|(_, id)| id)).collect(),
            Values::Children(children) => children.iter().map(|child| Some(child.id)).collect(),
        }
    }
}

/// Encodes a node item by item.
#[derive(Debug, Clone)]
pub struct NodeWriter {
    level: u8,
    count: u64,
    items: Vec<u8>,
    last: Vec<u8>,
}

impl NodeWriter {
    /// A node without items.
    pub fn new(level: u8) -> Self {
        Self { level, count: 0, items: Vec::new(), last: Vec::new() }
    }

    /// Appends an item, whose key is above that of the last; says how long its encoding is.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> usize {
        debug_assert!(key > &self.last[..], "keys ascend");
        let before = self.items.len();
        let shared = key.iter().zip(&self.last).take_while(|(a, b)| a == b).count();
        self.items.put_varint(shared as u64);
        self.items.put_bytes(&key[shared..]);
        self.items.put(value);
        self.last.truncate(shared);
        self.last.extend_from_slice(&key[shared..]);
        self.count += 1;
        self.items.len() - before
    }

    /// How many items there are.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The key of the last item; empty if there is none.
    pub fn last_key(&self) -> &[u8] {
        &self.last
    }

    /// The canonical bytes.
    pub fn finish(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.items.len() + 4);
        out.push(self.level);
        out.put_varint(self.count);
        out.put(&self.items);
        out
    }
}

/// Decides where nodes of one level end, from nothing but their items.
#[derive(Debug, Clone)]
pub struct Boundary {
    level: u8,
    len: u64,
}

impl Boundary {
    /// At the start of a node.
    pub fn new(level: u8) -> Self {
        Self { level, len: 0 }
    }

    /// Whether the node ends after an item whose encoding is `item_len` bytes. If so, what follows is the next node.
    pub fn ends_after(&mut self, item_len: usize, split_hash: u32) -> bool {
        let before = self.len;
        let after = before + item_len as u64;
        // An inner node of one item would only add a level.
        let alone = self.level > 0 && before == 0;
        let ends = !alone && (after >= NODE_LEN_MAX || hazard(before, after, split_hash));
        self.len = if ends { 0 } else { after };
        ends
    }
}

/// Weibull, shape 4. Both lengths are below 2^16: the right side is below 2^96.
fn hazard(before: u64, after: u64, split_hash: u32) -> bool {
    let fourth = |x: u64| u128::from(x).pow(4);
    u128::from(split_hash) * fourth(NODE_LEN_SCALE) < (fourth(after) - fourth(before)) << 32
}

/// Joins the canonical bytes of a node and its hints into the blob that is stored.
pub fn join_blob(canonical: &[u8], hints: &[u8]) -> Vec<u8> {
    let mut blob = Vec::with_capacity(4 + canonical.len() + hints.len());
    blob.put(&(canonical.len() as u32).to_le_bytes());
    blob.put(canonical);
    blob.put(hints);
    blob
}

/// Splits a node blob into its canonical bytes and its hints.
///
/// # Errors
/// [`Malformed`] if it is too long, or shorter than it says.
pub fn split_blob(blob: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let mut reader = Reader::new(blob, "node blob");
    if blob.len() > NODE_BLOB_MAX {
        return Err(reader.bad());
    }
    let len = reader.u32()?;
    Ok((reader.take(len as usize)?, reader.rest()))
}

/// The scale of the distribution of lengths: nodes are 33 KiB on average.
const NODE_LEN_SCALE: u64 = 36_864;
/// A node whose items are as long as this ends in any case.
const NODE_LEN_MAX: u64 = 65_536;
/// The shortest item: what a count of them is held against. A directory with a key of one byte.
const MIN_ITEM_LEN: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::entry::{Content, EntryKind};
    use crate::world::Timestamp;
    use proptest::prelude::*;

    fn file(size: u64, content: Content) -> Entry {
        let mtime = Timestamp { secs: 1_700_000_000, nanos: 5 };
        Entry { kind: EntryKind::File, size, mtime, mode: Some(0o644), content, attributes: vec![(9, vec![1])] }
    }

    fn leaf(items: &[(&[u8], Entry)]) -> Vec<u8> {
        let mut writer = NodeWriter::new(0);
        for (key, entry) in items {
            let mut value = Vec::new();
            entry.encode(&mut value);
            writer.push(key, &value);
        }
        writer.finish()
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn frozen_leaf() {
        let bytes = leaf(&[
            (b"\0\x01a", file(2, Content::Inline(b"hi".as_slice().into()))),
            (b"\0\x01ab", file(1 << 20, Content::Chunk(BlobId::new([0xcc; 32])))),
        ]);
        let frozen = hex(&format!(
            "00 02 | 00 03 000161 | 01 02 80c49fd50c 05 a503 01 02 6869 01 09 01 01
             | 03 01 62 | 01 808040 80c49fd50c 05 a503 02 {} 01 09 01 01",
            "cc".repeat(32)
        ));
        assert_eq!(bytes, frozen);
        let node = Node::decode(&bytes).unwrap();
        assert_eq!(
            (node.level(), node.len(), node.totals()),
            (0, 2, Totals { entries: 2, bytes: (1 << 20) + 2, conflicts: 0 })
        );
        assert_eq!(node.references(), [None, Some(BlobId::new([0xcc; 32]))]);
        assert_eq!(node.last_key().unwrap(), b"\0\x01ab");
    }

    #[test]
    fn frozen_inner_node_and_blob() {
        let mut value = Vec::new();
        let totals = Totals { entries: 300, bytes: 7, conflicts: 2 };
        Child { id: BlobId::new([0xdd; 32]), totals }.encode(&mut value);
        let mut writer = NodeWriter::new(1);
        assert_eq!(writer.push(b"\0\x01z", &value), 41);
        let canonical = writer.finish();
        assert_eq!(canonical, hex(&format!("01 01 | 00 03 00017a | {} ac02 07 02", "dd".repeat(32))));
        assert_eq!(Node::decode(&canonical).unwrap().totals(), totals);
        let blob = join_blob(&canonical, b"hints");
        assert_eq!(blob[..4], [43, 0, 0, 0]);
        assert_eq!(split_blob(&blob), Ok((&canonical[..], &b"hints"[..])));
        assert!(split_blob(&blob[..46]).is_err() && split_blob(&vec![0; NODE_BLOB_MAX + 1]).is_err());
    }

    #[test]
    fn frozen_boundaries() {
        let ends = |level: u8, lens: &[usize], hash| {
            let mut boundary = Boundary { level, len: 0 };
            lens.iter().map(|len| boundary.ends_after(*len, hash)).collect::<Vec<_>>()
        };
        assert_eq!(ends(0, &[36_864, 1], u32::MAX), [true, false]);
        assert_eq!(ends(0, &[36_863], u32::MAX), [false]);
        assert_eq!(ends(0, &[32_768, 32_767, 1], u32::MAX), [false, true, false]);
        assert_eq!(ends(0, &[18_432, 100], 1 << 28), [false, false]); // (1/2)^4 × 2^32 is 2^28, and not above it
        assert_eq!(ends(0, &[18_432, 100], (1 << 28) - 1), [true, false]);
        assert_eq!(ends(0, &[65_536, 65_535, 1], u32::MAX), [true, true, false]);
        assert_eq!(ends(1, &[65_536, 1, 1, 1], 0), [false, true, false, true]);
        assert_eq!(ends(0, &[1, 1], 0), [true, true]);
    }

    #[test]
    fn what_would_not_be_written_is_refused() {
        let entry = file(0, Content::None);
        let good = leaf(&[(b"ab", entry.clone()), (b"ad", entry.clone())]);
        assert!(Node::decode(&good).is_ok());
        let mut value = Vec::new();
        entry.encode(&mut value);
        let raw = |level: u8, items: &[(u8, &[u8])]| {
            let mut out = vec![level, items.len() as u8];
            for (shared, suffix) in items {
                out.push(*shared);
                out.put_bytes(suffix);
                out.put(&value);
            }
            out
        };
        assert_eq!(raw(0, &[(0, b"ab"), (1, b"d")]), good);
        for (what, bad) in [
            ("descending", raw(0, &[(0, b"ab"), (1, b"a")])),
            ("equal", raw(0, &[(0, b"ab"), (2, b"")])),
            ("a prefix of the last", raw(0, &[(0, b"ab"), (1, b"")])),
            ("shares too little", raw(0, &[(0, b"ab"), (0, b"ad")])),
            ("shares too much", raw(0, &[(0, b"ab"), (3, b"d")])),
            ("empty key", raw(0, &[(0, b"")])),
            ("inner node without children", vec![1, 0]),
            ("level", vec![16, 0]),
            ("trailing byte", [&good[..], &[0]].concat()),
            ("cut", good[..good.len() - 1].to_vec()),
        ] {
            assert!(Node::decode(&bad).is_err(), "{what}");
        }
    }

    #[test]
    fn long_shared_keys_take_no_memory() {
        let mut writer = NodeWriter::new(0);
        let mut value = Vec::new();
        file(0, Content::None).encode(&mut value);
        let mut key = vec![b'k'; KEY_MAX - 2];
        for n in 0..300u16 {
            key.truncate(KEY_MAX - 2);
            key.extend_from_slice(&n.to_be_bytes());
            writer.push(&key, &value);
        }
        let node = Node::decode(&writer.finish()).unwrap();
        assert!(node.suffixes.len() < 40_000, "{}", node.suffixes.len());
        assert_eq!(node.last_key().unwrap(), key);
    }

    proptest! {
        #[test]
        fn round_trip(keys in proptest::collection::btree_set(proptest::collection::vec(0u8..4, 1..9), 0..60)) {
            let items: Vec<_> = keys.iter().map(|key| (&key[..], file(0, Content::None))).collect();
            let bytes = leaf(&items);
            let node = Node::decode(&bytes).unwrap();
            let mut key = Vec::new();
            for (index, expected) in keys.iter().enumerate() {
                node.step_key(index, &mut key);
                prop_assert_eq!(&key, expected);
            }
            prop_assert_eq!(node.len(), keys.len());
        }

        #[test]
        fn accepted_nodes_are_canonical(
            keys in proptest::collection::btree_set(proptest::collection::vec(0u8..4, 1..5), 1..6),
            at: proptest::sample::Index,
            byte in 0u8..8,
        ) {
            let items: Vec<_> = keys.iter().map(|key| (&key[..], file(0, Content::None))).collect();
            let mut bytes = leaf(&items);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(node) = Node::decode(&bytes) {
                let (mut writer, mut key) = (NodeWriter::new(node.level()), Vec::new());
                for index in 0..node.len() {
                    node.step_key(index, &mut key);
                    let mut value = Vec::new();
                    match node.values() {
                        Values::Entries(entries) => entries[index].encode(&mut value),
                        Values::Children(children) => children[index].encode(&mut value),
                    }
                    writer.push(&key, &value);
                }
                prop_assert_eq!(writer.finish(), bytes);
            }
        }

        #[test]
        fn never_panics(level in 0u8..3, bytes in proptest::collection::vec(0u8..40, 0..200)) {
            let _either = Node::decode(&[&[level][..], &bytes].concat());
            let _other = split_blob(&bytes);
        }
    }
}
