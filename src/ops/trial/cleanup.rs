//! `cleanup`: takes away what runs that ended too early have left at a remote. Needs no key, and never touches an object of a vault.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use cryptsync_backends::contract::{Scratch, age_of};
use cryptsync_backends::{Remote, RemotePath, Result as Tried, Stray, StrayKind};
use futures::TryStreamExt;

use super::now;
use crate::ops::open::connect;
use crate::ops::{Ctx, OpsError, RemoteProfile};
use crate::vault::VaultError;

/// Something that was left, and what became of it.
#[derive(Debug, Clone)]
pub struct Leftover {
    /// What it is, in words.
    pub kind: &'static str,
    /// What it was to be, or where it lies.
    pub name: String,
    /// How old it is, if the service says so.
    pub age: Option<Duration>,
    /// Its bytes, if they are known.
    pub size: Option<u64>,
    /// Whether it was removed, or would be in a dry run: what is younger may be in use.
    pub removed: bool,
}

/// Lists what was left, and removes what is as old as `older_than`. What has no age counts as older if that is nothing.
///
/// # Errors
/// The remote's.
pub fn cleanup(
    ctx: &Ctx<'_>,
    remote: &RemoteProfile,
    older_than: Duration,
    dry_run: bool,
) -> Result<Vec<Leftover>, OpsError> {
    let connection = connect(ctx, remote)?;
    let now = now(ctx);
    let old = |age: Option<Duration>| age.unwrap_or_default() >= older_than;
    let rows = connection.io.drive(async |remote| {
        let mut rows = Vec::new();
        for stray in remote.strays().await? {
            let row = row_of(&stray, now, &old);
            if row.removed && !dry_run {
                remote.remove_stray(&stray).await?;
            }
            rows.push(row);
        }
        for (directory, (age, paths, size)) in tests(remote, now).await? {
            let removed = old(Some(age));
            if removed && !dry_run {
                remote.delete_many(&paths).await?;
                remote.remove_directory(&directory).await?;
            }
            rows.push(Leftover { kind: "test", name: directory, age: Some(age), size: Some(size), removed });
        }
        Tried::Ok(rows)
    })?;
    Ok(rows.map_err(VaultError::from)?)
}

fn row_of(stray: &Stray, now: SystemTime, old: &dyn Fn(Option<Duration>) -> bool) -> Leftover {
    let age = stray.since.map(|since| now.duration_since(since).unwrap_or_default());
    let kind = match stray.kind {
        StrayKind::Upload => "upload",
        StrayKind::Temporary => "temporary",
    };
    Leftover { kind, name: stray.name.clone(), age, size: stray.size, removed: old(age) }
}

/// What is left of tests: directories, each with its age, its objects and their bytes.
async fn tests(remote: &dyn Remote, now: SystemTime) -> Tried<BTreeMap<String, (Duration, Vec<RemotePath>, u64)>> {
    let mut found: BTreeMap<String, (Duration, Vec<RemotePath>, u64)> = BTreeMap::new();
    let mut items = remote.list(Scratch::PREFIX);
    while let Some(item) = items.try_next().await? {
        let (Some(age), Some((directory, _))) = (age_of(&item.path, now), item.path.as_str().split_once('/')) else {
            continue;
        };
        let (_, paths, size) = found.entry(format!("{directory}/")).or_insert_with(|| (age, Vec::new(), 0));
        *size += item.size;
        paths.push(item.path);
    }
    Ok(found)
}
