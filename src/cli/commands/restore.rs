//! `restore`

use std::ffi::OsString;

use super::changes;
use super::transfer;
use crate::cli::output::CliError;
use crate::cli::places::{shown, shown_in_vault};
use crate::cli::shell::Shell;
use crate::ops::{self, EditOptions, Moment, Place, RestoreOptions, SyncOptions, TransferRules};

/// Bring back what was there
///
/// Makes a file, a directory or a whole vault what it was at the moment that `--at` names, with a new commit: what is gone is there
/// again, what has changed since is written over (after asking), and what came later stays, unless `--delete` is given. All
/// that is replaced stays in the history. Nothing is transferred: what the vault holds is referred to.
///
/// With `--to`, what was there is copied to another place instead: to a directory of this machine, or to another path
/// or vault.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RestoreArgs {
    /// What to restore, in a vault
    path: OsString,
    /// Copy it there, and leave the vault as it is
    #[arg(long, value_name = "PATH")]
    to: Option<OsString>,
    /// Delete below a directory what came later
    #[arg(long)]
    delete: bool,
    /// Show what would be done and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Write over what has changed since without asking
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(shell: &Shell, args: &RestoreArgs) -> Result<(), CliError> {
    let settings = &shell.settings;
    let Some(moment) = settings.at.clone() else {
        return Err(CliError::usage("nothing says to which moment to go back").hint(
            "give `--at` a time or a commit, for example `--at '2 days ago'`; `cryptsync log REMOTE:` lists commits",
        ));
    };
    let place = settings.place(&args.path)?;
    match &args.to {
        Some(to) => elsewhere(shell, args, place, settings.any_place(to)?.now()),
        None => in_place(shell, args, place.now(), moment),
    }
}

fn in_place(shell: &Shell, args: &RestoreArgs, place: Place, moment: Moment) -> Result<(), CliError> {
    let operation = format!("restore {}", shown_in_vault(&place));
    let edit = EditOptions { dry_run: args.dry_run, interactive: false, force: args.force, operation };
    let options = RestoreOptions { place, moment, delete: args.delete, edit };
    let failed = std::cell::Cell::new(0);
    changes::run(shell, args.dry_run, |ctx| ops::restore(ctx, &options).inspect(|report| failed.set(report.failed)))?;
    match failed.get() {
        0 => Ok(()),
        _ => {
            Err(CliError::new(crate::class::Class::Failed, "some entries could not be restored; they are named above"))
        }
    }
}

fn elsewhere(shell: &Shell, args: &RestoreArgs, source: Place, dest: Place) -> Result<(), CliError> {
    if let Place::Local(dir) = &dest
        && !args.force
        && !args.dry_run
        && std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some())
    {
        return Err(CliError::new(
            crate::class::Class::Fatal,
            format!("{} is not empty; nothing was done", dir.display()),
        )
        .hint("restore to a directory that is new or empty, or write over what is there with `--force`"));
    }
    let options = SyncOptions {
        operation: format!("restore {} -> {}", shown(&source), shown_in_vault(&dest)),
        source,
        dest,
        delete: args.delete,
        filter: crate::filter::Filter::default(),
        dry_run: args.dry_run,
        force: args.force,
        rules: TransferRules::default(),
        metadata: false,
        traits: None,
        moving: None,
    };
    let progress = shell.progress(true);
    let result = shell.retrying(&progress, |ctx| ops::sync(ctx, &options));
    let elapsed = progress.elapsed();
    drop(progress); // clears the terminal
    transfer::finish(shell, &result?, elapsed, args.dry_run)
}

const EXAMPLES: &str = "\
Examples:
  cryptsync restore nas:docs/letter.txt --at yesterday
  cryptsync restore -n nas:docs --at 7yk3qm2xpw
  cryptsync restore nas:docs --at '2026-11-01 14:00' --to ~/docs-then";
