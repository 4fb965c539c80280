//! `check` between two places in vaults. In one vault the same content has the same id. Between two, the source is read,
//! cut and hashed as the destination would have it: ids of chunks are hashes of their content.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::sync::Arc;

use super::check::{CheckOptions, Row, Tally, counted};
use super::open::open;
use super::sync::not_there;
use super::{CheckReport, Ctx, Difference, OpsError, RemoteProfile};
use crate::chunk::{Piece, Splitter};
use crate::event::Event;
use crate::filter::Filter;
use crate::format::entry::{Content, EntryKind};
use crate::format::key::TreeKey;
use crate::history::chunk_list::ListReader;
use crate::id::{BlobId, BlobKind};
use crate::path::TreePath;
use crate::sum::{Sum, SumKind, Summer};
use crate::transfer::{Item, SideError, VaultSide, base_root, lookup};
use crate::vault::{Part, Vault, VaultError};

/// The pieces of a file: how long each is, and the id of those that are no holes.
type Expected<'v> = Box<dyn Iterator<Item = Result<(u64, Option<BlobId>), VaultError>> + 'v>;
type Items<'v> = Box<dyn Iterator<Item = Result<Item, SideError>> + 'v>;

/// Compares two places, calling `row` for each file.
///
/// # Errors
/// One of them is not there, or a vault can't be read.
pub(super) fn check_vaults(
    ctx: &Ctx<'_>,
    (from, source): (&RemoteProfile, &TreePath),
    (to, dest): (&RemoteProfile, &TreePath),
    options: &CheckOptions,
    row: Row<'_>,
) -> Result<CheckReport, OpsError> {
    let a = open(ctx, from)?;
    let other = if from.name == to.name { None } else { Some(open(ctx, to)?) };
    let b = other.as_ref().unwrap_or(&a);
    let mut pairs = Pairs {
        ctx,
        source: &a.vault,
        dest: &b.vault,
        same_ids: a.vault.id == b.vault.id,
        options,
        tally: Tally { row, report: CheckReport::default() },
        splitter: Splitter::new(b.vault.cutter()),
    };
    let single = lookup(&a.vault, base_root(&a.vault)?.as_ref(), source)?
        .filter(|item| item.entry.kind != EntryKind::Dir)
        .and_then(|item| TreePath::from_bytes(item.path.name()?).ok());
    let source = side(&a.vault, from, source, &options.filter, None)?;
    // A single file is looked for in the directory that it would be copied to.
    let dest = side(&b.vault, to, dest, &options.filter, single)?;
    pairs.join(source.peekable(), dest.peekable())?;
    Ok(pairs.tally.report)
}

/// Everything below a directory, or the one file that is there, or the one of that name.
fn side<'v>(
    vault: &'v Vault,
    remote: &RemoteProfile,
    path: &TreePath,
    filter: &Filter,
    only: Option<TreePath>,
) -> Result<Items<'v>, OpsError> {
    let base = base_root(vault)?;
    let named = |item: Item, name: TreePath| Box::new(std::iter::once(Ok(Item { path: name, ..item })));
    match (lookup(vault, base.as_ref(), path)?, only) {
        (None, _) if !path.is_root() => Err(not_there(remote, path)),
        (Some(item), only) if item.entry.kind != EntryKind::Dir => {
            let own = TreePath::from_bytes(path.name().unwrap_or_default()).unwrap_or_default();
            Ok(named(item, only.unwrap_or(own)))
        }
        (_, Some(name)) => {
            let full = super::remove::joined(path, &name)?;
            let found = lookup(vault, base.as_ref(), &full)?;
            Ok(found.map_or(Box::new(std::iter::empty()) as Items<'v>, |item| named(item, name)))
        }
        _ => Ok(Box::new(VaultSide::open(vault, base.as_ref(), path, Arc::new(filter.clone()), true)?)),
    }
}

struct Pairs<'a> {
    ctx: &'a Ctx<'a>,
    source: &'a Vault,
    dest: &'a Vault,
    /// Whether both have the keys that make ids of content.
    same_ids: bool,
    options: &'a CheckOptions,
    tally: Tally<'a>,
    splitter: Splitter,
}

impl Pairs<'_> {
    fn join(&mut self, mut source: Peekable<Items<'_>>, mut dest: Peekable<Items<'_>>) -> Result<(), OpsError> {
        loop {
            self.source.checkpoint()?;
            let order = match (source.peek(), dest.peek()) {
                (None, None) => return Ok(()),
                (Some(Err(_)), _) | (Some(Ok(_)), None) => Ordering::Less,
                (_, Some(Err(_))) | (None, Some(_)) => Ordering::Greater,
                (Some(Ok(a)), Some(Ok(b))) => TreeKey::from_path(&a.path).cmp(&TreeKey::from_path(&b.path)),
            };
            let a = if order.is_le() { source.next().transpose().map_err(fatal)? } else { None };
            let b = if order.is_ge() { dest.next().transpose().map_err(fatal)? } else { None };
            self.pair(a, b)?;
        }
    }

    fn pair(&mut self, a: Option<Item>, b: Option<Item>) -> Result<(), OpsError> {
        let links = self.options.links;
        let counted = |item| counted(self.ctx, links, item);
        let (a, b) = (counted(a), counted(b));
        let is_dir = |item: &Option<Item>| item.as_ref().is_none_or(|item| item.entry.kind == EntryKind::Dir);
        if is_dir(&a) && is_dir(&b) {
            return Ok(());
        }
        match (a, b) {
            (a, b) if links.parts(a.as_ref(), b.as_ref()) => {
                self.pair(a, None)?;
                self.pair(None, b)
            }
            (Some(a), Some(b)) => match self.compare(&a, &b)? {
                None => self.tally.tell(Difference::Same, &links.path(&a), ""),
                Some(why) => self.tally.tell(Difference::Differ, &links.path(&a), why),
            },
            (Some(a), None) => self.tally.tell(Difference::OnlySource, &links.path(&a), "not in the destination"),
            (None, Some(b)) if !self.options.one_way => {
                self.tally.tell(Difference::OnlyDest, &links.path(&b), "not in the source")
            }
            _ => Ok(()),
        }
    }

    /// `None` if the two are the same, otherwise in what they differ.
    fn compare(&mut self, a: &Item, b: &Item) -> Result<Option<&'static str>, OpsError> {
        let (x, y) = (&a.entry, &b.entry);
        if x.kind != y.kind {
            return Ok(Some("one is a file, the other is not"));
        }
        if x.kind == EntryKind::Symlink {
            return Ok((x.content != y.content).then_some("targets differ"));
        }
        if x.size != y.size {
            return Ok(Some("sizes differ"));
        }
        if self.options.size_only {
            return Ok(None);
        }
        if self.options.download {
            return Ok((bytes(self.source, a)? != bytes(self.dest, b)?).then_some("contents differ"));
        }
        self.ctx.observer.event(Event::Progress(x.size));
        let same = match (&x.content, &y.content) {
            (Content::Inline(x), Content::Inline(y)) => x == y,
            (x, y) if self.same_ids => x == y,
            _ => self.same_content(a, b)?,
        };
        Ok((!same).then_some("contents differ"))
    }

    /// Whether the content of the source, cut and hashed with the destination's keys, is the destination's.
    fn same_content(&mut self, a: &Item, b: &Item) -> Result<bool, OpsError> {
        let mut expected: Expected<'_> = match &b.entry.content {
            Content::Chunk(id) => Box::new(std::iter::once(Ok((b.entry.size, Some(*id))))),
            Content::List(id) => {
                let list = ListReader::open(self.dest, id, b.entry.size, b.place)?;
                Box::new(list.map(|piece| piece.map(|piece| (piece.len, piece.chunk.map(|(id, _)| id)))))
            }
            _ => return Ok(a.entry.content == b.entry.content),
        };
        let Self { source, dest, splitter, .. } = self;
        splitter.reset();
        let mut drain = |splitter: &mut Splitter| {
            while let Some(piece) = splitter.next_piece() {
                let found = match piece {
                    Piece::Hole(len) => (len, None),
                    Piece::Data(data) => (data.len() as u64, Some(dest.keys().blob_id(BlobKind::Chunk, data))),
                };
                if expected.next().transpose()? != Some(found) {
                    return Err(Stop::Differs);
                }
            }
            Ok(())
        };
        let read = source.read_content(&a.entry, a.place.as_ref(), 0..a.entry.size, &mut |part| {
            source.checkpoint()?;
            match part {
                Part::Hole(len) => {
                    splitter.push_zeros(len);
                    drain(splitter)
                }
                Part::Data(mut bytes) => {
                    while !bytes.is_empty() {
                        let room = splitter.spare();
                        let step = bytes.len().min(room.len());
                        room[..step].copy_from_slice(&bytes[..step]);
                        bytes = &bytes[step..];
                        splitter.advance(step);
                        drain(splitter)?;
                    }
                    Ok(())
                }
            }
        });
        let read = read.and_then(|()| {
            splitter.finish();
            drain(splitter)
        });
        match read {
            Ok(()) => Ok(expected.next().transpose()?.is_none()),
            Err(Stop::Differs) => Ok(false),
            Err(Stop::Vault(error)) => Err(error.into()),
        }
    }
}

/// The sum of what a vault has for a file, read anew.
fn bytes(vault: &Vault, item: &Item) -> Result<Sum, VaultError> {
    let mut summer = Summer::new(SumKind::Blake3);
    vault.read_content(&item.entry, item.place.as_ref(), 0..item.entry.size, &mut |part| {
        vault.checkpoint()?;
        match part {
            Part::Data(bytes) => summer.push(bytes),
            Part::Hole(len) => summer.push_zeros(len),
        }
        Ok::<_, VaultError>(())
    })?;
    Ok(summer.finish())
}

/// Why reading the source ends early.
enum Stop {
    Differs,
    Vault(VaultError),
}

impl From<VaultError> for Stop {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

fn fatal(error: SideError) -> OpsError {
    match error {
        SideError::Fatal(error) => error.into(),
        _ => OpsError::new(crate::class::Class::Failed, error.to_string()),
    }
}
