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
    let text = machine.ok(["lsjson", "--dirs-only", "-R", "-M", "v:t"]).text();
    assert_eq!(text.lines().count(), 6);
    assert!(text.contains("\"Metadata\":{\"mode\":\"40755\",\"mtime\":"), "{text}");
    let text = machine.ok(["lsjson", "-M", src.to_str().unwrap()]).text();
    assert!(text.contains("\"Metadata\":{\"gid\":\"") && text.contains("\"uid\":\""), "{text}");
    let one: Value = serde_json::from_str(&machine.ok(["lsjson", "--stat", "v:t/f1"]).text()).unwrap();
    assert_eq!((&one["Path"], &one["Size"]), (&"f1".into(), &3.into()));
    let root: Value = serde_json::from_str(&machine.ok(["lsjson", "--stat", "v:"]).text()).unwrap();
    assert_eq!((&root["Path"], &root["Size"], &root["IsDir"]), (&"".into(), &(-1).into(), &true.into()));
    machine.run(["lsjson", "v:nope"]).fails(3, &["does not exist"]);
    machine.run(["lsjson", "--stat", "v:nope"]).fails(3, &["does not exist"]);
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
    assert!(
        text.contains("│   └── [          2]  /a/b\n") && text.contains("└── [          2]  /a/b/x.txt\n"),
        "{text}"
    );
    machine.run(["tree", "v:nope"]).fails(3, &["does not exist"]);
    assert_eq!(machine.ok(["tree", "v:t/f1"]).text(), "/\n└── f1\n\n0 directories, 1 files\n");
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

/// What rclone prints in the same order or in another.
const AS_RCLONE: &[&[&str]] = &[
    &["ls"],
    &["lsl"],
    &["lsd"],
    &["lsd", "-R"],
    &["lsf"],
    &["lsf", "-R", "--format", "pst"],
    &["lsf", "-R", "--csv", "--format", "tps"],
    &["lsf", "-R", "--csv", "--separator", ";", "--format", "ps", "--files-only"],
    &["lsf", "-R", "--absolute"],
    &["lsf", "-R", "--dir-slash=false"],
    &["lsf", "-R", "--dirs-only"],
    &["lsf", "-R", "--format", "ph", "--files-only"],
    &["lsf", "-R", "--format", "hp", "--hash", "sha1", "--separator", " | "],
    &["lsf", "-R", "--format", "pm"],
    &["lsf", "-R", "--format", "ioTp"],
    &["lsf", "-R", "--format", "pt", "--time-format", "RFC3339"],
    &["lsf", "-R", "--format", "tp", "--time-format", "Mon Jan _2 03:04PM .000000 2006 -0700"],
    &["lsf", "-R", "--format", "tp", "--time-format", "max"],
    &["lsf", "-R", "--format", "tp", "--time-format", "unixnano"],
    &["lsf", "--max-depth", "2"],
    &["size"],
    &["tree"],
    &["tree", "-a"],
    &["tree", "-d", "--noreport"],
    &["tree", "--full-path", "--noreport"],
    &["tree", "--noindent", "-Q"],
    &["tree", "-D"],
    &["tree", "--dirsfirst"],
    &["tree", "--sort-reverse"],
    &["tree", "-t"],
    &["tree", "--sort", "version"],
    &["tree", "--level", "1"],
    &["tree", "--max-depth", "2"],
];

#[test]
fn listings_are_what_rclone_prints() {
    let Some(rclone) = Rclone::find() else { return };
    let (_cli, machine, src) = twice();
    fs::write(src.join("a/q,\"x;y 10.txt"), "q").unwrap();
    fs::write(src.join("a/q,\"x;y 9.txt"), "q").unwrap();
    age(&src);
    machine.ok(["sync", src.to_str().unwrap(), "v:t"]);
    let sorted = |text: String| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    for args in AS_RCLONE {
        let theirs = rclone.run(args.iter().copied().chain([src.to_str().unwrap()]));
        assert_eq!(theirs.code, 0, "{args:?}: {}", theirs.stderr);
        // Directories of this machine have a size for rclone, those of other places have none.
        let theirs =
            if args[0] == "lsd" { theirs.text().replace("        4096 ", "          -1 ") } else { theirs.text() };
        let args = [args, &["--rclone-compat"][..]].concat();
        let ours = both(&machine, &src, &args);
        if args[0] == "tree" && !args.contains(&"--level") {
            assert_eq!(ours, theirs, "{args:?}");
        } else if args[0] != "tree" {
            assert_eq!(sorted(ours), sorted(theirs), "{args:?}");
        }
    }
    let rows = |text: &str| -> Vec<Value> {
        let mut rows: Vec<Value> = serde_json::from_str(text).unwrap();
        rows.sort_by_key(|row| row["Path"].to_string());
        rows
    };
    for args in [
        &["lsjson", "-R", "--files-only"][..],
        &["lsjson", "--files-only", "--hash", "--hash-type", "md5", "--hash-type", "sha256"],
    ] {
        let theirs = rclone.run(args.iter().copied().chain([src.to_str().unwrap()])).text();
        assert_eq!(rows(&both(&machine, &src, &[args, &["--rclone-compat"]].concat())), rows(&theirs), "{args:?}");
    }
    for verb in ["ls", "lsl", "lsd", "lsf", "lsjson", "tree", "size"] {
        let code = rclone.run([verb, "/no/such/place"]).code;
        machine.run([verb, "v:no/such/place"]).fails(code, &["does not exist"]);
        machine.run([verb, "/no/such/place"]).fails(code, &[]);
        let file = src.join("f1");
        let (theirs, ours) = (rclone.run([verb, file.to_str().unwrap()]), machine.run([verb, "v:t/f1"]));
        assert_eq!((ours.code, ours.text()), (theirs.code, theirs.text()), "{verb}");
    }
}

#[test]
fn trees_of_many_kinds() {
    let (cli, machine, src) = twice();
    let tree = |args: &[&str]| both(&machine, &src, &[&["tree", "--noindent", "--noreport"], args].concat());
    assert_eq!(tree(&["-p"]).lines().nth(6).unwrap(), "[-rw-r-----]  f1");
    assert_eq!(tree(&["-spQ"]).lines().nth(6).unwrap(), "[-rw-r-----           3]  \"f1\"");
    assert_eq!(
        tree(&["--sort", "size", "--level", "1"]),
        "/\nf1\nlnk -> f1\na\ne\n".replace("f1\nlnk -> f1", "lnk -> f1\nf1")
    );
    assert_eq!(tree(&["-r", "--level", "1"]), "/\nlnk -> f1\nf1\ne\na\n");
    assert_eq!(tree(&["--dirsfirst", "-r", "--level", "1"]), "/\ne\na\nlnk -> f1\nf1\n");
    assert!(!tree(&["--rclone-compat"]).contains("lnk"), "links are left out");
    let out = cli.path("out");
    assert_eq!(machine.ok(["tree", "v:t", "-o", out.to_str().unwrap()]).text(), "");
    assert!(fs::read_to_string(out).unwrap().ends_with("3 directories, 4 files\n"));
    machine.run(["tree", "v:t", "-o", "no/such/file"]).fails(2, &["--output: cannot write no/such/file"]);
    machine.run(["tree", "v:t", "--sort", "color"]).fails(2, &["color", "mtime"]);
}

#[test]
fn bad_formats_are_named() {
    let (_cli, machine, _) = twice();
    machine.run(["lsf", "v:t", "--format", "pz"]).fails(2, &["no field `z`", "p (path)"]);
    machine.run(["lsf", "v:t", "--format", "h", "--hash", "md4"]).fails(2, &["`md4` is not the name of a hash"]);
    machine.run(["lsf", "v:t", "--dir-slash=maybe"]).fails(2, &["maybe", "--dir-slash"]);
    machine.run(["lsjson", "v:t", "--encrypted"]).fails(2, &["--encrypted", "no encrypted names"]);
}

#[test]
fn empty_directories_go_and_others_stay() {
    let (_cli, machine, src) = twice();
    fs::create_dir_all(src.join("e/1/2")).unwrap();
    fs::create_dir_all(src.join("a/b/none")).unwrap();
    machine.ok(["sync", src.to_str().unwrap(), "v:t"]);
    let dirs = || machine.ok(["lsf", "-R", "--dirs-only", "v:"]).text().replace('\n', " ");
    machine.ok(["rmdirs", "v:t", "--dry-run"]).says(&["t/a/b/none", "t/e"]);
    assert_eq!(dirs(), "t/ t/.h/ t/a/ t/e/ t/a/b/ t/a/b/none/ t/e/1/ t/e/1/2/ ");
    machine.ok(["rmdirs", "v:t", "--exclude", "none/**", "--leave-root"]);
    assert_eq!(dirs(), "t/ t/.h/ t/a/ t/a/b/ t/a/b/none/ ");
    machine.ok(["rmdirs", "v:t"]);
    assert_eq!(dirs(), "t/ t/.h/ t/a/ t/a/b/ ");
    machine.ok(["mkdir", "v:one/two"]);
    machine.ok(["rmdirs", "v:one", "--leave-root"]);
    assert!(dirs().starts_with("one/ t/ "));
    machine.ok(["rmdirs", "v:one"]);
    assert!(dirs().starts_with("t/ "));
    machine.run(["rmdirs", "v:one"]).fails(3, &["does not exist"]);
    machine.run(["rmdirs", "v:t/f1"]).fails(1, &["not a directory"]);
    machine.run(["rmdirs", "here"]).fails(2, &["find(1)"]);
    machine.run(["rmdir", "v:t/a"]).fails(1, &["not empty"]);
    machine.run(["rmdir", "v:one"]).fails(3, &[]);
    machine.run(["purge", "v:one"]).fails(3, &[]);
    machine.run(["delete", "v:one"]).fails(3, &[]);
    // Filters have no say in what is purged.
    machine.ok(["purge", "v:t", "--force"]);
    assert_eq!(machine.ok(["lsf", "v:"]).text(), "");
    machine.ok(["rmdirs", "v:"]);
}
