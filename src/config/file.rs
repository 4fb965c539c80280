//! The file, merged with the environment.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::environment::{self, Sources};
use super::error::ConfigError;
use super::name::{check_remote_name, nearest, variable_form};
use super::remote::{Draft, Remote};

/// All configured remotes.
#[derive(Debug, Default)]
pub struct Config {
    remotes: BTreeMap<String, Draft>,
    /// Remotes of the environment alone, by the form of their name in variables.
    ambient: BTreeMap<String, Draft>,
}

impl Config {
    /// Reads the file and the environment.
    ///
    /// # Errors
    /// [`ConfigError`] names the file and line, or the variable.
    pub fn load(sources: &Sources<'_>) -> Result<Self, ConfigError> {
        let base = sources.cwd.join(sources.path.parent().unwrap_or(Path::new("")));
        let mut remotes = BTreeMap::new();
        if let Some(text) = read(sources)? {
            for (name, draft) in parse(sources.path, &text)? {
                remotes.insert(name, draft.with_root_resolved(&base, sources.home));
            }
        }
        let mut ambient = environment::drafts(sources)?;
        for (name, draft) in &mut remotes {
            if let Some(over) = ambient.get(&variable_form(name)) {
                *draft = std::mem::take(draft).overridden_by(over);
            }
        }
        ambient.retain(|form, _| !remotes.keys().any(|name| variable_form(name) == *form));
        Ok(Self { remotes, ambient })
    }

    /// The remote of this name.
    ///
    /// # Errors
    /// There is none, or it is incomplete.
    pub fn remote(&self, name: &str) -> Result<Remote, ConfigError> {
        match self.remotes.get(name).or_else(|| self.ambient.get(&variable_form(name))) {
            Some(draft) => draft.clone().finish(name),
            None => Err(self.no_remote(name)),
        }
    }

    /// Whether a remote of this name is configured.
    pub fn has(&self, name: &str) -> bool {
        self.remotes.contains_key(name) || self.ambient.contains_key(&variable_form(name))
    }

    /// The names of all remotes, sorted. A remote of the environment alone is named in lower case.
    pub fn names(&self) -> Vec<String> {
        let ambient = self.ambient.keys().map(|form| form.to_lowercase());
        let mut names: Vec<String> = self.remotes.keys().cloned().chain(ambient).collect();
        names.sort();
        names
    }

    /// The configuration in effect, as YAML.
    pub fn to_yaml(&self) -> String {
        let ambient = self.ambient.iter().map(|(form, draft)| (form.to_lowercase(), draft.clone()));
        let remotes = Remotes(self.remotes.clone().into_iter().chain(ambient).collect());
        serde_yaml::to_string(&Document { remotes }).expect("plain maps of text always have a YAML form")
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

fn read(sources: &Sources<'_>) -> Result<Option<String>, ConfigError> {
    if sources.path.as_os_str().is_empty() || sources.path == Path::new("/dev/null") {
        return Ok(None);
    }
    let path = sources.cwd.join(sources.path);
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(FILE_MAX + 1).read_to_string(&mut text));
    match read {
        Ok(length) if length as u64 > FILE_MAX => {
            let source = io::Error::other("it is larger than 1 MiB");
            Err(ConfigError::Read { path, source })
        }
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && sources.explicit => Err(ConfigError::NoFile(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ConfigError::Read { path, source }),
    }
}

fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, Draft>, ConfigError> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(BTreeMap::new());
    }
    let document: Document = serde_yaml::from_str(text).map_err(|error| {
        let text = error.to_string();
        let message = text.split(" at line ").next().unwrap_or_default().to_owned();
        ConfigError::Syntax {
            path: path.to_owned(),
            line: error.location().map(|at| at.line()),
            suggestion: suggestion(&message),
            message,
        }
    })?;
    Ok(document.remotes.0)
}

/// The parser's errors read "unknown field `x`, expected one of `a`, `b`": the nearest of those named.
fn suggestion(message: &str) -> Option<String> {
    let (unknown, expected) = message.split_once(", expected ")?;
    let word = unknown.rsplit('`').nth(1)?;
    nearest(word, expected.split('`').skip(1).step_by(2)).map(str::to_owned)
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    remotes: Remotes,
}

/// Remotes by name: names are checked and must not repeat.
#[derive(Debug, Default, Serialize)]
struct Remotes(BTreeMap<String, Draft>);

impl<'de> Deserialize<'de> for Remotes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RemotesVisitor)
    }
}

struct RemotesVisitor;

impl<'de> Visitor<'de> for RemotesVisitor {
    type Value = Remotes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("remotes by name, each with `type` and `root`")
    }

    fn visit_unit<E>(self) -> Result<Remotes, E> {
        Ok(Remotes::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Remotes, A::Error> {
        let mut remotes = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            check_remote_name(&name)
                .map_err(|why| A::Error::custom(format_args!("`{name}` is not the name of a remote: {why}")))?;
            if remotes.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the remote `{name}` is there twice")));
            }
            let draft = map.next_value()?;
            remotes.insert(name, draft);
        }
        Ok(Remotes(remotes))
    }
}

/// The remote that is there without any configuration.
const BUILTIN: &str = "local";
const FILE_MAX: u64 = 1 << 20;
