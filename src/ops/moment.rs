//! A vault as it was: from what somebody names to the tree that verbs look at.

use super::inspect::log_entry;
use super::{Ctx, LogEntry, OpsError, RemoteProfile};
use crate::class::Class;
use crate::event::Event;
use crate::format::record::RecordKind;
use crate::history::source::Root;
use crate::id::CommitId;
use crate::vault::{Commit, Vault};
use crate::world::Timestamp;

/// A state of a vault, as somebody names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// What was there then.
    Time(Timestamp),
    /// What was there after a commit.
    Commit {
        /// Its id, or how that begins.
        name: String,
        /// How many commits before it.
        back: u32,
    },
}

/// What a moment was found to mean.
pub(super) struct State {
    /// The tree.
    pub(super) root: Option<Root>,
    /// The commits that it is of: one, or those that are merged, newest first.
    pub(super) commits: Vec<Commit>,
}

/// Makes a vault show what was there at a moment, and tells which commits that is.
///
/// # Errors
/// There is no such moment, or its content is gone.
pub(super) fn show(ctx: &Ctx<'_>, remote: &RemoteProfile, vault: &Vault, moment: &Moment) -> Result<(), OpsError> {
    let state = state_at(remote, vault, moment)?;
    ctx.observer.event(Event::Notice(&format!("`{}:` as it was after {}", remote.name, spoken(&state.commits))));
    vault.show_tree(state.root);
    Ok(())
}

/// What a vault was at a moment.
///
/// # Errors
/// There is no such moment, or its content is gone.
pub(super) fn state_at(remote: &RemoteProfile, vault: &Vault, moment: &Moment) -> Result<State, OpsError> {
    let state = match moment {
        Moment::Time(time) => at_time(remote, vault, *time)?,
        Moment::Commit { name, back } => {
            let commit = before(commit_of(remote, vault, name)?, *back, vault)?;
            State { root: Some(commit.root()), commits: vec![commit] }
        }
    };
    must_have_tree(vault, &state)?;
    Ok(state)
}

/// That the tree of a state has not been forgotten.
pub(super) fn must_have_tree(vault: &Vault, state: &State) -> Result<(), OpsError> {
    match &state.root {
        Some(root) if !vault.has_tree(root)? => Err(forgotten(vault, &state.commits)?),
        _ => Ok(()),
    }
}

/// What is said of commits whose content is gone: by whose wish, if somebody wished it.
pub(super) fn forgotten(vault: &Vault, commits: &[Commit]) -> Result<OpsError, OpsError> {
    let mut what = format!("the content of {} is not in the vault any more", spoken(commits));
    let wishes = vault.forget_requests();
    for commit in commits {
        if let Some(by) = vault.forgotten_by(commit)? {
            let (who, when) = (by.record.writer_label, by.record.time.utc());
            return Ok(OpsError::new(Class::Missing, format!("{what}: garbage collection by {who} on {when} has forgotten it"))
                .hint("nothing was changed; `cryptsync policy show` tells what is kept, `cryptsync pin` keeps a commit whatever the policy"));
        }
    }
    if let Some(by) = commits.iter().find_map(|commit| wishes.get(&commit.id)) {
        let by = vault.record_of(by)?;
        let (who, when) = (by.record.writer_label.clone(), by.record.time.utc());
        what.push_str(&format!(": it was to be forgotten, by {who} on {when}"));
    }
    Ok(OpsError::new(Class::Missing, what)
        .hint("nothing was changed; `cryptsync verify` tells whether everything is there that should be"))
}

fn at_time(remote: &RemoteProfile, vault: &Vault, time: Timestamp) -> Result<State, OpsError> {
    let now = vault.world.clock.now();
    if time > now {
        return Err(OpsError::new(Class::Usage, format!("{} has not come yet: it is {}", time.utc(), now.utc())));
    }
    let until = vault.until(time)?;
    let mut commits: Vec<Commit> = Vec::new();
    for id in &until.heads {
        let record = vault.record_of(id)?;
        let commit =
            if record.record.kind == RecordKind::Commit { Some(record) } else { vault.commit_before(&record)? };
        commits.extend(commit.filter(|commit| commits.iter().all(|known| known.id != commit.id)));
    }
    if commits.is_empty() {
        let name = &remote.name;
        let what = match until.first {
            None => format!("`{name}:` has no commits"),
            Some(first) => {
                format!("`{name}:` had no commits at {}: the first is of {}", time.utc(), first.utc())
            }
        };
        return Err(OpsError::new(Class::DirNotFound, what).hint(format!("`cryptsync log {name}:` lists commits")));
    }
    commits.sort_unstable_by_key(|commit| std::cmp::Reverse((commit.rank(), commit.id)));
    Ok(State { root: vault.tree_of(&until.heads)?, commits })
}

/// The commit so many before one, along the newest parents.
fn before(commit: Commit, back: u32, vault: &Vault) -> Result<Commit, OpsError> {
    let mut at = commit;
    for done in 0..back {
        vault.checkpoint()?;
        at = vault.commit_before(&at)?.ok_or_else(|| {
            let what = format!("there is no commit {back} before: {} is the first, {done} before", at.id.short());
            OpsError::new(Class::DirNotFound, what)
        })?;
    }
    Ok(at)
}

/// The commit with this id, or the only one whose id begins so.
pub(super) fn commit_of(remote: &RemoteProfile, vault: &Vault, name: &str) -> Result<Commit, OpsError> {
    let list = format!("`cryptsync log {}:` lists commits", remote.name);
    let unknown = || OpsError::new(Class::Usage, format!("there is no commit `{name}`")).hint(&list);
    let mut named: Vec<CommitId> = Vec::new();
    for names in [vault.pins(), vault.tags()] {
        named.extend(names.iter().filter(|(_, names)| names.contains(name)).map(|(id, _)| *id));
    }
    named.sort_unstable();
    named.dedup();
    if named.len() > 1 {
        let commits = named.iter().map(|id| vault.record_of(id)).collect::<Result<Vec<_>, _>>()?;
        return Err(several(&format!("more than one commit is called `{name}`"), &commits).hint("name it by its id"));
    }
    if let Some(id) = named.pop() {
        return Ok(vault.record_of(&id)?);
    }
    if let Ok(id) = name.parse::<CommitId>() {
        let found = if vault.has_commit(&id)? { Some(vault.record_of(&id)?) } else { None };
        return found.filter(|commit| commit.record.kind == RecordKind::Commit).ok_or_else(unknown);
    }
    if name.len() < PREFIX_MIN {
        return Err(unknown().hint(format!("{list}; write at least four characters of an id")));
    }
    let mut found = vault.beginning_with(name, LISTED + 1)?;
    match found.len() {
        0 => Err(unknown()),
        1 => Ok(found.remove(0)),
        _ => Err(several(&format!("more than one commit begins with `{name}`"), &found).hint("write more of its id")),
    }
}

fn several(what: &str, commits: &[Commit]) -> OpsError {
    let shown: Vec<String> = commits.iter().take(LISTED).map(one).collect();
    let more = if commits.len() > LISTED { " and more" } else { "" };
    OpsError::new(Class::Usage, format!("{what}: {}{more}", shown.join("; ")))
}

/// Commits in words.
pub(super) fn spoken(commits: &[Commit]) -> String {
    match commits {
        [commit] => format!("commit {}", one(commit)),
        _ => {
            let shown: Vec<String> = commits.iter().take(LISTED).map(one).collect();
            let more = if commits.len() > LISTED { "; and more" } else { "" };
            format!("{} commits, merged: {}{more}", commits.len(), shown.join("; "))
        }
    }
}

fn one(commit: &Commit) -> String {
    let LogEntry { id, time, writer, operation, .. } = log_entry(commit);
    format!("{} of {} by {writer} ({operation})", id.get(..SHOWN).unwrap_or(&id), time.utc())
}

/// Fewer characters of an id are a slip of the pen.
const PREFIX_MIN: usize = 4;
/// Characters of an id that messages show, as `log` does.
const SHOWN: usize = 10;
/// Commits that a message lists.
const LISTED: usize = 5;
