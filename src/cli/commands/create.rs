//! Making a vault, for `init` and for the verbs that write.

use std::fmt::Write;
use std::path::PathBuf;

use crate::class::Class;
use crate::cli::output::CliError;
use crate::cli::settings::Settings;
use crate::cli::shell::Shell;
use crate::crypto::KdfParams;
use crate::ops::{self, InitOptions, InitReport, Person, Place, RemoteProfile, Role};

/// The flags of verbs that write to a vault which may not be there yet.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "New vaults")]
pub(crate) struct CreateFlags {
    /// Create the vault if there is none, without asking
    #[arg(long)]
    pub(crate) create: bool,
    /// Write the recovery words of a new vault to this file; needed where there is no terminal to show them on
    #[arg(long, value_name = "FILE")]
    pub(crate) recovery_file: Option<PathBuf>,
}

/// Creates the vault at the destination if there is none and that is wanted: by `--create`, or for `local:` by a person.
pub(crate) fn ensure_vault(shell: &Shell, dest: &Place, flags: &CreateFlags, dry_run: bool) -> Result<(), CliError> {
    let Place::Vault(remote, _) = dest else { return Ok(()) };
    if !(flags.create || remote.builtin) || shell.call(false, |ctx| ops::vault_exists(ctx, remote))? {
        return Ok(());
    }
    let name = &remote.name;
    if dry_run {
        let what = format!("there is no vault at `{name}:` yet, and --dry-run creates none");
        return Err(CliError::new(Class::NoVault, what));
    }
    if !flags.create {
        let place = remote.service.in_words();
        let question = format!("There is no vault at {name}: yet. Create one in {place}?");
        match shell.answers.confirm(&question) {
            Some(true) => {}
            Some(false) => return Err(CliError::new(Class::NoVault, format!("there is no vault at `{name}:`"))),
            None => {
                return Err(CliError::new(Class::NoVault, format!("there is no vault at `{name}:`"))
                    .hint("add --create, a source of the password, and --recovery-file"));
            }
        }
    }
    let options = options(&shell.settings, remote.clone(), None, None, flags.recovery_file.clone());
    let report = create(shell, &options)?;
    shell.printer.note(format_args!("created the vault {}, checkpoint {}", report.vault_id, report.checkpoint));
    Ok(())
}

pub(crate) fn options(
    settings: &Settings,
    remote: RemoteProfile,
    device_name: Option<&str>,
    kdf: Option<(u32, u32, u32)>,
    recovery_file: Option<PathBuf>,
) -> InitOptions {
    InitOptions {
        remote,
        device_label: device_name.unwrap_or(&settings.host_name).to_owned(),
        password_role: Role::Admin,
        kdf: kdf.unwrap_or((KdfParams::DEFAULT.m_kib, KdfParams::DEFAULT.t, KdfParams::DEFAULT.p)),
        recovery_file: recovery_file.map(|path| settings.cwd.join(path)),
    }
}

/// Creates a vault and shows its recovery words on the terminal, if they are not written to a file.
pub(crate) fn create(shell: &Shell, options: &InitOptions) -> Result<InitReport, CliError> {
    if options.recovery_file.is_none() && !shell.answers.is_attended() {
        return Err(CliError::usage("the recovery words need a place, and there is no terminal to show them on")
            .hint("add --recovery-file FILE, and keep that file somewhere else afterwards"));
    }
    let report = shell.call(false, |ctx| ops::init(ctx, options))?;
    if let Some(words) = &report.words {
        let failed = |error| CliError::new(Class::Failed, "cannot show the recovery words").caused_by(error);
        shell.answers.show(&words_text(words)).map_err(failed)?;
    }
    Ok(report)
}

/// The words, numbered, four to a line, and what they are.
fn words_text(words: &str) -> zeroize::Zeroizing<String> {
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut text = zeroize::Zeroizing::new(String::with_capacity(2048)); // never grows, so leaves no copies
    text.push_str("\nThese are the recovery words of the vault. They open it if the password and every device are\n");
    text.push_str("lost, and whoever has them owns it. Write them down now: they are not shown again.\n\n");
    for (row, line) in words.chunks(COLUMNS).enumerate() {
        for (column, word) in line.iter().enumerate() {
            let number = row * COLUMNS + column + 1;
            write!(text, "{number:>5}. {word:<9}").expect("writing to a String cannot fail");
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

const COLUMNS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_the_words_in_a_grid() {
        let words: Vec<String> = (1..=24).map(|n| format!("word{n}")).collect();
        let text = words_text(&words.join(" "));
        let grid: Vec<&str> = text.lines().filter(|line| line.contains(". word")).collect();
        assert_eq!(grid.len(), 6);
        assert_eq!(grid[0].trim_end(), "    1. word1        2. word2        3. word3        4. word4");
        assert!(grid[5].contains("24. word24"));
    }
}
