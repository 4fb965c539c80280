//! Times of files, and how they are written into metadata.

/// A time: seconds since 1970 and nanoseconds on top of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileTime {
    /// Seconds since 1970, rounded down.
    pub secs: i64,
    /// Nanoseconds, less than a second.
    pub nanos: u32,
}

impl FileTime {
    /// As metadata of objects have it: seconds as a decimal fraction, without zeros at its end.
    pub(crate) fn to_decimal(self) -> String {
        let total = i128::from(self.secs) * SECOND + i128::from(self.nanos);
        let sign = if total < 0 { "-" } else { "" };
        let (secs, nanos) =
            (total.unsigned_abs() / SECOND.unsigned_abs(), total.unsigned_abs() % SECOND.unsigned_abs());
        let text = format!("{sign}{secs}.{nanos:09}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    /// The inverse; `None` if it is no such text. Digits beyond nanoseconds are dropped.
    pub(crate) fn from_decimal(text: &str) -> Option<Self> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
        let (secs, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if secs.is_empty()
            || secs.len() > SECS_MAX
            || !(secs.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()))
        {
            return None;
        }
        let nanos = format!("{fraction:0<9}").get(..9)?.parse::<i128>().ok()?;
        let total = secs.parse::<i128>().ok()? * SECOND + nanos;
        let total = if negative { -total } else { total };
        Some(Self { secs: total.div_euclid(SECOND) as i64, nanos: total.rem_euclid(SECOND) as u32 })
    }
}

const SECOND: i128 = 1_000_000_000;
/// More digits are no time that anybody has.
const SECS_MAX: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_decimal_fractions() {
        for (secs, nanos, text) in [
            (1_605_021_489, 123_456_789, "1605021489.123456789"),
            (1_605_021_489, 500_000_000, "1605021489.5"),
            (1_605_021_490, 0, "1605021490"),
            (0, 0, "0"),
            (-1, 500_000_000, "-0.5"),
            (-100, 0, "-100"),
        ] {
            let time = FileTime { secs, nanos };
            assert_eq!(time.to_decimal(), text);
            assert_eq!(FileTime::from_decimal(text), Some(time));
        }
        assert_eq!(FileTime::from_decimal("5.1234567891"), Some(FileTime { secs: 5, nanos: 123_456_789 }));
        for bad in ["", ".", "x", "1e9", "1.x", "+1", "--1", "99999999999999999"] {
            assert_eq!(FileTime::from_decimal(bad), None, "{bad}");
        }
    }
}
