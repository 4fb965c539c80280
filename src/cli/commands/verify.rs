//! `verify`

use std::ffi::OsString;

use super::status::quarantined_line;
use crate::class::Class;
use crate::cli::output::{Align, CliError, JsonVerify, table, write_object};
use crate::cli::settings::Settings;
use crate::cli::shell::Shell;
use crate::ops::{self, ObjectsReport, RemoteProfile, VerifyReport};
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
    /// Read and verify all file content too
    #[arg(long)]
    read_data: bool,
    /// Read all objects and hold them against their names, without a key or a password
    ///
    /// Finds every byte that has changed, on a machine that may not read the vault. What is missing can't be told without a key.
    #[arg(long, conflicts_with = "read_data")]
    no_key: bool,
}

impl VerifyArgs {
    pub(crate) fn options(&self, settings: &Settings) -> Result<(RemoteProfile, bool), CliError> {
        Ok((settings.remote(&self.remote)?, self.read_data))
    }
}

pub(crate) fn run(shell: &Shell, args: &VerifyArgs) -> Result<(), CliError> {
    let (remote, read_data) = args.options(&shell.settings)?;
    if args.no_key {
        return no_key(shell, &remote);
    }
    let report = shell.call(true, |ctx| ops::verify(ctx, &remote, read_data))?;
    if shell.printer.is_json() {
        write_object(&shell.printer, &JsonVerify::new(&report))?;
    } else {
        for line in lines(&report, read_data) {
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
        Some(worst) => Err(CliError::new(worst, format!("the vault is not whole; problems found: {}", problems.len()))),
    }
}

const EXAMPLES: &str = "\
Examples:
  cryptsync verify nas:
  cryptsync verify --read-data nas:
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
