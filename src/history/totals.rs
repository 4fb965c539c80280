//! What a range of a tree adds up to, from the totals that nodes keep of their children: only its edges are read.

use std::ops::Range;

use super::cursor::{Cursor, Head};
use super::source::{NodeSource, Root};
use crate::format::key::TreeKey;
use crate::format::node::Totals;

/// Adds up the entries with `range.start <= key < range.end`.
///
/// # Errors
/// As for [`Cursor::range`].
pub fn totals<S: NodeSource + ?Sized>(store: &S, root: &Root, range: Range<TreeKey>) -> Result<Totals, S::Error> {
    let end = range.end.clone();
    let mut cursor = Cursor::range(store, root, range)?;
    let mut sum = Totals::default();
    loop {
        sum = match cursor.head() {
            None => return Ok(sum),
            Some(Head::Entry { entry, .. }) => sum.plus(Totals::of(entry)),
            Some(Head::Subtree { last_key, child, .. }) if last_key < end.as_bytes() => sum.plus(child.totals),
            Some(Head::Subtree { .. }) => {
                cursor.expand()?;
                continue;
            }
        };
        cursor.advance();
    }
}
