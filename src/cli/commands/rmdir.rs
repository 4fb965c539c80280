//! `rmdir`

use std::ffi::OsString;

use super::changes::{self, operation};
use crate::cli::output::CliError;
use crate::cli::shell::Shell;
use crate::ops;

/// Remove a directory that is empty
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RmdirArgs {
    /// The directory
    path: OsString,
    /// Show what would be removed and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) fn run(shell: &Shell, args: &RmdirArgs) -> Result<(), CliError> {
    let place = shell.settings.place(&args.path)?;
    let operation = operation("rmdir", std::slice::from_ref(&place));
    changes::run(shell, args.dry_run, |ctx| ops::rmdir(ctx, &place, args.dry_run, &operation))
}

const EXAMPLES: &str = "\
Examples:
  cryptsync rmdir nas:docs/2026/taxes";
