//! docs/format.md, section 4: the parts of an access version. Start reading at [`AccessObject`].
//!
//! Owns the layouts of the public part, the chain, its signed bodies and the keyring. Never opens a slot, never checks
//! a signature, and takes no decision about who may do what: all bytes of keys and hashes are opaque here.

use std::collections::{HashMap, HashSet};

use zeroize::Zeroizing;

use super::limits::{
    CHAIN_MAX, LABEL_MAX, LOG_OBJECT_MAX, MEMBERS_MAX, NOTE_MAX, PARENTS_MAX, PASSWORDS_MAX, SLOTS_MAX,
};
use super::name::ACCESS_NUMBER_MAX;
use super::wire::{Malformed, Put, Reader};
use crate::id::{AccessId, CommitId, MemberId, ObjectId};
use crate::world::Timestamp;

/// A password entry (section 4.4), as bytes.
pub type PasswordEntryBytes = [u8; 152];
/// A slot (section 4.3), as bytes.
pub type SlotBytes = [u8; 1200];

/// The parts of an access version object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessObject<'a> {
    /// What [`Public`] decodes; its hash is in the signed body.
    pub public: &'a [u8],
    /// Signature over the hash of the public part, for those whom this version lets in no more.
    pub notice: &'a [u8; 64],
    /// The sealed object that holds the [`Chain`].
    pub sealed: &'a [u8],
}

impl<'a> AccessObject<'a> {
    /// Takes an object apart.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are no access version object.
    pub fn split(object: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(object, "access version object");
        if object.len() as u64 > LOG_OBJECT_MAX || reader.take(MAGIC.len())? != MAGIC {
            return Err(reader.bad());
        }
        let len = reader.u32()? as usize;
        let public = reader.take(len)?;
        let notice = reader.take(64)?.try_into().expect("sixty-four bytes were taken");
        Ok(Self { public, notice, sealed: reader.rest() })
    }

    /// Puts an object together.
    pub fn join(&self) -> Vec<u8> {
        [MAGIC, &(self.public.len() as u32).to_le_bytes(), self.public, self.notice, self.sealed].concat()
    }
}

/// What everybody can read of an access version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Public {
    /// The bytes of the genesis.
    pub genesis: Vec<u8>,
    /// Number of the version, from 1.
    pub n: u32,
    /// Its epoch, from 1.
    pub epoch: u32,
    /// The password entries.
    pub passwords: Vec<PasswordEntryBytes>,
    /// The slots, a multiple of eight.
    pub slots: Vec<SlotBytes>,
}

impl Public {
    /// The bytes of the public part.
    ///
    /// # Errors
    /// [`Malformed`] if a limit of the format is passed.
    pub fn encode(&self) -> Result<Vec<u8>, Malformed> {
        let mut out = Vec::new();
        out.put_bytes(&self.genesis);
        out.put_varint(u64::from(self.n));
        out.put_varint(u64::from(self.epoch));
        put_list(&mut out, &self.passwords, |out, entry| out.put(entry));
        put_list(&mut out, &self.slots, |out, slot| out.put(slot));
        if Self::decode(&out)? == *self { Ok(out) } else { Err(Malformed { what: "access version" }) }
    }

    /// Reads a public part.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not exactly one, within the limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, "access version");
        let genesis = reader.bytes(LOG_OBJECT_MAX as usize)?.to_vec();
        let (n, epoch) = numbers(&mut reader)?;
        let passwords = list(&mut reader, PASSWORDS_MAX, 152, |r| r.array())?;
        let slots = list(&mut reader, SLOTS_MAX, 1200, |r| r.array())?;
        if slots.len() % 8 != 0 {
            return Err(reader.bad());
        }
        reader.finish()?;
        Ok(Self { genesis, n, epoch, passwords, slots })
    }
}

/// The sealed part: every version that led here, and the keys of every epoch before.
pub struct Chain {
    /// The bodies, a parent always before its children, this version's last.
    pub versions: Vec<SignedBody>,
    /// The keys that members of this version are given.
    pub keyring: Keyring,
}

/// A body as it was signed. Its bytes are kept: they are what the signature and the access id are taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBody {
    /// What [`Body`] decodes.
    pub body: Vec<u8>,
    /// The signature over it.
    pub signature: [u8; 64],
}

impl Chain {
    /// The plaintext of the sealed part, followed by `zeros` of padding.
    ///
    /// # Errors
    /// [`Malformed`] if one of the bodies is.
    pub fn encode(&self, zeros: usize) -> Result<Zeroizing<Vec<u8>>, Malformed> {
        let (mut keys, mut bodies) = (KeyTable::default(), Vec::new());
        for version in &self.versions {
            let mut short = Vec::new();
            Body::decode(&version.body)?.put(&mut short, |out, member| {
                out.put_varint(keys.place(member) as u64);
            });
            bodies.put_bytes(&short);
            bodies.put(&version.signature);
        }
        // The capacity suffices, so that no copy of a secret stays behind in a freed buffer.
        let public = keys.list.len() * KEYS_LEN + bodies.len() + 2 * VARINT_MAX;
        let mut chain = Zeroizing::new(Vec::with_capacity(4 + public + self.keyring.len_max() + zeros));
        chain.put(&[0; 4]);
        put_list(&mut chain, &keys.list, |out, keys| out.put(keys));
        chain.put_varint(self.versions.len() as u64);
        chain.put(&bodies);
        self.keyring.put(&mut chain, u32::MAX);
        let len = (chain.len() - 4) as u32;
        chain[..4].copy_from_slice(&len.to_le_bytes());
        chain.resize(4 + len as usize + zeros, 0);
        Ok(chain)
    }

    /// Reads the plaintext of the sealed part.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not exactly a chain and zeros.
    pub fn decode(plaintext: &[u8]) -> Result<Self, Malformed> {
        let mut padded = Reader::new(plaintext, "chain of access versions");
        let len = padded.u32()? as usize;
        let mut reader = Reader::new(padded.take(len)?, "chain of access versions");
        padded.finish_zeros()?;
        let max = LOG_OBJECT_MAX as usize;
        let keys = list(&mut reader, max, KEYS_LEN, |r| Ok(Box::new(r.array::<KEYS_LEN>()?)))?;
        if keys.iter().collect::<HashSet<_>>().len() != keys.len() {
            return Err(reader.bad());
        }
        // Each is used, and first in order.
        let (mut used, mut len) = (0, 0);
        let versions = list(&mut reader, max, 65, |r| {
            let mut short = Reader::new(r.bytes(max)?, "access version body");
            let body = Body::take(&mut short, MEMBER_SHORT_MIN, |r| {
                let place = r.count(used.min(keys.len().saturating_sub(1)))?;
                used = used.max(place + 1);
                let keys = keys.get(place).ok_or_else(|| r.bad())?;
                let (kem, sign) = keys.split_first_chunk::<KEM_LEN>().expect("longer than that");
                Ok((Box::new(*kem), sign.try_into().expect("thirty-two bytes are left")))
            })?;
            short.finish()?;
            let body = body.encode()?;
            len += body.len() as u64;
            if len > CHAIN_MAX { Err(r.bad()) } else { Ok(SignedBody { body, signature: r.array()? }) }
        })?;
        if used != keys.len() {
            return Err(reader.bad());
        }
        let keyring = Keyring::decode(&mut reader)?;
        reader.finish()?;
        Ok(Self { versions, keyring })
    }
}

/// The public keys of all members of a chain, each once, in the order in which they come first.
#[derive(Default)]
struct KeyTable {
    list: Vec<[u8; KEYS_LEN]>,
    places: HashMap<[u8; KEYS_LEN], usize>,
}

impl KeyTable {
    fn place(&mut self, member: &Member) -> usize {
        let mut keys = [0; KEYS_LEN];
        keys[..KEM_LEN].copy_from_slice(&*member.kem_pk);
        keys[KEM_LEN..].copy_from_slice(&member.sign_pk);
        let next = self.list.len();
        let place = *self.places.entry(keys).or_insert(next);
        if place == next {
            self.list.push(keys);
        }
        place
    }
}

/// The secrets that one version hands to its members besides its own epoch's key. Shows itself to nobody: no `Debug`.
pub struct Keyring {
    /// S0, for the vault's life.
    pub s0: Zeroizing<[u8; 32]>,
    /// Keys of the epochs before, ascending by epoch, then by key: after a fork one epoch has two keys.
    pub epochs: Vec<(u32, Zeroizing<[u8; 32]>)>,
}

impl Keyring {
    /// The bytes of the keyring of the version with this epoch: what the hash in its body is taken over. (Those of older
    /// versions follow from a newer one too, except of those in between a fork and its merge.)
    pub fn encode_for(&self, epoch: u32) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(self.len_max()));
        self.put(&mut out, epoch);
        out
    }

    fn len_max(&self) -> usize {
        32 + VARINT_MAX + self.epochs.len() * (VARINT_MAX + 32)
    }

    fn put(&self, out: &mut Vec<u8>, before: u32) {
        out.put(&*self.s0);
        let count = self.epochs.iter().take_while(|(epoch, _)| *epoch < before).count();
        put_list(out, &self.epochs[..count], |out, (epoch, key)| {
            out.put_varint(u64::from(*epoch));
            out.put(&**key);
        });
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let s0 = Zeroizing::new(reader.array()?);
        let epochs = list(reader, LOG_OBJECT_MAX as usize, 33, |r| Ok((r.varint32()?, Zeroizing::new(r.array()?))))?;
        let ascend = epochs.is_sorted_by(|a, b| (a.0, &*a.1) < (b.0, &*b.1));
        let counted = epochs.iter().all(|(epoch, _)| (1..u32::MAX).contains(epoch));
        if ascend && counted { Ok(Self { s0, epochs }) } else { Err(reader.bad()) }
    }
}

/// What an access version says, and its signer vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Number of the version, from 1.
    pub n: u32,
    /// Its epoch, from 1.
    pub epoch: u32,
    /// Hash of the public part.
    pub public_hash: [u8; 32],
    /// Hash of the keyring.
    pub keyring_hash: [u8; 32],
    /// The versions it follows, ascending by id.
    pub parents: Vec<Parent>,
    /// When it was made, as its maker's clock had it.
    pub time: Timestamp,
    /// What a reader must know to use the vault, ascending.
    pub features: Vec<String>,
    /// Who has access.
    pub members: Vec<Member>,
    /// The heads that its maker knew.
    pub frontier: Vec<CommitId>,
    /// A remark for people.
    pub note: String,
    /// Who signed it.
    pub signer: MemberId,
}

impl Body {
    /// The bytes that are signed.
    ///
    /// # Errors
    /// [`Malformed`] if a limit or an order of the format is not kept.
    pub fn encode(&self) -> Result<Vec<u8>, Malformed> {
        let mut out = Vec::new();
        self.put(&mut out, |out, member| {
            out.put(&*member.kem_pk);
            out.put(&member.sign_pk);
        });
        if Self::decode(&out)? == *self { Ok(out) } else { Err(Malformed { what: "access version body" }) }
    }

    /// Appends the body, with the keys of members as `keys` writes them.
    fn put(&self, out: &mut Vec<u8>, mut keys: impl FnMut(&mut Vec<u8>, &Member)) {
        out.put_varint(u64::from(self.n));
        out.put_varint(u64::from(self.epoch));
        out.put(&self.public_hash);
        out.put(&self.keyring_hash);
        put_list(out, &self.parents, |out, parent| {
            out.put(parent.id.as_bytes());
            out.put(parent.object.as_bytes());
        });
        out.put_time(self.time);
        put_list(out, &self.features, |out, feature| out.put_bytes(feature.as_bytes()));
        put_list(out, &self.members, |out, member| {
            out.put(&[member.kind as u8, member.role as u8]);
            keys(out, member);
            out.put_bytes(member.label.as_bytes());
            out.put(&member.entry_id);
        });
        put_list(out, &self.frontier, |out, id| out.put(id.as_bytes()));
        out.put_bytes(self.note.as_bytes());
        out.put(self.signer.as_bytes());
    }

    /// Reads a signed body.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not exactly one, within the limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, "access version body");
        let body =
            Self::take(&mut reader, MEMBER_SHORT_MIN - 1 + KEYS_LEN, |r| Ok((Box::new(r.array()?), r.array()?)))?;
        reader.finish()?;
        Ok(body)
    }

    /// Reads a body whose members, of at least `member_min` bytes, have their keys as `keys` reads them.
    fn take<'a>(
        reader: &mut Reader<'a>,
        member_min: usize,
        mut keys: impl FnMut(&mut Reader<'a>) -> Result<PublicKeys, Malformed>,
    ) -> Result<Self, Malformed> {
        let (n, epoch) = numbers(reader)?;
        let body = Self {
            n,
            epoch,
            public_hash: reader.array()?,
            keyring_hash: reader.array()?,
            parents: list(reader, PARENTS_MAX, 64, Parent::decode)?,
            time: reader.time()?,
            features: list(reader, FEATURES_MAX, 1, |r| text(r, LABEL_MAX))?,
            members: list(reader, MEMBERS_MAX, member_min, |r| Member::take(r, &mut keys))?,
            frontier: list(reader, LOG_OBJECT_MAX as usize, 32, |r| Ok(CommitId::new(r.array()?)))?,
            note: text(reader, NOTE_MAX)?,
            signer: MemberId::new(reader.array()?),
        };
        ascending(reader, &body.features)?;
        ascending(reader, &body.parents.iter().map(|parent| parent.id).collect::<Vec<_>>())?;
        Ok(body)
    }
}

/// A version that another follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// Its id.
    pub id: AccessId,
    /// The object that holds it: who has verified the child needs not fetch it.
    pub object: ObjectId,
}

impl Parent {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { id: AccessId::new(reader.array()?), object: ObjectId::new(reader.array()?) })
    }
}

/// The public keys of a member: for encapsulation, and for signatures.
type PublicKeys = (Box<[u8; KEM_LEN]>, [u8; 32]);

/// Somebody with access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What holds the seed.
    pub kind: MemberKind,
    /// What it may do.
    pub role: Role,
    /// Its key for encapsulation.
    pub kem_pk: Box<[u8; 1216]>,
    /// Its key for signatures.
    pub sign_pk: [u8; 32],
    /// A name for people.
    pub label: String,
    /// The id of its password entry; zeros unless the kind is a password.
    pub entry_id: [u8; 16],
}

impl Member {
    fn take<'a>(
        reader: &mut Reader<'a>,
        keys: &mut impl FnMut(&mut Reader<'a>) -> Result<PublicKeys, Malformed>,
    ) -> Result<Self, Malformed> {
        let kind = MemberKind::from_u8(reader.u8()?).ok_or_else(|| reader.bad())?;
        let role = Role::from_u8(reader.u8()?).ok_or_else(|| reader.bad())?;
        let (kem_pk, sign_pk) = keys(reader)?;
        let member = Self { kind, role, kem_pk, sign_pk, label: text(reader, LABEL_MAX)?, entry_id: reader.array()? };
        let entry_fits = member.kind == MemberKind::Password || member.entry_id == [0; 16];
        if entry_fits { Ok(member) } else { Err(reader.bad()) }
    }
}

/// What holds a member's seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum MemberKind {
    /// A password.
    Password = 1,
    /// The 24 words of the vault.
    Recovery = 2,
    /// A machine.
    Device = 3,
    /// Another person's key.
    Person = 4,
}

impl MemberKind {
    fn from_u8(byte: u8) -> Option<Self> {
        [Self::Password, Self::Recovery, Self::Device, Self::Person].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// What a member may do: each role includes the ones before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// Read.
    Reader = 1,
    /// Write commits.
    Writer = 2,
    /// Change who has access.
    Admin = 3,
}

impl Role {
    fn from_u8(byte: u8) -> Option<Self> {
        [Self::Reader, Self::Writer, Self::Admin].into_iter().find(|role| *role as u8 == byte)
    }
}

fn numbers(reader: &mut Reader<'_>) -> Result<(u32, u32), Malformed> {
    let (n, epoch) = (reader.varint32()?, reader.varint32()?);
    if (1..=ACCESS_NUMBER_MAX).contains(&n) && epoch > 0 { Ok((n, epoch)) } else { Err(reader.bad()) }
}

/// Appends a count and that many items.
pub(super) fn put_list<T>(out: &mut Vec<u8>, items: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) {
    out.put_varint(items.len() as u64);
    items.iter().for_each(|item| put(out, item));
}

/// Reads a count and that many items of at least `min_len` bytes: a count that the rest can't hold allocates nothing.
pub(super) fn list<'a, T>(
    reader: &mut Reader<'a>,
    max: usize,
    min_len: usize,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = reader.count(max)?;
    if count > reader.rest().len() / min_len {
        return Err(reader.bad());
    }
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        items.push(read(reader)?);
    }
    Ok(items)
}

/// Reads counted UTF-8.
pub(super) fn text(reader: &mut Reader<'_>, max: usize) -> Result<String, Malformed> {
    let bytes = reader.bytes(max)?;
    str::from_utf8(bytes).map(str::to_owned).map_err(|_| reader.bad())
}

/// Refuses a list that does not ascend strictly.
pub(super) fn ascending<T: Ord>(reader: &Reader<'_>, items: &[T]) -> Result<(), Malformed> {
    if items.is_sorted_by(|a, b| a < b) { Ok(()) } else { Err(reader.bad()) }
}

const MAGIC: &[u8] = b"CSYNACC\x01";
const FEATURES_MAX: usize = 64;
const KEM_LEN: usize = 1216;
/// A member's public keys.
const KEYS_LEN: usize = KEM_LEN + 32;
/// A member with a reference to its keys.
const MEMBER_SHORT_MIN: usize = 2 + 1 + 1 + 16;
const VARINT_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn member() -> impl Strategy<Value = Member> {
        (0usize..4, 0usize..3, any::<[u8; 32]>(), "\\PC{0,20}", any::<[u8; 16]>()).prop_map(
            |(kind, role, sign_pk, label, entry_id)| Member {
                kind: MemberKind::from_u8(kind as u8 + 1).unwrap(),
                role: Role::from_u8(role as u8 + 1).unwrap(),
                kem_pk: Box::new([sign_pk[0]; 1216]),
                sign_pk,
                label,
                entry_id: if kind == 0 { entry_id } else { [0; 16] },
            },
        )
    }

    prop_compose! {
        fn body()(
            (n, epoch) in (1..=ACCESS_NUMBER_MAX, 1u32..),
            hashes: ([u8; 32], [u8; 32], [u8; 16]),
            parents in proptest::collection::btree_map(any::<[u8; 32]>(), any::<[u8; 32]>(), 0..3),
            (secs, nanos) in (any::<i64>(), 0u32..1_000_000_000),
            features in proptest::collection::btree_set("[a-z]{1,9}", 0..4),
            members in vec(member(), 0..4),
            frontier in vec(any::<[u8; 32]>().prop_map(CommitId::new), 0..4),
            note in "\\PC{0,40}",
        ) -> Body {
            Body {
                n, epoch, public_hash: hashes.0, keyring_hash: hashes.1,
                parents: parents.into_iter().map(|(id, object)| Parent { id: AccessId::new(id), object: ObjectId::new(object) }).collect(),
                time: Timestamp { secs, nanos },
                features: features.into_iter().collect(), members, frontier, note, signer: MemberId::new(hashes.2),
            }
        }
    }

    fn public(n: u32, passwords: usize, slots: usize) -> Public {
        Public {
            genesis: vec![7; 40],
            n,
            epoch: 3,
            passwords: vec![[1; 152]; passwords],
            slots: vec![[2; 1200]; slots],
        }
    }

    fn keyring(epochs: &[(u32, u8)]) -> Keyring {
        let epochs = epochs.iter().map(|&(epoch, key)| (epoch, Zeroizing::new([key; 32]))).collect();
        Keyring { s0: Zeroizing::new([9; 32]), epochs }
    }

    fn chain(bodies: &[Vec<u8>], epochs: &[(u32, u8)]) -> Chain {
        let versions = bodies.iter().map(|body| SignedBody { body: body.clone(), signature: [4; 64] }).collect();
        Chain { versions, keyring: keyring(epochs) }
    }

    /// One bit wrong: refused, or read as exactly what it then spells.
    fn flip(bytes: &[u8], at: prop::sample::Index) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let at = at.index(bytes.len() * 8);
        bytes[at / 8] ^= 1 << (at % 8);
        bytes
    }

    proptest! {
        #[test]
        fn bodies_round_trip(body in body(), at: prop::sample::Index) {
            let bytes = body.encode().unwrap();
            prop_assert_eq!(Body::decode(&bytes), Ok(body));
            let flipped = flip(&bytes, at);
            if let Ok(body) = Body::decode(&flipped) {
                prop_assert_eq!(body.encode(), Ok(flipped));
            }
        }

        #[test]
        fn publics_round_trip(
            n in 1..=ACCESS_NUMBER_MAX, passwords in 0usize..9, slots in 0usize..3, at: prop::sample::Index,
        ) {
            let public = public(n, passwords, slots * 8);
            let bytes = public.encode().unwrap();
            prop_assert_eq!(Public::decode(&bytes), Ok(public));
            let flipped = flip(&bytes, at);
            if let Ok(public) = Public::decode(&flipped) {
                prop_assert_eq!(public.encode(), Ok(flipped));
            }
        }

        #[test]
        fn chains_round_trip(
            bodies in vec(body(), 0..4), again in any::<bool>(), zeros in 0usize..50, at: prop::sample::Index,
        ) {
            let mut bodies: Vec<Vec<u8>> = bodies.iter().map(|body| body.encode().unwrap()).collect();
            bodies.extend(bodies.first().cloned().filter(|_| again));
            let bytes = chain(&bodies, &[(1, 5), (2, 6), (2, 7), (900, 1)]).encode(zeros).unwrap();
            let back = Chain::decode(&bytes).unwrap();
            prop_assert_eq!(&back.encode(zeros).unwrap()[..], &bytes[..]);
            prop_assert_eq!(back.versions.iter().map(|v| v.body.clone()).collect::<Vec<_>>(), bodies);
            let flipped = flip(&bytes, at);
            if let Ok(chain) = Chain::decode(&flipped) {
                prop_assert_eq!(&chain.encode(zeros).unwrap()[..], &flipped[..]);
            }
        }

        #[test]
        fn garbage_never_panics(bytes in vec(any::<u8>(), 0..300)) {
            let object = [MAGIC, &bytes].concat();
            let _either = (AccessObject::split(&object).is_ok(), AccessObject::split(&bytes).is_ok());
            let _either = (Public::decode(&bytes).is_ok(), Chain::decode(&bytes).is_ok(), Body::decode(&bytes).is_ok());
        }
    }

    #[test]
    fn objects_split_where_they_were_joined() {
        let object = AccessObject { public: b"public", notice: &[b'n'; 64], sealed: b"sealed" };
        let bytes = object.join();
        assert_eq!(bytes, [&b"CSYNACC\x01\x06\x00\x00\x00public"[..], &[b'n'; 64], b"sealed"].concat());
        assert_eq!(AccessObject::split(&bytes), Ok(object));
        assert!(AccessObject::split(&bytes[..17]).is_err());
        assert!(AccessObject::split(b"CSYNACC\x02\x00\x00\x00\x00").is_err());
    }

    #[test]
    fn limits_hold_on_both_sides() {
        for bad in [public(0, 0, 8), public(1, 9, 8), public(1, 0, 7), public(1, 0, 520), public(100_000_000, 0, 8)] {
            assert!(bad.encode().is_err());
        }
        assert!(Chain::decode(&chain(&[], &[(2, 1), (1, 1)]).encode(0).unwrap()).is_err(), "epochs descend");
        assert!(Chain::decode(&chain(&[], &[(1, 1), (1, 1)]).encode(0).unwrap()).is_err(), "a key twice");
        let mut padded = chain(&[], &[]).encode(9).unwrap();
        *padded.last_mut().unwrap() = 1;
        assert!(Chain::decode(&padded).is_err(), "padding is zero");
        let mut huge = b"\xff\xff\xff\xff\xff\xff\xff\xff\x0f".to_vec();
        huge.splice(0..0, (huge.len() as u32).to_le_bytes());
        assert!(Chain::decode(&huge).is_err(), "a count of 2^60 and more");
    }

    #[test]
    fn keyrings_of_older_versions_are_prefixes() {
        let ring = keyring(&[(1, 1), (2, 2), (2, 3), (3, 4)]);
        assert_eq!(*ring.encode_for(2), *keyring(&[(1, 1)]).encode_for(u32::MAX));
        assert_eq!(*ring.encode_for(3), *keyring(&[(1, 1), (2, 2), (2, 3)]).encode_for(3));
        assert_eq!(ring.encode_for(1).len(), 33);
    }
}
