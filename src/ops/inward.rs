//! `copy`, `sync` and `move` of plain files at a remote into a vault. Nothing touches a disk in between.

use std::cell::RefCell;

use super::besides::{vault_backup, vault_places};
use super::between::{Gone, Run, file_name};
use super::conflicts::waiting;
use super::open::open;
use super::origin::Origin;
use super::overlap;
use super::plain::{Plain, needs_times};
use super::sync::{deadline, open_for_writing, target};
use super::{Ctx, OpsError, PlainProfile, RemoteProfile, SyncOptions, SyncReport};
use crate::path::TreePath;
use crate::transfer::{Item, remove_files};

/// Carries it out.
pub(super) fn inward(
    ctx: &Ctx<'_>,
    options: &SyncOptions,
    (profile, path): (&PlainProfile, &TreePath),
    (remote, dest): (&RemoteProfile, &TreePath),
) -> Result<SyncReport, OpsError> {
    overlap::refuse_plain(remote, profile, path)?;
    let plain = Plain::connect(ctx, profile)?;
    let single = plain.single(ctx, path)?;
    let (dest, name) = target(options, remote, dest, single.is_some())?;
    let backup = vault_backup(options, remote, &dest, single.is_some())?;
    let places = vault_places(options, remote)?;
    let opened = if options.dry_run { open(ctx, remote)? } else { open_for_writing(ctx, remote)? };
    let run = Run {
        ctx,
        options,
        opened: &opened,
        dest: &dest,
        origin: Origin::Plain {
            tree: plain.tree(path, single.is_some()),
            local: plain.as_side(true, &dest),
            times: needs_times(options, true),
            now: ctx.world.clock.now(),
            name: &profile.name,
        },
        single: single.map(|item| Item { path: file_name(path), ..item }),
        name,
        backup,
        places,
        deadline: deadline(ctx, options),
        dirs: RefCell::default(),
    };
    let Gone { mut report, mut uploaded, .. } = run.go()?;
    if let (Some(moving), false) = (options.moving, options.dry_run) {
        let failed = options.rules.trusting && report.failed > 0;
        let dirs = if moving.delete_empty_src_dirs && !failed { run.dirs.take() } else { Vec::new() };
        let departed = remove_files(plain.tree(path, false), uploaded.as_mut(), &dirs, ctx.observer)?;
        report.moved = departed.removed;
        report.failed += departed.stayed;
    }
    if !options.dry_run {
        report.conflicts = waiting(ctx, &opened.vault, &remote.name, &dest)?;
    }
    report.requests = opened.requests() + plain.io.requests();
    Ok(report)
}
