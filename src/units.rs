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

    /// A number of bytes with an optional suffix `B K M G T P E` (binary; `Ki`, `KiB` and `KB` mean the same as `K`).
    fn from_str(text: &str) -> Result<Self, BadSize> {
        parse(text, 0)
    }
}

/// A size as it was typed, where rclone's scripts may have typed it: a number without a unit is bytes, or KiB as for rclone,
/// and `off` is none at all. Which of the two is known once the whole command line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypedSize {
    /// `off`
    Off,
    /// How many bytes it is.
    Bytes {
        /// As cryptsync reads it.
        plain: u64,
        /// As rclone reads it.
        compat: u64,
    },
}

impl TypedSize {
    /// The number of bytes, as rclone reads it if `compat`; `None` for `off`.
    pub fn bytes(self, compat: bool) -> Option<u64> {
        match self {
            Self::Off => None,
            Self::Bytes { compat: bytes, .. } if compat => Some(bytes),
            Self::Bytes { plain, .. } => Some(plain),
        }
    }
}

impl std::str::FromStr for TypedSize {
    type Err = BadSize;

    fn from_str(text: &str) -> Result<Self, BadSize> {
        if text.trim().eq_ignore_ascii_case("off") {
            return Ok(Self::Off);
        }
        Ok(Self::Bytes { plain: parse(text, 0)?.0, compat: parse(text, 1)?.0 })
    }
}

/// Reads a size; without a unit it is in that of 1024 to the power `power`.
fn parse(text: &str, power: usize) -> Result<ByteSize, BadSize> {
    let bad = || BadSize(text.to_owned());
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let number: f64 = trimmed[..split].parse().map_err(|_| bad())?;
    let suffix = trimmed[split..].trim().to_ascii_uppercase();
    let unit = ["IB", "B", "I"].iter().find_map(|end| suffix.strip_suffix(end)).unwrap_or(suffix.as_str());
    let power = match unit {
        "" if suffix.is_empty() => power,
        "" if suffix == "B" => 0,
        unit => 1 + UNITS.iter().position(|known| *known == unit).ok_or_else(bad)?,
    };
    let bytes = number * 1024f64.powi(power as i32);
    if bytes.is_finite() && bytes >= 0.0 && bytes < u64::MAX as f64 { Ok(ByteSize(bytes as u64)) } else { Err(bad()) }
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
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("17b", 17),
            ("64K", 65536),
            ("1.5MiB", 1_572_864),
            ("64Mi", 64 << 20),
            ("2 GB", 2 << 30),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "K", "1i", "-1", "1Q", "1.2.3M", "99999999E"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
            assert!(text.parse::<TypedSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_alone_is_kib_for_rclone() {
        let both = |text: &str| text.parse::<TypedSize>().map(|size| (size.bytes(false), size.bytes(true))).unwrap();
        assert_eq!(both("10"), (Some(10), Some(10240)));
        assert_eq!(both("1.5"), (Some(1), Some(1536)));
        assert_eq!(both("10B"), (Some(10), Some(10)));
        assert_eq!(both("10k"), (Some(10240), Some(10240)));
        assert_eq!(both("OFF"), (None, None));
    }
}
