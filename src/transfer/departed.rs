//! The source of a move: local files that were read are removed once what was read is durable, and only if they are
//! still what they were.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Stat};

use super::dest::Dest;
use super::edit::{self, Edit};
use super::item::TransferError;
use super::traits::Traits;
use super::upload::Uploaded;
use crate::event::{Action, Event, Observer};
use crate::format::entry::EntryKind;
use crate::path::TreePath;

/// What tells a file from one that was changed or put in its place since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark(pub(super) Vec<u8>);

impl Mark {
    /// Of an open file.
    pub(super) fn of_file(stat: &Stat) -> Self {
        let mut bytes = vec![b'f'];
        #[expect(clippy::unnecessary_cast, reason = "the types differ between platforms")]
        let numbers = [
            stat.st_dev as u64,
            stat.st_ino as u64,
            stat.st_size as u64,
            stat.st_mtime as u64,
            stat.st_mtime_nsec as u64,
            stat.st_ctime as u64,
            stat.st_ctime_nsec as u64,
        ];
        numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        Self(bytes)
    }

    /// Where in the bytes of a file the time of its last change begins, which changes with its names.
    const CHANGED_AT: usize = 1 + 5 * 8;

    /// Which file it is.
    fn file(&self) -> &[u8] {
        self.0.get(1..17).unwrap_or_default()
    }

    /// Of whatever has this name now, not followed.
    pub(super) fn at(dir: impl AsFd, name: &[u8]) -> io::Result<Self> {
        let stat = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Self::of_file(&stat),
            FileType::Symlink => Self::of_link(&rustix::fs::readlinkat(&dir, name, Vec::new())?.into_bytes()),
            _ => Self(vec![b'?']),
        })
    }

    /// Of a symbolic link: what it points to is all there is to it.
    pub(super) fn of_link(target: &[u8]) -> Self {
        Self([b"l", target].concat())
    }
}

/// Files with several names of which this run has removed one: what each was before, and what it is since. Losing a name is a
/// change too, and must not be taken for one that somebody else has made.
#[derive(Default)]
pub(super) struct Unlinked(HashMap<Vec<u8>, (Mark, Mark)>);

impl Unlinked {
    /// Whether a file that was `before` is what it is `now` because it has lost names here.
    pub(super) fn explains(&self, before: &Mark, now: &Mark) -> bool {
        self.0.get(now.file()).is_some_and(|known| known.0 == *before && known.1 == *now)
    }

    /// A file that was `before` has lost a name here.
    pub(super) fn note(&mut self, before: &Mark, after: &Stat) {
        let now = Mark::of_file(after);
        let same = now.0.len() == before.0.len() && now.0[..Mark::CHANGED_AT] == before.0[..Mark::CHANGED_AT];
        if after.st_nlink == 0 || !same {
            self.0.remove(now.file());
        } else if self.0.len() < UNLINKED_MAX || self.0.contains_key(now.file()) {
            self.0.insert(now.file().to_vec(), (before.clone(), now));
        }
    }
}

/// What became of the source.
#[derive(Debug, Clone, Copy, Default)]
pub struct Departed {
    /// Files, links and directories removed.
    pub removed: u64,
    /// Files that stay, because they changed after they were read or can't be removed.
    pub stayed: u64,
}

/// Removes what an upload has read from below `root`; afterwards those of `dirs` (parents first) that are empty. Files
/// that changed since are reported and stay. `follows`: it has read what is below links to directories, too.
///
/// # Errors
/// The root or the list of what was read can't be read.
pub fn remove_departed(
    (root, follows): (&Path, bool),
    uploaded: Option<&mut Uploaded>,
    dirs: &[TreePath],
    observer: &dyn Observer,
) -> Result<Departed, TransferError> {
    let fail = || TransferError::local(format!("cannot remove what was moved from {}", root.display()));
    let source = Dest::open(root, &Traits::default(), false).map_err(fail())?.following(follows);
    let (mut departed, mut unlinked) = (Departed::default(), Unlinked::default());
    if let Some(uploaded) = uploaded {
        for record in uploaded.edits.read().map_err(fail())? {
            let record = record.map_err(fail())?;
            let Edit::Seen(path, mark) = edit::decode(&record).map_err(|e| fail()(io::Error::other(e)))? else {
                continue;
            };
            match source.remove_marked(&path, &Mark(mark), &mut unlinked) {
                Ok(true) => {
                    departed.removed += 1;
                    observer.event(Event::Done { path: &path, action: Action::Delete, size: 0 });
                }
                Ok(false) => {
                    departed.stayed += 1;
                    let reason = "changed after it was read, so it stays where it is; move it again";
                    observer.event(Event::Failed { path: &path, reason });
                }
                Err(error) => {
                    departed.stayed += 1;
                    let reason = format!("is copied, but can't be removed: {}", super::os_text(&error));
                    observer.event(Event::Failed { path: &path, reason: &reason });
                }
            }
        }
    }
    for path in dirs.iter().rev() {
        // What still holds something, or can't be removed, is only a directory that is left over.
        if source.kind(path).is_ok_and(|kind| kind == Some(EntryKind::Dir))
            && source.remove(path, EntryKind::Dir).is_ok()
        {
            departed.removed += 1;
            observer.event(Event::Done { path, action: Action::Delete, size: 0 });
        }
    }
    Ok(departed)
}

/// So many files with names that are still to be removed are remembered. Of others a name stays, and is told.
const UNLINKED_MAX: usize = 100_000;
