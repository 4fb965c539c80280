//! A pack being filled: frames in memory, their directory, and the plaintext that comes of them.

use crate::crypto::geometry;
use crate::format::hints::Location;
use crate::format::limits::PACK_OBJECT_MAX;
use crate::format::pack::{BlobEntry, Directory, FrameEntry};

/// Frames that will lie in one object.
#[derive(Default)]
pub(super) struct Container {
    frames: Vec<Vec<u8>>,
    directory: Directory,
    len: u64,
}

/// The plaintext of a finished pack, as the pieces it is sealed from.
pub(super) struct Plaintext {
    pub(super) frames: Vec<Vec<u8>>,
    /// Zeros, directory and its length.
    pub(super) tail: Vec<u8>,
    /// The directory alone, encoded, for the journal.
    pub(super) directory: Vec<u8>,
}

impl Container {
    /// Appends a stored frame with its blobs, and tells where each lies.
    pub(super) fn append(&mut self, frame: Vec<u8>, blobs: Vec<BlobEntry>) -> Vec<(BlobEntry, Location)> {
        let (offset, stored) = (self.len as u32, frame.len() as u32);
        assert!(self.len + u64::from(stored) < PACK_OBJECT_MAX, "packs are sealed long before they reach the limit");
        let mut blob_offset = 0;
        let mut placed = Vec::with_capacity(blobs.len());
        for blob in &blobs {
            let at = Location { frame_offset: offset, frame_len: stored, blob_offset, blob_len: blob.len };
            placed.push((*blob, at));
            blob_offset += blob.len;
        }
        self.len += u64::from(stored);
        self.frames.push(frame);
        self.directory.frames.push(FrameEntry { stored_len: stored, blobs });
        placed
    }

    /// Bytes of frames so far.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no frame.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Moves all frames of `other` behind those of this one; their new places.
    pub(super) fn absorb(&mut self, other: Self) -> Vec<(BlobEntry, Location)> {
        let mut placed = Vec::new();
        for (frame, entry) in other.frames.into_iter().zip(other.directory.frames) {
            placed.extend(self.append(frame, entry.blobs));
        }
        placed
    }

    /// Every blob with its location.
    pub(super) fn blobs(&self) -> impl Iterator<Item = (&BlobEntry, Location)> {
        self.directory.blobs()
    }

    /// Number of frames.
    pub(super) fn frame_count(&self) -> usize {
        self.frames.len()
    }

    /// Drops all frames but the first `frames`.
    pub(super) fn truncate(&mut self, frames: usize) {
        self.frames.truncate(frames);
        self.directory.frames.truncate(frames);
        self.len = self.directory.frames_len();
    }

    /// The length of the body of a bundle with these frames, or a little more.
    pub(super) fn body_len_max(&self) -> usize {
        let entries: usize = self.directory.frames.iter().map(|frame| 16 + frame.blobs.len() * 48).sum();
        self.len as usize + entries + 16
    }

    /// The body of a bundle: frames, directory, length; and the directory alone.
    pub(super) fn into_body(self) -> (Vec<u8>, Vec<u8>) {
        if self.frames.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let mut footer = self.directory.encode_footer();
        let mut body = self.frames.concat();
        body.extend_from_slice(&footer);
        footer.truncate(footer.len() - 4);
        (body, footer)
    }

    /// The plaintext of a pack: padded so that the sealed object has one of the few sizes there are.
    pub(super) fn into_pack(self) -> Plaintext {
        let footer = self.directory.encode_footer();
        let content = self.len + footer.len() as u64;
        let zeros = geometry::padded_plain_len(content) - content;
        let mut tail = vec![0; zeros as usize];
        tail.extend_from_slice(&footer);
        let directory = footer[..footer.len() - 4].to_vec();
        Plaintext { frames: self.frames, tail, directory }
    }
}

impl Plaintext {
    /// The pieces, in order.
    pub(super) fn parts(&self) -> Vec<&[u8]> {
        self.frames.iter().map(Vec::as_slice).chain([self.tail.as_slice()]).collect()
    }
}
