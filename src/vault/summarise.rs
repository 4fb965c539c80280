//! What a commit tells of the log before it, so that others need not read all of that.
//!
//! Owns when a summary is written and what is in it; `load` owns what is made of it.

use super::checkpoint::Fold;
use super::container::Container;
use super::error::VaultError;
use super::log::View;
use super::open::Vault;
use crate::format::hints::{Holder, Place, encode_hints};
use crate::format::limits::{BUNDLE_MAX, NODE_BLOB_MAX, PARENTS_MAX};
use crate::format::node::join_blob;
use crate::format::pack::{BlobEntry, FrameCoder, encode_frame};
use crate::format::record::Attribute;
use crate::format::summary::Summary;
use crate::history::source::ResolvedPlace;
use crate::id::{BlobId, BlobKind};

impl Vault {
    /// Puts into `body` a summary of the log before a commit that follows all heads of `view`, if it is time for one and
    /// there is room; the attribute that names it.
    pub(super) fn summarise(
        &self,
        view: &View,
        fold: Option<&Fold>,
        compression: Option<i32>,
        body: &mut Container,
    ) -> Result<Option<Attribute>, VaultError> {
        let wanted = fold.is_some() || view.unsummarised() >= SUMMARY_EVERY;
        let mut histories: Vec<(BlobId, Option<ResolvedPlace>)> = view
            .past
            .histories
            .roots()
            .iter()
            .filter(|root| fold.is_none_or(|fold| !fold.merged.contains(&root.id)))
            .map(|root| (root.id, root.place))
            .chain(fold.map(|fold| (fold.root, fold.place)))
            .collect();
        // A commit names so many parents at most, and a summary so many histories: the next one has fewer.
        if !wanted || view.heads().len() > PARENTS_MAX || histories.len() > PARENTS_MAX {
            return Ok(None);
        }
        histories.sort_unstable_by_key(|(id, _)| *id);
        let live = view.live().into_iter().filter(|brief| fold.is_none_or(|fold| !fold.folded.contains(&brief.id)));
        let summary = Summary {
            live: live.collect(),
            segments: view.segment_refs(),
            histories: histories.iter().map(|(id, _)| *id).collect(),
        };
        let place = |place: ResolvedPlace| Place { holder: Holder::Object(place.object), location: place.location };
        let places: Vec<Option<Place>> = histories.iter().map(|(_, at)| at.map(place)).collect();
        let Ok(canonical) = summary.encode() else { return Ok(None) };
        let blob = join_blob(&canonical, &encode_hints(&places));
        let mut coder = FrameCoder::default();
        let frame = encode_frame(&blob, compression, &mut coder);
        if blob.len() > NODE_BLOB_MAX || body.body_len_max() + frame.stored_len() + 64 > BUNDLE_MAX {
            return Ok(None);
        }
        let id = self.keys().blob_id(BlobKind::History, &canonical);
        let entry = BlobEntry { kind: BlobKind::History, id, len: blob.len() as u32 };
        let placed = body.append(frame, vec![entry]);
        let location = placed.first().map(|(_, location)| *location);
        Ok(Some(Attribute::history(id, location.map(|location| Place { holder: Holder::SameObject, location }))))
    }
}

/// A reader that knows nothing reads at most so many records of a log that nobody else writes to.
const SUMMARY_EVERY: usize = 4;
