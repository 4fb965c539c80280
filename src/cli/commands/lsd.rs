//! `lsd`

use std::ffi::OsString;

use super::filters::FilterFlags;
use super::links::LinkFlags;
use crate::cli::output::{CliError, JsonEntry, local_time, write_array};
use crate::cli::shell::Shell;
use crate::ops::{self, ListOptions, ListedKind};

/// List the directories in a path
///
/// One line for each directory: -1 (directories have no size), the modification time, -1 (what is in them is not counted:
/// `du` does that), and the path relative to the one given.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LsdArgs {
    /// What to list
    path: OsString,
    /// Descend into directories
    #[arg(short = 'R', long)]
    recursive: bool,
    #[command(flatten)]
    links: LinkFlags,
    #[command(flatten)]
    filter: FilterFlags,
}

pub(crate) fn run(shell: &Shell, args: &LsdArgs) -> Result<(), CliError> {
    let (printer, zone) = (&shell.printer, &shell.settings.time_zone);
    let place = shell.settings.place(&args.path)?;
    let options = ListOptions {
        place,
        recursive: args.recursive || args.filter.descends(),
        filter: args.links.scope(args.filter.filter(&shell.settings)?),
        links: args.links.shown(),
    };
    if printer.is_json() {
        return write_array(printer, |add| {
            shell.call(false, |ctx| {
                ops::list(ctx, &options, &mut |row| match row.kind {
                    ListedKind::Dir => add(&JsonEntry::new(row, zone)),
                    _ => Ok(()),
                })
            })
        });
    }
    shell.call(false, |ctx| {
        ops::list(ctx, &options, &mut |row| {
            if row.kind != ListedKind::Dir {
                return Ok(());
            }
            let width = if shell.settings.human_readable { 9 } else { 12 }; // as rclone has them
            let fields = format!("{:>width$} {:>13} {:>9} ", -1, local_time(row.mtime, zone), -1);
            printer.record(&[fields.as_bytes(), &printer.name(row.path.as_bytes())].concat(), b"\n")
        })
    })
}

const EXAMPLES: &str = "\
Examples:
  cryptsync lsd nas:
  cryptsync lsd -R nas:docs";
