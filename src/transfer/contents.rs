//! Whether two files have the same content, found out by reading one of them. Ids of chunks are hashes of their content,
//! so what is in the destination's or the local side's vault is only looked up.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::beneath::Beneath;
use super::item::{Item, TransferError};
use super::source_tree::SourceTree;
use crate::format::entry::{Content, Entry};
use crate::history::chunk_list::ListReader;
use crate::history::source::ResolvedPlace;
use crate::id::{BlobId, BlobKind};
use crate::path::TreePath;
use crate::vault::{Part, Vault};

/// Answers for two files of one size (or of two, which then are not the same).
pub trait Contents: Sync {
    /// `None` if the file of this machine can't be read.
    ///
    /// # Errors
    /// The vault can't be read.
    fn same(&self, source: &Item, dest: &Item) -> Result<Option<bool>, TransferError>;
}

/// A directory of this machine, or one file, against a vault.
pub struct LocalContents<'a> {
    vault: &'a Vault,
    root: PathBuf,
    /// Where files are opened; `None` if the root is the one file.
    dir: Option<Beneath>,
    local_is_source: bool,
    follows: bool,
}

impl<'a> LocalContents<'a> {
    /// `single`: `root` is the file itself. `follows`: symbolic links count as what they point to.
    pub fn new(vault: &'a Vault, root: &Path, single: bool, local_is_source: bool, follows: bool) -> Self {
        let dir = if single { None } else { Beneath::new(root).ok() };
        Self { vault, root: root.to_owned(), dir, local_is_source, follows }
    }

    fn open(&self, path: &TreePath) -> io::Result<File> {
        if self.follows {
            return File::open(super::local_path(&self.root, path));
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = match &self.dir {
            Some(source) => {
                let (dir, name) = source.parent(path)?;
                rustix::fs::openat(&dir, name, flags, Mode::empty())
            }
            None => rustix::fs::open(&self.root, flags, Mode::empty()),
        };
        Ok(opened?.into())
    }
}

impl Contents for LocalContents<'_> {
    fn same(&self, source: &Item, dest: &Item) -> Result<Option<bool>, TransferError> {
        let (local, stored) = if self.local_is_source { (source, dest) } else { (dest, source) };
        if local.entry.size != stored.entry.size {
            return Ok(Some(false));
        }
        let Ok(mut file) = self.open(&local.path) else { return Ok(None) };
        let mut read = |range: Range<u64>, into: &mut Vec<u8>| {
            into.resize((range.end - range.start) as usize, 0);
            file.read_exact(into).map_err(TransferError::local("cannot read a file that is compared"))
        };
        match matches(self.vault, &stored.entry, stored.place, &mut read) {
            Err(TransferError::Local { .. }) => Ok(None),
            other => other.map(Some),
        }
    }
}

/// Two vaults: the source is read, in pieces as the destination has them.
pub struct VaultContents<'a> {
    /// The source.
    pub source: SourceTree<'a>,
    /// The destination.
    pub dest: &'a Vault,
}

impl Contents for VaultContents<'_> {
    fn same(&self, source: &Item, dest: &Item) -> Result<Option<bool>, TransferError> {
        let Some(found) = self.source.find(&source.path)? else { return Ok(Some(false)) };
        if found.entry.size != dest.entry.size {
            return Ok(Some(false));
        }
        let mut read = |range: Range<u64>, into: &mut Vec<u8>| {
            into.clear();
            self.source.vault.read_content(&found.entry, found.place.as_ref(), range, &mut |part| {
                match part {
                    Part::Data(bytes) => into.extend_from_slice(bytes),
                    Part::Hole(len) => into.resize(into.len() + len as usize, 0),
                }
                Ok::<_, TransferError>(())
            })
        };
        matches(self.dest, &dest.entry, dest.place, &mut read).map(Some)
    }
}

pub(super) type ReadInto<'r> = &'r mut dyn FnMut(Range<u64>, &mut Vec<u8>) -> Result<(), TransferError>;

/// Whether what `read` gives, from the first byte on, is the content of `entry`.
pub(super) fn matches(
    vault: &Vault,
    entry: &Entry,
    place: Option<ResolvedPlace>,
    read: ReadInto<'_>,
) -> Result<bool, TransferError> {
    let mut buffer = Vec::new();
    match &entry.content {
        Content::None | Content::Link(_) => Ok(entry.size == 0),
        Content::Inline(bytes) => {
            read(0..bytes.len() as u64, &mut buffer)?;
            Ok(buffer[..] == bytes[..])
        }
        Content::Chunk(id) => {
            read(0..entry.size, &mut buffer)?;
            Ok(is(vault, &buffer, id))
        }
        Content::List(id) => {
            for piece in ListReader::open(vault, id, entry.size, place)? {
                let piece = piece?;
                let mut at = piece.offset;
                let end = piece.offset + piece.len;
                while at < end {
                    vault.checkpoint()?;
                    // A hole may be of any length, a chunk is read as a whole.
                    let step = if piece.chunk.is_some() { end - at } else { (end - at).min(HOLE_STEP) };
                    read(at..at + step, &mut buffer)?;
                    let same = match &piece.chunk {
                        Some((id, _)) => is(vault, &buffer, id),
                        None => buffer.iter().all(|byte| *byte == 0),
                    };
                    if !same {
                        return Ok(false);
                    }
                    at += step;
                }
            }
            Ok(true)
        }
    }
}

fn is(vault: &Vault, bytes: &[u8], id: &BlobId) -> bool {
    vault.keys().blob_id(BlobKind::Chunk, bytes) == *id
}

const HOLE_STEP: u64 = 1 << 20;
