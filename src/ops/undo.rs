//! `undo`: the tree as it is, without what one commit has done. Later work stays, by the rules of merging.

use super::edit_tree::{EditOptions, Tree};
use super::inspect::log_entry;
use super::moment::{commit_of, forgotten, spoken};
use super::open::open;
use super::{Ctx, LogEntry, OpsError, RemoteProfile, SyncReport};
use crate::class::Class;
use crate::event::{Action, Event};
use crate::format::entry::EntryKind;
use crate::format::record::RecordKind;
use crate::history::diff::diff;
use crate::history::source::Root;
use crate::transfer::{EditList, Item};
use crate::vault::{Commit, Vault, VaultError};

/// What is to be undone.
#[derive(Debug, Clone)]
pub struct UndoOptions {
    /// The vault.
    pub remote: RemoteProfile,
    /// A commit by its id, how that begins, or its name, and how many before it; the last of this writer if `None`.
    pub commit: Option<(String, u32)>,
    /// How it is done. `operation` is what comes before the commit.
    pub edit: EditOptions,
}

/// A commit that may be undone.
#[derive(Debug, Clone)]
pub struct UndoRow {
    /// The commit.
    pub entry: LogEntry,
    /// Whether it is of this writer.
    pub own: bool,
    /// Whether the trees that are needed are there.
    pub possible: bool,
}

/// Publishes the newest tree without what a commit has done.
///
/// # Errors
/// There is no such commit, or what it has done away with is gone.
pub fn undo(ctx: &Ctx<'_>, options: &UndoOptions) -> Result<SyncReport, OpsError> {
    let remote = &options.remote;
    // The commit is told apart before the change begins: what this run publishes itself is not it.
    let commit = chosen(remote, &open(ctx, remote)?.vault, options.commit.as_ref())?;
    ctx.observer.event(Event::Notice(&format!("undoing {}", spoken(std::slice::from_ref(&commit)))));
    let operation = format!("{} {} ({})", options.edit.operation, commit.id.short(), commit.record.operation);
    let edit = EditOptions { operation, ..options.edit.clone() };
    let mut is_there = true;
    let report = edit.change_back(ctx, remote).make(&mut |tree, edits, report| {
        let without = tree.vault.tree_without(&commit).map_err(|error| gone(tree.vault, &commit, error))?;
        let (Some(now), Some(without)) = (tree.root, without) else { return Ok(()) };
        is_there = now.id != without.id;
        list(tree, (&now, &without), edit.force, edits, report)
    })?;
    if !is_there {
        ctx.observer.event(Event::Notice("nothing is left of what that commit did, or it changed nothing"));
    }
    Ok(report)
}

/// The newest commits, and which of them can be undone.
///
/// # Errors
/// The vault can't be read.
pub fn undoable(ctx: &Ctx<'_>, remote: &RemoteProfile, limit: usize) -> Result<Vec<UndoRow>, OpsError> {
    let opened = open(ctx, remote)?;
    let vault = &opened.vault;
    let own = vault.known_writer()?;
    let mut rows = Vec::new();
    for commit in vault.newest(limit, changes_tree)? {
        vault.checkpoint()?;
        let has = |root: Option<Root>| root.map_or(Ok(true), |root| vault.has_tree(&root));
        let before = match vault.tree_before(&commit) {
            Err(error) if error.is_not_found() => false,
            found => has(found?)?,
        };
        let possible = before && has(Some(commit.root()))?;
        rows.push(UndoRow { entry: log_entry(&commit), own: own == Some(commit.writer), possible });
    }
    Ok(rows)
}

fn chosen(remote: &RemoteProfile, vault: &Vault, named: Option<&(String, u32)>) -> Result<Commit, OpsError> {
    let name = &remote.name;
    if let Some((text, back)) = named {
        let mut commit = commit_of(remote, vault, text)?;
        for _ in 0..*back {
            let none = || OpsError::new(Class::Usage, format!("there is no commit {back} before `{text}`"));
            commit = vault.commit_before(&commit)?.ok_or_else(none)?;
        }
        return Ok(commit);
    }
    let none = || {
        OpsError::new(Class::Usage, format!("this machine has changed nothing in `{name}:`"))
            .hint(format!("name a commit: `cryptsync undo {name}: COMMIT`; `cryptsync log {name}:` lists them"))
    };
    let own = vault.known_writer()?.ok_or_else(none)?;
    vault.newest(1, |commit| commit.writer == own && changes_tree(commit))?.pop().ok_or_else(none)
}

/// Commits that state something about others are no work.
fn changes_tree(commit: &Commit) -> bool {
    commit.record.kind == RecordKind::Commit && !commit.record.is_apart()
}

fn gone(vault: &Vault, commit: &Commit, error: VaultError) -> OpsError {
    if !error.is_not_found() {
        return error.into();
    }
    match forgotten(vault, std::slice::from_ref(commit)) {
        Ok(told) | Err(told) => told,
    }
}

fn list(
    tree: &Tree<'_>,
    (now, without): (&Root, &Root),
    force: bool,
    edits: &mut EditList,
    report: &mut SyncReport,
) -> Result<(), OpsError> {
    let mut deletes = 0u64;
    for change in diff(&**tree.vault, now, without)? {
        tree.vault.checkpoint()?;
        deletes += u64::from(change?.new.is_none());
    }
    tree.brake(deletes, force)?;
    for change in diff(&**tree.vault, now, without)? {
        let change = change?;
        let path = change.key.to_path().map_err(|bad| VaultError::UnsafePath(bad.to_string()))?;
        let old = change.old.map(|found| found.entry);
        let Some(new) = change.new else {
            edits.delete(&path)?;
            tree.tell(&path, Action::Delete, 0);
            report.deleted += 1;
            continue;
        };
        let size = new.entry.size;
        let action = match &old {
            None if new.entry.kind == EntryKind::Dir => Action::MakeDir,
            None => Action::Copy,
            Some(old) if old.content == new.entry.content && old.kind == new.entry.kind => Action::UpdateMeta,
            Some(_) => Action::Replace,
        };
        edits.bring(tree.vault, &Item { path: path.clone(), entry: new.entry, place: new.place })?;
        tree.tell(&path, action, size);
        match action {
            Action::UpdateMeta | Action::MakeDir => report.updated += 1,
            _ => (report.files, report.bytes) = (report.files + 1, report.bytes + size),
        }
    }
    Ok(())
}
