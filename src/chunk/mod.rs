//! File content into pieces (docs/format.md, section 9.5). Start reading at [`Splitter`].
//!
//! Pure: bytes in, pieces out. Never does I/O, never sees a key, never holds more than one chunk and one block.

mod cutter;
mod splitter;

pub use cutter::{Cutter, Policy};
pub use splitter::{BLOCK, Piece, Splitter};
