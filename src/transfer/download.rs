//! A vault's entries onto this machine. Start at [`Download::run`].
//!
//! Each file is fetched, verified and written beside its name, then renamed; directories get their modes and times when
//! all else is done; deletes come after all writes and not at all if one of them failed. One sync ends the run.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::backups::LocalBackup;
use super::deadline::Deadline;
use super::dest::{Dest, PartialFile};
use super::item::{Item, TransferError};
use super::links::link_of;
use super::pass::{Pass, pass_of};
use super::pieces::{PieceJob, Tally, WriteError};
use super::plan::{MARKS_MAX, Plan, path_mark};
use super::step::Step;
use super::traits::Traits;
use crate::event::{Action, Event, Observer};
use crate::format::entry::{Content, EntryKind};
use crate::history::chunk_list::ListReader;
use crate::id::BlobId;
use crate::path::TreePath;
use crate::vault::{Part, Vault, VaultError};

/// One run downwards.
pub struct Download<'a> {
    /// From.
    pub vault: &'a Vault,
    /// The directory that paths of the plan are below.
    pub root: std::path::PathBuf,
    /// Where in the vault the paths of the plan are.
    pub prefix: TreePath,
    /// Who listens.
    pub observer: &'a dyn Observer,
    /// Files in work at once.
    pub workers: usize,
    /// What the directory can hold.
    pub traits: &'a Traits,
    /// Whether owners, extended attributes and set-id bits are restored.
    pub metadata: bool,
    /// When the run has taken long enough.
    pub deadline: &'a Deadline,
    /// Where what is written over or deleted is kept.
    pub backup: Option<LocalBackup>,
    /// Whether deletes come before everything else.
    pub deletes_first: bool,
}

/// Tells whether a plan's deletes may be carried out though so many entries failed.
pub(super) type MayDelete<'m> = &'m mut dyn FnMut(&Plan, u64) -> bool;

/// What came of it.
#[derive(Debug, Default)]
pub struct Downloaded {
    /// Files written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries deleted.
    pub deleted: u64,
    /// Entries that failed.
    pub failed: u64,
    /// Marks, by [`path_mark`], of entries that are not there because they failed; what is below one is not there either.
    pub unwritten: HashSet<u64>,
    /// Marks of everything that failed, the first [`MARKS_MAX`] and one more.
    pub failures: HashSet<u64>,
}

struct Shared<'a> {
    run: &'a Download<'a>,
    dest: Dest,
    files: AtomicU64,
    bytes: AtomicU64,
    deleted: AtomicU64,
    failed: AtomicU64,
    unwritten: Mutex<HashSet<u64>>,
    failures: Mutex<HashSet<u64>>,
    failure: Mutex<Option<VaultError>>,
    stopped: AtomicBool,
}

struct Job {
    item: Item,
    replaces: Option<EntryKind>,
}

impl Download<'_> {
    /// Carries out `plan`.
    ///
    /// # Errors
    /// The vault failed or something in it does not verify: files written until then are whole, nothing was deleted.
    pub fn run(&self, plan: &mut Plan, may_delete: MayDelete<'_>) -> Result<Downloaded, TransferError> {
        let fail = |what: &str| TransferError::local(format!("cannot {what} {}", self.root.display()));
        let shared = Shared {
            run: self,
            dest: Dest::open(&self.root, self.traits, self.metadata).map_err(fail("write to the directory"))?,
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            deleted: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            unwritten: Mutex::default(),
            failures: Mutex::default(),
            failure: Mutex::default(),
            stopped: AtomicBool::new(false),
        };
        let mut deletes = self.deletes_first && may_delete(plan, 0);
        if deletes {
            shared.delete_all(plan)?;
        }
        shared.write_all(plan, Pass::Main)?;
        shared.write_all(plan, Pass::Links)?;
        if !self.deletes_first {
            deletes = may_delete(plan, shared.failed.load(Ordering::Relaxed));
            if deletes {
                shared.delete_all(plan)?;
            }
        }
        if deletes {
            shared.write_all(plan, Pass::AfterDeletes)?;
        }
        shared.finish_dirs(plan)?;
        shared.outcome()?;
        shared.dest.restore_dirs().map_err(fail("set times below"))?;
        shared.dest.tell_metadata(self.observer);
        shared.dest.sync().map_err(fail("make durable what was written to"))?;
        Ok(Downloaded {
            files: shared.files.into_inner(),
            bytes: shared.bytes.into_inner(),
            deleted: shared.deleted.into_inner(),
            failed: shared.failed.into_inner(),
            unwritten: shared.unwritten.into_inner().expect("inserting does not panic"),
            failures: shared.failures.into_inner().expect("inserting does not panic"),
        })
    }
}

impl Shared<'_> {
    fn write_all(&self, plan: &mut Plan, pass: Pass) -> Result<(), TransferError> {
        let fed = std::thread::scope(|scope| {
            let (jobs, queue) = bounded::<Job>(self.run.workers * 4);
            let (pieces, piece_queue) = bounded::<PieceJob>(1);
            for _ in 0..self.run.workers {
                let (queue, pieces) = (queue.clone(), pieces.clone());
                scope.spawn(move || self.work(&queue, &pieces));
            }
            for _ in 0..self.run.workers.min(PIECES_AT_ONCE) {
                let queue = piece_queue.clone();
                scope.spawn(move || queue.into_iter().for_each(|job| self.write_piece(job)));
            }
            drop((queue, pieces, piece_queue));
            let mut waiting = HashSet::new();
            for turn in plan.turns()? {
                let (_, Step::Put { item, replaces, .. }) = turn? else { continue };
                self.check()?;
                let mut its = pass_of(&item, replaces);
                // What is below a directory that has to wait waits with it; the plan has parents first.
                if item.path.parent().is_some_and(|parent| waiting.contains(&parent)) {
                    its = Pass::AfterDeletes;
                }
                if its == Pass::AfterDeletes && item.entry.kind == EntryKind::Dir {
                    waiting.insert(item.path.clone());
                }
                if its != pass {
                    continue;
                }
                match item.entry.kind {
                    EntryKind::File if self.run.deadline.has_passed() => {}
                    EntryKind::File => {
                        if jobs.send(Job { item, replaces }).is_err() {
                            break;
                        }
                    }
                    EntryKind::Dir => self.make_dir(&item, replaces),
                    EntryKind::Symlink => self.make_link(&item, replaces),
                }
            }
            Ok::<_, TransferError>(())
        });
        self.outcome().and(fed)
    }

    fn work(&self, queue: &Receiver<Job>, pieces: &Sender<PieceJob>) {
        for job in queue {
            if self.check().is_err() {
                continue; // drain, so that the feeder does not wait for ever
            }
            let (path, size) = (&job.item.path, job.item.entry.size);
            self.run.observer.event(Event::Started { path, size });
            match self.write_file(&job, pieces) {
                Ok(()) => {
                    self.files.fetch_add(1, Ordering::Relaxed);
                    self.bytes.fetch_add(size, Ordering::Relaxed);
                    let action = if job.replaces.is_some() { Action::Replace } else { Action::Copy };
                    self.run.observer.event(Event::Done { path, action, size });
                }
                Err(WriteError::Late) => {}
                Err(WriteError::File(error)) => self.unwritten(path, error),
                Err(WriteError::Vault(error)) if error.is_lack() && self.run.vault.forgives() => {
                    self.unwritten(path, io::Error::other(error.to_string()));
                }
                Err(WriteError::Vault(error)) => {
                    if !matches!(error, VaultError::Cancelled) {
                        let named = format!("`{path}` can't be read from the vault");
                        self.run.observer.event(Event::Notice(&named));
                    }
                    self.stop(error);
                }
            }
        }
    }

    fn write_file(&self, Job { item, replaces }: &Job, pieces: &Sender<PieceJob>) -> Result<(), WriteError> {
        if let Some(first) = link_of(item)
            && *replaces != Some(EntryKind::Dir)
            && self.dest.link(&first, &item.path, &item.entry, replaces.is_none())?
        {
            return Ok(());
        }
        let file = self.dest.begin_file(&item.path)?;
        if let Content::List(id) = &item.entry.content {
            return self.write_pieces(item, *replaces, id, file, pieces);
        }
        let mut at = 0;
        let observer = self.run.observer;
        self.run.vault.read_content(&item.entry, item.place.as_ref(), 0..item.entry.size, &mut |part| {
            if self.run.deadline.cuts() {
                return Err(WriteError::Late);
            }
            match part {
                Part::Data(bytes) => {
                    file.write_at(bytes, at)?;
                    at += bytes.len() as u64;
                    observer.event(Event::Progress(bytes.len() as u64));
                }
                Part::Hole(len) => {
                    at += len;
                    observer.event(Event::Progress(len));
                }
            }
            Ok::<_, WriteError>(())
        })?;
        self.clear(&item.path, *replaces)?;
        self.dest.finish_file(file, &item.path, &item.entry, replaces.is_none())?;
        Ok(())
    }

    /// Removes the directory, empty by now, that something else takes the name of; keeps a file if that is wanted.
    fn clear(&self, path: &TreePath, replaces: Option<EntryKind>) -> io::Result<()> {
        match (replaces, &self.run.backup) {
            (Some(EntryKind::Dir), _) => self.dest.remove(path, EntryKind::Dir),
            (Some(_), Some(backup)) => backup.take(&self.dest, path),
            _ => Ok(()),
        }
    }

    fn write_pieces(
        &self,
        item: &Item,
        replaces: Option<EntryKind>,
        list: &BlobId,
        file: PartialFile,
        pieces: &Sender<PieceJob>,
    ) -> Result<(), WriteError> {
        let (file, tally, mut late) = (Arc::new(file), Arc::new(Tally::default()), false);
        for piece in ListReader::open(self.run.vault, list, item.entry.size, item.place)? {
            let piece = piece?;
            let Some((id, place)) = piece.chunk else {
                self.run.observer.event(Event::Progress(piece.len));
                continue;
            };
            if tally.failed() {
                break;
            }
            late = self.run.deadline.cuts();
            if late {
                break;
            }
            if self.check().is_err() {
                return Err(VaultError::Cancelled.into());
            }
            tally.begin();
            let (file, tally) = (Arc::clone(&file), Arc::clone(&tally));
            let job = PieceJob { file, tally, at: piece.offset, len: piece.len, id, place };
            pieces.send(job).expect("their threads end after the senders");
        }
        tally.wait()?;
        if late {
            return Err(WriteError::Late);
        }
        let file = Arc::into_inner(file).expect("every piece lets go of the file before it counts as done");
        self.clear(&item.path, replaces)?;
        self.dest.finish_file(file, &item.path, &item.entry, replaces.is_none())?;
        Ok(())
    }

    fn write_piece(&self, job: PieceJob) {
        let PieceJob { file, tally, at, len, id, place } = job;
        let written = || {
            let chunk = self.run.vault.chunk(&id, place.as_ref(), len)?;
            Ok::<_, WriteError>(file.write_at(&chunk, at)?)
        };
        let written = if tally.failed() { Ok(()) } else { written() };
        if written.is_ok() {
            self.run.observer.event(Event::Progress(len));
        }
        drop(file);
        tally.end(written);
    }

    fn make_dir(&self, item: &Item, replaces: Option<EntryKind>) {
        let made = match replaces {
            Some(EntryKind::Dir) | None => self.dest.make_dir(&item.path, replaces.is_none()),
            Some(kind) => (self.clear(&item.path, replaces))
                .and_then(|()| self.dest.remove(&item.path, kind))
                .and_then(|()| self.dest.make_dir(&item.path, false)),
        };
        self.tell_made(item, made, Action::MakeDir);
    }

    fn make_link(&self, item: &Item, replaces: Option<EntryKind>) {
        let target = item.link_target().unwrap_or_default();
        let made = self.clear(&item.path, replaces);
        let made = made
            .and_then(|()| self.dest.make_link(&item.path, target, replaces.is_none()))
            .and_then(|()| self.dest.set_meta(&item.path, &item.entry));
        let action = if replaces.is_some() { Action::Replace } else { Action::Copy };
        self.tell_made(item, made, action);
    }

    fn tell_made(&self, item: &Item, made: io::Result<()>, action: Action) {
        match made {
            Ok(()) => self.tell(item, Ok(()), action),
            Err(error) => self.unwritten(&item.path, error),
        }
    }

    fn tell(&self, item: &Item, done: io::Result<()>, action: Action) {
        match done {
            Ok(()) => self.run.observer.event(Event::Done { path: &item.path, action, size: 0 }),
            Err(error) => self.entry_failed(&item.path, error),
        }
    }

    /// Files and links first, then directories from the innermost out.
    fn delete_all(&self, plan: &mut Plan) -> Result<(), TransferError> {
        let mut dirs = Vec::new();
        for step in plan.steps()? {
            let Step::Delete { path, kind, .. } = step? else { continue };
            self.check()?;
            if kind == EntryKind::Dir { dirs.push(path) } else { self.delete(&path, kind) }
        }
        dirs.iter().rev().for_each(|path| self.delete(path, EntryKind::Dir));
        Ok(())
    }

    fn delete(&self, path: &TreePath, kind: EntryKind) {
        let removed = match &self.run.backup {
            Some(backup) if kind != EntryKind::Dir => backup.take(&self.dest, path),
            _ => self.dest.remove(path, kind),
        };
        match removed {
            Ok(()) => {
                self.deleted.fetch_add(1, Ordering::Relaxed);
                self.run.observer.event(Event::Done { path, action: Action::Delete, size: 0 });
            }
            // It still holds what the filters leave out of the run: rclone keeps it silently, and so do we.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            Err(error) => self.entry_failed(path, error),
        }
    }

    fn finish_dirs(&self, plan: &mut Plan) -> Result<(), TransferError> {
        let mut closed = Vec::new();
        for step in plan.steps()? {
            let (item, is_new) = match step? {
                Step::Meta(item) => (item, false),
                Step::Put { item, .. } if item.entry.kind == EntryKind::Dir => (item, true),
                _ => continue,
            };
            self.check()?;
            let opens = |mode| mode & 0o300 == 0o300;
            if item.entry.kind == EntryKind::Dir && !item.entry.mode.is_none_or(opens) {
                closed.push((item, is_new)); // few, and what is below them comes first
            } else {
                self.finish_entry(&item, is_new);
            }
        }
        closed.iter().rev().for_each(|(item, is_new)| self.finish_entry(item, *is_new));
        Ok(())
    }

    fn finish_entry(&self, item: &Item, is_new: bool) {
        match self.dest.set_meta(&item.path, &item.entry) {
            Ok(()) if is_new => {}
            done => self.tell(item, done, Action::UpdateMeta),
        }
    }

    /// What could not be written is not gone from the vault: the next run from here has to know.
    fn unwritten(&self, path: &TreePath, error: io::Error) {
        let mark = |path: &TreePath| path_mark(&self.run.prefix, path);
        let mut marks = self.unwritten.lock().expect("inserting does not panic");
        let known = path.parent().is_some_and(|parent| marks.contains(&mark(&parent)));
        if !known && marks.len() <= MARKS_MAX {
            marks.insert(mark(path));
        }
        drop(marks);
        self.entry_failed(path, error);
    }

    fn entry_failed(&self, path: &TreePath, error: io::Error) {
        use io::ErrorKind as K;
        if matches!(error.kind(), K::StorageFull | K::QuotaExceeded | K::ReadOnlyFilesystem) {
            return self.stop(VaultError::local(format!("`{path}` can't be written"))(error)); // nor can any other
        }
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut failures = self.failures.lock().expect("inserting does not panic");
        if failures.len() <= MARKS_MAX {
            failures.insert(path_mark(&self.run.prefix, path));
        }
        drop(failures);
        let reason = format!("can't be written: {}", super::os_text(&error));
        self.run.observer.event(Event::Failed { path, reason: &reason });
    }

    fn stop(&self, error: VaultError) {
        self.failure.lock().expect("setting does not panic").get_or_insert(error);
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn check(&self) -> Result<(), TransferError> {
        self.run.vault.checkpoint()?;
        if self.stopped.load(Ordering::Relaxed) { Err(VaultError::Cancelled.into()) } else { Ok(()) }
    }

    /// The failure of the vault that stopped the run, if one did.
    fn outcome(&self) -> Result<(), TransferError> {
        match self.failure.lock().expect("setting does not panic").take() {
            Some(error) => Err(error.into()),
            None => self.check(),
        }
    }
}

/// Chunks of large files in work at once: each needs memory of its own.
const PIECES_AT_ONCE: usize = 4;
