//! The log: which records are there, which of them count, and which are heads (docs/format.md, section 10).
//!
//! A record is fetched and verified once and remembered; what was remembered and is gone is a rollback. What has to be
//! read at all is decided in `load`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::access::Access;
use super::alarm;
use super::demands::{Checkpoint, Demands, Newest, behind_checkpoint};
use super::error::VaultError;
use super::history::{Facts, Past};
use super::judge::{Court, Ended, Judgement, Why};
use super::listing::Listing;
use super::load::Gathered;
use super::objects::Objects;
use super::state::{SeenRecord, State};
use crate::class::Class;
use crate::format::hints::ObjectRef;
use crate::format::name::{LOG_PREFIX, ObjectName};
use crate::format::record::{Record, RecordKind};
use crate::format::summary::Brief;
use crate::id::{CommitId, ObjectId, VaultId, WriterId};
use crate::world::Timestamp;

/// A record that counts.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Its id.
    pub id: CommitId,
    /// Its writer.
    pub writer: WriterId,
    /// What it says.
    pub record: Record,
    /// The object that holds it.
    pub object: ObjectRef,
    /// The directory of its bundle; empty if it has none. Of an epoch or a completion, the body.
    pub directory: Vec<u8>,
}

/// A record of a member that does not count.
#[derive(Debug, Clone)]
pub struct Quarantined {
    /// What it says.
    pub commit: Commit,
    /// Why it does not count.
    pub why: Why,
}

/// The log as one listing showed it: every record that counts, and the heads among them.
#[derive(Debug, Default, Clone)]
pub struct View {
    /// Those that were read: the newest, and what is remembered.
    commits: HashMap<CommitId, Commit>,
    /// The others.
    pub(super) past: Arc<Past>,
    quarantined: Vec<Quarantined>,
    retired: BTreeMap<WriterId, Ended>,
    heads: Vec<CommitId>,
    foreign: Vec<String>,
    names: Vec<String>,
    notices: Vec<String>,
}

/// What the log is read with.
pub(super) struct Reading<'a> {
    pub(super) objects: &'a Objects,
    pub(super) state: &'a State,
    pub(super) access: &'a Access,
    pub(super) vault: &'a VaultId,
    pub(super) now: Timestamp,
    pub(super) demands: &'a Demands,
}

impl View {
    /// Verifies what is new in `listing`, judges it, and holds it against what is remembered. `sent` is there even if the
    /// listing does not show it yet.
    pub(super) fn load(
        reading: &Reading<'_>,
        mut listing: Listing,
        sent: Option<(ObjectName, u64)>,
    ) -> Result<Self, VaultError> {
        listing.records.extend(sent);
        listing.keep_genuine(&reading.objects.keys);
        let mut result = Self::attempt(reading, &listing);
        if result.as_ref().is_err_and(|error| matches!(error.class(), Class::Missing | Class::Rollback)) {
            // A storage may list late: what seems to be missing is looked for once more before anybody is alarmed.
            let mut again = Listing::read(&reading.objects.io)?;
            again.records.extend(sent);
            again.keep_genuine(&reading.objects.keys);
            if again.records != listing.records {
                listing = again;
                result = Self::attempt(reading, &listing);
            }
        }
        match (result, reading.demands.accept_rollback) {
            (Err(VaultError::Alarm { .. }), Some(newest)) => {
                let notices = reading.accept_rollback(&listing, newest)?;
                Ok(Self { notices, ..Self::attempt(reading, &listing)? })
            }
            (result, _) => result,
        }
    }

    fn attempt(reading: &Reading<'_>, listing: &Listing) -> Result<Self, VaultError> {
        let given_up = reading.state.given_up()?;
        let mut unheard = HashSet::new();
        let (mut gathered, judgement) = loop {
            let gathered = reading.gather(listing, &given_up, &unheard)?;
            let (records, known, versions) = (&gathered.candidates, &gathered.known, &reading.access.versions);
            let judgement = Court { records, known, versions, given_up: &given_up }.judge();
            // Who does not count has no say about what does.
            let before = unheard.len();
            unheard.extend(gathered.told_by.iter().filter(|id| judgement.quarantined.contains_key(*id)));
            if unheard.len() == before {
                break (gathered, judgement);
            }
        };
        let mut notices = Vec::new();
        if reading.demands.salvage {
            notices.extend(alarm::passed_over(&gathered.lost, &judgement));
        }
        alarm(reading, &gathered, &judgement)?;
        if let Some(Checkpoint { newest: Newest::Commit(id), .. }) = reading.demands.checkpoint
            && (judgement.quarantined.contains_key(&id) || !reading.knows(&gathered, &id)?)
        {
            let quarantined = judgement.quarantined.contains_key(&id);
            return Err(behind_checkpoint(&reading.objects.io.describe(), &id, quarantined));
        }
        let counting: HashSet<CommitId> =
            gathered.candidates.keys().filter(|id| !judgement.quarantined.contains_key(id)).copied().collect();
        for id in &counting {
            let commit = &gathered.candidates[id].commit;
            if let Some(tag) = commit.record.unknown_attribute() {
                let id = id.short();
                return Err(VaultError::Version(format!(
                    "commit {id} needs a newer cryptsync: it has attribute {tag}"
                )));
            }
        }
        Self::notice_own_end(reading, &gathered, &judgement)?;
        // Before anything that rests on them is shown: what was seen once must never be taken back unnoticed.
        let news: Vec<SeenRecord> =
            gathered.news.into_iter().filter(|(id, _)| counting.contains(id)).map(|(_, seen)| seen).collect();
        reading.state.remember(&news)?;
        reading.state.forget_folded(&gathered.folded)?;
        let mut view = Self {
            past: Arc::new(gathered.past),
            retired: judgement.retired,
            foreign: gathered.foreign,
            notices,
            ..Self::default()
        };
        for (id, why) in judgement.quarantined {
            let candidate = gathered.candidates.remove(&id);
            view.quarantined.extend(candidate.map(|candidate| Quarantined { commit: candidate.commit, why }));
        }
        view.quarantined.sort_unstable_by_key(|q| (q.commit.record.lamport, q.commit.id));
        view.commits = gathered.candidates.into_iter().map(|(id, candidate)| (id, candidate.commit)).collect();
        view.commits.extend(gathered.remembered.into_iter().map(|commit| (commit.id, commit)));
        view.find_heads();
        view.names = listing.records.keys().map(ToString::to_string).collect();
        Ok(view)
    }

    /// This installation goes on as another writer if its own has ended, or if somebody else has written as it.
    fn notice_own_end(reading: &Reading<'_>, gathered: &Gathered, judgement: &Judgement) -> Result<(), VaultError> {
        let Some(salt) = reading.state.known_writer_salt()? else { return Ok(()) };
        let own = reading.access.member.public().writer_id(&salt);
        for (_, seen) in gathered.news.iter().filter(|(_, seen)| seen.writer == own) {
            reading.state.disown(&format!("{LOG_PREFIX}{}", seen.name))?;
        }
        let quarantined = judgement.quarantined.keys().any(|id| gathered.candidates[id].commit.writer == own);
        if quarantined || judgement.retired.contains_key(&own) {
            reading.state.renew_writer()?;
        }
        Ok(())
    }

    /// This view and one more commit.
    pub(super) fn with(&self, commit: Commit) -> Result<Self, VaultError> {
        let mut view = self.clone();
        let place = |other: &&Commit| (other.writer, other.record.seq) == (commit.writer, commit.record.seq);
        if let Some(other) = self.commits.values().filter(place).find(|other| other.id != commit.id) {
            return Err(alarm::twins(other, &commit));
        }
        view.commits.insert(commit.id, commit);
        view.find_heads();
        Ok(view)
    }

    fn find_heads(&mut self) {
        let parents: HashSet<CommitId> = self.commits.values().flat_map(|c| parents(&c.record)).collect();
        let is_head = |id: &&CommitId| !parents.contains(*id) && !self.past.covered.contains_key(*id);
        self.heads = self.commits.keys().filter(is_head).copied().collect();
        self.heads.sort_unstable();
    }

    /// The heads, ascending.
    pub fn heads(&self) -> &[CommitId] {
        &self.heads
    }

    /// A commit by id, if it was read. [`super::Vault::record_of`] gives the others.
    pub fn commit(&self, id: &CommitId) -> Option<&Commit> {
        self.commits.get(id)
    }

    /// The commits that were read, newest first by Lamport time: all heads are among them. [`super::Vault::newest`] gives
    /// the others.
    pub fn newest_first(&self) -> Vec<&Commit> {
        let mut all: Vec<&Commit> = self.commits.values().collect();
        all.sort_unstable_by_key(|commit| std::cmp::Reverse((commit.record.lamport, commit.writer)));
        all
    }

    /// How many commits there are; with histories side by side, at least so many.
    pub fn count(&self) -> u64 {
        self.past.histories.len() + self.live().len() as u64
    }

    /// How many records had to be read because no summary tells of them.
    pub(super) fn unsummarised(&self) -> usize {
        self.commits.keys().filter(|id| !self.past.covered.contains_key(*id)).count()
    }

    /// Every record that is in no history, ascending by (Lamport time, id).
    pub fn live(&self) -> Vec<Brief> {
        let read = self.commits.values().filter(|c| !self.past.covered.contains_key(&c.id)).map(Commit::brief);
        let mut live: Vec<Brief> = self.past.covered.values().copied().chain(read).collect();
        live.sort_unstable_by_key(Brief::order);
        live
    }

    /// What is known of a record without reading anything.
    pub(super) fn facts(&self, id: &CommitId) -> Option<Facts> {
        self.commits.get(id).map(|commit| Facts::from(&commit.brief())).or_else(|| self.past.facts(id))
    }

    /// The last record of a writer, unless its log has ended and is folded.
    pub fn last_of(&self, writer: &WriterId) -> Option<Facts> {
        let live = self.live().into_iter().filter(|brief| brief.writer == *writer).map(|brief| Facts::from(&brief));
        let folded = self.past.histories.writers().filter(|last| last.writer == *writer).map(Facts::from);
        live.chain(folded).max_by_key(|facts| facts.seq)
    }

    /// All writers, but for those whose log has ended and is folded.
    pub fn writers(&self) -> BTreeSet<WriterId> {
        let folded = self.past.histories.writers().map(|last| last.writer);
        self.live().iter().map(|brief| brief.writer).chain(folded).collect()
    }

    /// The objects of all records that count and may be in the log, folded or not.
    pub fn log_objects(&self) -> impl Iterator<Item = ObjectId> {
        let waiting: Vec<ObjectId> = self.past.histories.waiting().map(|folded| folded.object).collect();
        self.live().into_iter().map(|brief| brief.object.id).chain(waiting)
    }

    /// Records of members that do not count, by Lamport time.
    pub fn quarantined(&self) -> &[Quarantined] {
        &self.quarantined
    }

    /// Writers that have ended.
    pub fn retired(&self) -> &BTreeMap<WriterId, Ended> {
        &self.retired
    }

    /// What a person should know of how the log was read.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Objects below `log/` that are not this vault's.
    pub fn foreign(&self) -> &[String] {
        &self.foreign
    }

    /// Names of all record objects.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The index segments in force.
    pub fn segment_refs(&self) -> Vec<ObjectRef> {
        let superseded = self.commits.values().flat_map(|c| &c.record.segments_superseded);
        let gone: HashSet<&ObjectId> = superseded.chain(self.past.histories.superseded()).collect();
        // What whoever was ended while it collected has copied out is in no other place any more.
        let completed = self.ended_collectors().filter(|commit| commit.record.kind == RecordKind::Completion);
        let added =
            self.commits.values().chain(completed).flat_map(|c| &c.record.segments_added).chain(&self.past.segments);
        let mut live: Vec<ObjectRef> = added.filter(|object| !gone.contains(&object.id)).copied().collect();
        live.sort_unstable_by_key(|object| object.id);
        live.dedup_by_key(|object| object.id);
        live
    }

    /// Epochs and completions of writers that were ended, by others who did not know of them.
    pub(super) fn ended_collectors(&self) -> impl Iterator<Item = &Commit> {
        let ended = self.quarantined.iter().filter(|one| one.commit.record.collects() && one.why.adoptable());
        ended.map(|one| &one.commit)
    }

    /// The bundles in force, with their directories where those are at hand.
    pub(super) fn bundles(&self) -> Vec<(ObjectRef, Option<Vec<u8>>)> {
        let directory = |id| {
            let read = self.commits.get(id).filter(|commit| !commit.directory.is_empty());
            read.map(|commit| commit.directory.clone())
        };
        self.live().iter().filter(|brief| brief.bundle).map(|brief| (brief.object, directory(&brief.id))).collect()
    }
}

impl Commit {
    /// What a summary tells of it.
    pub(super) fn brief(&self) -> Brief {
        let Record { seq, lamport, access_n, closed, .. } = self.record;
        let Self { id, writer, object, .. } = *self;
        let (collects, apart) = (self.record.collects(), self.record.is_apart());
        let bundle = !self.directory.is_empty() && !collects;
        Brief { id, writer, seq, lamport, access_n, closed, bundle, apart, collects, object }
    }
}

/// All parents, the writer's own previous record among them.
pub(super) fn parents(record: &Record) -> impl Iterator<Item = CommitId> + '_ {
    record.parents.iter().copied().chain(record.prev)
}

/// A commit as it is remembered; `now` is when it was first seen.
pub(super) fn seen_record(name: &ObjectName, commit: &Commit, record: Vec<u8>, now: Timestamp) -> SeenRecord {
    let name = name.to_string();
    SeenRecord {
        name: name.strip_prefix(LOG_PREFIX).unwrap_or(&name).to_owned(),
        id: commit.id,
        writer: commit.writer,
        seq: commit.record.seq,
        record,
        directory: commit.directory.clone(),
        object: commit.object,
        at: now.secs,
    }
}

/// What must stop everything: two records in one place, what was seen and is gone, what is needed and is not there.
fn alarm(reading: &Reading<'_>, gathered: &Gathered, judgement: &Judgement) -> Result<(), VaultError> {
    let commit = |id: &CommitId| &gathered.candidates[id].commit;
    let dealt_with = |id: &CommitId| reading.demands.tolerates(&commit(id).writer);
    if let Some((first, second)) = judgement.twins.iter().find(|(first, _)| !dealt_with(first)) {
        return Err(alarm::twins(commit(first), commit(second)));
    }
    let stands = |id: &CommitId| {
        !judgement.quarantined.contains_key(id)
            && !judgement.retired.contains_key(&commit(id).writer)
            && !dealt_with(id)
    };
    if let Some((id, other)) = gathered.rivals.iter().find(|(id, _)| stands(id)) {
        return Err(alarm::twins(other, commit(id)));
    }
    if reading.demands.salvage {
        return Ok(());
    }
    let replacing = gathered.lost.iter().find_map(|seen| {
        let (_, new) = gathered.news.iter().find(|(_, new)| (new.writer, new.seq) == (seen.writer, seen.seq))?;
        (!judgement.quarantined.contains_key(&new.id)).then_some((seen, new.id))
    });
    if let Some((seen, new)) = replacing {
        return Err(alarm::replaced(seen, commit(&new)));
    }
    let whole = || {
        // What is left to go on from: not what follows something that is missing.
        let gone = |id: &CommitId| judgement.quarantined.contains_key(id) || judgement.cut.contains(id);
        let left = gathered.candidates.values().map(|candidate| &candidate.commit);
        left.filter(|commit| !gone(&commit.id)).max_by_key(|commit| (commit.record.lamport, commit.id))
    };
    if !gathered.lost.is_empty() {
        let lost: Vec<&SeenRecord> = gathered.lost.iter().collect();
        let later = gathered.candidates.values().map(|one| one.commit.record.lamport).max().unwrap_or(0);
        return Err(alarm::rollback(&reading.objects.io, &lost, whole(), later));
    }
    match judgement.incomplete.first() {
        Some((child, parent)) => Err(alarm::incomplete(commit(child), parent, whole())),
        None => Ok(()),
    }
}
