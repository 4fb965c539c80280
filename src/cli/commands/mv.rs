//! `mv`

use std::ffi::OsString;

use super::changes::{self, AskFlags};
use crate::cli::output::CliError;
use crate::cli::shell::Shell;
use crate::ops::{self, RenameOptions};

/// Give a file or a directory of a vault another name
///
/// Nothing is transferred: only names change, however large a directory is. A directory that is there as the
/// destination is gone into; a file of that name is replaced, and stays in the history. Between two vaults, or to and from
/// this machine, it is `move`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MvArgs {
    /// A file or a directory
    source: OsString,
    /// Its new name, or the directory it goes into
    dest: OsString,
    #[command(flatten)]
    ask: AskFlags,
}

pub(crate) fn run(shell: &Shell, args: &MvArgs) -> Result<(), CliError> {
    let (source, dest) = (shell.settings.place(&args.source)?, shell.settings.place(&args.dest)?);
    let edit = args.ask.options(shell, "mv", &[source.clone(), dest.clone()])?;
    let options = RenameOptions { source, dest, keep: false, edit };
    changes::run(shell, options.edit.dry_run, |ctx| ops::rename(ctx, &options))
}

const EXAMPLES: &str = "\
Examples:
  cryptsync mv nas:draft.txt nas:letter.txt
  cryptsync mv nas:2025 nas:archive";
