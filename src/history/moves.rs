//! Files that one side has moved while the other has edited them: the edit follows to the new name.
//!
//! A move is a deletion and an addition of the same content by one side, if that content was deleted once and added once.
//! Only files that the other side has edited are looked for, so as a rule there is nothing to look for.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::merge::{Meeting, Trees, edited_and_deleted};
use super::settle::{Settled, Three, Which};
use super::source::NodeSink;
use crate::format::entry::{Content, Entry, EntryKind};
use crate::format::key::TreeKey;

/// The moves that take an edit along.
#[derive(Debug, Default)]
pub(super) struct Moves {
    from: HashSet<TreeKey>,
    to: BTreeMap<TreeKey, Moved>,
}

/// A file as it was in the base, as the other side has edited it, and who moved it.
#[derive(Debug)]
struct Moved {
    base: Entry,
    edited: Entry,
    mover: Which,
}

/// A file that was edited by one side and deleted by the other.
#[derive(Debug)]
struct Candidate {
    from: TreeKey,
    moved: Moved,
    deletions: u64,
    additions: Vec<TreeKey>,
}

impl Moves {
    /// Looks for moves: goes through the changes once, and once more if some file may have been moved.
    pub(super) fn find<S: NodeSink + ?Sized>(trees: &Trees<'_, S>) -> Result<Self, S::Error> {
        let mut candidates: HashMap<(Content, bool), Candidate> = HashMap::new();
        for meeting in trees.joint()? {
            let meeting = meeting?;
            let Some((mover, base, edited)) = edited_and_deleted(&meeting) else { continue };
            if candidates.len() < CANDIDATES_MAX {
                let moved = Moved { base: base.clone(), edited: edited.clone(), mover };
                let from = meeting.key.clone();
                let candidate = Candidate { from, moved, deletions: 0, additions: Vec::new() };
                candidates.entry((base.content.clone(), mover == Which::Hi)).or_insert(candidate);
            }
        }
        if candidates.is_empty() {
            return Ok(Self::default());
        }
        for meeting in trees.joint()? {
            let meeting = meeting?;
            count(&mut candidates, &meeting, Which::Hi);
            count(&mut candidates, &meeting, Which::Lo);
        }
        let mut moves = Self::default();
        for candidate in candidates.into_values() {
            if let (1, [to]) = (candidate.deletions, &candidate.additions[..]) {
                moves.from.insert(candidate.from);
                moves.to.insert(to.clone(), candidate.moved);
            }
        }
        Ok(moves)
    }

    /// What becomes of a path, moves considered.
    pub(super) fn settle(&self, meeting: &Meeting, needed: bool) -> Settled {
        let three = meeting.three();
        if self.from.contains(&meeting.key) {
            return Settled { entry: None, loser: None };
        }
        let Some(Moved { base, edited, mover }) = self.to.get(&meeting.key) else { return three.settle(needed) };
        let (hi, lo) = match mover {
            Which::Hi => (three.hi, Some(edited)),
            Which::Lo => (Some(edited), three.lo),
        };
        Three { base: Some(base), hi, lo }.settle(needed)
    }

    /// Whether something was moved to this path.
    pub(super) fn leads_to(&self, key: &TreeKey) -> bool {
        self.to.contains_key(key)
    }
}

fn count(candidates: &mut HashMap<(Content, bool), Candidate>, meeting: &Meeting, mover: Which) {
    let three = meeting.three();
    let (content, deleted) = match (three.base, three.of(mover)) {
        (Some(base), None) if base.kind == EntryKind::File => (&base.content, true),
        (None, Some(added)) if added.kind == EntryKind::File => (&added.content, false),
        _ => return,
    };
    let Some(candidate) = candidates.get_mut(&(content.clone(), mover == Which::Hi)) else { return };
    // Where both sides have made something of one name, too little is certain: that counts twice.
    let times = if three.of(mover.other()).is_some() { 2 } else { 1 };
    if deleted {
        candidate.deletions += 1;
    } else if candidate.additions.len() < 2 {
        candidate.additions.extend(std::iter::repeat_n(meeting.key.clone(), times));
    }
}

/// Files looked for at a time: some MiB. Beyond that an edit stays where it was made, which loses nothing.
const CANDIDATES_MAX: usize = 8192;
