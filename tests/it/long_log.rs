//! Logs of many commits: opening stays cheap, nothing that was folded is lost, and nothing gets away unnoticed.

use std::fs;
use std::sync::Arc;

use cryptsync::ops;
use cryptsync_backends::services::Memory;
use cryptsync_backends::testing::Recorder;
use cryptsync_backends::{Op, Remote};

use crate::support::TestEnv;

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
    let src = env.path("src");
    fs::create_dir_all(&src).unwrap();
    for n in from..to {
        fs::write(src.join("counter"), format!("commit {n}")).unwrap();
        fs::write(src.join(format!("file-{:02}", n % 20)), format!("content {n}").repeat(100)).unwrap();
        assert!(env.up(&src, "docs").unwrap().commit.is_some());
    }
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

    let ids = |ctx: &ops::Ctx<'_>| -> Vec<String> {
        ops::log(ctx, &env.remote(), 1000).unwrap().into_iter().map(|entry| entry.id).collect()
    };
    assert_eq!(ids(&env.ctx_at("cold0")).len(), 42);
    assert_eq!(ids(&env.ctx_at("cold-again")), ids(&env.ctx()), "all machines see the same log");
}
