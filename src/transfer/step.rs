//! One thing that a plan does, and how it is kept in a spool.

use super::item::Item;
use crate::format::entry::{Content, Entry, EntryKind};
use crate::format::hints::{Holder, Place, decode_hints_from, encode_hints};
use crate::format::limits::ATTRIBUTES_MAX;
use crate::format::wire::{Malformed, Put, Reader};
use crate::history::source::ResolvedPlace;
use crate::id::BlobId;
use crate::path::{PATH_MAX, TreePath};

/// One thing to do at the destination.
#[derive(Debug, Clone)]
pub enum Step {
    /// Write this entry.
    Put {
        /// What to write.
        item: Item,
        /// The kind of what it replaces.
        replaces: Option<EntryKind>,
        /// What it replaces, if that is to be kept elsewhere in the vault.
        old: Option<Box<Item>>,
    },
    /// Write this entry, whose content the vault has.
    Refer(Item, Option<Box<Item>>),
    /// Only mode or times differ.
    Meta(Item),
    /// Remove this.
    Delete {
        /// What to remove.
        path: TreePath,
        /// What it is.
        kind: EntryKind,
        /// What it is in full, if it is to be kept elsewhere in the vault.
        old: Option<Box<Item>>,
    },
    /// Nothing at the destination: a move removes this from the source all the same.
    Leave(TreePath),
}

impl Step {
    /// Where.
    pub fn path(&self) -> &TreePath {
        match self {
            Self::Put { item, .. } | Self::Refer(item, _) | Self::Meta(item) => &item.path,
            Self::Delete { path, .. } | Self::Leave(path) => path,
        }
    }

    /// What was there and is to be kept elsewhere.
    pub(super) fn old(&self) -> Option<&Item> {
        match self {
            Self::Put { old, .. } | Self::Refer(_, old) | Self::Delete { old, .. } => old.as_deref(),
            Self::Meta(_) | Self::Leave(_) => None,
        }
    }
}

/// The directory that a step puts an end to.
pub(super) fn removed_dir(step: &Step) -> Option<&TreePath> {
    match step {
        Step::Delete { path, kind: EntryKind::Dir, .. } => Some(path),
        Step::Put { item, replaces: Some(EntryKind::Dir), .. } if item.entry.kind != EntryKind::Dir => Some(&item.path),
        _ => None,
    }
}

/// Encodes a step for a spool.
pub(super) fn encode(step: &Step) -> Vec<u8> {
    let with_old = if step.old().is_some() { OLD } else { 0 };
    let mut out = Vec::new();
    match step {
        Step::Put { item, replaces, .. } => {
            out.push(with_old | (1 + replaces.map_or(0, |kind| kind as u8)));
            encode_item(item, &mut out);
        }
        Step::Refer(item, _) => {
            out.push(with_old | REFER);
            encode_item(item, &mut out);
        }
        Step::Meta(item) => {
            out.push(META);
            encode_item(item, &mut out);
        }
        Step::Delete { path, kind, .. } => {
            out.push(with_old | (DELETE + *kind as u8));
            out.put_bytes(path.as_bytes());
        }
        Step::Leave(path) => {
            out.push(LEAVE);
            out.put_bytes(path.as_bytes());
        }
    }
    if let Some(old) = step.old() {
        encode_item(old, &mut out);
    }
    out
}

fn encode_item(item: &Item, out: &mut Vec<u8>) {
    out.put_bytes(item.path.as_bytes());
    encode_entry(&item.entry, out);
    let place = item.place.map(|p| Place { holder: Holder::Object(p.object), location: p.location });
    out.extend_from_slice(&encode_hints(&[place]));
}

/// Entries in spools: unlike stored ones, files may lack their content.
pub(super) fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    out.push(entry.kind as u8);
    out.put_varint(entry.size);
    out.put_time(entry.mtime);
    out.put_varint(entry.mode.map_or(0, |mode| u64::from(mode) + 1));
    match &entry.content {
        Content::None => out.push(0),
        Content::Inline(bytes) | Content::Link(bytes) => {
            out.push(if matches!(entry.content, Content::Inline(_)) { 1 } else { 4 });
            out.put_bytes(bytes);
        }
        Content::Chunk(id) | Content::List(id) => {
            out.push(if matches!(entry.content, Content::Chunk(_)) { 2 } else { 3 });
            out.put(id.as_bytes());
        }
    }
    out.put_varint(entry.attributes.len() as u64);
    for (tag, value) in &entry.attributes {
        out.put_varint(*tag);
        out.put_bytes(value);
    }
}

/// The inverse of [`encode_entry`].
pub(super) fn decode_entry(reader: &mut Reader<'_>) -> Result<Entry, Malformed> {
    let kind = EntryKind::from_u8(reader.u8()?).ok_or_else(|| reader.bad())?;
    let size = reader.varint()?;
    let mtime = reader.time()?;
    let mode = reader.varint32()?.checked_sub(1).map(|mode| mode as u16);
    let content = match reader.u8()? {
        0 => Content::None,
        1 => Content::Inline(reader.bytes(PATH_MAX)?.into()),
        2 => Content::Chunk(BlobId::new(reader.array()?)),
        3 => Content::List(BlobId::new(reader.array()?)),
        _ => Content::Link(reader.bytes(PATH_MAX)?.into()),
    };
    let mut attributes = Vec::new();
    for _ in 0..reader.count(ATTRIBUTES_MAX)? {
        attributes.push((reader.varint()?, reader.bytes(ATTRIBUTES_MAX)?.to_vec()));
    }
    Ok(Entry { kind, size, mtime, mode, content, attributes })
}

/// The inverse of [`encode`].
pub(super) fn decode(record: &[u8]) -> Result<Step, Malformed> {
    let mut reader = Reader::new(record, "plan");
    let tag = reader.u8()?;
    let is_item = tag & !OLD < DELETE;
    let mut item = None;
    let mut path = TreePath::root();
    if is_item {
        item = Some(decode_item(&mut reader)?);
    } else {
        path = decode_path(&mut reader)?;
    }
    let old = if tag & OLD == 0 { None } else { Some(Box::new(decode_item(&mut reader)?)) };
    Ok(match (item, tag & !OLD) {
        (Some(item), META) => Step::Meta(item),
        (Some(item), REFER) => Step::Refer(item, old),
        (Some(item), kind) => Step::Put { item, replaces: EntryKind::from_u8(kind - 1), old },
        (None, LEAVE) => Step::Leave(path),
        (None, tag) => {
            let kind = EntryKind::from_u8(tag - DELETE).ok_or_else(|| reader.bad())?;
            Step::Delete { path, kind, old }
        }
    })
}

fn decode_item(reader: &mut Reader<'_>) -> Result<Item, Malformed> {
    let path = decode_path(reader)?;
    let entry = decode_entry(reader)?;
    let place = decode_hints_from(reader, 1)?[0].and_then(|place| match place.holder {
        Holder::Object(object) => Some(ResolvedPlace { object, location: place.location }),
        Holder::SameObject => None,
    });
    Ok(Item { path, entry, place })
}

fn decode_path(reader: &mut Reader<'_>) -> Result<TreePath, Malformed> {
    TreePath::from_bytes(reader.bytes(PATH_MAX)?).map_err(|_| reader.bad())
}

const META: u8 = 16;
const REFER: u8 = 17;
const DELETE: u8 = 32;
const LEAVE: u8 = 63;
/// Set if the old entry follows.
const OLD: u8 = 64;
