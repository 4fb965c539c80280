//! `restore` and `undo`: what was there is there again, and nothing of later work is lost.

use std::fs;

use crate::support::cli::{Cli, Machine, Output};

fn run(machine: &Machine, args: &str) -> Output {
    machine.run(args.split(' '))
}

#[track_caller]
fn ok(machine: &Machine, args: &str) -> Output {
    let output = run(machine, args);
    assert_eq!(output.code, 0, "{args}: {}", output.stderr);
    output
}

fn newest(machine: &Machine) -> String {
    let log: serde_json::Value = serde_json::from_str(&ok(machine, "log --json v:").text()).unwrap();
    log[0]["id"].as_str().unwrap().to_owned()
}

/// Makes `tree` hold exactly these files, and the vault what the tree holds.
fn state(cli: &Cli, machine: &Machine, files: &[(&str, &str)]) -> String {
    let tree = cli.path(&format!("tree-{}", machine.home.file_name().unwrap().to_str().unwrap()));
    fs::remove_dir_all(&tree).unwrap_or_default();
    fs::create_dir_all(&tree).unwrap();
    for (name, content) in files {
        fs::create_dir_all(tree.join(name).parent().unwrap()).unwrap();
        fs::write(tree.join(name), content).unwrap();
    }
    ok(machine, &format!("sync -c --force {} v:", tree.to_str().unwrap()));
    newest(machine)
}

/// Paths and contents of all files.
fn files(machine: &Machine) -> Vec<(String, String)> {
    let names = ok(machine, "lsf -R --files-only v:").text();
    let mut found: Vec<(String, String)> =
        names.lines().map(|name| (name.to_owned(), machine.ok(["cat", &format!("v:{name}")]).text())).collect();
    found.sort();
    found
}

fn owned(files: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = files.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    all.sort();
    all
}

/// Larger than what stands in an entry, and than one chunk.
fn large(seed: u8) -> String {
    let mut state = u64::from(seed) + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + (state >> 33) as u8 % 26)
    };
    (0..1_500_000).map(|_| next()).collect()
}

#[test]
fn restore_brings_back_what_was_there() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let (big, text) = (large(1), "text ".repeat(300));
    let first = state(&cli, &machine, &[("a.txt", "a1"), ("docs/big", &big), ("docs/sub/t", &text), ("docs/k", "k")]);
    state(&cli, &machine, &[("a.txt", "a2"), ("docs/k", "k2"), ("docs/new", "new")]);

    run(&machine, "restore v:a.txt").fails(2, &["nothing says to which moment", "--at"]);
    run(&machine, &format!("restore v:nothing --at {first}")).fails(3, &["`v:nothing` was not there after commit"]);
    let asked = run(&machine, &format!("restore v:docs --at {first}"));
    asked.fails(7, &["write over 1 entries that have changed since", "nothing was done", "--force"]);
    let would = ok(&machine, &format!("restore -n v:docs --at {first}"));
    assert!(would.stderr.contains("would be"), "{}", would.stderr);
    assert_eq!(files(&machine), owned(&[("a.txt", "a2"), ("docs/k", "k2"), ("docs/new", "new")]), "nothing was done");

    // A file that is gone, with the directory that it was in: nothing to ask.
    ok(&machine, &format!("restore v:docs/sub/t --at {first}"));
    let now = [("a.txt", "a2"), ("docs/k", "k2"), ("docs/new", "new"), ("docs/sub/t", &*text)];
    assert_eq!(files(&machine), owned(&now));
    // A directory: what came later stays.
    let done = ok(&machine, &format!("restore --force v:docs --at {first}"));
    assert!(done.stderr.contains("as it was after commit"), "{}", done.stderr);
    let now = [("a.txt", "a2"), ("docs/k", "k"), ("docs/new", "new"), ("docs/sub/t", &*text), ("docs/big", &*big)];
    assert_eq!(files(&machine), owned(&now));
    assert!(ok(&machine, &format!("restore v:docs --at {first}")).stderr.contains("nothing to do"));
    // All, and what came later goes.
    ok(&machine, &format!("restore --force --delete v: --at {first}"));
    assert_eq!(ok(&machine, &format!("diff v: {first}")).text(), "");
    assert_eq!(ok(&machine, "log --limit 1 v:").text().split_whitespace().last(), Some("/"));
    assert_eq!(run(&machine, "verify --read-data v:").code, 0);
    // Another machine sees it, without help.
    let other = cli.fresh("other");
    assert_eq!(other.ok(["cat", "v:docs/big"]).text(), big);
}

#[test]
fn restore_to_another_place() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let first = state(&cli, &machine, &[("a.txt", "a1"), ("docs/k", "k")]);
    state(&cli, &machine, &[("a.txt", "a2")]);
    let dir = cli.path("there");
    let there = dir.to_str().unwrap();
    ok(&machine, &format!("restore v: --at {first} --to {there}"));
    assert_eq!(fs::read_to_string(dir.join("docs/k")).unwrap(), "k");
    fs::write(dir.join("a.txt"), "work").unwrap();
    run(&machine, &format!("restore v: --at {first} --to {there}")).fails(7, &["is not empty", "--force"]);
    assert_eq!(fs::read_to_string(dir.join("a.txt")).unwrap(), "work");
    ok(&machine, &format!("restore v:docs --at {first} --to v:old"));
    assert_eq!(files(&machine), owned(&[("a.txt", "a2"), ("old/k", "k")]));
}

#[test]
fn undo_takes_back_and_can_be_taken_back() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let big = large(2);
    let before = [("a.txt", "a1"), ("b.txt", "b1"), ("docs/big", &*big), ("docs/k", "k")];
    let first = state(&cli, &machine, &before);
    let after = [("a.txt", "a2"), ("c.txt", "c")];
    let second = state(&cli, &machine, &after);
    let would = ok(&machine, "undo -n v:");
    assert!(would.stderr.contains(&second[..10]) && would.stderr.contains("would"), "{}", would.stderr);
    assert_eq!(newest(&machine), second);
    ok(&machine, "undo v:");
    assert_eq!(files(&machine), owned(&before));
    assert_eq!(ok(&machine, &format!("diff --metadata v: {first}")).text(), "");
    assert!(ok(&machine, "log --limit 1 v:").text().contains(&format!("undo {}", &second[..10])));
    ok(&machine, "undo v:");
    assert_eq!(files(&machine), owned(&after), "an undo can be undone");
    assert_eq!(run(&machine, "verify --read-data v:").code, 0);

    run(&machine, "undo v: zzzzzz").fails(2, &["there is no commit `zzzzzz`"]);
    run(&machine, "undo v: yesterday").fails(2, &["is a time, and no commit"]);
    let list = ok(&machine, "undo --list v:").text();
    assert_eq!(list.lines().filter(|line| line.contains("(here)  can be undone")).count(), 4, "{list}");
    let other = cli.fresh("other");
    run(&other, "undo v:").fails(2, &["this machine has changed nothing in `v:`"]);
}

#[test]
fn undo_keeps_what_came_later() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    state(&cli, &machine, &[("edited", "1"), ("gone", "g"), ("moved-on", "1"), ("later-deleted", "l")]);
    let wrong = state(&cli, &machine, &[("edited", "2"), ("moved-on", "2"), ("added", "+"), ("later-deleted", "l")]);
    state(&cli, &machine, &[("edited", "2"), ("moved-on", "3"), ("added", "+"), ("new", "n")]);
    let undone = run(&machine, &format!("undo v: {wrong}"));
    assert_eq!(undone.code, 0, "{}", undone.stderr);
    let mut found = files(&machine);
    let copy = found.iter().position(|(name, _)| name.starts_with("moved-on.conflict-")).expect("both versions stay");
    assert_eq!(found.remove(copy).1, "1", "what was there before the commit");
    let expected = [("edited", "1"), ("gone", "g"), ("moved-on", "3"), ("new", "n")];
    assert_eq!(found, owned(&expected), "what came later stays, as do deletions of others");

    // Of somebody else, by name.
    let other = cli.fresh("other");
    let theirs = newest(&machine);
    ok(&other, &format!("undo v: {theirs}"));
    assert!(files(&other).iter().any(|(name, content)| name == "added" && content == "+"));
    assert!(files(&other).iter().any(|(name, content)| name == "moved-on" && content == "3"));
    // The first of all is undone like any other, after asking: it takes away all that nobody has touched since.
    let log: serde_json::Value = serde_json::from_str(&ok(&machine, "log --json v:").text()).unwrap();
    let first = log.as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
    ok(&machine, &format!("undo v: {first}"));
    assert!(files(&machine).iter().any(|(name, _)| name == "new"));
}

#[test]
fn what_is_gone_is_named_and_nothing_is_changed() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let big = large(3);
    let first = state(&cli, &machine, &[("a.txt", "a1"), ("big", &big)]);
    let packs: Vec<_> = crate::support::cli::files(&machine.root.join("data"));
    assert!(!packs.is_empty());
    state(&cli, &machine, &[("a.txt", "a2")]);
    packs.iter().for_each(|pack| fs::remove_file(machine.root.join("data").join(pack)).unwrap());
    let last = newest(&machine);
    run(&machine, "undo v:").fails(24, &["the content of `big` is not in the vault any more", "nothing was changed"]);
    run(&machine, &format!("restore v:big --at {first}")).fails(24, &["`big`", "nothing was changed"]);
    assert_eq!(newest(&machine), last);
    assert_eq!(files(&machine), owned(&[("a.txt", "a2")]));
    ok(&machine, &format!("restore --force v:a.txt --at {first}"));
    assert_eq!(files(&machine), owned(&[("a.txt", "a1")]));
}
