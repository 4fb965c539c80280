//! Branches: which count, and who may merge them.

use super::*;
use crate::crypto::{MemberKeys, Secret32};
use crate::format::access::Parent;
use crate::format::genesis::ChunkerPolicy;
use proptest::prelude::*;

const VAULT: VaultId = VaultId::new([1; 32]);

fn keys(seed: u8) -> MemberKeys {
    MemberKeys::from_seed(&Secret32::new([seed; 32]))
}

/// The root is member 0; the others are admins.
fn member(seed: u8) -> Member {
    let MemberPublic { kem, sign } = keys(seed).public();
    let kind = if seed == 0 { MemberKind::Recovery } else { MemberKind::Device };
    Member { kind, role: Role::Admin, kem_pk: kem, sign_pk: sign, label: String::new(), entry_id: [0; 16] }
}

fn genesis() -> Genesis {
    let MemberPublic { kem, sign } = keys(0).public();
    Genesis { chunker: ChunkerPolicy::Fixed(1 << 20), root_kem: kem, root_sign: sign, nonce: [0; 32] }
}

struct Maker(Vec<SignedBody>);

impl Maker {
    /// Appends a version with these members, after `parents` (indexes), signed by `signer`.
    fn add(&mut self, parents: &[usize], members: &[u8], signer: u8, note: &str) -> usize {
        let bodies: Vec<Body> = self.0.iter().map(|signed| Body::decode(&signed.body).unwrap()).collect();
        let max = |of: fn(&Body) -> u32| parents.iter().map(|at| of(&bodies[*at])).max().unwrap_or(0);
        let mut named: Vec<Parent> = parents
            .iter()
            .map(|at| crypto::access_id(&VAULT, &self.0[*at].body))
            .map(|id| Parent { id, object: ObjectId::new(*id.as_bytes()) })
            .collect();
        named.sort_by_key(|parent| parent.id);
        let body = Body {
            n: max(|body| body.n) + 1,
            epoch: max(|body| body.epoch) + 1,
            public_hash: [0; 32],
            keyring_hash: [0; 32],
            parents: named,
            time: Default::default(),
            features: Vec::new(),
            members: members.iter().map(|seed| member(*seed)).collect(),
            frontier: Vec::new(),
            note: note.into(),
            signer: keys(signer).public().id(),
        };
        let body = body.encode().unwrap();
        let signature = keys(signer).sign(Label::Access, &VAULT, &body);
        self.0.push(SignedBody { body, signature });
        self.0.len() - 1
    }

    fn id(&self, at: usize) -> AccessId {
        crypto::access_id(&VAULT, &self.0[at].body)
    }

    /// The chain of one version.
    fn chain(&self, at: usize) -> Vec<SignedBody> {
        let mut line = vec![at];
        for child in (0..=at).rev() {
            let parents = Body::decode(&self.0[child].body).unwrap().parents;
            if line.contains(&child) {
                line.extend((0..child).filter(|at| parents.iter().any(|parent| parent.id == self.id(*at))));
            }
        }
        (0..=at).filter(|at| line.contains(at)).map(|at| self.0[at].clone()).collect()
    }

    fn verify(&self, at: usize) -> Result<Vec<Version>, VaultError> {
        verify_chain(&VAULT, &genesis(), &self.chain(at))
    }

    fn versions(&self, ends: &[usize]) -> Versions {
        let mut all = Versions::default();
        for end in ends {
            self.verify(*end).unwrap_or_else(|error| panic!("{error}")).into_iter().for_each(|v| all.add(v));
        }
        all
    }

    fn tips(&self, ends: &[usize], recorded: &[usize]) -> Vec<usize> {
        let recorded: Vec<AccessId> = recorded.iter().map(|at| self.id(*at)).collect();
        let tips = self.versions(ends).tips(&recorded);
        (0..self.0.len()).filter(|at| tips.contains(&self.id(*at))).collect()
    }
}

fn begun() -> Maker {
    let mut maker = Maker(Vec::new());
    maker.add(&[], &[0, 1, 2, 3], 0, "init");
    maker
}

#[test]
fn a_line_has_one_end_and_every_signer_has_the_right() {
    let mut maker = begun();
    let second = maker.add(&[0], &[0, 1, 2], 1, "without 3");
    let third = maker.add(&[second], &[0, 1, 2, 4], 2, "with 4");
    assert_eq!(maker.tips(&[third], &[]), [third]);
    assert_eq!(maker.tips(&[third, second], &[second]), [third]);
    let removed = maker.add(&[second], &[0, 3], 3, "by the removed");
    assert!(maker.verify(removed).is_err());
    let stranger = maker.add(&[third], &[0, 9], 9, "by a stranger");
    assert!(maker.verify(stranger).is_err());
    let no_root = maker.add(&[third], &[1, 2], 1, "without the root");
    assert!(maker.verify(no_root).is_err());
    let twice = maker.add(&[third], &[0, 1, 1], 1, "a member twice");
    assert!(maker.verify(twice).is_err());
    let second_root = maker.add(&[], &[0, 1], 1, "a first one by another");
    assert!(maker.verify(second_root).is_err());
    // Nothing may stand in a chain that its last version does not follow.
    let mut chain = maker.chain(third);
    chain.insert(2, maker.0[second].clone());
    assert!(verify_chain(&VAULT, &genesis(), &chain).is_err());
    let mut bent = maker.chain(third);
    bent[1].signature[5] ^= 1;
    assert!(verify_chain(&VAULT, &genesis(), &bent).is_err());
    assert!(verify_chain(&VAULT, &genesis(), &[]).is_err());
}

#[test]
fn two_ends_that_do_not_touch_each_others_makers_both_stay() {
    let mut maker = begun();
    let (a, b) = (maker.add(&[0], &[0, 1, 2], 1, "a"), maker.add(&[0], &[0, 1, 2, 3, 4], 2, "b"));
    assert_eq!(maker.tips(&[a, b], &[]), [a, b]);
    let merged = maker.add(&[a, b], &[0, 1, 2, 4], 1, "merged");
    assert_eq!(maker.tips(&[a, b, merged], &[a, b]), [merged]);
    let by_removed = maker.add(&[a, b], &[0, 3], 3, "by who is admin in one only");
    assert!(maker.verify(by_removed).is_err());
    let c = maker.add(&[0], &[0, 1], 3, "late");
    assert_eq!(maker.tips(&[merged, c], &[]), [merged], "3 was removed by a");
}

#[test]
fn a_branch_that_the_other_cuts_off_is_foreign() {
    let mut maker = begun();
    let (a, b) = (maker.add(&[0], &[0, 1, 2], 1, "removes 3"), maker.add(&[0], &[0, 1, 2, 3, 4], 3, "by 3"));
    let longer = maker.add(&[b], &[0, 1, 2, 3, 4, 5], 4, "by whom 3 let in");
    assert_eq!(maker.tips(&[a, longer], &[]), [a]);
    assert_eq!(maker.tips(&[a, longer], &[a]), [a]);
    assert_eq!(maker.tips(&[a, longer], &[b]), [a, longer], "what was recorded is not left");
    let root = maker.add(&[0], &[0, 4], 0, "by the root, which nobody removes");
    assert_eq!(maker.tips(&[a, root], &[]), [root]);
}

#[test]
fn branches_that_cut_each_other_off_wait_for_the_root() {
    let mut maker = begun();
    let (a, b) = (maker.add(&[0], &[0, 1, 2], 1, "removes 3"), maker.add(&[0], &[0, 2, 3], 3, "removes 1"));
    assert_eq!(maker.tips(&[a, b], &[]), [a, b]);
    let by_admin = maker.add(&[a, b], &[0, 2], 2, "by an admin of both");
    assert!(maker.verify(by_admin).is_err());
    let by_root = maker.add(&[a, b], &[0, 2], 0, "by the root");
    assert_eq!(maker.tips(&[a, b, by_root], &[a]), [by_root]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is made in whatever order: there is an end, what ends agree on does not depend on the order in which they are seen,
    /// and nobody loses what was recorded.
    #[test]
    fn ends_are_a_function_of_what_is_there(steps in proptest::collection::vec((0usize..6, 1u8..5, 1u8..5), 1..6)) {
        let mut maker = begun();
        for (at, (parent, signer, without)) in steps.into_iter().enumerate() {
            let members: Vec<u8> = (0u8..5).filter(|seed| *seed != without).collect();
            let made = maker.add(&[parent.min(maker.0.len() - 1)], &members, signer, &at.to_string());
            if maker.verify(made).is_err() {
                maker.0.pop();
            }
        }
        let all: Vec<usize> = (0..maker.0.len()).collect();
        let back: Vec<usize> = all.iter().rev().copied().collect();
        let tips = maker.tips(&all, &[]);
        prop_assert!(!tips.is_empty());
        prop_assert_eq!(&tips, &maker.tips(&back, &[]));
        for recorded in &all {
            let versions = maker.versions(&all);
            let kept = maker.tips(&all, &[*recorded]);
            let holds = |tip: &usize| versions.line(&maker.id(*tip)).contains(&maker.id(*recorded));
            prop_assert!(kept.iter().any(holds), "{} is left by {:?}", recorded, kept);
        }
    }
}
