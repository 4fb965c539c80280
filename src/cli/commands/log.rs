//! `log`

use std::ffi::OsString;

use jiff::tz::TimeZone;

use crate::cli::output::{Align, CliError, JsonCommit, local_time, table, truncated, write_array};
use crate::cli::settings::Settings;
use crate::cli::shell::Shell;
use crate::ops::{self, LogEntry, RemoteProfile};
use crate::path::printable;
use crate::units::ByteSize;

/// Show the commits of a vault, newest first
///
/// One line for each commit: its id, the time its writer claims, the writer, the entries and bytes in the tree after
/// it, and what was done.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LogArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// How many commits to show
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

impl LogArgs {
    pub(crate) fn options(&self, settings: &Settings) -> Result<(RemoteProfile, usize), CliError> {
        Ok((settings.remote(&self.remote)?, self.limit))
    }
}

pub(crate) fn run(shell: &Shell, args: &LogArgs) -> Result<(), CliError> {
    let (remote, limit) = args.options(&shell.settings)?;
    let commits = shell.call(false, |ctx| ops::log(ctx, &remote, limit))?;
    let zone = &shell.settings.time_zone;
    if shell.printer.is_json() {
        return write_array(&shell.printer, |add| {
            Ok(commits.iter().try_for_each(|commit| add(&JsonCommit::new(commit, zone)))?)
        });
    }
    for line in lines(&commits, zone) {
        shell.printer.row(&line)?;
    }
    Ok(())
}

/// The commits as a table without a head, which scripts would have to skip.
pub(super) fn lines(commits: &[LogEntry], zone: &TimeZone) -> Vec<String> {
    let row = |commit: &LogEntry| {
        [
            truncated(&commit.id).to_owned(),
            local_time(commit.time, zone),
            printable(commit.writer.as_bytes()),
            format!("{} entries", commit.entries),
            ByteSize(commit.bytes).to_string(),
            printable(commit.operation.as_bytes()),
        ]
    };
    let rows: Vec<_> = commits.iter().map(row).collect();
    table([Align::Left, Align::Left, Align::Left, Align::Right, Align::Right, Align::Left], &rows)
}

const EXAMPLES: &str = "\
Examples:
  cryptsync log nas:
  cryptsync log --limit 1 --json nas:";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Timestamp;

    #[test]
    fn one_line_a_commit() {
        let commit = |entries, bytes| LogEntry {
            id: "abcdefghijklmnop".to_owned(),
            time: Timestamp { secs: 0, nanos: 0 },
            writer: "laptop".to_owned(),
            operation: "sync /a -> b".to_owned(),
            entries,
            bytes,
            kind: "commit",
            writer_id: "w".to_owned(),
            number: 1,
            given_up: None,
        };
        assert_eq!(
            lines(&[commit(1200, 1 << 30), commit(3, 17)], &TimeZone::UTC),
            [
                "abcdefghij  1970-01-01 00:00:00  laptop  1200 entries  1.00 GiB  sync /a -> b",
                "abcdefghij  1970-01-01 00:00:00  laptop     3 entries      17 B  sync /a -> b",
            ]
        );
    }
}
