//! `copy`, `sync` and `move`: plan, ask where it is dangerous, carry out.

use std::collections::HashSet;
use std::sync::Arc;

use cryptsync_backends::Caps;

use super::between::between;
use super::inward::inward;
use super::moving::leave_vault;
use super::open::{Opened, open, tell};
use super::outward::outward;
use super::{Ctx, Cutoff, DeleteWhen, OpsError, Place, RemoteProfile, Stopped, SyncOptions, SyncReport};
use crate::class::Class;
use crate::event::{Action, Event};
use crate::filter::Filter;
use crate::format::entry::{Content, Entry, EntryKind};
use crate::history::source::Root;
use crate::path::TreePath;
use crate::transfer::{
    Contents, Deadline, Item, Kept, Leaves, Plan, PlanOptions, Replace, Rows, SideError, Step, TransferError, lookup,
};
use crate::vault::{SessionOptions, Vault};

/// Makes the destination contain (`copy`) or equal (`sync`) the source.
///
/// # Errors
/// What stopped the run. Entries that failed one by one are counted in the report instead.
pub fn sync(ctx: &Ctx<'_>, options: &SyncOptions) -> Result<SyncReport, OpsError> {
    match (&options.source, &options.dest) {
        (Place::Local(source), Place::Vault(remote, path)) => super::up::upward(ctx, options, source, remote, path),
        (Place::Vault(remote, path), Place::Local(dest)) => {
            let (mut report, source) = super::down::downward(ctx, options, remote, path, dest)?;
            if let (Some(moving), false) = (options.moving, options.dry_run) {
                leave_vault(ctx, &source, options, moving, &mut report)?;
            }
            Ok(report)
        }
        (Place::Local(_), Place::Local(_)) => {
            Err(OpsError::new(Class::Usage, "both sides are local: one of them must be a vault")
                .hint("write the vault's side as `remote:path`; for two local directories use cp or rsync"))
        }
        (Place::Vault(from, source), Place::Vault(to, dest)) => between(ctx, options, (from, source), (to, dest)),
        (Place::Plain(from, source), Place::Vault(to, dest)) => inward(ctx, options, (from, source), (to, dest)),
        (Place::Vault(from, source), Place::Plain(to, dest)) => {
            let (mut report, source) = outward(ctx, options, (from, source), (to, dest))?;
            if let (Some(moving), false) = (options.moving, options.dry_run) {
                leave_vault(ctx, &source, options, moving, &mut report)?;
            }
            Ok(report)
        }
        (Place::Local(_) | Place::Plain(..), Place::Local(_) | Place::Plain(..)) => {
            Err(OpsError::new(Class::Usage, "neither side is a vault: one of them must be")
                .hint("between plain remotes, or one and this machine, use rclone"))
        }
    }
}

/// Opens a vault for writing: no commit of an earlier run is left in the air.
pub(super) fn open_for_writing(ctx: &Ctx<'_>, remote: &RemoteProfile) -> Result<Opened, OpsError> {
    if remote.at.is_some() {
        let what = format!("`{}:` as it was can only be read", remote.name);
        return Err(OpsError::new(Class::Usage, what).hint("leave out `--at`"));
    }
    let opened = open(ctx, remote)?;
    if opened.vault.settle()? {
        tell(ctx, &opened.vault);
    }
    Ok(opened)
}

/// When a run that begins now has taken long enough.
pub(super) fn deadline(ctx: &Ctx<'_>, options: &SyncOptions) -> Deadline {
    let rules = &options.rules;
    Deadline::after(&ctx.world.clock, rules.max_duration, rules.cutoff == Cutoff::Hard)
}

/// How to plan, as far as that is the same in all directions. What a direction knows better it sets itself.
pub(super) fn plan_options<'a>(
    ctx: &'a Ctx<'_>,
    options: &'a SyncOptions,
    single: bool,
    contents: &'a dyn Contents,
    prefix: &'a TreePath,
    kept: &'a Kept,
    suspects: &'a HashSet<u64>,
) -> PlanOptions<'a> {
    let rules = &options.rules;
    let delete = options.delete && !single;
    PlanOptions {
        delete,
        replace: if delete { rules.replace } else { Replace::Neither },
        compare: &rules.compare,
        contents,
        threads: ctx.engine.checkers.min((ctx.engine.memory >> 24) as usize),
        leaves: options.moving.map(|_| Leaves::Later),
        leaves_older: rules.trusting,
        empty_dirs: rules.empty_dirs,
        keep_old: false,
        beside: rules.backup.as_ref().is_some_and(|backup| backup.dir.is_none()),
        elsewhere: None,
        rows: rules.rows.as_ref().map(|rows| rows as &dyn Rows),
        suspects,
        scan_start: ctx.world.clock.now(),
        prefix,
        kept,
        local: None,
        observer: ctx.observer,
    }
}

/// What a run leaves out without having failed.
pub(super) fn tell_left_out(ctx: &Ctx<'_>, plan: &Plan) {
    let totals = &plan.totals;
    if totals.specials > 0 {
        let text = format!("{} sockets, pipes or devices are left out (-v names them)", totals.specials);
        ctx.observer.event(Event::Notice(&text));
    }
    if totals.spared > 0 {
        let text = format!("{} entries stay in the vault: the source was never able to hold them", totals.spared);
        ctx.observer.event(Event::Notice(&text));
    }
}

/// The one file or link that a source in a vault is; `None` if it is a directory.
///
/// # Errors
/// There is nothing, or nothing that the run looks at.
pub(super) fn single_in(
    vault: &Vault,
    base: Option<&Root>,
    (remote, path): (&RemoteProfile, &TreePath),
    options: &SyncOptions,
) -> Result<Option<Item>, OpsError> {
    match lookup(vault, base, path)? {
        found if options.rules.links.passes_over(found.as_ref()) => Err(not_there(remote, path)),
        Some(item) if item.entry.kind != EntryKind::Dir => Ok(Some(item)),
        None if !path.is_root() => Err(not_there(remote, path)),
        _ => Ok(None),
    }
}

/// Why a path of a vault can't be used: nothing is there.
pub(super) fn not_there(remote: &RemoteProfile, path: &TreePath) -> OpsError {
    OpsError::new(Class::DirNotFound, format!("`{}:{path}` does not exist", remote.name))
        .hint(format!("`cryptsync lsf -R {}:` shows what is there", remote.name))
        .about(path.as_bytes())
}

pub(super) fn one(item: Option<Item>) -> impl Iterator<Item = Result<Item, SideError>> {
    item.into_iter().map(Ok)
}

/// A side that ends as soon as the run is to stop, or has taken long enough: a plan of millions of entries takes its time.
pub(super) fn until_stopped(
    vault: &Vault,
    deadline: &Deadline,
    side: impl Iterator<Item = Result<Item, SideError>>,
) -> impl Iterator<Item = Result<Item, SideError>> {
    side.map(move |found| {
        vault.checkpoint().map_err(TransferError::from)?;
        if deadline.has_passed() { Err(TransferError::Late.into()) } else { found }
    })
}

/// Leaves out an entry whose path would be too long below `prefix`.
pub(super) fn fitting(prefix: &TreePath, found: Result<Item, SideError>) -> Result<Item, SideError> {
    match found {
        Ok(item) if prefix.join_path(&item.path).is_err() => {
            let reason = "its path in the vault would be longer than the format allows".into();
            Err(SideError::Skipped { path: item.path, reason })
        }
        found => found,
    }
}

/// Directories that have to be made so that `dest` is one: its ancestors and itself.
pub(super) fn missing_dirs(
    vault: &Vault,
    base: Option<&Root>,
    dest: &TreePath,
) -> Result<Vec<(TreePath, Entry)>, OpsError> {
    let mut missing = Vec::new();
    let mut path = TreePath::root();
    for name in dest.components() {
        path = path.join(name).map_err(|bad| OpsError::new(Class::UnsafePath, bad.to_string()))?;
        match lookup(vault, base, &path)?.map(|item| item.entry.kind) {
            Some(EntryKind::Dir) => {}
            Some(EntryKind::File) => return Err(in_the_way(path, "a file")),
            Some(EntryKind::Symlink) => return Err(in_the_way(path, "a symbolic link")),
            None => missing.push((path.clone(), new_dir(vault))),
        }
    }
    Ok(missing)
}

fn in_the_way(path: TreePath, is: &'static str) -> OpsError {
    TransferError::InTheWay { path, is, needed: "a directory" }.into()
}

fn new_dir(vault: &Vault) -> Entry {
    Entry {
        kind: EntryKind::Dir,
        size: 0,
        mtime: vault.world.clock.now(),
        mode: None,
        content: Content::None,
        attributes: Vec::new(),
    }
}

/// The directory that a run goes to, and the name that its one file gets there, if it is told one.
pub(super) fn target(
    options: &SyncOptions,
    remote: &RemoteProfile,
    dest: &TreePath,
    single: bool,
) -> Result<(TreePath, Option<TreePath>), OpsError> {
    if !options.rules.to_name || !single {
        return Ok((dest.clone(), None));
    }
    refuse_filters(options)?;
    match (dest.parent(), dest.name()) {
        (Some(parent), Some(name)) => {
            let name = TreePath::from_bytes(name).map_err(|bad| OpsError::new(Class::UnsafePath, bad.to_string()))?;
            Ok((parent, Some(name)))
        }
        _ => Err(OpsError::new(Class::Failed, format!("`{}:` is a directory, but the source is a file", remote.name))
            .hint("write the name that the file is to have after the colon")),
    }
}

/// One file that is given a name is what it is: filters have nothing to say.
pub(super) fn refuse_filters(options: &SyncOptions) -> Result<(), OpsError> {
    if options.filter.is_everything() {
        return Ok(());
    }
    Err(OpsError::new(Class::Usage, "filters can't be used when the source is a single file that is given a name")
        .hint("leave the filters out, or use `copy` or `move`"))
}

/// What is in scope at the destination.
pub(super) fn dest_filter(options: &SyncOptions) -> Arc<Filter> {
    Arc::new(options.filter.of_destination(options.rules.delete_excluded))
}

/// Whether the destination's own entries go, when `failed` entries could not be transferred.
pub(super) fn may_delete(
    ctx: &Ctx<'_>,
    options: &SyncOptions,
    plan: &Plan,
    failed: u64,
    report: &mut SyncReport,
) -> bool {
    let (totals, rules) = (&plan.totals, &options.rules);
    if totals.deletes == 0 {
        return true;
    }
    if report.stopped.is_some() && rules.delete == DeleteWhen::After {
        ctx.observer.event(Event::Notice("nothing is deleted, because the run ended early"));
        return false;
    }
    let failed = match rules.delete {
        DeleteWhen::Before => totals.skipped - totals.immutable,
        DeleteWhen::After => totals.skipped + failed,
    };
    if failed > 0 && !rules.ignore_errors {
        ctx.observer.event(Event::Notice("nothing is deleted, because some entries could not be handled"));
        return false;
    }
    if rules.over_max_delete(totals) {
        report.stopped = Some(Stopped::MaxDelete);
        return false;
    }
    true
}

/// Asks before a run that would destroy most of the destination: an empty source, or more than half of the entries. Who is
/// asked about each of them is not asked about all.
pub(super) fn brake(ctx: &Ctx<'_>, options: &SyncOptions, plan: &Plan) -> Result<(), OpsError> {
    let totals = &plan.totals;
    let empty = totals.source == 0 && totals.deletes > 0;
    let most = totals.deletes > 20 && totals.deletes * 2 > totals.dest;
    let asked = options.rules.interactive && !options.dry_run;
    if options.force || asked || !options.rules.brake || !(empty || most) {
        return Ok(());
    }
    let why = if empty { "the source is empty" } else { "that is more than half of it" };
    let question =
        format!("This would delete {} of {} entries at the destination: {why}. Go on?", totals.deletes, totals.dest);
    match ctx.person.confirm(&question) {
        Some(true) => Ok(()),
        _ => Err(OpsError::new(
            Class::Fatal,
            format!(
                "this would delete {} of {} entries at the destination ({why}); nothing was done",
                totals.deletes, totals.dest
            ),
        )
        .hint("check that source and destination are the right ones; `--force` goes on without asking")),
    }
}

pub(super) fn tell_totals(ctx: &Ctx<'_>, plan: &Plan) {
    let totals = &plan.totals;
    ctx.observer.event(Event::Planned {
        files: totals.files,
        bytes: totals.bytes,
        deletes: totals.deletes,
        checked: totals.source,
    });
}

pub(super) fn tell_plan(ctx: &Ctx<'_>, plan: &mut Plan) -> Result<(), OpsError> {
    for step in plan.steps()? {
        let (path, action, size) = match step? {
            Step::Put { item, replaces: Some(_), .. } | Step::Refer(item, Some(_)) => {
                (item.path, Action::Replace, item.entry.size)
            }
            Step::Put { item, .. } if item.entry.kind == EntryKind::Dir => (item.path, Action::MakeDir, 0),
            Step::Put { item, .. } | Step::Refer(item, None) => (item.path, Action::Copy, item.entry.size),
            Step::Meta(item) => (item.path, Action::UpdateMeta, item.entry.size),
            Step::Delete { path, .. } => (path, Action::Delete, 0),
            Step::Leave(_) => continue,
        };
        ctx.observer.event(Event::Would { path: &path, action, size });
    }
    Ok(())
}

/// What a dry run reports: the plan as if it had been carried out.
pub(super) fn would_do(options: &SyncOptions, plan: &Plan, single: bool) -> SyncReport {
    let (totals, report) = (&plan.totals, planned(plan));
    // rclone finds out by trying, except for what it is told by name.
    let unseen = if options.rules.trusting && !single { totals.clashes } else { 0 };
    let failed = report.failed - unseen;
    if options.rules.over_max_delete(totals) {
        return SyncReport {
            files: totals.files,
            bytes: totals.bytes,
            failed,
            stopped: Some(Stopped::MaxDelete),
            ..report
        };
    }
    SyncReport { files: totals.files, bytes: totals.bytes, deleted: totals.deletes, failed, ..report }
}

pub(super) fn planned(plan: &Plan) -> SyncReport {
    SyncReport {
        checked: plan.totals.source,
        updated: plan.totals.updates,
        failed: plan.totals.skipped + plan.totals.refused,
        immutable: plan.totals.immutable,
        ..SyncReport::default()
    }
}

/// The engine's settings as a session with this vault wants them.
pub(super) fn session_options(ctx: &Ctx<'_>, vault: &Vault) -> SessionOptions {
    let caps = vault.objects.io.caps();
    let pack_target = pack_target(ctx.engine.pack_size, ctx.engine.memory, &caps);
    SessionOptions {
        pack_target,
        uploads: ctx.engine.transfers.clamp(1, 64),
        packs: (ctx.engine.transfers + 2).min((ctx.engine.memory * 5 / 8 / pack_target) as usize),
        compression: ctx.engine.compression,
    }
}

/// How large packs get: as somebody has said, or as suits the service, and no larger than memory and the service have room for.
fn pack_target(said: Option<u64>, memory: u64, caps: &Caps) -> u64 {
    // What is sealed around it and rounds it up takes a few hundredths.
    let stored_max = caps.max_object - caps.max_object / 8;
    said.unwrap_or(caps.pack_size).min(memory / 8).max(PACK_MIN).min(stored_max)
}

/// Reader threads and worker threads: one of each for a core, as far as the budget has room for their buffers.
pub(super) fn threads(ctx: &Ctx<'_>) -> (usize, usize) {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let most = cores.min((ctx.engine.memory >> 25) as usize).max(1);
    (ctx.engine.checkers.clamp(1, most), most)
}

/// A smaller pack is not worth its request.
const PACK_MIN: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn packs_suit_the_service_and_fit_into_memory() {
        let caps = |pack_size, max_object| Caps {
            max_concurrency: 4,
            read_range: true,
            put_new: true,
            max_object,
            list_delay: Duration::ZERO,
            pack_size,
        };
        let most = u64::from(u32::MAX);
        for (said, memory, caps, expected) in [
            (None, 128 << 20, caps(Caps::PACK, most), 16 << 20),
            (None, 128 << 20, caps(Caps::LARGE_PACK, most), 16 << 20),
            (None, 512 << 20, caps(Caps::LARGE_PACK, most), 32 << 20),
            (None, 512 << 20, caps(Caps::PACK, most), 16 << 20),
            (Some(64 << 20), 512 << 20, caps(Caps::PACK, most), 64 << 20),
            (Some(4 << 20), 512 << 20, caps(Caps::LARGE_PACK, most), 4 << 20),
            (Some(64 << 20), 512 << 20, caps(Caps::PACK, 8 << 20), 7 << 20),
            (None, 1 << 20, caps(Caps::PACK, most), 1 << 20),
        ] {
            assert_eq!(pack_target(said, memory, &caps), expected, "{said:?} {memory} {caps:?}");
        }
    }
}
