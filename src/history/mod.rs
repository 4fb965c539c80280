//! The model behind a commit: the tree of entries and the chunk lists of its files, and the algorithms on them.
//!
//! Works over the traits of [`source`]; never does I/O, never sees a key or a pack, never holds more of a tree than one
//! node for each level. Start reading at [`cursor`]: everything else is written in terms of it.

pub mod builder;
pub mod chunk_list;
mod conflict_name;
pub mod conflicts;
pub mod cursor;
pub mod diff;
pub mod editor;
mod fixes;
pub mod merge;
mod moves;
pub mod retention;
mod settle;
pub mod source;
pub mod survey;
pub mod totals;

#[cfg(test)]
mod tests;
