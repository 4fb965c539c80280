//! Makes a case smaller as long as something still differs.

use super::case::{Case, Side};
use super::kept;
use super::runner::{Outcome, Runner};
use super::tree::Kind;

/// The smallest case found that still comes out differently, and how.
pub fn shrink(runner: &mut Runner, case: Case, outcome: Outcome) -> (Case, Outcome) {
    let mut best = (case, outcome);
    for _ in 0..ROUNDS {
        let smaller = candidates(&best.0);
        if smaller.is_empty() {
            break;
        }
        let better = smaller.chunks(AT_ONCE).find_map(|some| {
            let outcomes = runner.run(some);
            some.iter().cloned().zip(outcomes).find(|(case, outcome)| same(&best.1, case, outcome))
        });
        match better {
            Some(found) => best = found,
            None => break,
        }
    }
    best
}

/// Whether it is still the same kind of difference: both end as they did.
fn same(before: &Outcome, case: &Case, after: &Outcome) -> bool {
    let codes = (before.rclone.code, before.cryptsync.code) == (after.rclone.code, after.cryptsync.code);
    codes && !kept::unexplained(case, after).is_empty()
}

/// Cases with something less.
fn candidates(case: &Case) -> Vec<Case> {
    let mut all = Vec::new();
    for at in 0..case.flags.len() {
        let mut smaller = case.clone();
        smaller.flags.remove(at);
        all.push(smaller);
    }
    for side in Side::ALL {
        let Some(tree) = case.trees.get(&side) else { continue };
        for (path, node) in tree {
            let mut smaller = case.clone();
            let tree = smaller.trees.get_mut(&side).unwrap();
            tree.remove(path);
            if node.kind == Kind::Dir {
                let prefix = format!("{path}/");
                tree.retain(|path, _| !path.starts_with(&prefix));
            }
            all.push(smaller);
        }
    }
    all
}

const ROUNDS: usize = 25;
const AT_ONCE: usize = 8;
