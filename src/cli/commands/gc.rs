//! `gc`

use std::ffi::OsString;
use std::time::Duration;

use serde_json::json;

use crate::cli::output::{Align, CliError, local_time, rfc3339, table, write_object};
use crate::cli::settings::{parse_age, parse_duration};
use crate::cli::shell::Shell;
use crate::ops::{self, Collected, GcOptions};
use crate::units::ByteSize;

/// Delete what no commit that is kept needs
///
/// What the retention policy forgets frees space only when the objects that hold it are deleted. That takes two steps: objects
/// are condemned, and once every writer has seen that, they are deleted. A writer sees it with its next command that
/// writes; one that will not come back is ended with `writer retire`, or with `--expire`. Each run does what can be done at that
/// moment and says what it waits for; it may be stopped at any time, and others may go on writing meanwhile. It takes
/// an admin.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GcArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// Show what would be condemned and what is waited for, and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// How long what is condemned stays for those who are reading
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_age)]
    grace: Duration,
    /// End writers that are waited for and have been silent for so long
    #[arg(long, value_name = "DURATION", value_parser = parse_age)]
    expire: Option<Duration>,
    /// How long objects that belong to no commit are left alone after they were first seen
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = parse_age)]
    orphan_age: Duration,
    /// Percent of what is stored that may be unneeded and stay, because it lies beside what is needed
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=100))]
    max_unused: u64,
    /// Pack no more than this anew
    #[arg(long, value_name = "SIZE")]
    max_repack: Option<ByteSize>,
    /// Begin no further step after so long
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    max_duration: Option<Duration>,
}

pub(crate) fn run(shell: &Shell, args: &GcArgs) -> Result<(), CliError> {
    let remote = shell.settings.remote(&args.remote)?;
    let options = GcOptions {
        dry_run: args.dry_run,
        grace: args.grace,
        orphans: args.orphan_age,
        expire: args.expire,
        max_unused: args.max_unused,
        max_repack: args.max_repack.map_or(u64::MAX, |size| size.0),
        max_duration: args.max_duration.filter(|span| !span.is_zero()),
    };
    let report = shell.call(true, |ctx| ops::gc(ctx, &remote, &options))?;
    if shell.printer.is_json() {
        return Ok(write_object(&shell.printer, &object(shell, &report))?);
    }
    for line in lines(shell, &report, args.dry_run) {
        shell.printer.data(&line)?;
    }
    Ok(())
}

fn object(shell: &Shell, report: &Collected) -> serde_json::Value {
    let zone = &shell.settings.time_zone;
    let sum = |(objects, bytes): (u64, u64)| json!({ "objects": objects, "bytes": bytes });
    let waiting: Vec<serde_json::Value> = report
        .waiting
        .iter()
        .map(|epoch| {
            let writers: Vec<serde_json::Value> = epoch
                .writers
                .iter()
                .map(|last| {
                    let record = &last.record;
                    json!({ "id": last.writer.to_string(), "label": record.writer_label, "last": rfc3339(record.time, zone) })
                })
                .collect();
            json!({
                "epoch": epoch.number,
                "commit": epoch.commit.to_string(),
                "since": rfc3339(epoch.since, zone),
                "objects": epoch.objects,
                "writers": writers,
                "until": epoch.until.map(|until| rfc3339(until, zone)),
            })
        })
        .collect();
    json!({
        "kept_commits": report.commits,
        "forgotten_commits": report.forgotten,
        "stored": sum(report.stored),
        "condemned": sum(report.condemned),
        "unused_bytes": report.unused,
        "copied_bytes": report.copied,
        "young": sum(report.young),
        "deleted": sum(report.deleted),
        "completed_epochs": report.completed,
        "expired": report.expired.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "waiting": waiting,
    })
}

fn lines(shell: &Shell, report: &Collected, dry_run: bool) -> Vec<String> {
    let row = |name: &str, value: String| [name.to_owned(), value];
    let sum = |(objects, bytes): (u64, u64)| format!("{} in {objects} objects", ByteSize(bytes));
    let condemned = if dry_run { "would condemn:" } else { "condemned:" };
    let mut rows = vec![
        row("commits:", format!("{} kept, {} forgotten", report.commits, report.forgotten)),
        row("stored:", sum(report.stored)),
        row(condemned, sum(report.condemned)),
        row("unneeded but kept:", ByteSize(report.unused).to_string()),
    ];
    if report.young.0 > 0 {
        rows.push(row("in no commit yet:", sum(report.young)));
    }
    if !dry_run {
        rows.push(row("copied:", ByteSize(report.copied).to_string()));
        rows.push(row("deleted:", sum(report.deleted)));
    }
    let mut lines = table([Align::Left, Align::Left], &rows);
    let zone = &shell.settings.time_zone;
    for writer in &report.expired {
        lines.push(format!("ended: writer {}", writer.short()));
    }
    for epoch in &report.waiting {
        let what = format!("epoch {} of {} ({} objects)", epoch.number, local_time(epoch.since, zone), epoch.objects);
        for last in &epoch.writers {
            let (label, id, time) =
                (&last.record.writer_label, last.writer.short(), local_time(last.record.time, zone));
            lines.push(format!("{what} waits for writer {id} of `{label}`, which wrote last on {time}"));
        }
        match epoch.until {
            Some(until) => lines.push(format!("{what} is kept for readers until {}", local_time(until, zone))),
            None if epoch.writers.is_empty() => lines.push(format!("{what} can be completed: run `gc` again")),
            None => {}
        }
    }
    lines
}

const EXAMPLES: &str = "\
Examples:
  cryptsync gc --dry-run nas:
  cryptsync gc nas:
  cryptsync gc --expire 90d --max-repack 2G nas:";
