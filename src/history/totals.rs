//! What a range of a tree adds up to, from the totals that nodes keep of their children: only its edges are read.

use std::ops::Range;

use super::cursor::{Cursor, Head};
use super::source::{NodeSource, Root};
use crate::format::key::TreeKey;

/// The sum over a range of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Entries of every kind.
    pub entries: u64,
    /// Sum of the sizes of files in bytes, or `u64::MAX` if it is more.
    pub bytes: u64,
}

/// Adds up the entries with `range.start <= key < range.end`.
///
/// # Errors
/// As for [`Cursor::range`].
pub fn totals<S: NodeSource + ?Sized>(store: &S, root: &Root, range: Range<TreeKey>) -> Result<Totals, S::Error> {
    let end = range.end.clone();
    let mut cursor = Cursor::range(store, root, range)?;
    let mut sum = Totals::default();
    loop {
        let (entries, bytes) = match cursor.head() {
            None => return Ok(sum),
            Some(Head::Entry { entry, .. }) => (1, entry.size),
            Some(Head::Subtree { last_key, child, .. }) if last_key < end.as_bytes() => (child.entries, child.bytes),
            Some(Head::Subtree { .. }) => {
                cursor.expand()?;
                continue;
            }
        };
        sum.entries = sum.entries.saturating_add(entries);
        sum.bytes = sum.bytes.saturating_add(bytes);
        cursor.advance();
    }
}
