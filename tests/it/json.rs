//! `--json`: for every verb, whether it succeeds or fails, standard output is one JSON document and standard error a JSON
//! object on each line, and neither holds a secret.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::support::cli::{Cli, Machine, Output, PASSWORD};

/// Verbs whose standard output is content, not a report.
const RAW: [&str; 1] = ["cat"];

fn tree() -> (Cli, Machine) {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let src = machine.home.join("src");
    fs::create_dir_all(src.join("d/empty")).unwrap();
    fs::write(src.join("f"), "content").unwrap();
    fs::write(src.join("d/g"), "more").unwrap();
    machine.ok(["sync", "src", "v:"]);
    (cli, machine)
}

fn run(machine: &Machine, args: &[&str]) -> Output {
    let mut command = machine.command(args.iter().chain(&["--json"]));
    if args[0] != "rcat" {
        return Output::of(command);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"piped").unwrap();
    let done = child.wait_with_output().unwrap();
    Output {
        code: done.status.code().unwrap(),
        stdout: done.stdout,
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

/// The lines of standard error, each an object with a type.
fn messages(output: &Output, args: &[&str]) -> Vec<Value> {
    let parse = |line: &str| -> Value {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{args:?}: {error}: {line}"));
        assert!(value["message_type"].is_string(), "{args:?}: {line}");
        value
    };
    output.stderr.lines().map(parse).collect()
}

fn no_secret(machine: &Machine, output: &Output, args: &[&str]) {
    let said = format!("{}{}", output.text(), output.stderr);
    assert!(!said.contains(PASSWORD), "{args:?}");
    let words = fs::read_to_string(machine.home.join("words.txt")).unwrap_or_default();
    let words: Vec<&str> = words.split_whitespace().collect();
    for pair in words.windows(3) {
        assert!(!said.contains(&pair.join(" ")), "{args:?}");
    }
}

/// One line of each verb.
const SUCCEED: &[&[&str]] = &[
    &["copy", "src", "v:copied", "-v"],
    &["sync", "src", "v:copied", "-n"],
    &["check", "src", "v:copied"],
    &["rcat", "v:piped"],
    &["cat", "v:f"],
    &["ls", "v:"],
    &["lsf", "-R", "v:"],
    &["lsl", "v:"],
    &["lsd", "v:"],
    &["lsjson", "-R", "v:"],
    &["lsjson", "--stat", "v:f"],
    &["tree", "v:"],
    &["stat", "v:f"],
    &["size", "v:"],
    &["du", "v:"],
    &["mkdir", "v:m/n", "-v"],
    &["rmdir", "v:m/n"],
    &["touch", "v:t"],
    &["cp", "v:f", "v:f2"],
    &["mv", "v:f2", "v:f3"],
    &["rm", "v:f3", "-n"],
    &["rm", "v:f3"],
    &["delete", "v:copied", "--rmdirs"],
    &["purge", "v:copied"],
    &["verify", "v:"],
    &["verify", "--no-key", "v:"],
    &["verify", "--sample", "--history", "v:"],
    &["repair", "-n", "v:"],
    &["rescue", "-n", "v:", "rescued"],
    &["doctor", "v:"],
    &["about", "v:"],
    &["log", "v:"],
    &["status", "v:"],
    &["writer", "list", "v:"],
    &["conflicts", "ls", "v:"],
    &["key", "list", "v:"],
    &["key", "show", "v:", "home"],
    &["key", "history", "v:"],
    &["key", "rotate", "v:"],
    &["key", "role", "v:", "password", "writer"],
    &["key", "card"],
    &["device", "list", "v:"],
    &["device", "request", "v:", "--device-name", "new"],
    &["config", "show"],
    &["config", "file"],
    &["listremotes"],
    &["version"],
];

#[test]
fn every_verb_succeeds_in_json() {
    let (cli, machine) = tree();
    for args in SUCCEED {
        let output = run(&machine, args);
        assert_eq!(output.code, 0, "{args:?}: {}", output.stderr);
        messages(&output, args);
        no_secret(&machine, &output, args);
        if !RAW.contains(&args[0]) {
            let value: Value = serde_json::from_str(&output.text())
                .unwrap_or_else(|error| panic!("{args:?}: {error}: {}", output.text()));
            assert!(value.is_object() || value.is_array(), "{args:?}");
        }
    }
    let new = cli.machine("new").without("CRYPTSYNC_PASSWORD").var("CRYPTSYNC_VAULT_ID", &cli.vault_id);
    let output = run(&new, &["device", "request", "v:"]);
    let request: Value = serde_json::from_str(&output.text()).unwrap();
    let (text, fingerprint) = (request["text"].as_str().unwrap(), request["fingerprint"].as_str().unwrap());
    let output = run(&machine, &["device", "approve", "v:", text, "--fingerprint", fingerprint]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let approved: Value = serde_json::from_str(&output.text()).unwrap();
    assert!(approved["version"].is_number(), "{approved}");
    let output = run(&machine, &["copy", "src", "v:again", "-v"]);
    let summary: Value = serde_json::from_str(&output.text()).unwrap();
    assert_eq!(
        (&summary["message_type"], &summary["files"], &summary["bytes"]),
        (&"summary".into(), &2.into(), &11.into())
    );
    assert!(summary["commit"].is_string());
    let done = messages(&output, &["copy"]);
    let of_g = done.iter().find(|message| message["path"] == "d/g").unwrap();
    assert_eq!(
        (&of_g["message_type"], &of_g["action"], &of_g["size"]),
        (&"verbose_status".into(), &"copied".into(), &4.into())
    );
    let output = run(&machine, &["check", "src/d", "v:"]);
    assert_eq!(output.code, 1);
    let kinds: BTreeSet<String> =
        messages(&output, &["check"]).iter().map(|m| m["message_type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["difference", "exit_error"].map(str::to_owned).into());
}

#[test]
fn every_verb_fails_in_json() {
    let (cli, machine) = tree();
    let words = machine.home.join("words.txt");
    let table: &[(&[&str], u64, &str)] = &[
        (&["init", "v:", "--recovery-file", words.to_str().unwrap()], 7, "fatal"),
        (&["copy", "nowhere", "v:"], 3, "dir_not_found"),
        (&["sync", "src", "dst"], 2, "usage"),
        (&["check", "src", "v:nowhere"], 3, "dir_not_found"),
        (&["rcat", "v:"], 2, "usage"),
        (&["cat", "v:nowhere"], 3, "dir_not_found"),
        (&["ls", "v:nowhere"], 3, "dir_not_found"),
        (&["lsf", "v:nowhere"], 3, "dir_not_found"),
        (&["lsl", "v:nowhere"], 3, "dir_not_found"),
        (&["lsd", "v:nowhere"], 3, "dir_not_found"),
        (&["lsjson", "v:nowhere"], 3, "dir_not_found"),
        (&["tree", "v:nowhere"], 3, "dir_not_found"),
        (&["stat", "v:nowhere"], 4, "file_not_found"),
        (&["size", "v:nowhere"], 3, "dir_not_found"),
        (&["du", "v:nowhere"], 3, "dir_not_found"),
        (&["mkdir", "v:f/x"], 1, "failed"),
        (&["rmdir", "v:nowhere"], 3, "dir_not_found"),
        (&["touch", "v:f/x"], 1, "failed"),
        (&["cp", "v:nowhere", "v:x"], 4, "file_not_found"),
        (&["mv", "v:d", "v:d/x"], 1, "failed"),
        (&["rm", "v:d"], 4, "file_not_found"),
        (&["delete", "v:nowhere"], 3, "dir_not_found"),
        (&["purge", "v:f"], 1, "failed"),
        (&["verify", "w:"], 2, "usage"),
        (&["log", "w:"], 2, "usage"),
        (&["status", "v:x"], 2, "usage"),
        (&["config", "show", "--config", "/nowhere/at/all"], 2, "usage"),
        (&["listremotes", "x"], 2, "usage"),
        (&["version", "--memory", "lots"], 2, "usage"),
        (&["frobnicate"], 2, "usage"),
        (&["sync", "x"], 2, "usage"),
    ];
    for (args, code, class) in table {
        let output = run(&machine, args);
        assert_eq!(u64::try_from(output.code).unwrap(), *code, "{args:?}: {}", output.stderr);
        assert_eq!(output.text(), "", "{args:?}: no data with a failure");
        no_secret(&machine, &output, args);
        let messages = messages(&output, args);
        let last = messages.last().unwrap();
        assert_eq!(last["message_type"], "exit_error", "{args:?}");
        assert_eq!((last["code"].as_u64(), last["class"].as_str()), (Some(*code), Some(*class)), "{args:?}");
        assert!(last["message"].as_str().is_some_and(|text| !text.is_empty()), "{args:?}");
    }
    let wrong =
        cli.machine("wrong").var("CRYPTSYNC_VAULT_ID", &cli.vault_id).var("CRYPTSYNC_PASSWORD", "not it at all");
    let output = run(&wrong, &["ls", "v:"]);
    assert_eq!(output.code, 28);
    assert!(!output.stderr.contains("not it at all"));
    let last = messages(&output, &["ls"]).pop().unwrap();
    assert_eq!((&last["class"], last["hint"].is_string()), (&"no_key".into(), true));
    let by_variable = machine.clone().var("CRYPTSYNC_JSON", "true").run(["ls", "v:nowhere"]);
    assert_eq!(messages(&by_variable, &["ls"]).len(), 1, "the variable works as the option does");
}

/// Whatever verbs there are: a mistake on their command line is one object.
#[test]
fn no_verb_says_anything_but_json() {
    let cli = Cli::new();
    let machine = cli.machine("home");
    let help = machine.ok(["--help"]).text();
    let verbs = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let verbs: Vec<&str> = verbs.filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next()).collect();
    assert!(verbs.len() > 25 && verbs.contains(&"purge"), "{help}");
    for verb in verbs.into_iter().filter(|verb| *verb != "help") {
        for args in [[verb, "--no-such-option", "--json"], ["--json", verb, "--no-such-option"]] {
            let output = machine.run(args);
            assert_eq!((output.code, output.text()), (2, String::new()), "{args:?}");
            let messages = messages(&output, &args);
            assert_eq!(messages.len(), 1, "{args:?}");
            assert_eq!((&messages[0]["message_type"], &messages[0]["code"]), (&"exit_error".into(), &2.into()));
        }
    }
}

/// A file that can't be read is named, and the run goes on.
#[test]
fn entries_that_fail_are_objects_with_their_path() {
    if crate::support::cli::is_root() {
        return crate::support::cli::skipped("root reads every file");
    }
    let (_cli, machine) = tree();
    let file = machine.home.join("src/f");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    fs::write(machine.home.join("src/new"), "x").unwrap();
    let output = run(&machine, &["sync", "src", "v:other"]);
    assert_eq!(output.code, 1);
    let messages = messages(&output, &["sync"]);
    let failed = messages.iter().find(|message| message["message_type"] == "error").unwrap();
    assert_eq!((&failed["path"], &failed["code"]), (&"f".into(), &1.into()));
}

/// An error about one path names it.
#[test]
fn what_ends_a_run_names_its_path() {
    let (_cli, machine) = tree();
    for (args, about) in [
        (&["copy", "v:no/where", "to"][..], "no/where"),
        (&["cat", "v:no/where"], "no/where"),
        (&["copy", "nowhere", "v:"], "nowhere"),
        (&["check", "nowhere", "v:"], "nowhere"),
        (&["rm", "v:nothing"], "nothing"),
    ] {
        let output = run(&machine, args);
        let last = messages(&output, args).pop().unwrap();
        let path = last["path"].as_str().unwrap_or_else(|| panic!("{args:?}: {last}"));
        assert!(last["message_type"] == "exit_error" && path.ends_with(about), "{args:?}: {last}");
    }
}
