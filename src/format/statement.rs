//! docs/format.md, section 10.2: what an admin states about the records of others and about what is kept, the names that
//! commits have, and what a writer tells of a rollback that was accepted. Values of attributes of log records; never decides whether a statement is in force.

use super::access::{ascending, list, put_list, text};
use super::limits::{GIVEN_UP_MAX, STATEMENTS_MAX, TAG_MAX};
use super::policy::{Policy, is_tag};
use super::record::Attribute;
use super::wire::{Malformed, Put, Reader};
use crate::id::{CommitId, WriterId};
use crate::world::Timestamp;

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

/// A name that a commit is given, or that is taken from it. Ordered as it is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// What the name does.
    pub kind: MarkKind,
    /// The commit.
    pub commit: CommitId,
    /// The name; a pin may have an empty one.
    pub name: String,
    /// Whether it is given; taken otherwise.
    pub given: bool,
}

/// What a name does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum MarkKind {
    /// It keeps the commit.
    Pin = 1,
    /// Rules of the policy may speak of it.
    Tag = 2,
}

/// Whether a commit shall be forgotten, whatever the policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Forget {
    /// The commit.
    pub commit: CommitId,
    /// Whether it shall; if not, the policy decides as before.
    pub unwanted: bool,
}

impl Attribute {
    /// A rollback that was accepted.
    pub const ACCEPTED_ROLLBACK: u64 = 1;
    /// Writers that end.
    pub const RETIRED: u64 = 4;
    /// Quarantined commits that count.
    pub const ADOPTED: u64 = 6;
    /// The retention policy.
    pub const POLICY: u64 = 8;
    /// Names given to commits and taken from them.
    pub const MARKS: u64 = 10;
    /// Commits to forget, or not to forget after all.
    pub const FORGET: u64 = 12;

    /// The retention policy.
    pub fn policy(policy: &Policy) -> Self {
        Self { tag: Self::POLICY, value: policy.encode() }
    }

    /// Names given to commits and taken from them, ascending.
    pub fn marks(marks: &[Mark]) -> Self {
        let mut value = Vec::new();
        put_list(&mut value, marks, |out, mark| {
            out.push(mark.kind as u8 | u8::from(mark.given) << 7);
            out.put(mark.commit.as_bytes());
            out.put_bytes(mark.name.as_bytes());
        });
        Self { tag: Self::MARKS, value }
    }

    /// Commits to forget or not to forget after all, ascending.
    pub fn forget(commits: &[Forget]) -> Self {
        let mut value = Vec::new();
        put_list(&mut value, commits, |out, one| {
            out.put(one.commit.as_bytes());
            out.push(u8::from(one.unwanted));
        });
        Self { tag: Self::FORGET, value }
    }

    /// A test of the recovery words.
    pub const DRILL: u64 = 13;

    /// A test of the recovery words: when it was, and how many bytes were read.
    pub fn drill(time: Timestamp, bytes: u64) -> Self {
        let mut value = Vec::new();
        value.put_time(time);
        value.put_varint(bytes);
        Self { tag: Self::DRILL, value }
    }

    /// Reads the value of a [`Attribute::DRILL`] attribute.
    ///
    /// # Errors
    /// [`Malformed`] if the value is not exactly one.
    pub fn as_drill(&self) -> Result<(Timestamp, u64), Malformed> {
        let mut reader = Reader::new(&self.value, "recovery test");
        let drill = (reader.time()?, reader.varint()?);
        reader.finish()?;
        Ok(drill)
    }

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

    /// Reads the value of a [`Attribute::POLICY`] attribute.
    ///
    /// # Errors
    /// [`Malformed`] if the value is not exactly one.
    pub fn as_policy(&self) -> Result<Policy, Malformed> {
        Policy::decode(&self.value)
    }

    /// Reads the value of a [`Attribute::MARKS`] attribute.
    ///
    /// # Errors
    /// [`Malformed`] if the value is not exactly one.
    pub fn as_marks(&self) -> Result<Vec<Mark>, Malformed> {
        let mut reader = Reader::new(&self.value, "marks");
        let marks = list(&mut reader, STATEMENTS_MAX, 34, mark)?;
        let place = |mark: &Mark| (mark.kind, mark.commit, mark.name.clone());
        if marks.is_empty() || !marks.is_sorted_by(|a, b| place(a) < place(b)) {
            return Err(reader.bad());
        }
        reader.finish()?;
        Ok(marks)
    }

    /// Reads the value of a [`Attribute::FORGET`] attribute.
    ///
    /// # Errors
    /// [`Malformed`] if the value is not exactly one.
    pub fn as_forget(&self) -> Result<Vec<Forget>, Malformed> {
        let mut reader = Reader::new(&self.value, "commits to forget");
        let commits = list(&mut reader, STATEMENTS_MAX, 33, |r| {
            Ok(Forget { commit: CommitId::new(r.array()?), unwanted: r.count(1)? == 1 })
        })?;
        if commits.is_empty() || !commits.is_sorted_by(|a, b| a.commit < b.commit) {
            return Err(reader.bad());
        }
        reader.finish()?;
        Ok(commits)
    }

    /// Whether the value of an attribute that is known here is not what it has to be.
    pub fn is_malformed(&self) -> bool {
        match self.tag {
            Self::HISTORY => self.as_history().is_err(),
            Self::RETIRED => self.as_retired().is_err(),
            Self::ADOPTED => self.as_adopted().is_err(),
            Self::POLICY => self.as_policy().is_err(),
            Self::MARKS => self.as_marks().is_err(),
            Self::FORGET => self.as_forget().is_err(),
            _ => false,
        }
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

fn mark(r: &mut Reader<'_>) -> Result<Mark, Malformed> {
    let (kind, given) = match r.u8()? {
        0x01 => (MarkKind::Pin, false),
        0x02 => (MarkKind::Tag, false),
        0x81 => (MarkKind::Pin, true),
        0x82 => (MarkKind::Tag, true),
        _ => return Err(r.bad()),
    };
    let (commit, name) = (CommitId::new(r.array()?), text(r, TAG_MAX)?);
    let unnamed = name.is_empty() && kind == MarkKind::Pin;
    if unnamed || is_tag(&name) { Ok(Mark { kind, commit, name, given }) } else { Err(r.bad()) }
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
        fn what_is_to_be_kept_round_trips(
            marks in btree_map((any::<bool>(), any::<[u8; 32]>(), "[a-z]{1,4}"), any::<bool>(), 1..5),
            forget in btree_map(any::<[u8; 32]>(), any::<bool>(), 1..5),
        ) {
            let marks: Vec<Mark> = marks
                .into_iter()
                .map(|((tag, commit, name), given)| Mark {
                    kind: if tag { MarkKind::Tag } else { MarkKind::Pin }, commit: CommitId::new(commit), name, given,
                })
                .collect();
            prop_assert_eq!(Attribute::marks(&marks).as_marks(), Ok(marks));
            let forget: Vec<Forget> =
                forget.into_iter().map(|(id, unwanted)| Forget { commit: CommitId::new(id), unwanted }).collect();
            prop_assert_eq!(Attribute::forget(&forget).as_forget(), Ok(forget));
        }

        #[test]
        fn garbage_never_panics(value in vec(any::<u8>(), 0..200)) {
            let attribute = Attribute { tag: 4, value };
            let _either = (attribute.as_marks(), attribute.as_forget(), attribute.as_policy());
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
        let pin = Mark { kind: MarkKind::Pin, commit: kept[0], name: String::new(), given: true };
        let tag = Mark { kind: MarkKind::Tag, commit: kept[0], name: "v1".to_owned(), given: false };
        let value = [&[2, 0x81][..], &[2; 32], &[0, 0x02], &[2; 32], b"\x02v1"].concat();
        assert_eq!(Attribute::marks(&[pin.clone(), tag.clone()]).value, value);
        assert!(Attribute::marks(&[tag, pin.clone()]).as_marks().is_err());
        assert!(Attribute::marks(&[Mark { kind: MarkKind::Tag, ..pin.clone() }]).as_marks().is_err());
        assert!(Attribute::marks(&[pin.clone(), Mark { given: false, ..pin }]).as_marks().is_err(), "twice");
        let forget = Attribute::forget(&[Forget { commit: kept[0], unwanted: true }]);
        assert_eq!(forget.value, [&[1][..], &[2; 32], &[1]].concat());
        let rollback = AcceptedRollback { newest: None, given_up: kept[..1].to_vec() };
        assert_eq!(Attribute::accepted_rollback(&rollback).value, [&[0; 32][..], &[1], &[2; 32]].concat());
    }
}
