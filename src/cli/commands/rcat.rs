//! `rcat`

use std::ffi::OsString;
use std::sync::PoisonError;

use super::create::{CreateFlags, ensure_vault};
use super::transfer;
use crate::cli::output::CliError;
use crate::cli::settings::Settings;
use crate::cli::shell::Shell;
use crate::ops::{self, Place};

/// Store standard input as one file
///
/// The length need not be known before. If the input or the run ends with an error, nothing is stored; a program that
/// fails while it writes into the pipe can't be told from one that is done, so use `set -o pipefail` in scripts.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RcatArgs {
    /// The file to make or replace
    path: OsString,
    #[command(flatten)]
    create: CreateFlags,
}

impl RcatArgs {
    pub(crate) fn options(&self, settings: &Settings) -> Result<Place, CliError> {
        if settings.stdin_is_terminal {
            return Err(CliError::usage("standard input is a terminal; rcat stores what is piped into it")
                .hint("for example: pg_dump base | cryptsync rcat nas:base.sql"));
        }
        let place = settings.place(&self.path)?;
        match &place {
            Place::Vault(remote, path) if path.is_root() => {
                Err(CliError::usage(format!("`{}:` names no file", remote.name)).hint("add the path of the file"))
            }
            _ => Ok(place),
        }
    }
}

pub(crate) fn run(shell: &Shell, args: &RcatArgs) -> Result<(), CliError> {
    let place = args.options(&shell.settings)?;
    ensure_vault(shell, &place, &args.create, false)?;
    let mut stdin = shell.stdin.lock().unwrap_or_else(PoisonError::into_inner);
    let progress = shell.progress(true);
    let result = shell.observed(&progress, |ctx| ops::rcat(ctx, &place, &mut **stdin));
    let elapsed = progress.elapsed();
    drop(progress); // clears the terminal
    transfer::finish(shell, &result?, elapsed, false)
}

const EXAMPLES: &str = "\
Examples:
  pg_dump base | cryptsync rcat nas:backup/base.sql
  tar c ~/project | cryptsync rcat local:project.tar";
