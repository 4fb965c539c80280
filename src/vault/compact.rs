//! Index segments are merged when there are many of one level. Never on a read path, and never more at a time than
//! memory allows; two machines that merge the same segments at once do the work twice and nothing else.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;

use super::error::VaultError;
use super::index::keep_segment;
use super::placed::zeros;
use super::session::Session;
use crate::crypto::{Class as SealClass, SealBuffer};
use crate::format::hints::ObjectRef;
use crate::format::index::{IndexClass, PackEntry, Preload, SegmentReader};
use crate::format::index_builder::{SegmentWriter, merge_segments};
use crate::id::ObjectId;

/// What became of the index.
#[derive(Default)]
pub(super) struct Compacted {
    pub(super) added: Vec<ObjectRef>,
    pub(super) superseded: Vec<ObjectId>,
}

impl Session {
    /// Merges segments of `in_force` where there are many of a level.
    pub(super) fn compact(&self, in_force: &[ObjectRef]) -> Result<Compacted, VaultError> {
        let sizes: BTreeMap<ObjectId, u64> = in_force.iter().map(|segment| (segment.id, segment.size)).collect();
        let mut levels: BTreeMap<u8, Vec<(u64, ObjectId)>> = BTreeMap::new();
        let index = self.shared.index();
        for (id, reader) in index.segments() {
            if let Some(size) = sizes.get(id) {
                levels.entry(reader.level()).or_default().push((*size, *id));
            }
        }
        let mut compacted = Compacted::default();
        for (level, mut segments) in levels {
            segments.sort_unstable();
            let mut total = 0;
            let fits = segments.iter().take_while(|(size, _)| {
                total += size;
                total <= MERGE_MAX
            });
            let chosen: HashSet<ObjectId> = fits.map(|(_, id)| *id).collect();
            if chosen.len() >= LEVEL_MAX {
                compacted.added.push(self.merge(&chosen, level.saturating_add(1))?);
                compacted.superseded.extend(chosen);
            }
        }
        compacted.superseded.sort_unstable();
        Ok(compacted)
    }

    fn merge(&self, chosen: &HashSet<ObjectId>, level: u8) -> Result<ObjectRef, VaultError> {
        let mut readers = Vec::new();
        let index = self.shared.index();
        for (_, reader) in index.segments().iter().filter(|(id, _)| chosen.contains(id)) {
            readers.push(SegmentReader::open(reader.source(), Preload::None)?);
        }
        let mut sink = SegmentWriter::new(Vec::new());
        let packs = merge_segments(&readers, |pack| pack.class != IndexClass::Log, &mut sink)?;
        self.put_segment(sink, &packs, level)
    }

    fn put_segment(
        &self,
        sink: SegmentWriter<Vec<u8>>,
        packs: &[PackEntry],
        level: u8,
    ) -> Result<ObjectRef, VaultError> {
        let padding = zeros(sink.plain_len(packs.len()));
        let plaintext = sink.finish(packs, level, padding)?;
        let mut buffer = SealBuffer::default();
        buffer.reserve(plaintext.len() as u64);
        buffer.push(&plaintext);
        let (object, _) = self.shared.put_sealed(SealClass::Index, buffer)?;
        keep_segment(&self.shared.vault.state, &object.id, &plaintext)?;
        Ok(object)
    }
}

/// The segment without what it tells of some packs; none if nothing is left.
pub(super) fn rewritten(
    session: &Session,
    segment: &SegmentReader<File>,
    gone: &impl Fn(&ObjectId) -> bool,
) -> Result<Option<ObjectRef>, VaultError> {
    let reader = SegmentReader::open(segment.source(), Preload::None)?;
    let mut sink = SegmentWriter::new(Vec::new());
    let keep = |pack: &PackEntry| pack.class != IndexClass::Log && !gone(&pack.object.id);
    let packs = merge_segments(&[reader], keep, &mut sink)?;
    if packs.is_empty() {
        return Ok(None);
    }
    session.put_segment(sink, &packs, segment.level()).map(Some)
}

/// So many segments of one level become one of the next.
const LEVEL_MAX: usize = 8;
/// Bytes of segments that are merged at a time: they are held in memory until they are sealed.
const MERGE_MAX: u64 = 16 << 20;
