//! `version`

use crate::cli::output::CliError;
use crate::cli::shell::Shell;

/// Show the version of the program
#[derive(Debug, clap::Args)]
pub(crate) struct VersionArgs {}

pub(crate) fn run(shell: &Shell, _: &VersionArgs) -> Result<(), CliError> {
    shell.printer.data(&format!("cryptsync v{}", env!("CARGO_PKG_VERSION")))?;
    shell.printer.data(&format!("- os/arch: {}/{}", std::env::consts::OS, std::env::consts::ARCH))?;
    Ok(())
}
