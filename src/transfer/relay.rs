//! Files of one vault into a session of another: read and verified there, cut, hashed and sealed anew here. Nothing of
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
use super::source_tree::SourceTree;
use super::step::Step;
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
    pub source: SourceTree<'a>,
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
            failed: 0,
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
                Ok(None) => self.outcomes.put(job.number, Edits::default()),
                Ok(Some(edits)) => {
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

    /// Reads one file and stores it; what the tree then needs. `None` if the run has taken long enough before its end.
    fn store(
        &self,
        job: &Job,
        splitter: &mut Splitter,
        coder: &mut FrameCoder,
    ) -> Result<Option<Edits>, TransferError> {
        let gone = || VaultError::damaged("tree", format!("`{}` is listed but not there", job.path));
        let found = self.run.source.find(&job.path)?.ok_or_else(gone)?;
        let mut pieces = Pieces::new();
        let mut entry = job.entry.clone();
        entry.content = match &found.entry.content {
            Content::Inline(bytes) => {
                self.run.observer.event(Event::Progress(bytes.len() as u64));
                Content::Inline(bytes.clone())
            }
            Content::Chunk(_) | Content::List(_) => {
                if !self.cut(&found, splitter, coder, &mut pieces)? {
                    return Ok(None);
                }
                Content::None // the pieces are the content
            }
            Content::None | Content::Link(_) => Content::None,
        };
        edits_of(self.full(&job.path), entry, Content::None, pieces).map(Some)
    }

    /// Stores the chunks of one file. `false` if the run has taken long enough before its end.
    fn cut(
        &self,
        found: &Item,
        splitter: &mut Splitter,
        coder: &mut FrameCoder,
        pieces: &mut Pieces,
    ) -> Result<bool, TransferError> {
        splitter.reset();
        let (mut number, mut late) = (0, false);
        let mut drain = |splitter: &mut Splitter| {
            while let Some(piece) = splitter.next_piece() {
                let item = match piece {
                    Piece::Hole(len) => ListItem::Hole { len },
                    Piece::Data(data) => {
                        ListItem::Data { id: self.run.session.store_chunk(data, coder)?, len: data.len() as u64 }
                    }
                };
                pieces.put(number, item).map_err(TransferError::local(SPOOLING))?;
                number += 1;
            }
            Ok::<_, TransferError>(())
        };
        let (source, size) = (self.run.source.vault, found.entry.size);
        let read = source.read_content(&found.entry, found.place.as_ref(), 0..size, &mut |part| {
            self.run.session.checkpoint()?;
            late = self.run.deadline.cuts();
            if late {
                return Err(VaultError::Cancelled.into()); // ends the reading, and is not told
            }
            match part {
                Part::Hole(len) => {
                    splitter.push_zeros(len);
                    self.run.observer.event(Event::Progress(len));
                    drain(splitter)
                }
                Part::Data(mut bytes) => {
                    self.run.observer.event(Event::Progress(bytes.len() as u64));
                    while !bytes.is_empty() {
                        let room = splitter.spare();
                        let step = bytes.len().min(room.len());
                        room[..step].copy_from_slice(&bytes[..step]);
                        bytes = &bytes[step..];
                        splitter.advance(step);
                        drain(splitter)?;
                    }
                    Ok(())
                }
            }
        });
        if late {
            return Ok(false);
        }
        read?;
        splitter.finish();
        drain(splitter)?;
        Ok(true)
    }
}

const SPOOLING: &str = "cannot write to a temporary file";
