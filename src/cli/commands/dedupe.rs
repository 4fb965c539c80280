//! `dedupe`

use std::ffi::OsString;

use crate::cli::output::{CliError, write_object};
use crate::cli::shell::Shell;
use crate::ops::Place;

/// Say why a vault needs no deduplication
///
/// rclone's `dedupe` repairs services that hold several files of one name, and finds files of the same content. A path in a
/// vault is always one entry, and content that is the same is stored once, whatever names it has. So this does nothing, and
/// succeeds, for scripts that call it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DedupeArgs {
    /// rclone's mode, which makes no difference; or the path
    #[arg(value_name = "MODE")]
    first: OsString,
    /// A place in a vault
    path: Option<OsString>,
    /// rclone's mode, which makes no difference
    #[arg(long, value_name = "MODE")]
    dedupe_mode: Option<String>,
    /// Look for the same content, which a vault stores once anyway
    #[arg(long)]
    by_hash: bool,
    /// Change nothing, as always
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) fn run(shell: &Shell, args: &DedupeArgs) -> Result<(), CliError> {
    let path = args.path.as_ref().unwrap_or(&args.first);
    let Place::Vault(..) = shell.settings.place(path)? else {
        return Err(CliError::usage(format!("`{}` is on this machine, and dedupe is about vaults", path.display()))
            .hint("a file system has one file of each name, and cryptsync deletes no copies of files there"));
    };
    if shell.printer.is_json() {
        return Ok(write_object(&shell.printer, &serde_json::json!({ "needed": false, "changed": 0 }))?);
    }
    shell.printer.note(format_args!(
        "nothing to do: a path in a vault is one entry, and the same content is stored once. `cryptsync stat PATH` shows how a file is stored"
    ));
    Ok(())
}

const EXAMPLES: &str = "\
Examples:
  cryptsync dedupe nas:photos";
