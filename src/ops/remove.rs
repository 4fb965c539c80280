//! `rm`, `delete` and `purge`: three ways to remove. Everything stays in the history.

use super::edit_tree::{EditOptions, Tree, in_vault, no_file};
use super::sync::not_there;
use super::{Ctx, OpsError, Place, SyncReport};
use crate::class::Class;
use crate::event::Action;
use crate::filter::Filter;
use crate::format::entry::EntryKind;
use crate::format::key::{TreeKey, subtree_range};
use crate::path::TreePath;
use crate::transfer::{EditList, Item, Kept};

/// Removes files and links, and with `recursive` whole directories. All of one vault's go at once, or none.
///
/// # Errors
/// One is not there, or is a directory and `recursive` is not set: nothing is removed then.
pub fn rm(ctx: &Ctx<'_>, places: &[Place], recursive: bool, options: &EditOptions) -> Result<SyncReport, OpsError> {
    let mut paths = Vec::new();
    for place in places {
        let (remote, path) = in_vault(place, "rm", "rm(1)")?;
        if path.is_root() {
            return Err(super::edit_tree::not_the_root("rm", remote).hint("`cryptsync purge` empties a vault"));
        }
        paths.push((remote, path));
    }
    let Some((remote, _)) = paths.first().copied() else { return Ok(SyncReport::default()) };
    if let Some((other, _)) = paths.iter().find(|(other, _)| other.name != remote.name) {
        let what = format!("`{}:` and `{}:` are two vaults", remote.name, other.name);
        return Err(OpsError::new(Class::Usage, what).hint("remove from one vault at a time"));
    }
    let change = options.change(ctx, remote);
    change.make(&mut |tree, edits, report| {
        let mut kinds = Vec::new();
        for (_, path) in &paths {
            let kind = tree.kind(path)?.ok_or_else(|| no_file(remote, path))?;
            if kind == EntryKind::Dir && !recursive {
                return Err(OpsError::new(Class::FileNotFound, format!("{} is a directory", tree.shown(path)))
                    .hint("`rm -r` removes directories with everything in them, `rmdir` empty ones"));
            }
            kinds.push((*path, kind));
        }
        let inside = |path: &TreePath, (dir, kind): &(&TreePath, EntryKind)| {
            *kind == EntryKind::Dir && *dir != path && path.strip_prefix(dir).is_some()
        };
        let mut wanted: Vec<_> =
            kinds.iter().filter(|(path, _)| !kinds.iter().any(|other| inside(path, other))).collect();
        wanted.sort_by_key(|(path, _)| TreeKey::from_path(path));
        wanted.dedup();
        let mut chosen = Vec::new();
        for (path, kind) in wanted {
            let below = if *kind == EntryKind::Dir { tree.totals_below(path)?.entries } else { 0 };
            let more = if below == 0 { String::new() } else { format!(", with {below} entries below it") };
            let action = if *kind == EntryKind::Dir { "purge" } else { "delete" };
            if tree.allows(action, path, &more)? {
                chosen.push((*path, *kind));
                report.deleted += 1 + below;
            }
        }
        tree.brake(report.deleted, options.force)?;
        remove_all(tree, &chosen, edits)
    })
}

/// Adds what removes entries, and everything below those that are directories. They are not inside each other.
fn remove_all(tree: &Tree<'_>, entries: &[(&TreePath, EntryKind)], edits: &mut EditList) -> Result<(), OpsError> {
    let mut all: Vec<(Option<TreeKey>, &TreePath, bool)> = Vec::new();
    for (path, kind) in entries {
        tree.tell(path, Action::Delete, 0);
        all.push((TreeKey::from_path(path), path, false));
        if *kind == EntryKind::Dir {
            all.push((Some(subtree_range(path).start), path, true));
        }
    }
    all.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    for (_, path, below) in all {
        if below { edits.delete_below(path)? } else { edits.delete(path)? }
    }
    Ok(())
}

/// Removes the files and links below a path that the filters take in. Directories stay, unless `rmdirs` removes those
/// that nothing is left in; the path itself stays in any case, unless it is a file.
///
/// # Errors
/// There is nothing at the path.
pub fn delete(
    ctx: &Ctx<'_>,
    place: &Place,
    filter: &Filter,
    rmdirs: bool,
    options: &EditOptions,
) -> Result<SyncReport, OpsError> {
    let (remote, path) = in_vault(place, "delete", "rm(1)")?;
    let change = options.change(ctx, remote);
    change.make(&mut |tree, edits, report| {
        let kind = tree.kind(path)?.ok_or_else(|| not_there(remote, path))?;
        if kind != EntryKind::Dir {
            if tree.allows("delete", path, "")? {
                report.deleted = 1;
                remove_all(tree, &[(path, kind)], edits)?;
            }
            return Ok(());
        }
        // rclone does not see links without being told to.
        let stays = |item: &Item| ctx.rclone_compat && item.entry.kind == EntryKind::Symlink;
        let (kept, mut files) = (Kept::default(), 0);
        for item in tree.below(path, filter, &kept)? {
            let item = item?;
            if stays(&item) {
                kept.note(&item.path);
            } else if item.entry.kind != EntryKind::Dir {
                files += 1;
            } else if ctx.rclone_compat && !filter.takes_dir(&item.path) {
                kept.note(&item.path);
                kept.note_in(item.path);
            }
        }
        if options.dry_run || !options.interactive {
            tree.brake(files, options.force)?;
        }
        // Who is asked about each file may keep some, which decides about directories that come before them.
        let spared = spared_files(tree, path, filter, options.interactive && !options.dry_run, &kept)?;
        for item in tree.below(path, filter, &Kept::default())? {
            let item = item?;
            let is_dir = item.entry.kind == EntryKind::Dir;
            let full = joined(path, &item.path)?;
            if is_dir && (!rmdirs || kept.holds(&item.path)) || !is_dir && spared.contains(&item.path) || stays(&item) {
                continue;
            }
            tree.tell(&full, Action::Delete, item.entry.size);
            edits.delete(&full)?;
            report.deleted += 1;
        }
        Ok(())
    })
}

/// The files that a person, asked about each, wants to keep.
fn spared_files(
    tree: &Tree<'_>,
    dir: &TreePath,
    filter: &Filter,
    interactive: bool,
    kept: &Kept,
) -> Result<std::collections::HashSet<TreePath>, OpsError> {
    let mut spared = std::collections::HashSet::new();
    if !interactive {
        return Ok(spared);
    }
    for item in tree.below(dir, filter, &Kept::default())? {
        let item = item?;
        if item.entry.kind == EntryKind::Dir {
            continue;
        }
        if !tree.allows("delete", &joined(dir, &item.path)?, "")? {
            kept.note(&item.path);
            spared.insert(item.path);
        }
    }
    Ok(spared)
}

/// Removes a path with everything in it. Filters have no say.
///
/// # Errors
/// There is no directory at the path.
pub fn purge(ctx: &Ctx<'_>, place: &Place, options: &EditOptions) -> Result<SyncReport, OpsError> {
    let (remote, path) = in_vault(place, "purge", "rm(1)")?;
    let change = options.change(ctx, remote);
    change.make(&mut |tree, edits, report| {
        tree.need_dir(path)?;
        let all = tree.totals_below(path)?.entries + u64::from(!path.is_root());
        if all == 0 || !tree.allows("purge", path, &format!(", with all {all} entries"))? {
            return Ok(());
        }
        tree.brake(all, options.force)?;
        report.deleted = all;
        tree.tell(path, Action::Delete, 0);
        if !path.is_root() {
            edits.delete(path)?;
        }
        Ok(edits.delete_below(path)?)
    })
}

/// A path below a directory of the vault.
pub(super) fn joined(dir: &TreePath, below: &TreePath) -> Result<TreePath, OpsError> {
    dir.join_path(below).map_err(|bad| OpsError::new(Class::UnsafePath, format!("`{dir}/{below}`: {bad}")))
}
