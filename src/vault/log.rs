//! The log: which records are there, which of them count, and which are heads (docs/format.md, section 10).
//!
//! A record is fetched and verified once and remembered; what was remembered and is gone is a rollback.

use std::collections::{HashMap, HashSet};

use super::access::Access;
use super::error::VaultError;
use super::io::RemoteIo;
use super::listing::Listing;
use super::objects::Objects;
use super::state::{SeenRecord, State};
use super::verify_record::Verifier;
use crate::format::hints::ObjectRef;
use crate::format::name::{LOG_PREFIX, ObjectName};
use crate::format::record::Record;
use crate::id::{CommitId, ObjectId, VaultId, WriterId};

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
    /// The directory of its bundle; empty if it has none.
    pub directory: Vec<u8>,
}

/// The log as one listing showed it: every record that counts, and the heads among them.
#[derive(Debug, Default, Clone)]
pub struct View {
    commits: HashMap<CommitId, Commit>,
    /// Which commit each writer has given a number to.
    numbers: HashMap<(WriterId, u64), CommitId>,
    heads: Vec<CommitId>,
    foreign: Vec<String>,
    names: Vec<String>,
}

impl View {
    /// Verifies what is new in `listing` and holds it against what is remembered.
    pub(super) fn load(
        objects: &Objects,
        state: &State,
        access: &Access,
        vault: &VaultId,
        listing: &Listing,
    ) -> Result<Self, VaultError> {
        let mut view = Self { foreign: listing.foreign.clone(), ..Self::default() };
        let mut known = HashSet::new();
        for seen in state.records()? {
            let name: ObjectName = format!("{LOG_PREFIX}{}", seen.name).parse().map_err(|_| {
                VaultError::damaged(&seen.name, "the local state is damaged; delete it to start afresh")
            })?;
            let size = match listing.records.get(&name) {
                Some(size) => Some(*size),
                None => objects.io.size(&name.to_string())?,
            };
            match size {
                None => return Err(rollback(&objects.io, &seen)),
                Some(size) if size != seen.object.size => {
                    return Err(VaultError::damaged(name, "it has another size than it had when it was read before"));
                }
                Some(_) => {}
            }
            objects.know_log(name, seen.object.size);
            known.insert(name);
            let record = Record::decode(&seen.record)?;
            view.add(Commit {
                id: seen.id,
                writer: seen.writer,
                record,
                object: seen.object,
                directory: seen.directory,
            })?;
        }
        let mut news = Vec::new();
        let own = state.known_writer_salt()?.map(|salt| access.member.public().writer_id(&salt));
        for (name, size) in listing.records.iter().filter(|(name, _)| !known.contains(*name)) {
            objects.know_log(*name, *size);
            let verifier = Verifier { objects, access, vault, view: &view };
            match verifier.verify(name, *size)? {
                Some((commit, record_bytes)) => {
                    if own == Some(commit.writer) {
                        state.disown(&name.to_string())?;
                    }
                    news.push(seen_record(name, &commit, record_bytes));
                    view.add(commit)?;
                }
                None => view.foreign.push(name.to_string()),
            }
        }
        // Before anything that rests on them is shown: what was seen once must never be taken back unnoticed.
        state.remember(&news)?;
        view.find_heads();
        view.names = listing.records.keys().map(ToString::to_string).collect();
        Ok(view)
    }

    fn add(&mut self, commit: Commit) -> Result<(), VaultError> {
        let number = (commit.writer, commit.record.seq);
        let known = *self.numbers.entry(number).or_insert(commit.id);
        if known != commit.id {
            return Err(VaultError::Equivocation(format!(
                "writer {} ({}) has two different commits number {}: {} and {}; a copied state directory or a restored machine does this, and so does somebody who holds its key",
                commit.writer.short(),
                commit.record.writer_label,
                commit.record.seq,
                known.short(),
                commit.id.short()
            )));
        }
        self.commits.insert(commit.id, commit);
        Ok(())
    }

    /// This view and one more commit.
    pub(super) fn with(&self, commit: Commit) -> Result<Self, VaultError> {
        let mut view = self.clone();
        view.add(commit)?;
        view.find_heads();
        Ok(view)
    }

    fn find_heads(&mut self) {
        let parents: HashSet<CommitId> = self.commits.values().flat_map(|c| parents(&c.record)).collect();
        self.heads = self.commits.keys().filter(|id| !parents.contains(*id)).copied().collect();
        self.heads.sort_unstable();
    }

    /// The heads, ascending.
    pub fn heads(&self) -> &[CommitId] {
        &self.heads
    }

    /// The one head; `None` in a vault without commits.
    ///
    /// # Errors
    /// [`VaultError::Heads`] if there are several.
    pub fn head(&self) -> Result<Option<&Commit>, VaultError> {
        match self.heads[..] {
            [] => Ok(None),
            [head] => Ok(self.commits.get(&head)),
            _ => Err(VaultError::Heads(format!(
                "{} machines have written at the same moment, and this version can't merge their trees; nothing is lost",
                self.heads.len()
            ))),
        }
    }

    /// A commit by id.
    pub fn commit(&self, id: &CommitId) -> Option<&Commit> {
        self.commits.get(id)
    }

    /// All commits, newest first by Lamport time.
    pub fn newest_first(&self) -> Vec<&Commit> {
        let mut all: Vec<&Commit> = self.commits.values().collect();
        all.sort_unstable_by_key(|commit| std::cmp::Reverse((commit.record.lamport, commit.writer)));
        all
    }

    /// The last commit of a writer.
    pub fn last_of(&self, writer: &WriterId) -> Option<&Commit> {
        self.commits.values().filter(|commit| commit.writer == *writer).max_by_key(|commit| commit.record.seq)
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
        let gone: HashSet<ObjectId> =
            self.commits.values().flat_map(|c| c.record.segments_superseded.iter().copied()).collect();
        let added = self.commits.values().flat_map(|c| c.record.segments_added.iter().copied());
        let mut live: Vec<ObjectRef> = added.filter(|object| !gone.contains(&object.id)).collect();
        live.sort_unstable_by_key(|object| object.id);
        live.dedup_by_key(|object| object.id);
        live
    }

    /// The bundles in force, with their directories.
    pub(super) fn bundles(&self) -> Vec<(ObjectRef, Vec<u8>)> {
        let with = self.commits.values().filter(|commit| !commit.directory.is_empty());
        with.map(|commit| (commit.object, commit.directory.clone())).collect()
    }
}

/// All parents, the writer's own previous record among them.
pub(super) fn parents(record: &Record) -> impl Iterator<Item = CommitId> + '_ {
    record.parents.iter().copied().chain(record.prev)
}

pub(super) fn seen_record(name: &ObjectName, commit: &Commit, record: Vec<u8>) -> SeenRecord {
    let name = name.to_string();
    SeenRecord {
        name: name.strip_prefix(LOG_PREFIX).unwrap_or(&name).to_owned(),
        id: commit.id,
        writer: commit.writer,
        seq: commit.record.seq,
        record,
        directory: commit.directory.clone(),
        object: commit.object,
    }
}

fn rollback(io: &RemoteIo, seen: &SeenRecord) -> VaultError {
    let label = Record::decode(&seen.record).map(|record| record.writer_label).unwrap_or_default();
    VaultError::Rollback(format!(
        "the vault at {} has gone back: commit {} (number {} of writer {} on `{label}`), seen here before, is no longer there",
        io.describe(),
        seen.id.short(),
        seen.seq,
        seen.writer.short(),
    ))
}
