//! `cat`: file content to a stream, verified before a byte of it is written.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use super::open::open;
use super::sync::not_there;
use super::{CatRange, Ctx, OpsError, Place};
use crate::class::Class;
use crate::filter::Filter;
use crate::format::entry::Entry;
use crate::format::entry::EntryKind;
use crate::history::source::ResolvedPlace;
use crate::transfer::{SideError, VaultSide, base_root, lookup};
use crate::vault::{Part, Vault, VaultError};

/// Writes files to `out`, one after another. Directories mean all files below them.
///
/// # Errors
/// A file is missing or does not verify; what was written until then did verify.
pub fn cat(ctx: &Ctx<'_>, places: &[Place], range: CatRange, out: &mut dyn Write) -> Result<(), OpsError> {
    for place in places {
        match place {
            Place::Local(path) => {
                return Err(OpsError::new(Class::Usage, format!("{} is a local file", path.display()))
                    .hint("give `remote:path`, or use cat(1) for local files"));
            }
            Place::Vault(remote, path) => {
                let opened = open(ctx, remote)?;
                let base = base_root(&opened.vault)?;
                match lookup(&opened.vault, base.as_ref(), path)? {
                    None if !path.is_root() => {
                        let mut error = not_there(remote, path);
                        error.class = Class::FileNotFound;
                        return Err(error);
                    }
                    Some(item) if item.entry.kind == EntryKind::File => {
                        write(&opened.vault, &item.entry, item.place.as_ref(), range, out)?;
                    }
                    Some(item) if item.entry.kind == EntryKind::Symlink => {
                        return Err(OpsError::new(Class::Failed, format!("`{path}` is a symbolic link, not a file")));
                    }
                    _ => {
                        let filter = Arc::new(Filter::default());
                        for item in VaultSide::open(&opened.vault, base.as_ref(), path, filter, true)? {
                            let item = item.map_err(|error| match error {
                                SideError::Fatal(error) => OpsError::from(error),
                                _ => OpsError::new(Class::Failed, error.to_string()),
                            })?;
                            if item.entry.kind == EntryKind::File {
                                write(&opened.vault, &item.entry, item.place.as_ref(), range, out)?;
                            }
                        }
                    }
                }
            }
        }
    }
    out.flush().map_err(VaultError::local("cannot write the output"))?;
    Ok(())
}

fn write(
    vault: &Vault,
    entry: &Entry,
    place: Option<&ResolvedPlace>,
    range: CatRange,
    out: &mut dyn Write,
) -> Result<(), VaultError> {
    vault.read_content(entry, place, wanted(range, entry.size), &mut |part| {
        let written = match part {
            Part::Data(bytes) => out.write_all(bytes),
            Part::Hole(len) => return write_zeros(vault, out, len),
        };
        written.map_err(VaultError::local("cannot write the output"))
    })
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

fn write_zeros(vault: &Vault, out: &mut dyn Write, mut len: u64) -> Result<(), VaultError> {
    let zeros = [0; 64 << 10];
    while len > 0 {
        let step = len.min(zeros.len() as u64);
        vault.checkpoint()?;
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
