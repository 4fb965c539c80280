//! `copy`, `sync` and `move`: plan, ask where it is dangerous, carry out.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::between::between;
use super::conflicts::waiting;
use super::moving::{VaultSource, leave_local, leave_vault};
use super::open::{Opened, open, tell};
use super::overlap;
use super::target::{Known, Target};
use super::{Ctx, OpsError, Place, RemoteProfile, SyncOptions, SyncReport};
use crate::class::Class;
use crate::event::{Action, Event};
use crate::format::entry::{Content, Entry, EntryKind};
use crate::history::source::{Root, same_tree};
use crate::path::TreePath;
use crate::transfer::{
    Item, Kept, Local, Plan, PlanOptions, Shadow, SideError, Spelling, Step, Traits, TransferError, Upload, Uploaded,
    VaultSide, Walk, base_root, commit_edits, lookup, stat_item, stat_with_metadata,
};
use crate::vault::{CommitInfo, Published, Session, SessionOptions, Vault, VaultError};
use crate::world::Timestamp;

/// Makes the destination contain (`copy`) or equal (`sync`) the source.
///
/// # Errors
/// What stopped the run. Entries that failed one by one are counted in the report instead.
pub fn sync(ctx: &Ctx<'_>, options: &SyncOptions) -> Result<SyncReport, OpsError> {
    match (&options.source, &options.dest) {
        (Place::Local(source), Place::Vault(remote, path)) => upward(ctx, options, source, remote, path),
        (Place::Vault(remote, path), Place::Local(dest)) => {
            let (mut report, root) = super::down::downward(ctx, options, remote, path, dest)?;
            if let (Some(moving), false) = (options.moving, options.dry_run) {
                leave_vault(ctx, &VaultSource { remote, path, root }, options, moving, &mut report)?;
            }
            Ok(report)
        }
        (Place::Local(_), Place::Local(_)) => {
            Err(OpsError::new(Class::Usage, "both sides are local: one of them must be a vault")
                .hint("write the vault's side as `remote:path`; for two local directories use cp or rsync"))
        }
        (Place::Vault(from, source), Place::Vault(to, dest)) => between(ctx, options, (from, source), (to, dest)),
    }
}

/// Opens a vault for writing: no commit of an earlier run is left in the air.
pub(super) fn open_for_writing(ctx: &Ctx<'_>, remote: &RemoteProfile) -> Result<Opened, OpsError> {
    let opened = open(ctx, remote)?;
    if opened.vault.settle()? {
        tell(ctx, &opened.vault);
    }
    Ok(opened)
}

fn upward(
    ctx: &Ctx<'_>,
    options: &SyncOptions,
    source: &Path,
    remote: &RemoteProfile,
    dest: &TreePath,
) -> Result<SyncReport, OpsError> {
    let source = LocalSource::open(source)?;
    if options.moving.is_some() && source.single.is_some() && source.linked {
        let what = format!("{} is a symbolic link to a file", source.root.display());
        return Err(
            OpsError::new(Class::Usage, what).hint("move the file itself, or the directory that the link is in")
        );
    }
    overlap::refuse_up(options, &source.root, remote)?;
    if options.dry_run {
        let opened = open(ctx, remote)?;
        return Up { ctx, options, source: &source, dest, opened: &opened, dirs: RefCell::default() }.dry_run();
    }
    let opened = open_for_writing(ctx, remote)?;
    let up = Up { ctx, options, source: &source, dest, opened: &opened, dirs: RefCell::default() };
    let mut ready = up.prepare()?;
    if ready.is_work(up.source)
        && opened.vault.ensure_joined()?
        && !same_tree(ready.base.as_ref(), base_root(&opened.vault)?.as_ref())
    {
        ready = up.prepare()?;
    }
    let mut report = up.carry_out(ready)?;
    report.conflicts = waiting(ctx, &opened.vault, &remote.name, dest)?;
    Ok(report)
}

/// What an upload is about to do.
struct Ready {
    base: Option<Root>,
    /// Directories that have to be there first.
    extra: Vec<(TreePath, Entry)>,
    suspects: HashMap<u64, i64>,
    marks: HashSet<u64>,
    scan_start: Timestamp,
    /// What the source can hold.
    traits: Traits,
    /// Whether the source may lack what nobody has deleted there.
    unsure: bool,
    plan: Plan,
}

impl Ready {
    fn is_work(&self, source: &LocalSource) -> bool {
        !self.plan.is_empty() || !(self.extra.is_empty() || source.single.is_some())
    }
}

/// A local file or directory to read from.
struct LocalSource {
    root: PathBuf,
    /// Set if the source is one file: its name.
    single: Option<TreePath>,
    /// Whether the path is a symbolic link.
    linked: bool,
}

impl LocalSource {
    fn open(path: &Path) -> Result<Self, OpsError> {
        let meta = match std::fs::metadata(path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(OpsError::new(Class::DirNotFound, format!("the source {} does not exist", path.display()))
                    .about(path.as_os_str().as_encoded_bytes()));
            }
            Err(error) => return Err(VaultError::local(format!("cannot read {}", path.display()))(error).into()),
        };
        let root = std::fs::canonicalize(path).map_err(VaultError::local(format!("cannot read {}", path.display())))?;
        let linked = path.is_symlink();
        if meta.is_dir() {
            return Ok(Self { root, single: None, linked });
        }
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let name = TreePath::from_bytes(name)
            .map_err(|bad| OpsError::new(Class::UnsafePath, format!("unsafe name {}: {bad}", path.display())))?;
        Ok(Self { root, single: Some(name), linked })
    }
}

struct Up<'a> {
    ctx: &'a Ctx<'a>,
    options: &'a SyncOptions,
    source: &'a LocalSource,
    dest: &'a TreePath,
    opened: &'a Opened,
    /// For a move: the directories of the source, parents first.
    dirs: RefCell<Vec<TreePath>>,
}

impl Up<'_> {
    fn vault(&self) -> &Arc<Vault> {
        &self.opened.vault
    }

    fn dry_run(&self) -> Result<SyncReport, OpsError> {
        let base = base_root(self.vault())?;
        missing_dirs(self.vault(), base.as_ref(), self.dest)?;
        let mut plan = self.plan(base.as_ref(), &HashSet::new(), &self.known()?)?;
        tell_plan(self.ctx, &mut plan)?;
        Ok(SyncReport { requests: self.opened.requests(), ..would_do(&plan) })
    }

    fn prepare(&self) -> Result<Ready, OpsError> {
        let vault = self.vault();
        let base = base_root(vault)?;
        let extra = missing_dirs(vault, base.as_ref(), self.dest)?;
        let suspects = vault.state.suspects()?;
        let marks = suspects.keys().copied().collect();
        let scan_start = self.ctx.world.clock.now();
        let known = self.known()?;
        let plan = self.plan(base.as_ref(), &marks, &known)?;
        let unsure = known.incomplete && plan.totals.deletes > 0 && !self.options.force;
        if unsure {
            self.ctx.observer.event(Event::Notice(UNSURE));
        } else {
            brake(self.ctx, self.options, &plan)?;
        }
        Ok(Ready { base, extra, suspects, marks, scan_start, traits: known.traits, unsure, plan })
    }

    fn carry_out(&self, ready: Ready) -> Result<SyncReport, OpsError> {
        let (ctx, vault) = (self.ctx, self.vault());
        let mut report = planned(&ready.plan);
        if !ready.is_work(self.source) {
            self.leave(None, &mut report)?;
            report.requests = self.opened.requests();
            return Ok(report);
        }
        let Ready { base, extra, suspects, marks, scan_start, traits, unsure, mut plan } = ready;
        self.opened.sweep()?;
        let observer = ctx.observer;
        let mut session = Session::begin(Arc::clone(vault), session_options(ctx))?;
        let upload = Upload {
            session: &session,
            root: self.source.root.clone(),
            single: self.source.single.is_some(),
            prefix: self.dest.clone(),
            moving: self.options.moving.is_some(),
            observer,
            budget: ctx.engine.memory / 6,
            threads: threads(ctx),
            traits: &traits,
            scan_start,
            suspects: &marks,
        };
        let mut uploaded = upload.run(&mut plan)?;
        // Before the commit: should the run end right after it, the fresh files must still be read again.
        vault.state.suspect(&uploaded.suspects, &*ctx.world.entropy)?;
        let failed = uploaded.failed + plan.totals.skipped;
        let delete = failed == 0 && !unsure;
        if failed > 0 && plan.totals.deletes > 0 {
            observer.event(Event::Notice("nothing is deleted, because some entries could not be read"));
        }
        let info = CommitInfo { operation: self.options.operation.clone() };
        let published = commit_edits(&mut session, base.as_ref(), &extra, &mut uploaded, delete, &info)?;
        let stats = session.stats();
        report.deduplicated = stats.deduplicated.load(Ordering::Relaxed);
        report.stored = stats.stored.load(Ordering::Relaxed);
        observer.event(Event::Sent(report.stored));
        report.commit = match published {
            Published::Commit(id) => Some(id.to_string()),
            Published::Unchanged => None,
        };
        vault.state.settle_suspects(&suspects, &uploaded.settled)?;
        report.files = uploaded.files;
        report.bytes = uploaded.bytes;
        report.failed = failed + plan.totals.refused;
        report.deleted = if delete { plan.totals.deletes } else { 0 };
        self.leave(Some(&mut uploaded), &mut report)?;
        report.requests = self.opened.requests();
        Ok(report)
    }

    /// Ends a move: what was read and is durable by now is removed.
    fn leave(&self, uploaded: Option<&mut Uploaded>, report: &mut SyncReport) -> Result<(), OpsError> {
        let Some(moving) = self.options.moving else { return Ok(()) };
        let dirs = if moving.delete_empty_src_dirs { self.dirs.take() } else { Vec::new() };
        let parent = self.source.root.parent().unwrap_or(&self.source.root);
        let dir = if self.source.single.is_some() { parent } else { &self.source.root };
        leave_local(self.ctx, dir, uploaded, &dirs, report)
    }

    fn plan(&self, base: Option<&Root>, suspects: &HashSet<u64>, known: &Known) -> Result<Plan, OpsError> {
        let filter = Arc::new(self.options.filter.clone());
        let kept = Kept::default();
        let local = Local {
            is_source: true,
            traits: known.traits.clone(),
            metadata: self.options.metadata,
            links: self.source.single.is_none(),
            incomplete: known.incomplete,
            shadow: Shadow::new(self.dest, known.marks.clone()),
        };
        let options = PlanOptions {
            delete: self.options.delete && self.source.single.is_none(),
            always: self.options.checksum,
            every: self.options.moving.is_some(),
            suspects,
            prefix: self.dest,
            kept: &kept,
            local: Some(&local),
            observer: self.ctx.observer,
        };
        let plan = match &self.source.single {
            None => {
                let spelling = Spelling::new(self.vault(), base, self.dest, &local.shadow);
                let walk = Walk::open(&self.source.root, Arc::clone(&filter), true)?.spelled(spelling)?;
                let walk = walk.linking(self.ctx.observer).with_metadata(self.options.metadata);
                let dest = VaultSide::open(self.vault(), base, self.dest, filter, true)?.keeping(&kept);
                let mut dirs = self.dirs.borrow_mut();
                dirs.clear();
                let note_dirs = self.options.moving.is_some_and(|moving| moving.delete_empty_src_dirs);
                let walk = walk.map(|found| fitting(self.dest, found)).inspect(|found| match found {
                    Ok(item) if note_dirs && item.entry.kind == EntryKind::Dir => dirs.push(item.path.clone()),
                    _ => {}
                });
                Plan::make(until_stopped(self.vault(), walk), dest, &options)?
            }
            Some(name) => {
                let stat = if self.options.metadata { stat_with_metadata } else { stat_item };
                let item = stat(&self.source.root, name.clone())?;
                let item = item.filter(|item| item.entry.kind == EntryKind::File).ok_or_else(|| {
                    OpsError::new(
                        Class::Failed,
                        format!("{} is neither a file nor a directory", self.source.root.display()),
                    )
                })?;
                let full =
                    self.dest.join_path(name).map_err(|bad| OpsError::new(Class::UnsafePath, bad.to_string()))?;
                let old = lookup(self.vault(), base, &full)?.map(|old| Item { path: name.clone(), ..old });
                Plan::make(one(Some(item)), one(old), &options)?
            }
        };
        tell_totals(self.ctx, &plan);
        tell_left_out(self.ctx, &plan);
        Ok(plan)
    }

    /// What earlier runs have found out about the source, if it was a destination.
    fn known(&self) -> Result<Known, OpsError> {
        let mut known = match self.source.single {
            None => Target::new(self.vault(), &self.source.root, self.dest)?.recall()?,
            Some(_) => {
                let parent = self.source.root.parent().unwrap_or(&self.source.root);
                Target::new(self.vault(), parent, self.dest)?.recall()?
            }
        };
        if let Some(traits) = &self.options.traits {
            known.traits = traits.clone();
        }
        Ok(known)
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

/// Why a path of a vault can't be used: nothing is there.
pub(super) fn not_there(remote: &RemoteProfile, path: &TreePath) -> OpsError {
    OpsError::new(Class::DirNotFound, format!("`{}:{path}` does not exist", remote.name))
        .hint(format!("`cryptsync lsf -R {}:` shows what is there", remote.name))
        .about(path.as_bytes())
}

pub(super) fn one(item: Option<Item>) -> impl Iterator<Item = Result<Item, SideError>> {
    item.into_iter().map(Ok)
}

/// A side that ends as soon as the run is to stop: a plan of millions of entries takes its time.
pub(super) fn until_stopped(
    vault: &Vault,
    side: impl Iterator<Item = Result<Item, SideError>>,
) -> impl Iterator<Item = Result<Item, SideError>> {
    side.map(|found| {
        vault.checkpoint().map_err(TransferError::from)?;
        found
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

/// Asks before a run that would destroy most of the destination: an empty source, or more than half of the entries.
pub(super) fn brake(ctx: &Ctx<'_>, options: &SyncOptions, plan: &Plan) -> Result<(), OpsError> {
    let totals = &plan.totals;
    let empty = totals.source == 0 && totals.deletes > 0;
    let most = totals.deletes > 20 && totals.deletes * 2 > totals.dest;
    if options.force || !(empty || most) {
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
            Step::Put { item, replaces: Some(_) } => (item.path, Action::Replace, item.entry.size),
            Step::Put { item, .. } if item.entry.kind == EntryKind::Dir => (item.path, Action::MakeDir, 0),
            Step::Put { item, .. } => (item.path, Action::Copy, item.entry.size),
            Step::Meta(item) => (item.path, Action::UpdateMeta, item.entry.size),
            Step::Delete { path, .. } => (path, Action::Delete, 0),
        };
        ctx.observer.event(Event::Would { path: &path, action, size });
    }
    Ok(())
}

/// What a dry run reports: the plan as if it had been carried out.
pub(super) fn would_do(plan: &Plan) -> SyncReport {
    let totals = &plan.totals;
    SyncReport { files: totals.files, bytes: totals.bytes, deleted: totals.deletes, ..planned(plan) }
}

pub(super) fn planned(plan: &Plan) -> SyncReport {
    SyncReport {
        checked: plan.totals.source,
        updated: plan.totals.updates,
        failed: plan.totals.skipped + plan.totals.refused,
        ..SyncReport::default()
    }
}

/// The engine's settings as a session wants them.
pub(super) fn session_options(ctx: &Ctx<'_>) -> SessionOptions {
    let pack_target = (ctx.engine.memory / 8).clamp(1 << 20, 16 << 20);
    SessionOptions {
        pack_target,
        uploads: ctx.engine.transfers.clamp(1, 64),
        packs: (ctx.engine.transfers + 2).min((ctx.engine.memory * 5 / 8 / pack_target) as usize),
        compression: ctx.engine.compression,
    }
}

/// Reader threads and worker threads: one of each for a core, as far as the budget has room for their buffers.
pub(super) fn threads(ctx: &Ctx<'_>) -> (usize, usize) {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let most = cores.min((ctx.engine.memory >> 25) as usize).max(1);
    (ctx.engine.checkers.clamp(1, most), most)
}

const UNSURE: &str = "nothing is deleted: the source was last written from the vault by a run that did not complete it, so \
                      that what it lacks may never have been there; copy it from the vault again, or use --force";
