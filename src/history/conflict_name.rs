//! What a conflict copy is called (docs/format.md, section 9.6): a pure function of what lost and to whom it belonged, so
//! that every machine gives it the same name.

use super::merge::Side;
use crate::crypto;
use crate::format::entry::{Content, Entry};
use crate::id::base32;
use crate::path::NAME_MAX;
use crate::world::Timestamp;

/// The names to try in turn for the copy of `entry`, which was called `name` on `side`. All but the first are for the case
/// that something else has the one before.
pub(super) fn conflict_names<'a>(name: &'a [u8], entry: &Entry, side: &Side<'a>) -> impl Iterator<Item = Vec<u8>> + 'a {
    let id = base32(&content_id(entry));
    let (stem, extension) = split(name);
    let middle = format!(".conflict-{}-{}-", date(side.time), safe_label(side.label));
    let fits = stem.len() + middle.len() + ID_CHARS[0] + extension.len() <= NAME_MAX;
    // Stems that were cut may be alike though the names were not: the id alone has to tell them apart.
    let lengths = ID_CHARS.into_iter().filter(move |chars| fits || *chars > ID_CHARS[0]).map(|chars| (chars, None));
    let numbered = (2..=NUMBERED_MAX).map(|number| (ID_CHARS[2], Some(number)));
    lengths.chain(numbered).map(move |(chars, number)| {
        let mut end = [middle.as_bytes(), &id.as_bytes()[..chars]].concat();
        if let Some(number) = number {
            end.extend_from_slice(format!("-{number}").as_bytes());
        }
        end.extend_from_slice(extension);
        [cut(stem, NAME_MAX - end.len()), &end[..]].concat()
    })
}

/// What tells contents apart: the id of the blob, or a hash of what lies in the entry itself.
fn content_id(entry: &Entry) -> [u8; 32] {
    let bytes: &[u8] = match &entry.content {
        Content::Chunk(id) | Content::List(id) => return *id.as_bytes(),
        Content::Inline(bytes) | Content::Link(bytes) => bytes,
        Content::None => &[],
    };
    crypto::hash(&[&[entry.kind as u8], bytes].concat())
}

/// Stem and extension. What begins with its only dot, or ends in more than an extension, has none.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    let dot = name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0);
    let dot = dot.filter(|dot| (2..=EXTENSION_MAX).contains(&(name.len() - dot)));
    name.split_at(dot.unwrap_or(name.len()))
}

/// The first bytes, at most `max`, without a part of a UTF-8 character at the end.
fn cut(stem: &[u8], max: usize) -> &[u8] {
    let mut end = stem.len().min(max);
    let inside = |end: usize| stem.get(end).is_some_and(|byte| byte & 0xc0 == 0x80);
    let whole = (end.saturating_sub(3)..=end).rev().find(|end| !inside(*end));
    if inside(end) {
        end = whole.unwrap_or(end);
    }
    &stem[..end]
}

fn safe_label(label: &str) -> String {
    let safe = label.chars().take(LABEL_CHARS);
    let safe: String = safe.map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    if safe.is_empty() { "unknown".to_owned() } else { safe }
}

/// The day in UTC as `YYYY-MM-DD`, within the years 1970 to 9999.
fn date(time: Timestamp) -> String {
    let mut day = time.secs.div_euclid(86_400).clamp(0, LAST_DAY);
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    while day >= 365 + i64::from(leap(year)) {
        day -= 365 + i64::from(leap(year));
        year += 1;
    }
    let february = 28 + i64::from(leap(year));
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", day + 1)
}

/// Characters of the content's id: as a rule, and where more are needed.
const ID_CHARS: [usize; 3] = [6, 26, 52];
/// Numbers behind the id, where even the whole id is not enough.
const NUMBERED_MAX: u32 = 1000;
/// Characters of the writer's label.
const LABEL_CHARS: usize = 32;
/// Bytes of an extension with its dot.
const EXTENSION_MAX: usize = 32;
/// 9999-12-31.
const LAST_DAY: i64 = 2_932_896;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::entry::EntryKind;
    use crate::format::node::Totals;
    use crate::history::source::Root;
    use crate::id::{BlobId, CommitId, WriterId};

    fn names(name: &[u8], label: &str, secs: i64) -> Vec<Vec<u8>> {
        let root = Root { id: BlobId::new([0; 32]), place: None, totals: Totals::default() };
        let (rank, commit) = ((1, WriterId::new([1; 16])), CommitId::new([2; 32]));
        let side = Side { root: &root, rank, time: Timestamp { secs, nanos: 0 }, label, commit };
        let entry = Entry {
            kind: EntryKind::File,
            size: 600,
            mtime: Timestamp::default(),
            mode: None,
            content: Content::Chunk(BlobId::new([0xff; 32])),
            attributes: Vec::new(),
        };
        conflict_names(name, &entry, &side).collect()
    }

    fn first(name: &str, label: &str, secs: i64) -> String {
        String::from_utf8(names(name.as_bytes(), label, secs).remove(0)).unwrap()
    }

    #[test]
    fn frozen() {
        assert_eq!(first("report.txt", "laptop", 0), "report.conflict-1970-01-01-laptop-777777.txt");
        assert_eq!(first("a.tar.gz", "laptop", 951_782_400), "a.tar.conflict-2000-02-29-laptop-777777.gz");
        assert_eq!(first("Makefile", "Anna's PC", 1_795_000_000), "Makefile.conflict-2026-11-18-Anna_s_PC-777777");
        assert_eq!(first(".bashrc", "", -5), ".bashrc.conflict-1970-01-01-unknown-777777");
        assert_eq!(first("ends.", "é/..", i64::MAX), "ends..conflict-9999-12-31-____-777777");
        let all = names(b"a.b", "w", 0);
        assert_eq!(all[1], [b"a.conflict-1970-01-01-w-".as_slice(), &[b'7'; 26], b".b"].concat());
        assert!(all[3].ends_with(b"-2.b") && all.len() == 1002);
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        for name in ["ä".repeat(127), format!("x{}", "ä".repeat(127)), format!("{}.jpeg", "€".repeat(83))] {
            for copy in names(name.as_bytes(), &"l".repeat(300), 0) {
                let copy = String::from_utf8(copy).unwrap();
                assert!((249..=NAME_MAX).contains(&copy.len()), "{copy}");
                assert!(copy.contains("-77777777777777777777777777"), "{copy}");
            }
        }
        // What is no UTF-8 is cut anywhere.
        assert!(names(&[0x80; 255], "w", 0).iter().all(|copy| copy.len() == NAME_MAX));
    }
}
