//! What the engine says while it works. Who listens (a terminal, a log, a test) is not its business.

use crate::path::TreePath;

/// One thing that happened.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The plan is complete: what the run will do.
    Planned {
        /// Files to transfer.
        files: u64,
        /// Their bytes.
        bytes: u64,
        /// Entries to delete at the destination.
        deletes: u64,
        /// Entries compared.
        checked: u64,
    },
    /// Comparing: this many entries so far.
    Checked(u64),
    /// A file's transfer begins.
    Started {
        /// Which.
        path: &'a TreePath,
        /// Its size in bytes as far as known.
        size: u64,
    },
    /// Bytes of file content read (upwards) or written (downwards).
    Progress(u64),
    /// Bytes that went to the remote.
    Sent(u64),
    /// A file, directory or link is done at the destination.
    Done {
        /// Which.
        path: &'a TreePath,
        /// What was done.
        action: Action,
        /// Its size in bytes.
        size: u64,
    },
    /// With `--dry-run`: what would be done.
    Would {
        /// Which.
        path: &'a TreePath,
        /// What.
        action: Action,
        /// Its size in bytes.
        size: u64,
    },
    /// One entry could not be handled; the run goes on, deletes nothing and ends with exit code 1.
    Failed {
        /// Which.
        path: &'a TreePath,
        /// Why, as a clause that completes "`path`: …".
        reason: &'a str,
    },
    /// Something worth telling at the normal level.
    Notice(&'a str),
    /// Something worth telling with `-v`.
    Info(&'a str),
}

/// What is done to one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// New at the destination.
    Copy,
    /// Content replaced.
    Replace,
    /// Only times, modes or the like.
    UpdateMeta,
    /// A directory is made.
    MakeDir,
    /// Removed.
    Delete,
    /// Has another name now.
    Move,
}

/// Listens.
pub trait Observer: Send + Sync {
    /// Takes one event. Called from many threads, often: it must be quick.
    fn event(&self, event: Event<'_>);
}

/// Listens to nothing.
#[derive(Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event<'_>) {}
}
