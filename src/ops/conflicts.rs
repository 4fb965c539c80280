//! `conflicts`: the versions of files that lost their names when heads were merged, and what becomes of them.

use super::edit_tree::{EditOptions, Tree, in_vault, no_file, not_the_root};
use super::inspect::log_entry;
use super::open::open;
use super::{Ctx, Listed, LogEntry, OpsError, Place, SyncReport};
use crate::class::Class;
use crate::event::{Action, Event};
use crate::format::entry::{Entry, EntryKind};
use crate::format::key::{TreeKey, children_range, subtree_range};
use crate::history::conflicts::conflicts;
use crate::history::cursor::get;
use crate::history::source::Root;
use crate::path::TreePath;
use crate::transfer::{EditList, Item, base_root, lookup};
use crate::vault::{Commit, Vault, VaultError};

/// One version of a file, and who wrote it.
#[derive(Debug, Clone)]
pub struct Version {
    /// The entry. Its path is the whole path in the vault.
    pub listed: Listed,
    /// The commit that brought it, if it can be told.
    pub commit: Option<LogEntry>,
}

/// A conflict that waits.
#[derive(Debug, Clone)]
pub struct Conflict {
    /// The copy.
    pub copy: Version,
    /// The path that it lost.
    pub lost: TreePath,
    /// What is there now; `None` if nothing is any more. Its commit is looked for by [`show_conflict`] only.
    pub current: Option<Version>,
}

/// What a conflict comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// What has the name keeps it; the copy goes.
    Current,
    /// The copy gets the name.
    Copy,
    /// Both stay, the copy as a file like any other.
    Both,
    /// The copy goes, whatever has become of the name.
    Neither,
}

/// `conflicts resolve` and `conflicts discard`
#[derive(Debug, Clone)]
pub struct ResolveOptions {
    /// A copy, or the file whose only copy is meant. With `all` a directory.
    pub place: Place,
    /// What stays.
    pub keep: Keep,
    /// The new name of the copy, in the same directory, if both stay.
    pub name: Option<Vec<u8>>,
    /// All copies below the path.
    pub all: bool,
    /// How it is done.
    pub edit: EditOptions,
}

/// Lists the conflicts below a path in the order of the tree.
///
/// # Errors
/// The vault can't be read.
pub fn list_conflicts(
    ctx: &Ctx<'_>,
    place: &Place,
    each: &mut dyn FnMut(&Conflict) -> std::io::Result<()>,
) -> Result<(), OpsError> {
    let (remote, path) = in_vault(place, "conflicts", "`remote:path`")?;
    let opened = open(ctx, remote)?;
    let vault = &opened.vault;
    let Some(root) = base_root(vault)? else { return Ok(()) };
    for found in conflicts(&**vault, &root, subtree_range(path))? {
        vault.checkpoint()?;
        let item = item(found?)?;
        if let Some(conflict) = conflict(vault, &root, item)? {
            each(&conflict).map_err(VaultError::local("cannot write the listing"))?;
        }
    }
    Ok(())
}

/// The conflicts of one path: that of a copy, or all of a file.
///
/// # Errors
/// There is none, or the vault can't be read.
pub fn show_conflict(ctx: &Ctx<'_>, place: &Place) -> Result<Vec<Conflict>, OpsError> {
    let (remote, path) = in_vault(place, "conflicts", "`remote:path`")?;
    let opened = open(ctx, remote)?;
    let vault = &opened.vault;
    let root = base_root(vault)?;
    let mut found = Vec::new();
    if let Some(root) = root {
        for copy in copies_of(vault, &root, path)? {
            found.extend(conflict(vault, &root, copy)?);
        }
    }
    if found.is_empty() {
        return Err(none_at(&format!("`{}:{path}`", remote.name)));
    }
    for conflict in &mut found {
        if conflict.copy.commit.is_none() {
            // It belongs to the commit that first had it, whose id it could not name.
            conflict.copy.commit = writer_of(vault, &conflict.copy.listed.path)?.as_ref().map(log_entry);
        }
        if let Some(current) = &mut conflict.current {
            current.commit = writer_of(vault, &current.listed.path)?.as_ref().map(log_entry);
        }
    }
    Ok(found)
}

/// Settles conflicts, and publishes that.
///
/// # Errors
/// There is no conflict at the path, or what is asked for can't be done.
pub fn resolve_conflicts(ctx: &Ctx<'_>, options: &ResolveOptions) -> Result<SyncReport, OpsError> {
    let (remote, path) = in_vault(&options.place, "conflicts", "`remote:path`")?;
    if path.is_root() && !options.all {
        return Err(not_the_root("conflicts", remote));
    }
    options.edit.change(ctx, remote).make(&mut |tree, edits, report| {
        let Some(root) = tree.root else { return Err(no_file(remote, path)) };
        if options.all {
            for found in conflicts(&**tree.vault, &root, subtree_range(path))? {
                let copy = item(found?)?;
                if !tree.allows("delete", &copy.path, "")? {
                    continue;
                }
                tree.tell(&copy.path, Action::Delete, copy.entry.size);
                report.deleted += 1;
                edits.delete(&copy.path)?;
            }
            return Ok(());
        }
        let copy = match &mut copies_of(tree.vault, &root, path)?[..] {
            [] => return Err(none_at(&tree.shown(path))),
            [copy] => copy.clone(),
            several => {
                let what = format!("{} has {} conflict copies", tree.shown(path), several.len());
                return Err(
                    OpsError::new(Class::Failed, what).hint("name one of them; `cryptsync conflicts show` lists them")
                );
            }
        };
        settle(tree, copy, options, edits, report)
    })
}

/// Lists the edits that settle one conflict.
fn settle(
    tree: &Tree<'_>,
    copy: Item,
    options: &ResolveOptions,
    edits: &mut EditList,
    report: &mut SyncReport,
) -> Result<(), OpsError> {
    let mut kept = copy.entry.clone();
    kept.set_conflict(None);
    let lost = lost_path(&copy);
    let dir = copy.path.parent().unwrap_or_default();
    let target = match (options.keep, &options.name) {
        (Keep::Current | Keep::Neither, _) => None,
        (Keep::Copy, _) => Some(lost.clone()),
        (Keep::Both, None) => Some(copy.path.clone()),
        (Keep::Both, Some(name)) => {
            Some(dir.join(name).map_err(|bad| OpsError::new(Class::UnsafePath, bad.to_string()))?)
        }
    };
    if options.keep == Keep::Current && tree.kind(&lost)?.is_none() {
        let what = format!("nothing is at {} any more: the copy is the only version left", tree.shown(&lost));
        return Err(OpsError::new(Class::Failed, what)
            .hint("keep it with `--keep copy`, or give it up with `cryptsync conflicts discard`"));
    }
    if let Some(target) = target.as_ref().filter(|target| **target != copy.path) {
        let there = tree.kind(target)?;
        let replaces = options.keep == Keep::Copy && there != Some(EntryKind::Dir);
        if there.is_some() && !replaces {
            return Err(OpsError::new(Class::Failed, format!("{} is there already", tree.shown(target)))
                .hint("choose a name that is free: `--keep both --as NAME`"));
        }
    }
    if !tree.allows(if target.is_some() { "keep" } else { "delete" }, &copy.path, "")? {
        return Ok(());
    }
    let mut changes: Vec<(TreePath, Option<Entry>)> = Vec::new();
    match target {
        Some(target) => {
            tree.tell(&target, if target == copy.path { Action::UpdateMeta } else { Action::Move }, kept.size);
            report.updated += 1;
            if target != copy.path {
                changes.push((copy.path, None));
            }
            changes.push((target, Some(kept)));
        }
        None => {
            tree.tell(&copy.path, Action::Delete, kept.size);
            report.deleted += 1;
            changes.push((copy.path, None));
        }
    }
    changes.sort_by_key(|(path, _)| TreeKey::from_path(path));
    for (path, entry) in changes {
        match entry {
            Some(entry) => edits.put(&path, entry)?,
            None => edits.delete(&path)?,
        }
    }
    Ok(())
}

/// Counts the conflicts below a path that a run has found or left, and names the first few in a notice.
pub(super) fn waiting(ctx: &Ctx<'_>, vault: &Vault, name: &str, path: &TreePath) -> Result<u64, OpsError> {
    let root = base_root(vault)?.filter(|root| root.totals.conflicts > 0);
    let Some(root) = root else { return Ok(0) };
    let mut count = 0;
    let mut first = Vec::new();
    for found in conflicts(vault, &root, subtree_range(path))? {
        vault.checkpoint()?;
        let item = item(found?)?;
        count += 1;
        if first.len() < NAMED {
            first.push(format!("`{name}:{}`", item.path));
        } else if path.is_root() {
            // The root has counted the rest.
            count = root.totals.conflicts;
            break;
        }
    }
    if count > 0 {
        let more = if count > NAMED as u64 { format!(" and {} more", count - NAMED as u64) } else { String::new() };
        ctx.observer.event(Event::Notice(&format!("conflict copies: {}{more}", first.join(", "))));
    }
    Ok(count)
}

/// The copy at a path, or the copies of the file there.
fn copies_of(vault: &Vault, root: &Root, path: &TreePath) -> Result<Vec<Item>, OpsError> {
    let Some(there) = lookup(vault, Some(root), path)?.filter(|item| item.entry.conflict().is_some()) else {
        let dir = path.parent().unwrap_or_default();
        let all = conflicts(vault, root, children_range(&dir))?.map(|found| item(found?));
        return all.filter(|copy| copy.as_ref().map_or(true, |copy| lost_path(copy) == *path)).collect();
    };
    Ok(vec![there])
}

fn conflict(vault: &Vault, root: &Root, copy: Item) -> Result<Option<Conflict>, OpsError> {
    let Some(mark) = copy.entry.conflict() else { return Ok(None) };
    let commit = vault.record_of(&mark.commit).ok();
    let lost = lost_path(&copy);
    let current = lookup(vault, Some(root), &lost)?;
    Ok(Some(Conflict {
        copy: Version { commit: commit.as_ref().map(log_entry), listed: super::list::listed(copy) },
        lost,
        current: current.map(|item| Version { listed: super::list::listed(item), commit: None }),
    }))
}

fn lost_path(copy: &Item) -> TreePath {
    let dir = copy.path.parent().unwrap_or_default();
    copy.entry.conflict().and_then(|mark| dir.join(mark.name).ok()).unwrap_or_default()
}

/// The commit that has made a path what it is: followed back from the heads as long as a parent has the same.
fn writer_of(vault: &Vault, path: &TreePath) -> Result<Option<Commit>, OpsError> {
    let Some(key) = TreeKey::from_path(path) else { return Ok(None) };
    let entry =
        |root: &Root| -> Result<Option<Entry>, VaultError> { Ok(get(vault, root, &key)?.map(|found| found.entry)) };
    let Some(root) = vault.root()? else { return Ok(None) };
    let wanted = entry(&root)?;
    let view = vault.view();
    let mut before: Vec<_> = view.heads().to_vec();
    let mut last = None;
    for _ in 0..STEPS_BACK {
        let mut found = None;
        for id in &before {
            let commit = vault.record_of(id)?;
            if entry(&commit.root())?.map(|entry| entry.content) == wanted.as_ref().map(|entry| entry.content.clone()) {
                found = Some(commit);
                break;
            }
        }
        let Some(commit) = found else { return Ok(last) };
        before = commit.record.parents.iter().copied().chain(commit.record.prev).collect();
        last = Some(commit);
    }
    Ok(None)
}

fn item(found: crate::history::cursor::Found) -> Result<Item, OpsError> {
    let path = found.key.to_path().map_err(|error| VaultError::UnsafePath(error.to_string()))?;
    Ok(Item { path, entry: found.entry, place: found.place })
}

fn none_at(shown: &str) -> OpsError {
    OpsError::new(Class::FileNotFound, format!("there is no conflict at {shown}"))
        .hint("`cryptsync conflicts ls` lists them")
}

/// How many conflict copies a notice names.
const NAMED: usize = 3;
/// How many commits are looked at to find out who wrote a version.
const STEPS_BACK: usize = 1000;
