//! One file of unknown length into a session: standard input, in bounded memory.

use std::io::Read;
use std::sync::Mutex;

use crossbeam_channel::{Receiver, bounded};

use super::budget::{Budget, Held};
use super::edit::{self, Edit};
use super::item::TransferError;
use super::outcome::{Edits, Outcomes, Pieces};
use super::spool::SpoolWriter;
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
        let budget = Budget::new(self.budget);
        let mut splitter = Splitter::new(self.session.cutter());
        let (mut head, mut size, mut number) = (Vec::new(), 0u64, 0u64);
        std::thread::scope(|scope| {
            let (jobs, queue) = bounded::<Job>(self.workers);
            for _ in 0..self.workers {
                let (queue, pieces, failure) = (queue.clone(), &pieces, &failure);
                scope.spawn(move || self.store(queue, pieces, failure));
            }
            drop(queue);
            loop {
                if self.cancel.is_cancelled() {
                    return Err(VaultError::Cancelled.into());
                }
                if lock(&failure).is_some() {
                    return Ok(());
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
                    splitter.finish()
                } else {
                    splitter.advance(got)
                }
                size += got as u64;
                self.observer.event(Event::Progress(got as u64));
                if size <= INLINE_MAX as u64 {
                    if got == 0 { return Ok(()) } else { continue }
                }
                while let Some(piece) = splitter.next_piece() {
                    match piece {
                        Piece::Hole(len) => put_piece(&pieces, number, ListItem::Hole { len })?,
                        Piece::Data(data) => {
                            if jobs.send(Job { number, data: budget.copy(data) }).is_err() {
                                return Ok(());
                            }
                        }
                    }
                    number += 1;
                }
                if got == 0 {
                    return Ok(());
                }
            }
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

    fn store(&self, queue: Receiver<Job>, pieces: &Mutex<Pieces>, failure: &Mutex<Option<TransferError>>) {
        let mut coder = FrameCoder::default();
        for job in queue {
            let len = job.data.len() as u64;
            let stored = self.session.store_chunk(&job.data, &mut coder).map_err(TransferError::from);
            let put = stored.and_then(|id| put_piece(pieces, job.number, ListItem::Data { id, len }));
            if let Err(error) = put {
                lock(failure).get_or_insert(error);
            }
        }
    }

    fn uploaded(&self, entry: Entry, pieces: Pieces) -> Result<Uploaded, TransferError> {
        let outcomes = Outcomes::new();
        let bytes = entry.size;
        outcomes.put(0, edits_of(self.path.clone(), entry, pieces)?);
        let edits = outcomes.finish().map_err(TransferError::local("cannot write to a temporary file"))?;
        Ok(Uploaded { edits, files: 1, bytes, failed: 0, suspects: Vec::new(), settled: Vec::new() })
    }
}

/// The edit records of one file.
///
/// # Errors
/// A spool can't be written.
pub(super) fn edits_of(path: TreePath, mut entry: Entry, pieces: Pieces) -> Result<Edits, TransferError> {
    let one = |entry| Edits { first: vec![edit::encode(&Edit::Put(path.clone(), entry))], ..Edits::default() };
    Ok(match (&pieces.head[..], pieces.spool) {
        ([], _) => one(entry),
        ([ListItem::Data { id, .. }], None) => {
            entry.content = Content::Chunk(*id);
            one(entry)
        }
        (head, spool) => {
            let mut first = vec![edit::encode(&Edit::PutList(path, entry))];
            first.extend(head.chunks(1024).map(edit::encode_items));
            let more = spool.map(SpoolWriter::finish).transpose();
            let more = more.map_err(TransferError::local("cannot write to a temporary file"))?;
            Edits { first, more, last: Some(edit::encode(&Edit::End)) }
        }
    })
}

fn put_piece(pieces: &Mutex<Pieces>, number: u64, item: ListItem) -> Result<(), TransferError> {
    lock(pieces).put(number, item).map_err(TransferError::local("cannot write to a temporary file"))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("spooling does not panic")
}

const READ_AT_ONCE: usize = 1 << 20;
