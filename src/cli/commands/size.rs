//! `size`

use std::ffi::OsString;

use serde::Serialize;

use super::filters::FilterFlags;
use super::links::LinkFlags;
use crate::cli::output::{CliError, rclone_count, rclone_size, write_object};
use crate::cli::shell::Shell;
use crate::ops::{self, Extras, ListOptions, ListedKind};

/// Show how many files are below a path, and their size
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SizeArgs {
    /// What to measure
    path: OsString,
    #[command(flatten)]
    links: LinkFlags,
    #[command(flatten)]
    filter: FilterFlags,
}

/// rclone's object: everything here has a size.
#[derive(Serialize)]
struct Total {
    count: u64,
    bytes: u64,
    sizeless: u64,
}

pub(crate) fn run(shell: &Shell, args: &SizeArgs) -> Result<(), CliError> {
    let place = shell.settings.place(&args.path)?;
    let filter = args.links.scope(args.filter.filter(&shell.settings)?);
    let options = ListOptions { place, recursive: true, filter, links: args.links.shown() };
    let (mut count, mut bytes) = (0u64, 0u64);
    shell.call(false, |ctx| {
        ops::list_with(ctx, &options, &Extras { no_times: true, ..Extras::default() }, &mut |row| {
            if row.kind == ListedKind::File {
                (count, bytes) = (count + 1, bytes.saturating_add(row.size));
            }
            Ok(())
        })
    })?;
    if shell.printer.is_json() {
        let total = Total { count, bytes, sizeless: 0 };
        return Ok(write_object(&shell.printer, &total)?);
    }
    shell.printer.data(&format!("Total objects: {}", rclone_count(count)))?;
    Ok(shell.printer.data(&format!("Total size: {} ({bytes} Byte)", rclone_size(bytes)))?)
}

const EXAMPLES: &str = "\
Examples:
  cryptsync size nas:docs
  cryptsync size --json nas: --include '*.jpg'";
