//! What a run will do, as data: a streaming merge-join of the two sides, kept in a spool. Pure: it changes nothing.

use std::cmp::Ordering;
use std::collections::{HashSet, VecDeque};
use std::io;
use std::iter::Peekable;

use super::chosen::Chosen;
use super::compare::{Comparison, Replace};
use super::contents::Contents;
use super::elsewhere::Elsewhere;
use super::item::{Item, SideError, TransferError};
use super::kept::{Kept, mark};
use super::local::Local;
use super::looker::{Asked, Looker};
use super::maker::Maker;
use super::order::{self, Arranger, Order};
use super::step::{self, Step, removed_dir};
use crate::event::{Event, Observer};
use crate::format::entry::EntryKind;
use crate::format::key::TreeKey;
use crate::path::TreePath;
use crate::spool::Spool;
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

    /// A plan is made, perhaps once more: what was told before is not so any more.
    fn begin(&self);
}

/// What to look at when comparing.
pub struct PlanOptions<'a> {
    /// Whether the destination's own entries go.
    pub delete: bool,
    /// Whether files may take the place of directories, and the other way round.
    pub replace: Replace,
    /// When two entries are the same.
    pub compare: &'a Comparison,
    /// Tells whether contents are the same where that decides.
    pub contents: &'a dyn Contents,
    /// How many contents are compared at once.
    pub threads: usize,
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
    /// The steps in the order in which they are carried out, if that is not the tree's.
    arranged: Option<Spool>,
    /// Whether the caller removes the source of a move.
    leaves_later: bool,
    /// Whether something that would be written is left out.
    lacks: bool,
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
        options.rows.inspect(|rows| rows.begin());
        let mut maker = Maker::new(options);
        let sides = (Readable::new(source, true), Readable::new(dest, false));
        std::thread::scope(|scope| merge(sides, &mut maker, Looker::new(scope, options.contents, options.threads)))?;
        let made = maker.finish()?;
        Ok(Self {
            spool: made.spool,
            kept: options.kept.clone(),
            live: made.live,
            needed: made.needed,
            idle: made.idle,
            left_out: None,
            arranged: None,
            lacks: false,
            leaves_later: options.leaves == Some(Leaves::Later),
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

    /// Whether something is not written that the source has and the destination could have.
    pub fn lacks_something(&self) -> bool {
        self.lacks
    }

    /// Has files transferred in another order than that of the tree.
    ///
    /// # Errors
    /// The temporary file can't be written.
    pub fn arrange(&mut self, order: Order) -> Result<(), TransferError> {
        let mut arranger = Arranger::new(order);
        for turn in self.turns()? {
            let (number, step) = turn?;
            arranger.push(number, &step).map_err(TransferError::local(SPOOLING))?;
        }
        self.arranged = Some(arranger.finish().map_err(TransferError::local(SPOOLING))?);
        Ok(())
    }

    /// Whether steps are carried out in another order than that of the tree.
    pub(super) fn is_arranged(&self) -> bool {
        self.arranged.is_some()
    }

    /// Leaves out the steps that `drop` names, by asking it of each in the order in which they would be carried out; the
    /// totals follow. The directories of what is not deleted stay too, and a move leaves in the source what is not copied.
    ///
    /// # Errors
    /// The spool can't be read.
    pub fn leave_out(&mut self, mut drop: impl FnMut(&Step) -> bool) -> Result<(), TransferError> {
        let (mut chosen, mut stays) = (Chosen::default(), Vec::new());
        let (kept, later, mut lacks) = (self.kept.clone(), self.leaves_later, self.lacks);
        for turn in self.turns()? {
            let (number, step) = turn?;
            if !drop(&step) {
                continue;
            }
            chosen.insert(number);
            lacks |= matches!(step, Step::Put { .. } | Step::Refer(..));
            match &step {
                Step::Delete { path, .. } => kept.note(path),
                Step::Put { .. } | Step::Refer(..) if later => stays.push(mark(step.path())),
                _ => {}
            }
        }
        self.stays.extend(stays);
        self.lacks = lacks;
        self.left_out = Some(match self.left_out.take() {
            Some(before) => before.union(&chosen),
            None => chosen,
        });
        self.count_again()
    }

    fn count_again(&mut self) -> Result<(), TransferError> {
        let zero = Totals { files: 0, bytes: 0, updates: 0, deletes: 0, deleted_files: 0, ..self.totals };
        let (mut totals, mut live) = (zero, 0);
        for step in self.steps()? {
            live += 1;
            totals.add(&step?);
        }
        (self.totals, self.live) = (totals, live);
        Ok(())
    }

    /// The steps, from the first, in the order of the tree.
    ///
    /// # Errors
    /// The spool can't be read.
    pub fn steps(&mut self) -> Result<impl Iterator<Item = Result<Step, TransferError>> + '_, TransferError> {
        let fail = || TransferError::local(UNREADABLE);
        let (kept, idle) = (&self.kept, &self.idle);
        let alive = Alive { kept, needed: self.needed.as_ref(), idle, left_out: self.left_out.as_ref() };
        let reader = self.spool.read().map_err(fail())?;
        let steps = (0..).zip(reader).map(move |(number, record)| alive.step(number, &record.map_err(fail())?));
        Ok(steps.filter_map(Result::transpose))
    }

    /// The steps in the order in which they are to be carried out, each with its place in that of the tree.
    ///
    /// # Errors
    /// The spool can't be read.
    pub fn turns(&mut self) -> Result<impl Iterator<Item = Result<(u64, Step), TransferError>> + '_, TransferError> {
        let fail = || TransferError::local(UNREADABLE);
        let (kept, idle) = (&self.kept, &self.idle);
        let alive = Alive { kept, needed: self.needed.as_ref(), idle, left_out: self.left_out.as_ref() };
        let is_arranged = self.arranged.is_some();
        let reader = self.arranged.as_mut().unwrap_or(&mut self.spool).read().map_err(fail())?;
        let turns = (0..).zip(reader).map(move |(place, record)| {
            let record = record.map_err(fail())?;
            let (number, step) = match is_arranged {
                true => order::numbered(&record).ok_or_else(|| fail()(io::ErrorKind::InvalidData.into()))?,
                false => (place, &record[..]),
            };
            Ok(alive.step(number, step)?.map(|step| (number, step)))
        });
        Ok(turns.filter_map(Result::transpose))
    }
}

/// Which steps of a plan are carried out.
struct Alive<'p> {
    kept: &'p Kept,
    needed: Option<&'p HashSet<u64>>,
    idle: &'p HashSet<u64>,
    left_out: Option<&'p Chosen>,
}

impl Alive<'_> {
    /// A step, unless it is left out.
    fn step(&self, number: u64, record: &[u8]) -> Result<Option<Step>, TransferError> {
        if self.left_out.is_some_and(|left_out| left_out.contains(number)) {
            return Ok(None);
        }
        let step = step::decode(record).map_err(|error| TransferError::local(UNREADABLE)(io::Error::other(error)))?;
        let spared = removed_dir(&step).is_some_and(|dir| self.kept.holds(dir));
        let needless = self.needed.is_some_and(|needed| new_dir(&step).is_some_and(|dir| !needed.contains(&mark(dir))));
        let is_idle = !self.idle.is_empty()
            && matches!(&step, Step::Meta(item) if item.entry.kind == EntryKind::Dir && self.idle.contains(&mark(&item.path)));
        Ok((!spared && !needless && !is_idle).then_some(step))
    }
}

/// Gives the maker what both sides have, path by path. While contents are compared the sides are read on.
fn merge(
    (mut source, mut dest): (
        Readable<impl Iterator<Item = Result<Item, SideError>>>,
        Readable<impl Iterator<Item = Result<Item, SideError>>>,
    ),
    maker: &mut Maker<'_>,
    mut looker: Looker<'_, '_>,
) -> Result<(), TransferError> {
    let mut ahead: VecDeque<Ahead> = VecDeque::new();
    loop {
        let (s, d) = (source.peek(maker)?, dest.peek(maker)?);
        let order = match (s, d) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(s), Some(d)) => TreeKey::from_path(&s.path).cmp(&TreeKey::from_path(&d.path)),
        };
        let mut s = if order.is_le() { source.take() } else { None };
        let stands = if order.is_ge() { dest.take_standing() } else { None };
        let mut d = if order.is_ge() && stands.is_none() { dest.take() } else { None };
        if stands.is_some_and(|kind| s.as_ref().is_some_and(|item| maker.stands(item, kind))) {
            continue;
        }
        maker.settle(&mut s, &mut d);
        ahead.push_back(match (s, d) {
            (Some(s), Some(d)) if maker.asks(&s, &d) => Ahead { asked: Some(looker.ask(s, d)), known: (None, None) },
            known if ahead.is_empty() => {
                maker.join(known.0, known.1, None)?;
                continue;
            }
            known => Ahead { asked: None, known },
        });
        while ahead.len() > AHEAD_MAX || ahead.front().is_some_and(Ahead::is_ready) {
            ahead.pop_front().map_or(Ok(()), |pair| pair.join(maker))?;
        }
    }
    ahead.into_iter().try_for_each(|pair| pair.join(maker))
}

/// What is to be joined when what comes before it is: a pair that is being compared, or else entries of one path.
struct Ahead {
    asked: Option<Asked>,
    known: (Option<Item>, Option<Item>),
}

impl Ahead {
    fn is_ready(&self) -> bool {
        self.asked.as_ref().is_none_or(Asked::is_ready)
    }

    fn join(self, maker: &mut Maker<'_>) -> Result<(), TransferError> {
        let Some(asked) = self.asked else { return maker.join(self.known.0, self.known.1, None) };
        let (source, dest, same) = asked.wait();
        maker.join(Some(source), Some(dest), Some(same?))
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
    /// Adds what a step does.
    fn add(&mut self, step: &Step) {
        match step {
            Step::Put { item, .. } | Step::Refer(item, _) if item.entry.kind == EntryKind::File => {
                self.files += 1;
                self.bytes += item.entry.size;
            }
            Step::Put { .. } | Step::Refer(..) | Step::Meta(_) => self.updates += 1,
            Step::Delete { kind, .. } => {
                self.deletes += 1;
                self.deleted_files += u64::from(*kind != EntryKind::Dir);
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
        while let Some(Err(error)) = self.side.peek() {
            if matches!(error, SideError::Stands(_)) && !self.is_source {
                break;
            }
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
        Ok(match self.side.peek() {
            Some(Ok(item)) => Some(item),
            Some(Err(SideError::Stands(item))) => Some(item),
            _ => None,
        })
    }

    /// What the next entry is, which goes, if it is one that the run leaves alone.
    fn take_standing(&mut self) -> Option<EntryKind> {
        let standing = self.side.next_if(|found| matches!(found, Err(SideError::Stands(_))))?;
        if let Err(SideError::Stands(item)) = standing { Some(item.entry.kind) } else { None }
    }

    fn take(&mut self) -> Option<Item> {
        self.side.next().and_then(Result::ok)
    }
}

const UNREADABLE: &str = "cannot read the plan from its temporary file";
const SPOOLING: &str = "cannot write the order of files to a temporary file";

/// Entries that the sides may be ahead of a comparison.
const AHEAD_MAX: usize = 4096;

/// Marks that are remembered of one destination.
pub const MARKS_MAX: usize = 100_000;
