//! docs/format.md, section 10.3: summaries of the log, and the history that folded records go to. Start at [`Summary`].
//!
//! Owns the canonical layouts of blobs of kind 4. Never decides what is in a summary, nor whether one is believed.

use super::access::{ascending, list, put_list};
use super::hints::ObjectRef;
use super::limits::{LOG_OBJECT_MAX, NODE_BLOB_MAX, PARENTS_MAX};
use super::wire::{Malformed, Put, Reader};
use crate::id::{BlobId, CommitId, ObjectId, WriterId};
use crate::world::Timestamp;

/// What a reader needs to know of a record that it does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brief {
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
    /// Whether the writer's log ends with it.
    pub closed: bool,
    /// Whether its object has a body: a bundle.
    pub bundle: bool,
    /// Whether every reader must read it all the same, because it says something about other records. It is never folded.
    pub apart: bool,
    /// Whether it is a garbage-collection epoch or the completion of one, which only writers need to read.
    pub collects: bool,
    /// The object that holds it.
    pub object: ObjectRef,
}

/// The log before one commit, for readers who have not followed it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Every ancestor that is in no history, ascending by (Lamport time, id).
    pub live: Vec<Brief>,
    /// The index segments in force, ascending by id.
    pub segments: Vec<ObjectRef>,
    /// The histories that hold all other ancestors, ascending.
    pub histories: Vec<BlobId>,
}

/// What folded records have become: the root of a history.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// The pages, in no order that matters; their Lamport times may overlap.
    pub pages: Vec<PageRef>,
    /// Objects that nobody needs any more and that may be there still.
    pub waiting: Vec<Waiting>,
    /// Index segments superseded lately, the latest last.
    pub superseded: Vec<ObjectId>,
    /// The last record in here of each writer whose log has not ended, ascending by writer.
    pub writers: Vec<Last>,
}

/// One page of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRef {
    /// Its id.
    pub id: BlobId,
    /// How many records it holds.
    pub records: u64,
    /// The lowest Lamport time in it.
    pub first: u64,
    /// The highest.
    pub last: u64,
}

/// Objects that one fold has made superfluous.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waiting {
    /// When, as the writer's clock had it.
    pub since: Timestamp,
    /// The log objects.
    pub records: Vec<Folded>,
    /// The index segments.
    pub segments: Vec<ObjectId>,
}

/// A log object whose record is in the history and whose blobs are in packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Folded {
    /// Id of the record.
    pub id: CommitId,
    /// Its writer.
    pub writer: WriterId,
    /// Its place in the writer's log.
    pub seq: u64,
    /// Its Lamport time.
    pub lamport: u64,
    /// The access version it was written under.
    pub access_n: u32,
    /// The object.
    pub object: ObjectId,
}

/// The last folded record of a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last {
    /// The writer.
    pub writer: WriterId,
    /// The record.
    pub id: CommitId,
    /// Its place in the writer's log.
    pub seq: u64,
    /// Its Lamport time.
    pub lamport: u64,
    /// The access version it was written under.
    pub access_n: u32,
}

/// Folded records, each as it was signed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Records with their signatures, ascending by (Lamport time, commit id).
    pub records: Vec<Signed>,
}

/// A record's bytes and the signature over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What `Record` decodes.
    pub record: Vec<u8>,
    /// The signature.
    pub signature: [u8; 64],
}

impl Brief {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put(self.id.as_bytes());
        out.put(self.writer.as_bytes());
        out.put_varint(self.seq);
        out.put_varint(self.lamport);
        out.put_varint(u64::from(self.access_n));
        let flags = u64::from(self.closed) | u64::from(self.bundle) << 1 | u64::from(self.apart) << 2;
        out.put_varint(flags | u64::from(self.collects) << 3);
        self.object.encode(out);
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (id, writer) = (CommitId::new(r.array()?), WriterId::new(r.array()?));
        let (seq, lamport, access_n) = (r.varint()?, r.varint()?, r.varint32()?);
        let flags = r.count(15)?;
        let object = ObjectRef::decode(r)?;
        let [closed, bundle, apart, collects] = [1, 2, 4, 8].map(|bit| flags & bit != 0);
        Ok(Self { id, writer, seq, lamport, access_n, closed, bundle, apart, collects, object })
    }

    /// What briefs are sorted by.
    pub fn order(&self) -> (u64, CommitId) {
        (self.lamport, self.id)
    }
}

impl Summary {
    /// The canonical bytes. Its references, for hints, are the histories in order.
    ///
    /// # Errors
    /// [`Malformed`] if an order or a limit of the format is not kept.
    pub fn encode(&self) -> Result<Vec<u8>, Malformed> {
        let mut out = vec![SUMMARY];
        put_list(&mut out, &self.live, |out, brief| brief.encode(out));
        put_list(&mut out, &self.segments, |out, segment| segment.encode(out));
        put_list(&mut out, &self.histories, |out, id| out.put(id.as_bytes()));
        out.put_varint(0);
        if Self::decode(&out)? == *self { Ok(out) } else { Err(BAD) }
    }

    /// Reads a summary.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not exactly one.
    pub fn decode(canonical: &[u8]) -> Result<Self, Malformed> {
        let mut reader = typed(canonical, SUMMARY)?;
        let r = &mut reader;
        let live = list(r, MAX, 16, Brief::decode)?;
        let segments = list(r, MAX, 66, ObjectRef::decode)?;
        let histories = list(r, PARENTS_MAX, 32, |r| Ok(BlobId::new(r.array()?)))?;
        extensions(r)?;
        let sorted = live.is_sorted_by(|a: &Brief, b| a.order() < b.order())
            && segments.is_sorted_by(|a: &ObjectRef, b| a.id < b.id);
        if !sorted {
            return Err(r.bad());
        }
        ascending(r, &histories)?;
        reader.finish()?;
        Ok(Self { live, segments, histories })
    }
}

impl History {
    /// The canonical bytes. Its references, for hints, are the pages in order.
    ///
    /// # Errors
    /// [`Malformed`] if an order or a limit of the format is not kept.
    pub fn encode(&self) -> Result<Vec<u8>, Malformed> {
        let mut out = vec![HISTORY];
        put_list(&mut out, &self.pages, |out, page| {
            out.put(page.id.as_bytes());
            [page.records, page.first, page.last].into_iter().for_each(|n| out.put_varint(n));
        });
        put_list(&mut out, &self.waiting, |out, waiting| {
            out.put_time(waiting.since);
            put_list(out, &waiting.records, |out, folded| {
                out.put(folded.id.as_bytes());
                out.put(folded.writer.as_bytes());
                [folded.seq, folded.lamport, u64::from(folded.access_n)].into_iter().for_each(|n| out.put_varint(n));
                out.put(folded.object.as_bytes());
            });
            put_list(out, &waiting.segments, |out, id| out.put(id.as_bytes()));
        });
        put_list(&mut out, &self.superseded, |out, id| out.put(id.as_bytes()));
        put_list(&mut out, &self.writers, |out, last| {
            out.put(last.writer.as_bytes());
            out.put(last.id.as_bytes());
            [last.seq, last.lamport, u64::from(last.access_n)].into_iter().for_each(|n| out.put_varint(n));
        });
        out.put_varint(0);
        if Self::decode(&out)? == *self { Ok(out) } else { Err(BAD) }
    }

    /// Reads the root of a history.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not exactly one.
    pub fn decode(canonical: &[u8]) -> Result<Self, Malformed> {
        let mut reader = typed(canonical, HISTORY)?;
        let r = &mut reader;
        let pages = list(r, MAX, 35, |r| {
            Ok(PageRef { id: BlobId::new(r.array()?), records: r.varint()?, first: r.varint()?, last: r.varint()? })
        })?;
        let waiting = list(r, MAX, 4, |r| {
            let since = r.time()?;
            let records = list(r, MAX, 83, |r| {
                let (id, writer) = (CommitId::new(r.array()?), WriterId::new(r.array()?));
                let (seq, lamport, access_n) = (r.varint()?, r.varint()?, r.varint32()?);
                Ok(Folded { id, writer, seq, lamport, access_n, object: ObjectId::new(r.array()?) })
            })?;
            let segments = list(r, MAX, 32, |r| Ok(ObjectId::new(r.array()?)))?;
            Ok(Waiting { since, records, segments })
        })?;
        let superseded = list(r, MAX, 32, |r| Ok(ObjectId::new(r.array()?)))?;
        let writers = list(r, MAX, 51, |r| {
            let (writer, id) = (WriterId::new(r.array()?), CommitId::new(r.array()?));
            Ok(Last { writer, id, seq: r.varint()?, lamport: r.varint()?, access_n: r.varint32()? })
        })?;
        extensions(r)?;
        if !writers.is_sorted_by(|a: &Last, b| a.writer < b.writer) || pages.iter().any(|page| page.first > page.last) {
            return Err(r.bad());
        }
        reader.finish()?;
        Ok(Self { pages, waiting, superseded, writers })
    }
}

impl Page {
    /// The canonical bytes. A page has no references.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![PAGE];
        put_list(&mut out, &self.records, |out, signed| {
            out.put_bytes(&signed.record);
            out.put(&signed.signature);
        });
        out
    }

    /// Reads a page.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not exactly one.
    pub fn decode(canonical: &[u8]) -> Result<Self, Malformed> {
        let mut reader = typed(canonical, PAGE)?;
        let records = list(&mut reader, MAX, 65, |r| {
            Ok(Signed { record: r.bytes(LOG_OBJECT_MAX as usize)?.to_vec(), signature: r.array()? })
        })?;
        reader.finish()?;
        Ok(Self { records })
    }
}

fn typed<'a>(canonical: &'a [u8], kind: u8) -> Result<Reader<'a>, Malformed> {
    let mut reader = Reader::new(canonical, BAD.what);
    if canonical.len() <= NODE_BLOB_MAX && reader.u8()? == kind { Ok(reader) } else { Err(BAD) }
}

/// What later versions add: nothing yet that a reader may pass over.
fn extensions(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    if reader.varint()? == 0 { Ok(()) } else { Err(reader.bad()) }
}

const SUMMARY: u8 = 1;
const HISTORY: u8 = 2;
const PAGE: u8 = 3;
const MAX: usize = NODE_BLOB_MAX;
const BAD: Malformed = Malformed { what: "summary or history of the log" };

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_map, btree_set, vec};
    use proptest::prelude::*;

    fn object() -> impl Strategy<Value = ObjectRef> {
        (any::<[u8; 32]>(), any::<u64>(), any::<u32>(), any::<[u8; 32]>())
            .prop_map(|(id, size, epoch, salt)| ObjectRef { id: ObjectId::new(id), size, epoch, salt })
    }

    fn live() -> impl Strategy<Value = Vec<Brief>> {
        let brief = (any::<[u8; 16]>(), 1u64..9, any::<u32>(), any::<[bool; 4]>(), object());
        btree_map((any::<u64>(), any::<[u8; 32]>()), brief, 0..5).prop_map(|map| {
            map.into_iter()
                .map(|((lamport, id), (writer, seq, access_n, [closed, bundle, apart, collects], object))| Brief {
                    id: CommitId::new(id),
                    writer: WriterId::new(writer),
                    seq,
                    lamport,
                    access_n,
                    closed,
                    bundle,
                    apart,
                    collects,
                    object,
                })
                .collect()
        })
    }

    prop_compose! {
        fn summary()(
            live in live(),
            segments in btree_map(any::<[u8; 32]>(), object(), 0..4),
            histories in btree_set(any::<[u8; 32]>(), 0..3),
        ) -> Summary {
            let segments = segments.into_iter().map(|(id, object)| ObjectRef { id: ObjectId::new(id), ..object });
            let histories = histories.into_iter().map(BlobId::new).collect();
            Summary { live, segments: segments.collect(), histories }
        }
    }

    prop_compose! {
        fn history()(
            pages in vec((any::<[u8; 32]>(), 1u64..600, 1u64..1000, 0u64..1000), 0..4),
            waiting in vec((any::<i64>(), live(), btree_set(any::<[u8; 32]>(), 0..3)), 0..3),
            superseded in btree_set(any::<[u8; 32]>(), 0..3),
            writers in btree_map(any::<[u8; 16]>(), (any::<[u8; 32]>(), 1u64..9, 1u64..9, any::<u32>()), 0..4),
        ) -> History {
            History {
                pages: pages.into_iter().map(|(id, records, first, more)| PageRef {
                    id: BlobId::new(id), records, first, last: first + more,
                }).collect(),
                waiting: waiting.into_iter().map(|(secs, live, segments)| Waiting {
                    since: Timestamp { secs, nanos: 7 },
                    records: live.iter().map(|b| Folded {
                        id: b.id, writer: b.writer, seq: b.seq, lamport: b.lamport, access_n: b.access_n,
                        object: b.object.id,
                    }).collect(),
                    segments: segments.into_iter().map(ObjectId::new).collect(),
                }).collect(),
                superseded: superseded.into_iter().map(ObjectId::new).collect(),
                writers: writers.into_iter().map(|(writer, (id, seq, lamport, access_n))| Last {
                    writer: WriterId::new(writer), id: CommitId::new(id), seq, lamport, access_n,
                }).collect(),
            }
        }
    }

    #[test]
    fn frozen_vectors() {
        let object = ObjectRef { id: ObjectId::new([5; 32]), size: 300, epoch: 1, salt: [6; 32] };
        let (id, writer) = (CommitId::new([1; 32]), WriterId::new([2; 16]));
        let brief = Brief {
            id,
            writer,
            seq: 3,
            lamport: 4,
            access_n: 1,
            closed: false,
            bundle: true,
            apart: false,
            collects: false,
            object,
        };
        let summary = Summary { live: vec![brief], segments: vec![object], histories: vec![BlobId::new([7; 32])] };
        let bytes = summary.encode().unwrap();
        assert_eq!(bytes[..4], [1, 1, 1, 1]);
        assert_eq!(bytes[2 + 48..2 + 52], [3, 4, 1, 2]);
        assert_eq!(bytes.len(), 2 + 52 + 67 + 1 + 67 + 1 + 32 + 1);
        let page = Page { records: vec![Signed { record: b"abc".to_vec(), signature: [9; 64] }] };
        assert_eq!(page.encode()[..6], *b"\x03\x01\x03abc");
        let page_ref = PageRef { id: BlobId::new([8; 32]), records: 1, first: 4, last: 4 };
        let folded = Folded { id, writer, seq: 3, lamport: 4, access_n: 1, object: object.id };
        let waiting =
            Waiting { since: Timestamp { secs: 1, nanos: 0 }, records: vec![folded], segments: vec![object.id] };
        let last = Last { writer, id, seq: 3, lamport: 4, access_n: 1 };
        let history =
            History { pages: vec![page_ref], waiting: vec![waiting], superseded: vec![], writers: vec![last] };
        let bytes = history.encode().unwrap();
        assert_eq!(bytes.len(), 2 + 35 + 1 + 2 + 1 + 83 + 1 + 32 + 1 + 1 + 51 + 1);
        assert_eq!(bytes[2 + 32..2 + 35], [1, 4, 4]);
    }

    proptest! {
        #[test]
        fn they_round_trip(summary in summary(), history in history(), records in vec(vec(any::<u8>(), 0..90), 0..5)) {
            prop_assert_eq!(Summary::decode(&summary.encode().unwrap()).unwrap(), summary);
            prop_assert_eq!(History::decode(&history.encode().unwrap()).unwrap(), history);
            let records = records.into_iter().map(|record| Signed { record, signature: [3; 64] }).collect();
            let page = Page { records };
            prop_assert_eq!(Page::decode(&page.encode()).unwrap(), page);
        }

        #[test]
        fn garbage_never_panics(mut bytes in vec(any::<u8>(), 1..300), kind in 1u8..4) {
            bytes[0] = kind;
            let _either = (Summary::decode(&bytes), History::decode(&bytes), Page::decode(&bytes));
        }
    }
}
