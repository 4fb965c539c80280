//! Rates as rclone's `--bwlimit` takes them: `10M`, `10M:1M` (up and down), or a timetable of a week:
//! `Mon-00:00,512 08:00,10M:1M 23:00,off`.

use std::str::FromStr;

use jiff::Zoned;
use jiff::civil::Weekday;

use crate::ops::Rate;
use crate::units::TypedSize;

/// Rates by the time of the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Timetable {
    /// Minutes since midnight of Sunday, and the rate from then on. Sorted, not empty.
    slots: Vec<(u32, Rate)>,
}

impl Timetable {
    /// The same rate at all times.
    pub(super) fn constant(rate: Rate) -> Self {
        Self { slots: vec![(0, rate)] }
    }

    /// The rate at this moment: that of the slot which began last, if need be last week.
    pub(super) fn at(&self, now: &Zoned) -> Rate {
        let day = now.weekday().to_sunday_zero_offset().unsigned_abs();
        let minute =
            u32::from(day) * DAY + u32::from(now.hour().unsigned_abs()) * 60 + u32::from(now.minute().unsigned_abs());
        let begun = self.slots.partition_point(|(from, _)| *from <= minute);
        let slot = begun.checked_sub(1).unwrap_or(self.slots.len() - 1);
        self.slots[slot].1
    }
}

impl FromStr for Timetable {
    type Err = BadTimetable;

    fn from_str(text: &str) -> Result<Self, BadTimetable> {
        if !text.contains([' ', ',', ';']) {
            return Ok(Self::constant(rate(text)?));
        }
        let mut slots = Vec::new();
        for slot in text.split([' ', ';']).filter(|slot| !slot.is_empty()) {
            let bad = || BadTimetable::Slot(slot.to_owned());
            let (when, what) = slot.split_once(',').ok_or_else(bad)?;
            let rate = rate(what)?;
            let (days, clock) = match when.split_once('-') {
                Some((day, clock)) => (weekday(day).ok_or_else(bad)?..=weekday(day).ok_or_else(bad)?, clock),
                None => (0..=6, when),
            };
            let minute = minute(clock).ok_or_else(bad)?;
            slots.extend(days.map(|day| (day * DAY + minute, rate)));
        }
        if slots.is_empty() {
            return Err(BadTimetable::Slot(text.to_owned()));
        }
        // Of two for one moment the later one counts: a day of its own may follow what is for every day.
        slots.reverse();
        slots.sort_by_key(|(from, _)| *from);
        slots.dedup_by_key(|(from, _)| *from);
        Ok(Self { slots })
    }
}

/// `10M`, or `10M:1M`.
fn rate(text: &str) -> Result<Rate, BadTimetable> {
    // Whoever limits a rate with a plain number means KiB, with rclone as with restic: bytes would be a standstill.
    let one = |text: &str| match text.parse::<TypedSize>() {
        Ok(size) => Ok(size.bytes(true).filter(|bytes| *bytes > 0)),
        Err(_) => Err(BadTimetable::Rate(text.to_owned())),
    };
    let (up, down) = text.split_once(':').unwrap_or((text, text));
    Ok(Rate { up: one(up)?, down: one(down)? })
}

/// `mon` or `Monday`: how many days after Sunday.
fn weekday(text: &str) -> Option<u32> {
    let name = |day: Weekday| format!("{day:?}").to_ascii_lowercase();
    let text = text.to_ascii_lowercase();
    let day = Weekday::Sunday.cycle_forward().take(7).position(|day| text == name(day) || text == name(day)[..3])?;
    u32::try_from(day).ok()
}

/// `08:30`: how many minutes after midnight.
fn minute(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let two = |text: &str, below: u32| {
        let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u32>().ok().filter(|number| digits && *number < below)
    };
    Some(two(hour, 24)? * 60 + two(minute, 60)?)
}

/// Text that is no timetable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadTimetable {
    #[error("`{0}` is not a rate; write for example `512K`, `10M`, `10M:1M` (up and down) or `off`")]
    Rate(String),
    #[error("`{0}` is not a slot of a timetable; write for example `08:00,512K`, `Mon-09:30,10M:1M` or `23:00,off`")]
    Slot(String),
}

const DAY: u32 = 24 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(table: &str, day: i8, time: (i8, i8)) -> (Option<u64>, Option<u64>) {
        // The third of November 2024 was a Sunday.
        let now = jiff::civil::date(2024, 11, 3 + day).at(time.0, time.1, 30, 0).in_tz("UTC").unwrap();
        let rate = table.parse::<Timetable>().unwrap().at(&now);
        (rate.up, rate.down)
    }

    #[test]
    fn one_rate_for_all_times() {
        for (text, up, down) in [
            ("512", Some(512 << 10), Some(512 << 10)),
            ("10M", Some(10 << 20), Some(10 << 20)),
            ("10M:1.5k", Some(10 << 20), Some(1536)),
            ("off:100B", None, Some(100)),
            ("0", None, None),
            ("off", None, None),
        ] {
            assert_eq!(at(text, 3, (12, 0)), (up, down), "{text}");
        }
    }

    #[test]
    fn a_timetable_of_the_week() {
        let table = "Mon-00:00,512 08:00,10M:1M;23:00,off";
        let (slow, fast, off) = ((Some(512 << 10), Some(512 << 10)), (Some(10 << 20), Some(1 << 20)), (None, None));
        assert_eq!(at(table, 1, (0, 0)), slow);
        assert_eq!(at(table, 1, (7, 59)), slow);
        assert_eq!(at(table, 1, (8, 0)), fast);
        assert_eq!(at(table, 4, (23, 1)), off);
        assert_eq!(at(table, 5, (7, 0)), off, "since the evening before");
        assert_eq!(at(table, 0, (0, 0)), off, "since Saturday evening");
        assert_eq!(at("08:00,1M sunday-08:00,2M", 0, (9, 0)).0, Some(2 << 20));
        assert_eq!(at("08:00,1M sunday-08:00,2M", 1, (9, 0)).0, Some(1 << 20));
    }

    #[test]
    fn what_is_none_is_named() {
        for text in [
            "",
            "x",
            "10M:",
            "10Q",
            "8:00,1M",
            "24:00,1M",
            "08:60,1M",
            "Foo-08:00,1M",
            "Mon-,1M",
            "08:00,x",
            "08:00,1M,2M",
            " ",
            "+8:00,1M",
        ] {
            let error = text.parse::<Timetable>().unwrap_err().to_string();
            assert!(error.contains("write for example"), "{text}: {error}");
        }
    }
}
