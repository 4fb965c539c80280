//! Places beside source and destination: where what is replaced is kept, and where content may be found.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::overlap::resolved;
use super::sync::missing_dirs;
use super::{OpsError, Place, RemoteProfile, SyncOptions};
use crate::class::Class;
use crate::history::source::Root;
use crate::path::TreePath;
use crate::transfer::{Backups, LocalBackup, Plan, keep_old};
use crate::vault::Vault;

/// Where in the destination's vault what is replaced is kept. `single`: the run is about one file.
pub(super) fn vault_backup(
    options: &SyncOptions,
    remote: &RemoteProfile,
    dest: &TreePath,
    single: bool,
) -> Result<Option<TreePath>, OpsError> {
    let Some(backup) = &options.rules.backup else { return Ok(None) };
    let dir = match &backup.dir {
        None => return Ok(Some(dest.clone())),
        Some(Place::Vault(other, dir)) if other.name == remote.name => dir,
        Some(_) => return Err(elsewhere("--backup-dir", &format!("the vault of `{}:`", remote.name))),
    };
    let refuse = |what: &str| {
        let text = format!("{what} and --backup-dir overlap: `{}:{dir}`", remote.name);
        Err(OpsError::new(Class::Fatal, text).hint("choose a directory outside, or leave it out with a filter"))
    };
    let meets = |path: &TreePath| {
        if single {
            return dir == path && backup.naming.suffix.is_empty();
        }
        let inner = dir.strip_prefix(path).or_else(|| path.strip_prefix(dir));
        inner.is_some_and(|inner| inner.is_root() || options.filter.decide_dir(&inner))
    };
    if meets(dest) {
        return refuse("the destination");
    }
    match &options.source {
        Place::Vault(other, path) if other.name == remote.name && !single && meets(path) => refuse("the source"),
        _ => Ok(Some(dir.clone())),
    }
}

/// Fails if something that is no directory is where what is replaced is to be kept.
pub(super) fn refuse_backup(vault: &Vault, base: Option<&Root>, to: Option<&TreePath>) -> Result<(), OpsError> {
    to.map_or(Ok(()), |to| missing_dirs(vault, base, to).map(drop))
}

/// What a plan makes of the vault to keep what it replaces, at `to`.
pub(super) fn backups(
    options: &SyncOptions,
    plan: &mut Plan,
    vault: (&Vault, Option<&Root>),
    to: Option<&TreePath>,
    deletes: bool,
) -> Result<Option<Backups>, OpsError> {
    let (Some(to), Some(backup)) = (to, &options.rules.backup) else { return Ok(None) };
    Ok(Some(keep_old(plan, vault, to, &backup.naming, deletes)?))
}

/// The directory of this machine where what is replaced is kept.
pub(super) fn local_backup(options: &SyncOptions, dest: &Path, single: bool) -> Result<Option<LocalBackup>, OpsError> {
    let Some(backup) = &options.rules.backup else { return Ok(None) };
    let Some(dir) = &backup.dir else { return Ok(Some(LocalBackup::open(dest, backup.naming.clone())?)) };
    let Place::Local(dir) = dir else { return Err(elsewhere("--backup-dir", "this machine")) };
    let (dir, dest) = (resolved(dir), resolved(dest));
    let meets = |inner: &Path| {
        let inner = TreePath::from_bytes(inner.as_os_str().as_encoded_bytes());
        inner.map_or(true, |inner| inner.is_root() || options.filter.decide_dir(&inner))
    };
    let overlap = match (dir.strip_prefix(&dest), dest.strip_prefix(&dir)) {
        _ if single => dir == dest && backup.naming.suffix.is_empty(),
        (Ok(inner), _) | (_, Ok(inner)) => meets(inner),
        _ => false,
    };
    if overlap {
        return Err(OpsError::new(
            Class::Fatal,
            format!("the destination and --backup-dir overlap: {}", dir.display()),
        )
        .hint("choose a directory outside, or leave it out with a filter"));
    }
    if device(&dir) != device(&dest) {
        let what = format!("{} and {} are on different file systems", dir.display(), dest.display());
        return Err(OpsError::new(Class::Fatal, what).hint("--backup-dir has to be where the destination is"));
    }
    Ok(Some(LocalBackup::open(&dir, backup.naming.clone())?))
}

/// The file system that a path is on, or will be.
fn device(path: &Path) -> Option<u64> {
    path.ancestors().find_map(|above| std::fs::metadata(above).ok()).map(|meta| meta.dev())
}

/// The places in the destination's vault where content may be found.
pub(super) fn vault_places(options: &SyncOptions, remote: &RemoteProfile) -> Result<Vec<TreePath>, OpsError> {
    let dir = |place: &Place| match place {
        Place::Vault(other, dir) if other.name == remote.name => Ok(dir.clone()),
        _ => Err(elsewhere(flag(options), &format!("the vault of `{}:`", remote.name))),
    };
    options.rules.elsewhere.iter().map(dir).collect()
}

/// The places on this machine where content may be found.
pub(super) fn local_places(options: &SyncOptions) -> Result<Vec<PathBuf>, OpsError> {
    let dir = |place: &Place| match place {
        Place::Local(dir) => Ok(dir.clone()),
        Place::Vault(..) | Place::Plain(..) => Err(elsewhere(flag(options), "this machine")),
    };
    options.rules.elsewhere.iter().map(dir).collect()
}

fn flag(options: &SyncOptions) -> &'static str {
    if options.rules.copied { "--copy-dest" } else { "--compare-dest" }
}

fn elsewhere(flag: &str, dest: &str) -> OpsError {
    OpsError::new(Class::Fatal, format!("{flag} has to be where the destination is: in {dest}"))
}
