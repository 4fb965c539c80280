//! What makes a `move` of a copy: the source is removed, once the copy is durable and only as it was copied.

use std::collections::HashSet;
use std::path::Path;

use super::consent::Consent;
use super::edit_tree::Change;
use super::remove::joined;
use super::{Ctx, OpsError, RemoteProfile, Stopped, SyncOptions, SyncReport};
use crate::event::{Action, Event};
use crate::format::entry::EntryKind;
use crate::history::source::Root;
use crate::path::TreePath;
use crate::transfer::{Item, Kept, Plan, Shadow, Uploaded, lookup, remove_departed};

/// How a source is removed after it was copied.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moving {
    /// Remove directories too that are empty then; the source itself stays.
    pub delete_empty_src_dirs: bool,
}

/// Removes what was read from a directory (or, of a single file, from the one it is in) of this machine, and whether links
/// were followed. Called when the commit is durable.
pub(super) fn leave_local(
    ctx: &Ctx<'_>,
    dir: (&Path, bool),
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
    /// What was to be done, which tells what has to stay.
    pub(super) plan: Plan,
    /// What could not be done.
    pub(super) failed: Shadow,
    /// Whether more failed than is told by that.
    pub(super) failed_more: bool,
}

impl VaultSource<'_> {
    /// Whether an entry was not copied.
    fn stays(&self, path: &TreePath) -> bool {
        self.failed_more || self.plan.leaves_in_source(path) || self.failed.covers(path)
    }
}

/// Removes from a vault what was copied from it. What somebody has changed meanwhile stays.
pub(super) fn leave_vault(
    ctx: &Ctx<'_>,
    source: &VaultSource<'_>,
    options: &SyncOptions,
    moving: Moving,
    report: &mut SyncReport,
) -> Result<(), OpsError> {
    let VaultSource { remote, path, root, plan, .. } = source;
    if let Some(why) = stays_for_now(source, report) {
        ctx.observer.event(Event::Notice(why));
        return Ok(());
    }
    let consent = Consent::new(ctx, options.rules.interactive);
    let change = Change { ctx, remote, dry_run: false, consent, operation: &options.operation, past: false };
    let (mut moved, mut stayed) = (0, 0);
    let dirs_go = moving.delete_empty_src_dirs && !(options.rules.trusting && report.failed > 0);
    change.make(&mut |tree, edits, _| {
        (moved, stayed) = (0, 0);
        if let Some(item) = tree.find(path)?
            && item.entry.kind != EntryKind::Dir
        {
            // The plan is about this one entry, by whatever name.
            let stays = !plan.stays.is_empty() || plan.totals.skipped > 0 || !source.failed.is_empty();
            if stays || !tree.allows("delete", path, "")? {
                return Ok(());
            }
            if lookup(tree.vault, root.as_ref(), path)?.is_some_and(|old| old.entry == item.entry) {
                edits.delete(path)?;
                moved = 1;
            } else {
                stayed = 1;
                tell_stays(ctx, path);
            }
            return Ok(());
        }
        // What stays keeps the directories it is in.
        let (kept, mut refused) = (Kept::default(), HashSet::new());
        let changed = tree.changed_since(root.as_ref(), path)?;
        for item in tree.below(path, &options.filter, &kept)? {
            let item = item?;
            let skipped = item.entry.kind == EntryKind::Symlink && options.rules.links.skips();
            let asked = |item: &Item| match item.entry.kind {
                EntryKind::Dir => Ok(true),
                _ => tree.allows("delete", &joined(path, &item.path)?, ""),
            };
            if skipped || source.stays(&item.path) {
                kept.note(&item.path);
            } else if !asked(&item)? {
                kept.note(&item.path);
                refused.insert(item.path);
            } else if item.entry.kind != EntryKind::Dir && changed.contains(&joined(path, &item.path)?) {
                kept.note(&item.path);
                stayed += 1;
                tell_stays(ctx, &item.path);
            }
        }
        for item in tree.below(path, &options.filter, &Kept::default())? {
            let item = item?;
            let full = joined(path, &item.path)?;
            let goes = match item.entry.kind {
                EntryKind::Dir => dirs_go && !kept.holds(&item.path) && !source.failed.covers(&item.path),
                EntryKind::Symlink if options.rules.links.skips() => false,
                _ => !changed.contains(&full) && !source.stays(&item.path) && !refused.contains(&item.path),
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

/// Why nothing at all is removed yet.
fn stays_for_now(source: &VaultSource<'_>, report: &SyncReport) -> Option<&'static str> {
    if source.failed_more {
        return Some("nothing is removed from the source, because too many entries could not be handled");
    }
    let late = report.stopped == Some(Stopped::MaxDuration);
    late.then_some(
        "nothing is removed from the source yet, because the run took as long as it may; the next one goes on",
    )
}

fn tell_stays(ctx: &Ctx<'_>, path: &TreePath) {
    let reason = "changed after it was copied, so it stays where it is; move it again";
    ctx.observer.event(Event::Failed { path, reason });
}
