//! The services that a remote can be of, and how one is reached.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use cryptsync_backends::services::{self, Fs};
pub use cryptsync_backends::{HeldToken, SignedIn, TokenStore};
use cryptsync_backends::{Remote, Transport};

use super::OpsError;
use crate::class::Class;

/// The services there are.
#[derive(Debug, Clone)]
pub enum Service {
    /// A directory of this machine.
    Fs {
        /// The directory that holds the vault's objects.
        root: PathBuf,
    },
    /// A storage service.
    Remote {
        /// Its `type`.
        provider: &'static str,
        /// What it is told.
        settings: ServiceSettings,
    },
    /// A remote made elsewhere; tests watch and break it.
    #[doc(hidden)]
    Custom(Arc<dyn Remote>),
}

/// The settings of a service by name. Values may be secrets: `Debug` shows names only.
#[derive(Clone, Default)]
pub struct ServiceSettings {
    values: BTreeMap<String, String>,
    tokens: Option<Arc<dyn TokenStore>>,
}

impl ServiceSettings {
    /// These settings.
    pub fn new(values: BTreeMap<String, String>) -> Self {
        Self { values, tokens: None }
    }

    /// The same, with a place for the token of somebody who has signed in.
    #[must_use]
    pub fn keeping(self, tokens: Arc<dyn TokenStore>) -> Self {
        Self { tokens: Some(tokens), ..self }
    }
}

impl fmt::Debug for ServiceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// A service that can be asked.
pub(super) struct Reached {
    pub(super) remote: Arc<dyn Remote>,
    /// The same, if it is a directory of this machine.
    pub(super) fs: Option<Fs>,
    /// Whether limits of time and speed are kept inside.
    pub(super) limits_itself: bool,
}

impl Service {
    /// The service of a complete remote.
    pub fn new(provider: &'static str, root: Option<PathBuf>, settings: ServiceSettings) -> Self {
        match (provider, root) {
            ("fs", Some(root)) => Self::Fs { root },
            (provider, _) => Self::Remote { provider, settings },
        }
    }

    /// Where it is, for people.
    pub fn in_words(&self) -> String {
        match self {
            Self::Fs { root } => root.display().to_string(),
            Self::Remote { provider, .. } => format!("a remote of type {provider}"),
            Self::Custom(remote) => remote.describe(),
        }
    }

    /// Makes what the remote `name` describes. Nothing is sent yet.
    pub(super) fn reach(&self, name: &str, transport: &Transport) -> Result<Reached, OpsError> {
        Ok(match self {
            Self::Fs { root } => {
                let fs = Fs::open(root.clone());
                Reached { remote: Arc::new(fs.clone()), fs: Some(fs), limits_itself: false }
            }
            Self::Custom(remote) => Reached { remote: Arc::clone(remote), fs: None, limits_itself: false },
            Self::Remote { provider, settings } => {
                let transport = Transport { tokens: settings.tokens.clone(), ..transport.clone() };
                let remote = services::open(provider, &settings.values, &transport).map_err(|bad| {
                    OpsError::new(Class::Usage, format!("the remote `{name}:` can't be used: {bad}"))
                        .hint(format!("`cryptsync config providers {provider}` explains the settings"))
                })?;
                Reached { remote, fs: None, limits_itself: true }
            }
        })
    }
}
