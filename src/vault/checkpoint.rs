//! Checkpoints: the log is kept short by folding it. Start at [`Session::fold`].
//!
//! Blobs of bundles go to packs, signed records to history pages; nothing is forgotten. What is folded here is deleted
//! by a later checkpoint at the earliest (`sweep`), so that nobody who reads by an older view is left without. Only
//! commands that commit anyway do any of this, and a log that can't be folded is left as it is.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::compact::Compacted;
use super::container::Container;
use super::error::VaultError;
use super::history::{Entry, Loaded};
use super::listing::record_name;
use super::open::Vault;
use super::placed::ids;
use super::session::{Session, Shared};
use super::tree::TreeWriter;
use crate::crypto::{self, Label};
use crate::format::hints::{Holder, ObjectRef, Place};
use crate::format::index::IndexClass;
use crate::format::limits::NODE_BLOB_MAX;
use crate::format::list::ListNode;
use crate::format::name::ObjectName;
use crate::format::node::{Node, split_blob};
use crate::format::pack::{Directory, Frame, decode_frame};
use crate::format::record::{LogPlaintext, Record};
use crate::format::summary::{Brief, Folded, History, Last, Page, PageRef, Signed, Waiting};
use crate::history::source::{NewNode, Reference, ResolvedPlace};
use crate::id::{BlobId, BlobKind, CommitId, ObjectId, WriterId};
use crate::world::Timestamp;

/// What a checkpoint has folded.
pub(super) struct Fold {
    /// The root of the new history, and where it lies once it is stored.
    pub(super) root: BlobId,
    pub(super) place: Option<ResolvedPlace>,
    /// The histories that are in it.
    pub(super) merged: Vec<BlobId>,
    /// The records that are in it and were in none before.
    pub(super) folded: HashSet<CommitId>,
    /// What became of the index.
    pub(super) index: Compacted,
    /// What nobody needs any more, once this checkpoint is published.
    pub(super) doomed: Doomed,
}

/// Objects to delete.
#[derive(Default)]
pub(super) struct Doomed {
    pub(super) records: Vec<Folded>,
    pub(super) segments: Vec<ObjectId>,
}

impl Vault {
    /// Whether the log is long enough to be folded.
    pub(super) fn wants_fold(&self) -> bool {
        let mut live = self.view().live();
        live.retain(|brief| !brief.apart && !brief.collects);
        live.len() >= FOLD_RECORDS || live.iter().map(|brief| brief.object.size).sum::<u64>() >= FOLD_BYTES
    }

    /// Reads a record of the log and its body, and verifies both by themselves.
    fn live_record(&self, brief: &Brief) -> Result<(Entry, Vec<u8>), VaultError> {
        let name = record_name(self.keys(), brief.lamport, brief.seq, brief.object.id);
        let damaged = |reason: &str| VaultError::damaged(name, reason);
        let (_, plain) =
            self.objects.open_log(&name, brief.object.size)?.ok_or_else(|| damaged("its seal is broken"))?;
        let parts = LogPlaintext::split(&plain)?;
        let record = Record::decode(parts.record)?;
        let signed = Signed { record: parts.record.to_vec(), signature: parts.signature };
        let body = plain[parts.body.clone()].to_vec();
        let place = (record.lamport, record.seq, crypto::writer_id(&record.writer_sign, &record.writer_salt));
        let genuine = crypto::commit_id(&self.id, parts.record) == brief.id
            && place == (brief.lamport, brief.seq, brief.writer)
            && crypto::hash(&body) == record.body_hash
            && crypto::verify(&record.writer_sign, Label::Commit, &self.id, parts.record, &parts.signature);
        if !genuine {
            return Err(damaged("it is not the commit that the log's summary tells of"));
        }
        Ok((Entry { id: brief.id, record, signed }, body))
    }
}

impl Session {
    /// Folds the log, with `writer` for the new packs. `None` if it can't be folded now: then it stays as it is.
    pub(super) fn fold(&self, writer: &TreeWriter<'_>) -> Result<Option<Fold>, VaultError> {
        match self.try_fold(writer) {
            Ok(fold) => Ok(Some(fold)),
            // Something is wrong with an older record. Whoever reads it will hear of it; this run need not fail for it.
            Err(VaultError::Damaged { .. } | VaultError::Missing { .. } | VaultError::Limit(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn try_fold(&self, writer: &TreeWriter<'_>) -> Result<Fold, VaultError> {
        let vault = &self.shared.vault;
        let view = vault.view();
        let mut live = Vec::new();
        for brief in view.live() {
            if !brief.apart && (!brief.collects || vault.is_spent(&brief)?) {
                live.push(brief);
            }
        }
        writer.forsake(live.iter().map(|brief| brief.object.id));
        let mut entries = BTreeMap::new();
        let mut chunks = Chunks { session: self, open: None };
        for brief in &live {
            let (entry, body) = vault.live_record(brief)?;
            // Whatever the summary says of it: the body is what would be lost.
            if !body.is_empty() && !brief.collects {
                self.refold(&body, &mut chunks, writer)?;
            }
            entries.insert((brief.lamport, brief.id), entry);
        }
        chunks.finish()?;
        let index = self.compact(&view.segment_refs())?;
        let roots = view.past.histories.roots();
        let base = roots.iter().max_by_key(|loaded| records_in(&loaded.root));
        self.take_over(roots, base, &mut entries)?;
        let pages = self.write_pages(base, entries, writer)?;
        let listed = listed_objects(view.names());
        let (mut waiting, doomed) = settle(roots, &listed, vault.world.clock.now());
        let records = live.iter().map(|brief| Folded {
            id: brief.id,
            writer: brief.writer,
            seq: brief.seq,
            lamport: brief.lamport,
            access_n: brief.access_n,
            object: brief.object.id,
        });
        let since = vault.world.clock.now();
        waiting.push(Waiting { since, records: records.collect(), segments: index.superseded.clone() });
        let mut superseded: Vec<ObjectId> = roots.iter().flat_map(|loaded| loaded.root.superseded.clone()).collect();
        superseded.extend(&index.superseded);
        superseded.drain(..superseded.len().saturating_sub(SUPERSEDED_KEPT));
        let root = History {
            pages: pages.iter().map(|(page, _)| *page).collect(),
            waiting,
            superseded,
            writers: last_of_each(roots, &live),
        };
        let references = pages.iter().map(|(page, place)| Reference { id: page.id, place: *place }).collect();
        let root = writer.write_history(root.encode()?, references)?;
        let merged = roots.iter().map(|loaded| loaded.id).collect();
        let folded = live.iter().map(|brief| brief.id).collect();
        Ok(Fold { root, place: None, merged, folded, index, doomed })
    }

    /// Stores the blobs of a bundle in packs.
    fn refold(&self, body: &[u8], chunks: &mut Chunks<'_>, writer: &TreeWriter<'_>) -> Result<(), VaultError> {
        let mut at = 0;
        for entry in Directory::of_bundle(body)?.frames {
            self.shared.check()?;
            let stored = &body[at..at + entry.stored_len as usize];
            at += entry.stored_len as usize;
            if entry.blobs.iter().all(|blob| blob.kind == BlobKind::Chunk) {
                let mut packed = true;
                for blob in &entry.blobs {
                    packed = packed && self.shared.is_packed(&blob.id)?;
                }
                if !packed {
                    chunks.append(Frame { codec: stored[0], payload: &stored[1..] }, entry.blobs)?;
                }
                continue;
            }
            let content = decode_frame(stored)?;
            let mut rest = &content[..];
            for blob in entry.blobs {
                let (bytes, after) = rest
                    .split_at_checked(blob.len as usize)
                    .ok_or_else(|| VaultError::damaged("log", "a frame of a bundle is too short"))?;
                rest = after;
                // What summaries say is of no use once it is folded.
                if matches!(blob.kind, BlobKind::Node | BlobKind::List) {
                    writer.refold(node_of(blob.kind, bytes)?)?;
                }
            }
        }
        Ok(())
    }

    /// Adds to `entries` what other histories than `base` hold and that one does not.
    fn take_over(
        &self,
        roots: &[Loaded],
        base: Option<&Loaded>,
        entries: &mut BTreeMap<(u64, CommitId), Entry>,
    ) -> Result<(), VaultError> {
        let Some(base) = base else { return Ok(()) };
        let vault = &self.shared.vault;
        let view = vault.view();
        let (histories, segments) = (&view.past.histories, view.segment_refs());
        let source = vault.history_source(&segments);
        let own: HashMap<BlobId, ()> = base.root.pages.iter().map(|page| (page.id, ())).collect();
        for other in roots.iter().filter(|loaded| loaded.id != base.id) {
            let pages = other.root.pages.iter().zip(&other.places);
            for (page, place) in pages.filter(|(page, _)| !own.contains_key(&page.id)) {
                for entry in histories.page(&source, page, place.as_ref())?.iter() {
                    let (lamport, id) = (entry.record.lamport, entry.id);
                    if histories.find_in(&source, base, lamport, &id)?.is_none() {
                        entries.insert((lamport, id), entry.clone());
                    }
                }
            }
        }
        Ok(())
    }

    /// The pages of the new history: those of `base`, and new ones, which swallow the last of the old ones as long as those
    /// hold no more records. So their number stays small, and each record is copied few times.
    fn write_pages(
        &self,
        base: Option<&Loaded>,
        mut entries: BTreeMap<(u64, CommitId), Entry>,
        writer: &TreeWriter<'_>,
    ) -> Result<Vec<(PageRef, Option<ResolvedPlace>)>, VaultError> {
        let vault = &self.shared.vault;
        let view = vault.view();
        let segments = view.segment_refs();
        let source = vault.history_source(&segments);
        let mut pages: Vec<(PageRef, Option<ResolvedPlace>)> = base
            .map(|loaded| loaded.root.pages.iter().copied().zip(loaded.places.iter().copied()).collect())
            .unwrap_or_default();
        while let Some((page, place)) = pages.last()
            && page.records <= entries.len() as u64
            && page.records + entries.len() as u64 <= PAGE_RECORDS as u64
        {
            let old = view.past.histories.page(&source, page, place.as_ref())?;
            entries.extend(old.iter().map(|entry| ((entry.record.lamport, entry.id), entry.clone())));
            pages.pop();
        }
        let mut entries = entries.into_iter().peekable();
        while let Some(((first, _), _)) = entries.peek() {
            let (first, mut last, mut bytes, mut records) = (*first, *first, 0, Vec::new());
            while records.len() < PAGE_RECORDS
                && let Some(((lamport, _), entry)) =
                    entries.next_if(|(_, entry)| bytes + entry.signed.record.len() < PAGE_BYTES || bytes == 0)
            {
                bytes += entry.signed.record.len() + 70;
                last = lamport;
                records.push(entry.signed);
            }
            let count = records.len() as u64;
            let id = writer.write_history(Page { records }.encode(), Vec::new())?;
            pages.push((PageRef { id, records: count, first, last }, None));
        }
        Ok(pages)
    }
}

/// Packs of chunks being filled from bundles.
struct Chunks<'s> {
    session: &'s Session,
    open: Option<(u32, Container)>,
}

impl Chunks<'_> {
    fn append(&mut self, frame: Frame<'_>, blobs: Vec<crate::format::pack::BlobEntry>) -> Result<(), VaultError> {
        let shared = &self.session.shared;
        if self.open.is_none() {
            self.open = Some(shared.new_pack()?);
        }
        let (number, container) = self.open.as_mut().expect("it was made above");
        let placed = container.append(frame, blobs);
        shared.placed.place(*number, ids(&placed));
        if container.len() >= self.session.pack_target() { self.finish() } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<(), VaultError> {
        match self.open.take() {
            Some((number, container)) => self.session.send_data(number, container),
            None => Ok(()),
        }
    }
}

impl Shared {
    /// Whether a blob lies in a pack that is there, whatever bundles hold it too.
    pub(super) fn is_packed(&self, id: &BlobId) -> Result<bool, VaultError> {
        if self.placed.find(id)?.is_some() {
            return Ok(true);
        }
        for found in self.index().lookup(id)? {
            if found.class != IndexClass::Log && self.exists(&found)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Fold {
    /// Notes where the root lies, now that it is stored.
    pub(super) fn stored(&mut self, place: Option<Place>) {
        self.place = place.and_then(|place| match place.holder {
            Holder::Object(object) => Some(ResolvedPlace { object, location: place.location }),
            Holder::SameObject => None,
        });
    }

    /// The segments that come with it, and the ids of those that go.
    pub(super) fn segments(&self) -> (Vec<ObjectRef>, Vec<ObjectId>) {
        (self.index.added.clone(), self.index.superseded.clone())
    }
}

fn node_of(kind: BlobKind, blob: &[u8]) -> Result<NewNode, VaultError> {
    let canonical = split_blob(blob)?.0.to_vec();
    let ids: Vec<BlobId> = if kind == BlobKind::List {
        ListNode::decode(&canonical)?.items.iter().filter_map(|item| item.id().copied()).collect()
    } else {
        Node::decode(&canonical)?.references().into_iter().flatten().collect()
    };
    let references = ids.into_iter().map(|id| Reference { id, place: None }).collect();
    Ok(NewNode { kind, canonical, references })
}

fn records_in(history: &History) -> u64 {
    history.pages.iter().map(|page| page.records).sum()
}

fn listed_objects(names: &[String]) -> HashSet<ObjectId> {
    names.iter().filter_map(|name| name.parse::<ObjectName>().ok()).map(|name| name.id()).collect()
}

/// What earlier checkpoints have folded and is there still, and what of it may go now: what has waited for long, and the
/// oldest of what is too much.
fn settle(roots: &[Loaded], listed: &HashSet<ObjectId>, now: Timestamp) -> (Vec<Waiting>, Doomed) {
    let mut seen = HashSet::new();
    let mut waiting: Vec<Waiting> = roots.iter().flat_map(|loaded| loaded.root.waiting.clone()).collect();
    waiting.sort_by_key(|batch| batch.since);
    for batch in &mut waiting {
        batch.records.retain(|folded| listed.contains(&folded.object) && seen.insert(folded.object));
        batch.segments.retain(|id| seen.insert(*id));
    }
    let mut rest: usize = waiting.iter().map(|batch| batch.records.len()).sum();
    let mut doomed = Doomed::default();
    for batch in &mut waiting {
        let old = batch.since.secs.saturating_add(GRACE_SECONDS) <= now.secs;
        if (!old && rest <= WAITING_MAX) || doomed.records.len() >= DOOMED_MAX {
            continue;
        }
        rest -= batch.records.len();
        doomed.records.extend(&batch.records); // they stay on the list until a listing shows that they are gone
        doomed.segments.append(&mut batch.segments);
    }
    waiting.retain(|batch| !batch.records.is_empty() || !batch.segments.is_empty());
    (waiting, doomed)
}

/// The last folded record of each writer whose log has not ended.
fn last_of_each(roots: &[Loaded], live: &[Brief]) -> Vec<Last> {
    let mut writers: BTreeMap<WriterId, Last> = BTreeMap::new();
    let mut closed = HashSet::new();
    for last in roots.iter().flat_map(|loaded| &loaded.root.writers) {
        let known = writers.entry(last.writer).or_insert(*last);
        if last.seq > known.seq {
            *known = *last;
        }
    }
    for brief in live {
        let Brief { id, writer, seq, lamport, access_n, .. } = *brief;
        let last = Last { writer, id, seq, lamport, access_n };
        let known = writers.entry(writer).or_insert(last);
        if seq > known.seq {
            *known = last;
        }
        if brief.closed {
            closed.insert(writer);
        }
    }
    writers.into_values().filter(|last| !closed.contains(&last.writer)).collect()
}

/// A log of so many records is folded,
const FOLD_RECORDS: usize = 64;
/// and so is one of so many bytes.
const FOLD_BYTES: u64 = 32 << 20;
/// The records of one page of history.
const PAGE_RECORDS: usize = 512;
/// The bytes of one page, nearly.
const PAGE_BYTES: usize = NODE_BLOB_MAX / 2;
/// How long a folded log object stays, so that whoever reads by an older view is not sent looking.
const GRACE_SECONDS: i64 = 6 * 3600;
/// How many folded log objects may wait: with more, a listing would take a page more than it has to.
const WAITING_MAX: usize = 1000;
/// How many objects one run deletes, but for the rest of a fold.
const DOOMED_MAX: usize = 1000;
/// How many superseded segments are remembered: a writer who has seen nothing of so many may name one that is gone.
const SUPERSEDED_KEPT: usize = 2048;
