//! `mkdir`

use std::ffi::OsString;

use super::changes::{self, operation};
use super::create::{CreateFlags, ensure_vault};
use crate::cli::output::CliError;
use crate::cli::shell::Shell;
use crate::ops;

/// Make a directory, and those above it that are missing
///
/// A directory that is there already is left as it is.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MkdirArgs {
    /// The directory
    path: OsString,
    /// Show what would be made and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    #[command(flatten)]
    create: CreateFlags,
}

pub(crate) fn run(shell: &Shell, args: &MkdirArgs) -> Result<(), CliError> {
    let place = shell.settings.place(&args.path)?;
    ensure_vault(shell, &place, &args.create, args.dry_run)?;
    let operation = operation("mkdir", std::slice::from_ref(&place));
    changes::run(shell, args.dry_run, |ctx| ops::mkdir(ctx, &place, args.dry_run, &operation))
}

const EXAMPLES: &str = "\
Examples:
  cryptsync mkdir nas:docs/2026/taxes";
