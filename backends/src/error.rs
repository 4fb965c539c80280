//! The one error of this crate: what was tried, where, what kind of thing went wrong, and whether a retry can help.
//! A service decides the kind once, where it is known; callers branch on the kind and people read the rest.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The result of every operation on a remote.
pub type Result<T> = std::result::Result<T, RemoteError>;

/// A failed operation on a remote. `Display` speaks for this level only; the cause is the `source()`.
#[derive(Debug)]
pub struct RemoteError {
    kind: ErrorKind,
    op: Op,
    path: String,
    remote: String,
    advice: Option<String>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl RemoteError {
    /// An error of `op` at `path`: an object's path, a listing's prefix, or nothing where the whole remote is meant.
    pub fn new(kind: ErrorKind, op: Op, path: impl Into<String>) -> Self {
        let (path, remote) = (path.into(), String::new());
        Self { kind, op, path, remote, advice: None, retry_after: None, source: None }
    }

    /// Names the remote, as its `describe()` does.
    #[must_use]
    pub fn on(mut self, remote: impl Into<String>) -> Self {
        self.remote = remote.into();
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What a person can do about it, where the service knows better than the kind.
    #[must_use]
    pub fn with_advice(mut self, advice: Option<String>) -> Self {
        self.advice = advice;
        self
    }

    /// How long the service wants to be left alone.
    #[must_use]
    pub fn with_retry_after(mut self, pause: Option<Duration>) -> Self {
        self.retry_after = pause;
        self
    }

    /// What a person can do about it, if the service knows.
    pub fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }

    /// How long the service wants to be left alone, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was tried.
    pub fn op(&self) -> Op {
        self.op
    }

    /// The object's path, or the prefix of a listing; empty where the whole remote is meant.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the same call may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        self.kind.is_transient()
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, op, path, remote, .. } = self;
        match (path.as_str(), remote.as_str()) {
            ("", "") => write!(f, "cannot {op} the remote: {kind}"),
            ("", remote) => write!(f, "cannot {op} {remote}: {kind}"),
            (path, "") => write!(f, "cannot {op} `{path}`: {kind}"),
            (path, remote) => write!(f, "cannot {op} `{path}` on {remote}: {kind}"),
        }
    }
}

impl Error for RemoteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&**self.source.as_ref()?)
    }
}

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ErrorKind {
    /// No object has this path.
    #[error("not found")]
    NotFound,
    /// The service knows us and says no, or does not know us.
    #[error("permission denied")]
    PermissionDenied,
    /// The storage takes no writes at all.
    #[error("the storage is read-only")]
    ReadOnly,
    /// The storage, or our share of it, is full.
    #[error("no space left")]
    NoSpace,
    /// The object is shorter than the range that was asked for.
    #[error("the object is shorter than expected")]
    RangePastEnd,
    /// Something that we did not put there is in the way: a file where a directory belongs, or a directory, a
    /// symbolic link or a device where an object belongs.
    #[error("something else is in the way")]
    NotADirectory,
    /// A file is another than the one that was seen there.
    #[error("it was changed meanwhile")]
    Changed,
    /// The service cannot do this: a name too long for it, an object too large, an ability it lacks.
    #[error("the storage does not support this")]
    Unsupported,
    /// The remote is not there: no name, no way, nobody who answers, from the first request on.
    #[error("the remote can't be reached")]
    Unreachable,
    /// Whoever answers can't show that it is who we want: a wrong host key, a certificate that is not valid.
    #[error("the server is not to be trusted")]
    Untrusted,
    /// The settings of the remote do not fit what is there: no such bucket, another region, a wrong clock.
    #[error("the remote is not as it is configured")]
    Misconfigured,
    /// Too many requests at once. Transient.
    #[error("too many requests")]
    Throttled,
    /// No answer in time. Transient.
    #[error("timed out")]
    Timeout,
    /// The connection broke. Transient.
    #[error("the connection was interrupted")]
    Reset,
    /// The program is shutting down.
    #[error("cancelled")]
    Cancelled,
    /// Anything else; the source says what.
    #[error("unexpected error")]
    Unexpected,
}

impl ErrorKind {
    /// Whether the same call may succeed a moment later.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Throttled | Self::Timeout | Self::Reset)
    }
}

/// An operation of a [`Remote`](crate::Remote). Displays as a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// `get`.
    Get,
    /// `get_range`.
    GetRange,
    /// `put_new`.
    PutNew,
    /// `stat`.
    Stat,
    /// `list`.
    List,
    /// `delete`.
    Delete,
    /// `barrier`.
    Barrier,
}

impl Op {
    /// Every operation, in the order of their discriminants.
    pub const ALL: [Self; 7] =
        [Self::Get, Self::GetRange, Self::PutNew, Self::Stat, Self::List, Self::Delete, Self::Barrier];
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get | Self::GetRange => "read",
            Self::PutNew => "write",
            Self::Stat => "look up",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Barrier => "flush",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_speaks_for_one_level() {
        let error =
            RemoteError::new(ErrorKind::PermissionDenied, Op::Get, "data/x").on("/backup").with_source("EACCES");
        assert_eq!(error.to_string(), "cannot read `data/x` on /backup: permission denied");
        assert_eq!(error.source().unwrap().to_string(), "EACCES");
        let error = RemoteError::new(ErrorKind::Timeout, Op::List, "").on("/backup");
        assert_eq!(error.to_string(), "cannot list /backup: timed out");
        assert!(error.is_transient());
    }

    #[test]
    fn operations_are_in_order() {
        for (index, op) in Op::ALL.into_iter().enumerate() {
            assert_eq!(op as usize, index);
        }
    }
}
