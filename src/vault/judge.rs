//! Which records count (docs/format.md, section 10.1): a judgement over all records that verified one by one.
//!
//! A pure function of the records and of the access versions, so that all machines that see the same come to the same
//! end. Reads nothing, remembers nothing, and never takes a record that does not count for an error: that is the
//! caller's, who knows what has to be there.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use super::log::{Commit, parents};
use crate::format::access::{Body, Role};
use crate::format::record::{Attribute, Record};
use crate::format::statement::Retirement;
use crate::id::{AccessId, CommitId, WriterId};

/// A record whose signature is a member's.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// What it says.
    pub(super) commit: Commit,
    /// What is wrong with it by itself.
    pub(super) fault: Option<Why>,
}

/// Why a record of a member does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// By the access version it names, its writer may only read.
    Role,
    /// It names an access version that is not on the chain.
    NoVersion,
    /// Its Lamport time is not one more than the highest of its parents.
    Time,
    /// A parent names a higher access version.
    OlderAccess,
    /// Its `prev` is not the same writer's record before.
    Chain,
    /// Its body or an attribute of it is malformed.
    Malformed,
    /// A later access version takes the right to write from its key, and did not know it.
    Removed {
        /// The number of that version.
        version: u32,
    },
    /// Its writer has ended before it.
    Retired {
        /// The commit that says so.
        by: CommitId,
    },
    /// It follows a commit that does not count.
    Follows {
        /// That commit.
        parent: CommitId,
        /// Whether an admin may adopt both.
        adoptable: bool,
    },
    /// It follows a commit that was given up on this machine.
    GivenUp {
        /// That commit.
        parent: CommitId,
    },
}

impl Why {
    /// Whether an admin may let it count.
    pub fn adoptable(&self) -> bool {
        matches!(self, Self::Removed { .. } | Self::Retired { .. } | Self::Follows { adoptable: true, .. })
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role => f.write_str("its writer was not allowed to write"),
            Self::NoVersion => f.write_str("it names an access version that is not on the vault's chain"),
            Self::Time => f.write_str("its place in time does not follow from its parents"),
            Self::OlderAccess => f.write_str("it names an older access version than a commit it follows"),
            Self::Chain => f.write_str("it does not follow its writer's previous commit"),
            Self::Malformed => f.write_str("its body or an attribute of it is malformed"),
            Self::Removed { version } => {
                write!(f, "its key was removed by access version {version}, which does not know it")
            }
            Self::Retired { by } => write!(f, "its writer was retired by commit {}", by.short()),
            Self::Follows { parent, .. } => write!(f, "it follows commit {}, which does not count", parent.short()),
            Self::GivenUp { parent } => write!(f, "it follows commit {}, which was given up here", parent.short()),
        }
    }
}

/// A writer that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The last of its commits that count, ascending.
    pub kept: BTreeSet<CommitId>,
    /// The commit that ended it; the lowest if there are several.
    pub by: CommitId,
}

/// What a judgement has come to.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    /// Records that do not count, and why.
    pub(super) quarantined: HashMap<CommitId, Why>,
    /// Writers that have ended.
    pub(super) retired: BTreeMap<WriterId, Ended>,
    /// Records that would count if a parent of theirs were there: both.
    pub(super) incomplete: Vec<(CommitId, CommitId)>,
    /// Those, and all that would count and follow them.
    pub(super) cut: HashSet<CommitId>,
    /// Two records that claim one place of one writer that has not ended.
    pub(super) twins: Vec<(CommitId, CommitId)>,
}

/// All that a judgement depends on.
pub(super) struct Court<'a> {
    /// Every record of a member.
    pub(super) records: &'a HashMap<CommitId, Candidate>,
    /// The access versions, parents first.
    pub(super) versions: &'a [(AccessId, Body)],
    /// Commits that may be missing, because a person has said so.
    pub(super) given_up: &'a HashSet<CommitId>,
}

impl Court<'_> {
    /// Judges.
    pub(super) fn judge(&self) -> Judgement {
        let mut order: Vec<CommitId> = self.records.keys().copied().collect();
        order.sort_unstable_by_key(|id| (self.records[id].commit.record.lamport, *id));
        let mut faults = HashMap::new();
        let mut missing = Vec::new();
        for id in &order {
            match self.structure(id) {
                Ok(()) => {}
                Err(Fault::Missing(parent)) => missing.push((*id, parent)),
                Err(Fault::Why(why)) => drop(faults.insert(*id, why)),
            }
        }
        let removed = self.removed(&order);
        // Adopting only ever adds, so this ends. Who is adopted may adopt.
        let mut adopted = HashSet::new();
        let counting = loop {
            let base = self.spread(&order, &faults, &adopted, |id| removed.get(id).cloned());
            let now = self.ancestry(self.statements(&order, &base, Attribute::ADOPTED).flat_map(|(_, attribute)| {
                attribute.as_adopted().unwrap_or_default() // a malformed one is a fault already
            }));
            if now.len() == adopted.len() {
                break base;
            }
            adopted = now;
        };
        // What ends writers is read from all who may state it, ended themselves or not: who ends whom first is nobody's
        // to decide.
        let retired = self.retirements(&order, &counting);
        let kept: HashMap<WriterId, HashSet<CommitId>> =
            retired.iter().map(|(writer, end)| (*writer, self.ancestry(end.kept.iter().copied()))).collect();
        let quarantined = self.spread(&order, &faults, &adopted, |id| {
            let writer = self.records[id].commit.writer;
            let ended = retired.get(&writer).filter(|_| !kept[&writer].contains(id));
            removed.get(id).cloned().or_else(|| ended.map(|end| Why::Retired { by: end.by }))
        });
        missing.retain(|(id, _)| !quarantined.contains_key(id));
        let mut cut: HashSet<CommitId> = missing.iter().map(|(id, _)| *id).collect();
        for id in order.iter().filter(|id| !quarantined.contains_key(id)) {
            if parents(&self.records[id].commit.record).any(|parent| cut.contains(&parent)) {
                cut.insert(*id);
            }
        }
        let twins = self.twins(&order, &quarantined, &retired);
        Judgement { quarantined, retired, incomplete: missing, cut, twins }
    }

    /// What is wrong with a record and its place among the others.
    fn structure(&self, id: &CommitId) -> Result<(), Fault> {
        let candidate = &self.records[id];
        let record = &candidate.commit.record;
        if let Some(why) = &candidate.fault {
            return Err(Fault::Why(why.clone()));
        }
        let (mut lamport, mut missing) = (0, None);
        for parent in parents(record) {
            let Some(before) = self.record(&parent) else {
                missing = Some(parent);
                continue;
            };
            lamport = lamport.max(before.lamport);
            if before.access_n > record.access_n {
                return Err(Fault::Why(Why::OlderAccess));
            }
        }
        if record.lamport <= lamport || missing.is_none() && record.lamport != lamport + 1 {
            return Err(Fault::Why(Why::Time));
        }
        if let Some(parent) = missing {
            let given_up = self.given_up.contains(&parent);
            return Err(if given_up { Fault::Why(Why::GivenUp { parent }) } else { Fault::Missing(parent) });
        }
        let Some(prev) = record.prev else { return Ok(()) };
        let prev = &self.records[&prev].commit;
        let follows = prev.writer == candidate.commit.writer && prev.record.seq + 1 == record.seq;
        if follows { Ok(()) } else { Err(Fault::Why(Why::Chain)) }
    }

    /// Who does not count, parents first: with a fault, by `rule` unless adopted, or because a parent does not.
    fn spread(
        &self,
        order: &[CommitId],
        faults: &HashMap<CommitId, Why>,
        adopted: &HashSet<CommitId>,
        rule: impl Fn(&CommitId) -> Option<Why>,
    ) -> HashMap<CommitId, Why> {
        let mut out: HashMap<CommitId, Why> = HashMap::new();
        for id in order {
            let own = faults.get(id).cloned().or_else(|| if adopted.contains(id) { None } else { rule(id) });
            let why = own.or_else(|| {
                parents(&self.records[id].commit.record).find_map(|parent| {
                    let adoptable = out.get(&parent)?.adoptable();
                    Some(Why::Follows { parent, adoptable })
                })
            });
            if let Some(why) = why {
                out.insert(*id, why);
            }
        }
        out
    }

    /// Records whose key some later access version no longer lets write, and that this version did not know.
    fn removed(&self, order: &[CommitId]) -> HashMap<CommitId, Why> {
        let mut out = HashMap::new();
        let mut frontiers: HashMap<u32, HashSet<CommitId>> = HashMap::new();
        for id in order {
            let record = &self.records[id].commit.record;
            let later = self.versions.iter().map(|(_, body)| body).filter(|body| body.n > record.access_n);
            for body in later.filter(|body| role_in(body, &record.writer_sign) < Some(Role::Writer)) {
                // Two versions of one number are a fork: what either of them knew was there.
                let known = frontiers.entry(body.n).or_insert_with(|| {
                    let of_number = self.versions.iter().filter(|(_, other)| other.n == body.n);
                    self.ancestry(of_number.flat_map(|(_, body)| body.frontier.iter().copied()))
                });
                if !known.contains(id) {
                    out.insert(*id, Why::Removed { version: body.n });
                    break;
                }
            }
        }
        out
    }

    /// The attributes of this kind that admins have signed in records that are not in `quarantined`.
    fn statements<'s>(
        &'s self,
        order: &'s [CommitId],
        quarantined: &'s HashMap<CommitId, Why>,
        tag: u64,
    ) -> impl Iterator<Item = (CommitId, &'s Attribute)> {
        let counting = order.iter().filter(|id| !quarantined.contains_key(id));
        counting.filter_map(move |id| {
            let record = &self.records[id].commit.record;
            let attribute = record.attribute(tag)?;
            let body = self.versions.iter().find(|(id, body)| body.n == record.access_n && *id == record.access);
            (role_in(&body?.1, &record.writer_sign) == Some(Role::Admin)).then_some((*id, attribute))
        })
    }

    fn retirements(&self, order: &[CommitId], quarantined: &HashMap<CommitId, Why>) -> BTreeMap<WriterId, Ended> {
        let mut out: BTreeMap<WriterId, Ended> = BTreeMap::new();
        for (by, attribute) in self.statements(order, quarantined, Attribute::RETIRED) {
            for Retirement { writer, kept } in attribute.as_retired().unwrap_or_default() {
                // Nobody ends the log that this very statement stands in.
                if writer != self.records[&by].commit.writer {
                    out.entry(writer).or_insert(Ended { kept: BTreeSet::new(), by }).kept.extend(kept);
                }
            }
        }
        out
    }

    fn twins(
        &self,
        order: &[CommitId],
        quarantined: &HashMap<CommitId, Why>,
        retired: &BTreeMap<WriterId, Ended>,
    ) -> Vec<(CommitId, CommitId)> {
        let mut places: HashMap<(WriterId, u64), CommitId> = HashMap::new();
        let mut twins = Vec::new();
        for id in order.iter().filter(|id| !quarantined.contains_key(id)) {
            let commit = &self.records[id].commit;
            let first = *places.entry((commit.writer, commit.record.seq)).or_insert(*id);
            if first != *id && !retired.contains_key(&commit.writer) {
                twins.push((first, *id));
            }
        }
        twins
    }

    /// These commits and all that they follow, as far as they are at hand.
    pub(super) fn ancestry(&self, ids: impl IntoIterator<Item = CommitId>) -> HashSet<CommitId> {
        let mut seen = HashSet::new();
        let mut open: Vec<CommitId> = ids.into_iter().collect();
        while let Some(id) = open.pop() {
            if let Some(record) = self.record(&id)
                && seen.insert(id)
            {
                open.extend(parents(record));
            }
        }
        seen
    }

    fn record(&self, id: &CommitId) -> Option<&Record> {
        self.records.get(id).map(|candidate| &candidate.commit.record)
    }
}

enum Fault {
    Missing(CommitId),
    Why(Why),
}

/// What a key may do by an access version; `None` if it is no member's.
pub(super) fn role_in(body: &Body, sign: &[u8; 32]) -> Option<Role> {
    body.members.iter().find(|member| member.sign_pk == *sign).map(|member| member.role)
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
