//! A place that OpenDAL reaches, as a remote; the requests go through our own client.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::{self, BoxFuture};
use futures::stream::{self, BoxStream, StreamExt};
use md5::{Digest, Md5};
use opendal::{
    Buffer, Error, ErrorKind as DalKind, Execute, Executor, HttpTransporter, OperationContext, Operator, Writer,
};

use super::bodies::hex;
use super::names::{is_prefix, listed};
use super::objects::CreatesOnce;
use super::s3::Uploads;
use crate::http::{BODY_MAX, Http, from_dal};
use crate::{Caps, ErrorKind, Listed, Op, Put, Remote, RemoteError, RemotePath, Result, Stat, Stray};

/// A place in a bucket.
///
/// An object is created with `If-None-Match: *` where the server knows it, which is found out with the first small object:
/// it is put twice. Where the server does not, the object is looked for before it is put; two writers of one name then both
/// believe that they made it, and [`Caps::put_new`] says so.
#[derive(Debug)]
pub(super) struct Dal {
    operator: Operator,
    said: String,
    /// Whether the server creates exactly once: [`UNKNOWN`], [`YES`], [`NO`].
    creates_once: AtomicU8,
    etags: Etags,
    /// Where uploads that were not completed can be listed.
    uploads: Option<Uploads>,
}

impl Dal {
    /// A remote of what `operator` reaches.
    pub(super) fn new(operator: Operator, http: Http, said: String, creates_once: CreatesOnce) -> Self {
        Self {
            operator: through(operator, http),
            said,
            creates_once: AtomicU8::new(creates_once as u8),
            etags: Etags::default(),
            uploads: None,
        }
    }

    /// The same, with what lists uploads that were not completed.
    pub(super) fn with_uploads(self, uploads: Uploads) -> Self {
        Self { uploads: Some(uploads), ..self }
    }

    fn failed(&self, op: Op, path: &str) -> impl Fn(Error) -> RemoteError {
        move |error| from_dal(&error, op, path, &self.said)
    }

    async fn size(&self, op: Op, path: &RemotePath) -> Result<u64> {
        let found = self.operator.stat(path.as_str()).await.map_err(self.failed(op, path.as_str()))?;
        Ok(found.content_length())
    }

    async fn is_there(&self, path: &RemotePath) -> Result<bool> {
        match self.operator.stat(path.as_str()).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == DalKind::NotFound => Ok(false),
            Err(error) => Err(self.failed(Op::PutNew, path.as_str())(error)),
        }
    }

    /// Puts an object, on condition that there is none if the server may know that.
    async fn put(&self, path: &RemotePath, body: &Buffer) -> Result<Put> {
        let on_condition = self.creates_once.load(Ordering::Relaxed) != NO;
        match self.write(path.as_str(), body.clone(), on_condition).await {
            Ok(()) => Ok(Put::Created),
            Err(error) if on_condition && error.kind() == DalKind::ConditionNotMatch => {
                self.creates_once.store(YES, Ordering::Relaxed);
                Ok(Put::Existed)
            }
            // Some refuse what they do not know, instead of ignoring it.
            Err(error) if on_condition && error.message().contains("NotImplemented") => {
                self.creates_once.store(NO, Ordering::Relaxed);
                self.write(path.as_str(), body.clone(), false).await.map_err(self.failed(Op::PutNew, path.as_str()))?;
                Ok(Put::Created)
            }
            Err(error) => Err(self.failed(Op::PutNew, path.as_str())(error)),
        }
    }

    /// In one request, or in parts that are taken back if anything fails: parts that are left would cost money unseen.
    async fn write(&self, path: &str, body: Buffer, on_condition: bool) -> opendal::Result<()> {
        let length = body.len() as u64;
        if body.len() <= PART {
            let md5 = md5_of(&body);
            let stored = self.operator.write_with(path, body).if_not_exists(on_condition).await?;
            if self.etags.agrees(stored.etag(), &md5) {
                return Ok(());
            }
            self.operator.delete(path).await?;
            return Err(Error::new(DalKind::Unexpected, "what arrived is not what was sent").set_temporary());
        }
        let writer = self.operator.writer_with(path).chunk(PART).concurrent(PARTS_AT_ONCE);
        let mut unfinished = Unfinished(Some(writer.if_not_exists(on_condition).await?));
        unfinished.write(body).await?;
        let found = self.operator.stat(path).await?.content_length();
        if found == length {
            return Ok(());
        }
        self.operator.delete(path).await?;
        Err(Error::new(DalKind::Unexpected, format!("{length} bytes were sent and {found} arrived")).set_temporary())
    }

    /// The first small object that we have made is put once more: a server that creates exactly once says so now.
    async fn try_again(&self, path: &RemotePath, body: &Buffer) -> Result<()> {
        match self.write(path.as_str(), body.clone(), true).await {
            Ok(()) => self.creates_once.store(NO, Ordering::Relaxed),
            Err(error) if error.kind() == DalKind::ConditionNotMatch => self.creates_once.store(YES, Ordering::Relaxed),
            Err(error) => return Err(self.failed(Op::PutNew, path.as_str())(error)),
        }
        Ok(())
    }

    /// The entries below a prefix, from after `from` on.
    async fn entries(&self, prefix: &str, from: Option<&str>) -> opendal::Result<opendal::Lister> {
        let lister = self.operator.lister_with(prefix).recursive(true);
        match from {
            Some(from) => lister.start_after(from).await,
            None => lister.await,
        }
    }
}

/// The same place, reached through our own client.
pub(super) fn through(operator: Operator, http: Http) -> Operator {
    let context = OperationContext::new().with_http_transport(HttpTransporter::new(http));
    operator.with_context(context.with_executor(Executor::with(Spawned)))
}

/// Parts of an object go on their own.
struct Spawned;

impl Execute for Spawned {
    fn execute(&self, task: BoxFuture<'static, ()>) {
        drop(tokio::spawn(task));
    }
}

/// What is on its way in parts. They are taken back also if nobody waits any more.
struct Unfinished(Option<Writer>);

impl Unfinished {
    async fn write(&mut self, body: Buffer) -> opendal::Result<()> {
        let Some(writer) = &mut self.0 else { return Ok(()) };
        let written = match writer.write(body).await {
            Ok(()) => writer.close().await.map(drop),
            failed => failed,
        };
        if written.is_err() {
            // What can't be taken back now is left to the bucket's own rules; the first failure is the one to tell.
            drop(writer.abort().await);
        }
        self.0 = None;
        written
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let (Some(mut writer), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            drop(runtime.spawn(async move { writer.abort().await }));
        }
    }
}

/// Whether a server's ETag of an object is its MD5: most often, but not if it encrypts with a key of ours. It is believed to be one
/// when it was one before.
#[derive(Debug, Default)]
struct Etags(AtomicBool);

impl Etags {
    /// Whether an ETag speaks for what was sent, or says nothing.
    fn agrees(&self, etag: Option<&str>, md5: &str) -> bool {
        let etag = etag.unwrap_or_default().trim_matches('"').to_ascii_lowercase();
        if etag == md5 {
            self.0.store(true, Ordering::Relaxed);
        }
        let is_md5 = etag.len() == md5.len() && etag.bytes().all(|byte| byte.is_ascii_hexdigit());
        etag == md5 || !is_md5 || !self.0.load(Ordering::Relaxed)
    }
}

fn md5_of(body: &Buffer) -> String {
    let mut md5 = Md5::new();
    for piece in body.clone() {
        md5.update(&piece);
    }
    hex(md5.finalize())
}

#[async_trait]
impl Remote for Dal {
    fn caps(&self) -> Caps {
        Caps {
            max_concurrency: 32,
            read_range: true,
            put_new: self.creates_once.load(Ordering::Relaxed) != NO,
            max_object: BODY_MAX,
            list_delay: Duration::ZERO,
            pack_size: Caps::PACK,
        }
    }

    async fn strays(&self) -> Result<Vec<Stray>> {
        let Some(uploads) = &self.uploads else { return Ok(Vec::new()) };
        uploads.list().await.map_err(|failure| failure.of(Op::List, "", &self.said))
    }

    async fn remove_stray(&self, stray: &Stray) -> Result<()> {
        let Some(uploads) = &self.uploads else { return Ok(()) };
        uploads.abort(&stray.id).await.map_err(|failure| failure.of(Op::Delete, &stray.name, &self.said))
    }

    fn recall(&self, put_new: bool) {
        // Where the service knows no condition, or is known to keep it, only what is worse is news.
        let was = self.creates_once.load(Ordering::Relaxed);
        if was == UNKNOWN || (was == YES && !put_new) {
            self.creates_once.store(if put_new { YES } else { NO }, Ordering::Relaxed);
        }
    }

    fn describe(&self) -> String {
        self.said.clone()
    }

    async fn get(&self, path: &RemotePath) -> Result<Bytes> {
        let body = self.operator.read(path.as_str()).await.map_err(self.failed(Op::Get, path.as_str()))?;
        Ok(body.to_bytes())
    }

    async fn get_range(&self, path: &RemotePath, range: Range<u64>) -> Result<Bytes> {
        let past_end = || RemoteError::new(ErrorKind::RangePastEnd, Op::GetRange, path.as_str()).on(self.describe());
        if range.start > range.end {
            return Err(past_end());
        }
        // A range of nothing has no spelling, and one that no object can have is read differently by every server.
        if range.is_empty() || range.end > BODY_MAX {
            let size = self.size(Op::GetRange, path).await?;
            if range.end > size {
                return Err(past_end());
            }
            if range.is_empty() {
                return Ok(Bytes::new());
            }
            if range.end - range.start > BODY_MAX {
                return Err(RemoteError::new(ErrorKind::Unsupported, Op::GetRange, path.as_str()).on(self.describe()));
            }
        }
        let failed = match self.operator.read_with(path.as_str()).range(range.clone()).await {
            Ok(body) => return Ok(body.to_bytes()),
            Err(error) => self.failed(Op::GetRange, path.as_str())(error),
        };
        // A part of what was asked for is an answer of its own, which is told from an interruption by the size only.
        match failed.kind() {
            ErrorKind::Unexpected | ErrorKind::RangePastEnd | ErrorKind::Reset => {
                let size = self.size(Op::GetRange, path).await?;
                Err(if size < range.end { past_end() } else { failed })
            }
            _ => Err(failed),
        }
    }

    async fn put_new(&self, path: &RemotePath, body: Vec<Bytes>) -> Result<Put> {
        let body = Buffer::from(body);
        if body.len() as u64 > BODY_MAX {
            return Err(RemoteError::new(ErrorKind::Unsupported, Op::PutNew, path.as_str()).on(self.describe()));
        }
        if self.creates_once.load(Ordering::Relaxed) == YES {
            return self.put(path, &body).await;
        }
        if self.is_there(path).await? {
            return Ok(Put::Existed);
        }
        let put = self.put(path, &body).await?;
        if put == Put::Created && self.creates_once.load(Ordering::Relaxed) == UNKNOWN && body.len() <= TRIAL {
            self.try_again(path, &body).await?;
        }
        Ok(put)
    }

    async fn stat(&self, path: &RemotePath) -> Result<Stat> {
        Ok(Stat { size: self.size(Op::Stat, path).await? })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed>> {
        if !is_prefix(prefix) {
            return stream::empty().boxed();
        }
        let walk = Walk { remote: self, prefix, lister: None, last: None, failures: 0 };
        stream::unfold(Some(walk), |walk| async move {
            let mut walk = walk?;
            match walk.next().await {
                Ok(Some(item)) => Some((Ok(item), Some(walk))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
        .fuse()
        .boxed()
    }

    async fn delete(&self, path: &RemotePath) -> Result<()> {
        self.operator.delete(path.as_str()).await.map_err(self.failed(Op::Delete, path.as_str()))
    }

    /// A thousand at a time where the service can; one by one where it says that it can and can't.
    async fn delete_many(&self, paths: &[RemotePath]) -> Result<()> {
        let Some(first) = paths.first() else { return Ok(()) };
        let names: Vec<String> = paths.iter().map(ToString::to_string).collect();
        let deleted = self.operator.delete_iter(names).await;
        match deleted.map_err(self.failed(Op::Delete, first.as_str())) {
            Err(error) if !error.is_transient() => {
                for some in paths.chunks(DELETES_AT_ONCE) {
                    let calls: Vec<_> = some.iter().map(|path| self.delete(path)).collect();
                    future::try_join_all(calls).await?;
                }
                Ok(())
            }
            done => done,
        }
    }
}

/// A listing that goes on where a page has failed: the layers above can't repeat what was handed on already.
struct Walk<'a> {
    remote: &'a Dal,
    prefix: &'a str,
    lister: Option<opendal::Lister>,
    last: Option<String>,
    failures: u32,
}

impl Walk<'_> {
    async fn next(&mut self) -> Result<Option<Listed>> {
        loop {
            let failed = match self.step().await {
                Ok(None) => return Ok(None),
                Ok(Some(entry)) => {
                    (self.failures, self.last) = (0, Some(entry.path().to_owned()));
                    let size = entry.metadata().content_length();
                    match listed(entry.path(), self.prefix, size) {
                        Some(item) => return Ok(Some(item)),
                        None => continue,
                    }
                }
                Err(error) => self.remote.failed(Op::List, self.prefix)(error),
            };
            self.failures += 1;
            if !failed.is_transient() || self.last.is_none() || self.failures > PAGE_FAILURES {
                return Err(failed);
            }
            self.lister = None;
            let pause = Duration::from_millis(250 << self.failures).mul_f64(fastrand::f64());
            tokio::time::sleep(pause.max(failed.retry_after().unwrap_or_default())).await;
        }
    }

    async fn step(&mut self) -> opendal::Result<Option<opendal::Entry>> {
        let lister = match &mut self.lister {
            Some(lister) => lister,
            none => none.insert(self.remote.entries(self.prefix, self.last.as_deref()).await?),
        };
        lister.next().await.transpose()
    }
}

const UNKNOWN: u8 = CreatesOnce::Unknown as u8;
const YES: u8 = CreatesOnce::Yes as u8;
const NO: u8 = CreatesOnce::No as u8;
/// Up to here one request; a pack is no larger.
const PART: usize = 16 << 20;
/// Deletions at a time where each is a request.
const DELETES_AT_ONCE: usize = 8;
/// How many parts of an object are on their way.
const PARTS_AT_ONCE: usize = 4;
/// An object up to this size may be put twice to find out what the server does.
const TRIAL: usize = 64 << 10;
/// How often in a row a page of a listing may fail.
const PAGE_FAILURES: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_counts_when_one_has_been_an_md5() {
        let (etags, md5) = (Etags::default(), md5_of(&Buffer::from(Bytes::from_static(b"body"))));
        let quoted = format!("\"{md5}\"");
        let other = format!("\"{}\"", "0".repeat(32));
        assert!(etags.agrees(Some(&other), &md5), "it may be a hash of something else");
        assert!(etags.agrees(Some(&quoted), &md5));
        assert!(!etags.agrees(Some(&other), &md5));
        assert!(etags.agrees(Some("\"0-2\""), &md5) && etags.agrees(None, &md5));
    }
}
