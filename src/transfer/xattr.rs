//! Extended attributes of open files. Those that describe this machine rather than the file are left alone.

use std::ffi::CString;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;

use crate::format::attribute::Xattrs;

/// All that this process may see. None where the file system has no such thing.
pub(super) fn read(file: impl AsFd) -> io::Result<Xattrs> {
    let file = file.as_fd();
    let mut found = Xattrs::new();
    let mut list = vec![0; LIST_MAX];
    let len = match flistxattr(file, list.as_mut_slice()) {
        Ok(len) => len,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(found),
        Err(errno) => return Err(errno.into()),
    };
    if len == 0 {
        return Ok(found);
    }
    let mut value = vec![0; VALUE_MAX];
    for name in list[..len].split(|b| *b == 0).filter(|name| !name.is_empty() && is_of_files(name)) {
        match fgetxattr(file, name, value.as_mut_slice()) {
            Ok(len) => drop(found.insert(name.to_vec(), value[..len].to_vec())),
            Err(Errno::NODATA | Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) => {} // gone, or not for us
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(found)
}

/// Makes those in `part` what `wanted` has of them. How many could not be set or removed.
pub(super) fn write(file: impl AsFd, wanted: &Xattrs, part: impl Fn(&[u8]) -> bool) -> u64 {
    let file = file.as_fd();
    let is = read(file).unwrap_or_default();
    let mut failed = 0;
    for (name, value) in wanted.iter().filter(|(name, value)| part(name) && is.get(*name) != Some(value)) {
        failed +=
            u64::from(!is_of_files(name) || fsetxattr(file, name.as_slice(), value, XattrFlags::empty()).is_err());
    }
    for name in is.keys().filter(|name| part(name) && is_ours(name) && !wanted.contains_key(*name)) {
        failed += u64::from(CString::new(name.as_slice()).is_ok_and(|name| fremovexattr(file, name).is_err()));
    }
    failed
}

/// Whether this process sees, sets and removes an attribute of this name: that of another says nothing.
pub(super) fn is_ours(name: &[u8]) -> bool {
    is_of_files(name) && (rustix::process::geteuid().is_root() || is_of_users(name) || is_acl(name))
}

/// What any owner of a file may set.
pub(super) fn is_of_users(name: &[u8]) -> bool {
    name.starts_with(b"user.")
}

fn is_acl(name: &[u8]) -> bool {
    name.starts_with(b"system.posix_acl_")
}

/// Labels and seals of the machine are not the file's.
fn is_of_files(name: &[u8]) -> bool {
    !matches!(name, b"security.selinux" | b"security.ima" | b"security.evm" | b"user.cryptsync.probe")
}

/// The limits of Linux.
const LIST_MAX: usize = 64 << 10;
const VALUE_MAX: usize = 64 << 10;
