//! `repair`: what can be mended of a vault with missing or damaged objects, and what is lost.
//!
//! Objects come back from copies on this machine; index segments are made again, from a copy or from the packs; entries of
//! packs that are gone leave the index, so that whoever has the content stores it again; files that are lost are marked, so
//! that the next sync from a machine that has them does so. Nothing is ever deleted, and where much is missing nothing is
//! changed unless that is demanded: it may be there again tomorrow.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::damage::{Damage, Hit, Presence, pack_name};
use super::open::{Opened, open};
use super::sync::{open_for_writing, session_options};
use super::verify::journalled;
use super::verify_read::{ReadData, Wanted, choose, read};
use super::{Ctx, OpsError, RemoteProfile};
use crate::class::Class;
use crate::event::Event;
use crate::format::attribute::LOST;
use crate::format::hints::ObjectRef;
use crate::format::index::IndexClass;
use crate::format::name::ObjectName;
use crate::history::cursor::Cursor;
use crate::history::source::Root;
use crate::path::TreePath;
use crate::transfer::{EditList, commit_edits};
use crate::vault::{CommitInfo, FoundPack, Index, Mend, Published, Session, Stock, Vault, VaultError};

/// How to repair.
#[derive(Debug, Clone)]
pub struct RepairOptions {
    /// Look and tell, change nothing.
    pub dry_run: bool,
    /// Believe that packs are gone even if most are.
    pub force: bool,
    /// Read everything first, to find what is there and damaged.
    pub read_data: bool,
    /// The operation as the commit will name it.
    pub operation: String,
}

/// What was done, or with `dry_run` would be.
#[derive(Debug, Clone, Default)]
pub struct RepairReport {
    /// Objects put back from copies on this machine.
    pub put_back: Vec<String>,
    /// Index segments made again from copies on this machine.
    pub segments_kept: u64,
    /// Index segments that are lost.
    pub segments_lost: u64,
    /// Packs that are in the index again.
    pub packs_found: u64,
    /// Packs that are missing or damaged.
    pub packs_gone: Vec<String>,
    /// What can't be read any more, in any commit.
    pub lost: Vec<Hit>,
    /// Files of the newest tree newly marked as lost.
    pub marked: u64,
    /// Files of the newest tree that were marked as lost and are there again.
    pub unmarked: u64,
    /// The new commit, if there is one.
    pub commit: Option<String>,
}

impl RepairReport {
    /// Whether anything was or would be changed.
    pub fn changes(&self) -> bool {
        !self.put_back.is_empty()
            || self.segments_kept + self.segments_lost + self.packs_found + self.marked + self.unmarked > 0
            || !self.packs_gone.is_empty()
    }
}

/// Repairs a vault.
///
/// # Errors
/// Too much is missing to be sure; the vault can't be opened; the key at hand may not write.
pub fn repair(ctx: &Ctx<'_>, remote: &RemoteProfile, options: &RepairOptions) -> Result<RepairReport, OpsError> {
    let opened = if options.dry_run { open(ctx, remote)? } else { open_for_writing(ctx, remote)? };
    let vault = &opened.vault;
    if !options.dry_run {
        vault.ensure_joined()?;
    }
    vault.forgive();
    let stock = Stock::take(&vault.objects.io)?;
    let presence = Presence::of(&stock);
    let mut repair = Repair { ctx, options, opened: &opened, presence, report: RepairReport::default() };
    repair.run(remote)?;
    Ok(repair.report)
}

struct Repair<'a> {
    ctx: &'a Ctx<'a>,
    options: &'a RepairOptions,
    opened: &'a Opened,
    presence: Presence,
    report: RepairReport,
}

impl Repair<'_> {
    fn vault(&self) -> &Arc<Vault> {
        &self.opened.vault
    }

    fn run(&mut self, remote: &RemoteProfile) -> Result<(), OpsError> {
        let mut mend = Mend { broken: self.segments()?, ..Mend::default() };
        // After segments were put back.
        let index = self.vault().index()?;
        self.packs(&index, remote, &mut mend)?;
        let root = self.newest_root()?;
        let mut hits = self.look(&index, root.as_ref())?;
        let unindexed = |hit: &Hit| hit.class == Class::Missing;
        if self.report.segments_lost > 0 || hits.iter().any(unindexed) {
            self.find_packs(&index, &mut mend)?;
        }
        let found: HashSet<[u8; 16]> = blobs_of(&mend.found)?;
        if !found.is_empty() {
            hits = self.look_again(&index, root.as_ref(), &found)?;
        }
        // Who still has copies of lost nodes finds out by the index what to put back.
        if hits.iter().any(|hit| hit.path.is_none()) {
            let packs = index.packs()?;
            for pack in packs.iter().filter(|pack| pack.class == IndexClass::Meta) {
                mend.gone.remove(&pack.object.id);
            }
        }
        let edits = self.marks(root.as_ref(), &hits)?;
        self.report.lost = hits;
        if self.options.dry_run || !self.report.changes() {
            return Ok(());
        }
        self.publish(root.as_ref(), &mend, edits)
    }

    /// Index segments that the remote has no more, or not as they were. What this machine has whole is put back.
    fn segments(&mut self) -> Result<Vec<ObjectRef>, OpsError> {
        let mut broken = Vec::new();
        for segment in self.vault().view().segment_refs() {
            let name = ObjectName::Index(segment.id);
            let sound = self.is_there(&name, segment.size)?
                && (!self.options.read_data && self.vault().has_segment_copy(&segment.id)?
                    || self.vault().is_sound(&name, segment.size)?);
            if sound || self.put_back(&name, segment.size)? {
                continue;
            }
            if self.vault().has_segment_copy(&segment.id)? {
                self.report.segments_kept += 1;
            } else {
                self.report.segments_lost += 1;
            }
            broken.push(segment);
        }
        Ok(broken)
    }

    /// Whether an object is there: by the listing, or by its name, because a listing may lag.
    fn is_there(&mut self, name: &ObjectName, size: u64) -> Result<bool, OpsError> {
        if self.presence.size(name) == Some(size) {
            return Ok(true);
        }
        let there = self.vault().has_object(name, size)?;
        if there {
            self.presence.add(*name, size);
        }
        Ok(there)
    }

    /// Puts an object back if this machine has its bytes. Never over another: a damaged one stays where it is.
    fn put_back(&mut self, name: &ObjectName, size: u64) -> Result<bool, OpsError> {
        if self.presence.size(name).is_some() {
            return Ok(false);
        }
        let Some(bytes) = self.vault().cached(name, size) else { return Ok(false) };
        if !self.options.dry_run {
            self.vault().put_back(name, bytes)?;
        }
        self.presence.add(*name, size);
        self.report.put_back.push(name.to_string());
        Ok(true)
    }

    /// Packs that the index names and that are gone, or damaged as far as that was looked at.
    fn packs(&mut self, index: &Index, remote: &RemoteProfile, mend: &mut Mend) -> Result<(), OpsError> {
        let packs = index.packs()?;
        let packs: Vec<_> = packs.into_iter().filter(|pack| pack.class != IndexClass::Log).collect();
        let mut there = Vec::new();
        for pack in &packs {
            let (name, size) = (pack_name(pack.class, pack.object.id), pack.object.size);
            if self.is_there(&name, size)? || self.put_back(&name, size)? {
                there.push(Wanted { name, size, pack: Some(*pack) });
            } else {
                mend.gone.insert(pack.object.id);
                self.report.packs_gone.push(name.to_string());
            }
        }
        if self.options.read_data {
            let wanted = choose(self.ctx, self.vault(), there, ReadData::All)?;
            let (bad, _) = read(self.ctx, self.vault(), &wanted)?;
            for (id, _) in bad {
                self.presence.shun(id);
                mend.gone.insert(id);
                let name = wanted.iter().find(|one| one.name.id() == id).map(|one| one.name.to_string());
                self.report.packs_gone.extend(name);
            }
        }
        let (gone, all) = (mend.gone.len(), packs.len());
        if gone * 2 > all && all > 1 && !self.options.force && !self.options.dry_run {
            let what = format!("{gone} of the {all} packs of `{}:` are not there", remote.name);
            return Err(OpsError::new(Class::Fatal, what).hint(
                "nothing was changed. That much is rarely lost: look whether the remote is the right one and shows everything. `repair -n` tells what would be done, `--force` does it",
            ));
        }
        Ok(())
    }

    /// The newest tree. One that can't be read at all is no reason to stop: what else is mended may bring it back.
    fn newest_root(&self) -> Result<Option<Root>, OpsError> {
        match self.vault().root() {
            Err(error) if error.is_lack() => {
                self.ctx.observer.event(Event::Notice(&format!("the newest tree can't be read: {error}")));
                Ok(None)
            }
            root => Ok(root?),
        }
    }

    fn look(&self, index: &Index, root: Option<&Root>) -> Result<Vec<Hit>, OpsError> {
        self.look_again(index, root, &HashSet::new())
    }

    /// Looks at all trees; `found` are blobs that will be in the index.
    fn look_again(&self, index: &Index, root: Option<&Root>, found: &HashSet<[u8; 16]>) -> Result<Vec<Hit>, OpsError> {
        let mut damage = Damage::new(self.ctx, self.vault(), index, &self.presence).knowing(found);
        if let Some(root) = root {
            damage.newest(root)?;
        }
        damage.history()?;
        Ok(damage.finish().0)
    }

    /// Packs that are there and that no segment names: those of a lost segment, of a pack that has come back, and of runs that
    /// have not ended. All of a pack is read, for what is in the index is relied on.
    fn find_packs(&mut self, index: &Index, mend: &mut Mend) -> Result<(), OpsError> {
        let mut known: HashSet<ObjectName> = journalled(self.vault())?.into_iter().collect();
        known.extend(index.packs()?.iter().map(|pack| pack_name(pack.class, pack.object.id)));
        let is_pack = |name: &ObjectName| matches!(name, ObjectName::Data(_) | ObjectName::Meta(_));
        let unknown: Vec<(ObjectName, u64)> = self
            .presence
            .objects()
            .filter(|(name, _)| is_pack(name) && !known.contains(*name))
            .map(|(name, size)| (*name, size))
            .collect();
        for (name, size) in unknown {
            self.vault().checkpoint()?;
            if let Some(found) = self.vault().read_pack(&name, size)? {
                self.ctx.observer.event(Event::Progress(size));
                mend.found.push(found);
            }
        }
        self.report.packs_found = mend.found.len() as u64;
        Ok(())
    }

    /// The edits that mark what is lost in the newest tree, and take the marks off what is there again.
    fn marks(&mut self, root: Option<&Root>, hits: &[Hit]) -> Result<EditList, OpsError> {
        let mut edits = EditList::default();
        let Some(root) = root else { return Ok(edits) };
        if hits.iter().any(|hit| hit.newest && hit.path.is_none()) {
            // A tree with holes can't be edited. What brings it back is another copy of the vault.
            return Ok(edits);
        }
        let lost: HashSet<&TreePath> =
            hits.iter().filter(|hit| hit.newest).filter_map(|hit| hit.path.as_ref()).collect();
        let mut changed = BTreeMap::new();
        let vault = Arc::clone(self.vault());
        for found in Cursor::open(&*vault, root)? {
            let mut found = found?;
            let Ok(path) = found.key.to_path() else { continue };
            let is_lost = lost.contains(&path);
            if is_lost != found.entry.is_lost() {
                found.entry.set_attribute(LOST, is_lost.then(Vec::new));
                let count = if is_lost { &mut self.report.marked } else { &mut self.report.unmarked };
                *count += 1;
                changed.insert(found.key.as_bytes().to_vec(), (path, found.entry));
            }
        }
        for (path, entry) in changed.into_values() {
            edits.put(&path, entry)?;
        }
        Ok(edits)
    }

    fn publish(&mut self, root: Option<&Root>, mend: &Mend, edits: EditList) -> Result<(), OpsError> {
        let vault = self.vault();
        vault.objects.io.barrier()?;
        let due = !(mend.broken.is_empty() && mend.gone.is_empty() && mend.found.is_empty() && edits.is_empty());
        // What was only put back needs no commit; nor can there be one on a tree that nobody can read.
        let (true, Some(root)) = (due, root) else { return Ok(()) };
        let mut session = Session::begin(Arc::clone(vault), session_options(self.ctx, vault))?;
        session.mend(mend)?;
        let info = CommitInfo { operation: self.options.operation.clone() };
        let published = commit_edits(&mut session, Some(root), &[], &mut edits.finish()?, true, &info)?;
        if let Published::Commit(id) = published {
            self.report.commit = Some(id.to_string());
        }
        Ok(())
    }
}

fn blobs_of(found: &[FoundPack]) -> Result<HashSet<[u8; 16]>, VaultError> {
    found.iter().map(FoundPack::blob_ids).collect::<Result<Vec<_>, _>>().map(|all| all.into_iter().flatten().collect())
}
