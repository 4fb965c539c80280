//! What a run writes over or deletes is kept elsewhere: in the same vault as edits of the same commit, on this machine by
//! renaming.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use super::dest::Dest;
use super::edit::{self, Edit};
use super::item::{TransferError, kind_name};
use super::kept::mark;
use super::plan::Plan;
use super::step::Step;
use super::traits::Traits;
use super::vault_side::lookup;
use crate::format::entry::{Content, Entry, EntryKind};
use crate::format::key::TreeKey;
use crate::history::source::Root;
use crate::path::{BadPath, TreePath};
use crate::spool::{Sorted, Sorter};
use crate::vault::Vault;
use crate::world::Timestamp;

/// How what is kept is called.
#[derive(Debug, Clone, Default)]
pub struct Naming {
    /// Added to the name.
    pub suffix: Vec<u8>,
    /// Before the extension.
    pub before_extension: bool,
}

impl Naming {
    /// The name of what was at `path`.
    ///
    /// # Errors
    /// It would be too long.
    pub fn name(&self, path: &TreePath) -> Result<TreePath, BadPath> {
        let name = path.name().unwrap_or_default();
        let at = if self.before_extension { stem_len(name) } else { name.len() };
        let name = [&name[..at], &self.suffix, &name[at..]].concat();
        path.parent().unwrap_or_default().join(&name)
    }
}

/// How much of a name comes before its extension, of which there may be two (`.tar.gz`).
fn stem_len(name: &[u8]) -> usize {
    let dot = |end: usize| name[..end].iter().rposition(|byte| *byte == b'.');
    let Some(last) = dot(name.len()) else { return name.len() };
    match dot(last) {
        Some(first) if DOUBLE.contains(&&name[first + 1..last]) => first,
        _ => last,
    }
}

/// What comes before another extension and is one itself.
const DOUBLE: [&[u8]; 8] = [b"tar", b"html", b"js", b"css", b"xml", b"json", b"svg", b"pdf"];

/// What is kept of one run, as edits in key order.
pub struct Backups(pub(super) Sorted);

/// Lists what a plan writes over or deletes, to be kept below `to` of the same vault. `deletes`: whether that is done.
///
/// # Errors
/// The plan or the vault can't be read, or a name gets too long.
pub fn keep_old(
    plan: &mut Plan,
    (vault, base): (&Vault, Option<&Root>),
    to: &TreePath,
    naming: &Naming,
    deletes: bool,
) -> Result<Backups, TransferError> {
    let spool = || TransferError::local("cannot write to a temporary file");
    let too_long =
        |bad: BadPath| TransferError::local("cannot keep what is replaced")(io::Error::other(bad.to_string()));
    let (mut sorter, mut known) = (Sorter::default(), HashSet::new());
    let mut put = |path: &TreePath, entry: Entry| {
        let key = TreeKey::from_path(path).expect("the root is never kept");
        sorter.push(key.as_bytes(), edit::encode(&Edit::Put(path.clone(), entry))).map_err(spool())
    };
    for step in plan.steps()? {
        let step = step?;
        let Some(old) = step.old().filter(|_| deletes || !matches!(step, Step::Delete { .. })) else { continue };
        let path = to.join_path(&naming.name(&old.path).map_err(too_long)?).map_err(too_long)?;
        let mut above = path.parent().filter(|dir| !dir.is_root());
        while let Some(dir) = above
            && known.insert(mark(&dir))
        {
            match lookup(vault, base, &dir)?.map(|found| found.entry.kind) {
                Some(EntryKind::Dir) => {}
                Some(kind) => return Err(in_the_way(dir, kind, EntryKind::Dir)),
                None => put(&dir, new_dir(vault.world.clock.now()))?,
            }
            above = dir.parent().filter(|dir| !dir.is_root());
        }
        let mut entry = old.entry.clone();
        entry.set_conflict(None);
        if lookup(vault, base, &path)?.is_some_and(|found| found.entry.kind == EntryKind::Dir) {
            return Err(in_the_way(path, EntryKind::Dir, entry.kind));
        }
        put(&path, entry)?;
    }
    Ok(Backups(sorter.finish().map_err(spool())?))
}

fn in_the_way(path: TreePath, is: EntryKind, needed: EntryKind) -> TransferError {
    TransferError::InTheWay { path, is: kind_name(is), needed: kind_name(needed) }
}

fn new_dir(mtime: Timestamp) -> Entry {
    Entry { kind: EntryKind::Dir, size: 0, mtime, mode: None, content: Content::None, attributes: Vec::new() }
}

/// A directory of this machine that files are kept in.
pub struct LocalBackup {
    dest: Dest,
    naming: Naming,
}

impl LocalBackup {
    /// Opens it, making it if need be.
    ///
    /// # Errors
    /// It can't be made or opened.
    pub fn open(root: &Path, naming: Naming) -> Result<Self, TransferError> {
        let fail = TransferError::local(format!("cannot write to the directory {}", root.display()));
        Ok(Self { dest: Dest::open(root, &Traits::default(), false).map_err(fail)?, naming })
    }

    /// Takes what is at `path` of `from`, if there is anything.
    pub(super) fn take(&self, from: &Dest, path: &TreePath) -> io::Result<()> {
        let name = self.naming.name(path).map_err(|bad| io::Error::other(bad.to_string()))?;
        let mut above: Vec<_> =
            std::iter::successors(name.parent(), TreePath::parent).filter(|dir| !dir.is_root()).collect();
        above.reverse();
        for dir in above {
            self.dest.make_dir(&dir, false)?;
        }
        from.rename_to(path, &self.dest, &name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_go_where_rclone_puts_them() {
        for (name, plain, kept) in [
            ("f.txt", "f.txt-1", "f-1.txt"),
            ("a/b.tar.gz", "a/b.tar.gz-1", "a/b-1.tar.gz"),
            ("noext", "noext-1", "noext-1"),
            ("v1.2.txt", "v1.2.txt-1", "v1.2-1.txt"),
            ("a.b/c", "a.b/c-1", "a.b/c-1"),
        ] {
            let path = TreePath::from_user(name.as_bytes()).unwrap();
            let named = |before_extension| {
                let naming = Naming { suffix: b"-1".to_vec(), before_extension };
                naming.name(&path).unwrap().to_string()
            };
            assert_eq!((named(false).as_str(), named(true).as_str()), (plain, kept));
        }
    }
}
