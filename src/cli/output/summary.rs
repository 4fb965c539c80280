//! What a transfer did, in three lines.

use std::time::Duration;

use super::status_line::short_duration;
use crate::ops::SyncReport;
use crate::units::ByteSize;

/// The lines shown after a transfer.
pub(crate) fn summary(report: &SyncReport, elapsed: Duration, dry_run: bool) -> Vec<String> {
    let sent = if dry_run { "would send" } else { "sent" };
    let mut first = vec![format!("checked {}", report.checked)];
    first.push(format!("{sent} {}, {}", count(report.files, "file"), ByteSize(report.bytes)));
    for (amount, name) in [
        (report.updated, "updated"),
        (report.moved, "removed from the source"),
        (report.deleted, "deleted"),
        (report.failed, "failed"),
    ] {
        if amount > 0 {
            let name = if dry_run && name != "failed" { format!("would be {name}") } else { name.to_owned() };
            first.push(format!("{name} {amount}"));
        }
    }
    let (deduplicated, stored) = (ByteSize(report.deduplicated), ByteSize(report.stored));
    let second = format!("deduplicated {deduplicated}, stored {stored}, {}", count(report.requests, "request"));
    let mut third = format!("elapsed {}", short_duration(elapsed));
    if let Some(commit) = &report.commit {
        third.push_str(&format!(", commit {}", truncated(commit)));
    }
    vec![first.join(", "), second, third]
}

/// The one line shown after a change without a transfer.
pub(crate) fn brief(report: &SyncReport, dry_run: bool) -> String {
    let mut parts = Vec::new();
    for (amount, name) in [(report.files, "made"), (report.updated, "changed"), (report.deleted, "removed")] {
        if amount > 0 {
            let name = if dry_run { format!("would be {name}") } else { name.to_owned() };
            parts.push(format!(
                "{} {name}",
                if amount == 1 { "1 entry".to_owned() } else { format!("{amount} entries") }
            ));
        }
    }
    if parts.is_empty() {
        parts.push("nothing to do".to_owned());
    }
    if let Some(commit) = &report.commit {
        parts.push(format!("commit {}", truncated(commit)));
    }
    parts.join(", ")
}

fn count(amount: u64, noun: &str) -> String {
    format!("{amount} {noun}{}", if amount == 1 { "" } else { "s" })
}

/// The first ten characters of an id: enough for a person.
pub(crate) fn truncated(id: &str) -> &str {
    id.get(..10).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_happened() {
        let report = SyncReport {
            checked: 12,
            files: 1,
            bytes: 1 << 20,
            deduplicated: 1024,
            stored: 4096,
            deleted: 2,
            failed: 1,
            requests: 9,
            commit: Some("abcdefghijklmnop".to_owned()),
            ..SyncReport::default()
        };
        assert_eq!(
            summary(&report, Duration::from_secs(75), false),
            [
                "checked 12, sent 1 file, 1.00 MiB, deleted 2, failed 1",
                "deduplicated 1.00 KiB, stored 4.00 KiB, 9 requests",
                "elapsed 1m15s, commit abcdefghij",
            ]
        );
        let would = summary(&SyncReport { files: 2, deleted: 1, ..SyncReport::default() }, Duration::ZERO, true);
        assert_eq!(would[0], "checked 0, would send 2 files, 0 B, would be deleted 1");
    }
}
