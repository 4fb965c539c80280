//! `lsf`

use std::ffi::OsString;

use jiff::tz::TimeZone;

use super::filters::FilterFlags;
use super::links::LinkFlags;
use crate::cli::output::{CliError, JsonEntry, Layout, Printer, write_array};
use crate::cli::settings::Settings;
use crate::cli::shell::Shell;
use crate::ops::{self, Extras, ListOptions, Listed, ListedKind};
use crate::sum::SumKind;

/// List the entries of a directory, in a form that is easy to parse
///
/// One line for each entry: its name, directories with a trailing `/`. `--format` chooses the fields: p for the path, s
/// for the size (-1 for directories), t for the modification time in local time, h for a sum of the content (which is
/// read for it), m for the MIME type, M for the metadata. The fields i, o, e and T (identifiers, encrypted name, tier) are empty: entries of a vault have none.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LsfArgs {
    /// What to list
    path: OsString,
    /// Descend into directories
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Fields: any of p s t h m M i o e T
    #[arg(short = 'F', long, value_name = "FIELDS", default_value = "p", value_parser = parse_format)]
    format: Format,
    /// What stands between fields [default: `;`, or a comma with --csv]
    #[arg(short, long, value_name = "TEXT")]
    separator: Option<String>,
    /// The kind of sum that the field h shows
    #[arg(long, value_name = "HASH", default_value = "md5")]
    hash: SumKind,
    /// Write CSV: fields that hold a separator, a quote or a line break are quoted
    #[arg(long)]
    csv: bool,
    /// Put a `/` before paths
    #[arg(long)]
    absolute: bool,
    /// Put a `/` behind the names of directories
    #[arg(short = 'd', long, value_name = "BOOL", default_value_t = true, default_missing_value = "true")]
    #[arg(num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set)]
    dir_slash: bool,
    /// How times are written: a layout of Go, the name of one, `max`, `unix` or `unixnano` [default: 2006-01-02 15:04:05]
    #[arg(short, long, value_name = "LAYOUT")]
    time_format: Option<Layout>,
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
    links: LinkFlags,
    #[command(flatten)]
    filter: FilterFlags,
}

impl LsfArgs {
    pub(crate) fn options(&self, settings: &Settings) -> Result<ListOptions, CliError> {
        let (place, filter) = (settings.place(&self.path)?, self.links.scope(self.filter.filter(settings)?));
        let recursive = self.recursive || self.filter.descends();
        Ok(ListOptions { place, recursive, filter, links: self.links.shown() })
    }

    fn wants(&self, row: &Listed) -> bool {
        let is_dir = row.kind == ListedKind::Dir;
        !(self.files_only && is_dir || self.dirs_only && !is_dir)
    }

    /// One row without its end.
    fn row(&self, row: &Listed, printer: &Printer, zone: &TimeZone) -> Vec<u8> {
        let separator = self.separator.as_deref().unwrap_or(if self.csv { "," } else { ";" });
        let fields = self.format.0.iter().map(|field| self.field(*field, row, printer, zone));
        if !self.csv {
            return fields.collect::<Vec<_>>().join(separator.as_bytes());
        }
        let comma = separator.chars().next().unwrap_or(',');
        let quoted: Vec<Vec<u8>> = fields.map(|field| csv_field(field, comma)).collect();
        quoted.join(comma.encode_utf8(&mut [0; 4]).as_bytes())
    }

    fn field(&self, field: Field, row: &Listed, printer: &Printer, zone: &TimeZone) -> Vec<u8> {
        let is_dir = row.kind == ListedKind::Dir;
        match field {
            Field::Path => {
                let path = row.path.as_bytes();
                let name = if self.null { path.into() } else { printer.name(path) };
                let (before, after) = (if self.absolute { "/" } else { "" }, if self.dir_slash { "/" } else { "" });
                [before.as_bytes(), &name, if is_dir { after.as_bytes() } else { b"" }].concat()
            }
            Field::Size if is_dir => b"-1".to_vec(),
            Field::Size => row.size.to_string().into_bytes(),
            Field::Time => {
                let layout = self.time_format.clone().unwrap_or_default();
                layout.format(row.mtime, zone).into_bytes()
            }
            Field::Mime => JsonEntry::new(row, zone).with_mime_type().mime_type().into(),
            Field::Metadata => JsonEntry::new(row, zone).with_metadata(row, zone).metadata_text().into_bytes(),
            Field::Hash => row.sums.first().map(|(_, sum)| sum.hex().into_bytes()).unwrap_or_default(),
            Field::Nothing => Vec::new(),
        }
    }
}

/// As Go writes it: quoted only if it has to be.
fn csv_field(field: Vec<u8>, comma: char) -> Vec<u8> {
    let text = String::from_utf8_lossy(&field);
    let plain = !text.contains([comma, '"', '\r', '\n']) && !text.starts_with(char::is_whitespace) && text != r"\.";
    if plain {
        return field;
    }
    let mut out = vec![b'"'];
    field.iter().for_each(|byte| out.extend(std::iter::repeat_n(*byte, 1 + usize::from(*byte == b'"'))));
    out.push(b'"');
    out
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
    let asks = |field| args.format.0.contains(&field);
    let sums = if asks(Field::Hash) { vec![args.hash] } else { Vec::new() };
    let extras = Extras { sums, metadata: asks(Field::Metadata), no_times: !asks(Field::Time) };
    let end: &[u8] = if args.null { b"\0" } else { b"\n" };
    shell.call(false, |ctx| {
        ops::list_with(ctx, &options, &extras, &mut |row| {
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
    Hash,
    Mime,
    Metadata,
    /// What rclone knows of other places, and entries of a vault do not have.
    Nothing,
}

fn parse_format(text: &str) -> Result<Format, String> {
    let field = |letter| match letter {
        'p' => Ok(Field::Path),
        's' => Ok(Field::Size),
        't' => Ok(Field::Time),
        'h' => Ok(Field::Hash),
        'm' => Ok(Field::Mime),
        'M' => Ok(Field::Metadata),
        'i' | 'o' | 'e' | 'T' => Ok(Field::Nothing),
        other => Err(format!(
            "there is no field `{other}`; the fields are p (path), s (size), t (time), h (hash), m (MIME type), M (metadata), \
             and i, o, e and T, which are empty"
        )),
    };
    let fields = text.chars().map(field).collect::<Result<Vec<_>, _>>()?;
    if fields.is_empty() { Err("write at least one of p, s and t".to_owned()) } else { Ok(Format(fields)) }
}

const EXAMPLES: &str = "\
Examples:
  cryptsync lsf nas:docs
  cryptsync lsf -R --format pst --files-only nas:
  cryptsync lsf --csv --format pt --time-format RFC3339 nas:
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
        let attributes = vec![("uid".to_owned(), "7".to_owned())];
        args.row(
            &Listed { path, kind, size: 7, mtime, mode: Some(0o640), attributes, sums: Vec::new() },
            &printer,
            &TimeZone::UTC,
        )
    }

    #[test]
    fn rows() {
        assert_eq!(row(&[], false, b"a/\xff\n", ListedKind::File), b"a/\xff\n");
        assert_eq!(row(&[], true, b"a/\xff\n", ListedKind::File), b"a/\\xff\\x0a");
        assert_eq!(row(&["-0"], true, b"\xff", ListedKind::File), b"\xff");
        assert_eq!(row(&["-F", "pst"], false, b"d", ListedKind::Dir), b"d/;-1;2023-11-14 22:13:20");
        assert_eq!(row(&["-F", "sp", "-s", ", "], false, b"f", ListedKind::File), b"7, f");
        assert!(parse_format("px").unwrap_err().contains("`x`"));
        assert_eq!(row(&["--absolute", "-d=false"], false, b"d", ListedKind::Dir), b"/d");
        assert_eq!(row(&["--csv", "-F", "ips"], false, b"a,\"b", ListedKind::File), b",\"a,\"\"b\",7");
        assert_eq!(row(&["--csv", "-s", ";", "-F", "ps"], false, b"a,b", ListedKind::File), b"a,b;7");
        assert_eq!(
            row(&["-F", "mt", "-t", "unix"], false, b"a.txt", ListedKind::File),
            b"text/plain; charset=utf-8;1700000000"
        );
        let metadata = r#"{"mode":"100640","mtime":"2023-11-14T22:13:20.000000005Z","uid":"7"}"#;
        assert_eq!(row(&["-F", "M"], false, b"a", ListedKind::File), metadata.as_bytes());
    }
}
