//! `conflicts`

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use clap::ValueEnum;
use jiff::tz::TimeZone;

use super::changes::{self, AskFlags};
use crate::cli::output::{CliError, JsonConflict, exact_time, truncated, write_array};
use crate::cli::shell::Shell;
use crate::ops::{self, Conflict, Keep, Place, ResolveOptions, Version};
use crate::path::printable;
use crate::units::ByteSize;

/// Show and settle conflicts
///
/// When two machines have changed one file without seeing each other's change, the file keeps the version of the later
/// commit, and the other version stays beside it as a conflict copy, under the same name on every machine:
/// `NAME.conflict-DATE-WRITER-ID.EXTENSION`. A copy is a file like any other: deleting or renaming it settles the conflict.
/// Transfers end with exit code 30 while conflicts wait below the path they were given.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct ConflictsArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List the conflict copies below a path
    Ls {
        /// A vault, or a directory in it
        #[arg(value_name = "PATH")]
        path: OsString,
    },
    /// Show both versions of a conflict: who wrote them, when, and how large they are
    Show {
        /// A conflict copy, or the file that it is a copy of
        #[arg(value_name = "PATH")]
        path: OsString,
    },
    /// Settle a conflict
    Resolve {
        /// A conflict copy, or the file whose only copy is meant
        #[arg(value_name = "PATH")]
        path: OsString,
        /// Which version stays
        #[arg(long, value_name = "WHAT")]
        keep: KeepWhat,
        /// With `--keep both`, a new name for the copy
        #[arg(long = "as", value_name = "NAME")]
        name: Option<OsString>,
        #[command(flatten)]
        ask: AskFlags,
    },
    /// Delete a conflict copy, or all below a path; it stays in the vault's history
    Discard {
        /// A conflict copy, the file whose only copy is meant, or with --all a directory
        #[arg(value_name = "PATH")]
        path: OsString,
        /// All conflict copies below the path
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        ask: AskFlags,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KeepWhat {
    /// What has the name now; the copy is deleted
    Current,
    /// The copy, under the name it lost; what has the name now is replaced
    Copy,
    /// Both: the copy is a file of its own from now on
    Both,
}

pub(crate) fn run(shell: &Shell, args: &ConflictsArgs) -> Result<(), CliError> {
    let place = |path: &OsString| shell.settings.place(path);
    match &args.what {
        What::Ls { path } => ls(shell, &place(path)?),
        What::Show { path } => show(shell, &place(path)?),
        What::Resolve { path, keep, name, ask } => {
            if name.is_some() && *keep != KeepWhat::Both {
                return Err(CliError::usage("--as names a copy that stays beside the other version")
                    .hint("it goes with `--keep both`"));
            }
            let keep = match keep {
                KeepWhat::Current => Keep::Current,
                KeepWhat::Copy => Keep::Copy,
                KeepWhat::Both => Keep::Both,
            };
            let name = name.as_deref().map(OsStr::as_bytes).map(<[u8]>::to_vec);
            settle(shell, "conflicts resolve", place(path)?, (keep, name), (false, *ask))
        }
        What::Discard { path, all, ask } => {
            // Whoever discards a copy means that copy, also if the file it lost its name to is gone.
            settle(shell, "conflicts discard", place(path)?, (Keep::Neither, None), (*all, *ask))
        }
    }
}

fn settle(
    shell: &Shell,
    verb: &str,
    place: Place,
    (keep, name): (Keep, Option<Vec<u8>>),
    (all, ask): (bool, AskFlags),
) -> Result<(), CliError> {
    let edit = ask.options(shell, verb, std::slice::from_ref(&place))?;
    let options = ResolveOptions { place, keep, name, all, edit };
    changes::run(shell, options.edit.dry_run, |ctx| ops::resolve_conflicts(ctx, &options))
}

fn ls(shell: &Shell, place: &Place) -> Result<(), CliError> {
    let zone = &shell.settings.time_zone;
    if shell.printer.is_json() {
        return write_array(&shell.printer, |add| {
            shell.call(false, |ctx| {
                let each = &mut |found: &Conflict| add(&serde_json::to_value(JsonConflict::new(found, zone))?);
                ops::list_conflicts(ctx, place, each)
            })
        });
    }
    shell.call(false, |ctx| {
        ops::list_conflicts(ctx, place, &mut |found| {
            shell.printer.record(&shell.printer.name(found.copy.listed.path.as_bytes()), b"\n")
        })
    })
}

fn show(shell: &Shell, place: &Place) -> Result<(), CliError> {
    let zone = &shell.settings.time_zone;
    let found = shell.call(false, |ctx| ops::show_conflict(ctx, place))?;
    if shell.printer.is_json() {
        return write_array(&shell.printer, |add| {
            Ok(found.iter().try_for_each(|conflict| add(&JsonConflict::new(conflict, zone)))?)
        });
    }
    for line in found.iter().flat_map(|conflict| lines(conflict, zone)) {
        shell.printer.data(&line)?;
    }
    Ok(())
}

fn lines(conflict: &Conflict, zone: &TimeZone) -> Vec<String> {
    let mut lines = vec![format!("{}", conflict.lost)];
    let version = |name: &str, version: &Version| {
        let path = printable(version.listed.path.as_bytes());
        let what = match version.listed.kind {
            ops::ListedKind::Dir => "a directory".to_owned(),
            ops::ListedKind::Symlink(_) => "a symbolic link".to_owned(),
            ops::ListedKind::File => ByteSize(version.listed.size).to_string(),
        };
        let by = match &version.commit {
            Some(commit) => format!(
                "written by {} at {} (commit {}: {})",
                printable(commit.writer.as_bytes()),
                exact_time(commit.time, zone),
                truncated(&commit.id),
                printable(commit.operation.as_bytes())
            ),
            None => "written by a commit that is not known".to_owned(),
        };
        let modified = exact_time(version.listed.mtime, zone);
        [format!("  {name}: {path}"), format!("    {what}, modified {modified}"), format!("    {by}")]
    };
    match &conflict.current {
        Some(current) => lines.extend(version("current", current)),
        None => lines.push("  current: deleted since".to_owned()),
    }
    lines.extend(version("copy", &conflict.copy));
    lines
}

const EXAMPLES: &str = "\
Examples:
  cryptsync conflicts ls nas:
  cryptsync conflicts show nas:docs/letter.txt
  cryptsync conflicts resolve nas:docs/letter.txt --keep copy
  cryptsync conflicts resolve nas:docs/letter.txt --keep both --as letter-of-anna.txt
  cryptsync conflicts discard nas:docs --all";
