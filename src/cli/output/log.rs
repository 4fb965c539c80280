//! Records of a log as rclone writes them, and where they go: standard error, a file, or the system's log.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Zoned;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::log_file::LogFile;
use super::printer::Verbosity;
use super::syslog::Syslog;
use crate::world::{Clock, Timestamp};

/// One thing that is told.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) level: Verbosity,
    pub(crate) text: &'a str,
    /// The entry that it is about, and its size.
    pub(crate) object: Option<&'a str>,
    pub(crate) size: Option<u64>,
    /// Figures of the run.
    pub(crate) stats: Option<serde_json::Value>,
    /// Of the error that ends the run: its exit code and what to do next.
    pub(crate) code: Option<u8>,
    pub(crate) hint: Option<&'a str>,
}

impl<'a> Record<'a> {
    pub(crate) fn new(level: Verbosity, text: &'a str) -> Self {
        Self { level, text, object: None, size: None, stats: None, code: None, hint: None }
    }
}

/// How records look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogFormat {
    json: bool,
    date: bool,
    time: bool,
    micros: bool,
    utc: bool,
    pid: bool,
    level: bool,
    /// Each line begins with the level as journald reads it.
    systemd: bool,
}

impl LogFormat {
    /// rclone's: date, time, level.
    pub(crate) const USUAL: Self = Self {
        json: false,
        date: true,
        time: true,
        micros: false,
        utc: false,
        pid: false,
        level: true,
        systemd: false,
    };

    /// Reads rclone's `--log-format`: names with commas between.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut format = Self { date: false, time: false, ..Self::USUAL };
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word.to_ascii_lowercase().as_str() {
                "date" => format.date = true,
                "time" => format.time = true,
                "microseconds" => (format.time, format.micros) = (true, true),
                "utc" => format.utc = true,
                "pid" => format.pid = true,
                "nolevel" => format.level = false,
                "json" => format.json = true,
                "longfile" | "shortfile" => {} // where in the source a line comes from tells nobody anything here
                _ => {
                    return Err(format!(
                        "`{word}` is no part of a log format; there are date, time, microseconds, UTC, pid, nolevel and json"
                    ));
                }
            }
        }
        Ok(format)
    }

    /// The same in JSON, if `json`.
    #[must_use]
    pub(crate) fn in_json(self, json: bool) -> Self {
        Self { json: self.json || json, ..self }
    }

    /// The same for journald, if `systemd`; it adds time and process itself.
    #[must_use]
    pub(crate) fn for_systemd(self, systemd: bool) -> Self {
        if systemd { Self { systemd, date: false, time: false, ..self } } else { self }
    }

    /// The same for the system's log, which has times and processes of its own.
    #[must_use]
    pub(crate) fn for_system(self) -> Self {
        Self { date: false, time: false, ..self }
    }

    fn render(&self, record: &Record<'_>, now: &Zoned) -> String {
        let now = if self.utc { now.with_time_zone(TimeZone::UTC) } else { now.clone() };
        let text = if self.json { json(record, &now) } else { self.line(record, &now) };
        if self.systemd { format!("<{}>{text}", severity(record.level)) } else { text }
    }

    /// `2006/01/02 15:04:05 INFO  : name: text`
    fn line(&self, record: &Record<'_>, now: &Zoned) -> String {
        let mut out = String::new();
        if self.date {
            out += &now.strftime("%Y/%m/%d ").to_string();
        }
        if self.time {
            out += &now.strftime(if self.micros { "%H:%M:%S.%6f " } else { "%H:%M:%S " }).to_string();
        }
        if self.pid {
            out += &format!("[{}] ", std::process::id());
        }
        if self.level {
            out += &format!("{:<6}: ", name(record.level).to_uppercase());
        }
        if let Some(object) = record.object {
            out += &format!("{object}: ");
        }
        out += record.text;
        if let Some(hint) = record.hint {
            out += &format!(" (hint: {hint})");
        }
        out
    }
}

/// The fields of rclone's JSON log, and those that an error has.
#[derive(Serialize)]
struct JsonRecord<'a> {
    time: String,
    level: &'a str,
    msg: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<&'a str>,
    #[serde(rename = "objectType", skip_serializing_if = "Option::is_none")]
    object_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<&'a serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    source: &'a str,
}

fn json(record: &Record<'_>, now: &Zoned) -> String {
    let record = JsonRecord {
        time: super::times::rfc3339_zoned(now),
        level: name(record.level),
        msg: record.text,
        size: record.size,
        object: record.object,
        object_type: record.object.map(|_| "entry"),
        stats: record.stats.as_ref(),
        code: record.code,
        hint: record.hint,
        source: "cryptsync",
    };
    serde_json::to_string(&record).expect("plain fields and text always serialise")
}

fn name(level: Verbosity) -> &'static str {
    match level {
        Verbosity::Silent | Verbosity::Quiet => "error",
        Verbosity::Normal => "notice",
        Verbosity::Verbose => "info",
        Verbosity::Debug => "debug",
    }
}

/// The level in the numbers of syslog.
pub(super) fn severity(level: Verbosity) -> u8 {
    match level {
        Verbosity::Silent | Verbosity::Quiet => 3,
        Verbosity::Normal => 5,
        Verbosity::Verbose => 6,
        Verbosity::Debug => 7,
    }
}

/// Where records go.
#[derive(Debug)]
pub(crate) enum Sink {
    Stderr,
    File(LogFile),
    Syslog(Syslog),
}

/// A log.
pub(crate) struct Log {
    /// `None` leaves talk as it is: sentences, or the messages of `--json`.
    format: Option<LogFormat>,
    sink: Mutex<Sink>,
    /// Whether somebody at standard error would not see what is logged.
    elsewhere: bool,
    clock: Arc<dyn Clock>,
    zone: TimeZone,
}

impl Log {
    pub(crate) fn new(format: Option<LogFormat>, sink: Sink, clock: Arc<dyn Clock>, zone: TimeZone) -> Self {
        let elsewhere = !matches!(sink, Sink::Stderr);
        Self { format, sink: Mutex::new(sink), elsewhere, clock, zone }
    }

    /// Whether talk has the form of records.
    pub(super) fn has_records(&self) -> bool {
        self.format.is_some()
    }

    pub(super) fn is_elsewhere(&self) -> bool {
        self.elsewhere
    }

    /// The record as a line.
    pub(super) fn render(&self, record: &Record<'_>) -> String {
        self.format.unwrap_or(LogFormat::USUAL).render(record, &self.now())
    }

    /// Writes a line where lines go, unless that is standard error. What can't be written is lost: a log that is full is no
    /// reason to stop a run.
    pub(super) fn write(&self, level: Verbosity, line: &str) -> bool {
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let written: io::Result<()> = match &mut *sink {
            Sink::Stderr => return false,
            Sink::File(file) => file.write_line(line, &self.now()),
            Sink::Syslog(syslog) => syslog.send(severity(level), line, &self.now()),
        };
        drop(written);
        true
    }

    /// The moment, in local time.
    pub(super) fn now(&self) -> Zoned {
        moment(self.clock.now()).to_zoned(self.zone.clone())
    }
}

fn moment(time: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::new(time.secs, time.nanos as i32).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        moment(Timestamp { secs: 1_700_000_000, nanos: 120_000_000 }).to_zoned(TimeZone::UTC)
    }

    #[test]
    fn as_rclone_writes_them() {
        let record = Record { object: Some("a/b"), size: Some(3), ..Record::new(Verbosity::Verbose, "Copied (new)") };
        let line = |format: &str| LogFormat::parse(format).unwrap().render(&record, &now());
        assert_eq!(line("date,time"), "2023/11/14 22:13:20 INFO  : a/b: Copied (new)");
        assert_eq!(line("microseconds,nolevel,longfile"), "22:13:20.120000 a/b: Copied (new)");
        assert_eq!(
            line("json"),
            r#"{"time":"2023-11-14T22:13:20.12Z","level":"info","msg":"Copied (new)","size":3,"object":"a/b","objectType":"entry","source":"cryptsync"}"#
        );
        let systemd = LogFormat::USUAL.for_systemd(true);
        assert_eq!(systemd.render(&Record::new(Verbosity::Quiet, "x"), &now()), "<3>ERROR : x");
        assert!(LogFormat::parse("date,colour").unwrap_err().contains("`colour`"));
    }
}
