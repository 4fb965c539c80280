//! `verify`

use std::ffi::OsString;

use super::status::quarantined_line;
use crate::class::Class;
use crate::cli::output::{Align, CliError, JsonVerify, table, write_object};
use crate::cli::settings::Settings;
use crate::cli::shell::Shell;
use crate::ops::{self, Amount, ObjectsReport, ReadData, RemoteProfile, VerifyOptions, VerifyReport};
use crate::path::printable;
use crate::units::ByteSize;

/// Verify that a vault is whole
///
/// Reads the whole tree and looks up every object that it refers to. With `--read-data`, also reads every byte and
/// verifies it. Each problem is named with the exit code of its kind, which is that of the run if it is the highest.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VerifyArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// Read and verify all objects too
    #[arg(long)]
    read_data: bool,
    /// Read and verify a part: `2/7` (the second of seven, always the same objects), `5%` or `10G` (chosen at random)
    #[arg(long, value_name = "PART", conflicts_with = "read_data")]
    read_data_subset: Option<ReadData>,
    /// Read and verify so much (`1%`, `10G`) of what this machine has not read for the longest time
    ///
    /// For a job that runs every day: it goes on where the last run ended, so that in time everything is read.
    #[arg(long, value_name = "AMOUNT", num_args = 0..=1, default_missing_value = "1%", require_equals = true,
          conflicts_with_all = ["read_data", "read_data_subset"])]
    sample: Option<Amount>,
    /// Look at the trees of all commits, and not only at the newest
    #[arg(long)]
    history: bool,
    /// Read all objects and hold them against their names, without a key or a password
    ///
    /// Finds every byte that has changed, on a machine that may not read the vault. What is missing can't be told without a key.
    #[arg(long, conflicts_with_all = ["read_data", "read_data_subset", "sample", "history"])]
    no_key: bool,
}

impl VerifyArgs {
    pub(crate) fn options(&self, settings: &Settings) -> Result<(RemoteProfile, VerifyOptions), CliError> {
        let read = match (self.read_data_subset, self.sample) {
            (Some(read), _) => read,
            (_, Some(amount)) => ReadData::Oldest(amount),
            _ if self.read_data => ReadData::All,
            _ => ReadData::Nothing,
        };
        Ok((settings.remote(&self.remote)?, VerifyOptions { read, history: self.history }))
    }
}

pub(crate) fn run(shell: &Shell, args: &VerifyArgs) -> Result<(), CliError> {
    let (remote, options) = args.options(&shell.settings)?;
    if args.no_key {
        return no_key(shell, &remote);
    }
    let report = shell.call(true, |ctx| ops::verify(ctx, &remote, &options))?;
    if shell.printer.is_json() {
        write_object(&shell.printer, &JsonVerify::new(&report))?;
    } else {
        for line in lines(&report, options.read != ReadData::Nothing) {
            shell.printer.data(&line)?;
        }
    }
    verdict(&report.problems)
}

fn no_key(shell: &Shell, remote: &RemoteProfile) -> Result<(), CliError> {
    let ObjectsReport { objects, bytes, damaged, foreign, vaults } =
        &shell.call(true, |ctx| ops::verify_objects(ctx, remote))?;
    if shell.printer.is_json() {
        let object = serde_json::json!({
            "objects": objects, "bytes_read": bytes, "damaged": damaged, "foreign": foreign, "vaults": vaults,
        });
        write_object(&shell.printer, &object)?;
    } else {
        let rows = [
            ["objects:".to_owned(), objects.to_string()],
            ["data read:".to_owned(), ByteSize(*bytes).to_string()],
            ["damaged:".to_owned(), damaged.len().to_string()],
        ];
        let mut lines = table([Align::Left, Align::Left], &rows);
        lines.extend(foreign.iter().map(|name| format!("foreign object: {}", printable(name.as_bytes()))));
        lines.extend(damaged.iter().map(|name| format!("damaged: {name}")));
        for line in lines {
            shell.printer.data(&line)?;
        }
    }
    if vaults.len() > 1 {
        let what = format!("there are several vaults at `{}:`: {}", remote.name, vaults.join(" and "));
        return Err(CliError::new(Class::Untrusted, what).hint("one of them was put there by somebody else"));
    }
    match damaged.len() {
        0 => Ok(()),
        count => Err(CliError::new(Class::Integrity, format!("objects that are not what their names say: {count}"))
            .hint("a copy of the vault may have them whole: see `replicate` and `remote heal`")),
    }
}

fn lines(report: &VerifyReport, read_data: bool) -> Vec<String> {
    let row = |name: &str, value: String| [name.to_owned(), value];
    let mut rows = vec![
        row("entries:", report.entries.to_string()),
        row("tree nodes:", report.nodes.to_string()),
        row("chunks:", report.chunks.to_string()),
        row("objects:", report.objects.to_string()),
    ];
    if read_data {
        rows.push(row("objects read:", report.objects_read.to_string()));
        rows.push(row("data read:", ByteSize(report.bytes_read).to_string()));
    }
    rows.push(row("problems:", report.problems.len().to_string()));
    let mut lines = table([Align::Left, Align::Left], &rows);
    let problem = |(class, text): &(Class, String)| format!("problem {}: {}", class.code(), printable(text.as_bytes()));
    lines.extend(report.foreign.iter().map(|name| format!("foreign object: {}", printable(name.as_bytes()))));
    lines.extend(report.quarantined.iter().map(quarantined_line));
    lines.extend(report.problems.iter().map(problem));
    lines
}

fn verdict(problems: &[(Class, String)]) -> Result<(), CliError> {
    match problems.iter().map(|(class, _)| *class).max_by_key(|class| class.code()) {
        None => Ok(()),
        Some(worst) => Err(CliError::new(worst, format!("the vault is not whole; problems found: {}", problems.len()))
            .hint("`cryptsync remote heal` gets back what another copy of the vault has, `cryptsync repair -n` tells what can be mended here")),
    }
}

const EXAMPLES: &str = "\
Examples:
  cryptsync verify nas:
  cryptsync verify --read-data nas:
  cryptsync verify --sample=2% nas:
  cryptsync verify --history --read-data-subset 1/7 nas:
  cryptsync verify --no-key nas:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_problem_decides() {
        let problems = vec![(Class::Missing, "pack".to_owned()), (Class::Integrity, "node\n".to_owned())];
        assert_eq!(verdict(&problems).unwrap_err().class, Class::Missing);
        let report = VerifyReport { entries: 12, problems, ..VerifyReport::default() };
        let lines = lines(&report, false);
        assert_eq!((lines[0].as_str(), lines[4].as_str()), ("entries:     12", "problems:    2"));
        assert_eq!(lines[6], "problem 20: node\\x0a");
        assert!(verdict(&[]).is_ok());
    }
}
