//! The keyring of the system: the Secret Service on Linux, the Keychain on macOS. Small secrets by name, nothing else, and the only place
//! that talks to it.
//!
//! Nothing falls back: where there is no keyring, or nobody unlocks it, that is an error, and whoever called says what to do instead.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use keyring::{Entry, Error};
use zeroize::Zeroizing;

/// Why the keyring gave or took nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// There is none, or it can't be reached.
    #[error("this system has no keyring that can be reached: {0}")]
    Absent(String),
    /// It is locked, and was not unlocked.
    #[error("the keyring of this system is locked: {0}")]
    Locked(String),
    /// It did not answer.
    #[error("the keyring of this system has not answered for {} seconds", PATIENCE.as_secs())]
    Silent,
    /// Something else.
    #[error("the keyring of this system has failed: {0}")]
    Failed(String),
}

/// The secret of this name; `None` if the keyring has none.
///
/// # Errors
/// The keyring can't be used.
pub fn get(name: &str) -> Result<Option<Zeroizing<String>>, KeyringError> {
    ask(name, |entry| match entry.get_password() {
        Ok(secret) => Ok(Some(Zeroizing::new(secret))),
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(error),
    })
}

/// Keeps a secret under a name, instead of one that was there before.
///
/// # Errors
/// The keyring can't be used.
pub fn set(name: &str, secret: &str) -> Result<(), KeyringError> {
    let secret = Zeroizing::new(secret.to_owned());
    ask(name, move |entry| entry.set_password(&secret))
}

/// Forgets the secret of this name, if there is one.
///
/// # Errors
/// The keyring can't be used.
pub fn remove(name: &str) -> Result<(), KeyringError> {
    ask(name, |entry| match entry.delete_credential() {
        Ok(()) | Err(Error::NoEntry) => Ok(()),
        Err(error) => Err(error),
    })
}

/// Asks on a thread of its own, because a keyring that waits for somebody to unlock it may wait for ever.
fn ask<T: Send + 'static>(
    name: &str,
    question: impl FnOnce(&Entry) -> keyring::Result<T> + Send + 'static,
) -> Result<T, KeyringError> {
    let (answer, answered) = channel();
    let name = name.to_owned();
    let worker = move || {
        let result = match Entry::store_status() {
            Ok(()) => Entry::new(SERVICE, &name).and_then(|entry| question(&entry)).map_err(|error| told(&error)),
            Err(error) => Err(KeyringError::Absent(cause(error))),
        };
        drop(answer.send(result)); // whoever asked may have gone
    };
    thread::Builder::new()
        .name("keyring".into())
        .spawn(worker)
        .map_err(|error| KeyringError::Failed(error.to_string()))?;
    match answered.recv_timeout(PATIENCE) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => Err(KeyringError::Silent),
        Err(RecvTimeoutError::Disconnected) => Err(KeyringError::Failed("it stopped in the middle".into())),
    }
}

fn told(error: &Error) -> KeyringError {
    match error {
        Error::NoStorageAccess(_) => KeyringError::Locked(cause(error)),
        Error::NoDefaultStore => KeyringError::Absent(cause(error)),
        _ => KeyringError::Failed(cause(error)),
    }
}

/// The innermost cause: the outer ones say no more than that something failed.
fn cause(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = match error {
        Error::NoStorageAccess(inner) | Error::PlatformFailure(inner) => &**inner,
        other => other,
    };
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

const SERVICE: &str = "cryptsync";
/// Somebody may have to type the password of the keyring.
const PATIENCE: Duration = Duration::from_secs(120);
