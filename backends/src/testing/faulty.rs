//! A remote that fails exactly as a plan says. Deterministic: what happens depends on the plan, the seed and the order
//! of the calls, never on a clock or on chance, so a failure can be replayed.

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future;
use futures::stream::{self, BoxStream, StreamExt};

use crate::{Caps, ErrorKind, Listed, Op, Put, Remote, RemoteError, RemotePath, Result, Stat, Stray};

/// What goes wrong, and when. Where several faults meet in one call, the first planned one happens.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan {
    seed: u64,
    faults: Vec<(When, Fault)>,
    hidden: f64,
    delay: Option<Duration>,
}

impl FaultPlan {
    /// Nothing goes wrong yet. The seed chooses what is hidden.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// The call fails before it does anything.
    #[must_use]
    pub fn fail(self, when: When, kind: ErrorKind) -> Self {
        self.with(when, Fault::Fail(kind))
    }

    /// The call does its work, such as storing the object, and then fails.
    #[must_use]
    pub fn lose_reply(self, when: When, kind: ErrorKind) -> Self {
        self.with(when, Fault::LoseReply(kind))
    }

    /// The n-th put breaks half way: nothing is stored.
    #[must_use]
    pub fn tear(self, nth: u64) -> Self {
        self.fail(When::of(Op::PutNew, nth), ErrorKind::Reset)
    }

    /// A read returns the first half of its bytes and no error.
    #[must_use]
    pub fn truncate(self, when: When) -> Self {
        self.with(when, Fault::Truncate)
    }

    /// Listings miss this fraction of their entries, other ones each time.
    #[must_use]
    pub fn hide_listed(mut self, fraction: f64) -> Self {
        self.hidden = fraction;
        self
    }

    /// Every call takes this long. Tests pause the clock of tokio, and then it takes no time at all.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    fn with(mut self, when: When, fault: Fault) -> Self {
        self.faults.push((when, fault));
        self
    }

    fn hides(&self, nth_list: u64, path: &RemotePath) -> bool {
        let mut hasher = DefaultHasher::new();
        (self.seed, nth_list, path).hash(&mut hasher);
        fastrand::Rng::with_seed(hasher.finish()).f64() < self.hidden
    }
}

/// Which call a fault is for. Calls are counted from 1.
#[derive(Debug, Clone, Copy)]
pub struct When {
    op: Option<Op>,
    nth: u64,
    forever: bool,
}

impl When {
    /// The n-th call of all.
    pub fn any(nth: u64) -> Self {
        Self { op: None, nth, forever: false }
    }

    /// The n-th call of one operation.
    pub fn of(op: Op, nth: u64) -> Self {
        Self { op: Some(op), nth, forever: false }
    }

    /// And every such call after it.
    #[must_use]
    pub fn forever(mut self) -> Self {
        self.forever = true;
        self
    }

    fn is_now(self, op: Op, seen: &Seen) -> bool {
        let count = match self.op {
            None => seen.calls,
            Some(this) if this == op => seen.by_op[op as usize],
            Some(_) => return false,
        };
        count == self.nth || (self.forever && count > self.nth)
    }
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Fail(ErrorKind),
    LoseReply(ErrorKind),
    Truncate,
}

/// The remote that fails.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn Remote>,
    plan: FaultPlan,
    seen: Mutex<Seen>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    calls: u64,
    by_op: [u64; Op::ALL.len()],
}

impl Faulty {
    /// Wraps `inner`.
    pub fn over(inner: Arc<dyn Remote>, plan: FaultPlan) -> Self {
        Self { inner, plan, seen: Mutex::default() }
    }

    /// How many calls there were, for a test that then fails each of them in turn.
    pub fn calls(&self) -> u64 {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).calls
    }

    /// Counts a call and says which one of its operation it is and what happens to it.
    fn next(&self, op: Op) -> (u64, Option<Fault>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.calls += 1;
        seen.by_op[op as usize] += 1;
        let fault = self.plan.faults.iter().find(|(when, _)| when.is_now(op, &seen)).map(|(_, fault)| *fault);
        (seen.by_op[op as usize], fault)
    }

    async fn run<T>(&self, op: Op, path: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.run_cutting(op, path, call, |done| done).await
    }

    async fn run_cutting<T>(
        &self,
        op: Op,
        path: &str,
        call: impl Future<Output = Result<T>>,
        cut: impl FnOnce(T) -> T,
    ) -> Result<T> {
        let (_, fault) = self.next(op);
        self.pause().await;
        match fault {
            None => call.await,
            Some(Fault::Fail(kind)) => Err(self.error(kind, op, path)),
            Some(Fault::LoseReply(kind)) => {
                call.await?;
                Err(self.error(kind, op, path))
            }
            Some(Fault::Truncate) => call.await.map(cut),
        }
    }

    async fn pause(&self) {
        if let Some(delay) = self.plan.delay {
            tokio::time::sleep(delay).await;
        }
    }

    fn error(&self, kind: ErrorKind, op: Op, path: &str) -> RemoteError {
        RemoteError::new(kind, op, path).on(self.describe()).with_source("planned by a test")
    }
}

#[async_trait]
impl Remote for Faulty {
    fn caps(&self) -> Caps {
        self.inner.caps()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    async fn get(&self, path: &RemotePath) -> Result<Bytes> {
        self.run_cutting(Op::Get, path.as_str(), self.inner.get(path), first_half).await
    }

    async fn get_range(&self, path: &RemotePath, range: Range<u64>) -> Result<Bytes> {
        self.run_cutting(Op::GetRange, path.as_str(), self.inner.get_range(path, range), first_half).await
    }

    async fn put_new(&self, path: &RemotePath, body: Vec<Bytes>) -> Result<Put> {
        self.run(Op::PutNew, path.as_str(), self.inner.put_new(path, body)).await
    }

    async fn stat(&self, path: &RemotePath) -> Result<Stat> {
        self.run(Op::Stat, path.as_str(), self.inner.stat(path)).await
    }

    /// Fails before the first item, or after the last one when the reply is lost.
    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed>> {
        let (nth, fault) = self.next(Op::List);
        let hidden = move |item: &Result<Listed>| item.as_ref().is_ok_and(|item| self.plan.hides(nth, &item.path));
        let shown = self.inner.list(prefix).filter(move |item| future::ready(!hidden(item)));
        let failed = |kind| stream::iter([Err(self.error(kind, Op::List, prefix))]);
        let items = match fault {
            None | Some(Fault::Truncate) => shown.boxed(),
            Some(Fault::Fail(kind)) => failed(kind).boxed(),
            Some(Fault::LoseReply(kind)) => shown.chain(failed(kind)).boxed(),
        };
        stream::once(self.pause()).map(|()| None).chain(items.map(Some)).filter_map(future::ready).boxed()
    }

    async fn delete(&self, path: &RemotePath) -> Result<()> {
        self.run(Op::Delete, path.as_str(), self.inner.delete(path)).await
    }

    async fn barrier(&self) -> Result<()> {
        self.run(Op::Barrier, "", self.inner.barrier()).await
    }

    async fn strays(&self) -> Result<Vec<Stray>> {
        self.inner.strays().await
    }

    async fn remove_stray(&self, stray: &Stray) -> Result<()> {
        self.inner.remove_stray(stray).await
    }

    fn recall(&self, put_new: bool) {
        self.inner.recall(put_new);
    }

    async fn remove_directory(&self, directory: &str) -> Result<()> {
        self.inner.remove_directory(directory).await
    }
}

fn first_half(body: Bytes) -> Bytes {
    body.slice(..body.len() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::Memory;
    use crate::testing::contract;

    fn path(name: impl ToString) -> RemotePath {
        RemotePath::new(name.to_string()).unwrap()
    }

    fn over(plan: FaultPlan) -> Faulty {
        Faulty::over(Arc::new(Memory::new()), plan)
    }

    #[tokio::test]
    async fn keeps_the_contract_without_faults() {
        contract(Arc::new(over(FaultPlan::seeded(1)))).await;
    }

    #[tokio::test]
    async fn faults_happen_when_planned() {
        let plan = FaultPlan::seeded(1).tear(1).lose_reply(When::of(Op::PutNew, 2), ErrorKind::Timeout);
        let remote = over(plan.truncate(When::of(Op::Get, 2)).fail(When::any(7).forever(), ErrorKind::NoSpace));
        let body = || vec![Bytes::from_static(b"abcd")];
        assert_eq!(remote.put_new(&path("a"), body()).await.unwrap_err().kind(), ErrorKind::Reset);
        assert_eq!(remote.get(&path("a")).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(remote.put_new(&path("a"), body()).await.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(remote.put_new(&path("a"), body()).await.unwrap(), Put::Existed);
        assert_eq!(remote.get(&path("a")).await.unwrap(), "ab");
        assert_eq!(remote.get(&path("a")).await.unwrap(), "abcd");
        for _ in 0..2 {
            assert_eq!(remote.stat(&path("a")).await.unwrap_err().kind(), ErrorKind::NoSpace);
        }
        assert_eq!(remote.calls(), 8);
    }

    #[tokio::test]
    async fn listings_hide_the_same_entries_for_the_same_seed() {
        let mut seen = Vec::new();
        for seed in [7, 7, 8] {
            let remote = over(FaultPlan::seeded(seed).hide_listed(0.25));
            for name in 0..200 {
                remote.put_new(&path(name), vec![Bytes::from_static(b"x")]).await.unwrap();
            }
            seen.push(remote.list("").map(|item| item.unwrap().path).collect::<Vec<_>>().await);
        }
        assert!((120..180).contains(&seen[0].len()));
        assert_eq!(seen[0], seen[1]);
        assert_ne!(seen[0], seen[2]);
    }
}
