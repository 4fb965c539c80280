//! `delete`

use std::ffi::OsString;

use super::changes::{self, RemoveFlags};
use super::filters::FilterFlags;
use crate::cli::output::CliError;
use crate::cli::shell::Shell;
use crate::ops;

/// Remove the files below a path, as far as the filters take them in
///
/// Directories stay, empty as they may be; `--rmdirs` removes those below the path that nothing is left in. `purge`
/// removes a directory with everything in it, whatever the filters say.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DeleteArgs {
    /// A directory, or a file
    path: OsString,
    /// Remove directories that are left empty, but not the one that was named
    #[arg(long)]
    rmdirs: bool,
    #[command(flatten)]
    flags: RemoveFlags,
    #[command(flatten)]
    filter: FilterFlags,
}

pub(crate) fn run(shell: &Shell, args: &DeleteArgs) -> Result<(), CliError> {
    let (place, filter) = (shell.settings.place(&args.path)?, args.filter.filter(&shell.settings)?);
    let options = args.flags.options(shell, "delete", std::slice::from_ref(&place))?;
    changes::run(shell, options.dry_run, |ctx| ops::delete(ctx, &place, &filter, args.rmdirs, &options))
}

const EXAMPLES: &str = "\
Examples:
  cryptsync delete nas:docs --include '*.bak' --dry-run
  cryptsync delete nas:cache --rmdirs";
