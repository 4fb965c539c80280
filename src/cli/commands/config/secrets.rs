//! Where secrets of remotes are kept: in the keyring of the system, in a sealed file, or readable in the file if somebody says so.

use crate::class::Class;
use crate::cli::output::CliError;
use crate::cli::shell::Shell;
use crate::cli::tokens::TOKEN;
use crate::config::{Given, Provider, Setting};
use crate::id::base32;
use crate::system_keyring;

/// Where a secret goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SecretsArg {
    /// Into the keyring of the system
    Keyring,
    /// Into the file, which anybody who can read it then can read too unless it is sealed
    File,
}

/// Secrets that went into the keyring, to be taken out again if the file can't be written.
#[derive(Default)]
pub(super) struct Stored(Vec<String>);

impl Stored {
    /// What the file has to say for a setting.
    pub(super) fn given(
        &mut self,
        shell: &Shell,
        remote: &str,
        setting: &Setting,
        value: &[u8],
        place: Option<SecretsArg>,
    ) -> Result<Given, CliError> {
        if !setting.secret || value.is_empty() {
            return Ok(Given::Text(value.to_vec()));
        }
        if resolved(shell, place)? == SecretsArg::File {
            if !shell.settings.config.is_sealed()? {
                let told = format_args!(
                    "warning: the {} of `{remote}:` is readable in the file; `cryptsync config encryption set` seals it",
                    setting.name
                );
                shell.printer.note(told);
            }
            return Ok(Given::Text(value.to_vec()));
        }
        let secret =
            std::str::from_utf8(value).map_err(|_| CliError::usage(format!("the {} is not UTF-8", setting.name)))?;
        let mut random = [0; 10];
        let filled = shell.world.entropy.fill(&mut random);
        filled.map_err(|error| CliError::new(Class::Failed, "cannot get random bytes").caused_by(error))?;
        // Never the name of another secret: one remote must not change or lose what another one has.
        let id = format!("{remote}/{}/{}", setting.name, base32(&random));
        system_keyring::set(&id, secret).map_err(|error| {
            CliError::usage(format!("cannot keep the {} of `{remote}:` in the keyring", setting.name))
                .caused_by(error)
                .hint("seal the configuration with `cryptsync config encryption set`, or add `--secrets file` to store it readable")
        })?;
        self.0.push(id.clone());
        Ok(Given::Keyring(id))
    }

    /// Takes them out again if nothing refers to them.
    pub(super) fn settle<T>(self, result: Result<T, CliError>) -> Result<T, CliError> {
        if result.is_err() {
            forget(&self.0);
        }
        result
    }
}

/// Sees to it that a token can be kept before a person goes to the trouble of getting one.
pub(super) fn ensure_kept(
    shell: &Shell,
    remote: &str,
    of: &Provider,
    place: Option<SecretsArg>,
) -> Result<(), CliError> {
    let Some(setting) = of.setting(TOKEN) else { return Ok(()) };
    if resolved(shell, place)? == SecretsArg::File {
        return Ok(());
    }
    let mut trial = Stored::default();
    let tried = trial.given(shell, remote, setting, b"trial", place);
    forget(&trial.0);
    tried.map(drop)
}

/// Where a secret goes, if nothing else is said: into the file only if it is sealed.
fn resolved(shell: &Shell, place: Option<SecretsArg>) -> Result<SecretsArg, CliError> {
    Ok(match place {
        Some(place) => place,
        None if shell.settings.config.is_sealed()? => SecretsArg::File,
        None => SecretsArg::Keyring,
    })
}

/// Takes secrets out of the keyring that nothing refers to any more. One that stays is in nobody's way.
pub(super) fn forget(ids: &[String]) {
    for id in ids {
        drop(system_keyring::remove(id));
    }
}
