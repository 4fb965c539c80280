//! A configuration under a password.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use super::Home;
use crate::support::cli::Output;

pub(super) const PASS: (&str, &str) = ("CRYPTSYNC_CONFIG_PASS", "sesame");

pub(super) fn sealed() -> Home {
    let home = Home::new();
    home.write("# mine\nremotes:\n  nas: {type: fs, root: /nowhere} # kept\n");
    let set = home.with(&[PASS], &["config", "encryption", "set", "--kdf", "64M,3,1"]);
    assert_eq!(set.code, 0, "{}", set.stderr);
    home
}

#[test]
fn sealed_changed_and_opened_again() {
    let home = sealed();
    let text = home.text();
    assert!(text.starts_with("# A configuration of cryptsync") && !text.contains("nas") && !text.contains("nowhere"));
    assert_eq!(home.with(&[PASS], &["listremotes"]).text(), "nas:\n");
    home.with(&[PASS], &["config", "encryption", "check"]).says(&["is sealed"]);
    let made = home.with(&[PASS], &["config", "create", "b", "memory", "user=me", "password=hidden"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert!(!home.text().contains("hidden") && home.text() != text);
    let shown = home.with(&[PASS], &["config", "show", "b", "--reveal"]).text();
    assert!(shown.contains("password: hidden"), "{shown}");
    assert!(home.with(&[PASS], &["config", "redacted", "b"]).text().contains("password: XXX"));
    // The password of a command, which is told when it has to give a new one.
    let script = home.path("pass.sh");
    fs::write(
        &script,
        "#!/bin/sh\n[ \"$1\" = 'a b' ] || exit 1\n[ -n \"$CRYPTSYNC_PASSWORD_CHANGE\" ] && echo new || echo sesame\n",
    )
    .unwrap();
    let command = format!("sh {} \"a b\"", script.display());
    let change = home.run(&["--config-password-command", &command, "config", "encryption", "set", "--kdf", "64M,3,1"]);
    assert_eq!(change.code, 0, "{}", change.stderr);
    assert_eq!(home.with(&[("CRYPTSYNC_CONFIG_PASS", "new")], &["listremotes"]).text(), "b:\nnas:\n");
    home.with(&[("CRYPTSYNC_CONFIG_PASSWORD_COMMAND", "echo new")], &["config", "encryption", "remove"]);
    assert!(home.text().starts_with("# mine\nremotes:\n  nas: {type: fs, root: /nowhere} # kept\n"), "{}", home.text());
    home.run(&["config", "encryption", "check"]).fails(1, &["is not sealed", "encryption set"]);
    home.run(&["config", "encryption", "remove"]).fails(1, &["is not sealed"]);
}

#[test]
fn the_password_is_asked_for_only_where_it_is_needed() {
    let home = sealed();
    home.ok(&["version"]);
    home.ok(&["config", "file"]);
    home.run(&["lsf", "nas:"]).fails(2, &["is sealed", "CRYPTSYNC_CONFIG_PASS"]);
    home.run(&["config", "delete", "nas"]).fails(2, &["is sealed"]);
    home.with(&[("CRYPTSYNC_CONFIG_PASS", "wrong")], &["lsf", "nas:"])
        .fails(28, &["the password is wrong", "not that of a vault"]);
    home.run(&["--config-password-command", "echo \"x", "listremotes"]).fails(2, &["character 6"]);
    home.run(&["--config-password-command", "false", "listremotes"]).fails(2, &["`false`"]);
    home.run(&["config", "encryption", "set"]).fails(2, &["is sealed"]);
    home.with(&[PASS], &["config", "encryption", "set"]).fails(2, &["new password", "--config-password-command"]);
    home.with(&[PASS], &["config", "encryption", "set", "--kdf", "8M,1,1"]).fails(2, &["--kdf"]);
}

#[test]
fn hostile_sealed_files() {
    let home = sealed();
    let good = home.text();
    let run = |text: &str| {
        home.write(text);
        home.with(&[PASS], &["listremotes"])
    };
    let cut = &good[..good.len() - 30];
    assert!([20, 28].contains(&run(cut).code));
    run("cryptsync-sealed-1\n").fails(20, &["damaged"]);
    run("cryptsync-sealed-1\nAAAA").fails(20, &["damaged"]);
    run(&good.replace("sealed-1", "sealed-9")).fails(25, &["newer version"]);
    // Parameters come first: 4 GiB of memory, then 8 KiB.
    let body = |m: u32| {
        let mut bytes = [m, 3, 1].map(u32::to_le_bytes).concat();
        bytes.extend([0; 120]);
        <base64ct::Base64 as base64ct::Encoding>::encode_string(&bytes)
    };
    run(&format!("cryptsync-sealed-1\n{}\n", body(4 << 20))).fails(25, &["more memory or time"]);
    run(&format!("cryptsync-sealed-1\n{}\n", body(8))).fails(25, &["weaker settings"]);
}

#[test]
fn secrets_in_a_readable_file_only_if_somebody_says_so() {
    let home = Home::new();
    let create = ["config", "create", "m", "memory", "user=me", "password=hidden"];
    home.run(&create)
        .fails(2, &["cannot keep the password of `m:` in the keyring", "encryption set", "--secrets file"]);
    assert_eq!(home.text(), "");
    home.ok(&[&create[..], &["--secrets", "file"]].concat()).says(&["warning: the password of `m:` is readable"]);
    assert!(home.text().contains("password: hidden"));
    let mut child = home.command(&["config", "password", "m", "token", "--secrets", "file"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"from: a pipe\n").unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    assert!(home.text().contains("token: \"from: a pipe\""), "{}", home.text());
    let redacted = home.ok(&["config", "redacted", "--json"]);
    assert!(
        !redacted.text().contains("hidden") && !redacted.text().contains("pipe") && redacted.text().contains("XXX")
    );
    let shown: Output = home.run(&["lsf", ":memory,user=me,password=hidden,fast=x:"]);
    shown.fails(2, &["`true` or `false`"]);
}
