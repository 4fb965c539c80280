//! What a run will do, as data: a streaming merge-join of the two sides, kept in a spool. Pure: it changes nothing.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::iter::Peekable;

use super::chosen::Chosen;
use super::compare::Comparison;
use super::contents::Contents;
use super::elsewhere::Elsewhere;
use super::item::{Item, SideError, TransferError};
use super::kept::{Kept, mark};
use super::local::Local;
use super::maker::Maker;
use super::spool::Spool;
use super::step::{self, Step, removed_dir};
use crate::event::{Event, Observer};
use crate::format::entry::EntryKind;
use crate::format::key::TreeKey;
use crate::path::TreePath;
use crate::world::Timestamp;

/// What a plan adds up to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    /// Entries of the source.
    pub source: u64,
    /// Entries of the destination.
    pub dest: u64,
    /// Files to write, and their bytes.
    pub files: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Directories and links to write, entries whose metadata alone differs.
    pub updates: u64,
    /// Entries to delete.
    pub deletes: u64,
    /// Those of them that are no directories.
    pub deleted_files: u64,
    /// The bytes of those.
    pub deleted_bytes: u64,
    /// Entries of either side that can't be read.
    pub skipped: u64,
    /// Entries that the destination can't hold.
    pub refused: u64,
    /// Entries that stay in the vault because the source could not have held them.
    pub spared: u64,
    /// Sockets, pipes and devices in the source.
    pub specials: u64,
    /// Those of the skipped that `--immutable` forbids to write over.
    pub immutable: u64,
    /// Those of them that are a file on one side and a directory on the other.
    pub clashes: u64,
}

/// How the source of a move goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    /// Only what this run has read and stored goes: files and links are written even if they are there already.
    Stored,
    /// What the destination has goes too, with [`Step::Leave`].
    Compared,
    /// The caller removes it, but for [`Plan::stays`].
    Later,
}

/// How the relation of two entries is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The same.
    Same,
    /// Both there, different.
    Differ,
    /// Only in the source.
    OnlySource,
    /// Only in the destination.
    OnlyDest,
    /// Could not be handled.
    Error,
}

/// Hears how files relate, for reports.
pub trait Rows {
    /// `after`: the destination will have it when the plan is carried out.
    fn row(&self, relation: Relation, path: &TreePath, after: bool);
}

/// What to look at when comparing.
pub struct PlanOptions<'a> {
    /// Whether the destination's own entries go.
    pub delete: bool,
    /// Whether files may take the place of directories, and the other way round.
    pub replace: bool,
    /// When two entries are the same.
    pub compare: &'a Comparison,
    /// Tells whether contents are the same where that decides.
    pub contents: &'a dyn Contents,
    /// For a move: how the source goes.
    pub leaves: Option<Leaves>,
    /// A move removes from the source what is newer at the destination too.
    pub leaves_older: bool,
    /// Whether directories are made that nothing is written into.
    pub empty_dirs: bool,
    /// Whether steps tell what was there before, because it is to be kept elsewhere in the vault.
    pub keep_old: bool,
    /// Whether what is deleted stays in its directory, under another name.
    pub beside: bool,
    /// Other places where the destination's content may be.
    pub elsewhere: Option<&'a dyn Elsewhere>,
    /// Who hears how files relate.
    pub rows: Option<&'a dyn Rows>,
    /// Paths (by [`path_mark`]) whose size and time prove nothing: they were fresh when last read.
    pub suspects: &'a HashSet<u64>,
    /// When the walk began: times of the source from about then on prove nothing yet.
    pub scan_start: Timestamp,
    /// Where in the vault the paths of this plan are: marks are of whole paths.
    pub prefix: &'a TreePath,
    /// What the destination holds besides its entries: told by that side while the plan is made.
    pub kept: &'a Kept,
    /// The side that is a directory of this machine, if one is.
    pub local: Option<&'a Local>,
    /// Who hears of what is skipped.
    pub observer: &'a dyn Observer,
}

/// The steps of a run, in key order, and their totals.
pub struct Plan {
    spool: Spool,
    kept: Kept,
    /// New directories that something is written into; `None` if that does not matter.
    needed: Option<HashSet<u64>>,
    /// Directories whose times stay, because nothing is written into them.
    idle: HashSet<u64>,
    /// How many steps there are, without those that are left out.
    live: u64,
    /// Which steps are left out after all.
    left_out: Option<Chosen>,
    /// The sums.
    pub totals: Totals,
    /// Marks of what the destination can't hold, the first [`MARKS_MAX`] and one more.
    pub refused: Vec<u64>,
    /// Marks (within the plan) of what a move must leave in the source.
    pub stays: HashSet<u64>,
    /// Marks of files that were read and found to be the same, but may change again without showing it.
    pub fresh: Vec<u64>,
    /// Marks of suspects that were read and found to be the same.
    pub settled: Vec<u64>,
}

impl Plan {
    /// Compares two sides that both come in key order.
    ///
    /// # Errors
    /// A side failed as a whole.
    pub fn make(
        source: impl Iterator<Item = Result<Item, SideError>>,
        dest: impl Iterator<Item = Result<Item, SideError>>,
        options: &PlanOptions<'_>,
    ) -> Result<Self, TransferError> {
        let mut maker = Maker::new(options);
        let (mut source, mut dest) = (Readable::new(source, true), Readable::new(dest, false));
        loop {
            let (s, d) = (source.peek(&mut maker)?, dest.peek(&mut maker)?);
            let order = match (s, d) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(s), Some(d)) => TreeKey::from_path(&s.path).cmp(&TreeKey::from_path(&d.path)),
            };
            let s = if order.is_le() { source.take() } else { None };
            let d = if order.is_ge() { dest.take() } else { None };
            maker.join(s, d)?;
        }
        let made = maker.finish()?;
        Ok(Self {
            spool: made.spool,
            kept: options.kept.clone(),
            live: made.live,
            needed: made.needed,
            idle: made.idle,
            left_out: None,
            totals: made.totals,
            refused: made.refused,
            stays: made.stays,
            fresh: made.fresh,
            settled: made.settled,
        })
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Whether `path` is one that a move must leave in the source.
    pub fn leaves_in_source(&self, path: &TreePath) -> bool {
        self.stays.contains(&mark(path))
    }

    /// Leaves out the steps that `drop` names, by asking it of each in order; the totals follow.
    ///
    /// # Errors
    /// The spool can't be read.
    pub fn leave_out(&mut self, mut drop: impl FnMut(&Step) -> bool) -> Result<(), TransferError> {
        let mut chosen = Chosen::default();
        let mut totals = self.totals;
        let mut live = 0;
        for step in self.numbered()? {
            let Some((number, step)) = step? else { continue };
            if drop(&step) {
                chosen.insert(number);
                totals.take_back(&step);
            } else {
                live += 1;
            }
        }
        (self.totals, self.live) = (totals, live);
        self.left_out = Some(match self.left_out.take() {
            Some(before) => before.union(&chosen),
            None => chosen,
        });
        Ok(())
    }

    /// The steps, from the first.
    ///
    /// # Errors
    /// The spool can't be read.
    pub fn steps(&mut self) -> Result<impl Iterator<Item = Result<Step, TransferError>> + '_, TransferError> {
        Ok(self.numbered()?.filter_map(|step| step.map(|step| step.map(|(_, step)| step)).transpose()))
    }

    /// All that is in the spool, with its number; `None` for what is left out.
    fn numbered(
        &mut self,
    ) -> Result<impl Iterator<Item = Result<Option<(u64, Step)>, TransferError>> + '_, TransferError> {
        let fail = || TransferError::local("cannot read the plan from its temporary file");
        let (kept, needed, idle, left_out) = (&self.kept, &self.needed, &self.idle, &self.left_out);
        let reader = self.spool.read().map_err(fail())?;
        Ok((0u64..).zip(reader).map(move |(number, record)| {
            let record = record.map_err(fail())?;
            if left_out.as_ref().is_some_and(|left_out| left_out.contains(number)) {
                return Ok(None);
            }
            let step = step::decode(&record).map_err(|e| fail()(std::io::Error::other(e)))?;
            let spared = removed_dir(&step).is_some_and(|dir| kept.holds(dir));
            let needless = needed.as_ref().is_some_and(|needed| match new_dir(&step) {
                Some(dir) => !needed.contains(&mark(dir)),
                None => false,
            });
            let is_idle = !idle.is_empty()
                && matches!(&step, Step::Meta(item) if item.entry.kind == EntryKind::Dir && idle.contains(&mark(&item.path)));
            Ok((!spared && !needless && !is_idle).then_some((number, step)))
        }))
    }
}

/// The directory that a step makes where there was nothing.
fn new_dir(step: &Step) -> Option<&TreePath> {
    match step {
        Step::Put { item, replaces: None, .. } if item.entry.kind == EntryKind::Dir => Some(&item.path),
        _ => None,
    }
}

impl Totals {
    /// Takes a step out of the sums.
    fn take_back(&mut self, step: &Step) {
        match step {
            Step::Put { item, .. } | Step::Refer(item, _) if item.entry.kind == EntryKind::File => {
                self.files -= 1;
                self.bytes -= item.entry.size;
            }
            Step::Put { .. } | Step::Refer(..) | Step::Meta(_) => self.updates -= 1,
            Step::Delete { kind, .. } => {
                self.deletes -= 1;
                self.deleted_files -= u64::from(*kind != EntryKind::Dir);
            }
            Step::Leave(_) => {}
        }
    }
}

/// A short mark of a path, for sets of suspects: a clash only means reading a file once more.
pub fn path_mark(prefix: &TreePath, path: &TreePath) -> u64 {
    // FNV-1a: no secret is at stake and it must be the same in the next run.
    let parts = prefix.components().chain(path.components()).flat_map(|name| name.iter().chain(b"/"));
    parts.fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}

/// A side whose unreadable entries are reported and passed over.
struct Readable<I: Iterator<Item = Result<Item, SideError>>> {
    side: Peekable<I>,
    is_source: bool,
}

impl<I: Iterator<Item = Result<Item, SideError>>> Readable<I> {
    fn new(side: I, is_source: bool) -> Self {
        Self { side: side.peekable(), is_source }
    }

    fn peek(&mut self, maker: &mut Maker<'_>) -> Result<Option<&Item>, TransferError> {
        while let Some(Err(_)) = self.side.peek() {
            match self.side.next() {
                Some(Err(SideError::Fatal(error))) => return Err(error),
                Some(Err(SideError::Skipped { path, reason })) => {
                    maker.totals.skipped += 1;
                    maker.options.observer.event(Event::Failed { path: &path, reason: &reason });
                    maker.row(Relation::Error, &path, !self.is_source);
                }
                Some(Err(SideError::Partly { path, reason })) => {
                    maker.totals.refused += 1;
                    maker.options.observer.event(Event::Failed { path: &path, reason: &reason });
                }
                Some(Err(SideError::Special(path))) if self.is_source => {
                    maker.totals.specials += 1;
                    let text = format!("`{path}` is a socket, a pipe or a device: left out");
                    maker.options.observer.event(Event::Info(&text));
                }
                Some(Err(SideError::Link(path))) if self.is_source => {
                    let text = format!("`{path}` is a symbolic link: left out without --links or --copy-links");
                    maker.options.observer.event(Event::Notice(&text));
                }
                _ => {}
            }
        }
        Ok(self.side.peek().and_then(|item| item.as_ref().ok()))
    }

    fn take(&mut self) -> Option<Item> {
        self.side.next().and_then(Result::ok)
    }
}

/// Marks that are remembered of one destination.
pub const MARKS_MAX: usize = 100_000;
