//! Owners and extended attributes: read from files of this machine, and what of them to compare.

use std::ffi::CStr;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags, Stat, openat};

use super::people::People;
use super::xattr;
use crate::format::attribute::{OWNER, Owner, XATTRS, Xattrs, decode_xattrs, encode_xattrs};
use crate::format::entry::{Entry, EntryKind};
use crate::format::limits::ATTRIBUTES_MAX;

/// Adds to `entry`, which is at `name`, its owner and its extended attributes. If they can't be read it stays without
/// either, and if they are too large without the second.
///
/// # Errors
/// Why, as a clause that completes "`path`: …".
pub(super) fn look(
    dir: BorrowedFd<'_>,
    name: &CStr,
    stat: &Stat,
    people: &People,
    entry: &mut Entry,
) -> Result<(), String> {
    let mut xattrs = Xattrs::new();
    if entry.kind != EntryKind::Symlink {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(dir, name, flags, Mode::empty()).map_err(io::Error::from);
        xattrs = file
            .and_then(xattr::read)
            .map_err(|error| format!("its extended attributes can't be read: {}", super::os_text(&error)))?;
    }
    entry.set_attribute(OWNER, Some(people.owner(stat.st_uid, stat.st_gid).encode()));
    set_xattrs(entry, &xattrs);
    if too_large(entry) {
        entry.set_attribute(XATTRS, None);
        return Err("its extended attributes are larger than the format allows: left out".into());
    }
    Ok(())
}

/// What is known of an entry that is no directory, as `key=value` with the keys that rclone uses.
pub(super) fn lines(entry: &Entry) -> Vec<String> {
    let kind = if entry.kind == EntryKind::Symlink { 0o120_000 } else { 0o100_000 };
    let mut known = Vec::new();
    known.extend(entry.mode.map(|mode| format!("mode={:o}", kind | u32::from(mode))));
    if let Ok(mtime) = jiff::Timestamp::new(entry.mtime.secs, entry.mtime.nanos as i32) {
        known.push(format!("mtime={mtime}"));
    }
    known.extend(attributes(entry).iter().map(|(key, value)| format!("{key}={value}")));
    known
}

/// Owner and extended attributes of users, under the keys that rclone uses.
pub fn attributes(entry: &Entry) -> Vec<(String, String)> {
    let mut known = Vec::new();
    if let Some(owner) = owner(entry) {
        known.push(("uid".to_owned(), owner.uid.to_string()));
        known.push(("gid".to_owned(), owner.gid.to_string()));
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    known.extend(xattrs(entry).iter().filter_map(|(name, value)| {
        let name = name.strip_prefix(b"user.")?; // as rclone: the others belong to the system
        Some((text(name), text(value)))
    }));
    known
}

/// Makes `local`, of what was read here, what is to be compared with `stored`. An entry without an owner says nothing of
/// either; `chowns`: whether owners can be given here.
pub(super) fn settle(local: &Entry, stored: &Entry, is_source: bool, chowns: bool, holds_xattrs: bool) -> Entry {
    let mut out = Entry { attributes: stored.attributes.clone(), ..local.clone() };
    let Some(here) = owner(local) else { return out };
    let there = owner(stored);
    let same = there.as_ref().is_some_and(|there| there.same(&here));
    if is_source && !same || there.is_some() && chowns && !same {
        out.set_attribute(OWNER, Some(here.encode()));
    }
    if holds_xattrs && (is_source || there.is_some()) {
        let mut merged = xattrs(local);
        merged.extend(xattrs(stored).into_iter().filter(|(name, _)| !xattr::is_ours(name)));
        set_xattrs(&mut out, &merged);
        if too_large(&out) {
            out.attributes.clone_from(&stored.attributes);
        }
    }
    out
}

/// The owner that an entry states.
pub(super) fn owner(entry: &Entry) -> Option<Owner> {
    Owner::decode(entry.attribute(OWNER)?).ok()
}

/// The extended attributes that an entry states.
pub(super) fn xattrs(entry: &Entry) -> Xattrs {
    entry.attribute(XATTRS).and_then(|bytes| decode_xattrs(bytes).ok()).unwrap_or_default()
}

fn set_xattrs(entry: &mut Entry, xattrs: &Xattrs) {
    entry.set_attribute(XATTRS, (!xattrs.is_empty()).then(|| encode_xattrs(xattrs)));
}

/// Room is left for what else belongs to an entry.
fn too_large(entry: &Entry) -> bool {
    entry.attributes.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > ATTRIBUTES_MAX - HARD_LINK_ROOM
}

const HARD_LINK_ROOM: usize = 2048;
