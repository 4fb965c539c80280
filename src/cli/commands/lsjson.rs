//! `lsjson`

use std::ffi::OsString;

use super::filters::FilterFlags;
use crate::cli::output::{CliError, JsonEntry, write_array, write_object};
use crate::cli::shell::Shell;
use crate::filter::Filter;
use crate::ops::{self, ListOptions, Listed, ListedKind};

/// List the entries of a path as JSON
///
/// An array with an object for each entry: Path, Name, Size (-1 for directories), MimeType, ModTime and IsDir, for
/// symbolic links LinkTarget too. With `--stat`, the one object of the path itself.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LsjsonArgs {
    /// What to list
    path: OsString,
    /// Descend into directories
    #[arg(short = 'R', long)]
    recursive: bool,
    /// The object of the path itself, not of what is in it
    #[arg(long)]
    stat: bool,
    /// Files and links only
    #[arg(long, conflicts_with = "dirs_only")]
    files_only: bool,
    /// Directories only
    #[arg(long, conflicts_with = "files_only")]
    dirs_only: bool,
    /// Leave out the modification time
    #[arg(long)]
    no_modtime: bool,
    /// Leave out the MIME type
    #[arg(long)]
    no_mimetype: bool,
    /// Add the permission bits as Metadata
    #[arg(short = 'M', long)]
    metadata: bool,
    #[command(flatten)]
    filter: FilterFlags,
}

impl LsjsonArgs {
    fn wants(&self, row: &Listed) -> bool {
        let is_dir = row.kind == ListedKind::Dir;
        !(self.files_only && is_dir || self.dirs_only && !is_dir)
    }
}

pub(crate) fn run(shell: &Shell, args: &LsjsonArgs) -> Result<(), CliError> {
    let (printer, zone) = (&shell.printer, &shell.settings.time_zone);
    let entry = |row: &Listed| {
        let mut entry = JsonEntry::new(row, zone);
        if !args.no_mimetype {
            entry = entry.with_mime_type();
        }
        if args.metadata {
            entry = entry.with_metadata(row, zone);
        }
        if args.no_modtime { entry.without_time() } else { entry }
    };
    let place = shell.settings.place(&args.path)?;
    if args.stat {
        args.filter.filter(&shell.settings)?;
        let found = shell.call(false, |ctx| ops::stat(ctx, &place))?;
        return Ok(write_object(printer, &entry(&found.listed))?);
    }
    let filter: Filter = args.filter.filter(&shell.settings)?;
    let options = ListOptions { place, recursive: args.recursive, filter };
    write_array(printer, |add| {
        shell.call(false, |ctx| {
            ops::list(ctx, &options, &mut |row| if args.wants(row) { add(&entry(row)) } else { Ok(()) })
        })
    })
}

const EXAMPLES: &str = "\
Examples:
  cryptsync lsjson -R --files-only nas:docs
  cryptsync lsjson --stat nas:docs/letter.txt";
