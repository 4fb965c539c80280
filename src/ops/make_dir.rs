//! `mkdir` and `rmdir`.

use std::path::Path;

use super::consent::Consent;
use super::edit_tree::{EditOptions, in_vault, not_the_root};
use super::remove::joined;
use super::{Ctx, OpsError, Place, SyncReport};
use crate::class::Class;
use crate::event::Action;
use crate::filter::Filter;
use crate::format::entry::EntryKind;
use crate::path::TreePath;
use crate::transfer::Kept;
use crate::vault::VaultError;

/// Makes a directory and those above it. One that is there already is left as it is.
///
/// # Errors
/// Something else stands in the way, or the vault can't be written.
pub fn mkdir(ctx: &Ctx<'_>, place: &Place, options: &EditOptions) -> Result<SyncReport, OpsError> {
    let (remote, path) = match place {
        Place::Vault(remote, path) => (remote, path),
        Place::Plain(profile, _) => return Err(super::plain::refuse(profile, "`mkdir`")),
        Place::Local(path) => {
            let fail = format!("cannot make the directory {}", path.display());
            let is_done = options.dry_run || path.is_dir() || !asked(ctx, options, MAKE, path)?;
            let made = if is_done { Ok(()) } else { std::fs::create_dir_all(path) };
            made.map_err(VaultError::local(fail))?;
            return Ok(SyncReport::default());
        }
    };
    options.change(ctx, remote).make(&mut |tree, edits, report| {
        let missing = tree.missing_dirs(path)?;
        if missing.is_empty() || !tree.allows(MAKE, path, "")? {
            return Ok(());
        }
        for (dir, entry) in missing {
            tree.tell(&dir, Action::MakeDir, 0);
            edits.put(&dir, entry)?;
            report.updated += 1;
        }
        Ok(())
    })
}

/// Removes the directories below a path that hold no file, and the path itself, unless `leave_root`.
///
/// # Errors
/// There is no directory at the path.
pub fn rmdirs(
    ctx: &Ctx<'_>,
    place: &Place,
    filter: &Filter,
    leave_root: bool,
    options: &EditOptions,
) -> Result<SyncReport, OpsError> {
    let (remote, path) = in_vault(place, "rmdirs", "find(1) with -empty -delete")?;
    options.change(ctx, remote).make(&mut |tree, edits, report| {
        tree.need_dir(path)?;
        let kept = Kept::default();
        for item in tree.below(path, filter, &kept)? {
            let item = item?;
            if item.entry.kind != EntryKind::Dir {
                kept.note(&item.path);
            }
        }
        let mut empty = Vec::new();
        if !(leave_root || path.is_root() || kept.holds(&TreePath::root())) {
            empty.push(TreePath::root());
        }
        for item in tree.below(path, filter, &Kept::default())? {
            let item = item?;
            if item.entry.kind == EntryKind::Dir && !kept.holds(&item.path) {
                empty.push(item.path);
            }
        }
        // What somebody wants to keep keeps the directories it is in: the innermost are asked about first.
        let mut goes = Vec::new();
        for dir in empty.iter().rev() {
            let full = joined(path, dir)?;
            if !kept.holds(dir) && tree.allows(REMOVE, &full, "")? {
                goes.push(full);
            } else {
                kept.note(dir);
            }
        }
        for dir in goes.iter().rev() {
            tree.tell(dir, Action::Delete, 0);
            report.deleted += 1;
            edits.delete(dir)?;
        }
        Ok(())
    })
}

/// Removes a directory that is empty.
///
/// # Errors
/// It is not there, not a directory, or not empty.
pub fn rmdir(ctx: &Ctx<'_>, place: &Place, options: &EditOptions) -> Result<SyncReport, OpsError> {
    let (remote, path) = match place {
        Place::Vault(remote, path) if path.is_root() => return Err(not_the_root("rmdir", remote)),
        Place::Vault(remote, path) => (remote, path),
        Place::Plain(profile, _) => return Err(super::plain::refuse(profile, "`rmdir`")),
        Place::Local(path) => {
            if !path.is_dir() {
                return Err(OpsError::new(Class::DirNotFound, format!("there is no directory {}", path.display())));
            }
            let fail = format!("cannot remove the directory {}", path.display());
            let is_done = options.dry_run || !asked(ctx, options, REMOVE, path)?;
            let removed = if is_done { Ok(()) } else { std::fs::remove_dir(path) };
            removed.map_err(VaultError::local(fail))?;
            return Ok(SyncReport::default());
        }
    };
    options.change(ctx, remote).make(&mut |tree, edits, report| {
        tree.need_dir(path)?;
        if tree.below(path, &Filter::default(), &Kept::default())?.next().transpose()?.is_some() {
            return Err(OpsError::new(Class::Failed, format!("{} is not empty", tree.shown(path)))
                .hint("`cryptsync purge` removes a directory with everything in it"));
        }
        if tree.allows(REMOVE, path, "")? {
            tree.tell(path, Action::Delete, 0);
            edits.delete(path)?;
            report.deleted = 1;
        }
        Ok(())
    })
}

/// Whether something may be done to a directory of this machine.
fn asked(ctx: &Ctx<'_>, options: &EditOptions, action: &'static str, path: &Path) -> Result<bool, OpsError> {
    Consent::new(ctx, options.interactive).allows(action, &path.display().to_string())
}

const MAKE: &str = "make directory";
const REMOVE: &str = "remove directory";
