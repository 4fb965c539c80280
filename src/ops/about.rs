//! `about`: how much a vault takes up, and how much room there is.

use super::open::open;
use super::{Ctx, OpsError, RemoteProfile};
use crate::vault::Stock;

/// What is known of the space of a vault, in bytes. What the remote does not tell is `None`.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// Room that there is altogether.
    pub total: Option<u64>,
    /// Sealed and padded objects of the vault.
    pub used: u64,
    /// How many those are.
    pub objects: u64,
    /// Room that is left.
    pub free: Option<u64>,
    /// What takes up the rest, and is not this vault's.
    pub other: Option<u64>,
}

/// Lists the objects of a vault and asks where they are for the room that is left.
///
/// # Errors
/// The vault can't be read.
pub fn about(ctx: &Ctx<'_>, remote: &RemoteProfile) -> Result<About, OpsError> {
    let opened = open(ctx, remote)?;
    let stock = Stock::take(&opened.vault.objects.io)?;
    let mut about = About { objects: stock.objects.len() as u64, used: stock.bytes(), ..About::default() };
    if let [root] = remote.service.dirs()[..]
        && let Ok(system) = rustix::fs::statvfs(root)
    {
        let (total, left) = (system.f_blocks * system.f_frsize, system.f_bfree * system.f_frsize);
        about.total = Some(total);
        about.free = Some(system.f_bavail * system.f_frsize);
        about.other = Some(total.saturating_sub(left).saturating_sub(about.used));
    }
    Ok(about)
}
