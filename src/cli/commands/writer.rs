//! `writer`

use std::ffi::OsString;

use jiff::tz::TimeZone;

use super::log;
use crate::cli::output::{
    Align, CliError, JsonRetired, JsonWriterRow, local_time, table, truncated, write_array, write_object,
};
use crate::cli::shell::Shell;
use crate::ops::{self, WriterRow};
use crate::path::printable;

/// Show who writes to a vault
///
/// A writer is one installation: one state directory on one machine. A run that keeps no state (`--ephemeral`) is a
/// writer of its own, and says in its last record that it was the last.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct WriterArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List the writers, the one that wrote last first
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// End a writer: what it has written stays, what it writes from now on is quarantined
    ///
    /// For a machine that is gone, and after exit code 22: when two different commits claim one place of a writer, which a
    /// copied state directory or a restored machine brings about. Both stay. The machine itself notices and goes on as
    /// another writer. It takes an admin. If somebody else has the key, remove that as well.
    #[command(after_help = RETIRE_EXAMPLES)]
    Retire(RetireArgs),
}

#[derive(Debug, clap::Args)]
struct RetireArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// The writer's id, or the beginning of it
    writer: String,
    /// Show where its log would end and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// Write a JSON array of objects: id, label, member, member_id, first, last, seq, state, own
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(shell: &Shell, args: &WriterArgs) -> Result<(), CliError> {
    match &args.what {
        What::List(args) => list(shell, args),
        What::Retire(args) => retire(shell, args),
    }
}

fn list(shell: &Shell, args: &ListArgs) -> Result<(), CliError> {
    let remote = shell.settings.remote(&args.remote)?;
    let writers = shell.call(false, |ctx| ops::writers(ctx, &remote))?;
    let zone = &shell.settings.time_zone;
    if args.json {
        return write_array(&shell.printer, |add| {
            Ok(writers.iter().try_for_each(|writer| add(&JsonWriterRow::new(writer, zone)))?)
        });
    }
    for line in lines(&writers, zone) {
        shell.printer.row(&line)?;
    }
    Ok(())
}

/// The writers as a table without a head, which scripts would have to skip.
fn lines(writers: &[WriterRow], zone: &TimeZone) -> Vec<String> {
    let row = |writer: &WriterRow| {
        let member = writer.member.as_ref().map_or("no member any more", |(label, _)| label.as_str());
        [
            truncated(&writer.id).to_owned(),
            printable(writer.label.as_bytes()),
            printable(member.as_bytes()),
            writer.first.map_or_else(String::new, |first| local_time(first, zone)),
            local_time(writer.last, zone),
            format!("{} records", writer.seq),
            format!("{}{}", writer.state.name(), if writer.own { ", this one" } else { "" }),
        ]
    };
    let rows: Vec<_> = writers.iter().map(row).collect();
    let left = Align::Left;
    table([left, left, left, left, left, Align::Right, left], &rows)
}

fn retire(shell: &Shell, args: &RetireArgs) -> Result<(), CliError> {
    let remote = shell.settings.remote(&args.remote)?;
    let report = shell.call(false, |ctx| ops::retire(ctx, &remote, &args.writer, args.dry_run))?;
    let zone = &shell.settings.time_zone;
    if shell.printer.is_json() {
        return Ok(write_object(&shell.printer, &JsonRetired::new(&report, zone))?);
    }
    for line in log::lines(&report.kept, zone) {
        shell.printer.data(&line)?;
    }
    match &report.commit {
        Some(commit) => shell.printer.note(format_args!("writer {} is retired, by commit {commit}", report.writer)),
        None => shell.printer.note(format_args!("nothing was changed")),
    }
    Ok(())
}

const RETIRE_EXAMPLES: &str = "\
Examples:
  cryptsync writer retire --dry-run nas: 7yk3qm2xpw
  cryptsync writer retire nas: 7yk3qm2xpw";

const LIST_EXAMPLES: &str = "\
Examples:
  cryptsync writer list nas:
  cryptsync writer list --json nas:";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::WriterState;
    use crate::world::Timestamp;

    #[test]
    fn one_line_a_writer() {
        let writer = |own, state, member: Option<&str>| WriterRow {
            id: "abcdefghijklmnop".to_owned(),
            label: "laptop".to_owned(),
            member: member.map(|label| (label.to_owned(), "qrstuv".to_owned())),
            first: Some(Timestamp::default()),
            commit: "c".to_owned(),
            last: Timestamp { secs: 86_400, nanos: 0 },
            seq: 12,
            state,
            own,
        };
        assert_eq!(
            lines(
                &[writer(true, WriterState::Live, Some("laptop")), writer(false, WriterState::Closed, None)],
                &TimeZone::UTC
            ),
            [
                "abcdefghij  laptop  laptop              1970-01-01 00:00:00  1970-01-02 00:00:00  12 records  live, this one",
                "abcdefghij  laptop  no member any more  1970-01-01 00:00:00  1970-01-02 00:00:00  12 records  closed",
            ]
        );
    }
}
