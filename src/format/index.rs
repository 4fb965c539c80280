//! docs/format.md, section 8: index segments, the reading side. Start at [`SegmentReader::lookup`].
//!
//! Owns the layout of a segment. Reads plaintext through [`ReadAt`] and never holds more of it than the caller asked to
//! preload; building and merging are in `index_builder`.

use std::io;
use std::os::unix::fs::FileExt;

use super::hints::{Location, ObjectRef};
use super::limits::{INDEX_OBJECT_MAX, PACK_OBJECT_MAX};
use super::wire::{Malformed, Put, Reader};
use crate::id::{BlobId, ObjectId};

/// An object that blobs lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PackEntry {
    /// The object.
    pub object: ObjectRef,
    /// What it is.
    pub class: IndexClass,
}

/// What an indexed object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum IndexClass {
    /// A pack of file content.
    Data = 1,
    /// A pack of tree nodes and chunk lists.
    Meta = 2,
    /// A log object: the blobs lie in its body.
    Log = 3,
}

impl IndexClass {
    /// The class with this number.
    pub fn from_u8(byte: u8) -> Option<Self> {
        [Self::Data, Self::Meta, Self::Log].into_iter().find(|class| *class as u8 == byte)
    }
}

impl PackEntry {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put(self.object.id.as_bytes());
        out.put(&self.object.size.to_le_bytes());
        out.put(&self.object.epoch.to_le_bytes());
        out.put(&self.object.salt);
        out.put(&[self.class as u8]);
    }

    fn decode(bytes: &[u8; PACK_LEN]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, "pack table of an index segment");
        let id = ObjectId::new(reader.array()?);
        let object = ObjectRef { id, size: reader.u64()?, epoch: reader.u32()?, salt: reader.array()? };
        let class = IndexClass::from_u8(reader.u8()?).ok_or_else(|| reader.bad())?;
        Ok(Self { object, class })
    }
}

/// Where one blob lies. Ordered as the format sorts: by the bytes of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IndexRecord {
    /// The first half of the blob's id.
    pub id16: [u8; 16],
    /// The place of its object in the pack table.
    pub pack: u32,
    /// Where in that object it lies.
    pub location: Location,
}

impl IndexRecord {
    pub(super) fn encode(&self) -> [u8; RECORD_LEN] {
        let mut out = Vec::with_capacity(RECORD_LEN);
        out.put(&self.id16);
        out.put(&self.pack.to_le_bytes());
        out.put(&self.location.frame_offset.to_le_bytes());
        out.put_u24(self.location.frame_len);
        out.put_u24(self.location.blob_offset);
        out.put_u24(self.location.blob_len);
        out.try_into().expect("the fields above are 33 bytes")
    }

    fn decode(bytes: &[u8; RECORD_LEN]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, "index record");
        let (id16, pack, frame_offset) = (reader.array()?, reader.u32()?, reader.u32()?);
        let (frame_len, blob_offset, blob_len) = (reader.u24()?, reader.u24()?, reader.u24()?);
        let location = Location { frame_offset, frame_len, blob_offset, blob_len };
        let inside = u64::from(frame_offset) <= PACK_OBJECT_MAX;
        if inside { Ok(Self { id16, pack, location }) } else { Err(reader.bad()) }
    }
}

impl Ord for IndexRecord {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.id16.cmp(&other.id16).then_with(|| self.encode().cmp(&other.encode()))
    }
}

impl PartialOrd for IndexRecord {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The half of a blob's id that segments are sorted by.
pub fn id16(id: &BlobId) -> [u8; 16] {
    *id.as_bytes().first_chunk().expect("an id has 32 bytes")
}

/// Bytes that can be read at any offset.
pub trait ReadAt {
    /// Fills `buf` from `offset` on.
    ///
    /// # Errors
    /// The bytes can't be read, or end before `buf` is full.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// How many bytes there are.
    ///
    /// # Errors
    /// Nobody knows.
    fn size(&self) -> io::Result<u64>;
}

impl ReadAt for [u8] {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)?.get(..buf.len()));
        buf.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        ReadAt::read_at(&self[..], offset, buf)
    }

    fn size(&self) -> io::Result<u64> {
        self[..].size()
    }
}

impl<R: ReadAt + ?Sized> ReadAt for &R {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, buf)
    }

    fn size(&self) -> io::Result<u64> {
        (**self).size()
    }
}

impl ReadAt for std::fs::File {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

/// Why a segment can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// Its bytes can't be read or written.
    #[error("cannot read or write an index segment")]
    Io(#[from] io::Error),
    /// Its bytes are not what the format says.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// What of a segment to keep in memory. What is not kept is read when it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preload {
    /// Fences and filter: absent ids cost no read. About 1.3 bytes a record.
    All,
    /// Fences only: 8 bytes a block.
    Fences,
    /// Nothing.
    None,
}

/// An open index segment.
#[derive(Debug)]
pub struct SegmentReader<R> {
    source: R,
    layout: Layout,
    size: u64,
    fences: Option<Vec<u8>>,
    filter: Option<Vec<u8>>,
}

impl<R: ReadAt> SegmentReader<R> {
    /// Opens the plaintext of a segment.
    ///
    /// # Errors
    /// It can't be read, or its trailer and its size do not fit each other.
    pub fn open(source: R, preload: Preload) -> Result<Self, SegmentError> {
        let size = source.size()?;
        let tail_len = size.min(TRAILER_MAX as u64 + 4) as usize;
        let mut tail = vec![0; tail_len];
        source.read_at(size - tail_len as u64, &mut tail)?;
        let layout = Layout::decode(&tail, size)?;
        let mut reader = Self { source, layout, size, fences: None, filter: None };
        if preload != Preload::None {
            reader.fences = Some(reader.read(layout.fences_at(), layout.blocks() as usize * 8)?);
        }
        if preload == Preload::All {
            reader.filter = Some(reader.read(layout.filter_at(), (layout.fences_at() - layout.filter_at()) as usize)?);
        }
        Ok(reader)
    }

    /// How many records the segment has.
    pub fn record_count(&self) -> u64 {
        self.layout.records
    }

    /// How many packs its table has.
    pub fn pack_count(&self) -> u32 {
        self.layout.packs
    }

    /// Its level: how often its records were merged.
    pub fn level(&self) -> u8 {
        self.layout.level
    }

    /// Everywhere a blob may lie, by the first half of its id. At most [`CANDIDATES_MAX`] places: more are no accident,
    /// and need not be tried.
    ///
    /// # Errors
    /// The segment can't be read or is malformed.
    pub fn lookup(&self, id: &BlobId) -> Result<Vec<(PackEntry, Location)>, SegmentError> {
        let key = id16(id);
        let mut found = Vec::new();
        for block in self.candidates(&key)? {
            if !self.filter_has(block / PARTITION_BLOCKS, &key)? {
                continue;
            }
            let bytes = self.block(block)?;
            let records = bytes.as_chunks::<RECORD_LEN>().0;
            let start = records.partition_point(|record| record[..16] < key[..]);
            for record in records[start..].iter().take_while(|record| record[..16] == key) {
                if found.len() == CANDIDATES_MAX {
                    return Ok(found);
                }
                let record = IndexRecord::decode(record)?;
                found.push((self.pack(record.pack)?, record.location));
            }
        }
        Ok(found)
    }

    /// Whether the segment may know a blob. False means that it does not; true is wrong for one absent id in fifty at
    /// worst.
    ///
    /// # Errors
    /// The segment can't be read.
    pub fn contains_maybe(&self, id: &BlobId) -> Result<bool, SegmentError> {
        let key = id16(id);
        let blocks = self.candidates(&key)?;
        for partition in blocks.start / PARTITION_BLOCKS..blocks.end.div_ceil(PARTITION_BLOCKS) {
            if !blocks.is_empty() && self.filter_has(partition, &key)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// All records in order, one block in memory at a time. An error is followed by what can still be read.
    pub fn iter(&self) -> impl Iterator<Item = Result<IndexRecord, SegmentError>> {
        (0..self.layout.blocks()).flat_map(|block| {
            batch(self.block(block), |bytes| bytes.as_chunks().0.iter().map(IndexRecord::decode).collect())
        })
    }

    /// The pack table in order, streamed.
    pub fn packs(&self) -> impl Iterator<Item = Result<PackEntry, SegmentError>> {
        let count = self.layout.packs as usize;
        (0..count).step_by(PACK_BATCH).flat_map(move |first| {
            let len = PACK_BATCH.min(count - first) * PACK_LEN;
            let bytes = self.read(self.layout.packs_at() + (first * PACK_LEN) as u64, len);
            batch(bytes, |bytes| bytes.as_chunks().0.iter().map(PackEntry::decode).collect())
        })
    }

    /// The pack of this number.
    ///
    /// # Errors
    /// [`Malformed`] if the table is shorter; or it can't be read.
    pub fn pack(&self, number: u32) -> Result<PackEntry, SegmentError> {
        if number >= self.layout.packs {
            return Err(MALFORMED.into());
        }
        let mut bytes = [0; PACK_LEN];
        self.source.read_at(self.layout.packs_at() + u64::from(number) * PACK_LEN as u64, &mut bytes)?;
        Ok(PackEntry::decode(&bytes)?)
    }

    /// The blocks that may hold a key: one, or as many as its run of records crosses.
    fn candidates(&self, key: &[u8; 16]) -> Result<std::ops::Range<u64>, SegmentError> {
        let prefix = *key.first_chunk::<8>().expect("a key has 16 bytes");
        let (mut low, mut high) = (0, self.layout.blocks());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.fence(middle)? < prefix { low = middle + 1 } else { high = middle }
        }
        while high < self.layout.blocks() && self.fence(high)? <= prefix {
            high += 1;
        }
        Ok(low.saturating_sub(1)..high)
    }

    fn fence(&self, block: u64) -> io::Result<[u8; 8]> {
        let mut fence = [0; 8];
        match &self.fences {
            Some(fences) => fences.as_slice().read_at(block * 8, &mut fence)?,
            None => self.source.read_at(self.layout.fences_at() + block * 8, &mut fence)?,
        }
        Ok(fence)
    }

    fn filter_has(&self, partition: u64, key: &[u8; 16]) -> io::Result<bool> {
        let (line, mut bits) = filter_bits(key, filter_lines(self.layout.partition_records(partition)));
        let at = (partition * PARTITION_LINES + line) * LINE_LEN as u64;
        let mut bytes = [0; LINE_LEN];
        match &self.filter {
            Some(filter) => filter.as_slice().read_at(at, &mut bytes)?,
            None => self.source.read_at(self.layout.filter_at() + at, &mut bytes)?,
        }
        Ok(bits.all(|bit| bytes[bit / 8] & (1 << (bit % 8)) != 0))
    }

    /// The records of a block, without the zeros after them.
    fn block(&self, block: u64) -> Result<Vec<u8>, SegmentError> {
        let records = (self.layout.records - block * BLOCK_RECORDS as u64).min(BLOCK_RECORDS as u64) as usize;
        self.read(block * BLOCK_LEN as u64, records * RECORD_LEN)
    }

    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, SegmentError> {
        let mut bytes = vec![0; len];
        self.source.read_at(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// What the segment is read from.
    pub fn source(&self) -> &R {
        &self.source
    }

    /// The length of the plaintext, and how much of it is padding.
    pub(super) fn size_and_zeros(&self) -> (u64, u64) {
        (self.size, self.size - self.layout.plain_len())
    }
}

/// What one read gave, as a stream.
fn batch<T>(
    bytes: Result<Vec<u8>, SegmentError>,
    decode: impl Fn(&[u8]) -> Vec<Result<T, Malformed>>,
) -> impl Iterator<Item = Result<T, SegmentError>> {
    let (items, error) = match bytes {
        Ok(bytes) => (decode(&bytes), None),
        Err(error) => (Vec::new(), Some(Err(error))),
    };
    items.into_iter().map(|item| item.map_err(SegmentError::from)).chain(error)
}

/// Where the parts of a segment lie: a function of three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) records: u64,
    pub(super) packs: u32,
    pub(super) level: u8,
}

impl Layout {
    /// The trailer and its length.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.put_varint(self.records);
        out.put_varint(u64::from(self.packs));
        out.put(&[self.level]);
        out.put(&(out.len() as u32).to_le_bytes());
        out
    }

    /// Reads the trailer from the last bytes of a segment of `size` bytes.
    fn decode(tail: &[u8], size: u64) -> Result<Self, Malformed> {
        let (before, len) = tail.split_last_chunk::<4>().ok_or(MALFORMED)?;
        let start = before.len().checked_sub(u32::from_le_bytes(*len) as usize).ok_or(MALFORMED)?;
        let mut reader = Reader::new(&before[start..], MALFORMED.what);
        if reader.u8()? != VERSION {
            return Err(MALFORMED);
        }
        let records = reader.count(INDEX_OBJECT_MAX as usize / RECORD_LEN)? as u64;
        let packs = reader.count(INDEX_OBJECT_MAX as usize / PACK_LEN)? as u32;
        let layout = Self { records, packs, level: reader.u8()? };
        reader.finish()?;
        if size <= INDEX_OBJECT_MAX && layout.plain_len() <= size { Ok(layout) } else { Err(MALFORMED) }
    }

    pub(super) fn blocks(&self) -> u64 {
        self.records.div_ceil(BLOCK_RECORDS as u64)
    }

    /// The length of the plaintext without padding.
    pub(super) fn plain_len(&self) -> u64 {
        self.fences_at() + self.blocks() * 8 + self.encode().len() as u64
    }

    fn packs_at(&self) -> u64 {
        self.blocks() * BLOCK_LEN as u64
    }

    fn filter_at(&self) -> u64 {
        self.packs_at() + u64::from(self.packs) * PACK_LEN as u64
    }

    fn fences_at(&self) -> u64 {
        let lines = match self.blocks().div_ceil(PARTITION_BLOCKS) {
            0 => 0,
            partitions => (partitions - 1) * PARTITION_LINES + filter_lines(self.partition_records(partitions - 1)),
        };
        self.filter_at() + lines * LINE_LEN as u64
    }

    fn partition_records(&self, partition: u64) -> u64 {
        (self.records - partition * PARTITION_RECORDS).min(PARTITION_RECORDS)
    }
}

/// The lines of a filter partition.
pub(super) fn filter_lines(records: u64) -> u64 {
    (records * 10).div_ceil(LINE_LEN as u64 * 8).max(1)
}

/// The line of a key in its partition, and the bits of that line.
pub(super) fn filter_bits(key: &[u8; 16], lines: u64) -> (u64, impl Iterator<Item = usize> + use<>) {
    let word = u64::from_le_bytes(*key.last_chunk().expect("a key has 16 bytes"));
    let hash = word.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (((word >> 32) * lines) >> 32, (0..6).map(move |j| (hash >> (10 + 9 * j)) as usize & 511))
}

/// The most places that a lookup returns.
pub const CANDIDATES_MAX: usize = 1024;

pub(super) const MALFORMED: Malformed = Malformed { what: "index segment" };
pub(super) const RECORD_LEN: usize = 33;
pub(super) const BLOCK_RECORDS: usize = 496;
pub(super) const BLOCK_LEN: usize = 16_384;
pub(super) const LINE_LEN: usize = 64;
pub(super) const PARTITION_RECORDS: u64 = PARTITION_BLOCKS * BLOCK_RECORDS as u64;
const PARTITION_BLOCKS: u64 = 128;
const PARTITION_LINES: u64 = 1240;
const PACK_LEN: usize = 77;
const PACK_BATCH: usize = 800;
const TRAILER_MAX: usize = 22;
const VERSION: u8 = 1;
