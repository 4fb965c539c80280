//! The verbs: options in, report out. Nothing here prints, prompts or reads the environment; what a verb needs from a
//! person comes through the traits of [`Ctx`].

mod about;
mod besides;
mod between;
mod browse;
mod cat;
mod check;
mod check_vaults;
mod conflicts;
mod consent;
mod damage;
mod device;
mod diff;
mod doctor;
mod down;
mod edit_tree;
mod error;
mod files;
mod gc;
mod guard;
mod hashsum;
mod init;
mod inspect;
mod inward;
mod keeping;
mod key;
mod leaks;
mod links;
mod list;
mod make_dir;
mod mirror;
mod moment;
mod moving;
mod narrow;
mod network;
mod open;
mod origin;
mod outward;
mod overlap;
mod plain;
mod probe;
mod rcat;
mod recovery;
mod remove;
mod rename;
mod repair;
mod replicate;
mod rescue;
mod restore;
mod rules;
mod service;
mod sign_in;
mod stat;
mod statements;
mod sync;
mod target;
mod touch;
mod tree;
mod trial;
mod undo;
mod up;
mod usage;
mod verify;
mod verify_read;
mod writers;

use crate::event::Observer;
use crate::filter::Filter;
pub use crate::format::{
    access::Role,
    card::Card,
    policy::{Count, PERIODS, Policy, Rule, Scope, Span, is_tag},
    statement::MarkKind,
};
pub use crate::history::retention::Reason;
use crate::path::TreePath;
pub use crate::sum::{NoSuchSum, Sum, SumKind};
pub use crate::transfer::{By, Comparison, LINK_SUFFIX, Naming, Order, OrderBy, OrderFrom, Replace, Symlinks, Traits};
pub use crate::vault::{BadCheckpoint, Checkpoint, Collected, Demands, KeyPlace, Newest};
pub use crate::world::Cancel;
use crate::world::{Timestamp, World};
pub use about::{About, about};
pub use browse::{BrowseRow, Browser};
pub use cat::{CatOptions, cat};
pub use check::{CheckOptions, check};
pub use conflicts::{Conflict, Keep, ResolveOptions, Version, list_conflicts, resolve_conflicts, show_conflict};
pub use damage::Hit;
pub use device::{DeviceRequest, device_add, device_approve, device_remove, device_request, device_store};
pub use diff::{DiffKind, DiffOptions, DiffReport, DiffRow, diff};
pub use doctor::{Finding, Health, examine_machine, examine_vault};
pub use edit_tree::EditOptions;
pub use error::OpsError;
pub use gc::{GcOptions, gc};
pub use hashsum::{SumOptions, check_sums, hash_stream, hashsum};
pub use init::{init, vault_exists};
pub use inspect::{StatusReport, log, status};
pub use keeping::{
    KeepReport, KeepRow, MarkOptions, NamedRow, PolicyChange, PolicyReport, forget, kept, mark, marks, policy,
    set_policy,
};
pub use key::{
    AccessStep, KeyChange, KeyReport, MemberInfo, card as key_card, change as key_change, history as key_history,
    member as key_member, members as key_members,
};
pub use leaks::{LeaksReport, Seen, leaks};
pub use links::ShownLinks;
pub use list::{Extras, ListOptions, Listed, ListedKind, list, list_with};
pub use make_dir::{mkdir, rmdir, rmdirs};
pub use mirror::{CopyReport, HealOptions, heal, only_there};
pub use moment::Moment;
pub use moving::Moving;
pub use network::{Network, Rate, Rates, RequestRate, Shaper};
pub use plain::{PlainProfile, probe_plain};
pub use probe::{Found, Probe, probe};
pub use rcat::rcat;
pub use recovery::{DrillOptions, RecoveryReport, test_recovery};
pub use remove::{delete, purge, rm};
pub use rename::{RenameOptions, rename};
pub use repair::{RepairOptions, RepairReport, repair};
pub use replicate::{ObjectsReport, ReplicateReport, replicate, verify_objects};
pub use rescue::rescue;
pub use restore::{RestoreOptions, restore};
pub use rules::{Backup, Cutoff, DeleteWhen, HearsRows, RowSink, TransferRules};
pub use service::{HeldToken, Service, ServiceSettings, SignedIn, TokenStore};
pub use sign_in::sign_in;
pub use stat::{DuRow, Stat, Stored, du, stat};
pub use statements::{AdoptReport, RetireReport, adopt, retire};
use std::{io, path::PathBuf};
pub use sync::sync;
pub use touch::{TouchOptions, touch};
pub use tree::{Below, TreeOptions, TreeRow, tree};
pub use trial::{Abilities, Check, Leftover, Observed, Outcome, Speed, Trial, cleanup, trial};
pub use undo::{UndoOptions, UndoRow, undo, undoable};
pub use usage::{Usage, usage};
pub use verify::{VerifyOptions, VerifyReport, told, verify};
pub use verify_read::{Amount, BadAmount, ReadData};
pub use writers::{WriterRow, WriterState, writers};
use zeroize::Zeroizing;

/// Where secrets and consent come from: a terminal, the environment, a test.
pub trait Person: Send + Sync {
    /// The password of an existing vault, named for the prompt.
    fn password(&self, vault: &str) -> io::Result<Zeroizing<String>>;
    /// A new password, asked for twice where there is somebody to ask.
    fn new_password(&self, vault: &str) -> io::Result<Zeroizing<String>>;
    /// Another password for an existing vault, asked for twice where there is somebody to ask.
    fn changed_password(&self, vault: &str) -> io::Result<Zeroizing<String>> {
        self.new_password(vault)
    }
    /// The recovery words of an existing vault.
    fn recovery_words(&self, vault: &str) -> io::Result<Zeroizing<String>> {
        self.password(vault)
    }
    /// Says why something will be asked.
    fn tell(&self, _what: &str) {}
    /// A yes-or-no question. `None` if there is nobody to ask.
    fn confirm(&self, question: &str) -> Option<bool>;
    /// Whether to do `action` ("copy", "delete") to `subject`. `None` if there is nobody to ask.
    fn choose(&self, _action: &str, _subject: &str) -> Option<Answer> {
        None
    }
}

/// What a person says to one of many changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Do it.
    Yes,
    /// Leave it.
    No,
    /// Do all of its kind.
    AllOfThem,
    /// Leave all of its kind.
    NoneOfThem,
    /// Leave this and everything else; what was said yes to is done.
    Quit,
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
    /// Keep nothing in it: what is there is read, and this run is a writer of its own.
    pub ephemeral: bool,
    /// Be like rclone: links are skipped, empty directories left out and the delete brake is off, unless flags say otherwise.
    pub rclone_compat: bool,
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
    /// How large packs get, in bytes; `None` as suits the service.
    pub pack_size: Option<u64>,
    /// How remotes are talked to.
    pub network: Network,
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
    /// What the state of the vault has to be.
    pub demands: Box<Demands>,
    /// Another remote with a copy of the vault, whose log has to be in this one: its name and what it is.
    pub witness: Option<Box<(String, Service)>>,
    /// Whether a new key of this device is kept in the keyring of the system.
    pub keyring: bool,
    /// The moment at which the vault is looked at, if not now. Nothing can be written then.
    pub at: Option<Moment>,
}

/// One side of a transfer.
#[derive(Debug, Clone)]
pub enum Place {
    /// A path of this machine.
    Local(PathBuf),
    /// A path inside the vault of a remote.
    Vault(RemoteProfile, TreePath),
    /// A path among the plain files of a remote.
    Plain(PlainProfile, TreePath),
}

impl Place {
    /// The same place as it is now.
    #[must_use]
    pub fn now(self) -> Self {
        match self {
            Self::Vault(remote, path) => Self::Vault(RemoteProfile { at: None, ..remote }, path),
            other => other,
        }
    }
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
    /// What the password may do.
    pub password_role: Role,
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
    /// What counts as the same, what may go.
    pub rules: TransferRules,
    /// Whether owners, extended attributes and set-id bits belong to it.
    pub metadata: bool,
    /// What the local side can hold, for tests; found out if `None`.
    #[doc(hidden)]
    pub traits: Option<Traits>,
    /// Remove the source afterwards: `move`.
    pub moving: Option<Moving>,
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
    /// Entries of the source removed by a move.
    pub moved: u64,
    /// Entries whose metadata alone changed, directories made.
    pub updated: u64,
    /// Entries that could not be handled.
    pub failed: u64,
    /// Those of them that `--immutable` forbids to write over.
    pub immutable: u64,
    /// Why the run ended before it had done everything.
    pub stopped: Option<Stopped>,
    /// Conflict copies that wait below the path of the vault.
    pub conflicts: u64,
    /// Requests to the remote.
    pub requests: u64,
    /// The new commit, if there is one.
    pub commit: Option<String>,
}

/// Why a run ended before it had done everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// More would have been deleted than may be. Nothing was.
    MaxDelete,
    /// As much was transferred as may be.
    MaxTransfer,
    /// It took as long as it may.
    MaxDuration,
}

/// Which part of each file `cat` prints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CatRange {
    /// All.
    #[default]
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

/// One commit of `log`.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// Commit id.
    pub id: String,
    /// When, by the writer's claim as far as that can be: not before what it follows, not in the future.
    pub time: Timestamp,
    /// Who.
    pub writer: String,
    /// What.
    pub operation: String,
    /// Entries in the tree after it.
    pub entries: u64,
    /// Bytes in the tree after it.
    pub bytes: u64,
    /// What kind of record it is: `commit`, `join`, `close` and so on.
    pub kind: &'static str,
    /// The writer's id.
    pub writer_id: String,
    /// Its number among the writer's records.
    pub number: u64,
    /// Commits that its writer has given up on its machine before it, if it accepted a rollback.
    pub given_up: Option<Vec<String>>,
}

/// A commit that does not count.
#[derive(Debug, Clone)]
pub struct QuarantinedEntry {
    /// What it says.
    pub entry: LogEntry,
    /// Why it does not count.
    pub why: String,
    /// Whether an admin may adopt it.
    pub adoptable: bool,
}
