//! `ls` and `lsf`: entries of a place, in tree order.

use std::io;
use std::sync::Arc;

use super::open::open;
use super::sync::not_there;
use super::{Ctx, ListOptions, Listed, ListedKind, OpsError, Place};
use crate::class::Class;
use crate::event::Event;
use crate::filter::Filter;
use crate::format::entry::EntryKind;
use crate::path::TreePath;
use crate::transfer::{Item, SideError, VaultSide, Walk, attributes, base_root, entry_in_scope, lookup, stat_item};
use crate::vault::VaultError;

/// Lists, calling `row` for each entry in tree order.
///
/// # Errors
/// The place is not there, or the vault can't be read.
pub fn list(
    ctx: &Ctx<'_>,
    options: &ListOptions,
    row: &mut dyn FnMut(&Listed) -> io::Result<()>,
) -> Result<(), OpsError> {
    let filter = Arc::new(options.filter.clone());
    match &options.place {
        Place::Local(path) if path.is_dir() => rows(ctx, Walk::open(path, filter, options.recursive)?, row),
        Place::Local(path) if path.symlink_metadata().is_err() => Err(missing_local(path)),
        Place::Local(path) => {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            let name = TreePath::from_bytes(name).map_err(|bad| OpsError::new(Class::UnsafePath, bad.to_string()))?;
            rows(ctx, stat_item(path, name)?.filter(|item| single(&filter, item)).into_iter().map(Ok), row)
        }
        Place::Vault(remote, path) => {
            let opened = open(ctx, remote)?;
            let base = base_root(&opened.vault)?;
            match lookup(&opened.vault, base.as_ref(), path)? {
                None if !path.is_root() => Err(not_there(remote, path)),
                Some(item) if item.entry.kind != EntryKind::Dir => {
                    let name = TreePath::from_bytes(path.name().unwrap_or_default()).unwrap_or_default();
                    let item = Some(Item { path: name, ..item }).filter(|item| single(&filter, item));
                    rows(ctx, item.into_iter().map(Ok), row)
                }
                _ => rows(ctx, VaultSide::open(&opened.vault, base.as_ref(), path, filter, options.recursive)?, row),
            }
        }
    }
}

/// Whether a file that was named alone is in scope.
fn single(filter: &Filter, item: &Item) -> bool {
    item.entry.kind == EntryKind::Dir || entry_in_scope(filter, item)
}

/// Why a local path can't be listed: there is no directory.
pub(super) fn missing_local(path: &std::path::Path) -> OpsError {
    OpsError::new(Class::DirNotFound, format!("there is no directory {}", path.display()))
}

fn rows(
    ctx: &Ctx<'_>,
    items: impl Iterator<Item = Result<Item, SideError>>,
    row: &mut dyn FnMut(&Listed) -> io::Result<()>,
) -> Result<(), OpsError> {
    let mut skipped = 0u64;
    for item in items {
        if ctx.cancel.is_cancelled() {
            return Err(VaultError::Cancelled.into());
        }
        match item {
            Ok(item) if ctx.rclone_compat && item.entry.kind == EntryKind::Symlink => drop(item),
            Ok(item) => row(&listed(item)).map_err(VaultError::local("cannot write the listing"))?,
            Err(SideError::Skipped { path, reason }) => {
                skipped += 1;
                ctx.observer.event(Event::Failed { path: &path, reason: &reason });
            }
            Err(SideError::Special(_) | SideError::Partly { .. }) => {} // listings are of files, directories and links
            Err(SideError::Fatal(error)) => return Err(error.into()),
        }
    }
    if skipped == 0 {
        Ok(())
    } else {
        Err(OpsError::new(Class::Failed, format!("{skipped} entries could not be read")))
    }
}

pub(super) fn listed(item: Item) -> Listed {
    let kind = match item.entry.kind {
        EntryKind::File => ListedKind::File,
        EntryKind::Dir => ListedKind::Dir,
        EntryKind::Symlink => ListedKind::Symlink(item.link_target().unwrap_or_default().to_vec()),
    };
    let Item { path, entry, .. } = item;
    Listed { kind, size: entry.size, mtime: entry.mtime, mode: entry.mode, path, attributes: attributes(&entry) }
}
