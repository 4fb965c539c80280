//! `version`

use crate::cli::output::{CliError, Printer, write_object};

/// Show the version of the program
///
/// One line for the version, and one for the system it was made for.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VersionArgs {
    /// Not available: the program asks nobody about itself
    #[arg(long, hide = true)]
    check: bool,
}

pub(crate) fn run(printer: &Printer, args: &VersionArgs) -> Result<(), CliError> {
    if args.check {
        return Err(CliError::usage("--check is not available: cryptsync asks nobody but your remotes anything")
            .hint("look where you have installed it from"));
    }
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

const EXAMPLES: &str = "\
Examples:
  cryptsync version
  cryptsync version --json";
