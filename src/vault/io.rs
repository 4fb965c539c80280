//! The remote, as the threads of the engine see it: blocking calls, each given up when the run is cancelled.
//!
//! Never called from a thread of the async runtime.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cryptsync_backends::{Caps, Listed, Put, Remote, RemotePath};
use futures::StreamExt;

use super::error::VaultError;
use crate::world::Cancel;

/// A remote with the runtime that drives it.
#[derive(Clone)]
pub struct RemoteIo {
    remote: Arc<dyn Remote>,
    runtime: tokio::runtime::Handle,
    cancel: Cancel,
}

impl RemoteIo {
    /// Wraps `remote`.
    pub fn new(remote: Arc<dyn Remote>, runtime: tokio::runtime::Handle, cancel: Cancel) -> Self {
        Self { remote, runtime, cancel }
    }

    /// The remote in words.
    pub fn describe(&self) -> String {
        self.remote.describe()
    }

    /// What it can do.
    pub fn caps(&self) -> Caps {
        self.remote.caps()
    }

    /// Whether to stop.
    ///
    /// # Errors
    /// [`VaultError::Cancelled`] if so.
    pub fn checkpoint(&self) -> Result<(), VaultError> {
        if self.cancel.is_cancelled() { Err(VaultError::Cancelled) } else { Ok(()) }
    }

    /// The flag that stops the run.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// A whole object.
    ///
    /// # Errors
    /// The remote's, or cancelled.
    pub fn get(&self, name: &str) -> Result<Bytes, VaultError> {
        let path = parse(name)?;
        self.wait(async { Ok(self.remote.get(&path).await?) })
    }

    /// A range of an object.
    ///
    /// # Errors
    /// The remote's, or cancelled.
    pub fn get_range(&self, name: &str, range: Range<u64>) -> Result<Bytes, VaultError> {
        let path = parse(name)?;
        self.wait(async { Ok(self.remote.get_range(&path, range).await?) })
    }

    /// Stores a new object.
    ///
    /// # Errors
    /// The remote's, or cancelled: then it may be stored or not.
    pub fn put_new(&self, name: &str, body: Vec<Bytes>) -> Result<Put, VaultError> {
        let path = parse(name)?;
        self.wait(async { Ok(self.remote.put_new(&path, body).await?) })
    }

    /// The size of an object; `None` if it is not there.
    ///
    /// # Errors
    /// The remote's, or cancelled.
    pub fn size(&self, name: &str) -> Result<Option<u64>, VaultError> {
        let path = parse(name)?;
        match self.wait(async { Ok(self.remote.stat(&path).await?) }) {
            Ok(stat) => Ok(Some(stat.size)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Calls `each` for every object below `prefix`.
    ///
    /// # Errors
    /// The remote's, or cancelled, or what `each` returns.
    pub fn list(
        &self,
        prefix: &str,
        each: &mut (dyn FnMut(Listed) -> Result<(), VaultError> + Send),
    ) -> Result<(), VaultError> {
        self.wait(async {
            let mut stream = self.remote.list(prefix);
            while let Some(item) = stream.next().await {
                each(item?)?;
            }
            Ok(())
        })
    }

    /// Deletes an object; one that is not there is deleted already.
    ///
    /// # Errors
    /// The remote's, or cancelled.
    pub fn delete(&self, name: &str) -> Result<(), VaultError> {
        let path = parse(name)?;
        match self.wait(async { Ok(self.remote.delete(&path).await?) }) {
            Err(error) if error.is_not_found() => Ok(()),
            result => result,
        }
    }

    /// Deletes objects, in as few requests as the remote needs; those that are not there are deleted already.
    ///
    /// # Errors
    /// The remote's, or cancelled; any of them may still be there then.
    pub fn delete_many(&self, names: &[String]) -> Result<(), VaultError> {
        let paths = names.iter().map(|name| parse(name)).collect::<Result<Vec<_>, _>>()?;
        self.wait(async { Ok(self.remote.delete_many(&paths).await?) })
    }

    /// Makes everything put so far durable.
    ///
    /// # Errors
    /// The remote's, or cancelled.
    pub fn barrier(&self) -> Result<(), VaultError> {
        self.wait(async { Ok(self.remote.barrier().await?) })
    }

    /// The same remote for what has to be done even if the run was stopped.
    #[must_use]
    pub fn uncancelled(&self) -> Self {
        Self { cancel: Cancel::default(), ..self.clone() }
    }

    /// Does something with the remote itself, for as long as the run is not stopped.
    ///
    /// # Errors
    /// Cancelled.
    pub fn drive<T>(&self, work: impl AsyncFnOnce(&dyn Remote) -> T) -> Result<T, VaultError> {
        self.wait(async { Ok(work(&*self.remote).await) })
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T, VaultError>>) -> Result<T, VaultError> {
        wait(&self.runtime, &self.cancel, work)
    }
}

/// Waits for `work`, unless the run is stopped.
pub(super) fn wait<T>(
    runtime: &tokio::runtime::Handle,
    cancel: &Cancel,
    work: impl Future<Output = Result<T, VaultError>>,
) -> Result<T, VaultError> {
    let checkpoint = || if cancel.is_cancelled() { Err(VaultError::Cancelled) } else { Ok(()) };
    checkpoint()?;
    runtime.block_on(async {
        let mut work = std::pin::pin!(work);
        loop {
            // A call in flight may take long; the flag is looked at often enough to stop within two seconds.
            match tokio::time::timeout(CANCEL_POLL, &mut work).await {
                Ok(done) => return done,
                Err(_) => checkpoint()?,
            }
        }
    })
}

fn parse(name: &str) -> Result<RemotePath, VaultError> {
    RemotePath::new(name).map_err(|_| VaultError::UnsafePath(name.into()))
}

pub(super) const CANCEL_POLL: Duration = Duration::from_millis(100);
