//! The verbs that change the tree of a vault without a transfer, through the program.

use std::fs;
use std::path::Path;

use crate::support::cli::{Cli, Machine};

/// A vault with `a/one`, `a/b/two`, `a/b/c/three`, `top` and the empty directory `empty`.
fn with_tree() -> (Cli, Machine) {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let src = cli.path("src");
    fs::create_dir_all(src.join("a/b/c")).unwrap();
    fs::create_dir(src.join("empty")).unwrap();
    for (name, content) in [("a/one", "1"), ("a/b/two", "22"), ("a/b/c/three", "333"), ("top", "4444")] {
        fs::write(src.join(name), content).unwrap();
    }
    machine.ok(["sync", src.to_str().unwrap(), "v:"]);
    (cli, machine)
}

fn list(machine: &Machine) -> Vec<String> {
    let text = machine.ok(["lsf", "-R", "v:"]).text();
    let mut names: Vec<String> = text.lines().map(str::to_owned).collect();
    names.sort();
    names
}

fn commits(machine: &Machine) -> usize {
    machine.ok(["log", "v:", "--limit", "1000"]).text().lines().count()
}

const ALL: [&str; 8] = ["a/", "a/b/", "a/b/c/", "a/b/c/three", "a/b/two", "a/one", "empty/", "top"];

#[test]
fn mkdir_and_rmdir() {
    let (_cli, machine) = with_tree();
    let before = commits(&machine);
    machine.ok(["mkdir", "v:x/y/z", "-n"]).says(&["would make directory: x/y/z", "3 entries would be changed"]);
    assert_eq!(list(&machine), ALL);
    machine.ok(["mkdir", "v:x/y/z"]);
    assert_eq!(commits(&machine), before + 1);
    machine.ok(["mkdir", "v:x/y/z"]).says(&["nothing to do"]);
    machine.ok(["mkdir", "v:"]);
    assert_eq!(commits(&machine), before + 1, "what is there needs no commit");
    assert!(list(&machine).contains(&"x/y/z/".to_owned()));
    machine.run(["mkdir", "v:top"]).fails(1, &["`top` is a file"]);
    machine.run(["mkdir", "v:top/below"]).fails(1, &["`top` is a file"]);
    machine.run(["rmdir", "v:x"]).fails(1, &["`v:x` is not empty", "purge"]);
    machine.run(["rmdir", "v:nowhere"]).fails(3, &["does not exist"]);
    machine.run(["rmdir", "v:top"]).fails(1, &["is not a directory"]);
    machine.run(["rmdir", "v:"]).fails(2, &["the root of the vault"]);
    machine.ok(["rmdir", "v:x/y/z", "--dry-run"]).says(&["would delete: x/y/z"]);
    machine.ok(["rmdir", "v:x/y/z"]);
    machine.ok(["rmdir", "v:x/y"]);
    machine.ok(["rmdir", "v:x"]);
    assert_eq!(list(&machine), ALL);
    machine.ok(["mkdir", "here/and/there"]);
    assert!(machine.home.join("here/and/there").is_dir());
    machine.ok(["rmdir", "here/and/there"]);
    machine.run(["rmdir", "here/and/there"]).fails(3, &["no directory"]);
    machine.run(["rmdir", "here"]).fails(1, &["cannot remove"]);
}

#[test]
fn rm_removes_all_that_is_named_or_nothing() {
    let (_cli, machine) = with_tree();
    let before = commits(&machine);
    machine.run(["rm", "v:top", "v:nowhere"]).fails(4, &["`v:nowhere` does not exist"]);
    machine.run(["rm", "v:top", "v:a"]).fails(4, &["`v:a` is a directory", "rm -r"]);
    machine.run(["rm", "v:"]).fails(2, &["the root of the vault"]);
    machine.run(["rm", "local"]).fails(2, &["is on this machine"]);
    machine.run(["rm"]).fails(2, &[]);
    machine.ok(["rm", "-n", "v:top", "v:a/one"]).says(&["would delete: a/one", "2 entries would be removed"]);
    assert_eq!((list(&machine), commits(&machine)), (ALL.map(str::to_owned).to_vec(), before));
    machine.run(["rm", "-i", "v:top"]).fails(2, &["no terminal"]);
    machine.ok(["rm", "v:top", "v:a/one", "v:top"]);
    assert_eq!(list(&machine), ["a/", "a/b/", "a/b/c/", "a/b/c/three", "a/b/two", "empty/"]);
    assert_eq!(commits(&machine), before + 1, "one commit for all");
    machine.ok(["rm", "-r", "v:a/b/two", "v:a/b", "v:empty", "v:a/b/c"]);
    assert_eq!(list(&machine), ["a/"]);
    assert_eq!(machine.ok(["verify", "v:"]).code, 0);
}

#[test]
fn delete_obeys_filters_and_purge_does_not() {
    let (cli, machine) = with_tree();
    machine.ok(["delete", "v:a", "--include", "t*", "-n"]).says(&["2 entries would be removed"]);
    machine.ok(["delete", "v:a", "--include", "two"]);
    assert_eq!(list(&machine), ["a/", "a/b/", "a/b/c/", "a/b/c/three", "a/one", "empty/", "top"]);
    machine.ok(["delete", "v:a", "--exclude", "one", "--rmdirs"]);
    assert_eq!(list(&machine), ["a/", "a/one", "empty/", "top"], "what still holds something stays, as does the path");
    machine.ok(["delete", "v:a/one"]);
    machine.run(["delete", "v:a/one"]).fails(3, &["does not exist"]);
    machine.ok(["delete", "v:empty", "--rmdirs"]).says(&["nothing to do"]);
    machine.run(["purge", "v:top"]).fails(1, &["is not a directory"]);
    machine.run(["purge", "v:nowhere"]).fails(3, &["does not exist"]);
    machine.ok(["purge", "v:a", "-n"]).says(&["would delete: a"]);
    machine.ok(["purge", "v:a"]);
    assert_eq!(list(&machine), ["empty/", "top"]);
    machine.ok(["purge", "v:"]);
    assert_eq!(list(&machine), [""; 0]);
    machine.ok(["purge", "v:"]).says(&["nothing to do"]);
    // Most of a vault is not removed without a word.
    let many = cli.path("many");
    fs::create_dir(&many).unwrap();
    (0..30).for_each(|n| fs::write(many.join(n.to_string()), "x").unwrap());
    machine.ok(["copy", many.to_str().unwrap(), "v:many"]);
    for args in [&["purge", "v:many"][..], &["rm", "-r", "v:many"], &["delete", "v:many"]] {
        machine.run(args).fails(7, &["of the 31 entries", "--force", "nothing was done"]);
        machine.ok(args.iter().chain(&["-n"])).says(&["without --force"]);
    }
    machine.ok(["rm", "-r", "v:many", "--force"]);
    assert_eq!(list(&machine), [""; 0]);
}

#[test]
fn mv_and_cp_inside_a_vault() {
    let (_cli, machine) = with_tree();
    let before = commits(&machine);
    machine.run(["mv", "v:nowhere", "v:x"]).fails(4, &["`v:nowhere` does not exist"]);
    machine.run(["mv", "v:a", "v:a/b/x"]).fails(1, &["can't go into itself"]);
    machine.run(["cp", "v:a", "v:a/b"]).fails(1, &["can't go into itself"]);
    machine.run(["mv", "v:top", "v:no/where"]).fails(3, &["`v:no` does not exist", "mkdir"]);
    machine.run(["mv", "v:top", "v:top"]).fails(1, &["is there already"]);
    machine.run(["mv", "v:top", "v:"]).fails(1, &["is there already"]);
    machine.run(["mv", "v:a", "v:top"]).fails(1, &["does not replace"]);
    machine.run(["mv", "v:", "v:x"]).fails(2, &["the root of the vault"]);
    machine.run(["mv", "v:top", "x"]).fails(2, &["`cryptsync move`"]);
    machine.run(["cp", "x", "v:top"]).fails(2, &["`cryptsync copy`"]);
    machine.run(["mv", "v:top", "v:a/one/x"]).fails(1, &["`v:a/one` is not a directory"]);
    machine.ok(["mv", "v:a", "v:z", "-n"]).says(&["would move: z", "6 entries would be changed"]);
    assert_eq!((list(&machine), commits(&machine)), (ALL.map(str::to_owned).to_vec(), before));

    machine.ok(["mv", "v:a", "v:z"]);
    let moved = ["empty/", "top", "z/", "z/b/", "z/b/c/", "z/b/c/three", "z/b/two", "z/one"];
    assert_eq!(list(&machine), moved);
    machine.ok(["mv", "v:z", "v:a"]);
    assert_eq!(list(&machine), ALL, "and back, the other way round");
    machine.ok(["mv", "v:a/b", "v:empty"]);
    assert!(list(&machine).contains(&"empty/b/c/three".to_owned()), "into a directory that is there");
    machine.ok(["mv", "v:empty/b", "v:a"]);
    assert_eq!(list(&machine), ALL);

    machine.ok(["cp", "v:a/b", "v:copy"]);
    machine.ok(["cp", "v:top", "v:copy/c/three"]);
    assert_eq!(machine.ok(["cat", "v:copy/c/three"]).text(), "4444", "a file is replaced");
    assert_eq!(machine.ok(["cat", "v:a/b/c/three"]).text(), "333", "the other name keeps what it had");
    machine.run(["cp", "v:copy", "v:a/b"]).ok_as("a/b/copy/", &machine);
    machine.run(["mv", "v:a/b/copy", "v:a/b/c"]).ok_as("a/b/c/copy/two", &machine);
    machine.ok(["mkdir", "v:q/copy"]);
    machine.ok(["mv", "v:copy", "v:q"]);
    assert!(list(&machine).contains(&"q/copy/two".to_owned()), "an empty directory is replaced");
    machine.ok(["mkdir", "v:copy"]);
    machine.ok(["touch", "v:copy/x"]);
    machine.run(["mv", "v:copy", "v:q"]).fails(1, &["only an empty one"]);
    machine.ok(["verify", "v:", "--read-data"]);
}

trait OkAs {
    fn ok_as(self, name: &str, machine: &Machine);
}

impl OkAs for crate::support::cli::Output {
    fn ok_as(self, name: &str, machine: &Machine) {
        assert_eq!(self.code, 0, "{}", self.stderr);
        assert!(list(machine).contains(&name.to_owned()), "{name}");
    }
}

/// However large, what is moved is not read, sent or stored again.
#[test]
fn moving_a_directory_reads_no_content() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let src = cli.path("src");
    fs::create_dir(&src).unwrap();
    fs::write(src.join("large"), crate::support::cli::noise(1, 3 << 20)).unwrap();
    machine.ok(["copy", src.to_str().unwrap(), "v:a"]);
    // Without its packs of data the vault can't give any content.
    fs::rename(machine.root.join("data"), cli.path("data")).unwrap();
    machine.ok(["mv", "v:a", "v:b"]);
    machine.ok(["cp", "v:b", "v:c"]);
    fs::rename(cli.path("data"), machine.root.join("data")).unwrap();
    machine.ok(["verify", "v:", "--read-data"]);
    machine.ok(["check", src.to_str().unwrap(), "v:b"]);
    machine.ok(["check", src.to_str().unwrap(), "v:c"]);
}

#[test]
fn touch_makes_files_and_sets_times() {
    let (_cli, machine) = with_tree();
    let time = |path: &str| machine.ok(["lsf", "-F", "t", path]).text();
    machine.ok(["touch", "v:new/dir/file", "-n"]).says(&["would copy: new/dir/file"]);
    assert_eq!(list(&machine), ALL);
    machine.ok(["touch", "v:new/dir/file", "-t", "2020-01-02T03:04:05"]);
    assert_eq!(time("v:new/dir/file"), "2020-01-02 03:04:05\n");
    assert_eq!(machine.ok(["cat", "v:new/dir/file"]).text(), "");
    machine.ok(["touch", "v:top", "-t", "210102"]);
    assert_eq!(time("v:top"), "2021-01-02 00:00:00\n");
    assert_eq!(machine.ok(["cat", "v:top"]).text(), "4444", "the content stays");
    machine.ok(["touch", "-C", "v:nowhere"]).says(&["nothing to do"]);
    assert!(!list(&machine).contains(&"nowhere".to_owned()));
    machine.ok(["touch", "v:a", "-t", "220101"]);
    assert_eq!(time("v:a/one"), "2022-01-01 00:00:00\n");
    assert_ne!(time("v:a/b/two"), "2022-01-01 00:00:00\n", "only the files in it");
    machine.ok(["touch", "-R", "v:a", "-t", "230101", "--exclude", "one"]);
    assert_eq!(time("v:a/b/c/three"), "2023-01-01 00:00:00\n");
    assert_eq!(time("v:a/one"), "2022-01-01 00:00:00\n");
    machine.ok(["touch", "v:top"]);
    assert!(*time("v:top") > *"2026");
    machine.run(["touch", "v:top/x"]).fails(1, &["`top` is a file"]);
    machine.run(["touch", "v:"]).fails(2, &["the root of the vault"]);
    machine.run(["touch", "v:x", "-t", "yesterday"]).fails(2, &["`yesterday` is not a time"]);
    machine.run(["touch", "x"]).fails(2, &["is on this machine"]);
}

/// Names that are not text are moved as they are.
#[test]
fn odd_names() {
    use std::os::unix::ffi::OsStrExt;
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let src = cli.path("src");
    fs::create_dir(&src).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"\xff\n:");
    fs::write(src.join(Path::new(odd)), "odd").unwrap();
    machine.ok(["copy", src.to_str().unwrap(), "v:"]);
    let from = std::ffi::OsStr::from_bytes(b"v:\xff\n:");
    machine.ok([Path::new("mv").as_os_str(), from, std::ffi::OsStr::new("v:x:y")]);
    assert_eq!(machine.ok(["cat", "v:x:y"]).text(), "odd");
}
