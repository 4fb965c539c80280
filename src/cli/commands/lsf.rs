//! `lsf`

use std::ffi::OsString;

use jiff::tz::TimeZone;

use super::filters::FilterFlags;
use crate::cli::output::{CliError, JsonEntry, Printer, local_time, write_array};
use crate::cli::settings::Settings;
use crate::cli::shell::Shell;
use crate::ops::{self, ListOptions, Listed, ListedKind};

/// List the entries of a directory, in a form that is easy to parse
///
/// One line for each entry: its name, directories with a trailing `/`. `--format` chooses the fields: p for the path, s
/// for the size (-1 for directories), t for the modification time in local time.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LsfArgs {
    /// What to list
    path: OsString,
    /// Descend into directories
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Fields: any of p (path), s (size), t (time)
    #[arg(short = 'F', long, value_name = "FIELDS", default_value = "p", value_parser = parse_format)]
    format: Format,
    /// What stands between fields
    #[arg(short, long, value_name = "TEXT", default_value = ";")]
    separator: String,
    /// Files and links only
    #[arg(long, conflicts_with = "dirs_only")]
    files_only: bool,
    /// Directories only
    #[arg(long, conflicts_with = "files_only")]
    dirs_only: bool,
    /// End each line with a NUL byte, for `xargs -0`
    #[arg(short = '0', long = "null", conflicts_with = "json")]
    null: bool,
    #[command(flatten)]
    filter: FilterFlags,
}

impl LsfArgs {
    pub(crate) fn options(&self, settings: &Settings) -> Result<ListOptions, CliError> {
        let (place, filter) = (settings.place(&self.path)?, self.filter.filter(settings)?);
        Ok(ListOptions { place, recursive: self.recursive, filter })
    }

    fn wants(&self, row: &Listed) -> bool {
        let is_dir = row.kind == ListedKind::Dir;
        !(self.files_only && is_dir || self.dirs_only && !is_dir)
    }

    /// One row without its end.
    fn row(&self, row: &Listed, printer: &Printer, zone: &TimeZone) -> Vec<u8> {
        let is_dir = row.kind == ListedKind::Dir;
        let field = |field: &Field| match field {
            Field::Path => {
                let path = row.path.as_bytes();
                let name = if self.null { path.into() } else { printer.name(path) };
                [&*name, if is_dir { &b"/"[..] } else { b"" }].concat()
            }
            Field::Size if is_dir => b"-1".to_vec(),
            Field::Size => row.size.to_string().into_bytes(),
            Field::Time => local_time(row.mtime, zone).into_bytes(),
        };
        self.format.0.iter().map(field).collect::<Vec<_>>().join(self.separator.as_bytes())
    }
}

pub(crate) fn run(shell: &Shell, args: &LsfArgs) -> Result<(), CliError> {
    let (printer, zone, options) = (&shell.printer, &shell.settings.time_zone, args.options(&shell.settings)?);
    if printer.is_json() {
        return write_array(printer, |add| {
            shell.call(false, |ctx| {
                ops::list(ctx, &options, &mut |row| {
                    if args.wants(row) { add(&JsonEntry::new(row, zone)) } else { Ok(()) }
                })
            })
        });
    }
    let end: &[u8] = if args.null { b"\0" } else { b"\n" };
    shell.call(false, |ctx| {
        ops::list(ctx, &options, &mut |row| {
            if args.wants(row) { printer.record(&args.row(row, printer, zone), end) } else { Ok(()) }
        })
    })
}

/// The fields of a row, in order. (A type of its own, since clap takes a bare `Vec` for a flag that repeats.)
#[derive(Debug, Clone, PartialEq, Eq)]
struct Format(Vec<Field>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Path,
    Size,
    Time,
}

fn parse_format(text: &str) -> Result<Format, String> {
    let field = |letter| match letter {
        'p' => Ok(Field::Path),
        's' => Ok(Field::Size),
        't' => Ok(Field::Time),
        other => Err(format!("there is no field `{other}`; the fields are p (path), s (size) and t (time)")),
    };
    let fields = text.chars().map(field).collect::<Result<Vec<_>, _>>()?;
    if fields.is_empty() { Err("write at least one of p, s and t".to_owned()) } else { Ok(Format(fields)) }
}

const EXAMPLES: &str = "\
Examples:
  cryptsync lsf nas:docs
  cryptsync lsf -R --format pst --files-only nas:
  cryptsync lsf -R -0 nas: | xargs -0 -n1 echo";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::env::Stream;
    use crate::cli::output::Verbosity;
    use crate::path::TreePath;
    use crate::world::Timestamp;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        lsf: LsfArgs,
        /// Stands in for the option of every verb.
        #[arg(long)]
        json: bool,
    }

    fn row(args: &[&str], terminal: bool, path: &[u8], kind: ListedKind) -> Vec<u8> {
        let Only { lsf: args, json } = Only::parse_from([&["lsf"], args, &["x"]].concat());
        assert!(!json);
        let out = || Stream { io: Box::new(std::io::sink()) as Box<dyn std::io::Write + Send>, is_terminal: terminal };
        let printer = Printer::new(out(), out(), false, Verbosity::Normal);
        let path = TreePath::from_bytes(path).unwrap();
        let mtime = Timestamp { secs: 1_700_000_000, nanos: 5 };
        args.row(&Listed { path, kind, size: 7, mtime, mode: None }, &printer, &TimeZone::UTC)
    }

    #[test]
    fn rows() {
        assert_eq!(row(&[], false, b"a/\xff\n", ListedKind::File), b"a/\xff\n");
        assert_eq!(row(&[], true, b"a/\xff\n", ListedKind::File), b"a/\\xff\\x0a");
        assert_eq!(row(&["-0"], true, b"\xff", ListedKind::File), b"\xff");
        assert_eq!(row(&["-F", "pst"], false, b"d", ListedKind::Dir), b"d/;-1;2023-11-14 22:13:20");
        assert_eq!(row(&["-F", "sp", "-s", ", "], false, b"f", ListedKind::File), b"7, f");
        assert!(parse_format("px").unwrap_err().contains("`x`"));
    }
}
