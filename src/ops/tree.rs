//! `tree`: a listing in which everything below a directory follows it, as people draw trees.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::list::missing_local;
use super::open::{Opened, open};
use super::sync::not_there;
use super::{Ctx, ListOptions, Listed, ListedKind, OpsError, Place, ShownLinks};
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
    /// The entry; `None` for the top.
    pub listed: Option<Listed>,
    /// For each directory on the way to it and for itself: whether it is the last one where it is.
    pub last: Vec<bool>,
    /// What is shown below a directory, if that was asked for.
    pub below: Option<Below>,
}

/// What is shown below a directory.
#[derive(Debug, Clone, Copy)]
pub struct Below {
    /// The bytes of all files.
    pub bytes: u64,
    /// How many levels below the top the deepest directory is, which may be this one.
    pub deepest: usize,
}

/// What of a tree is shown.
pub struct TreeOptions<'a> {
    /// The place, and what is in scope.
    pub list: ListOptions,
    /// What is shown of that.
    pub wanted: &'a dyn Fn(&Listed) -> bool,
    /// In which order.
    pub order: &'a dyn Fn(&Listed, &Listed) -> Ordering,
    /// Whether directories tell what is below them: everything is looked at once before anything is told.
    pub sums: bool,
}

type Children<'a> = dyn FnMut(&TreePath) -> Result<std::vec::IntoIter<Listed>, OpsError> + 'a;

/// Lists what is shown, depth first from the top. Holds one directory for each level, and with `sums` a number for each
/// directory.
///
/// # Errors
/// The place is not a directory, or can't be read.
pub fn tree(
    ctx: &Ctx<'_>,
    options: &TreeOptions<'_>,
    row: &mut dyn FnMut(&TreeRow) -> io::Result<()>,
) -> Result<(), OpsError> {
    let filter = Arc::new(options.list.filter.clone());
    let links = options.list.links;
    if links == ShownLinks::Followed && matches!(options.list.place, Place::Local(_)) {
        return Err(OpsError::new(Class::Usage, "`tree` follows no symbolic links")
            .hint("leave out --copy-links; `lsf -R --copy-links` follows them"));
    }
    let source = Source::open(ctx, &options.list.place)?;
    let (skipped, again) = (Cell::new(0u64), Cell::new(false));
    let mut children = |dir: &TreePath| -> Result<std::vec::IntoIter<Listed>, OpsError> {
        if ctx.cancel.is_cancelled() {
            return Err(VaultError::Cancelled.into());
        }
        let mut found = Vec::new();
        source.children(dir, &filter, &mut |item| match item {
            Ok(item) => {
                found.extend(links.listed(ctx, &item).filter(|listed| (options.wanted)(listed)));
                Ok(())
            }
            Err(SideError::Skipped { path, reason }) => {
                if !again.get() {
                    skipped.set(skipped.get() + 1);
                    ctx.observer.event(Event::Failed { path: &path, reason: &reason });
                }
                Ok(())
            }
            Err(SideError::Special(_) | SideError::Link(_) | SideError::Stands(_) | SideError::Partly { .. }) => Ok(()),
            Err(SideError::Fatal(error)) => Err(error.into()),
        })?;
        found.sort_by(options.order);
        Ok(found.into_iter())
    };
    let mut sums = HashMap::new();
    if options.sums {
        sum(&TreePath::root(), &mut children, &mut sums)?;
        again.set(true);
    }
    draw(&sums, &mut children, row)?;
    match skipped.get() {
        0 => Ok(()),
        skipped => Err(OpsError::new(Class::Failed, format!("{skipped} entries could not be read"))),
    }
}

/// Adds up what is below a directory, and below each directory there. As deep as a path is long.
fn sum(dir: &TreePath, children: &mut Children<'_>, sums: &mut HashMap<TreePath, Below>) -> Result<Below, OpsError> {
    let mut below = Below { bytes: 0, deepest: dir.components().count() };
    for listed in children(dir)? {
        let bytes = if listed.kind == ListedKind::Dir {
            let inner = sum(&listed.path, children, sums)?;
            below.deepest = below.deepest.max(inner.deepest);
            inner.bytes
        } else {
            listed.size
        };
        below.bytes = below.bytes.saturating_add(bytes);
    }
    sums.insert(dir.clone(), below);
    Ok(below)
}

fn draw(
    sums: &HashMap<TreePath, Below>,
    children: &mut Children<'_>,
    row: &mut dyn FnMut(&TreeRow) -> io::Result<()>,
) -> Result<(), OpsError> {
    let mut row = |found: &TreeRow| row(found).map_err(VaultError::local("cannot write the listing"));
    // What is not there is found out before anything is told.
    let mut stack = vec![children(&TreePath::root())?];
    row(&TreeRow { listed: None, last: Vec::new(), below: sums.get(&TreePath::root()).copied() })?;
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
        row(&TreeRow { below: sums.get(&listed.path).copied(), listed: Some(listed), last: row_last })?;
        if let Some(dir) = dir {
            stack.push(children(&dir)?);
            last.push(is_last);
        }
    }
    Ok(())
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
            Place::Plain(profile, _) => Err(super::plain::refuse(profile, "`tree`")),
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
