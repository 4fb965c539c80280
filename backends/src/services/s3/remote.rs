//! A bucket as a remote.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use opendal::{Buffer, Error, ErrorKind as DalKind, HttpTransporter, OperationContext, Operator};

use super::PROVIDER;
use super::providers::Place;
use crate::http::{BODY_MAX, Http, from_dal};
use crate::services::names::{is_prefix, listed};
use crate::settings::Values;
use crate::{BadSetting, Caps, ErrorKind, Listed, Op, Put, Remote, RemoteError, RemotePath, Result, Stat, Transport};

/// A place in a bucket.
///
/// An object is created with `If-None-Match: *` where the server knows it, which is found out with the first small object:
/// it is put twice. Where the server does not, the object is looked for before it is put; two writers of one name then both
/// believe that they made it, and [`Caps::put_new`] says so.
#[derive(Debug)]
pub struct S3 {
    operator: Operator,
    said: String,
    /// Whether the server creates exactly once: [`UNKNOWN`], [`YES`], [`NO`].
    creates_once: AtomicU8,
}

impl S3 {
    /// The remote that the settings describe. Connects to nothing yet.
    ///
    /// # Errors
    /// A setting can't be used.
    pub fn open(values: &BTreeMap<String, String>, transport: &Transport) -> std::result::Result<Self, BadSetting> {
        let values = Values::check(&PROVIDER, values)?;
        let place = Place::of(&values)?;
        let bucket = values.text("bucket").unwrap_or_default();
        if bucket.contains('/') {
            return Err(BadSetting::new("bucket", "holds a `/`; what comes after it belongs to `root`"));
        }
        let root = values.text("root").unwrap_or_default().trim_matches('/');
        let mut builder = opendal::services::S3::default()
            .bucket(bucket)
            .root(&format!("/{root}"))
            .endpoint(&place.endpoint)
            .region(&place.region);
        if place.virtual_host {
            builder = builder.enable_virtual_host_style();
        }
        builder = credentials(builder, &values)?;
        if let Some(class) = values.text("storage_class") {
            builder = builder.default_storage_class(class);
        }
        match values.text("server_side_encryption") {
            None => {}
            Some("AES256") => builder = builder.server_side_encryption_with_s3_key(),
            Some("aws:kms") => {
                builder = match values.text("sse_kms_key_id") {
                    Some(key) => builder.server_side_encryption_with_customer_managed_kms_key(key),
                    None => builder.server_side_encryption_with_aws_managed_kms_key(),
                }
            }
            Some(_) => return Err(BadSetting::new("server_side_encryption", "is neither `AES256` nor `aws:kms`")),
        }
        if values.switch("requester_pays") {
            builder = builder.enable_request_payer();
        }
        let http = Http::new(transport, values.text("ca_cert"))?;
        let context = OperationContext::new().with_http_transport(HttpTransporter::new(http));
        let operator = Operator::new(builder)
            .map_err(|error| BadSetting::new("endpoint", format!("can't be used: {}", error.message())))?
            .with_context(context);
        let slash = if root.is_empty() { "" } else { "/" };
        Ok(Self {
            operator,
            said: format!("s3:{bucket}{slash}{root} at {}", place.endpoint),
            creates_once: AtomicU8::new(if place.creates_once { YES } else { UNKNOWN }),
        })
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
            self.operator.write_with(path, body).if_not_exists(on_condition).await?;
            return Ok(());
        }
        let mut writer = self.operator.writer_with(path).chunk(PART).if_not_exists(on_condition).await?;
        let written = match writer.write(body).await {
            Ok(()) => writer.close().await.map(drop),
            failed => failed,
        };
        if let Err(error) = written {
            // What can't be taken back now is left to the bucket's own rules; the first failure is the one to tell.
            drop(writer.abort().await);
            return Err(error);
        }
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

#[async_trait]
impl Remote for S3 {
    fn caps(&self) -> Caps {
        Caps {
            max_concurrency: 32,
            read_range: true,
            put_new: self.creates_once.load(Ordering::Relaxed) != NO,
            max_object: BODY_MAX,
            list_delay: Duration::ZERO,
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
            return match self.size(Op::GetRange, path).await? {
                size if range.end > size => Err(past_end()),
                _ => Ok(Bytes::new()),
            };
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
}

/// A listing that goes on where a page has failed: the layers above can't repeat what was handed on already.
struct Walk<'a> {
    remote: &'a S3,
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

fn credentials(
    builder: opendal::services::S3,
    values: &Values<'_>,
) -> std::result::Result<opendal::services::S3, BadSetting> {
    let (key, secret) = (values.text("access_key_id"), values.text("secret_access_key"));
    let mut builder = match (key, secret) {
        (Some(key), Some(secret)) => builder.access_key_id(key).secret_access_key(secret),
        (Some(_), None) => {
            return Err(BadSetting::new("secret_access_key", "is missing: it belongs to `access_key_id`"));
        }
        (None, Some(_)) => {
            return Err(BadSetting::new("access_key_id", "is missing: it belongs to `secret_access_key`"));
        }
        // Nobody in particular: a public bucket can be read.
        (None, None) if !values.switch("env_auth") => builder.skip_signature(),
        (None, None) => builder,
    };
    if let Some(token) = values.text("session_token") {
        builder = builder.session_token(token);
    }
    if let Some(role) = values.text("role_arn") {
        builder = builder.role_arn(role);
    }
    if let Some(profile) = values.text("profile") {
        builder = builder.profile(profile);
    }
    Ok(if values.switch("env_auth") { builder } else { builder.disable_config_load().disable_ec2_metadata() })
}

const UNKNOWN: u8 = 0;
const YES: u8 = 1;
const NO: u8 = 2;
/// Up to here one request; a pack is no larger.
const PART: usize = 16 << 20;
/// An object up to this size may be put twice to find out what the server does.
const TRIAL: usize = 64 << 10;
/// How often in a row a page of a listing may fail.
const PAGE_FAILURES: u32 = 6;
