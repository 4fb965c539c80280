//! `check`

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufWriter, Write};

use super::filters::FilterFlags;
use super::transfer::one_pinned_vault;
use crate::class::Class;
use crate::cli::output::{CliError, JsonCheck, Message, Printer, Verbosity, write_object};
use crate::cli::places::shown;
use crate::cli::settings::Settings;
use crate::cli::shell::Shell;
use crate::filter::Filter;
use crate::ops::{self, CheckReport, Difference, Place};
use crate::path::{TreePath, printable};

/// Compare source and destination by content
///
/// Names each file that differs or is missing on one side, and exits with 1 if there is one. With `--combined -`, writes
/// a line for every file to standard output: `=` the same, `+` only in the source, `-` only in the destination, `*`
/// different, `!` could not be compared.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    /// A directory
    source: OsString,
    /// Another directory
    dest: OsString,
    /// Ignore files that are only in the destination
    #[arg(long)]
    one_way: bool,
    /// Write a line for every file to this file; `-` is standard output
    #[arg(long, value_name = "FILE")]
    combined: Option<OsString>,
    #[command(flatten)]
    filter: FilterFlags,
}

impl CheckArgs {
    pub(crate) fn options(&self, settings: &Settings) -> Result<(Place, Place, Filter), CliError> {
        let (source, dest) = (settings.place(&self.source)?, settings.place(&self.dest)?);
        one_pinned_vault(settings, &source, &dest)?;
        Ok((source, dest, self.filter.filter(settings)?))
    }
}

pub(crate) fn run(shell: &Shell, args: &CheckArgs) -> Result<(), CliError> {
    let (source, dest, filter) = args.options(&shell.settings)?;
    if shell.printer.is_json() && args.combined.as_deref().is_some_and(|target| target == "-") {
        return Err(CliError::usage("--json and --combined - both write to standard output")
            .hint("write the combined report to a file"));
    }
    let mut combined = Combined::open(args.combined.as_deref(), &shell.settings)?;
    let printer = &shell.printer;
    let live = !(matches!(combined, Combined::Stdout) && printer.out_is_terminal());
    let report = shell.call(live, |ctx| {
        ops::check(ctx, &source, &dest, args.one_way, &filter, &mut |difference, path, detail| {
            combined.write(printer, difference, path)?;
            if !matches!(combined, Combined::Stdout)
                && let Some(line) = sentence(difference, path, detail, &source, &dest)
            {
                if printer.is_json() {
                    printer.message(Verbosity::Quiet, &Message::entry("difference", path, kind(difference), 0));
                } else {
                    printer.complain(format_args!("{line}"));
                }
            }
            Ok(())
        })
    })?;
    combined.finish()?;
    if printer.is_json() {
        write_object(printer, &JsonCheck::new(&report))?;
    } else {
        printer.note(format_args!("{}", counts(&report)));
    }
    verdict(&report)
}

fn sentence(difference: Difference, path: &TreePath, detail: &str, source: &Place, dest: &Place) -> Option<String> {
    let detail = printable(detail.as_bytes());
    let because = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    match difference {
        Difference::Same => None,
        Difference::Differ => Some(format!("{path}: differs{because}")),
        Difference::OnlySource => Some(format!("{path}: not in {}", shown(dest))),
        Difference::OnlyDest => Some(format!("{path}: not in {}", shown(source))),
        Difference::Error => Some(format!("{path}: could not be compared{because}")),
    }
}

/// The relation of two sides, in a word.
fn kind(difference: Difference) -> &'static str {
    match difference {
        Difference::Same => "same",
        Difference::Differ => "differ",
        Difference::OnlySource => "only_source",
        Difference::OnlyDest => "only_dest",
        Difference::Error => "error",
    }
}

fn counts(report: &CheckReport) -> String {
    let CheckReport { same, differ, only_source, only_dest, errors } = report;
    let parts = [
        (same, "the same"),
        (differ, "different"),
        (only_source, "only in the source"),
        (only_dest, "only in the destination"),
        (errors, "not comparable"),
    ];
    let parts = parts.iter().enumerate().filter(|(at, (amount, _))| *at == 0 || **amount > 0);
    parts.map(|(_, (amount, what))| format!("{amount} {what}")).collect::<Vec<_>>().join(", ")
}

fn verdict(report: &CheckReport) -> Result<(), CliError> {
    match (report.differ + report.only_source + report.only_dest, report.errors) {
        (0, 0) => Ok(()),
        (0, errors) => Err(CliError::new(Class::Failed, format!("files that could not be compared: {errors}"))),
        (differences, 0) => Err(CliError::new(Class::Failed, format!("differences found: {differences}"))),
        (differences, errors) => {
            let what = format!("differences found: {differences}, files that could not be compared: {errors}");
            Err(CliError::new(Class::Failed, what))
        }
    }
}

/// Where `--combined` goes.
enum Combined {
    Nowhere,
    Stdout,
    File(BufWriter<File>),
}

impl Combined {
    fn open(target: Option<&OsStr>, settings: &Settings) -> Result<Self, CliError> {
        match target {
            None => Ok(Self::Nowhere),
            Some(name) if name == "-" => Ok(Self::Stdout),
            Some(name) => match File::create(settings.cwd.join(name)) {
                Ok(file) => Ok(Self::File(BufWriter::new(file))),
                Err(error) => Err(CliError::usage(format!("cannot write to `{}`", name.display())).caused_by(error)),
            },
        }
    }

    fn write(&mut self, printer: &Printer, difference: Difference, path: &TreePath) -> io::Result<()> {
        let sign = match difference {
            Difference::Same => b"= ",
            Difference::Differ => b"* ",
            Difference::OnlySource => b"+ ",
            Difference::OnlyDest => b"- ",
            Difference::Error => b"! ",
        };
        match self {
            Self::Nowhere => Ok(()),
            Self::Stdout => printer.record(&[sign, &*printer.name(path.as_bytes())].concat(), b"\n"),
            Self::File(file) => file.write_all(&[sign, path.as_bytes(), b"\n"].concat()),
        }
    }

    fn finish(self) -> Result<(), CliError> {
        let Self::File(mut file) = self else { return Ok(()) };
        file.flush().map_err(|error| CliError::new(Class::Failed, "cannot write the combined report").caused_by(error))
    }
}

const EXAMPLES: &str = "\
Examples:
  cryptsync check ~/Documents nas:docs
  cryptsync check --one-way --combined - ~/Documents nas:docs";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_judges() {
        let same = CheckReport { same: 3, ..CheckReport::default() };
        assert_eq!(counts(&same), "3 the same");
        assert!(verdict(&same).is_ok());
        let report = CheckReport { differ: 1, only_dest: 2, errors: 1, ..same };
        assert_eq!(counts(&report), "3 the same, 1 different, 2 only in the destination, 1 not comparable");
        assert_eq!(verdict(&report).unwrap_err().class, Class::Failed);
    }
}
