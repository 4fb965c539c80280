//! `purge`

use std::ffi::OsString;

use super::changes::{self, RemoveFlags};
use crate::cli::output::CliError;
use crate::cli::shell::Shell;
use crate::ops;

/// Remove a directory with everything in it
///
/// Filters have no say here; `delete` obeys them. What is removed stays in the vault's history.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PurgeArgs {
    /// The directory
    path: OsString,
    #[command(flatten)]
    flags: RemoveFlags,
}

pub(crate) fn run(shell: &Shell, args: &PurgeArgs) -> Result<(), CliError> {
    let place = shell.settings.place(&args.path)?;
    let options = args.flags.options(shell, "purge", std::slice::from_ref(&place))?;
    changes::run(shell, options.dry_run, |ctx| ops::purge(ctx, &place, &options))
}

const EXAMPLES: &str = "\
Examples:
  cryptsync purge nas:docs/2019";
