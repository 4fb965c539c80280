//! Writing: chunks in, packs out. One session a mutating run; start at [`Session::store_chunk`].
//!
//! Owns deduplication, framing, packing and the upload threads. Publishes nothing: until `publish` has put a commit,
//! everything here is garbage that nobody sees, remembered in the journal so that the next run need not send it again.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};

use super::buffers::Buffers;
use super::container::{Container, Plaintext};
use super::epochs::Epochs;
use super::error::VaultError;
use super::index::{Found, Index};
use super::journal::{JournalPack, LiveSession};
use super::mend::Mending;
use super::objects::object_name;
use super::open::Vault;
use super::placed::{Placed, Spot, ids};
use super::relied::announce;
use super::resume::resume;
use super::session_stats::SessionStats;
use crate::chunk::Cutter;
use crate::crypto::{Class as SealClass, SealBuffer, SealContext};
use crate::format::hints::ObjectRef;
use crate::format::index::{IndexClass, PackEntry};
use crate::format::pack::{BlobEntry, Frame, FrameCoder, encode_frame};
use crate::id::{BlobId, BlobKind, ObjectId};

/// Settings of a session.
#[derive(Debug, Clone, Copy)]
pub struct SessionOptions {
    /// Bytes of frames after which a pack is sealed.
    pub pack_target: u64,
    /// Threads that seal and upload.
    pub uploads: usize,
    /// Packs in memory at a time, being filled or on their way; at least three.
    pub packs: usize,
    /// zstd level; `None` stores everything raw.
    pub compression: Option<i32>,
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
    /// The epoch in which the session began.
    pub(super) epoch: u32,
    pub(super) placed: Placed,
    buffers: Arc<Buffers>,
    pub(super) live: LiveSession,
    /// The epochs that it knows of: nothing that they condemn is relied on.
    pub(super) epochs: RwLock<Arc<Epochs>>,
    /// What is not relied on either, because this run is about to have it condemned.
    pub(super) refused: RwLock<HashSet<ObjectId>>,
    pub(super) index: RwLock<Arc<Index>>,
    pub(super) checked: Mutex<HashMap<ObjectId, bool>>,
    /// The log objects that this run relies on.
    pub(super) bundles: Mutex<HashSet<ObjectId>>,
    pub(super) mending: Mutex<Mending>,
    failure: Mutex<Option<VaultError>>,
    failed: AtomicBool,
    pub(super) stats: SessionStats,
}

struct Packer {
    open: [Option<(u32, Container)>; 2],
    turn: u64,
}

#[derive(Default)]
struct SmallFrame {
    bytes: Vec<u8>,
    blobs: Vec<BlobEntry>,
    /// Memory for the one after it.
    spare: Vec<u8>,
}

impl SmallFrame {
    /// Takes what there is and begins anew.
    fn take(&mut self) -> Self {
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.clear();
        std::mem::replace(self, Self { bytes, ..Self::default() })
    }
}

pub(super) struct PackJob {
    number: u32,
    class: IndexClass,
    container: Container,
}

impl Session {
    /// Begins a session: makes this installation a writer if it is none, loads the index and the journal, starts the upload
    /// threads.
    ///
    /// # Errors
    /// The index can't be loaded.
    pub fn begin(vault: Arc<Vault>, options: SessionOptions) -> Result<Self, VaultError> {
        vault.must_be_now()?;
        vault.ensure_joined()?;
        let live = announce(&vault)?;
        let index = vault.index()?;
        let epochs = vault.epochs()?;
        let placed = resume(&vault, &live, &epochs)?;
        let shared = Arc::new(Shared {
            epoch: vault.epoch(),
            vault,
            placed,
            // Two are being filled; with fewer than three, nothing could be sent meanwhile.
            buffers: Buffers::new(options.packs.max(3)),
            live,
            epochs: RwLock::new(epochs),
            refused: RwLock::default(),
            index: RwLock::new(index),
            checked: Mutex::default(),
            bundles: Mutex::default(),
            mending: Mutex::default(),
            failure: Mutex::default(),
            failed: AtomicBool::new(false),
            stats: SessionStats::default(),
        });
        let (jobs, queue) = bounded(options.packs.max(3));
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
    pub fn store_chunk(&self, chunk: &[u8], coder: &mut FrameCoder) -> Result<BlobId, VaultError> {
        let id = self.shared.vault.keys().blob_id(BlobKind::Chunk, chunk);
        if !self.shared.claim(&id)? {
            self.shared.stats.deduplicated.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            return Ok(id);
        }
        self.append_chunk(id, chunk, coder).map(|()| id)
    }

    pub(super) fn append_chunk(&self, id: BlobId, chunk: &[u8], coder: &mut FrameCoder) -> Result<(), VaultError> {
        let blob = BlobEntry { kind: BlobKind::Chunk, id, len: chunk.len() as u32 };
        if chunk.len() >= OWN_FRAME {
            return self.append_data(encode_frame(chunk, self.options.compression, coder), vec![blob]);
        }
        let full = {
            let mut small = self.small.lock().expect("appending does not panic");
            small.bytes.extend_from_slice(chunk);
            small.blobs.push(blob);
            if small.bytes.len() < SMALL_FRAME { None } else { Some(small.take()) }
        };
        match full {
            Some(full) => self.append_small(full, coder),
            None => Ok(()),
        }
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
        let small = self.small.lock().expect("appending does not panic").take();
        if !small.blobs.is_empty() {
            self.append_small(small, &mut coder)?;
        }
        let open = {
            let mut packer = self.packer.lock().expect("appending does not panic");
            std::mem::take(&mut packer.open)
        };
        let mut open: Vec<(u32, Container)> = open.into_iter().flatten().filter(|(_, c)| !c.is_empty()).collect();
        let total: u64 = open.iter().map(|(_, container)| container.len()).sum();
        let nothing_sent = self.shared.placed.pack_count() == open.len();
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
            self.shared.placed.place(number, ids(&moved));
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
        let (number, mut container) = self.shared.new_pack()?;
        let placed = container.absorb(bundle);
        self.shared.placed.place(number, ids(&placed));
        self.send(PackJob { number, class: IndexClass::Data, container })
    }

    /// Hands a pack of chunks to the upload threads.
    ///
    /// # Errors
    /// An upload failed.
    pub(super) fn send_data(&self, number: u32, container: Container) -> Result<(), VaultError> {
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
        let (jobs, queue) = bounded(self.options.packs.max(3));
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
        self.append_data(encode_frame(&small.bytes, self.options.compression, coder), small.blobs)?;
        // Its memory is warm: the next frame may have it.
        let mut next = self.small.lock().expect("appending does not panic");
        if next.spare.capacity() == 0 {
            next.spare = small.bytes;
        }
        Ok(())
    }

    fn append_data(&self, frame: Frame<'_>, blobs: Vec<BlobEntry>) -> Result<(), VaultError> {
        {
            let mut packer = self.packer.lock().expect("appending does not panic");
            // Two open packs, chosen at random: which chunks are neighbours in a file does not show in any pack's size.
            packer.turn =
                packer.turn.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(u64::from(blobs[0].id.as_bytes()[31]) | 1);
            let side = (packer.turn >> 63) as usize;
            let open = &mut packer.open[side];
            let no_room = |(_, container): &mut (u32, Container)| !self.has_room(container, &frame);
            if let Some((number, container)) = open.take_if(no_room) {
                self.send(PackJob { number, class: IndexClass::Data, container })?;
            }
            let (number, container) = match open {
                Some(open) => open,
                None => open.insert(self.shared.new_pack()?),
            };
            let placed = container.append(frame, blobs);
            self.shared.placed.place(*number, ids(&placed));
        }
        self.shared.check()
    }

    /// Whether a pack takes another frame. A frame larger than a pack has one of its own.
    fn has_room(&self, container: &Container, frame: &Frame<'_>) -> bool {
        container.is_empty()
            || (container.len() + frame.stored_len() as u64 <= self.options.pack_target
                && container.blob_count() < PACK_BLOBS)
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
        // What stays behind for want of a database is taken over by the next run.
        self.shared.vault.state.end_session(&self.shared.live).unwrap_or_default();
    }
}

impl Shared {
    /// Whether the caller must store this blob. `false` if it is stored, or being stored by somebody else of this session.
    pub(super) fn claim(&self, id: &BlobId) -> Result<bool, VaultError> {
        self.check()?;
        self.placed.claim(id, || Ok(self.committed(id)?.is_some()))
    }

    /// Whether a blob is stored: by this session or in a commit.
    pub(super) fn is_stored(&self, id: &BlobId) -> Result<bool, VaultError> {
        Ok(self.placed.find(id)?.is_some() || self.committed(id)?.is_some())
    }

    /// What the vault holds, as of the last look at the log.
    pub(super) fn index(&self) -> Arc<Index> {
        Arc::clone(&self.index.read().expect("swapping does not panic"))
    }

    /// Takes in what others have published.
    pub(super) fn reload_index(&self) -> Result<(), VaultError> {
        let index = self.vault.index()?;
        *self.index.write().expect("swapping does not panic") = index;
        Ok(())
    }

    /// Where a blob of this session or of the vault lies, for hints.
    pub(super) fn find(&self, id: &BlobId) -> Result<Option<Spot>, VaultError> {
        if let Some(spot) = self.placed.find(id)? {
            return Ok(Some(spot));
        }
        let found = self.index().lookup(id)?;
        // Bundles are folded one day; packs stay.
        let lasting = |found: &&Found| found.class != IndexClass::Log && !self.refuses(&found.object.id);
        let best = found.iter().find(lasting).or(found.first());
        Ok(best.map(|found| Spot { open: None, object: Some(found.object), at: found.at }))
    }

    /// Begins a pack, once there is memory for it.
    pub(super) fn new_pack(&self) -> Result<(u32, Container), VaultError> {
        let container = Container::in_buffer(self.buffers.take(|| self.check())?);
        Ok((self.placed.new_pack(), container))
    }

    /// For whoever waits for an upload to end.
    pub(super) fn wait_a_moment(&self) -> Result<(), VaultError> {
        std::thread::sleep(std::time::Duration::from_millis(5));
        self.check()
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
        let Plaintext { bytes, directory, lease } = job.container.into_pack();
        let (object, memory) = self.put_sealed(seal_class(job.class), bytes)?;
        if let (Some(lease), Some(memory)) = (lease, memory) {
            lease.give_back(memory);
        }
        self.vault.state.journal_add(&self.live, &JournalPack { object, class: job.class as u8 }, &directory)?;
        self.placed.stored(job.number, PackEntry { object, class: job.class })
    }

    /// Seals a plaintext that is padded already and stores it. Gives its memory back if nobody holds on to it.
    pub(super) fn put_sealed(
        &self,
        class: SealClass,
        plaintext: SealBuffer,
    ) -> Result<(ObjectRef, Option<Vec<u8>>), VaultError> {
        let vault = &self.vault;
        let (epoch, context) = (vault.epoch(), SealContext { class, name: b"" });
        let sealed = plaintext
            .seal(vault.keys(), epoch, &context, &vault.writer()?, &*vault.world.entropy)
            .map_err(VaultError::local("cannot get random bytes"))?;
        let size = sealed.bytes.len() as u64;
        let name = object_name(class, sealed.id);
        let body = Bytes::from(sealed.bytes);
        vault.objects.io.put_new(&name.to_string(), vec![body.clone()])?;
        if class == SealClass::Meta {
            vault.objects.cache.keep(&sealed.id, &body);
        }
        self.stats.stored.fetch_add(size, Ordering::Relaxed);
        let object = ObjectRef { id: sealed.id, size, epoch, salt: sealed.salt };
        Ok((object, body.try_into_mut().ok().map(Vec::from)))
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
/// A pack of so many blobs is full, however small they are: what is known of them takes memory too.
const PACK_BLOBS: usize = 16 << 10;
/// Smaller ones fill a frame of about this length, in walk order.
const SMALL_FRAME: usize = 256 << 10;
