//! What the contract cannot ask of every remote: permissions, links, full and read-only disks, killed processes.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::StreamExt;
use tempfile::TempDir;

use super::Fs;
use super::files::Files;
use crate::layers::{Counted, Limit, Retry, RetryPolicy};
use crate::testing::{Recorder, contract};
use crate::{ErrorKind, Op, Put, Remote, RemotePath, Result};

#[tokio::test]
async fn keeps_the_contract() {
    let dir = TempDir::new().unwrap();
    contract(Arc::new(Fs::open(dir.path().join("new/vault")))).await;
    assert_eq!(temps(dir.path()), [] as [PathBuf; 0]);
}

#[tokio::test]
async fn keeps_the_contract_in_layers() {
    let dir = TempDir::new().unwrap();
    let policy = RetryPolicy { attempts: 3, base: Duration::from_millis(1), cap: Duration::from_millis(5) };
    let remote = Counted::new(Arc::new(Fs::open(dir.path().to_owned())));
    let remote = Limit::new(Arc::new(Retry::new(Arc::new(remote), policy)), 8);
    contract(Arc::new(Recorder::over(Arc::new(remote)))).await;
}

#[tokio::test]
async fn only_the_owner_may_read() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("vault");
    put(&Fs::open(root.clone()), "data/a", "x").await.unwrap();
    for (path, mode) in [("", 0o700), ("data", 0o700), ("data/a", 0o600)] {
        assert_eq!(fs::metadata(root.join(path)).unwrap().mode() & 0o777, mode, "{path}");
    }
    assert_eq!(fs::metadata(root.join("data/a")).unwrap().nlink(), 1);
}

#[tokio::test]
async fn what_is_no_object_is_in_the_way() {
    let dir = TempDir::new().unwrap();
    let remote = Fs::open(dir.path().to_owned());
    fs::write(dir.path().join("outside"), "secret").unwrap();
    symlink(dir.path().join("outside"), dir.path().join("link")).unwrap();
    symlink("nowhere", dir.path().join("dangling")).unwrap();
    fs::create_dir(dir.path().join("directory")).unwrap();
    assert!(Command::new("mkfifo").arg(dir.path().join("pipe")).status().unwrap().success());
    for name in ["link", "dangling", "directory", "pipe", "outside/below"] {
        let errors = [
            remote.get(&path(name)).await.unwrap_err(),
            remote.get_range(&path(name), 0..1).await.unwrap_err(),
            remote.stat(&path(name)).await.unwrap_err(),
            remote.delete(&path(name)).await.unwrap_err(),
            put(&remote, name, "x").await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::NotADirectory, "{error}: {error:?}");
        }
    }
    assert_eq!(list(&remote).await, ["outside"]);
    assert_eq!(fs::read(dir.path().join("outside")).unwrap(), b"secret");
    assert!(!dir.path().join("nowhere").exists());
}

#[tokio::test]
async fn a_root_that_is_a_file_is_an_error() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("file"), "x").unwrap();
    let remote = Fs::open(dir.path().join("file"));
    for prefix in ["", "log/"] {
        assert_eq!(remote.list(prefix).next().await.unwrap().unwrap_err().kind(), ErrorKind::NotADirectory);
    }
    let error = put(&remote, "log/a", "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotADirectory);
    assert_eq!(
        error.to_string(),
        format!("cannot write `log/a` on {}/file: something else is in the way", dir.path().display())
    );
}

#[tokio::test]
async fn names_that_no_object_can_have_are_not_listed() {
    let dir = TempDir::new().unwrap();
    for name in ["a", "\u{e4}", "b\nc", ".tmp-1"] {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    fs::write(dir.path().join("lost+found/b"), "x").unwrap();
    let remote = Fs::open(dir.path().to_owned());
    assert_eq!(list(&remote).await, ["a"]);
    assert_eq!(remote.get(&path(".tmp-1")).await.unwrap_err().kind(), ErrorKind::Unsupported);
    let error = put(&remote, &"x".repeat(300), "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn temporary_files_go_when_they_are_old() {
    let dir = TempDir::new().unwrap();
    let remote = Fs::open(dir.path().to_owned());
    put(&remote, "a/b/object", "x").await.unwrap();
    for (name, age) in [("old", 7200), ("young", 60)] {
        let file = fs::File::create(dir.path().join(format!("a/b/.tmp-{name}"))).unwrap();
        file.set_modified(now() - Duration::from_secs(age)).unwrap();
    }
    assert_eq!(remote.clean_temps(Duration::from_secs(3600)).await.unwrap(), 1);
    assert_eq!(temps(dir.path()), [dir.path().join("a/b/.tmp-young")]);
    assert_eq!(list(&remote).await, ["a/b/object"]);
    assert_eq!(Fs::open(dir.path().join("missing")).clean_temps(Duration::ZERO).await.unwrap(), 0);
}

#[tokio::test]
async fn a_dropped_put_leaves_a_whole_object_or_none() {
    let dir = TempDir::new().unwrap();
    let remote = Fs::open(dir.path().to_owned());
    let body = Bytes::from(vec![7; 1 << 20]);
    for n in 0..20 {
        let name = path(&n.to_string());
        let put = remote.put_new(&name, vec![body.clone()]);
        drop(tokio::time::timeout(Duration::from_micros(n * 100), put).await);
    }
    // Blocking work outlives its future, so wait for it: the pool runs no more than it has.
    while temps(dir.path()) != [] as [PathBuf; 0] {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for name in list(&remote).await {
        assert_eq!(remote.get(&path(&name)).await.unwrap(), body);
    }
}

#[test]
fn publishing_without_links_replaces_nothing() {
    let dir = TempDir::new().unwrap();
    let files = Files::new(dir.path().to_owned());
    let (temp, target) = (dir.path().join("temp"), dir.path().join("target"));
    for publish in [Files::publish_by_rename, Files::publish_by_check] {
        fs::write(&temp, "first").unwrap();
        assert_eq!(publish(&files, &temp, &target).unwrap(), Put::Created);
        fs::write(&temp, "second").unwrap();
        assert_eq!(publish(&files, &temp, &target).unwrap(), Put::Existed);
        assert_eq!(fs::read(&target).unwrap(), b"first");
        fs::remove_file(&target).unwrap();
        symlink("elsewhere", &target).unwrap();
        assert_eq!(publish(&files, &temp, &target).unwrap_err().kind, ErrorKind::NotADirectory);
        fs::remove_file(&target).unwrap();
    }
    assert!(!files.exclusive(), "the last resort is not exclusive and says so");
}

#[tokio::test]
async fn a_failed_barrier_is_tried_again() {
    let dir = TempDir::new().unwrap();
    let remote = Fs::open(dir.path().join("vault"));
    put(&remote, "data/a", "x").await.unwrap();
    fs::rename(dir.path().join("vault"), dir.path().join("away")).unwrap();
    for _ in 0..2 {
        let error = remote.barrier().await.unwrap_err();
        assert_eq!((error.op(), error.kind()), (Op::Barrier, ErrorKind::NotFound));
    }
    fs::rename(dir.path().join("away"), dir.path().join("vault")).unwrap();
    remote.barrier().await.unwrap();
}

#[tokio::test]
async fn a_full_disk_says_so_and_keeps_no_remains() {
    let Some(disk) = Mounted::tmpfs() else { return };
    let remote = Fs::open(disk.path().join("vault"));
    put(&remote, "small", "x").await.unwrap();
    let error = remote.put_new(&path("data/large"), vec![Bytes::from(vec![0; 2 << 20])]).await.unwrap_err();
    assert_eq!((error.op(), error.kind()), (Op::PutNew, ErrorKind::NoSpace));
    assert!(!error.is_transient());
    assert_eq!(list(&remote).await, ["small"]);
    assert_eq!(temps(disk.path()), [] as [PathBuf; 0]);
    put(&remote, "data/small", "y").await.unwrap();
}

#[tokio::test]
async fn a_read_only_disk_can_be_read() {
    let Some(disk) = Mounted::tmpfs() else { return };
    put(&Fs::open(disk.path().to_owned()), "data/a", "x").await.unwrap();
    disk.remount_read_only();
    reads_but_does_not_write(disk.path(), ErrorKind::ReadOnly).await;
}

#[tokio::test]
async fn a_read_only_directory_can_be_read() {
    if rustix::process::geteuid().is_root() {
        eprintln!("skipped: permissions do not bind root");
        return;
    }
    let dir = TempDir::new().unwrap();
    put(&Fs::open(dir.path().to_owned()), "data/a", "x").await.unwrap();
    for below in ["data", ""] {
        fs::set_permissions(dir.path().join(below), Permissions::from_mode(0o500)).unwrap();
    }
    reads_but_does_not_write(dir.path(), ErrorKind::PermissionDenied).await;
    for below in ["", "data"] {
        fs::set_permissions(dir.path().join(below), Permissions::from_mode(0o700)).unwrap();
    }
}

async fn reads_but_does_not_write(root: &Path, kind: ErrorKind) {
    let remote = Fs::open(root.to_owned());
    assert_eq!(list(&remote).await, ["data/a"]);
    assert_eq!(remote.get(&path("data/a")).await.unwrap(), "x");
    assert_eq!(put(&remote, "data/a", "x").await.unwrap(), Put::Existed);
    remote.barrier().await.unwrap();
    for name in ["data/b", "new/b"] {
        assert_eq!(put(&remote, name, "x").await.unwrap_err().kind(), kind);
    }
    assert_eq!(remote.delete(&path("data/a")).await.unwrap_err().kind(), kind);
    remote.delete(&path("data/missing")).await.unwrap();
}

/// A small disk of its own, where we may mount one.
struct Mounted(TempDir);

impl Mounted {
    fn tmpfs() -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(dir.path()).output();
        if mount.is_ok_and(|mount| mount.status.success()) {
            return Some(Self(dir));
        }
        eprintln!("skipped: mounting a tmpfs is not permitted here");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn remount_read_only(&self) {
        assert!(Command::new("mount").args(["-o", "remount,ro"]).arg(self.path()).status().unwrap().success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(self.path()).status());
    }
}

async fn put(remote: &Fs, name: &str, body: &'static str) -> Result<Put> {
    remote.put_new(&path(name), vec![Bytes::from_static(body.as_bytes())]).await
}

async fn list(remote: &Fs) -> Vec<String> {
    let mut names: Vec<_> = remote.list("").map(|item| item.unwrap().path.to_string()).collect().await;
    names.sort();
    names
}

fn path(name: &str) -> RemotePath {
    RemotePath::new(name).unwrap()
}

fn temps(below: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(below).unwrap().map(|entry| entry.unwrap().path());
    let (directories, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let mut temps: Vec<_> = directories.iter().flat_map(|directory| temps(directory)).collect();
    temps.extend(files.into_iter().filter(|file| file.to_string_lossy().contains("/.tmp-")));
    temps
}

#[expect(clippy::disallowed_methods, reason = "the files under test have real times")]
fn now() -> SystemTime {
    SystemTime::now()
}
