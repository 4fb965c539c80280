//! `init`

use std::ffi::OsString;
use std::path::PathBuf;

use super::create;
use super::key::RoleArg;
use crate::cli::output::{Align, CliError, table, write_object};
use crate::cli::settings::Settings;
use crate::cli::shell::Shell;
use crate::ops::InitOptions;
use crate::units::ByteSize;

/// Create a vault at a remote
///
/// Asks for a new password and shows 24 recovery words, once: wherever a password is asked for, the words do as well. Prints the vault's id, which other machines should be
/// given to make sure that they meet this vault, and a checkpoint, which tells them how new it has to be.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InitArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// Write the recovery words to this new file instead of the terminal
    #[arg(long, value_name = "FILE")]
    recovery_file: Option<PathBuf>,
    /// What the vault calls this device [default: the name of this machine]
    #[arg(long, value_name = "NAME")]
    device_name: Option<String>,
    /// Cost of guessing the password (Argon2id): memory, passes and lanes [default: 256M,3,4]
    #[arg(long, value_name = "M,T,P", value_parser = parse_kdf)]
    kdf: Option<(u32, u32, u32)>,
    /// What the password may do: change who has access too, or write only; then that takes a device that is an admin, or the words
    #[arg(long, value_name = "ROLE", default_value = "admin")]
    password_role: RoleArg,
    /// Keep this device's key in the keyring of the system, and not in a file that only you can read
    #[arg(long)]
    keyring: bool,
}

impl InitArgs {
    pub(crate) fn options(&self, settings: &Settings) -> Result<InitOptions, CliError> {
        let mut remote = settings.remote(&self.remote)?;
        remote.keyring |= self.keyring;
        let (name, recovery_file) = (self.device_name.as_deref(), self.recovery_file.clone());
        let options = create::options(settings, remote, name, self.kdf, recovery_file);
        Ok(InitOptions { password_role: self.password_role.into(), ..options })
    }
}

pub(crate) fn run(shell: &Shell, args: &InitArgs) -> Result<(), CliError> {
    let report = create::create(shell, &args.options(&shell.settings)?)?;
    if shell.printer.is_json() {
        let made = serde_json::json!({ "vault_id": report.vault_id, "checkpoint": report.checkpoint });
        return Ok(write_object(&shell.printer, &made)?);
    }
    let rows = [["vault id:".to_owned(), report.vault_id], ["checkpoint:".to_owned(), report.checkpoint]];
    for line in table([Align::Left, Align::Left], &rows) {
        shell.printer.data(&line)?;
    }
    Ok(())
}

/// `256M,3,4`: the memory with its unit, so that nobody has to guess which one is meant.
pub(super) fn parse_kdf(text: &str) -> Result<(u32, u32, u32), String> {
    let bad = || format!("`{text}` is not memory, passes and lanes; write for example `256M,3,4`");
    let [memory, passes, lanes] = text.split(',').collect::<Vec<_>>()[..] else { return Err(bad()) };
    if memory.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    let kib = memory.parse::<ByteSize>().map_err(|error| error.to_string())?.0 / 1024;
    let parsed = (u32::try_from(kib).ok(), passes.parse().ok(), lanes.parse().ok());
    match parsed {
        (Some(kib @ 1..), Some(passes @ 1..), Some(lanes @ 1..)) => Ok((kib, passes, lanes)),
        _ => Err(bad()),
    }
}

const EXAMPLES: &str = "\
Examples:
  cryptsync init nas:
  cryptsync init local: --recovery-file /media/usb/words.txt --password-file ~/.vault-password";
