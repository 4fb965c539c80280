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
            placed.push((blob.clone(), at));
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

    /// The length of the body of a bundle with these frames.
    pub(super) fn body_len(&self) -> usize {
        self.len as usize + self.directory.encode().len() + 4
    }

    /// The body of a bundle: frames, directory, length; and the directory alone.
    pub(super) fn into_body(self) -> (Vec<u8>, Vec<u8>) {
        let directory = self.directory.encode();
        let mut body = self.frames.concat();
        body.extend_from_slice(&directory);
        body.extend_from_slice(&(directory.len() as u32).to_le_bytes());
        (body, directory)
    }

    /// The plaintext of a pack: padded so that the sealed object has one of the few sizes there are.
    pub(super) fn into_pack(self) -> Plaintext {
        let directory = self.directory.encode();
        let content = self.len + directory.len() as u64 + 4;
        let zeros = geometry::padded_plain_len(content) - content;
        let mut tail = vec![0; zeros as usize];
        tail.extend_from_slice(&directory);
        tail.extend_from_slice(&(directory.len() as u32).to_le_bytes());
        Plaintext { frames: self.frames, tail, directory }
    }
}

impl Plaintext {
    /// The pieces, in order.
    pub(super) fn parts(&self) -> Vec<&[u8]> {
        self.frames.iter().map(Vec::as_slice).chain([self.tail.as_slice()]).collect()
    }
}
