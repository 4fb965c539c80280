//! `config`

use std::os::unix::ffi::OsStrExt;

use crate::cli::output::CliError;
use crate::cli::shell::Shell;

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
    match args.what {
        What::File => shell.printer.record(shell.settings.config_path.as_os_str().as_bytes(), b"\n")?,
        What::Show => shell.printer.data(shell.settings.config.to_yaml().trim_end())?,
    }
    Ok(())
}
