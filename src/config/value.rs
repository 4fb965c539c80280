//! One value of a setting, and where it was written.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::name::nearest;
use super::provider::{Kind, Setting};
use crate::path::printable;

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// What.
    pub given: Given,
    /// Where.
    pub origin: Origin,
}

/// What was written.
#[derive(Clone, PartialEq, Eq)]
pub enum Given {
    /// The value itself; bytes, because names of files need not be UTF-8.
    Text(Vec<u8>),
    /// The name under which the keyring of the system has it.
    Keyring(String),
}

/// Says nothing of the value: it may be a secret.
impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text"),
            Self::Keyring(id) => write!(f, "Keyring({id})"),
        }
    }
}

/// Where a value was written; what comes later wins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// In the file, at this line and column.
    File(PathBuf, usize, usize),
    /// In a variable for all remotes of a service.
    ServiceVariable(String),
    /// In a variable for one remote.
    Variable(String),
    /// In a flag for all remotes of a service.
    Flag(String),
    /// On the command line with the remote itself, from this character on.
    Place(String, usize),
    /// In the arguments of a command that writes the configuration.
    Argument,
}

impl Value {
    /// A value of text.
    pub fn text(text: impl Into<Vec<u8>>, origin: Origin) -> Self {
        Self { given: Given::Text(text.into()), origin }
    }

    /// Its text, if it has one and that is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        match &self.given {
            Given::Text(text) => std::str::from_utf8(text).ok(),
            Given::Keyring(_) => None,
        }
    }

    /// Holds it against what may be written for `setting`.
    ///
    /// # Errors
    /// The place and what to write instead.
    pub fn check(&self, setting: &Setting) -> Result<(), ConfigError> {
        let wrong = |message: String, suggestion: Option<&str>| {
            Err(self.origin.wrong(format!("`{}` {message}", setting.name), suggestion.map(str::to_owned)))
        };
        let text = match &self.given {
            Given::Keyring(_) if setting.secret => return Ok(()),
            Given::Keyring(_) => return wrong("is no secret, so it can't be in the keyring".into(), None),
            Given::Text(_) if setting.kind == Kind::Directory => return Ok(()),
            Given::Text(text) => std::str::from_utf8(text),
        };
        let Ok(text) = text else { return wrong("is not UTF-8".into(), None) };
        let shown = printable(text.as_bytes());
        match setting.kind {
            Kind::Switch if switch(text).is_none() => wrong(format!("is `{shown}`; write `true` or `false`"), None),
            Kind::Choice(choices) if !choices.contains(&text) => {
                wrong(format!("is `{shown}`; write one of {}", quoted(choices)), nearest(text, choices.iter().copied()))
            }
            _ => Ok(()),
        }
    }

    /// The directory that it names: `~/` is below `home`, a relative one is below `base`.
    pub(super) fn resolved(self, base: &Path, home: Option<&Path>) -> Self {
        let Given::Text(text) = &self.given else { return self };
        let path = Path::new(OsStr::from_bytes(text));
        let path = match (path.strip_prefix("~"), home) {
            _ if text.is_empty() => PathBuf::new(),
            (Ok(rest), Some(home)) => home.join(rest),
            _ => base.join(path),
        };
        Self { given: Given::Text(path.into_os_string().into_vec()), origin: self.origin }
    }
}

impl Origin {
    /// Something is wrong there.
    pub fn wrong(&self, message: impl Into<String>, suggestion: Option<String>) -> ConfigError {
        let message = message.into();
        let hint = suggestion.map(|word| format!("did you mean `{word}`?"));
        match self {
            Self::File(path, line, column) => {
                let (path, line, column) = (path.clone(), Some(*line), Some(*column));
                ConfigError::Syntax { path, line, column, message, hint }
            }
            Self::Variable(name) | Self::ServiceVariable(name) => {
                ConfigError::Variable { variable: name.clone(), message: format!(": {message}"), hint }
            }
            Self::Flag(name) => ConfigError::Value { message: format!("{name}: {message}"), hint },
            Self::Place(text, at) => ConfigError::Place { text: text.clone(), at: *at, message, hint },
            Self::Argument => ConfigError::Value { message, hint },
        }
    }
}

/// A switch as people write it.
pub(super) fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
