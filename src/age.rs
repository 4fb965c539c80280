//! Durations, ages and moments as people type them: `90s`, `1h30m`, `30d`, `2026-01-31`, `off`. The one parser of them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::world::Timestamp;

/// A length of time, a moment, or nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Age {
    /// `off`
    Off,
    /// So many nanoseconds; before now, where a moment is meant.
    Span(i128),
    /// A moment.
    Instant(Timestamp),
    /// Date and time of a calendar, in a time zone that is not said.
    Civil(DateTime),
}

/// Text that is neither a duration nor a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a duration or a date: {what}; write for example `90s`, `1h30m`, `30d`, `2026-01-31` or `off`")]
pub struct BadAge {
    text: String,
    what: String,
}

impl Age {
    /// The moment that is meant, where ages are before `now`; `None` for `off` and for what no clock shows.
    pub fn moment(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Off => None,
            Self::Instant(moment) => Some(*moment),
            Self::Civil(civil) => zone.to_ambiguous_timestamp(*civil).compatible().ok().map(from_jiff),
            Self::Span(nanos) => {
                let now = i128::from(now.secs) * NANOS + i128::from(now.nanos);
                let then = now.saturating_sub(*nanos);
                let (secs, nanos) = (then.div_euclid(NANOS), then.rem_euclid(NANOS));
                Timestamp::new(secs.clamp(i64::MIN.into(), i64::MAX.into()) as i64, nanos as u32)
            }
        }
    }

    /// The length of time that is meant; `None` for moments, for `off` and for what runs backwards.
    pub fn duration(&self) -> Option<std::time::Duration> {
        match self {
            Self::Span(nanos) => {
                let nanos = u128::try_from(*nanos).ok()?;
                let secs = u64::try_from(nanos / NANOS as u128).ok()?;
                Some(std::time::Duration::new(secs, (nanos % NANOS as u128) as u32))
            }
            _ => None,
        }
    }
}

impl std::str::FromStr for Age {
    type Err = BadAge;

    fn from_str(text: &str) -> Result<Self, BadAge> {
        let trimmed = text.trim();
        if trimmed.eq_ignore_ascii_case("off") {
            return Ok(Self::Off);
        }
        let bad = |what: String| BadAge { text: text.to_owned(), what };
        if trimmed.len() >= DATE_LEN && trimmed.as_bytes().get(4) == Some(&b'-') {
            return moment(trimmed).ok_or_else(|| bad("there is no such moment".to_owned()));
        }
        span(trimmed).map(Self::Span).map_err(bad)
    }
}

fn moment(text: &str) -> Option<Age> {
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(Age::Instant(from_jiff(instant)));
    }
    // A zone that is named is no part of ISO 8601; taking it for local time would be wrong.
    let is_civil = !text.contains('[') && !text.contains('Z') && !text.contains('z');
    text.parse::<DateTime>().ok().filter(|_| is_civil).map(Age::Civil)
}

fn from_jiff(moment: jiff::Timestamp) -> Timestamp {
    let nanos = moment.as_nanosecond();
    Timestamp { secs: nanos.div_euclid(NANOS) as i64, nanos: nanos.rem_euclid(NANOS) as u32 }
}

/// Numbers with units, or a number of seconds, in nanoseconds.
fn span(text: &str) -> Result<i128, String> {
    let (sign, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (-1.0, &text[1..]),
        Some(b'+') => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    if rest.is_empty() {
        return Err("there is no number".to_owned());
    }
    let mut total = 0.0f64;
    let mut alone = true;
    while !rest.is_empty() {
        let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (digits, after) = rest.split_at(number_len);
        let number: f64 = digits.parse().map_err(|_| match after.chars().next() {
            _ if !digits.is_empty() => format!("`{digits}` is not a number"),
            Some(c) => format!("there is no number before `{c}`"),
            None => "there is no number".to_owned(),
        })?;
        let unit_len = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_len);
        let factor = match unit {
            "" if alone => 1e9,
            "" => return Err(format!("`{digits}` has no unit")),
            unit => UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .map(|(_, nanos)| *nanos)
                .ok_or_else(|| format!("`{unit}` is no unit; there are ns us ms s m h d w M (months) and y"))?,
        };
        total += number * factor;
        (rest, alone) = (next, false);
    }
    if total.abs() < SPAN_MAX { Ok((sign * total).round() as i128) } else { Err("it is too long".to_owned()) }
}

const NANOS: i128 = 1_000_000_000;
const HOUR: f64 = 3600e9;
/// Months and years as rclone counts them.
const UNITS: &[(&str, f64)] = &[
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", HOUR),
    ("d", 24.0 * HOUR),
    ("w", 168.0 * HOUR),
    ("M", 720.0 * HOUR),
    ("y", 8760.0 * HOUR),
];
/// A hundred thousand years: beyond any clock, and no overflow anywhere.
const SPAN_MAX: f64 = 8760.0 * HOUR * 1e5;
const DATE_LEN: usize = "2006-01-02".len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (text, secs) in [
            ("0", 0.0),
            ("90", 90.0),
            ("1.5", 1.5),
            ("500ms", 0.5),
            ("1h30m", 5400.0),
            ("2d", 172_800.0),
            ("1w", 604_800.0),
            ("1M", 2_592_000.0),
            ("1y", 31_536_000.0),
            ("1d12h", 129_600.0),
            ("-1h", -3600.0),
            (".5h", 1800.0),
        ] {
            assert_eq!(text.parse(), Ok(Age::Span((secs * 1e9) as i128)), "{text}");
        }
        for (text, part) in [
            ("", "no number"),
            ("-", "no number"),
            ("1x", "`x`"),
            ("h", "before `h`"),
            ("1h30", "`30` has no unit"),
            ("1.2.3s", "`1.2.3`"),
            ("9999999999y", "too long"),
            ("2026-13-01", "no such moment"),
            ("2026-01-01T", "no such moment"),
            ("1 h", "` h`"),
        ] {
            let error = text.parse::<Age>().unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("1h30m"), "{text}: {error}");
        }
    }

    #[test]
    fn moments() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let now = Timestamp { secs: 1000, nanos: 500_000_000 };
        let moment = |text: &str| text.parse::<Age>().unwrap().moment(now, &zone);
        let at = |secs, nanos| Some(Timestamp { secs, nanos });
        assert_eq!(moment("off"), None);
        assert_eq!(moment("1s"), at(999, 500_000_000));
        assert_eq!(moment("-1s"), at(1001, 500_000_000));
        assert_eq!(moment("1500ms"), at(999, 0));
        assert_eq!(moment("2023-11-14T22:13:20Z"), at(1_700_000_000, 0));
        assert_eq!(moment("2023-11-14T22:13:20.25+01:00"), at(1_699_996_400, 250_000_000));
        assert_eq!(moment("2023-11-14T22:13:20"), at(1_699_992_800, 0));
        assert_eq!(moment("2023-11-14 22:13:20"), at(1_699_992_800, 0));
        assert_eq!(moment("2023-11-14"), at(1_699_912_800, 0));
        assert_eq!("1m".parse::<Age>().unwrap().duration(), Some(std::time::Duration::from_secs(60)));
        assert_eq!("-1m".parse::<Age>().unwrap().duration(), None);
    }
}
