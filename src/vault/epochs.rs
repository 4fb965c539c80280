//! Epochs of garbage collection as a writer has to know them (docs/format.md, section 10.5): which objects are condemned,
//! which epochs it may say it has seen. Start at [`Vault::epochs`].
//!
//! Marks nothing and deletes nothing: that is `collect`'s.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::error::VaultError;
use super::journal::LiveSession;
use super::log::{Commit, View, parents};
use super::open::Vault;
use super::rules::Rule;
use super::writer::{Draft, inherited};
use crate::format::access::Role;
use crate::format::epoch::{Completion, Epoch};
use crate::format::record::RecordKind;
use crate::format::summary::Brief;
use crate::id::{CommitId, ObjectId, WriterId};

/// The epochs that are in force: in the log, signed by an admin, and not folded.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    all: BTreeMap<CommitId, InForce>,
    condemned: HashSet<ObjectId>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct InForce {
    pub(super) commit: Commit,
    pub(super) epoch: Epoch,
    pub(super) completed: bool,
}

/// Records of epochs and completions that were read, and what they came to.
#[derive(Default)]
pub(super) struct Read {
    records: BTreeMap<CommitId, Commit>,
    current: Arc<Epochs>,
    of: BTreeSet<CommitId>,
}

impl Epochs {
    /// Of these records; those in `ended` do not count, and nothing but what they condemn is heeded.
    fn new(records: &BTreeMap<CommitId, Commit>, ended: &BTreeSet<CommitId>) -> Result<Self, VaultError> {
        let counting = || records.values().filter(|commit| !ended.contains(&commit.id));
        let mut completed = HashSet::new();
        for commit in counting().filter(|commit| commit.record.kind == RecordKind::Completion) {
            completed.extend(Completion::decode(&commit.directory)?.epochs);
        }
        let mut epochs = Self::default();
        for commit in records.values().filter(|commit| commit.record.kind == RecordKind::Epoch) {
            let epoch = Epoch::decode(&commit.directory)?;
            epochs.condemned.extend(&epoch.condemned);
            if ended.contains(&commit.id) {
                continue;
            }
            let in_force = InForce { commit: commit.clone(), epoch, completed: completed.contains(&commit.id) };
            epochs.all.insert(commit.id, in_force);
        }
        Ok(epochs)
    }

    /// Whether an object is condemned: for good, whatever happens to be there still.
    pub(super) fn condemn(&self, object: &ObjectId) -> bool {
        self.condemned.contains(object)
    }

    /// By id.
    pub(super) fn all(&self) -> impl Iterator<Item = &InForce> {
        self.all.values()
    }

    /// The ids of those that have not been completed.
    pub(super) fn open(&self) -> BTreeSet<CommitId> {
        self.all.values().filter(|one| !one.completed).map(|one| one.commit.id).collect()
    }

    /// The highest number.
    pub(super) fn last_number(&self) -> u64 {
        self.all.values().map(|one| one.epoch.number).max().unwrap_or(0)
    }

    /// The latest one that is complete: what was condemned before it and is there still, it condemns again.
    pub(super) fn last_completed(&self) -> Option<&InForce> {
        let completed = self.all.values().filter(|one| one.completed);
        completed.max_by_key(|one| (one.commit.record.lamport, one.commit.id))
    }
}

impl Vault {
    /// The garbage collection that has forgotten a commit, if one has: what only its tree needs may be gone.
    ///
    /// # Errors
    /// A record can't be read.
    pub fn forgotten_by(&self, commit: &Commit) -> Result<Option<Commit>, VaultError> {
        let epochs = self.epochs()?;
        let completed = epochs.all().filter(|one| one.completed);
        let forgets = completed.filter(|one| one.epoch.forgotten.contains(&commit.writer, commit.record.seq));
        let first = forgets.min_by_key(|one| (one.commit.record.lamport, one.commit.id));
        Ok(first.map(|one| one.commit.clone()))
    }

    /// The epochs in force by the current view. Reads those that are new.
    pub(super) fn epochs(&self) -> Result<Arc<Epochs>, VaultError> {
        let view = self.view();
        let mut of: BTreeSet<CommitId> =
            view.live().iter().filter(|brief| brief.collects).map(|brief| brief.id).collect();
        // Whoever was ended while it collected may have deleted what it condemned.
        let ended: Vec<&Commit> = view.ended_collectors().filter(|commit| self.is_admins(commit)).collect();
        of.extend(ended.iter().map(|commit| commit.id));
        let mut read = self.collected.lock().expect("held over requests, which return errors");
        if read.of != of {
            let mut records = BTreeMap::new();
            for id in &of {
                let known = read.records.remove(id);
                let commit = match (known, ended.iter().find(|commit| commit.id == *id)) {
                    (Some(known), _) => known,
                    (None, Some(ended)) => (*ended).clone(),
                    (None, None) => self.record_of(id)?,
                };
                if self.is_admins(&commit) {
                    records.insert(*id, commit);
                }
            }
            let ended = ended.iter().map(|commit| commit.id).collect();
            read.current = Arc::new(Epochs::new(&records, &ended)?);
            (read.records, read.of) = (records, of);
        }
        Ok(Arc::clone(&read.current))
    }

    /// Whether the key of a record was an admin's when it was made. What others say of epochs has no effect.
    pub(super) fn is_admins(&self, commit: &Commit) -> bool {
        let access = self.access();
        let body = access.version(commit.record.access_n, &commit.record.access);
        body.and_then(|body| super::judge::role_in(body, &commit.record.writer_sign)) == Some(Role::Admin)
    }

    /// The epochs that a record with these parents may say its writer has seen: those that every run of this installation had
    /// seen when it began, but for `own`, which has nothing left to rely on. None for a record that does not follow all heads.
    pub(super) fn claims(
        &self,
        view: &View,
        follows: &BTreeSet<CommitId>,
        own: Option<&LiveSession>,
    ) -> Result<Vec<CommitId>, VaultError> {
        if !view.heads().iter().all(|head| follows.contains(head)) {
            return Ok(Vec::new());
        }
        let mut open = self.epochs()?.open();
        if !open.is_empty() && self.rules.hold(Rule::Parallel) {
            for seen in self.state.seen_by_others(own)? {
                open.retain(|id| seen.contains(id));
            }
        }
        Ok(open.into_iter().collect())
    }

    /// Says that this writer has seen the epochs that wait for it, if it can say so with one small record: while no other run of
    /// this installation is at work that has not, and while the heads have one tree. `true` if it has.
    ///
    /// # Errors
    /// The remote or the local state fails.
    pub fn acknowledge(&self) -> Result<bool, VaultError> {
        if !self.awaits_us()? || self.access().may_write().is_err() {
            return Ok(false);
        }
        let lock = self.publish_lock()?;
        self.settle_pending(&lock)?;
        self.refresh()?;
        if !self.is_joined()? || !self.awaits_us()? {
            return Ok(false);
        }
        let Some(draft) = self.at_rest(RecordKind::Acknowledgement, "acknowledge")? else { return Ok(false) };
        let follows = draft.parents.iter().copied().collect();
        if self.claims(&self.view(), &follows, None)?.is_empty() {
            return Ok(false);
        }
        self.send(&lock, draft)?;
        Ok(true)
    }

    /// A record that follows all heads and changes nothing; none if the heads have to be merged first.
    pub(super) fn at_rest<'a>(&self, kind: RecordKind, operation: &'a str) -> Result<Option<Draft<'a>>, VaultError> {
        let view = self.view();
        let heads = view.heads().iter().map(|id| self.record_of(id)).collect::<Result<Vec<Commit>, _>>()?;
        let Some(first) = heads.first() else { return Ok(None) };
        if heads.iter().any(|head| head.record.root.id != first.record.root.id) {
            return Ok(None);
        }
        Ok(Some(Draft {
            kind,
            root: inherited(first),
            parents: view.heads().to_vec(),
            segments_added: Vec::new(),
            segments_superseded: Vec::new(),
            body: Default::default(),
            operation,
            closed: false,
            attributes: Vec::new(),
            session: None,
        }))
    }

    /// Whether an epoch waits for this installation.
    fn awaits_us(&self) -> Result<bool, VaultError> {
        let open = self.epochs()?.open();
        if open.is_empty() {
            return Ok(false);
        }
        let view = self.view();
        let Some(last) = self.own_last(&view)?.filter(|last| !last.closed) else { return Ok(false) };
        for id in open {
            if !self.has_claimed(&last.writer, &id)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a writer has said that it has seen an epoch.
    pub(super) fn has_claimed(&self, writer: &WriterId, epoch: &CommitId) -> Result<bool, VaultError> {
        let view = self.view();
        let from = view.facts(epoch).map_or(0, |facts| facts.lamport);
        let mut next = view.last_of(writer).map(|last| (last.id, last.lamport));
        while let Some((id, lamport)) = next
            && lamport > from
        {
            let commit = self.record_of(&id)?;
            if commit.record.epochs_seen.binary_search(epoch).is_ok() {
                return Ok(true);
            }
            next = match commit.record.prev {
                Some(prev) => Some((prev, self.record_of(&prev)?.record.lamport)),
                None => None,
            };
        }
        Ok(false)
    }

    /// Whether nobody needs an epoch or a completion any more: a later epoch that follows it is complete, and has condemned again
    /// what it condemned and was there still.
    pub(super) fn is_spent(&self, brief: &Brief) -> Result<bool, VaultError> {
        let epochs = self.epochs()?;
        let Some(last) = epochs.last_completed() else { return Ok(false) };
        let (last, lamport) = (last.commit.id, last.commit.record.lamport);
        Ok(brief.lamport < lamport && self.is_followed(&[last], &brief.id)?)
    }

    /// Whether these commits are followed by, or are, `id`.
    pub(super) fn is_followed(&self, ids: &[CommitId], before: &CommitId) -> Result<bool, VaultError> {
        let (mut open, mut seen) = (ids.to_vec(), HashSet::new());
        let from = self.record_of(before)?.record.lamport;
        while let Some(id) = open.pop() {
            if id == *before {
                return Ok(true);
            }
            let commit = self.record_of(&id)?;
            if commit.record.lamport > from && seen.insert(id) {
                open.extend(parents(&commit.record));
            }
        }
        Ok(false)
    }
}
