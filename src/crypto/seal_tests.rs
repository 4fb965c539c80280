//! Sealing: its frozen bytes, and all that must not open.

use super::*;
use crate::crypto::Secret32;
use proptest::prelude::*;

struct Fixed;

impl Entropy for Fixed {
    fn fill(&self, out: &mut [u8]) -> io::Result<()> {
        out.fill(9);
        Ok(())
    }
}

fn keys(epochs: &[u32]) -> VaultKeys {
    let keys = VaultKeys::new(VaultId::new([1; 32]), &Secret32::new([2; 32]));
    for epoch in epochs {
        keys.add_epoch(*epoch, &Secret32::new([*epoch as u8; 32]));
    }
    keys
}

const DATA: SealContext<'static> = SealContext { class: Class::Data, name: b"" };
const WRITER: WriterId = WriterId::new([3; 16]);

fn sealed(plaintext: &[u8]) -> Sealed {
    seal(&keys(&[1]), 1, &DATA, &WRITER, &Fixed, &[plaintext]).unwrap()
}

/// Frozen: a change here is a change of the format.
#[test]
fn sealing_is_frozen() {
    let plain: Vec<u8> = (0..150_000u32).map(|i| (i % 251) as u8).collect();
    let vectors = [&b""[..], b"x", &plain[..65_536], &plain].map(|plain| sealed(plain).id.to_string());
    assert_eq!(vectors.join("\n"), include_str!("testdata/sealed.txt").trim_end());
}

#[test]
fn every_flipped_byte_and_every_cut_is_noticed() {
    let plain: Vec<u8> = (0..140_000u32).map(|i| i as u8).collect();
    let object = sealed(&plain).bytes;
    let keys = keys(&[1]);
    assert_eq!(open(&keys, &DATA, &object).unwrap(), plain);
    for at in (0..object.len()).step_by(997).chain(0..OBJECT_HEADER_LEN) {
        let mut bad = object.clone();
        bad[at] ^= 1;
        assert!(open(&keys, &DATA, &bad).is_err(), "byte {at}");
    }
    let boundaries = (0..3).map(|i| segment_offset(i) as usize);
    for len in boundaries.chain((0..object.len()).step_by(4099)) {
        assert!(open(&keys, &DATA, &object[..len]).is_err(), "cut at {len}");
    }
}

#[test]
fn segments_do_not_change_places() {
    let object = sealed(&vec![5; 3 * SEGMENT as usize]).bytes;
    let (a, b) = (segment_offset(0) as usize, segment_offset(1) as usize);
    let mut swapped = object.clone();
    swapped[a..a + 100].copy_from_slice(&object[b..b + 100]);
    let len = b - a;
    swapped[a..b].copy_from_slice(&object[b..b + len]);
    swapped[b..b + len].copy_from_slice(&object[a..b]);
    assert_eq!(open(&keys(&[1]), &DATA, &swapped), Err(OpenError::Broken));
}

#[test]
fn nothing_passes_for_another_class_name_vault_or_epoch() {
    let object = sealed(b"secret").bytes;
    for class in [Class::Log, Class::Access, Class::Meta, Class::Index] {
        assert_eq!(open(&keys(&[1]), &SealContext { class, name: b"" }, &object), Err(OpenError::Broken));
    }
    assert!(open(&keys(&[1]), &SealContext { name: b"n", ..DATA }, &object).is_err());
    assert_eq!(open(&keys(&[2]), &DATA, &object), Err(OpenError::UnknownEpoch));
    let other = VaultKeys::new(VaultId::new([9; 32]), &Secret32::new([2; 32]));
    other.add_epoch(1, &Secret32::new([1; 32]));
    assert_eq!(open(&other, &DATA, &object), Err(OpenError::Broken));
}

#[test]
fn a_repeated_random_state_does_not_repeat_a_key() {
    assert_ne!(sealed(b"one").salt, sealed(b"two").salt);
    let by_another = seal(&keys(&[1]), 1, &DATA, &WriterId::new([4; 16]), &Fixed, &[b"one"]).unwrap();
    assert_ne!(sealed(b"one").salt, by_another.salt);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn pieces_do_not_matter(len in 0usize..200_000, cuts in proptest::collection::vec(0usize..200_000, 0..5)) {
        let plain: Vec<u8> = (0..len).map(|i| (i * 31) as u8).collect();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(len)).collect();
        cuts.sort_unstable();
        let mut parts = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([len]) {
            parts.push(&plain[from..cut]);
            from = cut;
        }
        let mut buffer = SealBuffer::reusing(vec![7; 99]);
        buffer.push(&plain[..parts[0].len()]);
        buffer.push(&[1; 70_000]);
        buffer.truncate(parts[0].len() as u64);
        parts[1..].iter().for_each(|part| buffer.push(part));
        let range = parts[0].len()..plain.len();
        let pieces: Vec<_> = buffer.pieces(range.start as u64..range.end as u64).collect();
        prop_assert_eq!(&pieces.concat(), &plain[range]);
        prop_assert_eq!(buffer.seal(&keys(&[1]), 1, &DATA, &WRITER, &Fixed).unwrap().id, sealed(&plain).id);
        let object = seal(&keys(&[1]), 1, &DATA, &WRITER, &Fixed, &parts).unwrap();
        prop_assert_eq!(object.id, sealed(&plain).id);
        prop_assert_eq!(object.bytes.len() as u64, sealed_len(len as u64));
        prop_assert_eq!(open(&keys(&[1]), &DATA, &object.bytes).unwrap(), plain);
    }
}

/// After a fork an epoch has two keys, and what either of them sealed is read.
#[test]
fn an_epoch_may_have_two_keys() {
    let (ours, theirs) = (keys(&[1]), VaultKeys::new(VaultId::new([1; 32]), &Secret32::new([2; 32])));
    theirs.add_epoch(1, &Secret32::new([99; 32]));
    let plain = vec![7; 100_000];
    let sealed = [&ours, &theirs].map(|keys| seal(keys, 1, &DATA, &WRITER, &Fixed, &[&plain]).unwrap());
    assert_eq!(open(&ours, &DATA, &sealed[1].bytes), Err(OpenError::Broken));
    ours.add_epoch(1, &Secret32::new([99; 32]));
    ours.add_epoch(1, &Secret32::new([99; 32]));
    for object in &sealed {
        assert_eq!(open(&ours, &DATA, &object.bytes).unwrap(), plain);
        let opener = Opener::from_salt(&ours, &DATA, 1, &object.salt).unwrap();
        let mut out = vec![1];
        let first = segment_offset(0) as usize..segment_offset(1) as usize;
        opener.open_segment(0, false, &object.bytes[first], &mut out).unwrap();
        assert_eq!(out[1..], plain[..65_536]);
    }
    // What was there first stays the key to seal with.
    let again = seal(&ours, 1, &DATA, &WRITER, &Fixed, &[&plain]).unwrap();
    assert_eq!(again.id, sealed[0].id);
}
