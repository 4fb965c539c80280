//! Writing a tree from entries in order, in memory of one node for each level.
//!
//! A tree is a pure function of its entries, and a node of what follows the end of the node before it. So a
//! [`TreeBuilder`] that stands at such an end takes whole subtrees of other trees as they are
//! ([`TreeBuilder::push_subtree`]), and comes to the root that it would have come to entry by entry.

use super::cursor::{Frame, Known};
use super::source::{NewNode, NodeSink, Reference, ResolvedPlace, Root, TreeError};
use crate::format::entry::Entry;
use crate::format::key::{KEY_MAX, TreeKey};
use crate::format::limits::LEVELS_MAX;
use crate::format::node::{Boundary, Child, NodeWriter, Totals, Values};
use crate::id::BlobKind;

/// Builds a tree.
#[derive(Debug)]
pub struct TreeBuilder<'s, S: ?Sized> {
    store: &'s S,
    levels: Vec<Level>,
    last_key: Vec<u8>,
    value: Vec<u8>,
}

/// The node that is being filled at one level.
#[derive(Debug)]
struct Level {
    writer: NodeWriter,
    boundary: Boundary,
    references: Vec<Reference>,
    totals: Totals,
    /// Whether nodes of this level were closed before.
    closed: bool,
    /// An old node that may turn out to be the same as the new one.
    old: Option<Known>,
}

/// A node that is stored.
type Stored = (Child, Option<ResolvedPlace>);

impl<'s, S: NodeSink + ?Sized> TreeBuilder<'s, S> {
    /// A builder of an empty tree.
    pub fn new(store: &'s S) -> Self {
        Self { store, levels: vec![Level::new(0)], last_key: Vec::new(), value: Vec::new() }
    }

    /// Appends an entry. `place` is where its content was found, if it was found in a tree.
    ///
    /// # Errors
    /// The store's; [`TreeError`] if the key is not above the last or the entry is not well-formed.
    pub fn push(&mut self, key: &[u8], entry: &Entry, place: Option<ResolvedPlace>) -> Result<(), S::Error> {
        self.ascend(key)?;
        entry.check().map_err(TreeError::from)?;
        self.value.clear();
        entry.encode(&mut self.value);
        let reference = entry.content.reference().map(|(_, id)| Reference { id, place });
        self.append(0, key, reference, Totals::of(entry))
    }

    /// Whether [`TreeBuilder::push_subtree`] may take a subtree whose top node is of this level.
    pub fn is_aligned(&self, level: u8) -> bool {
        self.levels.iter().take(usize::from(level) + 1).all(|level| level.writer.is_empty())
    }

    /// Appends a whole subtree of another tree; only while [`TreeBuilder::is_aligned`]. Unless it ends the new tree as well,
    /// it must not end the old one: only nodes that something follows have ended by themselves.
    ///
    /// # Errors
    /// The store's; [`TreeError`] if the keys are not above the last.
    pub fn push_subtree(
        &mut self,
        level: u8,
        last_key: &[u8],
        child: &Child,
        place: Option<ResolvedPlace>,
    ) -> Result<(), S::Error> {
        debug_assert!(self.is_aligned(level), "a subtree starts where a node ended");
        self.ascend(last_key)?;
        self.append_child(level + 1, last_key, child, place)
    }

    /// Writes what is left, and gives the root.
    ///
    /// # Errors
    /// The store's; [`TreeError::TooLarge`] if there would be too many levels.
    pub fn finish(mut self) -> Result<Root, S::Error> {
        let mut at = 0;
        loop {
            let (level, above) = (&self.levels[at], &self.levels[at + 1..]);
            let top = !level.closed && above.iter().all(Level::is_untouched);
            if top && at > 0 && level.writer.len() == 1 {
                return self.only_child(at);
            }
            if top {
                return self.close(at).map(|(_, stored)| root(stored));
            }
            if !level.writer.is_empty() {
                self.flush(at)?;
            }
            at += 1;
        }
    }

    /// Tells of an old node that is about to be gone through item by item: if nothing changes it is not written again.
    pub(super) fn expect(&mut self, old: Known) {
        let at = usize::from(old.level);
        self.reach(at);
        self.levels[at].old = Some(old);
    }

    fn ascend(&mut self, key: &[u8]) -> Result<(), TreeError> {
        if key <= &self.last_key[..] {
            return Err(TreeError::Unsorted);
        }
        if key.len() > KEY_MAX {
            return Err(TreeError::TooLarge);
        }
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        Ok(())
    }

    fn append_child(
        &mut self,
        at: u8,
        key: &[u8],
        child: &Child,
        place: Option<ResolvedPlace>,
    ) -> Result<(), S::Error> {
        if at >= LEVELS_MAX {
            return Err(TreeError::TooLarge.into());
        }
        self.reach(usize::from(at));
        self.value.clear();
        child.encode(&mut self.value);
        self.append(at, key, Some(Reference { id: child.id, place }), child.totals)
    }

    /// Appends an item with the encoded `self.value`.
    fn append(&mut self, at: u8, key: &[u8], reference: Option<Reference>, totals: Totals) -> Result<(), S::Error> {
        let level = &mut self.levels[usize::from(at)];
        let item_len = level.writer.push(key, &self.value);
        level.references.extend(reference);
        level.totals = level.totals.plus(totals);
        if level.boundary.ends_after(item_len, self.store.split_hash(at, key)) {
            self.flush(usize::from(at))?;
        }
        Ok(())
    }

    fn flush(&mut self, at: usize) -> Result<(), S::Error> {
        let (key, (child, place)) = self.close(at)?;
        self.append_child(at as u8 + 1, &key, &child, place)
    }

    /// Stores the node of this level, and starts the next; gives its last key.
    fn close(&mut self, at: usize) -> Result<(Vec<u8>, Stored), S::Error> {
        let level = &mut self.levels[at];
        let done = std::mem::replace(level, Level { closed: true, ..Level::new(at as u8) });
        let (key, canonical) = (done.writer.last_key().to_vec(), done.writer.finish());
        let child = |id| Child { id, totals: done.totals };
        if let Some(old) = done.old.filter(|old| old.blob.canonical == canonical) {
            return Ok((key, (child(old.id), old.place)));
        }
        let node = NewNode { kind: BlobKind::Node, canonical, references: done.references };
        Ok((key, (child(self.store.write(node)?), None)))
    }

    /// The root, if level `at` has come to one item: what that item refers to, or what is the only thing below it.
    fn only_child(mut self, at: usize) -> Result<Root, S::Error> {
        let level = self.levels.swap_remove(at);
        let Reference { id, place } = level.references[0];
        let mut only = (Child { id, totals: level.totals }, place);
        // What was built here can't be an only child of an only child, but a subtree from elsewhere may be.
        let mut reused = at > 1 && !self.levels[at - 1].closed;
        while reused {
            let frame = Frame::read(self.store, &only.0, only.1)?;
            reused = false;
            if let (Values::Children(children), [place]) = (frame.node.values(), &frame.places[..]) {
                only = (children[0], *place);
                reused = true;
            }
        }
        Ok(root(only))
    }

    fn reach(&mut self, at: usize) {
        while self.levels.len() <= at {
            self.levels.push(Level::new(self.levels.len() as u8));
        }
    }
}

impl Level {
    fn new(level: u8) -> Self {
        Self {
            writer: NodeWriter::new(level),
            boundary: Boundary::new(level),
            references: Vec::new(),
            totals: Totals::default(),
            closed: false,
            old: None,
        }
    }

    fn is_untouched(&self) -> bool {
        !self.closed && self.writer.is_empty()
    }
}

fn root((child, place): Stored) -> Root {
    Root { id: child.id, place, totals: child.totals }
}

/// Builds a tree of entries that come in order.
///
/// # Errors
/// As for [`TreeBuilder::push`] and [`TreeBuilder::finish`].
pub fn build<'e, S: NodeSink + ?Sized>(
    store: &S,
    entries: impl IntoIterator<Item = (&'e TreeKey, &'e Entry)>,
) -> Result<Root, S::Error> {
    let mut builder = TreeBuilder::new(store);
    for (key, entry) in entries {
        builder.push(key.as_bytes(), entry, None)?;
    }
    builder.finish()
}
