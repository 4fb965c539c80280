//! docs/format.md, sections 6.2 and 7.1: references to objects, locations of blobs, and the hints that nodes carry.

use super::limits::{FRAME_MAX, NODE_BLOB_MAX, PACK_OBJECT_MAX};
use super::wire::{Malformed, Put, Reader};
use crate::id::ObjectId;

/// A sealed object, with what opens any range of it without its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObjectRef {
    /// Hash of the object's bytes.
    pub id: ObjectId,
    /// Its size in bytes, sealed and padded.
    pub size: u64,
    /// The epoch whose key seals it.
    pub epoch: u32,
    /// The salt of its seal.
    pub salt: [u8; 32],
}

impl ObjectRef {
    /// Appends the reference.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put(self.id.as_bytes());
        out.put_varint(self.size);
        out.put_varint(u64::from(self.epoch));
        out.put(&self.salt);
    }

    /// Reads a reference.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes end or a number is out of range.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            id: ObjectId::new(reader.array()?),
            size: reader.varint()?,
            epoch: reader.varint32()?,
            salt: reader.array()?,
        })
    }
}

/// Where a blob lies inside an object: the frame, and the blob within the frame's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    /// Offset of the frame in the plaintext of a pack, or in the body of a log record.
    pub frame_offset: u32,
    /// Stored length of the frame, codec byte included.
    pub frame_len: u32,
    /// Offset of the blob in the frame's content.
    pub blob_offset: u32,
    /// Length of the blob.
    pub blob_len: u32,
}

impl Location {
    fn encode(&self, out: &mut Vec<u8>) {
        for value in [self.frame_offset, self.frame_len, self.blob_offset, self.blob_len] {
            out.put_varint(u64::from(value));
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let frame_offset = reader.count(PACK_OBJECT_MAX as usize)? as u32;
        let mut bounded = || Ok(reader.count(FRAME_MAX)? as u32);
        Ok(Self { frame_offset, frame_len: bounded()?, blob_offset: bounded()?, blob_len: bounded()? })
    }
}

/// Which object a hinted blob lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holder {
    /// The object that the hint itself was read from.
    SameObject,
    /// Another one.
    Object(ObjectRef),
}

/// Where to look for a blob first. Decides nothing: a wrong place costs one look into the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// The object.
    pub holder: Holder,
    /// The spot inside it.
    pub location: Location,
}

/// Encodes one optional place for each reference of a node, in order.
pub fn encode_hints(places: &[Option<Place>]) -> Vec<u8> {
    let mut table: Vec<ObjectRef> = Vec::new();
    let mut body = Vec::new();
    for place in places {
        let Some(place) = place else {
            body.put_varint(0);
            continue;
        };
        let number = match place.holder {
            Holder::SameObject => 1,
            Holder::Object(object) => {
                // Nodes point to few packs, and mostly to the one before: the search from the back is short.
                let at = table.iter().rposition(|known| known.id == object.id).unwrap_or_else(|| {
                    table.push(object);
                    table.len() - 1
                });
                at + 2
            }
        };
        body.put_varint(number as u64);
        place.location.encode(&mut body);
    }
    let mut out = Vec::with_capacity(body.len() + table.len() * 80 + 4);
    out.put_varint(table.len() as u64);
    table.iter().for_each(|object| object.encode(&mut out));
    out.extend_from_slice(&body);
    out
}

/// Decodes the places of `count` references. The caller treats an error like missing hints.
///
/// # Errors
/// [`Malformed`] if the bytes are not exactly such hints.
pub fn decode_hints(bytes: &[u8], count: usize) -> Result<Vec<Option<Place>>, Malformed> {
    let mut reader = Reader::new(bytes, "hints");
    let places = decode_hints_from(&mut reader, count)?;
    reader.finish()?;
    Ok(places)
}

/// Decodes the places of `count` references in the middle of another structure.
///
/// # Errors
/// [`Malformed`] if the bytes are not such hints.
pub fn decode_hints_from(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Option<Place>>, Malformed> {
    let tables = reader.count(NODE_BLOB_MAX / MIN_REF_LEN)?;
    let mut table = Vec::new();
    for _ in 0..tables {
        table.push(ObjectRef::decode(reader)?);
    }
    let mut places = Vec::new();
    for _ in 0..count {
        let holder = match reader.count(table.len() + 1)? {
            0 => {
                places.push(None);
                continue;
            }
            1 => Holder::SameObject,
            number => Holder::Object(table[number - 2]),
        };
        places.push(Some(Place { holder, location: Location::decode(reader)? }));
    }
    Ok(places)
}

/// The shortest encoding of an object reference: what a count of them is held against.
const MIN_REF_LEN: usize = 66;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place() -> impl Strategy<Value = Place> {
        let object = (0u8..4, 0u64..1 << 40, 1u32..9).prop_map(|(n, size, epoch)| ObjectRef {
            id: ObjectId::new([n; 32]),
            size,
            epoch,
            salt: [n; 32],
        });
        let holder = prop_oneof![Just(Holder::SameObject), object.prop_map(Holder::Object)];
        (holder, 0u32..1 << 27, 0u32..1 << 24, 0u32..1 << 24, 0u32..1 << 24).prop_map(
            |(holder, frame_offset, frame_len, blob_offset, blob_len)| Place {
                holder,
                location: Location { frame_offset, frame_len, blob_offset, blob_len },
            },
        )
    }

    proptest! {
        #[test]
        fn hints_round_trip(places in proptest::collection::vec(proptest::option::of(place()), 0..40)) {
            let back = decode_hints(&encode_hints(&places), places.len()).unwrap();
            for (a, b) in places.iter().zip(&back) {
                prop_assert_eq!(a.map(|p| p.location), b.map(|p| p.location));
            }
        }

        #[test]
        fn hints_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), count in 0usize..20) {
            let _either = decode_hints(&bytes, count);
        }
    }
}
