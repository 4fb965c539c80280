//! Records that need not be read to open a vault, read when somebody asks for them: [`Vault::record_of`] and
//! [`Vault::newest`].

use std::collections::{BTreeMap, HashMap, HashSet};

use super::error::VaultError;
use super::history::{Entry, Facts, Source};
use super::judge::role_in;
use super::log::{Commit, View, parents};
use super::open::Vault;
use super::verify_record::Verifier;
use crate::crypto::{self, Label};
use crate::format::access::Role;
use crate::format::hints::ObjectRef;
use crate::format::summary::Signed;
use crate::id::{CommitId, WriterId};

impl Vault {
    /// A commit in the ancestry of the heads: from the view, from the log, or from the folded history.
    ///
    /// # Errors
    /// [`VaultError::Missing`] if there is none with this id; the remote's.
    pub fn record_of(&self, id: &CommitId) -> Result<Commit, VaultError> {
        let view = self.view();
        if let Some(commit) = view.commit(id) {
            return Ok(commit.clone());
        }
        if let Some(brief) = view.past.covered.get(id) {
            let access = self.access();
            let verifier = Verifier { objects: &self.objects, access: &access, vault: &self.id };
            return verifier.covered(brief);
        }
        let span = match view.past.histories.facts(id) {
            Some(facts) => facts.lamport..=facts.lamport,
            None => 0..=u64::MAX,
        };
        let segments = view.segment_refs();
        let found = view.past.histories.search(&self.history_source(&segments), span, |entry| entry.id == *id)?;
        let entry = found.ok_or_else(|| VaultError::Missing { what: format!("commit {}", id.short()) })?;
        Ok(entry.commit())
    }

    /// Whether a commit is a head or in the ancestry of one.
    ///
    /// # Errors
    /// The remote's.
    pub fn has_commit(&self, id: &CommitId) -> Result<bool, VaultError> {
        let view = self.view();
        if view.facts(id).is_some() {
            return Ok(true);
        }
        let segments = view.segment_refs();
        let source = self.history_source(&segments);
        Ok(view.past.histories.search(&source, 0..=u64::MAX, |entry| entry.id == *id)?.is_some())
    }

    /// The last record of each writer, newest first; of writers whose log has ended and is folded, none.
    ///
    /// # Errors
    /// As for [`Vault::newest`].
    pub fn last_records(&self) -> Result<Vec<Commit>, VaultError> {
        let view = self.view();
        let mut last: BTreeMap<WriterId, Facts> = BTreeMap::new();
        let folded = view.past.histories.writers().map(Facts::from);
        for facts in view.live().iter().map(Facts::from).chain(folded) {
            let known = last.entry(facts.writer).or_insert(facts);
            if facts.seq > known.seq {
                *known = facts;
            }
        }
        let mut commits = last.into_values().map(|facts| self.record_of(&facts.id)).collect::<Result<Vec<_>, _>>()?;
        commits.sort_unstable_by_key(|commit| std::cmp::Reverse((commit.record.lamport, commit.writer)));
        Ok(commits)
    }

    /// The commits of the log that are `wanted`, newest first, at most `limit`: reads no further than that.
    ///
    /// # Errors
    /// The remote's, or a record is not what it should be.
    pub fn newest(&self, limit: usize, wanted: impl Fn(&Commit) -> bool) -> Result<Vec<Commit>, VaultError> {
        let view = self.view();
        let segments = view.segment_refs();
        let source = self.history_source(&segments);
        // By time, then writer: what is known by name alone waits here until it is the newest.
        let mut queue: BTreeMap<(u64, WriterId, CommitId), Option<Entry>> =
            view.live().iter().map(|brief| ((brief.lamport, brief.writer, brief.id), None)).collect();
        let mut pages = view.past.histories.pages_by_time().into_iter().peekable();
        let (mut newest, mut given) = (Vec::new(), HashSet::new());
        while newest.len() < limit {
            let next = queue.last_key_value().map_or(0, |(key, _)| key.0);
            if let Some((page, place)) = pages.next_if(|(page, _)| queue.is_empty() || page.last >= next) {
                for entry in view.past.histories.page(&source, &page, place.as_ref())?.iter() {
                    let key = (entry.record.lamport, entry.writer(), entry.id);
                    queue.entry(key).or_insert_with(|| Some(entry.clone()));
                }
                continue;
            }
            let Some(((_, _, id), entry)) = queue.pop_last() else { break };
            if given.insert(id) {
                let commit = match entry {
                    Some(entry) => entry.commit(),
                    None => self.record_of(&id)?,
                };
                newest.extend(Some(commit).filter(&wanted));
            }
        }
        Ok(newest)
    }

    pub(super) fn history_source<'s>(&'s self, segments: &'s [ObjectRef]) -> Source<'s> {
        Source { objects: &self.objects, state: &self.state, vault: &self.id, segments }
    }

    /// Reads every record, folded ones too, and tells what is wrong: with signatures, with links, with what summaries and
    /// histories claim.
    ///
    /// # Errors
    /// The remote's, or the run is cancelled.
    pub fn audit_log(&self, problem: &mut dyn FnMut(String)) -> Result<(), VaultError> {
        let view = self.view();
        let mut records: HashMap<CommitId, (Facts, Vec<CommitId>)> = HashMap::new();
        for brief in view.live() {
            self.checkpoint()?;
            match self.record_of(&brief.id) {
                Ok(commit) => {
                    records.insert(brief.id, (Facts::from(&commit.brief()), parents(&commit.record).collect()));
                }
                Err(error @ (VaultError::Damaged { .. } | VaultError::Missing { .. })) => problem(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        self.audit_pages(&view, &mut records, problem)?;
        let mut places: HashMap<(WriterId, u64), CommitId> = HashMap::new();
        for (facts, parents) in records.values() {
            let id = facts.id.short();
            let before: Vec<Facts> = parents.iter().filter_map(|id| records.get(id).map(|known| known.0)).collect();
            if before.len() < parents.len() {
                problem(format!("commit {id} follows one that neither the log nor its history has"));
            } else if facts.lamport != before.iter().map(|facts| facts.lamport).max().unwrap_or(0) + 1 {
                problem(format!("commit {id} is not in its place in time"));
            }
            let other = *places.entry((facts.writer, facts.seq)).or_insert(facts.id);
            if other != facts.id && !view.retired().contains_key(&facts.writer) {
                problem(format!("commits {id} and {} are one number of one writer", other.short()));
            }
        }
        for folded in view.past.histories.waiting().filter(|folded| !records.contains_key(&folded.id)) {
            problem(format!("commit {} is said to be folded, but no history has it", folded.id.short()));
        }
        Ok(())
    }

    fn audit_pages(
        &self,
        view: &View,
        records: &mut HashMap<CommitId, (Facts, Vec<CommitId>)>,
        problem: &mut dyn FnMut(String),
    ) -> Result<(), VaultError> {
        let segments = view.segment_refs();
        let source = self.history_source(&segments);
        let access = self.access();
        for (page, place) in view.past.histories.pages_by_time() {
            self.checkpoint()?;
            let entries = match view.past.histories.page(&source, &page, place.as_ref()) {
                Ok(entries) => entries,
                Err(error @ (VaultError::Damaged { .. } | VaultError::Missing { .. })) => {
                    problem(error.to_string());
                    continue;
                }
                Err(error) => return Err(error),
            };
            if entries.len() as u64 != page.records {
                problem(format!("page {} of the log's history does not hold what it should", page.id.short()));
            }
            for entry in entries.iter() {
                let record = &entry.record;
                let body = access.version(record.access_n, &record.access);
                let role = body.and_then(|body| role_in(body, &record.writer_sign));
                let Signed { record: bytes, signature } = &entry.signed;
                let signed = crypto::verify(&record.writer_sign, Label::Commit, &self.id, bytes, signature);
                if !signed || role < Some(Role::Writer) || !(page.first..=page.last).contains(&record.lamport) {
                    problem(format!("folded commit {} is not one that a member has made", entry.id.short()));
                }
                records.insert(entry.id, (entry.facts(), parents(record).collect()));
            }
        }
        Ok(())
    }
}
