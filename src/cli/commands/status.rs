//! `status`

use std::ffi::OsString;

use jiff::tz::TimeZone;

use super::log;
use crate::cli::output::{Align, CliError, JsonStatus, local_time, printed_policy, table, truncated, write_object};
use crate::cli::settings::Settings;
use crate::cli::shell::Shell;
use crate::ops::{self, KeyPlace, QuarantinedEntry, RemoteProfile, StatusReport, WriterRow};
use crate::path::printable;
use crate::units::ByteSize;

/// Show what a vault is, who can open it, and what is newest in it
///
/// The checkpoint names the newest commit: give it to another machine to make sure that it sees nothing older.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatusArgs {
    /// The remote, as `name:`
    remote: OsString,
}

impl StatusArgs {
    pub(crate) fn options(&self, settings: &Settings) -> Result<RemoteProfile, CliError> {
        settings.remote(&self.remote)
    }
}

pub(crate) fn run(shell: &Shell, args: &StatusArgs) -> Result<(), CliError> {
    let (remote, zone) = (args.options(&shell.settings)?, &shell.settings.time_zone);
    let status = shell.call(false, |ctx| ops::status(ctx, &remote))?;
    if shell.printer.is_json() {
        write_object(&shell.printer, &JsonStatus::new(&status, zone))?;
    } else {
        for line in lines(&status, zone) {
            shell.printer.data(&line)?;
        }
    }
    for warning in &status.warnings {
        shell.printer.note(format_args!("warning: {}", printable(warning.as_bytes())));
    }
    Ok(())
}

fn lines(status: &StatusReport, zone: &TimeZone) -> Vec<String> {
    let row = |name: &str, value: String| [name.to_owned(), value];
    let mut rows = vec![
        row("location:", printable(status.location.as_bytes())),
        row("vault id:", status.vault_id.clone()),
        row("access:", format!("version {}, epoch {}", status.access_version, status.epoch)),
        row("this writer:", status.writer.clone().unwrap_or("none yet".to_owned())),
        row("records:", status.records.to_string()),
        row("newest:", log::lines(status.head.as_slice(), zone).pop().unwrap_or("none".to_owned())),
        row("age:", status.age.map_or("none".to_owned(), age)),
        row("tree:", format!("{} entries, {}", status.tree.0, ByteSize(status.tree.1))),
        row("policy:", printed_policy(&status.policy).join("; ")),
        row("pinned:", format!("{} commits; {} to be forgotten by hand", status.named.0, status.named.1)),
        row("conflicts:", status.conflicts.to_string()),
        row("checkpoint:", status.checkpoint.clone()),
    ];
    if let Some(place) = status.device_key {
        rows.push(row("device key:", place_name(place).to_owned()));
    }
    if status.unfinished.0 > 0 {
        let (objects, bytes) = status.unfinished;
        rows.push(row("unfinished:", format!("{objects} objects, {}", ByteSize(bytes))));
    }
    let mut lines = table([Align::Left, Align::Left], &rows);
    lines.push("members:".to_owned());
    let members: Vec<[String; 4]> =
        status.members.iter().map(|m| m.each_ref().map(|s| printable(s.as_bytes()))).collect();
    lines.extend(table([Align::Left; 4], &members).iter().map(|line| format!("  {line}")));
    if status.heads.len() > 1 {
        lines.push("heads:".to_owned());
        lines.extend(log::lines(&status.heads, zone).iter().map(|line| format!("  {line}")));
    }
    if !status.writers.is_empty() {
        lines.push("writers:".to_owned());
        lines.extend(writer_lines(&status.writers, zone).iter().map(|line| format!("  {line}")));
    }
    lines.extend(status.quarantined.iter().map(quarantined_line));
    lines.extend(status.foreign.iter().map(|name| format!("foreign object: {}", printable(name.as_bytes()))));
    lines
}

/// A line for each writer: its id, which is what `writer retire` takes, and the last of its commits.
pub(super) fn writer_lines(writers: &[WriterRow], zone: &TimeZone) -> Vec<String> {
    let row = |writer: &WriterRow| {
        [
            writer.id.clone(),
            if writer.own { "this machine".to_owned() } else { writer.state.name().to_owned() },
            printable(writer.label.as_bytes()),
            format!("number {}", writer.seq),
            local_time(writer.last, zone),
            truncated(&writer.commit).to_owned(),
        ]
    };
    let rows: Vec<_> = writers.iter().map(row).collect();
    table([Align::Left, Align::Left, Align::Left, Align::Right, Align::Left, Align::Left], &rows)
}

/// A commit that does not count, and why.
pub(super) fn quarantined_line(one: &QuarantinedEntry) -> String {
    let (label, operation) = (printable(one.entry.writer.as_bytes()), printable(one.entry.operation.as_bytes()));
    let adopt = if one.adoptable { "; `adopt` lets it count" } else { "" };
    format!("quarantined commit: {} of `{label}` (`{operation}`): {}{adopt}", one.entry.id, one.why)
}

/// Where this device's key is.
pub(super) fn place_name(place: KeyPlace) -> &'static str {
    match place {
        KeyPlace::File => "in a file that only you can read",
        KeyPlace::Keyring => "in the keyring of this system",
    }
}

fn age(secs: u64) -> String {
    match secs {
        1 => "1 second".to_owned(),
        0..120 => format!("{secs} seconds"),
        120..7_200 => format!("{} minutes", secs / 60),
        7_200..172_800 => format!("{} hours", secs / 3_600),
        _ => format!("{} days", secs / 86_400),
    }
}

const EXAMPLES: &str = "\
Examples:
  cryptsync status nas:
  cryptsync status --json local:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligned() {
        let status = StatusReport {
            location: "/mnt/v".to_owned(),
            vault_id: "abc".to_owned(),
            access_version: 2,
            epoch: 1,
            members: vec![["password", "admin", "main", "xyz"].map(str::to_owned)],
            writer: None,
            head: None,
            records: 0,
            heads: Vec::new(),
            writers: Vec::new(),
            quarantined: Vec::new(),
            foreign: Vec::new(),
            conflicts: 0,
            tree: (0, 0),
            policy: crate::ops::Policy::default(),
            named: (0, 0),
            age: None,
            checkpoint: "cp".to_owned(),
            device_key: None,
            unfinished: (2, 2048),
            warnings: Vec::new(),
        };
        let lines = lines(&status, &TimeZone::UTC);
        assert_eq!(lines[0], "location:     /mnt/v");
        assert_eq!(lines[12], "unfinished:   2 objects, 2.00 KiB");
        assert_eq!(lines[14], "  password  admin  main  xyz");
    }
}
