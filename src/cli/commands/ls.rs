//! `ls`

use std::ffi::OsString;

use super::filters::FilterFlags;
use super::links::LinkFlags;
use crate::cli::output::{CliError, JsonEntry, write_array};
use crate::cli::settings::Settings;
use crate::cli::shell::Shell;
use crate::ops::{self, Extras, ListOptions, ListedKind};

/// List the files below a path, with their sizes
///
/// One line for each file: the size in bytes, and the path relative to the one given. Directories are always descended
/// into; use lsf for a listing of one directory. On a terminal, characters that would move the cursor are escaped.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LsArgs {
    /// What to list
    path: OsString,
    /// End each line with a NUL byte, for `xargs -0`
    #[arg(short = '0', long = "null", conflicts_with = "json")]
    null: bool,
    #[command(flatten)]
    links: LinkFlags,
    #[command(flatten)]
    filter: FilterFlags,
}

impl LsArgs {
    pub(crate) fn options(&self, settings: &Settings) -> Result<ListOptions, CliError> {
        let filter = self.links.scope(self.filter.filter(settings)?);
        Ok(ListOptions { place: settings.place(&self.path)?, recursive: true, filter, links: self.links.shown() })
    }
}

pub(crate) fn run(shell: &Shell, args: &LsArgs) -> Result<(), CliError> {
    let (printer, zone, options) = (&shell.printer, &shell.settings.time_zone, args.options(&shell.settings)?);
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
    let end: &[u8] = if args.null { b"\0" } else { b"\n" };
    shell.call(false, |ctx| {
        let extras = Extras { no_times: true, ..Extras::default() };
        ops::list_with(ctx, &options, &extras, &mut |row| {
            if row.kind != ListedKind::File {
                return Ok(());
            }
            let path = row.path.as_bytes();
            let name = if args.null { path.into() } else { printer.name(path) };
            printer.record(&[format!("{:>9} ", shell.settings.listed_size(row.size)).as_bytes(), &name].concat(), end)
        })
    })
}

const EXAMPLES: &str = "\
Examples:
  cryptsync ls nas:docs
  cryptsync ls nas: --include '*.jpg'";
