//! What is to be done about an entry that both sides have. Pure: one function of two descriptions, and of whether the
//! contents are the same where that has to be known.

use crate::format::entry::{Content, Entry, EntryKind};
use crate::world::Timestamp;

/// How entries are compared, and what may come of it. The default is size and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// What makes two files the same.
    pub by: By,
    /// Files are never the same.
    pub ignore_times: bool,
    /// Sizes tell nothing.
    pub ignore_size: bool,
    /// What is newer at the destination stays.
    pub update: bool,
    /// What is at the destination stays.
    pub ignore_existing: bool,
    /// What is not at the destination is not made there.
    pub only_existing: bool,
    /// What is at the destination is never written over.
    pub immutable: bool,
    /// Times less than this far apart are the same, in nanoseconds.
    pub window: u64,
    /// Whether files of the same content are given the source's time.
    pub update_times: bool,
    /// Whether directories that are there are given the source's time.
    pub update_dirs: bool,
    /// Whether permission bits are compared.
    pub modes: bool,
    /// Whether files of the same size and time are the same even if their contents are known to differ.
    pub times_prove: bool,
    /// Whether directories that a file is written into are given the source's time where nothing but that speaks for it.
    pub touches_dirs: bool,
}

/// What makes two files the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum By {
    /// Size and modification time; of files that differ in time alone, content.
    #[default]
    Time,
    /// Size and content.
    Content,
    /// Size.
    Size,
}

/// What may take the place of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// Neither files that of directories nor the other way round.
    Neither,
    /// Directories that of files.
    Files,
    /// Both.
    Both,
}

impl Replace {
    /// Whether an entry of this kind may take the place of one that is a directory if it is none, and the other way round.
    pub fn allows(self, kind: EntryKind) -> bool {
        self == Self::Both || self == Self::Files && kind == EntryKind::Dir
    }
}

/// What two entries are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The same.
    Same,
    /// The same but for the time, which is to be the source's.
    Stale,
    /// Different: the source's is to be written.
    Differs,
    /// The destination's stays, whatever it is.
    Stays(Why),
}

/// Why an entry of the destination stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It exists.
    Exists,
    /// It is newer.
    Newer,
}

impl Default for Comparison {
    fn default() -> Self {
        Self {
            by: By::Time,
            ignore_times: false,
            ignore_size: false,
            update: false,
            ignore_existing: false,
            only_existing: false,
            immutable: false,
            window: 1,
            update_times: true,
            update_dirs: true,
            modes: true,
            times_prove: false,
            touches_dirs: false,
        }
    }
}

impl Comparison {
    /// Judges two entries that are not directories. `same_content` is asked at most once, and only of files of which not
    /// both contents are known.
    ///
    /// # Errors
    /// Those of `same_content`.
    pub fn judge<E>(
        &self,
        source: &Entry,
        dest: &Entry,
        same_content: impl FnOnce() -> Result<bool, E>,
    ) -> Result<Verdict, E> {
        // What the destination has lost is not there.
        if dest.is_lost() && !source.is_lost() && source.kind == dest.kind {
            return Ok(Verdict::Differs);
        }
        if self.ignore_existing {
            return Ok(Verdict::Stays(Why::Exists));
        }
        if source.kind != dest.kind || self.ignore_times && source.kind == EntryKind::File {
            return Ok(Verdict::Differs);
        }
        if source.kind != EntryKind::File {
            return Ok(if source.content == dest.content { Verdict::Same } else { Verdict::Differs });
        }
        let (apart, age) = (self.apart(source.mtime, dest.mtime), dest.mtime.cmp(&source.mtime));
        if self.update && apart && age.is_gt() {
            return Ok(Verdict::Stays(Why::Newer));
        }
        if source.size != dest.size && !self.ignore_size {
            return Ok(Verdict::Differs);
        }
        let known = known(source, dest);
        let proven = !apart && (self.times_prove || known != Some(false));
        let look = || known.map_or_else(same_content, Ok);
        let by = if self.update && proven && self.by == By::Time { By::Size } else { self.by };
        if by == By::Size || by == By::Time && proven {
            return Ok(Verdict::Same);
        }
        let stale = by == By::Time && apart && self.update_times;
        Ok(match look()? {
            false => Verdict::Differs,
            true if stale => Verdict::Stale,
            true => Verdict::Same,
        })
    }

    /// Whether a directory that both sides have is given the source's time.
    pub fn updates_dir(&self, source: &Entry, dest: &Entry) -> bool {
        let stays = self.by == By::Size || self.immutable || self.ignore_existing || !self.update_dirs;
        let older = self.apart(source.mtime, dest.mtime) && !(self.update && dest.mtime > source.mtime);
        !stays && (self.ignore_times || older)
    }

    /// Whether a directory that stays as it is is given the source's time all the same if a file is written into it.
    pub fn touches_dir(&self, source: &Entry, dest: &Entry) -> bool {
        self.touches_dirs && self.update_dirs && source.mtime != dest.mtime
    }

    /// Whether two times count as different.
    fn apart(&self, a: Timestamp, b: Timestamp) -> bool {
        let nanos = |time: Timestamp| i128::from(time.secs) * 1_000_000_000 + i128::from(time.nanos);
        a != b && (nanos(a) - nanos(b)).unsigned_abs() >= u128::from(self.window)
    }
}

/// Whether the contents are the same, if both are known.
fn known(source: &Entry, dest: &Entry) -> Option<bool> {
    let both = source.content != Content::None && dest.content != Content::None || source.size == 0 && dest.size == 0;
    both.then(|| source.content == dest.content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(size: u64, mtime: i64) -> Entry {
        let mtime = Timestamp::new(mtime, 0).unwrap();
        Entry { kind: EntryKind::File, size, mtime, mode: None, content: Content::None, attributes: Vec::new() }
    }

    #[test]
    fn every_flag_judges_as_it_says() {
        use Verdict::{Differs, Same, Stale, Stays};
        let plain = Comparison::default;
        let size = || Comparison { by: By::Size, ..plain() };
        let content = || Comparison { by: By::Content, ..plain() };
        let update = || Comparison { update: true, ..plain() };
        let (exists, newer) = (Stays(Why::Exists), Stays(Why::Newer));
        // flags, source (size, time), destination, whether the contents are the same, what comes of it
        let table = [
            (plain(), (1, 5), (1, 5), false, Same),
            (plain(), (1, 5), (2, 5), false, Differs),
            (plain(), (1, 5), (1, 6), false, Differs),
            (plain(), (1, 5), (1, 6), true, Stale),
            (plain(), (1, 7), (1, 6), true, Stale),
            (Comparison { update_times: false, ..plain() }, (1, 5), (1, 6), true, Same),
            (Comparison { window: 2_000_000_000, ..plain() }, (1, 5), (1, 6), false, Same),
            (Comparison { window: 1_000_000_000, ..plain() }, (1, 5), (1, 6), false, Differs),
            (Comparison { ignore_times: true, ..plain() }, (1, 5), (1, 5), true, Differs),
            (Comparison { ignore_times: true, ..update() }, (1, 5), (1, 9), true, Differs),
            (Comparison { ignore_existing: true, ignore_times: true, ..plain() }, (1, 5), (2, 6), false, exists),
            (Comparison { ignore_size: true, ..plain() }, (1, 5), (2, 5), false, Same),
            (Comparison { ignore_size: true, ..plain() }, (1, 5), (2, 6), false, Differs),
            (size(), (1, 5), (1, 6), false, Same),
            (size(), (1, 5), (2, 5), false, Differs),
            (content(), (1, 5), (1, 6), true, Same),
            (content(), (1, 5), (1, 5), false, Differs),
            (content(), (1, 5), (2, 5), true, Differs),
            (update(), (1, 5), (2, 6), false, newer),
            (update(), (1, 6), (2, 5), false, Differs),
            (update(), (1, 6), (1, 5), true, Stale),
            (update(), (1, 6), (1, 5), false, Differs),
            (update(), (1, 5), (1, 5), false, Same),
            (Comparison { update: true, ..content() }, (1, 5), (1, 5), false, Differs),
            (Comparison { update: true, ..content() }, (1, 6), (1, 5), true, Same),
            (Comparison { update: true, ..size() }, (1, 6), (1, 5), false, Same),
        ];
        for (flags, source, dest, same, verdict) in table {
            let (a, b) = (file(source.0, source.1), file(dest.0, dest.1));
            let found = flags.judge(&a, &b, || Ok::<_, ()>(same)).unwrap();
            assert_eq!(found, verdict, "{source:?} over {dest:?}, same content: {same}, {flags:?}");
        }
    }

    #[test]
    fn content_is_read_only_where_it_decides() {
        let asked = |flags: &Comparison, a: &Entry, b: &Entry| flags.judge(a, b, || Err(())).is_err();
        let plain = Comparison::default();
        assert!(!asked(&plain, &file(1, 5), &file(1, 5)));
        assert!(!asked(&plain, &file(1, 5), &file(2, 6)));
        assert!(asked(&plain, &file(1, 5), &file(1, 6)));
        assert!(asked(&Comparison { by: By::Content, ..plain.clone() }, &file(1, 5), &file(1, 5)));
        assert!(!asked(&Comparison { by: By::Size, ..plain.clone() }, &file(1, 5), &file(1, 6)));
        assert!(!asked(&plain, &file(0, 5), &file(0, 6)), "two empty files have the same content");
    }

    #[test]
    fn known_contents_decide_against_equal_times() {
        let with = |bytes: &[u8]| Entry { content: Content::Inline(bytes.into()), ..file(1, 5) };
        let judge = |flags: &Comparison, a: &Entry, b: &Entry| flags.judge(a, b, || Err(())).unwrap();
        let plain = Comparison::default();
        assert_eq!(judge(&plain, &with(b"a"), &with(b"b")), Verdict::Differs);
        assert_eq!(judge(&plain, &with(b"a"), &with(b"a")), Verdict::Same);
        assert_eq!(judge(&Comparison { update: true, ..plain.clone() }, &with(b"a"), &with(b"b")), Verdict::Differs);
        assert_eq!(judge(&Comparison { by: By::Size, ..plain.clone() }, &with(b"a"), &with(b"b")), Verdict::Same);
        assert_eq!(judge(&Comparison { times_prove: true, ..plain }, &with(b"a"), &with(b"b")), Verdict::Same);
    }
}
