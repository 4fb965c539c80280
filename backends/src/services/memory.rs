//! A remote in memory, for tests and for pipelines that need no storage. Also the plainest reading of the contract:
//! what it does is what the other services have to look like.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use crate::{Caps, ErrorKind, Listed, Op, Put, Remote, RemoteError, RemotePath, Result, Stat};

/// Settings of every kind, so that tests can give them all; none changes anything.
#[cfg(any(test, feature = "testing"))]
pub(super) const PROVIDER: crate::Provider = {
    use crate::{Kind, Setting};
    crate::Provider {
        name: "memory",
        aliases: &[],
        about: "objects in memory, gone when the program ends",
        settings: &[
            Setting::new("provider", Kind::Choice(&["one", "two"]), "Which memory").or("one"),
            Setting::new("user", Kind::Text, "Whose memory").required(),
            Setting::new("password", Kind::Text, "The user's password").obscured(),
            Setting::new("token", Kind::Text, "The token of a sign-in").secret().advanced(),
            Setting::new("fast", Kind::Switch, "Whether it is fast").or("false").advanced(),
        ],
        sign_in: false,
        hidden: true,
    }
};

/// Objects in a map. Reads share the stored bytes and copy nothing.
#[derive(Debug, Default)]
pub struct Memory {
    objects: Mutex<BTreeMap<RemotePath, Bytes>>,
}

impl Memory {
    /// An empty remote.
    pub fn new() -> Self {
        Self::default()
    }

    fn find(&self, op: Op, path: &RemotePath) -> Result<Bytes> {
        self.objects().get(path).cloned().ok_or_else(|| self.error(ErrorKind::NotFound, op, path))
    }

    fn error(&self, kind: ErrorKind, op: Op, path: &RemotePath) -> RemoteError {
        RemoteError::new(kind, op, path.as_str()).on(self.describe())
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<RemotePath, Bytes>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Remote for Memory {
    fn caps(&self) -> Caps {
        Caps {
            max_concurrency: 64,
            read_range: true,
            put_new: true,
            max_object: u64::MAX,
            list_delay: Duration::ZERO,
            pack_size: Caps::PACK,
        }
    }

    fn describe(&self) -> String {
        "memory".to_owned()
    }

    async fn get(&self, path: &RemotePath) -> Result<Bytes> {
        self.find(Op::Get, path)
    }

    async fn get_range(&self, path: &RemotePath, range: Range<u64>) -> Result<Bytes> {
        let body = self.find(Op::GetRange, path)?;
        if range.start > range.end || range.end > body.len() as u64 {
            return Err(self.error(ErrorKind::RangePastEnd, Op::GetRange, path));
        }
        Ok(body.slice(range.start as usize..range.end as usize))
    }

    async fn put_new(&self, path: &RemotePath, body: Vec<Bytes>) -> Result<Put> {
        let body = match <[Bytes; 1]>::try_from(body) {
            Ok([whole]) => whole,
            Err(parts) => parts.concat().into(),
        };
        let mut objects = self.objects();
        if objects.contains_key(path) {
            return Ok(Put::Existed);
        }
        objects.insert(path.clone(), body);
        Ok(Put::Created)
    }

    async fn stat(&self, path: &RemotePath) -> Result<Stat> {
        self.find(Op::Stat, path).map(|body| Stat { size: body.len() as u64 })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed>> {
        // Asked for on the first poll, as a service on a network would be.
        let snapshot = move || {
            let objects = self.objects();
            let all = objects.iter().filter(|(path, _)| path.as_str().starts_with(prefix));
            all.map(|(path, body)| Ok(Listed { path: path.clone(), size: body.len() as u64 })).collect::<Vec<_>>()
        };
        stream::once(async move { stream::iter(snapshot()) }).flatten().boxed()
    }

    async fn delete(&self, path: &RemotePath) -> Result<()> {
        self.objects().remove(path);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::testing::contract;

    #[tokio::test]
    async fn keeps_the_contract() {
        contract(Arc::new(Memory::new())).await;
    }
}
