//! The verbs that list, in rclone's formats, of a vault and of this machine alike.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use serde_json::Value;

use crate::support::age;
use crate::support::cli::{Cli, Machine};
use crate::support::rclone::Rclone;

/// The same tree here and in a vault.
fn twice() -> (Cli, Machine, PathBuf) {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let src = cli.path("src");
    fs::create_dir_all(src.join("a/b")).unwrap();
    fs::create_dir_all(src.join(".h")).unwrap();
    fs::create_dir(src.join("e")).unwrap();
    fs::write(src.join("f1"), "hi\n").unwrap();
    fs::write(src.join("a/big"), vec![7; 3_000_000]).unwrap();
    fs::write(src.join("a/b/x.txt"), "x\n").unwrap();
    fs::write(src.join(".h/hid"), "h\n").unwrap();
    symlink("f1", src.join("lnk")).unwrap();
    fs::set_permissions(src.join("f1"), fs::Permissions::from_mode(0o640)).unwrap();
    age(&src);
    machine.ok(["sync", src.to_str().unwrap(), "v:t"]);
    (cli, machine, src)
}

/// What a verb says of either tree, which has to be the same.
fn both(machine: &Machine, src: &std::path::Path, args: &[&str]) -> String {
    let here = machine.ok(args.iter().copied().chain([src.to_str().unwrap()]));
    let there = machine.ok(args.iter().copied().chain(["v:t"]));
    assert_eq!(here.text(), there.text(), "{args:?}");
    there.text()
}

#[test]
fn lsl_and_lsd() {
    let (_cli, machine, src) = twice();
    let text = both(&machine, &src, &["lsl"]);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].starts_with("        2 2020-09-13 12:2") && lines[0].ends_with(".123456789 .h/hid"), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("  3000000 2020-09-13") && line.ends_with(" a/big")), "{text}");
    let text = both(&machine, &src, &["lsd"]);
    assert_eq!(text.lines().count(), 3);
    assert!(text.starts_with("          -1 2020-09-13 12:2") && text.contains("        -1 .h\n"), "{text}");
    assert_eq!(both(&machine, &src, &["lsd", "-R"]).lines().count(), 4);
    assert_eq!(both(&machine, &src, &["lsl", "--include", "*.txt"]).lines().count(), 1);
    machine.run(["lsl", "v:nope"]).fails(3, &["does not exist"]);
    machine.run(["lsd", "nope"]).fails(3, &["no directory"]);
    assert_eq!(machine.ok(["lsd", "v:t/f1"]).text(), "");
}

#[test]
fn lsjson() {
    let (_cli, machine, src) = twice();
    let rows: Vec<Value> = serde_json::from_str(&both(&machine, &src, &["lsjson", "-R"])).unwrap();
    assert_eq!(rows.len(), 9);
    let row = |path: &str| rows.iter().find(|row| row["Path"] == path).unwrap();
    assert_eq!(row("a")["Size"], -1);
    assert_eq!(row("a")["MimeType"], "inode/directory");
    assert_eq!((&row("a/b/x.txt")["Name"], &row("a/b/x.txt")["IsDir"]), (&"x.txt".into(), &false.into()));
    assert_eq!(row("a/b/x.txt")["MimeType"], "text/plain; charset=utf-8");
    assert!(row("f1")["ModTime"].as_str().unwrap().ends_with(".123456789Z"));
    assert_eq!(row("lnk")["LinkTarget"], "f1");
    let text = both(&machine, &src, &["lsjson", "--files-only", "--no-modtime", "--no-mimetype"]);
    assert!(
        text.starts_with("[\n{\"Path\":\"f1\",\"Name\":\"f1\",\"Size\":3,\"ModTime\":\"\",\"IsDir\":false},\n"),
        "{text}"
    );
    let text = both(&machine, &src, &["lsjson", "--dirs-only", "-R", "-M"]);
    assert_eq!(text.lines().count(), 6);
    assert!(text.contains("\"Metadata\":{\"mode\":\"40755\",\"mtime\":"), "{text}");
    let one: Value = serde_json::from_str(&machine.ok(["lsjson", "--stat", "v:t/f1"]).text()).unwrap();
    assert_eq!((&one["Path"], &one["Size"]), (&"f1".into(), &3.into()));
    let root: Value = serde_json::from_str(&machine.ok(["lsjson", "--stat", "v:"]).text()).unwrap();
    assert_eq!((&root["Path"], &root["Size"], &root["IsDir"]), (&"".into(), &(-1).into(), &true.into()));
    machine.run(["lsjson", "v:nope"]).fails(3, &["does not exist"]);
    machine.run(["lsjson", "--stat", "v:nope"]).fails(4, &["does not exist"]);
    assert_eq!(machine.ok(["lsjson", "v:t/e"]).text(), "[\n]\n");
}

#[test]
fn tree_is_drawn_depth_first() {
    let (_cli, machine, src) = twice();
    let expected =
        "/\n├── a\n│   ├── b\n│   │   └── x.txt\n│   └── big\n├── e\n├── f1\n└── lnk -> f1\n\n3 directories, 4 files\n";
    assert_eq!(both(&machine, &src, &["tree"]), expected);
    let all = both(&machine, &src, &["tree", "-a"]);
    assert!(all.starts_with("/\n├── .h\n│   └── hid\n├── a\n") && all.ends_with("4 directories, 5 files\n"), "{all}");
    assert_eq!(both(&machine, &src, &["tree", "-d"]), "/\n├── a\n│   └── b\n└── e\n\n3 directories\n");
    let text = both(&machine, &src, &["tree", "--level", "1", "--noreport", "--noindent"]);
    assert_eq!(text, "/\na\ne\nf1\nlnk -> f1\n");
    let text = both(&machine, &src, &["tree", "--full-path", "-s", "--include", "x.txt"]);
    assert!(text.contains("│   └── /a/b\n") && text.contains("└── [          2]  /a/b/x.txt\n"), "{text}");
    machine.run(["tree", "v:nope"]).fails(3, &["does not exist"]);
    machine.run(["tree", "v:t/f1"]).fails(3, &["not a directory"]);
    machine.run(["tree", "nope"]).fails(3, &["no directory"]);
}

#[test]
fn size_stat_and_du() {
    let (_cli, machine, src) = twice();
    assert_eq!(both(&machine, &src, &["size"]), "Total objects: 4\nTotal size: 2.861 MiB (3000007 Byte)\n");
    assert_eq!(both(&machine, &src, &["size", "--json"]), "{\"count\":4,\"bytes\":3000007,\"sizeless\":0}\n");
    assert_eq!(machine.ok(["size", "v:t/f1"]).text(), "Total objects: 1\nTotal size: 3 B (3 Byte)\n");
    machine.run(["size", "v:nope"]).fails(3, &[]);

    let stat = |path: &str| -> Value { serde_json::from_str(&machine.ok(["stat", "--json", path]).text()).unwrap() };
    let big = stat("v:t/a/big");
    assert_eq!((&big["kind"], &big["size"], &big["mode"]), (&"file".into(), &3_000_000.into(), &"0644".into()));
    assert!(big["chunks"].as_u64().unwrap() >= 1 && big["content_id"].is_string(), "{big}");
    assert_eq!(stat("v:t/f1")["chunks"], 0, "small content is in the entry");
    assert_eq!((&stat("v:t/a")["entries_below"], &stat("v:t/a")["bytes_below"]), (&3.into(), &3_000_002.into()));
    assert_eq!(stat("v:")["entries_below"], 10);
    assert_eq!(stat("v:t/lnk")["link_target"], "f1");
    assert_eq!(stat(src.join("f1").to_str().unwrap())["mode"], "0640");
    let text = machine.ok(["stat", "v:t/a"]).text();
    assert!(text.contains("kind:      directory") && text.contains("below:     3 entries, 2.86 MiB"), "{text}");
    machine.run(["stat", "v:nope"]).fails(4, &["does not exist"]);

    let du = |args: &[&str]| machine.ok(["du", "-b"].iter().chain(args)).text();
    let rows = |text: &str| -> Vec<Vec<String>> {
        text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    };
    assert_eq!(
        rows(&du(&["v:t"])),
        [["2", "1", ".h"], ["3000002", "3", "a"], ["0", "0", "e"], ["3000007", "9", "."]].map(|row| row.to_vec())
    );
    assert_eq!(rows(&du(&["v:t", "--depth", "0"])), [["3000007", "9", "."]].map(|row| row.to_vec()));
    let deep = rows(&du(&["v:", "-d", "9"]));
    assert_eq!(deep.iter().map(|row| row[2].as_str()).collect::<Vec<_>>(), ["t/.h", "t/a/b", "t/a", "t/e", "t", "."]);
    machine.run(["du", "v:t/f1"]).fails(1, &["not a directory"]);
    machine.run(["du", "v:nope"]).fails(3, &["does not exist"]);
    machine.run(["du", "x"]).fails(2, &["du(1)"]);
}

#[test]
fn listings_are_what_rclone_prints() {
    let Some(rclone) = Rclone::find() else { return };
    let (_cli, machine, src) = twice();
    fs::remove_file(src.join("lnk")).unwrap();
    machine.ok(["sync", src.to_str().unwrap(), "v:t"]);
    let sorted = |text: String| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    for args in [&["ls"][..], &["lsl"]] {
        let theirs = rclone.run(args.iter().copied().chain([src.to_str().unwrap()]));
        assert_eq!(sorted(both(&machine, &src, args)), sorted(theirs.text()), "{args:?}: {}", theirs.stderr);
    }
}
