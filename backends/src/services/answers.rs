//! What became of an object, in the same words for all services.

use std::ops::Range;

use bytes::Bytes;

use super::store::Tried;
use crate::ErrorKind;
use crate::http::{Failure, Reply};

/// Exactly the bytes that were asked for. What an answer means that has none of them is told by `refused`.
pub(super) fn exactly(reply: Reply, range: Option<Range<u64>>, refused: impl Fn(&Reply) -> Failure) -> Tried<Bytes> {
    let length = reply.body.len() as u64;
    match (reply.status.as_u16(), range) {
        (200, None) => Ok(reply.body),
        (206, Some(range)) => {
            let begins = reply
                .header("content-range")
                .and_then(|text| text.strip_prefix("bytes ")?.split_once('-')?.0.parse::<u64>().ok());
            if begins != Some(range.start) || length > range.end - range.start {
                return Err(Failure::new(ErrorKind::Unexpected, "the answer is another part than the one asked for"));
            }
            if length < range.end - range.start { Err(past_end()) } else { Ok(reply.body) }
        }
        // The server does not know of parts, or the part is all.
        (200, Some(range)) if range.end > length => Err(past_end()),
        (200, Some(range)) => Ok(reply.body.slice(range.start as usize..range.end as usize)),
        (416, Some(_)) => Err(past_end()),
        _ => Err(refused(&reply)),
    }
}

pub(super) fn past_end() -> Failure {
    Failure::new(ErrorKind::RangePastEnd, "it ends before that")
}

pub(super) fn not_found() -> Failure {
    Failure::new(ErrorKind::NotFound, "it is not there")
}

/// Something that is no object has its name.
pub(super) fn in_the_way() -> Failure {
    Failure::new(ErrorKind::NotADirectory, "there is a directory, or something else, of this name")
}

pub(super) fn too_large() -> Failure {
    Failure::new(ErrorKind::Unsupported, "it is larger than any object of ours")
}

/// Bytes did not arrive as they were sent.
pub(super) fn changed_on_the_way() -> Failure {
    Failure::new(ErrorKind::Reset, "what has arrived is not what was sent")
}

/// Whether all of a body has arrived.
pub(super) fn all_there(sent: u64, there: u64) -> Tried<()> {
    if sent == there {
        return Ok(());
    }
    Err(Failure::new(ErrorKind::Reset, format!("{sent} bytes were sent and {there} have arrived")))
}
