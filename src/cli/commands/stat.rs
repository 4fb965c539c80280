//! `stat`

use std::ffi::OsString;

use jiff::tz::TimeZone;

use crate::cli::output::{Align, CliError, JsonStat, exact_time, table, write_object};
use crate::cli::shell::Shell;
use crate::ops::{self, Stat};
use crate::path::printable;
use crate::units::ByteSize;

/// Show what is known of one entry
///
/// Of a directory in a vault it shows what everything below adds up to; of a file, how its content is stored.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatArgs {
    /// The entry
    path: OsString,
}

pub(crate) fn run(shell: &Shell, args: &StatArgs) -> Result<(), CliError> {
    let (place, zone) = (shell.settings.place(&args.path)?, &shell.settings.time_zone);
    let stat = shell.call(false, |ctx| ops::stat(ctx, &place))?;
    if shell.printer.is_json() {
        return Ok(write_object(&shell.printer, &JsonStat::new(&stat, zone))?);
    }
    for line in lines(&stat, zone) {
        shell.printer.data(&line)?;
    }
    Ok(())
}

fn lines(stat: &Stat, zone: &TimeZone) -> Vec<String> {
    use crate::ops::ListedKind as K;
    let row = |name: &str, value: String| [name.to_owned(), value];
    let listed = &stat.listed;
    let path = if listed.path.is_root() { "/".to_owned() } else { listed.path.to_string() };
    let mut rows = vec![row("path:", path)];
    match &listed.kind {
        K::File => {
            rows.push(row("kind:", "file".to_owned()));
            rows.push(row("size:", format!("{} ({} bytes)", ByteSize(listed.size), listed.size)));
        }
        K::Dir => rows.push(row("kind:", "directory".to_owned())),
        K::Symlink(target) => {
            rows.push(row("kind:", "symbolic link".to_owned()));
            rows.push(row("target:", printable(target)));
        }
    }
    if let Some((entries, bytes)) = stat.below {
        rows.push(row("below:", format!("{entries} entries, {} ({bytes} bytes)", ByteSize(bytes))));
    }
    rows.push(row("modified:", exact_time(listed.mtime, zone)));
    if let Some(mode) = listed.mode {
        rows.push(row("mode:", format!("{mode:04o}")));
    }
    if let Some(stored) = &stat.stored {
        rows.push(row("stored:", stored.shape.to_owned()));
        rows.push(row("chunks:", stored.chunks.to_string()));
        if stored.holes > 0 {
            rows.push(row("holes:", ByteSize(stored.holes).to_string()));
        }
        if let Some(id) = &stored.id {
            rows.push(row("content id:", id.clone()));
        }
    }
    if let Some((name, commit)) = &stat.conflict {
        rows.push(row("conflict:", format!("a copy that lost the name `{name}`, from commit {commit}")));
    }
    table([Align::Left, Align::Left], &rows)
}

const EXAMPLES: &str = "\
Examples:
  cryptsync stat nas:docs/letter.txt
  cryptsync stat --json nas:docs";
