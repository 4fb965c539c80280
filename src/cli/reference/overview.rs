//! The list of verbs and topics that `help` begins with.

use clap::Command;

use super::plain;
use crate::cli::topics;

/// Verbs in groups, then topics.
pub(super) fn overview(command: &Command, width: usize) -> String {
    let verbs: Vec<&Command> = command.get_subcommands().filter(|verb| !verb.is_hide_set()).collect();
    let grouped = |name: &&str| GROUPS.iter().any(|(_, names)| names.contains(name));
    let rest: Vec<&str> = verbs.iter().map(|verb| verb.get_name()).filter(|name| !grouped(name)).collect();
    let mut lines = plain::wrap(INTRODUCTION, width, "", "");
    for (title, names) in GROUPS.iter().copied().chain([("Further verbs", &rest[..])]) {
        let found: Vec<_> =
            names.iter().filter_map(|name| verbs.iter().find(|verb| verb.get_name() == *name)).collect();
        if !found.is_empty() {
            lines.extend([String::new(), format!("{title}:")]);
        }
        for verb in found {
            lines.extend(row(verb.get_name(), &verb.get_about().map(ToString::to_string).unwrap_or_default(), width));
        }
    }
    lines.extend([String::new(), "Topics of `cryptsync help`:".to_owned()]);
    lines.extend(topics::ALL.iter().flat_map(|topic| row(topic.name, topic.title(), width)));
    lines.join("\n")
}

fn row(name: &str, about: &str, width: usize) -> Vec<String> {
    plain::wrap(about, width, &format!("  {name:<14} "), &" ".repeat(if width < NARROW { 4 } else { 17 }))
}

const INTRODUCTION: &str = "Usage: cryptsync VERB [OPTIONS] ARGUMENTS. `cryptsync help VERB` explains a verb with examples, `cryptsync \
                            help options` lists what every verb takes.";
const NARROW: usize = 50;

/// What belongs together for people. Verbs that are in no group stand behind them.
const GROUPS: &[(&str, &[&str])] = &[
    ("Copying", &["copy", "copyto", "sync", "move", "moveto", "check", "rcat", "cat"]),
    (
        "Looking",
        &[
            "ls",
            "lsf",
            "lsl",
            "lsd",
            "lsjson",
            "tree",
            "find",
            "stat",
            "size",
            "du",
            "ncdu",
            "hashsum",
            "md5sum",
            "sha1sum",
            "sha256sum",
        ],
    ),
    (
        "Changing a tree",
        &["mv", "cp", "mkdir", "rmdir", "rmdirs", "rm", "delete", "purge", "touch", "conflicts", "dedupe"],
    ),
    ("History", &["log", "diff", "restore", "undo", "policy", "forget", "pin", "unpin", "tag"]),
    ("Vaults", &["init", "status", "leaks", "verify", "gc", "about", "key", "device", "writer", "adopt"]),
    ("The program", &["config", "listremotes", "completion", "version", "help"]),
];
