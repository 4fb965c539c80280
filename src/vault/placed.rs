//! Which blobs this session has stored and where: in memory while they are few, in sorted runs on this machine's disk
//! beyond that. Start at [`Placed::claim`].
//!
//! The runs are index segments as the format has them, and are published as they are. A blob moves from memory to a run
//! in one step, so that at any moment it is in exactly one of the two.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::error::VaultError;
use crate::crypto::geometry;
use crate::format::hints::{Location, ObjectRef};
use crate::format::index::{IndexRecord, PackEntry, Preload, SegmentReader, id16};
use crate::format::index_builder::build_segment;
use crate::format::pack::BlobEntry;
use crate::id::{BlobId, ObjectId};

/// The blobs of this session (and of interrupted ones before it) and where they are.
pub(super) struct Placed {
    inner: RwLock<Inner>,
    moving: Mutex<()>,
    dir: PathBuf,
    in_memory: usize,
}

#[derive(Default)]
struct Inner {
    claimed: HashSet<[u8; 16]>,
    blobs: HashMap<[u8; 16], (u32, Location)>,
    /// By number; `None` while a pack is open or on its way.
    packs: Vec<Option<PackEntry>>,
    /// Which packs are known to a run, or were part of a segment already.
    in_runs: HashSet<u32>,
    runs: Runs,
    /// How many of the runs were segments already.
    told: usize,
}

type Runs = Arc<Vec<Arc<SegmentReader<File>>>>;

/// Where a blob lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    /// The number of its pack, as long as that is open or on its way.
    pub(super) open: Option<u32>,
    /// The object, once it is stored.
    pub(super) object: Option<ObjectRef>,
    pub(super) at: Location,
}

impl Placed {
    /// Nothing yet. Runs go to unnamed files in `dir`.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { inner: RwLock::default(), moving: Mutex::default(), dir, in_memory: IN_MEMORY }
    }

    /// Whether the caller must store this blob. `false` if it is stored, or being stored by somebody else; `committed`
    /// tells whether it was before this session.
    pub(super) fn claim(
        &self,
        id: &BlobId,
        committed: impl Fn() -> Result<bool, VaultError>,
    ) -> Result<bool, VaultError> {
        let key = id16(id);
        loop {
            let runs = {
                let inner = self.read();
                if inner.knows(&key) {
                    return Ok(false);
                }
                Arc::clone(&inner.runs)
            };
            if in_runs(&runs, id)?.is_some() || committed()? {
                return Ok(false);
            }
            let mut inner = self.write();
            if inner.knows(&key) {
                return Ok(false);
            }
            if Arc::ptr_eq(&runs, &inner.runs) {
                return Ok(inner.claimed.insert(key));
            }
            // A run was made meanwhile, and may hold what was not in memory any more: look again.
        }
    }

    /// Where a blob of this session lies.
    pub(super) fn find(&self, id: &BlobId) -> Result<Option<Spot>, VaultError> {
        let runs = {
            let inner = self.read();
            if let Some((number, at)) = inner.blobs.get(&id16(id)) {
                let pack = inner.packs[*number as usize];
                let open = if pack.is_none() { Some(*number) } else { None };
                return Ok(Some(Spot { open, object: pack.map(|pack| pack.object), at: *at }));
            }
            Arc::clone(&inner.runs)
        };
        in_runs(&runs, id)
    }

    /// A pack is begun: its number.
    pub(super) fn new_pack(&self) -> u32 {
        let mut inner = self.write();
        inner.packs.push(None);
        (inner.packs.len() - 1) as u32
    }

    /// How many packs there are, open ones too.
    pub(super) fn pack_count(&self) -> usize {
        self.read().packs.len()
    }

    /// These blobs lie in pack `number`.
    pub(super) fn place(&self, number: u32, blobs: impl IntoIterator<Item = (BlobId, Location)>) {
        let mut inner = self.write();
        for (id, at) in blobs {
            inner.claimed.remove(&id16(&id));
            inner.blobs.insert(id16(&id), (number, at));
        }
    }

    /// Pack `number` is stored. Makes a run if memory holds many blobs.
    pub(super) fn stored(&self, number: u32, pack: PackEntry) -> Result<(), VaultError> {
        let full = {
            let mut inner = self.write();
            inner.packs[number as usize] = Some(pack);
            inner.blobs.len() >= self.in_memory
        };
        // Whoever finds a run being made need not wait for it: the next pack comes soon.
        match self.moving.try_lock() {
            Ok(_alone) if full => self.make_run(),
            _ => Ok(()),
        }
    }

    /// The objects of all stored packs.
    pub(super) fn objects(&self) -> Vec<ObjectId> {
        self.read().packs.iter().flatten().map(|pack| pack.object.id).collect()
    }

    /// Calls `each` with the plaintexts of the index segments of all blobs in stored packs, but for those that an earlier
    /// call had.
    pub(super) fn segments(&self, each: &mut dyn FnMut(Vec<u8>) -> Result<(), VaultError>) -> Result<(), VaultError> {
        let (runs, (records, packs)) = {
            let inner = self.read();
            (Arc::clone(&inner.runs), inner.records())
        };
        let told = self.read().told;
        for run in &runs[told..] {
            let mut file = run.source();
            let mut plaintext = Vec::new();
            let read = file.rewind().and_then(|()| file.read_to_end(&mut plaintext));
            read.map_err(VaultError::local("cannot read a part of the index"))?;
            each(plaintext)?;
        }
        if !records.is_empty() {
            each(build_segment(records, &packs, 0, zeros)?)?;
        }
        let mut inner = self.write();
        inner.told = runs.len();
        inner.note_runs(&packs);
        Ok(())
    }

    fn make_run(&self) -> Result<(), VaultError> {
        let (records, packs) = self.read().records();
        if records.len() < self.in_memory / 2 {
            return Ok(());
        }
        let plaintext = build_segment(records, &packs, 0, zeros)?;
        let write = || {
            let mut file = tempfile::tempfile_in(&self.dir)?;
            file.write_all(&plaintext)?;
            Ok(file)
        };
        let file = write().map_err(VaultError::local(format!("cannot write to {}", self.dir.display())))?;
        let run = SegmentReader::open(file, Preload::All)?;
        let mut inner = self.write();
        let moved = inner.note_runs(&packs);
        let Inner { blobs, runs, .. } = &mut *inner;
        blobs.retain(|_, (number, _)| !moved.contains(number));
        *runs = Arc::new(runs.iter().cloned().chain([Arc::new(run)]).collect());
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().expect("map operations")
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().expect("map operations")
    }
}

impl Inner {
    fn knows(&self, key: &[u8; 16]) -> bool {
        self.claimed.contains(key) || self.blobs.contains_key(key)
    }

    /// Takes packs for known to a run; their numbers.
    fn note_runs(&mut self, packs: &[PackEntry]) -> HashSet<u32> {
        let objects: HashSet<ObjectId> = packs.iter().map(|pack| pack.object.id).collect();
        let numbers = (0..).zip(&self.packs);
        let numbers = numbers.filter(|(_, pack)| pack.is_some_and(|pack| objects.contains(&pack.object.id)));
        let noted: HashSet<u32> = numbers.map(|(number, _)| number).collect();
        self.in_runs.extend(&noted);
        noted
    }

    /// The blobs in memory whose packs are stored, and the table of those packs.
    fn records(&self) -> (Vec<IndexRecord>, Vec<PackEntry>) {
        let (mut numbers, mut table) = (HashMap::new(), Vec::new());
        for (number, pack) in (0u32..).zip(&self.packs) {
            if let Some(pack) = pack
                && !self.in_runs.contains(&number)
            {
                numbers.insert(number, table.len() as u32);
                table.push(*pack);
            }
        }
        let record = |(id16, (number, at)): (&[u8; 16], &(u32, Location))| {
            numbers.get(number).map(|pack| IndexRecord { id16: *id16, pack: *pack, location: *at })
        };
        (self.blobs.iter().filter_map(record).collect(), table)
    }
}

fn in_runs(runs: &Runs, id: &BlobId) -> Result<Option<Spot>, VaultError> {
    for run in &**runs {
        if let Some((pack, at)) = run.lookup(id)?.first() {
            return Ok(Some(Spot { open: None, object: Some(pack.object), at: *at }));
        }
    }
    Ok(None)
}

fn zeros(len: u64) -> usize {
    (geometry::padded_plain_len(len) - len) as usize
}

/// Every blob of a directory, as [`Placed::place`] wants them.
pub(super) fn ids<'a>(
    blobs: impl IntoIterator<Item = &'a (BlobEntry, Location)>,
) -> impl Iterator<Item = (BlobId, Location)> {
    blobs.into_iter().map(|(blob, at)| (blob.id, *at))
}

/// Blobs in memory before they go to a run: some 5 MiB with those of packs on their way.
const IN_MEMORY: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::index::IndexClass;

    fn id(n: u32) -> BlobId {
        BlobId::new(*blake3::hash(&n.to_le_bytes()).as_bytes())
    }

    fn at(n: u32) -> Location {
        Location { frame_offset: n, frame_len: 9, blob_offset: 1, blob_len: 2 }
    }

    fn pack(n: u32) -> PackEntry {
        let mut bytes = [7; 32];
        bytes[..4].copy_from_slice(&n.to_le_bytes());
        let object = ObjectRef { id: ObjectId::new(bytes), size: 4096, epoch: 1, salt: [n as u8; 32] };
        PackEntry { object, class: IndexClass::Data }
    }

    fn never() -> Result<bool, VaultError> {
        Ok(false)
    }

    #[test]
    fn nothing_is_stored_twice_nor_lost_when_memory_overflows() {
        let dir = tempfile::tempdir().unwrap();
        let placed = Placed { in_memory: 50, ..Placed::new(dir.path().to_owned()) };
        // Packs of ten blobs each; every third is stored late.
        let mut late = Vec::new();
        for number in 0..60 {
            assert_eq!(placed.new_pack(), number);
            for n in number * 10..number * 10 + 10 {
                assert!(placed.claim(&id(n), never).unwrap());
                assert!(!placed.claim(&id(n), never).unwrap(), "claimed");
                placed.place(number, [(id(n), at(n))]);
                assert!(!placed.claim(&id(n), never).unwrap(), "placed");
            }
            if number % 3 == 0 { late.push(number) } else { placed.stored(number, pack(number)).unwrap() }
        }
        assert!(placed.read().runs.len() > 3 && placed.read().blobs.len() < 300);
        for n in 0..600 {
            assert!(!placed.claim(&id(n), never).unwrap());
            let spot = placed.find(&id(n)).unwrap().unwrap();
            let (open, object) = if n / 10 % 3 == 0 { (Some(n / 10), None) } else { (None, Some(pack(n / 10).object)) };
            assert_eq!(spot, Spot { open, object, at: at(n) });
        }
        assert!(placed.claim(&id(600), never).unwrap() && !placed.claim(&id(601), || Ok(true)).unwrap());
        late.into_iter().for_each(|number| placed.stored(number, pack(number)).unwrap());
        let mut published = HashMap::new();
        let mut packs = Vec::new();
        let mut segments = 0;
        let mut read = |plaintext: Vec<u8>| {
            segments += 1;
            let reader = SegmentReader::open(plaintext, Preload::None)?;
            for n in 0..600 {
                for (pack, at) in reader.lookup(&id(n))? {
                    assert_eq!(published.insert(n, (pack, at)), None, "in two segments");
                }
            }
            packs.extend(reader.packs().map(|pack| pack.unwrap().object.id));
            Ok(())
        };
        placed.segments(&mut read).unwrap();
        assert!(segments > 4);
        assert!((0..600).all(|n| published[&n] == (pack(n / 10), at(n))));
        packs.sort_unstable();
        let mut expected = placed.objects();
        expected.sort_unstable();
        assert_eq!((packs.len(), packs), (60, expected));
    }
}
