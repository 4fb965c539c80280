//! Moments as text.

use jiff::tz::TimeZone;

use crate::world::Timestamp;

/// `2006-01-02 15:04:05` in local time.
pub(crate) fn local_time(time: Timestamp, zone: &TimeZone) -> String {
    format_or_seconds(time, zone, "%Y-%m-%d %H:%M:%S")
}

/// `2006-01-02 15:04:05.123456789` in local time.
pub(crate) fn exact_time(time: Timestamp, zone: &TimeZone) -> String {
    format_or_seconds(time, zone, "%Y-%m-%d %H:%M:%S.%9f")
}

/// RFC 3339 to the nanosecond, as rclone writes it.
pub(crate) fn exact_rfc3339(time: Timestamp, zone: &TimeZone) -> String {
    utc_as_z(format_or_seconds(time, zone, "%Y-%m-%dT%H:%M:%S.%9f%:z"))
}

/// RFC 3339 with as many digits of the second as there are.
pub(crate) fn rfc3339(time: Timestamp, zone: &TimeZone) -> String {
    utc_as_z(format_or_seconds(time, zone, "%Y-%m-%dT%H:%M:%S%.f%:z"))
}

/// The same for a moment that has its zone.
pub(super) fn rfc3339_zoned(time: &jiff::Zoned) -> String {
    utc_as_z(time.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string())
}

fn utc_as_z(text: String) -> String {
    text.strip_suffix("+00:00").map(|utc| format!("{utc}Z")).unwrap_or(text)
}

/// A writer may claim any moment; one that no calendar holds is shown as seconds since 1970.
fn format_or_seconds(time: Timestamp, zone: &TimeZone, format: &str) -> String {
    match jiff::Timestamp::new(time.secs, time.nanos as i32) {
        Ok(moment) => moment.to_zoned(zone.clone()).strftime(format).to_string(),
        Err(_) => format!("@{}", time.secs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let (zone, time) = (TimeZone::UTC, Timestamp { secs: 1_700_000_000, nanos: 120_000_000 });
        assert_eq!(local_time(time, &zone), "2023-11-14 22:13:20");
        assert_eq!(exact_time(time, &zone), "2023-11-14 22:13:20.120000000");
        assert_eq!(exact_rfc3339(time, &zone), "2023-11-14T22:13:20.120000000Z");
        assert_eq!(rfc3339(time, &zone), "2023-11-14T22:13:20.12Z");
        assert_eq!(rfc3339(Timestamp { secs: 0, nanos: 0 }, &zone), "1970-01-01T00:00:00Z");
        assert_eq!(local_time(Timestamp { secs: i64::MAX, nanos: 0 }, &zone), "@9223372036854775807");
    }
}
