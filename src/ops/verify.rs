//! `verify`: everything the head refers to is there; with `read_data`, it is also what it should be.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::open::open;
use super::{Ctx, OpsError, RemoteProfile, VerifyReport};
use crate::class::Class;
use crate::event::Event;
use crate::format::entry::{Content, Entry};
use crate::format::hints::ObjectRef;
use crate::format::index::IndexClass;
use crate::format::name::{LOG_PREFIX, ObjectName};
use crate::history::chunk_list::ListReader;
use crate::history::cursor::{Cursor, Found};
use crate::history::source::{ResolvedPlace, Root};
use crate::id::{BlobId, ObjectId};
use crate::transfer::base_root;
use crate::vault::{Index, Stock, Vault, VaultError, verify_bytes, verify_pack};

/// Verifies that everything the head refers to is there, and with `read_data` that it is what it should be.
///
/// # Errors
/// What stopped it; what it found is in the report.
pub fn verify(ctx: &Ctx<'_>, remote: &RemoteProfile, read_data: bool) -> Result<VerifyReport, OpsError> {
    let opened = open(ctx, remote)?;
    let vault = &opened.vault;
    let base = base_root(vault)?;
    let Stock { objects: present, foreign: mut strange } = Stock::take(&vault.objects.io)?;
    strange.retain(|name| !name.starts_with(LOG_PREFIX)); // the view knows of those
    let quarantined = super::inspect::quarantined(vault);
    let mut report = VerifyReport { foreign: strange, quarantined, ..VerifyReport::default() };
    let index = match vault.index() {
        Err(error @ (VaultError::Missing { .. } | VaultError::Damaged { .. })) => {
            // Nothing can be looked up. What is wrong with the log may tell why.
            report.problems.push((error.class(), error.to_string()));
            vault.audit_log(&mut |text| report.problems.push((Class::Integrity, text)))?;
            return Ok(report);
        }
        index => index?,
    };
    let mut verifier = Verifier { ctx, vault, index: &index, present, report };
    verifier.genesis();
    vault.audit_log(&mut |text| verifier.problem(Class::Integrity, text))?;
    verifier.packs()?;
    if let Some(root) = base {
        verifier.tree(&root)?;
    }
    if read_data {
        verifier.read_data()?;
    }
    verifier.foreign()?;
    Ok(verifier.report)
}

struct Verifier<'a> {
    ctx: &'a Ctx<'a>,
    vault: &'a Vault,
    index: &'a Index,
    present: BTreeMap<ObjectName, u64>,
    report: VerifyReport,
}

impl Verifier<'_> {
    /// Machines that know the vault have a copy of it in the log; new ones find the vault by it.
    fn genesis(&mut self) {
        self.report.objects += 1;
        if !self.present.contains_key(&genesis_name(self.vault)) {
            self.problem(Class::Missing, "the genesis is missing: new machines can't find the vault".into());
        }
    }

    /// Every pack and segment that the index names is there, with its size.
    fn packs(&mut self) -> Result<(), OpsError> {
        for pack in self.index.packs()? {
            if pack.class == IndexClass::Log {
                continue; // was listed and verified when the log was read
            }
            self.report.objects += 1;
            self.object("pack", pack_name(pack.class, pack.object.id), pack.object.size);
        }
        for segment in self.vault.view().segment_refs() {
            self.report.objects += 1;
            self.object("index segment", ObjectName::Index(segment.id), segment.size);
        }
        Ok(())
    }

    fn object(&mut self, what: &str, name: ObjectName, size: u64) {
        match self.present.get(&name) {
            Some(there) if *there == size => {}
            Some(_) => self.problem(Class::Integrity, format!("{what} `{name}` has another size than it should have")),
            None => self.problem(Class::Missing, format!("{what} `{name}` is missing")),
        }
    }

    fn is_present(&self, class: IndexClass, object: &ObjectRef) -> bool {
        // Bundles were listed when the log was read.
        class == IndexClass::Log || self.present.get(&pack_name(class, object.id)) == Some(&object.size)
    }

    /// Every node of the tree and of chunk lists opens, and every chunk is in the index, in a pack that is there.
    fn tree(&mut self, root: &Root) -> Result<(), OpsError> {
        let cursor = match Cursor::open(self.vault, root) {
            Ok(cursor) => cursor,
            Err(error) => return self.trouble("the tree", error),
        };
        self.report.nodes += 1;
        for found in cursor {
            self.vault.checkpoint()?;
            match found {
                Ok(found) => self.entry(&found)?,
                Err(error) => return self.trouble("the tree", error),
            }
        }
        Ok(())
    }

    fn entry(&mut self, found: &Found) -> Result<(), OpsError> {
        self.report.entries += 1;
        if self.report.entries.is_multiple_of(1024) {
            self.ctx.observer.event(Event::Checked(self.report.entries));
        }
        let path = match found.key.to_path() {
            Ok(path) => path.to_string(),
            Err(error) => {
                self.problem(Class::UnsafePath, error.to_string());
                return Ok(());
            }
        };
        match &found.entry.content {
            Content::Chunk(id) => self.chunk(&path, id),
            Content::List(id) => self.list(&path, id, &found.entry, found.place),
            _ => Ok(()),
        }
    }

    fn list(&mut self, path: &str, id: &BlobId, entry: &Entry, place: Option<ResolvedPlace>) -> Result<(), OpsError> {
        let list = match ListReader::open(self.vault, id, entry.size, place) {
            Ok(list) => list,
            Err(error) => return self.trouble(path, error),
        };
        self.report.nodes += 1;
        for piece in list {
            match piece {
                Ok(piece) => {
                    if let Some((id, _)) = piece.chunk {
                        self.chunk(path, &id)?;
                    }
                }
                Err(error) => return self.trouble(path, error),
            }
        }
        Ok(())
    }

    fn chunk(&mut self, path: &str, id: &BlobId) -> Result<(), OpsError> {
        let places = self.index.lookup(id)?;
        if places.iter().any(|place| self.is_present(place.class, &place.object)) {
            self.report.chunks += 1;
        } else {
            let what = if places.is_empty() { "is in no index" } else { "is in a pack that is missing" };
            self.problem(Class::Missing, format!("`{path}`: chunk {} {what}", id.short()));
        }
        Ok(())
    }

    /// Reads every object that the vault rests on from the remote itself, whatever copies are on this machine.
    fn read_data(&mut self) -> Result<(), OpsError> {
        for pack in self.index.packs()? {
            if self.is_present(pack.class, &pack.object) && pack.class != IndexClass::Log {
                let read = verify_pack(self.vault, &pack);
                self.has_read(read)?;
            }
        }
        let view = self.vault.view();
        let segments: HashMap<ObjectId, u64> = view.segment_refs().iter().map(|s| (s.id, s.size)).collect();
        let commits: HashSet<ObjectId> = view.log_objects().collect();
        let genesis = genesis_name(self.vault);
        let mut names: Vec<(ObjectName, u64)> = self.present.iter().map(|(name, size)| (*name, *size)).collect();
        names.sort_unstable();
        for (name, size) in names {
            let wanted = match name {
                ObjectName::Genesis(_) => name == genesis,
                ObjectName::Access { .. } => true,
                ObjectName::Record { id, .. } => commits.contains(&id),
                ObjectName::Index(id) => segments.get(&id) == Some(&size),
                ObjectName::Data(_) | ObjectName::Meta(_) => false,
            };
            if wanted {
                let read = verify_bytes(&self.vault.objects.io, &name, size);
                self.has_read(read)?;
            }
        }
        Ok(())
    }

    fn has_read(&mut self, read: Result<u64, VaultError>) -> Result<(), OpsError> {
        self.vault.checkpoint()?;
        match read {
            Ok(bytes) => {
                self.report.bytes_read += bytes;
                self.ctx.observer.event(Event::Progress(bytes));
                Ok(())
            }
            Err(error) => self.trouble("", error), // names the object itself
        }
    }

    /// What lies among the vault's objects and belongs to no commit and to no run of this machine that waits to go on.
    fn foreign(&mut self) -> Result<(), OpsError> {
        let mut known: HashSet<ObjectName> = HashSet::from([genesis_name(self.vault)]);
        known.extend(self.index.packs()?.iter().map(|pack| pack_name(pack.class, pack.object.id)));
        known.extend(self.vault.view().segment_refs().iter().map(|segment| ObjectName::Index(segment.id)));
        known.extend(self.vault.state.journal()?.iter().map(|pack| {
            if pack.class == IndexClass::Data as u8 {
                ObjectName::Data(pack.object.id)
            } else {
                ObjectName::Meta(pack.object.id)
            }
        }));
        let in_log = |name: &ObjectName| matches!(name, ObjectName::Access { .. } | ObjectName::Record { .. });
        let orphans = self.present.keys().filter(|name| !in_log(name) && !known.contains(*name));
        self.report.foreign.extend(orphans.map(ToString::to_string));
        self.report.foreign.extend(self.vault.view().foreign().iter().cloned());
        self.report.foreign.sort();
        Ok(())
    }

    /// Notes what a damaged vault does; anything else stops the run.
    fn trouble(&mut self, what: &str, error: VaultError) -> Result<(), OpsError> {
        match error {
            VaultError::Damaged { .. }
            | VaultError::Missing { .. }
            | VaultError::UnsafePath(_)
            | VaultError::Limit(_) => {
                let what = if what.is_empty() { String::new() } else { format!("{what}: ") };
                self.problem(error.class(), format!("{what}{error}"));
                Ok(())
            }
            error => Err(error.into()),
        }
    }

    fn problem(&mut self, class: Class, text: String) {
        if self.report.problems.len() < PROBLEMS_MAX {
            self.report.problems.push((class, text));
        }
    }
}

fn genesis_name(vault: &Vault) -> ObjectName {
    ObjectName::Genesis(ObjectId::new(*vault.id.as_bytes()))
}

fn pack_name(class: IndexClass, id: ObjectId) -> ObjectName {
    if class == IndexClass::Data { ObjectName::Data(id) } else { ObjectName::Meta(id) }
}

const PROBLEMS_MAX: usize = 10_000;
