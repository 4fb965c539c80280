//! docs/format.md, section 7: packs. Start reading at [`Directory`] for what lies where, at [`encode_frame`] for bytes.
//!
//! Owns the directory, the footer and the codec of frames. Never seals, never computes or checks the id of a blob.

use std::borrow::Cow;

use super::access::list;
use super::hints::Location;
use super::limits::{CHUNK_MAX, FRAME_MAX, NODE_BLOB_MAX, PACK_OBJECT_MAX};
use super::wire::{Malformed, Put, Reader};
use crate::id::{BlobId, BlobKind};

/// The payload of a frame is its content.
pub const CODEC_RAW: u8 = 0;
/// The payload of a frame is one zstd frame.
pub const CODEC_ZSTD: u8 = 1;

/// What lies in a pack or in the body of a commit: the frames, in order, from offset 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directory {
    /// The frames.
    pub frames: Vec<FrameEntry>,
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameEntry {
    /// Its stored length, codec byte included.
    pub stored_len: u32,
    /// Its blobs, one after another in its content; at least one.
    pub blobs: Vec<BlobEntry>,
}

/// One blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobEntry {
    /// What it is.
    pub kind: BlobKind,
    /// Its id, which whoever reads the blob must recompute.
    pub id: BlobId,
    /// Its length.
    pub len: u32,
}

impl Directory {
    /// Every blob with its location, in order.
    pub fn blobs(&self) -> impl Iterator<Item = (&BlobEntry, Location)> {
        let mut frame_end = 0;
        self.frames.iter().flat_map(move |frame| {
            let (frame_offset, frame_len) = (frame_end, frame.stored_len);
            frame_end += frame_len;
            let mut blob_end = 0;
            frame.blobs.iter().map(move |blob| {
                let (blob_offset, blob_len) = (blob_end, blob.len);
                blob_end += blob_len;
                (blob, Location { frame_offset, frame_len, blob_offset, blob_len })
            })
        })
    }

    /// The length of all frames.
    pub fn frames_len(&self) -> u64 {
        self.frames.iter().map(|frame| u64::from(frame.stored_len)).sum()
    }

    /// What ends the plaintext of a pack: the directory and its length.
    pub fn encode_footer(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_varint(self.frames.len() as u64);
        for frame in &self.frames {
            out.put_varint(u64::from(frame.stored_len));
            out.put_varint(frame.blobs.len() as u64);
            for blob in &frame.blobs {
                out.put(&[blob.kind as u8]);
                out.put(blob.id.as_bytes());
                out.put_varint(u64::from(blob.len));
            }
        }
        debug_assert_eq!(Self::decode(&out, PACK_OBJECT_MAX).as_ref(), Ok(self), "only what can be read is written");
        out.put(&(out.len() as u32).to_le_bytes());
        out
    }

    /// Reads a directory whose frames must fit into `space` bytes: what the plaintext holds before the directory.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not exactly a directory, within the limits.
    pub fn decode(bytes: &[u8], space: u64) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, "pack directory");
        let frames = list(&mut reader, bytes.len(), FRAME_ENTRY_MIN, |r| {
            let stored_len = r.count(FRAME_MAX)? as u32;
            let blobs = list(r, FRAME_MAX, BLOB_ENTRY_MIN, decode_blob)?;
            let content: u64 = blobs.iter().map(|blob| u64::from(blob.len)).sum();
            let fits = stored_len > 0 && !blobs.is_empty() && content <= FRAME_MAX as u64;
            if fits { Ok(FrameEntry { stored_len, blobs }) } else { Err(r.bad()) }
        })?;
        let directory = Self { frames };
        if directory.frames_len() > space.min(PACK_OBJECT_MAX) {
            return Err(reader.bad());
        }
        reader.finish()?;
        Ok(directory)
    }

    /// Reads the directory of a bundle, the body of a commit: empty, or frames and a footer with nothing between.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not exactly a bundle.
    pub fn of_bundle(body: &[u8]) -> Result<Self, Malformed> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let bad = Malformed { what: "bundle" };
        let Footer::Whole(bytes) = split_footer(body)? else { return Err(bad) };
        let space = (body.len() - bytes.len() - 4) as u64;
        let directory = Self::decode(bytes, space)?;
        if directory.frames_len() == space { Ok(directory) } else { Err(bad) }
    }
}

fn decode_blob(reader: &mut Reader<'_>) -> Result<BlobEntry, Malformed> {
    let kind = BlobKind::from_u8(reader.u8()?).ok_or_else(|| reader.bad())?;
    let id = BlobId::new(reader.array()?);
    let max = if kind == BlobKind::Chunk { CHUNK_MAX } else { NODE_BLOB_MAX };
    Ok(BlobEntry { kind, id, len: reader.count(max)? as u32 })
}

/// What the last bytes of a pack's plaintext tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Footer<'a> {
    /// The bytes of the directory.
    Whole(&'a [u8]),
    /// The directory begins before the bytes at hand.
    Longer {
        /// How many of the last bytes of the plaintext are needed.
        tail: usize,
    },
}

/// Finds the directory in the last bytes of a pack's plaintext, as many as happen to be at hand.
///
/// # Errors
/// [`Malformed`] if there are fewer than four bytes, or the length is beyond the limits.
pub fn split_footer(tail: &[u8]) -> Result<Footer<'_>, Malformed> {
    let bad = Malformed { what: "pack footer" };
    let (before, len) = tail.split_last_chunk::<4>().ok_or(bad)?;
    let len = u32::from_le_bytes(*len) as usize;
    if len as u64 + 4 > PACK_OBJECT_MAX {
        return Err(bad);
    }
    Ok(match before.len().checked_sub(len) {
        Some(start) => Footer::Whole(&before[start..]),
        None => Footer::Longer { tail: len + 4 },
    })
}

/// The memory of a compressor, kept from frame to frame.
#[derive(Default)]
pub struct FrameCoder {
    compressor: Option<zstd::bulk::Compressor<'static>>,
    payload: Vec<u8>,
}

/// A frame as it is stored: the codec byte, then the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// How the payload is encoded.
    pub codec: u8,
    /// The payload.
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// Its stored length.
    pub fn stored_len(&self) -> usize {
        1 + self.payload.len()
    }
}

impl FrameCoder {
    /// Compresses `content` to no more than `max` bytes and tells how many. Compression is an offer: whatever goes wrong
    /// in it, the content can be stored as it is.
    fn compress(&mut self, content: &[u8], level: i32, max: usize) -> Option<usize> {
        if self.compressor.is_none() {
            self.compressor = zstd::bulk::Compressor::new(level).ok();
        }
        let compressor = self.compressor.as_mut()?;
        // A frame that did not fit leaves the session open, and an open one takes no new level.
        compressor.context_mut().reset(zstd::zstd_safe::ResetDirective::SessionOnly).ok()?;
        compressor.set_compression_level(level).ok()?;
        if self.payload.len() < max {
            self.payload = vec![0; max];
        }
        compressor.compress_to_buffer(content, &mut self.payload[..max]).ok()
    }
}

/// The frame of `content` (at most [`FRAME_MAX`] − 1 bytes): compressed at `level` if that gains 3 % or more. Nothing is
/// copied: what does not shrink is its own payload.
pub fn encode_frame<'a>(content: &'a [u8], level: Option<i32>, coder: &'a mut FrameCoder) -> Frame<'a> {
    debug_assert!(content.len() < FRAME_MAX, "a frame is no longer than the format allows");
    let max = content.len() - content.len().div_ceil(33);
    let compressed = level.filter(|&level| is_worth_trying(content, level, max, coder));
    match compressed.and_then(|level| coder.compress(content, level, max)) {
        Some(len) => Frame { codec: CODEC_ZSTD, payload: &coder.payload[..len] },
        None => Frame { codec: CODEC_RAW, payload: content },
    }
}

/// Whether a pass at `level` may pay. The fast levels run over noise at gigabytes a second; before a slow one, a sample
/// has to shrink at the fastest, or the whole. So films and archives cost next to nothing, and no gain is missed.
fn is_worth_trying(content: &[u8], level: i32, max: usize, coder: &mut FrameCoder) -> bool {
    let sample = &content[content.len() / 2..][..SAMPLE.min(content.len() / 2)];
    level <= LEVEL_FAST
        || coder.compress(sample, LEVEL_PROBE, sample.len() - sample.len() / 33).is_some()
        || coder.compress(content, LEVEL_PROBE, max).is_some()
}

/// The content of a stored frame.
///
/// # Errors
/// [`Malformed`] for an unknown codec, a zstd frame that does not tell its size or lies about it, one beyond the
/// limits, and bytes after it. No more is allocated than is declared, and nothing beyond the limits.
pub fn decode_frame(stored: &[u8]) -> Result<Cow<'_, [u8]>, Malformed> {
    let bad = Malformed { what: "frame" };
    match stored {
        _ if stored.len() > FRAME_MAX => Err(bad),
        [CODEC_RAW, content @ ..] => Ok(Cow::Borrowed(content)),
        [CODEC_ZSTD, payload @ ..] => decompress(payload).map(Cow::Owned).ok_or(bad),
        _ => Err(bad),
    }
}

fn decompress(payload: &[u8]) -> Option<Vec<u8>> {
    // The library would also take skippable frames and the formats before 1.0.
    if !payload.starts_with(&ZSTD_MAGIC) {
        return None;
    }
    let size = zstd::zstd_safe::get_frame_content_size(payload).ok()??;
    let size = usize::try_from(size).ok().filter(|size| *size <= FRAME_MAX)?;
    if zstd::zstd_safe::find_frame_compressed_size(payload).ok()? != payload.len() {
        return None;
    }
    let mut content = Vec::with_capacity(size);
    let written = zstd::zstd_safe::decompress(&mut content, payload).ok()?;
    (written == size).then_some(content)
}

/// Cuts a blob out of the content of its frame.
///
/// # Errors
/// [`Malformed`] if the location points outside.
pub fn cut_blob<'a>(content: &'a [u8], location: &Location) -> Result<&'a [u8], Malformed> {
    let mut reader = Reader::new(content, "location of a blob");
    reader.take(location.blob_offset as usize)?;
    reader.take(location.blob_len as usize)
}

const BLOB_ENTRY_MIN: usize = 1 + 32 + 1;
const FRAME_ENTRY_MIN: usize = 2 + BLOB_ENTRY_MIN;
const SAMPLE: usize = 16 << 10;
const LEVEL_PROBE: i32 = 1;
const LEVEL_FAST: i32 = 4;
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn directory() -> impl Strategy<Value = Directory> {
        let blob = (1u8..=4, any::<[u8; 32]>(), 0u32..200_000).prop_map(|(kind, id, len)| BlobEntry {
            kind: BlobKind::from_u8(kind).unwrap(),
            id: BlobId::new(id),
            len,
        });
        let frame = (1u32..100_000, vec(blob, 1..5)).prop_map(|(stored_len, blobs)| FrameEntry { stored_len, blobs });
        vec(frame, 0..6).prop_map(|frames| Directory { frames })
    }

    /// Bytes that do not compress.
    fn noise(len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        blake3::Hasher::new().finalize_xof().fill(&mut out);
        out
    }

    fn zstd_frame(content: &[u8]) -> Vec<u8> {
        stored(encode_frame(content, Some(3), &mut FrameCoder::default()))
    }

    fn stored(frame: Frame<'_>) -> Vec<u8> {
        [&[frame.codec], frame.payload].concat()
    }

    fn whole(footer: &[u8]) -> &[u8] {
        let Footer::Whole(bytes) = split_footer(footer).unwrap() else { panic!("the footer is at hand") };
        bytes
    }

    proptest! {
        #[test]
        fn directories_round_trip(directory in directory(), at: prop::sample::Index) {
            let footer = directory.encode_footer();
            let bytes = whole(&footer);
            let space = directory.frames_len();
            prop_assert_eq!(Directory::decode(bytes, space), Ok(directory.clone()));
            prop_assert!(space == 0 || Directory::decode(bytes, space - 1).is_err());
            let mut flipped = bytes.to_vec();
            let at = at.index(bytes.len() * 8);
            flipped[at / 8] ^= 1 << (at % 8);
            if let Ok(directory) = Directory::decode(&flipped, PACK_OBJECT_MAX) {
                let footer = directory.encode_footer();
                prop_assert_eq!(whole(&footer), &flipped[..]);
            }
        }

        #[test]
        fn locations_tile_the_frames(directory in directory()) {
            let (mut frame_offset, mut all) = (0, directory.blobs());
            for frame in &directory.frames {
                let mut blob_offset = 0;
                for blob in &frame.blobs {
                    let (entry, location) = all.next().unwrap();
                    let frame_len = frame.stored_len;
                    prop_assert_eq!(entry, blob);
                    prop_assert_eq!(location, Location { frame_offset, frame_len, blob_offset, blob_len: blob.len });
                    blob_offset += blob.len;
                }
                frame_offset += frame.stored_len;
            }
            prop_assert!(all.next().is_none());
        }

        #[test]
        fn frames_round_trip(content in vec(0u8..4, 0..5000), level in proptest::option::of(-5..9)) {
            let mut coder = FrameCoder::default();
            let frame = encode_frame(&content, level, &mut coder);
            prop_assert!(frame.stored_len() <= content.len() + 1);
            let stored = stored(frame);
            prop_assert_eq!(decode_frame(&stored), Ok(Cow::Borrowed(&content[..])));
        }

        #[test]
        fn garbage_never_panics(bytes in vec(any::<u8>(), 0..200), at: prop::sample::Index) {
            let _either = (Directory::decode(&bytes, u64::MAX), Directory::of_bundle(&bytes), decode_frame(&bytes));
            let mut frame = zstd_frame(&[&bytes[..], &[7; 3000]].concat());
            let at = at.index(frame.len() * 8);
            frame[at / 8] ^= 1 << (at % 8);
            prop_assert!(decode_frame(&frame).map_or(0, |content| content.len()) <= FRAME_MAX);
        }
    }

    #[test]
    fn frozen_vector() {
        let blob = |kind, n, len| BlobEntry { kind, id: BlobId::new([n; 32]), len };
        let directory = Directory {
            frames: vec![
                FrameEntry { stored_len: 300, blobs: vec![blob(BlobKind::Chunk, 1, 1 << 20)] },
                FrameEntry { stored_len: 9, blobs: vec![blob(BlobKind::Node, 2, 0), blob(BlobKind::List, 3, 127)] },
            ],
        };
        let expected = [
            &b"\x02\xac\x02\x01\x01"[..],
            &[1; 32],
            b"\x80\x80\x40\x09\x02\x02",
            &[2; 32],
            b"\x00\x03",
            &[3; 32],
            b"\x7f\x6e\x00\x00\x00",
        ];
        assert_eq!(directory.encode_footer(), expected.concat());
    }

    #[test]
    fn footers_ask_for_what_they_lack() {
        let mut plaintext = noise(50);
        plaintext.extend([20, 0, 0, 0]);
        assert_eq!(split_footer(&plaintext), Ok(Footer::Whole(&plaintext[30..50])));
        assert_eq!(split_footer(&plaintext[40..]), Ok(Footer::Longer { tail: 24 }));
        assert!(split_footer(&[1, 0, 0]).is_err());
        assert!(split_footer(&[0xff; 4]).is_err(), "a directory of 4 GiB");
    }

    #[test]
    fn bundles_have_no_gap() {
        let frame = zstd_frame(b"blob");
        let blob = BlobEntry { kind: BlobKind::Node, id: BlobId::new([1; 32]), len: 4 };
        let directory = Directory { frames: vec![FrameEntry { stored_len: frame.len() as u32, blobs: vec![blob] }] };
        let footer = directory.encode_footer();
        let body = [&frame[..], &footer].concat();
        assert_eq!(Directory::of_bundle(&body), Ok(directory));
        assert_eq!(Directory::of_bundle(b""), Ok(Directory::default()));
        assert!(Directory::of_bundle(&[&frame[..], &[0], &footer].concat()).is_err());
        assert!(Directory::of_bundle(&footer).is_err());
    }

    #[test]
    fn huge_counts_allocate_nothing() {
        let huge = b"\x80\x80\x80\x80\x80\x80\x80\x80\x10";
        assert!(Directory::decode(&[&huge[..], &[1; 100]].concat(), u64::MAX).is_err());
        assert!(Directory::decode(&[b"\x01\x01", &huge[..], &[1; 100]].concat(), u64::MAX).is_err());
    }

    #[test]
    fn a_gain_below_three_percent_is_no_gain() {
        let mixed = |zeros| [noise(100_000), vec![0; zeros]].concat();
        let codec = |content: &[u8], level| encode_frame(content, Some(level), &mut FrameCoder::default()).codec;
        for level in [1, 3, 9, 19] {
            assert_eq!(codec(&mixed(2500), level), CODEC_RAW);
            assert_eq!(codec(&mixed(6000), level), CODEC_ZSTD, "though the sample does not shrink");
        }
        assert_eq!(zstd_frame(b"")[..], [CODEC_RAW]);
        assert_eq!(zstd_frame(&noise(3000))[0], CODEC_RAW);
    }

    #[test]
    fn a_frame_that_does_not_shrink_leaves_the_coder_usable() {
        let mut coder = FrameCoder::default();
        for level in [3, 9, 1] {
            assert_eq!(encode_frame(&noise(200_000), Some(level), &mut coder).codec, CODEC_RAW);
            assert_eq!(encode_frame(&[7; 200_000], Some(level), &mut coder).codec, CODEC_ZSTD);
        }
    }

    #[test]
    fn bombs_are_refused() {
        // A frame with an 8-byte content size: 1 TiB, then the same with no block at all behind an honest size.
        let header = |size: u64| [&[CODEC_ZSTD][..], &ZSTD_MAGIC, &[0xe0], &size.to_le_bytes()].concat();
        let empty_block = [1, 0, 0];
        assert!(decode_frame(&[&header(1 << 40)[..], &empty_block].concat()).is_err());
        assert!(decode_frame(&[&header(FRAME_MAX as u64 + 1)[..], &empty_block].concat()).is_err());
        assert!(decode_frame(&[&header(9)[..], &empty_block].concat()).is_err(), "declares more than it has");
        assert_eq!(decode_frame(&[&header(0)[..], &empty_block].concat()), Ok(Cow::Owned(vec![])));
        // One block of 100,000 times the same byte: (100,000 << 3) | (1 << 1) | 1 is a last RLE block.
        let block = ((100_000u32 << 3) | 3).to_le_bytes();
        let rle = |size| [&header(size)[..], &block[..3], b"x"].concat();
        assert_eq!(decode_frame(&rle(100_000)), Ok(Cow::Owned(vec![b'x'; 100_000])));
        assert!(decode_frame(&rle(10)).is_err(), "declares less than it has");
        let stored = zstd_frame(&[7; 5000]);
        assert!(decode_frame(&[&stored[..], b"\0"].concat()).is_err(), "garbage behind");
        assert!(decode_frame(&[&stored[..], &stored[1..]].concat()).is_err(), "a second frame");
        assert!(decode_frame(b"\x01\x50\x2a\x4d\x18\0\0\0\0").is_err(), "a skippable frame");
        assert!(decode_frame(b"\x02").is_err() && decode_frame(b"").is_err());
        assert!(decode_frame(&vec![CODEC_RAW; FRAME_MAX + 1]).is_err());
    }

    #[test]
    fn blobs_are_cut_inside_only() {
        let at = |blob_offset, blob_len| Location { frame_offset: 0, frame_len: 9, blob_offset, blob_len };
        assert_eq!(cut_blob(b"content", &at(3, 4)), Ok(&b"tent"[..]));
        assert!(cut_blob(b"content", &at(3, 5)).is_err() && cut_blob(b"content", &at(u32::MAX, u32::MAX)).is_err());
    }
}
