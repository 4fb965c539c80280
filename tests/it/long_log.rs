//! Logs of many commits: opening stays cheap, nothing that was folded is lost, and nothing gets away unnoticed.

use std::fs;
use std::sync::Arc;

use cryptsync::ops::{self, Ctx, Place};
use cryptsync::world::{Clock, Timestamp};
use cryptsync_backends::services::Memory;
use cryptsync_backends::testing::Recorder;
use cryptsync_backends::{Op, Remote};

use futures::StreamExt;

use crate::support::{TestEnv, snapshot};

fn recorded() -> (TestEnv, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::over(Arc::new(Memory::new())));
    let mut env = TestEnv::new();
    env.custom = Some(Arc::clone(&recorder) as Arc<dyn Remote>);
    env.yes = Some(true);
    env.init().unwrap();
    (env, recorder)
}

/// Small commits, one after another.
fn commits(env: &TestEnv, from: usize, to: usize) {
    commits_at(env, "home", 0, from, to);
}

/// Small commits of a machine, a minute apart from `start` on (now if it is 0).
fn commits_at(env: &TestEnv, home: &str, start: i64, from: usize, to: usize) {
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

struct FixedClock(Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn ids(ctx: &Ctx<'_>, env: &TestEnv) -> Vec<String> {
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
    let plain = |dir: &std::path::Path| -> Vec<String> {
        snapshot(dir).into_iter().filter(|line| line.contains(": file")).collect()
    };
    assert_eq!(plain(&dest), plain(&env.path("src")));
}

fn requests(recorder: &Recorder) -> Vec<String> {
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
        assert_eq!(status.commits, n as u64 * 3 + 3);
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
    assert_eq!(status.commits, 215);
    let mut out = Vec::new();
    ops::cat(&env.ctx_at("cold2"), &[env.place("docs/file-07")], ops::CatRange::Whole, &mut out).unwrap();
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
