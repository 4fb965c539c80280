//! What policies keep: by example, against attacks and broken clocks, and as properties of all histories.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const DAY: i64 = 86_400;
/// 2026-03-31 12:00 UTC, a Tuesday.
const NOW: i64 = 1_774_958_400;

fn at(secs: i64) -> Timestamp {
    Timestamp { secs, nanos: 0 }
}

/// The `n`th commit of a writer, whose key is its own.
fn commit(writer: u8, n: u64, secs: i64) -> Candidate {
    let mut id = [writer; 32];
    id[..8].copy_from_slice(&n.to_be_bytes());
    Candidate {
        id: CommitId::new(id),
        writer: WriterId::new([writer; 16]),
        signer: [writer; 32],
        seq: n,
        lamport: n,
        time: at(secs),
        operation: "sync".to_owned(),
        tags: BTreeSet::new(),
        pins: BTreeSet::new(),
        touched: HashSet::new(),
        head: false,
        last: false,
        unwanted: false,
    }
}

fn log(writer: u8, ages: impl IntoIterator<Item = i64>) -> Vec<Candidate> {
    (1..).zip(ages).map(|(n, age)| commit(writer, n, NOW - age)).collect()
}

fn policy(scope: Scope, set: impl FnOnce(&mut Rule)) -> Policy {
    let mut rule = Rule::new(scope);
    set(&mut rule);
    Policy { offset: 0, rules: vec![rule] }
}

/// The ages in days of what is kept, newest first.
fn kept(commits: &[Candidate], policy: &Policy) -> Vec<i64> {
    let decisions = decide(commits, policy, at(NOW));
    let mut ages: Vec<i64> =
        decisions.iter().filter(|d| d.is_kept()).map(|d| (NOW - d.time.secs).div_euclid(DAY)).collect();
    ages.sort_unstable();
    ages
}

fn reasons(decisions: &[Decision], nth: usize) -> Vec<String> {
    decisions[nth].reasons.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_kept_of_a_year_of_days() {
    let year = log(1, (0..400).rev().map(|day| day * DAY));
    let last = policy(Scope::All, |rule| rule.keep[0] = Count(3));
    assert_eq!(kept(&year, &last), [0, 1, 2]);
    let weekly = policy(Scope::All, |rule| rule.keep[3] = Count(3));
    assert_eq!(kept(&year, &weekly), [0, 2, 9], "today, and the Sundays before");
    let monthly = policy(Scope::All, |rule| rule.keep[4] = Count(3));
    assert_eq!(kept(&year, &monthly), [0, 31, 59], "the last days of March, February and January");
    let yearly = policy(Scope::All, |rule| rule.keep[5] = Count(5));
    assert_eq!(kept(&year, &yearly), [0, 90, 399], "the oldest as well, while the rule has not run out");
    let within = policy(Scope::All, |rule| rule.within[0] = "5d".parse().unwrap());
    assert_eq!(kept(&year, &within), [0, 1, 2, 3, 4], "what is just as old is not within");
    let within = policy(Scope::All, |rule| rule.within[4] = "3m".parse().unwrap());
    assert_eq!(kept(&year, &within), [0, 31, 59]);
    assert_eq!(kept(&year, &Policy { offset: 0, rules: Vec::new() }).len(), 400, "no rules keep everything");
}

#[test]
fn the_policy_of_a_new_vault() {
    let hours = log(1, (0..500 * 24).rev().map(|hour| hour * DAY / 24));
    let decisions = decide(&hours, &Policy::default(), at(NOW));
    let kept = |from: i64, to: i64| {
        decisions.iter().filter(|d| d.is_kept() && (from..to).contains(&((NOW - d.time.secs) / DAY))).count()
    };
    assert_eq!(kept(0, 30), 30 * 24);
    assert_eq!(kept(31, 365), 365 - 31);
    assert_eq!(kept(366, 500), 5, "months, and the oldest");
}

#[test]
fn days_begin_where_the_policy_says() {
    // 23:00 and 01:00 UTC around midnight; one day at +03:00.
    let commits = log(1, [13 * 3600, 11 * 3600]);
    let mut daily = policy(Scope::All, |rule| rule.keep[2] = Count(9));
    daily.rules[0].keep[0] = Count(0);
    assert_eq!(decide(&commits, &daily, at(NOW)).iter().filter(|d| !d.reasons.is_empty()).count(), 2);
    daily.offset = 180;
    let decisions = decide(&commits, &daily, at(NOW));
    assert_eq!(reasons(&decisions, 0), ["oldest daily"]);
    assert_eq!(reasons(&decisions, 1), ["daily", "newest"]);
}

#[test]
fn months_are_counted_as_restic_counts_them() {
    let day = |year, month, day| date(year, month, day).at(12, 0, 0, 0);
    let minus = |time, text: &str| before(time, text.parse().unwrap());
    assert_eq!(minus(day(2026, 3, 31), "1m"), day(2026, 3, 3), "there is no 31st of February");
    assert_eq!(minus(day(2024, 2, 29), "1y"), day(2023, 3, 1));
    assert_eq!(minus(day(2026, 1, 10), "2m15d12h"), date(2025, 10, 26).at(0, 0, 0, 0));
    assert_eq!(minus(day(-5, 1, 1), "9999y9999m9999d9999h"), DateTime::MIN);
}

#[test]
fn tags_and_paths_only_add() {
    let mut commits = log(1, (0..10).rev().map(|day| day * DAY));
    commits[2].tags.insert("release".to_owned());
    let docs = TreePath::from_bytes(b"docs").unwrap();
    commits[4].touched.insert(docs.clone());
    let mut both = policy(Scope::All, |rule| rule.keep[0] = Count(1));
    for scope in [Scope::Tag("release".to_owned()), Scope::Path(docs)] {
        let mut rule = Rule::new(scope);
        rule.keep[0] = Count::ALL;
        both.rules.push(rule);
    }
    assert_eq!(kept(&commits, &both), [0, 5, 7]);
    let decisions = decide(&commits, &both, at(NOW));
    assert_eq!(reasons(&decisions, 2), ["tag release: last"]);
    assert_eq!(reasons(&decisions, 4), ["path docs: last"]);
}

#[test]
fn what_no_policy_can_forget() {
    let mut commits = log(1, (0..10).rev().map(|day| day * DAY));
    commits[0].pins.insert("v1".to_owned());
    (commits[1].head, commits[2].last) = (true, true);
    for commit in &mut commits {
        commit.unwanted = true;
    }
    let nothing = policy(Scope::Tag("none".to_owned()), |rule| rule.keep[0] = Count(1));
    assert_eq!(kept(&commits, &nothing), [7, 8, 9]);
    let decisions = decide(&commits, &nothing, at(NOW));
    assert_eq!((reasons(&decisions, 0), reasons(&decisions, 1)), (vec!["pinned as v1".into()], vec!["head".into()]));
    assert!(!keeps_any(&decisions));
    assert!(keeps_any(&[]) && keeps_any(&decide(&commits[..0], &nothing, at(NOW))));
}

/// The commits of somebody else, whatever times they claim, push nothing out.
#[test]
fn b09_fake_dated_commits_of_another_key() {
    let own = log(1, (0..10).rev().map(|day| day * DAY));
    let mut all = own.clone();
    for fake in 0..100 {
        all.push(commit(2, fake + 1, if fake % 2 == 0 { NOW + 100 * 365 * DAY } else { NOW - fake as i64 * DAY / 10 }));
    }
    let rules = policy(Scope::All, |rule| (rule.keep[0], rule.keep[2]) = (Count(2), Count(7)));
    let kept = |commits: &[Candidate]| -> Vec<CommitId> {
        let decisions = decide(commits, &rules, at(NOW));
        decisions.iter().filter(|d| d.is_kept()).map(|d| d.id).filter(|id| id.as_bytes()[31] == 1).collect()
    };
    assert_eq!(kept(&all), kept(&own));
    assert_eq!(kept(&own).len(), 7);
}

#[test]
fn a_clock_that_was_wrong_for_a_while() {
    let days = policy(Scope::All, |rule| rule.keep[2] = Count(30));
    let mut commits = log(1, (0..10).rev().map(|day| day * DAY));
    commits[3].time = at(NOW + 400 * DAY);
    assert_eq!(kept(&commits, &days).len(), 9, "it counts for the day before");
    commits[3].time = at(0);
    assert_eq!(kept(&commits, &days).len(), 9);
    commits[0].time = at(NOW + DAY);
    let decisions = decide(&commits, &days, at(NOW));
    assert_eq!(decisions[0].time, decisions[1].time, "the first is as old as the second");
}

fn histories() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (1u8..4, 0i64..500 * DAY, any::<[bool; 6]>());
    vec(one, 1..60).prop_map(|parts| {
        let mut commits = Vec::new();
        let mut logs: BTreeMap<u8, Vec<(i64, [bool; 6])>> = BTreeMap::new();
        for (writer, age, flags) in parts {
            logs.entry(writer).or_default().push((age, flags));
        }
        for (writer, mut log) in logs {
            log.sort_unstable_by_key(|(age, _)| std::cmp::Reverse(*age));
            for (n, (age, flags)) in (1..).zip(log) {
                let mut one = commit(writer, n, NOW - age);
                one.signer = [writer / 2; 32]; // two writers of one key
                one.tags.extend(flags[0].then(|| "t".to_owned()));
                one.pins.extend((flags[1] && flags[2]).then(String::new));
                one.unwanted = flags[3] && flags[4] && flags[5];
                commits.push(one);
            }
        }
        if let Some(newest) = commits.iter_mut().max_by_key(|commit| commit.time) {
            newest.head = true;
        }
        commits
    })
}

fn policies() -> impl Strategy<Value = Policy> {
    let rule = (proptest::array::uniform6(0u32..6), proptest::array::uniform6(0u32..90), any::<bool>());
    (vec(rule, 0..2), -1439..1440).prop_map(|(rules, offset)| {
        let rule = |(keep, days, tag): ([u32; 6], [u32; 6], bool)| Rule {
            scope: if tag { Scope::Tag("t".to_owned()) } else { Scope::All },
            keep: keep.map(|n| if n == 5 { Count::ALL } else { Count(n) }),
            within: days.map(|days| Span { days: days / 30 * days, ..Span::default() }),
        };
        Policy { offset, rules: rules.into_iter().map(rule).collect() }
    })
}

fn ids(decisions: &[Decision]) -> BTreeSet<CommitId> {
    decisions.iter().filter(|d| d.is_kept()).map(|d| d.id).collect()
}

proptest! {
    #[test]
    fn the_newest_stays_and_the_order_does_not_matter(
        commits in histories(), policy in policies(), turn: prop::sample::Index,
    ) {
        let decisions = decide(&commits, &policy, at(NOW));
        for (commit, d) in commits.iter().zip(&decisions) {
            prop_assert_eq!(commit.id, d.id);
            prop_assert!(d.is_kept() || !commit.head && !commit.last && commit.pins.is_empty());
        }
        let mut turned = commits.clone();
        turned.rotate_left(turn.index(commits.len()));
        turned.reverse();
        let mut again = decide(&turned, &policy, at(NOW));
        again.reverse();
        again.rotate_right(turn.index(commits.len()));
        prop_assert_eq!(again, decisions);
    }

    #[test]
    fn judging_what_was_kept_keeps_it(commits in histories(), policy in policies()) {
        let first = ids(&decide(&commits, &policy, at(NOW)));
        let rest: Vec<Candidate> = commits.into_iter().filter(|commit| first.contains(&commit.id)).collect();
        prop_assert_eq!(ids(&decide(&rest, &policy, at(NOW))), first);
    }

    #[test]
    fn a_policy_that_keeps_more_keeps_no_less(
        commits in histories(), policy in policies(), period in 0usize..6, more in 1u32..9,
    ) {
        let less = ids(&decide(&commits, &policy, at(NOW)));
        let mut wider = policy.clone();
        for rule in &mut wider.rules {
            rule.keep[period] = Count(rule.keep[period].0.saturating_add(more));
            rule.within[period].days += more;
        }
        prop_assert!(ids(&decide(&commits, &wider, at(NOW))).is_superset(&less));
        if !policy.rules.is_empty() {
            let mut extra = Rule::new(Scope::Path(TreePath::root()));
            extra.keep[0] = Count(1);
            wider.rules.push(extra);
            prop_assert!(ids(&decide(&commits, &wider, at(NOW))).is_superset(&less));
        }
    }

    #[test]
    fn any_clock_will_do(claims in vec(any::<i64>(), 1..40), policy in policies()) {
        let commits: Vec<Candidate> = (1..).zip(claims).map(|(n, claim)| commit(1, n, claim)).collect();
        let decisions = decide(&commits, &policy, at(NOW));
        prop_assert!(decisions.iter().any(Decision::is_kept));
        prop_assert!(decisions.is_sorted_by_key(|d| d.time) && decisions.iter().all(|d| d.time <= at(NOW)));
    }

    #[test]
    fn the_longest_sequence_that_rises(claims in vec(0i64..9, 0..9)) {
        let claims: Vec<Timestamp> = claims.into_iter().map(at).collect();
        let best = (0u32..1 << claims.len())
            .filter(|set| {
                let chosen: Vec<Timestamp> = (0..claims.len()).filter(|n| set >> n & 1 == 1).map(|n| claims[n]).collect();
                chosen.is_sorted()
            })
            .map(u32::count_ones)
            .max();
        let stands = rising(&claims);
        let chosen: Vec<Timestamp> = claims.iter().zip(&stands).filter(|(_, s)| **s).map(|(c, _)| *c).collect();
        prop_assert!(chosen.is_sorted());
        prop_assert_eq!(Some(chosen.len() as u32), best);
    }
}
