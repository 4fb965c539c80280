//! What people and machines get wrong: the exit code, the words, and that nothing is lost by it.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::cli::{Cli, Machine, NOBODY, Output, PASSWORD, contents, files, is_root, noise, skipped, walk};

/// A vault with `n` small files of a source directory in `src`.
fn with_files(n: usize) -> (Cli, Machine) {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    fs::create_dir(cli.path("src")).unwrap();
    for i in 0..n {
        fs::write(cli.path("src").join(format!("file-{i:02}")), format!("content {i}")).unwrap();
    }
    home.ok(["copy", text(&cli.path("src")), "v:"]);
    (cli, home)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn lines(output: &Output) -> usize {
    output.text().lines().count()
}

// Opening.

#[test]
fn a_wrong_password() {
    let (cli, _) = with_files(1);
    let fresh = cli.fresh("fresh").var("CRYPTSYNC_PASSWORD", "wrong");
    for args in [&["lsf", "v:"][..], &["cat", "v:file-00"], &["status", "v:"]] {
        fresh.run(args).fails(28, &["the password is wrong"]);
    }
    // The right one then works, with nothing left over from before.
    fresh.var("CRYPTSYNC_PASSWORD", PASSWORD).ok(["lsf", "v:"]);
}

#[test]
fn no_vault_there() {
    let cli = Cli::new();
    fs::create_dir(cli.path("src")).unwrap();
    fs::write(cli.path("src/file"), "x").unwrap();
    let home = cli.machine("home");
    let (src, dest) = (cli.path("src"), cli.path("dest"));
    let (src, dest) = (text(&src), text(&dest));
    for args in [&["lsf", "v:"][..], &["cat", "v:a"], &["copy", src, "v:"], &["copy", "v:", dest], &["verify", "v:"]] {
        home.run(args).fails(29, &["no vault", "init"]);
    }
    assert!(!cli.path("vault").exists() && !cli.path("dest").exists());
    // A directory with other things in it is no vault either.
    fs::create_dir_all(cli.path("vault/log")).unwrap();
    fs::write(cli.path("vault/log/README"), "hello").unwrap();
    home.run(["lsf", "v:"]).fails(29, &[]);
}

#[test]
fn a_vault_of_a_newer_version() {
    let (mut cli, _) = with_files(1);
    let vault = cli.path("vault");
    let genesis = vault.join("vault").join(&cli.vault_id);
    let old = fs::read(&genesis).unwrap();
    for (at, value) in [(7, 2), (8, 2), (9, 9), (22, 7)] {
        let mut new = old.clone();
        new[at] = value;
        let name = |bytes: &[u8]| cryptsync::crypto::object_id(&[bytes]).to_string();
        fs::write(vault.join("vault").join(name(&new)), &new).unwrap();
        let access = walk(&vault.join("log"))
            .into_iter()
            .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with('k'));
        let access = access.unwrap();
        let good = fs::read(&access).unwrap();
        let mut bytes = good.clone();
        let place = bytes.windows(old.len()).position(|window| window == old).unwrap();
        bytes[place..place + new.len()].copy_from_slice(&new);
        let renamed = access.with_file_name(format!("k00000001-{}", name(&bytes)));
        fs::remove_file(&access).unwrap();
        fs::write(&renamed, bytes).unwrap();
        cli.vault_id = name(&new);
        cli.fresh(&format!("fresh-{at}")).run(["lsf", "v:"]).fails(25, &["newer cryptsync"]);
        fs::remove_file(renamed).unwrap();
        fs::write(access, good).unwrap();
    }
}

#[test]
fn every_source_of_a_password() {
    let cli = Cli::with_vault();
    fs::write(cli.path("right"), format!("{PASSWORD}\r\n")).unwrap();
    fs::write(cli.path("empty"), "\n").unwrap();
    fs::write(cli.path("wrong"), "wrong\n").unwrap();
    let (right, empty, wrong) = (cli.path("right"), cli.path("empty"), cli.path("wrong"));
    let (right, empty, wrong) = (text(&right), text(&empty), text(&wrong));
    let fresh = |name: &str| cli.fresh(name).without("CRYPTSYNC_PASSWORD");
    let command = format!("cat {right}");
    fresh("file").ok(["lsf", "v:", "--password-file", right]);
    fresh("command").ok(["lsf", "v:", "--password-command", &command]);
    fresh("file variable").var("CRYPTSYNC_PASSWORD_FILE", right).ok(["lsf", "v:"]);
    fresh("command variable").var("CRYPTSYNC_PASSWORD_COMMAND", &command).ok(["lsf", "v:"]);
    fresh("variable").var("CRYPTSYNC_PASSWORD", PASSWORD).ok(["lsf", "v:"]);
    let mut by_fd = fresh("fd").command(["lsf", "v:", "--password-fd", "0"]);
    by_fd.stdin(fs::File::open(right).unwrap());
    assert_eq!(Output::of(by_fd).code, 0);
    // An option wins over variables.
    fresh("order").var("CRYPTSYNC_PASSWORD", "wrong").ok(["lsf", "v:", "--password-file", right]);
    fresh("order 2").run(["lsf", "v:", "--password-file", wrong]).fails(28, &[]);
    // What can't be had is an error of usage and says which source it was.
    let bad = fresh("bad");
    bad.run(["lsf", "v:", "--password-file", empty]).fails(2, &["is empty"]);
    bad.run(["lsf", "v:", "--password-file", "/no/such"]).fails(2, &["/no/such"]);
    bad.run(["lsf", "v:", "--password-command", "false"]).fails(2, &["`false`"]);
    bad.run(["lsf", "v:", "--password-command", "/no/such/command x"]).fails(2, &["/no/such/command"]);
    bad.run(["lsf", "v:", "--password-fd", "77"]).fails(2, &["77"]);
    bad.run(["lsf", "v:"]).fails(2, &["--password-file"]);
    bad.run(["init", "new:", "--recovery-file", "words"]).fails(2, &[]);
}

#[test]
fn init_takes_nothing_and_leaves_nothing_when_it_fails() {
    let cli = Cli::new();
    let home = cli.machine("home");
    let words = home.home.join("words.txt");
    fs::write(&words, "precious").unwrap();
    let args = ["init", "v:", "--kdf", "64M,3,1", "--recovery-file", text(&words)];
    let run = home.run(args);
    assert!(run.code != 0 && run.stdout.is_empty());
    run.says(&["words.txt", "exists"]);
    assert_eq!(fs::read(&words).unwrap(), b"precious");
    assert!(!cli.path("vault").exists() || files(&cli.path("vault")).is_empty(), "half a vault is left");
    home.run(["init", "v:", "--kdf", "64M,3,1", "--recovery-file", "/no/such/dir/words"]).fails(4, &["/no/such/dir"]);
    home.run(["init", "v:", "--kdf", "1M,3,1", "--recovery-file", "w2"]).fails(2, &["--kdf"]);
    home.run(["init", "v:", "--kdf", "64,3,1", "--recovery-file", "w2"]).fails(2, &["256M,3,4"]);
    home.run(["init", "v:"]).fails(2, &["--recovery-file"]);
    assert!(!cli.path("vault").exists() || files(&cli.path("vault")).is_empty());
    fs::remove_file(&words).unwrap();
    home.ok(args);
    assert_eq!(fs::metadata(&words).unwrap().permissions().mode() & 0o777, 0o600);
    let before = contents(&cli.path("vault"));
    fs::remove_file(&words).unwrap();
    home.run(args).fails(7, &["already"]);
    cli.machine("other").run(args).fails(7, &["already"]);
    assert!(before == contents(&cli.path("vault")) && !words.exists());
}

// Places.

#[test]
fn places_that_make_no_sense() {
    let (cli, home) = with_files(2);
    let (src, dest) = (cli.path("src"), cli.path("dest"));
    let (src, dest) = (text(&src), text(&dest));
    home.run(["copy", "/no/such/source", "v:"]).fails(3, &["/no/such/source"]);
    home.run(["sync", "/no/such/source", "v:", "--force"]).fails(3, &["/no/such/source"]);
    home.run(["copy", "v:nosuch", dest]).fails(3, &["v:nosuch"]);
    home.run(["sync", "v:nosuch", dest, "--force"]).fails(3, &["v:nosuch"]);
    home.run(["lsf", "v:nosuch"]).fails(3, &["v:nosuch"]);
    home.run(["cat", "v:nosuch"]).fails(3, &["v:nosuch"]);
    home.run(["cat", "v:file-00/below"]).fails(3, &[]);
    home.run(["check", src, "v:nosuch"]).fails(3, &[]);
    home.run(["check", "/no/such/source", "v:"]).fails(3, &[]);
    for path in ["v:..", "v:../x", "v:a/../../x"] {
        home.run(["lsf", path]).fails(27, &["unsafe path"]);
        home.run(["cat", path]).fails(27, &["unsafe path"]);
        home.run(["copy", src, path]).fails(27, &["unsafe path"]);
        home.run(["copy", path, dest]).fails(27, &["unsafe path"]);
    }
    home.run(["lsf", "w:"]).fails(2, &["`w:`"]);
    home.var("CRYPTSYNC_CONFIG_BACKUP_TYPE", "fs").run(["lsf", "bakcup:"]).fails(2, &["did you mean"]);
    let home = cli.machine("home");
    home.run(["copy", src, dest]).fails(2, &["local"]);
    home.run(["copy", "v:a", "v:b"]).fails(3, &["`v:a` does not exist"]);
    home.run(["check", src, dest]).fails(2, &[]);
    home.run(["copy", "", "v:"]).fails(2, &["empty"]);
    assert_eq!(home.ok(["cat", src]).text(), "content 0content 1", "places of this machine are read too");
    home.run(["frobnicate"]).fails(2, &[]);
    home.run(["lsf", "v:", "--no-such-flag"]).fails(2, &["--no-such-flag"]);
    home.run(["lsf", "v:", "--vault-id", "abc"]).fails(2, &["--vault-id"]);
    assert!(!cli.path("dest").exists());
    assert_eq!(home.ok(["cat", "v:"]).text(), "content 0content 1", "a directory is all its files");
}

#[test]
fn the_configuration_file() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    let config = cli.path("config.yaml");
    let run = |yaml: &str| {
        fs::write(&config, yaml).unwrap();
        home.run(["--config", text(&config), "lsf", "nas:"])
    };
    run("remotes: [").fails(2, &["config.yaml"]);
    run("remotes:\n  nas:\n    type: fs\n    root: /x\n    colour: red\n").fails(2, &["colour"]);
    run("remotes:\n  nas:\n    type: s33\n    root: /x\n").fails(2, &["s33"]);
    run("remotes:\n  nas:\n    type: fs\n").fails(2, &["root"]);
    run("remotes:\n  nas:\n    type: fs\n    root: /x\n    vault_id: nonsense\n").fails(2, &[]);
    run("remotes:\n  nas:\n    type: webdav\n    url: http://127.0.0.1:9\n    plain: true\n")
        .fails(2, &["plain", "webdav"]);
    run("remotes:\n  \"a:b\":\n    type: fs\n    root: /x\n").fails(2, &[]);
    run("remotes:\n  other:\n    type: fs\n    root: /x\n").fails(2, &["nas"]);
    fs::write(&config, [0xff, 0xfe, 0x00]).unwrap();
    home.run(["--config", text(&config), "lsf", "nas:"]).fails(2, &["config.yaml"]);
    home.run(["--config", "/no/such/config.yaml", "lsf", "v:"]).fails(2, &["/no/such/config.yaml"]);
    home.run(["--config", text(cli.dir.path()), "lsf", "v:"]).fails(2, &[]);
    home.ok(["--config", "/dev/null", "lsf", "v:"]);
}

#[test]
fn a_file_where_a_directory_is_needed() {
    let (cli, home) = with_files(2);
    fs::write(cli.path("file"), "in the way").unwrap();
    let file = cli.path("file");
    let src = cli.path("src");
    home.run(["copy", text(&src), "v:file-00"]).fails(1, &["file-00", "a directory"]);
    home.run(["copy", text(&src), "v:file-00/deeper"]).fails(1, &["file-00"]);
    let down = home.run(["copy", "v:", text(&file)]);
    assert!([1, 7].contains(&down.code) && down.stdout.is_empty(), "{}", down.stderr);
    down.says(&[text(&file)]);
    assert_eq!(fs::read(&file).unwrap(), b"in the way");
    // A file in the place of a directory below, and the other way round.
    fs::create_dir_all(src.join("sub/dir")).unwrap();
    fs::write(src.join("sub/dir/x"), "x").unwrap();
    home.ok(["copy", text(&src), "v:"]);
    let dest = cli.path("dest");
    fs::create_dir_all(dest.join("file-00/kept")).unwrap();
    fs::write(dest.join("file-00/kept/precious"), "precious").unwrap();
    fs::write(dest.join("sub"), "in the way").unwrap();
    let copy = home.run(["copy", "v:", text(&dest)]);
    assert_eq!(copy.code, 1, "{}", copy.stderr);
    assert_eq!(fs::read(dest.join("file-00/kept/precious")).unwrap(), b"precious", "copy deletes nothing");
    assert_eq!(fs::read(dest.join("sub")).unwrap(), b"in the way");
    home.ok(["sync", "v:", text(&dest)]);
    assert_eq!(contents(&dest), contents(&src));
    // Upwards, too: copy says what is in the way, sync replaces it.
    for (a, b) in [("file-00", "sub"), ("sub", "file-00")] {
        fs::remove_file(src.join(a)).or_else(|_| fs::remove_dir_all(src.join(a))).unwrap();
        fs::remove_file(src.join(b)).or_else(|_| fs::remove_dir_all(src.join(b))).unwrap();
        fs::write(src.join(b), "a file now").unwrap();
        fs::create_dir_all(src.join(a).join("deep")).unwrap();
        fs::write(src.join(a).join("deep/x"), "x").unwrap();
        symlink("elsewhere", src.join("changing")).unwrap();
        let copy = home.run(["copy", text(&src), "v:"]);
        assert_eq!(copy.code, 1, "{}", copy.stderr);
        home.ok(["verify", "--read-data", "v:"]);
        home.ok(["sync", text(&src), "v:"]);
        home.ok(["verify", "--read-data", "v:"]);
        home.ok(["sync", "v:", text(&dest)]);
        assert_eq!(contents(&dest), contents(&src));
        fs::remove_file(src.join("changing")).unwrap();
        fs::create_dir(src.join("changing")).unwrap();
        home.ok(["sync", text(&src), "v:"]);
        home.ok(["sync", "v:", text(&dest)]);
        assert!(dest.join("changing").is_dir());
        fs::remove_dir(src.join("changing")).unwrap();
        symlink("elsewhere", src.join("changing")).unwrap();
        home.ok(["sync", text(&src), "v:"]);
        home.ok(["sync", "v:", text(&dest)]);
        assert_eq!(contents(&dest), contents(&src));
        fs::remove_file(src.join("changing")).unwrap();
    }
    // The remote itself, the state, the cache.
    let at_file = home.clone().at(&file).run(["lsf", "v:"]);
    assert!(at_file.code != 0 && at_file.stdout.is_empty(), "{}", at_file.stderr);
    let inside = home.clone().at(&file.join("x")).run(["lsf", "v:"]);
    assert!(inside.code != 0 && inside.stdout.is_empty(), "{}", inside.stderr);
    home.ok(["lsf", "v:", "--cache-dir", text(&file)]);
    let state = home.run(["lsf", "v:", "--vault-id", &cli.vault_id, "--state-dir", text(&file)]);
    assert!(state.code != 0 && state.stdout.is_empty(), "{}", state.stderr);
    state.says(&[text(&file)]);
}

#[test]
fn names_of_any_bytes() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    let src = cli.path("src");
    fs::create_dir(&src).unwrap();
    let long = [b'n'; 255];
    let names: [&[u8]; 8] =
        [b"\xff\xfe", b"two\nlines", b"\x1b]0;title\x07", b" ", b"-rf", b"a:b", "é\u{301}".as_bytes(), &long];
    for name in names {
        fs::write(src.join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    symlink(std::ffi::OsStr::from_bytes(b"\xff target\n"), src.join("link")).unwrap();
    home.ok(["copy", text(&src), "v:"]);
    let dest = cli.path("dest");
    home.ok(["copy", "v:", text(&dest)]);
    assert_eq!(contents(&src), contents(&dest));
    let listed = home.ok(["lsf", "-0", "v:"]).stdout;
    for name in names {
        assert!(listed.split(|byte| *byte == 0).any(|row| row == name));
        let mut path = b"v:".to_vec();
        path.extend(name);
        assert_eq!(home.ok([std::ffi::OsStr::new("cat"), std::ffi::OsStr::from_bytes(&path)]).stdout, name);
    }
    home.ok(["check", text(&src), "v:"]);
    // What is said about them moves no cursor.
    let said = home.ok(["-vv", "copy", "v:", text(&cli.path("again"))]).stderr;
    assert!(!said.contains('\x1b') && !said.contains("two\nlines"), "{said}");
    // Deeper and longer than any path the system takes in one piece.
    let mut deep = src.clone();
    for _ in 0..12 {
        deep.push("d".repeat(200));
    }
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("bottom"), "bottom").unwrap();
    home.ok(["sync", text(&src), "v:"]);
    home.ok(["sync", "v:", text(&dest)]);
    assert_eq!(contents(&src), contents(&dest));
}

#[test]
fn a_vault_inside_the_source() {
    let cli = Cli::new();
    let home = cli.machine("home").at(&cli.path("src/backup/vault"));
    fs::create_dir_all(cli.path("src/backup")).unwrap();
    fs::write(cli.path("src/file"), "x").unwrap();
    cli.init(&home);
    fs::remove_file(home.home.join("words.txt")).unwrap();
    let src = cli.path("src");
    home.run(["copy", text(&src), "v:"]).fails(7, &["inside the source", "--exclude"]);
    let below = home.run(["copy", text(&src.join("backup/vault/log")), "v:"]);
    below.fails(7, &["vault"]);
    home.ok(["copy", text(&src), "v:", "--exclude", "/backup/vault/**"]);
    assert_eq!(home.ok(["lsf", "-R", "--files-only", "v:"]).text(), "file\n");
    // The other way round: a sync must not clear the vault away, and nothing may be written among its objects.
    let before = contents(&src);
    home.run(["sync", "v:", text(&src), "--force"]).fails(7, &["vault"]);
    home.run(["sync", "v:", text(&src.join("backup")), "--force"]).fails(7, &["vault"]);
    home.run(["copy", "v:", text(&src.join("backup/vault"))]).fails(7, &["vault"]);
    home.run(["copy", "v:", text(&src.join("backup/vault/data/new"))]).fails(7, &["vault"]);
    assert_eq!(before, contents(&src));
    // Left out, or with a verb that deletes nothing, it is safe.
    home.ok(["sync", "v:", text(&src), "--exclude", "/backup/**"]);
    home.ok(["copy", "v:", text(&src)]);
    home.ok(["verify", "--read-data", "v:"]);
}

// Deletes.

#[test]
fn the_delete_brake() {
    let (cli, home) = with_files(60);
    let (empty, dest) = (cli.path("empty"), cli.path("dest"));
    fs::create_dir(&empty).unwrap();
    home.ok(["copy", "v:", text(&dest)]);
    home.run(["sync", text(&empty), "v:"]).fails(7, &["60", "--force"]);
    for i in 0..40 {
        fs::remove_file(cli.path("src").join(format!("file-{i:02}"))).unwrap();
    }
    home.run(["sync", text(&cli.path("src")), "v:"]).fails(7, &["40 of 60", "--force"]);
    assert_eq!(lines(&home.ok(["lsf", "v:"])), 60);
    // Exactly half is fine, and so is a dry run.
    assert_eq!(home.ok(["sync", "-n", text(&empty), "v:"]).code, 0);
    home.ok(["sync", text(&cli.path("src")), "v:", "--force"]);
    assert_eq!(lines(&home.ok(["lsf", "v:"])), 20);
    home.run(["sync", "v:", text(&dest)]).fails(7, &["40 of 60"]);
    assert_eq!(files(&dest).len(), 60);
    home.ok(["sync", "v:", text(&dest), "--force"]);
    assert_eq!(files(&dest).len(), 20);
    home.ok(["sync", text(&empty), "v:", "--force"]);
    assert_eq!(lines(&home.ok(["lsf", "v:"])), 0);
    home.run(["sync", "v:", text(&dest)]).fails(7, &["empty"]);
    assert_eq!(files(&dest).len(), 20);
    // A filter that leaves nothing over is an empty source, too: the files are out of its scope and stay.
    home.ok(["copy", text(&dest), "v:"]);
    home.run(["sync", text(&empty), "v:", "--include", "file-*"]).fails(7, &["empty"]);
    home.ok(["sync", text(&empty), "v:", "--include", "other-*"]);
    assert_eq!(lines(&home.ok(["lsf", "v:"])), 20);
}

#[test]
fn an_unreadable_file_is_told_and_stops_deletes() {
    if !is_root() {
        return skipped("only root can run this as somebody else");
    }
    let cli = Cli::new();
    for dir in ["vault", "home"] {
        fs::create_dir(cli.path(dir)).unwrap();
        std::os::unix::fs::chown(cli.path(dir), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let home = cli.machine("home").used_by_nobody();
    cli.init(&home);
    let src = cli.path("src");
    fs::create_dir_all(src.join("sub")).unwrap();
    for name in ["secret", "open", "gone", "sub/below"] {
        fs::write(src.join(name), name).unwrap();
    }
    home.ok(["sync", text(&src), "v:"]);
    fs::write(src.join("secret"), "new secret").unwrap();
    fs::write(src.join("open"), "new open").unwrap();
    fs::remove_file(src.join("gone")).unwrap();
    let close = |name: &str, mode| fs::set_permissions(src.join(name), fs::Permissions::from_mode(mode)).unwrap();
    close("secret", 0o600);
    close("sub", 0o700);
    let run = home.run(["sync", text(&src), "v:"]);
    run.fails(1, &["secret", "sub", "nothing is deleted"]);
    assert_eq!(home.ok(["cat", "v:open"]).text(), "new open", "the others are stored");
    assert_eq!(home.ok(["cat", "v:secret"]).text(), "secret", "the stored version stays");
    assert_eq!(home.ok(["cat", "v:gone", "v:sub/below"]).text(), "gonesub/below", "nothing is deleted");
    let check = home.run(["check", text(&src), "v:"]);
    assert_eq!(check.code, 1);
    close("secret", 0o644);
    close("sub", 0o755);
    home.ok(["sync", text(&src), "v:"]);
    home.ok(["check", text(&src), "v:"]);
    // A destination that may not be written to.
    let dest = cli.path("dest");
    fs::create_dir(&dest).unwrap();
    fs::write(dest.join("other"), "other").unwrap();
    let run = home.run(["sync", "v:", text(&dest), "--force"]);
    assert!([1, 7].contains(&run.code), "{}", run.stderr);
    run.says(&["ermission"]);
    assert_eq!(contents(&dest).len(), 1);
}

#[test]
fn a_vault_that_can_only_be_read() {
    if !is_root() {
        return skipped("only root can run this as somebody else");
    }
    let (cli, _) = with_files(3);
    let vault = cli.path("vault");
    let reader = cli.fresh("reader").used_by_nobody();
    reader.run(["lsf", "v:"]).fails(7, &["ermission"]);
    for path in walk(&vault) {
        let mode = if path.is_dir() { 0o555 } else { 0o444 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let before = contents(&vault);
    assert_eq!(lines(&reader.ok(["lsf", "v:"])), 3);
    reader.ok(["cat", "v:file-00"]);
    reader.ok(["copy", "v:", text(&reader.home.join("dest"))]);
    reader.ok(["check", text(&cli.path("src")), "v:"]);
    reader.ok(["verify", "--read-data", "v:"]);
    reader.ok(["log", "v:"]);
    reader.ok(["status", "v:"]);
    fs::write(cli.path("src/new"), "new").unwrap();
    reader.run(["copy", text(&cli.path("src")), "v:"]).fails(7, &["ermission"]);
    assert_eq!(before, contents(&vault));
    // A home where nothing can be kept does not stand in the way of reading either.
    let homeless = cli.fresh("homeless").used_by_nobody();
    fs::set_permissions(&homeless.home, fs::Permissions::from_mode(0o555)).unwrap();
    homeless.ok(["cat", "v:file-00"]).says(&["not remembered"]);
}

// Files that do not hold still, disks that are full.

#[test]
fn a_file_that_changes_while_it_is_read() {
    let (cli, home) = with_files(2);
    let src = cli.path("src");
    let busy = src.join("busy");
    fs::write(&busy, noise(3, 8 << 20)).unwrap();
    let stop = AtomicBool::new(false);
    let run = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = fs::OpenOptions::new().append(true).open(&busy).unwrap();
            while !stop.load(Ordering::Relaxed) {
                file.write_all(b"more").unwrap();
                std::thread::sleep(std::time::Duration::from_micros(300));
            }
        });
        fs::remove_file(src.join("file-01")).unwrap();
        let run = home.run(["sync", text(&src), "v:"]);
        stop.store(true, Ordering::Relaxed);
        run
    });
    run.fails(1, &["busy", "kept changing", "nothing is deleted"]);
    assert_eq!(home.ok(["lsf", "v:"]).text(), "file-00\nfile-01\n");
    home.ok(["sync", text(&src), "v:"]);
    assert_eq!(home.ok(["cat", "v:busy"]).stdout, fs::read(&busy).unwrap());
    home.ok(["verify", "--read-data", "v:"]);
}

/// A small disk.
pub struct Disk(pub PathBuf);

impl Disk {
    pub fn mount(path: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir_all(&path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"]).arg(&path);
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        if !mounted {
            skipped("no disk can be mounted here");
        }
        mounted.then_some(Self(path))
    }

    pub fn grow(&self, size: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,size={size}")]).arg(&self.0).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[test]
fn a_remote_that_is_full() {
    let mut cli = Cli::new();
    let Some(disk) = Disk::mount(cli.path("vault"), "4m") else { return };
    let home = cli.machine("home");
    cli.vault_id = cli.init(&home);
    let src = cli.path("src");
    fs::create_dir(&src).unwrap();
    fs::write(src.join("small"), "small").unwrap();
    home.ok(["copy", text(&src), "v:"]);
    fs::write(src.join("large"), noise(5, 10 << 20)).unwrap();
    let run = home.run(["copy", text(&src), "v:"]);
    run.fails(7, &["space"]);
    home.ok(["verify", "--read-data", "v:"]);
    assert_eq!(cli.fresh("fresh").ok(["lsf", "v:"]).text(), "small\n");
    assert!(!files(&cli.path("vault")).iter().any(|path| path.to_str().unwrap().contains(".tmp")), "leftovers");
    disk.grow("64m");
    home.ok(["copy", text(&src), "v:"]);
    assert_eq!(home.ok(["cat", "v:large"]).stdout, noise(5, 10 << 20));
    home.ok(["verify", "--read-data", "v:"]);
    // Not even room for a vault.
    let small = cli.machine("home").at(&disk.0.join("second"));
    fs::remove_file(home.home.join("words.txt")).unwrap();
    fs::write(disk.0.join("filler"), noise(6, 40 << 20)).unwrap();
    let mut filler = fs::OpenOptions::new().append(true).open(disk.0.join("filler")).unwrap();
    while filler.write_all(&[1; 4096]).is_ok() {}
    let words = home.home.join("w");
    small.run(["init", "v:", "--kdf", "64M,3,1", "--recovery-file", text(&words)]).fails(7, &["space"]);
    drop(filler);
    fs::remove_file(disk.0.join("filler")).unwrap();
    small.ok(["init", "v:", "--kdf", "64M,3,1", "--recovery-file", text(&home.home.join("w2"))]);
}

#[test]
fn a_destination_that_is_full() {
    let (cli, home) = with_files(2);
    let Some(disk) = Disk::mount(cli.path("disk"), "2m") else { return };
    fs::write(cli.path("src/large"), noise(5, 5 << 20)).unwrap();
    home.ok(["copy", text(&cli.path("src")), "v:"]);
    let dest = disk.0.join("dest");
    let run = home.run(["sync", "v:", text(&dest)]);
    run.fails(7, &["large", "space"]);
    for (path, content) in contents(&dest) {
        assert_eq!(content, fs::read(cli.path("src").join(&path)).unwrap(), "{} is not whole", path.display());
    }
    disk.grow("32m");
    home.ok(["sync", "v:", text(&dest)]);
    assert_eq!(contents(&dest), contents(&cli.path("src")));
}

#[test]
fn a_state_directory_that_is_full() {
    let (cli, home) = with_files(2);
    let Some(disk) = Disk::mount(cli.path("disk"), "8m") else { return };
    let (state, src) = (disk.0.join("state"), cli.path("src"));
    crate::support::cli::copy_tree(&home.state_dir(), &state);
    let args = |verb: [&'static str; 2]| [verb[0], verb[1], "--state-dir"];
    fs::write(src.join("new"), "new").unwrap();
    let mut filler = fs::File::create(disk.0.join("filler")).unwrap();
    while filler.write_all(&[1; 512]).is_ok() {}
    // Reading needs no room; writing says what is missing. Neither forgets or breaks anything.
    let [a, b, c] = args(["cat", "v:file-00"]);
    let cat = home.run([a, b, c, text(&state)]);
    assert!(cat.code == 0 && cat.text() == "content 0" || cat.code == 7, "{}: {}", cat.code, cat.stderr);
    let copy = home.run(["copy", text(&src), "v:", "--state-dir", text(&state)]);
    assert!([0, 7].contains(&copy.code), "{}: {}", copy.code, copy.stderr);
    home.ok(["verify", "--read-data", "v:"]);
    drop(filler);
    fs::remove_file(disk.0.join("filler")).unwrap();
    home.ok(["copy", text(&src), "v:", "--state-dir", text(&state)]);
    assert_eq!(home.ok(["cat", "v:new", "--state-dir", text(&state)]).text(), "new");
    home.ok(["verify", "--read-data", "v:"]);
    // A cache without room is only slower.
    let mut filler = fs::File::create(disk.0.join("filler")).unwrap();
    while filler.write_all(&[1; 512]).is_ok() {}
    home.ok(["cat", "v:new", "--cache-dir", text(&disk.0.join("cache"))]);
}
