//! `cleanup`

use std::ffi::OsString;
use std::time::Duration;

use serde_json::json;

use crate::cli::output::{Align, CliError, table, write_array};
use crate::cli::settings::parse_age;
use crate::cli::shell::Shell;
use crate::ops::{self, Leftover};
use crate::path::printable;
use crate::units::ByteSize;

/// Remove what runs that ended too early have left at a remote
///
/// These are uploads in parts that were never completed, as far as the service lists them (S3), temporary files `.tmp-…` (directories of
/// this machine, SFTP, FTP, WebDAV), and what is left of `remote test`. What is younger than a day may be in use and is kept. No key is
/// needed, and objects of a vault are not touched. Other versions and trash of a service are left alone.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CleanupArgs {
    /// A whole remote, `name:`
    remote: OsString,
    /// Show what would be removed, and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Keep what is younger than this; 0 removes everything, and nobody else may be writing then
    #[arg(long, value_name = "AGE", default_value = "1d", value_parser = parse_age)]
    older_than: Duration,
}

pub(crate) fn run(shell: &Shell, args: &CleanupArgs) -> Result<(), CliError> {
    let remote = shell.settings.remote(&args.remote)?;
    let found = shell.call(false, |ctx| ops::cleanup(ctx, &remote, args.older_than, args.dry_run))?;
    let word = |row: &Leftover| match (row.removed, args.dry_run) {
        (true, true) => "would be removed",
        (true, false) => "removed",
        (false, _) => "kept",
    };
    if shell.printer.is_json() {
        return write_array(&shell.printer, |add| {
            let row = |row: &Leftover| {
                json!({
                    "type": row.kind, "name": row.name, "age": row.age.map(|age| age.as_secs()), "size": row.size,
                    "result": word(row),
                })
            };
            Ok(found.iter().try_for_each(|one| add(&row(one)))?)
        });
    }
    let row = |row: &Leftover| {
        let age = row.age.map_or("of unknown age".to_owned(), in_words);
        let size = row.size.map_or(String::new(), |size| ByteSize(size).to_string());
        [word(row).to_owned(), row.kind.to_owned(), age, size, printable(row.name.as_bytes())]
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    for line in table([Align::Left, Align::Left, Align::Right, Align::Right, Align::Left], &rows) {
        shell.printer.data(&line)?;
    }
    if found.is_empty() {
        shell.printer.note(format_args!("nothing was left behind at `{}:`", remote.name));
    }
    Ok(())
}

/// An age in the largest unit of which it has two.
fn in_words(age: Duration) -> String {
    let seconds = age.as_secs();
    let (size, unit) =
        [(86_400, "d"), (3_600, "h"), (60, "m")].into_iter().find(|(size, _)| seconds >= 2 * size).unwrap_or((1, "s"));
    format!("{}{unit} old", seconds / size)
}

const EXAMPLES: &str = "\
Examples:
  cryptsync cleanup -n nas:
  cryptsync cleanup nas:
  cryptsync cleanup --older-than 1h nas:";
