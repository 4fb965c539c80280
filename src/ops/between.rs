//! Copy, sync and move between two places in vaults. Inside one vault content is referred to and nothing is read; from
//! one vault to another it is read, verified and sealed anew.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::besides::{backups, refuse_backup, vault_backup, vault_places};
use super::conflicts::waiting;
use super::consent::Consent;
use super::guard::warn_of_rewrite;
use super::moving::{VaultSource, leave_vault};
use super::narrow::narrow;
use super::open::{Opened, open};
use super::origin::Origin;
use super::rename::move_whole;
use super::sync::{
    brake, deadline, dest_filter, fitting, may_delete, missing_dirs, one, open_for_writing, plan_options, planned,
    session_options, single_in, target, tell_left_out, tell_plan, threads, until_stopped, would_do,
};
use super::{Ctx, OpsError, RemoteProfile, Stopped, SyncOptions, SyncReport};
use crate::class::Class;
use crate::event::{Action, Event};
use crate::format::entry::EntryKind;
use crate::history::source::Root;
use crate::path::TreePath;
use crate::transfer::{
    Deadline, EditList, Found, Item, Kept, Leaves, Plan, PlanOptions, Relay, Shadow, SourceTree, Step, Uploaded,
    VaultPlaces, VaultSide, base_root, commit_edits, lookup,
};
use crate::vault::{CommitInfo, Published, Session, Vault};

/// A path in a vault.
type At<'a> = (&'a RemoteProfile, &'a TreePath);

/// Makes the destination contain or equal the source, and for a move removes the source then.
pub(super) fn between(
    ctx: &Ctx<'_>,
    options: &SyncOptions,
    source: At<'_>,
    dest: At<'_>,
) -> Result<SyncReport, OpsError> {
    if let Some(report) = move_whole(ctx, options, source, dest)? {
        return Ok(report);
    }
    let (mut report, source) = transfer(ctx, options, source, dest)?;
    if let (Some(moving), false, Some(source)) = (options.moving, options.dry_run, source) {
        leave_vault(ctx, &source, options, moving, &mut report)?;
    }
    Ok(report)
}

/// Copies; tells what it copied, unless source and destination are one.
fn transfer<'a>(
    ctx: &Ctx<'_>,
    options: &SyncOptions,
    (source_remote, source_path): At<'a>,
    (dest_remote, dest_path): At<'_>,
) -> Result<(SyncReport, Option<VaultSource<'a>>), OpsError> {
    let opened = if options.dry_run { open(ctx, dest_remote)? } else { open_for_writing(ctx, dest_remote)? };
    // What was there is another vault than what is there now: what nothing refers to any more has to be stored anew.
    let was = source_remote.at.is_some();
    let other = if source_remote.name == dest_remote.name && !was { None } else { Some(open(ctx, source_remote)?) };
    // Two names of one place are one vault. Copies of a vault at two places are not: what one holds the other may lack.
    let place = |opened: &Opened| (opened.vault.id, opened.vault.objects.io.describe());
    let other = other.filter(|other| was || place(other) != place(&opened));
    let source = other.as_ref().map_or(&opened.vault, |other| &other.vault);
    let source_root = base_root(source)?;
    let single = single_in(source, source_root.as_ref(), (source_remote, source_path), options)?;
    let (dest_path, name) = target(options, dest_remote, dest_path, single.is_some())?;
    let dest_path = &dest_path;
    if other.is_none() && !apart(options, source_path, dest_path, name.as_ref(), single.is_some())? {
        ctx.observer.event(Event::Notice("nothing to do: source and destination are the same"));
        return Ok((SyncReport { requests: opened.requests(), ..SyncReport::default() }, None));
    }
    let backup = vault_backup(options, dest_remote, dest_path, single.is_some())?;
    let places = vault_places(options, dest_remote)?;
    let run = Run {
        ctx,
        options,
        opened: &opened,
        dest: dest_path,
        origin: Origin::Vault {
            tree: SourceTree { vault: source, root: source_root.as_ref(), dir: source_path, single: single.is_some() },
            same: other.is_none(),
        },
        single,
        name,
        backup,
        places,
        deadline: deadline(ctx, options),
        dirs: RefCell::default(),
    };
    let Gone { mut report, plan, .. } = run.go()?;
    if !options.dry_run {
        report.conflicts = waiting(ctx, &opened.vault, &dest_remote.name, dest_path)?;
    }
    report.requests = opened.requests() + other.as_ref().map_or(0, Opened::requests);
    // What fails here ends the run.
    let failed = Shadow::new(source_path, HashSet::new());
    let source =
        VaultSource { remote: source_remote, path: source_path, root: source_root, plan, failed, failed_more: false };
    Ok((report, Some(source)))
}

/// Refuses to sync or move what would then be part of itself, unless the filters leave it out. `false`: there is nothing to
/// do, because both are the same.
fn apart(
    options: &SyncOptions,
    source: &TreePath,
    dest: &TreePath,
    name: Option<&TreePath>,
    single: bool,
) -> Result<bool, OpsError> {
    if single {
        let target = name.cloned().unwrap_or_else(|| file_name(source));
        return Ok(dest.join_path(&target).ok().as_ref() != Some(source));
    }
    let inner = match (source.strip_prefix(dest), dest.strip_prefix(source)) {
        (None, None) => return Ok(true),
        (Some(inner), _) | (None, Some(inner)) => inner,
    };
    if source == dest && !options.delete {
        return Ok(false);
    }
    let excluded = !inner.is_root() && !options.filter.decide_dir(&inner);
    if excluded || !options.delete && options.moving.is_none() {
        return Ok(true);
    }
    let what = format!("source and destination overlap: `/{source}` and `/{dest}` are in one vault");
    Err(OpsError::new(Class::Fatal, what).hint("`cryptsync mv` and `cp` rename and copy inside a vault"))
}

/// The last component of a path.
pub(super) fn file_name(path: &TreePath) -> TreePath {
    path.name().and_then(|name| TreePath::from_bytes(name).ok()).unwrap_or_default()
}

/// A run into a vault.
pub(super) struct Run<'a> {
    pub(super) ctx: &'a Ctx<'a>,
    pub(super) options: &'a SyncOptions,
    pub(super) opened: &'a Opened,
    pub(super) dest: &'a TreePath,
    pub(super) origin: Origin<'a>,
    /// Set if the source is one file or link.
    pub(super) single: Option<Item>,
    /// The name that it gets, if that is told.
    pub(super) name: Option<TreePath>,
    /// Where in the vault what is replaced is kept.
    pub(super) backup: Option<TreePath>,
    /// Where in the vault content may be found.
    pub(super) places: Vec<TreePath>,
    pub(super) deadline: Deadline,
    /// For a move of plain files: the directories of the source, parents first.
    pub(super) dirs: RefCell<Vec<TreePath>>,
}

/// What came of one.
pub(super) struct Gone {
    pub(super) report: SyncReport,
    pub(super) plan: Plan,
    /// What was read, if anything was to be done.
    pub(super) uploaded: Option<Uploaded>,
}

impl Run<'_> {
    fn vault(&self) -> &Arc<Vault> {
        &self.opened.vault
    }

    /// Plans, asks and carries out.
    ///
    /// # Errors
    /// What stopped it.
    pub(super) fn go(&self) -> Result<Gone, OpsError> {
        let (ctx, vault) = (self.ctx, self.vault());
        let base = base_root(vault)?;
        let extra = missing_dirs(vault, base.as_ref(), self.dest)?;
        refuse_backup(vault, base.as_ref(), self.backup.as_ref())?;
        let mut plan = self.plan(base.as_ref())?;
        let mut report = planned(&plan);
        let consent = Consent::new(ctx, self.options.rules.interactive && !self.options.dry_run);
        narrow(ctx, self.options, &consent, &mut plan, &mut report)?;
        if self.options.dry_run {
            tell_plan(ctx, &mut plan)?;
            return Ok(Gone { report: would_do(self.options, &plan, self.single.is_some()), plan, uploaded: None });
        }
        if plan.is_empty() && (consent.asks() || extra.is_empty() || self.single.is_some()) {
            return Ok(Gone { report, plan, uploaded: None });
        }
        brake(ctx, self.options, &plan)?;
        warn_of_rewrite(ctx, self.options, vault, &mut plan)?;
        self.opened.sweep()?;
        let mut session = Session::begin(Arc::clone(vault), session_options(ctx, vault))?;
        let by_reference = self.origin.is_referred_to();
        let mut uploaded = if by_reference { self.refer(&mut plan)? } else { self.relay(&session, &mut plan)? };
        let info = CommitInfo { operation: self.options.operation.clone() };
        if self.deadline.was_met() {
            report.stopped = Some(Stopped::MaxDuration);
        }
        let delete = may_delete(ctx, self.options, &plan, uploaded.failed, &mut report);
        let at = (vault.as_ref(), base.as_ref());
        uploaded.backups = backups(self.options, &mut plan, at, self.backup.as_ref(), delete)?;
        let published = commit_edits(&mut session, base.as_ref(), &extra, &mut uploaded, delete, &info)?;
        report.commit = match published {
            Published::Commit(id) => Some(id.to_string()),
            Published::Unchanged => None,
        };
        let stats = session.stats();
        report.stored = stats.stored.load(Ordering::Relaxed);
        report.deduplicated = if by_reference { plan.totals.bytes } else { stats.deduplicated.load(Ordering::Relaxed) };
        let totals = &plan.totals;
        (report.files, report.bytes) =
            if by_reference { (totals.files, totals.bytes) } else { (uploaded.files, uploaded.bytes) };
        report.failed += uploaded.failed;
        report.deleted = if delete { plan.totals.deletes } else { 0 };
        Ok(Gone { report, plan, uploaded: Some(uploaded) })
    }

    fn plan(&self, base: Option<&Root>) -> Result<Plan, OpsError> {
        let kept = Kept::default();
        let no_suspects = HashSet::new();
        let rules = &self.options.rules;
        let contents = self.origin.contents(self.vault());
        let contents = contents.as_ref();
        let (vault, dirs) = (self.vault().as_ref(), self.places.as_slice());
        let found = if rules.copied { Found::Copied } else { Found::Enough };
        let places = VaultPlaces { vault, root: base, dirs, contents, found };
        let single = self.single.is_some();
        let options = PlanOptions {
            keep_old: self.backup.is_some(),
            elsewhere: (!self.places.is_empty()).then_some(&places),
            local: self.origin.local(),
            // Of plain files only what was read goes.
            leaves: match self.origin.local() {
                Some(_) => self.options.moving.map(|_| Leaves::Stored),
                None => self.options.moving.map(|_| Leaves::Later),
            },
            ..plan_options(self.ctx, self.options, single, contents, self.dest, &kept, &no_suspects)
        };
        if let Some(item) = &self.single {
            let own = file_name(&item.path);
            let name = self.name.clone().unwrap_or(own);
            let full = self.dest.join_path(&name).map_err(|bad| OpsError::new(Class::UnsafePath, bad.to_string()))?;
            let old = lookup(self.vault(), base, &full)?.map(|old| Item { path: name.clone(), ..old });
            let item = self.origin.brought(Item { path: name, ..item.clone() });
            return Ok(Plan::make(one(Some(item)), one(old), &options)?);
        }
        let filter = Arc::new(self.options.filter.clone());
        let mut dirs = self.dirs.borrow_mut();
        let note_dirs = self.options.moving.is_some_and(|moving| moving.delete_empty_src_dirs);
        let side = self.origin.items(Arc::clone(&filter))?.inspect(|found| match found {
            Ok(item) if note_dirs && item.entry.kind == EntryKind::Dir => dirs.push(item.path.clone()),
            _ => {}
        });
        let side = side.map(|found| fitting(self.dest, found.map(|item| self.origin.brought(item))));
        let side = side.filter_map(|found| rules.links.pass(found, None));
        let dest = VaultSide::open(self.vault(), base, self.dest, dest_filter(self.options), true)?.keeping(&kept);
        let dest = dest.filter_map(|found| rules.links.pass(found, Some(&kept)));
        let plan = Plan::make(until_stopped(self.vault(), &self.deadline, side), dest, &options)?;
        if self.origin.local().is_some() {
            tell_left_out(self.ctx, &plan);
        }
        Ok(plan)
    }

    fn relay(&self, session: &Session, plan: &mut Plan) -> Result<Uploaded, OpsError> {
        let relay = Relay {
            source: self.origin.supply(),
            moving: self.options.moving.is_some(),
            session,
            prefix: self.dest,
            deadline: &self.deadline,
            observer: self.ctx.observer,
            workers: match self.origin.local() {
                None => self.ctx.engine.checkers.min(threads(self.ctx).1 * 2),
                // They wait for the service more than they work.
                Some(_) => self.ctx.engine.checkers.min((self.ctx.engine.memory >> 24) as usize),
            },
        };
        Ok(relay.run(plan)?)
    }

    /// The plan as edits that refer to content which is there already.
    fn refer(&self, plan: &mut Plan) -> Result<Uploaded, OpsError> {
        let mut edits = EditList::default();
        let full = |path: &TreePath| self.dest.join_path(path).expect("the plan keeps paths within the limit");
        for step in plan.steps()? {
            let (path, action, size) = match step? {
                Step::Put { item, replaces, .. } => {
                    edits.put(&full(&item.path), item.entry.clone())?;
                    let action = match (item.entry.kind, replaces) {
                        (EntryKind::Dir, _) => Action::MakeDir,
                        (_, None) => Action::Copy,
                        (_, Some(_)) => Action::Replace,
                    };
                    (item.path, action, item.entry.size)
                }
                Step::Refer(item, old) => {
                    edits.put(&full(&item.path), item.entry.clone())?;
                    (item.path, if old.is_some() { Action::Replace } else { Action::Copy }, item.entry.size)
                }
                Step::Leave(_) => continue,
                Step::Meta(item) => {
                    edits.put(&full(&item.path), item.entry.clone())?;
                    (item.path, Action::UpdateMeta, item.entry.size)
                }
                Step::Delete { path, .. } => {
                    edits.delete(&full(&path))?;
                    (path, Action::Delete, 0)
                }
            };
            self.ctx.observer.event(Event::Done { path: &path, action, size });
        }
        Ok(edits.finish()?)
    }
}
