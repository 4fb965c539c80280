//! Slips of the pen, and verbs of other programs: one line that says what is wrong, one that says what to do, exit code 2.

use crate::support::cli::Cli;

#[test]
fn slips_are_told_with_what_was_meant() {
    let cli = Cli::new();
    let machine = cli.machine("home");
    for (args, words) in [
        (&["synk", "a", "b"][..], &["there is no verb `synk`", "hint: did you mean", "`sync`"][..]),
        (&["sync", "a", "b", "--dry-rum"], &["--dry-rum", "did you mean `--dry-run`"]),
        (&["sync", "a"], &["<DEST>", "usage: cryptsync sync"]),
        (&["ls", "v:", "--color", "nevr"], &["nevr", "did you mean `never`"]),
        (&["ls", "v:", "--depth", "3"], &["--depth", "is an option of `du`"]),
        (&["key", "lst", "v:"], &["`key` has no verb `lst`", "did you mean `list`"]),
        (&["key", "frobnicate", "v:"], &["`key` has no verb `frobnicate`", "`cryptsync help key`"]),
        (&["frobnicate"], &["there is no verb `frobnicate`", "cryptsync help"]),
        (&["ls", "v:", "--transfers", "none"], &["none", "--transfers"]),
    ] {
        let output = machine.run(args);
        output.fails(2, words);
        assert!(output.stderr.lines().count() <= 2 && output.stderr.starts_with("error: "), "{}", output.stderr);
        let json = machine.run([args, &["--json"]].concat());
        let last: serde_json::Value = serde_json::from_str(json.stderr.lines().last().unwrap()).unwrap();
        assert_eq!((json.code, &last["code"]), (2, &2.into()));
    }
}

#[test]
fn verbs_of_rclone_and_restic_that_are_not_here_are_answered() {
    let cli = Cli::new();
    let machine = cli.machine("home");
    for verb in [
        "mount",
        "nfsmount",
        "serve",
        "rc",
        "rcd",
        "bisync",
        "backup",
        "prune",
        "unlock",
        "stats",
        "cache",
        "obscure",
        "reveal",
        "cryptcheck",
        "cryptdecode",
        "copyurl",
        "link",
        "selfupdate",
        "self-update",
        "backend",
        "settier",
        "checksum",
        "archive",
        "test",
        "migrate",
        "rewrite",
        "recover",
    ] {
        let output = machine.run([verb, "--some-flag", "a:", "b"]);
        output.fails(2, &[&format!("there is no verb `{verb}`"), "hint: "]);
        assert_eq!(output.stderr.lines().count(), 2, "{}", output.stderr);
        assert!(!output.stderr.contains("did you mean"), "{}", output.stderr);
    }
}

#[test]
fn other_names_of_verbs() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    machine.ok(["touch", "v:a"]);
    assert!(machine.ok(["snapshots", "v:"]).text().contains("touch"));
    assert_eq!(machine.ok(["dump", "v:a"]).stdout, b"");
    machine.ok(["dedupe", "v:"]).says(&["nothing to do"]);
    machine.ok(["dedupe", "newest", "v:", "-n"]).says(&["nothing to do"]);
    machine.run(["dedupe", "/tmp"]).fails(2, &["/tmp"]);
    machine.ok(["deletefile", "v:a"]);
    assert_eq!(machine.ok(["lsf", "v:"]).text(), "");
}

#[test]
fn the_version_is_data() {
    let cli = Cli::new();
    let machine = cli.machine("home");
    let text = machine.ok(["version"]).text();
    assert!(text.starts_with(&format!("cryptsync v{}\n- os/arch: ", env!("CARGO_PKG_VERSION"))), "{text}");
    let json: serde_json::Value = serde_json::from_str(&machine.ok(["version", "--json"]).text()).unwrap();
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    machine.run(["version", "--check"]).fails(2, &["--check", "asks nobody but"]);
}
