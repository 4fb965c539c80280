//! Records put in order of their keys: in memory while they are few, in sorted runs on disk when they are many.

use std::collections::BinaryHeap;
use std::{cmp::Reverse, io};

use super::{Spool, SpoolReader, SpoolWriter};

/// The writing side.
#[derive(Default)]
pub(crate) struct Sorter {
    run: Vec<(Vec<u8>, Vec<u8>)>,
    size: usize,
    runs: Vec<Spool>,
}

impl Sorter {
    /// Adds a record.
    pub(crate) fn push(&mut self, key: &[u8], record: Vec<u8>) -> io::Result<()> {
        self.size += key.len() + record.len() + 64;
        self.run.push((key.to_vec(), record));
        if self.size > RUN_BYTES { self.end_run() } else { Ok(()) }
    }

    /// Ends the list.
    pub(crate) fn finish(mut self) -> io::Result<Sorted> {
        self.end_run()?;
        Ok(Sorted { runs: self.runs })
    }

    fn end_run(&mut self) -> io::Result<()> {
        if self.run.is_empty() {
            return Ok(());
        }
        self.run.sort();
        let mut writer = SpoolWriter::new(RUN_BYTES / 4);
        for (key, record) in self.run.drain(..) {
            writer.push(&key)?;
            writer.push(&record)?;
        }
        self.size = 0;
        self.runs.push(writer.finish()?);
        Ok(())
    }
}

/// The reading side.
pub(crate) struct Sorted {
    runs: Vec<Spool>,
}

impl Sorted {
    /// All records in order of their keys, with them; those of one key in order of the records.
    pub(crate) fn read(&mut self) -> io::Result<Merge<'_>> {
        let mut merge = Merge { runs: Vec::new(), heap: BinaryHeap::new() };
        for (number, run) in self.runs.iter_mut().enumerate() {
            merge.runs.push(run.read()?);
            merge.refill(number)?;
        }
        Ok(merge)
    }
}

/// The key and the record that come next in a run, and the run's number.
type Head = (Vec<u8>, Vec<u8>, usize);

/// Reads several runs as one.
pub(crate) struct Merge<'a> {
    runs: Vec<SpoolReader<'a>>,
    heap: BinaryHeap<Reverse<Head>>,
}

impl Merge<'_> {
    fn refill(&mut self, number: usize) -> io::Result<()> {
        if let (Some(key), Some(record)) = (self.runs[number].next(), self.runs[number].next()) {
            self.heap.push(Reverse((key?, record?, number)));
        }
        Ok(())
    }
}

impl Iterator for Merge<'_> {
    type Item = io::Result<(Vec<u8>, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((key, record, number)) = self.heap.pop()?;
        Some(self.refill(number).map(|()| (key, record)))
    }
}

/// Bytes of records that are sorted at once.
const RUN_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order() {
        let mut sorter = Sorter::default();
        for n in 0..50_000u64 {
            let key = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes();
            sorter.push(&key, vec![n as u8; 200]).unwrap();
        }
        let mut sorted = sorter.finish().unwrap();
        assert!(sorted.runs.len() > 1, "several runs");
        for _ in 0..2 {
            let keys: Vec<_> = sorted.read().unwrap().map(|row| row.unwrap().0).collect();
            assert!(keys.len() == 50_000 && keys.is_sorted());
        }
    }
}
