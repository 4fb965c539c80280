//! `adopt`

use std::ffi::OsString;

use super::log;
use crate::cli::output::{CliError, JsonAdopted, write_object};
use crate::cli::shell::Shell;
use crate::ops::{self, LogEntry};

/// Let a quarantined commit count
///
/// A commit is quarantined if its key was removed from the vault without knowing it, if its writer was retired, or if it
/// follows such a commit; `status` lists them. Adopting lets it and all that it follows count. It takes an admin, and
/// comes into effect for everybody. Look at what would come in with `--dry-run` first.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AdoptArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// The commit's id, or the beginning of it
    commit: String,
    /// Show what would come in and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) fn run(shell: &Shell, args: &AdoptArgs) -> Result<(), CliError> {
    let remote = shell.settings.remote(&args.remote)?;
    let report = shell.call(false, |ctx| ops::adopt(ctx, &remote, &args.commit, args.dry_run))?;
    let zone = &shell.settings.time_zone;
    if shell.printer.is_json() {
        return Ok(write_object(&shell.printer, &JsonAdopted::new(&report, zone))?);
    }
    let entries: Vec<LogEntry> = report.adopted.into_iter().map(|one| one.entry).collect();
    for line in log::lines(&entries, zone) {
        shell.printer.data(&line)?;
    }
    match &report.commit {
        Some(commit) => shell.printer.note(format_args!("adopted by commit {commit}")),
        None => shell.printer.note(format_args!("nothing was changed")),
    }
    Ok(())
}

const EXAMPLES: &str = "\
Examples:
  cryptsync adopt --dry-run nas: 4q2xvn7kpa
  cryptsync adopt nas: 4q2xvn7kpa";
