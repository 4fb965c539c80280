//! The vault as it was: which commits a moment means, and the tree that they come to. Start at [`Vault::until`].
//!
//! Owns finding them; what somebody types for a moment is read in `cli`, and looked up in `ops`.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use super::error::VaultError;
use super::log::{Commit, parents};
use super::open::Vault;
use super::overlay::Unrecorded;
use super::session::Session;
use crate::format::pack::FrameCoder;
use crate::format::record::RecordKind;
use crate::history::editor::apply_edits;
use crate::history::merge::{Side, merge};
use crate::history::source::{NodeSource, Root};
use crate::id::{BlobId, BlobKind, CommitId, WriterId};
use crate::world::Timestamp;

/// What the log was at a moment.
#[derive(Debug, Clone, Default)]
pub struct Until {
    /// The records that no other record up to then follows, ascending.
    pub heads: Vec<CommitId>,
    /// When the first commit of all was made, if there is one.
    pub first: Option<Timestamp>,
}

/// What finding a moment needs of a record.
struct Step {
    id: CommitId,
    rank: (u64, WriterId),
    time: Timestamp,
    is_commit: bool,
    parents: Vec<CommitId>,
}

impl Vault {
    /// What the log was at `time`: all records whose effective time is not later. Whatever a record follows is in it too, so
    /// that every machine with the same log comes to the same.
    ///
    /// # Errors
    /// A record can't be read.
    pub fn until(&self, time: Timestamp) -> Result<Until, VaultError> {
        let now = self.world.clock.now();
        let mut steps = self.steps()?;
        steps.sort_unstable_by_key(|step| (step.rank, step.id));
        let mut times: HashMap<CommitId, Timestamp> = HashMap::with_capacity(steps.len());
        let mut until = Until::default();
        let mut heads = HashSet::new();
        for step in &steps {
            let before = step.parents.iter().filter_map(|parent| times.get(parent)).max();
            let own = before.map_or(step.time, |before| step.time.max(*before));
            times.insert(step.id, own);
            if step.is_commit {
                until.first = Some(until.first.map_or(own, |first| first.min(own)).min(now));
            }
            if own.min(now) <= time {
                heads.retain(|head| !step.parents.contains(head));
                heads.insert(step.id);
            }
        }
        until.heads = heads.into_iter().collect();
        until.heads.sort_unstable();
        Ok(until)
    }

    fn steps(&self) -> Result<Vec<Step>, VaultError> {
        let steps = RefCell::new(Vec::new());
        self.newest(1, |commit| {
            let (record, rank) = (&commit.record, commit.rank());
            let is_commit = record.kind == RecordKind::Commit;
            let parents = parents(record).collect();
            steps.borrow_mut().push(Step { id: commit.id, rank, time: record.time, is_commit, parents });
            false
        })?;
        Ok(steps.into_inner())
    }

    /// The tree that these commits come to: that of the one, or what several are merged to.
    ///
    /// # Errors
    /// A tree can't be read, or there are too many.
    pub fn tree_of(&self, commits: &[CommitId]) -> Result<Option<Root>, VaultError> {
        let mut sorted = commits.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        self.merged_tree(&sorted)
    }

    /// The tree that a commit was made from: what its parents come to.
    ///
    /// # Errors
    /// As for [`Vault::tree_of`].
    pub fn tree_before(&self, commit: &Commit) -> Result<Option<Root>, VaultError> {
        self.tree_of(&parents(&commit.record).collect::<Vec<_>>())
    }

    /// The newest tree without what a commit has done: merged with what was there before it. Later work stays.
    ///
    /// # Errors
    /// A tree can't be read.
    pub fn tree_without(&self, commit: &Commit) -> Result<Option<Root>, VaultError> {
        let Some(ours) = self.root()? else { return Ok(None) };
        let view = self.view();
        let newest = view.heads().iter().filter_map(|id| view.commit(id)).max_by_key(|head| (head.rank(), head.id));
        let Some(newest) = newest else { return Ok(None) };
        let store = Unrecorded(self);
        let before = match self.tree_before(commit)? {
            Some(before) => before,
            None => apply_edits(&store, None, std::iter::empty())?,
        };
        let (label, time) = (&commit.record.writer_label, commit.record.time);
        // What is there now keeps its name.
        let ours = Side {
            root: &ours,
            rank: (u64::MAX, newest.writer),
            time: newest.record.time,
            label: &newest.record.writer_label,
            commit: newest.id,
        };
        let before = Side { root: &before, rank: (0, commit.writer), time, label, commit: commit.id };
        merge(&store, Some(&commit.root()), &ours, &before).map(Some)
    }

    /// The newest commit that a record follows, past records that change no tree.
    ///
    /// # Errors
    /// A record can't be read.
    pub fn commit_before(&self, commit: &Commit) -> Result<Option<Commit>, VaultError> {
        let mut at = commit.clone();
        loop {
            let before = parents(&at.record).map(|id| self.record_of(&id)).collect::<Result<Vec<_>, _>>()?;
            match before.into_iter().max_by_key(|commit| (commit.rank(), commit.id)) {
                None => return Ok(None),
                Some(found) if found.record.kind == RecordKind::Commit => return Ok(Some(found)),
                Some(found) => at = found,
            }
        }
    }

    /// Commits whose ids begin with `prefix`, newest first, at most `limit`. Only folded records are read for it.
    ///
    /// # Errors
    /// A record can't be read.
    pub fn beginning_with(&self, prefix: &str, limit: usize) -> Result<Vec<Commit>, VaultError> {
        let (view, mut found) = (self.view(), Vec::new());
        let begins = |id: &CommitId| id.to_string().starts_with(prefix);
        let mut take = |commit: Commit| {
            let known = found.iter().any(|known: &Commit| known.id == commit.id);
            if commit.record.kind == RecordKind::Commit && !known {
                found.push(commit);
            }
            found.len() >= limit
        };
        for brief in view.live().iter().rev().filter(|brief| begins(&brief.id)) {
            if take(self.record_of(&brief.id)?) {
                return Ok(found);
            }
        }
        let segments = view.segment_refs();
        let source = self.history_source(&segments);
        for (page, place) in view.past.histories.pages_by_time() {
            for entry in view.past.histories.page(&source, &page, place.as_ref())?.iter().rev() {
                if begins(&entry.id) && take(entry.commit()) {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    /// From now on this is the tree that commands look at. Nothing can be written then.
    pub fn show_tree(&self, root: Option<Root>) {
        self.shown.set(root).unwrap_or_default(); // a vault is opened for one moment
    }

    /// The tree that commands look at: the newest, unless another was asked for.
    ///
    /// # Errors
    /// A tree can't be read.
    pub fn shown_root(&self) -> Result<Option<Root>, VaultError> {
        match self.shown.get() {
            Some(root) => Ok(*root),
            None if self.forgives() => self.root_left(),
            None => self.root(),
        }
    }

    /// Whether the top of a tree is there.
    ///
    /// # Errors
    /// The remote's.
    pub fn has_tree(&self, root: &Root) -> Result<bool, VaultError> {
        match self.read(BlobKind::Node, &root.id, root.place.as_ref()) {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Refuses to write to a vault that shows an older tree.
    pub(super) fn must_be_now(&self) -> Result<(), VaultError> {
        match self.shown.get() {
            None => Ok(()),
            Some(_) => Err(VaultError::Refused("a vault that is looked at as it was can't be written to".to_owned())),
        }
    }
}

impl Session {
    /// Makes sure that a chunk is stored that something of the past refers to: one that no commit in force has is read and
    /// stored again.
    ///
    /// # Errors
    /// As for [`Session::store_chunk`], or the chunk is gone.
    pub fn keep_chunk(&self, id: &BlobId, len: u64, coder: &mut FrameCoder) -> Result<(), VaultError> {
        if !self.shared.claim(id)? {
            self.shared.stats.deduplicated.fetch_add(len, Ordering::Relaxed);
            return Ok(());
        }
        let chunk = self.shared.vault.chunk(id, None, len)?;
        self.append_chunk(*id, &chunk, coder)
    }
}
