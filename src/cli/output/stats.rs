//! How far a run is, as rclone shows it: a block of lines, one line, or fields of its JSON log. Pure: a snapshot in, text out.

use std::time::Duration;

use serde_json::{Value, json};

use super::status_line::Snapshot;
use super::units::rclone_size;
use super::width::shortened;

/// How figures are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StatsForm {
    /// The block of several lines, where otherwise a line would do.
    pub(crate) block: bool,
    /// One line as rclone has it.
    pub(crate) one_line: bool,
    /// With the date before that line.
    pub(crate) date: bool,
    /// Rates in bits per second.
    pub(crate) bits: bool,
    /// The longest name of a file, in characters; 0 is no limit.
    pub(crate) name_length: usize,
    /// Also in the title of the terminal.
    pub(crate) title: bool,
}

impl Default for StatsForm {
    fn default() -> Self {
        Self { block: false, one_line: false, date: false, bits: false, name_length: NAME_LENGTH, title: false }
    }
}

impl StatsForm {
    /// `    1.031 MiB / 3.052 MiB, 34%, 1.029 MiB/s, ETA 2s`
    pub(super) fn line(&self, snapshot: &Snapshot) -> String {
        let total = snapshot.planned.map_or(snapshot.bytes, |(_, total)| total.max(snapshot.bytes));
        let left = snapshot.time_left().map(seconds);
        format!(
            "{:>13} / {}, {}, {}, ETA {}",
            rclone_size(snapshot.bytes),
            rclone_size(total),
            percent(snapshot.bytes, total),
            self.rate(snapshot.speed),
            left.unwrap_or_else(|| "-".to_owned()),
        )
    }

    /// rclone's block. `files` are those on their way, with their sizes.
    pub(super) fn lines(&self, snapshot: &Snapshot, files: &[(String, u64)]) -> Vec<String> {
        let total = snapshot.planned.map_or(snapshot.files, |(files, _)| files.max(snapshot.files));
        let mut lines = vec![format!("Transferred:   \t{}", self.line(snapshot))];
        if snapshot.failed > 0 {
            lines.push(format!("Errors:        {:>10}", snapshot.failed));
        }
        if snapshot.checked > 0 {
            lines.push(format!("Checks:        {:>10}", snapshot.checked));
        }
        if snapshot.deleted > 0 {
            lines.push(format!("Deleted:       {:>10}", snapshot.deleted));
        }
        if snapshot.moved > 0 {
            lines.push(format!("Renamed:       {:>10}", snapshot.moved));
        }
        if snapshot.sent > 0 {
            lines.push(format!("Sent:          {:>10}", rclone_size(snapshot.sent)));
        }
        lines.push(format!("Transferred:   {:>10} / {total}, {}", snapshot.files, percent(snapshot.files, total)));
        lines.push(format!("Elapsed time:  {:>10}s", format!("{:.1}", snapshot.elapsed.as_secs_f64())));
        if !files.is_empty() {
            lines.push("Transferring:".to_owned());
            let name = |name: &str| shortened(name, self.name_length);
            lines.extend(files.iter().map(|(file, size)| format!(" * {}: {}", name(file), rclone_size(*size))));
        }
        lines
    }

    fn rate(&self, bytes_per_second: f64) -> String {
        let rate = bytes_per_second.max(0.0);
        if self.bits {
            format!("{}it/s", rclone_size((rate * 8.0) as u64).replace('B', "b"))
        } else {
            format!("{}/s", rclone_size(rate as u64))
        }
    }
}

/// The fields that rclone's JSON log has below `stats`, as far as they mean something here.
pub(super) fn fields(snapshot: &Snapshot, files: &[(String, u64)]) -> Value {
    let (total_files, total_bytes) = snapshot.planned.unwrap_or((snapshot.files, snapshot.bytes));
    let transferring: Vec<Value> = files.iter().map(|(name, size)| json!({ "name": name, "size": size })).collect();
    json!({
        "bytes": snapshot.bytes,
        "checks": snapshot.checked,
        "deletes": snapshot.deleted,
        "elapsedTime": snapshot.elapsed.as_secs_f64(),
        "errors": snapshot.failed,
        "eta": snapshot.time_left().map(|left| left.as_secs()),
        "renames": snapshot.moved,
        "sent": snapshot.sent,
        "speed": snapshot.speed,
        "totalBytes": total_bytes,
        "totalChecks": snapshot.checked,
        "totalTransfers": total_files,
        "transferring": transferring,
        "transfers": snapshot.files,
    })
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{}%", (part as f64 / whole as f64 * 100.0).min(100.0) as u64) }
}

/// `31s`, `1m5s`, `2h7m0s`
fn seconds(time: Duration) -> String {
    let secs = time.as_secs();
    match secs {
        0..60 => format!("{secs}s"),
        60..3600 => format!("{}m{}s", secs / 60, secs % 60),
        _ => format!("{}h{}m{}s", secs / 3600, secs / 60 % 60, secs % 60),
    }
}

/// As rclone has it.
const NAME_LENGTH: usize = 45;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_rclone_shows_them() {
        let snapshot = Snapshot {
            planned: Some((2, 3_200_000)),
            files: 1,
            bytes: 1_081_344,
            speed: 1_048_576.0,
            elapsed: Duration::from_millis(1040),
            checked: 7,
            ..Snapshot::default()
        };
        let form = StatsForm { name_length: 10, ..StatsForm::default() };
        assert_eq!(form.line(&snapshot), "    1.031 MiB / 3.052 MiB, 33%, 1 MiB/s, ETA 3s");
        assert_eq!(
            form.lines(&snapshot, &[("a/long/name.txt".to_owned(), 2048)]),
            [
                "Transferred:   \t    1.031 MiB / 3.052 MiB, 33%, 1 MiB/s, ETA 3s",
                "Checks:                 7",
                "Transferred:            1 / 2, 50%",
                "Elapsed time:         1.0s",
                "Transferring:",
                " * a/lo…e.txt: 2 KiB",
            ]
        );
        let bits = StatsForm { bits: true, ..form };
        assert!(bits.line(&snapshot).contains(", 8 Mibit/s, "));
        assert_eq!(bits.line(&Snapshot::default()), "          0 B / 0 B, -, 0 bit/s, ETA -");
        assert_eq!(fields(&snapshot, &[])["totalBytes"], 3_200_000);
    }
}
