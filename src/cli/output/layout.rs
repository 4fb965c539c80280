//! Times in the layouts that rclone's users write: Go's, in which a certain moment of 2006 shows what goes where.

use jiff::Zoned;
use jiff::tz::TimeZone;

use crate::world::Timestamp;

/// How times are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Seconds since 1970.
    Unix,
    /// Nanoseconds since 1970.
    UnixNano,
    /// As Go writes it.
    Go(String),
}

impl Default for Layout {
    fn default() -> Self {
        Self::Go("2006-01-02 15:04:05".to_owned())
    }
}

impl std::str::FromStr for Layout {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "unix" => Self::Unix,
            "unixnano" => Self::UnixNano,
            text => {
                Self::Go(NAMED.iter().find(|(name, _)| *name == text).map_or(text, |(_, layout)| layout).to_owned())
            }
        })
    }
}

impl Layout {
    /// A moment, in a zone. One that no calendar holds is shown as seconds since 1970.
    pub(crate) fn format(&self, time: Timestamp, zone: &TimeZone) -> String {
        let nanos = i128::from(time.secs) * 1_000_000_000 + i128::from(time.nanos);
        match (self, jiff::Timestamp::new(time.secs, time.nanos as i32)) {
            (Self::Unix, _) => time.secs.to_string(),
            (Self::UnixNano, _) => nanos.to_string(),
            (Self::Go(_), Err(_)) => format!("@{}", time.secs),
            (Self::Go(layout), Ok(moment)) => write(layout, &moment.to_zoned(zone.clone())),
        }
    }
}

fn write(layout: &str, time: &Zoned) -> String {
    let (mut out, mut rest) = (String::new(), layout);
    while let Some(c) = rest.chars().next() {
        if let Some((digits, len)) = fraction(&out, rest) {
            out.push_str(&digits_of(time, digits));
            rest = &rest[len..];
        } else if let Some((token, format)) = TOKENS.iter().find(|(token, _)| is_token(rest, token)) {
            out.push_str(&match *format {
                "offset" => offset(time, token),
                "hour12" => hour(time, token),
                format => time.strftime(format).to_string(),
            });
            rest = &rest[token.len()..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// `Jan` is no month in `January`'s place, and none in `Janus`: Go looks at whether a small letter follows.
fn is_token(rest: &str, token: &str) -> bool {
    let follows = rest.strip_prefix(token).map(|after| after.chars().next());
    follows.is_some_and(|next| token != "Jan" || !next.is_some_and(|c| c.is_ascii_lowercase()))
}

/// `.000`, `,000`, `.999` or `,999` that no digit follows: what to write, and how long the token is.
fn fraction<'a>(out: &str, rest: &'a str) -> Option<(&'a str, usize)> {
    let digits = rest.strip_prefix(['.', ','])?;
    let digit = digits.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let len = digits.bytes().take_while(|byte| *byte == digit as u8).count();
    let is_last = !digits[len..].starts_with(|c: char| c.is_ascii_digit());
    (is_last && len <= 9 && !out.is_empty()).then_some((&rest[..=len], len + 1))
}

fn digits_of(time: &Zoned, token: &str) -> String {
    let nanos = format!("{:09}", time.subsec_nanosecond());
    let digits = &nanos[..token.len() - 1];
    let digits = if token[1..].starts_with('9') { digits.trim_end_matches('0') } else { digits };
    if digits.is_empty() { String::new() } else { format!("{}{digits}", &token[..1]) }
}

fn hour(time: &Zoned, token: &str) -> String {
    let hour = match time.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    if token == "03" { format!("{hour:02}") } else { hour.to_string() }
}

fn offset(time: &Zoned, token: &str) -> String {
    let seconds = time.offset().seconds();
    if seconds == 0 && token.starts_with('Z') {
        return "Z".to_owned();
    }
    let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
    let sign = if seconds < 0 { '-' } else { '+' };
    match token.len() {
        3 => format!("{sign}{hours:02}"),
        5 => format!("{sign}{hours:02}{minutes:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}"),
    }
}

/// Longer ones before what they begin with.
const TOKENS: &[(&str, &str)] = &[
    ("January", "%B"),
    ("Jan", "%b"),
    ("Monday", "%A"),
    ("Mon", "%a"),
    ("MST", "%Z"),
    ("2006", "%Y"),
    ("Z07:00", "offset"),
    ("-07:00", "offset"),
    ("Z0700", "offset"),
    ("-0700", "offset"),
    ("Z07", "offset"),
    ("-07", "offset"),
    ("__2", "%_3j"),
    ("002", "%j"),
    ("_2", "%e"),
    ("01", "%m"),
    ("02", "%d"),
    ("03", "hour12"),
    ("04", "%M"),
    ("05", "%S"),
    ("06", "%y"),
    ("15", "%H"),
    ("PM", "%p"),
    ("pm", "%P"),
    ("1", "%-m"),
    ("2", "%-d"),
    ("3", "hour12"),
    ("4", "%-M"),
    ("5", "%-S"),
];

/// The layouts that have names. `max` is the finest that a vault keeps.
const NAMED: &[(&str, &str)] = &[
    ("max", "2006-01-02 15:04:05.000000000"),
    ("Layout", "01/02 03:04:05PM '06 -0700"),
    ("ANSIC", "Mon Jan _2 15:04:05 2006"),
    ("UnixDate", "Mon Jan _2 15:04:05 MST 2006"),
    ("RubyDate", "Mon Jan 02 15:04:05 -0700 2006"),
    ("RFC822", "02 Jan 06 15:04 MST"),
    ("RFC822Z", "02 Jan 06 15:04 -0700"),
    ("RFC850", "Monday, 02-Jan-06 15:04:05 MST"),
    ("RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"),
    ("RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"),
    ("RFC3339", "2006-01-02T15:04:05Z07:00"),
    ("RFC3339Nano", "2006-01-02T15:04:05.999999999Z07:00"),
    ("Kitchen", "3:04PM"),
    ("Stamp", "Jan _2 15:04:05"),
    ("StampMilli", "Jan _2 15:04:05.000"),
    ("StampMicro", "Jan _2 15:04:05.000000"),
    ("StampNano", "Jan _2 15:04:05.000000000"),
    ("DateTime", "2006-01-02 15:04:05"),
    ("DateOnly", "2006-01-02"),
    ("TimeOnly", "15:04:05"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_as_go_does() {
        let time = Timestamp { secs: 1_577_934_245, nanos: 120_000_000 };
        let zone = TimeZone::fixed(jiff::tz::offset(-3));
        for (layout, text) in [
            ("2006-01-02 15:04:05", "2020-01-02 00:04:05"),
            ("RFC3339", "2020-01-02T00:04:05-03:00"),
            ("RFC3339Nano", "2020-01-02T00:04:05.12-03:00"),
            ("Jan 2, 2006 at 3:04pm", "Jan 2, 2020 at 12:04am"),
            ("Monday January _2 06 03PM -0700 -07", "Thursday January  2 20 12AM -0300 -03"),
            ("max", "2020-01-02 00:04:05.120000000"),
            ("05.000 .9", "05.120 .1"),
            ("Kitchen", "12:04AM"),
            ("002", "002"),
            ("unix", "1577934245"),
            ("unixnano", "1577934245120000000"),
            ("x", "x"),
        ] {
            assert_eq!(layout.parse::<Layout>().unwrap().format(time, &zone), text, "{layout}");
        }
        assert_eq!("Z07:00 Z0700".parse::<Layout>().unwrap().format(time, &TimeZone::UTC), "Z Z");
    }
}
