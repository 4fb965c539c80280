//! The flags about talking to remotes, and what they come to.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::settings::parse_duration;
use super::timetable::Timetable;
use crate::ops::{Network, Rate, Rates, RequestRate, Shaper};
use crate::world::World;

/// How fast, how patiently, how often again.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Network options")]
pub(super) struct NetworkFlags {
    /// Limit what goes to and from remotes: `RATE`, `UP:DOWN`, or a timetable like `08:00,512 18:00,10M:1M 23:00,off`. A plain number is KiB per second; SIGUSR2 lifts the limit and puts it back
    #[arg(long, value_name = "TIMETABLE", global = true)]
    bwlimit: Option<Timetable>,
    /// The same for each object on its way
    #[arg(long, value_name = "TIMETABLE", global = true)]
    bwlimit_file: Option<Timetable>,
    /// Limit what goes to remotes, in KiB per second; 0 for no limit
    #[arg(long, value_name = "RATE", global = true, conflicts_with = "bwlimit")]
    limit_upload: Option<u64>,
    /// Limit what comes from remotes, in KiB per second; 0 for no limit
    #[arg(long, value_name = "RATE", global = true, conflicts_with = "bwlimit")]
    limit_download: Option<u64>,
    /// Requests to remotes in a second; 0 for no limit
    #[arg(long, value_name = "N", global = true, default_value = "0", value_parser = parse_per_second)]
    tpslimit: f64,
    /// Requests that may follow each other at once before --tpslimit counts
    #[arg(long, value_name = "N", global = true, default_value_t = 1)]
    tpslimit_burst: u32,
    /// How often a run is tried in all that fails for a passing reason
    #[arg(long, value_name = "N", global = true, default_value_t = 3)]
    retries: u32,
    /// How long to wait before a run is tried again
    #[arg(long, value_name = "DURATION", global = true, default_value = "0", value_parser = parse_duration)]
    retries_sleep: Duration,
    /// How often each request is tried in all that fails for a passing reason
    #[arg(long, value_name = "N", global = true, default_value_t = 10)]
    low_level_retries: u32,
    /// How long a request may take without anything coming; 0 for ever
    #[arg(long, value_name = "DURATION", global = true, default_value = "5m", value_parser = parse_duration)]
    timeout: Duration,
    /// How long making a connection may take; 0 for ever
    #[arg(long, value_name = "DURATION", global = true, default_value = "1m", value_parser = parse_duration)]
    contimeout: Duration,
}

/// How often a whole run is tried, and how far apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retries {
    /// In all, at least one.
    pub(super) attempts: u32,
    /// Between two of them.
    pub(super) sleep: Duration,
}

impl NetworkFlags {
    /// What the engine gets.
    pub(super) fn network(&self, world: &World, zone: &TimeZone) -> Network {
        let total = self.bwlimit.clone().or_else(|| {
            let rate = |kib: Option<u64>| kib.filter(|kib| *kib > 0).map(|kib| kib.saturating_mul(1024));
            let rate = Rate { up: rate(self.limit_upload), down: rate(self.limit_download) };
            (rate != Rate::default()).then(|| Timetable::constant(rate))
        });
        let (object, clock, zone) = (self.bwlimit_file.clone(), Arc::clone(&world.clock), zone.clone());
        let rates = move || {
            if total.is_none() && object.is_none() {
                return Rates::default();
            }
            let now = jiff::Timestamp::from_second(clock.now().secs).unwrap_or_default().to_zoned(zone.clone());
            let at = |table: &Option<Timetable>| table.as_ref().map(|table| table.at(&now)).unwrap_or_default();
            Rates { total: at(&total), object: at(&object) }
        };
        let requests = (self.tpslimit > 0.0)
            .then_some(RequestRate { per_second: self.tpslimit, burst: self.tpslimit_burst.max(1) });
        let forever_is_none = |duration: Duration| Some(duration).filter(|duration| !duration.is_zero());
        Network {
            shaper: Arc::new(Shaper::new(rates, requests)),
            timeout: forever_is_none(self.timeout),
            connect_timeout: forever_is_none(self.contimeout),
            attempts: self.low_level_retries.max(1),
        }
    }

    /// How often a whole run is tried.
    pub(super) fn retries(&self) -> Retries {
        Retries { attempts: self.retries.max(1), sleep: self.retries_sleep }
    }

    /// Whether SIGUSR2 has anything to lift.
    pub(super) fn has_limit(&self) -> bool {
        self.bwlimit.is_some() || self.limit_upload.is_some() || self.limit_download.is_some()
    }
}

fn parse_per_second(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| format!("`{text}` is not a number of requests in a second; write for example `10` or `0.5`"))
}
