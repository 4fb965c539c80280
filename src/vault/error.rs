//! What can go wrong with a vault, and which class of failure each is.

use cryptsync_backends::{ErrorKind, RemoteError};

use crate::class::Class;
use crate::format::index::SegmentError;
use crate::format::wire::Malformed;

/// Why a vault can't be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// There is no genesis at the remote.
    #[error("there is no vault at {location}")]
    NoVault {
        /// Where it was looked for.
        location: String,
    },
    /// There is a vault already where one should be made.
    #[error("there is a vault already at {location}")]
    Exists {
        /// Where.
        location: String,
    },
    /// The pinned vault is not the one found.
    #[error("the vault at {location} is {found}, but {pinned} is expected here")]
    OtherVault {
        /// Where.
        location: String,
        /// Id of what is there.
        found: String,
        /// Id that the configuration or this installation's memory pins.
        pinned: String,
    },
    /// No key at hand opens the vault.
    #[error("{0}")]
    NoKey(String),
    /// The vault needs a newer program, or weakens what it was.
    #[error("{0}")]
    Version(String),
    /// What was named is not there, or not one.
    #[error("{0}")]
    Named(String),
    /// A key or signature that nothing vouches for.
    #[error("{0}")]
    Untrusted(String),
    /// Less is there than was seen before.
    #[error("{0}")]
    Rollback(String),
    /// Two histories claim one place.
    #[error("{0}")]
    Equivocation(String),
    /// The past is not what it was.
    #[error("{what}; {}", details.join("; "))]
    Alarm {
        /// Rollback, equivocation, or something missing.
        class: Class,
        /// What has happened.
        what: String,
        /// More about it, a clause each.
        details: Vec<String>,
        /// What to do.
        hint: String,
    },
    /// What was asked for would do harm.
    #[error("{0}")]
    Refused(String),
    /// The members have changed while something was being written.
    #[error("the keys of the vault were changed while this ran, and nothing is written under the old ones")]
    KeysChanged,
    /// Something stored does not verify.
    #[error("`{object}` does not verify: {reason}")]
    Damaged {
        /// The object's name.
        object: String,
        /// What about it.
        reason: String,
    },
    /// Something referred to is not there.
    #[error("{what} is missing")]
    Missing {
        /// Which object or blob.
        what: String,
    },
    /// A limit of the format or of the budget.
    #[error("{0}")]
    Limit(String),
    /// A stored path that must not reach a file system.
    #[error("unsafe path in the vault: {0}")]
    UnsafePath(String),
    /// The remote failed.
    #[error("the remote failed")]
    Remote(#[from] RemoteError),
    /// This machine failed: state, cache, entropy.
    #[error("{what}")]
    Local {
        /// What was being done.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The local database failed.
    #[error("the local state at {path} can't be used")]
    State {
        /// The database.
        path: String,
        /// Its answer.
        source: rusqlite::Error,
    },
    /// Another run of this installation is in the way.
    #[error("{0}")]
    Busy(String),
    /// Stopped by a signal.
    #[error("stopped")]
    Cancelled,
}

impl VaultError {
    /// The class for the exit code.
    pub fn class(&self) -> Class {
        match self {
            Self::NoVault { .. } => Class::NoVault,
            Self::Exists { .. } | Self::State { .. } | Self::Refused(_) => Class::Fatal,
            Self::KeysChanged => Class::Temporary,
            Self::OtherVault { .. } | Self::Untrusted(_) => Class::Untrusted,
            Self::Named(_) => Class::Usage,
            Self::NoKey(_) => Class::NoKey,
            Self::Version(_) => Class::Version,
            Self::Rollback(_) => Class::Rollback,
            Self::Equivocation(_) => Class::Equivocation,
            Self::Alarm { class, .. } => *class,
            Self::Damaged { .. } => Class::Integrity,
            Self::Missing { .. } => Class::Missing,
            Self::Limit(_) => Class::Limit,
            Self::UnsafePath(_) => Class::UnsafePath,
            Self::Local { source, .. } => class_of_io(source),
            Self::Busy(_) => Class::Temporary,
            Self::Cancelled => Class::Interrupted,
            Self::Remote(error) => match error.kind() {
                ErrorKind::Cancelled => Class::Interrupted,
                ErrorKind::NotFound => Class::Missing,
                _ if error.is_transient() => Class::Temporary,
                ErrorKind::Unreachable => Class::Temporary,
                ErrorKind::Untrusted => Class::Untrusted,
                ErrorKind::Misconfigured => Class::Fatal,
                ErrorKind::NoSpace | ErrorKind::PermissionDenied | ErrorKind::ReadOnly => Class::Fatal,
                _ => Class::Failed,
            },
        }
    }

    /// What to do next, where that is known.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoVault { .. } => "create one with `cryptsync init REMOTE:`".into(),
            Self::Exists { .. } => "use it as it is, or choose another place for the new one".into(),
            Self::OtherVault { .. } => "if the vault was replaced on purpose, change `vault_id` in the configuration; if not, somebody swapped it".into(),
            Self::Alarm { hint, .. } => hint.clone(),
            Self::Damaged { .. } => "nothing was changed; run `cryptsync verify` to see all that is damaged, and keep other copies of the vault".into(),
            Self::Missing { .. } => "nothing was changed; run `cryptsync verify` to see all that is missing".into(),
            Self::KeysChanged => "run the command again".into(),
            Self::Version(_) => "use a newer cryptsync".into(),
            Self::Remote(error) => return remote_hint(error),
            Self::Local { source, .. } if is_full(source) => {
                "free some space on this machine and run the command again: what is done is not done again".into()
            }
            _ => return None,
        })
    }

    /// A damaged object.
    pub fn damaged(object: impl ToString, reason: impl ToString) -> Self {
        Self::Damaged { object: object.to_string(), reason: reason.to_string() }
    }

    /// A failure of this machine.
    pub fn local(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Local { what, source }
    }

    /// Whether an object asked for is simply not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Remote(error) if error.kind() == ErrorKind::NotFound)
            || matches!(self, Self::Missing { .. })
    }
}

impl From<Malformed> for VaultError {
    fn from(error: Malformed) -> Self {
        Self::Damaged { object: error.what.into(), reason: "its bytes are not what the format says".into() }
    }
}

impl From<SegmentError> for VaultError {
    fn from(error: SegmentError) -> Self {
        match error {
            SegmentError::Io(source) => Self::Local { what: "cannot read a local index segment".into(), source },
            SegmentError::Malformed(malformed) => malformed.into(),
        }
    }
}

/// The class of a failure of this machine's file system.
pub fn class_of_io(error: &std::io::Error) -> Class {
    use std::io::ErrorKind as K;
    match error.kind() {
        K::NotFound => Class::FileNotFound,
        K::PermissionDenied | K::StorageFull | K::QuotaExceeded | K::ReadOnlyFilesystem => Class::Fatal,
        K::Interrupted => Class::Interrupted,
        _ => Class::Failed,
    }
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

fn remote_hint(error: &RemoteError) -> Option<String> {
    if let Some(advice) = error.advice() {
        return Some(advice.to_owned());
    }
    Some(match error.kind() {
        ErrorKind::NoSpace => {
            "free some space at the remote and run the command again: what was sent is not sent again".into()
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnly => "check the permissions of the remote".into(),
        _ if error.is_transient() => "run the command again: what was sent is not sent again".into(),
        _ => return None,
    })
}
