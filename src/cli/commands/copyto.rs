//! `copyto`

use super::transfer::TransferArgs;
use crate::cli::output::CliError;
use crate::cli::settings::Settings;
use crate::cli::shell::Shell;
use crate::ops::SyncOptions;

/// Copy a file to a name, or a directory as copy does
///
/// If the source is a file, the destination is the name that it gets; a directory of that name is refused. Filters can't be
/// used then. If the source is a directory, this is `copy`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CopytoArgs {
    #[command(flatten)]
    transfer: TransferArgs,
}

impl CopytoArgs {
    pub(crate) fn options(&self, settings: &Settings) -> Result<SyncOptions, CliError> {
        let mut options = self.transfer.options(settings, "copyto", false)?;
        options.rules.to_name = true;
        Ok(options)
    }
}

pub(crate) fn run(shell: &Shell, args: &CopytoArgs) -> Result<(), CliError> {
    args.transfer.run(shell, args.options(&shell.settings)?)
}

const EXAMPLES: &str = "\
Examples:
  cryptsync copyto report.pdf nas:2026/final.pdf
  cryptsync copyto nas:2026/final.pdf ~/report.pdf";
