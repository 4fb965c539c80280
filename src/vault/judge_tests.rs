//! Which records count: each rule by itself, and what must hold for all logs.

use proptest::prelude::*;

use super::*;
use crate::format::access::{Member, MemberKind};
use crate::format::hints::ObjectRef;
use crate::format::record::{RecordKind, Root};
use crate::id::{BlobId, MemberId, ObjectId, VaultId};
use crate::world::Timestamp;

/// A log in the making: key `k` is a byte, writer `w` a byte, and so are ids.
#[derive(Debug, Default)]
struct Log {
    records: HashMap<CommitId, Candidate>,
    versions: Vec<(AccessId, Body)>,
    given_up: HashSet<CommitId>,
}

fn id(byte: u8) -> CommitId {
    CommitId::new([byte; 32])
}

impl Log {
    /// The next access version, with these keys and roles.
    fn access(&mut self, members: &[(u8, Role)], frontier: &[u8]) {
        let n = self.versions.len() as u32 + 1;
        let member = |(key, role): &(u8, Role)| Member {
            kind: MemberKind::Device,
            role: *role,
            kem_pk: Box::new([0; 1216]),
            sign_pk: [*key; 32],
            label: String::new(),
            entry_id: [0; 16],
        };
        let body = Body {
            n,
            epoch: n,
            public_hash: [0; 32],
            keyring_hash: [0; 32],
            parents: Vec::new(),
            time: Timestamp::default(),
            features: Vec::new(),
            members: members.iter().map(member).collect(),
            frontier: frontier.iter().map(|byte| id(*byte)).collect(),
            note: String::new(),
            signer: MemberId::new([0; 16]),
        };
        self.versions.push((AccessId::new([n as u8; 32]), body));
    }

    /// A record of a key's writer under an access version, with `prev` and parents, all as they should be.
    fn add(&mut self, byte: u8, key: u8, access_n: u32, prev: Option<u8>, parents: &[u8]) -> &mut Record {
        let before = |byte: &u8| &self.records[&id(*byte)].commit.record;
        let lamport = prev.iter().chain(parents).map(|byte| before(byte).lamport).max().unwrap_or(0) + 1;
        let seq = prev.map_or(1, |prev| before(&prev).seq + 1);
        let totals = Root { id: BlobId::new([0; 32]), place: None, totals: Default::default() };
        let record = Record {
            kind: RecordKind::Commit,
            vault: VaultId::new([0; 32]),
            access_n,
            access: AccessId::new([access_n as u8; 32]),
            writer_sign: [key; 32],
            writer_salt: [0; 16],
            seq,
            prev: prev.map(id),
            parents: parents.iter().map(|byte| id(*byte)).collect(),
            lamport,
            time: Timestamp::default(),
            operation: String::new(),
            writer_label: String::new(),
            closed: false,
            root: totals,
            segments_added: Vec::new(),
            segments_superseded: Vec::new(),
            epochs_seen: Vec::new(),
            body_hash: [0; 32],
            attributes: Vec::new(),
        };
        let object = ObjectRef { id: ObjectId::new([byte; 32]), size: 1, epoch: 1, salt: [0; 32] };
        let commit = Commit { id: id(byte), writer: WriterId::new([key; 16]), record, object, directory: Vec::new() };
        self.records.insert(id(byte), Candidate { commit, fault: None });
        &mut self.records.get_mut(&id(byte)).unwrap().commit.record
    }

    fn judge(&self) -> Judgement {
        Court { records: &self.records, versions: &self.versions, given_up: &self.given_up }.judge()
    }

    /// The bytes of the records that count.
    fn counting(&self) -> Vec<u8> {
        let judgement = self.judge();
        let ids = self.records.keys().filter(|id| !judgement.quarantined.contains_key(id));
        let mut bytes: Vec<u8> = ids.map(|id| id.as_bytes()[0]).collect();
        bytes.sort_unstable();
        bytes
    }

    fn why(&self, byte: u8) -> Why {
        self.judge().quarantined[&id(byte)].clone()
    }
}

/// Two keys that may write, 1 as an admin, and a reader 3: one record of each writer.
fn start() -> Log {
    let mut log = Log::default();
    log.access(&[(1, Role::Admin), (2, Role::Writer), (3, Role::Reader)], &[]);
    log.add(10, 1, 1, None, &[]);
    log.add(20, 2, 1, None, &[10]);
    log
}

#[test]
fn good_records_count() {
    let mut log = start();
    log.add(11, 1, 1, Some(10), &[20]);
    assert_eq!(log.counting(), [10, 11, 20]);
    assert!(log.judge().incomplete.is_empty() && log.judge().twins.is_empty());
}

#[test]
fn each_rule_by_itself() {
    let mut log = start();
    log.add(11, 1, 1, Some(10), &[20]).lamport += 1;
    assert_eq!(log.why(11), Why::Time);
    let mut log = start();
    log.add(11, 1, 1, Some(10), &[20]).seq += 1;
    assert_eq!(log.why(11), Why::Chain);
    let mut log = start();
    log.add(21, 2, 1, Some(10), &[]); // somebody else's record before
    assert_eq!(log.why(21), Why::Chain);
    let mut log = start();
    log.access(&[(1, Role::Admin), (2, Role::Writer)], &[20]);
    log.add(21, 2, 2, Some(20), &[]);
    log.add(11, 1, 1, Some(10), &[21]);
    assert_eq!(log.why(11), Why::OlderAccess);
    assert_eq!(log.counting(), [10, 20, 21]);
}

#[test]
fn what_follows_a_quarantined_record_is_quarantined() {
    let mut log = start();
    log.add(11, 1, 1, Some(10), &[]).lamport += 5;
    log.add(21, 2, 1, Some(20), &[11]);
    log.add(12, 1, 1, Some(11), &[21]);
    assert_eq!(log.counting(), [10, 20]);
    assert_eq!(log.why(12), Why::Follows { parent: id(21), adoptable: false });
}

#[test]
fn d04_a_removed_key_counts_as_far_as_its_removal_knew() {
    let mut log = start();
    log.add(21, 2, 1, Some(20), &[]);
    log.access(&[(1, Role::Admin)], &[20]);
    assert_eq!(log.why(21), Why::Removed { version: 2 });
    assert_eq!(log.counting(), [10, 20]);
    // So does one that may only read from then on; and one that comes back is not forgiven what it wrote meanwhile.
    let mut log = start();
    log.add(21, 2, 1, Some(20), &[]);
    log.access(&[(1, Role::Admin), (2, Role::Reader)], &[20]);
    log.access(&[(1, Role::Admin), (2, Role::Writer)], &[20]);
    log.add(22, 2, 3, Some(20), &[]);
    assert_eq!(log.counting(), [10, 20, 22]);
    // What others have built on it waits with it.
    let mut log = start();
    log.add(21, 2, 1, Some(20), &[]);
    log.add(11, 1, 1, Some(10), &[21]);
    log.access(&[(1, Role::Admin)], &[20]);
    assert_eq!(log.why(11), Why::Follows { parent: id(21), adoptable: true });
}

#[test]
fn an_admin_adopts_and_nobody_else() {
    for (key, version, prev, adopted) in [(1, 2, 10, true), (4, 2, 0, false), (4, 3, 0, true)] {
        let mut log = start();
        log.add(21, 2, 1, Some(20), &[]);
        log.add(22, 2, 1, Some(21), &[]);
        log.access(&[(1, Role::Admin), (4, Role::Writer)], &[20]);
        log.access(&[(1, Role::Admin), (4, Role::Admin)], &[20]);
        log.add(30, key, version, Some(prev).filter(|prev| *prev > 0), &[20]).attributes =
            vec![Attribute::adopted(&[id(22)])];
        let all: &[u8] = if adopted { &[10, 20, 21, 22, 30] } else { &[10, 20, 30] };
        assert_eq!(log.counting(), all, "key {key}, version {version}");
    }
    // A fault is not mended by it, and neither is what follows one.
    let mut log = start();
    log.add(21, 2, 1, Some(20), &[]).lamport += 1;
    log.add(22, 2, 1, Some(21), &[]);
    log.add(11, 1, 1, Some(10), &[]).attributes = vec![Attribute::adopted(&[id(21), id(22)])];
    assert_eq!(log.counting(), [10, 11, 20]);
}

#[test]
fn an_adopted_admin_may_adopt() {
    let mut log = Log::default();
    log.access(&[(1, Role::Admin), (2, Role::Admin), (3, Role::Writer)], &[]);
    log.add(10, 1, 1, None, &[]);
    log.add(30, 3, 1, None, &[]);
    log.add(20, 2, 1, None, &[10]).attributes = vec![Attribute::adopted(&[id(30)])];
    log.access(&[(1, Role::Admin)], &[10]);
    assert_eq!(log.counting(), [10]);
    log.add(11, 1, 2, Some(10), &[]).attributes = vec![Attribute::adopted(&[id(20)])];
    assert_eq!(log.counting(), [10, 11, 20, 30]);
}

#[test]
fn b07_two_records_in_one_place() {
    let mut log = start();
    log.add(21, 2, 1, Some(20), &[]);
    log.add(22, 2, 1, Some(20), &[10]);
    assert_eq!(log.judge().twins.len(), 1);
    // Whoever ends the writer keeps both; what it writes later does not count, nor what follows that.
    let retired =
        vec![Attribute::retired(&[Retirement { writer: WriterId::new([2; 16]), kept: vec![id(21), id(22)] }])];
    log.add(11, 1, 1, Some(10), &[21]).attributes = retired.clone();
    log.add(23, 2, 1, Some(22), &[]);
    log.add(12, 1, 1, Some(11), &[23]);
    let judgement = log.judge();
    assert!(judgement.twins.is_empty());
    assert_eq!(log.counting(), [10, 11, 20, 21, 22]);
    assert_eq!(log.why(23), Why::Retired { by: id(11) });
    assert_eq!(log.why(12), Why::Follows { parent: id(23), adoptable: true });
    // Only an admin does, and nobody for the log that he is writing in.
    let mut log = start();
    log.add(11, 1, 1, Some(10), &[]);
    let all = [1, 2].map(|writer| Retirement { writer: WriterId::new([writer; 16]), kept: vec![] });
    log.add(21, 2, 1, Some(20), &[]).attributes = vec![Attribute::retired(&all)];
    assert_eq!(log.counting(), [10, 11, 20, 21]);
    log.add(12, 1, 1, Some(11), &[]).attributes = vec![Attribute::retired(&all)];
    assert_eq!(log.counting(), [10, 11, 12]);
}

#[test]
fn what_is_missing_is_no_reason_to_be_alarmed_if_nobody_needs_it() {
    let mut log = start();
    log.add(21, 2, 1, Some(20), &[]).parents = vec![id(99)];
    let judgement = log.judge();
    assert_eq!(judgement.incomplete, [(id(21), id(99))]);
    assert_eq!(judgement.cut, HashSet::from([id(21)]));
    log.given_up.insert(id(99));
    assert_eq!(log.why(21), Why::GivenUp { parent: id(99) });
    log.given_up.clear();
    log.access(&[(1, Role::Admin)], &[20]);
    assert!(log.judge().incomplete.is_empty(), "it would not count anyway");
}

/// Logs of three writers with removals, retirements and adoptions wherever they fall.
fn logs() -> impl Strategy<Value = Log> {
    let step = (0u8..3, any::<[u8; 4]>(), 0u8..12);
    (proptest::collection::vec(step, 1..24), 0u8..24, any::<[bool; 3]>()).prop_map(|(steps, removal, removed)| {
        let mut log = Log::default();
        let roles = [Role::Admin, Role::Admin, Role::Writer];
        let members: Vec<(u8, Role)> = (1u8..).zip(roles).collect();
        log.access(&members, &[]);
        let mut last: [Option<u8>; 3] = [None; 3];
        let mut all: Vec<u8> = Vec::new();
        for (at, (key, picks, kind)) in steps.into_iter().enumerate() {
            let byte = at as u8 + 1;
            if byte == removal + 1 {
                let left: Vec<_> = members.iter().zip(removed).filter(|(_, gone)| !gone).map(|(m, _)| *m).collect();
                let frontier: Vec<u8> = all.iter().rev().take(1).copied().collect();
                log.access(&left, &frontier);
            }
            let pick = |n: usize| if all.is_empty() { None } else { Some(all[picks[n] as usize % all.len()]) };
            let prev = last[key as usize].filter(|_| kind != 0); // now and then in a place that is taken
            let mut parents: Vec<u8> = pick(0).into_iter().filter(|p| Some(*p) != prev).collect();
            parents.sort_unstable();
            let version = if picks[1] % 2 == 0 { 1 } else { log.versions.len() as u32 };
            let (one, other) = (pick(2), pick(3));
            let record = log.add(byte, key + 1, version, prev, &parents);
            match (kind, one, other) {
                (1, Some(one), _) => record.attributes = vec![Attribute::adopted(&[id(one)])],
                (2, Some(one), Some(other)) => {
                    let kept: BTreeSet<CommitId> = [id(one), id(other)].into();
                    let writer = WriterId::new([picks[1] % 3 + 1; 16]);
                    record.attributes =
                        vec![Attribute::retired(&[Retirement { writer, kept: kept.into_iter().collect() }])];
                }
                _ => {}
            }
            last[key as usize] = Some(byte);
            all.push(byte);
        }
        log
    })
}

proptest! {
    #[test]
    fn what_counts_follows_only_what_counts(log in logs()) {
        let judgement = log.judge();
        for (id, candidate) in &log.records {
            if !judgement.quarantined.contains_key(id) {
                prop_assert!(parents(&candidate.commit.record).all(|parent| !judgement.quarantined.contains_key(&parent)));
            }
        }
    }

    #[test]
    fn records_that_nobody_follows_decide_nothing_for_others(log in logs()) {
        // Without its last record a log is judged the same, if that record makes no statement.
        let last = id(log.records.len() as u8);
        prop_assume!(log.records[&last].commit.record.attributes.is_empty());
        let before = log.judge();
        let mut log = log;
        log.records.remove(&last);
        prop_assume!(log.versions.iter().all(|(_, body)| !body.frontier.contains(&last)));
        let after = log.judge();
        for id in log.records.keys() {
            prop_assert_eq!(before.quarantined.get(id), after.quarantined.get(id));
        }
    }
}
