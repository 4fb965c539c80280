//! Settings of the environment: `CRYPTSYNC_CONFIG_<REMOTE>_<SETTING>` for one remote, `CRYPTSYNC_<SERVICE>_<SETTING>` for all of a service.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::document::unknown_type;
use super::error::ConfigError;
use super::name::nearest;
use super::provider::{self, PROVIDERS, Setting};
use super::value::{Origin, Value};

/// Where a configuration comes from, besides its file.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The environment.
    pub vars: &'a BTreeMap<OsString, OsString>,
    /// The home directory, for `~/`.
    pub home: Option<&'a Path>,
    /// The working directory: directories in the environment are relative to it, those in the file to the file's directory.
    pub cwd: &'a Path,
}

/// Settings by name.
pub(super) type Settings = BTreeMap<&'static str, Value>;

/// What the environment says.
#[derive(Debug, Default)]
pub(super) struct Ambient {
    /// By the part of the variable that stands for a remote, in upper case.
    pub(super) remotes: BTreeMap<String, Settings>,
    /// By the name of a service.
    pub(super) services: BTreeMap<&'static str, Settings>,
}

/// Reads the environment.
pub(super) fn ambient(sources: &Sources<'_>) -> Result<Ambient, ConfigError> {
    let mut ambient = Ambient::default();
    for (variable, value) in sources.vars {
        let Some(name) = variable.to_str().filter(|_| !value.is_empty()) else { continue };
        if RESERVED.contains(&name) {
            continue;
        }
        if let Some(rest) = name.strip_prefix(PREFIX) {
            let (remote, setting) = split(rest)?;
            let value = checked(setting, value, Origin::Variable(name.to_owned()))?;
            ambient.remotes.entry(remote.to_uppercase()).or_default().insert(setting.name, value);
        } else if let Some((service, setting)) = of_service(name)? {
            let value = checked(setting, value, Origin::ServiceVariable(name.to_owned()))?;
            ambient.services.entry(service).or_default().insert(setting.name, value);
        }
    }
    Ok(ambient)
}

fn checked(setting: &Setting, value: &OsStr, origin: Origin) -> Result<Value, ConfigError> {
    let value = Value::text(value.as_bytes(), origin);
    // Services may have different settings of one name; which one is meant is known when the remote is.
    let fits = provider::settings(None).any(|other| other.name == setting.name && value.check(other).is_ok());
    if !fits {
        value.check(setting)?;
    }
    match value.as_str() {
        Some(name) if setting.name == "type" && provider::provider(name).is_none() => {
            Err(unknown_type(name, &value.origin))
        }
        _ => Ok(value),
    }
}

/// The remote and the setting: the longest name of a setting that it ends in.
fn split(rest: &str) -> Result<(&str, &'static Setting), ConfigError> {
    let upper = rest.to_ascii_uppercase();
    let ends = provider::settings(None).filter_map(|setting| {
        let end = format!("_{}", setting.name.to_ascii_uppercase());
        upper.strip_suffix(&end).filter(|remote| !remote.is_empty()).map(|remote| (&rest[..remote.len()], setting))
    });
    if let Some(found) = ends.max_by_key(|(_, setting)| setting.name.len()) {
        return Ok(found);
    }
    let (remote, word) = rest.rsplit_once('_').unwrap_or((rest, ""));
    let names: Vec<String> = shown().map(|setting| setting.name.to_ascii_uppercase()).collect();
    let meant = nearest(word, names.iter().map(String::as_str)).map(|name| format!("{PREFIX}{remote}_{name}"));
    Err(ConfigError::Variable {
        variable: format!("{PREFIX}{rest}"),
        message: format!(" does not end in a setting of a remote: {}", names.join(", ")),
        hint: meant.map(|name| format!("did you mean `{name}`?")),
    })
}

fn of_service(name: &str) -> Result<Option<(&'static str, &'static Setting)>, ConfigError> {
    for provider in PROVIDERS {
        let prefix = format!("CRYPTSYNC_{}_", provider.name.to_ascii_uppercase());
        let Some(word) = name.strip_prefix(&prefix) else { continue };
        if let Some(setting) = provider.settings.iter().find(|setting| setting.name.eq_ignore_ascii_case(word)) {
            return Ok(Some((provider.name, setting)));
        }
        let names: Vec<String> = provider.settings.iter().map(|setting| setting.name.to_ascii_uppercase()).collect();
        let meant = nearest(word, names.iter().map(String::as_str)).map(|name| format!("{prefix}{name}"));
        return Err(ConfigError::Variable {
            variable: name.to_owned(),
            message: format!(" is no setting of the service `{}`: {}", provider.name, names.join(", ")),
            hint: meant.map(|name| format!("did you mean `{name}`?")),
        });
    }
    Ok(None)
}

/// Every setting once that people are told of.
fn shown() -> impl Iterator<Item = &'static Setting> {
    let own = provider::shown_providers().flat_map(|provider| provider.settings);
    provider::COMMON.iter().chain(own)
}

const PREFIX: &str = "CRYPTSYNC_CONFIG_";
/// Variables of that form that are about the file itself.
const RESERVED: [&str; 2] = ["CRYPTSYNC_CONFIG_PASS", "CRYPTSYNC_CONFIG_PASSWORD_COMMAND"];
