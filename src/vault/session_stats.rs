//! What a session counts.

use std::sync::atomic::AtomicU64;

/// What a session has done so far.
#[derive(Debug, Default)]
pub struct SessionStats {
    /// Bytes of chunks that the vault had already.
    pub deduplicated: AtomicU64,
    /// Bytes of objects put, sealed and padded.
    pub stored: AtomicU64,
    /// Blobs stored again because no object that the index names for them is there.
    pub restored: AtomicU64,
}
