//! `copy` and `sync` from a vault to a directory of this machine.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::besides::{local_backup, local_places};
use super::conflicts::waiting;
use super::consent::Consent;
use super::moving::VaultSource;
use super::narrow::narrow;
use super::open::open;
use super::overlap;
use super::sync::{
    brake, deadline, dest_filter, may_delete, one, plan_options, planned, refuse_filters, single_in, tell_left_out,
    tell_plan, until_stopped, would_do,
};
use super::target::{Known, Target};
use super::{Ctx, DeleteWhen, OpsError, RemoteProfile, Stopped, SyncOptions, SyncReport};
use crate::class::Class;
use crate::event::Event;
use crate::history::source::Root;
use crate::path::TreePath;
use crate::transfer::{
    Deadline, Download, Found, Item, Kept, LinkTargets, Local, LocalContents, LocalPlaces, MARKS_MAX, Plan,
    PlanOptions, Shadow, Spelling, Symlinks, Traits, VaultSide, Walk, base_root, local_path, stat_item,
    stat_with_metadata,
};
use crate::vault::{Vault, VaultError};

/// Carries it out. What was read comes back with the report, for a move to remove.
pub(super) fn downward<'a>(
    ctx: &Ctx<'_>,
    options: &SyncOptions,
    remote: &'a RemoteProfile,
    path: &'a TreePath,
    dest: &Path,
) -> Result<(SyncReport, VaultSource<'a>), OpsError> {
    overlap::refuse_down(options, dest, remote)?;
    let opened = open(ctx, remote)?;
    let vault = &opened.vault;
    let base = base_root(vault)?;
    let single = single_in(vault, base.as_ref(), (remote, path), options)?;
    let prefix = if single.is_some() { path.parent().unwrap_or_default() } else { path.clone() };
    let (dest, name) = named(options, dest, single.is_some())?;
    let dest = &dest;
    let place = Place::open(ctx, options, vault, &prefix, dest)?;
    // A run that looks at a part tells nothing of the rest.
    let partial = single.is_some() || !options.filter.is_everything();
    let is_single = single.is_some();
    let deadline = deadline(ctx, options);
    let base_root = base.as_ref();
    let down = Down {
        ctx,
        options,
        vault,
        base: base_root,
        prefix: &prefix,
        dest,
        place: &place,
        single: is_single,
        deadline,
    };
    let mut plan = down.plan(single, name)?;
    let mut report = planned(&plan);
    for gap in vault.take_gaps() {
        report.failed += 1;
        ctx.observer.event(Event::Notice(&format!("{} can't be read: {}", gap.between(), gap.why)));
    }
    let consent = Consent::new(ctx, options.rules.interactive && !options.dry_run);
    narrow(ctx, options, &consent, &mut plan, &mut report)?;
    if options.dry_run {
        tell_plan(ctx, &mut plan)?;
        let report = SyncReport { requests: opened.requests(), ..would_do(options, &plan, is_single) };
        let failed = Shadow::new(&prefix, HashSet::new());
        return Ok((report, VaultSource { remote, path, root: base, plan, failed, failed_more: false }));
    }
    brake(ctx, options, &plan)?;
    let known_before = report.failed;
    let mut failed = down.carry_out(&mut plan, partial, &mut report)?;
    // What failed and has no mark could be anything.
    let failed_more = failed.len() > MARKS_MAX || report.failed - known_before > failed.len() as u64;
    failed.extend(&plan.refused);
    report.conflicts = waiting(ctx, vault, &remote.name, path)?;
    report.requests = opened.requests();
    let failed = Shadow::new(&prefix, failed);
    Ok((report, VaultSource { remote, path, root: base, plan, failed, failed_more }))
}

/// The directory that a run goes to, and the name that its one file gets there, if it is told one.
fn named(options: &SyncOptions, dest: &Path, single: bool) -> Result<(PathBuf, Option<TreePath>), OpsError> {
    if !options.rules.to_name || !single {
        return Ok((dest.to_owned(), None));
    }
    refuse_filters(options)?;
    match (dest.parent(), dest.file_name()) {
        (Some(parent), Some(name)) if !dest.is_dir() => {
            let name = TreePath::from_bytes(name.as_encoded_bytes())
                .map_err(|bad| OpsError::new(Class::UnsafePath, bad.to_string()))?;
            Ok((parent.to_owned(), Some(name)))
        }
        _ => Err(OpsError::new(Class::Failed, format!("{} is a directory, but the source is a file", dest.display()))
            .hint("give the name that the file is to have")),
    }
}

struct Down<'a> {
    ctx: &'a Ctx<'a>,
    options: &'a SyncOptions,
    vault: &'a Vault,
    base: Option<&'a Root>,
    prefix: &'a TreePath,
    dest: &'a Path,
    place: &'a Place,
    single: bool,
    deadline: Deadline,
}

impl Down<'_> {
    fn plan(&self, single: Option<Item>, name: Option<TreePath>) -> Result<Plan, OpsError> {
        let (ctx, vault, place) = (self.ctx, self.vault, self.place);
        let filter = Arc::new(self.options.filter.clone());
        let (no_suspects, kept) = (HashSet::new(), Kept::default());
        let local = Local {
            is_source: false,
            traits: place.traits.clone(),
            metadata: self.options.metadata,
            links: single.is_none(),
            incomplete: false,
            shadow: Shadow::new(self.prefix, HashSet::new()),
        };
        let rules = &self.options.rules;
        let contents = LocalContents::new(vault, self.dest, false, false, false);
        let places = local_places(self.options)?.into_iter().map(|dir| {
            let contents = LocalContents::new(vault, &dir, false, false, false);
            (dir, contents)
        });
        let places = LocalPlaces { dirs: places.collect(), found: Found::Enough };
        let top = TreePath::root();
        let options = PlanOptions {
            // What is found elsewhere has the content of the vault: it comes from there.
            elsewhere: (!places.dirs.is_empty() && !rules.copied).then_some(&places),
            local: Some(&local),
            ..plan_options(ctx, self.options, single.is_some(), &contents, &top, &kept, &no_suspects)
        };
        let plan = if let Some(item) = single {
            let own = TreePath::from_bytes(item.path.name().unwrap_or_default())
                .map_err(|bad| OpsError::new(Class::UnsafePath, bad.to_string()))?;
            let name = name.unwrap_or(own);
            let local = local_path(self.dest, &name);
            let stat = if self.options.metadata { stat_with_metadata } else { stat_item };
            let old = if local.symlink_metadata().is_ok() { stat(&local, name.clone())? } else { None };
            Plan::make(one(Some(Item { path: name, ..item })), one(old), &options)?
        } else {
            let source = VaultSide::open(vault, self.base, self.prefix, Arc::clone(&filter), true)?;
            let targets = LinkTargets { vault, root: self.base, prefix: self.prefix, filter: &self.options.filter };
            let source = source.map(|found| {
                let mut item = found?;
                targets.check(&mut item)?;
                Ok(item)
            });
            let source = source.filter_map(|found| rules.links.pass(found, None));
            let walk = if place.exists {
                let spelling = Spelling::new(vault, self.base, self.prefix, &local.shadow);
                let walk = Walk::open(self.dest, dest_filter(self.options), true)?.keeping(&kept);
                let links = if rules.links.skips() { Symlinks::SkipQuietly } else { Symlinks::Keep };
                let walk = walk.across(links, rules.one_file_system)?;
                let walk = walk.sweeping(place.is_ours()).spelled(spelling)?;
                Some(walk.linking(self.ctx.observer).with_metadata(self.options.metadata))
            } else {
                None
            };
            let walk = until_stopped(vault, &self.deadline, walk.into_iter().flatten());
            Plan::make(until_stopped(vault, &self.deadline, source), walk, &options)?
        };
        tell_left_out(ctx, &plan);
        Ok(plan)
    }

    /// Tells what failed, as marks.
    fn carry_out(&self, plan: &mut Plan, partial: bool, report: &mut SyncReport) -> Result<HashSet<u64>, OpsError> {
        let (ctx, vault) = (self.ctx, self.vault);
        let target = Target::new(vault, self.dest, self.prefix)?;
        let before = target.known()?.unwrap_or_default();
        let known = Known { traits: self.place.traits.clone(), incomplete: true, ..before };
        let was_incomplete = before.incomplete;
        if !plan.is_empty() {
            target.remember(known.clone())?;
        }
        let download = Download {
            vault,
            root: self.dest.to_owned(),
            prefix: self.prefix.clone(),
            observer: ctx.observer,
            workers: ctx.engine.checkers,
            traits: &self.place.traits,
            metadata: self.options.metadata,
            deadline: &self.deadline,
            backup: local_backup(self.options, self.dest, self.single)?,
            deletes_first: self.options.rules.delete == DeleteWhen::Before,
        };
        let done = download.run(plan, &mut |plan, failed| {
            if self.deadline.was_met() {
                report.stopped = Some(Stopped::MaxDuration);
            }
            may_delete(ctx, self.options, plan, failed, report)
        })?;
        let mut marks = if partial { known.marks } else { HashSet::new() };
        marks.extend(plan.refused.iter().chain(&done.unwritten));
        let lacks = plan.lacks_something() || self.deadline.was_met();
        target.remember(Known { marks, incomplete: lacks || partial && was_incomplete, traits: known.traits })?;
        report.files = done.files;
        report.bytes = done.bytes;
        report.deleted = done.deleted;
        report.failed += done.failed;
        Ok(done.failures)
    }
}

/// The destination as it was found.
struct Place {
    exists: bool,
    traits: Traits,
    /// Held while the run writes, so that what is temporary there is known to be nobody's.
    lock: Option<File>,
}

impl Place {
    /// A run that changes nothing relies on what earlier ones have found out.
    fn open(
        ctx: &Ctx<'_>,
        options: &SyncOptions,
        vault: &Vault,
        prefix: &TreePath,
        dest: &Path,
    ) -> Result<Self, OpsError> {
        let exists = match std::fs::metadata(dest) {
            Ok(meta) if !meta.is_dir() => {
                return Err(OpsError::new(
                    Class::Failed,
                    format!("{} is a file, but a directory is needed there", dest.display()),
                )
                .hint("give the directory that the files are to go into"));
            }
            Ok(_) => true,
            Err(_) => false,
        };
        if options.dry_run {
            let recalled = || Ok::<_, OpsError>(Target::new(vault, dest, prefix)?.recall()?.traits);
            let traits = options.traits.clone().map(Ok).or_else(|| exists.then(recalled)).transpose()?;
            return Ok(Self { exists, traits: traits.unwrap_or_default(), lock: None });
        }
        let fail = || VaultError::local(format!("cannot write to the directory {}", dest.display()));
        if !exists {
            std::fs::create_dir_all(dest).map_err(fail())?;
        }
        let dir = File::open(dest).map_err(fail())?;
        let lock = rustix::fs::flock(&dir, rustix::fs::FlockOperation::NonBlockingLockExclusive);
        let probed = options.traits.clone().or_else(|| Traits::probe(dir.as_fd()).ok());
        let traits = match probed {
            Some(traits) => traits,
            None => {
                let why = "cannot try out what the destination can hold; names, times and modes are taken to be exact";
                ctx.observer.event(crate::event::Event::Info(why));
                Target::new(vault, dest, prefix)?.recall()?.traits
            }
        };
        Ok(Self { exists, traits, lock: lock.is_ok().then_some(dir) })
    }

    fn is_ours(&self) -> bool {
        self.lock.is_some()
    }
}
