//! Where the files of a run from vault to vault are: a directory, or one file, in the tree that the plan was made of. The
//! plan does not have their content, because references of one vault mean nothing in another.

use super::item::{Item, TransferError};
use super::vault_side::lookup;
use crate::history::source::Root;
use crate::path::TreePath;
use crate::vault::{Vault, VaultError};

/// The source of such a run.
#[derive(Clone, Copy)]
pub struct SourceTree<'a> {
    /// Its vault.
    pub vault: &'a Vault,
    /// Its tree.
    pub root: Option<&'a Root>,
    /// The directory there that paths are below, or the one file.
    pub dir: &'a TreePath,
    /// Whether it is the one file, whatever its name in the plan.
    pub single: bool,
}

impl SourceTree<'_> {
    /// What has the path `below` in the plan, with its content.
    ///
    /// # Errors
    /// The vault can't be read.
    pub(super) fn find(&self, below: &TreePath) -> Result<Option<Item>, TransferError> {
        let below = if self.single { &TreePath::root() } else { below };
        let path = self.dir.join_path(below).map_err(|bad| VaultError::UnsafePath(bad.to_string()))?;
        lookup(self.vault, self.root, &path)
    }
}
