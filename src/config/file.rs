//! The file, the environment and the command line together: which settings a remote has in the end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json, json};

use super::document::{Document, unknown, unknown_type, written};
use super::environment::{Ambient, Settings, Sources, ambient};
use super::error::ConfigError;
use super::name::{nearest, variable_form};
use super::place::{RemoteText, TypedSetting, shown_value, without_secrets};
use super::provider::{self, Kind, Provider};
use super::remote::Remote;
use super::value::{Given, Origin, Value};
use super::yaml::scalar;

/// All configured remotes.
#[derive(Debug, Default)]
pub struct Config {
    remotes: BTreeMap<String, Settings>,
    ambient: Ambient,
    /// Settings of flags, by service.
    flags: BTreeMap<&'static str, Settings>,
    base: PathBuf,
    cwd: PathBuf,
    home: Option<PathBuf>,
}

impl Config {
    /// Merges a file with the environment. `path` is where the file is, absolute.
    ///
    /// # Errors
    /// [`ConfigError`] names the file and line, or the variable.
    pub fn new(path: &Path, document: Option<&Document>, sources: &Sources<'_>) -> Result<Self, ConfigError> {
        let settings = |(name, options): (&str, Vec<(&str, &Value)>)| {
            let named = options
                .into_iter()
                .filter_map(|(key, value)| Some((provider::setting(None, key)?.name, value.clone())));
            (name.to_owned(), named.collect())
        };
        let remotes = document
            .map(|document| document.remotes().map(|(name, options)| settings((name, options.collect()))).collect());
        Ok(Self {
            remotes: remotes.unwrap_or_default(),
            ambient: ambient(sources)?,
            flags: BTreeMap::new(),
            base: path.parent().unwrap_or(Path::new("/")).to_owned(),
            cwd: sources.cwd.to_owned(),
            home: sources.home.map(Path::to_owned),
        })
    }

    /// Sets a setting of all remotes of a service, as a flag does.
    ///
    /// # Errors
    /// It can't have that value.
    pub fn set_flag(&mut self, of: &'static Provider, setting: &str, text: &[u8]) -> Result<(), ConfigError> {
        let origin = Origin::Flag(format!("--{}-{}", of.name, setting.replace('_', "-")));
        let setting = of.setting(setting).ok_or_else(|| unknown(Some(of), setting, &origin))?;
        let value = Value::text(text, origin);
        value.check(setting)?;
        self.flags.entry(of.name).or_default().insert(setting.name, value);
        Ok(())
    }

    /// The remote of this name.
    ///
    /// # Errors
    /// There is none, or it is incomplete.
    pub fn remote(&self, name: &str) -> Result<Remote, ConfigError> {
        Remote::finish(name, self.settings(name, &[])?)
    }

    /// A remote as it was typed: of the configuration, or of its text alone, with the settings that were typed.
    ///
    /// # Errors
    /// There is none, a setting is unknown or wrong, or it is incomplete.
    pub fn typed(&self, text: &RemoteText) -> Result<Remote, ConfigError> {
        if !text.on_the_fly {
            return Remote::finish(&text.shown(), self.settings(&text.name, &text.settings)?);
        }
        let origin = Origin::Place(format!(":{}:", text.name), 2);
        let of = provider::provider(&text.name).ok_or_else(|| unknown_type(&text.name, &origin))?;
        let mut settings = Settings::new();
        settings.insert("type", Value::text(of.name, origin));
        Remote::finish(&text.shown(), self.layered(settings, Settings::new(), &text.settings)?)
    }

    /// Whether a remote of this name is configured.
    pub fn has(&self, name: &str) -> bool {
        self.remotes.contains_key(name) || self.ambient.remotes.contains_key(&variable_form(name))
    }

    /// The names of all remotes, sorted. A remote of the environment alone is named in lower case.
    pub fn names(&self) -> Vec<String> {
        let known = |form: &&String| !self.remotes.keys().any(|name| variable_form(name) == **form);
        let ambient = self.ambient.remotes.keys().filter(known).map(|form| form.to_lowercase());
        let mut names: Vec<String> = self.remotes.keys().cloned().chain(ambient).collect();
        names.sort();
        names
    }

    /// A setting of a remote as it is in effect, for showing; `None` if there is none.
    pub fn shown(&self, name: &str, setting: &str) -> Option<String> {
        let settings = self.settings(name, &[]).ok()?;
        settings.get(setting).map(|value| match &value.given {
            Given::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Given::Keyring(_) => "(in the keyring)".to_owned(),
        })
    }

    /// Remotes in effect, as YAML: all, or one; without secrets if `redacted`.
    ///
    /// # Errors
    /// There is no remote of that name, or its settings are wrong.
    pub fn to_yaml(&self, one: Option<&str>, redacted: bool) -> Result<String, ConfigError> {
        let mut text = "remotes:\n".to_owned();
        let names = self.chosen(one)?;
        if names.is_empty() {
            return Ok("remotes: {}\n".to_owned());
        }
        for name in names {
            text += &format!("  {}:\n", scalar(&name));
            for (key, value) in self.ordered(&name)? {
                text += &format!("    {key}: {}\n", written(&hidden(key, value, redacted)));
            }
        }
        Ok(text)
    }

    /// Remotes in effect by name, as JSON.
    ///
    /// # Errors
    /// As for [`Config::to_yaml`].
    pub fn to_json(&self, one: Option<&str>, redacted: bool) -> Result<Json, ConfigError> {
        let mut remotes = Map::new();
        for name in self.chosen(one)? {
            let value = |(key, value)| {
                let json = match hidden(key, value, redacted) {
                    Given::Text(text) => Json::from(String::from_utf8_lossy(&text)),
                    Given::Keyring(id) => json!({ "keyring": id }),
                };
                (key.to_owned(), json)
            };
            remotes.insert(name.clone(), Json::Object(self.ordered(&name)?.into_iter().map(value).collect()));
        }
        Ok(Json::Object(remotes))
    }

    fn chosen(&self, one: Option<&str>) -> Result<Vec<String>, ConfigError> {
        match one {
            None => Ok(self.names()),
            Some(name) if self.has(name) => Ok(vec![name.to_owned()]),
            Some(name) => Err(self.no_remote(name)),
        }
    }

    /// The settings of a remote, in the order of the tables.
    fn ordered(&self, name: &str) -> Result<Vec<(&'static str, Value)>, ConfigError> {
        let mut settings = self.settings(name, &[])?;
        let of = settings.get("type").and_then(Value::as_str).and_then(provider::provider);
        let (first, rest) = provider::COMMON.split_at(1);
        let own = of.map_or(&[][..], |of| of.settings);
        let names = first.iter().chain(own).chain(rest).map(|setting| setting.name);
        Ok(names.filter_map(|name| settings.remove(name).map(|value| (name, value))).collect())
    }

    fn settings(&self, name: &str, typed: &[TypedSetting]) -> Result<Settings, ConfigError> {
        let file = self.remotes.get(name);
        let ambient = self.ambient.remotes.get(&variable_form(name));
        if file.is_none() && ambient.is_none() {
            return Err(self.no_remote(name));
        }
        self.layered(file.cloned().unwrap_or_default(), ambient.cloned().unwrap_or_default(), typed)
    }

    /// The settings of a remote from everywhere: what is typed with it, then flags of its service, then its own variables, then those of
    /// its service, then the file.
    fn layered(&self, file: Settings, ambient: Settings, typed: &[TypedSetting]) -> Result<Settings, ConfigError> {
        let kind = ambient.get("type").or_else(|| file.get("type"));
        let of = kind.and_then(Value::as_str).and_then(provider::provider);
        let service =
            |all: &BTreeMap<&'static str, Settings>| of.and_then(|of| all.get(of.name)).cloned().unwrap_or_default();
        let mut settings = file;
        settings.extend(service(&self.ambient.services));
        settings.extend(ambient);
        settings.extend(service(&self.flags));
        for typed in typed {
            let setting = provider::settings(of).find(|setting| setting.name == typed.name);
            let setting = setting.ok_or_else(|| unknown(of, &typed.name, &typed.origin))?;
            if setting.name == "type" {
                return Err(typed.origin.wrong("a type is given before the first comma: `:service,…:`", None));
            }
            let value = Value::text(typed.value.clone(), typed.origin.clone());
            value.check(setting)?;
            settings.insert(setting.name, value);
        }
        // What belongs to another service, because the type comes from the environment, is an error and not left out in silence.
        for (name, value) in &settings {
            match provider::setting(of, name) {
                Some(setting) if of.is_some() => value.check(setting)?,
                Some(_) => {}
                None => return Err(unknown(of, name, &value.origin)),
            }
        }
        let resolve = |(name, value): (&'static str, Value)| {
            let directory = provider::setting(of, name).is_some_and(|setting| setting.kind == Kind::Directory);
            let base = if matches!(value.origin, Origin::File(..)) { &self.base } else { &self.cwd };
            (name, if directory { value.resolved(base, self.home.as_deref()) } else { value })
        };
        Ok(settings.into_iter().map(resolve).collect())
    }

    fn no_remote(&self, name: &str) -> ConfigError {
        let mut known = self.names();
        if !known.iter().any(|name| name == BUILTIN) {
            known.push(BUILTIN.to_owned());
        }
        let suggestion = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
        ConfigError::NoRemote { name: name.to_owned(), known, suggestion }
    }
}

impl RemoteText {
    /// The text as messages show it, without the colon at its end; secrets are left out.
    pub fn shown(&self) -> String {
        let setting = |typed: &TypedSetting| {
            let value = shown_value(&typed.name, &typed.value);
            let plain = value.bytes().all(|b| !matches!(b, b':' | b',' | b'\'' | b'"'));
            let value = if plain { value } else { format!("'{}'", value.replace('\'', "''")) };
            format!(",{}={value}", typed.name)
        };
        let settings: String = self.settings.iter().map(setting).collect();
        format!("{}{}{settings}", if self.on_the_fly { ":" } else { "" }, self.name)
    }
}

fn hidden(key: &str, value: Value, redacted: bool) -> Given {
    match value.given {
        Given::Text(text) if redacted => match std::str::from_utf8(&text) {
            _ if provider::is_secret(key) => Given::Text(REDACTED.to_vec()),
            Ok(plain) => Given::Text(without_secrets(plain).into_bytes()),
            Err(_) => Given::Text(text),
        },
        given => given,
    }
}

/// What rclone writes in place of secrets.
const REDACTED: [u8; 3] = [b'X'; 3];
/// The remote that is there without any configuration.
const BUILTIN: &str = "local";
