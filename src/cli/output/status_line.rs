//! How far a run is, as text. Pure: a snapshot in, lines out.

use std::time::Duration;

use crate::units::ByteSize;

/// The state of a run at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    /// Files and bytes to transfer, once the plan is complete.
    pub(super) planned: Option<(u64, u64)>,
    pub(super) checked: u64,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) sent: u64,
    pub(super) deleted: u64,
    pub(super) moved: u64,
    /// Since the run began.
    pub(super) elapsed: Duration,
    pub(super) failed: u64,
    /// Bytes per second, lately.
    pub(super) speed: f64,
}

impl Snapshot {
    /// `1.00 GiB / 4.00 GiB, 25%, 100 MiB/s, ETA 31s, 3/12 files, checked 40, failed 1`
    pub(super) fn line(&self) -> String {
        let mut parts = Vec::new();
        match self.planned {
            Some((_, total)) => {
                parts.push(format!("{} / {}", ByteSize(self.bytes), ByteSize(total)));
                parts.push(format!("{}%", self.percent()));
            }
            None if self.bytes == 0 => parts.push("comparing".to_owned()),
            None => parts.push(ByteSize(self.bytes).to_string()),
        }
        if self.bytes > 0 {
            parts.push(format!("{}/s", ByteSize(self.speed as u64)));
        }
        if let Some(left) = self.time_left() {
            parts.push(format!("ETA {}", short_duration(left)));
        }
        match self.planned {
            Some((files, _)) => parts.push(format!("{}/{} files", self.files, files)),
            None if self.files > 0 => parts.push(format!("{} files", self.files)),
            None => {}
        }
        if self.checked > 0 {
            parts.push(format!("checked {}", self.checked));
        }
        if self.sent > 0 {
            parts.push(format!("sent {}", ByteSize(self.sent)));
        }
        if self.failed > 0 {
            parts.push(format!("failed {}", self.failed));
        }
        parts.join(", ")
    }

    fn percent(&self) -> u64 {
        match self.planned {
            Some((_, total)) if total > 0 => (self.bytes as f64 / total as f64 * 100.0).min(100.0) as u64,
            _ => 100,
        }
    }

    /// How long it takes at this speed.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let left = self.planned?.1.checked_sub(self.bytes).filter(|left| *left > 0)?;
        (self.speed >= 1.0).then(|| Duration::from_secs((left as f64 / self.speed).ceil() as u64))
    }
}

/// `850ms`, `12s`, `3m05s`, `2h07m`, `3d04h`: two units at most.
pub(super) fn short_duration(duration: Duration) -> String {
    let secs = duration.as_secs();
    match secs {
        0 => format!("{}ms", duration.subsec_millis()),
        1..60 => format!("{secs}s"),
        60..3600 => format!("{}m{:02}s", secs / 60, secs % 60),
        3600..86400 => format!("{}h{:02}m", secs / 3600, secs / 60 % 60),
        _ => format!("{}d{:02}h", secs / 86400, secs / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_is_known() {
        let mut snapshot = Snapshot { checked: 40, ..Snapshot::default() };
        assert_eq!(snapshot.line(), "comparing, checked 40");
        snapshot.planned = Some((12, 4 << 30));
        assert_eq!(snapshot.line(), "0 B / 4.00 GiB, 0%, 0/12 files, checked 40");
        snapshot = Snapshot { bytes: 1 << 30, files: 3, failed: 1, speed: (100 << 20) as f64, ..snapshot };
        assert_eq!(snapshot.line(), "1.00 GiB / 4.00 GiB, 25%, 100 MiB/s, ETA 31s, 3/12 files, checked 40, failed 1");
        snapshot.bytes = 5 << 30; // a file grew
        assert!(snapshot.line().starts_with("5.00 GiB / 4.00 GiB, 100%, 100 MiB/s, 3/12"));
        assert_eq!(Snapshot { bytes: 1024, ..Snapshot::default() }.line(), "1.00 KiB, 0 B/s");
        assert!(Snapshot { planned: Some((0, 0)), ..Snapshot::default() }.line().contains("100%"));
    }

    #[test]
    fn durations() {
        for (secs, text) in [(7, "7s"), (185, "3m05s"), (7620, "2h07m"), (90_000, "1d01h")] {
            assert_eq!(short_duration(Duration::from_secs(secs)), text);
        }
        assert_eq!(short_duration(Duration::from_millis(850)), "850ms");
    }
}
