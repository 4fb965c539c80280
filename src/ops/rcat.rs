//! `rcat`: a stream into one file.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::sync::{missing_dirs, open_for_writing, session_options, threads};
use super::{Ctx, OpsError, Place, SyncReport};
use crate::class::Class;
use crate::event::Event;
use crate::format::entry::{Content, Entry, EntryKind};
use crate::history::source::Root;
use crate::path::TreePath;
use crate::transfer::{StreamUpload, TransferError, base_root, commit_edits, lookup};
use crate::vault::{CommitInfo, Published, Session, Vault};

/// Stores a stream of unknown length as one file.
///
/// # Errors
/// What stopped it; nothing is committed then.
pub fn rcat(ctx: &Ctx<'_>, place: &Place, input: &mut (dyn Read + Send)) -> Result<SyncReport, OpsError> {
    if let Place::Plain(profile, _) = place {
        return Err(super::plain::refuse(profile, "`rcat`"));
    }
    let Place::Vault(remote, path) = place else {
        return Err(OpsError::new(Class::Usage, "`rcat` writes to a vault: give `remote:path`"));
    };
    let Some(parent) = path.parent() else {
        return Err(OpsError::new(Class::Usage, "`rcat` needs the name of a file, not only a remote"));
    };
    let opened = open_for_writing(ctx, remote)?;
    let vault = &opened.vault;
    vault.ensure_joined()?;
    let base = base_root(vault)?;
    let extra = room_for(vault, base.as_ref(), path, &parent)?;
    let entry = Entry {
        kind: EntryKind::File,
        size: 0,
        mtime: ctx.world.clock.now(),
        mode: Some(0o644),
        content: Content::None,
        attributes: Vec::new(),
    };
    opened.sweep()?;
    let mut session = Session::begin(Arc::clone(vault), session_options(ctx, vault))?;
    ctx.observer.event(Event::Started { path, size: 0 });
    let stream = StreamUpload {
        session: &session,
        path: path.clone(),
        entry,
        observer: ctx.observer,
        cancel: &ctx.cancel,
        budget: ctx.engine.memory / 6,
        workers: threads(ctx).1,
    };
    let mut uploaded = stream.run(input)?;
    let info = CommitInfo { operation: format!("rcat -> {path}") };
    let published = commit_edits(&mut session, base.as_ref(), &extra, &mut uploaded, true, &info)?;
    let commit = match published {
        Published::Commit(id) => Some(id.to_string()),
        Published::Unchanged => None,
    };
    ctx.observer.event(Event::Done { path, action: crate::event::Action::Copy, size: uploaded.bytes });
    let stats = session.stats();
    Ok(SyncReport {
        checked: 1,
        files: 1,
        bytes: uploaded.bytes,
        deduplicated: stats.deduplicated.load(Ordering::Relaxed),
        stored: stats.stored.load(Ordering::Relaxed),
        requests: opened.requests(),
        commit,
        ..SyncReport::default()
    })
}

/// The directories that are missing for a file at `path`. What is there already must not be a directory.
fn room_for(
    vault: &Vault,
    base: Option<&Root>,
    path: &TreePath,
    parent: &TreePath,
) -> Result<Vec<(TreePath, Entry)>, OpsError> {
    if lookup(vault, base, path)?.is_some_and(|item| item.entry.kind == EntryKind::Dir) {
        let path = path.clone();
        return Err(TransferError::InTheWay { path, is: "a directory", needed: "a file" }.into());
    }
    missing_dirs(vault, base, parent)
}
