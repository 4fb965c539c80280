//! `verify`: everything that the newest tree, or the trees of all commits, refer to is there; what is read of it is also what
//! it should be.

use std::collections::{HashMap, HashSet};

use super::damage::{Damage, Hit, Presence, pack_name};
use super::open::open;
use super::verify_read::{ReadData, Wanted, choose, read};
use super::{Ctx, OpsError, QuarantinedEntry, RemoteProfile};
use crate::class::Class;
use crate::format::index::IndexClass;
use crate::format::name::{LOG_PREFIX, ObjectName};
use crate::id::ObjectId;
use crate::vault::{Index, Stock, Vault, VaultError};

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct VerifyOptions {
    /// What is read.
    pub read: ReadData,
    /// Whether the trees of all commits are looked at, and not only the newest.
    pub history: bool,
}

/// What `verify` looked at.
#[derive(Debug, Clone, Default)]
pub struct VerifyReport {
    /// Entries of the tree.
    pub entries: u64,
    /// Tree nodes and chunk lists read.
    pub nodes: u64,
    /// References to data chunks that resolve.
    pub chunks: u64,
    /// Objects on the remote that the vault knows.
    pub objects: u64,
    /// Objects read (with `--read-data` and its like).
    pub objects_read: u64,
    /// Their bytes, as far as they are what they should be.
    pub bytes_read: u64,
    /// Objects that belong to nothing.
    pub foreign: Vec<String>,
    /// Commits of members that do not count.
    pub quarantined: Vec<QuarantinedEntry>,
    /// What is wrong, a sentence each, with its class.
    pub problems: Vec<(Class, String)>,
    /// The files that are hit by it; each is among the problems too.
    pub hits: Vec<Hit>,
}

/// Verifies that everything is there, and that what is read is what it should be.
///
/// # Errors
/// What stopped it; what it found is in the report.
pub fn verify(ctx: &Ctx<'_>, remote: &RemoteProfile, options: &VerifyOptions) -> Result<VerifyReport, OpsError> {
    let opened = open(ctx, remote)?;
    let vault = &opened.vault;
    vault.forgive();
    let mut stock = Stock::take(&vault.objects.io)?;
    let mut strange = std::mem::take(&mut stock.foreign);
    strange.retain(|name| !name.starts_with(LOG_PREFIX)); // the view knows of those
    let quarantined = super::inspect::quarantined(vault);
    let report = VerifyReport { foreign: strange, quarantined, ..VerifyReport::default() };
    let index = &*vault.index()?;
    let mut verifier = Verifier { ctx, vault, index, presence: Presence::of(&stock), report };
    verifier.genesis();
    vault.audit_log(&mut |text| verifier.problem(Class::Integrity, text))?;
    verifier.packs()?;
    verifier.read_data(options.read)?;
    verifier.trees(options.history)?;
    verifier.foreign()?;
    Ok(verifier.report)
}

struct Verifier<'a> {
    ctx: &'a Ctx<'a>,
    vault: &'a Vault,
    index: &'a Index,
    presence: Presence,
    report: VerifyReport,
}

impl Verifier<'_> {
    /// Machines that know the vault have a copy of it in the log; new ones find the vault by it.
    fn genesis(&mut self) {
        self.report.objects += 1;
        if self.presence.size(&genesis_name(self.vault)).is_none() {
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
        let there = |object: &ObjectId| self.presence.size(&ObjectName::Index(*object)).is_some();
        let broken = self.index.broken().iter().filter(|part| there(&part.object.id));
        let broken: Vec<(Class, String)> = broken
            .map(|part| (part.error.class(), format!("a part of the index can't be read: {}", part.error)))
            .collect();
        broken.into_iter().for_each(|(class, text)| self.problem(class, text));
        Ok(())
    }

    fn object(&mut self, what: &str, name: ObjectName, size: u64) {
        match self.presence.size(&name) {
            Some(there) if there == size => {}
            Some(_) => self.problem(Class::Integrity, format!("{what} `{name}` has another size than it should have")),
            None => self.problem(Class::Missing, format!("{what} `{name}` is missing")),
        }
    }

    /// Every node of the trees and of chunk lists opens, and every chunk is in the index, in a pack that is there.
    fn trees(&mut self, history: bool) -> Result<(), OpsError> {
        let mut damage = Damage::new(self.ctx, self.vault, self.index, &self.presence);
        let root = match self.vault.root() {
            Err(error) if error.is_lack() => {
                let text = format!("the newest tree can't be read: {error}");
                self.report.problems.push((error.class(), text));
                None
            }
            root => root?,
        };
        if let Some(root) = root {
            damage.newest(&root)?;
        }
        if history {
            damage.history()?;
        }
        let (hits, seen) = damage.finish();
        (self.report.nodes, self.report.entries, self.report.chunks) = (seen.nodes, seen.entries, seen.chunks);
        for hit in &hits {
            self.problem(hit.class, told(hit));
        }
        self.report.hits = hits;
        Ok(())
    }

    /// Reads objects that the vault rests on from the remote itself, whatever copies are on this machine.
    fn read_data(&mut self, how: ReadData) -> Result<(), OpsError> {
        if how == ReadData::Nothing {
            return Ok(());
        }
        let all = self.readable()?;
        if self.vault.state.is_persistent() {
            let there: HashSet<ObjectId> = all.iter().map(|one| one.name.id()).collect();
            self.vault.state.retain_verified(|id| there.contains(id))?;
        }
        let wanted = choose(self.ctx, self.vault, all, how)?;
        let (bad, bytes) = read(self.ctx, self.vault, &wanted)?;
        (self.report.objects_read, self.report.bytes_read) = (wanted.len() as u64, bytes);
        for (id, error) in bad {
            self.presence.shun(id);
            self.problem(error.class(), error.to_string());
        }
        Ok(())
    }

    /// Every object that is there and that the vault rests on.
    fn readable(&self) -> Result<Vec<Wanted>, VaultError> {
        let packs = self.index.packs()?;
        let packs =
            packs.iter().filter(|pack| pack.class != IndexClass::Log && self.presence.has(pack.class, &pack.object));
        let mut all: Vec<Wanted> = packs
            .map(|pack| Wanted {
                name: pack_name(pack.class, pack.object.id),
                size: pack.object.size,
                pack: Some(*pack),
            })
            .collect();
        let view = self.vault.view();
        let segments: HashMap<ObjectId, u64> = view.segment_refs().iter().map(|s| (s.id, s.size)).collect();
        let commits: HashSet<ObjectId> = view.log_objects().collect();
        let genesis = genesis_name(self.vault);
        for (name, size) in self.presence.objects() {
            let wanted = match name {
                ObjectName::Genesis(_) => *name == genesis,
                ObjectName::Access { .. } => true,
                ObjectName::Record { id, .. } => commits.contains(id),
                ObjectName::Index(id) => segments.get(id) == Some(&size),
                ObjectName::Data(_) | ObjectName::Meta(_) => false,
            };
            if wanted {
                all.push(Wanted { name: *name, size, pack: None });
            }
        }
        all.sort_unstable_by_key(|one| one.name);
        Ok(all)
    }

    /// What lies among the vault's objects and belongs to no commit and to no run of this machine that waits to go on.
    fn foreign(&mut self) -> Result<(), OpsError> {
        let mut known: HashSet<ObjectName> = HashSet::from([genesis_name(self.vault)]);
        known.extend(self.index.packs()?.iter().map(|pack| pack_name(pack.class, pack.object.id)));
        known.extend(self.vault.view().segment_refs().iter().map(|segment| ObjectName::Index(segment.id)));
        known.extend(journalled(self.vault)?);
        // With a part of the index gone, nobody can say whose packs those are.
        let is_whole = self.index.broken().is_empty();
        let is_told = |name: &ObjectName| match name {
            ObjectName::Access { .. } | ObjectName::Record { .. } => false,
            ObjectName::Data(_) | ObjectName::Meta(_) => is_whole,
            ObjectName::Genesis(_) | ObjectName::Index(_) => true,
        };
        let orphans =
            self.presence.objects().map(|(name, _)| name).filter(|name| is_told(name) && !known.contains(*name));
        self.report.foreign.extend(orphans.map(ToString::to_string));
        self.report.foreign.extend(self.vault.view().foreign().iter().cloned());
        self.report.foreign.sort();
        Ok(())
    }

    fn problem(&mut self, class: Class, text: String) {
        if self.report.problems.len() < PROBLEMS_MAX {
            self.report.problems.push((class, text));
        }
    }
}

/// A file that is hit, and the commits that it is hit at, in one line.
pub fn told(hit: &Hit) -> String {
    let Hit { what, why, commits, count, newest, .. } = hit;
    let more = match count.saturating_sub(commits.len() as u64) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    match (newest, count) {
        (_, 0) => format!("{what}: {why}"),
        (true, _) => format!("{what}: {why}; now, and at {}{more}", commits.join(", ")),
        (false, _) => format!("{what}: {why}; at {}{more}", commits.join(", ")),
    }
}

/// The packs of interrupted runs of this machine.
pub(super) fn journalled(vault: &Vault) -> Result<Vec<ObjectName>, VaultError> {
    let is_data = |class| class == IndexClass::Data as u8;
    let name = |class, id| if is_data(class) { ObjectName::Data(id) } else { ObjectName::Meta(id) };
    Ok(vault.state.journal()?.iter().map(|pack| name(pack.class, pack.object.id)).collect())
}

fn genesis_name(vault: &Vault) -> ObjectName {
    ObjectName::Genesis(ObjectId::new(*vault.id.as_bytes()))
}

const PROBLEMS_MAX: usize = 10_000;
