//! What is sent: how long it is, its pieces, and how sums of it are written.

use std::fmt::Write;
use std::ops::Range;

use bytes::Bytes;

/// How long a body is.
pub(super) fn length(body: &[Bytes]) -> u64 {
    body.iter().map(|part| part.len() as u64).sum()
}

/// A piece of a body, without a copy.
pub(super) fn piece(body: &[Bytes], range: Range<u64>) -> Vec<Bytes> {
    let (mut found, mut at) = (Vec::new(), 0);
    for part in body {
        let end = at + part.len() as u64;
        let (from, to) = (range.start.clamp(at, end), range.end.clamp(at, end));
        if from < to {
            found.push(part.slice((from - at) as usize..(to - at) as usize));
        }
        at = end;
    }
    found
}

/// A sum as most services write it.
pub(super) fn hex(sum: impl AsRef<[u8]>) -> String {
    sum.as_ref().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}
