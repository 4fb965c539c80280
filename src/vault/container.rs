//! A pack being filled: frames laid out as they will be sealed, and their directory.

use super::buffers::Lease;
use crate::crypto::{SealBuffer, geometry};
use crate::format::hints::Location;
use crate::format::limits::PACK_OBJECT_MAX;
use crate::format::pack::{BlobEntry, Directory, Frame, FrameEntry};

/// Frames that will lie in one object.
#[derive(Default)]
pub(super) struct Container {
    bytes: SealBuffer,
    directory: Directory,
    blobs: usize,
    /// What the memory is borrowed on; none for the frames of a bundle.
    lease: Option<Lease>,
}

/// The plaintext of a finished pack.
pub(super) struct Plaintext {
    pub(super) bytes: SealBuffer,
    /// The directory alone, encoded, for the journal.
    pub(super) directory: Vec<u8>,
    pub(super) lease: Option<Lease>,
}

impl Container {
    /// An empty pack in borrowed memory.
    pub(super) fn in_buffer((memory, lease): (Vec<u8>, Lease)) -> Self {
        Self { bytes: SealBuffer::reusing(memory), lease: Some(lease), ..Self::default() }
    }

    /// Appends a frame with its blobs, and tells where each lies.
    pub(super) fn append(&mut self, frame: Frame<'_>, blobs: Vec<BlobEntry>) -> Vec<(BlobEntry, Location)> {
        let offset = self.bytes.len();
        self.bytes.push(&[frame.codec]);
        self.bytes.push(frame.payload);
        self.note(offset, blobs)
    }

    /// Notes the blobs of the frame that begins at `offset` and ends the bytes so far.
    fn note(&mut self, offset: u64, blobs: Vec<BlobEntry>) -> Vec<(BlobEntry, Location)> {
        assert!(self.bytes.len() < PACK_OBJECT_MAX, "packs are sealed long before they reach the limit");
        let frame_len = (self.bytes.len() - offset) as u32;
        let mut blob_offset = 0;
        let mut placed = Vec::with_capacity(blobs.len());
        for blob in &blobs {
            let at = Location { frame_offset: offset as u32, frame_len, blob_offset, blob_len: blob.len };
            placed.push((*blob, at));
            blob_offset += blob.len;
        }
        self.blobs += blobs.len();
        self.directory.frames.push(FrameEntry { stored_len: frame_len, blobs });
        placed
    }

    /// Bytes of frames so far.
    pub(super) fn len(&self) -> u64 {
        self.bytes.len()
    }

    /// Whether there is no frame.
    pub(super) fn is_empty(&self) -> bool {
        self.directory.frames.is_empty()
    }

    /// Moves all frames of `other` behind those of this one; their new places.
    pub(super) fn absorb(&mut self, other: Self) -> Vec<(BlobEntry, Location)> {
        let (mut placed, mut at) = (Vec::new(), 0);
        for entry in other.directory.frames {
            let offset = self.bytes.len();
            let end = at + u64::from(entry.stored_len);
            other.bytes.pieces(at..end).for_each(|piece| self.bytes.push(piece));
            placed.extend(self.note(offset, entry.blobs));
            at = end;
        }
        placed
    }

    /// Every blob with its location.
    pub(super) fn blobs(&self) -> impl Iterator<Item = (&BlobEntry, Location)> {
        self.directory.blobs()
    }

    /// A frame as it will be stored.
    pub(super) fn frame(&self, at: &Location) -> Vec<u8> {
        let start = u64::from(at.frame_offset);
        self.bytes.pieces(start..start + u64::from(at.frame_len)).collect::<Vec<_>>().concat()
    }

    /// Number of blobs.
    pub(super) fn blob_count(&self) -> usize {
        self.blobs
    }

    /// Number of frames.
    pub(super) fn frame_count(&self) -> usize {
        self.directory.frames.len()
    }

    /// Drops all frames but the first `frames`.
    pub(super) fn truncate(&mut self, frames: usize) {
        self.directory.frames.truncate(frames);
        self.bytes.truncate(self.directory.frames_len());
        self.blobs = self.directory.frames.iter().map(|frame| frame.blobs.len()).sum();
    }

    /// The length of the body of a bundle with these frames, or a little more.
    pub(super) fn body_len_max(&self) -> usize {
        let entries: usize = self.directory.frames.iter().map(|frame| 16 + frame.blobs.len() * 48).sum();
        self.bytes.len() as usize + entries + 16
    }

    /// The body of a bundle: frames, directory, length; and the directory alone.
    pub(super) fn into_body(self) -> (Vec<u8>, Vec<u8>) {
        if self.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let mut footer = self.directory.encode_footer();
        let frames: Vec<&[u8]> = self.bytes.pieces(0..self.bytes.len()).collect();
        let body = [&frames.concat()[..], &footer].concat();
        footer.truncate(footer.len() - 4);
        (body, footer)
    }

    /// The plaintext of a pack: padded so that the sealed object has one of the few sizes there are.
    pub(super) fn into_pack(self) -> Plaintext {
        let Self { mut bytes, directory, lease, .. } = self;
        let mut footer = directory.encode_footer();
        let content = bytes.len() + footer.len() as u64;
        let padded = geometry::padded_plain_len(content);
        bytes.reserve(padded);
        bytes.push_zeros(padded - content);
        bytes.push(&footer);
        footer.truncate(footer.len() - 4);
        Plaintext { bytes, directory: footer, lease }
    }
}
