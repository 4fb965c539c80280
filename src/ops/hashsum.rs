//! `hashsum`: sums of the files of a place; and `check -C`, which holds files against such sums.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::check::{Row, Tally};
use super::files::{Files, ReadError};
use super::{CheckReport, Ctx, Difference, OpsError, Place};
use crate::class::Class;
use crate::event::Event;
use crate::filter::Filter;
use crate::path::TreePath;
use crate::sum::{Sum, SumKind, Summer};
use crate::vault::{Part, VaultError};

/// Calls `row` for every file with its sum, `None` if it can't be read.
///
/// # Errors
/// The place is not there, a file could not be read, or nothing more can be.
pub fn hashsum(
    ctx: &Ctx<'_>,
    place: &Place,
    filter: &Filter,
    kind: SumKind,
    row: &mut dyn FnMut(&TreePath, Option<&Sum>) -> io::Result<()>,
) -> Result<(), OpsError> {
    let files = Files::open(ctx, place)?;
    let mut failed = 0;
    let skipped = files.each(filter, &mut |item| {
        let sum = match files.sum(&item, kind) {
            Ok(sum) => Some(sum),
            Err(ReadError::File(reason)) => {
                failed += 1;
                ctx.observer.event(Event::Failed { path: &item.path, reason: &reason });
                None
            }
            Err(ReadError::Fatal(error)) => return Err(error),
        };
        Ok(row(&item.path, sum.as_ref()).map_err(VaultError::local("cannot write the sums"))?)
    })?;
    match failed + skipped {
        0 => Ok(()),
        failed => Err(OpsError::new(Class::Failed, format!("{failed} files could not be read; they are named above"))),
    }
}

/// The sum of a stream.
///
/// # Errors
/// It can't be read.
pub fn hash_stream(ctx: &Ctx<'_>, input: &mut dyn Read, kind: SumKind) -> Result<Sum, OpsError> {
    let mut summer = Summer::new(kind);
    let mut buffer = vec![0; 256 << 10];
    loop {
        if ctx.cancel.is_cancelled() {
            return Err(VaultError::Cancelled.into());
        }
        match input.read(&mut buffer) {
            Ok(0) => return Ok(summer.finish()),
            Ok(got) => summer.push(&buffer[..got]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(VaultError::local("cannot read standard input")(error).into()),
        }
    }
}

/// Compares the files of a place with the sums in a file, calling `row` for each.
///
/// # Errors
/// The place or the file is not there, or can't be read.
pub fn check_sums(
    ctx: &Ctx<'_>,
    sums: &Place,
    place: &Place,
    options: &SumOptions<'_>,
    row: Row<'_>,
) -> Result<CheckReport, OpsError> {
    let mut wanted = read_sums(ctx, sums)?;
    let files = Files::open(ctx, place)?;
    let mut tally = Tally { row, report: CheckReport::default() };
    let errors = files.each(options.filter, &mut |item| {
        let Some(expected) = wanted.remove(item.path.as_bytes()) else {
            let known = if options.one_way { return Ok(()) } else { "no sum for it" };
            return tally.tell(Difference::OnlyDest, &item.path, known);
        };
        match files.sum(&item, options.kind) {
            Ok(sum) if sum.hex() == expected => tally.tell(Difference::Same, &item.path, ""),
            Ok(_) => tally.tell(Difference::Differ, &item.path, "sums differ"),
            Err(ReadError::File(reason)) => tally.tell(Difference::Error, &item.path, &reason),
            Err(ReadError::Fatal(error)) => Err(error),
        }
    })?;
    for name in wanted.keys() {
        // What no entry of a tree can be called is missing as well, under a name that can be shown.
        let path = TreePath::from_user(name).unwrap_or_default();
        if options.filter.decide_file(&path) {
            tally.tell(Difference::OnlySource, &path, "not in the destination")?;
        }
    }
    tally.report.errors += errors;
    Ok(tally.report)
}

/// How sums are compared.
#[derive(Debug)]
pub struct SumOptions<'a> {
    /// Which sums they are.
    pub kind: SumKind,
    /// Whether files without a sum are left out.
    pub one_way: bool,
    /// What is in scope.
    pub filter: &'a Filter,
}

/// The lines of a file of sums: a sum, a space, a space or an asterisk, and a name. The first of a name counts.
fn read_sums(ctx: &Ctx<'_>, place: &Place) -> Result<BTreeMap<Vec<u8>, String>, OpsError> {
    let files = Files::open(ctx, place)?;
    let Some(item) = files.single() else {
        return Err(
            OpsError::new(Class::Usage, "the file of sums is a directory").hint("give the file that `hashsum` wrote")
        );
    };
    if item.entry.size > SUMS_MAX {
        return Err(OpsError::new(Class::Limit, format!("the file of sums is larger than {} MiB", SUMS_MAX >> 20)));
    }
    let mut text = Vec::new();
    let read = files.read(item, 0..item.entry.size, &mut |part| {
        match part {
            Part::Data(bytes) => text.extend_from_slice(bytes),
            Part::Hole(len) => text.resize(text.len() + len as usize, 0),
        }
        Ok(())
    });
    match read {
        Ok(()) => {}
        Err(ReadError::File(reason)) => return Err(OpsError::new(Class::Failed, format!("the file of sums {reason}"))),
        Err(ReadError::Fatal(error)) => return Err(error),
    }
    let mut sums = BTreeMap::new();
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match parsed(line) {
            Some((sum, name)) => drop(sums.entry(name.to_vec()).or_insert(sum)),
            None if line.is_empty() => {}
            None => ctx
                .observer
                .event(Event::Notice(&format!("line {} of the file of sums is none: it is left out", at + 1))),
        }
    }
    Ok(sums)
}

fn parsed(line: &[u8]) -> Option<(String, &[u8])> {
    let end = line.iter().position(|byte| *byte == b' ')?;
    let name = line[end + 1..].strip_prefix(b" ").or_else(|| line[end + 1..].strip_prefix(b"*"))?;
    let sum = std::str::from_utf8(&line[..end]).ok()?.to_ascii_lowercase();
    (!sum.is_empty() && !name.is_empty()).then_some((sum, name))
}

/// More sums than this are not held in memory.
const SUMS_MAX: u64 = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_sums() {
        assert_eq!(parsed(b"ABC1  a b"), Some(("abc1".into(), &b"a b"[..])));
        assert_eq!(parsed(b"abc1 *a"), Some(("abc1".into(), &b"a"[..])));
        for bad in [&b"abc1"[..], b"abc1 a", b"abc1  ", b"  a", b""] {
            assert_eq!(parsed(bad), None, "{}", bad.escape_ascii());
        }
    }
}
