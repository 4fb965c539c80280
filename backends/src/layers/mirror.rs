//! Several remotes that hold the same objects: writes go to all of them, reads to the fastest that answers well. Owns neither
//! retries nor limits, which each copy has for itself, and repairs nothing: that is for whoever can tell good from bad.

use std::collections::HashSet;
use std::future::Future;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;
use futures::stream::{self, BoxStream, StreamExt};

use crate::{
    Caps, ErrorKind, Kind, Listed, Provider, Put, Remote, RemoteError, RemotePath, Result, Setting, Stat, Stray,
};

/// The settings of a mirror. Whoever knows the configuration makes one: it is of other remotes.
pub(crate) const PROVIDER: Provider = Provider {
    name: "mirror",
    aliases: &[],
    about: "several remotes that each hold the whole vault",
    settings: &[Setting::new(
        "upstreams",
        Kind::Text,
        "The remotes that hold the copies, with spaces between: `nas: b2:`",
    )
    .required()],
    sign_in: false,
    hidden: false,
};

/// Whether these bytes are the whole object of that path.
pub type Verifier = fn(&RemotePath, &[u8]) -> bool;

/// Several remotes as one.
///
/// An object is there if any copy has it. A write or a delete counts when every copy has done it: one copy that can't be
/// written to stops the writing, and is for a person to take out. A listing leaves out a copy that fails as long as another
/// does not; [`Mirror::troubles`] tells of it.
#[derive(Debug)]
pub struct Mirror {
    name: String,
    copies: Vec<Copy>,
    verifier: Verifier,
    troubles: Mutex<Vec<String>>,
}

#[derive(Debug)]
struct Copy {
    name: String,
    remote: Arc<dyn Remote>,
    /// How long its last reads took, in microseconds, the newest counting a quarter; 0 is not known yet.
    pace: AtomicU64,
}

impl Mirror {
    /// The mirror `name` of these remotes, by their names. `verifier` tells whether a whole object is what it should be.
    ///
    /// # Panics
    /// Without any.
    pub fn new(name: &str, copies: impl IntoIterator<Item = (String, Arc<dyn Remote>)>, verifier: Verifier) -> Self {
        let copies: Vec<_> =
            copies.into_iter().map(|(name, remote)| Copy { name, remote, pace: AtomicU64::new(0) }).collect();
        assert!(!copies.is_empty(), "a mirror has a copy");
        Self { name: name.to_owned(), copies, verifier, troubles: Mutex::default() }
    }

    /// Which copies could not be listed, and why, a line each.
    pub fn troubles(&self) -> Vec<String> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn trouble(&self, copy: &Copy, error: &RemoteError) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let line = format!("the copy `{}:` is left out: {error}", copy.name);
        if !troubles.contains(&line) {
            troubles.push(line);
        }
    }

    /// Asks one copy after another, the fastest first, until one answers well. Whoever has not been asked yet is fast.
    async fn ask<T, F>(&self, call: impl Fn(Arc<dyn Remote>) -> F, good: impl Fn(&T) -> bool) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut order: Vec<&Copy> = self.copies.iter().collect();
        order.sort_by_key(|copy| copy.pace.load(Ordering::Relaxed));
        let (mut bad, mut failed) = (None, None);
        for copy in order {
            let start = Instant::now();
            match call(Arc::clone(&copy.remote)).await {
                Ok(answer) if good(&answer) => {
                    copy.took(start.elapsed());
                    return Ok(answer);
                }
                Ok(answer) => bad = Some(answer),
                Err(error) => {
                    if error.kind() != ErrorKind::NotFound {
                        copy.took(start.elapsed().max(SLOW));
                    }
                    failed = Some(worse(failed, error));
                }
            }
        }
        match (bad, failed) {
            // Nobody has a good one. Whoever asked sees what there is, and judges for themselves.
            (Some(answer), _) => Ok(answer),
            (None, failed) => Err(failed.expect("there is a copy")),
        }
    }

    /// Has all copies do something at once.
    async fn all<T, F>(&self, call: impl Fn(Arc<dyn Remote>) -> F) -> Result<Vec<T>>
    where
        F: Future<Output = Result<T>>,
    {
        let done = join_all(self.copies.iter().map(|copy| call(Arc::clone(&copy.remote)))).await;
        let mut answers = Vec::with_capacity(done.len());
        for (copy, done) in self.copies.iter().zip(done) {
            answers.push(done.map_err(|error| {
                let advice = format!(
                    "a mirror writes to all its copies; to go on without this one: `cryptsync remote remove {}: {}:`",
                    self.name, copy.name
                );
                let advice = error.advice().map_or(advice.clone(), |known| format!("{known}; {advice}"));
                error.with_advice(Some(advice))
            })?);
        }
        Ok(answers)
    }
}

impl Copy {
    fn took(&self, time: Duration) {
        let (old, new) =
            (self.pace.load(Ordering::Relaxed), u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1));
        self.pace.store(if old == 0 { new } else { old - old / 4 + new / 4 }, Ordering::Relaxed);
    }
}

/// The error that says more: what is not there at one copy may be at another that did not answer.
fn worse(known: Option<RemoteError>, new: RemoteError) -> RemoteError {
    match known {
        Some(known) if new.kind() == ErrorKind::NotFound || (known.is_transient() && !new.is_transient()) => known,
        _ => new,
    }
}

#[async_trait]
impl Remote for Mirror {
    fn caps(&self) -> Caps {
        let all: Vec<Caps> = self.copies.iter().map(|copy| copy.remote.caps()).collect();
        let least = |of: fn(&Caps) -> usize| all.iter().map(of).min().unwrap_or(1);
        Caps {
            max_concurrency: least(|caps| caps.max_concurrency),
            read_range: all.iter().all(|caps| caps.read_range),
            // Two writers may each be the first at one of two copies.
            put_new: all.len() == 1 && all[0].put_new,
            max_object: all.iter().map(|caps| caps.max_object).min().unwrap_or(0),
            list_delay: all.iter().map(|caps| caps.list_delay).max().unwrap_or_default(),
            pack_size: all.iter().map(|caps| caps.pack_size).min().unwrap_or(Caps::PACK),
        }
    }

    fn describe(&self) -> String {
        // Copies come and go, and it stays the same.
        format!("the mirror `{}:`", self.name)
    }

    async fn get(&self, path: &RemotePath) -> Result<Bytes> {
        let call = |remote: Arc<dyn Remote>| {
            let path = path.clone();
            async move { remote.get(&path).await }
        };
        self.ask(call, |body| (self.verifier)(path, body)).await
    }

    async fn get_range(&self, path: &RemotePath, range: Range<u64>) -> Result<Bytes> {
        let call = |remote: Arc<dyn Remote>| {
            let (path, range) = (path.clone(), range.clone());
            async move { remote.get_range(&path, range).await }
        };
        self.ask(call, |_| true).await
    }

    async fn put_new(&self, path: &RemotePath, body: Vec<Bytes>) -> Result<Put> {
        let puts = self.all(|remote| {
            let (path, body) = (path.clone(), body.clone());
            async move { remote.put_new(&path, body).await }
        });
        Ok(if puts.await?.contains(&Put::Existed) { Put::Existed } else { Put::Created })
    }

    async fn stat(&self, path: &RemotePath) -> Result<Stat> {
        let call = |remote: Arc<dyn Remote>| {
            let path = path.clone();
            async move { remote.stat(&path).await }
        };
        self.ask(call, |_| true).await
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed>> {
        let listing = async move {
            let lists = join_all(self.copies.iter().map(|copy| async move {
                let mut stream = copy.remote.list(prefix);
                let mut items = Vec::new();
                while let Some(item) = stream.next().await {
                    items.push(item?);
                }
                Ok(items)
            }))
            .await;
            let mut failed = None;
            let (mut seen, mut all) = (HashSet::new(), Vec::new());
            let mut answered = false;
            for (copy, list) in self.copies.iter().zip(lists) {
                match list {
                    Ok(items) => {
                        answered = true;
                        all.extend(items.into_iter().filter(|item: &Listed| seen.insert(item.path.clone())));
                    }
                    Err(error) => {
                        self.trouble(copy, &error);
                        failed = Some(worse(failed, error));
                    }
                }
            }
            match failed {
                Some(error) if !answered => vec![Err(error)],
                _ => all.into_iter().map(Ok).collect(),
            }
        };
        stream::once(listing).flat_map(stream::iter).boxed()
    }

    async fn delete(&self, path: &RemotePath) -> Result<()> {
        let call = |remote: Arc<dyn Remote>| {
            let path = path.clone();
            async move { remote.delete(&path).await }
        };
        self.all(call).await.map(drop)
    }

    async fn barrier(&self) -> Result<()> {
        self.all(|remote| async move { remote.barrier().await }).await.map(drop)
    }

    async fn strays(&self) -> Result<Vec<Stray>> {
        let all = self.all(|remote| async move { remote.strays().await }).await?;
        // Which copy one is of goes with what the copy knows it by.
        let named = |(n, strays): (usize, Vec<Stray>)| {
            strays.into_iter().map(move |stray| Stray {
                id: format!("{n} {}", stray.id),
                name: format!("{} of {}:", stray.name, self.copies[n].name),
                ..stray
            })
        };
        Ok(all.into_iter().enumerate().flat_map(named).collect())
    }

    async fn remove_stray(&self, stray: &Stray) -> Result<()> {
        let of = stray.id.split_once(' ').and_then(|(n, id)| Some((self.copies.get(n.parse::<usize>().ok()?)?, id)));
        let Some((copy, id)) = of else { return Ok(()) };
        copy.remote.remove_stray(&Stray { id: id.to_owned(), ..stray.clone() }).await
    }

    async fn remove_directory(&self, directory: &str) -> Result<()> {
        let call = |remote: Arc<dyn Remote>| {
            let directory = directory.to_owned();
            async move { remote.remove_directory(&directory).await }
        };
        self.all(call).await.map(drop)
    }
}

/// How slow a copy counts at least that has just failed.
const SLOW: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;
    use crate::services::Memory;
    use crate::testing::{FaultPlan, Faulty, When, contract};
    use crate::{ErrorKind, Op};

    fn path(name: &str) -> RemotePath {
        RemotePath::new(name).unwrap()
    }

    fn mirror(copies: &[&Arc<dyn Remote>]) -> Mirror {
        let named = copies.iter().enumerate().map(|(n, copy)| (format!("c{n}"), Arc::clone(copy)));
        Mirror::new("m", named, |_, body| body.starts_with(b"good"))
    }

    fn memory() -> Arc<dyn Remote> {
        Arc::new(Memory::new())
    }

    fn broken(inner: &Arc<dyn Remote>, op: Op, kind: ErrorKind) -> Arc<dyn Remote> {
        Arc::new(Faulty::over(Arc::clone(inner), FaultPlan::seeded(1).fail(When::of(op, 1).forever(), kind)))
    }

    async fn put(remote: &dyn Remote, name: &str, body: &'static str) -> Result<Put> {
        remote.put_new(&path(name), vec![Bytes::from_static(body.as_bytes())]).await
    }

    #[tokio::test]
    async fn it_is_a_remote_like_any_other() {
        contract(Arc::new(mirror(&[&memory(), &memory(), &memory()]))).await;
        contract(Arc::new(mirror(&[&memory()]))).await;
    }

    #[tokio::test]
    async fn a_write_counts_when_all_copies_have_it() {
        let (one, two) = (memory(), memory());
        assert_eq!(put(&mirror(&[&one, &two]), "a", "good").await.unwrap(), Put::Created);
        assert_eq!(one.get(&path("a")).await.unwrap(), two.get(&path("a")).await.unwrap());
        let full = broken(&two, Op::PutNew, ErrorKind::NoSpace);
        let error = put(&mirror(&[&one, &full]), "b", "good").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        assert!(error.advice().unwrap().contains("`cryptsync remote remove m: c1:`"), "{error:?}");
        // The next attempt fills the gap.
        assert_eq!(put(&mirror(&[&one, &two]), "b", "good").await.unwrap(), Put::Existed);
        assert_eq!(two.get(&path("b")).await.unwrap(), "good");
    }

    #[tokio::test]
    async fn a_read_finds_the_copy_that_is_good() {
        let (one, two) = (memory(), memory());
        put(&*two, "only here", "good").await.unwrap();
        put(&*one, "rotten", "bad").await.unwrap();
        put(&*two, "rotten", "good").await.unwrap();
        put(&*one, "rotten in both", "bad").await.unwrap();
        let dead = broken(&memory(), Op::Get, ErrorKind::Unreachable);
        let all = mirror(&[&one, &dead, &two]);
        for _ in 0..3 {
            assert_eq!(all.get(&path("only here")).await.unwrap(), "good");
            assert_eq!(all.get(&path("rotten")).await.unwrap(), "good");
            assert_eq!(all.get(&path("rotten in both")).await.unwrap(), "bad");
            assert_eq!(all.get_range(&path("only here"), 1..3).await.unwrap(), "oo");
        }
        // It may be at the one that does not answer.
        assert_eq!(all.get(&path("nowhere")).await.unwrap_err().kind(), ErrorKind::Unreachable);
        assert_eq!(mirror(&[&one, &two]).get(&path("nowhere")).await.unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_listing_is_of_all_copies_that_answer() {
        let (one, two) = (memory(), memory());
        put(&*one, "log/a", "good").await.unwrap();
        for name in ["log/a", "log/b"] {
            put(&*two, name, "good").await.unwrap();
        }
        let dead = broken(&memory(), Op::List, ErrorKind::Unreachable);
        let all = mirror(&[&one, &dead, &two]);
        let mut found: Vec<String> = all.list("log/").map_ok(|item| item.path.to_string()).try_collect().await.unwrap();
        found.sort();
        assert_eq!(found, ["log/a", "log/b"]);
        assert_eq!(all.troubles().len(), 1);
        assert!(all.troubles()[0].starts_with("the copy `c1:` is left out: "), "{:?}", all.troubles());
        let none = mirror(&[&dead]);
        let listed: Result<Vec<_>> = none.list("log/").try_collect().await;
        assert_eq!(listed.unwrap_err().kind(), ErrorKind::Unreachable);
    }

    #[tokio::test]
    async fn the_fastest_is_asked_first() {
        let slow: Arc<dyn Remote> =
            Arc::new(Faulty::over(memory(), FaultPlan::seeded(1).delay(Duration::from_millis(30))));
        let (fast, both) = (memory(), [slow.clone(), memory()]);
        for copy in [&slow, &fast, &both[0]] {
            put(&**copy, "a", "good").await.unwrap();
        }
        let counted = Arc::new(crate::layers::Counted::new(slow));
        let all = mirror(&[&(Arc::clone(&counted) as Arc<dyn Remote>), &fast]);
        for _ in 0..10 {
            all.get(&path("a")).await.unwrap();
        }
        assert_eq!(counted.snapshot().of(Op::Get).calls, 1);
    }
}
