//! Runs that end before they have done everything, and the order in which files are taken until then.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cryptsync::ops::{self, Cutoff, Order, OrderBy, OrderFrom, Place, Stopped, SyncOptions, TransferRules};
use cryptsync::world::{Clock, Timestamp, World};

use crate::compare::{Bench, Direction, write};
use crate::support::TestEnv;
use crate::support::cli::{Cli, files, noise};

const ALL: &[Direction] = &[Direction::Up, Direction::Down, Direction::Within];
/// rclone takes one file after the other only when it is told to.
const ONE: [&str; 2] = ["--transfers=1", "--checkers=1"];

/// Four files that grow while they get older, and one that only the destination has.
fn growing(source: &Path, dest: &Path) {
    for n in 1..=4 {
        write(&source.join(format!("f{n}")), &"x".repeat(n as usize * 1000), 100 - n);
    }
    write(&dest.join("gone"), "gone", 10);
}

#[test]
fn a_run_ends_when_enough_is_transferred() {
    let Some(mut bench) = Bench::new() else { return };
    for (most, mode) in [
        ("0", "HARD"),
        ("0", "SOFT"),
        ("0", "cautious"),
        ("3500B", "HARD"),
        ("3500B", "SOFT"),
        ("3500B", "cautious"),
        ("3000B", "hard"),
        ("3000B", "soft"),
        ("3000B", "cautious"),
        ("10000B", "HARD"),
        ("10000B", "CAUTIOUS"),
        ("20K", "SOFT"),
        ("off", "HARD"),
    ] {
        let args = ["sync", "SRC", "DST", "--max-transfer", most, "--cutoff-mode", mode, "--order-by=name"];
        bench.agrees(ALL, &growing, &[&args[..], &ONE[..]].concat());
    }
}

#[test]
fn the_order_decides_what_is_transferred_first() {
    let Some(mut bench) = Bench::new() else { return };
    let orders = ["size", "size,descending", "name,desc", "modtime", "modtime,desc", "SIZE,ASC", "size,mixed,100"];
    for order in orders {
        let args = ["copy", "SRC", "DST", "--max-transfer", "4500B", "--order-by", order];
        bench.agrees(ALL, &growing, &[&args[..], &ONE[..]].concat());
    }
}

#[test]
fn what_was_done_counts_and_the_next_run_goes_on() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let (src, dst) = (cli.path("src"), cli.path("dst"));
    for n in 0..6 {
        write(&src.join(format!("dir/f{n}")), &"x".repeat(2000), n);
    }
    let (from, to) = (src.to_str().unwrap(), dst.to_str().unwrap());
    let some = ["--max-transfer", "5000B"];
    let mut rounds = 0;
    loop {
        let done = machine.run([&["sync", from, "v:a"][..], &some].concat());
        rounds += 1;
        if done.code == 0 {
            break;
        }
        done.fails(8, &["--max-transfer", "run it again"]);
        assert_eq!(machine.ok(["lsf", "v:a/dir"]).text().lines().count(), 2 * rounds);
    }
    assert_eq!(rounds, 3);
    // Downwards, and back: what was not given to the directory is not missed there.
    machine.run([&["sync", "v:a", to][..], &some].concat()).fails(8, &["--max-transfer"]);
    assert_eq!(files(&dst).len(), 2);
    let back = machine.run(["sync", to, "v:a"]);
    back.says(&["nothing is deleted"]);
    assert_eq!(machine.ok(["lsf", "v:a/dir"]).text().lines().count(), 6);
    // What was not moved stays.
    machine.run([&["move", "v:a", "v:b"][..], &some].concat()).fails(8, &[]);
    assert_eq!(machine.ok(["lsf", "v:a/dir"]).text(), "f2\nf3\nf4\nf5\n");
    machine.run([&["move", from, "v:c"][..], &some].concat()).fails(8, &[]);
    assert_eq!(files(&src).len(), 4);
    machine.ok(["move", from, "v:c"]);
    assert_eq!((files(&src).len(), machine.ok(["lsf", "v:c/dir"]).text().lines().count()), (0, 6));
}

#[test]
fn nothing_is_deleted_by_a_run_that_ended_early() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let (src, dst) = (cli.path("src"), cli.path("dst"));
    growing(&src, &dst);
    let (from, to) = (src.to_str().unwrap(), dst.to_str().unwrap());
    machine.ok(["copy", to, "v:a"]);
    machine.run(["sync", from, "v:a", "--max-transfer=1500B"]).fails(8, &["nothing is deleted"]);
    assert_eq!(machine.ok(["lsf", "v:a"]).text(), "f1\ngone\n");
    let seen = machine.run(["sync", from, "v:a", "--max-transfer=2500B", "-n"]);
    assert_eq!(seen.code, 0, "{}", seen.stderr);
    seen.says(&["f2", "--max-transfer"]);
    machine.run(["sync", from, "v:a", "--max-duration", "1ns"]).fails(10, &["--max-duration"]);
    assert_eq!(machine.ok(["lsf", "v:a"]).text(), "f1\ngone\n");
    machine.ok(["sync", from, "v:a", "--max-duration", "1h", "--check-first"]);
    assert_eq!(machine.ok(["lsf", "v:a"]).text(), "f1\nf2\nf3\nf4\n");
}

#[test]
fn bad_values_are_shown_with_what_is_meant() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    fs::create_dir(cli.path("src")).unwrap();
    for (flag, value, words) in [
        ("--max-transfer", "much", &["--max-transfer", "much"][..]),
        ("--max-duration", "long", &["--max-duration", "long"]),
        ("--cutoff-mode", "firm", &["firm", "hard", "soft", "cautious"]),
        ("--order-by", "colour", &["--order-by", "colour", "size, name and modtime"]),
        ("--order-by", "size,up", &["up", "ascending, descending and mixed"]),
        ("--order-by", "size,mixed,101", &["0 to 100"]),
        ("--order-by", "size,desc,3", &[",3"]),
        ("--combined", "/nowhere/list", &["/nowhere/list"]),
        ("--dest-after", "/nowhere/list", &["/nowhere/list"]),
    ] {
        let refused = machine.run(["copy", cli.path("src").to_str().unwrap(), "v:new", flag, value]);
        refused.fails(2, words);
        assert_eq!(refused.stderr.lines().filter(|line| line.starts_with("error:")).count(), 1, "{}", refused.stderr);
    }
    machine.run(["lsf", "v:new"]).fails(3, &[]);
}

/// Every look at it takes a millisecond.
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        let millis = self.0.fetch_add(1, Ordering::Relaxed);
        Timestamp { secs: 1_900_000_000 + millis / 1000, nanos: (millis % 1000) as u32 * 1_000_000 }
    }
}

/// A run in which `millis` looks at the clock are allowed.
fn run_for(env: &TestEnv, source: &Place, dest: &Place, millis: u64, cutoff: Cutoff) -> Option<Stopped> {
    let clock = Arc::new(Ticking(AtomicI64::new(0)));
    let ctx = ops::Ctx { world: World { clock, ..World::system() }, ..env.ctx() };
    let rules = TransferRules { max_duration: Some(Duration::from_millis(millis)), cutoff, ..TransferRules::default() };
    let options = env.options(source.clone(), dest.clone(), true);
    match ops::sync(&ctx, &SyncOptions { rules, ..options }) {
        Ok(report) => {
            assert_eq!(report.failed, 0);
            report.stopped
        }
        Err(error) => {
            assert_eq!(error.class.code(), 10, "{error:?}");
            Some(Stopped::MaxDuration)
        }
    }
}

#[test]
fn a_run_ends_in_the_middle_when_its_time_is_up() {
    let env = TestEnv::with_vault();
    let (src, dst) = (env.path("src"), env.path("dst"));
    fs::create_dir_all(&src).unwrap();
    for n in 0..40 {
        fs::write(src.join(format!("{n:02}")), noise(n, 3000)).unwrap();
    }
    fs::write(src.join("99 large"), noise(99, 9 << 20)).unwrap();
    let (local, vault, down) = (Place::Local(src.clone()), env.place("a"), Place::Local(dst.clone()));
    for (from, to) in [(&local, &vault), (&vault, &down)] {
        let mut stopped = BTreeSet::new();
        for (round, cutoff) in [Cutoff::Hard, Cutoff::Soft, Cutoff::Cautious].into_iter().cycle().take(400).enumerate()
        {
            let end = run_for(&env, from, to, 60 + 15 * round as u64, cutoff);
            if end.is_none() {
                break;
            }
            assert_eq!(end, Some(Stopped::MaxDuration));
            stopped.insert(if dst.exists() { files(&dst).len() } else { 0 });
        }
        assert!(!stopped.is_empty(), "the first run had too much time");
        assert_eq!(run_for(&env, from, to, 1 << 40, Cutoff::Hard), None);
    }
    assert_eq!(crate::support::cli::contents(&src), crate::support::cli::contents(&dst));
}

#[test]
fn an_upload_in_any_order_makes_the_same_tree() {
    let env = TestEnv::with_vault();
    let src = env.path("src");
    for n in 0..60u64 {
        let path = src.join(format!("{}/{}", n % 7, n));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, noise(n, (n * 7919 % 50) as usize * 100)).unwrap();
    }
    fs::write(src.join("large"), noise(5, 5 << 20)).unwrap();
    for (n, (by, from)) in [
        (OrderBy::Size, OrderFrom::Descending),
        (OrderBy::Name, OrderFrom::Descending),
        (OrderBy::ModTime, OrderFrom::Ascending),
        (OrderBy::Size, OrderFrom::Mixed(30)),
    ]
    .into_iter()
    .enumerate()
    {
        let rules = TransferRules { order: Some(Order { by, from }), ..TransferRules::default() };
        let (up, down) = (env.place(&format!("v{n}")), env.path(&format!("dst{n}")));
        let options = env.options(Place::Local(src.clone()), up.clone(), true);
        ops::sync(&env.ctx(), &SyncOptions { rules: rules.clone(), ..options }).unwrap();
        let options = env.options(up, Place::Local(down.clone()), true);
        ops::sync(&env.ctx(), &SyncOptions { rules, ..options }).unwrap();
        assert_eq!(crate::support::cli::contents(&src), crate::support::cli::contents(&down), "{by:?} {from:?}");
    }
}
