//! What a merge makes of one path: the table of docs/format.md, section 9.6, for entries that are at hand. Pure; where
//! entries come from, and where conflict copies go, is the matter of [`merge`](super::merge).

use crate::format::entry::{Entry, EntryKind};

/// What became of one path since the base, on the side of the higher rank and on the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Three<'e> {
    pub(super) base: Option<&'e Entry>,
    pub(super) hi: Option<&'e Entry>,
    pub(super) lo: Option<&'e Entry>,
}

/// One of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// That of the higher rank, which keeps names.
    Hi,
    /// The other.
    Lo,
}

/// What is at the path afterwards, and the version that has to go elsewhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) entry: Option<Entry>,
    pub(super) loser: Option<(Entry, Which)>,
}

impl Which {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Hi => Self::Lo,
            Self::Lo => Self::Hi,
        }
    }
}

impl<'e> Three<'e> {
    pub(super) fn of(&self, which: Which) -> Option<&'e Entry> {
        match which {
            Which::Hi => self.hi,
            Which::Lo => self.lo,
        }
    }

    /// Settles the path. `needed` says that one side has a directory here below which something of its own stays.
    pub(super) fn settle(&self, needed: bool) -> Settled {
        let kept = |entry: Entry| Settled { entry: Some(entry), loser: None };
        match (self.hi, self.lo) {
            (None, None) => Settled { entry: None, loser: None },
            (Some(left), None) | (None, Some(left)) => {
                let stays = needed || outlives_deletion(self.base, left);
                Settled { entry: stays.then(|| left.clone()), loser: None }
            }
            (Some(hi), Some(lo)) if hi == lo => kept(hi.clone()),
            (Some(hi), Some(lo)) => match (is_dir(hi), is_dir(lo)) {
                (true, true) => kept(fields(self.base, hi, (hi, lo))),
                (true, false) => self.dir_and_file(hi, (lo, Which::Lo), needed),
                (false, true) => self.dir_and_file(lo, (hi, Which::Hi), needed),
                (false, false) => self.files(hi, lo),
            },
        }
    }

    fn dir_and_file(&self, dir: &Entry, (file, side): (&Entry, Which), needed: bool) -> Settled {
        let (entry, loses) = match self.base {
            // Only the side with the file has changed anything here.
            Some(base) if is_dir(base) && !needed => (file, false),
            // Only the side with the directory has.
            Some(base) if same_content(base, file) => (dir, false),
            _ => (dir, true),
        };
        Settled { entry: Some(entry.clone()), loser: loses.then(|| (file.clone(), side)) }
    }

    fn files(&self, hi: &Entry, lo: &Entry) -> Settled {
        let base_is = |side: &Entry| self.base.is_some_and(|base| same_content(base, side));
        let content = if same_content(hi, lo) || base_is(lo) {
            hi
        } else if base_is(hi) {
            lo
        } else {
            return Settled { entry: Some(hi.clone()), loser: Some((lo.clone(), Which::Lo)) };
        };
        Settled { entry: Some(fields(self.base, content, (hi, lo))), loser: None }
    }
}

pub(super) fn is_dir(entry: &Entry) -> bool {
    entry.kind == EntryKind::Dir
}

pub(super) fn same_content(a: &Entry, b: &Entry) -> bool {
    (a.kind, a.size) == (b.kind, b.size) && a.content == b.content
}

/// Whether what one side has left outlives that the other has deleted it: if it is new or was edited. That a directory has
/// other metadata says only that something in it was made or deleted.
pub(super) fn outlives_deletion(base: Option<&Entry>, left: &Entry) -> bool {
    base.is_none_or(|base| base != left && !(is_dir(base) && is_dir(left)))
}

/// The content of one side with metadata of both: each field from the side that has changed it, from the higher rank if
/// both have.
fn fields(base: Option<&Entry>, content: &Entry, (hi, lo): (&Entry, &Entry)) -> Entry {
    let mut merged = content.clone();
    let base = base.filter(|base| base.kind == content.kind);
    if same_content(hi, lo) {
        merged.mtime = if base.is_some_and(|base| base.mtime == hi.mtime) { lo.mtime } else { hi.mtime };
    }
    if hi.kind != lo.kind {
        return merged;
    }
    merged.mode = three_way(base.and_then(|base| base.mode), hi.mode, lo.mode);
    let mut tags: Vec<u64> = hi.attributes.iter().chain(&lo.attributes).map(|(tag, _)| *tag).collect();
    tags.sort_unstable();
    tags.dedup();
    let merge = |tag| {
        let value = three_way(base.and_then(|base| attribute(base, tag)), attribute(hi, tag), attribute(lo, tag));
        value.map(|value| (tag, value.to_vec()))
    };
    merged.attributes = tags.into_iter().filter_map(merge).collect();
    if merged.check().is_err() {
        // Each side's fit into an entry, both together do not.
        merged.attributes.clone_from(&content.attributes);
    }
    merged
}

fn three_way<T: PartialEq>(base: Option<T>, hi: Option<T>, lo: Option<T>) -> Option<T> {
    if hi == base { lo } else { hi }
}

fn attribute(entry: &Entry, tag: u64) -> Option<&[u8]> {
    entry.attributes.iter().find(|(at, _)| *at == tag).map(|(_, value)| &value[..])
}
