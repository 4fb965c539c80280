//! Changing a tree: sorted edits stream over it, and every node that no edit touches is taken over unread.
//!
//! After an edit nodes are cut anew until an end of a new node coincides with the end of an old one; that is soon, and on
//! each level by itself. The result is the tree that its entries alone would make.

use super::builder::TreeBuilder;
use super::cursor::{Cursor, Head};
use super::source::{NodeSink, Root, TreeError};
use crate::format::entry::Entry;
use crate::format::key::TreeKey;

/// One change to a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Sets the entry of a key.
    Put(TreeKey, Entry),
    /// Removes a key, if it is there.
    Delete(TreeKey),
    /// Removes every key from the first (included) to the second (excluded).
    DeleteRange(TreeKey, TreeKey),
}

impl Edit {
    /// The first key that it concerns: what edits are sorted by.
    pub fn key(&self) -> &TreeKey {
        match self {
            Self::Put(key, _) | Self::Delete(key) | Self::DeleteRange(key, _) => key,
        }
    }
}

/// Applies edits to a tree; `None` is the empty one. The edits ascend strictly by key, except that others may share theirs
/// with a range deletion before them. What is put into a deleted range stays.
///
/// # Errors
/// The store's, the first error among the edits, [`TreeError`] if they are not sorted, or the old tree is not well-formed.
pub fn apply_edits<S, I>(store: &S, old: Option<&Root>, edits: I) -> Result<Root, S::Error>
where
    S: NodeSink + ?Sized,
    I: IntoIterator<Item = Result<Edit, S::Error>>,
{
    let mut edits = Edits { rest: edits.into_iter(), next: None, last: None };
    edits.pull()?;
    if let (Some(old), None) = (old, &edits.next) {
        return Ok(*old);
    }
    let cursor = match old {
        Some(root) => Cursor::open(store, root)?,
        None => Cursor::empty(store),
    };
    let mut editor = Editor { cursor, builder: TreeBuilder::new(store), edits, deleted_to: None };
    editor.expect_node();
    while editor.step()? {}
    editor.builder.finish()
}

struct Editor<'s, S: ?Sized, I> {
    cursor: Cursor<'s, S>,
    builder: TreeBuilder<'s, S>,
    edits: Edits<I>,
    /// Old keys below this one are deleted.
    deleted_to: Option<TreeKey>,
}

impl<S, I> Editor<'_, S, I>
where
    S: NodeSink + ?Sized,
    I: Iterator<Item = Result<Edit, S::Error>>,
{
    /// Takes one edit, one entry or one subtree; `false` at the end.
    fn step(&mut self) -> Result<bool, S::Error> {
        let next = self.edits.next.as_ref().map(Edit::key);
        let deleted = |key: &[u8]| self.deleted_to.as_ref().is_some_and(|end| key < end.as_bytes());
        match self.cursor.head() {
            None if next.is_none() => return Ok(false),
            None => self.edit()?,
            Some(Head::Entry { key, entry, place }) => {
                if next.is_some_and(|next| next.as_bytes() <= key) {
                    return self.edit_before_entry();
                }
                if !deleted(key) {
                    self.builder.push(key, entry, place)?;
                }
                self.cursor.advance();
            }
            Some(Head::Subtree { level, last_key, child, place }) => {
                let passed = self.cursor.passed();
                if next.is_some_and(|next| next.as_bytes() <= passed) {
                    self.edit()?;
                } else if deleted(last_key) {
                    self.cursor.advance();
                } else if next.is_none_or(|next| next.as_bytes() > last_key)
                    && !deleted_after(self.deleted_to.as_ref(), passed)
                    && self.builder.is_aligned(level)
                    && (next.is_none() || !self.cursor.at_last())
                {
                    self.builder.push_subtree(level, last_key, &child, place)?;
                    self.cursor.advance();
                } else {
                    self.cursor.expand()?;
                    self.expect_node();
                }
            }
        }
        Ok(true)
    }

    /// The next edit is at or before the entry at the head, which it replaces or removes if it is at the same key.
    fn edit_before_entry(&mut self) -> Result<bool, S::Error> {
        let range = matches!(self.edits.next, Some(Edit::DeleteRange(..)));
        let (next, head) = (self.edits.next.as_ref().map(Edit::key), self.cursor.head());
        let same = matches!((next, head), (Some(next), Some(Head::Entry { key, .. })) if next.as_bytes() == key);
        self.edit()?;
        if same && !range {
            self.cursor.advance();
        }
        Ok(true)
    }

    /// Takes the next edit; what it puts comes before the head.
    fn edit(&mut self) -> Result<(), S::Error> {
        match self.edits.next.take() {
            Some(Edit::Put(key, entry)) => self.builder.push(key.as_bytes(), &entry, None)?,
            Some(Edit::DeleteRange(_, end)) => self.deleted_to = self.deleted_to.take().max(Some(end)),
            Some(Edit::Delete(_)) | None => {}
        }
        self.edits.pull()
    }

    fn expect_node(&mut self) {
        if let Some(node) = self.cursor.node() {
            self.builder.expect(node.clone());
        }
    }
}

/// Whether a deletion up to `end` can reach keys above `passed`.
fn deleted_after(end: Option<&TreeKey>, passed: &[u8]) -> bool {
    end.is_some_and(|end| end.as_bytes() > passed)
}

/// The edits, one looked at ahead, their order checked.
struct Edits<I> {
    rest: I,
    next: Option<Edit>,
    last: Option<(TreeKey, bool)>,
}

impl<I> Edits<I> {
    fn pull<E: From<TreeError>>(&mut self) -> Result<(), E>
    where
        I: Iterator<Item = Result<Edit, E>>,
    {
        self.next = self.rest.next().transpose()?;
        let Some(next) = &self.next else { return Ok(()) };
        let sorted = match &self.last {
            None => true,
            Some((last, was_range)) => last < next.key() || (*was_range && last == next.key()),
        };
        if !sorted {
            return Err(TreeError::Unsorted.into());
        }
        self.last = Some((next.key().clone(), matches!(next, Edit::DeleteRange(..))));
        Ok(())
    }
}
