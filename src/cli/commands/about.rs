//! `about`

use std::ffi::OsString;

use serde::Serialize;

use crate::cli::output::{CliError, rclone_size, write_object};
use crate::cli::shell::Shell;
use crate::ops::{self, About};

/// Show how much space a vault takes up, and how much there is
///
/// `Used` is what the remote holds for this vault: sealed, deduplicated and padded, history and metadata included.
/// `size` shows how much is in the tree. What the remote doesn't tell is left out.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AboutArgs {
    /// A whole remote, `name:`
    remote: OsString,
    /// Write numbers of bytes, without units
    #[arg(long)]
    full: bool,
}

/// rclone's object.
#[derive(Serialize)]
struct Space {
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    used: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    free: Option<u64>,
    objects: u64,
}

pub(crate) fn run(shell: &Shell, args: &AboutArgs) -> Result<(), CliError> {
    let remote = shell.settings.remote(&args.remote)?;
    let About { total, used, objects, free, other } = shell.call(false, |ctx| ops::about(ctx, &remote))?;
    if shell.printer.is_json() {
        return Ok(write_object(&shell.printer, &Space { total, used, other, free, objects })?);
    }
    let size = |bytes: u64| if args.full { bytes.to_string() } else { rclone_size(bytes) };
    let rows = [("Total:", total), ("Used:", Some(used)), ("Free:", free), ("Other:", other)];
    for (name, bytes) in rows {
        if let Some(bytes) = bytes {
            shell.printer.data(&format!("{name:<8} {}", size(bytes)))?;
        }
    }
    Ok(shell.printer.data(&format!("{:<8} {objects}", "Objects:"))?)
}

const EXAMPLES: &str = "\
Examples:
  cryptsync about nas:
  cryptsync about nas: --json";
