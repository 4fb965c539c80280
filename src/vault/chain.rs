//! The access versions there are: which of them follow from the genesis, how they branch, and which branches count
//! (docs/format.md, sections 4.5 and 4.7). Start at [`verify_chain`] and [`Versions`].
//!
//! Decides on bytes that were opened already; opens, fetches and remembers nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::access::public_of;
use super::error::VaultError;
use crate::crypto::{self, Label, MemberPublic};
use crate::format::access::{Body, Member, MemberKind, Role, SignedBody};
use crate::format::genesis::Genesis;
use crate::id::{AccessId, MemberId, ObjectId, VaultId};

/// A version whose signatures lead back to the genesis.
#[derive(Clone)]
pub(super) struct Version {
    pub(super) id: AccessId,
    pub(super) body: Body,
    pub(super) signed: SignedBody,
}

/// Verifies every version of a chain from the first on. The last is the one that the chain came with.
pub(super) fn verify_chain(
    vault: &VaultId,
    genesis: &Genesis,
    chain: &[SignedBody],
) -> Result<Vec<Version>, VaultError> {
    let root = MemberPublic { kem: genesis.root_kem.clone(), sign: genesis.root_sign };
    let mut known = Versions::default();
    let mut order = Vec::new();
    for signed in chain {
        let body = Body::decode(&signed.body)?;
        let untrusted = |why: &str| VaultError::Untrusted(format!("access version {}: {why}", body.n));
        let id = crypto::access_id(vault, &signed.body);
        known.follows(&body).map_err(untrusted)?;
        known.may_sign(&body, &root.id()).map_err(untrusted)?;
        let key = known.signing_key(&body, &root).ok_or_else(|| untrusted("its signer may not change access"))?;
        if !crypto::verify(&key, Label::Access, vault, &signed.body, &signed.signature) {
            return Err(untrusted("its signature is wrong"));
        }
        check_members(&body, &root).map_err(untrusted)?;
        order.push(id);
        known.add(Version { id, body, signed: signed.clone() });
    }
    let Some(last) = order.last() else {
        return Err(VaultError::damaged("access version", "its chain is empty"));
    };
    if known.line(last).len() != order.len() {
        return Err(VaultError::Untrusted("an access version comes with versions that it does not follow".into()));
    }
    let take = |id: &AccessId| known.versions.remove(id);
    Ok(order.iter().filter_map(take).collect())
}

/// Every member once, with keys that may be used, and the root among them: nobody can shut it out.
fn check_members(body: &Body, root: &MemberPublic) -> Result<(), &'static str> {
    let mut ids = HashSet::new();
    for member in &body.members {
        let public = public_of(member);
        public.check().map_err(|_| "it admits a member with a weak key")?;
        if !ids.insert(public.id()) {
            return Err("it lists a member twice");
        }
        if (member.kind == MemberKind::Recovery) != (public == *root) {
            return Err("its recovery member is not the vault's");
        }
    }
    let kept = body.members.iter().any(|m| m.kind == MemberKind::Recovery && m.role == Role::Admin);
    if kept { Ok(()) } else { Err("it shuts out the recovery words") }
}

/// Versions by id, with all that each of them follows.
#[derive(Default)]
pub(super) struct Versions {
    versions: BTreeMap<AccessId, Version>,
    /// Objects that some version names as its parent's.
    named: HashSet<ObjectId>,
}

impl Versions {
    /// Takes in a version whose parents are here.
    pub(super) fn add(&mut self, version: Version) {
        self.named.extend(version.body.parents.iter().map(|parent| parent.object));
        self.versions.insert(version.id, version);
    }

    /// Whether an object holds nothing but what is here already.
    pub(super) fn explains(&self, object: &ObjectId) -> bool {
        self.named.contains(object)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// The highest number.
    pub(super) fn newest(&self) -> u32 {
        self.versions.values().map(|version| version.body.n).max().unwrap_or_default()
    }

    pub(super) fn get(&self, id: &AccessId) -> Option<&Version> {
        self.versions.get(id)
    }

    /// A version and everything it follows.
    pub(super) fn line(&self, tip: &AccessId) -> HashSet<AccessId> {
        let mut found = HashSet::new();
        let mut open = vec![*tip];
        while let Some(id) = open.pop() {
            if let Some(version) = self.versions.get(&id)
                && found.insert(id)
            {
                open.extend(version.body.parents.iter().map(|parent| parent.id));
            }
        }
        found
    }

    /// Parents before children, by number.
    pub(super) fn ordered(&self, ids: &HashSet<AccessId>) -> Vec<&Version> {
        let mut all: Vec<&Version> = ids.iter().filter_map(|id| self.versions.get(id)).collect();
        all.sort_unstable_by_key(|version| (version.body.n, version.id));
        all
    }

    /// The ends of the branches that count. `recorded` are ends that this installation has seen count before: it never
    /// leaves the branch of one.
    pub(super) fn tips(&self, recorded: &[AccessId]) -> Vec<AccessId> {
        let parents: HashSet<AccessId> =
            self.versions.values().flat_map(|version| version.body.parents.iter().map(|parent| parent.id)).collect();
        let ends: Vec<AccessId> = self.versions.keys().filter(|id| !parents.contains(*id)).copied().collect();
        let lines: HashMap<AccessId, HashSet<AccessId>> = ends.iter().map(|id| (*id, self.line(id))).collect();
        let foreign = |end: &AccessId| {
            ends.iter().filter(|other| *other != end).any(|other| {
                let (ours, theirs) = (&lines[end], &lines[other]);
                let is_recorded = recorded.iter().any(|id| ours.contains(id) && !theirs.contains(id));
                !is_recorded && self.is_cut_off(ours, theirs) && !self.is_cut_off(theirs, ours)
            })
        };
        let counting: Vec<AccessId> = ends.iter().filter(|end| !foreign(end)).copied().collect();
        // In a ring of branches each is cut off by the next: then nobody has the last word but the root.
        if counting.is_empty() { ends } else { counting }
    }

    /// Whether the first versions of a branch are all signed by members whom the other branch takes the right to from.
    fn is_cut_off(&self, ours: &HashSet<AccessId>, theirs: &HashSet<AccessId>) -> bool {
        let other: Vec<&Version> = self.ordered(theirs).into_iter().filter(|v| !ours.contains(&v.id)).collect();
        let mut first = self.ordered(ours).into_iter().filter(|version| {
            !theirs.contains(&version.id) && version.body.parents.iter().all(|parent| theirs.contains(&parent.id))
        });
        let cut = |version: &Version| other.iter().any(|after| !is_admin(&after.body, &version.body.signer));
        first.next().is_some_and(cut) && first.all(cut)
    }

    /// Whether a body has the numbers that follow from its parents.
    fn follows(&self, body: &Body) -> Result<(), &'static str> {
        if body.parents.is_empty() {
            let first = self.is_empty() && body.n == 1 && body.epoch == 1;
            return if first { Ok(()) } else { Err("it follows nothing") };
        }
        let mut parents = Vec::new();
        for parent in &body.parents {
            parents.push(&self.get(&parent.id).ok_or("what it follows is not there")?.body);
        }
        let n = parents.iter().map(|parent| parent.n).max().unwrap_or_default();
        let epoch = parents.iter().map(|parent| parent.epoch).max().unwrap_or_default();
        let in_order = match parents.len() {
            1 => body.epoch == epoch || body.epoch == epoch + 1,
            _ => body.epoch == epoch + 1,
        };
        if body.n == n + 1 && in_order { Ok(()) } else { Err("it does not follow from the ones before") }
    }

    /// Whether the signer has the right to: an admin of every parent, or the root, and the root alone where branches have
    /// cut each other off.
    fn may_sign(&self, body: &Body, root: &MemberId) -> Result<(), &'static str> {
        if body.signer == *root {
            return Ok(());
        }
        if body.parents.is_empty() {
            return Err("only the recovery words sign the first one");
        }
        let lines: Vec<HashSet<AccessId>> = body.parents.iter().map(|parent| self.line(&parent.id)).collect();
        for (at, ours) in lines.iter().enumerate() {
            if !self.get(&body.parents[at].id).is_some_and(|parent| is_admin(&parent.body, &body.signer)) {
                return Err("its signer may not change access");
            }
            let mutual = |theirs| self.is_cut_off(ours, theirs) && self.is_cut_off(theirs, ours);
            if lines[at + 1..].iter().any(mutual) {
                return Err("only the recovery words may merge branches that have cut each other off");
            }
        }
        Ok(())
    }

    fn signing_key(&self, body: &Body, root: &MemberPublic) -> Option<[u8; 32]> {
        if body.signer == root.id() {
            return Some(root.sign);
        }
        let parent = self.get(&body.parents.first()?.id)?;
        parent.body.members.iter().map(public_of).find(|public| public.id() == body.signer).map(|public| public.sign)
    }
}

/// Whether a member is an admin in a version.
pub(super) fn is_admin(body: &Body, id: &MemberId) -> bool {
    body.members.iter().any(|member| member.role == Role::Admin && public_of(member).id() == *id)
}

/// What is common to several bodies: the members of all of them, each with the least of its roles.
pub(super) fn common_members(bodies: &[&Body]) -> Vec<Member> {
    let Some((first, others)) = bodies.split_first() else { return Vec::new() };
    let role_in = |body: &Body, member: &Member| {
        let same = |other: &&Member| other.kem_pk == member.kem_pk && other.sign_pk == member.sign_pk;
        body.members.iter().find(same).map(|other| other.role)
    };
    let lowest = |member: &Member| {
        let role = others.iter().try_fold(member.role, |role, body| Some(role.min(role_in(body, member)?)))?;
        Some(Member { role, ..member.clone() })
    };
    first.members.iter().filter_map(lowest).collect()
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
