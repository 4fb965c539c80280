//! Hard links: found in a walk, and followed in a vault.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use rustix::fs::Stat;

use super::item::{Item, TransferError};
use super::vault_side::lookup;
use crate::event::{Event, Observer};
use crate::filter::Filter;
use crate::format::attribute::{HARD_LINK, HardLink};
use crate::format::entry::EntryKind;
use crate::format::key::TreeKey;
use crate::history::source::Root;
use crate::path::TreePath;
use crate::vault::Vault;

/// Files with several names that a walk has met, each with the first. Only those whose other names are still to come.
pub(super) struct Links<'v> {
    seen: HashMap<(u64, u64), (TreePath, u64)>,
    /// Is told once if there are too many; none once that was done.
    observer: Option<&'v dyn Observer>,
}

impl<'v> Links<'v> {
    /// None so far.
    pub(super) fn new(observer: &'v dyn Observer) -> Self {
        Self { seen: HashMap::new(), observer: Some(observer) }
    }

    /// The first name of the file that `path` is another name of.
    pub(super) fn first(&mut self, stat: &Stat, path: &TreePath) -> Option<TreePath> {
        #[expect(clippy::useless_conversion, reason = "the types differ between platforms")]
        let names = u64::from(stat.st_nlink);
        if names < 2 {
            return None;
        }
        let full = self.seen.len() >= LINKS_MAX;
        match self.seen.entry((stat.st_dev, stat.st_ino)) {
            Slot::Occupied(mut known) => {
                let (first, left) = known.get_mut();
                *left -= 1;
                Some(if *left == 0 { known.remove().0 } else { first.clone() })
            }
            Slot::Vacant(slot) => {
                if !full {
                    slot.insert((path.clone(), names - 1));
                } else if let Some(observer) = self.observer.take() {
                    observer.event(Event::Notice(&format!(
                        "more than {LINKS_MAX} files have further names; from `{path}` on, hard links are stored as files of their own"
                    )));
                }
                None
            }
        }
    }
}

/// Where in a run from a vault hard links lead.
pub struct LinkTargets<'a> {
    /// The vault.
    pub vault: &'a Vault,
    /// Its tree.
    pub root: Option<&'a Root>,
    /// The directory that the run is about.
    pub prefix: &'a TreePath,
    /// What is in scope.
    pub filter: &'a Filter,
}

impl LinkTargets<'_> {
    /// Leaves `item` its hard link only if that leads to an earlier entry of this run that is the same file: same content,
    /// same time and mode, and no link itself.
    ///
    /// # Errors
    /// The vault can't be read.
    pub fn check(&self, item: &mut Item) -> Result<(), TransferError> {
        if item.entry.attribute(HARD_LINK).is_some() && !self.leads_to_itself(item)? {
            item.entry.set_attribute(HARD_LINK, None);
        }
        Ok(())
    }

    /// By name: what else is asked of a file holds for both, which are the same. Markers are not looked for.
    fn in_scope(&self, path: &TreePath) -> bool {
        self.filter.markers().is_empty() && self.filter.decide_file(path)
    }

    fn leads_to_itself(&self, item: &Item) -> Result<bool, TransferError> {
        let Some(path) = link_of(item) else { return Ok(false) };
        if TreeKey::from_path(&path) >= TreeKey::from_path(&item.path) || !self.in_scope(&path) {
            return Ok(false);
        }
        let Ok(full) = self.prefix.join_path(&path) else { return Ok(false) };
        let Some(first) = lookup(self.vault, self.root, &full)? else { return Ok(false) };
        let (a, b) = (&first.entry, &item.entry);
        let same = a.kind == EntryKind::File && a.content == b.content && a.size == b.size;
        Ok(same && a.mtime == b.mtime && a.mode == b.mode && a.attribute(HARD_LINK).is_none())
    }
}

/// The entry that a file is a hard link to, if that lies below the directory that paths are relative to.
pub(super) fn link_of(item: &Item) -> Option<TreePath> {
    let bytes = item.entry.attribute(HARD_LINK).filter(|_| item.entry.kind == EntryKind::File)?;
    HardLink::decode(bytes).ok()?.resolve(&item.path)
}

/// Files whose other names have not come yet: about 150 bytes each. What comes after is stored as files of their own.
const LINKS_MAX: usize = 100_000;
