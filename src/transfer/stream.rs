//! One file of unknown length into a session: standard input, in bounded memory.

use std::io::Read;
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::budget::{Budget, Held};
use super::item::TransferError;
use super::outcome::{Outcomes, Pieces, edits_of};
use super::upload::Uploaded;
use crate::chunk::{Piece, Splitter};
use crate::event::{Event, Observer};
use crate::format::entry::{Content, Entry};
use crate::format::limits::INLINE_MAX;
use crate::format::list::ListItem;
use crate::format::pack::FrameCoder;
use crate::path::TreePath;
use crate::vault::{Session, VaultError};
use crate::world::Cancel;

/// One stream upwards.
pub struct StreamUpload<'a> {
    /// Where chunks go.
    pub session: &'a Session,
    /// The file in the vault.
    pub path: TreePath,
    /// What is known of the file; size and content come of the stream.
    pub entry: Entry,
    /// Who listens.
    pub observer: &'a dyn Observer,
    /// Whether to stop.
    pub cancel: &'a Cancel,
    /// Bytes of chunks in flight.
    pub budget: u64,
    /// Worker threads.
    pub workers: usize,
}

struct Job {
    number: u64,
    data: Held,
}

impl StreamUpload<'_> {
    /// Reads `input` to its end.
    ///
    /// # Errors
    /// The input or the vault fails.
    pub fn run(&self, input: &mut dyn Read) -> Result<Uploaded, TransferError> {
        let pieces = Mutex::new(Pieces::new());
        let failure = Mutex::new(None);
        let (size, head) = std::thread::scope(|scope| {
            let (jobs, queue) = bounded::<Job>(self.workers);
            for _ in 0..self.workers {
                let (queue, pieces, failure) = (queue.clone(), &pieces, &failure);
                scope.spawn(move || self.store(&queue, pieces, failure));
            }
            drop(queue);
            let budget = Budget::new(self.budget);
            let mut feed = Feed { run: self, jobs, pieces: &pieces, failure: &failure, budget, number: 0 };
            feed.all(input)
        })?;
        if let Some(error) = failure.into_inner().expect("setting does not panic") {
            return Err(error);
        }
        let mut entry = self.entry.clone();
        entry.size = size;
        if size > 0 && size <= INLINE_MAX as u64 {
            entry.content = Content::Inline(head.into());
        }
        self.uploaded(entry, pieces.into_inner().expect("spooling does not panic"))
    }

    fn store(&self, queue: &Receiver<Job>, pieces: &Mutex<Pieces>, failure: &Mutex<Option<TransferError>>) {
        let mut coder = FrameCoder::default();
        for job in queue {
            let len = job.data.len() as u64;
            let stored = self.session.store_chunk(&job.data, &mut coder).map_err(TransferError::from);
            let put = stored.and_then(|id| put_piece(pieces, job.number, ListItem::Data { id, len }));
            if let Err(error) = put {
                TransferError::note(failure, error);
            }
        }
    }

    fn uploaded(&self, entry: Entry, pieces: Pieces) -> Result<Uploaded, TransferError> {
        let outcomes = Outcomes::new(false);
        let bytes = entry.size;
        outcomes.put(0, edits_of(self.path.clone(), entry, Content::None, pieces)?);
        let edits = outcomes.finish().map_err(TransferError::local("cannot write to a temporary file"))?;
        let over_dirs = std::collections::HashSet::new();
        Ok(Uploaded {
            edits,
            backups: None,
            over_dirs,
            files: 1,
            bytes,
            failed: 0,
            suspects: Vec::new(),
            settled: Vec::new(),
        })
    }
}

/// The reading side of a stream.
struct Feed<'a> {
    run: &'a StreamUpload<'a>,
    jobs: Sender<Job>,
    pieces: &'a Mutex<Pieces>,
    failure: &'a Mutex<Option<TransferError>>,
    budget: Arc<Budget>,
    number: u64,
}

impl Feed<'_> {
    /// Reads to the end; gives the length, and the first bytes in case they are all there is.
    fn all(&mut self, input: &mut dyn Read) -> Result<(u64, Vec<u8>), TransferError> {
        let mut splitter = Splitter::new(self.run.session.cutter());
        let (mut head, mut size) = (Vec::new(), 0u64);
        loop {
            if self.run.cancel.is_cancelled() {
                return Err(VaultError::Cancelled.into());
            }
            let room = splitter.spare();
            let len = room.len().min(READ_AT_ONCE);
            let got = match input.read(&mut room[..len]) {
                Ok(got) => got,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(TransferError::local("cannot read the input")(error)),
            };
            if head.len() <= INLINE_MAX {
                head.extend_from_slice(&room[..got.min(INLINE_MAX + 1 - head.len())]);
            }
            if got == 0 {
                splitter.finish();
            } else {
                splitter.advance(got);
            }
            size += got as u64;
            self.run.observer.event(Event::Progress(got as u64));
            if size > INLINE_MAX as u64 && !self.drain(&mut splitter)? || got == 0 {
                return Ok((size, head));
            }
        }
    }

    /// Hands on what is certain. `false` if a worker has failed.
    fn drain(&mut self, splitter: &mut Splitter) -> Result<bool, TransferError> {
        while let Some(piece) = splitter.next_piece() {
            match piece {
                Piece::Hole(len) => put_piece(self.pieces, self.number, ListItem::Hole { len })?,
                Piece::Data(data) => {
                    if self.jobs.send(Job { number: self.number, data: self.budget.copy(data) }).is_err() {
                        return Ok(false);
                    }
                }
            }
            self.number += 1;
        }
        Ok(lock(self.failure).is_none())
    }
}

fn put_piece(pieces: &Mutex<Pieces>, number: u64, item: ListItem) -> Result<(), TransferError> {
    lock(pieces).put(number, item).map_err(TransferError::local("cannot write to a temporary file"))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("spooling does not panic")
}

const READ_AT_ONCE: usize = 1 << 20;
