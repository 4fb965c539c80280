//! `check`

use std::ffi::OsString;

use super::filters::FilterFlags;
use super::links::LinkFlags;
use super::reports::ReportFlags;
use super::transfer::one_pinned_vault;
use crate::class::Class;
use crate::cli::output::{CliError, JsonCheck, Message, Verbosity, write_object};
use crate::cli::places::shown;
use crate::cli::settings::Settings;
use crate::cli::shell::Shell;
use crate::ops::{self, CheckOptions, CheckReport, Difference, Place, SumKind, SumOptions};
use crate::path::{TreePath, printable};

/// Compare source and destination by content
///
/// Names each file that differs or is missing on one side, and exits with 1 if there is one. What is in a vault need not be
/// read for that, because its content is known by its hashes. With `--combined -`, writes a line for every file to
/// standard output: `=` the same, `+` only in the source, `-` only in the destination, `*` different, `!` could not be
/// compared.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    /// A directory or a file; with --checkfile, a file of sums
    source: OsString,
    /// Another directory
    dest: OsString,
    /// Ignore files that are only in the destination
    #[arg(long)]
    one_way: bool,
    /// Compare sizes only
    #[arg(long)]
    size_only: bool,
    /// Read both sides, instead of relying on hashes that are stored
    #[arg(long)]
    download: bool,
    /// Compare content, which is what is done anyway
    #[arg(short, long)]
    checksum: bool,
    /// The source is a file of sums of this hash, as `hashsum` writes it
    #[arg(short = 'C', long, value_name = "HASH")]
    checkfile: Option<SumKind>,
    #[command(flatten)]
    reports: ReportFlags,
    #[command(flatten)]
    links: LinkFlags,
    #[command(flatten)]
    filter: FilterFlags,
}

impl CheckArgs {
    pub(crate) fn options(&self, settings: &Settings) -> Result<(Place, Place, CheckOptions), CliError> {
        let (source, dest) = (settings.any_place(&self.source)?, settings.any_place(&self.dest)?);
        if !matches!(dest, Place::Vault(..)) {
            settings.heed_at(&source)?;
        }
        one_pinned_vault(settings, &source, &dest)?;
        let (filter, links) = (self.links.scope(self.filter.filter(settings)?), self.links.shown());
        let Self { one_way, size_only, download, .. } = *self;
        Ok((source, dest, CheckOptions { one_way, size_only, download, filter, links }))
    }
}

pub(crate) fn run(shell: &Shell, args: &CheckArgs) -> Result<(), CliError> {
    let (source, dest, options) = args.options(&shell.settings)?;
    let on_stdout = args.reports.on_stdout();
    if shell.printer.is_json() && on_stdout {
        return Err(CliError::usage("--json and a report to - both write to standard output")
            .hint("write the report to a file"));
    }
    let mut reports = args.reports.open(&shell.settings)?;
    let printer = &shell.printer;
    let mut row = |difference: Difference, path: &TreePath, detail: &str| {
        reports.write(printer, difference, path)?;
        if !on_stdout && let Some(line) = sentence(difference, path, detail, &source, &dest) {
            if printer.is_json() {
                printer.message(Verbosity::Quiet, &Message::entry("difference", path, kind(difference), 0));
            } else {
                printer.complain(format_args!("{line}"));
            }
        }
        Ok(())
    };
    let report = shell.call(!(on_stdout && printer.out_is_terminal()), |ctx| match args.checkfile {
        None => ops::check(ctx, &source, &dest, &options, &mut row),
        Some(kind) => {
            let sums = SumOptions { kind, one_way: options.one_way, filter: &options.filter };
            ops::check_sums(ctx, &source, &dest, &sums, &mut row)
        }
    })?;
    reports.finish()?;
    announce(shell, &report)?;
    verdict(&report)
}

/// Says what was counted.
pub(crate) fn announce(shell: &Shell, report: &CheckReport) -> Result<(), CliError> {
    if shell.printer.is_json() {
        return Ok(write_object(&shell.printer, &JsonCheck::new(report))?);
    }
    shell.printer.note(format_args!("{}", counts(report)));
    Ok(())
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

/// Whether that is a failure.
pub(crate) fn verdict(report: &CheckReport) -> Result<(), CliError> {
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

const EXAMPLES: &str = "\
Examples:
  cryptsync check ~/Documents nas:docs
  cryptsync check --one-way --combined - ~/Documents nas:docs
  cryptsync check -C sha256 docs.sha256 nas:docs";

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
