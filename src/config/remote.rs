//! One remote, complete: every setting from the place that counts.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::environment::Settings;
use super::error::ConfigError;
use super::provider::{self, COMMON, Kind, Provider};
use super::value::{Given, Origin, Value, switch};

/// A remote that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// The name before the colon.
    pub name: String,
    /// What it is.
    pub provider: &'static Provider,
    values: BTreeMap<&'static str, Value>,
}

impl Remote {
    /// A remote of settings that are each right by themselves.
    ///
    /// # Errors
    /// One that is needed is not there, or they do not go together.
    pub(super) fn finish(name: &str, values: Settings) -> Result<Self, ConfigError> {
        let error = |message: String, hint: String| ConfigError::Remote { name: name.to_owned(), message, hint };
        let kind = values.get("type").and_then(Value::as_str);
        let Some(of) = kind.and_then(provider::provider) else {
            let hint = format!("add `type:`, which is one of {}", provider::provider_list());
            return Err(error("has no type".into(), hint));
        };
        let remote = Self { name: name.to_owned(), provider: of, values };
        for setting in of.settings {
            let value = remote.values.get(setting.name);
            let empty = value.is_none_or(|value| value.given == Given::Text(Vec::new()));
            if setting.required && empty {
                let hint = format!("add `{}:` to it. {}", setting.name, setting.help);
                return Err(error(format!("has no {}", setting.name), hint));
            }
            if setting.kind == Kind::Directory
                && let Some(path) = remote.path(setting.name)
                && !path.is_absolute()
            {
                let hint = format!("write the {} as an absolute path", setting.name);
                return Err(error(format!("has a {} that can't be resolved", setting.name), hint));
            }
        }
        Ok(remote)
    }

    /// The value of a setting, or its default. What is in a keyring has no text.
    pub fn text(&self, setting: &str) -> Option<&str> {
        let default = || {
            let known = COMMON.iter().chain(self.provider.settings).find(|known| known.name == setting)?;
            known.default
        };
        self.values.get(setting).map_or_else(default, Value::as_str)
    }

    /// Where a setting was written, if it was.
    pub fn origin(&self, setting: &str) -> Option<&Origin> {
        self.values.get(setting).map(|value| &value.origin)
    }

    /// The directory of a setting.
    pub fn path(&self, setting: &str) -> Option<PathBuf> {
        match &self.values.get(setting)?.given {
            Given::Text(text) => Some(PathBuf::from(OsStr::from_bytes(text))),
            Given::Keyring(_) => None,
        }
    }

    /// Whether a switch is on.
    pub fn switch(&self, setting: &str) -> bool {
        self.text(setting).and_then(switch).unwrap_or(false)
    }

    /// Settings whose values the keyring has, and under which names.
    pub fn in_keyring(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.values.iter().filter_map(|(name, value)| match &value.given {
            Given::Keyring(id) => Some((*name, id.as_str())),
            Given::Text(_) => None,
        })
    }
}
