//! Names of what is only there while a run works: told from everybody else's names, so that what a killed run has left can
//! be known and removed.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, unlinkat};

/// Makes temporary names of one run.
pub(super) struct TempNames {
    token: u64,
    serial: AtomicU64,
}

impl TempNames {
    pub(super) fn new() -> Self {
        Self { token: RandomState::new().hash_one(0), serial: AtomicU64::new(0) }
    }

    /// A name beside `name` that nobody else uses, short enough for every file system.
    pub(super) fn name(&self, name: &[u8]) -> Vec<u8> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let most = name.len().min(STEM_MAX);
        // Some file systems take whole characters only.
        let cut = (0..4).map(|less| most.saturating_sub(less)).find(|cut| std::str::from_utf8(&name[..*cut]).is_ok());
        let mut temp = name[..cut.unwrap_or(most)].to_vec();
        temp.extend_from_slice(format!(".{:016x}-{serial:x}{SUFFIX}", self.token).as_bytes());
        temp
    }
}

/// Whether a name is one of these, of whatever run.
pub(super) fn is_temporary(name: &[u8]) -> bool {
    let Some(stem) = name.strip_suffix(SUFFIX.as_bytes()) else { return false };
    let Some(dot) = stem.iter().rposition(|b| *b == b'.') else { return false };
    let mark = &stem[dot + 1..];
    let hex = |part: &[u8]| part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    mark.len() > 17 && mark[16] == b'-' && hex(&mark[..16]) && hex(&mark[17..])
}

/// Removes what is at a temporary name. If it can't be removed it stays.
pub(super) fn remove(dir: BorrowedFd<'_>, name: &std::ffi::CStr) {
    if unlinkat(dir, name, AtFlags::empty()).is_ok() {
        return;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if let Ok(below) = openat(dir, name, flags, Mode::empty()) {
        let emptied = empty(std::os::fd::AsFd::as_fd(&below));
        drop(emptied.and_then(|()| Ok(unlinkat(dir, name, AtFlags::REMOVEDIR)?)));
    }
}

/// Removes the files and links in a directory.
pub(super) fn empty(dir: BorrowedFd<'_>) -> std::io::Result<()> {
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        if entry.file_name() != c"." && entry.file_name() != c".." {
            unlinkat(dir, entry.file_name(), AtFlags::empty())?;
        }
    }
    Ok(())
}

const SUFFIX: &str = ".partial";
const STEM_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_are_known() {
        let names = TempNames::new();
        let long = "é".repeat(127);
        for name in ["", "a", ".hidden", "x.partial", &long] {
            let temp = names.name(name.as_bytes());
            assert!(is_temporary(&temp) && temp.len() <= 255 && std::str::from_utf8(&temp).is_ok(), "{name}");
        }
        let almost = ["x.partial", "film.0123456789abcdef.partial", "f.0123456789abcdeg-0.partial", "0-1.partial", ""];
        for other in almost {
            assert!(!is_temporary(other.as_bytes()), "{other}");
        }
    }
}
