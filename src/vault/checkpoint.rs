//! Checkpoints.

use std::collections::HashSet;

use crate::history::source::ResolvedPlace;
use crate::id::{BlobId, CommitId};

/// What a checkpoint has folded.
pub(super) struct Fold {
    pub(super) root: BlobId,
    pub(super) place: Option<ResolvedPlace>,
    /// The histories that are in it.
    pub(super) merged: Vec<BlobId>,
    pub(super) folded: HashSet<CommitId>,
}
