//! `version`

use crate::cli::output::{CliError, Printer, write_object};

/// Show the version of the program
#[derive(Debug, clap::Args)]
pub(crate) struct VersionArgs {}

pub(crate) fn run(printer: &Printer) -> Result<(), CliError> {
    if printer.is_json() {
        let version = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"), "os": std::env::consts::OS, "arch": std::env::consts::ARCH
        });
        return Ok(write_object(printer, &version)?);
    }
    printer.data(&format!("cryptsync v{}", env!("CARGO_PKG_VERSION")))?;
    printer.data(&format!("- os/arch: {}/{}", std::env::consts::OS, std::env::consts::ARCH))?;
    Ok(())
}
