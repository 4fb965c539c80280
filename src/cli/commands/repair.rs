//! `repair`

use std::ffi::OsString;

use serde::Serialize;

use crate::cli::output::{Align, CliError, JsonHit, table, write_object};
use crate::cli::shell::Shell;
use crate::ops::{self, Hit, RepairOptions, RepairReport};
use crate::path::printable;

/// Mend a vault with missing or damaged objects
///
/// Puts back what this machine has copies of, makes lost index segments again, takes packs that are gone out of the index,
/// and marks the files that are lost: the next `sync` from a machine that still has them stores them again. Nothing is ever
/// deleted. Tells which files are lost at which commits, and ends with 24 or 20 if any are. Before all that, `remote heal`
/// gets back what another copy of the vault has.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RepairArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// Read all packs first, to find those that are damaged
    #[arg(long)]
    read_data: bool,
    /// Show what would be done and what is lost, and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Take packs for gone even if most are
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(shell: &Shell, args: &RepairArgs) -> Result<(), CliError> {
    let remote = shell.settings.remote(&args.remote)?;
    let options = RepairOptions {
        dry_run: args.dry_run,
        force: args.force,
        read_data: args.read_data,
        operation: format!("repair {}:", remote.name),
    };
    let report = shell.call(true, |ctx| ops::repair(ctx, &remote, &options))?;
    if shell.printer.is_json() {
        write_object(&shell.printer, &JsonRepair::new(&report))?;
    } else {
        for line in lines(&report, options.dry_run) {
            shell.printer.data(&line)?;
        }
    }
    match report.lost.iter().map(|hit| hit.class).max_by_key(|class| class.code()) {
        None => Ok(()),
        Some(worst) => Err(CliError::new(worst, format!("lost: {}", count(&report.lost))).hint(
            "`sync` from a machine that has the files stores them again; `rescue` takes out what can be read; `remote heal` gets objects from another copy of the vault",
        )),
    }
}

fn count(lost: &[Hit]) -> String {
    let files = lost.iter().filter(|hit| hit.path.is_some()).count();
    match lost.len() - files {
        0 => format!("{files} files"),
        parts => format!("{files} files and {parts} parts of trees"),
    }
}

fn lines(report: &RepairReport, dry_run: bool) -> Vec<String> {
    let row = |name: &str, value: String| [name.to_owned(), value];
    let mut rows = vec![
        row("objects put back:", report.put_back.len().to_string()),
        row("index segments kept:", report.segments_kept.to_string()),
        row("index segments lost:", report.segments_lost.to_string()),
        row("packs indexed again:", report.packs_found.to_string()),
        row("packs gone:", report.packs_gone.len().to_string()),
        row("files marked as lost:", report.marked.to_string()),
        row("marks taken off:", report.unmarked.to_string()),
        row("lost:", count(&report.lost)),
    ];
    if let Some(commit) = &report.commit {
        rows.push(row("commit:", commit.chars().take(10).collect()));
    } else if dry_run {
        rows.push(row("commit:", "none (dry run)".to_owned()));
    }
    let mut lines = table([Align::Left, Align::Left], &rows);
    lines.extend(report.packs_gone.iter().map(|name| format!("gone: {name}")));
    lines.extend(report.lost.iter().map(|hit| {
        let text = ops::told(hit);
        format!("lost {}: {}", hit.class.code(), printable(text.as_bytes()))
    }));
    lines
}

#[derive(Debug, Serialize)]
struct JsonRepair<'a> {
    put_back: &'a [String],
    segments_kept: u64,
    segments_lost: u64,
    packs_found: u64,
    packs_gone: &'a [String],
    marked: u64,
    unmarked: u64,
    commit: Option<&'a str>,
    files: Vec<JsonHit<'a>>,
    trees: Vec<String>,
}

impl<'a> JsonRepair<'a> {
    fn new(report: &'a RepairReport) -> Self {
        Self {
            put_back: &report.put_back,
            segments_kept: report.segments_kept,
            segments_lost: report.segments_lost,
            packs_found: report.packs_found,
            packs_gone: &report.packs_gone,
            marked: report.marked,
            unmarked: report.unmarked,
            commit: report.commit.as_deref(),
            files: JsonHit::all(&report.lost),
            trees: report.lost.iter().filter(|hit| hit.path.is_none()).map(ops::told).collect(),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  cryptsync repair -n nas:
  cryptsync repair --read-data nas:";
