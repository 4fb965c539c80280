//! Finding conflict copies: only the nodes that lead to one are read, because nodes count those below them.

use std::ops::Range;

use super::cursor::{Cursor, Found, Head};
use super::source::{NodeSource, Root};
use crate::format::key::TreeKey;

/// The conflict copies of a range of keys, in order; ends after the first error.
#[derive(Debug)]
pub struct Conflicts<'s, S: ?Sized> {
    cursor: Option<Cursor<'s, S>>,
}

/// Looks for conflict copies with `range.start <= key < range.end`.
///
/// # Errors
/// As for [`Cursor::range`].
pub fn conflicts<'s, S: NodeSource + ?Sized>(
    store: &'s S,
    root: &Root,
    range: Range<TreeKey>,
) -> Result<Conflicts<'s, S>, S::Error> {
    let cursor = if root.totals.conflicts == 0 { None } else { Some(Cursor::range(store, root, range)?) };
    Ok(Conflicts { cursor })
}

impl<S: NodeSource + ?Sized> Conflicts<'_, S> {
    fn step(&mut self) -> Result<Option<Found>, S::Error> {
        let Some(cursor) = &mut self.cursor else { return Ok(None) };
        loop {
            match cursor.head() {
                None => return Ok(None),
                Some(Head::Subtree { child, .. }) if child.totals.conflicts > 0 => cursor.expand()?,
                Some(Head::Entry { entry, .. }) if entry.conflict().is_some() => {
                    let found = cursor.found();
                    cursor.advance();
                    return Ok(found);
                }
                Some(_) => cursor.advance(),
            }
        }
    }
}

impl<S: NodeSource + ?Sized> Iterator for Conflicts<'_, S> {
    type Item = Result<Found, S::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.cursor = None;
        }
        step.transpose()
    }
}
