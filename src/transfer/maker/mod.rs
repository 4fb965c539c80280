//! Makes the steps of a plan: what is to be done about each entry, one after the other in key order.

mod writing;

use std::collections::HashSet;

use super::clashes::Clashes;
use super::compare::{Verdict, Why};
use super::item::{Item, TransferError, kind_name};
use super::kept::mark;
use super::local::Local;
use super::outcome::forget_content;
use super::plan::{Leaves, MARKS_MAX, PlanOptions, Relation, Totals};
use super::step::{self, Step};
use crate::event::Event;
use crate::format::attribute::{HARD_LINK, LOST};
use crate::format::entry::{Content, Entry, EntryKind};
use crate::path::TreePath;
use crate::spool::{Spool, SpoolWriter};

/// A plan being made.
pub(super) struct Maker<'a> {
    spool: SpoolWriter,
    pub(super) totals: Totals,
    pub(super) options: &'a PlanOptions<'a>,
    /// Marks of them.
    deleted_dirs: Vec<u64>,
    replaced_dirs: Vec<Item>,
    clashes: Clashes,
    refused: Vec<u64>,
    /// Directories that the other side has something else for: what is below them is left alone. Mostly there is none.
    blocked: HashSet<u64>,
    made_dirs: Vec<u64>,
    needed: HashSet<u64>,
    /// Directories whose times are the source's only if a file is written into them.
    idle: HashSet<u64>,
    stays: HashSet<u64>,
    pub(super) fresh: Vec<u64>,
    pub(super) settled: Vec<u64>,
    /// Whether the contents of the pair in hand are the same, if that was found out.
    pub(super) answer: Option<Option<bool>>,
}

/// What was made.
pub(super) struct Made {
    pub(super) spool: Spool,
    pub(super) live: u64,
    pub(super) totals: Totals,
    pub(super) needed: Option<HashSet<u64>>,
    pub(super) idle: HashSet<u64>,
    pub(super) refused: Vec<u64>,
    pub(super) stays: HashSet<u64>,
    pub(super) fresh: Vec<u64>,
    pub(super) settled: Vec<u64>,
}

impl<'a> Maker<'a> {
    pub(super) fn new(options: &'a PlanOptions<'a>) -> Self {
        Self {
            spool: SpoolWriter::new(SPOOL_MEMORY),
            totals: Totals::default(),
            options,
            deleted_dirs: Vec::new(),
            replaced_dirs: Vec::new(),
            clashes: Clashes::default(),
            refused: Vec::new(),
            blocked: HashSet::new(),
            made_dirs: Vec::new(),
            needed: HashSet::new(),
            idle: HashSet::new(),
            stays: HashSet::new(),
            fresh: Vec::new(),
            settled: Vec::new(),
            answer: None,
        }
    }

    pub(super) fn finish(mut self) -> Result<Made, TransferError> {
        self.spare_kept();
        let needless = self.made_dirs.iter().filter(|mark| !self.needed.contains(mark)).count() as u64;
        let idle = self.idle.len() as u64;
        self.totals.updates -= needless + idle;
        let spool = self.spool.finish().map_err(TransferError::local(SPOOLING))?;
        Ok(Made {
            live: spool.len() - needless - idle,
            spool,
            totals: self.totals,
            needed: (!self.options.empty_dirs).then_some(self.needed),
            idle: self.idle,
            refused: self.refused,
            stays: self.stays,
            fresh: self.fresh,
            settled: self.settled,
        })
    }

    /// Takes the settled entries of one path. `same`: what comparing their contents has shown, if that was done.
    pub(super) fn join(
        &mut self,
        mut source: Option<Item>,
        mut dest: Option<Item>,
        same: Option<Option<bool>>,
    ) -> Result<(), TransferError> {
        self.answer = same;
        self.totals.source += u64::from(source.is_some());
        self.totals.dest += u64::from(dest.is_some());
        if (self.totals.source + self.totals.dest).is_multiple_of(TELL_EVERY) {
            self.options.observer.event(Event::Checked(self.totals.source));
        }
        if !self.blocked.is_empty() {
            self.block(&mut source, &mut dest);
        }
        let (s, d) = (source.as_ref(), dest.as_ref());
        if let Some(local) = self.options.local
            && (self.refuses(local, s, d) || self.spares(local, s, d))
        {
            return Ok(());
        }
        match (source, dest) {
            (Some(item), None) => self.only_source(item),
            (None, Some(item)) => self.only_dest(item),
            (Some(item), Some(old)) => self.pair(item, old),
            (None, None) => Ok(()),
        }
    }

    fn only_source(&mut self, item: Item) -> Result<(), TransferError> {
        if self.options.compare.only_existing {
            self.tell(Relation::OnlySource, &item, false);
            self.stay(&item);
            return Ok(());
        }
        if let Some(found) = self.elsewhere(&item)? {
            self.tell(Relation::OnlySource, &item, found.is_some());
            self.stay(&item);
            return found.map_or(Ok(()), |found| self.refer(found, None));
        }
        self.tell(Relation::OnlySource, &item, true);
        self.put(item, None, None)
    }

    fn only_dest(&mut self, item: Item) -> Result<(), TransferError> {
        self.tell(Relation::OnlyDest, &item, !self.options.delete);
        if !self.options.delete {
            return Ok(());
        }
        let kind = item.entry.kind;
        self.totals.deletes += 1;
        if kind == EntryKind::Dir {
            self.deleted_dirs.push(mark(&item.path));
        } else {
            self.totals.deleted_files += 1;
            self.totals.deleted_bytes += item.entry.size;
            if self.options.beside {
                self.options.kept.note(&item.path);
            }
        }
        let path = item.path.clone();
        let old = self.keep_old(item);
        self.push(&Step::Delete { path, kind, old })
    }

    fn pair(&mut self, mut item: Item, old: Item) -> Result<(), TransferError> {
        let (kind, old_kind) = (item.entry.kind, old.entry.kind);
        let dir_at_stake = kind != old_kind && (kind == EntryKind::Dir || old_kind == EntryKind::Dir);
        match (dir_at_stake, kind) {
            (true, _) if self.options.replace.allows(kind) => {
                self.tell(Relation::Differ, &item, true);
                self.replace_keeping(item, old, true)
            }
            (true, _) => self.clash(item, old),
            (false, EntryKind::Dir) => {
                let compare = self.options.compare;
                if !compare.updates_dir(&item.entry, &old.entry) {
                    if compare.touches_dir(&item.entry, &old.entry) {
                        self.idle.insert(mark(&item.path));
                    } else {
                        item.entry.mtime = old.entry.mtime;
                    }
                }
                self.refresh(item, &old)
            }
            (false, _) => self.compare(item, old),
        }
    }

    /// Two entries that are no directories.
    fn compare(&mut self, mut item: Item, old: Item) -> Result<(), TransferError> {
        let verdict = self.judge(&item, &old)?;
        // Elsewhere links are content: a name is made another's, or its own, by writing it.
        let relinked = self.options.local.is_some_and(|local| !local.is_source)
            && item.entry.attribute(HARD_LINK) != old.entry.attribute(HARD_LINK);
        match verdict {
            Verdict::Stays(why) => {
                self.tell(Relation::Same, &item, true);
                match why {
                    Why::Newer if self.options.leaves_older => self.leave(item.path),
                    _ => {
                        self.stay(&item);
                        Ok(())
                    }
                }
            }
            Verdict::Stale if self.options.compare.immutable => self.differs(item, old),
            Verdict::Differs => self.differs(item, old),
            Verdict::Same | Verdict::Stale => {
                self.tell(Relation::Same, &item, true);
                if relinked || self.options.leaves == Some(Leaves::Stored) {
                    return self.replace_keeping(item, old, false);
                }
                if verdict == Verdict::Same {
                    item.entry.mtime = old.entry.mtime;
                }
                let path = item.path.clone();
                self.refresh(item, &old)?;
                self.leave(path)
            }
        }
    }

    fn differs(&mut self, item: Item, old: Item) -> Result<(), TransferError> {
        if let Some(found) = self.elsewhere(&item)? {
            self.tell(Relation::Differ, &item, true);
            let path = item.path.clone();
            if let Some(found) = found {
                let old = self.keep_old(old);
                self.refer(found, old)?;
            }
            if self.options.leaves_older {
                return self.leave(path);
            }
            self.stay(&item);
            return Ok(());
        }
        if self.options.compare.immutable {
            return self.refuse_immutable(&item);
        }
        self.tell(Relation::Differ, &item, true);
        self.replace_keeping(item, old, true)
    }

    /// Writes `item` in place of `old`.
    fn replace_keeping(&mut self, mut item: Item, old: Item, keep: bool) -> Result<(), TransferError> {
        let (kind, old_kind) = (item.entry.kind, old.entry.kind);
        let untold = self.options.local.is_some() && item.entry.content == Content::None;
        if untold && kind == EntryKind::File && old_kind == kind {
            // A local source: what is known of the old content goes with it, should it turn out to be the same.
            item.entry.content.clone_from(&old.entry.content);
        } else if kind == EntryKind::Symlink && self.options.local.is_some_and(|local| local.is_source) {
            forget_content(&mut item.entry, &old.entry.content);
        }
        if self.options.local.is_none() && kind == old_kind && item.entry.attributes.is_empty() {
            // Attributes that this program does not know, or was not asked about, outlive new content. That of a
            // conflict copy does if the content turns out to be the old one: see `apply`.
            item.entry.attributes.clone_from(&old.entry.attributes);
            item.entry.set_attribute(LOST, None);
        }
        let old = if keep { self.keep_old(old) } else { None };
        self.put(item, Some(old_kind), old)
    }

    /// Content is the same: whatever else differs.
    fn refresh(&mut self, mut item: Item, old: &Item) -> Result<(), TransferError> {
        if !self.options.compare.modes {
            item.entry.mode = old.entry.mode;
        }
        if item.same_meta(old) && (self.options.local.is_none() || item.same_attributes(old)) {
            return Ok(());
        }
        self.totals.updates += 1;
        if item.entry.kind == EntryKind::File && item.entry.content == Content::None {
            // The source is local: what the destination has as content stays.
            let entry = Entry { content: old.entry.content.clone(), ..item.entry };
            return self.push(&Step::Meta(Item { entry, place: old.place, ..item }));
        }
        self.push(&Step::Meta(item))
    }

    fn refer(&mut self, item: Item, old: Option<Box<Item>>) -> Result<(), TransferError> {
        self.totals.files += 1;
        self.totals.bytes += item.entry.size;
        self.need(&item.path);
        self.touch(&item.path);
        self.push(&Step::Refer(item, old))
    }

    /// The source of a move, which the destination has, goes.
    fn leave(&mut self, path: TreePath) -> Result<(), TransferError> {
        if self.options.leaves == Some(Leaves::Compared) { self.push(&Step::Leave(path)) } else { Ok(()) }
    }

    /// The source of a move stays.
    fn stay(&mut self, item: &Item) {
        if self.options.leaves == Some(Leaves::Later) {
            self.stays.insert(mark(&item.path));
        }
    }

    fn keep_old(&self, old: Item) -> Option<Box<Item>> {
        (self.options.keep_old && old.entry.kind != EntryKind::Dir).then(|| Box::new(old))
    }

    /// What is below a directory that the other side has something else for.
    fn block(&mut self, source: &mut Option<Item>, dest: &mut Option<Item>) {
        let blocked = |maker: &Self, item: &Item| item.path.parent().is_some_and(|p| maker.blocked.contains(&mark(&p)));
        if let Some(item) = source.take_if(|item| blocked(self, item)) {
            if item.entry.kind == EntryKind::Dir {
                self.blocked.insert(mark(&item.path));
                self.stay(&item);
            } else if self.options.empty_dirs {
                self.stay(&item);
            } else {
                self.fail(&item, "a file is in the way of the directory it belongs into");
            }
        }
        if let Some(item) = dest.take_if(|item| blocked(self, item))
            && item.entry.kind == EntryKind::Dir
        {
            self.blocked.insert(mark(&item.path));
        }
    }

    /// A directory on one side only, where the other has something else.
    fn clash(&mut self, item: Item, old: Item) -> Result<(), TransferError> {
        if matches!(self.elsewhere(&item)?, Some(None)) {
            // It is not needed there.
            self.stay(&item);
            return self.only_dest(old);
        }
        self.blocked.insert(mark(&item.path));
        if item.entry.kind != EntryKind::Dir || self.options.empty_dirs {
            let (is, needed) = (kind_name(old.entry.kind), kind_name(item.entry.kind));
            self.fail(&item, &format!("is {is} at the destination, but {needed} is needed there"));
            return Ok(());
        }
        self.stay(&item);
        self.only_dest(old)
    }

    fn refuse_immutable(&mut self, item: &Item) -> Result<(), TransferError> {
        self.totals.immutable += 1;
        self.row(Relation::Differ, &item.path, true);
        self.fail_quietly(item, "is different at the destination, and --immutable forbids to write over it");
        Ok(())
    }

    fn fail(&mut self, item: &Item, reason: &str) {
        self.totals.clashes += 1;
        self.row(Relation::Error, &item.path, false);
        self.fail_quietly(item, reason);
    }

    fn fail_quietly(&mut self, item: &Item, reason: &str) {
        self.totals.skipped += 1;
        self.options.observer.event(Event::Failed { path: &item.path, reason });
        self.stay(item);
    }

    fn tell(&self, relation: Relation, item: &Item, after: bool) {
        if self.options.rows.is_some() && item.entry.kind != EntryKind::Dir {
            self.row(relation, &item.path, after);
        }
    }

    pub(super) fn row(&self, relation: Relation, path: &TreePath, after: bool) {
        if let Some(rows) = self.options.rows {
            rows.row(relation, path, after);
        }
    }

    /// What the destination can't hold is told, and not tried.
    fn refuses(&mut self, local: &Local, source: Option<&Item>, dest: Option<&Item>) -> bool {
        let (Some(item), false) = (source, local.is_source) else { return false };
        let Some(reason) = self.clashes.refuse(local, item, dest.is_some()) else { return false };
        self.options.observer.event(Event::Failed { path: &item.path, reason });
        self.totals.refused += 1;
        let known = item.path.parent().is_some_and(|parent| local.shadow.covers(&parent));
        let mark = local.shadow.note(&item.path);
        if !known && self.refused.len() <= MARKS_MAX {
            self.refused.push(mark);
        }
        true
    }

    /// What the source could not have held is not gone.
    fn spares(&mut self, local: &Local, source: Option<&Item>, dest: Option<&Item>) -> bool {
        let (None, Some(old), true) = (source, dest, local.is_source && self.options.delete) else { return false };
        let unheld = old.entry.kind == EntryKind::Symlink && !local.traits.symlinks;
        let spared = unheld || local.shadow.covers(&old.path);
        if spared {
            self.options.kept.note(&old.path);
            self.totals.spared += 1;
        }
        spared
    }

    /// Whether an entry of the source can't be written because the run leaves alone what is there.
    pub(super) fn stands(&mut self, item: &Item, there: EntryKind) -> bool {
        let is_dir = item.entry.kind == EntryKind::Dir;
        if is_dir == (there == EntryKind::Dir) {
            return false;
        }
        self.totals.source += 1;
        if is_dir {
            self.blocked.insert(mark(&item.path));
        }
        if is_dir && !self.options.empty_dirs {
            self.stay(item); // what belongs into it is told of
        } else {
            let (is, needed) = (kind_name(there), kind_name(item.entry.kind));
            self.fail(item, &format!("is {is} that this run leaves alone, but {needed} is needed there"));
        }
        true
    }

    /// Takes back what would put an end to a directory with something in it that stays.
    fn spare_kept(&mut self) {
        let kept = self.options.kept;
        self.totals.deletes -= self.deleted_dirs.iter().filter(|mark| kept.holds_mark(**mark)).count() as u64;
        for item in self.replaced_dirs.drain(..).filter(|item| kept.holds(&item.path)) {
            if item.entry.kind == EntryKind::File {
                self.totals.files -= 1;
                self.totals.bytes -= item.entry.size;
            } else {
                self.totals.updates -= 1;
            }
            self.totals.skipped += 1;
            let reason = "can't replace a directory that holds what this run leaves alone";
            self.options.observer.event(Event::Failed { path: &item.path, reason });
        }
    }

    fn push(&mut self, step: &Step) -> Result<(), TransferError> {
        self.spool.push(&step::encode(step)).map_err(TransferError::local(SPOOLING))
    }
}

const SPOOLING: &str = "cannot write the plan to a temporary file";
const SPOOL_MEMORY: usize = 1 << 20;
const TELL_EVERY: u64 = 1024;
