//! `mkdir`

use std::ffi::OsString;

use super::changes::{self, AskFlags};
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
    #[command(flatten)]
    ask: AskFlags,
    #[command(flatten)]
    create: CreateFlags,
}

pub(crate) fn run(shell: &Shell, args: &MkdirArgs) -> Result<(), CliError> {
    let place = shell.settings.place(&args.path)?;
    let options = args.ask.options(shell, "mkdir", std::slice::from_ref(&place))?;
    ensure_vault(shell, &place, &args.create, options.dry_run)?;
    changes::run(shell, options.dry_run, |ctx| ops::mkdir(ctx, &place, &options))
}

const EXAMPLES: &str = "\
Examples:
  cryptsync mkdir nas:docs/2026/taxes";
