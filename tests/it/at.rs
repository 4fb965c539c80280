//! `--at`: what a vault was, for every verb that reads.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use cryptsync::ops::{self, ListOptions, Moment, Place, RemoteProfile};
use cryptsync::path::TreePath;
use cryptsync::world::Timestamp;

use crate::long_log::{FixedClock, commits_at, ids, recorded, requests};
use crate::support::TestEnv;
use crate::support::cli::{Cli, Machine, Output};

/// A vault with three states of one tree; the ids of their commits, the oldest first.
fn prepared(cli: &Cli) -> (Machine, Vec<String>) {
    let machine = cli.machine("home");
    let tree = cli.path("tree");
    fs::create_dir_all(tree.join("docs")).unwrap();
    let mut ids = Vec::new();
    for (n, name) in ["one", "two", "three"].into_iter().enumerate() {
        fs::write(tree.join("same.txt"), format!("{name}\n")).unwrap();
        fs::write(tree.join("docs").join(format!("{name}.txt")), name.repeat(n + 1)).unwrap();
        if n == 2 {
            fs::remove_file(tree.join("docs/one.txt")).unwrap();
        }
        machine.ok(["sync", tree.to_str().unwrap(), "v:"]);
        ids.push(newest(&machine));
    }
    (machine, ids)
}

fn newest(machine: &Machine) -> String {
    let log: serde_json::Value = serde_json::from_str(&machine.ok(["log", "--json", "v:"]).text()).unwrap();
    log[0]["id"].as_str().unwrap().to_owned()
}

fn run(machine: &Machine, args: &str) -> Output {
    machine.run(args.split(' '))
}

fn text(machine: &Machine, args: &str) -> String {
    let output = run(machine, args);
    assert_eq!(output.code, 0, "{args}: {}", output.stderr);
    output.text()
}

#[test]
fn every_reading_verb_shows_what_was_there() {
    let cli = Cli::with_vault();
    let (machine, ids) = prepared(&cli);
    let first = &ids[0][..10];
    for (args, expected) in [
        ("lsf v:docs", "one.txt\n"),
        ("lsf -R v:", "docs/\nsame.txt\ndocs/one.txt\n"),
        ("ls v:docs", "        3 one.txt\n"),
        ("cat v:same.txt", "one\n"),
        ("find v: *.txt", "same.txt\ndocs/one.txt\n"),
        ("md5sum v:docs", "f97c5d29941bfb1b2fdab0874906ab82  one.txt\n"),
    ] {
        assert_eq!(text(&machine, &format!("{args} --at {first}")), expected, "{args}");
        assert_ne!(text(&machine, args), expected, "now: {args}");
    }
    for args in ["lsl v:docs", "lsjson v:docs", "tree v:", "stat --json v:docs/one.txt"] {
        let then = text(&machine, &format!("{args} --at {first}"));
        assert!(then.contains("one.txt") && !then.contains("two.txt"), "{args}: {then}");
    }
    assert!(text(&machine, "lsd v: --at now").contains("docs"));
    let size: serde_json::Value =
        serde_json::from_str(&text(&machine, &format!("size --json v: --at {first}"))).unwrap();
    assert_eq!((&size["count"], &size["bytes"]), (&2.into(), &7.into()));
    let du: serde_json::Value =
        serde_json::from_str(&text(&machine, &format!("du --json v:docs --at {first}"))).unwrap();
    assert_eq!(du[0]["bytes"], 3);
    let verified = run(&machine, &format!("verify v: --read-data --at {first}"));
    assert_eq!(verified.code, 0, "{}", verified.stderr);

    let said = run(&machine, &format!("lsf v:docs --at {first}")).stderr;
    assert!(
        said.contains(&format!("`v:` as it was after commit {first} of ")) && said.contains("by home (sync "),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(text(&machine, &format!("cat v:same.txt --at {}~1", ids[2])), "two\n");
    assert_eq!(text(&machine, &format!("cat v:same.txt --at {}~2", &ids[2][..6])), "one\n");
    run(&machine, &format!("lsf v:docs/two.txt --at {first}")).fails(3, &["docs/two.txt"]);
}

#[test]
fn the_source_of_a_transfer_is_what_was_there() {
    let cli = Cli::with_vault();
    let (machine, ids) = prepared(&cli);
    let (first, old) = (&ids[0], cli.path("old"));
    let old = old.to_str().unwrap();
    text(&machine, &format!("copy v: {old} --at {first}"));
    assert_eq!(fs::read_to_string(Path::new(old).join("same.txt")).unwrap(), "one\n");
    assert!(!Path::new(old).join("docs/two.txt").exists());
    assert_eq!(run(&machine, &format!("check v: {old} --at {first}")).code, 0);
    assert_eq!(run(&machine, &format!("check {old} v: --at {first}")).code, 0);
    assert_eq!(run(&machine, &format!("check v: {old}")).code, 1, "now it is another");
    text(&machine, &format!("sync v: {old} --at {}", ids[1]));
    assert_eq!(fs::read_to_string(Path::new(old).join("docs/two.txt")).unwrap(), "twotwo");

    // Inside the vault, too: what was there is there again, under another name.
    text(&machine, &format!("copy v: v:before --at {first}"));
    assert_eq!(text(&machine, "cat v:before/docs/one.txt v:before/same.txt"), "oneone\n");
    assert_eq!(text(&machine, "cat v:same.txt"), "three\n", "and nothing else has changed");
    text(&machine, &format!("copyto v:docs/one.txt v:docs/one.txt --at {first}"));
    assert_eq!(text(&machine, "cat v:docs/one.txt"), "one");
    assert_eq!(run(&machine, "verify v: --read-data").code, 0);

    run(&machine, &format!("copy {old} v: --at {first}")).fails(2, &["on this machine, which keeps no history"]);
    for args in ["move v:docs v:d", "rm v:same.txt", "mkdir v:x", "delete v:", "log v:", "status v:", "mv v:docs v:x"] {
        run(&machine, &format!("{args} --at {first}")).fails(2, &["takes no --at"]);
    }
    run(&machine, "lsf /tmp --at 2d").fails(2, &["on this machine, which keeps no history"]);
}

#[test]
fn moments() {
    let cli = Cli::with_vault();
    let (machine, ids) = prepared(&cli);
    let first = &ids[0];
    run(&machine, "lsf v: --at 2h").fails(3, &["`v:` had no commits at", "the first is of"]);
    run(&machine, "lsf v: --at 2099-01-01").fails(2, &["has not come yet"]);
    run(&machine, "lsf v: --at 2026-13-01").fails(2, &["--at: `2026-13-01`", "no such date"]);
    run(&machine, "lsf v: --at zzzzzz").fails(2, &["there is no commit `zzzzzz`", "`cryptsync log v:` lists commits"]);
    run(&machine, "lsf v: --at abc").fails(2, &["there is no commit `abc`", "at least four"]);
    run(&machine, &format!("lsf v: --at {first}~1")).fails(3, &["is the first"]);
    let berlin = machine.clone().var("TZ", "Europe/Berlin");
    berlin.run(["lsf", "v:", "--at", "2025-10-26 02:30"]).fails(2, &["two such local times", "+02`"]);
    berlin.run(["lsf", "v:", "--at", "2025-03-30 02:30"]).fails(2, &["no such local time"]);

    let other = Cli::with_vault();
    run(&other.machine("home"), "lsf v: --at 1s").fails(3, &["`v:` has no commits"]);
    assert_eq!(run(&machine, "cat v:same.txt --at 0s ago").code, 2, "two arguments");
    assert_eq!(machine.ok(["cat", "v:same.txt", "--at", "0 seconds ago"]).text(), "three\n");
}

/// The names and sizes below `docs` at a moment, as a machine sees them.
fn listed(env: &TestEnv, home: &str, at: Option<Moment>) -> Vec<String> {
    let mut ctx = env.ctx_at(home);
    ctx.world.clock = Arc::new(FixedClock(Timestamp { secs: START + 60 * 1000, nanos: 0 }));
    let place = Place::Vault(RemoteProfile { at, ..env.remote() }, TreePath::from_user(b"docs").unwrap());
    let options = ListOptions { place, recursive: true, filter: Default::default(), links: Default::default() };
    let mut rows = Vec::new();
    ops::list(&ctx, &options, &mut |row| {
        rows.push(format!("{} {}", row.path, row.size));
        Ok(())
    })
    .unwrap();
    rows
}

const START: i64 = 1_800_000_000;

#[test]
fn any_commit_costs_as_little_as_the_newest() {
    let (env, recorder) = recorded();
    commits_at(&env, "home", START, 0, 150);
    let all = ids(&env.ctx(), &env);
    listed(&env, "home", Some(Moment::Time(Timestamp { secs: START, nanos: 0 })));
    recorder.take();
    listed(&env, "home", None);
    let newest = requests(&recorder).len();
    listed(&env, "cold", None);
    let newest_cold = requests(&recorder).len();
    for (at, n) in [(0, 149), (10, 139), (70, 79), (100, 49), (149, 0)] {
        let moment = Moment::Commit { name: all[at].clone(), back: 0 };
        let then = listed(&env, "home", Some(moment.clone()));
        assert_eq!(then.len(), (n + 1).min(20) + 1, "{then:?}");
        assert!(then.contains(&format!("counter {}", format!("commit {n}").len())), "{then:?}");
        let warm = requests(&recorder);
        assert_eq!(warm.len(), newest, "{warm:#?}");
        assert_eq!(listed(&env, &format!("cold{at}"), Some(moment)), then);
        // Its commit, a page of the log's history, and two segments of the index for what lay in its bundle.
        let cold = requests(&recorder);
        assert!(cold.len() <= newest_cold + 4, "{newest_cold} for the newest: {cold:#?}");
        let time = Timestamp { secs: START + n as i64 * 60 + 30, nanos: 0 };
        assert_eq!(listed(&env, "home", Some(Moment::Time(time))), then, "the same by its time");
        assert_eq!(requests(&recorder).len(), newest);
    }
}
