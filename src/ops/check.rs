//! `check`: two sides compared by content. The local side is read, cut and hashed; the vault's side is only looked up,
//! because ids of chunks are hashes of their content, unless its content is to be read as well.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::between::file_name;
use super::check_vaults::check_vaults;
use super::open::{Opened, open};
use super::plain::{self, Plain};
use super::sync::not_there;
use super::{CheckReport, Ctx, Difference, OpsError, Place, PlainProfile, ShownLinks};
use crate::chunk::{Piece, Splitter};
use crate::class::Class;
use crate::event::Event;
use crate::filter::Filter;
use crate::format::entry::{Content, EntryKind};
use crate::format::key::TreeKey;
use crate::history::chunk_list::ListReader;
use crate::history::source::Root;
use crate::id::{BlobId, BlobKind};
use crate::path::TreePath;
use crate::sum::{SumKind, Summer};
use crate::transfer::{
    Beneath, FileReader, FilesSide, FilesTree, Item, SideError, VaultSide, Walk, base_root, local_path, lookup,
    os_text, stat_file, stat_item,
};
use crate::vault::{Part, Vault, VaultError, is_of_one_file, is_passing};

pub(super) type Row<'a> = &'a mut dyn FnMut(Difference, &TreePath, &str) -> io::Result<()>;

/// How two sides are compared.
#[derive(Debug, Clone, Default)]
pub struct CheckOptions {
    /// Whether what is only in the destination is left out.
    pub one_way: bool,
    /// Compare sizes, not content.
    pub size_only: bool,
    /// Read both sides, though ids would tell.
    pub download: bool,
    /// What is in scope.
    pub filter: Filter,
    /// How symbolic links are seen.
    pub links: ShownLinks,
}

/// Compares source and destination by content, calling `row` for each file.
///
/// # Errors
/// What stopped it.
pub fn check(
    ctx: &Ctx<'_>,
    source: &Place,
    dest: &Place,
    options: &CheckOptions,
    row: Row<'_>,
) -> Result<CheckReport, OpsError> {
    let (outside, remote, path, is_source) = match (source, dest) {
        (outside @ (Place::Local(_) | Place::Plain(..)), Place::Vault(remote, path)) => (outside, remote, path, true),
        (Place::Vault(remote, path), outside @ (Place::Local(_) | Place::Plain(..))) => (outside, remote, path, false),
        (Place::Vault(from, source), Place::Vault(to, dest)) => {
            return check_vaults(ctx, (from, source), (to, dest), options, row);
        }
        (Place::Local(_), Place::Local(_)) => {
            return Err(OpsError::new(Class::Usage, "both sides are local: at least one of them must be a vault")
                .hint("for two local directories use diff(1)"));
        }
        (Place::Local(_) | Place::Plain(..), Place::Local(_) | Place::Plain(..)) => {
            return Err(OpsError::new(Class::Usage, "neither side is a vault: at least one of them must be")
                .hint("for plain files on both sides use rclone"));
        }
    };
    let opened = open(ctx, remote)?;
    let vault = &opened.vault;
    let base = base_root(vault)?;
    let found = lookup(vault, base.as_ref(), path)?;
    if found.is_none() && !path.is_root() {
        return Err(not_there(remote, path));
    }
    let local = match outside {
        Place::Local(local) => local,
        Place::Plain(profile, dir) => {
            let stored = Stored { opened: &opened, base, path, single: found };
            return check_plain(ctx, (profile, dir), &stored, is_source, options, row);
        }
        Place::Vault(..) => unreachable!("it is the other side"),
    };
    if !local.exists() {
        return Err(OpsError::new(Class::DirNotFound, format!("{} does not exist", local.display()))
            .about(local.as_os_str().as_encoded_bytes()));
    }
    let mut checker = Checker {
        ctx,
        vault,
        local: local.clone(),
        beneath: None,
        files: None,
        local_is_source: is_source,
        options,
        tally: Tally { row, report: CheckReport::default() },
        splitter: Splitter::new(vault.cutter()),
    };
    match found {
        Some(item) if item.entry.kind != EntryKind::Dir => {
            let own = TreePath::from_bytes(item.path.name().unwrap_or_default()).unwrap_or_default();
            checker.single(own, Some(item))?;
        }
        _ if !local.is_dir() => {
            let name = local.file_name().unwrap_or_default().as_encoded_bytes();
            let name = TreePath::from_bytes(name).map_err(|bad| OpsError::new(Class::UnsafePath, bad.to_string()))?;
            let stored = lookup(vault, base.as_ref(), &super::remove::joined(path, &name)?)?;
            checker.single(name, stored)?;
        }
        _ => {
            let filter = Arc::new(options.filter.clone());
            let fail = VaultError::local(format!("cannot read the directory {}", local.display()));
            if options.links != ShownLinks::Followed {
                checker.beneath = Some(Beneath::new(local).map_err(fail)?);
            }
            let walk = Walk::open(local, Arc::clone(&filter), true)?.across(options.links.of_this_machine(), false)?;
            let side = VaultSide::open(vault, base.as_ref(), path, filter, true)?;
            checker.join(walk, side)?;
        }
    }
    Ok(checker.tally.report)
}

/// The vault's side of a comparison.
struct Stored<'a> {
    opened: &'a Opened,
    base: Option<Root>,
    path: &'a TreePath,
    /// What is at the path.
    single: Option<Item>,
}

/// Compares plain files of a remote with what is in a vault.
fn check_plain(
    ctx: &Ctx<'_>,
    (profile, dir): (&PlainProfile, &TreePath),
    stored: &Stored<'_>,
    is_source: bool,
    options: &CheckOptions,
    row: Row<'_>,
) -> Result<CheckReport, OpsError> {
    let Stored { opened, base, path, single } = stored;
    let (plain, vault, now) = (Plain::connect(ctx, profile)?, &opened.vault, ctx.world.clock.now());
    let file = plain.single(ctx, dir)?;
    let parent = if file.is_some() { dir.parent().unwrap_or_default() } else { dir.clone() };
    let tree = plain.tree(&parent, false);
    let mut checker = Checker {
        ctx,
        vault,
        local: PathBuf::new(),
        beneath: None,
        files: Some(tree),
        local_is_source: is_source,
        options,
        tally: Tally { row, report: CheckReport::default() },
        splitter: Splitter::new(vault.cutter()),
    };
    let single = single.as_ref().filter(|item| item.entry.kind != EntryKind::Dir);
    match (file, single) {
        (Some(file), stored) => {
            let file = Item { path: file_name(dir), ..file };
            let stored = match stored {
                Some(item) => Some(item.clone()),
                None => lookup(vault, base.as_ref(), &super::remove::joined(path, &file.path)?)?,
            };
            let stored = stored.map(|item| Item { path: file_name(&item.path), ..item });
            checker.pair(Some(file), stored)?;
        }
        (None, Some(stored)) => {
            let name = file_name(path);
            let file = stat_file(tree, &name, now)?;
            checker.pair(file, Some(Item { path: name, ..stored.clone() }))?;
        }
        (None, None) => {
            let filter = Arc::new(options.filter.clone());
            let Some(files) = FilesSide::open(tree, Arc::clone(&filter), true, false, now)? else {
                return Err(plain::not_there(profile, dir));
            };
            let side = VaultSide::open(vault, base.as_ref(), path, filter, true)?;
            checker.join(files, side)?;
        }
    }
    Ok(checker.tally.report)
}

/// Counts what is told.
pub(super) struct Tally<'a> {
    pub(super) row: Row<'a>,
    pub(super) report: CheckReport,
}

impl Tally<'_> {
    pub(super) fn tell(&mut self, difference: Difference, path: &TreePath, why: &str) -> Result<(), OpsError> {
        let counter = match difference {
            Difference::Same => &mut self.report.same,
            Difference::Differ => &mut self.report.differ,
            Difference::OnlySource => &mut self.report.only_source,
            Difference::OnlyDest => &mut self.report.only_dest,
            Difference::Error => &mut self.report.errors,
        };
        *counter += 1;
        (self.row)(difference, path, why).map_err(VaultError::local("cannot write the report"))?;
        Ok(())
    }
}

struct Checker<'a> {
    ctx: &'a Ctx<'a>,
    vault: &'a Vault,
    local: PathBuf,
    /// The same, open; none for a single file, which a person has named, by links if they like.
    beneath: Option<Beneath>,
    /// Set if these are plain files of a remote.
    files: Option<FilesTree<'a>>,
    local_is_source: bool,
    options: &'a CheckOptions,
    tally: Tally<'a>,
    splitter: Splitter,
}

impl<'a> Checker<'a> {
    /// One file against what has its name, or against one file.
    fn single(&mut self, name: TreePath, stored: Option<Item>) -> Result<(), OpsError> {
        if self.local.is_dir() {
            self.local = local_path(&self.local, &name);
        }
        let there = self.local.symlink_metadata().is_ok();
        let local = if there { stat_item(&self.local, name.clone())? } else { None };
        let parent = self.local.parent().map(Path::to_path_buf).unwrap_or_default();
        let local_name = self.local.file_name().unwrap_or_default().as_encoded_bytes().to_vec();
        self.local = parent;
        let local = local
            .map(|found| Item { path: TreePath::from_bytes(&local_name).unwrap_or_else(|_| name.clone()), ..found });
        self.pair(local, stored.map(|item| Item { path: name, ..item }))
    }

    fn join(
        &mut self,
        walk: impl Iterator<Item = Result<Item, SideError>>,
        side: impl Iterator<Item = Result<Item, SideError>>,
    ) -> Result<(), OpsError> {
        let (mut walk, mut side) = (walk.peekable(), side.peekable());
        let mut unreadable = HashSet::new();
        loop {
            self.skip(&mut walk, &mut unreadable)?;
            self.skip(&mut side, &mut unreadable)?;
            let order = match (walk.peek(), side.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(Ok(a)), Some(Ok(b))) => TreeKey::from_path(&a.path).cmp(&TreeKey::from_path(&b.path)),
                _ => continue,
            };
            let local = if order.is_le() { walk.next().and_then(Result::ok) } else { None };
            let stored = if order.is_ge() { side.next().and_then(Result::ok) } else { None };
            if local.is_none() && stored.as_ref().is_some_and(|item| unreadable.contains(&item.path)) {
                continue;
            }
            self.vault.checkpoint()?;
            self.pair(local, stored)?;
        }
    }

    fn skip(
        &mut self,
        side: &mut std::iter::Peekable<impl Iterator<Item = Result<Item, SideError>>>,
        unreadable: &mut HashSet<TreePath>,
    ) -> Result<(), OpsError> {
        while let Some(Err(_)) = side.peek() {
            match side.next() {
                Some(Err(SideError::Fatal(error))) => return Err(error.into()),
                Some(Err(SideError::Skipped { path, reason })) => {
                    self.tally.tell(Difference::Error, &path, &reason)?;
                    unreadable.insert(path);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn pair(&mut self, local: Option<Item>, stored: Option<Item>) -> Result<(), OpsError> {
        let counted = |item| counted(self.ctx, self.options.links, item);
        let (local, stored) = (counted(local), counted(stored));
        let is_dir = |item: &Option<Item>| item.as_ref().is_none_or(|item| item.entry.kind == EntryKind::Dir);
        if is_dir(&local) && is_dir(&stored) {
            return Ok(());
        }
        match (local, stored) {
            (local, stored) if self.options.links.parts(local.as_ref(), stored.as_ref()) => {
                self.pair(local, None)?;
                self.pair(None, stored)
            }
            (Some(local), Some(stored)) => {
                let path = self.options.links.path(&stored);
                match self.compare(&local, &stored) {
                    Ok(None) => self.tally.tell(Difference::Same, &path, ""),
                    Ok(Some(why)) => self.tally.tell(Difference::Differ, &path, why),
                    Err(Problem::Local(error)) => {
                        self.tally.tell(Difference::Error, &path, &format!("can't be read: {}", os_text(&error)))
                    }
                    Err(Problem::Vault(error)) => Err(error.into()),
                }
            }
            (Some(local), None) => self.only(&self.options.links.path(&local), self.local_is_source),
            (None, Some(stored)) => self.only(&self.options.links.path(&stored), !self.local_is_source),
            (None, None) => Ok(()),
        }
    }

    fn only(&mut self, path: &TreePath, in_source: bool) -> Result<(), OpsError> {
        match (in_source, self.options.one_way) {
            (true, _) => self.tally.tell(Difference::OnlySource, path, "not in the destination"),
            (false, false) => self.tally.tell(Difference::OnlyDest, path, "not in the source"),
            (false, true) => Ok(()),
        }
    }

    fn open_local(&self, path: &TreePath) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match (&self.files, &self.beneath) {
            (Some(files), _) => {
                let reader = FileReader::open(*files, path).map_err(io::Error::other)?;
                Box::new(reader.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?)
            }
            (None, Some(beneath)) => Box::new(beneath.file(path)?),
            (None, None) => Box::new(File::open(local_path(&self.local, path))?),
        })
    }

    /// `None` if the two are the same, otherwise in what they differ.
    fn compare(&mut self, local: &Item, stored: &Item) -> Result<Option<&'static str>, Problem> {
        let (a, b) = (&local.entry, &stored.entry);
        if a.kind != b.kind {
            return Ok(Some("one is a file, the other is not"));
        }
        if a.kind == EntryKind::Symlink {
            return Ok((a.content != b.content).then_some("targets differ"));
        }
        if a.size != b.size {
            return Ok(Some("sizes differ"));
        }
        if self.options.size_only {
            return Ok(None);
        }
        if self.options.download {
            return Ok((!self.same_bytes(local, stored)?).then_some("contents differ"));
        }
        let mut file = self.open_local(&local.path)?;
        self.ctx.observer.event(Event::Progress(a.size));
        let same = match &b.content {
            Content::Inline(bytes) => {
                let mut content = Vec::new();
                file.read_to_end(&mut content)?;
                content[..] == bytes[..]
            }
            Content::Chunk(id) => {
                self.same_pieces(&mut file, std::iter::once(Ok(Expected { len: b.size, id: Some(*id) })))?
            }
            Content::List(id) => {
                let list = ListReader::open(self.vault, id, b.size, stored.place)?;
                let pieces = list.map(|piece| piece.map(|p| Expected { len: p.len, id: p.chunk.map(|(id, _)| id) }));
                self.same_pieces(&mut file, pieces)?
            }
            Content::None | Content::Link(_) => true,
        };
        Ok((!same).then_some("contents differ"))
    }

    /// Reads both sides.
    fn same_bytes(&mut self, local: &Item, stored: &Item) -> Result<bool, Problem> {
        let mut file = self.open_local(&local.path)?;
        let (mut here, mut there) = (Summer::new(SumKind::Blake3), Summer::new(SumKind::Blake3));
        loop {
            self.vault.checkpoint()?;
            match file.read(self.splitter.spare())? {
                0 => break,
                got => here.push(&self.splitter.spare()[..got]),
            }
        }
        self.vault.read_content(&stored.entry, stored.place.as_ref(), 0..stored.entry.size, &mut |part| {
            match part {
                Part::Data(bytes) => there.push(bytes),
                Part::Hole(len) => there.push_zeros(len),
            }
            Ok::<_, VaultError>(())
        })?;
        self.ctx.observer.event(Event::Progress(local.entry.size));
        Ok(here.finish() == there.finish())
    }

    fn same_pieces(
        &mut self,
        file: &mut dyn Read,
        expected: impl Iterator<Item = Result<Expected, VaultError>>,
    ) -> Result<bool, Problem> {
        self.splitter.reset();
        let mut expected = expected;
        let mut ended = false;
        while !ended {
            self.vault.checkpoint()?;
            let got = file.read(self.splitter.spare())?;
            ended = got == 0;
            if ended {
                self.splitter.finish()
            } else {
                self.splitter.advance(got)
            }
            while let Some(piece) = self.splitter.next_piece() {
                let found = match &piece {
                    Piece::Hole(len) => Expected { len: *len, id: None },
                    Piece::Data(data) => {
                        let id = self.vault.keys().blob_id(BlobKind::Chunk, data);
                        Expected { len: data.len() as u64, id: Some(id) }
                    }
                };
                if expected.next().transpose()? != Some(found) {
                    return Ok(false);
                }
            }
        }
        Ok(expected.next().transpose()?.is_none())
    }
}

/// What is compared: for rclone, only files are anything, unless links are taken for some.
pub(super) fn counted(ctx: &Ctx<'_>, links: ShownLinks, item: Option<Item>) -> Option<Item> {
    item.filter(|item| match item.entry.kind {
        EntryKind::File => true,
        EntryKind::Dir => !ctx.rclone_compat,
        EntryKind::Symlink => !ctx.rclone_compat || links == ShownLinks::AsFiles,
    })
}

#[derive(PartialEq)]
struct Expected {
    len: u64,
    id: Option<BlobId>,
}

enum Problem {
    Local(io::Error),
    Vault(VaultError),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match error.downcast::<VaultError>() {
            // A service has failed, and not one file of it.
            Ok(error) if !is_of_one_file(&error) || is_passing(&error) => Self::Vault(error),
            Ok(error) => Self::Local(io::Error::other(error)),
            Err(error) => Self::Local(error),
        }
    }
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}
