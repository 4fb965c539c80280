//! A vault's entries to a place of plain files. Start at [`Deliver::run`].
//!
//! Each file is read from the vault, verified, and written piece by piece; it gets its name when all of it is there. Nothing is
//! written over, or deleted, that is another than the plan saw. Deletes come after all writes and not at all if one of them failed.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, bounded};

use super::deadline::Deadline;
use super::download::MayDelete;
use super::files_side::{FilesTree, item, said};
use super::item::{Item, TransferError};
use super::plan::{MARKS_MAX, Plan, path_mark};
use super::step::Step;
use crate::event::{Action, Event, Observer};
use crate::format::entry::EntryKind;
use crate::path::TreePath;
use crate::vault::{FileEntry, FileKind, FilesIo, Part, Vault, VaultError, is_changed, is_of_one_file, is_passing};
use crate::world::Timestamp;

/// One run to plain files.
pub struct Deliver<'a> {
    /// From.
    pub vault: &'a Vault,
    /// To.
    pub tree: FilesTree<'a>,
    /// Where in the vault the paths of the plan are.
    pub prefix: &'a TreePath,
    /// Who listens.
    pub observer: &'a dyn Observer,
    /// Files in work at once.
    pub workers: usize,
    /// When the run has taken long enough.
    pub deadline: &'a Deadline,
    /// Whether deletes come before everything else.
    pub deletes_first: bool,
    /// Whether the plan knows the times of the place's files.
    pub times: bool,
    /// What stands for times that nobody knows.
    pub now: Timestamp,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Delivered {
    /// Files written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries deleted.
    pub deleted: u64,
    /// Entries that failed.
    pub failed: u64,
    /// Marks, by [`path_mark`], of everything that failed, the first [`MARKS_MAX`] and one more.
    pub failures: HashSet<u64>,
}

struct Job {
    item: Item,
    replaces: bool,
    /// What it replaces, as the plan saw it.
    old: Option<Box<Item>>,
    /// Whether only its time is to be another.
    time_only: bool,
}

struct Shared<'a> {
    run: &'a Deliver<'a>,
    files: AtomicU64,
    bytes: AtomicU64,
    deleted: AtomicU64,
    failed: AtomicU64,
    failures: Mutex<HashSet<u64>>,
    failure: Mutex<Option<TransferError>>,
}

/// Why a file was not written.
enum Unwritten {
    Late,
    Again(String),
    File(String),
    Fatal(TransferError),
}

impl Deliver<'_> {
    /// Carries out `plan`.
    ///
    /// # Errors
    /// The vault failed, something in it does not verify, or the service can't be used: files written until then are whole.
    pub fn run(&self, plan: &mut Plan, may_delete: MayDelete<'_>) -> Result<Delivered, TransferError> {
        let shared = Shared {
            run: self,
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            deleted: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            failures: Mutex::default(),
            failure: Mutex::default(),
        };
        if self.deletes_first && may_delete(plan, 0) {
            shared.delete_all(plan)?;
        }
        shared.write_all(plan)?;
        if !self.deletes_first && may_delete(plan, shared.failed.load(Ordering::Relaxed)) {
            shared.delete_all(plan)?;
        }
        Ok(Delivered {
            files: shared.files.into_inner(),
            bytes: shared.bytes.into_inner(),
            deleted: shared.deleted.into_inner(),
            failed: shared.failed.into_inner(),
            failures: shared.failures.into_inner().expect("inserting does not panic"),
        })
    }
}

impl Shared<'_> {
    fn io(&self) -> &FilesIo {
        self.run.tree.io
    }

    fn write_all(&self, plan: &mut Plan) -> Result<(), TransferError> {
        let fed = std::thread::scope(|scope| {
            let (jobs, queue) = bounded::<Job>(self.run.workers * 4);
            for _ in 0..self.run.workers.max(1) {
                let queue = queue.clone();
                scope.spawn(move || self.work(&queue));
            }
            drop(queue);
            for turn in plan.turns()? {
                let (item, replaces, old, time_only) = match turn?.1 {
                    Step::Put { item, replaces, old } => (item, replaces, old, false),
                    Step::Refer(item, old) => (item, old.as_ref().map(|old| old.entry.kind), old, false),
                    Step::Meta(item) => (item, Some(EntryKind::File), None, true),
                    Step::Delete { .. } | Step::Leave(_) => continue,
                };
                self.io().checkpoint()?;
                if self.has_failed() {
                    break;
                }
                match item.entry.kind {
                    EntryKind::File if self.run.deadline.has_passed() => {}
                    EntryKind::File if replaces == Some(EntryKind::Dir) => {
                        self.fail(
                            &item.path,
                            "there is a directory of this name, which is not replaced at such a place",
                        );
                    }
                    EntryKind::File => {
                        if jobs.send(Job { item, replaces: replaces.is_some(), old, time_only }).is_err() {
                            break;
                        }
                    }
                    EntryKind::Dir if time_only => {}
                    EntryKind::Dir => self.make_dir(&item.path, replaces)?,
                    EntryKind::Symlink => self.fail(&item.path, "is a symbolic link, which such a place can't hold"),
                }
            }
            Ok::<_, TransferError>(())
        });
        match self.failure.lock().expect("setting does not panic").take() {
            Some(error) => Err(error),
            None => fed,
        }
    }

    fn has_failed(&self) -> bool {
        self.failure.lock().expect("setting does not panic").is_some()
    }

    fn work(&self, queue: &Receiver<Job>) {
        for job in queue {
            if self.has_failed() {
                continue; // drain, so that the feeder does not wait for ever
            }
            let (path, size) = (&job.item.path, job.item.entry.size);
            self.run.observer.event(Event::Started { path, size });
            match self.write_with_retries(&job) {
                Ok(action) => {
                    if action != Action::UpdateMeta {
                        self.files.fetch_add(1, Ordering::Relaxed);
                        self.bytes.fetch_add(size, Ordering::Relaxed);
                    }
                    self.run.observer.event(Event::Done { path, action, size });
                }
                Err(Unwritten::Late) => {}
                Err(Unwritten::Again(reason) | Unwritten::File(reason)) => self.fail(path, &reason),
                Err(Unwritten::Fatal(error)) => TransferError::note(&self.failure, error),
            }
        }
    }

    fn write_with_retries(&self, job: &Job) -> Result<Action, Unwritten> {
        let mut last = Unwritten::Late;
        for _ in 0..WRITE_ATTEMPTS {
            match self.write(job) {
                Err(again @ Unwritten::Again(_)) => last = again,
                done => return done,
            }
        }
        Err(last)
    }

    fn write(&self, job: &Job) -> Result<Action, Unwritten> {
        let Item { path, entry, place } = &job.item;
        let full = self.run.tree.full(path).map_err(of_service)?;
        let there = self.io().stat(&full).map_err(of_service)?;
        if let Some(there) = &there {
            let expected = job.replaces && there.kind == FileKind::File;
            if !expected || job.old.as_ref().is_some_and(|old| !self.is(old, there, self.run.times)) {
                // What an earlier attempt has written to the end, and was not told so, is as good.
                let why = if job.replaces { CHANGED } else { APPEARED };
                let timed = self.io().caps().keeps_times.is_some();
                let ours = timed && there.kind == FileKind::File && self.is(&job.item, there, true);
                return if ours { Ok(Action::Copy) } else { Err(Unwritten::File(why.into())) };
            }
        }
        if job.time_only && self.io().set_time(&full, entry.mtime).map_err(of_service)? {
            return Ok(Action::UpdateMeta);
        }
        let action = if there.is_some() { Action::Replace } else { Action::Copy };
        let mut writer = self.io().begin(&full, entry.size, entry.mtime, there).map_err(of_service)?;
        let zeros = vec![0; ZEROS];
        let mut late = false;
        let read = self.run.vault.read_content(entry, place.as_ref(), 0..entry.size, &mut |part| {
            late = self.run.deadline.cuts();
            if late {
                return Err(Moved::Service(VaultError::Cancelled));
            }
            match part {
                Part::Data(bytes) => {
                    writer.write(bytes).map_err(Moved::Service)?;
                    self.run.observer.event(Event::Progress(bytes.len() as u64));
                }
                Part::Hole(mut len) => {
                    while len > 0 {
                        let step = len.min(zeros.len() as u64);
                        writer.write(&zeros[..step as usize]).map_err(Moved::Service)?;
                        self.run.observer.event(Event::Progress(step));
                        len -= step;
                    }
                }
            }
            Ok(())
        });
        match read {
            _ if late => return Err(Unwritten::Late),
            Ok(()) => {}
            Err(Moved::Service(error)) => return Err(of_service(error)),
            Err(Moved::Vault(error)) => {
                if !matches!(error, VaultError::Cancelled) {
                    let named = format!("`{path}` can't be read from the vault");
                    self.run.observer.event(Event::Notice(&named));
                }
                return Err(Unwritten::Fatal(error.into()));
            }
        }
        writer.finish().map_err(of_service)?;
        Ok(action)
    }

    /// Whether what is there is, as far as that can be told, what the plan says.
    fn is(&self, planned: &Item, there: &FileEntry, timed: bool) -> bool {
        let now = item(planned.path.clone(), there, self.run.now).entry;
        let nanos = |time: Timestamp| i128::from(time.secs) * 1_000_000_000 + i128::from(time.nanos);
        let apart = nanos(now.mtime).abs_diff(nanos(planned.entry.mtime));
        let exact = self.io().caps().keeps_times.filter(|_| timed && there.time.is_some());
        now.size == planned.entry.size && exact.is_none_or(|exact| apart < u128::from(exact))
    }

    fn make_dir(&self, path: &TreePath, replaces: Option<EntryKind>) -> Result<(), TransferError> {
        if replaces.is_some_and(|kind| kind != EntryKind::Dir) {
            self.fail(path, "there is a file of this name, which is not replaced at such a place");
            return Ok(());
        }
        if !self.io().caps().empty_dirs {
            return Ok(());
        }
        match self.run.tree.full(path).and_then(|full| self.io().make_dir(&full)) {
            Ok(()) => {
                self.run.observer.event(Event::Done { path, action: Action::MakeDir, size: 0 });
                Ok(())
            }
            Err(error) => self.failed_alone(path, error),
        }
    }

    /// Files first, then directories from the innermost out.
    fn delete_all(&self, plan: &mut Plan) -> Result<(), TransferError> {
        let mut dirs = Vec::new();
        for step in plan.steps()? {
            let Step::Delete { path, kind, old } = step? else { continue };
            self.io().checkpoint()?;
            if kind == EntryKind::Dir { dirs.push(path) } else { self.delete(&path, old.as_deref())? }
        }
        for path in dirs.iter().rev() {
            match self.run.tree.full(path).and_then(|full| self.io().remove_dir(&full)) {
                Ok(true) => self.deleted(path),
                // It still holds what the filters leave out of the run.
                Ok(false) => {}
                Err(error) => self.failed_alone(path, error)?,
            }
        }
        Ok(())
    }

    fn delete(&self, path: &TreePath, old: Option<&Item>) -> Result<(), TransferError> {
        let removed = self.run.tree.full(path).and_then(|full| {
            let Some(there) = self.io().stat(&full)? else { return Ok(true) };
            if old.is_some_and(|old| !self.is(old, &there, self.run.times)) {
                return Ok(false);
            }
            self.io().remove(&full, &there).map(|()| true)
        });
        match removed {
            Ok(true) => self.deleted(path),
            Ok(false) => self.fail(path, CHANGED),
            Err(error) if is_changed(&error) => self.fail(path, CHANGED),
            Err(error) => self.failed_alone(path, error)?,
        }
        Ok(())
    }

    fn deleted(&self, path: &TreePath) {
        self.deleted.fetch_add(1, Ordering::Relaxed);
        self.run.observer.event(Event::Done { path, action: Action::Delete, size: 0 });
    }

    fn failed_alone(&self, path: &TreePath, error: VaultError) -> Result<(), TransferError> {
        if !is_of_one_file(&error) {
            return Err(error.into());
        }
        self.fail(path, &said(&error));
        Ok(())
    }

    fn fail(&self, path: &TreePath, reason: &str) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut failures = self.failures.lock().expect("inserting does not panic");
        if failures.len() <= MARKS_MAX {
            failures.insert(path_mark(self.run.prefix, path));
        }
        self.run.observer.event(Event::Failed { path, reason });
    }
}

/// Which side failed in the middle of a file.
enum Moved {
    Service(VaultError),
    Vault(VaultError),
}

impl From<VaultError> for Moved {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

fn of_service(error: VaultError) -> Unwritten {
    match error {
        error if is_changed(&error) => Unwritten::Again(CHANGED.into()),
        error if is_passing(&error) => Unwritten::Again(format!("can't be written: {}", said(&error))),
        error if is_of_one_file(&error) => Unwritten::File(format!("can't be written: {}", said(&error))),
        error => Unwritten::Fatal(error.into()),
    }
}

const WRITE_ATTEMPTS: usize = 3;
const ZEROS: usize = 64 << 10;
const APPEARED: &str = "somebody has put something there meanwhile, which stays; run the command again";
const CHANGED: &str = "somebody has changed it meanwhile, so it stays as it is; run the command again";
