//! Entries of an older tree in a new one. What nothing refers to any more may be on its way out of the vault, so each
//! chunk goes through the session: it is claimed where a commit in force has it, and otherwise read and stored again.

use super::edit::{self, Edit};
use super::edit_list::EditList;
use super::item::{Item, TransferError};
use super::upload::Uploaded;
use crate::format::entry::Content;
use crate::format::list::ListItem;
use crate::format::pack::FrameCoder;
use crate::history::chunk_list::ListReader;
use crate::path::TreePath;
use crate::vault::{Session, Vault, VaultError};

impl EditList {
    /// Sets an entry of an older tree. Its list of chunks, if it has one, is made anew.
    ///
    /// # Errors
    /// The list can't be read, or the temporary file can't be written.
    pub fn bring(&mut self, vault: &Vault, item: &Item) -> Result<(), TransferError> {
        let Item { path, entry, place } = item;
        let entry = entry.clone();
        let Content::List(id) = entry.content else { return self.put(path, entry) };
        let size = entry.size;
        self.push(&Edit::PutList(path.clone(), entry))?;
        let mut items = Vec::new();
        for piece in ListReader::open(vault, &id, size, *place)? {
            let piece = piece?;
            items.push(match piece.chunk {
                Some((id, _)) => ListItem::Data { id, len: piece.len },
                None => ListItem::Hole { len: piece.len },
            });
            if items.len() == ITEMS_AT_ONCE {
                self.push(&Edit::Items(std::mem::take(&mut items)))?;
            }
        }
        if !items.is_empty() {
            self.push(&Edit::Items(items))?;
        }
        self.push(&Edit::End)
    }
}

/// Makes sure that the content of all files that edits set is stored. Comes back with files whose content is gone, some of
/// them if they are many.
///
/// # Errors
/// The vault's.
pub fn keep_content(session: &Session, edits: &mut Uploaded) -> Result<Vec<TreePath>, TransferError> {
    let (mut coder, mut gone) = (FrameCoder::default(), Vec::new());
    let mut of = TreePath::root();
    for record in edits.edits.read().map_err(TransferError::local(READING))? {
        let record = record.map_err(TransferError::local(READING))?;
        let chunks = match edit::decode(&record).map_err(VaultError::from)? {
            Edit::Put(path, entry) => {
                let Content::Chunk(id) = entry.content else { continue };
                of = path;
                vec![(id, entry.size)]
            }
            Edit::PutList(path, _) => {
                of = path;
                continue;
            }
            Edit::Items(items) => items.iter().filter_map(chunk_of).collect(),
            Edit::Delete(_) | Edit::DeleteBelow(_) | Edit::Seen(..) | Edit::End => continue,
        };
        if gone.last() == Some(&of) {
            continue;
        }
        for (id, len) in chunks {
            match session.keep_chunk(&id, len, &mut coder) {
                Err(error) if error.is_not_found() => {
                    gone.push(of.clone());
                    break;
                }
                kept => kept?,
            }
        }
        if gone.len() >= GONE_MAX {
            break;
        }
    }
    Ok(gone)
}

fn chunk_of(item: &ListItem) -> Option<(crate::id::BlobId, u64)> {
    match item {
        ListItem::Hole { .. } => None,
        ListItem::Data { id, len } | ListItem::Child { id, len } => Some((*id, *len)),
    }
}

const ITEMS_AT_ONCE: usize = 1024;
/// Files that are named when content is gone.
const GONE_MAX: usize = 100;
const READING: &str = "cannot read the edits from a temporary file";
