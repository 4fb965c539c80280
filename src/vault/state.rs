//! What this installation remembers of a vault: a cache plus a memory of what was seen. Deleting it loses nothing but
//! that memory.
//!
//! One directory a vault, 0700: `state.sqlite` (small mutable things), `device.key` (0600), `lock`, `index/` (plain copies
//! of index segments). Where the directory can't be written, everything lives in memory for the run and says so.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::error::VaultError;
use crate::format::hints::ObjectRef;
use crate::format::name::LOG_PREFIX;
use crate::id::{CommitId, VaultId, WriterId};
use crate::world::Entropy;

/// The state of one vault on this installation.
pub struct State {
    /// Where the state is meant to be, writable or not.
    home: PathBuf,
    dir: PathBuf,
    persistent: bool,
    db: Mutex<Connection>,
    _scratch: Option<tempfile::TempDir>,
}

/// A verified record as remembered: what is needed to find heads and to see rollbacks without fetching it again.
#[derive(Debug, Clone)]
pub struct SeenRecord {
    /// Object name below `log/`.
    pub name: String,
    /// Commit id.
    pub id: CommitId,
    /// The writer.
    pub writer: WriterId,
    /// Its place in the writer's log.
    pub seq: u64,
    /// The signed bytes.
    pub record: Vec<u8>,
    /// The directory of a bundle, empty if there is none.
    pub directory: Vec<u8>,
    /// The object that holds the record.
    pub object: ObjectRef,
    /// When it was first seen here, in seconds since 1970.
    pub at: i64,
}

impl State {
    /// Opens or creates the state of `vault` below `base`.
    ///
    /// # Errors
    /// The directory is there but its database can't be used. A directory that can't be written is no error: the state
    /// is then empty and lasts for this run only.
    pub fn open(base: &Path, vault: &VaultId) -> Result<Self, VaultError> {
        let dir = base.join(vault.to_string());
        match open_persistent(&dir) {
            Ok(db) => Ok(Self { home: dir.clone(), dir, persistent: true, db: Mutex::new(db), _scratch: None }),
            // What is there but damaged or locked must not pass for nothing seen and nothing begun.
            Err(Fault::Database(source)) if !is_unwritable(&source) => Err(state_error(&dir, source)),
            Err(_) => Self::ephemeral(base, vault),
        }
    }

    /// A state for this run only, which begins with what is remembered below `base`.
    ///
    /// # Errors
    /// There is no place for scratch files.
    pub fn ephemeral(base: &Path, vault: &VaultId) -> Result<Self, VaultError> {
        let home = base.join(vault.to_string());
        let scratch = tempfile::tempdir().map_err(VaultError::local("cannot create a scratch directory"))?;
        fs::create_dir(scratch.path().join("index")).map_err(VaultError::local("cannot create a scratch directory"))?;
        let db = Connection::open_in_memory()
            .and_then(|db| prepare(db, "MEMORY"))
            .map_err(|source| state_error(&home, source))?;
        match copy_memory(&home, &db) {
            // What may not be read is not remembered, and whoever calls says so. What is damaged is no empty memory.
            Err(source) if !is_unwritable(&source) => return Err(state_error(&home, source)),
            _ => {}
        }
        let dir = scratch.path().to_owned();
        Ok(Self { home, dir, persistent: false, db: Mutex::new(db), _scratch: Some(scratch) })
    }

    /// Whether what is remembered outlives this run.
    pub fn is_persistent(&self) -> bool {
        self.persistent
    }

    /// Where plain copies of index segments are kept.
    pub fn index_dir(&self) -> PathBuf {
        self.dir.join("index")
    }

    /// Where everything of this vault is on this machine.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the state is meant to be, writable or not.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// The 16 random bytes of this installation's writer id, made at first use. Bound to the machine and to the state
    /// directory's identity: a copy of the directory gets a writer of its own.
    ///
    /// # Errors
    /// The database or the entropy fails.
    pub fn writer_salt(&self, entropy: &dyn Entropy) -> Result<[u8; 16], VaultError> {
        if let Some(salt) = self.known_writer_salt()? {
            return Ok(salt);
        }
        let mut salt = [0; 16];
        entropy.fill(&mut salt).map_err(VaultError::local("cannot get random bytes"))?;
        let binding = binding(&self.dir);
        self.run(|db| {
            let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
            // Another run may have made one meanwhile: that one counts.
            let salt = match bound_salt(&transaction, &binding)? {
                Some(theirs) => theirs,
                None => {
                    let set = "INSERT OR REPLACE INTO meta VALUES (?1, ?2)";
                    transaction.execute(set, params!["writer_salt", salt])?;
                    transaction.execute(set, params!["writer_binding", binding])?;
                    salt
                }
            };
            transaction.commit()?;
            Ok(salt)
        })
    }

    /// The same, if there is one already.
    ///
    /// # Errors
    /// The database fails.
    pub fn known_writer_salt(&self) -> Result<Option<[u8; 16]>, VaultError> {
        let binding = binding(&self.dir);
        self.run(|db| bound_salt(db, &binding))
    }

    /// A record of this installation's writer is in the log. If this installation knows nothing of it, somebody else is the
    /// same writer: a copy of this machine, or this machine before it was set back. From now on this is another one.
    ///
    /// # Errors
    /// The database fails.
    pub fn disown(&self, name: &str) -> Result<(), VaultError> {
        // A run puts its commit on record as pending before it sends it, and as seen before it is pending no more.
        self.run(|db| {
            db.execute(
                "DELETE FROM meta WHERE key = 'writer_salt'
                 AND NOT EXISTS (SELECT 1 FROM pending WHERE name = ?1)
                 AND NOT EXISTS (SELECT 1 FROM records WHERE name = ?2)",
                [name, name.strip_prefix(LOG_PREFIX).unwrap_or(name)],
            )
        })
        .map(|_| ())
    }

    /// A small value.
    ///
    /// # Errors
    /// The database fails.
    pub fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, VaultError> {
        self.run(|db| db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional())
    }

    /// Keeps a small value.
    ///
    /// # Errors
    /// The database fails.
    pub fn set_meta(&self, key: &str, value: &[u8]) -> Result<(), VaultError> {
        self.run(|db| db.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", params![key, value])).map(|_| ())
    }

    /// All records seen.
    ///
    /// # Errors
    /// The database fails.
    pub fn records(&self) -> Result<Vec<SeenRecord>, VaultError> {
        self.run(|db| {
            let mut statement =
                db.prepare_cached("SELECT name, id, writer, seq, record, directory, object, at FROM records")?;
            let rows = statement.query_map([], |row| {
                Ok(SeenRecord {
                    name: row.get(0)?,
                    id: CommitId::new(row.get(1)?),
                    writer: WriterId::new(row.get(2)?),
                    seq: row.get::<_, i64>(3)? as u64,
                    record: row.get(4)?,
                    directory: row.get(5)?,
                    object: object_from(&row.get::<_, Vec<u8>>(6)?)?,
                    at: row.get(7)?,
                })
            })?;
            rows.collect()
        })
    }

    /// Remembers verified records. Done before any result that rests on them is shown.
    ///
    /// # Errors
    /// The database fails.
    pub fn remember(&self, records: &[SeenRecord]) -> Result<(), VaultError> {
        self.run(|db| {
            let transaction = db.unchecked_transaction()?;
            {
                let mut insert = transaction
                    .prepare_cached("INSERT OR IGNORE INTO records VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
                for r in records {
                    let (id, writer, object) = (r.id.as_bytes(), r.writer.as_bytes(), object_bytes(&r.object));
                    insert.execute(params![r.name, id, writer, r.seq as i64, r.record, r.directory, object, r.at])?;
                }
            }
            transaction.commit()
        })
    }

    /// Drops records that were found in a history: the heads, which are remembered, imply them.
    ///
    /// # Errors
    /// The database fails.
    pub fn forget_folded(&self, names: &[String]) -> Result<(), VaultError> {
        self.run(|db| {
            let transaction = db.unchecked_transaction()?;
            for name in names {
                transaction.execute("DELETE FROM records WHERE name = ?1", [name])?;
            }
            transaction.commit()
        })
    }

    /// The commit whose PUT is not known to have ended: name and bytes.
    ///
    /// # Errors
    /// The database fails.
    pub fn pending(&self) -> Result<Option<(String, Vec<u8>)>, VaultError> {
        self.run(|db| {
            db.query_row("SELECT name, bytes FROM pending", [], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
    }

    /// Notes a commit before its PUT.
    ///
    /// # Errors
    /// The database fails.
    pub fn set_pending(&self, name: &str, bytes: &[u8]) -> Result<(), VaultError> {
        self.run(|db| db.execute("INSERT OR REPLACE INTO pending VALUES (1, ?1, ?2)", params![name, bytes])).map(|_| ())
    }

    /// The commit is known to be there.
    ///
    /// # Errors
    /// The database fails.
    pub fn clear_pending(&self) -> Result<(), VaultError> {
        self.run(|db| db.execute("DELETE FROM pending", [])).map(|_| ())
    }

    pub(super) fn run<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, VaultError> {
        let db: MutexGuard<'_, Connection> = self.db.lock().expect("no thread panics while it holds the database");
        work(&db).map_err(|source| state_error(&self.dir, source))
    }
}

/// The salt of the writer, if it is this machine's and this directory's.
fn bound_salt(db: &Connection, binding: &[u8]) -> rusqlite::Result<Option<[u8; 16]>> {
    let meta = |key: &str| {
        db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get::<_, Vec<u8>>(0)).optional()
    };
    if meta("writer_binding")?.as_deref() != Some(binding) {
        return Ok(None);
    }
    Ok(meta("writer_salt")?.and_then(|salt| salt.try_into().ok()))
}

/// Why the state of this installation can't be opened for writing.
enum Fault {
    Directory,
    Database(rusqlite::Error),
}

impl From<io::Error> for Fault {
    fn from(_: io::Error) -> Self {
        Self::Directory
    }
}

fn is_unwritable(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode as Code;
    let code = error.sqlite_error_code();
    matches!(code, Some(Code::ReadOnly | Code::CannotOpen | Code::PermissionDenied | Code::DiskFull))
}

fn open_persistent(dir: &Path) -> Result<Connection, Fault> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir.join("index"))?;
    // SQLite creates its file by the umask: making it first keeps it ours alone.
    let path = dir.join("state.sqlite");
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path)?;
    Connection::open(&path).and_then(|db| prepare(db, journal_mode(dir))).map_err(Fault::Database)
}

/// SQLite's journal for a database in `dir`: a log ahead of it needs memory that all processes share, and across a network
/// they have none.
fn journal_mode(dir: &Path) -> &'static str {
    let network = rustix::fs::statfs(dir).is_ok_and(|found| NETWORK.contains(&(found.f_type as u32)));
    if network { "TRUNCATE" } else { "WAL" }
}

fn prepare(db: Connection, journal: &str) -> rusqlite::Result<Connection> {
    db.busy_timeout(std::time::Duration::from_secs(30))?;
    db.pragma_update(None, "journal_mode", journal)?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute_batch(SCHEMA)?;
    Ok(db)
}

/// Fills an in-memory database with what a state directory remembers, which is not changed.
fn copy_memory(dir: &Path, db: &Connection) -> rusqlite::Result<()> {
    let path = dir.join("state.sqlite");
    if !path.exists() {
        return Ok(());
    }
    // Where nothing can be written SQLite can't keep apart from writers either, and there can't be any.
    let open = |how: &str| {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_URI;
        let name = path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
        let db = Connection::open_with_flags(format!("file:{name}?{how}"), flags)?;
        db.query_row("SELECT count(*) FROM meta", [], |row| row.get::<_, i64>(0)).map(|_| db)
    };
    let source = open("mode=ro").or_else(|_| open("immutable=1"))?;
    for (table, columns) in [("meta", 2), ("records", 8), ("given_up", 1)] {
        let marks = vec!["?"; columns].join(", ");
        let mut rows = source.prepare(&format!("SELECT * FROM {table}"))?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let values: Vec<rusqlite::types::Value> =
                (0..columns).map(|i| row.get(i)).collect::<rusqlite::Result<_>>()?;
            db.execute(&format!("INSERT INTO {table} VALUES ({marks})"), rusqlite::params_from_iter(values))?;
        }
    }
    // Whoever can't remember what he has written is a new writer each time.
    db.execute("DELETE FROM meta WHERE key = 'writer_salt'", [])?;
    Ok(())
}

/// Machine id and the identity of the directory: a clone of either is another writer.
fn binding(dir: &Path) -> Vec<u8> {
    let mut bound = fs::read("/etc/machine-id").unwrap_or_default();
    if let Ok(meta) = fs::metadata(dir) {
        bound.extend_from_slice(&meta.ino().to_le_bytes());
    }
    bound
}

pub(super) fn object_bytes(object: &ObjectRef) -> Vec<u8> {
    let mut out = Vec::new();
    object.encode(&mut out);
    out
}

pub(super) fn object_from(bytes: &[u8]) -> rusqlite::Result<ObjectRef> {
    let mut reader = crate::format::wire::Reader::new(bytes, "object reference");
    ObjectRef::decode(&mut reader).map_err(|_| rusqlite::Error::InvalidQuery)
}

fn state_error(dir: &Path, source: rusqlite::Error) -> VaultError {
    VaultError::State { path: dir.display().to_string(), source }
}

/// Linux's marks of NFS, CIFS, SMB, SMB 2, 9P, Ceph, AFS and FUSE.
const NETWORK: [u32; 8] =
    [0x6969, 0xff53_4d42, 0x517b, 0xfe53_4d42, 0x0102_1997, 0x00c3_6400, 0x5346_414f, 0x6573_5546];
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (
    name TEXT PRIMARY KEY, id BLOB NOT NULL, writer BLOB NOT NULL, seq INTEGER NOT NULL,
    record BLOB NOT NULL, directory BLOB NOT NULL, object BLOB NOT NULL, at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS given_up (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stored (
    id BLOB PRIMARY KEY, session TEXT NOT NULL, object BLOB NOT NULL, class INTEGER NOT NULL, directory BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS suspects (mark INTEGER PRIMARY KEY, stamp INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS verified (id BLOB PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL, bytes BLOB NOT NULL);
PRAGMA user_version = 1;
";
