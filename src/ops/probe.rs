//! Whether a remote can be used at all, found out before it is written into a configuration.

use std::path::Path;

use rustix::fs::{Access, access};

use super::open::connect;
use super::{Ctx, OpsError, RemoteProfile};
use crate::class::Class;
use crate::vault::exists;

/// What is at a remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// A vault.
    Vault,
    /// No vault, but one could be made.
    Free,
}

/// Looks whether a vault is at the remote, or could be. Nothing is written.
///
/// # Errors
/// The remote can't be read, or there is no vault and none could be made.
pub fn probe(ctx: &Ctx<'_>, remote: &RemoteProfile) -> Result<Probe, OpsError> {
    let nearest = remote.service.dirs().into_iter().map(nearest_dir).collect::<Result<Vec<_>, _>>()?;
    if exists(&connect(ctx, remote)?.io)? {
        return Ok(Probe::Vault);
    }
    nearest.into_iter().try_for_each(writable)?;
    Ok(Probe::Free)
}

/// The directory, or the one in which it would be made.
fn nearest_dir(root: &Path) -> Result<&Path, OpsError> {
    let nearest = root.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap_or(Path::new("/"));
    if nearest.is_dir() {
        return Ok(nearest);
    }
    let shown = crate::path::printable(nearest.as_os_str().as_encoded_bytes());
    Err(OpsError::new(Class::Usage, format!("`{shown}` is not a directory")))
}

/// Whether something can be made in a directory.
fn writable(nearest: &Path) -> Result<(), OpsError> {
    let shown = crate::path::printable(nearest.as_os_str().as_encoded_bytes());
    access(nearest, Access::WRITE_OK | Access::EXEC_OK).map_err(|errno| {
        let what = format!("the directory `{shown}` can't be written, and there is no vault in it: {errno}");
        OpsError::new(Class::Fatal, what)
    })
}
