//! Reading a tree: a cursor that moves forward over entries and over whole subtrees that nobody has looked into yet.
//!
//! The next thing before a [`Cursor`] is its [`Head`]: an entry, or a subtree that the caller may [`Cursor::expand`]
//! or pass unread by [`Cursor::advance`]. Iterating, seeking, comparing and editing are all made of these.
//! Trusts nothing that a node says of another: levels, keys and totals are checked on the way down.

use std::ops::Range;
use std::sync::Arc;

use super::source::{NodeBlob, NodeSource, ResolvedPlace, Root, TreeError};
use crate::format::entry::Entry;
use crate::format::key::TreeKey;
use crate::format::node::{Child, Node, Values};
use crate::id::{BlobId, BlobKind};

/// An entry, and where its content may be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its key.
    pub key: TreeKey,
    /// The entry.
    pub entry: Entry,
    /// The hinted place of the blob that `entry.content` refers to.
    pub place: Option<ResolvedPlace>,
}

/// What comes next in a tree.
#[derive(Debug)]
pub enum Head<'c> {
    /// A subtree that has not been read.
    Subtree {
        /// The level of its top node.
        level: u8,
        /// The last key in it. Its keys are above [`Cursor::passed`].
        last_key: &'c [u8],
        /// Its top node and its totals.
        child: Child,
        /// The hinted place of the top node.
        place: Option<ResolvedPlace>,
    },
    /// An entry.
    Entry {
        /// Its key.
        key: &'c [u8],
        /// The entry.
        entry: &'c Entry,
        /// The hinted place of its content.
        place: Option<ResolvedPlace>,
    },
}

/// A position in a tree. Holds one node for each level at most.
///
/// As an iterator it yields the entries from here to its end; it ends after the first error.
#[derive(Debug)]
pub struct Cursor<'s, S: ?Sized> {
    store: &'s S,
    stack: Vec<Frame>,
    passed: Vec<u8>,
    end: Option<TreeKey>,
}

/// A node as it is stored, and where.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) level: u8,
    pub(super) id: BlobId,
    pub(super) place: Option<ResolvedPlace>,
    pub(super) blob: Arc<NodeBlob>,
}

/// A node that was read, and how far the cursor has come in it.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) known: Known,
    pub(super) node: Node,
    /// One for each item.
    pub(super) places: Vec<Option<ResolvedPlace>>,
    at: usize,
    key: Vec<u8>,
}

impl<'s, S: NodeSource + ?Sized> Cursor<'s, S> {
    /// A cursor before the first entry. Reads the root node.
    ///
    /// # Errors
    /// The store's, or [`TreeError`] if the root is not what `root` says.
    pub fn open(store: &'s S, root: &Root) -> Result<Self, S::Error> {
        let child = Child { id: root.id, totals: root.totals };
        let frame = Frame::read(store, &child, root.place)?;
        Ok(Self { store, stack: vec![frame], passed: Vec::new(), end: None })
    }

    /// A cursor over the entries with `range.start <= key < range.end`.
    ///
    /// # Errors
    /// As for [`Cursor::open`] and [`Cursor::seek`].
    pub fn range(store: &'s S, root: &Root, range: Range<TreeKey>) -> Result<Self, S::Error> {
        let mut cursor = Self::open(store, root)?;
        cursor.seek(range.start.as_bytes())?;
        cursor.end = Some(range.end);
        Ok(cursor)
    }

    /// A cursor over nothing.
    pub fn empty(store: &'s S) -> Self {
        Self { store, stack: Vec::new(), passed: Vec::new(), end: None }
    }

    /// What comes next; `None` at the end.
    pub fn head(&self) -> Option<Head<'_>> {
        let frame = self.stack.last().filter(|frame| frame.at < frame.node.len())?;
        let place = frame.places[frame.at];
        let past_end = |key: &[u8]| self.end.as_ref().is_some_and(|end| key >= end.as_bytes());
        match frame.node.values() {
            Values::Entries(_) if past_end(&frame.key) => None,
            Values::Children(_) if past_end(&self.passed) => None,
            Values::Entries(entries) => Some(Head::Entry { key: &frame.key, entry: &entries[frame.at], place }),
            Values::Children(children) => Some(Head::Subtree {
                level: frame.node.level() - 1,
                last_key: &frame.key,
                child: children[frame.at],
                place,
            }),
        }
    }

    /// Goes past the head: one entry, or a whole subtree, unread.
    pub fn advance(&mut self) {
        while let Some(frame) = self.stack.last_mut() {
            if frame.at < frame.node.len() {
                self.passed.clone_from(&frame.key);
                frame.at += 1;
            }
            if frame.at < frame.node.len() {
                frame.node.step_key(frame.at, &mut frame.key);
                return;
            }
            if self.stack.len() == 1 {
                return;
            }
            self.stack.pop();
        }
    }

    /// Reads the top node of the subtree at the head, whose first item is the head then. Does nothing at an entry.
    ///
    /// # Errors
    /// The store's, or [`TreeError`] if the node is not what its parent says.
    pub fn expand(&mut self) -> Result<(), S::Error> {
        let Some(Head::Subtree { level, last_key, child, place }) = self.head() else { return Ok(()) };
        let frame = Frame::read(self.store, &child, place)?;
        let misplaced = |what| TreeError::Misplaced { id: child.id, what };
        if frame.node.level() != level {
            return Err(misplaced("level").into());
        }
        if frame.key <= self.passed || frame.node.last_key().as_deref() != Some(last_key) {
            return Err(misplaced("range of keys").into());
        }
        self.stack.push(frame);
        Ok(())
    }

    /// Reads the subtree at the head, or goes past it where the store wants that of one that can't be read.
    fn enter(&mut self) -> Result<(), S::Error> {
        let Err(error) = self.expand() else { return Ok(()) };
        match self.head() {
            Some(Head::Subtree { last_key, .. }) if self.store.passes_over(&error, &self.passed, last_key) => {
                self.advance();
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// Goes to the first entry whose key is not below `key`, or to the end. Forward from where it is; from the start
    /// if it is past that key already.
    ///
    /// # Errors
    /// As for [`Cursor::expand`].
    pub fn seek(&mut self, key: &[u8]) -> Result<(), S::Error> {
        if key <= &self.passed[..] {
            self.rewind();
        }
        loop {
            match self.head() {
                Some(Head::Subtree { last_key: at, .. } | Head::Entry { key: at, .. }) if at < key => self.advance(),
                Some(Head::Subtree { .. }) => self.enter()?,
                Some(Head::Entry { .. }) | None => return Ok(()),
            }
        }
    }

    /// The last key that the cursor has gone past; empty at the start.
    pub fn passed(&self) -> &[u8] {
        &self.passed
    }

    /// Whether nothing comes after the head.
    pub(super) fn at_last(&self) -> bool {
        self.stack.iter().all(|frame| frame.at + 1 >= frame.node.len())
    }

    /// The node that the head is an item of.
    pub(super) fn node(&self) -> Option<&Known> {
        self.stack.last().map(|frame| &frame.known)
    }

    fn rewind(&mut self) {
        self.stack.truncate(1);
        self.passed.clear();
        if let Some(frame) = self.stack.first_mut() {
            frame.start();
        }
    }

    fn step(&mut self) -> Result<Option<Found>, S::Error> {
        while let Some(Head::Subtree { .. }) = self.head() {
            self.enter()?;
        }
        let found = self.found();
        if found.is_some() {
            self.advance();
        }
        Ok(found)
    }

    /// Goes to the end for good.
    pub(super) fn stop(&mut self) {
        self.stack.clear();
    }

    /// The entry at the head, if it is one.
    pub(super) fn found(&self) -> Option<Found> {
        match self.head()? {
            Head::Entry { key, entry, place } => {
                Some(Found { key: TreeKey::from_bytes(key), entry: entry.clone(), place })
            }
            Head::Subtree { .. } => None,
        }
    }
}

impl<S: NodeSource + ?Sized> Iterator for Cursor<'_, S> {
    type Item = Result<Found, S::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.stop();
        }
        step.transpose()
    }
}

/// The entry with this key.
///
/// # Errors
/// The store's, or [`TreeError`] if a node on the way is not what its parent says.
pub fn get<S: NodeSource + ?Sized>(store: &S, root: &Root, key: &TreeKey) -> Result<Option<Found>, S::Error> {
    let mut cursor = Cursor::open(store, root)?;
    cursor.seek(key.as_bytes())?;
    Ok(cursor.found().filter(|found| found.key == *key))
}

impl Frame {
    /// Reads a node, and checks what its parent (or the commit) says of it.
    pub(super) fn read<S: NodeSource + ?Sized>(
        store: &S,
        child: &Child,
        place: Option<ResolvedPlace>,
    ) -> Result<Self, S::Error> {
        let blob = store.read(BlobKind::Node, &child.id, place.as_ref())?;
        let node = Node::decode(&blob.canonical).map_err(TreeError::from)?;
        if node.totals() != child.totals {
            return Err(TreeError::Misplaced { id: child.id, what: "total" }.into());
        }
        let references = node.references();
        let mut hinted = blob.places(references.iter().flatten().count()).into_iter();
        let places = references.iter().map(|reference| reference.and_then(|_| hinted.next().flatten())).collect();
        let known = Known { level: node.level(), id: child.id, place, blob };
        let mut frame = Self { known, node, places, at: 0, key: Vec::new() };
        frame.start();
        Ok(frame)
    }

    fn start(&mut self) {
        self.at = 0;
        if !self.node.is_empty() {
            self.node.step_key(0, &mut self.key);
        }
    }
}
