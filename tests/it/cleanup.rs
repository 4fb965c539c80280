//! `cleanup`: what was left behind is found and goes, what is young or somebody else's stays.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::remotes::{ftp, s3, sftp, webdav, with};
use crate::support::cli::{Cli, Machine, contents, noise};
use crate::support::servers::{BUCKET, Server};

/// Writes a file that is so old.
fn aged(path: &Path, age: Duration) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "half written").unwrap();
    #[expect(clippy::disallowed_methods, reason = "the age of a file is real")]
    let then = SystemTime::now() - age - Duration::from_secs(60);
    File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
}

fn rows(machine: &Machine, args: &[&str]) -> Vec<(String, String, String)> {
    let output = machine.ok([&["cleanup", "v:", "--json"], args].concat());
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let mut rows: Vec<_> = rows.iter().map(|row| (text(row, "result"), text(row, "type"), text(row, "name"))).collect();
    rows.sort();
    rows
}

fn row(result: &str, kind: &str, name: &str) -> (String, String, String) {
    (result.to_owned(), kind.to_owned(), name.to_owned())
}

#[test]
fn a_directory_is_rid_of_what_killed_runs_have_left() {
    let cli = Cli::with_vault();
    let (machine, vault) = (cli.machine("home"), cli.path("vault"));
    fs::create_dir(cli.path("src")).unwrap();
    fs::write(cli.path("src/a"), noise(1, 100_000)).unwrap();
    machine.ok(["sync", cli.path("src").to_str().unwrap(), "v:"]);
    machine.ok(["cleanup", "v:"]).says(&["nothing was left behind at `v:`"]);
    let before = contents(&vault);
    let day = Duration::from_secs(86_400);
    aged(&vault.join("data/a/.tmp-0123"), 2 * day);
    aged(&vault.join(".tmp-4567"), day / 2);
    aged(&vault.join("notes.txt"), 9 * day);
    fs::create_dir_all(vault.join("cryptsync-test-1700000000-0123abcd/deep")).unwrap();
    fs::write(vault.join("cryptsync-test-1700000000-0123abcd/deep/x"), "x").unwrap();
    let old = [
        row("would be removed", "temporary", "data/a/.tmp-0123"),
        row("would be removed", "test", "cryptsync-test-1700000000-0123abcd/"),
    ];
    let young = row("kept", "temporary", ".tmp-4567");
    assert_eq!(rows(&machine, &["-n"]), [std::slice::from_ref(&young), &old[..]].concat());
    assert_eq!(rows(&machine, &["-n"]).len(), 3, "a dry run changes nothing");
    let told = machine.ok(["cleanup", "v:"]).text();
    assert!(told.contains("removed") && told.contains("2d old") && told.contains("12 B"), "{told}");
    assert_eq!(rows(&machine, &[]), [young]);
    assert!(!vault.join("cryptsync-test-1700000000-0123abcd").exists());
    assert_eq!(rows(&machine, &["--older-than", "0"]), [row("removed", "temporary", ".tmp-4567")]);
    fs::remove_file(vault.join("notes.txt")).expect("what is not ours stays");
    assert!(contents(&vault) == before);
    machine.run(["cleanup", "v:", "--older-than", "soon"]).fails(2, &["soon"]);
    machine.run(["cleanup", "v:sub"]).fails(2, &["v:sub"]);
}

#[test]
fn temporary_files_at_servers_go_when_they_are_old() {
    let servers = [
        Server::sshd().map(|server| (sftp(&server), server)),
        Server::rclone_webdav().map(|server| (webdav(&server), server)),
        Server::pyftpdlib(false).map(|server| (ftp(&server, &[]), server)),
    ];
    for (settings, server) in servers.into_iter().flatten() {
        let cli = Cli::new();
        let machine = with(cli.machine("home"), &settings);
        let root = server.served().join("some/vault");
        let day = Duration::from_secs(86_400);
        aged(&root.join(".tmp-old"), 3 * day);
        aged(&root.join(".tmp-young"), day / 3);
        aged(&root.join("other"), 3 * day);
        aged(&root.join("data/.tmp-not-ours"), 3 * day);
        aged(&root.join("cryptsync-test-1700000000-0123abcd/a/b"), 3 * day);
        let young = row("kept", "temporary", ".tmp-young");
        let old =
            [row("removed", "temporary", ".tmp-old"), row("removed", "test", "cryptsync-test-1700000000-0123abcd/")];
        assert_eq!(rows(&machine, &[]), [std::slice::from_ref(&young), &old[..]].concat(), "{settings:?}");
        assert_eq!(rows(&machine, &[]), [young]);
        let left: Vec<_> = contents(&root).into_keys().map(|path| path.display().to_string()).collect();
        assert_eq!(left, [".tmp-young", "data/.tmp-not-ours", "other"]);
        assert!(!root.join("cryptsync-test-1700000000-0123abcd").exists());
    }
}

#[test]
fn uploads_that_were_never_completed_are_given_up() {
    let Some(server) = Server::moto() else { return };
    let cli = Cli::new();
    let machine = with(cli.machine("home"), &s3(&server));
    let begin = |key: &str| {
        let answer =
            server.ask(&format!("POST /{BUCKET}/{key}?uploads HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n"));
        assert!(answer.contains("<UploadId>"), "{answer}");
    };
    begin("some/vault/data/a/b%26c");
    begin("some/vault/data/x");
    begin("elsewhere/x");
    let both = |result: &str| [row(result, "upload", "data/a/b&c"), row(result, "upload", "data/x")];
    // The server says of each that it is of the year 2010.
    assert_eq!(rows(&machine, &["--older-than", "99y"]), both("kept"), "they may be on their way");
    assert_eq!(rows(&machine, &["--older-than", "0", "-n"]), both("would be removed"));
    assert_eq!(rows(&machine, &["--older-than", "0"]), both("removed"));
    assert_eq!(rows(&machine, &["--older-than", "0"]), []);
    let answer = server.ask(&format!("GET /{BUCKET}?uploads HTTP/1.1\r\nhost: 127.0.0.1\r\n"));
    assert!(answer.contains("elsewhere/x") && !answer.contains("some/vault"), "{answer}");
}
