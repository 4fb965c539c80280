//! The log: which records are there, which of them count, and which are heads (docs/format.md, section 10).
//!
//! A record is fetched and verified once and remembered; what was remembered and is gone is a rollback.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::access::{Access, public_of};
use super::error::VaultError;
use super::io::RemoteIo;
use super::objects::Objects;
use super::state::{SeenRecord, State};
use crate::crypto::{self, Class as SealClass, Label, ObjectHeader};
use crate::format::access::Role;
use crate::format::hints::ObjectRef;
use crate::format::limits::LOG_OBJECT_MAX;
use crate::format::name::{LOG_PREFIX, ObjectName};
use crate::format::pack::Directory;
use crate::format::record::{LogPlaintext, Record};
use crate::id::{CommitId, ObjectId, VaultId, WriterId};

/// The names below `log/`, as the storage tells them.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) access: BTreeMap<u32, Vec<(ObjectName, u64)>>,
    /// By name: in order of Lamport time.
    pub(super) records: BTreeMap<ObjectName, u64>,
    pub(super) foreign: Vec<String>,
}

impl Listing {
    /// One request (a page for each thousand objects).
    pub(super) fn read(io: &RemoteIo) -> Result<Self, VaultError> {
        let mut listing = Self::default();
        io.list(LOG_PREFIX, &mut |listed| {
            match listed.path.as_str().parse::<ObjectName>() {
                Ok(name @ ObjectName::Access { n, .. }) => {
                    listing.access.entry(n).or_default().push((name, listed.size))
                }
                Ok(name @ ObjectName::Record { .. }) => drop(listing.records.insert(name, listed.size)),
                _ => listing.foreign.push(listed.path.as_str().to_owned()),
            }
            Ok(())
        })?;
        Ok(listing)
    }
}

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
            if !listing.records.contains_key(&name) && objects.io.size(&name.to_string())?.is_none() {
                return Err(rollback(&objects.io, &seen));
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
        for (name, size) in listing.records.iter().filter(|(name, _)| !known.contains(*name)) {
            objects.know_log(*name, *size);
            let verifier = Verifier { objects, access, vault, view: &view };
            match verifier.verify(name, *size)? {
                Some((commit, record_bytes)) => {
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
        let twin = self.commits.values().find(|other| {
            other.writer == commit.writer && other.record.seq == commit.record.seq && other.id != commit.id
        });
        if let Some(twin) = twin {
            return Err(VaultError::Equivocation(format!(
                "writer {} ({}) has two different commits number {}: {} and {}; a copied state directory or a restored machine does this, and so does somebody who holds its key",
                commit.writer.short(),
                commit.record.writer_label,
                commit.record.seq,
                twin.id.short(),
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

struct Verifier<'a> {
    objects: &'a Objects,
    access: &'a Access,
    vault: &'a VaultId,
    view: &'a View,
}

impl Verifier<'_> {
    /// The record in an object; `None` if it was not sealed with this vault's keys at all.
    fn verify(&self, name: &ObjectName, size: u64) -> Result<Option<(Commit, Vec<u8>)>, VaultError> {
        let Some((header, plain)) = self.objects.open_log(name, size)? else { return Ok(None) };
        let parts = LogPlaintext::split(&plain).map_err(|_| VaultError::damaged(name, "the record is malformed"))?;
        let record = Record::decode(parts.record).map_err(|_| VaultError::damaged(name, "the record is malformed"))?;
        if let Some(tag) = record.unknown_attribute() {
            return Err(VaultError::Version(format!("`{name}` needs a newer cryptsync: it has attribute {tag}")));
        }
        let writer = crypto::writer_id(&record.writer_sign, &record.writer_salt);
        let refuse = |why: &str| Err(VaultError::Untrusted(format!("`{name}` is not accepted: {why}")));
        let ObjectName::Record { lamport, tag, seq, id } = *name else { return Ok(None) };
        let named = (record.lamport, record.seq, self.objects.keys.writer_tag(&writer)) == (lamport, seq, tag);
        if record.vault != *self.vault || !named {
            return refuse("its name and its content do not agree");
        }
        let Some(body) = self.access.version(record.access_n, &record.access) else {
            return refuse("it names an access version that is not on the vault's chain");
        };
        let member = body.members.iter().find(|member| public_of(member).sign == record.writer_sign);
        if member.is_none_or(|member| member.role < Role::Writer) {
            return refuse("its writer was not allowed to write");
        }
        if !crypto::verify(&record.writer_sign, Label::Commit, self.vault, parts.record, &parts.signature) {
            return refuse("its signature is wrong");
        }
        if header.epoch != body.epoch {
            return refuse("it is sealed in another epoch than it says");
        }
        self.check_ancestry(name, &record, &writer)?;
        let body = &plain[parts.body.clone()];
        if crypto::hash(body) != record.body_hash {
            return refuse("its body is not the one that was signed");
        }
        let directory = if body.is_empty() { Vec::new() } else { bundle_directory(body)? };
        let object = ObjectRef { id, size, epoch: header.epoch, salt: header.salt };
        let id = crypto::commit_id(self.vault, parts.record);
        Ok(Some((Commit { id, writer, object, directory, record }, parts.record.to_vec())))
    }

    fn check_ancestry(&self, name: &ObjectName, record: &Record, writer: &WriterId) -> Result<(), VaultError> {
        let refuse = |why: &str| Err(VaultError::Untrusted(format!("`{name}` is not accepted: {why}")));
        let mut lamport = 0;
        for parent in parents(record) {
            let Some(parent) = self.view.commit(&parent) else {
                return Err(VaultError::Missing {
                    what: format!("commit {}, which `{name}` follows,", parent.short()),
                });
            };
            lamport = lamport.max(parent.record.lamport);
            if parent.record.access_n > record.access_n {
                return refuse("it names an older access version than a commit it follows");
            }
        }
        if record.lamport != lamport + 1 {
            return refuse("its place in time does not follow from its parents");
        }
        let Some(prev) = record.prev else { return Ok(()) };
        let prev = self.view.commit(&prev);
        if prev.is_some_and(|prev| prev.writer == *writer && prev.record.seq + 1 == record.seq) {
            return Ok(());
        }
        refuse("it does not follow its writer's previous commit")
    }
}

/// The encoded directory of a bundle.
fn bundle_directory(body: &[u8]) -> Result<Vec<u8>, VaultError> {
    let mut footer = Directory::of_bundle(body)?.encode_footer();
    footer.truncate(footer.len() - 4);
    Ok(footer)
}

impl Objects {
    /// A log object, hash-checked and opened; `None` if it hashes to its name but this vault's keys do not open it: then
    /// somebody put it there who has no key.
    fn open_log(&self, name: &ObjectName, size: u64) -> Result<Option<(ObjectHeader, Vec<u8>)>, VaultError> {
        if size > LOG_OBJECT_MAX {
            return Err(VaultError::Limit(format!("`{name}` is larger than the format allows")));
        }
        let bytes = self.whole_sealed(name, size)?;
        let Ok(header) = ObjectHeader::parse(&bytes) else { return Ok(None) };
        let logical = name.logical_name();
        let context = crypto::SealContext { class: SealClass::Log, name: logical.as_bytes() };
        match crypto::open(&self.keys, &context, &bytes) {
            Ok(plain) => Ok(Some((header, plain))),
            Err(_) => Ok(None),
        }
    }
}
