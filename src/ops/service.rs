//! The services that a remote can be of, and how one is reached.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cryptsync_backends::files::{Files, PLAIN_TYPES, open_files};
use cryptsync_backends::layers::Mirror;
use cryptsync_backends::services::{self, Fs};
pub use cryptsync_backends::{HeldToken, SignedIn, TokenStore};
use cryptsync_backends::{Remote, RemotePath, Transport};

use super::{Network, OpsError};
use crate::class::Class;
use crate::crypto;
use crate::format::name::ObjectName;
use crate::path::TreePath;

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
    /// Several remotes that each hold the whole vault, by their names.
    Mirror(Vec<(String, Service)>),
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
    /// The directories of this machine in it.
    pub(super) dirs: Vec<Fs>,
    /// Whether limits of time and speed are kept inside.
    pub(super) limits_itself: bool,
    /// The same, if it is a mirror: that tries again inside.
    pub(super) mirror: Option<Arc<Mirror>>,
}

impl Reached {
    fn new(remote: Arc<dyn Remote>, limits_itself: bool) -> Self {
        Self { remote, dirs: Vec::new(), limits_itself, mirror: None }
    }
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
            Self::Mirror(copies) => {
                let names: Vec<String> = copies.iter().map(|(name, _)| format!("{name}:")).collect();
                format!("a mirror of {}", names.join(" and "))
            }
            Self::Custom(remote) => remote.describe(),
        }
    }

    /// The directories of this machine that hold the vault's objects.
    pub(super) fn dirs(&self) -> Vec<&Path> {
        match self {
            Self::Fs { root } => vec![root],
            Self::Mirror(copies) => copies.iter().flat_map(|(_, copy)| copy.dirs()).collect(),
            Self::Remote { .. } | Self::Custom(_) => Vec::new(),
        }
    }

    /// Makes what the remote `name` describes. Nothing is sent yet.
    pub(super) fn reach(&self, name: &str, network: &Network) -> Result<Reached, OpsError> {
        Ok(match self {
            Self::Fs { root } => {
                let fs = Fs::open(root.clone());
                Reached { dirs: vec![fs.clone()], ..Reached::new(Arc::new(fs), false) }
            }
            Self::Custom(remote) => Reached::new(Arc::clone(remote), false),
            Self::Remote { provider, settings } => {
                let transport = Transport { tokens: settings.tokens.clone(), ..network.transport() };
                let remote = services::open(provider, &settings.values, &transport).map_err(|bad| {
                    OpsError::new(Class::Usage, format!("the remote `{name}:` can't be used: {bad}"))
                        .hint(format!("`cryptsync config providers {provider}` explains the settings"))
                })?;
                Reached::new(remote, true)
            }
            Self::Mirror(copies) => {
                let (mut dirs, mut remotes) = (Vec::new(), Vec::new());
                for (copy_name, copy) in copies {
                    let reached = copy.reach(copy_name, network)?;
                    dirs.extend(reached.dirs.iter().cloned());
                    remotes.push((copy_name.clone(), network.patient(reached.remote, reached.limits_itself)));
                }
                let mirror = Arc::new(Mirror::new(name, remotes, is_whole));
                Reached {
                    remote: Arc::clone(&mirror) as Arc<dyn Remote>,
                    dirs,
                    limits_itself: true,
                    mirror: Some(mirror),
                }
            }
        })
    }
}

impl Service {
    /// Whether the path `below` of this service is in the place of the other one, or the other way round.
    pub(super) fn meets(&self, below: &TreePath, other: &Self) -> bool {
        let (Self::Remote { provider, settings }, Self::Remote { provider: other, settings: others }) = (self, other)
        else {
            return false;
        };
        let place =
            |settings: &ServiceSettings| PLACE.map(|name| settings.values.get(name).cloned().unwrap_or_default());
        let root = |settings: &ServiceSettings| {
            TreePath::from_user(settings.values.get("root").map_or(&b""[..], |root| root.as_bytes())).ok()
        };
        let path = root(settings).and_then(|root| root.join_path(below).ok());
        let (Some(path), Some(root)) = (path, root(others)) else { return false };
        let nested = path.strip_prefix(&root).is_some() || root.strip_prefix(&path).is_some();
        provider == other && place(settings) == place(others) && nested
    }

    /// Makes what the remote `name` describes, as plain files. Nothing is sent yet.
    pub(super) fn files(&self, name: &str, network: &Network) -> Result<Arc<dyn Files>, OpsError> {
        let Self::Remote { provider, settings } = self else {
            return Err(OpsError::new(Class::Usage, format!("`{name}:` can't hold plain files")));
        };
        let transport = Transport { tokens: settings.tokens.clone(), ..network.transport() };
        open_files(provider, &settings.values, &transport).map_err(|bad| {
            let hint = match bad.setting.as_str() {
                "plain" => format!("services whose files can be plain: {}", PLAIN_TYPES.join(", ")),
                _ => format!("`cryptsync config providers {provider}` explains the settings"),
            };
            OpsError::new(Class::Usage, format!("the remote `{name}:` can't be used: {bad}")).hint(hint)
        })
    }
}

/// The settings that tell one server, or account, from another.
const PLACE: [&str; 6] = ["bucket", "endpoint", "host", "port", "scheme", "url"];

/// Whether an object is what its name says. What has no name of ours proves nothing and is left to whoever reads it.
fn is_whole(path: &RemotePath, body: &[u8]) -> bool {
    path.as_str().parse().is_ok_and(|name: ObjectName| crypto::object_id(&[body]) == name.id())
}
