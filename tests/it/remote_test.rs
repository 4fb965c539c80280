//! `remote test`: what it says of real servers, that it leaves nothing behind, and that what was seen is remembered.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::remotes::{Settings, ftp, s3, sftp, webdav, with};
use crate::support::cli::{Cli, Machine, Output, contents, is_root, skipped, walk};
use crate::support::servers::Server;

/// Tries a remote out twice, in words and as JSON, and holds what is told against what is expected.
fn tried(settings: &Settings, once: bool) -> (Cli, Machine) {
    let cli = Cli::new();
    let machine = with(cli.machine("home"), settings);
    let text = machine.ok(["remote", "test", "v:"]).text();
    for words in ["complete listings", "nothing is overwritten", "creates a name once", "8.00 MiB"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("failed"), "{text}");
    let json = json(&machine.ok(["remote", "test", "v:", "--json"]));
    assert_eq!(json["observed"]["creates_once"], once, "{json}");
    assert_eq!(json["observed"]["ranges"], true);
    assert_eq!(json["observed"]["case_sensitive"], true);
    assert!(json["speed"]["put_large"].as_f64().unwrap() > 0.0);
    assert_eq!(json["checks"].as_array().unwrap().len(), 12);
    let known = fs::read_to_string(machine.state_dir().join("known_remotes")).unwrap();
    assert_eq!(known.lines().count(), 1, "{known}");
    assert!(known.starts_with(if once { "once=yes ranges=yes" } else { "once=no ranges=yes" }), "{known}");
    (cli, machine)
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Nothing of the test is below a directory, not even an empty directory.
fn is_clear(served: &std::path::Path) {
    let left: Vec<_> =
        walk(served).into_iter().filter(|path| path.to_string_lossy().contains("cryptsync-test")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_directory_does_all_and_a_vault_in_it_is_as_before() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let before = contents(&cli.path("vault"));
    let report = json(&machine.ok(["remote", "test", "v:", "--json"]));
    assert_eq!(report["observed"]["creates_once"], true);
    assert_eq!(report["declared"]["creates_once"], true);
    assert!(contents(&cli.path("vault")) == before);
    is_clear(&cli.path("vault"));
    machine.run(["remote", "test", "x:"]).fails(2, &["`x:`"]);
    machine.run(["remote", "test"]).fails(2, &["REMOTE"]);
}

#[test]
fn s3_by_moto_creates_once_and_by_rclone_not() {
    if let Some(server) = Server::moto() {
        tried(&s3(&server), true);
    }
    if let Some(server) = Server::rclone_s3() {
        tried(&s3(&server), false);
    }
}

#[test]
fn directories_of_servers_are_taken_away_again() {
    if let Some(server) = Server::sshd() {
        tried(&sftp(&server), false);
        is_clear(&server.served());
    }
    if let Some(server) = Server::rclone_webdav() {
        tried(&webdav(&server), false);
        is_clear(&server.served());
    }
    if let Some(server) = Server::pyftpdlib(false) {
        tried(&ftp(&server, &[]), false);
        is_clear(&server.served());
    }
}

#[test]
fn what_can_not_be_written_to_or_reached_is_told_with_its_code() {
    let cli = Cli::new();
    let Some(server) = Server::moto() else { return };
    let wrong = |name: &str, value: &str| {
        with(cli.machine("home"), &s3(&server)).var(&format!("CRYPTSYNC_CONFIG_V_{name}"), value)
    };
    wrong("ENDPOINT", "http://127.0.0.1:1").run(["remote", "test", "v:"]).fails(5, &["nothing listens at 127.0.0.1:1"]);
    wrong("BUCKET", "other").run(["remote", "test", "v:"]).fails(7, &["no such bucket"]);
    if !is_root() {
        return skipped("another user is needed, and only root can be one");
    }
    let machine = cli.machine("nobody").used_by_nobody();
    fs::create_dir(cli.path("vault")).unwrap();
    let output = machine.run(["remote", "test", "v:"]);
    assert_eq!(output.code, 7, "{}", output.stderr);
    assert!(output.text().contains("failed") && output.text().contains("permission denied"), "{}", output.text());
    output.says(&["checks of `v:` that failed: 1"]);
}

#[test]
fn stopped_in_the_middle_it_clears_up() {
    let cli = Cli::new();
    let machine = cli.machine("home");
    let mut command = machine.command(["remote", "test", "v:", "--tpslimit", "20"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    let begun = || walk(&cli.path("vault")).iter().any(|path| path.ends_with("first"));
    while !begun() {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not begin");
        thread::sleep(Duration::from_millis(20));
    }
    let id = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    is_clear(&cli.path("vault"));
}

#[test]
fn a_new_remote_is_tried_out_and_what_was_seen_is_told() {
    let Some(server) = Server::rclone_s3() else { return };
    let cli = Cli::new();
    let machine = cli.machine("home");
    let settings: Vec<String> = s3(&server)
        .iter()
        .filter(|(name, _)| *name != "TYPE")
        .map(|(name, value)| format!("{}={value}", name.to_lowercase()))
        .collect();
    let args: Vec<&str> = ["config", "create", "cloud", "s3", "--secrets", "file"]
        .into_iter()
        .chain(settings.iter().map(String::as_str))
        .collect();
    machine.ok(&args).says(&[
        "creates a name once: no; ranges: yes",
        "upper and lower case differ: yes",
        "added `cloud:`",
    ]);
    is_clear(&server.served());
    let known = fs::read_to_string(machine.state_dir().join("known_remotes")).unwrap();
    assert!(known.starts_with("once=no"), "{known}");
    // What is known is not tried again.
    let update = machine.ok(["config", "update", "cloud", "description=mine"]);
    assert!(!update.stderr.contains("creates a name once"), "{}", update.stderr);
    let none = Cli::new();
    let quiet = none.machine("home").ok(args.iter().copied().chain(["--no-probe"]));
    assert!(!quiet.stderr.contains("creates a name once"), "{}", quiet.stderr);
    assert!(!none.machine("home").state_dir().join("known_remotes").exists());
}
