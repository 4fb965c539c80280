//! `rmdir`

use std::ffi::OsString;

use super::changes::{self, AskFlags};
use crate::cli::output::CliError;
use crate::cli::shell::Shell;
use crate::ops;

/// Remove a directory that is empty
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RmdirArgs {
    /// The directory
    path: OsString,
    #[command(flatten)]
    flags: AskFlags,
}

pub(crate) fn run(shell: &Shell, args: &RmdirArgs) -> Result<(), CliError> {
    let place = shell.settings.place(&args.path)?;
    let options = args.flags.options(shell, "rmdir", std::slice::from_ref(&place))?;
    changes::run(shell, options.dry_run, |ctx| ops::rmdir(ctx, &place, &options))
}

const EXAMPLES: &str = "\
Examples:
  cryptsync rmdir nas:docs/2026/taxes";
