//! A list that may be longer than memory: records written once in order, read any number of times. Small lists stay in
//! memory, longer ones go to an unnamed temporary file.

mod sorter;

pub(crate) use sorter::{Sorted, Sorter};

use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use tempfile::SpooledTempFile;

/// The writing side.
pub(crate) struct SpoolWriter {
    out: BufWriter<SpooledTempFile>,
    len: u64,
}

impl SpoolWriter {
    /// An empty list that keeps `in_memory` bytes before it goes to disk.
    pub(crate) fn new(in_memory: usize) -> Self {
        Self { out: BufWriter::with_capacity(16 << 10, SpooledTempFile::new(in_memory)), len: 0 }
    }

    /// Appends one record.
    pub(crate) fn push(&mut self, record: &[u8]) -> io::Result<()> {
        self.out.write_all(&(record.len() as u32).to_le_bytes())?;
        self.out.write_all(record)?;
        self.len += 1;
        Ok(())
    }

    /// Ends the list.
    pub(crate) fn finish(self) -> io::Result<Spool> {
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Spool { file, len: self.len })
    }
}

/// A finished list.
pub(crate) struct Spool {
    file: SpooledTempFile,
    len: u64,
}

impl Spool {
    /// Number of records.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Reads from the start.
    pub(crate) fn read(&mut self) -> io::Result<SpoolReader<'_>> {
        self.file.seek(SeekFrom::Start(0))?;
        Ok(SpoolReader { input: BufReader::with_capacity(64 << 10, &mut self.file), left: self.len })
    }
}

/// The reading side.
pub(crate) struct SpoolReader<'a> {
    input: BufReader<&'a mut SpooledTempFile>,
    left: u64,
}

impl Iterator for SpoolReader<'_> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let mut read = || {
            let mut len = [0; 4];
            self.input.read_exact(&mut len)?;
            let mut record = vec![0; u32::from_le_bytes(len) as usize];
            self.input.read_exact(&mut record)?;
            Ok(record)
        };
        Some(read())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_twice_from_memory_and_from_disk() {
        for in_memory in [0, 1 << 20] {
            let mut writer = SpoolWriter::new(in_memory);
            for n in 0..1000u32 {
                writer.push(&vec![n as u8; n as usize % 97]).unwrap();
            }
            let mut spool = writer.finish().unwrap();
            assert_eq!(spool.len(), 1000);
            for _ in 0..2 {
                for (n, record) in spool.read().unwrap().enumerate() {
                    assert_eq!(record.unwrap(), vec![n as u8; n % 97]);
                }
            }
        }
    }
}
