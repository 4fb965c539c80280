//! Sizes and rates as people read and type them. Binary units throughout.

use std::fmt;

/// A number of bytes, shown as rclone shows it: `1.5 MiB`, three significant digits after a full unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct ByteSize(pub u64);

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let (mut value, mut unit) = (self.0 as f64 / 1024.0, 0);
        while value >= 1023.995 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
        write!(f, "{value:.digits$} {}iB", UNITS[unit])
    }
}

/// Text that is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a size; write for example `512`, `64K`, `1.5M` or `20GiB`")]
pub struct BadSize(String);

impl std::str::FromStr for ByteSize {
    type Err = BadSize;

    /// A number of bytes with an optional suffix `B K M G T P E` (binary; `KiB` and `KB` mean the same as `K`).
    fn from_str(text: &str) -> Result<Self, BadSize> {
        let bad = || BadSize(text.to_owned());
        let trimmed = text.trim();
        let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let number: f64 = trimmed[..split].parse().map_err(|_| bad())?;
        let suffix = trimmed[split..].trim().to_ascii_uppercase();
        let unit = suffix.strip_suffix("IB").or_else(|| suffix.strip_suffix('B')).unwrap_or(&suffix);
        let power = if unit.is_empty() { 0 } else { 1 + UNITS.iter().position(|u| *u == unit).ok_or_else(bad)? };
        let bytes = number * 1024f64.powi(power as i32);
        if bytes.is_finite() && bytes >= 0.0 && bytes < u64::MAX as f64 { Ok(Self(bytes as u64)) } else { Err(bad()) }
    }
}

const UNITS: [&str; 6] = ["K", "M", "G", "T", "P", "E"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_three_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.50 KiB"),
            (20 << 30, "20.0 GiB"),
            (1 << 20, "1.00 MiB"),
            ((1 << 20) - 1, "1.00 MiB"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
    }

    #[test]
    fn reads_suffixes() {
        for (text, bytes) in
            [("0", 0), ("17", 17), ("17b", 17), ("64K", 65536), ("1.5MiB", 1_572_864), ("2 GB", 2 << 30)]
        {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "K", "-1", "1Q", "1.2.3M", "99999999E"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }
}
