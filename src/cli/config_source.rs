//! The configuration of a run: read when it is first needed, unsealed with a password if it is sealed, and changed under a lock.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use zeroize::Zeroizing;

use super::env::{Env, Terminal};
use super::output::CliError;
use super::password::PasswordSource;
use crate::class::Class;
use crate::config::{Change, Config, ConfigError, ConfigLock, Document, Sources, provider, read_config};
use crate::crypto::{KdfParams, SealedTextError, is_sealed_text, open_text, seal_text, sealed_text_params};
use crate::world::World;

/// Where the configuration comes from.
pub(crate) struct ConfigSource {
    /// The file, absolute; `None` if the configuration is in memory only.
    path: Option<PathBuf>,
    /// Whether the file was asked for by name, so that it has to be there.
    explicit: bool,
    vars: BTreeMap<OsString, OsString>,
    home: Option<PathBuf>,
    cwd: PathBuf,
    flags: Vec<(&'static str, &'static str, OsString)>,
    password: Result<Option<PasswordSource>, CliError>,
    terminal: Option<Arc<dyn Terminal>>,
    world: World,
    config: OnceLock<Config>,
    /// What the file was sealed with, once that is known.
    seal: Mutex<Option<Seal>>,
}

/// A password and its cost.
#[derive(Clone)]
pub(crate) struct Seal {
    pub(crate) password: Zeroizing<String>,
    pub(crate) cost: KdfParams,
}

impl std::fmt::Debug for ConfigSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConfigSource({:?})", self.path)
    }
}

impl ConfigSource {
    pub(super) fn new(path: &Path, explicit: bool, password_command: Option<&str>, env: &Env) -> Self {
        let in_memory = path.as_os_str().is_empty() || path == Path::new("/dev/null");
        Self {
            path: (!in_memory).then(|| env.cwd.join(path)),
            explicit,
            vars: env.vars.clone(),
            home: env.var("HOME").map(PathBuf::from),
            cwd: env.cwd.clone(),
            flags: Vec::new(),
            password: PasswordSource::for_config(password_command, env),
            terminal: env.terminal.clone(),
            world: env.world.clone(),
            config: OnceLock::new(),
            seal: Mutex::default(),
        }
    }

    /// The same with settings of services that flags give.
    pub(super) fn with_flags(mut self, flags: Vec<(&'static str, &'static str, OsString)>) -> Self {
        self.flags = flags;
        self
    }

    /// A variable of the environment that is set and not empty.
    pub(crate) fn var(&self, name: &str) -> Option<&OsString> {
        self.vars.get(Path::new(name).as_os_str()).filter(|value| !value.is_empty())
    }

    /// The file; `None` if the configuration is in memory only.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Finds what is wrong with the file and the environment, as far as that can be seen without a password.
    pub(super) fn check(&self) -> Result<(), CliError> {
        match self.bytes()? {
            Some(bytes) if is_sealed_text(&bytes) => self.merged(None).map(drop),
            _ => self.get().map(drop),
        }
    }

    /// The configuration.
    pub(crate) fn get(&self) -> Result<&Config, CliError> {
        if self.config.get().is_none() {
            let document = self.bytes()?.map(|bytes| self.document(&bytes)).transpose()?;
            drop(self.config.set(self.merged(document.as_ref())?));
        }
        Ok(self.config.get().expect("it was set just now"))
    }

    /// The file as it is, without the environment; nothing if there is none.
    pub(crate) fn file(&self) -> Result<Document, CliError> {
        let read = self.path.as_deref().map(read_config).transpose()?.flatten();
        self.document(&read.unwrap_or_default())
    }

    /// The configuration of the file alone, as it would be after some changes.
    pub(crate) fn as_if(&self, changes: &[Change]) -> Result<Config, CliError> {
        let mut document = self.file()?;
        for change in changes {
            document = document.changed(change)?.0;
        }
        let vars = BTreeMap::new();
        let sources = Sources { vars: &vars, home: self.home.as_deref(), cwd: &self.cwd };
        Ok(Config::new(self.path.as_deref().unwrap_or(&self.cwd), Some(&document), &sources)?)
    }

    /// Whether there is a file and it is sealed.
    pub(crate) fn is_sealed(&self) -> Result<bool, CliError> {
        let read = self.path.as_deref().map(read_config).transpose()?.flatten();
        Ok(read.is_some_and(|bytes| is_sealed_text(&bytes)))
    }

    /// Changes the file; whoever else changes it waits. `plan` sees it as it is under the lock. Tells where a copy is, if comments
    /// could not be kept.
    pub(crate) fn change(
        &self,
        plan: &mut dyn FnMut(&Document) -> Result<Vec<Change>, CliError>,
    ) -> Result<Option<PathBuf>, CliError> {
        let (lock, bytes) = self.locked()?;
        let sealed = is_sealed_text(&bytes);
        let mut document = self.document(&bytes)?;
        let mut lost = false;
        for change in plan(&document)? {
            let (next, without_comments) = document.changed(&change)?;
            (document, lost) = (next, lost || without_comments);
        }
        // What goes into a file that others may read is not the place for a copy of what was sealed.
        let backup = (lost && !sealed).then(|| lock.back_up(&bytes)).transpose()?;
        let text =
            if sealed { self.sealed(document.text(), self.seal().as_ref())? } else { document.text().to_owned() };
        lock.replace(text.as_bytes())?;
        Ok(backup)
    }

    /// Seals the file, with another password if it was sealed; or leaves it open, if there is no seal.
    pub(crate) fn reseal(&self, seal: Option<&Seal>) -> Result<(), CliError> {
        let (lock, bytes) = self.locked()?;
        let document = self.document(&bytes)?;
        let text = match seal {
            Some(seal) => self.sealed(document.text(), Some(seal))?,
            None => document.text().to_owned(),
        };
        lock.replace(text.as_bytes())?;
        *self.seal() = seal.cloned();
        Ok(())
    }

    fn seal(&self) -> MutexGuard<'_, Option<Seal>> {
        self.seal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new password that needs no person: of a command, which is told that it is for a change, or of the variable if the file
    /// has no password yet.
    pub(crate) fn new_password(&self, sealed: bool) -> Result<Option<Zeroizing<String>>, CliError> {
        match &self.password {
            Ok(Some(PasswordSource::Value(_))) if sealed => Ok(None),
            Ok(Some(source)) => source.read(true).map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error.again()),
        }
    }

    /// Makes the file if there is none.
    pub(crate) fn touch(&self) -> Result<(), CliError> {
        let (lock, bytes) = self.locked()?;
        Ok(lock.replace(&bytes)?)
    }

    fn locked(&self) -> Result<(ConfigLock, Vec<u8>), CliError> {
        let path = self.path.as_deref().ok_or_else(|| {
            CliError::usage("the configuration is in memory only, so nothing can be written to it")
                .hint("leave out `--config ''`, or name a file")
        })?;
        let lock = ConfigLock::take(path)?;
        let bytes = lock.read()?.unwrap_or_default();
        Ok((lock, bytes))
    }

    fn bytes(&self) -> Result<Option<Vec<u8>>, CliError> {
        let Some(path) = &self.path else { return Ok(None) };
        let bytes = read_config(path)?;
        if bytes.is_none() && self.explicit {
            return Err(ConfigError::NoFile(path.clone()).into());
        }
        Ok(bytes)
    }

    fn merged(&self, document: Option<&Document>) -> Result<Config, CliError> {
        let sources = Sources { vars: &self.vars, home: self.home.as_deref(), cwd: &self.cwd };
        let path = self.path.as_deref().unwrap_or(&self.cwd);
        let mut config = Config::new(path, document, &sources)?;
        for (service, setting, value) in &self.flags {
            let of = provider(service).expect("the flag was made from its table");
            config.set_flag(of, setting, value.as_encoded_bytes())?;
        }
        Ok(config)
    }

    fn document(&self, bytes: &[u8]) -> Result<Document, CliError> {
        let path = self.path.as_deref().unwrap_or(&self.cwd);
        let opened = if is_sealed_text(bytes) { Some(self.unsealed(path, bytes)?) } else { None };
        let bytes = opened.as_ref().map_or(bytes, |opened| opened.as_slice());
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            let line = before.iter().filter(|b| **b == b'\n').count() + 1;
            let what = format!("{}:{line}: this is not UTF-8", path.display());
            CliError::usage(what).hint("save the file as UTF-8")
        })?;
        Ok(Document::parse(path, text)?)
    }

    fn unsealed(&self, path: &Path, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, CliError> {
        let wrong = |error: SealedTextError| {
            let class = match error {
                SealedTextError::Kdf(crate::crypto::KdfError::Wrong) => Class::NoKey,
                SealedTextError::Damaged => Class::Integrity,
                _ => Class::Version,
            };
            let hint = match class {
                Class::NoKey => "the password of the configuration is meant, not that of a vault",
                Class::Integrity => "take the file from a backup",
                _ => "whoever gave you this file may want the password to be guessed, or this machine to be busy",
            };
            CliError::new(class, format!("cannot unseal the configuration `{}`", path.display()))
                .caused_by(error)
                .hint(hint)
        };
        let cost = sealed_text_params(bytes).map_err(wrong)?;
        if let Some(seal) = &*self.seal() {
            return open_text(&seal.password, bytes).map_err(wrong);
        }
        let password = self.password(path)?;
        let text = open_text(&password, bytes).map_err(wrong)?;
        *self.seal() = Some(Seal { password, cost });
        Ok(text)
    }

    fn password(&self, path: &Path) -> Result<Zeroizing<String>, CliError> {
        match (&self.password, &self.terminal) {
            (Ok(Some(source)), _) => source.read(false),
            (Err(error), _) => Err(error.again()),
            (Ok(None), Some(terminal)) => {
                let typed = terminal.secret(&format!("Password of the configuration {}: ", path.display()));
                typed.map_err(|error| CliError::usage("no password was typed").caused_by(error))
            }
            (Ok(None), None) => {
                let what = format!(
                    "the configuration `{}` is sealed, and there is no terminal to ask for its password at",
                    path.display()
                );
                Err(CliError::usage(what).hint(
                    "give it by CRYPTSYNC_CONFIG_PASS, --config-password-command or CRYPTSYNC_CONFIG_PASSWORD_COMMAND",
                ))
            }
        }
    }

    fn sealed(&self, text: &str, seal: Option<&Seal>) -> Result<String, CliError> {
        let seal = seal.expect("the file was unsealed, so its password is known");
        seal_text(&seal.password, text.as_bytes(), seal.cost, &*self.world.entropy)
            .map_err(|error| CliError::new(Class::Failed, "cannot seal the configuration").caused_by(error))
    }
}
