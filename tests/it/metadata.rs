//! Owners, extended attributes and set-id bits: with `-M`, and what becomes of them without.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::Path;

use rustix::fs::{XattrFlags, getxattr, removexattr, setxattr};

use crate::support::age;
use crate::support::cli::{Cli, Machine, NOBODY, is_root, skipped, walk};

fn set(path: &Path, name: &str, value: &[u8]) -> bool {
    setxattr(path, name, value, XattrFlags::empty()).is_ok()
}

fn get(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 1 << 16];
    let len = getxattr(path, CString::new(name).unwrap().as_c_str(), value.as_mut_slice()).ok()?;
    value.truncate(len);
    Some(value)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn head(machine: &Machine) -> String {
    machine.ok(["log", "v:", "--limit", "1"]).text()
}

/// Runs the program with arguments of which some are paths.
fn run(machine: &Machine, args: &[&dyn AsRef<std::ffi::OsStr>]) -> crate::support::cli::Output {
    machine.run(args.iter().map(|arg| arg.as_ref().to_owned()))
}

#[test]
fn extended_attributes_come_back_on_request() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let (src, dst) = (cli.path("src"), cli.path("dst"));
    fs::create_dir_all(src.join("dir")).unwrap();
    fs::write(src.join("dir/file"), "content").unwrap();
    fs::write(src.join("plain"), "plain").unwrap();
    if !set(&src.join("dir/file"), "user.origin", b"https://example.org\0\xff") {
        return skipped("no extended attributes here");
    }
    set(&src.join("dir"), "user.empty", b"");
    fs::set_permissions(src.join("dir/file"), fs::Permissions::from_mode(0o400)).unwrap();
    age(&src);
    assert_eq!(run(&machine, &[&"sync", &src, &"v:"]).code, 0);
    let plain = head(&machine);
    assert_eq!(run(&machine, &[&"sync", &"-M", &src, &"v:"]).code, 0);
    let with = head(&machine);
    assert_ne!(with, plain);
    for args in [&["-M"][..], &[]] {
        let mut all = vec!["sync", src.to_str().unwrap(), "v:"];
        all.extend(args);
        machine.ok(all);
        assert_eq!(head(&machine), with, "{args:?}: nothing to say");
    }
    machine.ok(["sync", "v:", dst.to_str().unwrap()]);
    assert_eq!(get(&dst.join("dir/file"), "user.origin"), None);
    for _ in 0..2 {
        machine.ok(["sync", "-M", "v:", dst.to_str().unwrap()]);
        assert_eq!(get(&dst.join("dir/file"), "user.origin").unwrap(), b"https://example.org\0\xff");
        assert_eq!((get(&dst.join("dir"), "user.empty").unwrap(), mode(&dst.join("dir/file"))), (vec![], 0o400));
    }
    let nothing = machine.ok(["sync", "-M", "v:", dst.to_str().unwrap()]);
    nothing.says(&["sent 0 files"]);
    assert!(!nothing.stderr.contains("updated"), "{}", nothing.stderr);

    // A change of content without -M keeps what is known; a removal with -M is one.
    fs::set_permissions(src.join("dir/file"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(src.join("dir/file"), "changed").unwrap();
    machine.ok(["sync", src.to_str().unwrap(), "v:"]);
    let back = cli.path("back");
    machine.ok(["copy", "-M", "v:", back.to_str().unwrap()]);
    assert!(get(&back.join("dir/file"), "user.origin").is_some());
    removexattr(src.join("dir/file"), "user.origin").unwrap();
    machine.ok(["sync", "-M", src.to_str().unwrap(), "v:"]);
    machine.ok(["sync", "-M", "v:", back.to_str().unwrap()]);
    assert_eq!(get(&back.join("dir/file"), "user.origin"), None);
    assert!(get(&back.join("dir"), "user.empty").is_some());
    // One file alone.
    set(&src.join("plain"), "user.one", b"1");
    machine.ok(["copy", "-M", src.join("plain").to_str().unwrap(), "v:"]);
    machine.ok(["copy", "-M", "v:plain", back.to_str().unwrap()]);
    assert_eq!(get(&back.join("plain"), "user.one").unwrap(), b"1");
    machine.ok(["verify", "v:"]);
}

#[test]
fn too_many_extended_attributes_are_told_and_the_file_is_stored() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let src = cli.path("src");
    fs::create_dir(&src).unwrap();
    fs::write(src.join("file"), "content").unwrap();
    // File systems have limits of their own: what fits there may be little.
    if !(0..6).all(|number| set(&src.join("file"), &format!("user.{number}"), &[7; 3000])) {
        return skipped("so much does not fit here");
    }
    age(&src);
    let done = machine.run(["sync", "-M", src.to_str().unwrap(), "v:"]);
    done.fails(1, &["file: ", "larger than the format allows", "one entry could not be handled"]);
    assert_eq!(machine.ok(["cat", "v:file"]).text(), "content");
}

#[test]
fn owners_come_back_as_root() {
    if !is_root() {
        return skipped("only root can give files away");
    }
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let (src, dst) = (cli.path("src"), cli.path("dst"));
    fs::create_dir_all(src.join("dir")).unwrap();
    fs::write(src.join("dir/file"), "content").unwrap();
    symlink("file", src.join("dir/link")).unwrap();
    fs::write(src.join("tool"), "#!/bin/sh").unwrap();
    lchown(src.join("dir/link"), Some(12345), Some(54321)).unwrap();
    chown(src.join("dir/file"), Some(NOBODY), Some(NOBODY)).unwrap();
    chown(src.join("dir"), Some(12345), Some(0)).unwrap();
    fs::set_permissions(src.join("tool"), fs::Permissions::from_mode(0o4755)).unwrap();
    age(&src);
    machine.ok(["sync", "-M", src.to_str().unwrap(), "v:"]);
    let stored = head(&machine);
    // Without -M nobody is given anything, and no set-id bits.
    machine.ok(["sync", "v:", dst.to_str().unwrap()]);
    assert_eq!((fs::metadata(dst.join("dir/file")).unwrap().uid(), mode(&dst.join("tool"))), (0, 0o755));
    machine.ok(["sync", "v:", dst.to_str().unwrap()]).says(&["sent 0 files"]);
    machine.ok(["sync", dst.to_str().unwrap(), "v:"]);
    assert_eq!(head(&machine), stored, "what was not restored is not brought back");
    for _ in 0..2 {
        machine.ok(["sync", "-M", "v:", dst.to_str().unwrap()]);
        let owner = |name: &str| {
            let meta = fs::symlink_metadata(dst.join(name)).unwrap();
            (meta.uid(), meta.gid())
        };
        assert_eq!(owner("dir/file"), (NOBODY, NOBODY));
        assert_eq!((owner("dir/link"), owner("dir")), ((12345, 54321), (12345, 0)));
        assert_eq!(mode(&dst.join("tool")), 0o4755);
    }
    // Somebody else gets the content, and is told.
    let theirs = cli.fresh("theirs").used_by_nobody();
    walk(&cli.path("vault")).iter().for_each(|path| chown(path, Some(NOBODY), Some(NOBODY)).unwrap());
    let place = cli.path("place");
    fs::create_dir(&place).unwrap();
    chown(&place, Some(NOBODY), Some(NOBODY)).unwrap();
    let done = theirs.run(["copy", "-M", "v:", place.to_str().unwrap()]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    done.says(&["could not be given their owner"]);
    theirs.ok(["copy", "-M", "v:", place.to_str().unwrap()]).says(&["sent 0 files"]);
}
