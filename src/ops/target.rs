//! What is remembered of directories of this machine that were written to from the vault: what they can hold, and which
//! entries they were not given. What a directory can't show is not gone.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::OpsError;
use crate::format::wire::{Malformed, Put, Reader};
use crate::path::{PATH_MAX, TreePath};
use crate::transfer::{MARKS_MAX, Traits, path_mark};
use crate::vault::{Vault, VaultError};

/// A directory, and the one of the vault that was written to it.
pub(super) struct Target<'v> {
    vault: &'v Vault,
    root: PathBuf,
    prefix: TreePath,
}

/// What is known of one.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Known {
    /// What it can hold.
    pub(super) traits: Traits,
    /// Marks of entries that it was not given.
    pub(super) marks: HashSet<u64>,
    /// Whether there are more of them than are remembered, or a run that wrote there did not end.
    pub(super) incomplete: bool,
}

impl<'v> Target<'v> {
    /// `root` has to exist.
    pub(super) fn new(vault: &'v Vault, root: &Path, prefix: &TreePath) -> Result<Self, OpsError> {
        let root = std::fs::canonicalize(root).map_err(VaultError::local(format!("cannot read {}", root.display())))?;
        Ok(Self { vault, root, prefix: prefix.clone() })
    }

    /// What runs that wrote there have found out, there or in directories above and below it.
    pub(super) fn recall(&self) -> Result<Known, OpsError> {
        let mut found = Known::default();
        let mut nearest = 0;
        for (_, body) in self.vault.state.metas(KEY)? {
            let (root, prefix, known) = decode(&body).map_err(VaultError::from)?;
            let depth = root.components().count();
            if self.root.starts_with(&root) && depth > nearest {
                nearest = depth;
                found.traits = known.traits;
            }
            if self.meets(&root, &prefix) {
                found.marks.extend(known.marks);
                found.incomplete |= known.incomplete;
            }
        }
        if nearest == 0 {
            found.traits = Traits::of_well_known(&self.root);
        }
        Ok(found)
    }

    /// Whether `root` and `prefix` are the same two trees, seen from further up or down.
    fn meets(&self, root: &Path, prefix: &TreePath) -> bool {
        let below = |path: &Path| TreePath::from_bytes(path.as_os_str().as_bytes()).ok();
        if let Ok(rest) = self.root.strip_prefix(root) {
            return below(rest).and_then(|rest| prefix.join_path(&rest).ok()) == Some(self.prefix.clone());
        }
        let rest = root.strip_prefix(&self.root).ok().and_then(below);
        rest.and_then(|rest| self.prefix.join_path(&rest).ok()).as_ref() == Some(prefix)
    }

    /// What is known of just this one.
    pub(super) fn known(&self) -> Result<Option<Known>, OpsError> {
        let body = self.vault.state.meta(&self.key())?;
        Ok(body.map(|body| decode(&body)).transpose().map_err(VaultError::from)?.map(|(.., known)| known))
    }

    /// Keeps what is known, or forgets it if there is nothing to know.
    pub(super) fn remember(&self, mut known: Known) -> Result<(), OpsError> {
        if known.marks.len() > MARKS_MAX {
            (known.incomplete, known.marks) = (true, HashSet::new());
        }
        let before = self.known()?;
        if before.as_ref() == Some(&known) {
            return Ok(());
        }
        if known == Known::default() {
            return if before.is_some() { Ok(self.vault.state.drop_meta(&self.key())?) } else { Ok(()) };
        }
        let mut out = Vec::new();
        out.put_bytes(self.root.as_os_str().as_bytes());
        out.put_bytes(self.prefix.as_bytes());
        known.traits.encode(&mut out);
        out.push(u8::from(known.incomplete));
        known.marks.iter().for_each(|mark| out.put(&mark.to_le_bytes()));
        Ok(self.vault.state.set_meta(&self.key(), &out)?)
    }

    fn key(&self) -> String {
        // Not a path of the vault, but components all the same.
        let root = TreePath::from_user(self.root.as_os_str().as_bytes()).unwrap_or_default();
        format!("{KEY}{:016x}{:016x}", path_mark(&TreePath::root(), &root), path_mark(&TreePath::root(), &self.prefix))
    }
}

fn decode(body: &[u8]) -> Result<(PathBuf, TreePath, Known), Malformed> {
    let mut reader = Reader::new(body, "memory of a destination");
    let root = PathBuf::from(std::ffi::OsStr::from_bytes(reader.bytes(PATH_MAX)?));
    let prefix = TreePath::from_bytes(reader.bytes(PATH_MAX)?).map_err(|_| reader.bad())?;
    let traits = Traits::decode(&mut reader)?;
    let incomplete = reader.u8()? != 0;
    let marks = reader.rest().as_chunks::<8>().0.iter().map(|mark| u64::from_le_bytes(*mark)).collect();
    Ok((root, prefix, Known { traits, marks, incomplete }))
}

const KEY: &str = "target:";
