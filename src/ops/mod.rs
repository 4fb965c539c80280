//! The verbs: options in, report out. Nothing here prints, prompts or reads the environment; what a verb needs from a
//! person comes through the traits of [`Ctx`].

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::class::Class;
use crate::event::Observer;
use crate::filter::Filter;
use crate::path::TreePath;
use crate::world::{Timestamp, World};

/// Set once by Ctrl-C; everything long-running looks at it.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks everybody to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where secrets and consent come from: a terminal, the environment, a test.
pub trait Person: Send + Sync {
    /// The password of an existing vault, named for the prompt.
    fn password(&self, vault: &str) -> io::Result<Zeroizing<String>>;
    /// A new password, asked for twice where there is somebody to ask.
    fn new_password(&self, vault: &str) -> io::Result<Zeroizing<String>>;
    /// A yes-or-no question. `None` if there is nobody to ask.
    fn confirm(&self, question: &str) -> Option<bool>;
}

/// What every verb gets.
pub struct Ctx<'a> {
    /// Clock and entropy.
    pub world: World,
    /// Who listens.
    pub observer: &'a dyn Observer,
    /// Who answers.
    pub person: &'a dyn Person,
    /// Whether to stop.
    pub cancel: Cancel,
    /// Where this installation keeps its state: one directory for each vault below it. 0700.
    pub state_dir: PathBuf,
    /// Where re-downloadable copies of sealed metadata are kept.
    pub cache_dir: PathBuf,
    /// Settings of the engine.
    pub engine: EngineOptions,
}

/// Settings of the engine; every value is final here.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Budget for buffers, in bytes.
    pub memory: u64,
    /// Objects in transfer at once.
    pub transfers: usize,
    /// Threads that read, compare and restore files.
    pub checkers: usize,
    /// zstd level; `None` stores everything raw.
    pub compression: Option<i32>,
}

/// A configured remote: where a vault's objects are.
#[derive(Debug, Clone)]
pub struct RemoteProfile {
    /// The name before the colon.
    pub name: String,
    /// The service.
    pub service: Service,
    /// The vault that must be there, if the configuration pins one (52 characters of base32).
    pub vault_id: Option<String>,
    /// Whether this is the built-in `local:`, which is created at first use after asking.
    pub builtin: bool,
}

/// The services there are.
#[derive(Debug, Clone)]
pub enum Service {
    /// A directory of this machine.
    Fs {
        /// The directory that holds the vault's objects.
        root: PathBuf,
    },
}

/// One side of a transfer.
#[derive(Debug, Clone)]
pub enum Place {
    /// A path of this machine.
    Local(PathBuf),
    /// A path inside the vault of a remote.
    Vault(RemoteProfile, TreePath),
}

/// `init`
#[derive(Debug)]
pub struct InitOptions {
    /// Where.
    pub remote: RemoteProfile,
    /// Name of this device in the vault's list of members.
    pub device_label: String,
    /// Argon2id: KiB, passes, lanes.
    pub kdf: (u32, u32, u32),
    /// Where to write the recovery words (0600, must not exist); `None` returns them for showing.
    pub recovery_file: Option<PathBuf>,
}

/// What `init` made.
pub struct InitReport {
    /// Id of the new vault.
    pub vault_id: String,
    /// The 24 words, if they are to be shown.
    pub words: Option<Zeroizing<String>>,
    /// The checkpoint string.
    pub checkpoint: String,
}

/// `copy` and `sync`
#[derive(Debug)]
pub struct SyncOptions {
    /// From.
    pub source: Place,
    /// To.
    pub dest: Place,
    /// Whether to delete at the destination what the source does not have.
    pub delete: bool,
    /// What is in scope.
    pub filter: Filter,
    /// Plan and tell, change nothing.
    pub dry_run: bool,
    /// Pass the delete brake.
    pub force: bool,
    /// Compare content by reading the source, not by size and time.
    pub checksum: bool,
    /// The operation as the commit will name it ("sync /home/a/Documents -> docs").
    pub operation: String,
}

/// What a transfer did.
#[derive(Debug, Clone, Default)]
pub struct SyncReport {
    /// Entries compared.
    pub checked: u64,
    /// Files transferred, and their bytes.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// Bytes that the vault had already.
    pub deduplicated: u64,
    /// Bytes that went to the remote, sealed and padded.
    pub stored: u64,
    /// Entries deleted at the destination.
    pub deleted: u64,
    /// Entries whose metadata alone changed, directories made.
    pub updated: u64,
    /// Entries that could not be handled.
    pub failed: u64,
    /// Requests to the remote.
    pub requests: u64,
    /// The new commit, if there is one.
    pub commit: Option<String>,
}

/// One row of a listing.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Path relative to the listed place.
    pub path: TreePath,
    /// What it is.
    pub kind: ListedKind,
    /// Size in bytes; 0 for other than files.
    pub size: u64,
    /// Modification time.
    pub mtime: Timestamp,
    /// Permission bits, if known.
    pub mode: Option<u16>,
}

/// What a listed entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListedKind {
    /// A file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
}

/// `ls` and `lsf`
#[derive(Debug)]
pub struct ListOptions {
    /// What to list.
    pub place: Place,
    /// Below directories too.
    pub recursive: bool,
    /// What is in scope.
    pub filter: Filter,
}

/// Which part of each file `cat` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatRange {
    /// All.
    Whole,
    /// From an offset (from the end if negative), so many bytes (all if `None`).
    Offset(i64, Option<u64>),
    /// The first n bytes.
    Head(u64),
    /// The last n bytes.
    Tail(u64),
}

/// How entries of the two sides of `check` relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// The same.
    Same,
    /// Both there, different.
    Differ,
    /// Only in the source.
    OnlySource,
    /// Only in the destination.
    OnlyDest,
    /// Could not be compared.
    Error,
}

/// What `check` counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct CheckReport {
    /// Files that are the same.
    pub same: u64,
    /// Files that differ.
    pub differ: u64,
    /// Only in the source.
    pub only_source: u64,
    /// Only in the destination.
    pub only_dest: u64,
    /// Could not be compared.
    pub errors: u64,
}

/// What `verify` looked at.
#[derive(Debug, Clone, Default)]
pub struct VerifyReport {
    /// Entries of the tree.
    pub entries: u64,
    /// Tree nodes and chunk lists read.
    pub nodes: u64,
    /// References to data chunks that resolve.
    pub chunks: u64,
    /// Objects on the remote that the vault knows.
    pub objects: u64,
    /// Bytes read and verified (with `--read-data`).
    pub bytes_read: u64,
    /// Objects that belong to nothing.
    pub foreign: Vec<String>,
    /// What is wrong, a sentence each, with its class.
    pub problems: Vec<(Class, String)>,
}

/// One commit of `log`.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// Commit id.
    pub id: String,
    /// When, by the writer's claim.
    pub time: Timestamp,
    /// Who.
    pub writer: String,
    /// What.
    pub operation: String,
    /// Entries in the tree after it.
    pub entries: u64,
    /// Bytes in the tree after it.
    pub bytes: u64,
}

/// What `status` knows.
#[derive(Debug, Clone)]
pub struct StatusReport {
    /// Where the vault is.
    pub location: String,
    /// Its id.
    pub vault_id: String,
    /// Access version and epoch.
    pub access_version: u32,
    /// Epoch.
    pub epoch: u32,
    /// Members: kind, role, label, id.
    pub members: Vec<[String; 4]>,
    /// This writer's id, if this installation writes.
    pub writer: Option<String>,
    /// Newest commit.
    pub head: Option<LogEntry>,
    /// Commits in the log.
    pub commits: u64,
    /// Checkpoint string for `--checkpoint` on another machine.
    pub checkpoint: String,
    /// Objects and bytes of packs that were sent but belong to no commit yet.
    pub unfinished: (u64, u64),
    /// Warnings.
    pub warnings: Vec<String>,
}

/// Why a verb failed: a class for the exit code, one line for each level of what happened.
#[derive(Debug)]
pub struct OpsError {
    /// The class.
    pub class: Class,
    /// What was being done and what is wrong; the first is the headline, the rest are causes.
    pub chain: Vec<String>,
    /// What to do next, if that is known here.
    pub hint: Option<String>,
}

/// A vault is made at the remote.
///
/// # Errors
/// There is one already, or the remote can't be written.
pub fn init(_ctx: &Ctx<'_>, _options: &InitOptions) -> Result<InitReport, OpsError> {
    unimplemented!()
}

/// Makes the destination contain (`copy`) or equal (`sync`) the source.
///
/// # Errors
/// What stopped the run. Entries that failed one by one are counted in the report instead.
pub fn sync(_ctx: &Ctx<'_>, _options: &SyncOptions) -> Result<SyncReport, OpsError> {
    unimplemented!()
}

/// Lists, calling `row` for each entry in tree order.
///
/// # Errors
/// The place is not there, or the vault can't be read.
pub fn list(_ctx: &Ctx<'_>, _options: &ListOptions, _row: &mut dyn FnMut(&Listed) -> io::Result<()>) -> Result<(), OpsError> {
    unimplemented!()
}

/// Writes files to `out`, one after another. Directories mean all files below them.
///
/// # Errors
/// A file is missing or does not verify; what was written until then did verify.
pub fn cat(_ctx: &Ctx<'_>, _places: &[Place], _range: CatRange, _out: &mut dyn Write) -> Result<(), OpsError> {
    unimplemented!()
}

/// Stores a stream of unknown length as one file.
///
/// # Errors
/// What stopped it; nothing is committed then.
pub fn rcat(_ctx: &Ctx<'_>, _place: &Place, _input: &mut (dyn Read + Send)) -> Result<SyncReport, OpsError> {
    unimplemented!()
}

/// Compares source and destination by content, calling `row` for each file.
///
/// # Errors
/// What stopped it.
pub fn check(
    _ctx: &Ctx<'_>,
    _source: &Place,
    _dest: &Place,
    _one_way: bool,
    _filter: &Filter,
    _row: &mut dyn FnMut(Difference, &TreePath, &str) -> io::Result<()>,
) -> Result<CheckReport, OpsError> {
    unimplemented!()
}

/// Verifies that everything the head refers to is there, and with `read_data` that it is what it should be.
///
/// # Errors
/// What stopped it; what it found is in the report.
pub fn verify(_ctx: &Ctx<'_>, _remote: &RemoteProfile, _read_data: bool) -> Result<VerifyReport, OpsError> {
    unimplemented!()
}

/// The newest commits first, at most `limit`.
///
/// # Errors
/// The vault can't be read.
pub fn log(_ctx: &Ctx<'_>, _remote: &RemoteProfile, _limit: usize) -> Result<Vec<LogEntry>, OpsError> {
    unimplemented!()
}

/// What is known of a vault and of this installation's part in it.
///
/// # Errors
/// The vault can't be read.
pub fn status(_ctx: &Ctx<'_>, _remote: &RemoteProfile) -> Result<StatusReport, OpsError> {
    unimplemented!()
}

/// Whether a vault is at the remote. Used to create the built-in one after asking.
///
/// # Errors
/// The remote can't be read.
pub fn vault_exists(_remote: &RemoteProfile) -> Result<bool, OpsError> {
    let _unused: Duration = Duration::ZERO;
    unimplemented!()
}
