//! Which objects go and what is saved of them: the working set of a collection. Start at [`Plan::new`].
//!
//! Owns homes: for each blob that is needed, the pack that it stays in. Memory goes with the number of packs, never with that of
//! blobs.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::compact::rewritten;
use super::epochs::Epochs;
use super::error::VaultError;
use super::index::{Found, Index};
use super::mark::{Needed, references};
use super::objects::object_name;
use super::open::Vault;
use super::session::{Session, seal_class};
use super::tree::TreeWriter;
use crate::format::hints::ObjectRef;
use crate::format::index::IndexClass;
use crate::format::name::{DATA_PREFIX, INDEX_PREFIX, META_PREFIX, ObjectName};
use crate::format::node::split_blob;
use crate::format::pack::FrameCoder;
use crate::format::summary::History;
use crate::history::source::{NewNode, Reference};
use crate::id::{BlobId, BlobKind, ObjectId};
use crate::spool::{Sorted, Sorter};
use crate::world::Timestamp;

/// What a listing has shown: packs and index segments, with their sizes.
#[derive(Clone, Default)]
pub(super) struct Stored(HashMap<ObjectId, (ObjectName, u64)>);

/// What is to become of packs.
pub(super) struct Plan {
    vault: Arc<Vault>,
    index: Arc<Index>,
    epochs: Arc<Epochs>,
    needed: Needed,
    packs: HashMap<ObjectId, Pack>,
    pub(super) stored: Stored,
    /// What goes, and its size; 0 where it is gone already.
    pub(super) condemned: BTreeMap<ObjectId, u64>,
    /// What no commit names and is too young to go.
    pub(super) young: (u64, u64),
}

/// Bytes of blobs in a pack.
#[derive(Clone, Copy, Default)]
struct Pack {
    all: u64,
    needed: u64,
}

impl Stored {
    /// Lists packs and segments.
    pub(super) fn list(vault: &Vault) -> Result<Self, VaultError> {
        let mut objects = HashMap::new();
        for prefix in [DATA_PREFIX, META_PREFIX, INDEX_PREFIX] {
            vault.objects.io.list(prefix, &mut |listed| {
                if let Ok(name) = listed.path.as_str().parse::<ObjectName>() {
                    objects.insert(name.id(), (name, listed.size));
                }
                Ok(())
            })?;
        }
        Ok(Self(objects))
    }

    /// Asks for the packs that the index names and the listing does not show: it may lag.
    fn complete(&mut self, vault: &Vault, index: &Index) -> Result<(), VaultError> {
        for pack in index.packs()? {
            if pack.class == IndexClass::Log || self.has(&pack.object.id) {
                continue;
            }
            let name = object_name(seal_class(pack.class), pack.object.id);
            if let Some(size) = vault.objects.io.size(&name.to_string())? {
                self.0.insert(pack.object.id, (name, size));
            }
        }
        Ok(())
    }

    /// Whether an object is there.
    pub(super) fn has(&self, id: &ObjectId) -> bool {
        self.0.contains_key(id)
    }

    /// Its name and size.
    pub(super) fn find(&self, id: &ObjectId) -> Option<(ObjectName, u64)> {
        self.0.get(id).copied()
    }

    /// How many there are, and their bytes.
    pub(super) fn total(&self) -> (u64, u64) {
        (self.0.len() as u64, self.0.values().map(|(_, size)| size).sum())
    }

    fn is_whole(&self, object: &ObjectRef) -> bool {
        self.0.get(&object.id).is_some_and(|(_, size)| *size == object.size)
    }
}

impl Plan {
    /// Nothing is condemned yet.
    pub(super) fn new(vault: &Arc<Vault>, mut stored: Stored, needed: Needed) -> Result<Self, VaultError> {
        let index = vault.index()?;
        stored.complete(vault, &index)?;
        Ok(Self {
            index,
            epochs: vault.epochs()?,
            vault: Arc::clone(vault),
            needed,
            packs: HashMap::new(),
            stored,
            condemned: BTreeMap::new(),
            young: (0, 0),
        })
    }

    /// Counts what is needed of each pack. Of several packs that have a blob, the one that is needed most already has to stay.
    ///
    /// # Errors
    /// A blob that is needed is nowhere.
    pub(super) fn count(&mut self) -> Result<(), VaultError> {
        for (_, segment) in self.index.segments() {
            let mut numbers = Vec::new();
            for pack in segment.packs() {
                numbers.push(pack?);
            }
            let mut sums = vec![0u64; numbers.len()];
            for record in segment.iter() {
                let record = record?;
                if let Some(sum) = sums.get_mut(record.pack as usize) {
                    *sum += u64::from(record.location.blob_len);
                }
            }
            for (pack, sum) in numbers.iter().zip(sums).filter(|(pack, _)| pack.class != IndexClass::Log) {
                let known = self.packs.entry(pack.object.id).or_default();
                known.all = known.all.max(sum);
            }
        }
        let Self { vault, index, epochs, packs, stored, needed, .. } = self;
        needed.each(&mut |kind, id| {
            let places = index.lookup(&id)?;
            match home(&places, stored, packs, |object| epochs.condemn(object)) {
                Home::Pack(found) => {
                    packs.entry(found.object.id).or_default().needed += u64::from(found.at.blob_len);
                    Ok(())
                }
                Home::Bundle => Ok(()),
                Home::None if places.iter().any(|found| stored.is_whole(&found.object)) => Ok(()), // is copied out
                Home::None => Err(lost(vault, kind, &id)),
            }
        })
    }

    /// Condemns what is not needed at all, and of what is needed in part as much as it takes to leave `max_unused` percent, but
    /// no more than `max_repack` bytes.
    pub(super) fn choose(&mut self, max_unused: u64, max_repack: u64) {
        let mut partly = Vec::new();
        let (mut all, mut unused) = (0, 0);
        for (id, pack) in &self.packs {
            let size = self.stored.find(id).map_or(0, |(_, size)| size);
            if pack.needed == 0 {
                self.condemned.insert(*id, size);
                continue;
            }
            let free =
                u128::from(size) * u128::from(pack.all.saturating_sub(pack.needed)) / u128::from(pack.all.max(1));
            all += size;
            unused += free as u64;
            partly.push((free as u64, size, *id));
        }
        let mut copied = 0;
        // What frees most for what it costs comes first.
        partly.sort_by(|a, b| {
            let key = |(free, size, id): &(u64, u64, ObjectId)| {
                (u128::from(*free) * 1_000_000 / u128::from((*size).max(1)), *id)
            };
            key(b).cmp(&key(a))
        });
        for (free, size, id) in partly {
            let live = size - free;
            if free == 0 || unused * 100 <= all * max_unused || copied + live > max_repack {
                break;
            }
            copied += live;
            unused -= free;
            all -= free;
            self.condemned.insert(id, size);
        }
    }

    /// Condemns what no commit names, once it was seen by a collection of this installation some seconds ago: an upload may take
    /// days, and it is a pity to lose it.
    pub(super) fn orphans(&mut self, age: i64, now: Timestamp) -> Result<(), VaultError> {
        let vault = &self.vault;
        let mut known: HashSet<ObjectId> = self.packs.keys().copied().collect();
        known.extend(vault.view().segment_refs().iter().map(|segment| segment.id));
        known.extend(
            vault
                .view()
                .past
                .histories
                .roots()
                .iter()
                .flat_map(|root| root.root.waiting.iter().flat_map(|waiting| waiting.segments.iter().copied())),
        );
        known.extend(vault.state.journal()?.iter().map(|pack| pack.object.id));
        let seen = vault.state.meta(ORPHANS)?.unwrap_or_default();
        let seen: HashMap<[u8; 32], i64> = seen
            .as_chunks::<40>()
            .0
            .iter()
            .map(|row| {
                let (id, at) = row.split_at(32);
                (id.try_into().unwrap_or([0; 32]), i64::from_le_bytes(at.try_into().unwrap_or([0; 8])))
            })
            .collect();
        let mut still = Vec::new();
        for (id, (_, size)) in self.stored.0.iter().filter(|(id, _)| !known.contains(id)) {
            let first = seen.get(id.as_bytes()).copied().unwrap_or(now.secs);
            still.extend_from_slice(id.as_bytes());
            still.extend_from_slice(&first.to_le_bytes());
            if self.epochs.condemn(id) || first.saturating_add(age) <= now.secs {
                self.condemned.insert(*id, *size);
            } else {
                self.young = (self.young.0 + 1, self.young.1 + size);
            }
        }
        vault.state.set_meta(ORPHANS, &still)
    }

    /// Bytes of what is condemned, and how many objects.
    pub(super) fn condemned_total(&self) -> (u64, u64) {
        (self.condemned.len() as u64, self.condemned.values().sum())
    }

    /// Bytes that are not needed in packs that stay.
    pub(super) fn unused(&self) -> u64 {
        let stays = self.packs.iter().filter(|(id, _)| !self.condemned.contains_key(*id));
        let free = stays.map(|(id, pack)| {
            let size = self.stored.find(id).map_or(0, |(_, size)| size);
            (u128::from(size) * u128::from(pack.all.saturating_sub(pack.needed)) / u128::from(pack.all.max(1))) as u64
        });
        free.sum()
    }

    /// Stores anew what is needed and is in no pack that stays. Gives the bytes that were copied.
    pub(super) fn copy(&mut self, session: &Session) -> Result<u64, VaultError> {
        let mut wanted = self.wanted()?;
        let vault = &self.vault;
        let (writer, mut coder, mut copied) = (TreeWriter::packs(session), FrameCoder::default(), 0);
        for row in wanted.read().map_err(spooling)? {
            let (_, record) = row.map_err(spooling)?;
            let (kind, id) = record.split_first().ok_or_else(broken)?;
            let kind = BlobKind::from_u8(*kind).ok_or_else(broken)?;
            let id = BlobId::new(id.try_into().map_err(|_| broken())?);
            let (blob, _) = vault.blob(kind, &id, None)?;
            copied += blob.len() as u64;
            if kind == BlobKind::Chunk {
                session.store_chunk(&blob, &mut coder)?;
                continue;
            }
            let canonical = split_blob(&blob)?.0.to_vec();
            let below: Vec<BlobId> = match kind {
                BlobKind::History => History::decode(&canonical)
                    .map(|history| history.pages.iter().map(|page| page.id).collect())
                    .unwrap_or_default(),
                _ => references(kind, &canonical)?.into_iter().map(|(_, id)| id).collect(),
            };
            let references = below.into_iter().map(|id| Reference { id, place: None }).collect();
            writer.refold(NewNode { kind, canonical, references })?;
        }
        writer.finish()?;
        Ok(copied)
    }

    /// What has to be copied, in the order in which it lies.
    fn wanted(&mut self) -> Result<Sorted, VaultError> {
        let Self { vault, index, epochs, packs, stored, needed, condemned, .. } = self;
        let mut sorter = Sorter::default();
        needed.each(&mut |kind, id| {
            let places = index.lookup(&id)?;
            let refused = |object: &ObjectId| epochs.condemn(object) || condemned.contains_key(object);
            if !matches!(home(&places, stored, packs, refused), Home::None) {
                return Ok(());
            }
            let from =
                places.iter().find(|found| stored.is_whole(&found.object)).ok_or_else(|| lost(vault, kind, &id))?;
            let mut key = from.object.id.as_bytes().to_vec();
            key.extend(from.at.frame_offset.to_be_bytes());
            key.extend(from.at.blob_offset.to_be_bytes());
            let record = [&[kind as u8][..], id.as_bytes()].concat();
            sorter.push(&key, record).map_err(spooling)
        })?;
        sorter.finish().map_err(spooling)
    }
}

/// Where a blob stays.
enum Home {
    /// In a log object, until that is folded into a pack.
    Bundle,
    Pack(Found),
    None,
}

fn home(
    places: &[Found],
    stored: &Stored,
    packs: &HashMap<ObjectId, Pack>,
    refused: impl Fn(&ObjectId) -> bool,
) -> Home {
    if places.iter().any(|found| found.class == IndexClass::Log) {
        return Home::Bundle;
    }
    let good = places.iter().filter(|found| stored.is_whole(&found.object) && !refused(&found.object.id));
    let best = good.max_by_key(|found| (packs.get(&found.object.id).map_or(0, |pack| pack.needed), found.object.id));
    best.map_or(Home::None, |found| Home::Pack(*found))
}

impl Session {
    /// Seals and uploads what was stored, and the index segments that tell of it. Everything is durable after a barrier.
    pub(super) fn stored_anew(&mut self) -> Result<Vec<ObjectRef>, VaultError> {
        if let Some(rest) = self.finish_data(0)?
            && !rest.is_empty()
        {
            self.spill(rest)?;
        }
        self.wait_uploads()?;
        let mut segments = Vec::new();
        self.store_segments(&mut segments)?;
        Ok(segments)
    }

    /// Index segments that take the place of those which name condemned packs or are condemned, and the ids of the latter.
    pub(super) fn without_condemned(
        &self,
        doomed: &BTreeSet<ObjectId>,
    ) -> Result<(Vec<ObjectRef>, Vec<ObjectId>), VaultError> {
        let (mut added, mut superseded) = (Vec::new(), Vec::new());
        let epochs = self.shared.vault.epochs()?;
        let gone = |id: &ObjectId| doomed.contains(id);
        for (id, segment) in self.shared.index().segments() {
            self.shared.check()?;
            let mut names = epochs.condemn(id);
            for pack in segment.packs() {
                names |= gone(&pack?.object.id);
            }
            if names {
                added.extend(rewritten(self, segment, &gone)?);
                superseded.push(*id);
            }
        }
        superseded.sort_unstable();
        Ok((added, superseded))
    }
}

fn lost(vault: &Vault, kind: BlobKind, id: &BlobId) -> VaultError {
    let what = match kind {
        BlobKind::Chunk => "a piece of a file",
        BlobKind::Node => "a part of a tree",
        BlobKind::List => "a part of the list of a file's pieces",
        BlobKind::History => "a part of the log's history",
    };
    let place = vault.objects.io.describe();
    VaultError::Missing { what: format!("{what} that is needed (blob {}, at {place})", id.short()) }
}

fn spooling(source: std::io::Error) -> VaultError {
    VaultError::local("cannot use a temporary file")(source)
}

fn broken() -> VaultError {
    VaultError::damaged("temporary file", "it is not what was written")
}

/// Where the state keeps which objects without a commit were seen, and when first.
const ORPHANS: &str = "orphans";
