//! Copy, sync and move between two places in vaults. Inside one vault content is referred to and nothing is read; from
//! one vault to another it is read, verified and sealed anew.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::conflicts::waiting;
use super::moving::{VaultSource, leave_vault};
use super::open::{Opened, open};
use super::sync::{
    brake, fitting, missing_dirs, not_there, one, open_for_writing, planned, session_options, tell_plan, tell_totals,
    threads, until_stopped, would_do,
};
use super::{Ctx, OpsError, RemoteProfile, SyncOptions, SyncReport};
use crate::class::Class;
use crate::event::{Action, Event};
use crate::format::entry::{Content, EntryKind};
use crate::history::source::Root;
use crate::path::TreePath;
use crate::transfer::{
    EditList, Item, Kept, Plan, PlanOptions, Relay, Step, Uploaded, VaultSide, base_root, commit_edits, lookup,
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
    let (mut report, root) = transfer(ctx, options, source, dest)?;
    if let (Some(moving), false) = (options.moving, options.dry_run) {
        let source = VaultSource { remote: source.0, path: source.1, root };
        leave_vault(ctx, &source, options, moving, &mut report)?;
    }
    Ok(report)
}

/// Copies; tells which tree it copied from.
fn transfer(
    ctx: &Ctx<'_>,
    options: &SyncOptions,
    (source_remote, source_path): At<'_>,
    (dest_remote, dest_path): At<'_>,
) -> Result<(SyncReport, Option<Root>), OpsError> {
    let opened = if options.dry_run { open(ctx, dest_remote)? } else { open_for_writing(ctx, dest_remote)? };
    let other = if source_remote.name == dest_remote.name { None } else { Some(open(ctx, source_remote)?) };
    // Two names of one place are one vault. Copies of a vault at two places are not: what one holds the other may lack.
    let place = |opened: &Opened| (opened.vault.id, opened.vault.objects.io.describe());
    let other = other.filter(|other| place(other) != place(&opened));
    let source = other.as_ref().map_or(&opened.vault, |other| &other.vault);
    let source_root = base_root(source)?;
    let found = lookup(source, source_root.as_ref(), source_path)?;
    if found.is_none() && !source_path.is_root() {
        return Err(not_there(source_remote, source_path));
    }
    let single = found.filter(|item| item.entry.kind != EntryKind::Dir);
    if other.is_none() {
        apart(source_path, dest_path, single.is_some())?;
    }
    let run = Run {
        ctx,
        options,
        opened: &opened,
        dest: dest_path,
        source,
        source_root,
        source_path,
        single,
        by_reference: other.is_none(),
    };
    let mut report = run.go()?;
    if !options.dry_run {
        report.conflicts = waiting(ctx, &opened.vault, &dest_remote.name, dest_path)?;
    }
    report.requests = opened.requests() + other.as_ref().map_or(0, Opened::requests);
    Ok((report, source_root))
}

/// Refuses a directory that would be copied into itself, or onto what it is a part of.
fn apart(source: &TreePath, dest: &TreePath, single: bool) -> Result<(), OpsError> {
    let overlap = if single {
        source.parent().as_ref() == Some(dest)
    } else {
        source.strip_prefix(dest).is_some() || dest.strip_prefix(source).is_some()
    };
    if !overlap {
        return Ok(());
    }
    let what = format!("source and destination overlap: `/{source}` and `/{dest}` are in one vault");
    Err(OpsError::new(Class::Fatal, what).hint("`cryptsync mv` and `cp` rename and copy inside a vault"))
}

struct Run<'a> {
    ctx: &'a Ctx<'a>,
    options: &'a SyncOptions,
    opened: &'a Opened,
    dest: &'a TreePath,
    source: &'a Arc<Vault>,
    source_root: Option<Root>,
    source_path: &'a TreePath,
    /// Set if the source is one file or link.
    single: Option<Item>,
    by_reference: bool,
}

impl Run<'_> {
    fn vault(&self) -> &Arc<Vault> {
        &self.opened.vault
    }

    fn go(&self) -> Result<SyncReport, OpsError> {
        let (ctx, vault) = (self.ctx, self.vault());
        let base = base_root(vault)?;
        let extra = missing_dirs(vault, base.as_ref(), self.dest)?;
        let mut plan = self.plan(base.as_ref())?;
        tell_totals(ctx, &plan);
        if self.options.dry_run {
            tell_plan(ctx, &mut plan)?;
            return Ok(would_do(&plan));
        }
        let mut report = planned(&plan);
        if plan.is_empty() && (extra.is_empty() || self.single.is_some()) {
            return Ok(report);
        }
        brake(ctx, self.options, &plan)?;
        self.opened.sweep()?;
        let mut session = Session::begin(Arc::clone(vault), session_options(ctx))?;
        let mut uploaded = if self.by_reference { self.refer(&mut plan)? } else { self.relay(&session, &mut plan)? };
        let info = CommitInfo { operation: self.options.operation.clone() };
        let delete = plan.totals.skipped == 0;
        let published = commit_edits(&mut session, base.as_ref(), &extra, &mut uploaded, delete, &info)?;
        report.commit = match published {
            Published::Commit(id) => Some(id.to_string()),
            Published::Unchanged => None,
        };
        let stats = session.stats();
        report.stored = stats.stored.load(Ordering::Relaxed);
        report.deduplicated =
            if self.by_reference { plan.totals.bytes } else { stats.deduplicated.load(Ordering::Relaxed) };
        (report.files, report.bytes) = (plan.totals.files, plan.totals.bytes);
        report.deleted = if delete { plan.totals.deletes } else { 0 };
        Ok(report)
    }

    fn plan(&self, base: Option<&Root>) -> Result<Plan, OpsError> {
        let kept = Kept::default();
        let no_suspects = HashSet::new();
        let options = PlanOptions {
            delete: self.options.delete && self.single.is_none(),
            always: self.options.checksum && !self.by_reference,
            every: false,
            suspects: &no_suspects,
            prefix: self.dest,
            kept: &kept,
            local: None,
            observer: self.ctx.observer,
        };
        if let Some(item) = &self.single {
            let name = TreePath::from_bytes(item.path.name().unwrap_or_default()).unwrap_or_default();
            let full = self.dest.join_path(&name).map_err(|bad| OpsError::new(Class::UnsafePath, bad.to_string()))?;
            let old = lookup(self.vault(), base, &full)?.map(|old| Item { path: name.clone(), ..old });
            let item = self.brought(Item { path: name, ..item.clone() });
            return Ok(Plan::make(one(Some(item)), one(old), &options)?);
        }
        let filter = Arc::new(self.options.filter.clone());
        let (root, path) = (self.source_root.as_ref(), self.source_path);
        let side = VaultSide::open(self.source, root, path, Arc::clone(&filter), true)?;
        let side = side.map(|found| fitting(self.dest, found.map(|item| self.brought(item))));
        let dest = VaultSide::open(self.vault(), base, self.dest, filter, true)?.keeping(&kept);
        Ok(Plan::make(until_stopped(self.vault(), side), dest, &options)?)
    }

    /// An entry as the destination may have it. The content of another vault's files is not known by their references.
    fn brought(&self, mut item: Item) -> Item {
        item.entry.set_conflict(None);
        if !self.by_reference && item.entry.kind == EntryKind::File {
            item.entry.content = Content::None;
            item.place = None;
        }
        item
    }

    fn relay(&self, session: &Session, plan: &mut Plan) -> Result<Uploaded, OpsError> {
        let parent = self.source_path.parent().unwrap_or_default();
        let relay = Relay {
            source: self.source,
            source_root: self.source_root.as_ref(),
            source_dir: if self.single.is_some() { &parent } else { self.source_path },
            session,
            prefix: self.dest,
            observer: self.ctx.observer,
            workers: self.ctx.engine.checkers.min(threads(self.ctx).1 * 2),
        };
        Ok(relay.run(plan)?)
    }

    /// The plan as edits that refer to content which is there already.
    fn refer(&self, plan: &mut Plan) -> Result<Uploaded, OpsError> {
        let mut edits = EditList::default();
        let full = |path: &TreePath| self.dest.join_path(path).expect("the plan keeps paths within the limit");
        for step in plan.steps()? {
            let (path, action, size) = match step? {
                Step::Put { item, replaces } => {
                    edits.put(&full(&item.path), item.entry.clone())?;
                    let action = match (item.entry.kind, replaces) {
                        (EntryKind::Dir, _) => Action::MakeDir,
                        (_, None) => Action::Copy,
                        (_, Some(_)) => Action::Replace,
                    };
                    (item.path, action, item.entry.size)
                }
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
