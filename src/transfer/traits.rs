//! What a directory of this machine can hold, found out by trying in a directory of our own, and how to tell whether two
//! things that it cannot tell apart are the same.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, XattrFlags, fstat, openat, statat};

use super::temp::TempNames;
use super::walk::mtime_of;
use crate::format::wire::{Malformed, Put, Reader};
use crate::world::Timestamp;

/// What a file system can hold. The default holds everything exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traits {
    /// `A` and `a` are one name.
    pub folds_case: bool,
    /// Names are one whatever Unicode normal form they are written in.
    pub folds_forms: bool,
    /// Dots and spaces at the end of a name are dropped.
    pub trims: bool,
    /// Symbolic links.
    pub symlinks: bool,
    /// Hard links.
    pub hard_links: bool,
    /// Permission bits.
    pub modes: bool,
    /// Extended attributes of users.
    pub xattrs: bool,
    /// How far apart modification times must be to be told apart, in nanoseconds.
    pub granularity: u64,
    /// The first second, from 1970 on, that a file can have as its time.
    pub earliest: i64,
    /// The last one.
    pub latest: i64,
}

impl Default for Traits {
    fn default() -> Self {
        Self {
            folds_case: false,
            folds_forms: false,
            trims: false,
            symlinks: true,
            hard_links: true,
            modes: true,
            xattrs: true,
            granularity: 1,
            earliest: i64::MIN,
            latest: i64::MAX,
        }
    }
}

impl Traits {
    /// Whether different names can be one here.
    pub fn folds(&self) -> bool {
        self.folds_case || self.folds_forms || self.trims
    }

    /// Whether `local`, a time read here, is what became of `stored`.
    pub fn same_time(&self, local: Timestamp, stored: Timestamp) -> bool {
        let stored = match stored.secs {
            secs if secs < self.earliest => Timestamp { secs: self.earliest, nanos: 0 },
            secs if secs > self.latest => Timestamp { secs: self.latest, nanos: 0 },
            _ => stored,
        };
        let nanos = |time: Timestamp| i128::from(time.secs) * 1_000_000_000 + i128::from(time.nanos);
        nanos(local).abs_diff(nanos(stored)) < u128::from(self.granularity)
    }

    /// Tries everything in a directory made for that below `root`, and removes it again. The time of `root` stays.
    ///
    /// # Errors
    /// Nothing can be written there.
    pub fn probe(root: BorrowedFd<'_>) -> io::Result<Self> {
        let before = fstat(root)?;
        let name = TempNames::new().name(b"");
        rustix::fs::mkdirat(root, name.as_slice(), Mode::RWXU)?;
        let found = openat(root, name.as_slice(), DIR_FLAGS, Mode::empty()).map_err(io::Error::from);
        let found = found.and_then(|dir| {
            let found = try_all(&dir);
            super::temp::empty(dir.as_fd())?;
            found
        });
        rustix::fs::unlinkat(root, name.as_slice(), AtFlags::REMOVEDIR)?;
        set_time(root, mtime_of(&before)).unwrap_or_default(); // it may be somebody else's directory
        found
    }

    /// What is known of the file system that `dir` is on without trying anything.
    pub fn of_well_known(dir: &std::path::Path) -> Self {
        #[cfg(target_os = "linux")]
        if let Ok(found) = rustix::fs::statfs(dir)
            && let Some(granularity) = [(MSDOS, 2 * SECOND), (EXFAT, SECOND / 100)]
                .into_iter()
                .find_map(|(magic, granularity)| (found.f_type == magic).then_some(granularity))
        {
            return Self {
                folds_case: true,
                symlinks: false,
                hard_links: false,
                modes: false,
                xattrs: false,
                granularity,
                earliest: FAT_EPOCH,
                ..Self::default()
            };
        }
        Self::default()
    }

    /// For what is remembered.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let flags =
            [self.folds_case, self.folds_forms, self.trims, self.symlinks, self.hard_links, self.modes, self.xattrs];
        out.push(flags.iter().enumerate().map(|(bit, set)| u8::from(*set) << bit).sum());
        out.put_varint(self.granularity);
        for secs in [self.earliest, self.latest] {
            out.put_time(Timestamp { secs, nanos: 0 });
        }
    }

    /// The inverse.
    ///
    /// # Errors
    /// It is none.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let flags = reader.u8()?;
        let set = |bit: u8| flags & (1 << bit) != 0;
        Ok(Self {
            folds_case: set(0),
            folds_forms: set(1),
            trims: set(2),
            symlinks: set(3),
            hard_links: set(4),
            modes: set(5),
            xattrs: set(6),
            granularity: reader.varint()?,
            earliest: reader.time()?.secs,
            latest: reader.time()?.secs,
        })
    }
}

fn try_all(dir: &OwnedFd) -> io::Result<Traits> {
    let file = make(dir, "case\u{e9}")?;
    make(dir, "trims.").map(drop).unwrap_or_default();
    let is_there = |name: &str| statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    rustix::fs::symlinkat("nowhere", dir, "link").unwrap_or_default();
    rustix::fs::linkat(dir, "case\u{e9}", dir, "hard", AtFlags::empty()).unwrap_or_default();
    let earliest = clamped(&file, 0)?.filter(|secs| *secs > 0);
    let latest = clamped(&file, FAR_FUTURE)?.filter(|secs| *secs < FAR_FUTURE);
    Ok(Traits {
        folds_case: is_there("CASE\u{e9}"),
        folds_forms: is_there("casee\u{301}"),
        trims: is_there("trims"),
        symlinks: is_there("link"),
        hard_links: fstat(&file)?.st_nlink == 2 && is_there("hard"),
        modes: holds_modes(&file),
        xattrs: rustix::fs::fsetxattr(&file, "user.cryptsync.probe", b"1", XattrFlags::empty()).is_ok(),
        granularity: granularity(&file)?,
        earliest: earliest.unwrap_or(i64::MIN),
        latest: latest.unwrap_or(i64::MAX),
    })
}

fn make(dir: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?)
}

fn holds_modes(file: &OwnedFd) -> bool {
    [0o640u16, 0o604].into_iter().all(|mode| {
        let mode = Mode::from_raw_mode(mode.into());
        let set = rustix::fs::fchmod(file, mode);
        set.is_ok() && fstat(file).is_ok_and(|stat| Mode::from_raw_mode(stat.st_mode & 0o7777) == mode)
    })
}

/// What becomes of a time; `None` if it can't be set at all.
fn clamped(file: &OwnedFd, secs: i64) -> io::Result<Option<i64>> {
    let set = set_time(file.as_fd(), Timestamp { secs, nanos: 0 });
    Ok(if set.is_ok() { Some(mtime_of(&fstat(file)?).secs) } else { None })
}

fn granularity(file: &OwnedFd) -> io::Result<u64> {
    let sample = Timestamp { secs: 1_600_000_001, nanos: 987_654_321 };
    if set_time(file.as_fd(), sample).is_err() {
        return Ok(1);
    }
    let got = mtime_of(&fstat(file)?);
    let steps = [1, 100, 1_000, 1_000_000, 10_000_000, SECOND, 2 * SECOND];
    let nanos = |time: Timestamp| time.secs as u64 * SECOND + u64::from(time.nanos);
    // Rounded down or to the nearest: both occur.
    let is = |step: &u64| nanos(got).is_multiple_of(*step) && nanos(got).abs_diff(nanos(sample)) < *step;
    Ok(steps.into_iter().find(is).unwrap_or(2 * SECOND))
}

fn set_time(file: BorrowedFd<'_>, mtime: Timestamp) -> io::Result<()> {
    let omit = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    let mtime = Timespec { tv_sec: mtime.secs, tv_nsec: mtime.nanos.into() };
    Ok(rustix::fs::futimens(file, &Timestamps { last_access: omit, last_modification: mtime })?)
}

const DIR_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);
const SECOND: u64 = 1_000_000_000;
/// What FAT and exFAT are known by.
#[cfg(target_os = "linux")]
const MSDOS: rustix::fs::FsWord = 0x4d44;
#[cfg(target_os = "linux")]
const EXFAT: rustix::fs::FsWord = 0x2011_bab0;
/// 1980.
#[cfg(target_os = "linux")]
const FAT_EPOCH: i64 = 315_532_800;
/// In the year 2200.
const FAR_FUTURE: i64 = 7_258_118_400;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64, nanos: u32) -> Timestamp {
        Timestamp { secs, nanos }
    }

    #[test]
    fn times_are_the_same_within_what_can_be_held() {
        let exact = Traits::default();
        assert!(exact.same_time(at(5, 1), at(5, 1)) && !exact.same_time(at(5, 1), at(5, 2)));
        let fat = Traits { granularity: 2 * SECOND, earliest: 315_532_800, ..Traits::default() };
        assert!(fat.same_time(at(1_600_000_000, 0), at(1_600_000_001, 999_999_999)));
        assert!(fat.same_time(at(1_600_000_002, 0), at(1_600_000_001, 5)), "rounded up");
        assert!(!fat.same_time(at(1_600_000_000, 0), at(1_600_000_002, 0)));
        assert!(fat.same_time(at(315_532_800, 0), at(-7, 3)), "before its first time");
        assert!(!fat.same_time(at(315_532_800, 0), at(315_532_900, 3)));
    }

    #[test]
    fn what_is_remembered_is_read_back() {
        let odd = Traits {
            folds_case: true,
            symlinks: false,
            granularity: 10_000_000,
            earliest: 315_532_800,
            ..Traits::default()
        };
        for traits in [odd, Traits::default()] {
            let mut out = Vec::new();
            traits.encode(&mut out);
            assert_eq!(Traits::decode(&mut Reader::new(&out, "traits")), Ok(traits));
        }
    }

    #[test]
    fn a_probe_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let root = openat(rustix::fs::CWD, dir.path(), DIR_FLAGS, Mode::empty()).unwrap();
        set_time(root.as_fd(), at(1_500_000_000, 7)).unwrap();
        let found = Traits::probe(root.as_fd()).unwrap();
        assert!(found.modes && found.symlinks && found.granularity <= 1_000, "{found:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(mtime_of(&fstat(&root).unwrap()), at(1_500_000_000, 7));
    }
}
