//! How the maker of a plan judges a pair of entries, and whether their contents have to be looked at for that.

use std::cell::Cell;

use super::compare::{By, Comparison, Verdict};
use super::elsewhere::Found;
use super::item::{Item, TransferError};
use super::maker::Maker;
use super::plan::{Leaves, path_mark};
use super::upload::is_fresh;
use crate::format::entry::EntryKind;
use crate::path::TreePath;

impl Maker<'_> {
    /// Makes the local side's entry of one path what it would be if that side could hold everything.
    pub(super) fn settle(&self, source: &mut Option<Item>, dest: &mut Option<Item>) {
        let Some(local) = self.options.local else { return };
        let (here, there) = if local.is_source { (source, dest) } else { (dest, source) };
        if let Some(here) = here {
            local.settle(here, there.as_ref());
        }
    }

    /// Whether the contents of two settled entries have to be compared.
    pub(super) fn asks(&self, item: &Item, old: &Item) -> bool {
        let files = (item.entry.kind, old.entry.kind) == (EntryKind::File, EntryKind::File);
        if !files || item.entry.size != old.entry.size {
            return false;
        }
        let options = self.options;
        let verdict = options.compare.judge(&item.entry, &old.entry, || Err(()));
        verdict.is_err() || self.doubts(item) && verdict == Ok(Verdict::Same)
    }

    /// What is to be done about two entries, and what was learnt of files that may change without showing it.
    pub(super) fn judge(&mut self, item: &Item, old: &Item) -> Result<Verdict, TransferError> {
        let (options, answer) = (self.options, self.answer.take());
        let asked = Cell::new(None);
        let look = || {
            let same = answer.map_or_else(|| options.contents.same(item, old), Ok)?;
            // What can't be read is different: carrying that out tells why.
            asked.set(Some(same.unwrap_or(false)));
            Ok::<_, TransferError>(same.unwrap_or(false))
        };
        let mut verdict = options.compare.judge(&item.entry, &old.entry, look)?;
        let is_local = options.local.is_some_and(|local| local.is_source) && item.entry.kind == EntryKind::File;
        if verdict == Verdict::Same && asked.get().is_none() && self.doubts(item) && !look()? {
            verdict = Verdict::Differs;
        }
        if is_local && asked.get() == Some(true) {
            let mark = path_mark(options.prefix, &item.path);
            if is_fresh(item.entry.mtime, options.scan_start) {
                self.fresh.push(mark);
            } else if options.suspects.contains(&mark) {
                self.settled.push(mark);
            }
        }
        Ok(verdict)
    }

    /// Whether size and time of a file of this machine prove nothing.
    fn doubts(&self, item: &Item) -> bool {
        let options = self.options;
        let is_local = options.local.is_some_and(|local| local.is_source) && item.entry.kind == EntryKind::File;
        let by_time = options.compare.by == By::Time && options.leaves != Some(Leaves::Stored);
        is_local && by_time && self.suspects(&item.path)
    }

    fn suspects(&self, path: &TreePath) -> bool {
        !self.options.suspects.is_empty() && self.options.suspects.contains(&path_mark(self.options.prefix, path))
    }

    /// The first of the other places that has `item`: what is written then, if anything.
    pub(super) fn elsewhere(&mut self, item: &Item) -> Result<Option<Option<Item>>, TransferError> {
        let Some(places) = self.options.elsewhere else { return Ok(None) };
        if item.entry.kind == EntryKind::Dir || item.entry.kind == EntryKind::Symlink && places.found() == Found::Copied
        {
            return Ok(None); // what a link is costs nothing to write
        }
        // What is newer here or there, or exists, says nothing about another place.
        let plain =
            Comparison { update: false, ignore_existing: false, ignore_times: false, ..self.options.compare.clone() };
        let compare = &plain;
        let found = places.find(&item.path, &mut |contents, found| {
            let look = || Ok::<_, TransferError>(contents.same(item, found)?.unwrap_or(false));
            Ok(matches!(compare.judge(&item.entry, &found.entry, look)?, Verdict::Same | Verdict::Stale))
        })?;
        Ok(found.map(|found| (places.found() == Found::Copied).then_some(found)))
    }
}
