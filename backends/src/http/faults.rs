//! Faults that a test plans, at the place where real ones happen: in the middle of a request.

use std::sync::Mutex;
use std::sync::PoisonError;

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpFault {
    /// The connection breaks when so many bytes of the request's body are sent.
    BreakUpload(u64),
    /// The request arrives and does its work, and its answer is lost.
    LoseReply,
    /// The answer is this status, without the request being sent; with `Retry-After` in seconds if given.
    Status(u16, Option<u32>),
    /// No answer ever comes.
    Hang,
    /// The connection breaks when so many bytes of the answer's body have come.
    BreakDownload(u64),
    /// The answer's body ends after so many bytes as if it were whole, where the server has said how long it is.
    Truncate(u64),
}

/// A plan: which requests go wrong, and how. Requests of a method are counted from 1.
#[derive(Debug, Default)]
pub struct HttpFaults {
    plan: Vec<(&'static str, u64, HttpFault)>,
    seen: Mutex<Vec<String>>,
}

impl HttpFaults {
    /// Nothing goes wrong.
    pub fn new() -> Self {
        Self::default()
    }

    /// The `nth` request with this method goes wrong.
    #[must_use]
    pub fn on(mut self, method: &'static str, nth: u64, fault: HttpFault) -> Self {
        self.plan.push((method, nth, fault));
        self
    }

    /// The `nth` request of all goes wrong, whatever its method.
    #[must_use]
    pub fn at(self, nth: u64, fault: HttpFault) -> Self {
        self.on(ANY, nth, fault)
    }

    /// How many requests there were.
    pub fn requests(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn next(&self, method: &str) -> Option<HttpFault> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(method.to_owned());
        let count = seen.iter().filter(|seen| *seen == method).count() as u64;
        let is_now = |(planned, nth, _): &&(&str, u64, HttpFault)| match *planned {
            ANY => *nth == seen.len() as u64,
            planned => planned == method && *nth == count,
        };
        self.plan.iter().find(is_now).map(|(_, _, fault)| *fault)
    }
}

const ANY: &str = "";
