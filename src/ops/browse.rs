//! What `ncdu` looks at: directories of a vault and what is below each, from the totals that the tree keeps of itself.

use super::edit_tree::in_vault;
use super::open::{Opened, open};
use super::stat::below;
use super::sync::not_there;
use super::{Ctx, OpsError, Place, RemoteProfile};
use crate::class::Class;
use crate::format::entry::EntryKind;
use crate::history::source::Root;
use crate::path::TreePath;
use crate::transfer::{VaultSide, base_root, lookup};
use crate::world::Timestamp;

/// A vault, open for a look around.
pub struct Browser<'a> {
    ctx: &'a Ctx<'a>,
    remote: RemoteProfile,
    top: TreePath,
    opened: Opened,
    root: Option<Root>,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowseRow {
    /// Its name.
    pub name: Vec<u8>,
    /// Whether it can be entered.
    pub is_dir: bool,
    /// Bytes of the file, or of all files below.
    pub bytes: u64,
    /// Entries below it; 1 for what is no directory.
    pub entries: u64,
    /// Its modification time.
    pub mtime: Timestamp,
}

impl<'a> Browser<'a> {
    /// Opens the vault.
    ///
    /// # Errors
    /// The place is no directory in a vault, or the vault can't be read.
    pub fn open(ctx: &'a Ctx<'a>, place: &Place) -> Result<Self, OpsError> {
        let (remote, path) = in_vault(place, "ncdu", "ncdu(1)")?;
        let opened = open(ctx, remote)?;
        let root = base_root(&opened.vault)?;
        match lookup(&opened.vault, root.as_ref(), path)? {
            None if !path.is_root() => return Err(not_there(remote, path)),
            Some(item) if item.entry.kind != EntryKind::Dir => {
                return Err(OpsError::new(Class::DirNotFound, format!("`{}:{path}` is not a directory", remote.name))
                    .hint("`cryptsync stat` shows the size of a file"));
            }
            _ => {}
        }
        Ok(Self { ctx, remote: remote.clone(), top: path.clone(), opened, root })
    }

    /// Looks at the vault anew, after it was changed.
    ///
    /// # Errors
    /// The vault can't be read.
    pub fn reload(&mut self) -> Result<(), OpsError> {
        self.opened = open(self.ctx, &self.remote)?;
        self.root = base_root(&self.opened.vault)?;
        Ok(())
    }

    /// What is in a directory, given below the path that was opened, in order of names: at most `limit`. Empty if it is
    /// gone.
    ///
    /// # Errors
    /// The tree can't be read.
    pub fn children(&self, dir: &TreePath, limit: usize) -> Result<Vec<BrowseRow>, OpsError> {
        let unsafe_path = |bad: crate::path::BadPath| OpsError::new(Class::UnsafePath, bad.to_string());
        let full = self.top.join_path(dir).map_err(unsafe_path)?;
        let (vault, root) = (&self.opened.vault, self.root.as_ref());
        let mut rows = Vec::new();
        for item in VaultSide::open(vault, root, &full, std::sync::Arc::default(), false)?.take(limit) {
            vault.checkpoint()?;
            let item = item.map_err(|error| OpsError::new(Class::Integrity, error.to_string()))?;
            let is_dir = item.entry.kind == EntryKind::Dir;
            let (entries, bytes) = if is_dir {
                below(vault, root, &full.join_path(&item.path).map_err(unsafe_path)?)?
            } else {
                (1, item.entry.size)
            };
            let name = item.path.as_bytes().to_vec();
            rows.push(BrowseRow { name, is_dir, bytes, entries, mtime: item.entry.mtime });
        }
        Ok(rows)
    }
}
