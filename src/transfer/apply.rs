//! From spooled edits to a commit: chunk lists, then the tree.

use std::cell::RefCell;
use std::collections::HashSet;

use super::backups::Backups;
use super::edit::{self, Edit};
use super::item::TransferError;
use super::outcome::forget_content;
use super::upload::Uploaded;
use crate::format::entry::Entry;
use crate::format::key::{TreeKey, subtree_range};
use crate::format::list::ListItem;
use crate::history::chunk_list::ListBuilder;
use crate::history::cursor::get;
use crate::history::editor::{Edit as TreeEdit, apply_edits};
use crate::history::source::Root;
use crate::path::TreePath;
use crate::spool::SpoolReader;
use crate::vault::{CommitInfo, Published, Session, TreeWriter, VaultError};

/// Builds the tree that the edits of an upload make of `base` and publishes it. `extra` comes before all of them:
/// directories that have to be there. Unless `delete`, deletes are passed over, and what would take a directory's place.
///
/// # Errors
/// The vault's; nothing is published then.
pub fn commit_edits(
    session: &mut Session,
    base: Option<&Root>,
    extra: &[(TreePath, Entry)],
    uploaded: &mut Uploaded,
    delete: bool,
    info: &CommitInfo,
) -> Result<Published, TransferError> {
    let Uploaded { edits, over_dirs, backups, .. } = uploaded;
    let mut build = |writer: &TreeWriter<'_>| {
        let reader = edits.read().map_err(spool_error())?;
        let records = Records { reader: RefCell::new(reader), writer, base, delete, over_dirs };
        let first = extra.iter().map(|(path, entry)| Ok(TreeEdit::Put(key(path), entry.clone())));
        let rest = std::iter::from_fn(|| records.next().transpose());
        match backups {
            None => apply_edits(writer, base, first.chain(rest)),
            Some(Backups(sorted)) => {
                let kept = sorted.read().map_err(spool_error())?.map(|row| {
                    let record = edit::decode(&row.map_err(spool_error())?.1)?;
                    let Edit::Put(path, entry) = record else {
                        return Err(VaultError::damaged("edits", "not an entry"));
                    };
                    Ok(TreeEdit::Put(key(&path), entry))
                });
                apply_edits(writer, base, merged(first.chain(rest), kept))
            }
        }
    };
    Ok(session.commit(base, info, &mut build)?)
}

/// The records of a spool as edits of the tree; chunk lists are built on the way.
struct Records<'r, 'w> {
    reader: RefCell<SpoolReader<'r>>,
    writer: &'w TreeWriter<'w>,
    base: Option<&'r Root>,
    delete: bool,
    over_dirs: &'r HashSet<TreePath>,
}

impl Records<'_, '_> {
    fn next(&self) -> Result<Option<TreeEdit>, VaultError> {
        while let Some(record) = self.record()? {
            match record {
                Edit::Delete(path) if self.delete => return Ok(Some(TreeEdit::Delete(key(&path)))),
                Edit::DeleteBelow(path) if self.delete => {
                    let below = subtree_range(&path);
                    return Ok(Some(TreeEdit::DeleteRange(below.start, below.end)));
                }
                Edit::Put(path, _) if self.left_out(&path) => {}
                Edit::PutList(path, _) if self.left_out(&path) => {} // its items are passed over below
                Edit::Put(path, entry) => return self.put(&path, entry).map(Some),
                Edit::PutList(path, mut entry) => {
                    let known = std::mem::replace(&mut entry.content, self.list()?);
                    forget_content(&mut entry, &known);
                    return self.put(&path, entry).map(Some);
                }
                Edit::Delete(_) | Edit::DeleteBelow(_) | Edit::Seen(..) | Edit::Items(_) | Edit::End => {}
            }
        }
        Ok(None)
    }

    fn put(&self, path: &TreePath, mut entry: Entry) -> Result<TreeEdit, VaultError> {
        let key = key(path);
        if entry.conflict().is_some()
            && let Some(base) = self.base
            && let Some(old) = get(self.writer, base, &key)?
            && old.entry.conflict().is_some()
            && old.entry.content != entry.content
        {
            // Whoever edits a conflict copy has settled the conflict.
            entry.set_conflict(None);
        }
        Ok(TreeEdit::Put(key, entry))
    }

    fn left_out(&self, path: &TreePath) -> bool {
        !self.delete && self.over_dirs.contains(path)
    }

    fn list(&self) -> Result<crate::format::entry::Content, VaultError> {
        let mut list = ListBuilder::new(self.writer);
        while let Some(Edit::Items(items)) = self.record()? {
            for item in items {
                match item {
                    ListItem::Hole { len } => list.push_hole(len)?,
                    ListItem::Data { id, len } | ListItem::Child { id, len } => list.push_data(id, len, None)?,
                }
            }
        }
        list.finish()
    }

    fn record(&self) -> Result<Option<Edit>, VaultError> {
        let Some(record) = self.reader.borrow_mut().next() else { return Ok(None) };
        let record = record.map_err(spool_error())?;
        Ok(Some(edit::decode(&record)?))
    }
}

/// Two lists of edits in key order as one. What the run writes counts before what it keeps, and that before what it deletes.
fn merged(
    main: impl Iterator<Item = Result<TreeEdit, VaultError>>,
    kept: impl Iterator<Item = Result<TreeEdit, VaultError>>,
) -> impl Iterator<Item = Result<TreeEdit, VaultError>> {
    let at = |edit: &Result<TreeEdit, VaultError>| match edit {
        Ok(TreeEdit::Put(key, _) | TreeEdit::Delete(key)) => Some(key.clone()),
        // Nothing that has these is ever kept; errors come first.
        Ok(TreeEdit::DeleteRange(..)) | Err(_) => None,
    };
    let (mut main, mut kept) = (main.peekable(), kept.peekable());
    std::iter::from_fn(move || {
        let (Some(a), Some(b)) = (main.peek(), kept.peek()) else { return main.next().or_else(|| kept.next()) };
        match at(a).cmp(&at(b)) {
            std::cmp::Ordering::Less => main.next(),
            std::cmp::Ordering::Greater => kept.next(),
            std::cmp::Ordering::Equal => {
                let (a, b) = (main.next(), kept.next());
                if matches!(a, Some(Ok(TreeEdit::Delete(_)))) { b } else { a }
            }
        }
    })
}

fn key(path: &TreePath) -> TreeKey {
    TreeKey::from_path(path).expect("the root is never edited")
}

fn spool_error() -> impl FnOnce(std::io::Error) -> VaultError {
    VaultError::local("cannot read the edits from a temporary file")
}
