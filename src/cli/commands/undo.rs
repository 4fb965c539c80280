//! `undo`

use std::ffi::OsString;

use super::changes;
use crate::cli::moment;
use crate::cli::output::{Align, CliError, local_time, rfc3339, table, truncated, write_array};
use crate::cli::shell::Shell;
use crate::ops::{self, EditOptions, RemoteProfile, UndoOptions, UndoRow};
use crate::path::printable;

/// Undo what a commit has done
///
/// Publishes a new commit that takes back what one commit did: the last one of this machine, or any that is named, of anybody. What was
/// done later stays; where both have changed one file, what is there now keeps its name, and what was there before the commit
/// is put beside it as a conflict copy. An undo can be undone.
///
/// If content that would have to be there again is gone from the vault, its files are named and nothing is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UndoArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// The commit, as `log` shows it [default: the last of this machine]
    commit: Option<String>,
    /// Show which of the newest commits can be undone
    #[arg(short, long, conflicts_with_all = ["commit", "dry_run", "force"])]
    list: bool,
    /// How many commits `--list` shows
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Show what would be done and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Go on even if that deletes most of the vault
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(shell: &Shell, args: &UndoArgs) -> Result<(), CliError> {
    let remote = shell.settings.remote(&args.remote)?;
    if args.list {
        return list(shell, &remote, args.limit);
    }
    let named = |text: &String| moment::commit_named(&shell.settings, "COMMIT", text);
    let commit = args.commit.as_ref().map(named).transpose()?;
    let UndoArgs { dry_run, force, .. } = *args;
    let edit = EditOptions { dry_run, interactive: false, force, operation: "undo".to_owned() };
    let options = UndoOptions { remote, commit, edit };
    changes::run(shell, dry_run, |ctx| ops::undo(ctx, &options))
}

fn list(shell: &Shell, remote: &RemoteProfile, limit: usize) -> Result<(), CliError> {
    let rows = shell.call(false, |ctx| ops::undoable(ctx, remote, limit))?;
    let zone = &shell.settings.time_zone;
    if shell.printer.is_json() {
        return write_array(&shell.printer, |add| {
            Ok(rows.iter().try_for_each(|UndoRow { entry, own, possible }| {
                add(&serde_json::json!({
                    "id": entry.id,
                    "time": rfc3339(entry.time, zone),
                    "writer": printable(entry.writer.as_bytes()),
                    "operation": printable(entry.operation.as_bytes()),
                    "own": own,
                    "possible": possible,
                }))
            })?)
        });
    }
    let row = |UndoRow { entry, own, possible }: &UndoRow| {
        [
            truncated(&entry.id).to_owned(),
            local_time(entry.time, zone),
            printable(entry.writer.as_bytes()) + if *own { " (here)" } else { "" },
            if *possible { "can be undone" } else { "is gone" }.to_owned(),
            printable(entry.operation.as_bytes()),
        ]
    };
    for line in table([Align::Left; 5], &rows.iter().map(row).collect::<Vec<_>>()) {
        shell.printer.row(&line)?;
    }
    Ok(())
}

const EXAMPLES: &str = "\
Examples:
  cryptsync undo nas:
  cryptsync undo -n nas: 7yk3qm2xpw
  cryptsync undo --list nas:";
