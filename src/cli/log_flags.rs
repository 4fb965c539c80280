//! The flags about what is told and where, and what they come to.

use std::path::PathBuf;
use std::time::Duration;

use super::args::GlobalFlags;
use super::env::Env;
use super::output::{CliError, Log, LogFile, LogFormat, Rotation, Sink, StatsForm, Syslog, Verbosity, facility};
use super::settings::parse_age;
use crate::class::Class;
use crate::units::TypedSize;

/// Log and figures.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Log and progress options")]
pub(super) struct LogFlags {
    /// How much is told: DEBUG, INFO (as -v), NOTICE, ERROR (as -q) or OFF
    #[arg(long, value_name = "LEVEL", global = true, value_parser = parse_level, conflicts_with_all = ["verbose", "quiet"])]
    log_level: Option<Verbosity>,
    /// Write everything that is told to this file, behind what is there
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "syslog")]
    log_file: Option<PathBuf>,
    /// Put the log file aside when it gets larger than this
    #[arg(long, value_name = "SIZE", global = true, requires = "log_file")]
    log_file_max_size: Option<TypedSize>,
    /// Remove log files that were put aside longer ago than this
    #[arg(long, value_name = "AGE", global = true, requires = "log_file", value_parser = parse_age)]
    log_file_max_age: Option<Duration>,
    /// Keep at most so many log files that were put aside; 0 for all
    #[arg(long, value_name = "N", global = true, requires = "log_file")]
    log_file_max_backups: Option<usize>,
    /// What each line of a log has, with commas between: date, time, microseconds, UTC, pid, nolevel, json [default: date,time]
    #[arg(long, value_name = "FORMAT", global = true, value_parser = LogFormat::parse)]
    log_format: Option<LogFormat>,
    /// Write what is told as rclone's JSON log, an object a line
    #[arg(long, global = true)]
    use_json_log: bool,
    /// Begin each line with the level as journald reads it
    #[arg(long, global = true)]
    log_systemd: bool,
    /// Write everything that is told to the system's log
    #[arg(long, global = true)]
    syslog: bool,
    /// Under which facility of syslog
    #[arg(long, value_name = "FACILITY", global = true, default_value = "DAEMON", value_parser = facility)]
    syslog_facility: u8,
    /// Figures in one line
    #[arg(long, global = true)]
    stats_one_line: bool,
    /// Figures in one line that begins with date and time
    #[arg(long, global = true)]
    stats_one_line_date: bool,
    /// Rates in `bits` or `bytes` per second
    #[arg(long, value_name = "UNIT", global = true, default_value = "bytes", value_parser = ["bits", "bytes"])]
    stats_unit: String,
    /// From which level on figures are told [default: INFO, but NOTICE with --stats or -P]
    #[arg(long, value_name = "LEVEL", global = true, value_parser = parse_level)]
    stats_log_level: Option<Verbosity>,
    /// The longest name of a file in figures, in characters; 0 for no limit
    #[arg(long, value_name = "N", global = true, default_value_t = 45)]
    stats_file_name_length: usize,
    /// Show progress in the title of the terminal too, with -P
    #[arg(long, global = true)]
    progress_terminal_title: bool,
    /// Sizes with a unit where listings have bytes
    #[arg(long, global = true)]
    pub(super) human_readable: bool,
    /// Fail with exit code 9 if nothing was transferred
    #[arg(long, global = true)]
    pub(super) error_on_no_transfer: bool,
}

impl LogFlags {
    /// The level that was asked for by its name.
    pub(super) fn level(&self) -> Option<Verbosity> {
        self.log_level
    }

    /// How figures look.
    pub(super) fn form(&self, progress: bool) -> StatsForm {
        StatsForm {
            block: progress,
            one_line: self.stats_one_line || self.stats_one_line_date,
            date: self.stats_one_line_date,
            bits: self.stats_unit == "bits",
            name_length: self.stats_file_name_length,
            title: progress && self.progress_terminal_title,
        }
    }

    /// From which level on figures are told. Who asks for them by name wants to see them; rclone does not think so.
    pub(super) fn figures_level(&self, flags: &GlobalFlags) -> Verbosity {
        let asked = flags.progress || (flags.stats.is_some() && !flags.rclone_compat);
        self.stats_log_level.unwrap_or(if asked { Verbosity::Normal } else { Verbosity::Verbose })
    }

    /// Where talk goes, and in which form.
    ///
    /// # Errors
    /// The log can't be opened.
    pub(super) fn log(&self, flags: &GlobalFlags, env: &Env) -> Result<Log, CliError> {
        let sink = match (&self.log_file, self.syslog) {
            (Some(path), _) => {
                let rotation = Rotation {
                    max_size: self.log_file_max_size.and_then(|size| size.bytes(flags.rclone_compat)),
                    max_age: self.log_file_max_age.filter(|age| !age.is_zero()),
                    max_backups: self.log_file_max_backups.filter(|most| *most > 0),
                };
                let failed =
                    |error| CliError::usage(format!("cannot open the log file {}", path.display())).caused_by(error);
                Sink::File(LogFile::open(env.cwd.join(path), rotation).map_err(failed)?)
            }
            (None, true) => Sink::Syslog(Syslog::open(self.syslog_facility).map_err(|error| {
                CliError::new(Class::Failed, "cannot reach the system's log at /dev/log")
                    .caused_by(error)
                    .hint("use --log-file, or standard error")
            })?),
            (None, false) => Sink::Stderr,
        };
        let json = self.use_json_log;
        let wanted = json || self.log_format.is_some() || self.log_systemd || flags.rclone_compat;
        let elsewhere = !matches!(sink, Sink::Stderr);
        let format = (wanted || (elsewhere && !flags.json)).then(|| {
            let usual = if self.syslog { LogFormat::USUAL.for_system() } else { LogFormat::USUAL };
            self.log_format.unwrap_or(usual).in_json(json).for_systemd(self.log_systemd)
        });
        // With --json talk is messages, unless a log was asked for by name.
        let format = if flags.json && !json && self.log_format.is_none() { None } else { format };
        let (clock, zone) = (env.world.clock.clone(), env.time_zone.clone());
        Ok(Log::new(format, sink, clock, zone))
    }
}

/// A level by rclone's names. What rclone has above ERROR nothing here is.
fn parse_level(text: &str) -> Result<Verbosity, String> {
    match text.to_ascii_uppercase().as_str() {
        "DEBUG" => Ok(Verbosity::Debug),
        "INFO" => Ok(Verbosity::Verbose),
        "NOTICE" => Ok(Verbosity::Normal),
        "WARNING" | "ERROR" | "CRITICAL" | "ALERT" | "EMERGENCY" => Ok(Verbosity::Quiet),
        "OFF" => Ok(Verbosity::Silent),
        _ => Err(format!("`{text}` is not a level; write DEBUG, INFO, NOTICE, ERROR or OFF")),
    }
}
