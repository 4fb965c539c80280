//! `forget`

use std::ffi::OsString;

use jiff::tz::TimeZone;

use crate::cli::output::{Align, CliError, JsonKept, local_time, table, truncated, write_object};
use crate::cli::shell::Shell;
use crate::ops::{self, KeepReport, KeepRow};
use crate::path::printable;

/// Show which commits the policy forgets, or forget commits by hand
///
/// Without commits it shows what the policy in force keeps and why, and what it forgets, and changes nothing: `policy set`
/// changes the policy. With commits it says for everybody that those shall be forgotten whatever the policy says; with
/// `--undo`, that the policy decides after all. That takes an admin. Heads, the last commit of each writer and pinned
/// commits can't be forgotten.
///
/// A forgotten commit can be read until garbage collection has removed what it alone needs.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ForgetArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// Commits: ids, the beginnings of ids, or names
    commits: Vec<String>,
    /// Do not forget them by hand after all
    #[arg(long, requires = "commits")]
    undo: bool,
    /// Show what would be forgotten and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) fn run(shell: &Shell, args: &ForgetArgs) -> Result<(), CliError> {
    let remote = shell.settings.remote(&args.remote)?;
    let report = shell.call(false, |ctx| match args.commits.is_empty() {
        true => ops::kept(ctx, &remote),
        false => ops::forget(ctx, &remote, &args.commits, args.undo, args.dry_run),
    })?;
    if shell.printer.is_json() {
        return Ok(write_object(&shell.printer, &JsonKept::new(&report, &shell.settings.time_zone))?);
    }
    show(shell, &report)?;
    match &report.commit {
        Some(commit) if args.undo => shell.printer.note(format_args!("the policy decides, by commit {commit}")),
        Some(commit) => shell.printer.note(format_args!("to be forgotten, by commit {commit}")),
        None if !args.commits.is_empty() => shell.printer.note(format_args!("nothing was changed")),
        None => {}
    }
    warn_of_gc(shell, &report);
    Ok(())
}

/// A table of commits with what becomes of them.
pub(super) fn show(shell: &Shell, report: &KeepReport) -> Result<(), CliError> {
    for line in lines(&report.rows, &shell.settings.time_zone) {
        shell.printer.row(&line)?;
    }
    let forgotten = forgotten(report);
    let kept = report.rows.len() - forgotten;
    shell.printer.note(format_args!("{kept} kept, {forgotten} to be forgotten"));
    Ok(())
}

/// Says what frees the space.
pub(super) fn warn_of_gc(shell: &Shell, report: &KeepReport) {
    if forgotten(report) > 0 {
        shell.printer.note(format_args!("no space is freed by this: garbage collection does that"));
    }
}

fn forgotten(report: &KeepReport) -> usize {
    report.rows.iter().filter(|row| row.reasons.is_empty()).count()
}

fn lines(rows: &[KeepRow], zone: &TimeZone) -> Vec<String> {
    let row = |row: &KeepRow| {
        let reasons: Vec<String> = row.reasons.iter().map(ToString::to_string).collect();
        [
            if row.reasons.is_empty() { "forget" } else { "keep" }.to_owned(),
            truncated(&row.entry.id).to_owned(),
            local_time(row.entry.time, zone),
            printable(row.entry.writer.as_bytes()),
            row.tags.join(","),
            match (row.reasons.is_empty(), row.unwanted) {
                (true, true) => "by hand".to_owned(),
                _ => printable(reasons.join(", ").as_bytes()),
            },
            printable(row.entry.operation.as_bytes()),
        ]
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    table([Align::Left; 7], &rows)
}

const EXAMPLES: &str = "\
Examples:
  cryptsync forget nas:
  cryptsync forget --dry-run nas: 7yk3qm2xpw
  cryptsync forget --undo nas: 7yk3qm2xpw";
