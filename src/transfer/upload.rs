//! Local files into a session: read, cut, hash, deduplicate, compress, pack. Start at [`Upload::run`].
//!
//! Reader threads take steps in plan order; small files they finish themselves, the chunks of large ones go to a pool of
//! one worker a core. Every byte in flight is covered by a permit. A file that fails is reported and left out; only the
//! vault's failures end the run.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::fs::{Mode, OFlags};

use super::attempt::{Attempt, ReadError};
use super::backups::Backups;
use super::beneath::Beneath;
use super::budget::{Budget, Held};
use super::deadline::Deadline;
use super::departed::Mark;
use super::edit::{self, Edit};
use super::item::{Item, TransferError};
use super::outcome::{Edits, Outcomes, Pieces, edits_of};
use super::plan::Plan;
use super::step::Step;
use super::traits::Traits;
use crate::chunk::Splitter;
use crate::event::{Action, Event, Observer};
use crate::format::entry::{Content, Entry, EntryKind};
use crate::format::list::ListItem;
use crate::format::pack::FrameCoder;
use crate::path::TreePath;
use crate::spool::Spool;
use crate::vault::Session;
use crate::world::Timestamp;

/// One run upwards.
pub struct Upload<'a> {
    /// Where chunks go.
    pub session: &'a Session,
    /// The directory (or, with a plan of one step, the file) that paths of the plan are below.
    pub root: PathBuf,
    /// Set if `root` is the one file itself: its name, which need not be that in the plan.
    pub single: Option<TreePath>,
    /// Whether symbolic links are read as what they point to.
    pub follows: bool,
    /// Where in the vault the plan's paths are.
    pub prefix: TreePath,
    /// Whether to note what each source was when it was read, for [`super::remove_departed`].
    pub moving: bool,
    /// When the run has taken long enough.
    pub deadline: &'a Deadline,
    /// Who listens.
    pub observer: &'a dyn Observer,
    /// Bytes of chunks in flight.
    pub budget: u64,
    /// Reader threads, worker threads.
    pub threads: (usize, usize),
    /// What the source can hold.
    pub traits: &'a Traits,
    /// When the walk began: files modified since less than two seconds before it are suspects.
    pub scan_start: Timestamp,
    /// Suspects of earlier runs.
    pub suspects: &'a HashSet<u64>,
}

/// What came of it.
pub struct Uploaded {
    /// The edits to the tree, in key order.
    pub(super) edits: Spool,
    /// Files and links that take the place of a directory: left out with the deletes, whose children these are.
    pub(super) over_dirs: HashSet<TreePath>,
    /// What is kept of what the run writes over and deletes.
    pub backups: Option<Backups>,
    /// Files stored, their bytes, entries that failed.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// Entries that failed.
    pub failed: u64,
    /// Marks of files whose size and time prove nothing yet.
    pub suspects: Vec<u64>,
    /// Earlier suspects that were read again.
    pub settled: Vec<u64>,
}

pub(super) struct Job {
    pub(super) number: u64,
    pub(super) item: Item,
    pub(super) replaces: bool,
}

pub(super) struct ChunkJob {
    pub(super) work: Arc<FileWork>,
    pub(super) number: u64,
    pub(super) data: Held,
}

/// One attempt at one file.
pub(super) struct FileWork {
    pub(super) number: u64,
    pub(super) path: TreePath,
    /// What the vault has there now.
    pub(super) known: Content,
    pub(super) action: Action,
    /// What the source was, if that is to be noted.
    pub(super) seen: Option<Mark>,
    pub(super) state: Mutex<WorkState>,
}

pub(super) struct WorkState {
    pub(super) pieces: Pieces,
    /// Set at the end of the file: what it turned out to be.
    pub(super) end: Option<(u64, Entry)>,
}

pub(super) struct Shared<'a> {
    pub(super) upload: &'a Upload<'a>,
    /// Where files are opened; `None` if the root is the one file.
    pub(super) source: Option<Beneath>,
    pub(super) outcomes: Outcomes,
    pub(super) budget: Arc<Budget>,
    pub(super) failure: Mutex<Option<TransferError>>,
    pub(super) files: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) suspects: Mutex<Vec<u64>>,
    pub(super) settled: Mutex<Vec<u64>>,
    pub(super) over_dirs: Mutex<HashSet<TreePath>>,
}

impl Upload<'_> {
    /// Stores the content of every file of `plan` and spools the edits that the tree needs.
    ///
    /// # Errors
    /// The vault failed, or the plan can't be read. Files that failed are only counted.
    pub fn run(&self, plan: &mut Plan) -> Result<Uploaded, TransferError> {
        let fail = || TransferError::local(format!("cannot read the directory {}", self.root.display()));
        let source = if self.single.is_some() {
            None
        } else {
            Some(Beneath::new(&self.root).map_err(fail())?.following(self.follows))
        };
        let shared = Shared {
            upload: self,
            source,
            outcomes: Outcomes::new(plan.is_arranged()),
            budget: Budget::new(self.budget),
            failure: Mutex::default(),
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            suspects: Mutex::default(),
            settled: Mutex::default(),
            over_dirs: Mutex::default(),
        };
        std::thread::scope(|scope| {
            let (files, file_queue) = bounded::<Job>(64);
            let (chunks, chunk_queue) = bounded::<ChunkJob>(self.threads.1);
            for _ in 0..self.threads.0 {
                let (queue, chunks, shared) = (file_queue.clone(), chunks.clone(), &shared);
                scope.spawn(move || shared.read_files(&queue, &chunks));
            }
            for _ in 0..self.threads.1 {
                let (queue, shared) = (chunk_queue.clone(), &shared);
                scope.spawn(move || shared.store_chunks(&queue));
            }
            drop((file_queue, chunks, chunk_queue));
            if let Err(error) = self.feed(plan, &shared, &files) {
                shared.fail(error);
            }
        });
        if let Some(error) = shared.failure.into_inner().expect("setting does not panic") {
            return Err(error);
        }
        let edits =
            shared.outcomes.finish().map_err(TransferError::local("cannot write the edits to a temporary file"))?;
        Ok(Uploaded {
            edits,
            backups: None,
            over_dirs: shared.over_dirs.into_inner().expect("inserting does not panic"),
            files: shared.files.into_inner(),
            bytes: shared.bytes.into_inner(),
            failed: shared.failed.into_inner(),
            suspects: shared.suspects.into_inner().expect("pushing does not panic"),
            settled: shared.settled.into_inner().expect("pushing does not panic"),
        })
    }

    fn feed(&self, plan: &mut Plan, shared: &Shared<'_>, files: &Sender<Job>) -> Result<(), TransferError> {
        let is_arranged = plan.is_arranged();
        for (place, turn) in (0..).zip(plan.turns()?) {
            let (number, step) = turn?;
            // Numbers have gaps where steps are left out; in the order of the plan, places have none.
            let number = if is_arranged { number } else { place };
            if !shared.outcomes.admit(number) {
                return Ok(());
            }
            if let Step::Put { item, replaces: Some(EntryKind::Dir), .. } = &step
                && item.entry.kind != EntryKind::Dir
            {
                shared.over_dirs.lock().expect("inserting does not panic").insert(self.full(&item.path));
            }
            match step {
                Step::Put { item, .. } if item.entry.kind == EntryKind::File && self.deadline.has_passed() => {
                    shared.put_edits(number, Vec::new());
                }
                Step::Put { item, replaces, .. } if item.entry.kind == EntryKind::File => {
                    let job = Job { number, item, replaces: replaces.is_some() };
                    if files.send(job).is_err() {
                        return Ok(());
                    }
                }
                Step::Put { item, .. } => {
                    let action = if item.entry.kind == EntryKind::Dir { Action::MakeDir } else { Action::Copy };
                    let mark = item.link_target().filter(|_| self.moving).map(Mark::of_link);
                    let noted = mark.map(|mark| shared.seen(&item.path, &mark));
                    let size = item.entry.size;
                    let put = edit::encode(&Edit::Put(self.full(&item.path), item.entry));
                    shared.put_edits(number, noted.into_iter().chain([put]).collect());
                    self.observer.event(Event::Done { path: &item.path, action, size });
                }
                Step::Refer(item, _) => {
                    shared.files.fetch_add(1, Ordering::Relaxed);
                    shared.bytes.fetch_add(item.entry.size, Ordering::Relaxed);
                    shared.put_entry(number, &item.path, item.entry, Action::Copy);
                }
                Step::Meta(item) => shared.put_entry(number, &item.path, item.entry, Action::UpdateMeta),
                Step::Leave(path) => {
                    // What can't be looked at any more can't go either.
                    let mark = shared.mark(&path).ok();
                    shared.put_edits(number, mark.iter().map(|mark| shared.seen(&path, mark)).collect());
                }
                Step::Delete { path, .. } => {
                    self.observer.event(Event::Done { path: &path, action: Action::Delete, size: 0 });
                    shared.put_edits(number, vec![edit::encode(&Edit::Delete(self.full(&path)))]);
                }
            }
        }
        Ok(())
    }

    fn full(&self, path: &TreePath) -> TreePath {
        self.prefix.join_path(path).expect("the walk and the plan keep paths within the limit")
    }
}

impl Shared<'_> {
    fn fail(&self, error: TransferError) {
        TransferError::note(&self.failure, error);
        self.outcomes.close();
    }

    /// Opens a file. No link is followed on the way to it, wherever the tree was changed since it was walked.
    pub(super) fn open(&self, path: &TreePath) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = match &self.source {
            Some(_) if self.upload.follows => return File::open(super::local_path(&self.upload.root, path)),
            Some(source) => {
                let (dir, name) = source.parent(path)?;
                rustix::fs::openat(&dir, name, flags, Mode::empty())
            }
            None => rustix::fs::open(&self.upload.root, flags, Mode::empty()),
        };
        Ok(opened?.into())
    }

    /// What has this name in the source.
    fn mark(&self, path: &TreePath) -> io::Result<Mark> {
        match &self.source {
            Some(source) => {
                let (dir, name) = source.parent(path)?;
                Mark::at(&dir, name)
            }
            None => Mark::at(rustix::fs::CWD, self.upload.root.as_os_str().as_encoded_bytes()),
        }
    }

    /// What a file that is being read is, for when it goes. Of a link that is followed, it is the link that goes.
    pub(super) fn seen_as(&self, path: &TreePath, stat: &rustix::fs::Stat) -> Mark {
        let link = if self.upload.follows { self.mark(path).ok() } else { None };
        link.unwrap_or_else(|| Mark::of_file(stat))
    }

    /// The record of what was seen. A single file may have another name in the plan.
    fn seen(&self, path: &TreePath, mark: &Mark) -> Vec<u8> {
        let path = self.upload.single.as_ref().unwrap_or(path);
        edit::encode(&Edit::Seen(path.clone(), mark.0.clone()))
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failure.lock().expect("setting does not panic").is_some()
    }

    fn put_entry(&self, number: u64, path: &TreePath, entry: Entry, action: Action) {
        let size = entry.size;
        self.put_edits(number, vec![edit::encode(&Edit::Put(self.upload.full(path), entry))]);
        self.upload.observer.event(Event::Done { path, action, size });
    }

    fn put_edits(&self, number: u64, first: Vec<Vec<u8>>) {
        self.outcomes.put(number, Edits { first, more: None, last: None });
    }

    fn read_files(&self, queue: &Receiver<Job>, chunks: &Sender<ChunkJob>) {
        let mut coder = FrameCoder::default();
        let mut splitter = Splitter::new(self.upload.session.cutter());
        for job in queue {
            if self.has_failed() {
                continue; // drain, so that the feeder does not wait for ever
            }
            self.upload.observer.event(Event::Started { path: &job.item.path, size: job.item.entry.size });
            match self.read_with_retries(&job, &mut splitter, &mut coder, chunks) {
                Ok(()) => {}
                Err(ReadError::Vault(error)) => self.fail(error.into()),
                Err(ReadError::Late) => self.put_edits(job.number, Vec::new()),
                Err(ReadError::File(reason)) => {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    self.upload.observer.event(Event::Failed { path: &job.item.path, reason: &reason });
                    self.put_edits(job.number, Vec::new());
                }
            }
        }
    }

    fn read_with_retries(
        &self,
        job: &Job,
        splitter: &mut Splitter,
        coder: &mut FrameCoder,
        chunks: &Sender<ChunkJob>,
    ) -> Result<(), ReadError> {
        for _ in 0..READ_ATTEMPTS {
            splitter.reset();
            let mut attempt = Attempt { shared: self, job, splitter, coder, chunks };
            if attempt.read()? {
                return Ok(());
            }
        }
        Err(ReadError::File(format!("it kept changing while it was read ({READ_ATTEMPTS} attempts)")))
    }

    fn store_chunks(&self, queue: &Receiver<ChunkJob>) {
        let mut coder = FrameCoder::default();
        for job in queue {
            if self.has_failed() {
                continue;
            }
            let len = job.data.len() as u64;
            let stored = self.upload.session.store_chunk(&job.data, &mut coder).map_err(TransferError::from);
            let finished = stored.and_then(|id| self.piece(&job.work, job.number, ListItem::Data { id, len }));
            if let Err(error) = finished {
                self.fail(error);
            }
        }
    }

    pub(super) fn piece(&self, work: &FileWork, number: u64, item: ListItem) -> Result<(), TransferError> {
        let mut state = work.state.lock().expect("spooling does not panic");
        state.pieces.put(number, item).map_err(TransferError::local("cannot write to a temporary file"))?;
        self.complete(work, &mut state)
    }

    /// Delivers a file once its end is known and all its pieces are in.
    pub(super) fn complete(&self, work: &FileWork, state: &mut WorkState) -> Result<(), TransferError> {
        let Some((_, entry)) = state.end.take_if(|(total, _)| *total == state.pieces.done()) else { return Ok(()) };
        let pieces = std::mem::replace(&mut state.pieces, Pieces::new());
        let size = entry.size;
        let is_same = work.known != Content::None && pieces.content(&entry.content).as_ref() == Some(&work.known);
        let action = if is_same { Action::UpdateMeta } else { work.action };
        let mut edits = edits_of(self.upload.full(&work.path), entry, work.known.clone(), pieces)?;
        edits.first.splice(..0, work.seen.as_ref().map(|mark| self.seen(&work.path, mark)));
        self.outcomes.put(work.number, edits);
        self.files.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(size, Ordering::Relaxed);
        self.upload.observer.event(Event::Done { path: &work.path, action, size });
        Ok(())
    }
}

/// Whether a file of this time may be changed again without showing it. Times far in the future prove as much as old ones:
/// the next change will not have them.
pub(super) fn is_fresh(mtime: Timestamp, scan_start: Timestamp) -> bool {
    (-RACY_SECONDS..=FUTURE_SECONDS).contains(&mtime.secs.saturating_sub(scan_start.secs))
}

const READ_ATTEMPTS: usize = 3;
/// Coarse clocks and file systems: a file this fresh may change again without showing it.
const RACY_SECONDS: i64 = 2;
/// A run longer than this is no reason to read everything again.
const FUTURE_SECONDS: i64 = 7 * 86_400;
