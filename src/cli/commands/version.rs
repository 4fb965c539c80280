//! `version`

use crate::cli::output::{CliError, write_object};
use crate::cli::shell::Shell;

/// Show the version of the program
#[derive(Debug, clap::Args)]
pub(crate) struct VersionArgs {}

pub(crate) fn run(shell: &Shell, _: &VersionArgs) -> Result<(), CliError> {
    if shell.printer.is_json() {
        let version = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"), "os": std::env::consts::OS, "arch": std::env::consts::ARCH
        });
        return Ok(write_object(&shell.printer, &version)?);
    }
    shell.printer.data(&format!("cryptsync v{}", env!("CARGO_PKG_VERSION")))?;
    shell.printer.data(&format!("- os/arch: {}/{}", std::env::consts::OS, std::env::consts::ARCH))?;
    Ok(())
}
