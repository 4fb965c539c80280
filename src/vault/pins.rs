//! Which vault was found where: one line a place, written at first contact, so that a swapped vault is noticed.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::VaultError;
use crate::id::VaultId;

/// The pins of this installation.
pub(super) struct Pins {
    path: PathBuf,
    known: BTreeMap<String, VaultId>,
}

impl Pins {
    /// Reads the pins below `state_dir`. A line that makes no sense is passed over.
    pub(super) fn load(state_dir: &Path) -> Self {
        let path = state_dir.join("known_vaults");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let known = text
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(id, location)| Some((location.to_owned(), id.parse().ok()?)))
            .collect();
        Self { path, known }
    }

    /// The vault pinned at a location.
    pub(super) fn get(&self, location: &str) -> Option<VaultId> {
        self.known.get(location).copied()
    }

    /// Pins a vault. Where the state can't be written nothing is remembered: the next contact is a first one again.
    pub(super) fn add(&mut self, location: &str, vault: &VaultId) -> Result<(), VaultError> {
        self.known.insert(location.to_owned(), *vault);
        let Some(dir) = self.path.parent() else { return Ok(()) };
        if fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).is_err() {
            return Ok(());
        }
        let temp = self.path.with_extension(format!("tmp-{}", std::process::id()));
        let text: String = self.known.iter().map(|(location, id)| format!("{id} {location}\n")).collect();
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temp)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&temp, &self.path));
        match written {
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                Ok(())
            }
            other => other.map_err(VaultError::local(format!("cannot write {}", self.path.display()))),
        }
    }
}
