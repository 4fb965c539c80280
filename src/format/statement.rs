//! docs/format.md, section 10.2: what an admin states about the records of others, and what a writer tells of a rollback
//! that was accepted. Values of attributes of log records; never decides whether a statement is in force.

use super::access::{ascending, list, put_list};
use super::limits::{GIVEN_UP_MAX, STATEMENTS_MAX};
use super::record::Attribute;
use super::wire::{Malformed, Put, Reader};
use crate::id::{CommitId, WriterId};

/// The end of a writer: of its records, only those in the ancestry of `kept` count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Retirement {
    /// Whose log ends.
    pub writer: WriterId,
    /// Where it ends, ascending.
    pub kept: Vec<CommitId>,
}

/// A rollback that a person has accepted, as the writer's next record tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedRollback {
    /// The newest commit that was accepted; `None` for an empty log.
    pub newest: Option<CommitId>,
    /// The commits that were given up, ascending.
    pub given_up: Vec<CommitId>,
}

impl Attribute {
    /// A rollback that was accepted.
    pub const ACCEPTED_ROLLBACK: u64 = 1;
    /// Writers that end.
    pub const RETIRED: u64 = 4;
    /// Quarantined commits that count.
    pub const ADOPTED: u64 = 6;

    /// Writers that end, ascending.
    pub fn retired(writers: &[Retirement]) -> Self {
        let mut value = Vec::new();
        put_list(&mut value, writers, |out, retirement| {
            out.put(retirement.writer.as_bytes());
            put_list(out, &retirement.kept, |out, id| out.put(id.as_bytes()));
        });
        Self { tag: Self::RETIRED, value }
    }

    /// Quarantined commits that count, ascending.
    pub fn adopted(ids: &[CommitId]) -> Self {
        let mut value = Vec::new();
        put_list(&mut value, ids, |out, id| out.put(id.as_bytes()));
        Self { tag: Self::ADOPTED, value }
    }

    /// A rollback that was accepted.
    pub fn accepted_rollback(rollback: &AcceptedRollback) -> Self {
        let mut value = Vec::new();
        value.put(rollback.newest.unwrap_or(CommitId::new([0; 32])).as_bytes());
        put_list(&mut value, &rollback.given_up, |out, id| out.put(id.as_bytes()));
        Self { tag: Self::ACCEPTED_ROLLBACK, value }
    }

    /// Reads the value of a [`Attribute::RETIRED`] attribute.
    ///
    /// # Errors
    /// [`Malformed`] if the value is not exactly one.
    pub fn as_retired(&self) -> Result<Vec<Retirement>, Malformed> {
        let mut reader = Reader::new(&self.value, "retired writers");
        let writers = list(&mut reader, STATEMENTS_MAX, 17, |r| {
            let writer = WriterId::new(r.array()?);
            let kept = ids(r, STATEMENTS_MAX)?;
            Ok(Retirement { writer, kept })
        })?;
        let ascend = writers.is_sorted_by(|a, b| a.writer < b.writer);
        if !ascend || writers.is_empty() {
            return Err(reader.bad());
        }
        reader.finish()?;
        Ok(writers)
    }

    /// Reads the value of a [`Attribute::ADOPTED`] attribute.
    ///
    /// # Errors
    /// [`Malformed`] if the value is not exactly one.
    pub fn as_adopted(&self) -> Result<Vec<CommitId>, Malformed> {
        let mut reader = Reader::new(&self.value, "adopted commits");
        let adopted = ids(&mut reader, STATEMENTS_MAX)?;
        if adopted.is_empty() {
            return Err(reader.bad());
        }
        reader.finish()?;
        Ok(adopted)
    }

    /// Reads the value of a [`Attribute::ACCEPTED_ROLLBACK`] attribute.
    ///
    /// # Errors
    /// [`Malformed`] if the value is not exactly one.
    pub fn as_accepted_rollback(&self) -> Result<AcceptedRollback, Malformed> {
        let mut reader = Reader::new(&self.value, "accepted rollback");
        let newest = Some(reader.array()?).filter(|id| *id != [0; 32]).map(CommitId::new);
        let given_up = ids(&mut reader, GIVEN_UP_MAX)?;
        reader.finish()?;
        Ok(AcceptedRollback { newest, given_up })
    }
}

fn ids(reader: &mut Reader<'_>, max: usize) -> Result<Vec<CommitId>, Malformed> {
    let ids = list(reader, max, 32, |r| Ok(CommitId::new(r.array()?)))?;
    ascending(reader, &ids)?;
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_map, btree_set, vec};
    use proptest::prelude::*;

    fn commits() -> impl Strategy<Value = Vec<CommitId>> {
        btree_set(any::<[u8; 32]>().prop_map(CommitId::new), 0..4).prop_map(|set| set.into_iter().collect())
    }

    proptest! {
        #[test]
        fn statements_round_trip(
            writers in btree_map(any::<[u8; 16]>(), commits(), 1..4), adopted in commits(), newest: Option<[u8; 32]>,
        ) {
            let writers: Vec<Retirement> = writers
                .into_iter()
                .map(|(writer, kept)| Retirement { writer: WriterId::new(writer), kept })
                .collect();
            prop_assert_eq!(Attribute::retired(&writers).as_retired(), Ok(writers.clone()));
            let expected = if adopted.is_empty() { None } else { Some(adopted.clone()) };
            prop_assert_eq!(Attribute::adopted(&adopted).as_adopted().ok(), expected);
            let newest = newest.filter(|id| *id != [0; 32]).map(CommitId::new);
            let rollback = AcceptedRollback { newest, given_up: adopted };
            prop_assert_eq!(Attribute::accepted_rollback(&rollback).as_accepted_rollback(), Ok(rollback));
        }

        #[test]
        fn garbage_never_panics(value in vec(any::<u8>(), 0..200)) {
            let attribute = Attribute { tag: 4, value };
            let _either = (attribute.as_retired(), attribute.as_adopted(), attribute.as_accepted_rollback());
        }
    }

    #[test]
    fn frozen_vector() {
        let kept = vec![CommitId::new([2; 32]), CommitId::new([3; 32])];
        let value = Attribute::retired(&[Retirement { writer: WriterId::new([1; 16]), kept: kept.clone() }]).value;
        let expected = [&[1][..], &[1; 16], &[2], &[2; 32], &[3; 32]].concat();
        assert_eq!(value, expected);
        assert_eq!(Attribute::adopted(&kept).value, [&[2][..], &[2; 32], &[3; 32]].concat());
        let out_of_order = [&[2][..], &[3; 32], &[2; 32]].concat();
        assert!(Attribute { tag: 6, value: out_of_order }.as_adopted().is_err());
        let rollback = AcceptedRollback { newest: None, given_up: kept[..1].to_vec() };
        assert_eq!(Attribute::accepted_rollback(&rollback).value, [&[0; 32][..], &[1], &[2; 32]].concat());
    }
}
