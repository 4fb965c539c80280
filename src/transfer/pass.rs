//! The order in which a download writes.

use super::item::Item;
use super::links::link_of;
use crate::format::entry::EntryKind;

/// When an entry is written.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Pass {
    /// Everything that can be there before anything is deleted.
    Main,
    /// Further names of files that are there by now.
    Links,
    /// What replaces a directory: that has to be emptied first.
    AfterDeletes,
}

/// When an entry is written, if nothing above it has to wait.
pub(super) fn pass_of(item: &Item, replaces: Option<EntryKind>) -> Pass {
    match item.entry.kind {
        EntryKind::Dir => Pass::Main,
        _ if replaces == Some(EntryKind::Dir) => Pass::AfterDeletes,
        _ if link_of(item).is_some() => Pass::Links,
        _ => Pass::Main,
    }
}
