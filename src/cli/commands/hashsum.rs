//! `hashsum`, and `md5sum`, `sha1sum` and `sha256sum`, which are the same with a hash of their own.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::PoisonError;

use serde::Serialize;

use super::check::{announce, verdict};
use super::filters::FilterFlags;
use super::reports::{Reports, create};
use crate::class::Class;
use crate::cli::output::{CliError, Printer, write_array};
use crate::cli::shell::Shell;
use crate::ops::{self, Place, Sum, SumKind, SumOptions};
use crate::path::{TreePath, printable};

/// Write a sum for every file, as `md5sum` does
///
/// Without a path, or with `-`, standard input is added up. Without anything, the names of the hashes are listed. With
/// `--checkfile`, files are held against sums that were written before.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct HashsumArgs {
    /// Which hash: md5, sha1, crc32, sha256, sha512, blake3, xxh3 or xxh128
    hash: Option<SumKind>,
    #[command(flatten)]
    sums: SumArgs,
}

/// What all of them take.
#[derive(Debug, clap::Args)]
pub(crate) struct SumArgs {
    /// A directory or a file
    path: Option<OsString>,
    /// Compare with the sums in this file instead of writing them
    #[arg(short = 'C', long, value_name = "FILE")]
    checkfile: Option<OsString>,
    /// Write sums as base64 instead of hexadecimal numbers
    #[arg(long)]
    base64: bool,
    /// Read the files; content is always read here
    #[arg(long)]
    download: bool,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output_file: Option<OsString>,
    #[command(flatten)]
    filter: FilterFlags,
}

pub(crate) fn run(shell: &Shell, args: &HashsumArgs) -> Result<(), CliError> {
    match args.hash {
        Some(hash) => run_with(shell, hash, &args.sums),
        None => {
            shell.printer.data("Supported hashes are:")?;
            Ok(SumKind::ALL.iter().try_for_each(|hash| shell.printer.data(&format!("- {hash}")))?)
        }
    }
}

/// The verb of one hash.
pub(crate) fn run_with(shell: &Shell, kind: SumKind, args: &SumArgs) -> Result<(), CliError> {
    let Some(path) = args.path.as_deref().filter(|path| *path != "-") else {
        return stream(shell, kind, args);
    };
    let place = shell.settings.place(path)?;
    let filter = args.filter.filter(&shell.settings)?;
    if let Some(sums) = &args.checkfile {
        let sums = shell.settings.any_place(sums)?;
        return check(shell, &sums, &place, &SumOptions { kind, one_way: false, filter: &filter });
    }
    let mut sink = Sink::open(shell, args)?;
    if shell.printer.is_json() && args.output_file.is_none() {
        return write_array(&shell.printer, |write| {
            shell.call(true, |ctx| {
                ops::hashsum(ctx, &place, &filter, kind, &mut |path, sum| {
                    write(&JsonSum::new(path, kind, sum, args.base64))
                })
            })
        });
    }
    let live = args.output_file.is_some() || !shell.printer.out_is_terminal();
    shell.call(live, |ctx| {
        ops::hashsum(ctx, &place, &filter, kind, &mut |path, sum| sink.write(path.as_bytes(), sum))
    })?;
    sink.finish()
}

fn stream(shell: &Shell, kind: SumKind, args: &SumArgs) -> Result<(), CliError> {
    if args.path.is_none() && shell.settings.stdin_is_terminal {
        return Err(
            CliError::usage("a path is missing").hint(format!("for example: cryptsync hashsum {kind} nas:docs"))
        );
    }
    let mut stdin = shell.stdin.lock().unwrap_or_else(PoisonError::into_inner);
    let sum = shell.call(false, |ctx| ops::hash_stream(ctx, &mut **stdin, kind))?;
    let mut sink = Sink::open(shell, args)?;
    sink.write(b"-", Some(&sum))?;
    sink.finish()
}

fn check(shell: &Shell, sums: &Place, place: &Place, options: &SumOptions<'_>) -> Result<(), CliError> {
    let mut reports = Reports::combined();
    let report = shell.call(!shell.printer.out_is_terminal(), |ctx| {
        ops::check_sums(ctx, sums, place, options, &mut |difference, path, _| {
            reports.write(&shell.printer, difference, path)
        })
    })?;
    announce(shell, &report)?;
    verdict(&report)
}

/// Where sums go.
struct Sink<'a> {
    printer: &'a Printer,
    file: Option<BufWriter<File>>,
    base64: bool,
}

impl<'a> Sink<'a> {
    fn open(shell: &'a Shell, args: &SumArgs) -> Result<Self, CliError> {
        let file = args.output_file.as_deref().filter(|name| Path::new(name) != Path::new("-"));
        let file = file.map(|name: &OsStr| create(&shell.settings, name)).transpose()?;
        Ok(Self { printer: &shell.printer, file, base64: args.base64 })
    }

    fn write(&mut self, name: &[u8], sum: Option<&Sum>) -> io::Result<()> {
        let sum = text(sum, self.base64);
        let line = |name: &[u8]| [sum.as_bytes(), b"  ", name].concat();
        match &mut self.file {
            Some(file) => file.write_all(&[&line(name)[..], b"\n"].concat()),
            None => self.printer.record(&line(&self.printer.name(name)), b"\n"),
        }
    }

    fn finish(self) -> Result<(), CliError> {
        let Some(mut file) = self.file else { return Ok(()) };
        file.flush().map_err(|error| CliError::new(Class::Failed, "cannot write the sums").caused_by(error))
    }
}

/// A sum as it is written; a word in its place where a file can't be read.
fn text(sum: Option<&Sum>, base64: bool) -> String {
    match sum {
        None => "ERROR".to_owned(),
        Some(sum) if base64 => sum.base64(),
        Some(sum) => sum.hex(),
    }
}

/// A file and its sum.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct JsonSum {
    path: String,
    hashes: std::collections::BTreeMap<&'static str, String>,
}

impl JsonSum {
    fn new(path: &TreePath, kind: SumKind, sum: Option<&Sum>, base64: bool) -> Self {
        let path = String::from_utf8(path.as_bytes().to_vec()).unwrap_or_else(|_| printable(path.as_bytes()));
        let hashes = sum.map(|_| (kind.name(), text(sum, base64))).into_iter().collect();
        Self { path, hashes }
    }
}

/// Examples of all of them.
pub(crate) const EXAMPLES: &str = "\
Examples:
  cryptsync hashsum sha256 nas:docs > docs.sha256
  cryptsync hashsum sha256 nas:docs -C docs.sha256
  cryptsync md5sum nas:photos --include '*.jpg'";
