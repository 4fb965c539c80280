//! [`Fs`]: moves the work of `files` and `walk` onto blocking threads and gives its errors their context.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::files::{Fault, Files, OBJECT_LEN_MAX};
use super::walk::Walk;
use crate::{Caps, ErrorKind, Listed, Op, Put, Remote, RemoteError, RemotePath, Result, Stat, Stray};

/// A directory as a remote.
///
/// An object is written to a file `.tmp-<random>` beside its final place, synced, and then published under its name
/// without replacing anything. A process that is killed between these steps leaves the temporary file behind. It is
/// never listed or read, and stays until [`Fs::clean_temps`] removes it: call that now and then, as gc does.
///
/// Symbolic links are never followed where an object is expected, nor while listing. The root, and directories on
/// the way to an object, may be links that their owner made.
#[derive(Debug, Clone)]
pub struct Fs {
    files: Arc<Files>,
}

impl Fs {
    /// The remote at `root`. Touches nothing: a missing root is empty, and made by the first put.
    pub fn open(root: PathBuf) -> Self {
        Self { files: Arc::new(Files::new(root)) }
    }

    /// Removes temporary files that nobody has written to for `older_than`, and returns how many. A younger one may
    /// belong to a process at work, so give it more time than the longest upload: an hour is plenty. Directories
    /// that we may not read hold none of ours and are passed over.
    pub async fn clean_temps(&self, older_than: Duration) -> Result<u64> {
        self.run(Op::Delete, "", move |files| Ok(files.clean_temps(older_than)?)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        op: Op,
        path: &str,
        work: impl FnOnce(&Files) -> std::result::Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let files = Arc::clone(&self.files);
        let error = |kind| RemoteError::new(kind, op, path).on(self.describe());
        match tokio::task::spawn_blocking(move || work(&files)).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(Fault { kind, source: Some(source) })) => Err(error(kind).with_source(source)),
            Ok(Err(Fault { kind, source: None })) => Err(error(kind)),
            Err(join) if join.is_panic() => std::panic::resume_unwind(join.into_panic()),
            Err(join) => Err(error(ErrorKind::Cancelled).with_source(join)),
        }
    }
}

#[async_trait]
impl Remote for Fs {
    fn caps(&self) -> Caps {
        Caps {
            max_concurrency: 16,
            read_range: true,
            put_new: self.files.exclusive(),
            max_object: OBJECT_LEN_MAX,
            list_delay: Duration::ZERO,
            pack_size: Caps::PACK,
        }
    }

    fn describe(&self) -> String {
        self.files.root().display().to_string()
    }

    async fn get(&self, path: &RemotePath) -> Result<Bytes> {
        let object = path.clone();
        self.run(Op::Get, path.as_str(), move |files| files.read(&object)).await
    }

    async fn get_range(&self, path: &RemotePath, range: Range<u64>) -> Result<Bytes> {
        let object = path.clone();
        self.run(Op::GetRange, path.as_str(), move |files| files.read_range(&object, range)).await
    }

    async fn put_new(&self, path: &RemotePath, body: Vec<Bytes>) -> Result<Put> {
        let object = path.clone();
        self.run(Op::PutNew, path.as_str(), move |files| files.put_new(&object, &body)).await
    }

    async fn stat(&self, path: &RemotePath) -> Result<Stat> {
        let object = path.clone();
        self.run(Op::Stat, path.as_str(), move |files| files.stat(&object)).await
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed>> {
        // The walk travels between this stream and the blocking threads, one batch at a time: no thread waits for a
        // slow consumer, and no more than a batch is held.
        stream::try_unfold(Walk::of_prefix(self.files.root(), prefix), move |mut walk| async move {
            let next = self.run(Op::List, prefix, move |_| {
                let objects = walk.by_ref().filter_map(|found| found.map(|found| found.listed()).transpose());
                let batch = objects.take(LIST_BATCH).collect::<std::io::Result<Vec<_>>>()?;
                Ok((batch, walk))
            });
            let (batch, walk) = next.await?;
            Ok::<_, RemoteError>((!batch.is_empty()).then(|| (stream::iter(batch).map(Ok), walk)))
        })
        .try_flatten()
        .boxed()
    }

    async fn delete(&self, path: &RemotePath) -> Result<()> {
        let object = path.clone();
        self.run(Op::Delete, path.as_str(), move |files| files.delete(&object)).await
    }

    async fn barrier(&self) -> Result<()> {
        self.run(Op::Barrier, "", |files| Ok(files.sync_directories()?)).await
    }

    async fn strays(&self) -> Result<Vec<Stray>> {
        self.run(Op::List, "", |files| Ok(files.strays()?)).await
    }

    async fn remove_stray(&self, stray: &Stray) -> Result<()> {
        let id = stray.id.clone();
        self.run(Op::Delete, &stray.name, move |files| files.remove_stray(&id)).await
    }

    async fn remove_directory(&self, directory: &str) -> Result<()> {
        let owned = directory.to_owned();
        self.run(Op::Delete, directory, move |files| files.remove_directory(&owned)).await
    }
}

const LIST_BATCH: usize = 256;
