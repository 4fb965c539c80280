//! What is needed: every blob that trees and the log's history refer to. Start at [`Vault::needed`].
//!
//! Owns walking trees for garbage collection. Memory does not go with their size: ids go to a sorter, and what was visited is
//! remembered only to save reading, so that it may be forgotten at any time.

use std::collections::HashSet;

use super::error::VaultError;
use super::history::Loaded;
use super::load::resolved;
use super::log::Commit;
use super::open::Vault;
use crate::format::index::id16;
use crate::format::list::ListNode;
use crate::format::node::{Node, Values};
use crate::format::record::Attribute;
use crate::format::summary::Summary;
use crate::history::source::{NodeSource, ResolvedPlace};
use crate::id::{BlobId, BlobKind};
use crate::spool::{Sorted, Sorter};

/// Blobs that are needed.
pub(super) struct Needed(Sorted);

struct Marker<'v> {
    vault: &'v Vault,
    sorter: Sorter,
    visited: HashSet<[u8; 16]>,
}

impl Vault {
    /// Every blob that the trees of `roots` and the log's history need.
    ///
    /// # Errors
    /// A node can't be read: then nobody can say what is needed.
    pub(super) fn needed<'c>(&self, roots: impl Iterator<Item = &'c Commit>) -> Result<Needed, VaultError> {
        let mut marker = Marker { vault: self, sorter: Sorter::default(), visited: HashSet::new() };
        marker.history()?;
        for commit in roots {
            let root = commit.root();
            marker.tree(root.id, root.place)?;
        }
        Ok(Needed(marker.sorter.finish().map_err(spooling)?))
    }
}

impl Needed {
    /// Calls `each` with every blob, each once, ascending by id.
    pub(super) fn each(
        &mut self,
        each: &mut dyn FnMut(BlobKind, BlobId) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let mut last = None;
        for row in self.0.read().map_err(spooling)? {
            let (key, kind) = row.map_err(spooling)?;
            let id = BlobId::new(key.try_into().map_err(|_| broken())?);
            let kind = kind.first().and_then(|kind| BlobKind::from_u8(*kind)).ok_or_else(broken)?;
            if last != Some(id) {
                each(kind, id)?;
            }
            last = Some(id);
        }
        Ok(())
    }
}

impl Marker<'_> {
    fn tree(&mut self, id: BlobId, place: Option<ResolvedPlace>) -> Result<(), VaultError> {
        let mut open = vec![(BlobKind::Node, id, place)];
        while let Some((kind, id, place)) = open.pop() {
            if kind == BlobKind::Chunk {
                self.push(kind, &id)?;
                continue;
            }
            if self.visited.len() >= VISITED_MAX {
                self.visited.clear();
            }
            if !self.visited.insert(id16(&id)) {
                continue;
            }
            self.vault.checkpoint()?;
            self.push(kind, &id)?;
            let blob = self.vault.read(kind, &id, place.as_ref())?;
            let below = references(kind, &blob.canonical)?;
            let places = blob.places(below.len());
            // The first comes next: so nodes are read in the order in which they lie.
            open.extend(below.into_iter().zip(places).rev().map(|((kind, id), place)| (kind, id, place)));
        }
        Ok(())
    }

    /// The histories that records in the log name, and their pages. Whoever begins at an older record needs older ones.
    fn history(&mut self) -> Result<(), VaultError> {
        let vault = self.vault;
        let view = vault.view();
        let segments = view.segment_refs();
        let source = vault.history_source(&segments);
        let mut roots: Vec<Loaded> = view.past.histories.roots().to_vec();
        for brief in view.live().iter().filter(|brief| brief.bundle) {
            let commit = vault.record_of(&brief.id)?;
            let Some(Ok((id, Some(place)))) = commit.record.attribute(Attribute::HISTORY).map(Attribute::as_history)
            else {
                continue;
            };
            let blob = source.read(&id, Some(&resolved(&place, &commit.object)))?;
            let summary = Summary::decode(&blob.canonical)?;
            for (id, place) in summary.histories.iter().zip(blob.places(summary.histories.len())) {
                if roots.iter().all(|root| root.id != *id) {
                    roots.push(Loaded::read(&source, id, place)?);
                }
            }
        }
        for root in roots {
            self.push(BlobKind::History, &root.id)?;
            for page in &root.root.pages {
                self.push(BlobKind::History, &page.id)?;
            }
        }
        Ok(())
    }

    fn push(&mut self, kind: BlobKind, id: &BlobId) -> Result<(), VaultError> {
        self.sorter.push(id.as_bytes(), vec![kind as u8]).map_err(spooling)
    }
}

/// What a node refers to.
pub(super) fn references(kind: BlobKind, canonical: &[u8]) -> Result<Vec<(BlobKind, BlobId)>, VaultError> {
    if kind == BlobKind::List {
        let list = ListNode::decode(canonical)?;
        let below = if list.level == 0 { BlobKind::Chunk } else { BlobKind::List };
        return Ok(list.items.iter().filter_map(|item| Some((below, *item.id()?))).collect());
    }
    Ok(match Node::decode(canonical)?.values() {
        Values::Entries(entries) => entries.iter().filter_map(|entry| entry.content.reference()).collect(),
        Values::Children(children) => children.iter().map(|child| (BlobKind::Node, child.id)).collect(),
    })
}

fn spooling(source: std::io::Error) -> VaultError {
    VaultError::local("cannot use a temporary file")(source)
}

fn broken() -> VaultError {
    VaultError::damaged("temporary file", "it is not what was written")
}

/// How many nodes are remembered as visited: some 40 MB.
const VISITED_MAX: usize = 1 << 20;
