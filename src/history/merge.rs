//! Merging two trees that come from one: docs/format.md, section 9.6. Start at [`merge`].
//!
//! The changes of both sides since the base stream in the order of keys, and what they come to streams as edits over the
//! tree of the side with the higher rank; what neither has touched is never read. What belongs to keys other than the one
//! being looked at (conflict copies, directories that must stay) is found by going through the changes once before, for
//! as many keys at a time as [`Fixes`] may hold. The result does not depend on which side is called `a`.

use std::iter::Peekable;

use super::conflict_name::conflict_names;
use super::cursor::{Cursor, Found, get};
use super::diff::{Change, Diff};
use super::editor::{Edit, apply_edits};
use super::fixes::{self, Fixes};
use super::moves::Moves;
use super::settle::{Settled, Three, Which, is_dir, outlives_deletion, same_content};
use super::source::{NodeSink, NodeSource, Root, TreeError};
use crate::format::entry::{Conflict, Entry};
use crate::format::key::TreeKey;
use crate::format::wire::Malformed;
use crate::id::{CommitId, WriterId};
use crate::path::TreePath;
use crate::world::Timestamp;

/// One of the trees to be merged, and whose it is.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The tree.
    pub root: &'a Root,
    /// Lamport time and writer of its commit: of two versions of a file the one of the higher rank keeps the name.
    pub rank: (u64, WriterId),
    /// When the commit was made.
    pub time: Timestamp,
    /// The writer's name for people.
    pub label: &'a str,
    /// The commit.
    pub commit: CommitId,
}

/// Merges two trees. `base` is what both come from; without one everything on either side is new.
///
/// # Errors
/// The store's, or [`TreeError`] if one of the trees is not well-formed.
pub fn merge<S: NodeSink + ?Sized>(
    store: &S,
    base: Option<&Root>,
    a: &Side<'_>,
    b: &Side<'_>,
) -> Result<Root, S::Error> {
    merge_with_room(store, base, a, b, fixes::BYTES_MAX)
}

/// The same with so many bytes for [`Fixes`], on which the result does not depend.
pub(super) fn merge_with_room<S: NodeSink + ?Sized>(
    store: &S,
    base: Option<&Root>,
    a: &Side<'_>,
    b: &Side<'_>,
    room: usize,
) -> Result<Root, S::Error> {
    if a.root.id == b.root.id || base.is_some_and(|base| base.id == b.root.id) {
        return Ok(*a.root);
    }
    if base.is_some_and(|base| base.id == a.root.id) {
        return Ok(*b.root);
    }
    // Ranks are equal only where nobody has one; then anything that both sides agree on will do.
    let order = |side: &Side<'_>| (side.rank, side.commit, *side.root.id.as_bytes());
    let (hi, lo) = if order(a) > order(b) { (a, b) } else { (b, a) };
    let trees = Trees { store, base, hi, lo };
    let moves = Moves::find(&trees)?;
    let edits = Edits { trees: &trees, moves: &moves, joint: trees.joint()?.peekable(), fixes: Fixes::with_room(room) };
    apply_edits(store, Some(hi.root), edits.start()?)
}

/// What is merged.
pub(super) struct Trees<'m, S: ?Sized> {
    store: &'m S,
    base: Option<&'m Root>,
    hi: &'m Side<'m>,
    lo: &'m Side<'m>,
}

impl<'m, S: NodeSink + ?Sized> Trees<'m, S> {
    /// Everything that either side has changed, in the order of keys.
    pub(super) fn joint(&self) -> Result<Joint<'m, S>, S::Error> {
        let changes = |side: &Side<'_>| -> Result<_, S::Error> {
            let old = match self.base {
                Some(base) => Cursor::open(self.store, base)?,
                None => Cursor::empty(self.store),
            };
            Ok(Diff::new(old, Cursor::open(self.store, side.root)?).peekable())
        };
        Ok(Joint { hi: changes(self.hi)?, lo: changes(self.lo)? })
    }

    fn side(&self, which: Which) -> &'m Side<'m> {
        match which {
            Which::Hi => self.hi,
            Which::Lo => self.lo,
        }
    }

    fn entry(&self, root: Option<&Root>, key: &TreeKey) -> Result<Option<Entry>, S::Error> {
        let Some(root) = root else { return Ok(None) };
        Ok(get(self.store, root, key)?.map(|found| found.entry))
    }

    fn look_up(&self, key: &TreeKey) -> Result<Meeting, S::Error> {
        Ok(Meeting {
            key: key.clone(),
            base: self.entry(self.base, key)?,
            hi: self.entry(Some(self.hi.root), key)?,
            lo: self.entry(Some(self.lo.root), key)?,
        })
    }
}

/// A path that at least one side has changed, with what each has there.
#[derive(Debug)]
pub(super) struct Meeting {
    pub(super) key: TreeKey,
    pub(super) base: Option<Entry>,
    pub(super) hi: Option<Entry>,
    pub(super) lo: Option<Entry>,
}

impl Meeting {
    pub(super) fn three(&self) -> Three<'_> {
        Three { base: self.base.as_ref(), hi: self.hi.as_ref(), lo: self.lo.as_ref() }
    }
}

/// The changes of both sides, put together by key.
pub(super) struct Joint<'s, S: NodeSource + ?Sized> {
    hi: Peekable<Diff<'s, S>>,
    lo: Peekable<Diff<'s, S>>,
}

impl<S: NodeSource + ?Sized> Iterator for Joint<'_, S> {
    type Item = Result<Meeting, S::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let (hi, lo) = match (self.hi.peek(), self.lo.peek()) {
            (None, None) => return None,
            (Some(Err(_)), _) => (true, false),
            (_, Some(Err(_))) => (false, true),
            (Some(Ok(hi)), Some(Ok(lo))) => (hi.key <= lo.key, lo.key <= hi.key),
            (hi, lo) => (hi.is_some(), lo.is_some()),
        };
        let hi = hi.then(|| self.hi.next()).flatten().transpose();
        let lo = lo.then(|| self.lo.next()).flatten().transpose();
        match (hi, lo) {
            (Err(error), _) | (_, Err(error)) => Some(Err(error)),
            (Ok(hi), Ok(lo)) => meeting(hi, lo).map(Ok),
        }
    }
}

fn meeting(hi: Option<Change>, lo: Option<Change>) -> Option<Meeting> {
    let entry = |found: Option<Found>| found.map(|found| found.entry);
    Some(match (hi, lo) {
        (None, None) => return None,
        (Some(hi), Some(lo)) => Meeting { key: hi.key, base: entry(hi.old), hi: entry(hi.new), lo: entry(lo.new) },
        (Some(hi), None) => {
            let base = entry(hi.old);
            Meeting { key: hi.key, lo: base.clone(), hi: entry(hi.new), base }
        }
        (None, Some(lo)) => {
            let base = entry(lo.old);
            Meeting { key: lo.key, hi: base.clone(), lo: entry(lo.new), base }
        }
    })
}

/// The merge as edits of the tree of the higher rank.
struct Edits<'t, 'm, S: NodeSource + ?Sized> {
    trees: &'t Trees<'m, S>,
    moves: &'t Moves,
    joint: Peekable<Joint<'m, S>>,
    fixes: Fixes,
}

impl<S: NodeSink + ?Sized> Edits<'_, '_, S> {
    fn start(mut self) -> Result<Self, S::Error> {
        self.find_fixes()?;
        Ok(self)
    }

    fn step(&mut self) -> Result<Option<Edit>, S::Error> {
        loop {
            let next = match self.joint.peek() {
                Some(Err(_)) => return self.joint.next().transpose().map(|_| None),
                Some(Ok(meeting)) => Some(&meeting.key),
                None => None,
            };
            let fixed = self.fixes.first();
            let Some(key) = next.into_iter().chain(fixed).min() else {
                if self.fixes.is_last() {
                    return Ok(None);
                }
                self.find_fixes()?;
                continue;
            };
            if self.fixes.end_before(key) {
                self.find_fixes()?;
                continue;
            }
            let key = key.clone();
            let meeting = match self.joint.next_if(|next| next.as_ref().is_ok_and(|next| next.key == key)) {
                Some(meeting) => Some(meeting?),
                None => None,
            };
            if let Some(edit) = self.edit(key, meeting) {
                return Ok(Some(edit));
            }
        }
    }

    fn edit(&mut self, key: TreeKey, meeting: Option<Meeting>) -> Option<Edit> {
        let fix = self.fixes.take(&key).unwrap_or_default();
        let Some(meeting) = meeting else {
            // Nobody has changed anything here, so what the higher rank has is what both have.
            return fix.copy.filter(|_| !fix.is_there).map(|copy| Edit::Put(key, copy));
        };
        let settled = self.moves.settle(&meeting, fix.needed).entry.or(fix.copy);
        if settled == meeting.hi {
            return None;
        }
        Some(match settled {
            Some(entry) => Edit::Put(key, entry),
            None => Edit::Delete(key),
        })
    }

    /// Goes through all changes, and keeps what they mean for the next keys.
    fn find_fixes(&mut self) -> Result<(), S::Error> {
        self.fixes.next_window();
        // Whether a side has removed a directory that it had in the base; they come before all that was below them.
        let (mut hi_removed, mut lo_removed) = (false, false);
        let mut climbed = None;
        for meeting in self.trees.joint()? {
            let meeting = meeting?;
            let settled = self.moves.settle(&meeting, false);
            let three = meeting.three();
            let is = |entry: Option<&Entry>| entry.is_some_and(is_dir);
            hi_removed |= is(three.base) && !is(three.hi);
            lo_removed |= is(three.base) && !is(three.lo);
            if let Settled { loser: Some((loser, side)), .. } = &settled {
                self.copy(&meeting.key, loser, *side)?;
            }
            let only = match (&meeting.hi, &meeting.lo) {
                (Some(_), None) if lo_removed => Which::Hi,
                (None, Some(_)) if hi_removed => Which::Lo,
                _ => continue,
            };
            if settled.entry.is_some() {
                self.need_parents(&meeting.key, only, &mut climbed)?;
            }
        }
        Ok(())
    }

    /// What stays at `key` stays because of one side: the directories above it have to stay as well, also where the other
    /// side has none.
    fn need_parents(
        &mut self,
        key: &TreeKey,
        only: Which,
        climbed: &mut Option<(TreePath, Which)>,
    ) -> Result<(), S::Error> {
        let mut dir = path_of(key)?.parent().unwrap_or_default();
        if climbed.as_ref().is_some_and(|(last, which)| *last == dir && *which == only) {
            return Ok(());
        }
        *climbed = Some((dir.clone(), only));
        while let Some(key) = TreeKey::from_path(&dir) {
            let meeting = self.trees.look_up(&key)?;
            let three = meeting.three();
            let is = |which| three.of(which).is_some_and(is_dir);
            if is(only.other()) || !is(only) {
                break;
            }
            let Settled { loser, .. } = self.moves.settle(&meeting, true);
            self.fixes.need(key.clone());
            if let Some((loser, side)) = loser {
                self.copy(&key, &loser, side)?;
            }
            dir = dir.parent().unwrap_or_default();
        }
        Ok(())
    }

    /// Finds a name for a version that has lost its own.
    fn copy(&mut self, key: &TreeKey, loser: &Entry, which: Which) -> Result<(), S::Error> {
        let path = path_of(key)?;
        let Some(name) = path.name() else { return Ok(()) };
        let side = self.trees.side(which);
        for candidate in conflict_names(name, loser, side) {
            let Some(to) = beside(&path, &candidate) else { continue };
            let (hi, lo) =
                (self.trees.entry(Some(self.trees.hi.root), &to)?, self.trees.entry(Some(self.trees.lo.root), &to)?);
            let free = |there: &Option<Entry>| there.as_ref().is_none_or(|there| same_content(there, loser));
            if free(&hi) && free(&lo) && !self.moves.leads_to(&to) {
                let mut copy = loser.clone();
                copy.set_conflict(Some(Conflict { name, commit: side.commit }));
                if copy.check().is_err() {
                    // No room among its attributes: the name has to say it.
                    copy.set_conflict(None);
                }
                self.fixes.copy(to, copy, hi.is_some());
                return Ok(());
            }
        }
        Err(TreeError::TooLarge.into())
    }
}

impl<S: NodeSink + ?Sized> Iterator for Edits<'_, '_, S> {
    type Item = Result<Edit, S::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// The path for a copy: in the same directory, or in the nearest above it in which the path is not too long.
fn beside(path: &TreePath, name: &[u8]) -> Option<TreeKey> {
    let mut dir = path.parent().unwrap_or_default();
    loop {
        if let Ok(path) = dir.join(name) {
            return TreeKey::from_path(&path);
        }
        dir = dir.parent()?;
    }
}

fn path_of(key: &TreeKey) -> Result<TreePath, TreeError> {
    key.to_path().map_err(|_| TreeError::Malformed(Malformed { what: "path in a tree" }))
}

/// Whether one side has edited a file that the other has deleted: whoever deleted it may have moved it.
pub(super) fn edited_and_deleted(meeting: &Meeting) -> Option<(Which, &Entry, &Entry)> {
    let (deleter, edited) = match (&meeting.hi, &meeting.lo) {
        (Some(edited), None) => (Which::Lo, edited),
        (None, Some(edited)) => (Which::Hi, edited),
        _ => return None,
    };
    let base = meeting.base.as_ref().filter(|base| base.size > 0)?;
    let stays = outlives_deletion(Some(base), edited) && !is_dir(edited);
    (stays && base.kind == edited.kind).then_some((deleter, base, edited))
}
