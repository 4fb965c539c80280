//! docs/format.md, section 10: log records. Start reading at [`Record`].
//!
//! Owns the layouts of records, of the plaintext around them and of the bodies of garbage-collection epochs. Never
//! checks a signature and never decides whether a record counts.

use std::ops::Range;

use super::access::{ascending, list, put_list, text};
use super::hints::{ObjectRef, Place, decode_hints_from, encode_hints};
use super::limits::{LABEL_MAX, LOG_OBJECT_MAX, OPERATION_MAX, PARENTS_MAX};
use super::name::{ACCESS_NUMBER_MAX, RECORD_NUMBER_MAX};
use super::node::Totals;
use super::wire::{Malformed, Put, Reader};
use crate::id::{AccessId, BlobId, CommitId, ObjectId, VaultId};
use crate::world::Timestamp;

/// One step of one writer, as it is signed. Its bytes are the commit's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What the step was.
    pub kind: RecordKind,
    /// The vault it belongs to.
    pub vault: VaultId,
    /// Number of the access version it was written under.
    pub access_n: u32,
    /// That version.
    pub access: AccessId,
    /// The writer's key for signatures.
    pub writer_sign: [u8; 32],
    /// What makes a writer of the key.
    pub writer_salt: [u8; 16],
    /// Its place in the writer's log, from 1.
    pub seq: u64,
    /// The writer's record before; none only at `seq` 1.
    pub prev: Option<CommitId>,
    /// The commits it merges, ascending.
    pub parents: Vec<CommitId>,
    /// Its Lamport time, from 1.
    pub lamport: u64,
    /// When it was made, as the writer's clock had it.
    pub time: Timestamp,
    /// The command that made it.
    pub operation: String,
    /// The writer's name for people.
    pub writer_label: String,
    /// Whether the writer's log ends here.
    pub closed: bool,
    /// The tree.
    pub root: Root,
    /// Index segments that come with it.
    pub segments_added: Vec<ObjectRef>,
    /// Index segments that its own replace.
    pub segments_superseded: Vec<ObjectId>,
    /// Garbage-collection epochs that the writer has seen, ascending.
    pub epochs_seen: Vec<CommitId>,
    /// Hash of the body.
    pub body_hash: [u8; 32],
    /// What later versions add, ascending by tag.
    pub attributes: Vec<Attribute>,
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum RecordKind {
    /// A new tree.
    Commit = 1,
    /// A writer's first record.
    Join = 2,
    /// A writer's last record.
    Close = 3,
    /// The start of a garbage collection.
    Epoch = 4,
    /// A writer's consent to one.
    Acknowledgement = 5,
    /// The end of one.
    Completion = 6,
}

/// The tree of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    /// Its root node.
    pub id: BlobId,
    /// Where that lies, if known.
    pub place: Option<Place>,
    /// What it adds up to.
    pub totals: Totals,
}

/// A field this version of the layout has no place for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// What it is; a reader must understand even tags.
    pub tag: u64,
    /// Its value.
    pub value: Vec<u8>,
}

impl Attribute {
    /// A summary of the log before the record.
    pub const HISTORY: u64 = 2;

    /// A summary of the log before the record, with where it lies.
    pub fn history(id: BlobId, place: Option<Place>) -> Self {
        Self { tag: Self::HISTORY, value: [&id.as_bytes()[..], &encode_hints(&[place])].concat() }
    }

    /// Reads the value of a [`Attribute::HISTORY`] attribute.
    ///
    /// # Errors
    /// [`Malformed`] if the value is not exactly an id and a place.
    pub fn as_history(&self) -> Result<(BlobId, Option<Place>), Malformed> {
        let mut reader = Reader::new(&self.value, "history attribute");
        let history = (BlobId::new(reader.array()?), place(&mut reader)?);
        reader.finish()?;
        Ok(history)
    }
}

impl Record {
    /// The bytes that are signed.
    ///
    /// # Errors
    /// [`Malformed`] if a limit or an order of the format is not kept.
    pub fn encode(&self) -> Result<Vec<u8>, Malformed> {
        let mut out = vec![VERSION, self.kind as u8];
        out.put(self.vault.as_bytes());
        out.put_varint(u64::from(self.access_n));
        out.put(self.access.as_bytes());
        out.put(&self.writer_sign);
        out.put(&self.writer_salt);
        out.put_varint(self.seq);
        out.put(self.prev.unwrap_or(CommitId::new([0; 32])).as_bytes());
        put_list(&mut out, &self.parents, |out, id| out.put(id.as_bytes()));
        out.put_varint(self.lamport);
        out.put_time(self.time);
        out.put_bytes(self.operation.as_bytes());
        out.put_bytes(self.writer_label.as_bytes());
        out.put_varint(u64::from(self.closed));
        out.put(self.root.id.as_bytes());
        out.put(&encode_hints(&[self.root.place]));
        self.root.totals.encode(&mut out);
        put_list(&mut out, &self.segments_added, |out, object| object.encode(out));
        put_list(&mut out, &self.segments_superseded, |out, id| out.put(id.as_bytes()));
        put_list(&mut out, &self.epochs_seen, |out, id| out.put(id.as_bytes()));
        out.put(&self.body_hash);
        put_list(&mut out, &self.attributes, |out, attribute| {
            out.put_varint(attribute.tag);
            out.put_bytes(&attribute.value);
        });
        if Self::decode(&out)? == *self { Ok(out) } else { Err(Malformed { what: "log record" }) }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not exactly one, within the limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, "log record");
        let r = &mut reader;
        if bytes.len() > MAX || r.u8()? != VERSION {
            return Err(r.bad());
        }
        let record = Self {
            kind: RecordKind::from_u8(r.u8()?).ok_or_else(|| r.bad())?,
            vault: VaultId::new(r.array()?),
            access_n: number(r, ACCESS_NUMBER_MAX.into())? as u32,
            access: AccessId::new(r.array()?),
            writer_sign: r.array()?,
            writer_salt: r.array()?,
            seq: number(r, RECORD_NUMBER_MAX)?,
            prev: Some(r.array()?).filter(|id| *id != [0; 32]).map(CommitId::new),
            parents: list(r, PARENTS_MAX, 32, commit_id)?,
            lamport: number(r, RECORD_NUMBER_MAX)?,
            time: r.time()?,
            operation: text(r, OPERATION_MAX)?,
            writer_label: text(r, LABEL_MAX)?,
            closed: r.count(1)? == 1,
            root: Root { id: BlobId::new(r.array()?), place: place(r)?, totals: Totals::decode(r)? },
            segments_added: list(r, MAX, 66, ObjectRef::decode)?,
            segments_superseded: list(r, MAX, 32, |r| Ok(ObjectId::new(r.array()?)))?,
            epochs_seen: list(r, MAX, 32, commit_id)?,
            body_hash: r.array()?,
            attributes: list(r, MAX, 2, |r| Ok(Attribute { tag: r.varint()?, value: r.bytes(MAX)?.to_vec() }))?,
        };
        ascending(r, &record.parents)?;
        ascending(r, &record.epochs_seen)?;
        let tags_ascend = record.attributes.is_sorted_by(|a, b| a.tag < b.tag);
        if !tags_ascend || record.prev.is_none() != (record.seq == 1) {
            return Err(r.bad());
        }
        reader.finish()?;
        Ok(record)
    }

    /// The attribute with this tag.
    pub fn attribute(&self, tag: u64) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.tag == tag)
    }

    /// Whether it says something about other records, so that every reader has to read it.
    pub fn is_apart(&self) -> bool {
        self.attributes.iter().any(|a| a.tag % 2 == 0 && a.tag != Attribute::HISTORY)
    }

    /// Whether it may change which other records count.
    pub fn judges(&self) -> bool {
        let judging = [Attribute::RETIRED, Attribute::ADOPTED];
        let unknown = self.unknown_attribute().is_some();
        unknown || self.attributes.iter().any(|attribute| judging.contains(&attribute.tag))
    }

    /// The first attribute that a reader would have to understand and this program does not.
    pub fn unknown_attribute(&self) -> Option<u64> {
        const KNOWN: [u64; 6] = [
            Attribute::HISTORY,
            Attribute::RETIRED,
            Attribute::ADOPTED,
            Attribute::POLICY,
            Attribute::MARKS,
            Attribute::FORGET,
        ];
        self.attributes.iter().map(|a| a.tag).find(|tag| tag % 2 == 0 && !KNOWN.contains(tag))
    }
}

impl RecordKind {
    fn from_u8(byte: u8) -> Option<Self> {
        [Self::Commit, Self::Join, Self::Close, Self::Epoch, Self::Acknowledgement, Self::Completion]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// The plaintext of a log object, taken apart. Nothing of it is believed before the signature is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPlaintext<'a> {
    /// What [`Record`] decodes.
    pub record: &'a [u8],
    /// The signature over it.
    pub signature: [u8; 64],
    /// Where in the plaintext the body lies: frame offsets count from its start.
    pub body: Range<usize>,
}

impl<'a> LogPlaintext<'a> {
    /// Takes a plaintext apart.
    ///
    /// # Errors
    /// [`Malformed`] if the lengths do not fit or the padding is not zero.
    pub fn split(plaintext: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(plaintext, "log object");
        let record_len = reader.u32()? as usize;
        let record = reader.take(record_len)?;
        let signature = reader.array()?;
        let body_len = reader.u32()? as usize;
        let start = plaintext.len() - reader.rest().len();
        reader.take(body_len)?;
        reader.finish_zeros()?;
        Ok(Self { record, signature, body: start..start + body_len })
    }

    /// Puts a plaintext together, with `zeros` of padding.
    pub fn join(record: &[u8], signature: &[u8; 64], body: &[u8], zeros: usize) -> Vec<u8> {
        let len = 4 + record.len() + 64 + 4 + body.len() + zeros;
        let mut out = Vec::with_capacity(len);
        for part in [&(record.len() as u32).to_le_bytes(), record, signature, &(body.len() as u32).to_le_bytes(), body]
        {
            out.put(part);
        }
        out.resize(len, 0);
        out
    }
}

/// The body of a garbage-collection epoch and of its completion.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EpochBody {
    /// Number of the epoch.
    pub number: u64,
    /// The heads it was computed from.
    pub frontier: Vec<CommitId>,
    /// Objects that are to go.
    pub condemned: Vec<ObjectId>,
    /// Commits that are to be forgotten.
    pub forgotten: Vec<CommitId>,
}

impl EpochBody {
    /// The bytes of the body.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_varint(self.number);
        put_list(&mut out, &self.frontier, |out, id| out.put(id.as_bytes()));
        put_list(&mut out, &self.condemned, |out, id| out.put(id.as_bytes()));
        put_list(&mut out, &self.forgotten, |out, id| out.put(id.as_bytes()));
        out
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not exactly one.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, "garbage-collection epoch");
        let body = Self {
            number: reader.varint()?,
            frontier: list(&mut reader, MAX, 32, commit_id)?,
            condemned: list(&mut reader, MAX, 32, |r| Ok(ObjectId::new(r.array()?)))?,
            forgotten: list(&mut reader, MAX, 32, commit_id)?,
        };
        reader.finish()?;
        Ok(body)
    }
}

/// A number from 1 to `max`.
fn number(reader: &mut Reader<'_>, max: u64) -> Result<u64, Malformed> {
    let value = reader.varint()?;
    if (1..=max).contains(&value) { Ok(value) } else { Err(reader.bad()) }
}

fn commit_id(reader: &mut Reader<'_>) -> Result<CommitId, Malformed> {
    Ok(CommitId::new(reader.array()?))
}

/// Hints with one place, and no other object in their table than that place's: signed bytes have one spelling.
fn place(reader: &mut Reader<'_>) -> Result<Option<Place>, Malformed> {
    let before = reader.rest();
    let place = decode_hints_from(reader, 1)?[0];
    let read = &before[..before.len() - reader.rest().len()];
    if encode_hints(&[place]) == read { Ok(place) } else { Err(reader.bad()) }
}

const VERSION: u8 = 1;
const MAX: usize = LOG_OBJECT_MAX as usize;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::hints::{Holder, Location};
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    fn object() -> impl Strategy<Value = ObjectRef> {
        (any::<[u8; 32]>(), any::<u64>(), any::<u32>(), any::<[u8; 32]>())
            .prop_map(|(id, size, epoch, salt)| ObjectRef { id: ObjectId::new(id), size, epoch, salt })
    }

    fn root() -> impl Strategy<Value = Root> {
        let location = Location { frame_offset: 70_000, frame_len: 500, blob_offset: 3, blob_len: 400 };
        let holder = prop_oneof![Just(Holder::SameObject), object().prop_map(Holder::Object)];
        let place = proptest::option::of(holder.prop_map(move |holder| Place { holder, location }));
        (any::<[u8; 32]>(), place, any::<(u64, u64, u64)>()).prop_map(|(id, place, (entries, bytes, conflicts))| Root {
            id: BlobId::new(id),
            place,
            totals: Totals { entries, bytes, conflicts },
        })
    }

    fn commits() -> impl Strategy<Value = Vec<CommitId>> {
        btree_set(any::<[u8; 32]>().prop_map(CommitId::new), 0..4).prop_map(|set| set.into_iter().collect())
    }

    prop_compose! {
        fn record()(
            kind in 1u8..=6,
            (access_n, seq, lamport) in (1..=ACCESS_NUMBER_MAX, 1..4u64, 1..=RECORD_NUMBER_MAX),
            ids: ([u8; 32], [u8; 32], [u8; 32], [u8; 16], [u8; 32], bool),
            (parents, epochs_seen) in (commits(), commits()),
            (secs, nanos) in (any::<i64>(), 0u32..1_000_000_000),
            (operation, writer_label) in ("\\PC{0,60}", "\\PC{0,20}"),
            root in root(),
            segments_added in vec(object(), 0..3),
            superseded in vec(any::<[u8; 32]>(), 0..3),
            attributes in proptest::collection::btree_map(any::<u64>(), vec(any::<u8>(), 0..9), 0..3),
        ) -> Record {
            Record {
                kind: RecordKind::from_u8(kind).unwrap(), vault: VaultId::new(ids.0), access_n,
                access: AccessId::new(ids.1), writer_sign: ids.2, writer_salt: ids.3, seq,
                prev: (seq > 1).then_some(CommitId::new(ids.4)), parents, lamport, time: Timestamp { secs, nanos },
                operation, writer_label, closed: ids.5, root, segments_added,
                segments_superseded: superseded.into_iter().map(ObjectId::new).collect(), epochs_seen, body_hash: ids.4,
                attributes: attributes.into_iter().map(|(tag, value)| Attribute { tag, value }).collect(),
            }
        }
    }

    fn sample() -> Record {
        let location = Location { frame_offset: 0, frame_len: 300, blob_offset: 0, blob_len: 900 };
        Record {
            kind: RecordKind::Commit,
            vault: VaultId::new([1; 32]),
            access_n: 1,
            access: AccessId::new([2; 32]),
            writer_sign: [3; 32],
            writer_salt: [4; 16],
            seq: 2,
            prev: Some(CommitId::new([5; 32])),
            parents: vec![CommitId::new([6; 32]), CommitId::new([7; 32])],
            lamport: 300,
            time: Timestamp { secs: 1_790_000_000, nanos: 5 },
            operation: "sync photos".to_owned(),
            writer_label: "laptop".to_owned(),
            closed: false,
            root: Root {
                id: BlobId::new([8; 32]),
                place: Some(Place { holder: Holder::SameObject, location }),
                totals: Totals { entries: 12, bytes: 3456, conflicts: 0 },
            },
            segments_added: vec![ObjectRef { id: ObjectId::new([9; 32]), size: 20_480, epoch: 1, salt: [10; 32] }],
            segments_superseded: vec![ObjectId::new([11; 32])],
            epochs_seen: vec![CommitId::new([12; 32])],
            body_hash: [13; 32],
            attributes: vec![Attribute::history(BlobId::new([14; 32]), None)],
        }
    }

    proptest! {
        #[test]
        fn records_round_trip(record in record(), at: prop::sample::Index) {
            let mut bytes = record.encode().unwrap();
            prop_assert_eq!(Record::decode(&bytes), Ok(record));
            let at = at.index(bytes.len() * 8);
            bytes[at / 8] ^= 1 << (at % 8);
            if let Ok(record) = Record::decode(&bytes) {
                prop_assert_eq!(record.encode(), Ok(bytes));
            }
        }

        #[test]
        fn plaintexts_split_where_they_were_joined(
            record in vec(any::<u8>(), 0..50), body in vec(any::<u8>(), 0..50), zeros in 0usize..30,
        ) {
            let bytes = LogPlaintext::join(&record, &[7; 64], &body, zeros);
            let split = LogPlaintext::split(&bytes).unwrap();
            prop_assert_eq!(split.record, &record[..]);
            prop_assert_eq!(split.signature, [7; 64]);
            prop_assert_eq!(&bytes[split.body], &body[..]);
            prop_assert!(LogPlaintext::split(&[&bytes[..], b"\x01"].concat()).is_err());
        }

        #[test]
        fn epoch_bodies_round_trip(
            number: u64, frontier in commits(), forgotten in commits(), gone in vec(any::<[u8; 32]>(), 0..4),
        ) {
            let condemned = gone.into_iter().map(ObjectId::new).collect();
            let body = EpochBody { number, frontier, condemned, forgotten };
            prop_assert_eq!(EpochBody::decode(&body.encode()), Ok(body));
        }

        #[test]
        fn garbage_never_panics(mut bytes in vec(any::<u8>(), 0..400)) {
            let _either = (LogPlaintext::split(&bytes).is_ok(), EpochBody::decode(&bytes).is_ok());
            bytes.splice(0..0, [VERSION, 1]);
            let _either = Record::decode(&bytes);
        }
    }

    #[test]
    fn frozen_vector() {
        let bytes = sample().encode().unwrap();
        assert_eq!(Record::decode(&bytes), Ok(sample()));
        assert_eq!(&bytes[..3], b"\x01\x01\x01");
        assert_eq!(bytes.len(), 489);
        assert_eq!(
            blake3::hash(&bytes).to_hex().as_str(),
            "562458b043800498226ac2cab01835881ed5319456fef8235f3112b997eddfbf"
        );
    }

    #[test]
    fn what_the_format_forbids_is_not_written() {
        let spoil = |spoil: fn(&mut Record)| {
            let mut record = sample();
            spoil(&mut record);
            record.encode().unwrap_err()
        };
        spoil(|r| r.seq = 0);
        spoil(|r| r.seq = 1);
        spoil(|r| r.prev = None);
        spoil(|r| r.lamport = RECORD_NUMBER_MAX + 1);
        spoil(|r| r.parents.reverse());
        spoil(|r| r.parents = (0..65).map(|n| CommitId::new([n; 32])).collect());
        spoil(|r| r.operation = "x".repeat(OPERATION_MAX + 1));
        spoil(|r| r.writer_label = "x".repeat(LABEL_MAX + 1));
        spoil(|r| r.attributes.push(r.attributes[0].clone()));
    }

    #[test]
    fn a_count_of_2_to_the_60_allocates_nothing() {
        let bytes = EpochBody::default().encode();
        let huge = [&bytes[..1], b"\x80\x80\x80\x80\x80\x80\x80\x80\x10\x00\x00"].concat();
        assert!(EpochBody::decode(&huge).is_err());
    }

    #[test]
    fn attributes_are_understood_or_odd() {
        let mut record = sample();
        assert_eq!(record.unknown_attribute(), None);
        assert_eq!(record.attributes[0].as_history(), Ok((BlobId::new([14; 32]), None)));
        record.attributes.push(Attribute { tag: 3, value: vec![] });
        assert_eq!(record.unknown_attribute(), None);
        record.attributes.push(Attribute { tag: 80, value: vec![] });
        assert_eq!(record.unknown_attribute(), Some(80));
        assert_eq!(Record::decode(&record.encode().unwrap()), Ok(record));
    }
}
