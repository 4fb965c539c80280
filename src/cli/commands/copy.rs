//! `copy`

use super::transfer::TransferArgs;
use crate::cli::output::CliError;
use crate::cli::settings::Settings;
use crate::cli::shell::Shell;
use crate::ops::SyncOptions;

/// Copy files from source to destination, skipping those that are there already
///
/// The contents of the source directory go into the destination directory; nothing is deleted there. Files of the same
/// size and time are taken to be the same. A run that was stopped goes on where it was when it is repeated.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CopyArgs {
    #[command(flatten)]
    transfer: TransferArgs,
}

impl CopyArgs {
    pub(crate) fn options(&self, settings: &Settings) -> Result<SyncOptions, CliError> {
        self.transfer.options(settings, "copy", false)
    }
}

pub(crate) fn run(shell: &Shell, args: &CopyArgs) -> Result<(), CliError> {
    args.transfer.run(shell, args.options(&shell.settings)?)
}

const EXAMPLES: &str = "\
Examples:
  cryptsync copy ~/Documents nas:docs
  cryptsync copy nas:docs/2024 ~/restored
  cryptsync copy --include '*.jpg' /media/card local:photos";
