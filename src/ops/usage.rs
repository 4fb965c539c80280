//! `du --vault`: what a vault takes up at its remote, against what is in it.

use super::keeping;
use super::leaks::{Seen, by_class};
use super::open::open;
use super::{Ctx, OpsError, RemoteProfile};
use crate::vault::Stock;

/// What a vault takes up.
#[derive(Debug, Clone)]
pub struct Usage {
    /// Entries of the newest tree.
    pub entries: u64,
    /// The sizes of its files together: each counts in full, however often its content is there.
    pub bytes: u64,
    /// Objects at the remote, by class.
    pub classes: Vec<(&'static str, Seen)>,
    /// Commits that the policy keeps, and those it forgets.
    pub commits: (u64, u64),
}

impl Usage {
    /// Bytes at the remote: sealed and padded, history and metadata among them.
    pub fn stored(&self) -> u64 {
        self.classes.iter().map(|(_, seen)| seen.bytes).sum()
    }
}

/// Adds up what a vault takes up. Lists the remote, and reads no content.
///
/// # Errors
/// The vault can't be read.
pub fn usage(ctx: &Ctx<'_>, remote: &RemoteProfile) -> Result<Usage, OpsError> {
    let opened = open(ctx, remote)?;
    let vault = &opened.vault;
    let stock = Stock::take(&vault.objects.io)?;
    let totals = vault.root()?.map(|root| root.totals).unwrap_or_default();
    let commits = keeping::counts(ctx, vault)?;
    Ok(Usage { entries: totals.entries, bytes: totals.bytes, classes: by_class(&stock), commits })
}
