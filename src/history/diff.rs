//! What differs between two trees, in key order. Subtrees with equal ids are passed unread on both sides.

use super::cursor::{Cursor, Found, Head};
use super::source::{NodeSource, Root};
use crate::format::key::TreeKey;

/// One key at which two trees differ. At least one side is there, and if both are their entries are not equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: TreeKey,
    /// What the old tree has.
    pub old: Option<Found>,
    /// What the new tree has.
    pub new: Option<Found>,
}

/// The changes between two trees; ends after the first error.
#[derive(Debug)]
pub struct Diff<'s, S: ?Sized> {
    old: Cursor<'s, S>,
    new: Cursor<'s, S>,
}

/// Compares two trees.
///
/// # Errors
/// As for [`Cursor::open`].
pub fn diff<'s, S: NodeSource + ?Sized>(store: &'s S, old: &Root, new: &Root) -> Result<Diff<'s, S>, S::Error> {
    if old.id == new.id {
        return Ok(Diff::new(Cursor::empty(store), Cursor::empty(store)));
    }
    Ok(Diff::new(Cursor::open(store, old)?, Cursor::open(store, new)?))
}

impl<'s, S: NodeSource + ?Sized> Diff<'s, S> {
    /// Compares what lies before two cursors, for example over the same range of two trees.
    pub fn new(old: Cursor<'s, S>, new: Cursor<'s, S>) -> Self {
        Self { old, new }
    }

    fn step(&mut self) -> Result<Option<Change>, S::Error> {
        loop {
            let (old, new) = match (self.old.head(), self.new.head()) {
                (Some(Head::Subtree { child: a, .. }), Some(Head::Subtree { child: b, .. })) if a.id == b.id => {
                    self.old.advance();
                    self.new.advance();
                    continue;
                }
                (Some(Head::Entry { key: a, .. }), Some(Head::Entry { key: b, .. })) => (a <= b, b <= a),
                (Some(Head::Entry { .. }), None) => (true, false),
                (None, Some(Head::Entry { .. })) => (false, true),
                (None, None) => return Ok(None),
                // The higher side may hold what the other has before it: that is the one to look into.
                (a, b) => {
                    let (a, b) = (subtree_level(a), subtree_level(b));
                    if a >= b {
                        self.old.expand()?;
                    }
                    if b >= a {
                        self.new.expand()?;
                    }
                    continue;
                }
            };
            let old = old.then(|| take(&mut self.old)).flatten();
            let new = new.then(|| take(&mut self.new)).flatten();
            let same = old.as_ref().map(|found| &found.entry) == new.as_ref().map(|found| &found.entry);
            let key = old.as_ref().or(new.as_ref()).map(|found| found.key.clone());
            if let Some(key) = key.filter(|_| !same) {
                return Ok(Some(Change { key, old, new }));
            }
        }
    }
}

impl<S: NodeSource + ?Sized> Iterator for Diff<'_, S> {
    type Item = Result<Change, S::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.old.stop();
            self.new.stop();
        }
        step.transpose()
    }
}

fn subtree_level(head: Option<Head<'_>>) -> Option<u8> {
    match head {
        Some(Head::Subtree { level, .. }) => Some(level),
        Some(Head::Entry { .. }) | None => None,
    }
}

fn take<S: NodeSource + ?Sized>(cursor: &mut Cursor<'_, S>) -> Option<Found> {
    let found = cursor.found();
    cursor.advance();
    found
}
