//! One entry of either side of a transfer, and what can go wrong with it.

use std::io;
use std::sync::Mutex;

use crate::class::Class;
use crate::format::attribute::{HARD_LINK, OWNER, XATTRS};
use crate::format::entry::{Content, Entry, EntryKind};
use crate::history::source::ResolvedPlace;
use crate::path::TreePath;
use crate::vault::VaultError;

/// An entry, with its path below the root of its side.
#[derive(Debug, Clone)]
pub struct Item {
    /// The path.
    pub path: TreePath,
    /// What is known of it. Files of a local side have no content here.
    pub entry: Entry,
    /// Where the content's first blob was last seen, for files of a vault.
    pub place: Option<ResolvedPlace>,
}

impl Item {
    /// Whether both are what the other is: content of files where both sides know it, else size and time; target of links.
    /// Modes are not looked at.
    pub fn same_content(&self, other: &Self) -> bool {
        let (a, b) = (&self.entry, &other.entry);
        a.kind == b.kind
            && match a.kind {
                EntryKind::File if a.content != Content::None && b.content != Content::None => a.content == b.content,
                EntryKind::File => a.size == b.size && a.mtime == b.mtime,
                EntryKind::Dir => true,
                EntryKind::Symlink => a.content == b.content,
            }
    }

    /// Whether times and modes agree too, as far as both sides know them. Times of links are left alone.
    pub fn same_meta(&self, other: &Self) -> bool {
        let (a, b) = (&self.entry, &other.entry);
        let same_mode = a.mode.is_none() || b.mode.is_none() || a.mode == b.mode || a.kind == EntryKind::Symlink;
        same_mode && (a.mtime == b.mtime || a.kind == EntryKind::Symlink)
    }

    /// Whether owners, extended attributes and hard links agree.
    pub fn same_attributes(&self, other: &Self) -> bool {
        let known = |item: &Self, tag| item.entry.attribute(tag).map(<[u8]>::to_vec);
        [OWNER, XATTRS, HARD_LINK].into_iter().all(|tag| known(self, tag) == known(other, tag))
    }

    /// The target, if this is a link.
    pub fn link_target(&self) -> Option<&[u8]> {
        match &self.entry.content {
            Content::Link(target) => Some(target),
            _ => None,
        }
    }
}

/// Why a side can't go on, or what it had to leave out.
#[derive(Debug, thiserror::Error)]
pub enum SideError {
    /// One entry can't be read. The side goes on with the next; nothing may be deleted in such a run.
    #[error("`{path}`: {reason}")]
    Skipped {
        /// Which.
        path: TreePath,
        /// Why.
        reason: String,
    },
    /// Something of an entry, which follows, is left out.
    #[error("`{path}`: {reason}")]
    Partly {
        /// Which.
        path: TreePath,
        /// Why.
        reason: String,
    },
    /// A socket, a pipe or a device: nothing to store, and nothing to fail for.
    #[error("`{0}` is a socket, a pipe or a device")]
    Special(TreePath),
    /// A symbolic link, which is passed over.
    #[error("`{0}` is a symbolic link")]
    Link(TreePath),
    /// An entry of a destination that the run leaves alone.
    #[error("`{}` is left alone", .0.path)]
    Stands(Box<Item>),
    /// The side ends here.
    #[error(transparent)]
    Fatal(#[from] TransferError),
}

/// Why a transfer failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The local side failed as a whole.
    #[error("{what}")]
    Local {
        /// What was being done.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The run has taken long enough before it knew what to do.
    #[error("comparing alone took as long as --max-duration allows; nothing was done")]
    Late,
    /// A file stands where a directory is needed, or the other way round, and the verb may not delete it.
    #[error("`{path}` is {is}, but {needed} is needed there")]
    InTheWay {
        /// Where.
        path: TreePath,
        /// What is there.
        is: &'static str,
        /// What should be.
        needed: &'static str,
    },
}

impl TransferError {
    /// The class for the exit code.
    pub fn class(&self) -> Class {
        match self {
            Self::Vault(error) => error.class(),
            Self::Local { source, .. } => crate::vault::class_of_io(source),
            Self::InTheWay { .. } => Class::Failed,
            Self::Late => Class::MaxDuration,
        }
    }

    /// Keeps the first failure of a run. One that only says that the run has been stopped gives way to the reason.
    pub(super) fn note(slot: &Mutex<Option<Self>>, error: Self) {
        let mut slot = slot.lock().expect("setting does not panic");
        if slot.as_ref().is_none_or(|first| matches!(first, Self::Vault(VaultError::Cancelled))) {
            *slot = Some(error);
        }
    }

    /// A failure of the local side.
    pub fn local(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Local { what, source }
    }
}

/// What a kind is called.
pub(super) fn kind_name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File => "a file",
        EntryKind::Dir => "a directory",
        EntryKind::Symlink => "a symbolic link",
    }
}
