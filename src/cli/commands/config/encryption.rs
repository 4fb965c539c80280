//! `config encryption`: the whole file under a password.

use zeroize::Zeroizing;

use super::super::init::parse_kdf;
use crate::class::Class;
use crate::cli::config_source::Seal;
use crate::cli::output::{CliError, write_object};
use crate::cli::shell::Shell;
use crate::crypto::KdfParams;

use super::file_name;

/// Seal the whole file with a password
///
/// A sealed file is opened with the password of CRYPTSYNC_CONFIG_PASS, of --config-password-command, or typed at the terminal. It takes as
/// long as opening a vault by its password, at every command that needs a remote.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(super) struct EncryptionArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Seal the file, or change its password
    Set(SetArgs),
    /// Leave the file readable
    Remove,
    /// Find out whether the file is sealed, and the password right
    Check,
}

#[derive(Debug, clap::Args)]
struct SetArgs {
    /// Cost of guessing the password (Argon2id): memory, passes and lanes [default: 256M,3,4]
    #[arg(long, value_name = "M,T,P", value_parser = parse_kdf)]
    kdf: Option<(u32, u32, u32)>,
}

pub(super) fn run(shell: &Shell, args: &EncryptionArgs) -> Result<(), CliError> {
    let config = &shell.settings.config;
    let not_sealed =
        || CliError::new(Class::Failed, format!("the configuration `{}` is not sealed", file_name(shell).display()));
    match &args.what {
        What::Set(args) => {
            let cost = match args.kdf {
                Some((m_kib, t, p)) => KdfParams { m_kib, t, p },
                None => KdfParams::DEFAULT,
            };
            cost.check().map_err(|error| CliError::usage(format!("--kdf: {error}")))?;
            set(shell, cost)
        }
        What::Remove if !config.is_sealed()? => Err(not_sealed()),
        What::Remove => {
            config.reseal(None)?;
            shell.printer.note(format_args!("the configuration is readable from now on"));
            Ok(())
        }
        What::Check if !config.is_sealed()? => Err(not_sealed().hint("`cryptsync config encryption set` seals it")),
        What::Check => {
            config.file()?;
            if shell.printer.is_json() {
                return Ok(write_object(&shell.printer, &serde_json::json!({ "sealed": true }))?);
            }
            shell.printer.note(format_args!("the configuration is sealed, and the password opens it"));
            Ok(())
        }
    }
}

/// Seals the file with a new password.
pub(super) fn set(shell: &Shell, cost: KdfParams) -> Result<(), CliError> {
    let config = &shell.settings.config;
    config.file()?; // it has to open, before anybody thinks of a new password
    let password = match config.new_password(config.is_sealed()?)? {
        Some(password) => password,
        None => typed(shell)?,
    };
    config.reseal(Some(&Seal { password, cost }))?;
    shell.printer.note(format_args!("the configuration is sealed; nobody can read it without the password"));
    Ok(())
}

fn typed(shell: &Shell) -> Result<Zeroizing<String>, CliError> {
    if !shell.answers.is_attended() {
        return Err(CliError::usage(
            "a new password for the configuration is needed, and there is no terminal to ask at",
        )
        .hint("give it by --config-password-command, or by CRYPTSYNC_CONFIG_PASS if the file is not sealed yet"));
    }
    let password = shell.answers.ask("New password for the configuration: ", false)?;
    if password.is_empty() {
        return Err(CliError::usage("the password can't be empty"));
    }
    if *password != *shell.answers.ask("The same again: ", false)? {
        return Err(CliError::usage("the two are not the same"));
    }
    Ok(password)
}
