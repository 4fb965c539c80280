//! `touch`

use std::ffi::OsString;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::changes::{self, AskFlags};
use super::create::{CreateFlags, ensure_vault};
use super::filters::FilterFlags;
use crate::cli::output::CliError;
use crate::cli::shell::Shell;
use crate::ops::{self, TouchOptions};
use crate::world::Timestamp;

/// Make an empty file, or set the modification time of files
///
/// A directory that is there means the files in it, and with -R those further below too. The time is now, unless
/// `--timestamp` says otherwise.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TouchArgs {
    /// A file, or a directory
    path: OsString,
    /// The time, in UTC: `YYMMDD`, `2006-01-02T15:04:05`, or with a fraction of the second
    #[arg(short, long, value_name = "TIME")]
    timestamp: Option<String>,
    /// Take the timestamp for local time
    #[arg(long, requires = "timestamp")]
    localtime: bool,
    /// Make no file that is not there
    #[arg(short = 'C', long)]
    no_create: bool,
    /// Touch all files below a directory
    #[arg(short = 'R', long)]
    recursive: bool,
    #[command(flatten)]
    ask: AskFlags,
    #[command(flatten)]
    filter: FilterFlags,
    #[command(flatten)]
    create: CreateFlags,
}

pub(crate) fn run(shell: &Shell, args: &TouchArgs) -> Result<(), CliError> {
    let place = shell.settings.place(&args.path)?;
    let zone = if args.localtime { shell.settings.time_zone.clone() } else { TimeZone::UTC };
    let options = TouchOptions {
        edit: args.ask.options(shell, "touch", std::slice::from_ref(&place))?,
        time: args.timestamp.as_deref().map(|text| parse_time(text, zone)).transpose()?,
        no_create: args.no_create,
        recursive: args.recursive,
        filter: args.filter.filter(&shell.settings)?,
        place,
    };
    if !args.no_create {
        ensure_vault(shell, &options.place, &args.create, options.edit.dry_run)?;
    }
    changes::run(shell, options.edit.dry_run, |ctx| ops::touch(ctx, &options))
}

/// rclone's three ways to write a moment.
fn parse_time(text: &str, zone: TimeZone) -> Result<Timestamp, CliError> {
    let day = text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit());
    let civil = if day {
        Date::strptime("%y%m%d", text).ok().map(|date| date.at(0, 0, 0, 0))
    } else {
        text.contains('T').then(|| text.parse::<DateTime>().ok()).flatten()
    };
    let moment = civil.and_then(|civil| civil.to_zoned(zone).ok()).map(|zoned| zoned.timestamp());
    let time = moment.and_then(|moment| {
        let (secs, nanos) = (moment.as_second(), moment.subsec_nanosecond());
        if nanos >= 0 {
            Timestamp::new(secs, nanos as u32)
        } else {
            Timestamp::new(secs - 1, (nanos + 1_000_000_000) as u32)
        }
    });
    time.ok_or_else(|| {
        CliError::usage(format!("`{text}` is not a time"))
            .hint("write for example `261031`, `2026-10-31T23:59:59` or `2026-10-31T23:59:59.5`")
    })
}

const EXAMPLES: &str = "\
Examples:
  cryptsync touch nas:marker
  cryptsync touch -R -t 2026-01-01T00:00:00 nas:photos --include '*.jpg'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rclones() {
        let parse = |text: &str| parse_time(text, TimeZone::UTC).map(|time| (time.secs, time.nanos));
        assert_eq!(parse("231114").unwrap(), (1_699_920_000, 0));
        assert_eq!(parse("2023-11-14T22:13:20").unwrap(), (1_700_000_000, 0));
        assert_eq!(parse("2023-11-14T22:13:20.12").unwrap(), (1_700_000_000, 120_000_000));
        assert_eq!(parse("1969-12-31T23:59:59.5").unwrap(), (-1, 500_000_000));
        for bad in ["", "2023-11-14", "231399", "now", "1700000000"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
