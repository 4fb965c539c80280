//! `diff`: two commits of a vault, or one and what is there now.

use std::fs;
use std::path::Path;

use crate::support::cli::{Cli, Machine};

fn write(tree: &Path, name: &str, text: &str) {
    let path = tree.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The id of the newest commit.
fn newest(machine: &Machine) -> String {
    let log: serde_json::Value = serde_json::from_str(&machine.ok(["log", "--json", "v:"]).text()).unwrap();
    log[0]["id"].as_str().unwrap().to_owned()
}

fn lines(machine: &Machine, args: &[&str]) -> Vec<String> {
    machine.ok([&["diff"][..], args].concat()).text().lines().map(str::to_owned).collect()
}

/// Two states of a tree, and their commits.
fn prepared(cli: &Cli) -> (Machine, String, String) {
    let machine = cli.machine("home");
    let tree = cli.path("tree");
    let long = "a text that is long enough to be no coincidence ".repeat(30);
    for (name, text) in [
        ("a.txt", "one"),
        ("docs/gone.txt", "gone"),
        ("docs/kept.txt", "kept"),
        ("old/name.txt", &long),
        ("kind", "file"),
    ] {
        write(&tree, name, text);
    }
    let source = tree.to_str().unwrap();
    machine.ok(["sync", source, "v:"]);
    let first = newest(&machine);
    write(&tree, "a.txt", "two, and longer");
    write(&tree, "new/x.txt", "new");
    fs::remove_file(tree.join("docs/gone.txt")).unwrap();
    fs::rename(tree.join("old/name.txt"), tree.join("docs/name.txt")).unwrap();
    fs::remove_dir(tree.join("old")).unwrap();
    fs::remove_file(tree.join("kind")).unwrap();
    std::os::unix::fs::symlink("a.txt", tree.join("kind")).unwrap();
    machine.ok(["sync", "--force", source, "v:"]);
    let second = newest(&machine);
    (machine, first, second)
}

#[test]
fn tells_what_differs() {
    let cli = Cli::with_vault();
    let (machine, first, second) = prepared(&cli);
    let expected = [
        "M    a.txt",
        "T    kind",
        "+    new/",
        "-    old/",
        "-    docs/gone.txt",
        "R    old/name.txt -> docs/name.txt",
        "+    new/x.txt",
    ];
    assert_eq!(lines(&machine, &["v:", &first, &second]), expected);
    assert_eq!(lines(&machine, &["v:", &first[..6]]), expected, "now is the second state");
    assert_eq!(lines(&machine, &["v:", &second]), [""; 0]);
    let back = lines(&machine, &["v:", "now", &first]);
    assert!(back.contains(&"+    docs/gone.txt".to_owned()) && back.contains(&"-    new/".to_owned()), "{back:?}");
    assert!(back.contains(&"R    docs/name.txt -> old/name.txt".to_owned()), "{back:?}");
    assert_eq!(lines(&machine, &["v:docs", &first]), ["-    gone.txt", "+    name.txt"], "within a directory");
    let with_metadata = lines(&machine, &["--metadata", "v:", &first]);
    assert!(with_metadata.contains(&"U    docs/".to_owned()), "{with_metadata:?}");
}

#[test]
fn counts_and_json() {
    let cli = Cli::with_vault();
    let (machine, first, second) = prepared(&cli);
    let stat = machine.ok(["diff", "--stat", "v:", &first]).text();
    assert!(stat.contains("1 new, 1 removed, 2 changed, 1 renamed"), "{stat}");
    assert!(stat.contains(&first) && stat.contains("now"), "{stat}");
    let stat: serde_json::Value =
        serde_json::from_str(&machine.ok(["diff", "--stat", "--json", "v:", &first, &second]).text()).unwrap();
    assert_eq!((&stat["added"], &stat["dirs_removed"], &stat["new"]), (&1.into(), &1.into(), &second.clone().into()));
    let changes: serde_json::Value =
        serde_json::from_str(&machine.ok(["diff", "--json", "v:", &first]).text()).unwrap();
    let renamed = changes.as_array().unwrap().iter().find(|change| change["modifier"] == "R").unwrap();
    assert_eq!((&renamed["from"], &renamed["path"]), (&"old/name.txt".into(), &"docs/name.txt".into()));
}

#[test]
fn commits_that_were_folded_are_compared_too() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    machine.ok(["touch", "v:first.txt"]);
    let first = newest(&machine);
    for at in 0..70 {
        machine.ok(["touch", &format!("v:f{at:02}.txt")]);
    }
    let found = lines(&machine, &["v:", &first]);
    assert_eq!((found.len(), found[0].as_str()), (70, "+    f00.txt"));
    assert_eq!(lines(&cli.fresh("other"), &["v:", &first[..8], "now"]).len(), 70);
}

#[test]
fn wrong_input() {
    let cli = Cli::with_vault();
    let (machine, first, _) = prepared(&cli);
    machine.run(["diff", "v:"]).fails(2, &["<FROM>"]);
    machine.run(["diff", "v:", "zz"]).fails(2, &["zz", "cryptsync log"]);
    machine.run(["diff", "v:", "zzzzzzzz"]).fails(2, &["zzzzzzzz"]);
    machine.run(["diff", "v:", &first.replace(|_| true, "a")]).fails(2, &["there is no commit"]);
    machine.run(["diff", "v:nowhere", &first]).fails(3, &["v:nowhere"]);
    machine.run(["diff", "/tmp", &first]).fails(2, &["/tmp", "cryptsync check"]);
}
