//! `restore`: what was there is there again, in place. Everything else stays as it is now.

use super::edit_tree::{EditOptions, Tree, in_vault};
use super::moment::{Moment, spoken, state_at};
use super::{Ctx, OpsError, Place, SyncReport};
use crate::class::Class;
use crate::event::{Action, Event};
use crate::format::entry::{Entry, EntryKind};
use crate::format::key::subtree_range;
use crate::history::cursor::{Cursor, Found};
use crate::history::diff::Diff;
use crate::history::source::Root;
use crate::path::TreePath;
use crate::transfer::{EditList, Item, lookup};
use crate::vault::{Vault, VaultError};

/// What is to be there again.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// A file or a directory, in a vault.
    pub place: Place,
    /// As it was then.
    pub moment: Moment,
    /// Whether what came later goes, below a directory.
    pub delete: bool,
    /// How it is done. `force`: write over what has changed since without asking.
    pub edit: EditOptions,
}

/// Brings back what was there, with one commit.
///
/// # Errors
/// It was not there, its content is gone, or nobody has consented to writing over what has changed since.
pub fn restore(ctx: &Ctx<'_>, options: &RestoreOptions) -> Result<SyncReport, OpsError> {
    let (remote, path) = in_vault(&options.place, "restore", "the copy that you have")?;
    let mut told = false;
    options.edit.change_back(ctx, remote).make(&mut |tree, edits, report| {
        let state = state_at(remote, tree.vault, &options.moment)?;
        if !told {
            told = true;
            let after = spoken(&state.commits);
            ctx.observer.event(Event::Notice(&format!("{} as it was after {after}", tree.shown(path))));
        }
        let run = Restore { ctx, options, tree, then: state.root, path };
        let (now, then) = (tree.find(path)?, lookup(tree.vault, state.root.as_ref(), path)?);
        if then.is_none() && !path.is_root() {
            let what = format!("{} was not there after {}", tree.shown(path), spoken(&state.commits));
            let hint = format!("`cryptsync log {}:{path}` shows when it was", remote.name);
            return Err(OpsError::new(Class::DirNotFound, what).hint(hint).about(path.as_bytes()));
        }
        let losses = run.losses(now.as_ref(), then.as_ref())?;
        run.ask(losses)?;
        run.list(now, then, edits, report)
    })
}

struct Restore<'a> {
    ctx: &'a Ctx<'a>,
    options: &'a RestoreOptions,
    tree: &'a Tree<'a>,
    then: Option<Root>,
    path: &'a TreePath,
}

/// What the tree has now that it would not have then: files that are written over, entries that go.
#[derive(Default)]
struct Losses {
    changed: u64,
    deleted: u64,
}

/// What becomes of one path.
enum Step {
    Bring(Box<Item>, Action),
    Delete(TreePath),
    /// A directory is where a file was.
    InTheWay(TreePath),
    Leave,
}

impl Restore<'_> {
    fn vault(&self) -> &Vault {
        self.tree.vault
    }

    /// Whether everything below the path is concerned, or the path alone.
    fn below(&self) -> Result<Diff<'_, Vault>, OpsError> {
        let cursor = |root: Option<&Root>| match root {
            None => Ok(Cursor::empty(self.vault())),
            Some(root) => Cursor::range(self.vault(), root, subtree_range(self.path)),
        };
        Ok(Diff::new(cursor(self.tree.root.as_ref())?, cursor(self.then.as_ref())?))
    }

    fn step(&self, path: TreePath, now: Option<&Entry>, then: Option<Item>) -> Step {
        let is_dir = |entry: &Entry| entry.kind == EntryKind::Dir;
        match (now, then) {
            (None, Some(item)) => {
                let action = if is_dir(&item.entry) { Action::MakeDir } else { Action::Copy };
                Step::Bring(Box::new(item), action)
            }
            (Some(now), Some(item)) if now == &item.entry => Step::Leave,
            (Some(now), Some(item)) if is_dir(now) && !is_dir(&item.entry) && !self.options.delete => {
                Step::InTheWay(item.path)
            }
            (Some(now), Some(item)) => {
                let same = now.kind == item.entry.kind && now.content == item.entry.content;
                let action = if same { Action::UpdateMeta } else { Action::Replace };
                Step::Bring(Box::new(item), action)
            }
            (Some(_), None) if self.options.delete => Step::Delete(path),
            _ => Step::Leave,
        }
    }

    fn each(
        &self,
        own: (Option<&Item>, Option<&Item>),
        each: &mut dyn FnMut(Step) -> Result<(), OpsError>,
    ) -> Result<(), OpsError> {
        let (now, then) = own;
        if now.is_some() || then.is_some() {
            each(self.step(self.path.clone(), now.map(|item| &item.entry), then.cloned()))?;
        }
        for change in self.below()? {
            self.vault().checkpoint()?;
            let change = change?;
            let path = change.key.to_path().map_err(|bad| VaultError::UnsafePath(bad.to_string()))?;
            let item = |found: Found| Item { path: path.clone(), entry: found.entry, place: found.place };
            let now = change.old.map(|found| found.entry);
            let then = change.new.map(item);
            each(self.step(path.clone(), now.as_ref(), then))?;
        }
        Ok(())
    }

    fn losses(&self, now: Option<&Item>, then: Option<&Item>) -> Result<Losses, OpsError> {
        let mut losses = Losses::default();
        self.each((now, then), &mut |step| {
            match step {
                Step::Bring(_, Action::Replace) => losses.changed += 1,
                Step::Delete(_) => losses.deleted += 1,
                _ => {}
            }
            Ok(())
        })?;
        Ok(losses)
    }

    /// Asks before later work is written over. It stays in the history, but not where people look for it.
    fn ask(&self, losses: Losses) -> Result<(), OpsError> {
        let Losses { changed, deleted } = losses;
        let edit = &self.options.edit;
        if (changed, deleted) == (0, 0) || edit.force || edit.dry_run {
            return Ok(());
        }
        let what = match (changed, deleted) {
            (n, 0) => format!("this would write over {n} entries that have changed since"),
            (0, n) => format!("this would delete {n} entries that came later"),
            (n, m) => {
                format!("this would write over {n} entries that have changed since, and delete {m} that came later")
            }
        };
        match self.ctx.person.confirm(&format!("T{}. Go on?", &what[1..])) {
            Some(true) => Ok(()),
            _ => Err(OpsError::new(Class::Fatal, format!("{what}; nothing was done"))
                .hint("look with `--dry-run`; `--force` goes on without asking, `--to` restores to another place")),
        }
    }

    fn list(
        &self,
        now: Option<Item>,
        then: Option<Item>,
        edits: &mut EditList,
        report: &mut SyncReport,
    ) -> Result<(), OpsError> {
        let mut left_out = Vec::new();
        // Directories above that are gone come back with what was known of them.
        for (path, made) in self.tree.missing_dirs(&self.path.parent().unwrap_or_default())? {
            let was = lookup(self.vault(), self.then.as_ref(), &path)?;
            edits.put(&path, was.map_or(made, |item| item.entry))?;
            self.tree.tell(&path, Action::MakeDir, 0);
            report.updated += 1;
        }
        self.each((now.as_ref(), then.as_ref()), &mut |step| {
            match step {
                Step::Leave => {}
                Step::InTheWay(path) => left_out.push(path),
                Step::Bring(item, action) => {
                    let size = item.entry.size;
                    edits.bring(self.vault(), &item)?;
                    self.tree.tell(&item.path, action, size);
                    match action {
                        Action::UpdateMeta | Action::MakeDir => report.updated += 1,
                        _ => (report.files, report.bytes) = (report.files + 1, report.bytes + size),
                    }
                }
                Step::Delete(path) => {
                    edits.delete(&path)?;
                    self.tree.tell(&path, Action::Delete, 0);
                    report.deleted += 1;
                }
            }
            Ok(())
        })?;
        for path in &left_out {
            report.failed += 1;
            let reason = "a directory is there now; `--delete` replaces it by the file that was there";
            self.ctx.observer.event(Event::Failed { path, reason });
        }
        Ok(())
    }
}
