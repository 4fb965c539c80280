//! The order in which files are transferred, where it is not that of the tree.

use std::io;

use super::step::{self, Step};
use crate::format::entry::EntryKind;
use crate::spool::{Sorted, Sorter};
use crate::spool::{Spool, SpoolWriter};
use crate::world::Timestamp;

/// What files are ordered by, and from which end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// What they are ordered by.
    pub by: OrderBy,
    /// From which end.
    pub from: OrderFrom,
}

/// What files are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderBy {
    /// Their size.
    Size,
    /// Their path, byte by byte.
    Name,
    /// Their time.
    ModTime,
}

/// From which end files are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderFrom {
    /// The smallest, oldest or first.
    Ascending,
    /// The largest, newest or last.
    Descending,
    /// Both in turn, so many of a hundred from the first.
    Mixed(u8),
}

/// The steps of a plan in another order, each with its number.
pub(super) struct Arranger {
    order: Order,
    /// What is no file comes first: directories have to be there.
    rest: SpoolWriter,
    up: Sorter,
    down: Sorter,
    files: u64,
}

impl Arranger {
    pub(super) fn new(order: Order) -> Self {
        let (up, down) = (Sorter::default(), Sorter::default());
        Self { order, rest: SpoolWriter::new(SPOOL_MEMORY), up, down, files: 0 }
    }

    pub(super) fn push(&mut self, number: u64, step: &Step) -> io::Result<()> {
        let record = [&number.to_be_bytes()[..], &step::encode(step)].concat();
        let (Step::Put { item, .. } | Step::Refer(item, _)) = step else { return self.rest.push(&record) };
        if item.entry.kind != EntryKind::File {
            return self.rest.push(&record);
        }
        self.files += 1;
        let mut key = match self.order.by {
            OrderBy::Size => item.entry.size.to_be_bytes().to_vec(),
            OrderBy::Name => [item.path.as_bytes(), b"\0"].concat(),
            OrderBy::ModTime => time_key(item.entry.mtime),
        };
        if self.order.from != OrderFrom::Descending {
            self.up.push(&key, record.clone())?;
        }
        if self.order.from != OrderFrom::Ascending {
            key.iter_mut().for_each(|byte| *byte = !*byte);
            self.down.push(&key, record)?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> io::Result<Spool> {
        let Self { order, rest: mut out, up, down, files } = self;
        let (mut up, mut down) = (up.finish()?, down.finish()?);
        let (mut up, mut down) = (records(&mut up)?, records(&mut down)?);
        let mut first = 0;
        for number in 0..files {
            let takes_first = match order.from {
                OrderFrom::Ascending => true,
                OrderFrom::Descending => false,
                OrderFrom::Mixed(share) => first * 100 < u64::from(share) * (number + 1),
            };
            first += u64::from(takes_first);
            let record = if takes_first { up.next() } else { down.next() };
            out.push(&record.transpose()?.unwrap_or_default())?;
        }
        out.finish()
    }
}

/// What [`Arranger`] has written of one step.
pub(super) fn numbered(record: &[u8]) -> Option<(u64, &[u8])> {
    let (number, step) = record.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), step))
}

fn records(sorted: &mut Sorted) -> io::Result<impl Iterator<Item = io::Result<Vec<u8>>> + '_> {
    Ok(sorted.read()?.map(|row| row.map(|(_, record)| record)))
}

/// Sorts as times do.
fn time_key(time: Timestamp) -> Vec<u8> {
    let secs = (time.secs as u64) ^ (1 << 63);
    [&secs.to_be_bytes()[..], &time.nanos.to_be_bytes()].concat()
}

const SPOOL_MEMORY: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::entry::{Content, Entry};
    use crate::path::TreePath;
    use crate::transfer::item::Item;

    fn step(path: &str, kind: EntryKind, size: u64, secs: i64) -> Step {
        let mtime = Timestamp::new(secs, 0).unwrap();
        let entry = Entry { kind, size, mtime, mode: None, content: Content::None, attributes: Vec::new() };
        let item = Item { path: TreePath::from_bytes(path.as_bytes()).unwrap(), entry, place: None };
        Step::Put { item, replaces: None, old: None }
    }

    fn arranged(by: OrderBy, from: OrderFrom) -> String {
        let mut arranger = Arranger::new(Order { by, from });
        let files = [("d", 0, 0), ("a", 4, -7), ("ab", 2, 9), ("b", 3, 0), ("c", 1, 3)];
        for (number, (path, size, secs)) in (0..).zip(files) {
            let kind = if path == "d" { EntryKind::Dir } else { EntryKind::File };
            arranger.push(number, &step(path, kind, size, secs)).unwrap();
        }
        let mut spool = arranger.finish().unwrap();
        let shown = spool.read().unwrap().map(|record| {
            let record = record.unwrap();
            let (number, step) = numbered(&record).unwrap();
            let path = step::decode(step).unwrap().path().to_string();
            assert_eq!(files[number as usize].0, path);
            path
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn directories_come_first_and_files_as_they_are_ordered() {
        use OrderBy::{ModTime, Name, Size};
        use OrderFrom::{Ascending, Descending, Mixed};
        assert_eq!(arranged(Size, Ascending), "d c ab b a");
        assert_eq!(arranged(Size, Descending), "d a b ab c");
        assert_eq!(arranged(Name, Ascending), "d a ab b c");
        assert_eq!(arranged(Name, Descending), "d c b ab a");
        assert_eq!(arranged(ModTime, Ascending), "d a b c ab");
        assert_eq!(arranged(Size, Mixed(50)), "d c a ab b");
        assert_eq!(arranged(Size, Mixed(100)), arranged(Size, Ascending));
        assert_eq!(arranged(Size, Mixed(0)), arranged(Size, Descending));
    }
}
