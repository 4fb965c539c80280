//! `rescue`: what can be read of a damaged vault, into a directory of this machine. Takes whatever is there, and says what is
//! not. Writes nothing to the remote, and writes over nothing here.

use std::path::Path;

use super::down::downward;
use super::{Ctx, OpsError, Place, RemoteProfile, SyncOptions, SyncReport, TransferRules};
use crate::filter::Filter;
use crate::path::TreePath;
use crate::transfer::Comparison;

/// Copies what can be read below `path` into `dest`. What is there already stays, so that a run that was stopped goes on.
///
/// # Errors
/// No key opens the vault, or no tree of it can be read; `dest` can't be written.
pub fn rescue(
    ctx: &Ctx<'_>,
    remote: &RemoteProfile,
    path: &TreePath,
    dest: &Path,
    dry_run: bool,
) -> Result<SyncReport, OpsError> {
    let mut remote = remote.clone();
    remote.demands.salvage = true;
    let compare = Comparison { ignore_existing: true, update_dirs: false, ..Comparison::default() };
    let options = SyncOptions {
        source: Place::Vault(remote.clone(), path.clone()),
        dest: Place::Local(dest.to_owned()),
        delete: false,
        filter: Filter::default(),
        dry_run,
        force: false,
        rules: TransferRules { compare, ..TransferRules::default() },
        metadata: false,
        traits: None,
        moving: None,
        operation: String::new(),
    };
    Ok(downward(ctx, &options, &remote, path, dest)?.0)
}
