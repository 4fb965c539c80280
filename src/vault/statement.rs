//! What an admin states about the records of others: that quarantined commits count, that a writer has ended. A statement
//! is an ordinary record that changes nothing else (docs/format.md, section 10.2).

use std::collections::{BTreeSet, HashSet};

use super::error::VaultError;
use super::history::Facts;
use super::log::{Commit, Quarantined, parents};
use super::open::Vault;
use super::writer::{Draft, Sent, inherited};
use crate::class::Class;
use crate::format::access::Role;
use crate::format::limits::STATEMENTS_MAX;
use crate::format::record::{Attribute, RecordKind};
use crate::format::statement::Retirement;
use crate::id::{CommitId, WriterId};

/// What an adoption would let count, or has.
#[derive(Debug)]
pub struct Adoption {
    /// The commits, oldest first.
    pub commits: Vec<Quarantined>,
    /// The commit that an admin names; those before it come with it.
    named: CommitId,
}

/// What ending a writer would keep, or has kept.
#[derive(Debug)]
pub struct Ending {
    /// The writer.
    pub writer: WriterId,
    /// The last of its commits, ascending by id.
    pub kept: Vec<Commit>,
}

impl Vault {
    /// The quarantined commit whose id begins with `prefix`, and those that it follows.
    ///
    /// # Errors
    /// There is none or more than one, or something about it cannot be mended by adopting.
    pub fn adoption(&self, prefix: &str) -> Result<Adoption, VaultError> {
        let view = self.view();
        let quarantined = view.quarantined();
        let ids = quarantined.iter().map(|one| one.commit.id);
        let named = one_of(prefix, ids, "quarantined commit")?;
        let of = |id: &CommitId| quarantined.iter().find(|one| one.commit.id == *id);
        let mut wanted = BTreeSet::new();
        let mut open = vec![named];
        while let Some(id) = open.pop() {
            let Some(one) = of(&id) else { continue };
            if !one.why.adoptable() {
                let short = id.short();
                return Err(VaultError::Untrusted(format!("commit {short} can't be adopted: {}", one.why)));
            }
            let twin = |other: &&Commit| {
                (other.writer, other.record.seq) == (one.commit.writer, one.commit.record.seq)
                    && !view.retired().contains_key(&other.writer)
            };
            if let Some(other) = view.newest_first().into_iter().find(twin) {
                return Err(VaultError::Alarm {
                    class: Class::Equivocation,
                    what: format!("commit {} has the place of commit {}", id.short(), other.id.short()),
                    details: vec!["adopting it would let one writer say two things at once".into()],
                    hint: format!("end that writer first: `cryptsync writer retire REMOTE: {}`", other.writer),
                });
            }
            if wanted.insert((one.commit.record.lamport, id)) {
                open.extend(parents(&one.commit.record));
            }
        }
        let commits = wanted.iter().filter_map(|(_, id)| of(id)).cloned().collect();
        Ok(Adoption { commits, named })
    }

    /// Lets them count.
    ///
    /// # Errors
    /// The key at hand is no admin's; the remote or the local state fails.
    pub fn adopt_commits(&self, adoption: &Adoption, operation: &str) -> Result<CommitId, VaultError> {
        self.state_that(&[Attribute::adopted(&[adoption.named])], operation, Role::Admin)
    }

    /// The writer whose id begins with `prefix`, and the commits that end its log: more than one if it has said two things
    /// at once.
    ///
    /// # Errors
    /// There is none or more than one, or it has ended already.
    pub fn ending(&self, prefix: &str) -> Result<Ending, VaultError> {
        let view = self.view();
        let writer = one_of(prefix, view.writers().into_iter(), "writer")?;
        if let Some(end) = view.retired().get(&writer) {
            let by = end.by.short();
            return Err(VaultError::Named(format!("writer {} was retired already, by commit {by}", writer.short())));
        }
        let mut own: BTreeSet<CommitId> = view.live().iter().filter(|b| b.writer == writer).map(|b| b.id).collect();
        if own.is_empty() {
            own.extend(view.last_of(&writer).map(|last| last.id));
        }
        let mut kept = own.iter().map(|id| self.record_of(id)).collect::<Result<Vec<Commit>, _>>()?;
        let followed: HashSet<CommitId> = kept.iter().filter_map(|commit| commit.record.prev).collect();
        kept.retain(|commit| !followed.contains(&commit.id));
        kept.sort_unstable_by_key(|commit| commit.id);
        if kept.len() > STATEMENTS_MAX {
            return Err(VaultError::Limit(format!("writer {} has more than {STATEMENTS_MAX} ends", writer.short())));
        }
        Ok(Ending { writer, kept })
    }

    /// Ends it.
    ///
    /// # Errors
    /// The key at hand is no admin's; the remote or the local state fails.
    pub fn retire(&self, ending: &Ending, operation: &str) -> Result<CommitId, VaultError> {
        let Ending { writer, kept } = ending;
        if self.known_writer()? == Some(*writer) {
            // Nobody ends the log that the statement stands in.
            self.state.renew_writer()?;
        }
        let kept = kept.iter().map(|commit| commit.id).collect();
        self.state_that(&[Attribute::retired(&[Retirement { writer: *writer, kept }])], operation, Role::Admin)
    }

    /// Publishes a statement on top of one head; the others stay what they are.
    pub(super) fn state_that(
        &self,
        attributes: &[Attribute],
        operation: &str,
        needs: Role,
    ) -> Result<CommitId, VaultError> {
        if needs == Role::Admin && self.access().me.role < Role::Admin {
            return Err(VaultError::Untrusted(
                "the key at hand is no admin's, so that nobody would heed what it states; ask an admin".into(),
            ));
        }
        self.ensure_joined()?;
        let lock = self.publish_lock()?;
        self.settle_pending(&lock)?;
        self.refresh()?;
        let view = self.view();
        let own = self.own_last(&view)?;
        let mut heads: Vec<&Commit> = view.heads().iter().filter_map(|id| view.commit(id)).collect();
        heads.sort_unstable_by_key(|head| std::cmp::Reverse((head.record.lamport, head.id)));
        let mut found = None;
        for head in heads {
            let fits = match &own {
                Some(own) => follows(self, head, own)?,
                None => true,
            };
            if fits {
                found = Some(head);
                break;
            }
        }
        let Some(head) = found else {
            return Err(VaultError::Untrusted("no commit in the vault counts: write something first".into()));
        };
        let draft = Draft {
            kind: RecordKind::Commit,
            root: inherited(head),
            parents: vec![head.id],
            segments_added: Vec::new(),
            segments_superseded: Vec::new(),
            body: Default::default(),
            operation,
            closed: !self.state.is_persistent(),
            attributes: attributes.to_vec(),
        };
        let Sent { id, .. } = self.send(&lock, draft)?;
        // What counts is another set now.
        self.refresh()?;
        Ok(id)
    }
}

/// Whether `commit` is `before`, or follows it.
fn follows(vault: &Vault, commit: &Commit, before: &Facts) -> Result<bool, VaultError> {
    let (mut open, mut seen) = (vec![commit.id], HashSet::new());
    while let Some(id) = open.pop() {
        if id == before.id {
            return Ok(true);
        }
        let commit = vault.record_of(&id)?;
        if commit.record.lamport > before.lamport && seen.insert(id) {
            open.extend(parents(&commit.record));
        }
    }
    Ok(false)
}

/// The one id that begins with `prefix`.
pub(super) fn one_of<T: ToString + Ord>(
    prefix: &str,
    ids: impl Iterator<Item = T>,
    what: &str,
) -> Result<T, VaultError> {
    let found: BTreeSet<T> = ids.filter(|id| id.to_string().starts_with(prefix)).collect();
    let count = found.len();
    match found.into_iter().next() {
        Some(id) if count == 1 && prefix.len() >= PREFIX_MIN => Ok(id),
        Some(_) if count == 1 => Err(VaultError::Named(format!(
            "`{prefix}` is too short for the id of a {what}: give {PREFIX_MIN} characters"
        ))),
        Some(_) => Err(VaultError::Named(format!("the ids of {count} {what}s begin with `{prefix}`"))),
        None => Err(VaultError::Named(format!("there is no {what} whose id begins with `{prefix}`"))),
    }
}

/// Of an id, to name something by it.
const PREFIX_MIN: usize = 6;
