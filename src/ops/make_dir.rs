//! `mkdir` and `rmdir`.

use super::edit_tree::{Change, not_the_root};
use super::{Ctx, OpsError, Place, SyncReport};
use crate::class::Class;
use crate::event::Action;
use crate::filter::Filter;
use crate::transfer::Kept;
use crate::vault::VaultError;

/// Makes a directory and those above it. One that is there already is left as it is.
///
/// # Errors
/// Something else stands in the way, or the vault can't be written.
pub fn mkdir(ctx: &Ctx<'_>, place: &Place, dry_run: bool, operation: &str) -> Result<SyncReport, OpsError> {
    let (remote, path) = match place {
        Place::Vault(remote, path) => (remote, path),
        Place::Local(path) => {
            let fail = format!("cannot make the directory {}", path.display());
            let made = if dry_run || path.is_dir() { Ok(()) } else { std::fs::create_dir_all(path) };
            made.map_err(VaultError::local(fail))?;
            return Ok(SyncReport::default());
        }
    };
    Change { ctx, remote, dry_run, operation }.make(&mut |tree, edits, report| {
        for (dir, entry) in tree.missing_dirs(path)? {
            tree.tell(&dir, Action::MakeDir, 0);
            edits.put(&dir, entry)?;
            report.updated += 1;
        }
        Ok(())
    })
}

/// Removes a directory that is empty.
///
/// # Errors
/// It is not there, not a directory, or not empty.
pub fn rmdir(ctx: &Ctx<'_>, place: &Place, dry_run: bool, operation: &str) -> Result<SyncReport, OpsError> {
    let (remote, path) = match place {
        Place::Vault(remote, path) if path.is_root() => return Err(not_the_root("rmdir", remote)),
        Place::Vault(remote, path) => (remote, path),
        Place::Local(path) => {
            if !path.is_dir() {
                return Err(OpsError::new(Class::DirNotFound, format!("there is no directory {}", path.display())));
            }
            let fail = format!("cannot remove the directory {}", path.display());
            let removed = if dry_run { Ok(()) } else { std::fs::remove_dir(path) };
            removed.map_err(VaultError::local(fail))?;
            return Ok(SyncReport::default());
        }
    };
    Change { ctx, remote, dry_run, operation }.make(&mut |tree, edits, report| {
        tree.need_dir(path)?;
        if tree.below(path, &Filter::default(), &Kept::default())?.next().transpose()?.is_some() {
            return Err(OpsError::new(Class::Failed, format!("{} is not empty", tree.shown(path)))
                .hint("`cryptsync purge` removes a directory with everything in it"));
        }
        tree.tell(path, Action::Delete, 0);
        edits.delete(path)?;
        report.deleted = 1;
        Ok(())
    })
}
