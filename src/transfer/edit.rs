//! The records of an upload's edit spool: what is to change in the tree, in key order.

use crate::format::entry::Entry;
use crate::format::list::ListItem;
use crate::format::wire::{Malformed, Put, Reader};
use crate::id::BlobId;
use crate::path::{PATH_MAX, TreePath};

/// One record.
#[derive(Debug)]
pub(super) enum Edit {
    /// Remove an entry. Passed over if anything failed.
    Delete(TreePath),
    /// Remove everything below a directory.
    DeleteBelow(TreePath),
    /// What the source of a file was when it was read (its path there, its mark): for moves. No edit of the tree.
    Seen(TreePath, Vec<u8>),
    /// Set an entry.
    Put(TreePath, Entry),
    /// Set a file whose chunk list follows in `Items`, up to `End`.
    PutList(TreePath, Entry),
    /// Some items of the list.
    Items(Vec<ListItem>),
    /// The list is complete.
    End,
}

/// Encodes a record with a path and perhaps an entry.
pub(super) fn encode(edit: &Edit) -> Vec<u8> {
    let mut out = Vec::new();
    let (tag, path, entry) = match edit {
        Edit::Delete(path) => (DELETE, path, None),
        Edit::DeleteBelow(path) => (DELETE_BELOW, path, None),
        Edit::Put(path, entry) => (PUT, path, Some(entry)),
        Edit::PutList(path, entry) => (PUT_LIST, path, Some(entry)),
        Edit::Seen(path, mark) => {
            out.push(SEEN);
            out.put_bytes(path.as_bytes());
            out.put_bytes(mark);
            return out;
        }
        Edit::Items(items) => return encode_items(items),
        Edit::End => return vec![END],
    };
    out.push(tag);
    out.put_bytes(path.as_bytes());
    if let Some(entry) = entry {
        super::step::encode_entry(entry, &mut out);
    }
    out
}

/// Encodes list items.
pub(super) fn encode_items(items: &[ListItem]) -> Vec<u8> {
    let mut out = vec![ITEMS];
    for item in items {
        match item {
            ListItem::Hole { len } => {
                out.push(0);
                out.put_varint(*len);
            }
            ListItem::Data { id, len } | ListItem::Child { id, len } => {
                out.push(1);
                out.put(id.as_bytes());
                out.put_varint(*len);
            }
        }
    }
    out
}

/// Decodes a record.
pub(super) fn decode(record: &[u8]) -> Result<Edit, Malformed> {
    let mut reader = Reader::new(record, "edit");
    let path = |reader: &mut Reader<'_>| {
        let bytes = reader.bytes(PATH_MAX)?;
        TreePath::from_bytes(bytes).map_err(|_| reader.bad())
    };
    match reader.u8()? {
        DELETE => Ok(Edit::Delete(path(&mut reader)?)),
        DELETE_BELOW => Ok(Edit::DeleteBelow(path(&mut reader)?)),
        SEEN => Ok(Edit::Seen(path(&mut reader)?, reader.bytes(PATH_MAX + 1)?.to_vec())),
        PUT => Ok(Edit::Put(path(&mut reader)?, super::step::decode_entry(&mut reader)?)),
        PUT_LIST => Ok(Edit::PutList(path(&mut reader)?, super::step::decode_entry(&mut reader)?)),
        END => Ok(Edit::End),
        _ => {
            let mut items = Vec::new();
            while !reader.rest().is_empty() {
                items.push(match reader.u8()? {
                    0 => ListItem::Hole { len: reader.varint()? },
                    _ => ListItem::Data { id: BlobId::new(reader.array()?), len: reader.varint()? },
                });
            }
            Ok(Edit::Items(items))
        }
    }
}

const DELETE: u8 = 0;
const PUT: u8 = 1;
const PUT_LIST: u8 = 2;
const ITEMS: u8 = 3;
const END: u8 = 4;
const DELETE_BELOW: u8 = 5;
const SEEN: u8 = 6;
