//! `touch`: an empty file, or another time for files that are there.

use super::edit_tree::{EditOptions, in_vault, not_the_root};
use super::remove::joined;
use super::{Ctx, OpsError, Place, SyncReport};
use crate::event::Action;
use crate::filter::Filter;
use crate::format::entry::{Content, Entry, EntryKind};
use crate::path::TreePath;
use crate::transfer::Kept;
use crate::world::Timestamp;

/// `touch`
#[derive(Debug, Clone)]
pub struct TouchOptions {
    /// What is touched. For a directory that is there: the files in it.
    pub place: Place,
    /// The time to set; now, if there is none.
    pub time: Option<Timestamp>,
    /// Make no file that is not there.
    pub no_create: bool,
    /// In a directory, touch the files further below too.
    pub recursive: bool,
    /// Which files of a directory.
    pub filter: Filter,
    /// How it is done.
    pub edit: EditOptions,
}

/// Sets the time of files, and makes one that is not there.
///
/// # Errors
/// Something stands in the way, or the vault can't be written.
pub fn touch(ctx: &Ctx<'_>, options: &TouchOptions) -> Result<SyncReport, OpsError> {
    let (remote, path) = in_vault(&options.place, "touch", "touch(1)")?;
    if path.is_root() && !options.recursive {
        return Err(not_the_root("touch", remote).hint("with --recursive, all files of the vault are touched"));
    }
    let mtime = options.time.unwrap_or_else(|| ctx.world.clock.now());
    options.edit.change(ctx, remote).make(&mut |tree, edits, report| {
        match tree.find(path)? {
            Some(item) if item.entry.kind != EntryKind::Dir => {
                if !tree.allows(TOUCH, path, "")? {
                    return Ok(());
                }
                tree.tell(path, Action::UpdateMeta, item.entry.size);
                edits.put(path, Entry { mtime, ..item.entry })?;
                report.updated = 1;
            }
            None if !path.is_root() => {
                if options.no_create || !tree.allows(TOUCH, path, "")? {
                    return Ok(());
                }
                for (dir, entry) in tree.missing_dirs(&path.parent().unwrap_or_default())? {
                    tree.tell(&dir, Action::MakeDir, 0);
                    edits.put(&dir, entry)?;
                    report.updated += 1;
                }
                tree.tell(path, Action::Copy, 0);
                edits.put(path, empty_file(mtime))?;
                report.files = 1;
            }
            _ => {
                for item in tree.below(path, &options.filter, &Kept::default())? {
                    let item = item?;
                    let deeper = item.path.parent().is_some_and(|parent| !parent.is_root());
                    if item.entry.kind == EntryKind::Dir || (deeper && !options.recursive) {
                        continue;
                    }
                    let full: TreePath = joined(path, &item.path)?;
                    if !tree.allows(TOUCH, &full, "")? {
                        continue;
                    }
                    tree.tell(&full, Action::UpdateMeta, item.entry.size);
                    edits.put(&full, Entry { mtime, ..item.entry })?;
                    report.updated += 1;
                }
            }
        }
        Ok(())
    })
}

fn empty_file(mtime: Timestamp) -> Entry {
    let (kind, content) = (EntryKind::File, Content::None);
    Entry { kind, size: 0, mtime, mode: Some(0o644), content, attributes: Vec::new() }
}

const TOUCH: &str = "touch";
