//! `copy`, `sync` and `move` from a vault to plain files at a remote. Nothing touches a disk in between.

use std::collections::HashSet;
use std::sync::Arc;

use super::between::file_name;
use super::conflicts::waiting;
use super::consent::Consent;
use super::moving::VaultSource;
use super::narrow::narrow;
use super::open::open;
use super::overlap;
use super::plain::{Plain, needs_times};
use super::sync::{
    brake, deadline, dest_filter, may_delete, one, plan_options, planned, refuse_filters, single_in, tell_left_out,
    tell_plan, until_stopped, would_do,
};
use super::{Ctx, DeleteWhen, OpsError, PlainProfile, RemoteProfile, Stopped, SyncOptions, SyncReport};
use crate::class::Class;
use crate::history::source::Root;
use crate::path::TreePath;
use crate::transfer::{
    Deadline, Deliver, FilesContents, FilesSide, Item, Kept, MARKS_MAX, Plan, PlanOptions, Shadow, VaultSide,
    base_root, stat_file,
};
use crate::vault::Vault;
use crate::world::Timestamp;

/// Carries it out. What was read comes back with the report, for a move to remove.
pub(super) fn outward<'a>(
    ctx: &Ctx<'_>,
    options: &SyncOptions,
    (remote, path): (&'a RemoteProfile, &'a TreePath),
    (profile, dest): (&PlainProfile, &TreePath),
) -> Result<(SyncReport, VaultSource<'a>), OpsError> {
    refuse_settings(options)?;
    overlap::refuse_plain(remote, profile, dest)?;
    let plain = Plain::connect(ctx, profile)?;
    let opened = open(ctx, remote)?;
    let vault = &opened.vault;
    let base = base_root(vault)?;
    let single = single_in(vault, base.as_ref(), (remote, path), options)?;
    let prefix = if single.is_some() { path.parent().unwrap_or_default() } else { path.clone() };
    let (dest, name) = named(ctx, options, &plain, profile, dest, single.is_some())?;
    let deadline = deadline(ctx, options);
    let is_single = single.is_some();
    let out = Out {
        ctx,
        options,
        vault,
        base: base.as_ref(),
        prefix: &prefix,
        plain: &plain,
        dest: &dest,
        deadline,
        now: ctx.world.clock.now(),
    };
    let mut plan = out.plan(single, name)?;
    let mut report = planned(&plan);
    let consent = Consent::new(ctx, options.rules.interactive && !options.dry_run);
    narrow(ctx, options, &consent, &mut plan, &mut report)?;
    let requests = || opened.requests() + plain.io.requests();
    if options.dry_run {
        tell_plan(ctx, &mut plan)?;
        let report = SyncReport { requests: requests(), ..would_do(options, &plan, is_single) };
        let failed = Shadow::new(&prefix, HashSet::new());
        return Ok((report, VaultSource { remote, path, root: base, plan, failed, failed_more: false }));
    }
    brake(ctx, options, &plan)?;
    let known_before = report.failed;
    let mut failed = out.carry_out(&mut plan, &mut report)?;
    // What failed and has no mark could be anything.
    let failed_more = failed.len() > MARKS_MAX || report.failed - known_before > failed.len() as u64;
    failed.extend(&plan.refused);
    report.conflicts = waiting(ctx, vault, &remote.name, path)?;
    report.requests = requests();
    let failed = Shadow::new(&prefix, failed);
    Ok((report, VaultSource { remote, path, root: base, plan, failed, failed_more }))
}

/// Refuses what plain files can't be asked for.
fn refuse_settings(options: &SyncOptions) -> Result<(), OpsError> {
    let rules = &options.rules;
    let flag = match (&rules.backup, rules.elsewhere.is_empty()) {
        (Some(_), _) => "--backup-dir and --suffix",
        (None, false) => "--compare-dest and --copy-dest",
        (None, true) => return Ok(()),
    };
    Err(OpsError::new(Class::Usage, format!("{flag} can't be used when the destination is a plain remote"))
        .hint("leave the flag out; rclone has it for such places"))
}

/// The directory that a run goes to, and the name that its one file gets there, if it is told one.
fn named(
    ctx: &Ctx<'_>,
    options: &SyncOptions,
    plain: &Plain,
    profile: &PlainProfile,
    dest: &TreePath,
    single: bool,
) -> Result<(TreePath, Option<TreePath>), OpsError> {
    if !options.rules.to_name || !single {
        if plain.single(ctx, dest)?.is_some() {
            let what = format!("`{}:{dest}` is a file, but a directory is needed there", profile.name);
            return Err(OpsError::new(Class::Failed, what).hint("give the directory that the files are to go into"));
        }
        return Ok((dest.clone(), None));
    }
    refuse_filters(options)?;
    match dest.parent() {
        Some(parent) => Ok((parent, Some(file_name(dest)))),
        None => {
            Err(OpsError::new(Class::Failed, format!("`{}:` is a directory, but the source is a file", profile.name))
                .hint("write the name that the file is to have after the colon"))
        }
    }
}

struct Out<'a> {
    ctx: &'a Ctx<'a>,
    options: &'a SyncOptions,
    vault: &'a Vault,
    base: Option<&'a Root>,
    prefix: &'a TreePath,
    plain: &'a Plain,
    dest: &'a TreePath,
    deadline: Deadline,
    now: Timestamp,
}

impl Out<'_> {
    fn plan(&self, single: Option<Item>, name: Option<TreePath>) -> Result<Plan, OpsError> {
        let (ctx, vault, rules) = (self.ctx, self.vault, &self.options.rules);
        let filter = Arc::new(self.options.filter.clone());
        let (no_suspects, kept) = (HashSet::new(), Kept::default());
        let local = self.plain.as_side(false, self.prefix);
        let tree = self.plain.tree(self.dest, false);
        let contents = FilesContents { tree, vault, is_source: false };
        let top = TreePath::root();
        let options = PlanOptions {
            // What is replaced or deleted has to be what was seen.
            keep_old: true,
            empty_dirs: rules.empty_dirs && self.plain.io.caps().empty_dirs,
            local: Some(&local),
            ..plan_options(ctx, self.options, single.is_some(), &contents, &top, &kept, &no_suspects)
        };
        let plan = if let Some(item) = single {
            let name = name.unwrap_or_else(|| file_name(&item.path));
            let old = stat_file(tree, &name, self.now)?;
            Plan::make(one(Some(Item { path: name, ..item })), one(old), &options)?
        } else {
            let source = VaultSide::open(vault, self.base, self.prefix, filter, true)?;
            let source = source.filter_map(|found| rules.links.pass(found, None));
            let times = needs_times(self.options, false);
            let there = FilesSide::open(tree, dest_filter(self.options), true, times, self.now)?;
            let there = there.map(|side| side.keeping(&kept));
            let there = until_stopped(vault, &self.deadline, there.into_iter().flatten());
            Plan::make(until_stopped(vault, &self.deadline, source), there, &options)?
        };
        tell_left_out(ctx, &plan);
        Ok(plan)
    }

    /// Tells what failed, as marks.
    fn carry_out(&self, plan: &mut Plan, report: &mut SyncReport) -> Result<HashSet<u64>, OpsError> {
        let (ctx, caps) = (self.ctx, self.plain.io.caps());
        let deliver = Deliver {
            vault: self.vault,
            tree: self.plain.tree(self.dest, false),
            prefix: self.prefix,
            observer: ctx.observer,
            // Each holds some parts of a file.
            workers: ctx.engine.transfers.min(caps.max_concurrency).min((ctx.engine.memory >> 24) as usize),
            deadline: &self.deadline,
            deletes_first: self.options.rules.delete == DeleteWhen::Before,
            times: needs_times(self.options, false),
            now: self.now,
        };
        let done = deliver.run(plan, &mut |plan, failed| {
            if self.deadline.was_met() {
                report.stopped = Some(Stopped::MaxDuration);
            }
            may_delete(ctx, self.options, plan, failed, report)
        })?;
        report.files = done.files;
        report.bytes = done.bytes;
        report.deleted = done.deleted;
        report.failed += done.failed;
        Ok(done.failures)
    }
}
