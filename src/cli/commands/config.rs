//! `config`

use std::os::unix::ffi::OsStrExt;

use crate::cli::output::{CliError, write_object};
use crate::cli::shell::Shell;
use crate::path::printable;

/// Show the configuration
///
/// Remotes are written by hand:
///
///   remotes:
///     nas: {type: fs, root: /mnt/nas/vault}
///
/// Each can be overridden or defined by variables: CRYPTSYNC_CONFIG_NAS_ROOT=/elsewhere.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, arg_required_else_help = true)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Print the path of the configuration file
    File,
    /// Print the remotes in effect, from file and environment
    Show,
}

pub(crate) fn run(shell: &Shell, args: &ConfigArgs) -> Result<(), CliError> {
    if shell.printer.is_json() {
        let value: serde_json::Value = match args.what {
            What::File => serde_json::json!({ "path": printable(shell.settings.config_path.as_os_str().as_bytes()) }),
            What::Show => serde_yaml::from_str(&shell.settings.config.to_yaml())
                .map_err(|error| CliError::usage("the configuration can't be shown as JSON").caused_by(error))?,
        };
        return Ok(write_object(&shell.printer, &value)?);
    }
    match args.what {
        What::File => shell.printer.record(shell.settings.config_path.as_os_str().as_bytes(), b"\n")?,
        What::Show => shell.printer.data(shell.settings.config.to_yaml().trim_end())?,
    }
    Ok(())
}
