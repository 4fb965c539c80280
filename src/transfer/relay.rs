//! Files of another vault, or plain files of a service, into a session: read (and verified) there, cut, hashed and sealed anew here. Nothing of
//! their content touches a disk in between.
//!
//! Each worker handles one file at a time, in memory of a few chunks. Start at [`Relay::run`].

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, bounded};

use super::deadline::Deadline;
use super::edit::{self, Edit};
use super::item::{Item, TransferError};
use super::outcome::{Edits, Outcomes, Pieces, edits_of};
use super::plan::Plan;
use super::step::Step;
use super::supply::{Supplied, Supply, Unsupplied};
use super::upload::Uploaded;
use crate::chunk::{Piece, Splitter};
use crate::event::{Action, Event, Observer};
use crate::format::entry::{Content, Entry, EntryKind};
use crate::format::list::ListItem;
use crate::format::pack::FrameCoder;
use crate::path::TreePath;
use crate::vault::{Part, Session, VaultError};

/// One run from vault to vault.
pub struct Relay<'a> {
    /// Where files come from.
    pub source: &'a dyn Supply,
    /// Whether what was read is to be removed afterwards.
    pub moving: bool,
    /// Where chunks go.
    pub session: &'a Session,
    /// Where in the destination the plan's paths are.
    pub prefix: &'a TreePath,
    /// When the run has taken long enough.
    pub deadline: &'a Deadline,
    /// Who listens.
    pub observer: &'a dyn Observer,
    /// Files in work at once.
    pub workers: usize,
}

struct Job {
    number: u64,
    path: TreePath,
    entry: Entry,
    replaces: bool,
}

struct Shared<'a> {
    run: &'a Relay<'a>,
    outcomes: Outcomes,
    failure: Mutex<Option<TransferError>>,
    files: AtomicU64,
    bytes: AtomicU64,
    failed: AtomicU64,
}

impl Relay<'_> {
    /// Stores the content of every file of `plan`, whose items need not have theirs, and spools the edits that the tree
    /// needs.
    ///
    /// # Errors
    /// Either vault failed, or something in the source does not verify.
    pub fn run(&self, plan: &mut Plan) -> Result<Uploaded, TransferError> {
        let shared = Shared {
            run: self,
            outcomes: Outcomes::new(plan.is_arranged()),
            failure: Mutex::default(),
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        };
        let mut over_dirs = HashSet::new();
        std::thread::scope(|scope| {
            let (jobs, queue) = bounded::<Job>(64);
            for _ in 0..self.workers.max(1) {
                let (queue, shared) = (queue.clone(), &shared);
                scope.spawn(move || shared.work(&queue));
            }
            drop(queue);
            let fed = shared.feed(plan, &mut over_dirs, &mut |job| jobs.send(job).is_ok());
            if let Err(error) = fed {
                shared.fail(error);
            }
        });
        if let Some(error) = shared.failure.into_inner().expect("setting does not panic") {
            return Err(error);
        }
        let edits = shared.outcomes.finish().map_err(TransferError::local(SPOOLING))?;
        Ok(Uploaded {
            edits,
            backups: None,
            over_dirs,
            files: shared.files.into_inner(),
            bytes: shared.bytes.into_inner(),
            failed: shared.failed.into_inner(),
            suspects: Vec::new(),
            settled: Vec::new(),
        })
    }
}

impl Shared<'_> {
    fn feed(
        &self,
        plan: &mut Plan,
        over_dirs: &mut HashSet<TreePath>,
        send: &mut dyn FnMut(Job) -> bool,
    ) -> Result<(), TransferError> {
        let is_arranged = plan.is_arranged();
        for (place, turn) in (0..).zip(plan.turns()?) {
            let (number, step) = turn?;
            let number = if is_arranged { number } else { place };
            if !self.outcomes.admit(number) {
                return Ok(());
            }
            match step {
                Step::Put { item: Item { path, entry, .. }, replaces, .. } => {
                    let kind = entry.kind;
                    if kind != EntryKind::Dir && replaces == Some(EntryKind::Dir) {
                        over_dirs.insert(self.full(&path));
                    }
                    if kind == EntryKind::File && self.run.deadline.has_passed() {
                        self.outcomes.put(number, Edits::default());
                        continue;
                    }
                    if kind == EntryKind::File {
                        if !send(Job { number, path, entry, replaces: replaces.is_some() }) {
                            return Ok(());
                        }
                        continue;
                    }
                    let action = if kind == EntryKind::Dir { Action::MakeDir } else { Action::Copy };
                    self.put(number, &path, vec![edit::encode(&Edit::Put(self.full(&path), entry))], action, 0);
                }
                Step::Meta(Item { path, entry, .. }) | Step::Refer(Item { path, entry, .. }, _) => {
                    let size = entry.size;
                    let edits = vec![edit::encode(&Edit::Put(self.full(&path), entry))];
                    self.put(number, &path, edits, Action::UpdateMeta, size);
                }
                Step::Delete { path, .. } => {
                    let edits = vec![edit::encode(&Edit::Delete(self.full(&path)))];
                    self.put(number, &path, edits, Action::Delete, 0);
                }
                Step::Leave(_) => self.outcomes.put(number, Edits { first: Vec::new(), more: None, last: None }),
            }
        }
        Ok(())
    }

    fn put(&self, number: u64, path: &TreePath, first: Vec<Vec<u8>>, action: Action, size: u64) {
        self.outcomes.put(number, Edits { first, more: None, last: None });
        self.run.observer.event(Event::Done { path, action, size });
    }

    fn full(&self, path: &TreePath) -> TreePath {
        self.run.prefix.join_path(path).expect("the plan keeps paths within the limit")
    }

    fn fail(&self, error: TransferError) {
        TransferError::note(&self.failure, error);
        self.outcomes.close();
    }

    fn work(&self, queue: &Receiver<Job>) {
        let mut coder = FrameCoder::default();
        let mut splitter = Splitter::new(self.run.session.cutter());
        for job in queue {
            if self.failure.lock().expect("setting does not panic").is_some() {
                continue; // drain, so that the feeder does not wait for ever
            }
            let size = job.entry.size;
            self.run.observer.event(Event::Started { path: &job.path, size });
            match self.store(&job, &mut splitter, &mut coder) {
                Ok(Stored::Late) => self.outcomes.put(job.number, Edits::default()),
                Ok(Stored::Failed(reason)) => {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    self.run.observer.event(Event::Failed { path: &job.path, reason: &reason });
                    self.outcomes.put(job.number, Edits::default());
                }
                Ok(Stored::Whole(edits, size)) => {
                    self.outcomes.put(job.number, edits);
                    self.files.fetch_add(1, Ordering::Relaxed);
                    self.bytes.fetch_add(size, Ordering::Relaxed);
                    let action = if job.replaces { Action::Replace } else { Action::Copy };
                    self.run.observer.event(Event::Done { path: &job.path, action, size });
                }
                Err(error) => {
                    if !matches!(error, TransferError::Vault(VaultError::Cancelled)) {
                        let named = format!("`{}` can't be copied", job.path);
                        self.run.observer.event(Event::Notice(&named));
                    }
                    self.fail(error);
                }
            }
        }
    }

    /// Reads one file, again if it changes meanwhile, and stores it.
    fn store(&self, job: &Job, splitter: &mut Splitter, coder: &mut FrameCoder) -> Result<Stored, TransferError> {
        let mut why = String::new();
        for _ in 0..READ_ATTEMPTS {
            let (mut pieces, mut late) = (Pieces::new(), false);
            let mut cut = Cut { shared: self, splitter, coder, pieces: &mut pieces, number: 0 };
            cut.splitter.reset();
            let supplied = self.run.source.supply(&job.path, &job.entry, &mut |part| {
                self.run.session.checkpoint()?;
                late = self.run.deadline.cuts();
                if late {
                    return Err(VaultError::Cancelled.into()); // ends the reading, and is not told
                }
                cut.take(part)
            });
            match supplied {
                _ if late => return Ok(Stored::Late),
                Ok(supplied) => {
                    cut.finish(&supplied)?;
                    return self.edits(job, supplied, pieces);
                }
                Err(Unsupplied::Again(reason)) => why = reason,
                Err(Unsupplied::File(reason)) => return Ok(Stored::Failed(reason)),
                Err(Unsupplied::Fatal(error)) => return Err(error),
            }
        }
        Ok(Stored::Failed(format!("{why} ({READ_ATTEMPTS} attempts)")))
    }

    fn edits(&self, job: &Job, supplied: Supplied, pieces: Pieces) -> Result<Stored, TransferError> {
        let Supplied { mut entry, seen } = supplied;
        let size = entry.size;
        let known = job.entry.content.clone();
        if size > 0 && entry.content == Content::None && pieces.done() == 0 {
            return Err(VaultError::damaged("file", format!("`{}` has no content", job.path)).into());
        }
        if size == 0 {
            entry.content = Content::None;
        }
        let mut edits = edits_of(self.full(&job.path), entry, known, pieces)?;
        if self.run.moving {
            let seen = seen.map(|(path, mark)| edit::encode(&Edit::Seen(path, mark)));
            edits.first.splice(..0, seen);
        }
        Ok(Stored::Whole(edits, size))
    }
}

/// What became of a file.
enum Stored {
    /// What the tree then needs, and its size.
    Whole(Edits, u64),
    /// The run has taken long enough before its end.
    Late,
    /// It can't be read.
    Failed(String),
}

/// The chunks of one file.
struct Cut<'c, 's> {
    shared: &'c Shared<'s>,
    splitter: &'c mut Splitter,
    coder: &'c mut FrameCoder,
    pieces: &'c mut Pieces,
    number: u64,
}

impl Cut<'_, '_> {
    fn take(&mut self, part: Part<'_>) -> Result<(), TransferError> {
        let observer = self.shared.run.observer;
        match part {
            Part::Hole(len) => {
                self.splitter.push_zeros(len);
                observer.event(Event::Progress(len));
                self.drain()
            }
            Part::Data(mut bytes) => {
                observer.event(Event::Progress(bytes.len() as u64));
                while !bytes.is_empty() {
                    let room = self.splitter.spare();
                    let step = bytes.len().min(room.len());
                    room[..step].copy_from_slice(&bytes[..step]);
                    bytes = &bytes[step..];
                    self.splitter.advance(step);
                    self.drain()?;
                }
                Ok(())
            }
        }
    }

    fn finish(&mut self, supplied: &Supplied) -> Result<(), TransferError> {
        if let Content::Inline(bytes) = &supplied.entry.content {
            self.shared.run.observer.event(Event::Progress(bytes.len() as u64));
        }
        self.splitter.finish();
        self.drain()
    }

    fn drain(&mut self) -> Result<(), TransferError> {
        while let Some(piece) = self.splitter.next_piece() {
            let item = match piece {
                Piece::Hole(len) => ListItem::Hole { len },
                Piece::Data(data) => {
                    let id = self.shared.run.session.store_chunk(data, self.coder)?;
                    ListItem::Data { id, len: data.len() as u64 }
                }
            };
            self.pieces.put(self.number, item).map_err(TransferError::local(SPOOLING))?;
            self.number += 1;
        }
        Ok(())
    }
}

/// A file that changes while it is read is read again so often in all.
const READ_ATTEMPTS: usize = 3;
const SPOOLING: &str = "cannot write to a temporary file";
