//! Chunks of one file that are fetched and written side by side, and when all of them are done.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use super::dest::PartialFile;
use crate::history::source::ResolvedPlace;
use crate::id::BlobId;
use crate::vault::VaultError;

/// A chunk of a file that has several: they are fetched side by side.
pub(super) struct PieceJob {
    pub(super) file: Arc<PartialFile>,
    pub(super) tally: Arc<Tally>,
    pub(super) at: u64,
    pub(super) len: u64,
    pub(super) id: BlobId,
    pub(super) place: Option<ResolvedPlace>,
}

/// How far the chunks of one file are.
#[derive(Default)]
pub(super) struct Tally {
    inner: Mutex<(u64, Option<WriteError>)>,
    done: Condvar,
}

impl Tally {
    pub(super) fn begin(&self) {
        self.lock().0 += 1;
    }

    pub(super) fn end(&self, result: Result<(), WriteError>) {
        let mut inner = self.lock();
        inner.0 -= 1;
        if let Err(error) = result {
            inner.1.get_or_insert(error);
        }
        self.done.notify_all();
    }

    pub(super) fn failed(&self) -> bool {
        self.lock().1.is_some()
    }

    /// Waits until every chunk begun has ended; the first that failed.
    pub(super) fn wait(&self) -> Result<(), WriteError> {
        let mut inner = self.lock();
        while inner.0 > 0 {
            inner = self.done.wait(inner).expect("counting does not panic");
        }
        inner.1.take().map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Option<WriteError>)> {
        self.inner.lock().expect("counting does not panic")
    }
}

#[derive(Debug)]
pub(super) enum WriteError {
    /// The run has taken long enough.
    Late,
    File(io::Error),
    Vault(VaultError),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

impl From<VaultError> for WriteError {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}
