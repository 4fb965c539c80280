//! `gc`: deleting what no commit that is kept needs.

use std::collections::HashSet;
use std::time::Duration;

use super::open::open;
use super::sync::{open_for_writing, session_options};
use super::{Ctx, OpsError, RemoteProfile};
use crate::class::Class;
use crate::history::retention::{decide, keeps_any};
use crate::id::CommitId;
use crate::vault::{CollectOptions, Collected, Vault, VaultError};
use crate::world::Timestamp;

/// `gc`
#[derive(Debug, Clone)]
pub struct GcOptions {
    /// Look and tell, change nothing.
    pub dry_run: bool,
    /// Between condemning and deleting.
    pub grace: Duration,
    /// How long what belongs to no commit is left alone.
    pub orphans: Duration,
    /// End writers that are waited for and have been silent for so long.
    pub expire: Option<Duration>,
    /// Percent of the stored bytes that may be unneeded in packs that are needed in part.
    pub max_unused: u64,
    /// Bytes packed anew at most.
    pub max_repack: u64,
    /// Begin nothing more after so long.
    pub max_duration: Option<Duration>,
}

/// Deletes what no kept commit needs, as far as that can be done now.
///
/// # Errors
/// The key at hand is no admin's, the policy would forget everything, or something that is needed is missing.
pub fn gc(ctx: &Ctx<'_>, remote: &RemoteProfile, options: &GcOptions) -> Result<Collected, OpsError> {
    let opened = if options.dry_run { open(ctx, remote)? } else { open_for_writing(ctx, remote)? };
    let vault = &opened.vault;
    let forget = unwanted(vault, ctx.world.clock.now())?;
    let secs = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    let now = ctx.world.clock.now();
    let until = options.max_duration.map(|span| Timestamp { secs: now.secs.saturating_add(secs(span)), ..now });
    let collect = CollectOptions {
        forget: &|_| Ok::<_, VaultError>(forget.clone()),
        grace: secs(options.grace),
        orphans: secs(options.orphans),
        expire: options.expire.map(secs),
        max_unused: options.max_unused,
        max_repack: options.max_repack,
        until,
        dry_run: options.dry_run,
        session: session_options(ctx, vault),
    };
    Ok(vault.collect(&collect)?)
}

/// The commits that the policy, or an admin by hand, does not want.
fn unwanted(vault: &Vault, now: Timestamp) -> Result<HashSet<CommitId>, OpsError> {
    let (policy, candidates) = (vault.policy(), vault.candidates()?);
    let decisions = decide(&candidates, &policy, now);
    if !keeps_any(&decisions) {
        return Err(OpsError::new(Class::Fatal, "the retention policy would forget every commit but the newest")
            .hint("nothing was changed; see `cryptsync policy show`"));
    }
    Ok(decisions.iter().filter(|decision| !decision.is_kept()).map(|decision| decision.id).collect())
}
