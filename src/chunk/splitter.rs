//! A file's bytes into holes and chunks. The pieces are a function of the content alone, whether or not the source was
//! sparse.

use std::ops::Range;

use super::cutter::Cutter;

/// Full blocks of zeros at multiples of this are holes.
pub const BLOCK: usize = 262_144;

/// A piece of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'a> {
    /// So many zero bytes.
    Hole(u64),
    /// A chunk.
    Data(&'a [u8]),
}

/// A piece, a chunk by its place in the buffer.
enum Cut {
    Hole(u64),
    Data(Range<usize>),
}

/// Splits one file at a time. Fill [`Splitter::spare`], tell by [`Splitter::advance`], take pieces until there are none.
pub struct Splitter {
    cutter: Cutter,
    buffer: Vec<u8>,
    /// Where the extent's unsent bytes begin in the buffer.
    start: usize,
    /// How many bytes from `start` on are known to hold no end of a chunk.
    searched: usize,
    /// How far the bytes are known to belong to the extent.
    sure: usize,
    /// How far the buffer is filled.
    filled: usize,
    /// File offset of `sure`, a multiple of the block until the file ends.
    /// Zeros told by `push_zeros` and not taken in yet.
    zeros: u64,
    /// Zeros of the hole being gathered.
    hole: u64,
    finished: bool,
}

impl Splitter {
    /// A splitter for files of one vault.
    pub fn new(cutter: Cutter) -> Self {
        let buffer = vec![0; cutter.max() + 2 * BLOCK + (1 << 20)];
        Self { cutter, buffer, start: 0, searched: 0, sure: 0, filled: 0, zeros: 0, hole: 0, finished: false }
    }

    /// Begins another file.
    pub fn reset(&mut self) {
        (self.start, self.searched, self.sure, self.filled) = (0, 0, 0, 0);
        (self.zeros, self.hole, self.finished) = (0, 0, false);
    }

    /// Room for the next bytes of the file. Never empty once [`Splitter::next_piece`] has returned `None`.
    pub fn spare(&mut self) -> &mut [u8] {
        if self.start > 0 && self.buffer.len() - self.filled < (1 << 20) {
            self.buffer.copy_within(self.start..self.filled, 0);
            self.sure -= self.start;
            self.filled -= self.start;
            self.start = 0;
        }
        &mut self.buffer[self.filled..]
    }

    /// The first `len` bytes of the room are filled.
    pub fn advance(&mut self, len: usize) {
        self.filled += len;
    }

    /// The next `len` bytes of the file are zeros, as a sparse file system tells.
    pub fn push_zeros(&mut self, len: u64) {
        self.zeros += len;
    }

    /// The file is complete.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The next piece that is certain.
    pub fn next_piece(&mut self) -> Option<Piece<'_>> {
        let cut = loop {
            if let Some(chunk) = self.cut(self.hole > 0) {
                break Cut::Data(chunk);
            }
            if !self.take_block() {
                break self.last()?;
            }
        };
        Some(match cut {
            Cut::Hole(len) => Piece::Hole(len),
            Cut::Data(chunk) => Piece::Data(&self.buffer[chunk]),
        })
    }

    /// A chunk of the extent, if one is certain: cut by content, or by the end of the extent.
    fn cut(&mut self, extent_ended: bool) -> Option<Range<usize>> {
        let extent = &self.buffer[self.start..self.sure];
        let Some(len) = self.cutter.cut(extent, self.searched, extent_ended) else {
            self.searched = extent.len();
            return None;
        };
        let chunk = self.start..self.start + len;
        (self.start, self.searched) = (chunk.end, 0);
        Some(chunk)
    }

    /// Takes one more block into the extent or the hole. `false` if none is complete, or a hole must be sent first.
    fn take_block(&mut self) -> bool {
        let pending = self.filled - self.sure;
        if pending < BLOCK && self.zeros > 0 {
            if pending == 0 && self.zeros >= BLOCK as u64 {
                let blocks = self.zeros - self.zeros % BLOCK as u64;
                self.zeros -= blocks;
                self.hole += blocks;
                return true;
            }
            let fill = ((BLOCK - pending) as u64).min(self.zeros) as usize;
            self.spare()[..fill].fill(0);
            self.filled += fill;
            self.zeros -= fill as u64;
        }
        if self.filled - self.sure < BLOCK {
            return false;
        }
        let block = &self.buffer[self.sure..self.sure + BLOCK];
        if is_zero(block) {
            // What precedes the hole in the buffer is gone once it is cut; the zeros themselves are dropped here.
            self.buffer.copy_within(self.sure + BLOCK..self.filled, self.sure);
            self.filled -= BLOCK;
            self.hole += BLOCK as u64;
        } else if self.hole > 0 {
            return false;
        } else {
            self.sure += BLOCK;
        }
        true
    }

    /// What is left when no block can be taken: the hole before data, or the end of the file.
    fn last(&mut self) -> Option<Cut> {
        let tail = self.filled - self.sure;
        if self.hole > 0 && (tail >= BLOCK || self.finished) {
            return Some(Cut::Hole(std::mem::take(&mut self.hole)));
        }
        if !self.finished || self.start == self.filled {
            return None;
        }
        self.sure = self.filled;
        self.cut(true).map(Cut::Data)
    }
}

fn is_zero(block: &[u8]) -> bool {
    let (words, rest) = block.as_chunks::<16>();
    words.iter().all(|word| u128::from_ne_bytes(*word) == 0) && rest.iter().all(|b| *b == 0)
}

#[cfg(test)]
#[path = "splitter_tests.rs"]
mod tests;
