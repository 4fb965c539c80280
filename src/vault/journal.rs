//! What runs of this installation have begun and not ended: packs that no commit names yet, and files to read again.
//! Start at [`State::begin_session`].
//!
//! Several runs may work at the same time. Each has a session: a file below `sessions/` that it holds locked while it lives
//! (`flock`, which ends with the process however that ends), and its packs are noted under the name of that file. What a
//! session leaves behind that is not locked any more belongs to whoever takes it first.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::params;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::error::VaultError;
use super::state::{State, object_bytes, object_from};
use crate::format::hints::ObjectRef;
use crate::id::{CommitId, ObjectId};
use crate::world::Entropy;

/// A pack that was stored but belongs to no commit yet.
#[derive(Debug, Clone)]
pub struct JournalPack {
    /// The object.
    pub object: ObjectRef,
    /// Its class: the `u8` of index pack tables.
    pub class: u8,
}

/// A run that is alive: as long as this is held, nobody else takes its packs.
#[derive(Debug)]
pub(super) struct LiveSession {
    name: String,
    path: PathBuf,
    _lock: File,
}

impl State {
    /// Begins a session that has seen these epochs.
    pub(super) fn begin_session(
        &self,
        entropy: &dyn Entropy,
        seen: &BTreeSet<CommitId>,
    ) -> Result<LiveSession, VaultError> {
        let mut random = [0; 10];
        entropy.fill(&mut random).map_err(VaultError::local("cannot get random bytes"))?;
        let (name, dir) = (crate::id::base32(&random), self.sessions_dir());
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.map_err(VaultError::local(format!("cannot create {}", dir.display())))?;
        let path = dir.join(&name);
        let lock = open_lock(&path)?;
        // Somebody may have found the new file before it was locked, and taken it for that of a dead run.
        let is_ours = self.try_lock(&lock, &path)?
            && fs::metadata(&path).and_then(|there| Ok(there.ino() == lock.metadata()?.ino())).unwrap_or(false);
        if !is_ours {
            return self.begin_session(entropy, seen);
        }
        let bytes: Vec<u8> = seen.iter().flat_map(|id| *id.as_bytes()).collect();
        (&lock).write_all(&bytes).map_err(VaultError::local(format!("cannot write {}", path.display())))?;
        Ok(LiveSession { name, path, _lock: lock })
    }

    /// The epochs that each run of this installation had seen when it began, but for `own`: of those that are alive.
    pub(super) fn seen_by_others(&self, own: Option<&LiveSession>) -> Result<Vec<BTreeSet<CommitId>>, VaultError> {
        let mut found = Vec::new();
        for file in fs::read_dir(self.sessions_dir()).into_iter().flatten().flatten() {
            let path = file.path();
            if own.is_some_and(|own| own.path == path) {
                continue;
            }
            let alive = match OpenOptions::new().read(true).write(true).open(&path) {
                Ok(mut lock) if !self.try_lock(&lock, &path)? => {
                    let mut bytes = Vec::new();
                    let read = lock.read_to_end(&mut bytes);
                    read.map_err(VaultError::local(format!("cannot read {}", path.display())))?;
                    Some(bytes)
                }
                Ok(_) => None,
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(VaultError::local(format!("cannot open {}", path.display()))(error)),
            };
            let ids = alive.map(|bytes| bytes.as_chunks().0.iter().map(|id| CommitId::new(*id)).collect());
            found.extend(ids);
        }
        Ok(found)
    }

    /// Ends a session. What it has left in the journal stays for the next one.
    pub(super) fn end_session(&self, session: &LiveSession) -> Result<(), VaultError> {
        let left: i64 = self.run(|db| {
            db.query_row("SELECT count(*) FROM stored WHERE session = ?1", [&session.name], |row| row.get(0))
        })?;
        if left == 0 {
            fs::remove_file(&session.path).unwrap_or_default(); // a later run removes it otherwise
        }
        Ok(())
    }

    /// Makes the packs of sessions that ended without publishing those of this one.
    pub(super) fn take_over(&self, session: &LiveSession) -> Result<(), VaultError> {
        let mut names = self.run(|db| {
            let mut statement = db.prepare_cached("SELECT DISTINCT session FROM stored")?;
            statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()
        })?;
        let files = fs::read_dir(self.sessions_dir()).into_iter().flatten().flatten();
        names.extend(files.filter_map(|file| file.file_name().into_string().ok()));
        names.retain(|name| *name != session.name);
        names.sort_unstable();
        names.dedup();
        for name in names {
            let path = self.sessions_dir().join(&name);
            // A session makes its file before its first entry: where there is no file there is nobody.
            let lock = match OpenOptions::new().write(true).open(&path) {
                Ok(lock) if !self.try_lock(&lock, &path)? => continue,
                Ok(lock) => Some(lock),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(VaultError::local(format!("cannot open {}", path.display()))(error)),
            };
            self.run(|db| db.execute("UPDATE stored SET session = ?1 WHERE session = ?2", [&session.name, &name]))?;
            fs::remove_file(&path).unwrap_or_default();
            drop(lock);
        }
        Ok(())
    }

    /// Packs stored but not committed, of all sessions.
    ///
    /// # Errors
    /// The database fails.
    pub fn journal(&self) -> Result<Vec<JournalPack>, VaultError> {
        self.packs("SELECT object, class FROM stored", &[])
    }

    /// Those of one session.
    pub(super) fn journal_of(&self, session: &LiveSession) -> Result<Vec<JournalPack>, VaultError> {
        self.packs("SELECT object, class FROM stored WHERE session = ?1", &[&session.name])
    }

    fn packs(&self, query: &str, params: &[&String]) -> Result<Vec<JournalPack>, VaultError> {
        self.run(|db| {
            let mut statement = db.prepare_cached(query)?;
            let rows = statement.query_map(rusqlite::params_from_iter(params), |row| {
                Ok(JournalPack { object: object_from(&row.get::<_, Vec<u8>>(0)?)?, class: row.get(1)? })
            })?;
            rows.collect()
        })
    }

    /// The encoded directory of one of them.
    pub(super) fn journal_directory(&self, id: &ObjectId) -> Result<Vec<u8>, VaultError> {
        self.run(|db| db.query_row("SELECT directory FROM stored WHERE id = ?1", [id.as_bytes()], |row| row.get(0)))
    }

    /// Notes a stored pack and its encoded directory.
    pub(super) fn journal_add(
        &self,
        session: &LiveSession,
        pack: &JournalPack,
        directory: &[u8],
    ) -> Result<(), VaultError> {
        self.run(|db| {
            db.execute(
                "INSERT OR REPLACE INTO stored VALUES (?1, ?2, ?3, ?4, ?5)",
                params![pack.object.id.as_bytes(), session.name, object_bytes(&pack.object), pack.class, directory],
            )
        })
        .map(|_| ())
    }

    /// Drops packs from the journal: they are committed, or gone.
    pub(super) fn journal_remove(&self, ids: &[ObjectId]) -> Result<(), VaultError> {
        self.run(|db| {
            let transaction = db.unchecked_transaction()?;
            for id in ids {
                transaction.execute("DELETE FROM stored WHERE id = ?1", [id.as_bytes()])?;
            }
            transaction.commit()
        })
    }

    /// Files that were modified too shortly before they were read for their times to prove anything: the mark of each, with
    /// the stamp of the run that noted it.
    ///
    /// # Errors
    /// The database fails.
    pub fn suspects(&self) -> Result<HashMap<u64, i64>, VaultError> {
        self.run(|db| {
            let mut statement = db.prepare_cached("SELECT mark, stamp FROM suspects")?;
            let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)? as u64, row.get(1)?)))?;
            rows.collect()
        })
    }

    /// Notes files to be read again, those included that another run has noted.
    ///
    /// # Errors
    /// The database or the entropy fails.
    pub fn suspect(&self, marks: &[u64], entropy: &dyn Entropy) -> Result<(), VaultError> {
        if marks.is_empty() {
            return Ok(());
        }
        let mut stamp = [0; 8];
        entropy.fill(&mut stamp).map_err(VaultError::local("cannot get random bytes"))?;
        self.run(|db| {
            let transaction = db.unchecked_transaction()?;
            for mark in marks {
                let row = params![*mark as i64, i64::from_le_bytes(stamp)];
                transaction.execute("INSERT OR REPLACE INTO suspects VALUES (?1, ?2)", row)?;
            }
            transaction.commit()
        })
    }

    /// Forgets files that have been read again, except those that somebody has noted anew since `known`.
    ///
    /// # Errors
    /// The database fails.
    pub fn settle_suspects(&self, known: &HashMap<u64, i64>, settled: &[u64]) -> Result<(), VaultError> {
        let settled: Vec<_> = settled.iter().filter_map(|mark| Some((*mark as i64, *known.get(mark)?))).collect();
        if settled.is_empty() {
            return Ok(());
        }
        self.run(|db| {
            let transaction = db.unchecked_transaction()?;
            for row in settled {
                transaction.execute("DELETE FROM suspects WHERE mark = ?1 AND stamp = ?2", row)?;
            }
            transaction.commit()
        })
    }

    /// Takes the lock that is held from the last listing to the end of a commit's PUT: it hands out the numbers of this
    /// installation's records. `waiting` is called ten times a second while another run has it.
    pub(super) fn lock(&self, waiting: &mut dyn FnMut() -> Result<(), VaultError>) -> Result<File, VaultError> {
        let path = self.dir().join("lock");
        let file = open_lock(&path)?;
        let mut turns = 0;
        while !self.try_lock(&file, &path)? {
            if turns == LOCK_TURNS {
                return Err(VaultError::Busy(format!(
                    "another run on this machine has been publishing for ten minutes; is it suspended? It holds {}",
                    path.display()
                )));
            }
            if turns % 10 == 0 {
                waiting()?;
            }
            turns += 1;
            std::thread::sleep(LOCK_TURN);
        }
        Ok(file)
    }

    /// Locks a file unless somebody else has it. What lasts for this run only is nobody else's, and needs no locks.
    fn try_lock(&self, file: &File, path: &Path) -> Result<bool, VaultError> {
        let alone = !self.is_persistent();
        loop {
            match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(true),
                Err(Errno::WOULDBLOCK) => return Ok(false),
                Err(Errno::INTR) => {}
                Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) if alone => return Ok(true),
                Err(errno @ (Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL)) => {
                    return Err(VaultError::local(format!(
                        "the file system of {} has no locks, so runs could not tell each other from dead ones; keep the state on another (--state-dir) or give --ephemeral",
                        path.display()
                    ))(errno.into()));
                }
                Err(errno) => {
                    return Err(VaultError::local(format!("cannot lock {}", path.display()))(errno.into()));
                }
            }
        }
    }

    fn sessions_dir(&self) -> PathBuf {
        self.dir().join("sessions")
    }
}

fn open_lock(path: &Path) -> Result<File, VaultError> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    file.map_err(VaultError::local(format!("cannot open {}", path.display())))
}

const LOCK_TURN: Duration = Duration::from_millis(10);
const LOCK_TURNS: u32 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::VaultId;
    use crate::world::World;

    fn pack(n: u8) -> JournalPack {
        JournalPack { object: ObjectRef { id: ObjectId::new([n; 32]), size: 4096, epoch: 1, salt: [n; 32] }, class: 1 }
    }

    fn ids(packs: Vec<JournalPack>) -> Vec<u8> {
        let mut ids: Vec<u8> = packs.iter().map(|pack| pack.object.id.as_bytes()[0]).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn the_packs_of_the_dead_are_taken_and_those_of_the_living_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let entropy = World::system().entropy;
        let open = || State::open(dir.path(), &VaultId::new([1; 32])).unwrap();
        let (one, other) = (open(), open());
        let (living, dead) = (
            one.begin_session(&*entropy, &BTreeSet::new()).unwrap(),
            one.begin_session(&*entropy, &BTreeSet::new()).unwrap(),
        );
        one.journal_add(&living, &pack(1), b"").unwrap();
        one.journal_add(&dead, &pack(2), b"").unwrap();
        drop(dead);
        let mine = other.begin_session(&*entropy, &BTreeSet::new()).unwrap();
        other.take_over(&mine).unwrap();
        assert_eq!(ids(other.journal_of(&mine).unwrap()), [2]);
        assert_eq!(ids(other.journal_of(&living).unwrap()), [1]);
        assert_eq!(ids(other.journal().unwrap()), [1, 2]);
        // A copy of the directory may lack the files: then nobody can be alive there.
        drop(living);
        fs::remove_dir_all(one.sessions_dir()).unwrap();
        let late = one.begin_session(&*entropy, &BTreeSet::new()).unwrap();
        one.take_over(&late).unwrap();
        assert_eq!(ids(one.journal_of(&late).unwrap()), [1, 2]);
        one.journal_remove(&[pack(1).object.id, pack(2).object.id]).unwrap();
        one.end_session(&late).unwrap();
        assert!(!late.path.exists(), "nothing is left to take");
    }

    #[test]
    fn what_is_noted_anew_is_not_settled() {
        let dir = tempfile::tempdir().unwrap();
        let entropy = World::system().entropy;
        let state = State::open(dir.path(), &VaultId::new([1; 32])).unwrap();
        state.suspect(&[1, 2, u64::MAX], &*entropy).unwrap();
        let known = state.suspects().unwrap();
        state.suspect(&[2, 3], &*entropy).unwrap(); // another run
        state.settle_suspects(&known, &[1, 2, 3, u64::MAX]).unwrap();
        let mut left: Vec<u64> = state.suspects().unwrap().into_keys().collect();
        left.sort_unstable();
        assert_eq!(left, [2, 3]);
    }
}
