//! `leaks`

use std::ffi::OsString;

use crate::cli::output::{Align, CliError, table, write_object};
use crate::cli::shell::Shell;
use crate::ops::{self, LeaksReport};
use crate::units::ByteSize;

/// Show what the provider of a remote can see of the vault in it
///
/// It looks at the storage alone, as the provider can: no key is needed or used. Besides what is listed here, the provider
/// sees when each object arrives and when which part of it is read, and from where.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LeaksArgs {
    /// The remote, as `name:`
    remote: OsString,
}

pub(crate) fn run(shell: &Shell, args: &LeaksArgs) -> Result<(), CliError> {
    let remote = shell.settings.remote(&args.remote)?;
    let report = shell.call(false, |ctx| ops::leaks(ctx, &remote))?;
    if shell.printer.is_json() {
        return Ok(write_object(&shell.printer, &json(&report))?);
    }
    for line in lines(&report) {
        shell.printer.data(&line)?;
    }
    Ok(())
}

fn json(report: &LeaksReport) -> serde_json::Value {
    let classes = report.classes.iter().map(|(class, seen)| {
        serde_json::json!({
            "class": class, "objects": seen.objects, "bytes": seen.bytes, "smallest": seen.smallest,
            "largest": seen.largest, "sizes": seen.sizes,
        })
    });
    let passwords = report.passwords.iter().map(|(m, t, p)| serde_json::json!({ "kib": m, "passes": t, "lanes": p }));
    serde_json::json!({
        "vaults": report.vaults,
        "classes": classes.collect::<Vec<_>>(),
        "writers_at_least": report.writers,
        "longest_log": report.longest_log,
        "log_length": report.lamport,
        "access_version": report.access_version,
        "epoch": report.epoch,
        "slots": report.slots,
        "passwords": passwords.collect::<Vec<_>>(),
        "foreign_objects": report.foreign,
    })
}

fn lines(report: &LeaksReport) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(report.vaults.iter().map(|id| format!("vault id: {id}")));
    let row = |(class, seen): &(&'static str, ops::Seen)| {
        [
            (*class).to_owned(),
            format!("{} objects", seen.objects),
            ByteSize(seen.bytes).to_string(),
            format!("{} sizes,", seen.sizes),
            format!("{} to {}", ByteSize(seen.smallest), ByteSize(seen.largest)),
        ]
    };
    let rows: Vec<_> = report.classes.iter().filter(|(_, seen)| seen.objects > 0).map(row).collect();
    lines.extend(table([Align::Left, Align::Right, Align::Right, Align::Right, Align::Left], &rows));
    lines.push(format!("log: {} steps so far, at most {} by one writer", report.lamport, report.longest_log));
    lines.push(format!("writers: at least {}", report.writers));
    lines.push(match (report.epoch, report.slots) {
        (Some(epoch), Some(slots)) => {
            format!("access: version {}, epoch {epoch}, {slots} slots (dummies among them)", report.access_version)
        }
        _ => format!("access: version {}", report.access_version),
    });
    let cost = |(m, t, p): &(u32, u32, u32)| format!("password: Argon2id, {} MiB, {t} passes, {p} lanes", m / 1024);
    lines.extend(report.passwords.iter().map(cost));
    if report.foreign > 0 {
        lines.push(format!("{} other objects", report.foreign));
    }
    lines.push(
        "not to be seen: names, sizes, times, modes and number of files, directories, who the members are".to_owned(),
    );
    lines
}

const EXAMPLES: &str = "\
Examples:
  cryptsync leaks nas:
  cryptsync leaks --json nas:";
