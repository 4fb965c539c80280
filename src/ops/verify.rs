//! `verify`: everything the head refers to is there; with `read_data`, it is also what it should be.

use std::collections::{HashMap, HashSet};

use super::open::open;
use super::{Ctx, OpsError, RemoteProfile, VerifyReport};
use crate::class::Class;
use crate::event::Event;
use crate::format::entry::{Content, Entry};
use crate::format::index::IndexClass;
use crate::format::name::{DATA_PREFIX, INDEX_PREFIX, META_PREFIX};
use crate::history::chunk_list::ListReader;
use crate::history::cursor::{Cursor, Found};
use crate::history::source::{ResolvedPlace, Root};
use crate::id::{BlobId, ObjectId};
use crate::transfer::base_root;
use crate::vault::{Index, Vault, VaultError, verify_pack};

/// Verifies that everything the head refers to is there, and with `read_data` that it is what it should be.
///
/// # Errors
/// What stopped it; what it found is in the report.
pub fn verify(ctx: &Ctx<'_>, remote: &RemoteProfile, read_data: bool) -> Result<VerifyReport, OpsError> {
    let opened = open(ctx, remote)?;
    let vault = &opened.vault;
    let base = base_root(vault)?;
    let index = vault.index()?;
    let present = list_objects(vault)?;
    let mut verifier = Verifier { ctx, vault, index: &index, present, report: VerifyReport::default() };
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
    present: HashMap<ObjectId, u64>,
    report: VerifyReport,
}

impl Verifier<'_> {
    /// Every pack and segment that the index names is there, with its size.
    fn packs(&mut self) -> Result<(), OpsError> {
        for pack in self.index.packs()? {
            if pack.class == IndexClass::Log {
                continue; // was listed and verified when the log was read
            }
            self.report.objects += 1;
            match self.present.get(&pack.object.id) {
                Some(size) if *size == pack.object.size => {}
                Some(_) => self
                    .problem(Class::Integrity, format!("pack {} has another size than the index says", pack.object.id)),
                None => self.problem(Class::Missing, format!("pack {} is missing", pack.object.id)),
            }
        }
        for segment in self.vault.view().segment_refs() {
            self.report.objects += 1;
            if self.present.get(&segment.id) != Some(&segment.size) {
                self.problem(Class::Missing, format!("index segment {} is missing or has another size", segment.id));
            }
        }
        Ok(())
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
        let there = |place: &crate::vault::Found| {
            place.class == IndexClass::Log || self.present.get(&place.object.id) == Some(&place.object.size)
        };
        if places.iter().any(there) {
            self.report.chunks += 1;
        } else {
            let what = if places.is_empty() { "is in no index" } else { "is in a pack that is missing" };
            self.problem(Class::Missing, format!("`{path}`: chunk {} {what}", id.short()));
        }
        Ok(())
    }

    fn read_data(&mut self) -> Result<(), OpsError> {
        for pack in self.index.packs()? {
            self.vault.checkpoint()?;
            if pack.class != IndexClass::Log && !self.present.contains_key(&pack.object.id) {
                continue; // reported already
            }
            match verify_pack(self.vault, &pack) {
                Ok(bytes) => {
                    self.report.bytes_read += bytes;
                    self.ctx.observer.event(Event::Progress(bytes));
                }
                Err(error) => self.trouble(&format!("pack {}", pack.object.id), error)?,
            }
        }
        Ok(())
    }

    /// What lies among the vault's objects and belongs to no commit and to no run of this machine that waits to go on.
    fn foreign(&mut self) -> Result<(), OpsError> {
        let mut known: HashSet<ObjectId> = self.index.objects()?;
        known.extend(self.vault.view().segment_refs().iter().map(|segment| segment.id));
        known.extend(self.vault.state.journal()?.iter().map(|pack| pack.object.id));
        let orphans = self.present.keys().filter(|id| !known.contains(*id)).map(ToString::to_string);
        self.report.foreign = self.vault.view().foreign().iter().cloned().chain(orphans).collect();
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
                self.problem(error.class(), format!("{what}: {error}"));
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

fn list_objects(vault: &Vault) -> Result<HashMap<ObjectId, u64>, VaultError> {
    let mut present = HashMap::new();
    for prefix in [DATA_PREFIX, META_PREFIX, INDEX_PREFIX] {
        vault.objects.io.list(prefix, &mut |listed| {
            if let Ok(id) = listed.path.name().parse::<ObjectId>() {
                present.insert(id, listed.size);
            }
            Ok(())
        })?;
    }
    Ok(present)
}

const PROBLEMS_MAX: usize = 10_000;
