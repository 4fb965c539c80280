//! Logs of many commits: opening stays cheap, nothing that was folded is lost, and nothing gets away unnoticed.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use cryptsync::class::Class;
use cryptsync::history::source::ResolvedPlace;
use cryptsync::id::BlobKind;
use cryptsync::ops::{self, Ctx, Place};
use cryptsync::world::{Clock, Timestamp};
use cryptsync_backends::services::{Fs, Memory};
use cryptsync_backends::testing::{FaultPlan, Faulty, Recorder, When};
use cryptsync_backends::{ErrorKind, Op, Remote};

use futures::StreamExt;

use crate::support::{TestEnv, snapshot};

pub fn recorded() -> (TestEnv, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::over(Arc::new(Memory::new())));
    let mut env = TestEnv::new();
    env.custom = Some(Arc::clone(&recorder) as Arc<dyn Remote>);
    env.yes = Some(true);
    env.init().unwrap();
    (env, recorder)
}

/// Small commits, one after another.
pub fn commits(env: &TestEnv, from: usize, to: usize) {
    commits_at(env, "home", 0, from, to);
}

/// Small commits of a machine, a minute apart from `start` on (now if it is 0).
pub fn commits_at(env: &TestEnv, home: &str, start: i64, from: usize, to: usize) {
    let src = env.path("src");
    fs::create_dir_all(&src).unwrap();
    for n in from..to {
        fs::write(src.join("counter"), format!("commit {n}")).unwrap();
        fs::write(src.join(format!("file-{:02}", n % 20)), format!("content {n}").repeat(100)).unwrap();
        let mut ctx = env.ctx_at(home);
        if start > 0 {
            ctx.world.clock = Arc::new(FixedClock(Timestamp { secs: start + n as i64 * 60, nanos: 0 }));
        }
        let options = env.options(Place::Local(src.clone()), env.place("docs"), true);
        assert!(ops::sync(&ctx, &options).unwrap().commit.is_some());
    }
}

pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

pub fn ids(ctx: &Ctx<'_>, env: &TestEnv) -> Vec<String> {
    ops::log(ctx, &env.remote(), 100_000).unwrap().into_iter().map(|entry| entry.id).collect()
}

/// How many objects lie below `prefix`.
fn objects(env: &TestEnv, prefix: &str) -> usize {
    let remote = env.custom.clone().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { remote.list(prefix).count().await })
}

fn read_all(env: &TestEnv, home: &str, name: &str) {
    let ctx = env.ctx_at(home);
    let dest = env.path(name);
    let options = env.options(env.place("docs"), Place::Local(dest.clone()), true);
    ops::sync(&ctx, &options).unwrap();
    let plain =
        |dir: &Path| -> Vec<String> { snapshot(dir).into_iter().filter(|line| line.contains(": file")).collect() };
    assert_eq!(plain(&dest), plain(&env.path("src")));
}

pub fn requests(recorder: &Recorder) -> Vec<String> {
    let calls = recorder.take();
    calls.iter().filter(|call| call.op != Op::Barrier).map(|call| format!("{:?} {}", call.op, call.path)).collect()
}

#[test]
fn a_cold_open_reads_few_records() {
    let (env, recorder) = recorded();
    for n in 0..14 {
        commits(&env, n * 3, n * 3 + 3);
        recorder.take();
        let status = ops::status(&env.ctx_at(&format!("cold{n}")), &env.remote()).unwrap();
        assert_eq!(status.records, n as u64 * 3 + 4, "with the writer's join");
        let calls = requests(&recorder);
        assert!(calls.len() <= 8, "after {} commits: {calls:#?}", n * 3 + 3);
    }
    let warm = env.ctx();
    ops::status(&warm, &env.remote()).unwrap();
    recorder.take();
    ops::status(&warm, &env.remote()).unwrap();
    assert_eq!(requests(&recorder).len(), 1, "warm");

    assert_eq!(ids(&env.ctx_at("cold0"), &env).len(), 42);
    assert_eq!(ids(&env.ctx_at("cold-again"), &env), ids(&env.ctx(), &env), "all machines see the same log");
}

#[test]
fn folding_forgets_nothing_and_keeps_the_log_short() {
    let (env, recorder) = recorded();
    // A machine that saw the beginning, and comes back when all that it saw is folded and deleted.
    commits_at(&env, "home", 1_800_000_000, 0, 10);
    ops::status(&env.ctx_at("returning"), &env.remote()).unwrap();
    commits_at(&env, "home", 1_800_000_000, 10, 70);
    assert_eq!(ids(&env.ctx(), &env).len(), 70);
    let all = ids(&env.ctx_at("early"), &env);
    commits_at(&env, "home", 1_800_100_000, 70, 140);
    commits_at(&env, "home", 1_800_200_000, 140, 215);
    assert!(objects(&env, "log/") < 160, "{} objects in the log", objects(&env, "log/"));

    recorder.take();
    let status = ops::status(&env.ctx_at("cold"), &env.remote()).unwrap();
    let calls = requests(&recorder);
    assert!(calls.len() <= 10, "{calls:#?}");
    assert_eq!(status.records, 216, "with the writer's join");
    let mut out = Vec::new();
    ops::cat(&env.ctx_at("cold2"), &[env.place("docs/file-07")], &ops::CatOptions::default(), &mut out).unwrap();
    let calls = requests(&recorder);
    assert!(calls.len() <= 12, "{calls:#?}");
    assert!(!calls.iter().any(|call| call.contains("index/")), "hints are enough: {calls:#?}");

    let now = ids(&env.ctx(), &env);
    assert_eq!(now.len(), 215);
    assert_eq!(now[145..], all[..], "what is folded is in the log as it was");
    for home in ["cold", "returning", "early"] {
        assert_eq!(ids(&env.ctx_at(home), &env), now, "{home}");
        read_all(&env, home, &format!("down-{home}"));
    }
    recorder.take();
    ops::status(&env.ctx_at("returning"), &env.remote()).unwrap();
    assert_eq!(requests(&recorder).len(), 1, "warm");
    env.assert_whole(true);
}

pub fn copy_dir(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// A vault in a directory, with so many commits of `home`, a minute apart, the last of them late enough for sweeping.
fn in_directory(count: usize) -> TestEnv {
    let mut env = TestEnv::new();
    env.yes = Some(true);
    env.init().unwrap();
    commits_at(&env, "home", 1_800_000_000, 0, count);
    env
}

#[test]
fn a_checkpoint_that_is_cut_short_loses_nothing() {
    // The next commit folds for the second time, and sweeps what the first time has left.
    let mut env = in_directory(129);
    let before = ids(&env.ctx(), &env);
    let (vault, home) = (env.path("vault"), env.path("home"));
    copy_dir(&vault, &env.path("vault-before"));
    copy_dir(&home, &env.path("home-before"));
    let mut done = false;
    for nth in (1..14).chain((14..200).step_by(23)) {
        copy_dir(&env.path("vault-before"), &vault);
        copy_dir(&env.path("home-before"), &home);
        let plan = FaultPlan::seeded(nth).fail(When::any(nth).forever(), ErrorKind::PermissionDenied);
        let faulty = Arc::new(Faulty::over(Arc::new(Fs::open(vault.clone())), plan));
        env.custom = Some(Arc::clone(&faulty) as Arc<dyn Remote>);
        fs::write(env.path("src").join("counter"), format!("cut {nth}")).unwrap();
        let options = || env.options(Place::Local(env.path("src")), env.place("docs"), true);
        let mut ctx = env.ctx();
        ctx.world.clock = Arc::new(FixedClock(Timestamp { secs: 1_800_100_000, nanos: 0 }));
        let cut = ops::sync(&ctx, &options());
        drop(ctx);
        env.custom = None;
        if faulty.calls() < nth {
            assert!(cut.is_ok());
            done = true;
            break;
        }
        env.up(&env.path("src"), "docs").unwrap();
        let after = ids(&env.ctx(), &env);
        assert_eq!(after.len(), before.len() + 1, "call {nth}");
        assert_eq!(after[1..], before[..], "call {nth}");
        let cold = format!("cold{nth}");
        assert_eq!(ids(&env.ctx_at(&cold), &env), after, "call {nth}");
        read_all(&env, &cold, &format!("down{nth}"));
        env.assert_whole(false);
    }
    assert!(done, "every step had its turn");
}

#[test]
fn a_rollback_into_what_is_folded_is_noticed() {
    let env = in_directory(70);
    let (vault, old) = (env.path("vault"), env.path("vault-old"));
    copy_dir(&vault, &old);
    copy_dir(&env.path("home"), &env.path("home-old"));
    commits_at(&env, "home", 1_800_000_000, 70, 75);
    let seen = ids(&env.ctx_at("witness"), &env);
    commits_at(&env, "home", 1_800_100_000, 75, 215);
    // The whole vault goes back to before all that anybody has seen.
    let new = env.path("vault-new");
    copy_dir(&vault, &new);
    copy_dir(&old, &vault);
    for home in ["home", "witness"] {
        let error = ops::status(&env.ctx_at(home), &env.remote()).unwrap_err();
        assert_eq!(error.class, Class::Rollback, "{home}: {error:?}");
    }
    // Another past grows in its place, and folds and deletes what it has of the old one: it is still not the past of those who
    // saw the first.
    copy_dir(&env.path("home-old"), &env.path("other"));
    commits_at(&env, "other", 1_800_200_000, 300, 450);
    let error = ops::status(&env.ctx_at("witness"), &env.remote()).unwrap_err();
    assert!([Class::Rollback, Class::Equivocation].contains(&error.class), "{error:?}");
    // The true one is accepted without a word.
    copy_dir(&new, &vault);
    let now = ids(&env.ctx_at("witness"), &env);
    assert_eq!(now[140..], seen[..]);
}

#[test]
fn a_reader_finds_what_was_folded_while_it_was_reading() {
    let env = in_directory(60);
    let reader = env.open();
    // A commit that the reader has only been told of: what it has read it need not ask for again.
    let other = env.open();
    let mut old = other.vault.record_of(&other.vault.view().heads()[0]).unwrap();
    for _ in 0..30 {
        old = other.vault.record_of(&old.record.prev.unwrap()).unwrap();
    }
    let place = old.record.root.place.unwrap();
    let place = ResolvedPlace { object: old.object, location: place.location };
    let mut cold = env.ctx();
    commits_at(&env, "other", 1_800_100_000, 60, 135);
    commits_at(&env, "other", 1_800_200_000, 135, 205);
    fs::remove_dir_all(&cold.cache_dir).unwrap();
    cold.cache_dir = env.path("none");
    assert!(!objects_named(&env, &old.object.id.to_string()), "its log object is gone");
    let (_, object) = reader.vault.blob(BlobKind::Node, &old.record.root.id, Some(&place)).unwrap();
    assert_ne!(object.id, old.object.id);
}

fn objects_named(env: &TestEnv, id: &str) -> bool {
    let names = fs::read_dir(env.path("vault").join("log")).unwrap();
    names.into_iter().any(|entry| entry.unwrap().file_name().to_string_lossy().contains(id))
}
