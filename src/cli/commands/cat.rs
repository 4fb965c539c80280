//! `cat`

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use super::filters::FilterFlags;
use crate::cli::output::CliError;
use crate::cli::settings::Settings;
use crate::cli::shell::Shell;
use crate::ops::{self, CatOptions, CatRange, Place};
use crate::units::ByteSize;

/// Write files to standard output, one after another
///
/// A directory stands for all files below it. Everything that is written has been verified before.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CatArgs {
    /// Files or directories
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<OsString>,
    /// Start at this byte of each file; a negative number counts from its end
    #[arg(long, value_name = "N", allow_negative_numbers = true, conflicts_with_all = ["head", "tail"])]
    offset: Option<i64>,
    /// Write at most this many bytes of each file, from --offset on
    #[arg(long, value_name = "SIZE", conflicts_with_all = ["head", "tail"])]
    count: Option<ByteSize>,
    /// Write only the first bytes of each file
    #[arg(long, value_name = "SIZE", conflicts_with_all = ["offset", "count", "tail"])]
    head: Option<ByteSize>,
    /// Write only the last bytes of each file
    #[arg(long, value_name = "SIZE", conflicts_with_all = ["offset", "count", "head"])]
    tail: Option<ByteSize>,
    /// Write this after each file
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, default_value = "", hide_default_value = true)]
    separator: OsString,
    /// Read and verify everything, and write nothing
    #[arg(long)]
    discard: bool,
    #[command(flatten)]
    filter: FilterFlags,
}

impl CatArgs {
    pub(crate) fn options(&self, settings: &Settings) -> Result<(Vec<Place>, CatOptions), CliError> {
        let places = self.paths.iter().map(|path| settings.place(path)).collect::<Result<_, _>>()?;
        // For rclone, no bytes from the start or from the end are all of them.
        let given = |size: Option<ByteSize>| size.filter(|size| !(settings.rclone_compat && size.0 == 0));
        let range = match (given(self.head), given(self.tail), self.offset, self.count) {
            (Some(ByteSize(n)), ..) => CatRange::Head(n),
            (_, Some(ByteSize(n)), ..) => CatRange::Tail(n),
            (_, _, None, None) => CatRange::Whole,
            (_, _, offset, count) => CatRange::Offset(offset.unwrap_or(0), count.map(|ByteSize(n)| n)),
        };
        let separator = self.separator.as_bytes().to_vec();
        Ok((places, CatOptions { range, separator, discard: self.discard, filter: self.filter.filter(settings)? }))
    }
}

pub(crate) fn run(shell: &Shell, args: &CatArgs) -> Result<(), CliError> {
    let (places, options) = args.options(&shell.settings)?;
    shell.call(false, |ctx| ops::cat(ctx, &places, &options, &mut shell.printer.raw()))
}

const EXAMPLES: &str = "\
Examples:
  cryptsync cat nas:docs/letter.txt
  cryptsync cat --tail 64K nas:logs/today | less";
