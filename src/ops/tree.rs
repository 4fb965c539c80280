//! `tree`: a listing in which everything below a directory follows it, as people draw trees.

use std::cmp::Ordering;
use std::io;
use std::sync::Arc;

use super::list::{listed, missing_local};
use super::open::{Opened, open};
use super::sync::not_there;
use super::{Ctx, ListOptions, Listed, ListedKind, OpsError, Place};
use crate::class::Class;
use crate::event::Event;
use crate::filter::Filter;
use crate::format::entry::EntryKind;
use crate::history::source::Root;
use crate::path::TreePath;
use crate::transfer::{Item, SideError, VaultSide, Walk, base_root, local_path, lookup, stat_item};
use crate::vault::VaultError;

/// One entry, and where it hangs.
#[derive(Debug, Clone)]
pub struct TreeRow {
    /// The entry.
    pub listed: Listed,
    /// For each directory on the way to it and for itself: whether it is the last one where it is.
    pub last: Vec<bool>,
}

/// What of a tree is shown, and in which order.
pub(super) type Shown<'a> = (&'a dyn Fn(&Listed) -> bool, &'a dyn Fn(&Listed, &Listed) -> Ordering);

/// Lists what `wanted` takes in, depth first, the entries of a directory by `order`. Holds one directory for each level.
///
/// # Errors
/// The place is not a directory, or can't be read.
pub fn tree(
    ctx: &Ctx<'_>,
    options: &ListOptions,
    (wanted, order): Shown<'_>,
    row: &mut dyn FnMut(&TreeRow) -> io::Result<()>,
) -> Result<(), OpsError> {
    let filter = Arc::new(options.filter.clone());
    let source = Source::open(ctx, &options.place)?;
    let mut skipped = 0u64;
    let mut children = |dir: &TreePath| -> Result<std::vec::IntoIter<Listed>, OpsError> {
        if ctx.cancel.is_cancelled() {
            return Err(VaultError::Cancelled.into());
        }
        let mut found = Vec::new();
        source.children(dir, &filter, &mut |item| match item {
            Ok(item) => {
                let shown = !ctx.rclone_compat || item.entry.kind != EntryKind::Symlink;
                found.extend(Some(listed(item)).filter(|listed| shown && wanted(listed)));
                Ok(())
            }
            Err(SideError::Skipped { path, reason }) => {
                skipped += 1;
                ctx.observer.event(Event::Failed { path: &path, reason: &reason });
                Ok(())
            }
            Err(SideError::Special(_) | SideError::Link(_) | SideError::Partly { .. }) => Ok(()),
            Err(SideError::Fatal(error)) => Err(error.into()),
        })?;
        found.sort_by(order);
        Ok(found.into_iter())
    };
    let mut stack = vec![children(&TreePath::root())?];
    let mut last = Vec::new();
    while let Some(level) = stack.last_mut() {
        let Some(listed) = level.next() else {
            stack.pop();
            last.pop();
            continue;
        };
        let is_last = level.as_slice().is_empty();
        let dir = (listed.kind == ListedKind::Dir).then(|| listed.path.clone());
        let row_last = last.iter().copied().chain([is_last]).collect();
        row(&TreeRow { listed, last: row_last }).map_err(VaultError::local("cannot write the listing"))?;
        if let Some(dir) = dir {
            stack.push(children(&dir)?);
            last.push(is_last);
        }
    }
    if skipped == 0 {
        Ok(())
    } else {
        Err(OpsError::new(Class::Failed, format!("{skipped} entries could not be read")))
    }
}

enum Source<'a> {
    Local(&'a std::path::Path),
    Vault {
        opened: Box<Opened>,
        base: Option<Root>,
        dir: &'a TreePath,
    },
    /// One file, or a link.
    Single(Box<Item>),
}

impl<'a> Source<'a> {
    fn open(ctx: &Ctx<'_>, place: &'a Place) -> Result<Self, OpsError> {
        match place {
            Place::Local(path) if path.is_dir() => Ok(Self::Local(path)),
            Place::Local(path) if path.symlink_metadata().is_err() => Err(missing_local(path)),
            Place::Local(path) => {
                let name = path.file_name().unwrap_or_default().as_encoded_bytes();
                let name =
                    TreePath::from_bytes(name).map_err(|bad| OpsError::new(Class::UnsafePath, bad.to_string()))?;
                let item = stat_item(path, name)?.ok_or_else(|| missing_local(path))?;
                Ok(Self::Single(Box::new(item)))
            }
            Place::Vault(remote, dir) => {
                let opened = Box::new(open(ctx, remote)?);
                let base = base_root(&opened.vault)?;
                match lookup(&opened.vault, base.as_ref(), dir)? {
                    None if !dir.is_root() => Err(not_there(remote, dir)),
                    Some(item) if item.entry.kind != EntryKind::Dir => {
                        let name = TreePath::from_bytes(dir.name().unwrap_or_default()).unwrap_or_default();
                        Ok(Self::Single(Box::new(Item { path: name, ..item })))
                    }
                    _ => Ok(Self::Vault { opened, base, dir }),
                }
            }
        }
    }

    fn children(
        &self,
        dir: &TreePath,
        filter: &Arc<Filter>,
        each: &mut dyn FnMut(Result<Item, SideError>) -> Result<(), OpsError>,
    ) -> Result<(), OpsError> {
        match self {
            Self::Local(root) => {
                let walk = match Walk::open(&local_path(root, dir), Arc::clone(filter), false) {
                    Ok(walk) => walk.under(dir),
                    Err(error) if dir.is_root() => return Err(error.into()),
                    Err(error) => {
                        let reason = error.to_string();
                        return each(Err(SideError::Skipped { path: dir.clone(), reason }));
                    }
                };
                for item in walk {
                    each(item)?;
                }
            }
            Self::Single(item) => each(Ok(Item::clone(item)))?,
            Self::Vault { opened, base, dir: top } => {
                for item in VaultSide::children(&opened.vault, base.as_ref(), (top, dir), Arc::clone(filter))? {
                    each(item)?;
                }
            }
        }
        Ok(())
    }
}
