//! How verbs that only read show symbolic links.

use super::list::listed;
use super::{Ctx, LINK_SUFFIX, Listed, ListedKind, Symlinks};
use crate::format::entry::EntryKind;
use crate::path::TreePath;
use crate::transfer::Item;

/// How symbolic links are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ShownLinks {
    /// As links; not at all if things are to be as with rclone.
    #[default]
    AsLinks,
    /// As files that hold the target, with [`LINK_SUFFIX`] behind the name.
    AsFiles,
    /// Those of this machine as what they point to.
    Followed,
}

impl ShownLinks {
    /// What becomes of those of this machine.
    pub(super) fn of_this_machine(self) -> Symlinks {
        if self == Self::Followed { Symlinks::Follow } else { Symlinks::Keep }
    }

    /// The path by which an entry is told of.
    pub(super) fn path(self, item: &Item) -> TreePath {
        let suffixed = || {
            let name = [item.path.name().unwrap_or_default(), LINK_SUFFIX.as_bytes()].concat();
            item.path.parent().and_then(|dir| dir.join(&name).ok())
        };
        let is_suffixed = self == Self::AsFiles && item.entry.kind == EntryKind::Symlink;
        is_suffixed.then(suffixed).flatten().unwrap_or_else(|| item.path.clone())
    }

    /// Whether two entries of one path are told of by different ones.
    pub(super) fn parts(self, a: Option<&Item>, b: Option<&Item>) -> bool {
        let is_link = |item: &Item| item.entry.kind == EntryKind::Symlink;
        self == Self::AsFiles && a.zip(b).is_some_and(|(a, b)| is_link(a) != is_link(b))
    }

    /// An entry as it is listed, if it is.
    pub(super) fn listed(self, ctx: &Ctx<'_>, item: &Item) -> Option<Listed> {
        match item.link_target() {
            Some(target) if self == Self::AsFiles => {
                let size = target.len() as u64;
                Some(Listed { path: self.path(item), kind: ListedKind::File, size, ..listed(item.clone()) })
            }
            Some(_) if ctx.rclone_compat => None,
            _ => Some(listed(item.clone())),
        }
    }
}
