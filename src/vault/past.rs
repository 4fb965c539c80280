//! Records that need not be read to open a vault, read when somebody asks for them: [`Vault::record_of`] and
//! [`Vault::newest`].

use std::collections::{BTreeMap, HashSet};

use super::error::VaultError;
use super::history::{Entry, Facts, Source};
use super::log::Commit;
use super::open::Vault;
use super::verify_record::Verifier;
use crate::format::hints::ObjectRef;
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
}
