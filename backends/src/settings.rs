//! The settings of one remote on their way into its service, held against the service's table; and what holds for the
//! connections of all.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(any(test, feature = "testing"))]
use crate::http::HttpFaults;
use crate::oauth::TokenStore;
use crate::shape::Shaper;
use crate::{Kind, Provider};

/// A setting that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the setting `{setting}` {message}")]
pub struct BadSetting {
    /// Which.
    pub setting: String,
    /// What is wrong with it, as a clause. Never holds the value of a secret.
    pub message: String,
}

impl BadSetting {
    pub(crate) fn new(setting: &str, message: impl Into<String>) -> Self {
        Self { setting: setting.to_owned(), message: message.into() }
    }
}

/// The settings of one remote, checked against the table of its service. Its `Debug` shows names only.
#[derive(Clone)]
pub(crate) struct Values<'a> {
    provider: &'static Provider,
    values: &'a BTreeMap<String, String>,
}

impl<'a> Values<'a> {
    /// Checks names, forms, and that nothing is missing.
    pub(crate) fn check(provider: &'static Provider, values: &'a BTreeMap<String, String>) -> Result<Self, BadSetting> {
        for (name, value) in values {
            let Some(setting) = provider.setting(name) else {
                return Err(BadSetting::new(name, format!("is none of a remote of type {}", provider.name)));
            };
            match setting.kind {
                Kind::Switch if switch(value).is_none() => {
                    return Err(BadSetting::new(name, "is neither `true` nor `false`"));
                }
                Kind::Choice(words) if !words.contains(&value.as_str()) => {
                    return Err(BadSetting::new(name, format!("is none of {}", words.join(", "))));
                }
                _ => {}
            }
            if value.chars().any(char::is_control) && !setting.secret {
                return Err(BadSetting::new(name, "holds a control character"));
            }
        }
        let this = Self { provider, values };
        match provider.settings.iter().find(|setting| setting.required && this.text(setting.name).is_none()) {
            Some(missing) => Err(BadSetting::new(missing.name, format!("is missing: {}", missing.help))),
            None => Ok(this),
        }
    }

    /// A value that was given; an empty one counts as not given.
    pub(crate) fn given(&self, name: &str) -> Option<&'a str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A value, or the table's default.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.given(name).or_else(|| self.provider.setting(name)?.default)
    }

    /// Whether a switch is on.
    pub(crate) fn switch(&self, name: &str) -> bool {
        self.text(name).and_then(switch).unwrap_or(false)
    }
}

impl fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => None,
    }
}

/// What holds for every connection of a run.
#[derive(Debug, Clone)]
pub struct Transport {
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long a connection may be silent while something is expected of it.
    pub idle_timeout: Duration,
    /// How fast bytes and requests may go; no matter how fast if there is none.
    pub shaper: Option<Arc<Shaper>>,
    /// Where the token of the remote is kept, if a person signs in to it; without, a new one lasts for this run.
    pub tokens: Option<Arc<dyn TokenStore>>,
    /// What goes wrong on purpose.
    #[cfg(any(test, feature = "testing"))]
    pub faults: Option<Arc<HttpFaults>>,
}

impl Transport {
    /// These limits, and nothing that goes wrong on purpose.
    pub fn new(connect_timeout: Duration, idle_timeout: Duration, shaper: Arc<Shaper>) -> Self {
        Self {
            connect_timeout,
            idle_timeout,
            shaper: Some(shaper),
            tokens: None,
            #[cfg(any(test, feature = "testing"))]
            faults: None,
        }
    }
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(300),
            shaper: None,
            tokens: None,
            #[cfg(any(test, feature = "testing"))]
            faults: None,
        }
    }
}
