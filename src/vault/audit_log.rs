//! Reading the whole log to see that all of it is what it should be: [`Vault::audit_log`].
//!
//! Opening a vault believes what summaries and histories tell of records that need not be read. This reads them all, folded
//! ones too, and holds against them what was told.

use std::collections::{HashMap, HashSet};

use super::error::VaultError;
use super::history::{Facts, Loaded, Source};
use super::judge::role_in;
use super::log::{Commit, View, parents};
use super::open::Vault;
use crate::crypto::{self, Label};
use crate::format::access::Role;
use crate::format::hints::ObjectRef;
use crate::format::record::{Attribute, Record};
use crate::format::summary::{Brief, Folded, Last, PageRef, Signed, Summary};
use crate::history::source::ResolvedPlace;
use crate::id::{BlobId, CommitId, ObjectId, WriterId};

impl Vault {
    /// Reads every record, folded ones too, and tells what is wrong: with signatures, with links, with what summaries and
    /// histories claim or leave out.
    ///
    /// # Errors
    /// The remote's, or the run is cancelled.
    pub fn audit_log(&self, problem: &mut dyn FnMut(String)) -> Result<(), VaultError> {
        let view = self.view();
        let segments = view.segment_refs();
        let mut audit = Audit {
            vault: self,
            view: &view,
            source: self.history_source(&segments),
            records: HashMap::new(),
            pages: HashMap::new(),
            problem,
        };
        let told = audit.live()?;
        audit.folded()?;
        audit.links();
        for (commit, id, place) in told {
            self.checkpoint()?;
            audit.summary(&commit, &id, place.as_ref())?;
        }
        audit.histories();
        Ok(())
    }
}

/// A summary that is to be looked at: by whom, its blob, and where that lies.
type Told = (Commit, BlobId, Option<ResolvedPlace>);

/// What was read of a record.
struct Known {
    facts: Facts,
    parents: Vec<CommitId>,
    added: Vec<ObjectId>,
    superseded: Vec<ObjectId>,
    /// What a summary would say, if the record is not folded.
    brief: Option<Brief>,
}

struct Audit<'a> {
    vault: &'a Vault,
    view: &'a View,
    source: Source<'a>,
    records: HashMap<CommitId, Known>,
    /// The records of each page that was read.
    pages: HashMap<BlobId, Vec<CommitId>>,
    problem: &'a mut dyn FnMut(String),
}

impl Audit<'_> {
    /// The records that are in no history. Gives the summaries that they carry.
    fn live(&mut self) -> Result<Vec<Told>, VaultError> {
        let mut told = Vec::new();
        for brief in self.view.live() {
            self.vault.checkpoint()?;
            let Some(commit) = self.noted(|audit| audit.vault.record_of(&brief.id))? else { continue };
            let summary = commit.record.attribute(Attribute::HISTORY).map(Attribute::as_history);
            self.records.insert(brief.id, known(&commit.record, commit.brief()));
            if let Some(Ok((id, place))) = summary {
                let place = place.map(|place| super::load::resolved(&place, &commit.object));
                told.push((commit, id, place));
            }
        }
        Ok(told)
    }

    /// The records in the histories.
    fn folded(&mut self) -> Result<(), VaultError> {
        for (page, place) in self.view.past.histories.pages_by_time() {
            self.vault.checkpoint()?;
            self.page(&page, place.as_ref())?;
        }
        Ok(())
    }

    fn page(&mut self, page: &PageRef, place: Option<&ResolvedPlace>) -> Result<(), VaultError> {
        if self.pages.contains_key(&page.id) {
            return Ok(());
        }
        let read = self.noted(|audit| audit.view.past.histories.page(&audit.source, page, place))?;
        let Some(entries) = read else { return Ok(()) };
        self.pages.insert(page.id, entries.iter().map(|entry| entry.id).collect());
        if entries.len() as u64 != page.records {
            self.tell(format!("page {} of the log's history does not hold what it should", page.id.short()));
        }
        let access = self.vault.access();
        for entry in entries.iter() {
            let record = &entry.record;
            let body = access.version(record.access_n, &record.access);
            let role = body.and_then(|body| role_in(body, &record.writer_sign));
            let Signed { record: bytes, signature } = &entry.signed;
            let signed = crypto::verify(&record.writer_sign, Label::Commit, &self.vault.id, bytes, signature);
            if !signed || role < Some(Role::Writer) || !(page.first..=page.last).contains(&record.lamport) {
                self.tell(format!("folded commit {} is not one that a member has made", entry.id.short()));
            }
            let (parents, facts) = (parents(record).collect(), entry.facts());
            let (added, superseded) = segments_of(record);
            self.records.entry(entry.id).or_insert(Known { facts, parents, added, superseded, brief: None });
        }
        Ok(())
    }

    /// Every record follows others as it should, and has its number for itself.
    fn links(&mut self) {
        let mut places: HashMap<(WriterId, u64), CommitId> = HashMap::new();
        let mut found = Vec::new();
        for Known { facts, parents, .. } in self.records.values() {
            let id = facts.id.short();
            let before: Vec<Facts> = parents.iter().filter_map(|id| Some(self.records.get(id)?.facts)).collect();
            if before.len() < parents.len() {
                found.push(format!("commit {id} follows one that neither the log nor its history has"));
            } else if facts.lamport != before.iter().map(|facts| facts.lamport).max().unwrap_or(0) + 1 {
                found.push(format!("commit {id} is not in its place in time"));
            }
            let other = *places.entry((facts.writer, facts.seq)).or_insert(facts.id);
            if other != facts.id && !self.view.retired().contains_key(&facts.writer) {
                found.push(format!("commits {id} and {} are one number of one writer", other.short()));
            }
        }
        found.sort_unstable();
        found.into_iter().for_each(|text| self.tell(text));
    }

    /// A summary tells of all that its record follows, of nothing else, and of each as it is.
    fn summary(&mut self, by: &Commit, id: &BlobId, place: Option<&ResolvedPlace>) -> Result<(), VaultError> {
        let name = format!("the summary of commit {} by `{}`", by.id.short(), by.record.writer_label);
        let Some(blob) = self.noted(|audit| audit.source.read(id, place))? else { return Ok(()) };
        let Ok(summary) = Summary::decode(&blob.canonical) else {
            self.tell(format!("{name} is malformed"));
            return Ok(());
        };
        let mut told: HashSet<CommitId> = HashSet::new();
        let places = blob.places(summary.histories.len());
        for (id, place) in summary.histories.iter().zip(places) {
            let Some(history) = self.noted(|audit| Loaded::read(&audit.source, id, place))? else { continue };
            for (page, place) in history.root.pages.iter().zip(&history.places) {
                self.page(page, place.as_ref())?;
                told.extend(self.pages.get(&page.id).into_iter().flatten());
            }
        }
        let before = self.ancestry(by);
        for brief in &summary.live {
            told.insert(brief.id);
            let short = brief.id.short();
            if !before.contains(&brief.id) {
                self.tell(format!("{name} tells of commit {short}, which that commit does not follow"));
            } else if !self.records.get(&brief.id).is_some_and(|known| known.is_told(brief)) {
                self.tell(format!("{name} tells of commit {short} what that does not say"));
            }
        }
        let mut left_out: Vec<&CommitId> = before.iter().filter(|id| !told.contains(id)).collect();
        left_out.sort_unstable();
        let left_out: Vec<String> = left_out
            .iter()
            .map(|id| format!("{name} leaves out commit {}, which that commit follows", id.short()))
            .collect();
        left_out.into_iter().for_each(|text| self.tell(text));
        self.segments(&name, &before, &summary.segments);
        Ok(())
    }

    /// The segments that a summary names are those that the records before it have added and not superseded.
    fn segments(&mut self, name: &str, before: &HashSet<CommitId>, told: &[ObjectRef]) {
        let records: Vec<&Known> = before.iter().filter_map(|id| self.records.get(id)).collect();
        let gone: HashSet<&ObjectId> = records.iter().flat_map(|known| &known.superseded).collect();
        let added: HashSet<ObjectId> =
            records.iter().flat_map(|known| &known.added).filter(|id| !gone.contains(id)).copied().collect();
        let told: HashSet<ObjectId> = told.iter().map(|segment| segment.id).collect();
        for id in added.difference(&told) {
            self.tell(format!("{name} leaves out index segment {id}"));
        }
        for id in told.difference(&added) {
            self.tell(format!("{name} names index segment {id}, which is not in force there"));
        }
    }

    /// What histories say of records is so.
    fn histories(&mut self) {
        let histories = &self.view.past.histories;
        let folded: HashSet<CommitId> = self.pages.values().flatten().copied().collect();
        let superseded: HashSet<ObjectId> = self.records.values().flat_map(|known| known.superseded.clone()).collect();
        let mut found = Vec::new();
        for Folded { id, writer, seq, lamport, access_n, .. } in histories.waiting() {
            let facts =
                Facts { id: *id, writer: *writer, seq: *seq, lamport: *lamport, access_n: *access_n, closed: false };
            match self.records.get(id).filter(|_| folded.contains(id)) {
                None => found.push(format!("commit {} is said to be folded, but no history has it", id.short())),
                Some(known) if !same(&known.facts, &facts) => {
                    found.push(format!("the log's history tells of commit {} what that does not say", id.short()));
                }
                Some(_) => {}
            }
        }
        for Last { writer, id, seq, lamport, access_n } in histories.writers() {
            let facts =
                Facts { id: *id, writer: *writer, seq: *seq, lamport: *lamport, access_n: *access_n, closed: false };
            if !self.records.get(id).is_some_and(|known| same(&known.facts, &facts)) {
                found.push(format!("the log's history tells of commit {} what that does not say", id.short()));
            }
        }
        for id in histories.superseded().filter(|id| !superseded.contains(*id)) {
            found.push(format!("the log's history calls index segment {id} superseded, but no commit does"));
        }
        found.into_iter().for_each(|text| self.tell(text));
    }

    /// What a commit follows, as far as it is at hand.
    fn ancestry(&self, commit: &Commit) -> HashSet<CommitId> {
        let mut seen = HashSet::new();
        let mut open: Vec<CommitId> = parents(&commit.record).collect();
        while let Some(id) = open.pop() {
            if let Some(known) = self.records.get(&id)
                && seen.insert(id)
            {
                open.extend(&known.parents);
            }
        }
        seen
    }

    /// What was read; what is damaged or missing is told.
    fn noted<T>(&mut self, read: impl FnOnce(&Self) -> Result<T, VaultError>) -> Result<Option<T>, VaultError> {
        match read(self) {
            Ok(done) => Ok(Some(done)),
            Err(error @ (VaultError::Damaged { .. } | VaultError::Missing { .. } | VaultError::Limit(_))) => {
                self.tell(error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn tell(&mut self, text: String) {
        (self.problem)(text);
    }
}

impl Known {
    /// Whether a summary tells of the record what it says. The object may be another: whoever can read can seal it again.
    fn is_told(&self, brief: &Brief) -> bool {
        match self.brief {
            Some(own) => Brief { object: own.object, ..*brief } == own,
            None => same(&self.facts, &Facts::from(brief)) && self.facts.closed == brief.closed,
        }
    }
}

fn known(record: &Record, brief: Brief) -> Known {
    let (added, superseded) = segments_of(record);
    Known { facts: Facts::from(&brief), parents: parents(record).collect(), added, superseded, brief: Some(brief) }
}

fn segments_of(record: &Record) -> (Vec<ObjectId>, Vec<ObjectId>) {
    (record.segments_added.iter().map(|segment| segment.id).collect(), record.segments_superseded.clone())
}

/// The same record, whatever is known of its end.
fn same(a: &Facts, b: &Facts) -> bool {
    Facts { closed: false, ..*a } == Facts { closed: false, ..*b }
}
