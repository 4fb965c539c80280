//! `policy`, `forget`, `pin` and `tag`: what is kept of a vault's history.

use std::collections::{BTreeMap, BTreeSet};

use super::inspect::log_entry;
use super::open::open;
use super::{Ctx, LogEntry, OpsError, RemoteProfile};
use crate::class::Class;
use crate::format::policy::{Policy, Rule, Scope};
use crate::format::statement::{Mark, MarkKind};
use crate::history::retention::{Candidate, Decision, Reason, decide, keeps_any};
use crate::id::CommitId;
use crate::vault::{Commit, Names, Vault};

/// How a policy is to change.
#[derive(Debug, Clone)]
pub enum PolicyChange {
    /// This rule takes the place of that with its scope, besides which all commits with these tags are kept.
    Set {
        /// The rule; one that keeps nothing changes nothing.
        rule: Rule,
        /// Tags.
        tags: Vec<String>,
        /// Minutes east of UTC, where days begin.
        offset: Option<i32>,
    },
    /// The rule with this scope goes.
    Drop(Scope),
    /// Everything is kept.
    KeepAll,
    /// What a new vault has.
    Reset,
}

/// A policy, and who has stated it.
#[derive(Debug, Clone)]
pub struct PolicyReport {
    /// The policy.
    pub policy: Policy,
    /// The commit that says so; none if it is what every vault begins with.
    pub stated: Option<LogEntry>,
}

/// One commit, and what becomes of it.
#[derive(Debug, Clone)]
pub struct KeepRow {
    /// The commit, with the time it was judged by.
    pub entry: LogEntry,
    /// Its tags.
    pub tags: Vec<String>,
    /// Why it is kept; nothing if it is forgotten.
    pub reasons: Vec<Reason>,
    /// Whether it was named by hand.
    pub unwanted: bool,
}

/// What is kept and what is forgotten.
#[derive(Debug, Clone)]
pub struct KeepReport {
    /// All commits that were judged, or those that were named, newest first.
    pub rows: Vec<KeepRow>,
    /// The policy that judged.
    pub policy: Policy,
    /// The commit that says so; none if nothing was said.
    pub commit: Option<String>,
}

/// A commit that has names.
#[derive(Debug, Clone)]
pub struct NamedRow {
    /// The commit.
    pub entry: LogEntry,
    /// Its names, ascending; of a pin, one may be empty.
    pub names: Vec<String>,
}

/// The policy in force.
///
/// # Errors
/// The vault can't be read.
pub fn policy(ctx: &Ctx<'_>, remote: &RemoteProfile) -> Result<PolicyReport, OpsError> {
    let vault = &open(ctx, remote)?.vault;
    let stated = vault.stated_policy();
    let entry = stated.as_ref().map(|stated| log_entry(&stated.by));
    Ok(PolicyReport { policy: vault.policy(), stated: entry })
}

/// Changes the policy, and shows what follows from the new one.
///
/// # Errors
/// It would forget everything, the key at hand is no admin's, or the vault fails.
pub fn set_policy(
    ctx: &Ctx<'_>,
    remote: &RemoteProfile,
    change: &PolicyChange,
    operation: &str,
    dry_run: bool,
) -> Result<KeepReport, OpsError> {
    let vault = &open(ctx, remote)?.vault;
    let policy = changed(vault.policy(), vault.stated_policy().is_some(), change)?;
    let (commits, decisions) = judged(ctx, vault, &policy)?;
    if !keeps_any(&decisions) {
        return Err(OpsError::new(Class::Usage, "this policy would keep no commit there is; nothing was changed")
            .hint("let a rule keep something, for example with --keep-within 30d"));
    }
    let commit = if dry_run { None } else { Some(vault.state_policy(&policy, operation)?.to_string()) };
    Ok(KeepReport { rows: rows(vault, commits, decisions)?, policy, commit })
}

/// What the policy in force keeps and forgets.
///
/// # Errors
/// The vault can't be read.
pub fn kept(ctx: &Ctx<'_>, remote: &RemoteProfile) -> Result<KeepReport, OpsError> {
    let vault = &open(ctx, remote)?.vault;
    let policy = vault.policy();
    let (commits, decisions) = judged(ctx, vault, &policy)?;
    Ok(KeepReport { rows: rows(vault, commits, decisions)?, policy, commit: None })
}

/// Says of commits that they shall be forgotten, or with `undo` that the policy decides after all.
///
/// # Errors
/// There is no such commit or it can't be forgotten, the key at hand is no admin's, or the vault fails.
pub fn forget(
    ctx: &Ctx<'_>,
    remote: &RemoteProfile,
    names: &[String],
    undo: bool,
    dry_run: bool,
) -> Result<KeepReport, OpsError> {
    let vault = &open(ctx, remote)?.vault;
    let named = names.iter().map(|name| vault.commit_named(name)).collect::<Result<Vec<Commit>, _>>()?;
    let ids: BTreeSet<CommitId> = named.iter().map(|commit| commit.id).collect();
    let policy = vault.policy();
    let mut commits = vault.candidates()?;
    for commit in commits.iter_mut().filter(|commit| ids.contains(&commit.id)) {
        if undo && !commit.unwanted {
            let short = commit.id.short();
            return Err(OpsError::new(Class::Usage, format!("nobody has said to forget commit {short}")));
        }
        commit.unwanted = !undo;
    }
    let mut decisions = decide(&commits, &policy, ctx.world.clock.now());
    for decision in decisions.iter().filter(|decision| !undo && ids.contains(&decision.id)) {
        if let Some(why) = decision.reasons.first() {
            let short = decision.id.short();
            let hint = match why {
                Reason::Pin(_) => "take the pin away with `unpin` first",
                _ => "it can go once newer commits have taken its place",
            };
            return Err(OpsError::new(Class::Usage, format!("commit {short} can't be forgotten: {why}")).hint(hint));
        }
    }
    let operation = format!("forget {}{}", if undo { "--undo " } else { "" }, shorts(&ids));
    let commit = if dry_run { None } else { vault.forget(&ids, !undo, &operation)?.map(|id| id.to_string()) };
    commits.retain(|commit| ids.contains(&commit.id));
    decisions.retain(|decision| ids.contains(&decision.id));
    Ok(KeepReport { rows: rows(vault, commits, decisions)?, policy, commit })
}

/// Commits that have names, newest first.
///
/// # Errors
/// The vault can't be read.
pub fn marks(ctx: &Ctx<'_>, remote: &RemoteProfile, kind: MarkKind) -> Result<Vec<NamedRow>, OpsError> {
    let vault = &open(ctx, remote)?.vault;
    let names = names_of(vault, kind);
    let mut rows = Vec::new();
    for commit in vault.newest(usize::MAX, |commit| names.contains_key(&commit.id))? {
        let names = names.get(&commit.id).into_iter().flatten().cloned().collect();
        rows.push(NamedRow { entry: log_entry(&commit), names });
    }
    Ok(rows)
}

/// Gives names to a commit, and takes others from it; all of the kind with `take_all`. What it is called then.
///
/// # Errors
/// There is no such commit or name, the key at hand may not do that, or the vault fails.
pub fn mark(ctx: &Ctx<'_>, remote: &RemoteProfile, options: &MarkOptions) -> Result<NamedRow, OpsError> {
    let vault = &open(ctx, remote)?.vault;
    let commit = vault.commit_named(&options.commit)?;
    let has = names_of(vault, options.kind).remove(&commit.id).unwrap_or_default();
    let mut take: BTreeSet<String> = options.take.iter().cloned().collect();
    let word = if options.kind == MarkKind::Pin { "pin" } else { "tag" };
    let short = commit.id.short();
    if let Some(name) = take.iter().find(|name| !has.contains(*name)) {
        return Err(OpsError::new(Class::Usage, format!("commit {short} has no {word} `{name}`")));
    }
    if options.take_all {
        if has.is_empty() {
            return Err(OpsError::new(Class::Usage, format!("commit {short} has no {word}")));
        }
        take.extend(has.iter().cloned());
    }
    let mark = |name: &String, given| Mark { kind: options.kind, commit: commit.id, name: name.clone(), given };
    let give: BTreeSet<String> = options.give.iter().filter(|name| !has.contains(*name)).cloned().collect();
    let marks: Vec<Mark> =
        give.iter().map(|name| mark(name, true)).chain(take.difference(&give).map(|name| mark(name, false))).collect();
    vault.mark(marks, &format!("{word} {short}"))?;
    let names = names_of(vault, options.kind).remove(&commit.id).unwrap_or_default();
    Ok(NamedRow { entry: log_entry(&commit), names: names.into_iter().collect() })
}

/// `pin`, `unpin` and `tag`
#[derive(Debug, Clone)]
pub struct MarkOptions {
    /// Pins or tags.
    pub kind: MarkKind,
    /// The commit: its id, the beginning of it, or a name that it alone has.
    pub commit: String,
    /// Names to give.
    pub give: Vec<String>,
    /// Names to take.
    pub take: Vec<String>,
    /// Whether to take all that it has.
    pub take_all: bool,
}

fn names_of(vault: &Vault, kind: MarkKind) -> Names {
    match kind {
        MarkKind::Pin => vault.pins(),
        MarkKind::Tag => vault.tags(),
    }
}

fn changed(mut policy: Policy, stated: bool, change: &PolicyChange) -> Result<Policy, OpsError> {
    match change {
        PolicyChange::Reset => return Ok(Policy::default()),
        PolicyChange::KeepAll => return Ok(Policy { offset: policy.offset, rules: Vec::new() }),
        PolicyChange::Drop(scope) => {
            let before = policy.rules.len();
            policy.rules.retain(|rule| rule.scope != *scope);
            if policy.rules.len() == before {
                return Err(OpsError::new(Class::Usage, format!("the policy has no rule for {scope}")));
            }
            if policy.rules.is_empty() {
                return Err(OpsError::new(Class::Usage, format!("the rule for {scope} is the only one"))
                    .hint("`policy set --keep-all` keeps everything; `policy reset` goes back to what every vault begins with"));
            }
        }
        PolicyChange::Set { rule, tags, offset } => {
            // Whoever says what to keep does not mean what every vault begins with besides.
            if !stated && rule.scope == Scope::All && (!rule.is_empty() || !tags.is_empty()) {
                policy.rules.clear();
            }
            policy.offset = offset.unwrap_or(policy.offset);
            let of_tag = |tag: &String| Rule { keep: KEEP_ALL, ..Rule::new(Scope::Tag(tag.clone())) };
            for new in tags.iter().map(of_tag).chain(Some(rule.clone()).filter(|rule| !rule.is_empty())) {
                policy.rules.retain(|rule| rule.scope != new.scope);
                policy.rules.push(new);
            }
            policy.rules.sort_by(|a, b| a.scope.cmp(&b.scope));
        }
    }
    Ok(policy)
}

const KEEP_ALL: [crate::format::policy::Count; 6] = {
    let mut keep = [crate::format::policy::Count(0); 6];
    keep[0] = crate::format::policy::Count::ALL;
    keep
};

fn judged(ctx: &Ctx<'_>, vault: &Vault, policy: &Policy) -> Result<(Vec<Candidate>, Vec<Decision>), OpsError> {
    let commits = vault.candidates_for(policy)?;
    let decisions = decide(&commits, policy, ctx.world.clock.now());
    Ok((commits, decisions))
}

/// How many commits the policy in force keeps, and how many it forgets.
pub(super) fn counts(ctx: &Ctx<'_>, vault: &Vault) -> Result<(u64, u64), OpsError> {
    let (_, decisions) = judged(ctx, vault, &vault.policy())?;
    let kept = decisions.iter().filter(|decision| decision.is_kept()).count();
    Ok((kept as u64, (decisions.len() - kept) as u64))
}

/// What was decided, with what the commits say.
fn rows(vault: &Vault, commits: Vec<Candidate>, decisions: Vec<Decision>) -> Result<Vec<KeepRow>, OpsError> {
    let judged: BTreeMap<CommitId, (Candidate, Decision)> =
        commits.into_iter().zip(decisions).map(|(commit, decision)| (commit.id, (commit, decision))).collect();
    let all = vault.newest(usize::MAX, |commit| judged.contains_key(&commit.id))?;
    let row = |commit: &Commit| {
        let (candidate, decision) = judged.get(&commit.id)?;
        Some(KeepRow {
            entry: LogEntry { time: decision.time, ..log_entry(commit) },
            tags: candidate.tags.iter().cloned().collect(),
            reasons: decision.reasons.clone(),
            unwanted: candidate.unwanted,
        })
    };
    Ok(all.iter().filter_map(row).collect())
}

fn shorts(ids: &BTreeSet<CommitId>) -> String {
    let mut shorts: Vec<String> = ids.iter().take(8).map(CommitId::short).collect();
    if ids.len() > shorts.len() {
        shorts.push(format!("and {} more", ids.len() - shorts.len()));
    }
    shorts.join(" ")
}
