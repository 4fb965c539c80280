//! A vault in a directory of this machine must not be part of what is synced into it or out of it.

use std::path::{Path, PathBuf};

use super::{OpsError, PlainProfile, RemoteProfile, SyncOptions};
use crate::class::Class;
use crate::path::TreePath;

/// A vault inside what is to be stored in it would grow for ever, and its own objects are nothing to store.
pub(super) fn refuse_up(options: &SyncOptions, source: &Path, remote: &RemoteProfile) -> Result<(), OpsError> {
    for root in vault_dirs(remote) {
        if source.starts_with(&root) && source != root {
            return Err(in_own_vault("the source", source, &root));
        }
        if let Some(below) = exposed(options, source, &root) {
            let what =
                format!("the vault itself is inside the source: {} is below {}", root.display(), source.display());
            let hint = format!("leave it out with `--exclude '/{}/**'`, or choose another source", below.display());
            return Err(OpsError::new(Class::Fatal, what).hint(hint));
        }
    }
    Ok(())
}

/// Nothing but objects belongs into a vault's directory, and a sync must not delete it.
pub(super) fn refuse_down(options: &SyncOptions, dest: &Path, remote: &RemoteProfile) -> Result<(), OpsError> {
    let dest = resolved(dest);
    for root in vault_dirs(remote) {
        if dest.starts_with(&root) {
            return Err(in_own_vault("the destination", &dest, &root));
        }
        if let Some(below) = exposed(options, &dest, &root).filter(|_| options.delete) {
            let what = format!("this would delete the vault itself: {} is below {}", root.display(), dest.display());
            let hint =
                format!("leave it out with `--exclude '/{}/**'`, or choose another destination", below.display());
            return Err(OpsError::new(Class::Fatal, what).hint(hint));
        }
    }
    Ok(())
}

/// The objects of a vault are no plain files to copy, and nothing else belongs among them.
pub(super) fn refuse_plain(remote: &RemoteProfile, plain: &PlainProfile, path: &TreePath) -> Result<(), OpsError> {
    if !plain.service.meets(path, &remote.service) {
        return Ok(());
    }
    let what = format!("`{}:{path}` and the vault of `{}:` are in one place", plain.name, remote.name);
    Err(OpsError::new(Class::Fatal, what)
        .hint("choose a `root` for the plain files that the vault is not below, nor above"))
}

/// The directories of the vault that are on this machine and there.
fn vault_dirs(remote: &RemoteProfile) -> impl Iterator<Item = PathBuf> {
    remote.service.dirs().into_iter().filter_map(|root| std::fs::canonicalize(root).ok())
}

/// Where the vault lies below `dir`, unless the filters leave it out.
fn exposed(options: &SyncOptions, dir: &Path, root: &Path) -> Option<PathBuf> {
    let below = root.strip_prefix(dir).ok()?;
    let excluded = TreePath::from_bytes(below.as_os_str().as_encoded_bytes())
        .is_ok_and(|path| !path.is_root() && !options.filter.decide_dir(&path));
    (!excluded).then(|| below.to_owned())
}

/// `path` with all links followed, as far as it exists.
pub(super) fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = absolute.ancestors().find_map(|above| Some((above, std::fs::canonicalize(above).ok()?)));
    match found {
        Some((above, real)) => absolute.strip_prefix(above).map(|rest| real.join(rest)).unwrap_or(real),
        None => absolute,
    }
}

fn in_own_vault(what: &str, path: &Path, root: &Path) -> OpsError {
    let where_ = format!("{} is in {}", path.display(), root.display());
    OpsError::new(Class::Fatal, format!("{what} is inside the vault itself: {where_}"))
}
