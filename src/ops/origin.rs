//! Where a transfer into a vault comes from, if not from this machine: a path of the same vault or of another, or plain files.

use std::sync::Arc;

use super::OpsError;
use crate::class::Class;
use crate::filter::Filter;
use crate::format::entry::{Content, EntryKind};
use crate::transfer::{
    Contents, FilesContents, FilesSide, FilesTree, Item, Local, SideError, SourceTree, Supply, VaultContents, VaultSide,
};
use crate::vault::Vault;
use crate::world::Timestamp;

/// Such a source.
pub(super) enum Origin<'a> {
    /// A path of a vault.
    Vault {
        /// Where it is.
        tree: SourceTree<'a>,
        /// Whether it is the destination's vault, in which content is referred to.
        same: bool,
    },
    /// Plain files.
    Plain {
        /// Where they are.
        tree: FilesTree<'a>,
        /// What they do not tell.
        local: Local,
        /// Whether times are wanted even if each costs a request.
        times: bool,
        /// What stands for times that nobody knows.
        now: Timestamp,
        /// What the remote is called.
        name: &'a str,
    },
}

/// Entries, as they come.
pub(super) type Items<'i> = Box<dyn Iterator<Item = Result<Item, SideError>> + 'i>;

impl Origin<'_> {
    /// Whether content is referred to, and not read.
    pub(super) fn is_referred_to(&self) -> bool {
        matches!(self, Self::Vault { same: true, .. })
    }

    /// What the source does not tell, if it is no vault.
    pub(super) fn local(&self) -> Option<&Local> {
        match self {
            Self::Vault { .. } => None,
            Self::Plain { local, .. } => Some(local),
        }
    }

    /// Tells whether its files have the contents of those of `dest`.
    pub(super) fn contents<'s>(&'s self, dest: &'s Vault) -> Box<dyn Contents + 's> {
        match self {
            Self::Vault { tree, .. } => Box::new(VaultContents { source: *tree, dest }),
            Self::Plain { tree, .. } => Box::new(FilesContents { tree: *tree, vault: dest, is_source: true }),
        }
    }

    /// Where its content is read.
    pub(super) fn supply(&self) -> &dyn Supply {
        match self {
            Self::Vault { tree, .. } => tree,
            Self::Plain { tree, .. } => tree,
        }
    }

    /// What is in scope, in tree order.
    ///
    /// # Errors
    /// It can't be read.
    pub(super) fn items(&self, filter: Arc<Filter>) -> Result<Items<'_>, OpsError> {
        match self {
            Self::Vault { tree, .. } => Ok(Box::new(VaultSide::open(tree.vault, tree.root, tree.dir, filter, true)?)),
            Self::Plain { tree, times, now, name, .. } => match FilesSide::open(*tree, filter, true, *times, *now)? {
                Some(side) => Ok(Box::new(side)),
                None => Err(OpsError::new(Class::DirNotFound, format!("`{name}:{}` does not exist", tree.dir))
                    .hint(format!("`cryptsync lsf {name}:` shows what is there"))
                    .about(tree.dir.as_bytes())),
            },
        }
    }

    /// An entry as the destination may have it. The content of another vault's files is not known by their references.
    pub(super) fn brought(&self, mut item: Item) -> Item {
        item.entry.set_conflict(None);
        if !self.is_referred_to() && item.entry.kind == EntryKind::File {
            item.entry.content = Content::None;
            item.place = None;
        }
        item
    }
}
