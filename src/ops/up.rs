//! `copy`, `sync` and `move` from this machine to a vault.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::besides::{backups, refuse_backup, vault_backup, vault_places};
use super::conflicts::waiting;
use super::consent::Consent;
use super::guard::warn_of_rewrite;
use super::moving::leave_local;
use super::narrow::narrow;
use super::open::{Opened, open};
use super::overlap;
use super::sync::{
    brake, deadline, dest_filter, fitting, may_delete, missing_dirs, one, open_for_writing, plan_options, planned,
    session_options, target, tell_left_out, tell_plan, threads, until_stopped, would_do,
};
use super::target::{Known, Target};
use super::{Ctx, OpsError, RemoteProfile, Stopped, SyncOptions, SyncReport};
use crate::class::Class;
use crate::event::Event;
use crate::format::entry::{Entry, EntryKind};
use crate::history::source::{Root, same_tree};
use crate::path::TreePath;
use crate::transfer::{
    Deadline, Found, Item, Kept, Leaves, Local, LocalContents, Plan, PlanOptions, Shadow, Spelling, Symlinks, Traits,
    Upload, Uploaded, VaultPlaces, VaultSide, Walk, base_root, commit_edits, lookup, stat_item, stat_with_metadata,
};
use crate::vault::{CommitInfo, Published, Session, Vault, VaultError};
use crate::world::Timestamp;

/// Carries it out.
pub(super) fn upward(
    ctx: &Ctx<'_>,
    options: &SyncOptions,
    source: &Path,
    remote: &RemoteProfile,
    dest: &TreePath,
) -> Result<SyncReport, OpsError> {
    let mut source = LocalSource::open(source)?;
    let (dest, name) = target(options, remote, dest, source.single.is_some())?;
    if let (Some(name), Some(single)) = (name, &mut source.single) {
        single.target = name;
    }
    let dest = &dest;
    if options.moving.is_some() && source.single.is_some() && source.linked {
        let what = format!("{} is a symbolic link to a file", source.root.display());
        return Err(
            OpsError::new(Class::Usage, what).hint("move the file itself, or the directory that the link is in")
        );
    }
    overlap::refuse_up(options, &source.root, remote)?;
    let backup = vault_backup(options, remote, dest, source.single.is_some())?;
    let places = vault_places(options, remote)?;
    let deadline = deadline(ctx, options);
    let up = |opened| {
        let dirs = RefCell::default();
        Up { ctx, options, source: &source, dest, opened, backup, places, deadline, dirs }
    };
    if options.dry_run {
        let opened = open(ctx, remote)?;
        return up(&opened).dry_run();
    }
    let opened = open_for_writing(ctx, remote)?;
    let up = up(&opened);
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
    /// Set if the source is one file.
    single: Option<Single>,
    /// Whether the path is a symbolic link.
    linked: bool,
}

/// One file.
struct Single {
    /// Its name.
    name: TreePath,
    /// The name it is to have in the destination.
    target: TreePath,
}

impl LocalSource {
    fn open(path: &Path) -> Result<Self, OpsError> {
        let meta = match std::fs::metadata(path) {
            Ok(meta) => meta,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
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
        Ok(Self { root, single: Some(Single { target: name.clone(), name }), linked })
    }
}

struct Up<'a> {
    ctx: &'a Ctx<'a>,
    options: &'a SyncOptions,
    source: &'a LocalSource,
    dest: &'a TreePath,
    opened: &'a Opened,
    /// Where in the vault what is replaced is kept.
    backup: Option<TreePath>,
    /// Where in the vault content may be found.
    places: Vec<TreePath>,
    deadline: Deadline,
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
        refuse_backup(self.vault(), base.as_ref(), self.backup.as_ref())?;
        let mut plan = self.plan(base.as_ref(), &HashSet::new(), &self.known()?)?;
        let mut report = SyncReport::default();
        narrow(self.ctx, self.options, &Consent::new(self.ctx, false), &mut plan, &mut report)?;
        tell_plan(self.ctx, &mut plan)?;
        Ok(SyncReport {
            requests: self.opened.requests(),
            ..would_do(self.options, &plan, self.source.single.is_some())
        })
    }

    fn prepare(&self) -> Result<Ready, OpsError> {
        let vault = self.vault();
        let base = base_root(vault)?;
        let extra = missing_dirs(vault, base.as_ref(), self.dest)?;
        refuse_backup(vault, base.as_ref(), self.backup.as_ref())?;
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

    fn carry_out(&self, mut ready: Ready) -> Result<SyncReport, OpsError> {
        let (ctx, vault) = (self.ctx, self.vault());
        let mut report = planned(&ready.plan);
        let consent = Consent::new(ctx, self.options.rules.interactive);
        narrow(ctx, self.options, &consent, &mut ready.plan, &mut report)?;
        if consent.asks() && ready.plan.is_empty() {
            ready.extra.clear(); // nobody said that a directory is to be made for it
        }
        if !ready.is_work(self.source) {
            self.vault().state.settle_suspects(&ready.suspects, &ready.plan.settled)?;
            self.leave(None, &mut report)?;
            report.requests = self.opened.requests();
            return Ok(report);
        }
        let Ready { base, extra, suspects, marks, scan_start, traits, unsure, mut plan } = ready;
        warn_of_rewrite(ctx, self.options, vault, &mut plan)?;
        self.opened.sweep()?;
        let observer = ctx.observer;
        let mut session = Session::begin(Arc::clone(vault), session_options(ctx, vault))?;
        let upload = Upload {
            session: &session,
            root: self.source.root.clone(),
            single: self.source.single.as_ref().map(|single| single.name.clone()),
            follows: self.options.rules.links == Symlinks::Follow,
            prefix: self.dest.clone(),
            moving: self.options.moving.is_some(),
            deadline: &self.deadline,
            observer,
            budget: ctx.engine.memory / 6,
            threads: threads(ctx),
            traits: &traits,
            scan_start,
            suspects: &marks,
        };
        let mut uploaded = upload.run(&mut plan)?;
        if self.deadline.was_met() {
            report.stopped = Some(Stopped::MaxDuration);
        }
        // Before the commit: should the run end right after it, the fresh files must still be read again.
        uploaded.suspects.append(&mut plan.fresh);
        uploaded.settled.append(&mut plan.settled);
        vault.state.suspect(&uploaded.suspects, &*ctx.world.entropy)?;
        let failed = uploaded.failed + plan.totals.skipped;
        let delete = !unsure && may_delete(ctx, self.options, &plan, uploaded.failed, &mut report);
        let at = (vault.as_ref(), base.as_ref());
        uploaded.backups = backups(self.options, &mut plan, at, self.backup.as_ref(), delete)?;
        let info = CommitInfo { operation: self.options.operation.clone() };
        let published = commit_edits(&mut session, base.as_ref(), &extra, &mut uploaded, delete, &info)?;
        let stats = session.stats();
        report.deduplicated = stats.deduplicated.load(Ordering::Relaxed);
        report.stored = stats.stored.load(Ordering::Relaxed);
        observer.event(Event::Sent(report.stored));
        let restored = stats.restored.load(Ordering::Relaxed);
        if restored > 0 {
            observer.event(Event::Notice(&format!(
                "{restored} chunks and nodes that the vault had lost were stored again; `cryptsync verify` tells what is still missing"
            )));
        }
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
        let failed = self.options.rules.trusting && report.failed > 0;
        let dirs = if moving.delete_empty_src_dirs && !failed { self.dirs.take() } else { Vec::new() };
        let parent = self.source.root.parent().unwrap_or(&self.source.root);
        let dir = if self.source.single.is_some() { parent } else { &self.source.root };
        let follows = self.options.rules.links == Symlinks::Follow;
        leave_local(self.ctx, (dir, follows), uploaded, &dirs, report)
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
        let rules = &self.options.rules;
        let (single, follows) = (self.source.single.is_some(), rules.links == Symlinks::Follow);
        let contents = LocalContents::new(self.vault(), &self.source.root, single, true, follows);
        let (vault, dirs) = (self.vault().as_ref(), self.places.as_slice());
        let found = if rules.copied { Found::Copied } else { Found::Enough };
        let places = VaultPlaces { vault, root: base, dirs, contents: &contents, found };
        let leaves = if rules.trusting { Leaves::Compared } else { Leaves::Stored };
        let options = PlanOptions {
            leaves: self.options.moving.map(|_| leaves),
            keep_old: self.backup.is_some(),
            elsewhere: (!self.places.is_empty()).then_some(&places),
            local: Some(&local),
            ..plan_options(self.ctx, self.options, single, &contents, self.dest, &kept, suspects)
        };
        let plan = match &self.source.single {
            None => {
                let spelling = Spelling::new(self.vault(), base, self.dest, &local.shadow);
                let walk = Walk::open(&self.source.root, Arc::clone(&filter), true)?.spelled(spelling)?;
                let walk = walk.linking(self.ctx.observer).with_metadata(self.options.metadata);
                let walk = walk.across(rules.links, rules.one_file_system)?;
                let dest = VaultSide::open(self.vault(), base, self.dest, dest_filter(self.options), true)?;
                let dest = dest.keeping(&kept).filter_map(|found| rules.links.pass(found, Some(&kept)));
                let mut dirs = self.dirs.borrow_mut();
                dirs.clear();
                let note_dirs = self.options.moving.is_some_and(|moving| moving.delete_empty_src_dirs);
                let walk = walk.map(|found| fitting(self.dest, found)).inspect(|found| match found {
                    Ok(item) if note_dirs && item.entry.kind == EntryKind::Dir => dirs.push(item.path.clone()),
                    _ => {}
                });
                Plan::make(until_stopped(self.vault(), &self.deadline, walk), dest, &options)?
            }
            Some(Single { target: name, .. }) => {
                let item = self.single_item(name)?;
                let full =
                    self.dest.join_path(name).map_err(|bad| OpsError::new(Class::UnsafePath, bad.to_string()))?;
                let old = lookup(self.vault(), base, &full)?.map(|old| Item { path: name.clone(), ..old });
                Plan::make(one(Some(item)), one(old), &options)?
            }
        };
        tell_left_out(self.ctx, &plan);
        Ok(plan)
    }

    /// The one file that is the source.
    fn single_item(&self, name: &TreePath) -> Result<Item, OpsError> {
        let stat = if self.options.metadata { stat_with_metadata } else { stat_item };
        let item = stat(&self.source.root, name.clone())?.filter(|item| item.entry.kind == EntryKind::File);
        item.ok_or_else(|| {
            let what = format!("{} is neither a file nor a directory", self.source.root.display());
            OpsError::new(Class::Failed, what)
        })
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

const UNSURE: &str = "nothing is deleted: the source was last written from the vault by a run that did not complete it, so \
                      that what it lacks may never have been there; copy it from the vault again, or use --force";
