//! `pin`, `unpin` and `tag`

use std::ffi::OsString;

use super::policy::checked;
use crate::cli::output::{Align, CliError, JsonNamed, local_time, table, truncated, write_array, write_object};
use crate::cli::shell::Shell;
use crate::ops::{self, MarkKind, MarkOptions, NamedRow};
use crate::path::printable;

/// Keep a commit whatever the policy says, or list the commits that are kept so
///
/// A name is a way to refer to the commit later. Who may write may pin; taking a pin away takes an admin.
#[derive(Debug, clap::Args)]
#[command(after_help = PIN_EXAMPLES)]
pub(crate) struct PinArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// The commit: its id, the beginning of it, a name, or `latest`
    commit: Option<String>,
    /// A name for it
    name: Option<String>,
}

/// Let the policy decide about a pinned commit again
///
/// Takes one pin away, or all pins of the commit. It takes an admin.
#[derive(Debug, clap::Args)]
#[command(after_help = UNPIN_EXAMPLES)]
pub(crate) struct UnpinArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// The commit: its id, the beginning of it, or a name
    commit: String,
    /// The pin to take away
    name: Option<String>,
}

/// List, give or take away tags of commits
///
/// The policy can keep commits by their tags. Who may write may give tags; taking them away takes an admin.
#[derive(Debug, clap::Args)]
#[command(after_help = TAG_EXAMPLES)]
pub(crate) struct TagArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// The commit: its id, the beginning of it, a name, or `latest`
    commit: Option<String>,
    /// Tags to give it, separated by commas; may be given several times
    #[arg(long, value_name = "TAG", value_delimiter = ',', requires = "commit")]
    add: Vec<String>,
    /// Tags to take away, separated by commas; may be given several times
    #[arg(long, value_name = "TAG", value_delimiter = ',', requires = "commit")]
    remove: Vec<String>,
}

pub(crate) fn pin(shell: &Shell, args: &PinArgs) -> Result<(), CliError> {
    let Some(commit) = &args.commit else { return list(shell, &args.remote, MarkKind::Pin) };
    let name = args.name.as_deref().map(checked).transpose()?.unwrap_or_default();
    mark(shell, &args.remote, MarkKind::Pin, commit, vec![name], Vec::new(), false)
}

pub(crate) fn unpin(shell: &Shell, args: &UnpinArgs) -> Result<(), CliError> {
    let take: Vec<String> = args.name.iter().cloned().collect();
    let all = take.is_empty();
    mark(shell, &args.remote, MarkKind::Pin, &args.commit, Vec::new(), take, all)
}

pub(crate) fn tag(shell: &Shell, args: &TagArgs) -> Result<(), CliError> {
    let Some(commit) = &args.commit else { return list(shell, &args.remote, MarkKind::Tag) };
    if args.add.is_empty() && args.remove.is_empty() {
        return Err(CliError::usage("neither --add nor --remove is given").hint("for example `--add before-the-move`"));
    }
    let give = args.add.iter().map(|tag| checked(tag)).collect::<Result<Vec<_>, _>>()?;
    mark(shell, &args.remote, MarkKind::Tag, commit, give, args.remove.clone(), false)
}

fn mark(
    shell: &Shell,
    remote: &OsString,
    kind: MarkKind,
    commit: &str,
    give: Vec<String>,
    take: Vec<String>,
    take_all: bool,
) -> Result<(), CliError> {
    let remote = shell.settings.remote(remote)?;
    let options = MarkOptions { kind, commit: commit.to_owned(), give, take, take_all };
    let row = shell.call(false, |ctx| ops::mark(ctx, &remote, &options))?;
    if shell.printer.is_json() {
        return Ok(write_object(&shell.printer, &JsonNamed::new(&row, &shell.settings.time_zone))?);
    }
    show(shell, &[row])
}

fn list(shell: &Shell, remote: &OsString, kind: MarkKind) -> Result<(), CliError> {
    let remote = shell.settings.remote(remote)?;
    let rows = shell.call(false, |ctx| ops::marks(ctx, &remote, kind))?;
    if shell.printer.is_json() {
        let zone = &shell.settings.time_zone;
        return write_array(&shell.printer, |add| {
            Ok(rows.iter().try_for_each(|row| add(&JsonNamed::new(row, zone)))?)
        });
    }
    show(shell, &rows)
}

fn show(shell: &Shell, rows: &[NamedRow]) -> Result<(), CliError> {
    let row = |row: &NamedRow| {
        let names: Vec<&str> = row.names.iter().map(|name| if name.is_empty() { "-" } else { name.as_str() }).collect();
        [
            truncated(&row.entry.id).to_owned(),
            local_time(row.entry.time, &shell.settings.time_zone),
            if names.is_empty() { "none".to_owned() } else { names.join(",") },
            printable(row.entry.operation.as_bytes()),
        ]
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    for line in table([Align::Left; 4], &rows) {
        shell.printer.row(&line)?;
    }
    Ok(())
}

const PIN_EXAMPLES: &str = "\
Examples:
  cryptsync pin nas: latest before-the-move
  cryptsync pin nas:";

const UNPIN_EXAMPLES: &str = "\
Examples:
  cryptsync unpin nas: before-the-move";

const TAG_EXAMPLES: &str = "\
Examples:
  cryptsync tag nas: latest --add release,v2
  cryptsync tag nas: release --remove v2
  cryptsync tag nas:";
