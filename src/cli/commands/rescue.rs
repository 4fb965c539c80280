//! `rescue`

use std::ffi::OsString;
use std::path::PathBuf;

use crate::class::Class;
use crate::cli::output::{CliError, JsonSummary, summary, write_object};
use crate::cli::shell::Shell;
use crate::ops::{self, Place};

/// Copy out of a damaged vault what can be read
///
/// Goes on where `copy` would stop: without commits, parts of the index, parts of trees or content that are missing or
/// damaged. If the newest tree can't be read, the newest that can is taken. Every byte is verified as ever. What can't be
/// had is named, and the run ends with 24. Nothing is written to the vault, and no file of the directory is written over: a
/// run that was stopped goes on where it was.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RescueArgs {
    /// The vault, or a path in it
    source: OsString,
    /// The directory of this machine to copy into
    dest: PathBuf,
    /// Show what would be copied and what can't be, and copy nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) fn run(shell: &Shell, args: &RescueArgs) -> Result<(), CliError> {
    let Place::Vault(remote, path) = shell.settings.place(&args.source)? else {
        return Err(CliError::usage("`rescue` takes files out of a vault: name it as `name:`"));
    };
    let progress = shell.progress(true);
    let report = shell.retrying(&progress, |ctx| ops::rescue(ctx, &remote, &path, &args.dest, args.dry_run));
    let elapsed = progress.elapsed();
    drop(progress); // clears the terminal
    let report = report?;
    if shell.printer.is_json() {
        write_object(&shell.printer, &JsonSummary::new(&report, elapsed, args.dry_run))?;
    } else {
        summary(&report, elapsed, args.dry_run).iter().for_each(|line| shell.printer.note(format_args!("{line}")));
    }
    match report.failed {
        0 => Ok(()),
        failed => Err(CliError::new(Class::Missing, format!("could not be had: {failed}; they are named above")).hint(
            "another copy of the vault may have them: see `remote heal`. Older versions may be whole: `verify --history` tells",
        )),
    }
}

const EXAMPLES: &str = "\
Examples:
  cryptsync rescue nas: ~/rescued
  cryptsync rescue -n nas:photos ~/rescued";
