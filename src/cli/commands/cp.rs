//! `cp`

use std::ffi::OsString;

use super::changes::{self, AskFlags};
use crate::cli::output::CliError;
use crate::cli::shell::Shell;
use crate::ops::{self, RenameOptions};

/// Copy a file or a directory inside a vault
///
/// Nothing is transferred: both names have the same content, which is stored once. A directory that is there as the
/// destination is gone into; a file of that name is replaced, and stays in the history. Between two vaults, or to and from
/// this machine, it is `copy`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CpArgs {
    /// A file or a directory
    source: OsString,
    /// Its new name, or the directory it goes into
    dest: OsString,
    #[command(flatten)]
    ask: AskFlags,
}

pub(crate) fn run(shell: &Shell, args: &CpArgs) -> Result<(), CliError> {
    let (source, dest) = (shell.settings.place(&args.source)?, shell.settings.place(&args.dest)?);
    let edit = args.ask.options(shell, "cp", &[source.clone(), dest.clone()])?;
    let options = RenameOptions { source, dest, keep: true, edit };
    changes::run(shell, options.edit.dry_run, |ctx| ops::rename(ctx, &options))
}

const EXAMPLES: &str = "\
Examples:
  cryptsync cp nas:letter.txt nas:letter-2.txt
  cryptsync cp nas:2025 nas:archive";
