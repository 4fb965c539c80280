//! What is to be kept of the history, as members have stated it (docs/format.md, section 10.2): policy, pins, tags, and
//! commits that an admin does not want. What follows from them is decided in `history::retention`.
//!
//! Statements only ever come from records that count. Whoever may write may give names; all else is an admin's.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::error::VaultError;
use super::log::{Commit, parents};
use super::open::Vault;
use super::statement::one_of;
use crate::format::access::Role;
use crate::format::key::{TreeKey, subtree_range};
use crate::format::limits::STATEMENTS_MAX;
use crate::format::policy::{Policy, Rule, Scope};
use crate::format::record::{Attribute, RecordKind};
use crate::format::statement::{Forget, Mark, MarkKind};
use crate::history::cursor::{Cursor, get};
use crate::history::diff::Diff;
use crate::history::retention::Candidate;
use crate::history::source::Root;
use crate::id::CommitId;
use crate::path::TreePath;

/// A policy that an admin has stated.
#[derive(Debug, Clone)]
pub struct StatedPolicy {
    /// The policy.
    pub policy: Policy,
    /// The commit that says so.
    pub by: Commit,
}

/// Names of commits.
pub type Names = BTreeMap<CommitId, BTreeSet<String>>;

impl Vault {
    /// The retention policy in force.
    pub fn policy(&self) -> Policy {
        self.stated_policy().map(|stated| stated.policy).unwrap_or_default()
    }

    /// The policy that was stated last, if any was.
    pub fn stated_policy(&self) -> Option<StatedPolicy> {
        let mut said = self.said(Attribute::POLICY);
        said.retain(|(_, _, role)| *role == Role::Admin);
        let (by, attribute, _) = said.pop()?;
        Some(StatedPolicy { policy: attribute.as_policy().ok()?, by })
    }

    /// The pins in force: commits that are kept whatever the policy says. Names may be empty.
    pub fn pins(&self) -> Names {
        self.names(MarkKind::Pin)
    }

    /// The tags in force, by commit.
    pub fn tags(&self) -> Names {
        self.names(MarkKind::Tag)
    }

    /// Commits that an admin does not want, with the commit that says so.
    pub fn forget_requests(&self) -> BTreeMap<CommitId, CommitId> {
        let mut wanted = BTreeMap::new();
        for (by, attribute, role) in self.said(Attribute::FORGET) {
            for one in attribute.as_forget().unwrap_or_default() {
                match (role, one.unwanted) {
                    (Role::Admin, true) => wanted.insert(one.commit, by.id),
                    (Role::Admin, false) => wanted.remove(&one.commit),
                    _ => None,
                };
            }
        }
        wanted
    }

    /// All commits that a policy may speak of, newest first: those that say something about others are not among them.
    ///
    /// # Errors
    /// The remote's, or a record is not what it should be.
    pub fn candidates(&self) -> Result<Vec<Candidate>, VaultError> {
        self.candidates_for(&self.policy())
    }

    /// The same for another policy, which may speak of other paths.
    ///
    /// # Errors
    /// As for [`Vault::candidates`].
    pub fn candidates_for(&self, policy: &Policy) -> Result<Vec<Candidate>, VaultError> {
        let (pins, tags, unwanted) = (self.pins(), self.tags(), self.forget_requests());
        let view = self.view();
        let heads = self.shown_by(view.heads().iter().copied())?;
        let open = view.writers().into_iter().filter_map(|writer| view.last_of(&writer));
        let last = self.shown_by(open.filter(|last| !last.closed).map(|last| last.id))?;
        let named = |names: &Names, id: &CommitId| names.get(id).cloned().unwrap_or_default();
        let path = |rule: &Rule| match &rule.scope {
            Scope::Path(path) => Some(path.clone()),
            Scope::All | Scope::Tag(_) => None,
        };
        let paths: Vec<TreePath> = policy.rules.iter().filter_map(path).collect();
        let candidate = |commit: Commit| Candidate {
            tags: named(&tags, &commit.id),
            pins: named(&pins, &commit.id),
            touched: HashSet::new(),
            head: heads.contains(&commit.id),
            last: last.contains(&commit.id),
            unwanted: unwanted.contains_key(&commit.id),
            id: commit.id,
            writer: commit.writer,
            signer: commit.record.writer_sign,
            seq: commit.record.seq,
            lamport: commit.record.lamport,
            time: commit.record.time,
            operation: commit.record.operation,
        };
        let mut candidates = Vec::new();
        for commit in self.newest(usize::MAX, is_candidate)? {
            if self.forgotten_by(&commit)?.is_some() {
                continue;
            }
            let mut touched = HashSet::new();
            for path in &paths {
                if self.touches(&commit, path)? {
                    touched.insert(path.clone());
                }
            }
            candidates.push(Candidate { touched, ..candidate(commit) });
        }
        Ok(candidates)
    }

    /// Whether a commit has another entry at a path, or others below it, than each of those it follows. What can't be read any
    /// more counts as another.
    fn touches(&self, commit: &Commit, path: &TreePath) -> Result<bool, VaultError> {
        let before: BTreeSet<CommitId> = parents(&commit.record).collect();
        if before.is_empty() {
            return Ok(commit.record.root.totals.entries > 0);
        }
        for parent in before {
            let parent = self.record_of(&parent)?;
            match self.differs(&parent.root(), &commit.root(), path) {
                Ok(true) | Err(VaultError::Missing { .. }) => {}
                other => return other,
            }
        }
        Ok(true)
    }

    fn differs(&self, old: &Root, new: &Root, path: &TreePath) -> Result<bool, VaultError> {
        if old.id == new.id {
            return Ok(false);
        }
        if let Some(key) = TreeKey::from_path(path) {
            let entry = |root| Ok::<_, VaultError>(get(self, root, &key)?.map(|found| found.entry));
            if entry(old)? != entry(new)? {
                return Ok(true);
            }
        }
        let cursor = |root| Cursor::range(self, root, subtree_range(path));
        Ok(Diff::new(cursor(old)?, cursor(new)?).next().transpose()?.is_some())
    }

    /// The commits whose trees these records show: themselves, or what they follow without changing anything.
    fn shown_by(&self, ids: impl Iterator<Item = CommitId>) -> Result<HashSet<CommitId>, VaultError> {
        let (mut shown, mut seen) = (HashSet::new(), HashSet::new());
        let mut open: Vec<(CommitId, Option<_>)> = ids.map(|id| (id, None)).collect();
        while let Some((id, root)) = open.pop() {
            if !seen.insert((id, root)) {
                continue;
            }
            let commit = self.record_of(&id)?;
            if root.is_some_and(|root| root != commit.record.root.id) {
                continue;
            }
            if is_candidate(&commit) {
                shown.insert(id);
            } else {
                open.extend(parents(&commit.record).map(|parent| (parent, Some(commit.record.root.id))));
            }
        }
        Ok(shown)
    }

    /// The commit whose id begins with `prefix`, or that bears it as a name; `latest` is the newest.
    ///
    /// # Errors
    /// There is none or more than one; the remote's.
    pub fn commit_named(&self, prefix: &str) -> Result<Commit, VaultError> {
        if prefix == NEWEST {
            let newest = self.newest(1, is_candidate)?.pop();
            return newest.ok_or_else(|| VaultError::Named("there is no commit yet".to_owned()));
        }
        let mut named: BTreeSet<CommitId> = BTreeSet::new();
        for names in [self.pins(), self.tags()] {
            named.extend(names.into_iter().filter(|(_, names)| names.contains(prefix)).map(|(id, _)| id));
        }
        match (named.len(), named.first()) {
            (1, Some(id)) => self.record_of(id),
            (0, _) => {
                let commits = self.newest(usize::MAX, is_candidate)?;
                let id = one_of(prefix, commits.iter().map(|commit| commit.id), "commit")?;
                self.record_of(&id)
            }
            (count, _) => Err(VaultError::Named(format!("{count} commits are called `{prefix}`: give the id of one"))),
        }
    }

    /// States a policy.
    ///
    /// # Errors
    /// The key at hand is no admin's; the remote or the local state fails.
    pub fn state_policy(&self, policy: &Policy, operation: &str) -> Result<CommitId, VaultError> {
        self.state_that(&[Attribute::policy(policy)], operation, Role::Admin)
    }

    /// Gives names to commits or takes them. The last commit that says so.
    ///
    /// # Errors
    /// The key at hand may not do that; the remote or the local state fails.
    pub fn mark(&self, mut marks: Vec<Mark>, operation: &str) -> Result<Option<CommitId>, VaultError> {
        let needs = if marks.iter().all(|mark| mark.given) { Role::Writer } else { Role::Admin };
        marks.sort_unstable();
        marks.dedup();
        let mut said = None;
        for part in marks.chunks(STATEMENTS_MAX) {
            said = Some(self.state_that(&[Attribute::marks(part)], operation, needs)?);
        }
        Ok(said)
    }

    /// Says by hand of commits that they shall be forgotten, or not after all. The last commit that says so.
    ///
    /// # Errors
    /// The key at hand is no admin's; the remote or the local state fails.
    pub fn forget(
        &self,
        commits: &BTreeSet<CommitId>,
        unwanted: bool,
        operation: &str,
    ) -> Result<Option<CommitId>, VaultError> {
        let all: Vec<Forget> = commits.iter().map(|id| Forget { commit: *id, unwanted }).collect();
        let mut said = None;
        for part in all.chunks(STATEMENTS_MAX) {
            said = Some(self.state_that(&[Attribute::forget(part)], operation, Role::Admin)?);
        }
        Ok(said)
    }

    fn names(&self, kind: MarkKind) -> Names {
        let mut names = Names::new();
        for (_, attribute, role) in self.said(Attribute::MARKS) {
            for mark in attribute.as_marks().unwrap_or_default().into_iter().filter(|mark| mark.kind == kind) {
                let of_commit = names.entry(mark.commit).or_default();
                if mark.given {
                    of_commit.insert(mark.name);
                } else if role == Role::Admin {
                    of_commit.remove(&mark.name);
                }
            }
        }
        names.retain(|_, names| !names.is_empty());
        names
    }

    /// The attributes of this kind of all records that count, oldest first, each with the role that its key had.
    fn said(&self, tag: u64) -> Vec<(Commit, Attribute, Role)> {
        let (view, access) = (self.view(), self.access());
        let role = |commit: &Commit| {
            let body = access.version(commit.record.access_n, &commit.record.access)?;
            super::judge::role_in(body, &commit.record.writer_sign)
        };
        let oldest_first = view.newest_first().into_iter().rev();
        let said = oldest_first
            .filter_map(|commit| Some((commit.clone(), commit.record.attribute(tag)?.clone(), role(commit)?)));
        said.filter(|(_, _, role)| *role >= Role::Writer).collect()
    }
}

/// Whether a policy may speak of a commit.
fn is_candidate(commit: &Commit) -> bool {
    commit.record.kind == RecordKind::Commit && !commit.record.is_apart()
}

/// What the newest commit is called everywhere.
const NEWEST: &str = "latest";
