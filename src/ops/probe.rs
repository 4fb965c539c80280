//! Whether a remote can be used at all, and what it can do, found out before it is written into a configuration.

use std::path::Path;

use cryptsync_backends::contract::{Depth, Observed, Outcome};
use cryptsync_backends::{ErrorKind, RemoteError};
use rustix::fs::{Access, access};

use super::open::connect;
use super::trial::{recall, remember, tried};
use super::{Ctx, OpsError, RemoteProfile};
use crate::class::Class;
use crate::vault::{VaultError, exists};

/// What was found at a remote.
#[derive(Debug)]
pub struct Probe {
    /// What is there.
    pub found: Found,
    /// What it was seen to do, if it could be written to.
    pub observed: Option<Observed>,
    /// What is worth saying about it, a clause each.
    pub notes: Vec<String>,
}

/// What is at a remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A vault.
    Vault,
    /// No vault, but one could be made.
    Free,
}

/// Looks whether a vault is at the remote, or could be, and what the remote can do: a few small objects are written and removed again. Of a
/// directory of this machine that is not there yet nothing is made. Unless `anew`, a remote that was tried before is not written to.
///
/// # Errors
/// The remote can't be read, or there is no vault and none could be made.
pub fn probe(ctx: &Ctx<'_>, remote: &RemoteProfile, anew: bool) -> Result<Probe, OpsError> {
    let dirs = remote.service.dirs();
    let nearest = dirs.iter().map(|dir| nearest_dir(dir)).collect::<Result<Vec<_>, _>>()?;
    let connection = connect(ctx, remote)?;
    let found = if exists(&connection.io)? { Found::Vault } else { Found::Free };
    if found == Found::Free {
        nearest.iter().try_for_each(|dir| writable(dir))?;
    }
    let known = recall(&ctx.state_dir, &connection.io.describe()) != Observed::default();
    if (known && !anew) || nearest.iter().zip(&dirs).any(|(nearest, dir)| nearest != dir) {
        return Ok(Probe { found, observed: None, notes: Vec::new() });
    }
    let (report, _, left) = tried(ctx, &connection, Depth::Probe)?;
    let mut notes: Vec<String> = left.into_iter().collect();
    for check in report.checks {
        match check.outcome {
            Outcome::Fine(_) => {}
            Outcome::Absent(why) => notes.push(why),
            // Whoever may only read uses a vault that is there.
            Outcome::Failed { error: Some(error), .. } if found == Found::Vault && is_forbidden(&error) => {
                notes.push("it can be read, and not written to".to_owned());
                return Ok(Probe { found, observed: None, notes });
            }
            Outcome::Failed { error: Some(error), .. } => return Err(VaultError::from(error).into()),
            Outcome::Failed { why, error: None } => {
                let what = format!("the remote does not do what is needed ({}): {why}", check.name);
                return Err(OpsError::new(Class::Failed, what));
            }
        }
    }
    remember(ctx, &connection.io.describe(), report.observed);
    Ok(Probe { found, observed: Some(report.observed), notes })
}

fn is_forbidden(error: &RemoteError) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnly)
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
