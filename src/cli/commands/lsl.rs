//! `lsl`

use std::ffi::OsString;

use super::filters::FilterFlags;
use super::links::LinkFlags;
use crate::cli::output::{CliError, JsonEntry, exact_time, write_array};
use crate::cli::shell::Shell;
use crate::ops::{self, ListOptions, ListedKind};

/// List the files below a path, with their sizes and times
///
/// One line for each file: the size in bytes, the modification time in local time to the nanosecond, and the path relative
/// to the one given. Directories are always descended into.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LslArgs {
    /// What to list
    path: OsString,
    #[command(flatten)]
    links: LinkFlags,
    #[command(flatten)]
    filter: FilterFlags,
}

pub(crate) fn run(shell: &Shell, args: &LslArgs) -> Result<(), CliError> {
    let (printer, zone) = (&shell.printer, &shell.settings.time_zone);
    let place = shell.settings.place(&args.path)?;
    let filter = args.links.scope(args.filter.filter(&shell.settings)?);
    let options = ListOptions { place, recursive: true, filter, links: args.links.shown() };
    if printer.is_json() {
        return write_array(printer, |add| {
            shell.call(false, |ctx| {
                ops::list(ctx, &options, &mut |row| match row.kind {
                    ListedKind::File => add(&JsonEntry::new(row, zone)),
                    _ => Ok(()),
                })
            })
        });
    }
    shell.call(false, |ctx| {
        ops::list(ctx, &options, &mut |row| {
            if row.kind != ListedKind::File {
                return Ok(());
            }
            let fields = format!("{:>9} {} ", shell.settings.listed_size(row.size), exact_time(row.mtime, zone));
            printer.record(&[fields.as_bytes(), &printer.name(row.path.as_bytes())].concat(), b"\n")
        })
    })
}

const EXAMPLES: &str = "\
Examples:
  cryptsync lsl nas:docs
  cryptsync lsl nas: --include '*.jpg'";
