//! What of a log has to be read. Start at [`Reading::gather`].
//!
//! The newest records are read first. A summary covers the ancestors of the record that carries it, so that those need
//! not be read; a history covers what was folded. What is remembered and is neither there nor in a history is lost.
//! Whether what was read counts is not decided here.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::error::VaultError;
use super::history::{Facts, Histories, Loaded, Past, Source};
use super::judge::Candidate;
use super::listing::Listing;
use super::log::{Commit, Reading, parents, seen_record};
use super::state::SeenRecord;
use super::verify_record::{Verdict, Verifier};
use crate::format::hints::{Holder, ObjectRef, Place};
use crate::format::name::{LOG_PREFIX, ObjectName};
use crate::format::record::{Attribute, Record};
use crate::format::summary::{Brief, Summary};
use crate::history::source::ResolvedPlace;
use crate::id::{BlobId, CommitId, ObjectId};

/// All that there is, before it is judged.
#[derive(Default)]
pub(super) struct Gathered {
    /// What no summary tells of.
    pub(super) candidates: HashMap<CommitId, Candidate>,
    /// What was not seen before, as it will be remembered.
    pub(super) news: Vec<(CommitId, SeenRecord)>,
    /// What was seen before and is not there.
    pub(super) lost: Vec<SeenRecord>,
    pub(super) foreign: Vec<String>,
    /// What was seen before and a summary tells of.
    pub(super) remembered: Vec<Commit>,
    /// Names of what was seen before and is folded: the heads imply it, so that it need not be remembered any longer.
    pub(super) folded: Vec<String>,
    /// Whose summaries were heard.
    pub(super) told_by: Vec<CommitId>,
    /// What is known of parents of candidates that are none themselves.
    pub(super) known: HashMap<CommitId, Facts>,
    /// New candidates that claim the place of a record that a summary or a history tells of.
    pub(super) rivals: Vec<(CommitId, Commit)>,
    pub(super) past: Past,
}

/// A record that was read, and what will be remembered if it is new here.
struct Read {
    name: ObjectName,
    candidate: Candidate,
    news: Option<SeenRecord>,
}

/// A record that carries a summary.
struct Told {
    by: CommitId,
    access_n: u32,
    summary: Summary,
    histories: Vec<Loaded>,
}

/// What one pass over the listing has found.
#[derive(Default)]
struct Pass {
    read: Vec<Read>,
    told: Vec<Told>,
    foreign: Vec<String>,
}

impl Pass {
    /// Whether a history says that a log object is folded.
    fn waits(&self, id: &ObjectId) -> bool {
        let histories = self.told.iter().flat_map(|told| &told.histories);
        histories.flat_map(Loaded::waiting).any(|folded| folded.object == *id)
    }
}

type Seen = HashMap<ObjectName, SeenRecord>;

impl Reading<'_> {
    /// Reads what is new in `listing` and finds what was seen before. Summaries by `unheard` are not believed.
    pub(super) fn gather(
        &self,
        listing: &Listing,
        given_up: &HashSet<CommitId>,
        unheard: &HashSet<CommitId>,
    ) -> Result<Gathered, VaultError> {
        let mut seen = self.remembered(listing)?;
        listing.records.iter().for_each(|(name, size)| self.objects.know_log(*name, *size));
        let mut pass = self.pass(listing, &seen, unheard, true)?;
        let cover = self.demands.accept_rollback.is_none() && self.may_cover(&pass, given_up);
        if !cover {
            // What is new may change what counts among the records that summaries tell of: they are read after all.
            pass = self.pass(listing, &seen, unheard, false)?;
        }
        let mut gathered = Gathered { foreign: listing.foreign.clone(), ..Gathered::default() };
        gathered.foreign.append(&mut pass.foreign);
        gathered.told_by = pass.told.iter().map(|told| told.by).collect();
        gathered.past = self.past(listing, &pass.told, cover)?;
        let waiting: HashSet<ObjectId> = gathered.past.histories.waiting().map(|folded| folded.object).collect();
        for Read { name, candidate, news } in pass.read {
            let id = candidate.commit.id;
            if waiting.contains(&name.id()) || self.is_folded(&gathered.past, &candidate.commit)? {
                continue;
            }
            seen.remove(&name);
            // The same record may lie there twice: whoever can read can seal it again.
            if gathered.candidates.contains_key(&id) {
                continue;
            }
            // What says something about others has its say whoever tells of it.
            if gathered.past.covered.contains_key(&id) && !candidate.commit.record.is_apart() {
                gathered.remembered.push(candidate.commit);
                continue;
            }
            if news.is_some()
                && let Some(other) = self.rival(&gathered.past, &candidate.commit)?
            {
                gathered.rivals.push((id, other));
            }
            gathered.news.extend(news.map(|news| (id, news)));
            gathered.candidates.insert(id, candidate);
        }
        self.settle_remembered(listing, &mut gathered, &waiting, seen)?;
        gathered.known = self.known(&gathered)?;
        Ok(gathered)
    }

    /// Whether there is such a record: read, told of, or folded.
    pub(super) fn knows(&self, gathered: &Gathered, id: &CommitId) -> Result<bool, VaultError> {
        let past = &gathered.past;
        if gathered.candidates.contains_key(id) || past.facts(id).is_some() {
            return Ok(true);
        }
        Ok(past.histories.search(&self.source(&past.segments), 0..=u64::MAX, |entry| entry.id == *id)?.is_some())
    }

    fn remembered(&self, listing: &Listing) -> Result<Seen, VaultError> {
        let mut seen = HashMap::new();
        for record in self.state.records()? {
            let name: ObjectName = format!("{LOG_PREFIX}{}", record.name).parse().map_err(|_| {
                VaultError::damaged(&record.name, "the local state is damaged; delete it to start afresh")
            })?;
            let other_size = listing.records.get(&name).is_some_and(|size| *size != record.object.size);
            if other_size && !self.demands.salvage {
                return Err(VaultError::damaged(name, "it has another size than it had when it was read before"));
            }
            seen.insert(name, record);
        }
        Ok(seen)
    }

    /// Reads the newest records, and with `cover` none that a summary tells of.
    fn pass(
        &self,
        listing: &Listing,
        seen: &Seen,
        unheard: &HashSet<CommitId>,
        cover: bool,
    ) -> Result<Pass, VaultError> {
        let mut pass = Pass::default();
        // With whether it has to be read all the same.
        let mut covered: HashMap<ObjectId, bool> = HashMap::new();
        for (name, size) in listing.records.iter().rev() {
            let told = covered.get(&name.id()).copied();
            // What is folded need not be judged again, whatever has happened since.
            if told == Some(false) && (cover || pass.waits(&name.id())) {
                continue;
            }
            let read = match seen.get(name) {
                Some(seen) => Read {
                    name: *name,
                    candidate: Candidate { commit: remembered_commit(seen)?, fault: None },
                    news: None,
                },
                None => match self.verifier().verify(name, *size) {
                    Err(error) if !self.passes_over(&error) => return Err(error),
                    Ok(Verdict::Signed(candidate, bytes)) => {
                        let news = Some(seen_record(name, &candidate.commit, bytes, self.now));
                        Read { name: *name, candidate: *candidate, news }
                    }
                    Ok(Verdict::Foreign) | Err(_) => {
                        pass.foreign.push(name.to_string());
                        continue;
                    }
                },
            };
            let Candidate { commit, fault } = &read.candidate;
            if told.is_none()
                && fault.is_none()
                && !unheard.contains(&commit.id)
                && let Some(told) = self.told(commit)?
            {
                covered.extend(told.summary.live.iter().map(|brief| (brief.object.id, brief.apart)));
                covered.extend(told.histories.iter().flat_map(Loaded::waiting).map(|folded| (folded.object, false)));
                pass.told.push(told);
            }
            pass.read.push(read);
        }
        pass.read.reverse();
        Ok(pass)
    }

    /// Whether the run goes on without what is missing or damaged.
    fn passes_over(&self, error: &VaultError) -> bool {
        self.demands.salvage && error.is_lack()
    }

    fn verifier(&self) -> Verifier<'_> {
        Verifier { objects: self.objects, access: self.access, vault: self.vault }
    }

    fn source<'s>(&'s self, segments: &'s [ObjectRef]) -> Source<'s> {
        Source { objects: self.objects, state: self.state, vault: self.vault, segments }
    }

    /// Whether summaries may stand for the records that they tell of: nobody has lost the right to write since, nothing was
    /// given up here, and no record that changes which of them count is new to them.
    fn may_cover(&self, pass: &Pass, given_up: &HashSet<CommitId>) -> bool {
        let apart = pass.read.iter().map(|read| &read.candidate.commit).filter(|commit| commit.record.judges());
        let mut apart = apart.map(|commit| commit.id);
        let tells_of = |told: &Told, id: &CommitId| told.summary.live.iter().any(|brief| brief.id == *id);
        pass.told
            .iter()
            .all(|told| self.access.keeps_writers_since(told.access_n) && given_up.iter().all(|id| !tells_of(told, id)))
            && apart.all(|id| pass.told.iter().all(|told| tells_of(told, &id)))
    }

    /// The summary that a record carries. A record whose summary can't be read counts like one that has none.
    fn told(&self, commit: &Commit) -> Result<Option<Told>, VaultError> {
        let attribute = commit.record.attribute(Attribute::HISTORY).map(Attribute::as_history);
        let Some(Ok((id, Some(place)))) = attribute else { return Ok(None) };
        let place = resolved(&place, &commit.object);
        let blob = match self.source(&[]).read(&id, Some(&place)) {
            Ok(blob) => blob,
            Err(VaultError::Missing { .. } | VaultError::Damaged { .. } | VaultError::Limit(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Ok(summary) = Summary::decode(&blob.canonical) else { return Ok(None) };
        let places = blob.places(summary.histories.len());
        let mut histories = Vec::new();
        for (id, place) in summary.histories.iter().zip(places) {
            match Loaded::read(&self.source(&summary.segments), id, place) {
                Ok(loaded) => histories.push(loaded),
                Err(error) if self.passes_over(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(Told { by: commit.id, access_n: commit.record.access_n, summary, histories }))
    }

    /// What summaries tell of.
    fn past(&self, listing: &Listing, told: &[Told], cover: bool) -> Result<Past, VaultError> {
        let segments: Vec<ObjectRef> = told.iter().flat_map(|told| told.summary.segments.iter().copied()).collect();
        let roots: BTreeMap<BlobId, Loaded> =
            told.iter().flat_map(|told| &told.histories).map(|loaded| (loaded.id, loaded.clone())).collect();
        let histories = Histories::new(roots.into_values().collect());
        let mut past = Past { covered: HashMap::new(), segments, histories };
        if !cover {
            return Ok(past);
        }
        let waiting: HashSet<ObjectId> = past.histories.waiting().map(|folded| folded.object).collect();
        let briefs: BTreeMap<_, &Brief> =
            told.iter().flat_map(|told| &told.summary.live).map(|brief| (brief.order(), brief)).collect();
        let listed: HashSet<ObjectId> = listing.records.keys().map(ObjectName::id).collect();
        for brief in briefs.into_values().filter(|brief| !waiting.contains(&brief.object.id)) {
            if listed.contains(&brief.object.id) {
                past.covered.insert(brief.id, *brief);
                continue;
            }
            // Folded by a checkpoint that this summary does not know of; anything else is withheld.
            let source = self.source(&past.segments);
            if !self.demands.salvage && past.histories.find(&source, brief.lamport, &brief.id)?.is_none() {
                return Err(VaultError::Missing { what: format!("commit {} of the log", brief.id.short()) });
            }
        }
        Ok(past)
    }

    /// Whether the object of a folded record has come back, or was never deleted.
    fn is_folded(&self, past: &Past, commit: &Commit) -> Result<bool, VaultError> {
        let lamport = commit.record.lamport;
        if lamport > past.histories.last_lamport() || past.covered.contains_key(&commit.id) {
            return Ok(false);
        }
        Ok(past.histories.find(&self.source(&past.segments), lamport, &commit.id)?.is_some())
    }

    /// Another record in the place of a new one, among those that need not be read.
    fn rival(&self, past: &Past, commit: &Commit) -> Result<Option<Commit>, VaultError> {
        let (writer, seq) = (commit.writer, commit.record.seq);
        let in_place = |brief: &&Brief| (brief.writer, brief.seq) == (writer, seq) && brief.id != commit.id;
        let covered = past.covered.values().find(in_place);
        if let Some(brief) = covered {
            return self.verifier().covered(brief).map(Some);
        }
        if past.histories.writers().all(|last| last.writer != writer || last.seq < seq) {
            return Ok(None);
        }
        let source = self.source(&past.segments);
        let same_place = |entry: &super::history::Entry| {
            (entry.writer(), entry.record.seq) == (writer, seq) && entry.id != commit.id
        };
        Ok(past.histories.search(&source, 0..=u64::MAX, same_place)?.map(|entry| entry.commit()))
    }

    /// What is remembered and was not read now: told of by a summary, folded, or lost.
    fn settle_remembered(
        &self,
        listing: &Listing,
        gathered: &mut Gathered,
        waiting: &HashSet<ObjectId>,
        seen: Seen,
    ) -> Result<(), VaultError> {
        let mut rest: Vec<(ObjectName, SeenRecord)> = seen.into_iter().collect();
        rest.sort_unstable_by_key(|(name, _)| *name); // by time, as pages of histories are
        for (name, seen) in rest {
            if gathered.candidates.contains_key(&seen.id) {
                continue;
            }
            let listed = listing.records.contains_key(&name);
            if listed && gathered.past.covered.contains_key(&seen.id) {
                gathered.remembered.push(remembered_commit(&seen)?);
                continue;
            }
            let ObjectName::Record { lamport, .. } = name else { continue };
            let past = &gathered.past;
            if past.histories.find(&self.source(&past.segments), lamport, &seen.id)?.is_some() {
                gathered.folded.push(seen.name);
                continue;
            }
            // A listing may lag behind what was seen in another.
            match self.objects.io.size(&name.to_string())? {
                Some(size) if size != seen.object.size && !self.demands.salvage => {
                    return Err(VaultError::damaged(name, "it has another size than it had when it was read before"));
                }
                Some(size) if size == seen.object.size && !waiting.contains(&name.id()) => {
                    self.objects.know_log(name, size);
                    let candidate = Candidate { commit: remembered_commit(&seen)?, fault: None };
                    gathered.candidates.insert(seen.id, candidate);
                }
                _ => {
                    if self.demands.salvage {
                        // What it said is known, and perhaps this machine has a copy of its body.
                        self.objects.know_log(name, seen.object.size);
                        let candidate = Candidate { commit: remembered_commit(&seen)?, fault: None };
                        gathered.candidates.insert(seen.id, candidate);
                    }
                    gathered.lost.push(seen);
                }
            }
        }
        Ok(())
    }

    /// What is known of parents of candidates that are none themselves.
    fn known(&self, gathered: &Gathered) -> Result<HashMap<CommitId, Facts>, VaultError> {
        let (past, mut known) = (&gathered.past, HashMap::new());
        for candidate in gathered.candidates.values() {
            let record = &candidate.commit.record;
            for parent in parents(record).filter(|id| !gathered.candidates.contains_key(id)) {
                let facts = match past.facts(&parent) {
                    Some(facts) => Some(facts),
                    None => {
                        let span = 0..=record.lamport.saturating_sub(1);
                        let source = self.source(&past.segments);
                        past.histories.search(&source, span, |entry| entry.id == parent)?.map(|entry| entry.facts())
                    }
                };
                known.extend(facts.map(|facts| (parent, facts)));
            }
        }
        Ok(known)
    }
}

fn remembered_commit(seen: &SeenRecord) -> Result<Commit, VaultError> {
    let record = Record::decode(&seen.record)?;
    Ok(Commit { id: seen.id, writer: seen.writer, record, object: seen.object, directory: seen.directory.clone() })
}

pub(super) fn resolved(place: &Place, origin: &ObjectRef) -> ResolvedPlace {
    let object = match place.holder {
        Holder::SameObject => *origin,
        Holder::Object(object) => object,
    };
    ResolvedPlace { object, location: place.location }
}
