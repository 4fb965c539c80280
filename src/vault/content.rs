//! Reading blobs and whole files: the hinted place first, then every place the index knows.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::error::VaultError;
use super::open::Vault;
use crate::format::entry::{Content, Entry};
use crate::format::hints::{Location, ObjectRef};
use crate::format::node::split_blob;
use crate::history::chunk_list::ListReader;
use crate::history::source::{NodeBlob, NodeSource, ResolvedPlace, TreeError};
use crate::id::{BlobId, BlobKind};

/// A stretch of a file's content, in order.
#[derive(Debug)]
pub enum Part<'a> {
    /// Verified bytes.
    Data(&'a [u8]),
    /// So many zero bytes.
    Hole(u64),
}

impl Vault {
    /// A verified blob, and the object it came from.
    ///
    /// # Errors
    /// None of its places gives it; the error is that of the most telling failure.
    pub fn blob(
        &self,
        kind: BlobKind,
        id: &BlobId,
        place: Option<&ResolvedPlace>,
    ) -> Result<(Bytes, ObjectRef), VaultError> {
        let mut failure = None;
        if let Some(place) = place {
            match self.try_place(kind, id, &place.object, &place.location, &mut failure)? {
                Some(blob) => return Ok((blob, place.object)),
                None => self.checkpoint()?,
            }
        }
        // What is in a pack is found without the directories of bundles, each of which may cost a request.
        for found in self.packed_places(id)? {
            if let Some(blob) = self.try_place(kind, id, &found.object, &found.at, &mut failure)? {
                return Ok((blob, found.object));
            }
        }
        let index = match self.index() {
            // A segment that was merged into another and deleted since.
            Err(error @ VaultError::Missing { .. }) => Err(error),
            result => Ok(result?),
        };
        for found in index.as_ref().map_or(Ok(Vec::new()), |index| index.lookup(id))? {
            if let Some(blob) = self.try_place(kind, id, &found.object, &found.at, &mut failure)? {
                return Ok((blob, found.object));
            }
        }
        // Folded and deleted while this run was reading: a newer view knows where it went.
        if !matches!(failure, Some(VaultError::Damaged { .. }))
            && let Some(later) = self.later_index()?
        {
            for found in later.lookup(id)? {
                if let Some(blob) = self.try_place(kind, id, &found.object, &found.at, &mut failure)? {
                    return Ok((blob, found.object));
                }
            }
        }
        index?;
        let what = || format!("blob {} (in no object that the index knows)", id.short());
        Err(failure.unwrap_or_else(|| VaultError::Missing { what: what() }))
    }

    /// `None` if this place does not give the blob but another might; why not is kept in `failure`.
    fn try_place(
        &self,
        kind: BlobKind,
        id: &BlobId,
        object: &ObjectRef,
        at: &Location,
        failure: &mut Option<VaultError>,
    ) -> Result<Option<Bytes>, VaultError> {
        match self.objects.blob(kind, id, object, at) {
            Ok(blob) => Ok(Some(blob)),
            // Damage says more than absence: the former is somebody's doing.
            Err(error @ VaultError::Damaged { .. }) => {
                *failure = Some(error);
                Ok(None)
            }
            Err(error @ VaultError::Missing { .. }) => {
                failure.get_or_insert(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A verified chunk of the length that the tree says.
    ///
    /// # Errors
    /// As for [`Vault::blob`], or it is of another length.
    pub fn chunk(&self, id: &BlobId, place: Option<&ResolvedPlace>, len: u64) -> Result<Bytes, VaultError> {
        let (chunk, _) = self.blob(BlobKind::Chunk, id, place)?;
        if chunk.len() as u64 == len { Ok(chunk) } else { Err(wrong_length(id)) }
    }

    /// Calls `each` for the parts of `range` of a file's content. Every byte is verified before it is handed over.
    ///
    /// # Errors
    /// The vault's, or what `each` returns.
    pub fn read_content<E: From<VaultError>>(
        &self,
        entry: &Entry,
        place: Option<&ResolvedPlace>,
        range: Range<u64>,
        each: &mut dyn FnMut(Part<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let range = range.start.min(entry.size)..range.end.min(entry.size);
        if range.is_empty() {
            return Ok(());
        }
        let within = |offset: u64, len: u64| {
            let (from, to) = (range.start.max(offset), range.end.min(offset + len));
            (from - offset) as usize..(to - offset) as usize
        };
        match &entry.content {
            Content::Inline(bytes) => each(Part::Data(&bytes[within(0, entry.size)])),
            Content::Chunk(id) => each(Part::Data(&self.chunk(id, place, entry.size)?[within(0, entry.size)])),
            Content::List(id) => {
                let mut list = ListReader::open(self, id, entry.size, place.copied())?;
                list.seek(range.start)?;
                for piece in list {
                    let piece = piece?;
                    if piece.offset >= range.end {
                        break;
                    }
                    let wanted = within(piece.offset, piece.len);
                    let Some((id, place)) = piece.chunk else {
                        each(Part::Hole(wanted.len() as u64))?;
                        continue;
                    };
                    each(Part::Data(&self.chunk(&id, place.as_ref(), piece.len)?[wanted]))?;
                }
                Ok(())
            }
            Content::None | Content::Link(_) => Ok(()),
        }
    }
}

impl NodeSource for Vault {
    type Error = VaultError;

    fn read(&self, kind: BlobKind, id: &BlobId, place: Option<&ResolvedPlace>) -> Result<Arc<NodeBlob>, VaultError> {
        if place.is_none()
            && let Some(node) = self.overlay.get(id)?
        {
            return Ok(Arc::new(node));
        }
        let (blob, object) = self.blob(kind, id, place)?;
        let (canonical, hints) = split_blob(&blob)?;
        Ok(Arc::new(NodeBlob { canonical: canonical.to_vec(), hints: hints.to_vec(), origin: Some(object) }))
    }

    fn passes_over(&self, error: &VaultError, after: &[u8], last: &[u8]) -> bool {
        self.passes_subtree(error, after, last)
    }
}

impl From<TreeError> for VaultError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Malformed(malformed) => malformed.into(),
            TreeError::TooLarge => Self::Limit(error.to_string()),
            TreeError::Misplaced { .. } | TreeError::Unsorted => Self::damaged("tree", error),
        }
    }
}

fn wrong_length(id: &BlobId) -> VaultError {
    VaultError::damaged(format!("chunk {}", id.short()), "its length is not the one the tree says")
}
