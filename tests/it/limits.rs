//! Rates, retries and time limits, through the program. Times are only ever asserted from below: a loaded machine is slow.

use std::fs;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptsync::class::Class;
use cryptsync::ops::{self, Ctx, EngineOptions, Network, Place, Shaper};
use cryptsync_backends::services::Memory;
use cryptsync_backends::testing::{FaultPlan, Faulty, Recorder};

use super::support::TestEnv;
use super::support::cli::{Cli, noise};

#[test]
fn what_goes_up_and_down_is_paced() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    fs::create_dir(machine.home.join("src")).unwrap();
    fs::write(machine.home.join("src/a"), noise(1, 300 << 10)).unwrap();
    let timed = |args: &[&str]| {
        let start = Instant::now();
        machine.ok(args);
        start.elapsed()
    };
    assert!(timed(&["copy", "src", "v:", "--bwlimit", "100"]) > Duration::from_millis(2500));
    let start = Instant::now();
    cli.fresh("other").ok(["copy", "v:", "all", "--bwlimit", "off:100k"]);
    assert!(start.elapsed() > Duration::from_millis(2500));
    let table = "00:00,200k:1 23:59,200k:1";
    fs::write(machine.home.join("src/b"), noise(2, 300 << 10)).unwrap();
    assert!(timed(&["copy", "src", "v:", "--bwlimit", table]) > Duration::from_millis(1200));
    fs::write(machine.home.join("src/c"), noise(3, 300 << 10)).unwrap();
    assert!(timed(&["copy", "src", "v:", "--limit-upload", "200"]) > Duration::from_millis(1200));
    fs::write(machine.home.join("src/d"), noise(4, 300 << 10)).unwrap();
    assert!(timed(&["copy", "src", "v:", "--bwlimit-file=200K"]) > Duration::from_millis(1200));
    assert!(timed(&["lsf", "v:", "--tpslimit", "1", "--cache-dir", "cold"]) > Duration::from_millis(900));
    assert_eq!(fs::read(cli.path("other/all/a")).unwrap(), noise(1, 300 << 10));
}

#[test]
fn a_signal_lifts_the_limit() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    fs::create_dir(machine.home.join("src")).unwrap();
    fs::write(machine.home.join("src/a"), noise(1, 600 << 10)).unwrap();
    let mut command = machine.command(["copy", "src", "v:", "--bwlimit", "1k"]);
    let start = Instant::now();
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(1500)); // signals are handled by then, or the run ends by this one
    let signal = |signal| rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
    signal(rustix::process::Signal::USR2);
    let output = loop {
        if child.try_wait().unwrap().is_some() {
            break child.wait_with_output().unwrap();
        }
        assert!(start.elapsed() < Duration::from_secs(300), "at 1 KiB/s it takes ten minutes");
        std::thread::sleep(Duration::from_millis(50));
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("the limit of --bwlimit is lifted"), "{said}");
}

#[test]
fn a_run_that_fails_in_passing_is_tried_again() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    fs::create_dir(machine.home.join("src")).unwrap();
    fs::write(machine.home.join("src/a"), noise(1, 20 << 20)).unwrap();
    let hasty = ["--timeout", "1ms", "--low-level-retries", "1"];
    let failed = machine.run([&["copy", "src", "v:", "--retries", "2"][..], &hasty].concat());
    failed.fails(5, &["attempt 1/2 failed: ", "timed out", "no answer within 1ms", "hint: run the command again"]);
    assert!(!failed.stderr.contains("attempt 2/2"), "the last one is the error: {}", failed.stderr);
    let start = Instant::now();
    let failed = machine.run([&["copy", "src", "v:", "--retries=2", "--retries-sleep=1500ms"][..], &hasty].concat());
    failed.fails(5, &["attempt 1/2 failed: "]);
    assert!(start.elapsed() > Duration::from_millis(1500));
    let once = machine.run([&["copy", "src", "v:", "--retries", "1"][..], &hasty].concat());
    once.fails(5, &["timed out"]);
    assert!(!once.stderr.contains("attempt"), "{}", once.stderr);
    machine.ok(["copy", "src", "v:", "--timeout", "0"]);
}

#[test]
fn a_remote_that_hangs_is_given_up() {
    let mut env = TestEnv::with_vault();
    let store = Arc::new(Memory::new());
    env.custom = Some(Arc::clone(&store) as _);
    env.init().unwrap();
    let slow = Arc::new(Faulty::over(store, FaultPlan::seeded(1).delay(Duration::from_secs(3600))));
    let recorder = Arc::new(Recorder::over(slow));
    env.custom = Some(Arc::clone(&recorder) as _);
    let network = Network {
        shaper: Arc::new(Shaper::new(Default::default, None)),
        timeout: Some(Duration::from_millis(50)),
        connect_timeout: None,
        attempts: 3,
    };
    let ctx = env.ctx();
    let ctx = Ctx { engine: EngineOptions { network, ..ctx.engine }, ..ctx };
    let options = env.options(env.place(""), Place::Local(env.path("out")), false);
    let error = ops::sync(&ctx, &options).unwrap_err();
    assert_eq!(error.class, Class::Temporary, "{error:?}");
    assert!(error.chain.join(": ").contains("timed out"), "{error:?}");
    assert_eq!(recorder.calls().len(), 3);
}

#[test]
fn flags_that_have_nothing_to_tune_are_taken() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    fs::create_dir(machine.home.join("src")).unwrap();
    fs::write(machine.home.join("src/a"), b"a").unwrap();
    let line = "copy src v: --fast-list --use-mmap --buffer-size 32M --multi-thread-streams=8 --multi-thread-cutoff off \
                --use-server-modtime --max-backlog 100000 --contimeout 10s --no-check-dest --multi-thread-chunk-size 64Mi";
    machine.ok(line.split_whitespace());
    assert_eq!(machine.var("CRYPTSYNC_BUFFER_SIZE", "16M").ok(["ls", "v:"]).text(), "        1 a\n");
}

#[test]
fn malformed_limits_are_refused() {
    let cli = Cli::new();
    let machine = cli.machine("home");
    for (args, words) in [
        (&["--bwlimit", "fast"][..], &["--bwlimit", "`fast` is not a rate", "10M:1M"][..]),
        (&["--bwlimit", "08:00,10M 9:00,off"], &["`9:00,off` is not a slot of a timetable"]),
        (&["--bwlimit-file", "Fun-08:00,1M"], &["`Fun-08:00,1M` is not a slot"]),
        (&["--bwlimit", "1M", "--limit-upload", "5"], &["cannot be used with"]),
        (&["--tpslimit=-1"], &["--tpslimit", "not a number of requests"]),
        (&["--tpslimit=nan"], &["not a number of requests"]),
        (&["--timeout", "soon"], &["`soon` is not a duration"]),
        (&["--retries", "many"], &["--retries"]),
        (&["--retries-sleep", "x"], &["not a duration"]),
        (&["--buffer-size", "big"], &["--buffer-size", "`big` is not a size"]),
        (&["--multi-thread-streams", "x"], &["--multi-thread-streams"]),
        (&["--fast-list=yes"], &["--fast-list"]),
    ] {
        machine.run([&["ls", "."][..], args].concat()).fails(2, words);
    }
    machine
        .clone()
        .var("CRYPTSYNC_BWLIMIT", "fast")
        .run(["ls", "."])
        .fails(2, &["`fast` is not a rate", "CRYPTSYNC_BWLIMIT"]);
}
