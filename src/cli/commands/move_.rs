//! `move`

use super::transfer::TransferArgs;
use crate::cli::output::CliError;
use crate::cli::settings::Settings;
use crate::cli::shell::Shell;
use crate::ops::{Moving, SyncOptions};

/// Move files from source to destination
///
/// Like copy, and then removes from the source what is at the destination: when it is durable there, and only if it is
/// still what was read. Every file is read, whatever its time says, so that nothing goes that was not stored. A file that
/// changed meanwhile stays and is named. Directories stay, unless `--delete-empty-src-dirs` removes those left empty; the
/// source itself stays. A run that was stopped goes on where it was when it is repeated.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MoveArgs {
    /// Remove directories of the source that are left empty
    #[arg(long)]
    delete_empty_src_dirs: bool,
    #[command(flatten)]
    transfer: TransferArgs,
}

impl MoveArgs {
    pub(crate) fn options(&self, settings: &Settings) -> Result<SyncOptions, CliError> {
        let options = self.transfer.options(settings, "move", false)?;
        let moving = Some(Moving { delete_empty_src_dirs: self.delete_empty_src_dirs });
        Ok(SyncOptions { moving, ..options })
    }
}

pub(crate) fn run(shell: &Shell, args: &MoveArgs) -> Result<(), CliError> {
    args.transfer.run(shell, args.options(&shell.settings)?)
}

const EXAMPLES: &str = "\
Examples:
  cryptsync move ~/Camera nas:photos --delete-empty-src-dirs
  cryptsync move nas:inbox ~/inbox
  cryptsync move nas:2019 archive:2019";
