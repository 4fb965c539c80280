//! `du`

use std::ffi::OsString;

use crate::cli::output::{CliError, write_array};
use crate::cli::shell::Shell;
use crate::ops::{self, DuRow};
use crate::units::ByteSize;

/// Show what each directory of a vault adds up to
///
/// A line for each directory down to `--depth`: the size of all files below it, the number of entries below it, and its
/// path; the last line is the path itself. The tree keeps these sums, so that little is read however much is counted. Each
/// file counts with its full size, though content that is stored once may have many names.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DuArgs {
    /// A directory of a vault
    path: OsString,
    /// How many levels below the path to show
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    depth: u16,
    /// Show bytes, not rounded sizes
    #[arg(short, long)]
    bytes: bool,
}

pub(crate) fn run(shell: &Shell, args: &DuArgs) -> Result<(), CliError> {
    let (printer, place) = (&shell.printer, shell.settings.place(&args.path)?);
    if printer.is_json() {
        return write_array(printer, |add| {
            shell.call(false, |ctx| {
                ops::du(ctx, &place, args.depth, &mut |DuRow { path, bytes, entries }| {
                    let path = String::from_utf8(path.as_bytes().to_vec()).unwrap_or_else(|_| path.to_string());
                    add(&serde_json::json!({ "path": path, "bytes": bytes, "entries": entries }))
                })
            })
        });
    }
    shell.call(false, |ctx| {
        ops::du(ctx, &place, args.depth, &mut |DuRow { path, bytes, entries }| {
            let size = if args.bytes { bytes.to_string() } else { ByteSize(*bytes).to_string() };
            let name = if path.is_root() { b".".to_vec() } else { printer.name(path.as_bytes()).into_owned() };
            printer.record(&[format!("{size:>12} {entries:>9} ").as_bytes(), &name].concat(), b"\n")
        })
    })
}

const EXAMPLES: &str = "\
Examples:
  cryptsync du nas:
  cryptsync du --depth 3 --bytes nas:docs";
