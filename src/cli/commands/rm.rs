//! `rm`

use std::ffi::OsString;

use super::changes::{self, RemoveFlags};
use crate::cli::output::CliError;
use crate::cli::shell::Shell;
use crate::ops::{self, Place};

/// Remove files of a vault, or with -r whole directories
///
/// Everything that is named goes at once: if one of the paths is not there, nothing is removed. What is removed stays in
/// the vault's history. Removing more than half of the vault (and more than 20 entries) is asked about first.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RmArgs {
    /// Files, or with -r directories too
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<OsString>,
    /// Remove directories with everything in them
    #[arg(short, long)]
    recursive: bool,
    #[command(flatten)]
    flags: RemoveFlags,
}

pub(crate) fn run(shell: &Shell, args: &RmArgs) -> Result<(), CliError> {
    let places: Vec<Place> = args.paths.iter().map(|path| shell.settings.place(path)).collect::<Result<_, _>>()?;
    let options = args.flags.options(shell, if args.recursive { "rm -r" } else { "rm" }, &places)?;
    changes::run(shell, options.dry_run, |ctx| ops::rm(ctx, &places, args.recursive, &options))
}

const EXAMPLES: &str = "\
Examples:
  cryptsync rm nas:docs/letter.txt nas:docs/draft.txt
  cryptsync rm -r nas:docs/2019";
