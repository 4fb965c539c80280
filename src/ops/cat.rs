//! `cat`: file content to a stream, verified before a byte of it is written.

use std::io::Write;
use std::ops::Range;

use super::files::{Files, ReadError};
use super::{CatRange, Ctx, OpsError, Place};
use crate::class::Class;
use crate::event::Event;
use crate::filter::Filter;
use crate::format::entry::EntryKind;
use crate::transfer::Item;
use crate::vault::{Part, VaultError};

/// What `cat` writes.
#[derive(Debug, Clone, Default)]
pub struct CatOptions {
    /// Which part of each file.
    pub range: CatRange,
    /// What comes after each file.
    pub separator: Vec<u8>,
    /// Read and verify, and write nothing.
    pub discard: bool,
    /// What is in scope of directories.
    pub filter: Filter,
}

/// Writes files to `out`, one after another. Directories mean all files below them.
///
/// # Errors
/// A file is missing or does not verify; what was written until then did verify.
pub fn cat(ctx: &Ctx<'_>, places: &[Place], options: &CatOptions, out: &mut dyn Write) -> Result<(), OpsError> {
    let mut failed = 0;
    for place in places {
        failed += cat_place(ctx, place, options, out)?;
    }
    out.flush().map_err(VaultError::local("cannot write the output"))?;
    match failed {
        0 => Ok(()),
        _ => Err(OpsError::new(Class::Failed, format!("{failed} files could not be read; they are named above"))),
    }
}

fn cat_place(ctx: &Ctx<'_>, place: &Place, options: &CatOptions, out: &mut dyn Write) -> Result<u64, OpsError> {
    let files = Files::open(ctx, place)?;
    if let Some(Item { path, entry, .. }) = files.single()
        && entry.kind == EntryKind::Symlink
    {
        return Err(OpsError::new(Class::Failed, format!("`{path}` is a symbolic link, not a file")));
    }
    let mut failed = 0;
    let skipped = files.each(&options.filter, &mut |item| {
        match write(ctx, &files, &item, options, out) {
            Ok(()) => {}
            Err(ReadError::Fatal(error)) => return Err(error),
            Err(ReadError::File(reason)) => {
                failed += 1;
                ctx.observer.event(Event::Failed { path: &item.path, reason: &reason });
            }
        }
        Ok(())
    })?;
    Ok(failed + skipped)
}

fn write(
    ctx: &Ctx<'_>,
    files: &Files<'_>,
    item: &Item,
    options: &CatOptions,
    out: &mut dyn Write,
) -> Result<(), ReadError> {
    let failed = || VaultError::local("cannot write the output");
    files.read(item, wanted(options.range, item.entry.size), &mut |part| match part {
        _ if options.discard => Ok(()),
        Part::Data(bytes) => Ok(out.write_all(bytes).map_err(failed())?),
        Part::Hole(len) => write_zeros(ctx, out, len),
    })?;
    if !options.discard {
        out.write_all(&options.separator).map_err(failed())?;
    }
    Ok(())
}

fn wanted(range: CatRange, size: u64) -> Range<u64> {
    match range {
        CatRange::Whole => 0..size,
        CatRange::Head(len) => 0..len.min(size),
        CatRange::Tail(len) => size.saturating_sub(len)..size,
        CatRange::Offset(offset, count) => {
            let from = if offset < 0 { size.saturating_sub(offset.unsigned_abs()) } else { size.min(offset as u64) };
            from..count.map_or(size, |count| from.saturating_add(count).min(size))
        }
    }
}

fn write_zeros(ctx: &Ctx<'_>, out: &mut dyn Write, mut len: u64) -> Result<(), OpsError> {
    let zeros = [0; 64 << 10];
    while len > 0 {
        let step = len.min(zeros.len() as u64);
        if ctx.cancel.is_cancelled() {
            return Err(VaultError::Cancelled.into());
        }
        out.write_all(&zeros[..step as usize]).map_err(VaultError::local("cannot write the output"))?;
        len -= step;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_rclones() {
        for (range, expected) in [
            (CatRange::Whole, 0..10),
            (CatRange::Head(3), 0..3),
            (CatRange::Head(30), 0..10),
            (CatRange::Tail(3), 7..10),
            (CatRange::Tail(30), 0..10),
            (CatRange::Offset(4, None), 4..10),
            (CatRange::Offset(4, Some(2)), 4..6),
            (CatRange::Offset(-4, Some(2)), 6..8),
            (CatRange::Offset(40, Some(2)), 10..10),
        ] {
            assert_eq!(wanted(range, 10), expected, "{range:?}");
        }
    }
}
