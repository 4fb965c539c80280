//! One reading of one local file into a session.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use crossbeam_channel::Sender;

use super::item::TransferError;
use super::outcome::Pieces;
use super::plan::path_mark;
use super::read::Source;
use super::upload::{ChunkJob, FileWork, Job, Shared, WorkState, is_fresh};
use super::walk::mtime_of;
use crate::chunk::{Piece, Splitter};
use crate::event::Action;
use crate::event::Event;
use crate::format::entry::{Content, Entry, EntryKind};
use crate::format::limits::INLINE_MAX;
use crate::format::list::ListItem;
use crate::format::pack::FrameCoder;
use crate::vault::VaultError;

/// Why a file could not be stored.
pub(super) enum ReadError {
    /// The run has taken long enough.
    Late,
    File(String),
    Vault(VaultError),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::File(format!("can't be read: {}", super::os_text(&error)))
    }
}

/// One reading of one file.
pub(super) struct Attempt<'a, 's> {
    pub(super) shared: &'a Shared<'s>,
    pub(super) job: &'a Job,
    pub(super) splitter: &'a mut Splitter,
    pub(super) coder: &'a mut FrameCoder,
    pub(super) chunks: &'a Sender<ChunkJob>,
}

impl Attempt<'_, '_> {
    /// Reads the file once. `false` if it changed meanwhile.
    pub(super) fn read(&mut self) -> Result<bool, ReadError> {
        let mut file = self.shared.open(&self.job.item.path)?;
        let before = rustix::fs::fstat(&file).map_err(io::Error::from)?;
        if !rustix::fs::FileType::from_raw_mode(before.st_mode).is_file() {
            return Err(ReadError::File("is no longer a regular file".into()));
        }
        let action = if self.job.replaces { Action::Replace } else { Action::Copy };
        let work = Arc::new(FileWork {
            number: self.job.number,
            path: self.job.item.path.clone(),
            known: self.job.item.entry.content.clone(),
            action,
            seen: self.shared.upload.moving.then(|| self.shared.seen_as(&self.job.item.path, &before)),
            state: Mutex::new(WorkState { pieces: Pieces::new(), end: None }),
        });
        let mut content = Content::None;
        let mut pieces = 0;
        let size;
        if before.st_size as u64 <= INLINE_MAX as u64 {
            let mut bytes = Vec::new();
            file.by_ref().take(INLINE_MAX as u64 + 1).read_to_end(&mut bytes)?;
            size = bytes.len() as u64;
            self.shared.upload.observer.event(Event::Progress(size));
            if size > INLINE_MAX as u64 {
                return Ok(false);
            }
            if size > 0 {
                content = Content::Inline(bytes.into());
            }
        } else {
            let sparse = (before.st_blocks as u64) * 512 < before.st_size as u64;
            let mut source = Source::new(&mut file, sparse);
            while source.fill(self.splitter, self.shared.upload.observer)? {
                self.drain(&work, &mut pieces)?;
                // A file may be zeros for long: no chunk comes of it that would notice.
                self.shared.upload.session.checkpoint().map_err(ReadError::Vault)?;
                if self.shared.upload.deadline.cuts() {
                    return Err(ReadError::Late);
                }
            }
            self.splitter.finish();
            self.drain(&work, &mut pieces)?;
            size = source.at;
        }
        let after = rustix::fs::fstat(&file).map_err(io::Error::from)?;
        let (mtime, entry) = (mtime_of(&before), &self.job.item.entry);
        if mtime_of(&after) != mtime || after.st_size as u64 != size || after.st_ino != before.st_ino {
            return Ok(false);
        }
        if size > 0 && size <= INLINE_MAX as u64 && content == Content::None {
            return Ok(false);
        }
        let upload = self.shared.upload;
        let mark = path_mark(&upload.prefix, &self.job.item.path);
        if upload.suspects.contains(&mark) {
            self.shared.settled.lock().expect("pushing does not panic").push(mark);
        }
        if is_fresh(mtime, upload.scan_start) {
            self.shared.suspects.lock().expect("pushing does not panic").push(mark);
        }
        // The plan has what the vault knows better than this file system does.
        let mtime = if upload.traits.same_time(mtime, entry.mtime) { entry.mtime } else { mtime };
        let (mode, attributes) = (entry.mode, entry.attributes.clone());
        let entry = Entry { size, mtime, mode, content, attributes, kind: EntryKind::File };
        let mut state = work.state.lock().expect("spooling does not panic");
        state.end = Some((pieces, entry));
        self.shared.complete(&work, &mut state).map_err(vault_error)?;
        Ok(true)
    }

    fn drain(&mut self, work: &Arc<FileWork>, pieces: &mut u64) -> Result<(), ReadError> {
        while let Some(piece) = self.splitter.next_piece() {
            let number = *pieces;
            *pieces += 1;
            match piece {
                Piece::Hole(len) => self.shared.piece(work, number, ListItem::Hole { len }).map_err(vault_error)?,
                Piece::Data(data) if data.len() < SMALL => {
                    let len = data.len() as u64;
                    let id = self.shared.upload.session.store_chunk(data, self.coder).map_err(ReadError::Vault)?;
                    self.shared.piece(work, number, ListItem::Data { id, len }).map_err(vault_error)?;
                }
                Piece::Data(data) => {
                    let job = ChunkJob { work: Arc::clone(work), number, data: self.shared.budget.copy(data) };
                    if self.chunks.send(job).is_err() {
                        return Err(ReadError::Vault(VaultError::Cancelled));
                    }
                }
            }
            if self.shared.has_failed() {
                return Err(ReadError::Vault(VaultError::Cancelled));
            }
        }
        Ok(())
    }
}

fn vault_error(error: TransferError) -> ReadError {
    match error {
        TransferError::Vault(error) => ReadError::Vault(error),
        other => ReadError::File(other.to_string()),
    }
}

/// Chunks below this are finished by the reader itself.
const SMALL: usize = 128 << 10;
