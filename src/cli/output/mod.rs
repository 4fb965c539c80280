//! What people and pipes see: data on stdout, talk on stderr, progress on a terminal, errors with hints.

mod error;
mod json;
mod keeping;
mod layout;
mod log;
mod log_file;
mod messages;
mod mime;
mod printer;
mod progress;
mod screen;
mod statements;
mod stats;
mod status_line;
mod summary;
mod syslog;
mod table;
mod times;
mod units;
mod width;

pub(super) use error::CliError;
pub(super) use json::{
    JsonCheck, JsonCommit, JsonConflict, JsonEntry, JsonHit, JsonStat, JsonStatus, JsonVerify, JsonWriterRow,
    write_array, write_object,
};
pub(super) use keeping::{JsonKept, JsonNamed, JsonPolicy, printed_policy};
pub(super) use layout::Layout;
pub(super) use log::{Log, LogFormat, Sink};
pub(super) use log_file::{LogFile, Rotation};
pub(super) use messages::{JsonSummary, Message};
pub(super) use printer::{Printer, Verbosity};
pub(super) use progress::{Progress, ProgressMode};
pub(super) use statements::{JsonAdopted, JsonRetired};
pub(super) use stats::StatsForm;
pub(super) use summary::{brief, summary, truncated};
pub(super) use syslog::{Syslog, facility};
pub(super) use table::{Align, table};
pub(super) use times::{exact_time, local_time, rfc3339};
pub(super) use units::{rclone_count, rclone_short_size, rclone_size, tree_size};
pub(super) use width::terminal_width;
