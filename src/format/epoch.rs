//! docs/format.md, section 10.5: the bodies of garbage-collection epochs and of their completions. Start at [`Epoch`].
//!
//! Owns their layouts. Never decides what is condemned, nor when an epoch is complete.

use std::collections::BTreeMap;

use super::access::{ascending, list, put_list};
use super::limits::LOG_OBJECT_MAX;
use super::wire::{Malformed, Put, Reader};
use crate::id::{CommitId, ObjectId, WriterId};

/// What one epoch says: which objects nobody may rely on any more, and which commits are to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Epoch {
    /// Its number: one more than that of every epoch it follows.
    pub number: u64,
    /// The objects, ascending.
    pub condemned: Vec<ObjectId>,
    /// The commits.
    pub forgotten: Forgotten,
}

/// Commits by writer and number, as runs: what is kept of a long log is little, so that the runs are few.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forgotten(BTreeMap<WriterId, Vec<(u64, u64)>>);

/// The epochs that one completion ends, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Completion {
    /// Their commit ids.
    pub epochs: Vec<CommitId>,
}

impl Epoch {
    /// The bytes of the body.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_varint(self.number);
        put_list(&mut out, &self.condemned, |out, id| out.put(id.as_bytes()));
        let writers: Vec<_> = self.forgotten.0.iter().collect();
        put_list(&mut out, &writers, |out, (writer, runs)| {
            out.put(writer.as_bytes());
            let mut next = 1;
            put_list(out, runs, |out, (first, last)| {
                out.put_varint(first - next);
                out.put_varint(last - first);
                next = last + 2;
            });
        });
        out
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not exactly one.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, "garbage-collection epoch");
        let r = &mut reader;
        let number = r.varint()?;
        let condemned = list(r, MAX, 32, |r| Ok(ObjectId::new(r.array()?)))?;
        ascending(r, &condemned)?;
        let writers = list(r, MAX, 16, |r| {
            let (writer, mut next) = (WriterId::new(r.array()?), 1u64);
            let runs = list(r, MAX, 2, |r| {
                let first = next.checked_add(r.varint()?).ok_or_else(|| r.bad())?;
                let last = first.checked_add(r.varint()?).ok_or_else(|| r.bad())?;
                next = last.checked_add(2).ok_or_else(|| r.bad())?;
                Ok((first, last))
            })?;
            if runs.is_empty() { Err(r.bad()) } else { Ok((writer, runs)) }
        })?;
        if number == 0 || !writers.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(r.bad());
        }
        reader.finish()?;
        Ok(Self { number, condemned, forgotten: Forgotten(writers.into_iter().collect()) })
    }
}

impl Completion {
    /// The bytes of the body.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_list(&mut out, &self.epochs, |out, id| out.put(id.as_bytes()));
        out
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not exactly one.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, "completion of an epoch");
        let r = &mut reader;
        let epochs: Vec<CommitId> = list(r, MAX, 32, |r| Ok(CommitId::new(r.array()?)))?;
        ascending(r, &epochs)?;
        if epochs.is_empty() {
            return Err(r.bad());
        }
        reader.finish()?;
        Ok(Self { epochs })
    }
}

impl Forgotten {
    /// Whether a record is among them.
    pub fn contains(&self, writer: &WriterId, seq: u64) -> bool {
        let Some(runs) = self.0.get(writer) else { return false };
        let at = runs.partition_point(|(_, last)| *last < seq);
        runs.get(at).is_some_and(|(first, _)| *first <= seq)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.0.values().flatten().map(|(first, last)| last - first + 1).sum()
    }
}

impl FromIterator<(WriterId, u64)> for Forgotten {
    fn from_iter<I: IntoIterator<Item = (WriterId, u64)>>(records: I) -> Self {
        let mut records: Vec<(WriterId, u64)> = records.into_iter().collect();
        records.sort_unstable();
        let mut runs: BTreeMap<WriterId, Vec<(u64, u64)>> = BTreeMap::new();
        for (writer, seq) in records {
            let runs = runs.entry(writer).or_default();
            match runs.last_mut() {
                Some((_, last)) if *last + 1 >= seq => *last = seq,
                _ => runs.push((seq, seq)),
            }
        }
        Self(runs)
    }
}

const MAX: usize = LOG_OBJECT_MAX as usize;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn bodies_round_trip(
            number in 1u64.., gone in btree_set(any::<[u8; 32]>(), 0..4),
            records in btree_set((0u8..3, 1u64..40), 0..60),
        ) {
            let writer = |n: u8| WriterId::new([n; 16]);
            let forgotten: Forgotten = records.iter().map(|(n, seq)| (writer(*n), *seq)).collect();
            prop_assert_eq!(forgotten.len(), records.len() as u64);
            for n in 0..3 {
                for seq in 0..42 {
                    prop_assert_eq!(forgotten.contains(&writer(n), seq), records.contains(&(n, seq)));
                }
            }
            let condemned = gone.iter().copied().map(ObjectId::new).collect();
            let epoch = Epoch { number, condemned, forgotten };
            prop_assert_eq!(Epoch::decode(&epoch.encode()), Ok(epoch));
            let epochs: BTreeSet<CommitId> = gone.into_iter().map(CommitId::new).collect();
            let completion = Completion { epochs: epochs.into_iter().collect() };
            prop_assert_eq!(Completion::decode(&completion.encode()).is_ok(), !completion.epochs.is_empty());
        }

        #[test]
        fn what_decodes_has_one_spelling(bytes in vec(any::<u8>(), 0..120)) {
            if let Ok(epoch) = Epoch::decode(&bytes) {
                prop_assert_eq!(epoch.encode(), &bytes[..]);
            }
            if let Ok(completion) = Completion::decode(&bytes) {
                prop_assert_eq!(completion.encode(), bytes);
            }
        }
    }

    #[test]
    fn a_count_of_2_to_the_60_allocates_nothing() {
        assert!(Epoch::decode(b"\x01\x80\x80\x80\x80\x80\x80\x80\x80\x10\x00").is_err());
        assert!(Epoch::decode(b"\x01\x00\x80\x80\x80\x80\x80\x80\x80\x80\x10").is_err());
    }

    #[test]
    fn frozen_vector() {
        let forgotten = [3, 4, 5, 9].map(|seq| (WriterId::new([7; 16]), seq)).into_iter().collect();
        let epoch = Epoch { number: 2, condemned: vec![ObjectId::new([9; 32])], forgotten };
        let expected = [&[2, 1][..], &[9; 32], &[1], &[7; 16], &[2, 2, 2, 2, 0]].concat();
        assert_eq!(epoch.encode(), expected);
    }
}
