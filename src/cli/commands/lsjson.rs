//! `lsjson`

use std::ffi::OsString;

use super::filters::FilterFlags;
use super::links::LinkFlags;
use crate::class::Class;
use crate::cli::output::{CliError, JsonEntry, write_array, write_object};
use crate::cli::shell::Shell;
use crate::filter::Filter;
use crate::ops::{self, Extras, ListOptions, Listed, ListedKind};
use crate::sum::SumKind;

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
    /// Add sums of the content of files, which is read for them: all kinds, or those of --hash-type
    #[arg(long)]
    hash: bool,
    /// With --hash, only sums of this kind; may be repeated
    #[arg(long, value_name = "HASH")]
    hash_type: Vec<SumKind>,
    /// Refused: a vault has no encrypted names of entries, their names are inside its objects
    #[arg(long, hide = true)]
    encrypted: bool,
    /// Accepted; entries of a vault have no identifiers
    #[arg(long)]
    original: bool,
    /// Add the metadata: permissions and time, owner and extended attributes if they are kept
    #[arg(short = 'M', long)]
    metadata: bool,
    #[command(flatten)]
    links: LinkFlags,
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
        entry = entry.with_hashes(row);
        if args.no_modtime { entry.without_time() } else { entry }
    };
    if args.encrypted {
        let what = "--encrypted: entries of a vault have no encrypted names, since names are inside its objects";
        return Err(CliError::usage(what).hint("leave it out"));
    }
    let place = shell.settings.place(&args.path)?;
    let sums = match (args.hash, args.hash_type.is_empty()) {
        (false, true) => Vec::new(),
        (true, true) => SumKind::ALL.to_vec(),
        (_, false) => args.hash_type.clone(),
    };
    let extras = Extras { sums, metadata: args.metadata, no_times: false };
    if args.stat {
        args.filter.filter(&shell.settings)?;
        // As rclone: what is not there is a directory that is not there.
        let missing = |error: CliError| match error.class {
            Class::FileNotFound => CliError { class: Class::DirNotFound, ..error },
            _ => error,
        };
        let found = shell.call(false, |ctx| ops::stat(ctx, &place)).map_err(missing)?;
        return Ok(write_object(printer, &entry(&found.listed))?);
    }
    let filter: Filter = args.links.scope(args.filter.filter(&shell.settings)?);
    let recursive = args.recursive || args.filter.descends();
    let options = ListOptions { place, recursive, filter, links: args.links.shown() };
    write_array(printer, |add| {
        shell.call(false, |ctx| {
            ops::list_with(ctx, &options, &extras, &mut |row| if args.wants(row) { add(&entry(row)) } else { Ok(()) })
        })
    })
}

const EXAMPLES: &str = "\
Examples:
  cryptsync lsjson -R --files-only nas:docs
  cryptsync lsjson --stat nas:docs/letter.txt";
