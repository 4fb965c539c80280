//! Looking at all entries of many trees, and at each node once: trees of neighbouring commits share nearly all of them.
//! Start at [`Survey::tree`].
//!
//! What is wrong with a node or below it is looked at again in every tree that has it, so that it can be told of each.

use std::collections::HashMap;

use super::cursor::Frame;
use super::source::{NodeSource, ResolvedPlace, Root, TreeError};
use crate::format::entry::Entry;
use crate::format::node::{Child, Values};
use crate::id::BlobId;

/// Who looks.
pub trait Surveyor<S: NodeSource + ?Sized> {
    /// A node is about to be read.
    ///
    /// # Errors
    /// Why it is not to be read: then it counts as unreadable.
    fn node(&mut self, id: &BlobId) -> Result<(), S::Error>;

    /// An entry. Tells whether all is well with it, so that it need not be seen in other trees.
    ///
    /// # Errors
    /// Whatever is to end the survey.
    fn entry(&mut self, key: &[u8], entry: &Entry, place: Option<ResolvedPlace>) -> Result<bool, S::Error>;

    /// The subtree of the keys above `after` (empty: from the start) up to `last` (empty: to the end) can't be read.
    ///
    /// # Errors
    /// `error`, or whatever else is to end the survey.
    fn unreadable(&mut self, after: &[u8], last: &[u8], error: S::Error) -> Result<(), S::Error>;
}

/// What is known of the nodes seen so far.
#[derive(Debug, Default)]
pub struct Survey {
    /// Nodes with nothing wrong in them or below, and their first keys.
    whole: HashMap<BlobId, Box<[u8]>>,
}

impl Survey {
    /// Looks at what is new or not well in a tree.
    ///
    /// # Errors
    /// The surveyor's.
    pub fn tree<S: NodeSource + ?Sized>(
        &mut self,
        store: &S,
        root: &Root,
        surveyor: &mut impl Surveyor<S>,
    ) -> Result<(), S::Error> {
        let child = Child { id: root.id, totals: root.totals };
        let mut passed = Vec::new();
        self.visit(store, Subtree { child: &child, place: root.place, below: None }, &mut passed, surveyor).map(drop)
    }

    /// Whether all is well.
    fn visit<S: NodeSource + ?Sized>(
        &mut self,
        store: &S,
        subtree: Subtree<'_>,
        passed: &mut Vec<u8>,
        surveyor: &mut impl Surveyor<S>,
    ) -> Result<bool, S::Error> {
        let Subtree { child, place, below } = subtree;
        let last = below.map_or(&[][..], |(_, last)| last);
        if self.whole.get(&child.id).is_some_and(|first| **first > **passed) {
            passed.clear();
            passed.extend_from_slice(last);
            return Ok(true);
        }
        let read = surveyor.node(&child.id).and_then(|()| Frame::read(store, child, place));
        let read = read.and_then(|frame| {
            let misplaced = TreeError::Misplaced { id: child.id, what: "level or range of keys" };
            if fits(&frame, below, passed) { Ok(frame) } else { Err(misplaced.into()) }
        });
        let frame = match read {
            Ok(frame) => frame,
            Err(error) => {
                surveyor.unreadable(passed, last, error)?;
                passed.clear();
                passed.extend_from_slice(last);
                return Ok(false);
            }
        };
        let (mut key, mut first, mut whole) = (Vec::new(), Box::default(), true);
        for at in 0..frame.node.len() {
            frame.node.step_key(at, &mut key);
            if at == 0 {
                first = key.clone().into_boxed_slice();
            }
            let place = frame.places[at];
            whole &= match frame.node.values() {
                Values::Entries(entries) => surveyor.entry(&key, &entries[at], place)?,
                Values::Children(children) => {
                    let below = Some((frame.node.level() - 1, &key[..]));
                    self.visit(store, Subtree { child: &children[at], place, below }, passed, surveyor)?
                }
            };
            passed.clone_from(&key);
        }
        if whole && !frame.node.is_empty() {
            self.whole.insert(child.id, first);
        }
        Ok(whole)
    }
}

struct Subtree<'a> {
    child: &'a Child,
    place: Option<ResolvedPlace>,
    /// The level and the last key that its parent gives it.
    below: Option<(u8, &'a [u8])>,
}

/// Whether a node is where it should be.
fn fits(frame: &Frame, below: Option<(u8, &[u8])>, passed: &[u8]) -> bool {
    let Some((level, last)) = below else { return true };
    let mut first = Vec::new();
    if !frame.node.is_empty() {
        frame.node.step_key(0, &mut first);
    }
    frame.node.level() == level && &first[..] > passed && frame.node.last_key().as_deref() == Some(last)
}
