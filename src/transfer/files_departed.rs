//! The source of a move, if it is a place of plain files: what was read is removed once it is durable, and only if it is
//! still what it was.

use std::io;

use super::departed::Departed;
use super::edit::{self, Edit};
use super::files_side::{FilesTree, said};
use super::item::TransferError;
use super::supply::mark_of;
use super::upload::Uploaded;
use crate::event::{Action, Event, Observer};
use crate::path::TreePath;
use crate::vault::{VaultError, is_changed, is_of_one_file};

/// Removes what a relay has read; afterwards those of `dirs` (below the tree, parents first) that are empty.
///
/// # Errors
/// The service can't be reached, or the list of what was read can't be read.
pub fn remove_files(
    tree: FilesTree<'_>,
    uploaded: Option<&mut Uploaded>,
    dirs: &[TreePath],
    observer: &dyn Observer,
) -> Result<Departed, TransferError> {
    let fail = || TransferError::local("cannot read the list of what was moved");
    let mut departed = Departed::default();
    if let Some(uploaded) = uploaded {
        for record in uploaded.edits.read().map_err(fail())? {
            let record = record.map_err(fail())?;
            let Edit::Seen(path, mark) = edit::decode(&record).map_err(|e| fail()(io::Error::other(e)))? else {
                continue;
            };
            let shown = path.strip_prefix(tree.dir).filter(|path| !path.is_root()).unwrap_or_else(|| path.clone());
            match remove_marked(tree, &path, &mark) {
                Ok(true) => {
                    departed.removed += 1;
                    observer.event(Event::Done { path: &shown, action: Action::Delete, size: 0 });
                }
                Ok(false) => {
                    departed.stayed += 1;
                    let reason = "changed after it was read, so it stays where it is; move it again";
                    observer.event(Event::Failed { path: &shown, reason });
                }
                Err(error) if is_of_one_file(&error) => {
                    departed.stayed += 1;
                    let reason = format!("is copied, but can't be removed: {}", said(&error));
                    observer.event(Event::Failed { path: &shown, reason: &reason });
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    for path in dirs.iter().rev() {
        // What still holds something, or can't be removed, is only a directory that is left over.
        if tree.full(path).and_then(|full| tree.io.remove_dir(&full)).is_ok_and(|removed| removed) {
            departed.removed += 1;
            observer.event(Event::Done { path, action: Action::Delete, size: 0 });
        }
    }
    Ok(departed)
}

/// Removes a file that is still what it was. `false` if it is another.
fn remove_marked(tree: FilesTree<'_>, path: &TreePath, mark: &[u8]) -> Result<bool, VaultError> {
    let Some(now) = tree.io.stat(path)? else { return Ok(true) };
    if mark_of(&now) != mark {
        return Ok(false);
    }
    match tree.io.remove(path, &now) {
        Ok(()) => Ok(true),
        Err(error) if is_changed(&error) => Ok(false),
        Err(error) => Err(error),
    }
}
