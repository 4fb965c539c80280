//! Changes of a vault's tree that move no content. A verb looks at the tree and lists its edits; here they are published.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::consent::Consent;
use super::open::open;
use super::sync::{missing_dirs, not_there, open_for_writing, session_options};
use super::{Ctx, OpsError, Place, RemoteProfile, SyncReport};
use crate::class::Class;
use crate::event::{Action, Event};
use crate::filter::Filter;
use crate::format::entry::{Entry, EntryKind};
use crate::format::key::subtree_range;
use crate::format::node::Totals;
use crate::history::cursor::Cursor;
use crate::history::diff::Diff;
use crate::history::source::{Root, same_tree};
use crate::history::totals::totals;
use crate::path::TreePath;
use crate::transfer::{EditList, Item, Kept, SideError, VaultSide, base_root, commit_edits, keep_content, lookup};
use crate::vault::{CommitInfo, Published, Session, Vault, VaultError};

/// How a tree is to be changed: what the verbs that edit one have in common.
#[derive(Debug, Clone, Default)]
pub struct EditOptions {
    /// Look and tell, change nothing.
    pub dry_run: bool,
    /// Ask before each change.
    pub interactive: bool,
    /// Pass the delete brake.
    pub force: bool,
    /// The operation as the commit will name it.
    pub operation: String,
}

impl EditOptions {
    /// A change of `remote` made that way.
    pub(super) fn change<'a>(&'a self, ctx: &'a Ctx<'a>, remote: &'a RemoteProfile) -> Change<'a> {
        let consent = Consent::new(ctx, self.interactive && !self.dry_run);
        Change { ctx, remote, dry_run: self.dry_run, consent, operation: &self.operation, past: false }
    }

    /// The same with entries of older trees.
    pub(super) fn change_back<'a>(&'a self, ctx: &'a Ctx<'a>, remote: &'a RemoteProfile) -> Change<'a> {
        Change { past: true, ..self.change(ctx, remote) }
    }
}

/// A change being made.
pub(super) struct Change<'a> {
    pub(super) ctx: &'a Ctx<'a>,
    pub(super) remote: &'a RemoteProfile,
    /// Look and tell, publish nothing.
    pub(super) dry_run: bool,
    /// Who is asked about each change.
    pub(super) consent: Consent<'a>,
    /// What the commit will say.
    pub(super) operation: &'a str,
    /// Whether entries of older trees are among the edits, whose content has to be stored anew if nothing refers to it.
    pub(super) past: bool,
}

/// A tree to be changed.
pub(super) struct Tree<'a> {
    change: &'a Change<'a>,
    pub(super) vault: &'a Arc<Vault>,
    pub(super) root: Option<Root>,
}

impl Change<'_> {
    /// Publishes the edits that `plan` lists; nothing if there are none. `plan` counts what it does in the report, and is
    /// called again if somebody else has published before this installation became a writer.
    pub(super) fn make(
        &self,
        plan: &mut dyn FnMut(&Tree<'_>, &mut EditList, &mut SyncReport) -> Result<(), OpsError>,
    ) -> Result<SyncReport, OpsError> {
        let opened = if self.dry_run { open(self.ctx, self.remote)? } else { open_for_writing(self.ctx, self.remote)? };
        loop {
            let (mut edits, mut report) = (EditList::default(), SyncReport::default());
            let tree = Tree { change: self, vault: &opened.vault, root: base_root(&opened.vault)? };
            plan(&tree, &mut edits, &mut report)?;
            if !self.dry_run && !edits.is_empty() {
                if opened.vault.ensure_joined()? && !same_tree(tree.root.as_ref(), base_root(&opened.vault)?.as_ref()) {
                    continue;
                }
                match self.publish(&tree, edits, &mut report)? {
                    Published::Commit(id) => report.commit = Some(id.to_string()),
                    Published::Unchanged => {}
                }
            }
            report.requests = opened.requests();
            return Ok(report);
        }
    }

    fn publish(&self, tree: &Tree<'_>, edits: EditList, report: &mut SyncReport) -> Result<Published, OpsError> {
        let mut session = Session::begin(Arc::clone(tree.vault), session_options(self.ctx, tree.vault))?;
        let info = CommitInfo { operation: self.operation.to_owned() };
        let mut edits = edits.finish()?;
        if self.past {
            refuse_gone(&keep_content(&session, &mut edits)?)?;
        }
        let published = commit_edits(&mut session, tree.root.as_ref(), &[], &mut edits, true, &info)?;
        report.stored = session.stats().stored.load(Ordering::Relaxed);
        Ok(published)
    }
}

impl Tree<'_> {
    /// The entry at a path; `None` at the root.
    pub(super) fn find(&self, path: &TreePath) -> Result<Option<Item>, OpsError> {
        Ok(lookup(self.vault, self.root.as_ref(), path)?)
    }

    /// What is at a path. The root is a directory.
    pub(super) fn kind(&self, path: &TreePath) -> Result<Option<EntryKind>, OpsError> {
        if path.is_root() {
            return Ok(Some(EntryKind::Dir));
        }
        Ok(self.find(path)?.map(|item| item.entry.kind))
    }

    /// Fails unless there is a directory.
    pub(super) fn need_dir(&self, path: &TreePath) -> Result<(), OpsError> {
        match self.kind(path)? {
            Some(EntryKind::Dir) => Ok(()),
            Some(_) => Err(OpsError::new(Class::Failed, format!("{} is not a directory", self.shown(path)))),
            None => Err(not_there(self.change.remote, path)),
        }
    }

    /// Entries below a directory, with their paths relative to it. `kept` hears of what the filter leaves out.
    pub(super) fn below<'v>(
        &'v self,
        dir: &TreePath,
        filter: &Filter,
        kept: &Kept,
    ) -> Result<impl Iterator<Item = Result<Item, OpsError>> + 'v, OpsError> {
        let filter = Arc::new(filter.clone());
        let side = VaultSide::open(self.vault, self.root.as_ref(), dir, filter, true)?.keeping(kept);
        Ok(side.filter_map(|found| {
            if let Err(error) = self.vault.checkpoint() {
                return Some(Err(error.into()));
            }
            match found {
                Ok(item) => Some(Ok(item)),
                Err(SideError::Stands(_)) => None,
                Err(SideError::Fatal(error)) => Some(Err(error.into())),
                Err(error) => Some(Err(OpsError::new(Class::Failed, error.to_string()))),
            }
        }))
    }

    /// The paths below a directory at which this tree is not what `old` was. Subtrees that are the same are not read.
    pub(super) fn changed_since(&self, old: Option<&Root>, dir: &TreePath) -> Result<HashSet<TreePath>, OpsError> {
        let mut changed = HashSet::new();
        if same_tree(old, self.root.as_ref()) {
            return Ok(changed);
        }
        let below = |root: Option<&Root>| match root {
            None => Ok(Cursor::empty(&**self.vault)),
            Some(root) => Cursor::range(&**self.vault, root, subtree_range(dir)),
        };
        for change in Diff::new(below(old)?, below(self.root.as_ref())?) {
            let path = change?.key.to_path().map_err(|bad| VaultError::UnsafePath(bad.to_string()))?;
            changed.insert(path);
        }
        Ok(changed)
    }

    /// Directories that have to be made so that `path` is one: those above it, and itself.
    pub(super) fn missing_dirs(&self, path: &TreePath) -> Result<Vec<(TreePath, Entry)>, OpsError> {
        missing_dirs(self.vault, self.root.as_ref(), path)
    }

    /// What everything below a directory adds up to.
    pub(super) fn totals_below(&self, dir: &TreePath) -> Result<Totals, OpsError> {
        match &self.root {
            None => Ok(Totals::default()),
            Some(root) => Ok(totals(&**self.vault, root, subtree_range(dir))?),
        }
    }

    /// Asks before most of the vault is deleted, unless `force`.
    pub(super) fn brake(&self, deletes: u64, force: bool) -> Result<(), OpsError> {
        let all = self.root.map_or(0, |root| root.totals.entries);
        if force || self.change.ctx.rclone_compat || deletes <= 20 || deletes.saturating_mul(2) <= all {
            return Ok(());
        }
        let what = format!("this would delete {deletes} of the {all} entries of the vault");
        // A dry run is there to see this; it asks nobody.
        if self.change.dry_run {
            self.change.ctx.observer.event(Event::Notice(&format!("{what}: without --force it would ask first")));
            return Ok(());
        }
        match self.change.ctx.person.confirm(&format!("T{}. Go on?", &what[1..])) {
            Some(true) => Ok(()),
            _ => Err(OpsError::new(Class::Fatal, format!("{what}; nothing was done"))
                .hint("check that the path is the right one; `--force` goes on without asking")),
        }
    }

    /// Whether `action` may be done to a path; `more` says what that comes to.
    pub(super) fn allows(&self, action: &'static str, path: &TreePath, more: &str) -> Result<bool, OpsError> {
        self.change.consent.allows(action, &format!("{}:{path}{more}", self.change.remote.name))
    }

    /// Tells of a change that is being made, or would be.
    pub(super) fn tell(&self, path: &TreePath, action: Action, size: u64) {
        let event =
            if self.change.dry_run { Event::Would { path, action, size } } else { Event::Done { path, action, size } };
        self.change.ctx.observer.event(event);
    }

    /// A path as messages show it.
    pub(super) fn shown(&self, path: &TreePath) -> String {
        format!("`{}:{path}`", self.change.remote.name)
    }
}

fn refuse_gone(gone: &[TreePath]) -> Result<(), OpsError> {
    let named: Vec<String> = gone.iter().take(GONE_NAMED).map(|path| format!("`{path}`")).collect();
    let what = match gone.len() {
        0 => return Ok(()),
        1 => format!("the content of {} is not in the vault any more", named.join("")),
        n => {
            let more = if n > GONE_NAMED { " and others" } else { "" };
            format!("the content of {n} files is not in the vault any more: {}{more}", named.join(", "))
        }
    };
    Err(OpsError::new(Class::Missing, format!("{what}; nothing was changed"))
        .hint("bring back single files with `cryptsync restore`, or look for another copy of the vault"))
}

/// The path in a vault that a verb is about.
pub(super) fn in_vault<'p>(
    place: &'p Place,
    verb: &str,
    instead: &str,
) -> Result<(&'p RemoteProfile, &'p TreePath), OpsError> {
    match place {
        Place::Vault(remote, path) => Ok((remote, path)),
        Place::Plain(profile, _) => Err(super::plain::refuse(profile, &format!("`{verb}`"))),
        Place::Local(path) => {
            let what = format!("{} is on this machine; `{verb}` works inside a vault", path.display());
            Err(OpsError::new(Class::Usage, what).hint(format!("write `remote:path`, or use {instead}")))
        }
    }
}

/// Why the root of a vault can't be what a verb is about.
pub(super) fn not_the_root(verb: &str, remote: &RemoteProfile) -> OpsError {
    OpsError::new(Class::Usage, format!("`{}:` is the root of the vault; `{verb}` needs a path below it", remote.name))
}

/// Why a file can't be found.
pub(super) fn no_file(remote: &RemoteProfile, path: &TreePath) -> OpsError {
    OpsError { class: Class::FileNotFound, ..not_there(remote, path) }
}

/// Files that a message names.
const GONE_NAMED: usize = 10;
