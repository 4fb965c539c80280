//! `stat` and `du`: what one entry is, and what directories add up to.

use std::io;

use super::edit_tree::in_vault;
use super::list::listed;
use super::open::open;
use super::sync::not_there;
use super::{Ctx, Listed, ListedKind, OpsError, Place, PlainProfile};
use crate::class::Class;
use crate::format::entry::{Content, Entry, EntryKind};
use crate::format::key::subtree_range;
use crate::history::chunk_list::ListReader;
use crate::history::source::Root;
use crate::history::totals::totals;
use crate::path::TreePath;
use crate::transfer::{Item, VaultSide, base_root, lookup, stat_item};
use crate::vault::{Vault, VaultError};

/// What is known of one entry.
#[derive(Debug, Clone)]
pub struct Stat {
    /// The entry. Its path is its name; empty for the root of a vault.
    pub listed: Listed,
    /// For a directory of a vault: entries below it, and their bytes.
    pub below: Option<(u64, u64)>,
    /// For a file of a vault: how its content is stored.
    pub stored: Option<Stored>,
    /// For a conflict copy: the name that it lost, and the commit that wrote it.
    pub conflict: Option<(String, String)>,
}

/// How the content of a file is stored.
#[derive(Debug, Clone)]
pub struct Stored {
    /// In words.
    pub shape: &'static str,
    /// How many chunks it is cut into.
    pub chunks: u64,
    /// Bytes of it that are holes.
    pub holes: u64,
    /// The id of its one chunk or of its chunk list.
    pub id: Option<String>,
}

/// Looks at one of the plain files of a remote, or a directory of them.
fn stat_plain(ctx: &Ctx<'_>, profile: &PlainProfile, path: &TreePath) -> Result<Stat, OpsError> {
    let files = super::files::Files::open(ctx, &Place::Plain(profile.clone(), path.clone()))?;
    let (kind, mtime) = (ListedKind::Dir, ctx.world.clock.now());
    let listed = match files.single() {
        Some(item) => listed(item.clone()),
        None if !super::plain::Plain::connect(ctx, profile)?.is_there(path)? => {
            return Err(super::plain::not_there(profile, path));
        }
        None => {
            Listed { path: path.clone(), kind, size: 0, mtime, mode: None, attributes: Vec::new(), sums: Vec::new() }
        }
    };
    Ok(Stat { listed, below: None, stored: None, conflict: None })
}

/// Looks at one entry.
///
/// # Errors
/// It is not there, or the vault can't be read.
pub fn stat(ctx: &Ctx<'_>, place: &Place) -> Result<Stat, OpsError> {
    let (remote, path) = match place {
        Place::Local(path) => {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            let name = TreePath::from_bytes(name).map_err(|bad| OpsError::new(Class::UnsafePath, bad.to_string()))?;
            let item = stat_item(path, name)?
                .ok_or_else(|| OpsError::new(Class::Failed, format!("{} is a device or a socket", path.display())))?;
            return Ok(Stat { listed: listed(item), below: None, stored: None, conflict: None });
        }
        Place::Vault(remote, path) => (remote, path),
        Place::Plain(profile, path) => return stat_plain(ctx, profile, path),
    };
    let opened = open(ctx, remote)?;
    let vault = &opened.vault;
    let base = base_root(vault)?;
    let name = TreePath::from_bytes(path.name().unwrap_or_default()).unwrap_or_default();
    let Some(item) = lookup(vault, base.as_ref(), path)? else {
        if !path.is_root() {
            return Err(OpsError { class: Class::FileNotFound, ..not_there(remote, path) });
        }
        let mtime = vault.view().newest_first().first().map(|commit| commit.record.time).unwrap_or_default();
        let listed = Listed {
            path: name,
            kind: ListedKind::Dir,
            size: 0,
            mtime,
            mode: None,
            attributes: Vec::new(),
            sums: Vec::new(),
        };
        return Ok(Stat { listed, below: Some(below(vault, base.as_ref(), path)?), stored: None, conflict: None });
    };
    let dir = item.entry.kind == EntryKind::Dir;
    let below = if dir { Some(below(vault, base.as_ref(), path)?) } else { None };
    let stored = if item.entry.kind == EntryKind::File { Some(stored(vault, &item)?) } else { None };
    let conflict =
        item.entry.conflict().map(|conflict| (crate::path::printable(conflict.name), conflict.commit.to_string()));
    Ok(Stat { listed: listed(Item { path: name, ..item }), below, stored, conflict })
}

pub(super) fn below(vault: &Vault, base: Option<&Root>, dir: &TreePath) -> Result<(u64, u64), VaultError> {
    let Some(base) = base else { return Ok((0, 0)) };
    let sum = totals(vault, base, subtree_range(dir))?;
    Ok((sum.entries, sum.bytes))
}

fn stored(vault: &Vault, Item { entry, place, .. }: &Item) -> Result<Stored, VaultError> {
    let none = Stored { shape: "nothing: the file is empty", chunks: 0, holes: 0, id: None };
    Ok(match &entry.content {
        Content::Inline(_) => Stored { shape: "in the entry itself", ..none },
        Content::Chunk(id) => Stored { shape: "one chunk", chunks: 1, id: Some(id.to_string()), ..none },
        Content::List(id) => {
            let mut stored = Stored { shape: "a list of chunks", id: Some(id.to_string()), ..none };
            for piece in ListReader::open(vault, id, entry.size, *place)? {
                match piece? {
                    piece if piece.chunk.is_some() => stored.chunks += 1,
                    hole => stored.holes += hole.len,
                }
            }
            stored
        }
        Content::None | Content::Link(_) => none,
    })
}

/// What a directory adds up to.
#[derive(Debug, Clone)]
pub struct DuRow {
    /// The directory, relative to the one that was asked about.
    pub path: TreePath,
    /// Sum of the sizes of all files below it, in bytes.
    pub bytes: u64,
    /// Entries below it.
    pub entries: u64,
}

/// Adds up directories, down to `depth` levels below a path: those inside a directory come before it.
///
/// # Errors
/// There is no directory at the path, or the vault can't be read.
pub fn du(
    ctx: &Ctx<'_>,
    place: &Place,
    depth: u16,
    row: &mut dyn FnMut(&DuRow) -> io::Result<()>,
) -> Result<(), OpsError> {
    let (remote, path) = in_vault(place, "du", "du(1)")?;
    let opened = open(ctx, remote)?;
    let vault = &opened.vault;
    let base = base_root(vault)?;
    match lookup(vault, base.as_ref(), path)? {
        None if !path.is_root() => return Err(not_there(remote, path)),
        Some(Item { entry: Entry { kind: EntryKind::File | EntryKind::Symlink, .. }, .. }) => {
            return Err(OpsError::new(Class::Failed, format!("`{}:{path}` is not a directory", remote.name))
                .hint("`cryptsync stat` shows the size of a file"));
        }
        _ => {}
    }
    // What is still to do: a directory to look into, or one whose children are done.
    let mut stack = vec![(TreePath::root(), 0u16, false)];
    while let Some((dir, level, listed)) = stack.pop() {
        vault.checkpoint()?;
        let full = path.join_path(&dir).map_err(|bad| OpsError::new(Class::UnsafePath, bad.to_string()))?;
        if listed || level >= depth {
            let (entries, bytes) = below(vault, base.as_ref(), &full)?;
            row(&DuRow { path: dir, bytes, entries }).map_err(VaultError::local("cannot write the listing"))?;
            continue;
        }
        let at = stack.len();
        for item in VaultSide::open(vault, base.as_ref(), &full, std::sync::Arc::default(), false)? {
            let item = item.map_err(|error| OpsError::new(Class::Integrity, error.to_string()))?;
            if item.entry.kind == EntryKind::Dir {
                let below =
                    dir.join_path(&item.path).map_err(|bad| OpsError::new(Class::UnsafePath, bad.to_string()))?;
                stack.push((below, level + 1, false));
            }
        }
        stack[at..].reverse();
        stack.insert(at, (dir, level, true));
    }
    Ok(())
}
