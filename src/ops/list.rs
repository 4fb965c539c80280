//! `ls` and `lsf`: entries of a place, in tree order.

use std::io;

use super::files::{Files, ReadError};
use super::{Ctx, OpsError, Place, ShownLinks};
use crate::class::Class;
use crate::event::Event;
use crate::filter::Filter;
use crate::format::entry::EntryKind;
use crate::path::TreePath;
use crate::sum::{Sum, SumKind, Summer};
use crate::transfer::{Item, SideError, attributes};
use crate::vault::VaultError;
use crate::world::Timestamp;

/// One row of a listing.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Path relative to the listed place.
    pub path: TreePath,
    /// What it is.
    pub kind: ListedKind,
    /// Size in bytes; 0 for other than files.
    pub size: u64,
    /// Modification time.
    pub mtime: Timestamp,
    /// Permission bits, if known.
    pub mode: Option<u16>,
    /// What else is kept of it, under rclone's names: owner, extended attributes.
    pub attributes: Vec<(String, String)>,
    /// Sums of its content that were asked for.
    pub sums: Vec<(SumKind, Sum)>,
}

/// What a listed entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListedKind {
    /// A file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
}

/// `ls` and `lsf`
#[derive(Debug)]
pub struct ListOptions {
    /// What to list.
    pub place: Place,
    /// Below directories too.
    pub recursive: bool,
    /// What is in scope.
    pub filter: Filter,
    /// How symbolic links are shown.
    pub links: ShownLinks,
}

/// What a listing tells of entries beside what is known at once.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    /// Sums of the content of files, which is read for them.
    pub sums: Vec<SumKind>,
    /// Owners and extended attributes of a directory of this machine.
    pub metadata: bool,
    /// Nobody looks at times, which cost a request for each file at some services.
    pub no_times: bool,
}

/// Lists, calling `row` for each entry in tree order.
///
/// # Errors
/// The place is not there, or the vault can't be read.
pub fn list(
    ctx: &Ctx<'_>,
    options: &ListOptions,
    row: &mut dyn FnMut(&Listed) -> io::Result<()>,
) -> Result<(), OpsError> {
    list_with(ctx, options, &Extras::default(), row)
}

/// The same with more about each entry.
///
/// # Errors
/// The place is not there, or the vault can't be read.
pub fn list_with(
    ctx: &Ctx<'_>,
    options: &ListOptions,
    extras: &Extras,
    row: &mut dyn FnMut(&Listed) -> io::Result<()>,
) -> Result<(), OpsError> {
    let files = Files::open(ctx, &options.place)?;
    let mut skipped = 0u64;
    let times = !extras.no_times || !options.filter.is_everything();
    for item in files.items(&options.filter, options.recursive, (extras.metadata, times), options.links)? {
        if ctx.cancel.is_cancelled() {
            return Err(VaultError::Cancelled.into());
        }
        match item {
            Ok(item) => {
                let Some(listed) = options.links.listed(ctx, &item) else { continue };
                let sums = if listed.kind == ListedKind::File {
                    sums(ctx, &files, &item, &extras.sums, &mut skipped)?
                } else {
                    Vec::new()
                };
                row(&Listed { sums, ..listed }).map_err(VaultError::local("cannot write the listing"))?;
            }
            Err(SideError::Skipped { path, reason }) => {
                skipped += 1;
                ctx.observer.event(Event::Failed { path: &path, reason: &reason });
            }
            Err(SideError::Special(_) | SideError::Link(_) | SideError::Stands(_) | SideError::Partly { .. }) => {} // listings are of files, directories and links
            Err(SideError::Fatal(error)) => return Err(error.into()),
        }
    }
    if skipped == 0 {
        Ok(())
    } else {
        Err(OpsError::new(Class::Failed, format!("{skipped} entries could not be read")))
    }
}

/// The sums that can be had of a file, or of the target of a link.
fn sums(
    ctx: &Ctx<'_>,
    files: &Files<'_>,
    item: &Item,
    kinds: &[SumKind],
    skipped: &mut u64,
) -> Result<Vec<(SumKind, Sum)>, OpsError> {
    let mut sums = Vec::new();
    for kind in kinds {
        if let Some(target) = item.link_target() {
            let mut summer = Summer::new(*kind);
            summer.push(target);
            sums.push((*kind, summer.finish()));
            continue;
        }
        match files.sum(item, *kind) {
            Ok(sum) => sums.push((*kind, sum)),
            Err(ReadError::File(reason)) => {
                *skipped += 1;
                ctx.observer.event(Event::Failed { path: &item.path, reason: &reason });
            }
            Err(ReadError::Fatal(error)) => return Err(error),
        }
    }
    Ok(sums)
}

/// Why a local path can't be listed: there is no directory.
pub(super) fn missing_local(path: &std::path::Path) -> OpsError {
    OpsError::new(Class::DirNotFound, format!("there is no directory {}", path.display()))
}

pub(super) fn listed(item: Item) -> Listed {
    let kind = match item.entry.kind {
        EntryKind::File => ListedKind::File,
        EntryKind::Dir => ListedKind::Dir,
        EntryKind::Symlink => ListedKind::Symlink(item.link_target().unwrap_or_default().to_vec()),
    };
    let Item { path, entry, .. } = item;
    Listed {
        kind,
        size: entry.size,
        mtime: entry.mtime,
        mode: entry.mode,
        path,
        attributes: attributes(&entry),
        sums: Vec::new(),
    }
}
