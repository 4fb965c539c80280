//! Reading a local file into a splitter without reading its holes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsFd;

use crate::chunk::Splitter;
use crate::event::{Event, Observer};

/// A file, read front to back, known holes skipped.
pub(super) struct Source<'a> {
    file: &'a mut File,
    sparse: bool,
    /// How far it was read.
    pub(super) at: u64,
    /// Where the data that a sparse file has at `at` ends.
    data_end: u64,
}

impl<'a> Source<'a> {
    /// From the start of `file`; `sparse` if it may have holes.
    pub(super) fn new(file: &'a mut File, sparse: bool) -> Self {
        Self { file, sparse, at: 0, data_end: 0 }
    }

    /// Moves some bytes into the splitter. `false` at the end of the file.
    pub(super) fn fill(&mut self, splitter: &mut Splitter, observer: &dyn Observer) -> io::Result<bool> {
        if self.sparse && self.at >= self.data_end && self.skip_hole(splitter, observer)? {
            return Ok(true);
        }
        let room = splitter.spare();
        let len = room.len().min(READ_AT_ONCE);
        let len =
            if self.sparse && self.data_end > self.at { len.min((self.data_end - self.at) as usize) } else { len };
        let got = self.file.read(&mut room[..len])?;
        splitter.advance(got);
        self.at += got as u64;
        observer.event(Event::Progress(got as u64));
        Ok(got > 0)
    }

    fn skip_hole(&mut self, splitter: &mut Splitter, observer: &dyn Observer) -> io::Result<bool> {
        let end = self.file.metadata()?.len();
        let data = match rustix::fs::seek(self.file.as_fd(), rustix::fs::SeekFrom::Data(self.at)) {
            Ok(data) => data,
            Err(rustix::io::Errno::NXIO) => end.max(self.at),
            Err(_) => {
                // This file system can't tell: read it all.
                self.sparse = false;
                self.file.seek(SeekFrom::Start(self.at))?;
                return Ok(false);
            }
        };
        let data_end = rustix::fs::seek(self.file.as_fd(), rustix::fs::SeekFrom::Hole(data)).unwrap_or(end);
        self.data_end = data_end.max(data);
        self.file.seek(SeekFrom::Start(data))?;
        if data == self.at {
            return Ok(false);
        }
        splitter.push_zeros(data - self.at);
        observer.event(Event::Progress(data - self.at));
        self.at = data;
        Ok(true)
    }
}

const READ_AT_ONCE: usize = 1 << 20;
