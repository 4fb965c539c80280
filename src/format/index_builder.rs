//! docs/format.md, section 8: index segments, the writing side. Start at [`SegmentWriter`].
//!
//! Owns building, merging and verifying. Keeps the filter and the fences of what it writes, never its records.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{self, Read as _, Write};

use super::index::{
    BLOCK_LEN, IndexRecord, LINE_LEN, Layout, MALFORMED, PARTITION_RECORDS, PackEntry, RECORD_LEN, ReadAt,
    SegmentError, SegmentReader, filter_bits, filter_lines,
};
use super::limits::INDEX_OBJECT_MAX;

/// Writes a segment front to back from sorted records.
#[derive(Debug)]
pub struct SegmentWriter<W> {
    sink: W,
    block: Vec<u8>,
    last: Option<IndexRecord>,
    records: u64,
    packs_used: u32,
    partition: Vec<[u8; 16]>,
    filter: Vec<u8>,
    fences: Vec<u8>,
}

impl<W: Write> SegmentWriter<W> {
    /// A writer of the plaintext of a segment.
    pub fn new(sink: W) -> Self {
        Self {
            sink,
            block: Vec::with_capacity(BLOCK_LEN),
            last: None,
            records: 0,
            packs_used: 0,
            partition: Vec::new(),
            filter: Vec::new(),
            fences: Vec::new(),
        }
    }

    /// Appends a record; one equal to the record before is dropped.
    ///
    /// # Errors
    /// The sink fails, or the record is less than the one before.
    pub fn push(&mut self, record: &IndexRecord) -> Result<(), SegmentError> {
        match self.last.as_ref().map(|last| last.cmp(record)) {
            Some(std::cmp::Ordering::Equal) => return Ok(()),
            Some(std::cmp::Ordering::Greater) => return Err(MALFORMED.into()),
            Some(std::cmp::Ordering::Less) | None => self.last = Some(*record),
        }
        if self.block.is_empty() {
            self.fences.extend_from_slice(&record.id16[..8]);
        }
        self.block.extend_from_slice(&record.encode());
        self.partition.push(record.id16);
        self.records += 1;
        self.packs_used = self.packs_used.max(record.pack.saturating_add(1));
        if self.block.len() + RECORD_LEN > BLOCK_LEN {
            self.flush_block()?;
        }
        if self.partition.len() as u64 == PARTITION_RECORDS {
            self.flush_partition();
        }
        Ok(())
    }

    /// The length of the plaintext if it ended here, with a table of `packs` packs and no padding.
    pub fn plain_len(&self, packs: usize) -> u64 {
        self.layout(packs, 0).plain_len()
    }

    /// Ends the segment with its pack table and `zeros` bytes of padding, and returns the sink.
    ///
    /// # Errors
    /// The sink fails, a record names a pack beyond the table, or the segment is larger than the format allows.
    pub fn finish(mut self, packs: &[PackEntry], level: u8, zeros: usize) -> Result<W, SegmentError> {
        let layout = self.layout(packs.len(), level);
        let too_large = layout.plain_len() + zeros as u64 > INDEX_OBJECT_MAX;
        if too_large || self.packs_used as usize > packs.len() {
            return Err(MALFORMED.into());
        }
        if !self.block.is_empty() {
            self.flush_block()?;
        }
        if !self.partition.is_empty() {
            self.flush_partition();
        }
        let mut row = Vec::new();
        for pack in packs {
            row.clear();
            pack.encode(&mut row);
            self.sink.write_all(&row)?;
        }
        self.sink.write_all(&self.filter)?;
        self.sink.write_all(&self.fences)?;
        io::copy(&mut io::repeat(0).take(zeros as u64), &mut self.sink)?;
        self.sink.write_all(&layout.encode())?;
        Ok(self.sink)
    }

    fn layout(&self, packs: usize, level: u8) -> Layout {
        Layout { records: self.records, packs: u32::try_from(packs).unwrap_or(u32::MAX), level }
    }

    fn flush_block(&mut self) -> io::Result<()> {
        self.block.resize(BLOCK_LEN, 0);
        self.sink.write_all(&self.block)?;
        self.block.clear();
        Ok(())
    }

    fn flush_partition(&mut self) {
        let lines = filter_lines(self.partition.len() as u64);
        let start = self.filter.len();
        self.filter.resize(start + lines as usize * LINE_LEN, 0);
        for key in self.partition.drain(..) {
            let (line, bits) = filter_bits(&key, lines);
            let line = &mut self.filter[start + line as usize * LINE_LEN..][..LINE_LEN];
            bits.for_each(|bit| line[bit / 8] |= 1 << (bit % 8));
        }
    }
}

/// The plaintext of a segment of these records, in whatever order; `zeros` gives the padding for a length without it.
///
/// # Errors
/// A record names a pack beyond the table, or the segment is larger than the format allows.
pub fn build_segment(
    mut records: Vec<IndexRecord>,
    packs: &[PackEntry],
    level: u8,
    zeros: impl FnOnce(u64) -> usize,
) -> Result<Vec<u8>, SegmentError> {
    records.sort_unstable();
    let mut writer = SegmentWriter::new(Vec::new());
    for record in &records {
        writer.push(record)?;
    }
    let zeros = zeros(writer.plain_len(packs.len()));
    writer.finish(packs, level, zeros)
}

/// Merges segments into `sink` and returns the pack table to finish it with. Records of packs that are not to be kept
/// are left out, packs known to several segments become one, and so do equal records. Memory goes with the pack tables,
/// not with the records.
///
/// # Errors
/// A segment can't be read or is malformed, or the sink fails.
pub fn merge_segments<R: ReadAt, W: Write>(
    readers: &[SegmentReader<R>],
    keep: impl Fn(&PackEntry) -> bool,
    sink: &mut SegmentWriter<W>,
) -> Result<Vec<PackEntry>, SegmentError> {
    let (packs, numbers) = merge_packs(readers, keep)?;
    let mut streams: Vec<_> = readers
        .iter()
        .zip(&numbers)
        .map(|(reader, numbers)| reader.iter().filter_map(|record| renumber(record, numbers).transpose()))
        .collect();
    let mut heap = BinaryHeap::new();
    for (at, stream) in streams.iter_mut().enumerate() {
        heap.extend(stream.next().transpose()?.map(|record| Reverse((record, at))));
    }
    // The new numbers change the order among the records of one id, so each such run is sorted anew.
    let mut run: Vec<IndexRecord> = Vec::new();
    while let Some(Reverse((record, at))) = heap.pop() {
        if run.first().is_some_and(|first| first.id16 != record.id16) {
            flush_run(&mut run, sink)?;
        }
        run.push(record);
        heap.extend(streams[at].next().transpose()?.map(|record| Reverse((record, at))));
    }
    flush_run(&mut run, sink)?;
    Ok(packs)
}

fn flush_run<W: Write>(run: &mut Vec<IndexRecord>, sink: &mut SegmentWriter<W>) -> Result<(), SegmentError> {
    run.sort_unstable();
    run.drain(..).try_for_each(|record| sink.push(&record))
}

/// For each segment, the new number of each of its packs; none for those that go.
type Numbers = Vec<Vec<Option<u32>>>;

fn merge_packs<R: ReadAt>(
    readers: &[SegmentReader<R>],
    keep: impl Fn(&PackEntry) -> bool,
) -> Result<(Vec<PackEntry>, Numbers), SegmentError> {
    let mut packs = Vec::new();
    let mut known = HashMap::new();
    let mut numbers = Vec::with_capacity(readers.len());
    for reader in readers {
        let number = |pack: Result<PackEntry, SegmentError>| {
            let pack = pack?;
            Ok(keep(&pack).then(|| {
                *known.entry(pack).or_insert_with(|| {
                    packs.push(pack);
                    packs.len() as u32 - 1
                })
            }))
        };
        numbers.push(reader.packs().map(number).collect::<Result<_, SegmentError>>()?);
    }
    Ok((packs, numbers))
}

fn renumber(
    record: Result<IndexRecord, SegmentError>,
    numbers: &[Option<u32>],
) -> Result<Option<IndexRecord>, SegmentError> {
    let record = record?;
    let number = numbers.get(record.pack as usize).ok_or(MALFORMED)?;
    Ok(number.map(|pack| IndexRecord { pack, ..record }))
}

/// Checks every byte of a segment: it must be what a writer would make of its records and packs.
///
/// # Errors
/// It can't be read, or is not.
pub fn verify_segment<R: ReadAt>(reader: &SegmentReader<R>) -> Result<(), SegmentError> {
    let packs: Vec<_> = reader.packs().collect::<Result<_, _>>()?;
    let mut writer = SegmentWriter::new(Compare { source: reader.source(), at: 0, buf: Vec::new() });
    let streamed = reader.iter().try_for_each(|record| writer.push(&record?));
    let (size, zeros) = reader.size_and_zeros();
    match streamed.and_then(|()| writer.finish(&packs, reader.level(), zeros as usize)) {
        Ok(sink) if sink.at == size => Ok(()),
        Err(SegmentError::Io(error)) if error.kind() != io::ErrorKind::InvalidData => Err(error.into()),
        _ => Err(MALFORMED.into()),
    }
}

/// A sink that compares what is written with what is there.
struct Compare<'a, R> {
    source: &'a R,
    at: u64,
    buf: Vec<u8>,
}

impl<R: ReadAt> Write for Compare<'_, R> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buf.resize(bytes.len(), 0);
        self.source.read_at(self.at, &mut self.buf)?;
        if self.buf != bytes {
            return Err(io::Error::new(io::ErrorKind::InvalidData, MALFORMED));
        }
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::hints::{Location, ObjectRef};
    use crate::format::index::{CANDIDATES_MAX, IndexClass, Preload, id16};
    use crate::id::{BlobId, ObjectId};
    use proptest::collection::vec;
    use proptest::prelude::*;

    const PRELOADS: [Preload; 3] = [Preload::All, Preload::Fences, Preload::None];

    /// A blob id that is a function of `n` alone.
    fn id(n: u64) -> BlobId {
        BlobId::new(*blake3::hash(&n.to_le_bytes()).as_bytes())
    }

    fn record(id: &BlobId, pack: u32, offset: u32) -> IndexRecord {
        let location = Location { frame_offset: offset, frame_len: 70_000, blob_offset: 3, blob_len: 4096 };
        IndexRecord { id16: id16(id), pack, location }
    }

    fn pack(n: u8) -> PackEntry {
        let object = ObjectRef { id: ObjectId::new([n; 32]), size: 1 << 25, epoch: 1, salt: [n; 32] };
        PackEntry { object, class: if n == 0 { IndexClass::Data } else { IndexClass::Log } }
    }

    fn segment(records: Vec<IndexRecord>, packs: &[PackEntry]) -> Vec<u8> {
        build_segment(records, packs, 1, |len| len as usize % 100).unwrap()
    }

    fn open(bytes: &[u8]) -> SegmentReader<&[u8]> {
        SegmentReader::open(bytes, Preload::All).unwrap()
    }

    fn all<R: ReadAt>(reader: &SegmentReader<R>) -> Vec<IndexRecord> {
        reader.iter().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn a_hundred_thousand_are_found_and_as_many_are_not() {
        let packs = [pack(0), pack(1)];
        let records = (0..100_000).map(|n| record(&id(n), (n % 2) as u32, n as u32)).collect();
        let bytes = segment(records, &packs);
        let reader = open(&bytes);
        assert_eq!((reader.record_count(), reader.pack_count(), reader.level()), (100_000, 2, 1));
        for n in 0..100_000 {
            let expected = (packs[(n % 2) as usize], record(&id(n), 0, n as u32).location);
            assert_eq!(reader.lookup(&id(n)).unwrap(), [expected]);
        }
        let absent = 100_000..200_000;
        let wrong = absent.clone().filter(|&n| reader.contains_maybe(&id(n)).unwrap()).count();
        assert!(wrong < 2000, "{wrong} false positives in 100,000");
        assert!(absent.step_by(7).all(|n| reader.lookup(&id(n)).unwrap().is_empty()));
        verify_segment(&reader).unwrap();
        for preload in PRELOADS {
            let reader = SegmentReader::open(&bytes, preload).unwrap();
            assert!((0..1000).all(|n| reader.lookup(&id(n)).unwrap().len() == 1));
            assert!((100_000..101_000).filter(|&n| reader.contains_maybe(&id(n)).unwrap()).count() < 40);
        }
    }

    #[test]
    fn a_run_of_one_id_is_found_across_blocks_and_partitions() {
        let mut ids: Vec<BlobId> = (0..64_000).map(id).collect();
        ids.sort_unstable();
        let at = PARTITION_RECORDS as usize - 300; // the run of 1,000 begins before the end of the first partition
        let mut records: Vec<_> = ids.iter().map(|id| record(id, 0, 0)).collect();
        records.extend((1..1000).map(|n| record(&ids[at], 0, n)));
        records.extend((0..1000).map(|n| record(&ids[at], 0, n)));
        let bytes = segment(records, &[pack(0)]);
        for preload in PRELOADS {
            let reader = SegmentReader::open(&bytes, preload).unwrap();
            assert_eq!(reader.record_count(), 64_999, "equal records are one");
            assert_eq!(reader.lookup(&ids[at]).unwrap().len(), 1000);
            assert!(ids[at - 5..at].iter().all(|id| reader.lookup(id).unwrap().len() == 1));
            assert!(ids[at + 1..].iter().all(|id| reader.lookup(id).unwrap().len() == 1));
            verify_segment(&reader).unwrap();
        }
        let flood = (0..3000).map(|n| record(&ids[0], 0, n)).collect();
        assert_eq!(open(&segment(flood, &[pack(0)])).lookup(&ids[0]).unwrap().len(), CANDIDATES_MAX);
    }

    #[test]
    fn merging_equals_building_at_once() {
        // Segment 0 knows packs 5, 6; segment 1 packs 6, 7 (the same pack under another number); pack 7 goes.
        let first = segment((0..3000).map(|n| record(&id(n), (n % 2) as u32, 1)).collect(), &[pack(5), pack(6)]);
        let second =
            segment((1000..9000).map(|n| record(&id(n), u32::from(n % 3 == 0), 1)).collect(), &[pack(6), pack(7)]);
        let mut sink = SegmentWriter::new(Vec::new());
        let packs = merge_segments(&[open(&first), open(&second)], |p| *p != pack(7), &mut sink).unwrap();
        assert_eq!(packs, [pack(5), pack(6)]);
        let merged = sink.finish(&packs, 2, 0).unwrap();
        let mut expected: Vec<_> = (0..3000).map(|n| record(&id(n), (n % 2) as u32, 1)).collect();
        expected.extend((1000..9000).filter(|n| n % 3 != 0).map(|n| record(&id(n), 1, 1)));
        assert_eq!(merged, build_segment(expected, &packs, 2, |_| 0).unwrap());
        verify_segment(&open(&merged)).unwrap();
    }

    #[test]
    fn frozen_vector() {
        let records = vec![record(&BlobId::new([2; 32]), 1, 9), record(&BlobId::new([1; 32]), 0, 0)];
        let bytes = build_segment(records, &[pack(0), pack(1)], 3, |_| 5).unwrap();
        assert_eq!(bytes.len(), BLOCK_LEN + 2 * 77 + LINE_LEN + 8 + 5 + 4 + 4);
        let first = b"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\
            \x00\x00\x00\x00\x00\x00\x00\x00\x70\x11\x01\x03\x00\x00\x00\x10\x00\x02";
        assert_eq!(&bytes[..34], first);
        let tail = b"\x01\x01\x01\x01\x01\x01\x01\x01\0\0\0\0\0\x01\x02\x02\x03\x04\0\0\0";
        assert_eq!(&bytes[bytes.len() - tail.len()..], tail);
        assert_eq!(
            blake3::hash(&bytes).to_hex().as_str(),
            "b68e1190ec178a055dc2d47d391aa6513fd7a23f4d709286b73a442232816cbd"
        );
    }

    #[test]
    fn the_empty_segment_is_one() {
        let bytes = segment(vec![], &[]);
        let reader = open(&bytes);
        assert!(reader.lookup(&id(1)).unwrap().is_empty() && !reader.contains_maybe(&id(1)).unwrap());
        verify_segment(&reader).unwrap();
    }

    #[test]
    fn writers_refuse_what_readers_would() {
        let mut writer = SegmentWriter::new(Vec::new());
        writer.push(&record(&BlobId::new([2; 32]), 1, 0)).unwrap();
        assert!(writer.push(&record(&BlobId::new([1; 32]), 0, 0)).is_err(), "descending");
        assert!(writer.finish(&[pack(0)], 0, 0).is_err(), "a pack beyond the table");
    }

    #[test]
    fn huge_counts_allocate_nothing() {
        let mut bytes = vec![0; 64];
        bytes.extend(b"\x01\x80\x80\x80\x80\x80\x80\x80\x80\x10\x00\x00\x0c\0\0\0");
        assert!(SegmentReader::open(&bytes, Preload::All).is_err(), "2^60 records");
        bytes.splice(65.., *b"\xff\xff\xff\x0e\x00\x00\x07\0\0\0");
        assert!(SegmentReader::open(&bytes, Preload::All).is_err(), "30 million records in 80 bytes");
    }

    fn records() -> impl Strategy<Value = Vec<IndexRecord>> {
        let location = (0u32..1 << 28, 0u32..1 << 24, 0u32..1 << 24, 0u32..1 << 24).prop_map(
            |(frame_offset, frame_len, blob_offset, blob_len)| Location {
                frame_offset,
                frame_len,
                blob_offset,
                blob_len,
            },
        );
        let record = (0u64..300, 0u32..3, location).prop_map(|(n, pack, location)| IndexRecord {
            id16: id16(&id(n)),
            pack,
            location,
        });
        vec(record, 0..1200)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn segments_round_trip(mut records in records()) {
            let packs = [pack(0), pack(1), pack(2)];
            let bytes = segment(records.clone(), &packs);
            let reader = open(&bytes);
            records.sort_unstable();
            records.dedup();
            prop_assert_eq!(all(&reader), records);
            prop_assert_eq!(reader.packs().collect::<Result<Vec<_>, _>>().unwrap(), packs);
            prop_assert!(verify_segment(&reader).is_ok());
        }

        #[test]
        fn one_bit_is_noticed_and_never_panics(records in records(), at: prop::sample::Index, tail: bool) {
            let mut bytes = segment(records, &[pack(0), pack(1), pack(2)]);
            let bits = if tail { 64.min(bytes.len() * 8) } else { bytes.len() * 8 };
            let at = bytes.len() * 8 - 1 - at.index(bits);
            bytes[at / 8] ^= 1 << (at % 8);
            for preload in PRELOADS {
                let Ok(reader) = SegmentReader::open(&bytes, preload) else { continue };
                (0..20).for_each(|n| drop(reader.lookup(&id(n))));
                // What the bit makes of a record, a pack or the level may be just as valid, if it is canonical.
                if verify_segment(&reader).is_ok() {
                    let packs = reader.packs().collect::<Result<Vec<_>, _>>().unwrap();
                    let zeros = reader.size_and_zeros().1 as usize;
                    prop_assert_eq!(&build_segment(all(&reader), &packs, reader.level(), |_| zeros).unwrap(), &bytes);
                }
            }
        }

        #[test]
        fn garbage_never_panics(bytes in vec(any::<u8>(), 0..200), records in 0u8..5, packs in 0u8..3) {
            let bytes = [&bytes[..], &[1, records, packs, 0, 4, 0, 0, 0]].concat();
            if let Ok(reader) = SegmentReader::open(&bytes, Preload::None) {
                let _either = (reader.lookup(&id(1)).is_ok(), reader.iter().count(), verify_segment(&reader).is_ok());
            }
        }
    }
}
