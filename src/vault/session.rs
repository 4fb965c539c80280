//! Writing: chunks in, packs out. One session a mutating run; start at [`Session::store_chunk`].
//!
//! Owns deduplication, framing, packing and the upload threads. Publishes nothing: until `publish` has put a commit,
//! everything here is garbage that nobody sees, remembered in the journal so that the next run need not send it again.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};

use super::container::Container;
use super::error::VaultError;
use super::index::{Found, Index, short};
use super::objects::object_name;
use super::open::Vault;
use super::resume::resume;
use super::state::JournalPack;
use crate::chunk::Cutter;
use crate::crypto::{self, Class as SealClass, SealContext};
use crate::format::hints::{Location, ObjectRef};
use crate::format::index::IndexClass;
use crate::format::pack::{BlobEntry, FrameCoder, encode_frame};
use crate::id::{BlobId, BlobKind, ObjectId};

/// Settings of a session.
#[derive(Debug, Clone, Copy)]
pub struct SessionOptions {
    /// Bytes of frames after which a pack is sealed.
    pub pack_target: u64,
    /// Threads that seal and upload.
    pub uploads: usize,
    /// zstd level; `None` stores everything raw.
    pub compression: Option<i32>,
}

/// What a session has done so far.
#[derive(Debug, Default)]
pub struct SessionStats {
    /// Bytes of chunks that the vault had already.
    pub deduplicated: AtomicU64,
    /// Bytes of objects put, sealed and padded.
    pub stored: AtomicU64,
}

/// A run's writing side.
pub struct Session {
    pub(super) shared: Arc<Shared>,
    packer: Mutex<Packer>,
    small: Mutex<SmallFrame>,
    jobs: Option<Sender<PackJob>>,
    threads: Vec<JoinHandle<()>>,
    options: SessionOptions,
}

/// What the threads of a session share.
pub(super) struct Shared {
    pub(super) vault: Arc<Vault>,
    pub(super) placed: RwLock<Placed>,
    index: Arc<Index>,
    checked: Mutex<HashMap<ObjectId, bool>>,
    failure: Mutex<Option<VaultError>>,
    failed: AtomicBool,
    pub(super) stats: SessionStats,
}

/// The blobs of this session (and of interrupted ones before it) and where they are.
#[derive(Default)]
pub(super) struct Placed {
    claimed: HashSet<[u8; 16]>,
    pub(super) blobs: HashMap<[u8; 16], (u32, Location)>,
    /// By number; `None` while a pack is open or on its way.
    pub(super) packs: Vec<Option<(IndexClass, ObjectRef)>>,
}

/// Where a blob is, as far as that can be told yet.
pub(super) struct Whereabouts {
    /// The pack of this session that holds it.
    pub(super) pack: Option<u32>,
    /// The object, once it is sealed.
    pub(super) object: Option<ObjectRef>,
    /// The spot in it.
    pub(super) at: Location,
}

struct Packer {
    open: [Option<(u32, Container)>; 2],
    turn: u64,
}

#[derive(Default)]
struct SmallFrame {
    bytes: Vec<u8>,
    blobs: Vec<BlobEntry>,
}

pub(super) struct PackJob {
    number: u32,
    class: IndexClass,
    container: Container,
}

impl Session {
    /// Begins a session: loads the index and the journal, starts the upload threads.
    ///
    /// # Errors
    /// The index can't be loaded.
    pub fn begin(vault: Arc<Vault>, options: SessionOptions) -> Result<Self, VaultError> {
        let index = vault.index()?;
        let placed = resume(&vault)?;
        let shared = Arc::new(Shared {
            vault,
            placed: RwLock::new(placed),
            index,
            checked: Mutex::default(),
            failure: Mutex::default(),
            failed: AtomicBool::new(false),
            stats: SessionStats::default(),
        });
        // A rendezvous: a full pack waits in the hands of whoever filled it, so the bound on packs in memory is exact.
        let (jobs, queue) = bounded(0);
        let threads = (0..options.uploads).map(|_| spawn_uploader(Arc::clone(&shared), queue.clone())).collect();
        Ok(Self {
            shared,
            packer: Mutex::new(Packer { open: [None, None], turn: 0 }),
            small: Mutex::default(),
            jobs: Some(jobs),
            threads,
            options,
        })
    }

    /// Stores a chunk unless the vault has it, and tells its id.
    ///
    /// # Errors
    /// An upload failed, earlier or now; the index can't be read.
    pub fn store_chunk(&self, chunk: Vec<u8>, coder: &mut FrameCoder) -> Result<BlobId, VaultError> {
        let id = self.shared.vault.keys().blob_id(BlobKind::Chunk, &chunk);
        if !self.shared.claim(&id)? {
            self.shared.stats.deduplicated.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            return Ok(id);
        }
        let blob = BlobEntry { kind: BlobKind::Chunk, id, len: chunk.len() as u32 };
        if chunk.len() >= OWN_FRAME {
            let frame = encode_frame(&chunk, self.options.compression, coder);
            drop(chunk);
            self.append_data(frame, vec![blob])?;
            return Ok(id);
        }
        let full = {
            let mut small = self.small.lock().expect("appending does not panic");
            small.bytes.extend_from_slice(&chunk);
            small.blobs.push(blob);
            if small.bytes.len() < SMALL_FRAME { None } else { Some(std::mem::take(&mut *small)) }
        };
        if let Some(full) = full {
            self.append_small(full, coder)?;
        }
        Ok(id)
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// An upload failed, or the run is cancelled.
    pub fn checkpoint(&self) -> Result<(), VaultError> {
        self.shared.check()
    }

    /// How the vault's file content is cut.
    pub fn cutter(&self) -> Cutter {
        self.shared.vault.cutter()
    }

    /// What the session has done so far.
    pub fn stats(&self) -> &SessionStats {
        &self.shared.stats
    }

    /// Ends the intake of chunks. What is still open comes back if it is small enough for a bundle and nothing else was
    /// sent; otherwise it is sealed and uploaded, and everything is durable at the remote's next barrier.
    ///
    /// # Errors
    /// An upload failed.
    pub(super) fn finish_data(&mut self, bundle_max: u64) -> Result<Option<Container>, VaultError> {
        let mut coder = FrameCoder::default();
        let small = std::mem::take(&mut *self.small.lock().expect("appending does not panic"));
        if !small.blobs.is_empty() {
            self.append_small(small, &mut coder)?;
        }
        let open = {
            let mut packer = self.packer.lock().expect("appending does not panic");
            std::mem::take(&mut packer.open)
        };
        let mut open: Vec<(u32, Container)> = open.into_iter().flatten().filter(|(_, c)| !c.is_empty()).collect();
        let total: u64 = open.iter().map(|(_, container)| container.len()).sum();
        let nothing_sent = self.shared.placed.read().expect("map operations").packs.len() == open.len();
        if nothing_sent && total <= bundle_max {
            let mut all = Container::default();
            open.into_iter().for_each(|(_, container)| drop(all.absorb(container)));
            return Ok(Some(all));
        }
        // The leftovers of both packs fit one: a small object less to tell sizes by.
        if let [(number, first), (_, _)] = &mut open[..]
            && total <= self.options.pack_target
        {
            let number = *number;
            let mut all = std::mem::take(first);
            let (_, second) = open.pop().expect("there are two");
            let moved = all.absorb(second);
            self.shared.place(number, &moved);
            open = vec![(number, all)];
        }
        for (number, container) in open {
            self.send(PackJob { number, class: IndexClass::Data, container })?;
        }
        Ok(None)
    }

    /// Seals and uploads data that was meant for a bundle that grew too large.
    ///
    /// # Errors
    /// An upload failed.
    pub(super) fn spill(&mut self, bundle: Container) -> Result<(), VaultError> {
        if bundle.is_empty() {
            return Ok(());
        }
        let number = self.shared.new_pack();
        let mut container = Container::default();
        let placed = container.absorb(bundle);
        self.shared.place(number, &placed);
        self.send(PackJob { number, class: IndexClass::Data, container })
    }

    /// Hands a full pack of nodes to the upload threads.
    ///
    /// # Errors
    /// An upload failed.
    pub(super) fn send_meta(&self, number: u32, container: Container) -> Result<(), VaultError> {
        self.send(PackJob { number, class: IndexClass::Meta, container })
    }

    /// Waits until every upload has ended.
    ///
    /// # Errors
    /// The first upload that failed.
    pub(super) fn wait_uploads(&mut self) -> Result<(), VaultError> {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                return Err(VaultError::Limit("an upload thread ended unexpectedly; run the command again".into()));
            }
        }
        self.shared.check()
    }

    /// Starts upload threads again after [`Session::wait_uploads`].
    pub(super) fn restart_uploads(&mut self) {
        let (jobs, queue) = bounded(0);
        self.threads =
            (0..self.options.uploads).map(|_| spawn_uploader(Arc::clone(&self.shared), queue.clone())).collect();
        self.jobs = Some(jobs);
    }

    /// The level nodes are compressed with.
    pub(super) fn compression(&self) -> Option<i32> {
        self.options.compression
    }

    /// Bytes of frames after which a pack is sealed.
    pub(super) fn pack_target(&self) -> u64 {
        self.options.pack_target
    }

    fn append_small(&self, small: SmallFrame, coder: &mut FrameCoder) -> Result<(), VaultError> {
        let frame = encode_frame(&small.bytes, self.options.compression, coder);
        self.append_data(frame, small.blobs)
    }

    fn append_data(&self, frame: Vec<u8>, blobs: Vec<BlobEntry>) -> Result<(), VaultError> {
        let full = {
            let mut packer = self.packer.lock().expect("appending does not panic");
            // Two open packs, chosen at random: which chunks are neighbours in a file does not show in any pack's size.
            packer.turn =
                packer.turn.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(u64::from(blobs[0].id.as_bytes()[31]) | 1);
            let side = (packer.turn >> 63) as usize;
            let (number, container) =
                packer.open[side].get_or_insert_with(|| (self.shared.new_pack(), Container::default()));
            let number = *number;
            let placed = container.append(frame, blobs);
            let full = container.len() >= self.options.pack_target;
            self.shared.place(number, &placed);
            if full { packer.open[side].take() } else { None }
        };
        match full {
            Some((number, container)) => self.send(PackJob { number, class: IndexClass::Data, container }),
            None => self.shared.check(),
        }
    }

    fn send(&self, job: PackJob) -> Result<(), VaultError> {
        self.shared.check()?;
        let jobs = self.jobs.as_ref().expect("packs are sent only while the upload threads run");
        match jobs.send(job) {
            Ok(()) => Ok(()),
            Err(_) => self.shared.check().and(Err(VaultError::Cancelled)),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            thread.join().unwrap_or_default();
        }
    }
}

impl Shared {
    /// Whether the caller must store this blob. `false` if it is stored, or being stored by somebody else of this session.
    pub(super) fn claim(&self, id: &BlobId) -> Result<bool, VaultError> {
        self.check()?;
        {
            let placed = self.placed.read().expect("map operations");
            if placed.claimed.contains(&short(id)) || placed.blobs.contains_key(&short(id)) {
                return Ok(false);
            }
        }
        if self.committed(id)?.is_some() {
            return Ok(false);
        }
        Ok(self.placed.write().expect("map operations").claimed.insert(short(id)))
    }

    /// Whether a blob is stored: by this session or in a commit.
    pub(super) fn is_stored(&self, id: &BlobId) -> Result<bool, VaultError> {
        if self.placed.read().expect("map operations").blobs.contains_key(&short(id)) {
            return Ok(true);
        }
        Ok(self.committed(id)?.is_some())
    }

    /// A committed place of a blob whose object is known to exist: asked once for each object newly relied on.
    fn committed(&self, id: &BlobId) -> Result<Option<Found>, VaultError> {
        for found in self.index.lookup(id)? {
            let exists = match found.class {
                IndexClass::Log => true, // it was listed when the log was read
                IndexClass::Data | IndexClass::Meta => self.exists(&found)?,
            };
            if exists {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn exists(&self, found: &Found) -> Result<bool, VaultError> {
        let mut checked = self.checked.lock().expect("held over requests, which return errors");
        if let Some(exists) = checked.get(&found.object.id) {
            return Ok(*exists);
        }
        let name = object_name(seal_class(found.class), found.object.id).to_string();
        let exists = self.vault.objects.io.size(&name)? == Some(found.object.size);
        checked.insert(found.object.id, exists);
        Ok(exists)
    }

    /// Where a blob lies, for hints.
    pub(super) fn place(&self, number: u32, blobs: &[(BlobEntry, Location)]) {
        let mut placed = self.placed.write().expect("map operations");
        for (blob, at) in blobs {
            placed.claimed.remove(&short(&blob.id));
            placed.blobs.insert(short(&blob.id), (number, *at));
        }
    }

    /// Where a blob of this session or of the vault lies: pack number if of this session, and the object if sealed.
    pub(super) fn find(&self, id: &BlobId) -> Result<Option<Whereabouts>, VaultError> {
        {
            let placed = self.placed.read().expect("map operations");
            if let Some((number, at)) = placed.blobs.get(&short(id)) {
                let object = placed.packs[*number as usize].map(|(_, object)| object);
                return Ok(Some(Whereabouts { pack: Some(*number), object, at: *at }));
            }
        }
        let found = self.index.lookup(id)?;
        Ok(found.first().map(|found| Whereabouts { pack: None, object: Some(found.object), at: found.at }))
    }

    pub(super) fn new_pack(&self) -> u32 {
        let mut placed = self.placed.write().expect("map operations");
        placed.packs.push(None);
        (placed.packs.len() - 1) as u32
    }

    pub(super) fn check(&self) -> Result<(), VaultError> {
        self.vault.objects.io.checkpoint()?;
        if !self.failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let first = self.failure.lock().expect("swapping does not panic").take();
        Err(first.unwrap_or(VaultError::Cancelled))
    }

    fn upload(&self, job: PackJob) -> Result<(), VaultError> {
        let plain = job.container.into_pack();
        let object = self.put_sealed(seal_class(job.class), &plain.parts())?;
        let pack = JournalPack { object, class: job.class as u8, directory: plain.directory };
        self.vault.state.journal_add(&pack)?;
        self.placed.write().expect("map operations").packs[job.number as usize] = Some((job.class, object));
        Ok(())
    }

    /// Seals a plaintext that is padded already and stores it.
    pub(super) fn put_sealed(&self, class: SealClass, parts: &[&[u8]]) -> Result<ObjectRef, VaultError> {
        let vault = &self.vault;
        let epoch = vault.epoch();
        let sealed = crypto::seal(
            vault.keys(),
            epoch,
            &SealContext { class, name: b"" },
            &vault.writer()?,
            &*vault.world.entropy,
            parts,
        )
        .map_err(VaultError::local("cannot get random bytes"))?;
        let size = sealed.bytes.len() as u64;
        let name = object_name(class, sealed.id);
        let body = Bytes::from(sealed.bytes);
        vault.objects.io.put_new(&name.to_string(), vec![body.clone()])?;
        if class == SealClass::Meta {
            vault.objects.cache.keep(&sealed.id, &body);
        }
        self.stats.stored.fetch_add(size, Ordering::Relaxed);
        Ok(ObjectRef { id: sealed.id, size, epoch, salt: sealed.salt })
    }

    /// Counts bytes of an object that was put elsewhere.
    pub(super) fn count_sent(&self, size: u64) {
        self.stats.stored.fetch_add(size, Ordering::Relaxed);
    }
}

fn spawn_uploader(shared: Arc<Shared>, queue: Receiver<PackJob>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for job in queue {
            if shared.failed.load(Ordering::Relaxed) {
                continue; // drain: whoever sends must not wait for ever
            }
            if let Err(error) = shared.upload(job) {
                shared.failure.lock().expect("swapping does not panic").get_or_insert(error);
                shared.failed.store(true, Ordering::Relaxed);
            }
        }
    })
}

/// The class an object is sealed as.
pub(super) fn seal_class(class: IndexClass) -> SealClass {
    match class {
        IndexClass::Data => SealClass::Data,
        IndexClass::Meta => SealClass::Meta,
        IndexClass::Log => SealClass::Log,
    }
}

/// Chunks of this length and more are a frame of their own.
const OWN_FRAME: usize = 128 << 10;
/// Smaller ones fill a frame of about this length, in walk order.
const SMALL_FRAME: usize = 256 << 10;
