//! `sync`

use super::transfer::TransferArgs;
use crate::cli::output::CliError;
use crate::cli::settings::Settings;
use crate::cli::shell::Shell;
use crate::ops::SyncOptions;

/// Make the destination equal to the source, deleting what the source does not have
///
/// Like copy, and then deletes at the destination what the source lacks; files that filters leave out stay. Nothing is
/// deleted if anything failed before. A run that would delete more than half of the destination (and more than 20
/// entries), or whose source is empty, asks first, and is refused where there is nobody to ask.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SyncArgs {
    /// Delete even if it is most of the destination
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    transfer: TransferArgs,
}

impl SyncArgs {
    pub(crate) fn options(&self, settings: &Settings) -> Result<SyncOptions, CliError> {
        self.transfer.options(settings, "sync", self.force)
    }
}

pub(crate) fn run(shell: &Shell, args: &SyncArgs) -> Result<(), CliError> {
    args.transfer.run(shell, args.options(&shell.settings)?)
}

const EXAMPLES: &str = "\
Examples:
  cryptsync sync --dry-run ~/Documents nas:docs
  cryptsync sync ~/Documents nas:docs --exclude 'node_modules/'
  cryptsync sync nas:docs /mnt/copy";
