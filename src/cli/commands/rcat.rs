//! `rcat`

use std::ffi::OsString;
use std::io::{self, Read};
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
    /// How many bytes will come: nothing is stored if it is another number
    #[arg(long, value_name = "BYTES", value_parser = known_size, allow_negative_numbers = true)]
    size: Option<KnownSize>,
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
    let size = args.size.and_then(|KnownSize(size)| size);
    let mut input = Exactly { input: &mut **stdin, left: size };
    let progress = shell.progress(true);
    let result = shell.observed(&progress, |ctx| ops::rcat(ctx, &place, &mut input));
    let elapsed = progress.elapsed();
    drop(progress); // clears the terminal
    transfer::finish(shell, &result?, elapsed, false)
}

/// A number of bytes, or that it is not known.
#[derive(Debug, Clone, Copy)]
struct KnownSize(Option<u64>);

/// rclone's scripts say -1 for what they don't know.
fn known_size(text: &str) -> Result<KnownSize, String> {
    match text {
        "-1" => Ok(KnownSize(None)),
        _ => text.parse().map(|bytes| KnownSize(Some(bytes))).map_err(|_| format!("`{text}` is not a number of bytes")),
    }
}

/// Input that has to be of a length: an error where it ends too early or goes on too long.
struct Exactly<'a> {
    input: &'a mut (dyn Read + Send),
    /// Bytes that are still to come, if that is known.
    left: Option<u64>,
}

impl Read for Exactly<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let got = self.input.read(out)?;
        let Some(left) = self.left else { return Ok(got) };
        let wrong =
            |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is {what} than --size says")));
        match left.checked_sub(got as u64) {
            None => wrong("longer"),
            Some(left) if got == 0 && left > 0 && !out.is_empty() => wrong("shorter"),
            left => {
                self.left = left;
                Ok(got)
            }
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  pg_dump base | cryptsync rcat nas:backup/base.sql
  tar c ~/project | cryptsync rcat local:project.tar";
