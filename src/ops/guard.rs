//! A warning before a run that gives most files of a vault new content, as malware does that encrypts them. Nothing is
//! stopped: the vault keeps what was there, and the warning says where.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use super::{Ctx, OpsError, Place, SyncOptions};
use crate::event::Event;
use crate::format::entry::EntryKind;
use crate::path::TreePath;
use crate::transfer::{Plan, Step};
use crate::vault::{Vault, VaultError};

/// What a plan does to files that are there.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rewritten {
    /// Files that get another content under their name.
    changed: u64,
    /// Files that go while one comes whose name is theirs and an ending more.
    renamed: u64,
}

/// Warns if more than half of the destination, and more than 20 files, would have another content.
pub(super) fn warn_of_rewrite(
    ctx: &Ctx<'_>,
    options: &SyncOptions,
    vault: &Vault,
    plan: &mut Plan,
) -> Result<(), OpsError> {
    let (files, dest) = (plan.totals.files, plan.totals.dest);
    let Place::Vault(remote, _) = &options.dest else { return Ok(()) };
    if !options.rules.brake || !is_most(files, dest) {
        return Ok(());
    }
    let found = rewritten(plan)?;
    let all = found.changed + found.renamed;
    if !is_most(all, dest) {
        return Ok(());
    }
    let before = match vault.commit_named("latest") {
        Ok(commit) => commit.id.short(),
        Err(VaultError::Named(_)) => return Ok(()), // nothing was there
        Err(error) => return Err(error.into()),
    };
    let names = match found.renamed {
        0 => String::new(),
        renamed => format!(" ({renamed} of them with another ending to their name)"),
    };
    let name = &remote.name;
    ctx.observer.event(Event::Notice(&format!(
        "warning: {all} of {dest} entries get new content{names}, as when malware encrypts files. If you did not mean that, nothing is \
         lost: commit {before} has what was there, and `cryptsync pin {name}: {before}` keeps it"
    )));
    Ok(())
}

fn is_most(files: u64, dest: u64) -> bool {
    files > 20 && files * 2 > dest
}

fn rewritten(plan: &mut Plan) -> Result<Rewritten, OpsError> {
    let state = RandomState::new();
    let mut gone = HashSet::new();
    if plan.totals.deleted_files > 0 {
        for step in plan.steps()? {
            if let Step::Delete { path, kind: EntryKind::File, .. } = step?
                && gone.len() < GONE_MAX
            {
                gone.insert(state.hash_one(path.as_bytes()));
            }
        }
    }
    let mut found = Rewritten::default();
    for step in plan.steps()? {
        let Step::Put { item, replaces, .. } = step? else { continue };
        if item.entry.kind != EntryKind::File {
            continue;
        }
        match replaces {
            Some(EntryKind::File) => found.changed += 1,
            None if without_ending(&item.path).is_some_and(|path| gone.contains(&state.hash_one(path))) => {
                found.renamed += 1;
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The bytes of a path but for the last ending of its name.
fn without_ending(path: &TreePath) -> Option<&[u8]> {
    let bytes = path.as_bytes();
    let dot = bytes.iter().rposition(|byte| *byte == b'.')?;
    let is_name = !bytes[dot..].contains(&b'/') && dot > 0 && bytes[dot - 1] != b'/';
    is_name.then_some(&bytes[..dot])
}

/// How many deleted files are remembered to find their successors.
const GONE_MAX: usize = 1 << 18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings() {
        let path = |text: &str| TreePath::from_bytes(text.as_bytes()).unwrap();
        for (text, rest) in [("a.b/c.txt.locked", Some("a.b/c.txt")), ("a.b/c", None), ("a/.b", None), (".b", None)] {
            assert_eq!(without_ending(&path(text)), rest.map(str::as_bytes), "{text}");
        }
        assert!(is_most(21, 41) && !is_most(21, 42) && !is_most(20, 20));
    }
}
