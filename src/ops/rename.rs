//! `mv` and `cp` inside a vault: names change, or are added; content is neither read nor stored again.

use std::cell::Cell;

use super::consent::Consent;
use super::edit_tree::{Change, EditOptions, Tree, in_vault, no_file, not_the_root};
use super::remove::joined;
use super::sync::not_there;
use super::{Ctx, OpsError, Place, RemoteProfile, SyncOptions, SyncReport};
use crate::class::Class;
use crate::event::Action;
use crate::filter::Filter;
use crate::format::entry::{Entry, EntryKind};
use crate::format::key::{TreeKey, subtree_range};
use crate::path::TreePath;
use crate::transfer::{EditList, Item, Kept};

/// `mv` and `cp`
#[derive(Debug, Clone)]
pub struct RenameOptions {
    /// What is moved or copied.
    pub source: Place,
    /// Its new name, or the directory that it goes into.
    pub dest: Place,
    /// Whether the source stays: `cp`.
    pub keep: bool,
    /// How it is done.
    pub edit: EditOptions,
}

/// Gives an entry, and everything below it, another name or one more.
///
/// # Errors
/// The source or the directory it should go to is not there, or something stands in the way.
pub fn rename(ctx: &Ctx<'_>, options: &RenameOptions) -> Result<SyncReport, OpsError> {
    let (verb, other) = if options.keep { ("cp", "copy") } else { ("mv", "move") };
    let instead = format!("`cryptsync {other}`, which transfers between places");
    let (remote, source) = in_vault(&options.source, verb, &instead)?;
    let (dest_remote, dest) = in_vault(&options.dest, verb, &instead)?;
    if remote.name != dest_remote.name {
        let what = format!("`{}:` and `{}:` are two vaults; `{verb}` works inside one", remote.name, dest_remote.name);
        return Err(OpsError::new(Class::Usage, what).hint(format!("use {instead}")));
    }
    if source.is_root() {
        return Err(not_the_root(verb, remote));
    }
    options.edit.change(ctx, remote).make(&mut |tree, edits, report| {
        let item = tree.find(source)?.ok_or_else(|| no_file(remote, source))?;
        let target = target(tree, remote, &item, dest)?;
        if !tree.allows(other, source, &format!(" to {target}"))? {
            return Ok(());
        }
        let action = if options.keep { Action::Copy } else { Action::Move };
        tree.tell(&target, action, item.entry.size);
        let below = if item.entry.kind == EntryKind::Dir { tree.totals_below(source)?.entries } else { 0 };
        report.updated = 1 + below;
        list_edits(tree, &item, (Vec::new(), &target), options.keep, edits)
    })
}

/// As rclone moves a directory to where there is nothing, in one place and without filters: with everything in it, by its
/// name. `None` if that is not what is asked for.
///
/// # Errors
/// The vault can't be read or written.
pub(super) fn move_whole(
    ctx: &Ctx<'_>,
    options: &SyncOptions,
    (remote, source): (&RemoteProfile, &TreePath),
    (dest_remote, dest): (&RemoteProfile, &TreePath),
) -> Result<Option<SyncReport>, OpsError> {
    let is_move = options.moving.is_some() && options.rules.trusting && options.filter.is_everything();
    let apart = source.strip_prefix(dest).is_none() && dest.strip_prefix(source).is_none();
    if !is_move || !apart || remote.name != dest_remote.name {
        return Ok(None);
    }
    let is_whole = Cell::new(false);
    let consent = Consent::new(ctx, options.rules.interactive && !options.dry_run);
    let change = Change { ctx, remote, dry_run: options.dry_run, consent, operation: &options.operation, past: false };
    let report = change.make(&mut |tree, edits, report| {
        let item = tree.find(source)?.filter(|item| item.entry.kind == EntryKind::Dir);
        let (Some(item), None) = (item, tree.kind(dest)?) else { return Ok(()) };
        is_whole.set(true);
        if !tree.allows("move directory", source, &format!(" to {dest}"))? {
            return Ok(());
        }
        tree.tell(dest, Action::Move, 0);
        report.updated = 1 + tree.totals_below(source)?.entries;
        let above = tree.missing_dirs(&dest.parent().unwrap_or_default())?;
        list_edits(tree, &item, (above, dest), false, edits)
    })?;
    Ok(is_whole.get().then_some(report))
}

/// Where the source goes: into a directory that is there, or to the name given.
fn target(tree: &Tree<'_>, remote: &RemoteProfile, item: &Item, dest: &TreePath) -> Result<TreePath, OpsError> {
    let source = &item.path;
    let name = source.name().unwrap_or_default();
    let target = if tree.kind(dest)? == Some(EntryKind::Dir) {
        dest.join(name).map_err(|bad| OpsError::new(Class::UnsafePath, bad.to_string()))?
    } else {
        dest.clone()
    };
    let is_dir = item.entry.kind == EntryKind::Dir;
    if target == *source {
        return Err(OpsError::new(Class::Failed, format!("{} is there already", tree.shown(source))));
    }
    if is_dir && target.strip_prefix(source).is_some() {
        let what = format!("{} can't go into itself, to {}", tree.shown(source), tree.shown(&target));
        return Err(OpsError::new(Class::Failed, what));
    }
    let parent = target.parent().unwrap_or_default();
    match tree.kind(&parent)? {
        Some(EntryKind::Dir) => {}
        Some(_) => return Err(OpsError::new(Class::Failed, format!("{} is not a directory", tree.shown(&parent)))),
        None => return Err(not_there(remote, &parent).hint("make it first, with `cryptsync mkdir`")),
    }
    let in_the_way = |is: &str, needed: &str| {
        let what = format!("{} is {is} already, and {needed}", tree.shown(&target));
        OpsError::new(Class::Failed, what).hint("choose another name, or remove it first")
    };
    match tree.kind(&target)? {
        Some(EntryKind::Dir) if !is_dir => Err(in_the_way("a directory", "a file does not replace one")),
        Some(EntryKind::Dir) if tree.totals_below(&target)?.entries > 0 => {
            Err(in_the_way("a directory", "only an empty one can be replaced"))
        }
        Some(EntryKind::File | EntryKind::Symlink) if is_dir => {
            Err(in_the_way("a file", "a directory does not replace one"))
        }
        _ => Ok(target),
    }
}

/// The edits in key order: the directories that the target needs above it, what is put, what is put below it, what is removed, what is removed below that.
fn list_edits(
    tree: &Tree<'_>,
    item: &Item,
    (above, target): (Vec<(TreePath, Entry)>, &TreePath),
    keep: bool,
    edits: &mut EditList,
) -> Result<(), OpsError> {
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    enum Part {
        Above(usize),
        Put,
        PutBelow,
        Delete,
        DeleteBelow,
    }
    let source = &item.path;
    let is_dir = item.entry.kind == EntryKind::Dir;
    let key = |path: &TreePath| TreeKey::from_path(path).expect("neither is the root");
    let mut parts = vec![(key(target), Part::Put)];
    parts.extend(above.iter().enumerate().map(|(number, (path, _))| (key(path), Part::Above(number))));
    if is_dir {
        parts.push((subtree_range(target).start, Part::PutBelow));
    }
    if !keep {
        parts.push((key(source), Part::Delete));
    }
    if !keep && is_dir {
        parts.push((subtree_range(source).start, Part::DeleteBelow));
    }
    parts.sort();
    for (_, part) in parts {
        match part {
            Part::Above(number) => {
                let (path, entry) = &above[number];
                edits.put(path, entry.clone())?;
            }
            Part::Put => {
                // Whoever names a conflict copy has settled it.
                let mut entry = item.entry.clone();
                entry.set_conflict(None);
                edits.put(target, entry)?;
            }
            Part::PutBelow => {
                for below in tree.below(source, &Filter::default(), &Kept::default())? {
                    let mut below = below?;
                    if keep {
                        below.entry.set_conflict(None); // one copy to settle is enough
                    }
                    edits.put(&joined(target, &below.path)?, below.entry)?;
                }
            }
            Part::Delete => edits.delete(source)?,
            Part::DeleteBelow => edits.delete_below(source)?,
        }
    }
    Ok(())
}
