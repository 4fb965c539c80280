//! Garbage collection: what nobody needs is condemned in an epoch, and deleted once all who write have seen it (docs/format.md,
//! section 10.5). Start at [`Vault::collect`].
//!
//! Owns the order of steps. Each may be the last one of a run, and any later run of anybody who may goes on from there: nothing
//! is kept between runs but what is in the log. What is needed is found out anew before anything is deleted.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::error::VaultError;
use super::log::Commit;
use super::open::Vault;
use super::publish::CommitInfo;
use super::rules::Rule;
use super::salvage::{Plan, Stored};
use super::session::{Session, SessionOptions};
use crate::class::Class;
use crate::format::access::Role;
use crate::format::epoch::{Completion, Epoch, Forgotten};
use crate::format::hints::ObjectRef;
use crate::format::name::ObjectName;
use crate::format::record::RecordKind;
use crate::id::{CommitId, ObjectId, WriterId};
use crate::world::Timestamp;

/// Picks the commits to forget.
pub type Forget<'a> = dyn Fn(&[Commit]) -> Result<HashSet<CommitId>, VaultError> + 'a;

/// What is to be collected, and how.
pub struct CollectOptions<'a> {
    /// The commits to forget, of all that there are (newest first); heads and the last commits of writers stay anyway.
    pub forget: &'a Forget<'a>,
    /// Seconds between condemning and deleting, for those who read by an older view.
    pub grace: i64,
    /// Seconds that an object which no commit names is left alone after it was first seen.
    pub orphans: i64,
    /// Writers that are waited for and have said nothing for so many seconds are ended.
    pub expire: Option<i64>,
    /// Packs of which a smaller part is needed than would leave so many percent of all unneeded are packed anew.
    pub max_unused: u64,
    /// Bytes that are packed anew at most.
    pub max_repack: u64,
    /// When to begin nothing more.
    pub until: Option<Timestamp>,
    /// Look and tell, change nothing.
    pub dry_run: bool,
    /// How what is packed anew is stored.
    pub session: SessionOptions,
}

/// What a collection has come to.
#[derive(Debug, Clone, Default)]
pub struct Collected {
    /// Commits that there are, but for forgotten ones.
    pub commits: u64,
    /// Commits that are forgotten by now, or are about to be.
    pub forgotten: u64,
    /// Objects of content, trees and index, and their bytes.
    pub stored: (u64, u64),
    /// Objects condemned by this run (with a dry run: that would be), and their bytes.
    pub condemned: (u64, u64),
    /// Bytes in packs that are needed in part and stay.
    pub unused: u64,
    /// Bytes read to be packed anew or copied out.
    pub copied: u64,
    /// Objects that no commit names and that are too young, and their bytes.
    pub young: (u64, u64),
    /// Objects deleted, and their bytes.
    pub deleted: (u64, u64),
    /// Epochs completed.
    pub completed: u64,
    /// Writers ended because they have been silent for too long.
    pub expired: Vec<WriterId>,
    /// Epochs that can't be completed yet.
    pub waiting: Vec<Waiting>,
}

/// An epoch that can't be completed yet.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its number.
    pub number: u64,
    /// Its record.
    pub commit: CommitId,
    /// When it was made, by its writer's clock.
    pub since: Timestamp,
    /// How many objects it condemns.
    pub objects: u64,
    /// The last records of the writers that have not claimed it.
    pub writers: Vec<Commit>,
    /// When its grace ends, if nobody else is waited for.
    pub until: Option<Timestamp>,
}

impl Vault {
    /// Does all of garbage collection that can be done now.
    ///
    /// # Errors
    /// The key at hand is no admin's; something that is needed is not there; the remote or the local state fails. Whatever was
    /// done by then is complete in itself.
    pub fn collect(self: &Arc<Self>, options: &CollectOptions<'_>) -> Result<Collected, VaultError> {
        if self.access().me.role < Role::Admin {
            return Err(VaultError::Untrusted(
                "the key at hand is no admin's, and only an admin may have anything deleted; ask one, or use the password"
                    .into(),
            ));
        }
        let mut report = Collected::default();
        if options.dry_run {
            let collector = Collector { vault: self, options };
            let session = None;
            collector.mark(session, &mut report)?;
            collector.tell_waiting(&mut report)?;
            return Ok(report);
        }
        self.ensure_joined()?;
        let collector = Collector { vault: self, options };
        collector.merge()?;
        collector.complete(&mut report)?;
        if !collector.is_late() && collector.condemn(&mut report)? {
            self.acknowledge()?;
            self.refresh()?;
            collector.complete(&mut report)?;
        }
        collector.tell_waiting(&mut report)?;
        Ok(report)
    }
}

struct Collector<'a> {
    vault: &'a Arc<Vault>,
    options: &'a CollectOptions<'a>,
}

impl Collector<'_> {
    fn now(&self) -> Timestamp {
        self.vault.world.clock.now()
    }

    fn is_late(&self) -> bool {
        self.options.until.is_some_and(|until| self.now() >= until)
    }

    /// Leaves one head. Two that are merged later may need a commit that is forgotten by then.
    fn merge(&self) -> Result<(), VaultError> {
        while self.vault.view().heads().len() > 1 {
            let info = CommitInfo { operation: "gc: merge".to_owned() };
            Session::begin(Arc::clone(self.vault), self.options.session)?.merge_heads(&info)?;
        }
        Ok(())
    }

    /// Condemns what is not needed; `false` if there is nothing worth it.
    fn condemn(&self, report: &mut Collected) -> Result<bool, VaultError> {
        self.merge()?;
        let mut session = Session::begin(Arc::clone(self.vault), self.options.session)?;
        let Some((plan, forgotten)) = self.mark(Some(&mut session), report)? else { return Ok(false) };
        let mut condemned: Vec<ObjectId> = plan.condemned.keys().copied().collect();
        condemned.truncate(CONDEMNED_MAX);
        let segments = self.copy(&mut session, plan, report)?;
        drop(session);
        let number = self.vault.epochs()?.last_number() + 1;
        let epoch = Epoch { number, condemned, forgotten };
        self.publish(RecordKind::Epoch, "gc: condemn", epoch.encode(), (segments, Vec::new()))?;
        Ok(true)
    }

    /// Finds out what is not needed. With a session, what is to be packed anew is refused from then on.
    fn mark(
        &self,
        session: Option<&mut Session>,
        report: &mut Collected,
    ) -> Result<Option<(Plan, Forgotten)>, VaultError> {
        let vault = self.vault;
        let stored = Stored::list(vault)?;
        let (commits, keep) = self.kept(None)?;
        let forgotten: Forgotten =
            commits.iter().filter(|one| !keep.contains(&one.id)).map(|one| (one.writer, one.record.seq)).collect();
        let is_tree = |commit: &&Commit| keep.contains(&commit.id) && self.holds_tree(commit);
        report.commits =
            commits.iter().filter(|c| keep.contains(&c.id) && c.record.kind == RecordKind::Commit).count() as u64;
        let gone = |c: &&Commit| !keep.contains(&c.id) && c.record.kind == RecordKind::Commit;
        report.forgotten = commits.iter().filter(gone).count() as u64;
        let needed = vault.needed(commits.iter().filter(is_tree))?;
        let mut plan = Plan::new(vault, stored, needed)?;
        plan.count()?;
        plan.choose(self.options.max_unused, self.options.max_repack);
        plan.orphans(self.options.orphans, self.now())?;
        report.stored = plan.stored.total();
        report.condemned = plan.condemned_total();
        report.unused = plan.unused();
        report.young = plan.young;
        match session {
            Some(session) if !plan.condemned.is_empty() => {
                session.shared.refuse(plan.condemned.keys().copied());
                Ok(Some((plan, forgotten)))
            }
            _ => Ok(None),
        }
    }

    /// Completes the epochs that can be.
    fn complete(&self, report: &mut Collected) -> Result<(), VaultError> {
        let vault = self.vault;
        self.expire(report)?;
        vault.refresh()?;
        self.merge()?;
        let ready = self.ready()?;
        if ready.is_empty() || self.is_late() {
            return Ok(());
        }
        let mut session = Session::begin(Arc::clone(vault), self.options.session)?;
        let stored = Stored::list(vault)?;
        let epochs = vault.epochs()?;
        let doomed: BTreeSet<ObjectId> = epochs
            .all()
            .filter(|one| one.completed || ready.contains(&one.commit.id))
            .flat_map(|one| one.epoch.condemned.iter().copied())
            .filter(|id| stored.has(id))
            .collect();
        let open: Vec<CommitId> = epochs.open().into_iter().filter(|id| ready.contains(id)).collect();
        if doomed.is_empty() && open.is_empty() {
            return Ok(());
        }
        let (commits, keep) = self.kept(Some(&ready))?;
        let needed =
            vault.needed(commits.iter().filter(|commit| keep.contains(&commit.id) && self.holds_tree(commit)))?;
        let mut plan = Plan::new(vault, stored, needed)?;
        if vault.rules.hold(Rule::Rescue) {
            plan.count()?;
        }
        // Nothing else is condemned in passing: that takes an epoch.
        plan.condemned = doomed.iter().map(|id| (*id, 0)).collect();
        let stored = plan.stored.clone();
        let mut segments = self.copy(&mut session, plan, report)?;
        let (rewritten, superseded) = session.without_condemned(&doomed)?;
        segments.extend(rewritten);
        drop(session);
        if !open.is_empty() || !segments.is_empty() || !superseded.is_empty() {
            report.completed += open.len() as u64;
            let epochs = if open.is_empty() { ready.iter().copied().collect() } else { open };
            let body = Completion { epochs }.encode();
            self.publish(RecordKind::Completion, "gc: complete", body, (segments, superseded))?;
        }
        self.delete(&doomed, &stored, report)
    }

    fn delete(&self, doomed: &BTreeSet<ObjectId>, stored: &Stored, report: &mut Collected) -> Result<(), VaultError> {
        let in_force: HashSet<ObjectId> = self.vault.view().segment_refs().iter().map(|segment| segment.id).collect();
        let objects: Vec<(ObjectName, u64)> =
            doomed.iter().filter(|id| !in_force.contains(id)).filter_map(|id| stored.find(id)).collect();
        for batch in objects.chunks(DELETED_AT_ONCE) {
            self.vault.checkpoint()?;
            let names: Vec<String> = batch.iter().map(|(name, _)| name.to_string()).collect();
            self.vault.objects.io.delete_many(&names)?;
            report.deleted.0 += batch.len() as u64;
            report.deleted.1 += batch.iter().map(|(_, size)| size).sum::<u64>();
        }
        Ok(())
    }

    /// All commits, and those whose trees are kept: by the rules given, and in the end those that no epoch in effect forgets.
    fn kept(&self, effective: Option<&BTreeSet<CommitId>>) -> Result<(Vec<Commit>, HashSet<CommitId>), VaultError> {
        let vault = self.vault;
        let commits = vault.newest(usize::MAX, |_| true)?;
        let mut forget = (self.options.forget)(&commits)?;
        let view = vault.view();
        forget.extend(commits.iter().filter(|commit| commit.record.kind != RecordKind::Commit).map(|commit| commit.id));
        let mut last: HashSet<WriterId> = HashSet::new();
        for commit in &commits {
            // Newest first: the first of a writer is its last.
            if last.insert(commit.writer) && self.may_go_on(commit) || view.heads().contains(&commit.id) {
                forget.remove(&commit.id);
            }
        }
        let epochs = vault.epochs()?;
        let gone = |commit: &Commit| {
            let mut completed = epochs.all().filter(|one| one.completed);
            completed.any(|one| one.epoch.forgotten.contains(&commit.writer, commit.record.seq))
        };
        let effect = |commit: &Commit| match effective {
            None => true,
            Some(_) if !vault.rules.hold(Rule::Effect) => {
                epochs.all().any(|one| one.epoch.forgotten.contains(&commit.writer, commit.record.seq))
            }
            Some(ready) => {
                let mut ready = epochs.all().filter(|one| ready.contains(&one.commit.id));
                ready.any(|one| one.epoch.forgotten.contains(&commit.writer, commit.record.seq))
            }
        };
        let is_kept = |commit: &&Commit| !(gone(commit) || forget.contains(&commit.id) && effect(commit));
        let keep: HashSet<CommitId> = commits.iter().filter(is_kept).map(|commit| commit.id).collect();
        if !view.heads().iter().all(|head| keep.contains(head)) {
            return Err(VaultError::Alarm {
                class: Class::Missing,
                what: "the newest commit is said to be forgotten".into(),
                details: Vec::new(),
                hint: "nothing was changed; run `cryptsync verify`".into(),
            });
        }
        Ok((commits, keep))
    }

    /// Whether a commit's tree has to be there. A join names that of another record, perhaps one that is old and forgotten: it
    /// promises nothing, unless it is the newest record.
    fn holds_tree(&self, commit: &Commit) -> bool {
        commit.record.kind != RecordKind::Join || *self.vault.view().heads() == [commit.id]
    }

    /// Whether more may come of the writer whose last record this is.
    fn may_go_on(&self, last: &Commit) -> bool {
        let access = self.vault.access();
        let role = super::judge::role_in(access.body(), &last.record.writer_sign);
        !last.record.closed && role >= Some(Role::Writer) && !self.vault.view().retired().contains_key(&last.writer)
    }

    /// The last records of the writers that have not claimed an epoch and may write still.
    fn unheard(&self, epoch: &CommitId) -> Result<Vec<Commit>, VaultError> {
        let mut unheard = Vec::new();
        if !self.vault.rules.hold(Rule::Claim) {
            return Ok(unheard);
        }
        for last in self.vault.last_records()? {
            if self.may_go_on(&last) && !self.vault.has_claimed(&last.writer, epoch)? {
                unheard.push(last);
            }
        }
        Ok(unheard)
    }

    /// The epochs that all have claimed and whose grace is over. The log has been read since each was there.
    fn ready(&self) -> Result<BTreeSet<CommitId>, VaultError> {
        let epochs = self.vault.epochs()?;
        let mut ready = BTreeSet::new();
        for one in epochs.all() {
            if one.completed || (self.grace_end(&one.commit) <= self.now() && self.unheard(&one.commit.id)?.is_empty())
            {
                ready.insert(one.commit.id);
            }
        }
        Ok(ready)
    }

    /// When an epoch may be completed at the earliest. A listing may lack a join for as long as the store's listings lag, and that
    /// of the one who joins may lack the epoch for as long.
    fn grace_end(&self, epoch: &Commit) -> Timestamp {
        let lag = self.vault.objects.io.caps().list_delay.as_secs_f64() * 2.0;
        let wait = self.options.grace.max(lag.ceil() as i64);
        Timestamp { secs: epoch.record.time.secs.saturating_add(wait), ..epoch.record.time }
    }

    /// Ends writers that have been silent for too long.
    fn expire(&self, report: &mut Collected) -> Result<(), VaultError> {
        let Some(age) = self.options.expire else { return Ok(()) };
        let mut silent: BTreeMap<WriterId, Commit> = BTreeMap::new();
        for epoch in self.vault.epochs()?.open() {
            let unheard = self.unheard(&epoch)?.into_iter();
            silent.extend(
                unheard
                    .filter(|last| last.record.time.secs.saturating_add(age) <= self.now().secs)
                    .map(|last| (last.writer, last)),
            );
        }
        for (writer, _) in silent {
            if self.vault.known_writer()? != Some(writer) {
                let ending = self.vault.ending(&writer.to_string())?;
                self.vault.retire(&ending, &format!("gc: expire {}", writer.short()))?;
                report.expired.push(writer);
            }
        }
        Ok(())
    }

    fn tell_waiting(&self, report: &mut Collected) -> Result<(), VaultError> {
        let epochs = self.vault.epochs()?;
        for one in epochs.all().filter(|one| !one.completed) {
            let end = self.grace_end(&one.commit);
            report.waiting.push(Waiting {
                number: one.epoch.number,
                commit: one.commit.id,
                since: one.commit.record.time,
                objects: one.epoch.condemned.len() as u64,
                writers: self.unheard(&one.commit.id)?,
                until: (end > self.now()).then_some(end),
            });
        }
        report.waiting.sort_by_key(|waiting| waiting.number);
        Ok(())
    }

    /// Stores anew what is needed of what is condemned; the segments that tell where.
    fn copy(
        &self,
        session: &mut Session,
        mut plan: Plan,
        report: &mut Collected,
    ) -> Result<Vec<ObjectRef>, VaultError> {
        if !self.vault.rules.hold(Rule::Rescue) {
            return Ok(Vec::new());
        }
        report.copied += plan.copy(session)?;
        session.stored_anew()
    }

    /// Publishes a record that changes no tree, on top of all heads.
    fn publish(
        &self,
        kind: RecordKind,
        operation: &str,
        body: Vec<u8>,
        (added, superseded): (Vec<ObjectRef>, Vec<ObjectId>),
    ) -> Result<(), VaultError> {
        let vault = self.vault;
        vault.objects.io.barrier()?;
        for _ in 0..ROUNDS {
            let lock = vault.publish_lock()?;
            vault.settle_pending(&lock)?;
            vault.refresh()?;
            if !vault.is_joined()? {
                return Err(super::relied::ended());
            }
            if let Some(mut draft) = vault.at_rest(kind, operation)? {
                (draft.segments_added, draft.segments_superseded) = (added, superseded);
                draft.body = (body.clone(), body);
                vault.send(&lock, draft)?;
                return Ok(());
            }
            drop(lock);
            self.merge()?;
        }
        Err(VaultError::Busy("others keep publishing: run the command again later".into()))
    }
}

/// Objects that one epoch condemns at most: its body stays well below what a log object may have.
const CONDEMNED_MAX: usize = 60_000;
/// Objects that are deleted by one request where the service can.
const DELETED_AT_ONCE: usize = 1000;
const ROUNDS: u32 = 5;

#[cfg(test)]
#[path = "collect_tests.rs"]
mod tests;
