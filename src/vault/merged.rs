//! One tree of several heads (docs/format.md, section 10.4): every machine that sees these heads comes to the same one.
//!
//! Nothing is written for it: what is new lies in the [`Overlay`](super::overlay::Overlay), until a commit records the merge
//! and stores it. Start at [`Vault::root`].

use std::collections::{BTreeMap, HashMap, HashSet};

use super::error::VaultError;
use super::log::{Commit, parents};
use super::open::Vault;
use super::overlay::Unrecorded;
use crate::format::hints::Holder;
use crate::history::merge::{Side, merge};
use crate::history::source::{ResolvedPlace, Root};
use crate::id::{CommitId, WriterId};

impl Commit {
    /// Its tree.
    pub fn root(&self) -> Root {
        let stored = self.record.root;
        let place = stored.place.map(|place| {
            let object = match place.holder {
                Holder::SameObject => self.object,
                Holder::Object(object) => object,
            };
            ResolvedPlace { object, location: place.location }
        });
        Root { id: stored.id, place, totals: stored.totals }
    }

    /// What decides which of two versions keeps its name.
    pub fn rank(&self) -> (u64, WriterId) {
        (self.record.lamport, self.writer)
    }
}

/// The trees of sets of heads that were merged before, by their ascending ids.
pub(super) type Known = HashMap<Vec<CommitId>, Option<Root>>;

impl Vault {
    /// The root of the tree as the last look at the log shows it: that of the head, or what all heads come to. None in a vault
    /// without commits.
    ///
    /// # Errors
    /// A tree can't be read, or there are more heads than `HEADS_MAX`.
    pub fn root(&self) -> Result<Option<Root>, VaultError> {
        self.merged_tree(self.view().heads())
    }

    /// The same of other heads than the newest, ascending.
    pub(super) fn merged_tree(&self, heads: &[CommitId]) -> Result<Option<Root>, VaultError> {
        if heads.len() > HEADS_MAX {
            return Err(VaultError::Limit(format!(
                "{} commits are heads at the same time; at most {HEADS_MAX} can be merged",
                heads.len()
            )));
        }
        let mut known = self.merged.lock().expect("held over requests, which return errors");
        self.merged_root(heads, &mut known, 0)
    }

    /// What these commits come to: from the highest rank down, each is merged into what those before it have come to. So
    /// whatever loses its name is of the commit that is being merged, and its copy can say so.
    fn merged_root(&self, heads: &[CommitId], known: &mut Known, depth: usize) -> Result<Option<Root>, VaultError> {
        if let Some(root) = known.get(heads) {
            return Ok(*root);
        }
        let mut commits = heads.iter().map(|id| self.record_of(id)).collect::<Result<Vec<Commit>, _>>()?;
        commits.sort_unstable_by_key(|commit| std::cmp::Reverse((commit.rank(), commit.id)));
        let Some((first, rest)) = commits.split_first() else { return Ok(None) };
        let mut root = first.root();
        let mut done = vec![first.id];
        for commit in rest {
            let theirs = commit.root();
            if root.id != theirs.id {
                let base = self.base_of(&done, commit, known, depth)?;
                let highest = side(&root, first);
                root = merge(&Unrecorded(self), base.as_ref(), &highest, &side(&theirs, commit))?;
            }
            done.push(commit.id);
        }
        known.insert(heads.to_vec(), Some(root));
        Ok(Some(root))
    }

    /// The tree that `commit` and the tree of all in `done` come from.
    fn base_of(
        &self,
        done: &[CommitId],
        commit: &Commit,
        known: &mut Known,
        depth: usize,
    ) -> Result<Option<Root>, VaultError> {
        let mut bases = common_ancestors(done, commit.id, |id| {
            let commit = self.record_of(id)?;
            Ok(Step { rank: (commit.record.lamport, *id), parents: parents(&commit.record).collect() })
        })?;
        if depth >= DEPTH_MAX {
            // Writers that cross again and again for so long: the newest will do, at the worst with a copy too many.
            bases.drain(..bases.len().saturating_sub(1));
        }
        bases.sort_unstable();
        self.merged_root(&bases, known, depth + 1)
    }
}

fn side<'a>(root: &'a Root, commit: &'a Commit) -> Side<'a> {
    Side { root, rank: commit.rank(), time: commit.record.time, label: &commit.record.writer_label, commit: commit.id }
}

/// What finding ancestors needs of a commit.
struct Step {
    /// Lamport time first: higher than that of every parent.
    rank: (u64, CommitId),
    parents: Vec<CommitId>,
}

/// The common ancestors of `one` and of any in `many` that are no ancestors of another, in order of rank. Looks no further
/// back than it has to.
fn common_ancestors(
    many: &[CommitId],
    one: CommitId,
    mut look: impl FnMut(&CommitId) -> Result<Step, VaultError>,
) -> Result<Vec<CommitId>, VaultError> {
    let mut frontier: BTreeMap<(u64, CommitId), (Seen, Vec<CommitId>)> = BTreeMap::new();
    let mut reach = |frontier: &mut BTreeMap<_, (Seen, Vec<CommitId>)>, id: &CommitId, seen: Seen| {
        let step = look(id)?;
        let entry = frontier.entry(step.rank).or_insert_with(|| (Seen::default(), step.parents));
        entry.0 = entry.0.and(seen);
        Ok::<(), VaultError>(())
    };
    for id in many {
        reach(&mut frontier, id, Seen { many: true, ..Seen::default() })?;
    }
    reach(&mut frontier, &one, Seen { one: true, ..Seen::default() })?;
    let mut found = Vec::new();
    let mut done = HashSet::new();
    // Everything that can reach a commit has a higher rank, so what is taken next is known entirely.
    while frontier.values().any(|(seen, _)| !seen.below) {
        let Some(((_, id), (mut seen, before))) = frontier.pop_last() else { break };
        if seen.many && seen.one && !seen.below {
            found.push(id);
            seen.below = true;
        }
        if done.insert(id) {
            for parent in &before {
                reach(&mut frontier, parent, seen)?;
            }
        }
    }
    found.reverse();
    Ok(found)
}

/// From where a commit was reached.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    many: bool,
    one: bool,
    /// It is an ancestor of a common ancestor.
    below: bool,
}

impl Seen {
    fn and(self, other: Self) -> Self {
        Self { many: self.many || other.many, one: self.one || other.one, below: self.below || other.below }
    }
}

/// Heads at a time.
pub(super) const HEADS_MAX: usize = 256;
/// Merges of merge bases within one another.
const DEPTH_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(n: usize) -> CommitId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        CommitId::new(bytes)
    }

    proptest! {
        /// Random histories: each commit has parents among those before it.
        #[test]
        fn the_ancestors_are_those_of_the_definition(
            graph in proptest::collection::vec(proptest::collection::vec(any::<proptest::sample::Index>(), 0..3), 2..24),
            heads in proptest::collection::vec(any::<proptest::sample::Index>(), 2..5),
        ) {
            let parents: Vec<Vec<usize>> = graph.iter().enumerate().map(|(n, parents)| {
                parents.iter().filter(|_| n > 0).map(|parent| parent.index(n)).collect()
            }).collect();
            let mut lamport: Vec<u64> = Vec::new();
            for parents in &parents {
                lamport.push(1 + parents.iter().map(|parent| lamport[*parent]).max().unwrap_or(0));
            }
            let ancestors = |from: usize| {
                let (mut all, mut todo) = (HashSet::new(), vec![from]);
                while let Some(next) = todo.pop() {
                    if all.insert(next) {
                        todo.extend(&parents[next]);
                    }
                }
                all
            };
            let heads: Vec<usize> = heads.iter().map(|head| head.index(parents.len())).collect();
            let (one, many) = heads.split_first().unwrap();
            let many_reach: HashSet<usize> = many.iter().flat_map(|head| ancestors(*head)).collect();
            let common: HashSet<usize> = ancestors(*one).intersection(&many_reach).copied().collect();
            let maximal = common.iter().filter(|n| !common.iter().any(|m| m != *n && ancestors(*m).contains(n)));
            let mut expected: Vec<CommitId> = maximal.map(|n| id(*n)).collect();
            expected.sort_unstable();
            let many: Vec<CommitId> = many.iter().map(|head| id(*head)).collect();
            let mut found = common_ancestors(&many, id(*one), |wanted| {
                let n = (0..parents.len()).find(|n| id(*n) == *wanted).unwrap();
                Ok(Step { rank: (lamport[n], *wanted), parents: parents[n].iter().map(|p| id(*p)).collect() })
            }).unwrap();
            found.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
