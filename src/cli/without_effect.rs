//! Flags of rclone that scripts carry and that have nothing to tune here. They are taken, checked, and change nothing;
//! a flag whose absence would change what a run does is never among them.

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, Command, value_parser};

use super::settings::parse_duration;
use crate::units::TypedSize;

/// What stands behind a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Number,
    Size,
    Duration,
}

/// The flags, and why they have nothing to do.
const TABLE: &[(&str, Takes, &str)] = &[
    ("buffer-size", Takes::Size, "buffers come out of --memory"),
    ("fast-list", Takes::Nothing, "a listing of a vault never asks for directories one by one"),
    ("fs-cache-expire-duration", Takes::Duration, "remotes are kept for one run"),
    ("fs-cache-expire-interval", Takes::Duration, "remotes are kept for one run"),
    ("ignore-checksum", Takes::Nothing, "what comes out of a vault is verified in any case"),
    ("kv-lock-time", Takes::Duration, "there is no such database"),
    ("list-cutoff", Takes::Number, "listings are streamed"),
    ("max-backlog", Takes::Number, "plans are kept on disk when they are long"),
    ("max-buffer-memory", Takes::Size, "buffers come out of --memory"),
    ("max-stats-groups", Takes::Number, "a run has one set of statistics"),
    ("multi-thread-chunk-size", Takes::Size, "files are in chunks already"),
    ("multi-thread-cutoff", Takes::Size, "files are in chunks already"),
    ("multi-thread-streams", Takes::Number, "files are in chunks already"),
    ("multi-thread-write-buffer-size", Takes::Size, "files are in chunks already"),
    ("no-check-dest", Takes::Nothing, "the destination is a tree that is at hand"),
    ("no-console", Takes::Nothing, "there is no console to hide"),
    ("server-side-across-configs", Takes::Nothing, "two vaults have nothing that a server could copy"),
    ("streaming-upload-cutoff", Takes::Size, "every upload is streamed"),
    ("use-mmap", Takes::Nothing, "buffers are returned in any case"),
    ("use-server-modtime", Takes::Nothing, "times are in the vault, and cost no request"),
];

/// The command with these flags, hidden.
pub(super) fn add(command: Command) -> Command {
    let flag = |(name, takes, why): &(&'static str, Takes, &'static str)| {
        let arg = Arg::new(*name).long(*name).global(true).hide(true).help(format!("Accepted without effect: {why}"));
        match takes {
            Takes::Nothing => arg.action(ArgAction::SetTrue),
            _ => arg.action(ArgAction::Set).value_name(takes.name()).value_parser(takes.parser()),
        }
    };
    command.args(TABLE.iter().map(flag))
}

/// The flags as a table of Markdown.
pub(super) fn table() -> String {
    let row = |(name, takes, why): &(&str, Takes, &str)| {
        format!("| `{}` | {why} |", format!("--{name} {}", takes.name()).trim())
    };
    let head = ["| option | why it has nothing to do |", "|---|---|"].map(str::to_owned);
    head.into_iter().chain(TABLE.iter().map(row)).collect::<Vec<_>>().join("\n")
}

impl Takes {
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Number => "N",
            Self::Size => "SIZE",
            Self::Duration => "DURATION",
        }
    }

    fn parser(self) -> ValueParser {
        match self {
            Self::Nothing => ValueParser::bool(),
            Self::Number => value_parser!(i64).into(),
            Self::Size => value_parser!(TypedSize).into(),
            Self::Duration => ValueParser::new(parse_duration),
        }
    }
}
