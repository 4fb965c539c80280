//! What is kept of a history: policies, pins, tags and commits forgotten by hand, through the command line.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::cli::{Cli, Machine, files};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Makes commits, one for each of `names`, each with a file of its own.
fn commits(cli: &Cli, machine: &Machine, names: &[&str]) -> Vec<String> {
    let files = cli.path("files");
    fs::create_dir_all(&files).unwrap();
    let mut ids = Vec::new();
    for name in names {
        let file = files.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, name).unwrap();
        machine.ok(["copy", text(&files), "v:"]);
        ids.push(log(machine)[0]["id"].as_str().unwrap().to_owned());
    }
    ids
}

fn json(machine: &Machine, args: &[&str]) -> Value {
    serde_json::from_str(&machine.ok(args).text()).unwrap()
}

fn log(machine: &Machine) -> Vec<Value> {
    json(machine, &["log", "v:", "--json"]).as_array().unwrap().clone()
}

/// Ids of what is kept and forgotten, newest first.
fn judged(report: &Value) -> (Vec<String>, Vec<String>) {
    let ids = |name: &str| {
        report[name].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    (ids("keep"), ids("forget"))
}

fn forgotten(machine: &Machine) -> Vec<String> {
    judged(&json(machine, &["forget", "v:", "--json"])).1
}

fn device(cli: &Cli, name: &str, role: &str) -> Machine {
    let machine = cli.fresh(name);
    machine.ok(["device", "add", "v:", "--device-name", name, "--role", role]);
    machine.without("CRYPTSYNC_PASSWORD")
}

#[test]
fn a_policy_is_stated_shown_and_taken_back() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    let ids = commits(&cli, &home, &["a", "b", "docs/c", "d", "e"]);
    assert_eq!(
        home.ok(["policy", "show", "v:"]).text(),
        "--keep-within 30d --keep-within-daily 1y --keep-monthly unlimited\n"
    );
    assert!(forgotten(&home).is_empty(), "all are of the last 30 days");
    let before = log(&home).len();
    let tried = json(&home, &["policy", "set", "v:", "--keep-last", "2", "--dry-run", "--json"]);
    assert_eq!(
        judged(&tried),
        (vec![ids[4].clone(), ids[3].clone()], [&ids[2], &ids[1], &ids[0]].map(Clone::clone).to_vec())
    );
    assert!(forgotten(&home).is_empty() && log(&home).len() == before, "a dry run says nothing");
    home.ok(["policy", "set", "v:", "-l", "2", "--zone", "+05:30"]).says(&["no space is freed", "garbage collection"]);
    assert_eq!(home.ok(["policy", "show", "v:"]).text(), "--keep-last 2\n--zone +05:30\n");
    assert_eq!(forgotten(&home), [&ids[2], &ids[1], &ids[0]].map(Clone::clone));
    // Everybody else's as well, from nothing but the vault.
    assert_eq!(forgotten(&cli.fresh("other")).len(), 3);
    home.ok(["policy", "set", "v:", "--for-path", "docs/", "--keep-last", "unlimited"]);
    assert_eq!(forgotten(&home), [ids[1].clone(), ids[0].clone()]);
    let table = home.ok(["forget", "v:"]).text();
    let third = table.lines().nth(2).unwrap();
    assert!(third.starts_with("keep") && third.contains("path docs: last"), "{table}");
    home.ok(["policy", "reset", "v:", "--for-path", "docs"]);
    assert_eq!(forgotten(&home).len(), 3);
    home.ok(["policy", "set", "v:", "--keep-all"]);
    assert!(forgotten(&home).is_empty());
    home.ok(["policy", "reset", "v:"]);
    assert!(home.ok(["policy", "show", "v:"]).text().starts_with("--keep-within 30d"));
}

#[test]
fn pins_and_tags_name_and_keep_commits() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    let ids = commits(&cli, &home, &["a", "b", "c", "d"]);
    home.ok(["policy", "set", "v:", "--keep-last", "1", "--keep-tag", "release"]);
    home.ok(["pin", "v:", &ids[0][..8], "start"]);
    home.ok(["tag", "v:", &ids[1], "--add", "release,v2"]);
    assert_eq!(forgotten(&home), [ids[2].clone()]);
    let other = cli.fresh("other");
    assert_eq!(json(&other, &["pin", "v:", "--json"])[0]["names"], serde_json::json!(["start"]));
    assert_eq!(json(&other, &["tag", "v:", "--json"])[0]["names"], serde_json::json!(["release", "v2"]));
    home.run(["forget", "v:", "start"]).fails(2, &["can't be forgotten: pinned as start", "unpin"]);
    home.ok(["tag", "v:", "v2", "--remove", "release"]);
    home.ok(["unpin", "v:", "start"]);
    assert_eq!(forgotten(&home), [&ids[2], &ids[1], &ids[0]].map(Clone::clone));
    assert_eq!(home.ok(["pin", "v:"]).text(), "");
    home.ok(["pin", "v:", "latest"]);
    assert_eq!(json(&home, &["pin", "v:", "--json"])[0]["id"], ids[3], "statements are no commits to name");
}

#[test]
fn commits_are_forgotten_by_hand_and_that_is_taken_back() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    let ids = commits(&cli, &home, &["a", "b", "c"]);
    home.ok(["forget", "--dry-run", "v:", &ids[0]]).says(&["nothing was changed"]);
    assert!(forgotten(&home).is_empty());
    home.ok(["forget", "v:", &ids[0], &ids[1][..9]]).says(&["to be forgotten, by commit", "garbage collection"]);
    assert_eq!(forgotten(&cli.fresh("other")), [ids[1].clone(), ids[0].clone()]);
    assert!(home.ok(["forget", "v:"]).text().contains("by hand"));
    home.ok(["forget", "--undo", "v:", &ids[1]]);
    assert_eq!(forgotten(&home), [ids[0].clone()]);
    home.run(["forget", "--undo", "v:", &ids[1]]).fails(2, &["nobody has said to forget"]);
    home.run(["forget", "v:", &ids[2]]).fails(2, &["can't be forgotten: head"]);
}

/// A writer's key, stolen or not, gives names and takes nothing: policy, pins and commits stay what an admin has said.
#[test]
fn b09_a_writer_cannot_forget() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    let ids = commits(&cli, &home, &["a", "b", "c"]);
    let writer = device(&cli, "writer", "writer");
    home.ok(["pin", "v:", &ids[0], "start"]);
    for args in [
        &["forget", "v:", &ids[1]][..],
        &["policy", "set", "v:", "--keep-last", "1"],
        &["policy", "reset", "v:"],
        &["unpin", "v:", "start"],
    ] {
        writer.run(args).fails(23, &["no admin's"]);
    }
    writer.ok(["pin", "v:", &ids[1], "mine"]);
    writer.ok(["tag", "v:", &ids[2], "--add", "mine2"]);
    writer.run(["unpin", "v:", "mine"]).fails(23, &["no admin's"]);
    home.ok(["policy", "set", "v:", "--keep-tag", "none", "--keep-last", "1"]);
    let (kept, gone) = judged(&json(&home, &["forget", "v:", "--json"]));
    assert_eq!((kept, gone.len()), ([&ids[2], &ids[1], &ids[0]].map(Clone::clone).to_vec(), 0));
    home.ok(["unpin", "v:", "mine"]);
    assert_eq!(forgotten(&writer), [ids[1].clone()]);
}

/// What is stated outlives checkpoints, summaries and heads side by side.
#[test]
fn statements_outlive_checkpoints() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    let ids = commits(&cli, &home, &["a", "b"]);
    home.ok(["pin", "v:", &ids[0], "start"]);
    home.ok(["policy", "set", "v:", "--keep-last", "3"]);
    for n in 0..66 {
        fs::write(cli.path("files/n"), n.to_string()).unwrap();
        home.ok(["copy", text(&cli.path("files")), "v:"]);
    }
    let other = cli.fresh("other");
    let (kept, gone) = judged(&json(&other, &["forget", "v:", "--json"]));
    let newest: Vec<_> = log(&other).iter().take(3).map(|commit| commit["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((&kept[..3], &kept[3..]), (&newest[..], &ids[..1]));
    assert_eq!(gone.len(), 64);
    let folded = fs::read_dir(cli.path("vault/meta")).unwrap().count();
    assert!(folded > 0, "nothing was folded");
    assert_eq!(other.ok(["policy", "show", "v:"]).text(), "--keep-last 3\n");
    assert_eq!(other.ok(["cat", "v:n"]).text(), "65");
}

#[test]
fn what_cannot_be_meant() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    home.run(["pin", "v:", "latest"]).fails(2, &["there is no commit yet"]);
    let ids = commits(&cli, &home, &["a", "b"]);
    let before = fs::read_dir(cli.path("vault/log")).unwrap().count();
    for (args, words) in [
        (&["policy", "set", "v:"][..], &["nothing is said about what to keep", "--keep-within"][..]),
        (&["policy", "set", "v:", "--keep-daily", "x"], &["`x` is not a number of commits"]),
        (&["policy", "set", "v:", "--keep-within", "5w"], &["`5w` is not a length of time"]),
        (&["policy", "set", "v:", "--zone", "Mars", "--keep-last", "1"], &["`Mars` is no offset"]),
        (&["policy", "set", "v:", "--keep-tag", "nothing-has-it"], &["would keep no commit"]),
        (&["policy", "set", "v:", "--for-path", "a/../b", "--keep-last", "1"], &["--for-path"]),
        (&["policy", "reset", "v:", "--for-tag", "t"], &["no rule for tag t"]),
        (&["pin", "v:", "nosuchcommit"], &["there is no commit whose id begins with `nosuchcommit`"]),
        (&["pin", "v:", &ids[0][..3]], &["too short"]),
        (&["pin", "v:", &ids[0], "a name"], &["`a name` can't be the name of a commit"]),
        (&["unpin", "v:", &ids[0]], &["has no pin"]),
        (&["tag", "v:", &ids[0]], &["neither --add nor --remove"]),
        (&["tag", "v:", &ids[0], "--remove", "t"], &["has no tag `t`"]),
        (&["forget", "v:", "--undo"], &["<COMMITS>"]),
        (&["forget", "v:", "nosuch"], &["there is no commit"]),
    ] {
        home.run(args).fails(2, words);
    }
    home.ok(["pin", "v:", &ids[0], "twice"]);
    home.ok(["pin", "v:", &ids[1], "twice"]);
    home.run(["pin", "v:", "twice"]).fails(2, &["2 commits are called `twice`"]);
    assert_eq!(fs::read_dir(cli.path("vault/log")).unwrap().count(), before + 2);
}

/// What a vault takes up, what it is, and what its provider sees: the last without any key.
#[test]
fn what_a_vault_costs_and_shows() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    commits(&cli, &home, &["secret-name-1", "secret-name-2", "secret-name-3"]);
    home.ok(["pin", "v:", "latest"]);
    home.ok(["policy", "set", "v:", "--keep-last", "1"]);
    let usage = json(&home, &["du", "--vault", "v:", "--json"]);
    assert_eq!((&usage["entries"], &usage["bytes"], &usage["commits_forgotten"]), (&3.into(), &39.into(), &2.into()));
    let on_disk: u64 =
        files(&cli.path("vault")).iter().map(|file| cli.path("vault").join(file).metadata().unwrap().len()).sum();
    assert_eq!(usage["stored"], on_disk);
    assert!(home.ok(["du", "--vault", "v:"]).text().contains("2 to be forgotten"));
    home.run(["du", "--vault", "v:", "--depth", "2"]).fails(2, &["--depth"]);
    let status = json(&home, &["status", "v:", "--json"]);
    assert_eq!(
        (&status["policy"][0], &status["pinned"], &status["bytes"]),
        (&"--keep-last 1".into(), &1.into(), &39.into())
    );
    // Nothing that opens the vault is at hand, and nothing is asked.
    let provider = cli.machine("provider").without("CRYPTSYNC_PASSWORD");
    let seen = json(&provider, &["leaks", "v:", "--json"]);
    assert_eq!((&seen["writers_at_least"], &seen["epoch"], &seen["slots"]), (&1.into(), &1.into(), &8.into()));
    assert_eq!(seen["passwords"][0]["kib"], 64 << 10);
    assert_eq!(
        seen["classes"].as_array().unwrap().iter().map(|class| class["bytes"].as_u64().unwrap()).sum::<u64>(),
        on_disk
    );
    let text = provider.ok(["leaks", "v:"]).text();
    assert!(text.contains("writers: at least 1") && !text.contains("secret-name") && !text.contains("home"), "{text}");
    provider.clone().at(&cli.path("nowhere")).run(["leaks", "v:"]).fails(29, &["there is no vault"]);
}

/// The brake stands before everything that can destroy most of a tree.
#[test]
fn the_brake_before_every_verb_that_deletes() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    let files = cli.path("files");
    fs::create_dir_all(files.join("d")).unwrap();
    for n in 0..30 {
        fs::write(files.join(format!("d/{n}")), n.to_string()).unwrap();
    }
    home.ok(["copy", text(&files), "v:"]);
    let before = log(&home).len();
    for args in [&["purge", "v:d"][..], &["delete", "v:"], &["delete", "v:d", "--include", "*"]] {
        home.run(args).fails(7, &["nothing was done", "--force"]);
    }
    let (empty, dest) = (cli.path("empty"), cli.path("dest"));
    fs::create_dir(&empty).unwrap();
    home.run(["sync", text(&empty), "v:"]).fails(7, &["the source is empty", "--force"]);
    home.ok(["copy", "v:", text(&dest)]);
    home.run(["sync", "v:none", text(&dest)]).fails(3, &["none"]);
    home.ok(["mkdir", "v:none"]);
    home.run(["sync", "v:none", text(&dest)]).fails(7, &["the source is empty", "--force"]);
    assert_eq!(fs::read_dir(dest.join("d")).unwrap().count(), 30);
    assert_eq!(log(&home).len(), before + 1, "nothing but the new directory");
    home.ok(["purge", "v:d", "--force"]);
}

/// Files that are encrypted under their names, or get another ending, are told of; what was there stays in the vault.
#[test]
fn an_unusual_rewrite_is_told() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    let files = cli.path("files");
    fs::create_dir_all(&files).unwrap();
    let write = |name: &dyn Fn(usize) -> String, content: &str| {
        for n in 0..30 {
            fs::write(files.join(name(n)), format!("{content} {n}")).unwrap();
        }
    };
    let plain = |n: usize| format!("{n}.txt");
    write(&plain, "first");
    let first = home.ok(["sync", text(&files), "v:"]);
    assert!(!first.stderr.contains("malware"), "{}", first.stderr);
    let before = log(&home)[0]["id"].as_str().unwrap()[..10].to_owned();
    write(&plain, "scrambled");
    let told = home.ok(["sync", text(&files), "v:"]);
    told.says(&["30 of 30 entries get new content,", &format!("cryptsync pin v: {before}")]);
    for n in 0..30 {
        fs::remove_file(files.join(plain(n))).unwrap();
    }
    write(&|n| format!("{n}.txt.locked"), "locked");
    let told = home.ok(["sync", text(&files), "v:", "--force"]);
    told.says(&["30 of 30 entries get new content (30 of them with another ending to their name)"]);
    fs::write(files.join("0.txt.locked"), "one").unwrap();
    assert!(!home.ok(["sync", text(&files), "v:"]).stderr.contains("malware"));
}
