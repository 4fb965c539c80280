//! What the vault holds already: the union of the head's index segments and of the directories of bundles.
//!
//! Segments are kept as plain files of this installation, checked by their hash when they are opened and fetched again
//! when they do not fit: a false "already there" would lose data.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::VaultError;
use super::forgive::BrokenPart;
use super::objects::{Objects, fetch_whole};
use super::state::State;
use crate::crypto::{self, Class as SealClass, ObjectHasher, SealContext, geometry};
use crate::format::hints::{Location, ObjectRef};
use crate::format::index::{IndexClass, PackEntry, Preload, SegmentReader, id16};
use crate::format::limits::PACK_OBJECT_MAX;
use crate::format::name::ObjectName;
use crate::format::pack::Directory;
use crate::id::{BlobId, ObjectId};

/// Where a blob is, and in which class of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Class of the object.
    pub class: IndexClass,
    /// The object.
    pub object: ObjectRef,
    /// The spot in it.
    pub at: Location,
}

/// The index of one view of the vault.
#[derive(Default)]
pub struct Index {
    segments: Vec<(ObjectId, SegmentReader<File>)>,
    bundles: Vec<ObjectRef>,
    bundled: HashMap<[u8; 16], Vec<(u32, Location)>>,
    broken: Vec<BrokenPart>,
}

impl Index {
    /// Opens the segments (fetching those that are not here) and reads the directories of the bundles.
    pub(super) fn load(
        objects: &Objects,
        state: &State,
        segments: &[ObjectRef],
        bundles: &[(ObjectRef, Option<Vec<u8>>)],
        forgiving: bool,
    ) -> Result<Self, VaultError> {
        let mut index = Self::default();
        for segment in segments {
            match open_segment(objects, state, segment) {
                Ok(reader) => index.segments.push((segment.id, reader)),
                Err(error) if forgiving && error.is_lack() => {
                    index.broken.push(BrokenPart { object: *segment, error });
                }
                Err(error) => return Err(error),
            }
        }
        let fetched = fetch_directories(objects, bundles)?;
        for ((object, directory), fetched) in bundles.iter().zip(fetched) {
            let directory = match (directory, fetched) {
                (Some(directory), _) => directory.clone(),
                (None, Ok(fetched)) => fetched,
                (None, Err(error)) if forgiving && error.is_lack() => {
                    index.broken.push(BrokenPart { object: *object, error });
                    continue;
                }
                (None, Err(error)) => return Err(error),
            };
            let number = index.bundles.len() as u32;
            index.bundles.push(*object);
            for (blob, at) in Directory::decode(&directory, PACK_OBJECT_MAX)?.blobs() {
                index.bundled.entry(id16(&blob.id)).or_default().push((number, at));
            }
        }
        Ok(index)
    }

    /// All places of a blob.
    ///
    /// # Errors
    /// A segment can't be read.
    pub fn lookup(&self, id: &BlobId) -> Result<Vec<Found>, VaultError> {
        let mut found = Vec::new();
        for (number, at) in self.bundled.get(&id16(id)).into_iter().flatten() {
            found.push(Found { class: IndexClass::Log, object: self.bundles[*number as usize], at: *at });
        }
        for (_, segment) in &self.segments {
            for (pack, at) in segment.lookup(id)? {
                found.push(Found { class: pack.class, object: pack.object, at });
            }
        }
        Ok(found)
    }

    /// The segments.
    pub(super) fn segments(&self) -> &[(ObjectId, SegmentReader<File>)] {
        &self.segments
    }

    /// What of it could not be read, in a vault that forgives.
    pub fn broken(&self) -> &[BrokenPart] {
        &self.broken
    }

    /// Every object that the index names, once.
    ///
    /// # Errors
    /// A segment can't be read.
    pub fn packs(&self) -> Result<Vec<PackEntry>, VaultError> {
        let bundles = self.bundles.iter().map(|object| PackEntry { object: *object, class: IndexClass::Log });
        let mut packs: Vec<PackEntry> = bundles.collect();
        for (_, segment) in &self.segments {
            for pack in segment.packs() {
                packs.push(pack?);
            }
        }
        packs.sort_unstable_by_key(|pack| pack.object.id);
        packs.dedup_by_key(|pack| pack.object.id);
        Ok(packs)
    }

    /// The ids of those objects.
    ///
    /// # Errors
    /// A segment can't be read.
    pub fn objects(&self) -> Result<HashSet<ObjectId>, VaultError> {
        Ok(self.packs()?.iter().map(|pack| pack.object.id).collect())
    }
}

/// What became of fetching a directory.
type Fetched = Result<Vec<u8>, VaultError>;

/// The directories of the bundles that were not read yet; empty for the others. Side by side: whoever writes needs all.
fn fetch_directories(objects: &Objects, bundles: &[(ObjectRef, Option<Vec<u8>>)]) -> Result<Vec<Fetched>, VaultError> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut fetched = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            match bundles.get(number) {
                None => return fetched,
                Some((_, Some(_))) => {}
                Some((object, None)) => fetched.push((number, objects.bundle_directory(object))),
            }
        }
    };
    let missing = bundles.iter().filter(|(_, directory)| directory.is_none()).count();
    let mut directories: Vec<Fetched> = bundles.iter().map(|_| Ok(Vec::new())).collect();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..missing.min(FETCHERS)).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            let fetched = thread.join().map_err(|_| VaultError::Cancelled)?;
            fetched.into_iter().for_each(|(number, directory)| directories[number] = directory);
        }
        Ok(directories)
    })
}

fn open_segment(objects: &Objects, state: &State, segment: &ObjectRef) -> Result<SegmentReader<File>, VaultError> {
    let path = segment_path(state, &segment.id);
    if !is_intact(state, &path, &segment.id)? {
        fetch_segment(objects, state, segment, &path)?;
    }
    let file = File::open(&path).map_err(VaultError::local(format!("cannot read {}", path.display())))?;
    Ok(SegmentReader::open(file, Preload::All)?)
}

/// Keeps the plaintext of a segment just written or fetched.
pub(super) fn keep_segment(state: &State, id: &ObjectId, plaintext: &[u8]) -> Result<(), VaultError> {
    let path = segment_path(state, id);
    write_segment(&path, |out| out.write_all(plaintext))?;
    let mut hasher = ObjectHasher::new();
    hasher.update(plaintext);
    state.set_meta(&hash_key(id), hasher.finish().as_bytes())
}

/// The plaintext of a segment by its name alone, checked: the copy on this machine, or what the remote has.
pub(super) fn read_segment(objects: &Objects, state: &State, id: &ObjectId) -> Result<Vec<u8>, VaultError> {
    let (name, path) = (ObjectName::Index(*id), segment_path(state, id));
    let size = objects.io.size(&name.to_string())?.ok_or_else(|| VaultError::Missing { what: format!("`{name}`") })?;
    if size > READ_WHOLE_MAX {
        return Err(VaultError::Limit(format!("`{name}` is too large to be held in memory")));
    }
    if is_intact(state, &path, id)? {
        return std::fs::read(&path).map_err(VaultError::local(format!("cannot read {}", path.display())));
    }
    let bytes = fetch_whole(&objects.io, &name, size)?;
    crypto::open(&objects.keys, &SealContext { class: SealClass::Index, name: b"" }, &bytes)
        .map_err(|error| VaultError::damaged(name, error))
}

/// The plaintext of a segment as this machine has it, if that is as it was.
pub(super) fn intact_copy(state: &State, id: &ObjectId) -> Result<Option<Vec<u8>>, VaultError> {
    let path = segment_path(state, id);
    Ok(if is_intact(state, &path, id)? { std::fs::read(&path).ok() } else { None })
}

/// Drops the copy of a segment that is gone from the remote.
pub(super) fn drop_segment(state: &State, id: &ObjectId) {
    std::fs::remove_file(segment_path(state, id)).unwrap_or_default();
}

fn fetch_segment(objects: &Objects, state: &State, segment: &ObjectRef, path: &Path) -> Result<(), VaultError> {
    let len = geometry::plain_len(segment.size)
        .ok_or_else(|| VaultError::damaged(segment.id, "an index segment has an impossible size"))?;
    let mut hasher = ObjectHasher::new();
    let mut failed = None;
    write_segment(path, |out| {
        for start in (0..len).step_by(STEP as usize) {
            match objects.plain_range(SealClass::Index, segment, start..(start + STEP).min(len)) {
                Ok(part) => {
                    hasher.update(&part);
                    out.write_all(&part)?;
                }
                Err(error) => {
                    failed = Some(error);
                    return Err(io::ErrorKind::Other.into());
                }
            }
        }
        Ok(())
    })
    .map_err(|error| failed.take().unwrap_or(error))?;
    state.set_meta(&hash_key(&segment.id), hasher.finish().as_bytes())
}

fn write_segment(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), VaultError> {
    // Another run may be fetching the same segment.
    let write = || {
        let dir = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new().prefix(".tmp-").tempfile_in(dir)?;
        fill(file.as_file_mut())?;
        file.as_file().sync_data()?;
        file.persist(path).map(|_| ()).map_err(|error| error.error)
    };
    write().map_err(VaultError::local(format!("cannot write {}", path.display())))
}

fn is_intact(state: &State, path: &Path, id: &ObjectId) -> Result<bool, VaultError> {
    let (Some(known), Ok(mut file)) = (state.meta(&hash_key(id))?, File::open(path)) else { return Ok(false) };
    let mut hasher = ObjectHasher::new();
    let mut buffer = vec![0; STEP as usize];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish().as_bytes()[..] == known[..]),
            Ok(len) => hasher.update(&buffer[..len]),
            Err(_) => return Ok(false),
        }
    }
}

fn segment_path(state: &State, id: &ObjectId) -> PathBuf {
    state.index_dir().join(id.to_string())
}

fn hash_key(id: &ObjectId) -> String {
    format!("segment:{id}")
}

const STEP: u64 = 1 << 20;
/// Segments up to this many bytes are merged, and so are those that a merge has made superfluous.
const READ_WHOLE_MAX: u64 = 17 << 20;
/// How many bundles are fetched at a time.
const FETCHERS: usize = 8;
