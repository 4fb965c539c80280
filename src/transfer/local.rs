//! The side of a plan that is a directory of this machine: what it can't tell is what the vault knows.

use super::item::Item;
use super::metadata;
use super::shadow::Shadow;
use super::traits::Traits;
use crate::format::attribute::{HARD_LINK, LOST};
use crate::format::entry::EntryKind;

/// What there is to know of the local side.
pub struct Local {
    /// Whether it is the source; otherwise it is the destination.
    pub is_source: bool,
    /// What it can hold.
    pub traits: Traits,
    /// Whether owners and extended attributes are part of the comparison, and set-id bits.
    pub metadata: bool,
    /// Whether hard links were looked for.
    pub links: bool,
    /// Whether a run that wrote there has not come to its end: directories are as it left them.
    pub incomplete: bool,
    /// What it does not show. A source keeps it in the vault; a destination is not given it.
    pub shadow: Shadow,
}

impl Local {
    /// Makes `local`, as it was read, what it would be if this side could hold everything: where it can't tell it from
    /// what `stored` says, that is what counts.
    pub(super) fn settle(&self, local: &mut Item, stored: Option<&Item>) {
        let stored = stored.map(|item| &item.entry).filter(|stored| stored.kind == local.entry.kind);
        let entry = &mut local.entry;
        if !self.traits.modes {
            entry.mode = stored.and_then(|stored| stored.mode);
        }
        let Some(stored) = stored else { return };
        let link = entry.attribute(HARD_LINK).map(<[u8]>::to_vec);
        if self.metadata {
            let chowns = rustix::process::geteuid().is_root();
            *entry = metadata::settle(entry, stored, self.is_source, chowns, self.traits.xattrs);
        } else {
            entry.attributes.clone_from(&stored.attributes);
        }
        if self.links && self.traits.hard_links && entry.kind == EntryKind::File {
            entry.set_attribute(HARD_LINK, link);
        }
        if let (false, EntryKind::File, Some(mode), Some(known)) = (self.metadata, entry.kind, entry.mode, stored.mode)
        {
            entry.mode = Some((mode & !SET_ID) | (known & SET_ID));
        }
        if self.is_source {
            entry.set_attribute(LOST, None); // here it is
        }
        if self.incomplete && entry.kind == EntryKind::Dir {
            (entry.mode, entry.mtime) = (stored.mode, stored.mtime);
        }
        if self.traits.same_time(entry.mtime, stored.mtime) {
            entry.mtime = stored.mtime;
        }
    }
}

/// Set-user-id and set-group-id.
pub(super) const SET_ID: u16 = 0o6000;
