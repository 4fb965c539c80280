//! Moments of a vault as people type them: `2 days ago`, `2026-11-01 14:00`, `7yk3qm2xpw`, `7yk3qm2xpw~2`, `now`.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, ToSpan, Zoned};

use super::args::Verb;
use super::output::CliError;
use super::settings::Settings;
use crate::age::Age;
use crate::ops::{Moment, Place};
use crate::path::printable;
use crate::world::{Timestamp, World};

/// What `--at` is, if it was given: `None` is now.
pub(super) fn at(text: Option<&str>, world: &World, zone: &TimeZone) -> Result<Option<Moment>, CliError> {
    text.map_or(Ok(None), |text| parse(text, world.clock.now(), zone).map_err(|why| wrong("--at", text, &why)))
}

/// A commit that a verb is given, and how many before it.
pub(super) fn commit_named(settings: &Settings, name: &str, text: &str) -> Result<(String, u32), CliError> {
    match moment(settings, name, text)? {
        Some(Moment::Commit { name, back }) => Ok((name, back)),
        _ => Err(CliError::usage(format!("{name}: `{}` is a time, and no commit", printable(text.as_bytes())))
            .hint("`cryptsync log REMOTE:` lists commits")),
    }
}

/// A moment that a verb is given as an argument; `None` is now.
pub(super) fn moment(settings: &Settings, name: &str, text: &str) -> Result<Option<Moment>, CliError> {
    parse(text, settings.world.clock.now(), &settings.time_zone).map_err(|why| wrong(name, text, &why))
}

fn wrong(name: &str, text: &str, why: &str) -> CliError {
    CliError::usage(format!("{name}: `{}` can't be used: {why}", printable(text.as_bytes())))
        .hint("write a commit as `log` shows it, or for example `2 days ago`, `3h`, `yesterday`, `2026-11-01` or `2026-11-01 14:00`")
}

/// Refuses `--at` for verbs that change a vault, or are about something else than its files.
pub(super) fn refuse(verb: &Verb, settings: &Settings) -> Result<(), CliError> {
    if settings.at.is_none() || takes_at(verb) {
        return Ok(());
    }
    Err(CliError::usage("this command takes no --at: it is about the vault as it is now").hint(
        "commands that read files take it; `cryptsync copy --at` and `cryptsync restore` bring back what was there",
    ))
}

fn takes_at(verb: &Verb) -> bool {
    use Verb as V;
    let transfers = matches!(verb, V::Copy(_) | V::Sync(_) | V::Copyto(_) | V::Restore(_) | V::Check(_) | V::Verify(_));
    let lists = matches!(verb, V::Ls(_) | V::Lsf(_) | V::Lsl(_) | V::Lsd(_) | V::Lsjson(_) | V::Tree(_) | V::Find(_));
    let tells = matches!(verb, V::Stat(_) | V::Size(_) | V::Du(_) | V::Ncdu(_) | V::Diff(_) | V::Cat(_));
    let sums = matches!(verb, V::Hashsum(_) | V::Md5sum(_) | V::Sha1sum(_) | V::Sha256sum(_));
    transfers || lists || tells || sums
}

impl Settings {
    /// Refuses `--at` where nothing that is looked at has a past. To be asked when all places are known.
    pub(super) fn heed_at(&self, place: &Place) -> Result<(), CliError> {
        let what = match place {
            _ if self.at.is_none() => return Ok(()),
            Place::Vault(..) => return Ok(()),
            Place::Local(path) => format!("`{}` is on this machine, which keeps no history", path.display()),
            Place::Plain(remote, _) => format!("`{}:` is plain: nobody keeps the history of its files", remote.name),
        };
        Err(CliError::usage(format!("--at: {what}")).hint("give a path in a vault, as `remote:path`"))
    }
}

/// `None` is now; errors are clauses.
fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Option<Moment>, String> {
    let text = text.trim();
    let lower = text.to_lowercase();
    let at = |time| Ok(Some(Moment::Time(time)));
    let here = || {
        let moment =
            jiff::Timestamp::new(now.secs, now.nanos as i32).map_err(|_| "the clock of this machine is wrong")?;
        Ok::<Zoned, String>(moment.to_zoned(zone.clone()))
    };
    match lower.as_str() {
        "" => return Err("nothing is written".to_owned()),
        "now" => return Ok(None),
        "today" => return at(stamp(&here()?.start_of_day().map_err(|_| OUT_OF_RANGE)?)),
        "yesterday" => return at(stamp(&here()?.checked_sub(1.day()).map_err(|_| OUT_OF_RANGE)?)),
        _ => {}
    }
    if let Some(span) = lower.strip_suffix(" ago") {
        return at(ago(span.trim(), &here()?)?);
    }
    // Letters of ids are small: what reads as an age is one, so that `2d` is not looked for among commits.
    match text.parse::<Age>() {
        Ok(Age::Instant(time)) => at(time),
        Ok(Age::Civil(civil)) => at(local(civil, zone)?),
        Ok(age @ Age::Span(nanos)) if nanos > 0 && !text.bytes().all(|b| b.is_ascii_digit()) => {
            at(age.moment(now, zone).ok_or(OUT_OF_RANGE)?)
        }
        _ if lower.len() >= DATE_LEN && lower.as_bytes().get(4) == Some(&b'-') => {
            Err("there is no such date or time".to_owned())
        }
        _ => commit(text),
    }
}

/// An id or a name, with `~N` for the N-th commit before.
fn commit(text: &str) -> Result<Option<Moment>, String> {
    let (name, back) = match text.split_once('~') {
        None => (text, 0),
        Some((name, "")) => (name, 1),
        Some((name, back)) => {
            (name, back.parse().map_err(|_| format!("`{}` is no number of commits", printable(back.as_bytes())))?)
        }
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || !name.chars().all(fits) {
        return Err("it is neither a time nor a commit".to_owned());
    }
    Ok(Some(Moment::Commit { name: name.to_owned(), back }))
}

/// `2 days`, `an hour`, `3h`
fn ago(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    let mut words = text.split_whitespace();
    let (Some(count), Some(unit), None) = (words.next(), words.next(), words.next()) else {
        let span = text.parse::<Age>().ok().filter(|age| matches!(age, Age::Span(nanos) if *nanos > 0));
        let moment = span.and_then(|age| age.moment(stamp(now), now.time_zone()));
        return moment.ok_or_else(|| "before `ago` stands a number and a unit, as in `2 days ago`".to_owned());
    };
    let count: i64 = match count {
        "a" | "an" | "one" => 1,
        number => number.parse().ok().filter(|n| *n >= 0).ok_or_else(|| format!("`{number}` is no number"))?,
    };
    let none = Span::new();
    let span = match unit.strip_suffix('s').unwrap_or(unit) {
        "second" | "sec" => none.try_seconds(count),
        "minute" | "min" => none.try_minutes(count),
        "hour" => none.try_hours(count),
        "day" => none.try_days(count),
        "week" => none.try_weeks(count),
        "month" => none.try_months(count),
        "year" => none.try_years(count),
        _ => {
            return Err(format!(
                "`{unit}` is no unit; there are seconds, minutes, hours, days, weeks, months and years"
            ));
        }
    };
    let span = span.map_err(|_| OUT_OF_RANGE)?;
    Ok(stamp(&now.checked_sub(span).map_err(|_| OUT_OF_RANGE)?))
}

/// A local time that there is once.
fn local(civil: DateTime, zone: &TimeZone) -> Result<Timestamp, String> {
    let ambiguous = zone.to_ambiguous_timestamp(civil);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => {}
        AmbiguousOffset::Gap { .. } => {
            return Err("there is no such local time: the clocks were put forward".to_owned());
        }
        AmbiguousOffset::Fold { before, after } => {
            return Err(format!(
                "there are two such local times, because the clocks were put back: write `{civil}{before}` or `{civil}{after}`"
            ));
        }
    }
    let moment = ambiguous.unambiguous().map_err(|_| OUT_OF_RANGE)?;
    Ok(stamp(&moment.to_zoned(zone.clone())))
}

fn stamp(zoned: &Zoned) -> Timestamp {
    let nanos = zoned.timestamp().as_nanosecond();
    let (secs, nanos) = (nanos.div_euclid(NANOS), nanos.rem_euclid(NANOS));
    Timestamp { secs: secs as i64, nanos: nanos as u32 }
}

const NANOS: i128 = 1_000_000_000;
const DATE_LEN: usize = "2006-01-02".len();
const OUT_OF_RANGE: &str = "no calendar goes back so far";

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, zone: &str) -> Result<Option<Moment>, String> {
        // 2026-11-22 12:00:00 UTC
        parse(text, Timestamp { secs: 1_795_348_800, nanos: 0 }, &TimeZone::get(zone).unwrap())
    }

    fn secs(text: &str) -> i64 {
        match parsed(text, "Europe/Berlin") {
            Ok(Some(Moment::Time(time))) => time.secs - 1_795_348_800,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn times() {
        const DAY: i64 = 86_400;
        for (text, expected) in [
            ("2d", -2 * DAY),
            ("1h30m", -5400),
            ("2 days ago", -2 * DAY),
            ("an hour ago", -3600),
            ("90 min ago", -5400),
            ("3h ago", -3 * 3600),
            ("1 week ago", -7 * DAY),
            ("1 Month AGO", -31 * DAY - 3600),
            ("yesterday", -DAY),
            ("today", -13 * 3600),
            ("2026-11-22", -13 * 3600),
            ("2026-11-22 11:30", -5400),
            ("2026-11-22T10:30:00Z", -5400),
            ("2026-11-22T12:30:00+02:00", -5400),
        ] {
            assert_eq!(secs(text), expected, "{text}");
        }
        // Over the end of summer time a day is a day of the calendar, and `30d` so many hours.
        assert_eq!(secs("30 days ago"), secs("30d") - 3600);
        assert_eq!(parsed("now", "UTC"), Ok(None));
    }

    #[test]
    fn commits() {
        let commit = |name: &str, back| Ok(Some(Moment::Commit { name: name.to_owned(), back }));
        for (text, expected) in [
            ("7yk3qm2xpw", commit("7yk3qm2xpw", 0)),
            ("7yk3qm2xpw~", commit("7yk3qm2xpw", 1)),
            ("7yk3qm2xpw~12", commit("7yk3qm2xpw", 12)),
            ("234567", commit("234567", 0)),
            ("before-the-move", commit("before-the-move", 0)),
        ] {
            assert_eq!(parsed(text, "UTC"), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_moment() {
        for (text, zone, why) in [
            ("", "UTC", "nothing"),
            ("two days ago", "UTC", "`two`"),
            ("2 fortnights ago", "UTC", "no unit"),
            ("ages ago", "UTC", "a number and a unit"),
            ("2026-13-01", "UTC", "no such date"),
            ("2026-11-01 25:00", "UTC", "no such date"),
            ("2026-10-25 02:30", "Europe/Berlin", "`2026-10-25T02:30:00+02` or `2026-10-25T02:30:00+01`"),
            ("2026-03-29 02:30", "Europe/Berlin", "put forward"),
            ("a b", "UTC", "neither a time nor a commit"),
            ("abcd~x", "UTC", "no number of commits"),
            ("~2", "UTC", "neither"),
            ("999999999 years ago", "UTC", "so far"),
        ] {
            let said = parsed(text, zone).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
