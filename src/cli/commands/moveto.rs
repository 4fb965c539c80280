//! `moveto`

use super::transfer::TransferArgs;
use crate::cli::output::CliError;
use crate::cli::settings::Settings;
use crate::cli::shell::Shell;
use crate::ops::{Moving, SyncOptions};

/// Move a file to a name, or a directory as move does
///
/// If the source is a file, the destination is the name that it gets; a directory of that name is refused. Filters can't be
/// used then. If the source is a directory, this is `move`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MovetoArgs {
    /// Remove directories of the source that are left empty
    #[arg(long)]
    delete_empty_src_dirs: bool,
    #[command(flatten)]
    transfer: TransferArgs,
}

impl MovetoArgs {
    pub(crate) fn options(&self, settings: &Settings) -> Result<SyncOptions, CliError> {
        let mut options = self.transfer.options(settings, "moveto", false)?;
        options.rules.to_name = true;
        options.moving = Some(Moving { delete_empty_src_dirs: self.delete_empty_src_dirs });
        Ok(options)
    }
}

pub(crate) fn run(shell: &Shell, args: &MovetoArgs) -> Result<(), CliError> {
    args.transfer.run(shell, args.options(&shell.settings)?)
}

const EXAMPLES: &str = "\
Examples:
  cryptsync moveto draft.txt nas:letters/letter.txt
  cryptsync moveto nas:inbox/scan.pdf ~/scan.pdf";
