//! Chunk lists: which chunks and holes make up a file of more than one chunk.

use super::source::{NewNode, NodeSink, NodeSource, Reference, ResolvedPlace, TreeError};
use crate::format::entry::Content;
use crate::format::limits::{CHUNK_MAX, LEVELS_MAX};
use crate::format::list::{ListItem, ListNode};
use crate::id::{BlobId, BlobKind};

/// Collects the chunks and holes of a file in order, in memory of one node for each level.
#[derive(Debug)]
pub struct ListBuilder<'s, S: ?Sized> {
    store: &'s S,
    levels: Vec<Level>,
    /// The last piece: a hole may still grow, and a chunk may turn out to be the whole file.
    held: Option<Item>,
    size: u64,
}

#[derive(Debug)]
struct Level {
    node: ListNode,
    references: Vec<Reference>,
    closed: bool,
}

/// An item, and where old hints say that its blob is.
type Item = (ListItem, Option<ResolvedPlace>);

impl<'s, S: NodeSink + ?Sized> ListBuilder<'s, S> {
    /// A builder for an empty file.
    pub fn new(store: &'s S) -> Self {
        Self { store, levels: vec![Level::new(0)], held: None, size: 0 }
    }

    /// Appends a data chunk of `len` bytes, at least one. `place` is where it was found, if it was found in a tree.
    ///
    /// # Errors
    /// The store's; [`TreeError::TooLarge`] if a chunk may not be that long, or a file.
    pub fn push_data(&mut self, id: BlobId, len: u64, place: Option<ResolvedPlace>) -> Result<(), S::Error> {
        if len > CHUNK_MAX as u64 {
            return Err(TreeError::TooLarge.into());
        }
        self.push((ListItem::Data { id, len }, place))
    }

    /// Appends `len` zero bytes, at least one.
    ///
    /// # Errors
    /// The store's; [`TreeError::TooLarge`] if a file may not be that long.
    pub fn push_hole(&mut self, len: u64) -> Result<(), S::Error> {
        let before = match self.held {
            Some((ListItem::Hole { len }, _)) => {
                self.held = None;
                self.size -= len;
                len
            }
            _ => 0,
        };
        let len = before.checked_add(len).ok_or(TreeError::TooLarge)?;
        self.push((ListItem::Hole { len }, None))
    }

    /// The length of the file so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Writes what is left, and gives the content of the file's entry. For files short enough to be kept in the entry the
    /// caller does that instead.
    ///
    /// # Errors
    /// The store's; [`TreeError::TooLarge`] if there would be too many levels.
    pub fn finish(mut self) -> Result<Content, S::Error> {
        match self.held.take() {
            None => return Ok(Content::None),
            Some((ListItem::Data { id, .. }, _)) if self.levels.iter().all(Level::is_untouched) => {
                return Ok(Content::Chunk(id));
            }
            Some(last) => self.append(0, last)?,
        }
        let mut at = 0;
        loop {
            let (level, above) = (&self.levels[at], &self.levels[at + 1..]);
            if !level.closed && above.iter().all(Level::is_untouched) {
                let root = match level.node.items[..] {
                    [ListItem::Child { id, .. }] => id,
                    _ => self.close(at)?,
                };
                return Ok(Content::List(root));
            }
            if !level.node.items.is_empty() {
                self.flush(at)?;
            }
            at += 1;
        }
    }

    fn push(&mut self, item: Item) -> Result<(), S::Error> {
        debug_assert!(!item.0.is_empty(), "no piece is empty");
        self.size = self.size.checked_add(item.0.len()).ok_or(TreeError::TooLarge)?;
        match self.held.replace(item) {
            Some(before) => self.append(0, before),
            None => Ok(()),
        }
    }

    fn append(&mut self, at: usize, (item, place): Item) -> Result<(), S::Error> {
        if at >= usize::from(LEVELS_MAX) {
            return Err(TreeError::TooLarge.into());
        }
        if self.levels.len() <= at {
            self.levels.push(Level::new(at as u8));
        }
        let level = &mut self.levels[at];
        level.references.extend(item.id().map(|id| Reference { id: *id, place }));
        level.node.items.push(item);
        if level.node.is_complete() { self.flush(at) } else { Ok(()) }
    }

    fn flush(&mut self, at: usize) -> Result<(), S::Error> {
        let len = self.levels[at].node.total();
        let id = self.close(at)?;
        self.append(at + 1, (ListItem::Child { id, len }, None))
    }

    fn close(&mut self, at: usize) -> Result<BlobId, S::Error> {
        let next = Level { closed: true, ..Level::new(at as u8) };
        let done = std::mem::replace(&mut self.levels[at], next);
        let canonical = done.node.encode();
        self.store.write(NewNode { kind: BlobKind::List, canonical, references: done.references })
    }
}

impl Level {
    fn new(level: u8) -> Self {
        Self { node: ListNode { level, items: Vec::new() }, references: Vec::new(), closed: false }
    }

    fn is_untouched(&self) -> bool {
        !self.closed && self.node.items.is_empty()
    }
}

/// A chunk or a hole at its place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Where in the file it starts.
    pub offset: u64,
    /// How long it is.
    pub len: u64,
    /// The chunk and its hinted place; `None` for a hole.
    pub chunk: Option<(BlobId, Option<ResolvedPlace>)>,
}

/// Reads a chunk list, from any offset. Holds one node for each level at most.
///
/// As an iterator it yields the pieces from here on; it ends after the first error.
#[derive(Debug)]
pub struct ListReader<'s, S: ?Sized> {
    store: &'s S,
    stack: Vec<Frame>,
    offset: u64,
}

#[derive(Debug)]
struct Frame {
    node: ListNode,
    /// One for each item.
    places: Vec<Option<ResolvedPlace>>,
    at: usize,
}

impl<'s, S: NodeSource + ?Sized> ListReader<'s, S> {
    /// A reader at the start of a file of `size` bytes. Reads the root of the list.
    ///
    /// # Errors
    /// The store's, or [`TreeError`] if the list is not one of that many bytes.
    pub fn open(store: &'s S, id: &BlobId, size: u64, place: Option<ResolvedPlace>) -> Result<Self, S::Error> {
        let root = Frame::read(store, id, size, place)?;
        Ok(Self { store, stack: vec![root], offset: 0 })
    }

    /// Goes to the piece that holds the byte at `offset`, or to the end.
    ///
    /// # Errors
    /// The store's, or [`TreeError`] if a node on the way is not what its parent says.
    pub fn seek(&mut self, offset: u64) -> Result<(), S::Error> {
        if offset < self.offset {
            self.stack.truncate(1);
            self.stack.iter_mut().for_each(|root| root.at = 0);
            self.offset = 0;
        }
        while let Some((item, _)) = self.head() {
            if offset - self.offset >= item.len() {
                self.advance(item.len());
            } else if matches!(item, ListItem::Child { .. }) {
                self.expand()?;
            } else {
                break;
            }
        }
        Ok(())
    }

    fn head(&self) -> Option<Item> {
        let frame = self.stack.last()?;
        Some((*frame.node.items.get(frame.at)?, frame.places[frame.at]))
    }

    fn advance(&mut self, len: u64) {
        self.offset += len;
        while let Some(frame) = self.stack.last_mut() {
            frame.at += 1;
            if frame.at < frame.node.items.len() || self.stack.len() == 1 {
                return;
            }
            self.stack.pop();
        }
    }

    fn expand(&mut self) -> Result<(), S::Error> {
        let (Some((ListItem::Child { id, len }, place)), Some(top)) = (self.head(), self.stack.last()) else {
            return Ok(());
        };
        let frame = Frame::read(self.store, &id, len, place)?;
        if frame.node.level + 1 != top.node.level {
            return Err(TreeError::Misplaced { id, what: "level" }.into());
        }
        self.stack.push(frame);
        Ok(())
    }

    fn step(&mut self) -> Result<Option<Piece>, S::Error> {
        while let Some((ListItem::Child { .. }, _)) = self.head() {
            self.expand()?;
        }
        let Some((item, place)) = self.head() else { return Ok(None) };
        let piece = Piece { offset: self.offset, len: item.len(), chunk: item.id().map(|id| (*id, place)) };
        self.advance(item.len());
        Ok(Some(piece))
    }
}

impl<S: NodeSource + ?Sized> Iterator for ListReader<'_, S> {
    type Item = Result<Piece, S::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.stack.clear();
        }
        step.transpose()
    }
}

impl Frame {
    fn read<S: NodeSource + ?Sized>(
        store: &S,
        id: &BlobId,
        len: u64,
        place: Option<ResolvedPlace>,
    ) -> Result<Self, S::Error> {
        let blob = store.read(BlobKind::List, id, place.as_ref())?;
        let node = ListNode::decode(&blob.canonical).map_err(TreeError::from)?;
        if node.total() != len {
            return Err(TreeError::Misplaced { id: *id, what: "length" }.into());
        }
        let references = node.items.iter().filter(|item| item.id().is_some()).count();
        let mut hinted = blob.places(references).into_iter();
        let places = node.items.iter().map(|item| item.id().and_then(|_| hinted.next().flatten())).collect();
        Ok(Self { node, places, at: 0 })
    }
}
