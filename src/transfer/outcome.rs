//! What became of each file of an upload, put back into plan order and kept in a spool for the tree to be built from.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Condvar, Mutex};

use super::edit::{self, Edit};
use super::item::TransferError;
use crate::format::attribute::{CONTENT_HASHES, LOST};
use crate::format::entry::{Content, Entry};
use crate::format::list::ListItem;
use crate::path::TreePath;
use crate::spool::Sorter;
use crate::spool::{Spool, SpoolWriter};

/// One finished step: the edit records it makes. None for a file that failed.
#[derive(Default)]
pub(super) struct Edits {
    pub(super) first: Vec<Vec<u8>>,
    /// More records, of a file with very many chunks.
    pub(super) more: Option<Spool>,
    pub(super) last: Option<Vec<u8>>,
}

/// Accepts outcomes in any order: at most [`WINDOW`] steps ahead of the oldest unfinished one, or sorts them all in the end.
pub(super) struct Outcomes {
    inner: Mutex<Inner>,
    moved: Condvar,
}

struct Inner {
    next: u64,
    waiting: BTreeMap<u64, Edits>,
    spool: SpoolWriter,
    /// Set if steps are not carried out in the order of the plan at all.
    sorter: Option<Sorter>,
    error: Option<io::Error>,
    closed: bool,
}

impl Outcomes {
    /// `arranged`: steps are carried out in another order than that of the plan.
    pub(super) fn new(arranged: bool) -> Self {
        let (spool, sorter) = (SpoolWriter::new(1 << 20), arranged.then(Sorter::default));
        let inner = Inner { next: 0, waiting: BTreeMap::new(), spool, sorter, error: None, closed: false };
        Self { inner: Mutex::new(inner), moved: Condvar::new() }
    }

    /// Waits until step `number` is within the window. `false` if the run has failed.
    pub(super) fn admit(&self, number: u64) -> bool {
        let mut inner = self.inner.lock().expect("spooling does not panic");
        while inner.sorter.is_none() && number >= inner.next + WINDOW && !inner.closed {
            inner = self.moved.wait(inner).expect("spooling does not panic");
        }
        !inner.closed
    }

    /// Takes the edits of step `number`.
    pub(super) fn put(&self, number: u64, edits: Edits) {
        let mut inner = self.inner.lock().expect("spooling does not panic");
        if let Some(sorter) = &mut inner.sorter {
            let done = sort(sorter, number, edits);
            inner.error = inner.error.take().or(done.err());
            return;
        }
        inner.waiting.insert(number, edits);
        while let Some(edits) = {
            let next = inner.next;
            inner.waiting.remove(&next)
        } {
            inner.next += 1;
            if let Err(error) = append(&mut inner.spool, edits) {
                inner.error.get_or_insert(error);
            }
        }
        self.moved.notify_all();
    }

    /// The run has failed: nobody waits any more.
    pub(super) fn close(&self) {
        self.inner.lock().expect("spooling does not panic").closed = true;
        self.moved.notify_all();
    }

    /// All edits, in plan order.
    pub(super) fn finish(self) -> io::Result<Spool> {
        let mut inner = self.inner.into_inner().expect("spooling does not panic");
        if let Some(error) = inner.error {
            return Err(error);
        }
        if let Some(sorter) = inner.sorter {
            for row in sorter.finish()?.read()? {
                inner.spool.push(&row?.1)?;
            }
        }
        inner.spool.finish()
    }
}

/// Adds the records of a step under its number and their own.
fn sort(sorter: &mut Sorter, number: u64, edits: Edits) -> io::Result<()> {
    let mut within = 0u64;
    let mut push = |record: Vec<u8>| {
        within += 1;
        sorter.push(&[number.to_be_bytes(), within.to_be_bytes()].concat(), record)
    };
    edits.first.into_iter().try_for_each(&mut push)?;
    if let Some(mut more) = edits.more {
        for record in more.read()? {
            push(record?)?;
        }
    }
    edits.last.into_iter().try_for_each(push)
}

fn append(spool: &mut SpoolWriter, edits: Edits) -> io::Result<()> {
    edits.first.iter().try_for_each(|record| spool.push(record))?;
    if let Some(mut more) = edits.more {
        for record in more.read()? {
            spool.push(&record?)?;
        }
    }
    edits.last.iter().try_for_each(|record| spool.push(record))
}

/// The pieces of one file's content, put back into order.
pub(super) struct Pieces {
    next: u64,
    waiting: BTreeMap<u64, ListItem>,
    /// In order: the first few, and the rest in a spool.
    pub(super) head: Vec<ListItem>,
    pub(super) spool: Option<SpoolWriter>,
}

impl Pieces {
    pub(super) fn new() -> Self {
        Self { next: 0, waiting: BTreeMap::new(), head: Vec::new(), spool: None }
    }

    /// Takes piece `number`.
    pub(super) fn put(&mut self, number: u64, item: ListItem) -> io::Result<()> {
        self.waiting.insert(number, item);
        while let Some(item) = self.waiting.remove(&self.next) {
            self.next += 1;
            if self.head.len() < HEAD_MAX {
                self.head.push(item);
                continue;
            }
            let record = edit::encode_items(&[item]);
            self.spool.get_or_insert_with(|| SpoolWriter::new(256 << 10)).push(&record)?;
        }
        Ok(())
    }

    /// The content that these pieces make, if that can be told without building a list.
    pub(super) fn content(&self, inline: &Content) -> Option<Content> {
        match (&self.head[..], &self.spool) {
            ([], _) => Some(inline.clone()),
            ([ListItem::Data { id, .. }], None) => Some(Content::Chunk(*id)),
            _ => None,
        }
    }

    /// How many pieces are in order by now.
    pub(super) fn done(&self) -> u64 {
        self.next
    }
}

/// The edit records of one file. `known`: the content of the entry that it takes the place of.
///
/// # Errors
/// A spool can't be written.
pub(super) fn edits_of(
    path: TreePath,
    mut entry: Entry,
    known: Content,
    pieces: Pieces,
) -> Result<Edits, TransferError> {
    entry.set_attribute(LOST, None); // what was read just now is there
    let one = |mut entry: Entry| {
        forget_content(&mut entry, &known);
        Edits { first: vec![edit::encode(&Edit::Put(path.clone(), entry))], ..Edits::default() }
    };
    if let Some(content) = pieces.content(&entry.content) {
        entry.content = content;
        return Ok(one(entry));
    }
    entry.content = known; // until the list is built
    let mut first = vec![edit::encode(&Edit::PutList(path, entry))];
    first.extend(pieces.head.chunks(1024).map(edit::encode_items));
    let more = pieces.spool.map(SpoolWriter::finish).transpose();
    let more = more.map_err(TransferError::local("cannot write to a temporary file"))?;
    Ok(Edits { first, more, last: Some(edit::encode(&Edit::End)) })
}

/// Takes from `entry` what was said of its former content, if it has another.
pub(super) fn forget_content(entry: &mut Entry, known: &Content) {
    if entry.content != *known {
        entry.set_attribute(CONTENT_HASHES, None);
    }
}

const WINDOW: u64 = 8192;
/// Pieces kept in memory before a file gets a spool of its own.
const HEAD_MAX: usize = 4096;
