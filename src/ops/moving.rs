//! What makes a `move` of a copy: the source is removed, once the copy is durable and only as it was copied.

use std::path::Path;

use super::edit_tree::Change;
use super::remove::joined;
use super::{Ctx, OpsError, RemoteProfile, SyncOptions, SyncReport};
use crate::event::{Action, Event};
use crate::format::entry::EntryKind;
use crate::history::source::Root;
use crate::path::TreePath;
use crate::transfer::{Kept, Uploaded, lookup, remove_departed};

/// How a source is removed after it was copied.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moving {
    /// Remove directories too that are empty then; the source itself stays.
    pub delete_empty_src_dirs: bool,
}

/// Removes what was read from a directory (or, of a single file, from the one it is in) of this machine. Called when the
/// commit is durable.
pub(super) fn leave_local(
    ctx: &Ctx<'_>,
    dir: &Path,
    uploaded: Option<&mut Uploaded>,
    dirs: &[TreePath],
    report: &mut SyncReport,
) -> Result<(), OpsError> {
    let departed = remove_departed(dir, uploaded, dirs, ctx.observer)?;
    report.moved = departed.removed;
    report.failed += departed.stayed;
    Ok(())
}

/// The source of a move out of a vault, as it was copied.
pub(super) struct VaultSource<'a> {
    pub(super) remote: &'a RemoteProfile,
    pub(super) path: &'a TreePath,
    /// The tree that was copied from.
    pub(super) root: Option<Root>,
}

/// Removes from a vault what was copied from it. What somebody has changed meanwhile stays.
pub(super) fn leave_vault(
    ctx: &Ctx<'_>,
    source: &VaultSource<'_>,
    options: &SyncOptions,
    moving: Moving,
    report: &mut SyncReport,
) -> Result<(), OpsError> {
    if report.failed > 0 {
        let what = "nothing is removed from the source, because some entries could not be handled";
        ctx.observer.event(Event::Notice(what));
        return Ok(());
    }
    let VaultSource { remote, path, root } = source;
    let change = Change { ctx, remote, dry_run: false, operation: &options.operation };
    let (mut moved, mut stayed) = (0, 0);
    change.make(&mut |tree, edits, _| {
        (moved, stayed) = (0, 0);
        let unchanged = |full: &TreePath| {
            let (old, now) = (lookup(tree.vault, root.as_ref(), full)?, tree.find(full)?);
            Ok::<_, OpsError>(old.map(|item| item.entry) == now.map(|item| item.entry))
        };
        if let Some(item) = tree.find(path)?
            && item.entry.kind != EntryKind::Dir
        {
            if unchanged(path)? {
                edits.delete(path)?;
                moved = 1;
            } else {
                stayed = 1;
                tell_stays(ctx, path);
            }
            return Ok(());
        }
        // What stays keeps the directories it is in.
        let kept = Kept::default();
        for item in tree.below(path, &options.filter, &kept)? {
            let item = item?;
            if item.entry.kind != EntryKind::Dir && !unchanged(&joined(path, &item.path)?)? {
                kept.note(&item.path);
                stayed += 1;
                tell_stays(ctx, &item.path);
            }
        }
        for item in tree.below(path, &options.filter, &Kept::default())? {
            let item = item?;
            let full = joined(path, &item.path)?;
            let goes = match item.entry.kind {
                EntryKind::Dir => moving.delete_empty_src_dirs && !kept.holds(&item.path),
                _ => unchanged(&full)?,
            };
            if goes {
                ctx.observer.event(Event::Done { path: &item.path, action: Action::Delete, size: 0 });
                edits.delete(&full)?;
                moved += 1;
            }
        }
        Ok(())
    })?;
    report.moved = moved;
    report.failed += stayed;
    Ok(())
}

fn tell_stays(ctx: &Ctx<'_>, path: &TreePath) {
    let reason = "changed after it was copied, so it stays where it is; move it again";
    ctx.observer.event(Event::Failed { path, reason });
}
