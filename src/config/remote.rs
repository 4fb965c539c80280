//! One remote, raw as it is written and resolved as it is used.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::ConfigError;

/// The kinds of remotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A directory of this machine.
    Fs,
    /// The same, by rclone's name.
    Local,
}

/// A remote, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// The name before the colon.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The directory that holds the vault's objects, absolute.
    pub root: PathBuf,
    /// The vault that must be there.
    pub vault_id: Option<String>,
    /// The checkpoint that its vault must have reached.
    pub checkpoint: Option<String>,
    /// How long ago the newest commit may be.
    pub max_staleness: Option<String>,
}

/// A remote as it is written; any part may come from elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Draft {
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<Kind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) root: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) plain: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) vault_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) checkpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_staleness: Option<String>,
}

impl Draft {
    /// Resolves `~/` against the home directory, and a relative root against `base`.
    pub(super) fn with_root_resolved(mut self, base: &Path, home: Option<&Path>) -> Self {
        self.root = self.root.map(|root| match (root.strip_prefix("~"), home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => base.join(root),
        });
        self
    }

    /// This one with every part that `over` has replaced by it.
    pub(super) fn overridden_by(self, over: &Self) -> Self {
        Self {
            kind: over.kind.or(self.kind),
            root: over.root.clone().or(self.root),
            plain: over.plain.or(self.plain),
            vault_id: over.vault_id.clone().or(self.vault_id),
            checkpoint: over.checkpoint.clone().or(self.checkpoint),
            max_staleness: over.max_staleness.clone().or(self.max_staleness),
        }
    }

    pub(super) fn finish(self, name: &str) -> Result<Remote, ConfigError> {
        let error = |message: &str, hint: &str| ConfigError::Remote {
            name: name.to_owned(),
            message: message.to_owned(),
            hint: hint.to_owned(),
        };
        if self.plain == Some(true) {
            return Err(error("is plain, and plain remotes are not supported by this version", "give the path itself"));
        }
        let kind = self.kind.ok_or_else(|| error("has no type", "add `type: fs`, a directory of this machine"))?;
        let root = self.root.filter(|root| !root.as_os_str().is_empty());
        let root = root.ok_or_else(|| error("has no root", "add `root:` and the directory for the vault's objects"))?;
        if !root.is_absolute() {
            return Err(error("has a root that can't be resolved", "write the root as an absolute path"));
        }
        let Self { vault_id, checkpoint, max_staleness, .. } = self;
        Ok(Remote { name: name.to_owned(), kind, root, vault_id, checkpoint, max_staleness })
    }
}
