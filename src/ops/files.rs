//! The files of a place and their content, wherever it is: for verbs that read.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::between::file_name;
use super::list::missing_local;
use super::open::{Opened, open};
use super::plain::{self, Plain};
use super::sync::not_there;
use super::{Ctx, OpsError, Place, PlainProfile, ShownLinks};
use crate::class::Class;
use crate::event::Event;
use crate::filter::Filter;
use crate::format::entry::EntryKind;
use crate::path::TreePath;
use crate::sum::{Sum, SumKind, Summer};
use crate::transfer::{
    FilesSide, Item, SideError, VaultSide, Walk, base_root, entry_in_scope, local_path, lookup, os_text, stat_item,
};
use crate::vault::{Part, VaultError};

/// A place, open for reading.
pub(super) struct Files<'a> {
    ctx: &'a Ctx<'a>,
    kind: Kind,
    /// What the place is, if it is no directory. Its path is its name.
    single: Option<Item>,
}

enum Kind {
    /// The directory that paths are below.
    Local(PathBuf),
    Vault(Box<Opened>, TreePath),
    Plain(Box<Plain>, TreePath, PlainProfile),
}

/// Why content can't be read.
pub(super) enum ReadError {
    /// This file can't be; others may.
    File(String),
    /// Nothing more can be.
    Fatal(OpsError),
}

impl<E: Into<OpsError>> From<E> for ReadError {
    fn from(error: E) -> Self {
        Self::Fatal(error.into())
    }
}

impl<'a> Files<'a> {
    /// Opens a directory or a file.
    ///
    /// # Errors
    /// It is not there.
    pub(super) fn open(ctx: &'a Ctx<'a>, place: &Place) -> Result<Self, OpsError> {
        match place {
            Place::Local(path) if path.is_dir() => Ok(Self { ctx, kind: Kind::Local(path.clone()), single: None }),
            Place::Local(path) if path.symlink_metadata().is_err() => Err(missing_local(path)),
            Place::Local(path) => {
                let name = path.file_name().unwrap_or_default().as_encoded_bytes();
                let name =
                    TreePath::from_bytes(name).map_err(|bad| OpsError::new(Class::UnsafePath, bad.to_string()))?;
                let single = stat_item(path, name)?;
                let dir = path.parent().unwrap_or(Path::new("/")).to_path_buf();
                Ok(Self { ctx, kind: Kind::Local(dir), single })
            }
            Place::Vault(remote, path) => {
                let opened = open(ctx, remote)?;
                let found = lookup(&opened.vault, base_root(&opened.vault)?.as_ref(), path)?;
                if found.is_none() && !path.is_root() {
                    return Err(not_there(remote, path));
                }
                let name = TreePath::from_bytes(path.name().unwrap_or_default()).unwrap_or_default();
                let single = found.filter(|item| item.entry.kind != EntryKind::Dir);
                let single = single.map(|item| Item { path: name, ..item });
                Ok(Self { ctx, kind: Kind::Vault(Box::new(opened), path.clone()), single })
            }
            Place::Plain(profile, path) => {
                let plain = Plain::connect(ctx, profile)?;
                let single = plain.single(ctx, path)?.map(|item| Item { path: file_name(path), ..item });
                let dir = if single.is_some() { path.parent().unwrap_or_default() } else { path.clone() };
                Ok(Self { ctx, kind: Kind::Plain(Box::new(plain), dir, profile.clone()), single })
            }
        }
    }

    /// Whether it is one file and no directory.
    pub(super) fn single(&self) -> Option<&Item> {
        self.single.as_ref()
    }

    /// What is in scope, in tree order.
    ///
    /// # Errors
    /// The place can't be read.
    pub(super) fn items(
        &self,
        filter: &Filter,
        recursive: bool,
        (metadata, times): (bool, bool),
        links: ShownLinks,
    ) -> Result<Box<dyn Iterator<Item = Result<Item, SideError>> + '_>, OpsError> {
        if let Some(item) = &self.single {
            return Ok(Box::new(Some(item.clone()).filter(|item| entry_in_scope(filter, item)).into_iter().map(Ok)));
        }
        let filter = Arc::new(filter.clone());
        Ok(match &self.kind {
            Kind::Local(root) => {
                let walk = Walk::open(root, filter, recursive)?.with_metadata(metadata);
                Box::new(walk.across(links.of_this_machine(), false)?)
            }
            Kind::Vault(opened, path) => {
                let base = base_root(&opened.vault)?;
                Box::new(VaultSide::open(&opened.vault, base.as_ref(), path, filter, recursive)?)
            }
            Kind::Plain(plain, path, profile) => {
                let now = self.ctx.world.clock.now();
                let side = FilesSide::open(plain.tree(path, false), filter, recursive, times, now)?;
                Box::new(side.ok_or_else(|| plain::not_there(profile, path))?)
            }
        })
    }

    /// Calls `each` for every file that is in scope, in tree order. What can't be looked at is told, and counted in the result.
    ///
    /// # Errors
    /// What `each` returns, or nothing more can be read.
    pub(super) fn each(
        &self,
        filter: &Filter,
        each: &mut dyn FnMut(Item) -> Result<(), OpsError>,
    ) -> Result<u64, OpsError> {
        self.drain(self.items(filter, true, (false, !filter.is_everything()), ShownLinks::AsLinks)?, each)
    }

    fn drain(
        &self,
        items: impl Iterator<Item = Result<Item, SideError>>,
        each: &mut dyn FnMut(Item) -> Result<(), OpsError>,
    ) -> Result<u64, OpsError> {
        let mut failed = 0;
        for item in items {
            if self.ctx.cancel.is_cancelled() {
                return Err(VaultError::Cancelled.into());
            }
            match item {
                Ok(item) if item.entry.kind == EntryKind::File => each(item)?,
                Ok(_)
                | Err(SideError::Special(_) | SideError::Link(_) | SideError::Stands(_) | SideError::Partly { .. }) => {
                }
                Err(SideError::Skipped { path, reason }) => {
                    failed += 1;
                    self.ctx.observer.event(Event::Failed { path: &path, reason: &reason });
                }
                Err(SideError::Fatal(error)) => return Err(error.into()),
            }
        }
        Ok(failed)
    }

    /// Calls `each` for the parts of `range` of a file's content, verified if it is in a vault.
    ///
    /// # Errors
    /// It can't be read, or what `each` returns.
    pub(super) fn read(
        &self,
        item: &Item,
        range: Range<u64>,
        each: &mut dyn FnMut(Part<'_>) -> Result<(), OpsError>,
    ) -> Result<(), ReadError> {
        match &self.kind {
            Kind::Vault(opened, _) => Ok(opened.vault.read_content(&item.entry, item.place.as_ref(), range, each)?),
            Kind::Local(root) => self.read_local(&local_path(root, &item.path), range, each),
            Kind::Plain(plain, dir, _) => {
                let full = dir.join_path(&item.path).map_err(|bad| VaultError::UnsafePath(bad.to_string()))?;
                let seen = plain.io.stat(&full)?;
                let seen = seen.ok_or_else(|| ReadError::File("is not there any more".into()))?;
                let range = range.start.min(seen.size)..range.end.min(seen.size);
                let read = plain.io.read(&full, range, &seen, &mut |part| each(Part::Data(part)));
                read.map_err(ReadError::Fatal)
            }
        }
    }

    fn read_local(
        &self,
        path: &Path,
        range: Range<u64>,
        each: &mut dyn FnMut(Part<'_>) -> Result<(), OpsError>,
    ) -> Result<(), ReadError> {
        let failed = |error: io::Error| ReadError::File(format!("can't be read: {}", os_text(&error)));
        let mut file = File::open(path).map_err(failed)?;
        file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
        let mut left = file.take(range.end.saturating_sub(range.start));
        let mut buffer = vec![0; 256 << 10];
        loop {
            if self.ctx.cancel.is_cancelled() {
                return Err(VaultError::Cancelled.into());
            }
            match left.read(&mut buffer).map_err(failed)? {
                0 => return Ok(()),
                got => each(Part::Data(&buffer[..got]))?,
            }
        }
    }

    /// The sum of a file's content.
    ///
    /// # Errors
    /// It can't be read.
    pub(super) fn sum(&self, item: &Item, kind: SumKind) -> Result<Sum, ReadError> {
        let mut summer = Summer::new(kind);
        self.read(item, 0..item.entry.size, &mut |part| {
            match part {
                Part::Data(bytes) => summer.push(bytes),
                Part::Hole(len) => summer.push_zeros(len),
            }
            Ok(())
        })?;
        self.ctx.observer.event(Event::Progress(item.entry.size));
        Ok(summer.finish())
    }
}
