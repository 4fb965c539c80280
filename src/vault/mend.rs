//! Mending the index: segments that are lost come back from a copy on this machine or from the packs themselves, and entries
//! of packs that are gone go. Objects are only ever added; what takes effect is one commit. Start at [`Session::mend`].

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use super::audit::verified_directory;
use super::error::VaultError;
use super::index::{intact_copy, keep_segment};
use super::objects::{fetch_range, fetch_whole};
use super::open::Vault;
use super::placed::zeros;
use super::session::Session;
use crate::crypto::{self, Class as SealClass, OBJECT_HEADER_LEN, ObjectHeader, SealBuffer, geometry};
use crate::format::hints::ObjectRef;
use crate::format::index::{IndexClass, PackEntry, Preload, ReadAt, SegmentReader, id16};
use crate::format::index_builder::{SegmentWriter, merge_segments};
use crate::format::name::ObjectName;
use crate::format::pack::Directory;
use crate::id::ObjectId;

/// What a commit is to say of the index besides what it stores.
#[derive(Debug, Default)]
pub(super) struct Mending {
    added: Vec<ObjectRef>,
    superseded: Vec<ObjectId>,
}

/// What the next commit is to mend.
#[derive(Debug, Default)]
pub struct Mend {
    /// Segments that can't be had from the remote.
    pub broken: Vec<ObjectRef>,
    /// Packs that are gone: nothing is to be looked for in them.
    pub gone: HashSet<ObjectId>,
    /// Packs that no segment names, with what is in them.
    pub found: Vec<FoundPack>,
}

/// A pack that was read and is what it should be.
#[derive(Debug, Clone)]
pub struct FoundPack {
    /// The pack.
    pub pack: PackEntry,
    /// Its directory, encoded.
    pub directory: Vec<u8>,
}

impl FoundPack {
    /// The blobs in it, as the index knows them.
    ///
    /// # Errors
    /// The directory is malformed.
    pub fn blob_ids(&self) -> Result<Vec<[u8; 16]>, VaultError> {
        let directory = Directory::decode(&self.directory, self.pack.object.size)?;
        Ok(directory.blobs().map(|(blob, _)| id16(&blob.id)).collect())
    }
}

impl Vault {
    /// Reads a pack of which only the name is known, and verifies all of it. None if it is not one of this vault's, or not
    /// whole.
    ///
    /// # Errors
    /// The remote's, or cancelled.
    pub fn read_pack(&self, name: &ObjectName, size: u64) -> Result<Option<FoundPack>, VaultError> {
        let class = match name {
            ObjectName::Data(_) => IndexClass::Data,
            ObjectName::Meta(_) => IndexClass::Meta,
            _ => return Ok(None),
        };
        if geometry::plain_len(size).is_none() {
            return Ok(None);
        }
        let head = match fetch_range(&self.objects.io, name, 0..(OBJECT_HEADER_LEN as u64).min(size)) {
            Err(error) if error.is_lack() => return Ok(None),
            head => head?,
        };
        let Ok(header) = ObjectHeader::parse(&head) else { return Ok(None) };
        let object = ObjectRef { id: name.id(), size, epoch: header.epoch, salt: header.salt };
        let pack = PackEntry { object, class };
        match verified_directory(self, &pack) {
            Ok(directory) => Ok(Some(FoundPack { pack, directory })),
            Err(error) if error.is_lack() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether this machine has a copy of an index segment that is as it was.
    ///
    /// # Errors
    /// The local state fails.
    pub fn has_segment_copy(&self, id: &ObjectId) -> Result<bool, VaultError> {
        Ok(intact_copy(&self.state, id)?.is_some())
    }

    /// The bytes of an object as this machine has cached them, if they are what the name says.
    pub fn cached(&self, name: &ObjectName, size: u64) -> Option<Vec<u8>> {
        let id = name.id();
        let bytes = self.objects.cache.whole(&id).or_else(|| self.objects.cache.joined(&id, size))?;
        (crypto::object_id(&[&bytes]) == id).then_some(bytes)
    }

    /// Puts an object back under its name, from the bytes that this machine has.
    ///
    /// # Errors
    /// The remote's.
    pub fn put_back(&self, name: &ObjectName, bytes: Vec<u8>) -> Result<(), VaultError> {
        self.objects.io.put_new(&name.to_string(), vec![bytes.into()]).map(drop)
    }

    /// Whether an object is there with this size, asked by its name: a listing may lag.
    ///
    /// # Errors
    /// The remote's.
    pub fn has_object(&self, name: &ObjectName, size: u64) -> Result<bool, VaultError> {
        Ok(self.objects.io.size(&name.to_string())? == Some(size))
    }

    /// Whether what lies under a name hashes to it.
    ///
    /// # Errors
    /// The remote's.
    pub fn is_sound(&self, name: &ObjectName, size: u64) -> Result<bool, VaultError> {
        match fetch_whole(&self.objects.io, name, size) {
            Ok(_) => Ok(true),
            Err(error) if error.is_lack() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Session {
    /// Prepares what the next commit of this session says of the index. Segments are stored; nobody sees them before.
    ///
    /// # Errors
    /// The remote or the local state fails.
    pub fn mend(&self, mend: &Mend) -> Result<(), VaultError> {
        let shared = &self.shared;
        let mut mending = Mending::default();
        for segment in &mend.broken {
            if let Some(plaintext) = intact_copy(&shared.vault.state, &segment.id)? {
                let reader = SegmentReader::open(plaintext, Preload::None)?;
                mending.added.extend(self.without(&reader, &mend.gone)?);
            }
            mending.superseded.push(segment.id);
        }
        let broken: HashSet<ObjectId> = mend.broken.iter().map(|segment| segment.id).collect();
        let index = shared.index();
        for (id, reader) in index.segments().iter().filter(|(id, _)| !broken.contains(id)) {
            let packs = reader.packs().collect::<Result<Vec<_>, _>>()?;
            if packs.iter().any(|pack| mend.gone.contains(&pack.object.id)) {
                mending.added.extend(self.without(&SegmentReader::open(reader.source(), Preload::None)?, &mend.gone)?);
                mending.superseded.push(*id);
            }
        }
        mending.superseded.sort_unstable();
        for FoundPack { pack, directory } in &mend.found {
            let directory = Directory::decode(directory, pack.object.size)?;
            let number = shared.placed.new_pack();
            shared.placed.place(number, directory.blobs().map(|(blob, at)| (blob.id, at)));
            shared.placed.stored(number, *pack)?;
        }
        shared.vault.objects.io.barrier()?;
        *shared.mending.lock().expect("swapping does not panic") = mending;
        Ok(())
    }

    /// A segment of what another tells of packs that are there; none if that is nothing.
    fn without<R: ReadAt>(
        &self,
        reader: &SegmentReader<R>,
        gone: &HashSet<ObjectId>,
    ) -> Result<Option<ObjectRef>, VaultError> {
        let mut sink = SegmentWriter::new(Vec::new());
        let keep = |pack: &PackEntry| !gone.contains(&pack.object.id);
        let packs = merge_segments(std::slice::from_ref(reader), keep, &mut sink)?;
        if packs.is_empty() {
            return Ok(None);
        }
        let padding = zeros(sink.plain_len(packs.len()));
        let plaintext = sink.finish(&packs, reader.level(), padding)?;
        let mut buffer = SealBuffer::default();
        buffer.reserve(plaintext.len() as u64);
        buffer.push(&plaintext);
        let (object, _) = self.shared.put_sealed(SealClass::Index, buffer)?;
        keep_segment(&self.shared.vault.state, &object.id, &plaintext)?;
        Ok(Some(object))
    }

    /// Whether a commit is due even if the tree stays the same: for the index, or for what was stored again.
    pub(super) fn mends(&self) -> bool {
        let mending = self.shared.mending.lock().expect("swapping does not panic");
        !mending.superseded.is_empty()
            || !mending.added.is_empty()
            || self.shared.stats.restored.load(Ordering::Relaxed) > 0
    }

    pub(super) fn add_mended(&self, added: &mut Vec<ObjectRef>, superseded: &mut Vec<ObjectId>) {
        let mending = self.shared.mending.lock().expect("swapping does not panic");
        added.extend(&mending.added);
        superseded.extend(&mending.superseded);
    }
}
