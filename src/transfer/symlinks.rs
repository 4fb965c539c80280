//! What becomes of symbolic links.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::Stat;

use super::item::{Item, SideError};
use super::kept::Kept;
use crate::format::entry::EntryKind;

/// What becomes of symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Symlinks {
    /// They are links at the destination too.
    #[default]
    Keep,
    /// Those of this machine are what they point to.
    Follow,
    /// They are passed over, with a notice.
    Skip,
    /// They are passed over.
    SkipQuietly,
}

impl Symlinks {
    /// Whether they are passed over.
    pub fn skips(self) -> bool {
        matches!(self, Self::Skip | Self::SkipQuietly)
    }

    /// Whether this is a link that is passed over.
    pub fn passes_over(self, found: Option<&Item>) -> bool {
        self.skips() && found.is_some_and(|item| item.entry.kind == EntryKind::Symlink)
    }

    /// What is left of an entry of a vault: `None` if it is passed over. What is passed over at a destination stands.
    pub fn pass(self, found: Result<Item, SideError>, kept: Option<&Kept>) -> Option<Result<Item, SideError>> {
        match found {
            Ok(item) if self.skips() && item.entry.kind == EntryKind::Symlink => {
                if let Some(kept) = kept {
                    kept.note(&item.path);
                    return Some(Err(SideError::Stands(Box::new(item))));
                }
                (self == Self::Skip).then_some(Err(SideError::Link(item.path)))
            }
            found => Some(found),
        }
    }
}

/// What rclone calls a link: its name, and this.
pub const LINK_SUFFIX: &str = ".rclonelink";

/// The device that something is on.
pub(super) fn device(stat: &Stat) -> u64 {
    #[expect(clippy::unnecessary_cast, reason = "the types differ between platforms")]
    {
        stat.st_dev as u64
    }
}

/// What tells a directory from every other.
pub(super) fn identity(dir: impl AsFd) -> io::Result<(u64, u64)> {
    let stat = rustix::fs::fstat(dir)?;
    Ok((device(&stat), stat.st_ino))
}

/// Whether a directory is one of some others.
pub(super) fn is_among(dir: impl AsFd, mut others: impl Iterator<Item = impl AsFd>) -> bool {
    identity(dir).is_ok_and(|own| others.any(|other| identity(other).is_ok_and(|other| other == own)))
}
