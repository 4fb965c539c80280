//! `rmdirs`

use std::ffi::OsString;

use super::changes::{self, AskFlags};
use super::filters::FilterFlags;
use crate::cli::output::CliError;
use crate::cli::shell::Shell;
use crate::ops;

/// Remove the empty directories below a path
///
/// Directories that hold nothing but empty directories count as empty. The path itself goes too if nothing is left in it,
/// unless it is the top of the vault, or `--leave-root` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RmdirsArgs {
    /// The directory
    path: OsString,
    /// Leave the path itself even if it is empty
    #[arg(long)]
    leave_root: bool,
    #[command(flatten)]
    flags: AskFlags,
    #[command(flatten)]
    filter: FilterFlags,
}

pub(crate) fn run(shell: &Shell, args: &RmdirsArgs) -> Result<(), CliError> {
    let (place, filter) = (shell.settings.place(&args.path)?, args.filter.filter(&shell.settings)?);
    let options = args.flags.options(shell, "rmdirs", std::slice::from_ref(&place))?;
    changes::run(shell, options.dry_run, |ctx| ops::rmdirs(ctx, &place, &filter, args.leave_root, &options))
}

const EXAMPLES: &str = "\
Examples:
  cryptsync rmdirs nas:docs
  cryptsync rmdirs --leave-root nas:inbox";
