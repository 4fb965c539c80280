//! Folded records: where they are found again. Start at [`Histories::find`].
//!
//! Owns reading what checkpoints have written (docs/format.md, section 10.3). What is read here rests on the word of
//! whoever signed the summary that names it; a record found by its id is the one that was signed, whoever kept it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use super::error::VaultError;
use super::index::Index;
use super::log::Commit;
use super::objects::Objects;
use super::state::State;
use crate::crypto;
use crate::format::hints::{Holder, Location, ObjectRef};
use crate::format::node::split_blob;
use crate::format::record::Record;
use crate::format::summary::{Brief, Folded, History, Last, Page, PageRef, Signed};
use crate::history::source::{NodeBlob, ResolvedPlace};
use crate::id::{BlobId, BlobKind, CommitId, ObjectId, VaultId, WriterId};

/// What is known of a record without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Its id.
    pub id: CommitId,
    /// Its writer.
    pub writer: WriterId,
    /// Its place in the writer's log.
    pub seq: u64,
    /// Its Lamport time.
    pub lamport: u64,
    /// The access version it was written under.
    pub access_n: u32,
    /// Whether the writer's log ends with it, if that is known.
    pub closed: bool,
}

/// Where blobs of kind 4 come from: the hinted place, or the index segments.
pub(super) struct Source<'a> {
    pub(super) objects: &'a Objects,
    pub(super) state: &'a State,
    pub(super) vault: &'a VaultId,
    pub(super) segments: &'a [ObjectRef],
}

/// The histories that a view rests on: one, unless checkpoints were made side by side.
#[derive(Debug, Default)]
pub(super) struct Histories {
    roots: Vec<Loaded>,
    pages: Mutex<Vec<(BlobId, Arc<Vec<Entry>>)>>,
}

/// What of a log need not be read, because a summary tells of it or because it is folded.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// The records that summaries tell of, but for folded ones.
    pub(super) covered: HashMap<CommitId, Brief>,
    /// The index segments that summaries tell of.
    pub(super) segments: Vec<ObjectRef>,
    pub(super) histories: Histories,
}

/// A root as it was read.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    pub(super) id: BlobId,
    pub(super) place: Option<ResolvedPlace>,
    pub(super) root: History,
    pub(super) places: Vec<Option<ResolvedPlace>>,
}

/// A folded record.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) id: CommitId,
    pub(super) record: Record,
    pub(super) signed: Signed,
}

impl Source<'_> {
    pub(super) fn read(&self, id: &BlobId, place: Option<&ResolvedPlace>) -> Result<NodeBlob, VaultError> {
        let mut failure = VaultError::Missing { what: format!("blob {} of the log's history", id.short()) };
        let mut attempt = |object: &ObjectRef, at: &Location| match self.objects.blob(BlobKind::History, id, object, at)
        {
            Ok(blob) => Ok(Some((blob, *object))),
            Err(error @ (VaultError::Missing { .. } | VaultError::Damaged { .. })) => {
                failure = error;
                Ok(None)
            }
            Err(error) => Err(error),
        };
        let mut found = match place {
            Some(place) => attempt(&place.object, &place.location)?,
            None => None,
        };
        if found.is_none() {
            for other in Index::load(self.objects, self.state, self.segments, &[], true)?.lookup(id)? {
                found = attempt(&other.object, &other.at)?;
                if found.is_some() {
                    break;
                }
            }
        }
        let (blob, object) = found.ok_or(failure)?;
        let (canonical, hints) = split_blob(&blob)?;
        Ok(NodeBlob { canonical: canonical.to_vec(), hints: hints.to_vec(), origin: Some(object) })
    }
}

impl Past {
    /// What is known of a record without reading anything.
    pub(super) fn facts(&self, id: &CommitId) -> Option<Facts> {
        self.covered.get(id).map(Facts::from).or_else(|| self.histories.facts(id))
    }
}

impl Loaded {
    /// Reads a root.
    pub(super) fn read(source: &Source<'_>, id: &BlobId, place: Option<ResolvedPlace>) -> Result<Self, VaultError> {
        let blob = source.read(id, place.as_ref())?;
        let root = History::decode(&blob.canonical)?;
        let places = blob.places(root.pages.len());
        Ok(Self { id: *id, place, root, places })
    }

    /// Objects of records that are folded and may still be listed.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Folded> {
        self.root.waiting.iter().flat_map(|waiting| &waiting.records)
    }
}

impl Histories {
    /// Of these roots.
    pub(super) fn new(roots: Vec<Loaded>) -> Self {
        Self { roots, pages: Mutex::default() }
    }

    pub(super) fn roots(&self) -> &[Loaded] {
        &self.roots
    }

    /// Objects of records that are folded and may still be listed.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Folded> {
        self.roots.iter().flat_map(Loaded::waiting)
    }

    /// Index segments that were superseded.
    pub(super) fn superseded(&self) -> impl Iterator<Item = &ObjectId> {
        self.roots.iter().flat_map(|loaded| &loaded.root.superseded)
    }

    /// The last folded record of each writer whose log goes on.
    pub(super) fn writers(&self) -> impl Iterator<Item = &Last> {
        self.roots.iter().flat_map(|loaded| &loaded.root.writers)
    }

    /// How many records are folded; with histories side by side, at least so many.
    pub(super) fn len(&self) -> u64 {
        self.roots.iter().map(|loaded| loaded.root.pages.iter().map(|page| page.records).sum()).max().unwrap_or(0)
    }

    /// The highest Lamport time of a folded record.
    pub(super) fn last_lamport(&self) -> u64 {
        self.pages_by_time().first().map_or(0, |(page, _)| page.last)
    }

    /// What is known of a folded record without reading a page.
    pub(super) fn facts(&self, id: &CommitId) -> Option<Facts> {
        let waiting = self.waiting().find(|folded| folded.id == *id).map(Facts::from);
        waiting.or_else(|| self.writers().find(|last| last.id == *id).map(Facts::from))
    }

    /// The folded record with this id and Lamport time.
    pub(super) fn find(&self, source: &Source<'_>, lamport: u64, id: &CommitId) -> Result<Option<Entry>, VaultError> {
        self.search(source, lamport..=lamport, |entry| entry.id == *id)
    }

    /// The newest folded record of a span of Lamport time that `wanted` picks.
    pub(super) fn search(
        &self,
        source: &Source<'_>,
        span: std::ops::RangeInclusive<u64>,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Option<Entry>, VaultError> {
        for (page, place) in self.pages_by_time() {
            if page.first > *span.end() || page.last < *span.start() {
                continue;
            }
            if let Some(entry) = self.page(source, &page, place.as_ref())?.iter().rfind(|entry| wanted(entry)) {
                return Ok(Some(entry.clone()));
            }
        }
        Ok(None)
    }

    /// The same, of one history alone.
    pub(super) fn find_in(
        &self,
        source: &Source<'_>,
        root: &Loaded,
        lamport: u64,
        id: &CommitId,
    ) -> Result<Option<Entry>, VaultError> {
        let pages = root.root.pages.iter().zip(&root.places);
        for (page, place) in pages.filter(|(page, _)| (page.first..=page.last).contains(&lamport)) {
            if let Some(entry) = self.page(source, page, place.as_ref())?.iter().find(|entry| entry.id == *id) {
                return Ok(Some(entry.clone()));
            }
        }
        Ok(None)
    }

    /// All pages, newest first, each once.
    pub(super) fn pages_by_time(&self) -> Vec<(PageRef, Option<ResolvedPlace>)> {
        let mut seen = BTreeSet::new();
        let mut pages: Vec<_> = self
            .roots
            .iter()
            .flat_map(|loaded| loaded.root.pages.iter().copied().zip(loaded.places.iter().copied()))
            .filter(|(page, _)| seen.insert(page.id))
            .collect();
        pages.sort_unstable_by_key(|(page, _)| std::cmp::Reverse((page.last, page.first, page.id)));
        pages
    }

    /// The records of a page.
    pub(super) fn page(
        &self,
        source: &Source<'_>,
        page: &PageRef,
        place: Option<&ResolvedPlace>,
    ) -> Result<Arc<Vec<Entry>>, VaultError> {
        if let Some((_, entries)) = self.pages.lock().expect("map operations").iter().find(|(id, _)| *id == page.id) {
            return Ok(Arc::clone(entries));
        }
        let blob = source.read(&page.id, place)?;
        let mut entries = Vec::new();
        for signed in Page::decode(&blob.canonical)?.records {
            let id = crypto::commit_id(source.vault, &signed.record);
            entries.push(Entry { id, record: Record::decode(&signed.record)?, signed });
        }
        let entries = Arc::new(entries);
        let mut kept = self.pages.lock().expect("map operations");
        kept.truncate(PAGES_KEPT - 1);
        kept.insert(0, (page.id, Arc::clone(&entries)));
        Ok(entries)
    }
}

impl Entry {
    /// The record by itself. Its own object is gone, so a root that lay there is found by the index.
    pub(super) fn commit(&self) -> Commit {
        let mut record = self.record.clone();
        if record.root.place.is_some_and(|place| place.holder == Holder::SameObject) {
            record.root.place = None;
        }
        let object = ObjectRef { id: ObjectId::new([0; 32]), size: 0, epoch: 0, salt: [0; 32] };
        Commit { id: self.id, writer: self.writer(), record, object, directory: Vec::new() }
    }

    /// The writer of the record.
    pub(super) fn writer(&self) -> WriterId {
        crypto::writer_id(&self.record.writer_sign, &self.record.writer_salt)
    }

    pub(super) fn facts(&self) -> Facts {
        let (record, writer) = (&self.record, self.writer());
        let Record { seq, lamport, access_n, closed, .. } = *record;
        Facts { id: self.id, writer, seq, lamport, access_n, closed }
    }
}

impl From<&Brief> for Facts {
    fn from(brief: &Brief) -> Self {
        let Brief { id, writer, seq, lamport, access_n, closed, .. } = *brief;
        Self { id, writer, seq, lamport, access_n, closed }
    }
}

impl From<&Folded> for Facts {
    fn from(folded: &Folded) -> Self {
        let Folded { id, writer, seq, lamport, access_n, .. } = *folded;
        Self { id, writer, seq, lamport, access_n, closed: false }
    }
}

impl From<&Last> for Facts {
    fn from(last: &Last) -> Self {
        let Last { writer, id, seq, lamport, access_n } = *last;
        Self { id, writer, seq, lamport, access_n, closed: false }
    }
}

/// Pages are searched in order of time, so that the ones looked at last are the ones looked at next.
const PAGES_KEPT: usize = 3;
