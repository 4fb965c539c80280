//! Where the tokens of remotes are kept that a person signs in to: where the configuration says that they are. A lock of their
//! own keeps two runs from renewing one at once, because some services take the old one away.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{FlockOperation, flock};

use super::config_source::ConfigSource;
use super::output::CliError;
use super::settings::Settings;
use crate::config::{Change, Given, Origin, Remote};
use crate::ops::{HeldToken, TokenStore};
use crate::system_keyring;
use crate::world::World;

/// The setting that holds a token.
pub(super) const TOKEN: &str = "token";

/// The token of one remote.
pub(super) struct Tokens {
    name: String,
    place: Place,
    world: World,
    notes: Arc<Mutex<Vec<String>>>,
}

/// Where it is.
enum Place {
    /// In the keyring of the system, under a name.
    Keyring { id: String, lock: PathBuf },
    /// In the file.
    File { config: Arc<ConfigSource>, lock: PathBuf, unsaved: Unsaved },
    /// In a variable or on the command line, where nothing can be changed.
    Fixed,
}

/// The token that was renewed last: a verb that is about to write its remote to the file writes this one.
pub(super) type Unsaved = Arc<Mutex<Option<String>>>;

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tokens").field(&self.name).finish()
    }
}

impl Tokens {
    /// Of a remote that has a token.
    pub(super) fn of(settings: &Settings, remote: &Remote) -> Result<Self, CliError> {
        let lock = || Ok::<_, CliError>(settings.dirs.state()?.join("sign-in").join(format!("{}.lock", remote.name)));
        let in_keyring = remote.in_keyring().find(|(setting, _)| *setting == TOKEN);
        let place = match (in_keyring, remote.origin(TOKEN)) {
            (Some((_, id)), _) => Place::Keyring { id: id.to_owned(), lock: lock()? },
            (None, Some(Origin::File(..))) => Place::File {
                config: Arc::clone(&settings.config),
                lock: lock()?,
                unsaved: Arc::clone(&settings.unsaved),
            },
            _ => Place::Fixed,
        };
        let notes = Arc::clone(&settings.notes);
        Ok(Self { name: remote.name.clone(), place, world: settings.world.clone(), notes })
    }

    fn kept(&self) -> Option<String> {
        match &self.place {
            Place::Keyring { id, .. } => Some(system_keyring::get(id).ok()??.to_string()),
            Place::File { config, .. } => {
                let document = config.file().ok()?;
                let (_, mut settings) = document.remotes().find(|(name, _)| *name == self.name)?;
                settings.find_map(|(key, value)| value.as_str().filter(|_| key == TOKEN)).map(str::to_owned)
            }
            Place::Fixed => None,
        }
    }

    fn store(&self, token: &str) -> Result<(), String> {
        match &self.place {
            Place::Keyring { id, .. } => system_keyring::set(id, token).map_err(|error| error.to_string()),
            Place::File { config, unsaved, .. } => {
                let change = Change::Set(self.name.clone(), TOKEN.to_owned(), Given::Text(token.as_bytes().to_vec()));
                *unsaved.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.to_owned());
                let changed = config.change(&mut |document| {
                    let there = document.remotes().any(|(name, _)| name == self.name);
                    Ok(if there { vec![change.clone()] } else { Vec::new() })
                });
                changed.map(drop).map_err(|error| error.chain.join(": "))
            }
            Place::Fixed => Ok(()),
        }
    }
}

impl TokenStore for Tokens {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn now(&self) -> i64 {
        self.world.clock.now().secs
    }

    fn hold(&self) -> HeldToken {
        let lock = match &self.place {
            Place::Keyring { lock, .. } | Place::File { lock, .. } => locked(lock).ok(),
            Place::Fixed => None,
        };
        HeldToken { token: self.kept(), guard: Box::new(lock) }
    }

    fn keep(&self, token: &str) {
        if let Err(why) = self.store(token) {
            let told = format!(
                "warning: the renewed sign-in of `{}:` can't be kept, so `cryptsync config reconnect {}` may be needed next time: {why}",
                self.name, self.name
            );
            self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(told);
        }
    }
}

/// Where no lock can be made nothing else is kept either: it is gone on without.
fn locked(path: &PathBuf) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}
