//! A remote that fails at any call, and others who write at the wrong moment: never a wrong state, and doing it again
//! always ends well.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use cryptsync::class::Class;
use cryptsync::ops::{self, Ctx, Place};
use cryptsync_backends::services::Memory;
use cryptsync_backends::testing::{FaultPlan, Faulty, Recorder, When};
use cryptsync_backends::{Caps, ErrorKind, Listed, Op, Put, Remote, RemotePath, Result, Stat};
use futures::stream::BoxStream;

use crate::support::{TestEnv, noise, snapshot};

fn env_in_memory() -> (TestEnv, Arc<dyn Remote>) {
    let remote: Arc<dyn Remote> = Arc::new(Memory::new());
    let mut env = TestEnv::new();
    env.custom = Some(Arc::clone(&remote));
    env.init().unwrap();
    (env, remote)
}

fn commits(env: &TestEnv) -> usize {
    ops::log(&env.ctx(), &env.remote(), usize::MAX).unwrap().len()
}

fn restored(env: &TestEnv) -> Vec<String> {
    let dst = env.path("restored");
    env.force_down("", &dst).unwrap();
    snapshot(&dst)
}

/// Changes the source so that the commit is a bundle, or packs.
fn change(src: &Path, round: u64, large: bool) {
    fs::write(src.join(format!("f{}", round % 5)), noise(round, if large { 900_000 } else { 20_000 })).unwrap();
    fs::write(src.join("tiny"), round.to_string()).unwrap();
}

type Fault = fn(FaultPlan, u64) -> FaultPlan;

/// Every call of a sync fails once, one after another, in one way.
fn every_call(large: bool, transient: bool, fault: Fault) {
    let (mut env, remote) = env_in_memory();
    let src = env.path("src");
    fs::create_dir(&src).unwrap();
    change(&src, 0, large);
    env.up(&src, "").unwrap();
    for nth in 1.. {
        let (before, count) = (snapshot(&src), commits(&env));
        change(&src, nth, large);
        let faulty = Arc::new(Faulty::over(Arc::clone(&remote), fault(FaultPlan::seeded(nth), nth)));
        env.custom = Some(Arc::clone(&faulty) as Arc<dyn Remote>);
        let result = env.up(&src, "");
        let calls = faulty.calls();
        env.custom = Some(Arc::clone(&remote));
        if calls < nth {
            result.unwrap();
            assert!(nth > if large { 6 } else { 3 }, "every call had its turn");
            break;
        }
        let after = snapshot(&src);
        match result {
            Ok(report) => assert!(report.commit.is_some() && report.failed == 0, "call {nth}: {report:?}"),
            Err(error) => {
                assert!(!transient, "call {nth} was not tried again: {error:?}");
                assert!(!error.chain.is_empty() && error.class == Class::Failed, "call {nth}: {error:?}");
                let now = restored(&env);
                assert!(now == before || now == after, "call {nth}: neither the old tree nor the new one");
                assert_eq!(env.up(&src, "").unwrap().failed, 0, "call {nth}: again");
            }
        }
        assert_eq!(restored(&env), after, "call {nth}");
        assert_eq!(commits(&env), count + 1, "call {nth}: one commit for one change");
        env.assert_whole(true);
    }
    // Somebody who has never seen any of this agrees.
    let dst = env.path("elsewhere");
    env.yes = Some(true);
    let options = env.options(env.place(""), Place::Local(dst.clone()), true);
    ops::sync(&env.ctx_at("elsewhere-home"), &options).unwrap();
    assert_eq!(snapshot(&dst), snapshot(&src));
}

/// Listings show only some of what is there, others each time: nothing is lost, and what is read is what was stored.
#[test]
fn listings_that_miss_some_lose_nothing() {
    let (mut env, remote) = env_in_memory();
    let src = env.path("src");
    fs::create_dir(&src).unwrap();
    change(&src, 0, true);
    env.up(&src, "").unwrap();
    for round in 1..9 {
        let before = snapshot(&src);
        let stale = || Arc::new(Faulty::over(Arc::clone(&remote), FaultPlan::seeded(round).hide_listed(0.3)));
        env.custom = Some(stale());
        let dst = env.path("by-a-stale-listing");
        match env.force_down("", &dst) {
            Ok(_) => assert_eq!(snapshot(&dst), before, "round {round}"),
            Err(error) => assert!(!error.chain.is_empty() && error.class != Class::Usage, "round {round}: {error:?}"),
        }
        change(&src, round, round % 2 == 0);
        let after = snapshot(&src);
        env.custom = Some(stale());
        let result = env.up(&src, "");
        env.custom = Some(Arc::clone(&remote));
        match result {
            Ok(report) => assert_eq!(report.failed, 0, "round {round}"),
            Err(error) => {
                assert!(!error.chain.is_empty() && error.class != Class::Usage, "round {round}: {error:?}");
                let now = restored(&env);
                assert!(now == before || now == after, "round {round}: neither the old tree nor the new one");
                env.up(&src, "").unwrap();
            }
        }
        assert_eq!(restored(&env), after, "round {round}");
        env.assert_whole(true);
    }
}

#[test]
fn a_bundle_survives_any_failed_call() {
    every_call(false, false, |plan, nth| plan.fail(When::any(nth), ErrorKind::Unexpected));
}

#[test]
fn packs_survive_any_failed_call() {
    every_call(true, false, |plan, nth| plan.fail(When::any(nth), ErrorKind::Unexpected));
}

#[test]
fn a_bundle_survives_any_lost_reply() {
    every_call(false, false, |plan, nth| plan.lose_reply(When::any(nth), ErrorKind::Unexpected));
}

#[test]
fn packs_survive_any_lost_reply() {
    every_call(true, false, |plan, nth| plan.lose_reply(When::any(nth), ErrorKind::Unexpected));
}

#[test]
fn passing_faults_of_a_bundle_do_not_show() {
    every_call(false, true, |plan, nth| plan.fail(When::any(nth), ErrorKind::Reset));
}

#[test]
fn passing_faults_of_packs_do_not_show() {
    every_call(true, true, |plan, nth| {
        plan.lose_reply(When::of(Op::PutNew, nth), ErrorKind::Timeout).fail(When::any(nth), ErrorKind::Reset)
    });
}

/// From some call on, nothing works any more.
#[test]
fn a_remote_that_goes_away_and_comes_back() {
    let (mut env, remote) = env_in_memory();
    let src = env.path("src");
    fs::create_dir(&src).unwrap();
    change(&src, 0, true);
    env.up(&src, "").unwrap();
    for nth in 1..12 {
        let before = snapshot(&src);
        change(&src, nth, true);
        let plan = FaultPlan::seeded(nth).fail(When::any(nth).forever(), ErrorKind::Unexpected);
        env.custom = Some(Arc::new(Faulty::over(Arc::clone(&remote), plan)));
        let failed = env.up(&src, "").is_err();
        env.custom = Some(Arc::clone(&remote));
        let now = restored(&env);
        assert!(now == snapshot(&src) || (failed && now == before), "call {nth}");
        env.up(&src, "").unwrap();
        assert_eq!(restored(&env), snapshot(&src), "call {nth}");
    }
    env.assert_whole(true);
}

/// What an interrupted run has stored is not sent again.
#[test]
fn a_second_run_sends_only_what_is_missing() {
    let (mut env, remote) = env_in_memory();
    env.memory = 8 << 20;
    let src = env.path("src");
    fs::create_dir(&src).unwrap();
    fs::write(src.join("large"), noise(1, 8 << 20)).unwrap();
    let puts = |recorder: &Recorder| -> Vec<u64> {
        recorder.calls().iter().filter(|call| call.op == Op::PutNew).map(|call| call.bytes).collect()
    };
    let plan = FaultPlan::seeded(1).fail(When::of(Op::PutNew, 4).forever(), ErrorKind::NoSpace);
    let faulty: Arc<dyn Remote> = Arc::new(Faulty::over(Arc::clone(&remote), plan));
    let first = Arc::new(Recorder::over(faulty));
    env.custom = Some(Arc::clone(&first) as Arc<dyn Remote>);
    let error = env.up(&src, "").unwrap_err();
    assert_eq!(error.class, Class::Fatal);
    let second = Arc::new(Recorder::over(Arc::clone(&remote)));
    env.custom = Some(Arc::clone(&second) as Arc<dyn Remote>);
    env.up(&src, "").unwrap();
    let (stored, again): (u64, u64) = (puts(&first)[..3].iter().sum(), puts(&second).iter().sum());
    assert!(stored + again < 9 << 20, "{stored} and then {again} bytes for 8 MiB");
    env.custom = Some(remote);
    env.assert_whole(true);
    assert_eq!(restored(&env), snapshot(&src));
}

/// Does something just before the n-th listing.
struct Before {
    inner: Arc<dyn Remote>,
    nth: u64,
    lists: AtomicU64,
    act: Box<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Before {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Before")
    }
}

#[async_trait::async_trait]
impl Remote for Before {
    fn caps(&self) -> Caps {
        self.inner.caps()
    }
    fn describe(&self) -> String {
        self.inner.describe()
    }
    async fn get(&self, path: &RemotePath) -> Result<Bytes> {
        self.inner.get(path).await
    }
    async fn get_range(&self, path: &RemotePath, range: Range<u64>) -> Result<Bytes> {
        self.inner.get_range(path, range).await
    }
    async fn put_new(&self, path: &RemotePath, body: Vec<Bytes>) -> Result<Put> {
        self.inner.put_new(path, body).await
    }
    async fn stat(&self, path: &RemotePath) -> Result<Stat> {
        self.inner.stat(path).await
    }
    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed>> {
        if self.lists.fetch_add(1, Ordering::SeqCst) + 1 == self.nth {
            // On a thread of its own: this one drives the other run's calls.
            std::thread::scope(|scope| scope.spawn(|| (self.act)()).join().unwrap());
        }
        self.inner.list(prefix)
    }
    async fn delete(&self, path: &RemotePath) -> Result<()> {
        self.inner.delete(path).await
    }
    async fn barrier(&self) -> Result<()> {
        self.inner.barrier().await
    }
}

/// Another machine, with its own state, that syncs a file of its own.
fn other_machine(remote: &Arc<dyn Remote>) -> (Arc<TestEnv>, impl Fn(u64) + Clone + Send + Sync + 'static) {
    let mut other = TestEnv::new();
    other.custom = Some(Arc::clone(remote));
    other.yes = Some(true);
    fs::create_dir(other.path("theirs")).unwrap();
    let other = Arc::new(other);
    let writer = Arc::clone(&other);
    let write = move |round: u64| {
        let src = writer.path("theirs");
        fs::write(src.join("theirs"), noise(1000 + round, 30_000)).unwrap();
        writer.up(&src, "theirs").unwrap();
    };
    (other, write)
}

/// The moment between reading the heads and publishing: whoever loses it takes in what the others have done.
#[test]
fn others_may_publish_while_this_run_works() {
    for (round, len) in [(0, 100), (1, 100_000), (2, 1_500_000)] {
        for stream in [false, true] {
            let (mut env, remote) = env_in_memory();
            let (_other, write) = other_machine(&remote);
            let act: Box<dyn Fn() + Send + Sync> = Box::new(move || write(round));
            let before = Before { inner: Arc::clone(&remote), nth: 2, lists: AtomicU64::new(0), act };
            env.custom = Some(Arc::new(before));
            let content = noise(round, len);
            if stream {
                let report = ops::rcat(&env.ctx(), &env.place("mine/file"), &mut &content[..]).unwrap();
                assert!(report.commit.is_some());
            } else {
                fs::create_dir(env.path("src")).unwrap();
                fs::write(env.path("src/file"), &content).unwrap();
                assert!(env.up(&env.path("src"), "mine").unwrap().commit.is_some());
            }
            env.custom = Some(remote);
            assert_eq!(commits(&env), 2, "both are there");
            assert_eq!(env.cat("theirs/theirs").unwrap(), noise(1000 + round, 30_000));
            assert_eq!(env.cat("mine/file").unwrap(), content, "{len} bytes, stream: {stream}");
            env.assert_whole(true);
        }
    }
}

/// A version that loses its name in the very commit that brings it: the copy can't name that commit, and it is found all the same.
#[test]
fn a_conflict_within_the_commit_that_records_it() {
    let (mut env, remote) = env_in_memory();
    let (other, write) = other_machine(&remote);
    drop(write);
    ops::rcat(&env.ctx(), &env.place("before"), &mut &b"a writer already"[..]).unwrap();
    let act: Box<dyn Fn() + Send + Sync> = Box::new(move || {
        ops::rcat(&other.ctx(), &other.place("name/theirs"), &mut &b"a directory"[..]).unwrap();
    });
    env.custom = Some(Arc::new(Before { inner: Arc::clone(&remote), nth: 2, lists: AtomicU64::new(0), act }));
    let report = ops::rcat(&env.ctx(), &env.place("name"), &mut &b"a file"[..]).unwrap();
    env.custom = Some(remote);
    let copies = ops::show_conflict(&env.ctx(), &env.place("name")).unwrap();
    assert_eq!(copies.len(), 1);
    assert_eq!(copies[0].copy.commit.as_ref().map(|commit| commit.id.clone()), report.commit);
    assert_eq!(env.cat(&copies[0].copy.listed.path.to_string()).unwrap(), b"a file");
    assert_eq!(env.cat("name/theirs").unwrap(), b"a directory");
}

/// A commit that was never stored is sent by the next run, also after others have gone on.
#[test]
fn a_commit_that_did_not_arrive_is_sent_later() {
    for large in [false, true] {
        let (mut env, remote) = env_in_memory();
        let (_other, write) = other_machine(&remote);
        let src = env.path("src");
        fs::create_dir(&src).unwrap();
        change(&src, 0, large);
        env.up(&src, "mine").unwrap();
        change(&src, 1, large);
        env.custom = Some(Arc::new(NoAnswer { inner: Arc::clone(&remote), arrives: false }));
        env.up(&src, "mine").unwrap_err();
        env.custom = Some(Arc::clone(&remote));
        write(7);
        assert!(env.up(&src, "mine").unwrap().commit.is_none(), "nothing is left to do");
        assert_eq!(commits(&env), 3);
        let dst = env.path("dst");
        env.down("mine", &dst).unwrap();
        assert_eq!(snapshot(&dst), snapshot(&src));
        env.assert_whole(true);
        write(8);
    }
}

/// Fails to store log objects, or stores them and fails to say so.
#[derive(Debug)]
pub struct NoAnswer {
    pub inner: Arc<dyn Remote>,
    pub arrives: bool,
}

#[async_trait::async_trait]
impl Remote for NoAnswer {
    fn caps(&self) -> Caps {
        self.inner.caps()
    }
    fn describe(&self) -> String {
        self.inner.describe()
    }
    async fn get(&self, path: &RemotePath) -> Result<Bytes> {
        self.inner.get(path).await
    }
    async fn get_range(&self, path: &RemotePath, range: Range<u64>) -> Result<Bytes> {
        self.inner.get_range(path, range).await
    }
    async fn put_new(&self, path: &RemotePath, body: Vec<Bytes>) -> Result<Put> {
        if path.as_str().starts_with("log/") {
            if self.arrives {
                self.inner.put_new(path, body).await?;
            }
            return Err(cryptsync_backends::RemoteError::new(ErrorKind::NoSpace, Op::PutNew, path.as_str()));
        }
        self.inner.put_new(path, body).await
    }
    async fn stat(&self, path: &RemotePath) -> Result<Stat> {
        self.inner.stat(path).await
    }
    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed>> {
        self.inner.list(prefix)
    }
    async fn delete(&self, path: &RemotePath) -> Result<()> {
        self.inner.delete(path).await
    }
    async fn barrier(&self) -> Result<()> {
        self.inner.barrier().await
    }
}

/// A run that is stopped ends quickly, even while a call hangs, and the next one goes on.
#[test]
fn a_stopped_run_is_taken_up_again() {
    let (mut env, remote) = env_in_memory();
    env.memory = 8 << 20;
    let src = env.path("src");
    fs::create_dir(&src).unwrap();
    fs::write(src.join("large"), noise(5, 8 << 20)).unwrap();
    let plan = FaultPlan::seeded(1).delay(std::time::Duration::from_millis(700));
    env.custom = Some(Arc::new(Faulty::over(Arc::clone(&remote), plan)));
    let ctx = env.ctx();
    let cancel = ctx.cancel.clone();
    let options = env.options(Place::Local(src.clone()), env.place(""), true);
    let ended = std::thread::scope(|scope| {
        let run = scope.spawn(|| ops::sync(&Ctx { ..ctx }, &options));
        std::thread::sleep(std::time::Duration::from_millis(1500));
        let asked = std::time::Instant::now();
        cancel.cancel();
        let error = run.join().unwrap().unwrap_err();
        assert_eq!(error.class, Class::Interrupted, "{error:?}");
        asked.elapsed()
    });
    assert!(ended < std::time::Duration::from_secs(2), "{ended:?}");
    env.custom = Some(remote);
    env.up(&src, "").unwrap();
    assert_eq!(restored(&env), snapshot(&src));
    env.assert_whole(true);
}
