//! What a run will do, as data: a streaming merge-join of the two sides, kept in a spool. Pure: it changes nothing.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::iter::Peekable;

use super::clashes::Clashes;
use super::item::{Item, SideError, TransferError, kind_name};
use super::kept::{Kept, mark};
use super::local::Local;
use super::outcome::forget_content;
use super::spool::{Spool, SpoolWriter};
use crate::event::{Event, Observer};
use crate::format::attribute::HARD_LINK;
use crate::format::entry::{Content, Entry, EntryKind};
use crate::format::hints::{Holder, Place, decode_hints_from, encode_hints};
use crate::format::key::TreeKey;
use crate::format::limits::ATTRIBUTES_MAX;
use crate::format::wire::{Malformed, Put, Reader};
use crate::history::source::ResolvedPlace;
use crate::id::BlobId;
use crate::path::{PATH_MAX, TreePath};

/// One thing to do at the destination.
#[derive(Debug, Clone)]
pub enum Step {
    /// Write this entry. `replaces` tells what was there.
    Put {
        /// What to write.
        item: Item,
        /// The kind of what it replaces.
        replaces: Option<EntryKind>,
    },
    /// Only mode or times differ.
    Meta(Item),
    /// Remove this.
    Delete {
        /// What to remove.
        path: TreePath,
        /// What it is.
        kind: EntryKind,
    },
}

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
    /// Entries of either side that can't be read.
    pub skipped: u64,
    /// Entries that the destination can't hold.
    pub refused: u64,
    /// Entries that stay in the vault because the source could not have held them.
    pub spared: u64,
    /// Sockets, pipes and devices in the source.
    pub specials: u64,
}

/// What to look at when comparing.
pub struct PlanOptions<'a> {
    /// Whether the destination's own entries go.
    pub delete: bool,
    /// Write files whatever size and time say.
    pub always: bool,
    /// Write files and links even if they are there already: all that a move reads is to be stored by this run.
    pub every: bool,
    /// Paths (by [`path_mark`]) whose size and time prove nothing: they were fresh when last read.
    pub suspects: &'a HashSet<u64>,
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
    /// The sums.
    pub totals: Totals,
    /// Marks of what the destination can't hold, the first [`MARKS_MAX`] and one more.
    pub refused: Vec<u64>,
}

impl Plan {
    /// Compares two sides that both come in key order.
    ///
    /// # Errors
    /// A side failed as a whole, or (unless deleting) a file stands where a directory is needed or the other way round.
    pub fn make(
        source: impl Iterator<Item = Result<Item, SideError>>,
        dest: impl Iterator<Item = Result<Item, SideError>>,
        options: &PlanOptions<'_>,
    ) -> Result<Self, TransferError> {
        let mut maker = Maker {
            spool: SpoolWriter::new(SPOOL_MEMORY),
            totals: Totals::default(),
            options,
            deleted_dirs: Vec::new(),
            replaced_dirs: Vec::new(),
            clashes: Clashes::default(),
            refused: Vec::new(),
        };
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
        maker.spare_kept();
        let spool = maker.spool.finish().map_err(TransferError::local("cannot write the plan to a temporary file"))?;
        Ok(Self { spool, kept: options.kept.clone(), totals: maker.totals, refused: maker.refused })
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.spool.len() == 0
    }

    /// The steps, from the first.
    ///
    /// # Errors
    /// The spool can't be read.
    pub fn steps(&mut self) -> Result<impl Iterator<Item = Result<Step, TransferError>> + '_, TransferError> {
        let fail = || TransferError::local("cannot read the plan from its temporary file");
        let (reader, kept) = (self.spool.read().map_err(fail())?, &self.kept);
        let steps = reader.map(move |record| {
            let record = record.map_err(fail())?;
            decode(&record).map_err(|e| fail()(std::io::Error::other(e)))
        });
        Ok(steps.filter(|step| !step.as_ref().is_ok_and(|step| removed_dir(step).is_some_and(|dir| kept.holds(dir)))))
    }
}

/// The directory that a step puts an end to.
fn removed_dir(step: &Step) -> Option<&TreePath> {
    match step {
        Step::Delete { path, kind: EntryKind::Dir } => Some(path),
        Step::Put { item, replaces: Some(EntryKind::Dir) } if item.entry.kind != EntryKind::Dir => Some(&item.path),
        _ => None,
    }
}

/// A short mark of a path, for sets of suspects: a clash only means reading a file once more.
pub fn path_mark(prefix: &TreePath, path: &TreePath) -> u64 {
    // FNV-1a: no secret is at stake and it must be the same in the next run.
    let parts = prefix.components().chain(path.components()).flat_map(|name| name.iter().chain(b"/"));
    parts.fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}

struct Maker<'a> {
    spool: SpoolWriter,
    totals: Totals,
    options: &'a PlanOptions<'a>,
    /// Marks of them.
    deleted_dirs: Vec<u64>,
    replaced_dirs: Vec<Item>,
    clashes: Clashes,
    refused: Vec<u64>,
}

impl Maker<'_> {
    fn join(&mut self, mut source: Option<Item>, mut dest: Option<Item>) -> Result<(), TransferError> {
        self.totals.source += u64::from(source.is_some());
        self.totals.dest += u64::from(dest.is_some());
        if (self.totals.source + self.totals.dest).is_multiple_of(TELL_EVERY) {
            self.options.observer.event(Event::Checked(self.totals.source));
        }
        if let Some(local) = self.options.local {
            if self.refuses(local, source.as_ref(), dest.as_ref()) || self.spares(local, source.as_ref(), dest.as_ref())
            {
                return Ok(());
            }
            let (here, there) = if local.is_source { (&mut source, &dest) } else { (&mut dest, &source) };
            if let Some(here) = here {
                local.settle(here, there.as_ref());
            }
        }
        match (source, dest) {
            (Some(item), None) if self.in_the_way(&item) => Ok(()),
            (Some(item), None) => self.put(item, None),
            (None, Some(item)) if self.options.delete => {
                self.totals.deletes += 1;
                if item.entry.kind == EntryKind::Dir {
                    self.deleted_dirs.push(mark(&item.path));
                }
                self.push(&Step::Delete { path: item.path, kind: item.entry.kind })
            }
            (Some(item), Some(old)) => self.compare(item, &old),
            _ => Ok(()),
        }
    }

    fn compare(&mut self, mut item: Item, old: &Item) -> Result<(), TransferError> {
        let (kind, old_kind) = (item.entry.kind, old.entry.kind);
        let dir_at_stake = kind != old_kind && (kind == EntryKind::Dir || old_kind == EntryKind::Dir);
        if dir_at_stake && !self.options.delete {
            let (is, needed) = (kind_name(old_kind), kind_name(kind));
            return Err(TransferError::InTheWay { path: item.path, is, needed });
        }
        let every = self.options.every && kind != EntryKind::Dir;
        let doubt = kind == EntryKind::File
            && (self.options.always || self.options.suspects.contains(&path_mark(self.options.prefix, &item.path)));
        // Elsewhere links are content: a name is made another's, or its own, by writing it.
        let relinked = self.options.local.is_some_and(|local| !local.is_source)
            && item.entry.attribute(HARD_LINK) != old.entry.attribute(HARD_LINK);
        if every || doubt || relinked || !item.same_content(old) {
            if item.entry.content == Content::None && kind == EntryKind::File && old_kind == kind {
                // A local source: what is known of the old content goes with it, should it turn out to be the same.
                item.entry.content.clone_from(&old.entry.content);
            } else if kind == EntryKind::Symlink && self.options.local.is_some_and(|local| local.is_source) {
                forget_content(&mut item.entry, &old.entry.content);
            }
            if self.options.local.is_none() && kind == old_kind && item.entry.attributes.is_empty() {
                // Attributes that this program does not know, or was not asked about, outlive new content. That of a
                // conflict copy does if the content turns out to be the old one: see `apply`.
                item.entry.attributes.clone_from(&old.entry.attributes);
            }
            self.put(item, Some(old_kind))
        } else if item.same_meta(old) && (self.options.local.is_none() || item.same_attributes(old)) {
            Ok(())
        } else {
            self.totals.updates += 1;
            if kind == EntryKind::File && item.entry.content == Content::None {
                // The source is local: what the destination has as content stays.
                let entry = Entry { content: old.entry.content.clone(), ..item.entry };
                return self.push(&Step::Meta(Item { entry, place: old.place, ..item }));
            }
            self.push(&Step::Meta(item))
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

    /// What the filters leave alone at the destination is not written over.
    fn in_the_way(&mut self, item: &Item) -> bool {
        // A directory goes into one, and is none that is replaced.
        let stands = item.entry.kind != EntryKind::Dir && self.options.kept.is(&item.path);
        if stands {
            self.totals.skipped += 1;
            let reason = "can't replace a directory that this run leaves alone";
            self.options.observer.event(Event::Failed { path: &item.path, reason });
        }
        stands
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

    fn put(&mut self, item: Item, replaces: Option<EntryKind>) -> Result<(), TransferError> {
        if replaces == Some(EntryKind::Dir) && item.entry.kind != EntryKind::Dir {
            self.replaced_dirs.push(item.clone());
        }
        if item.entry.kind == EntryKind::File {
            self.totals.files += 1;
            self.totals.bytes += item.entry.size;
        } else {
            self.totals.updates += 1;
        }
        self.push(&Step::Put { item, replaces })
    }

    fn push(&mut self, step: &Step) -> Result<(), TransferError> {
        self.spool.push(&encode(step)).map_err(TransferError::local("cannot write the plan to a temporary file"))
    }
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
                _ => {}
            }
        }
        Ok(self.side.peek().and_then(|item| item.as_ref().ok()))
    }

    fn take(&mut self) -> Option<Item> {
        self.side.next().and_then(Result::ok)
    }
}

fn encode(step: &Step) -> Vec<u8> {
    let mut out = Vec::new();
    match step {
        Step::Put { item, replaces } => {
            out.push(1 + replaces.map_or(0, |kind| kind as u8));
            encode_item(item, &mut out);
        }
        Step::Meta(item) => {
            out.push(META);
            encode_item(item, &mut out);
        }
        Step::Delete { path, kind } => {
            out.push(DELETE + *kind as u8);
            out.put_bytes(path.as_bytes());
        }
    }
    out
}

fn encode_item(item: &Item, out: &mut Vec<u8>) {
    out.put_bytes(item.path.as_bytes());
    encode_entry(&item.entry, out);
    let place = item.place.map(|p| Place { holder: Holder::Object(p.object), location: p.location });
    out.extend_from_slice(&encode_hints(&[place]));
}

/// Entries in spools: unlike stored ones, files may lack their content.
pub(super) fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    out.push(entry.kind as u8);
    out.put_varint(entry.size);
    out.put_time(entry.mtime);
    out.put_varint(entry.mode.map_or(0, |mode| u64::from(mode) + 1));
    match &entry.content {
        Content::None => out.push(0),
        Content::Inline(bytes) | Content::Link(bytes) => {
            out.push(if matches!(entry.content, Content::Inline(_)) { 1 } else { 4 });
            out.put_bytes(bytes);
        }
        Content::Chunk(id) | Content::List(id) => {
            out.push(if matches!(entry.content, Content::Chunk(_)) { 2 } else { 3 });
            out.put(id.as_bytes());
        }
    }
    out.put_varint(entry.attributes.len() as u64);
    for (tag, value) in &entry.attributes {
        out.put_varint(*tag);
        out.put_bytes(value);
    }
}

/// The inverse of [`encode_entry`].
pub(super) fn decode_entry(reader: &mut Reader<'_>) -> Result<Entry, Malformed> {
    let kind = EntryKind::from_u8(reader.u8()?).ok_or_else(|| reader.bad())?;
    let size = reader.varint()?;
    let mtime = reader.time()?;
    let mode = reader.varint32()?.checked_sub(1).map(|mode| mode as u16);
    let content = match reader.u8()? {
        0 => Content::None,
        1 => Content::Inline(reader.bytes(PATH_MAX)?.into()),
        2 => Content::Chunk(BlobId::new(reader.array()?)),
        3 => Content::List(BlobId::new(reader.array()?)),
        _ => Content::Link(reader.bytes(PATH_MAX)?.into()),
    };
    let mut attributes = Vec::new();
    for _ in 0..reader.count(ATTRIBUTES_MAX)? {
        attributes.push((reader.varint()?, reader.bytes(ATTRIBUTES_MAX)?.to_vec()));
    }
    Ok(Entry { kind, size, mtime, mode, content, attributes })
}

fn decode(record: &[u8]) -> Result<Step, Malformed> {
    let mut reader = Reader::new(record, "plan");
    let tag = reader.u8()?;
    let path = TreePath::from_bytes(reader.bytes(PATH_MAX)?).map_err(|_| reader.bad())?;
    if tag >= DELETE {
        let kind = EntryKind::from_u8(tag - DELETE).ok_or_else(|| reader.bad())?;
        return Ok(Step::Delete { path, kind });
    }
    let entry = decode_entry(&mut reader)?;
    let place = decode_hints_from(&mut reader, 1)?[0].and_then(|place| match place.holder {
        Holder::Object(object) => Some(ResolvedPlace { object, location: place.location }),
        Holder::SameObject => None,
    });
    let item = Item { path, entry, place };
    Ok(match tag {
        META => Step::Meta(item),
        tag => Step::Put { item, replaces: EntryKind::from_u8(tag - 1) },
    })
}

const META: u8 = 16;
const DELETE: u8 = 32;
/// Marks that are remembered of one destination.
pub const MARKS_MAX: usize = 100_000;
const SPOOL_MEMORY: usize = 1 << 20;
const TELL_EVERY: u64 = 1024;
