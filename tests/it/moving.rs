//! `move`: the source goes when the copy is durable, and only as it was copied. And copy, sync, move and check between vaults.

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cryptsync::ops::{self, Moving, Place, SyncOptions, SyncReport};
use cryptsync_backends::services::Memory;
use cryptsync_backends::{Caps, ErrorKind, Listed, Op, Put, Remote, RemoteError, RemotePath, Result, Stat};
use futures::stream::BoxStream;

use crate::support::cli::{Cli, Machine, contents};
use crate::support::{TestEnv, noise, snapshot};

fn moving(env: &TestEnv, source: Place, dest: Place) -> std::result::Result<SyncReport, ops::OpsError> {
    let moving = Some(Moving { delete_empty_src_dirs: true });
    ops::sync(&env.ctx(), &SyncOptions { moving, ..env.options(source, dest, false) })
}

/// Does something once, while an object of a kind is being put: then the put goes on, or fails.
struct DuringPut {
    inner: Arc<dyn Remote>,
    prefix: &'static str,
    fail: bool,
    done: AtomicBool,
    act: Mutex<Box<dyn FnMut() + Send>>,
}

impl DuringPut {
    fn new(inner: &Arc<dyn Remote>, prefix: &'static str, fail: bool, act: impl FnMut() + Send + 'static) -> Arc<Self> {
        let (inner, act) = (Arc::clone(inner), Mutex::new(Box::new(act) as Box<dyn FnMut() + Send>));
        Arc::new(Self { inner, prefix, fail, done: AtomicBool::new(false), act })
    }
}

impl std::fmt::Debug for DuringPut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DuringPut")
    }
}

#[async_trait::async_trait]
impl Remote for DuringPut {
    fn caps(&self) -> Caps {
        self.inner.caps()
    }
    fn describe(&self) -> String {
        self.inner.describe()
    }
    async fn get(&self, path: &RemotePath) -> Result<Bytes> {
        self.inner.get(path).await
    }
    async fn get_range(&self, path: &RemotePath, range: Range<u64>) -> Result<Bytes> {
        self.inner.get_range(path, range).await
    }
    async fn put_new(&self, path: &RemotePath, body: Vec<Bytes>) -> Result<Put> {
        if path.as_str().starts_with(self.prefix) && !self.done.swap(true, Ordering::SeqCst) {
            (self.act.lock().unwrap())();
        }
        if path.as_str().starts_with(self.prefix) && self.fail {
            return Err(RemoteError::new(ErrorKind::NoSpace, Op::PutNew, path.as_str()));
        }
        self.inner.put_new(path, body).await
    }
    async fn stat(&self, path: &RemotePath) -> Result<Stat> {
        self.inner.stat(path).await
    }
    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed>> {
        self.inner.list(prefix)
    }
    async fn delete(&self, path: &RemotePath) -> Result<()> {
        self.inner.delete(path).await
    }
    async fn barrier(&self) -> Result<()> {
        self.inner.barrier().await
    }
}

fn in_memory() -> (TestEnv, Arc<dyn Remote>, PathBuf) {
    let remote: Arc<dyn Remote> = Arc::new(Memory::new());
    let mut env = TestEnv::new();
    env.custom = Some(Arc::clone(&remote));
    env.init().unwrap();
    let src = env.path("src");
    fs::create_dir_all(src.join("d/empty")).unwrap();
    fs::write(src.join("small"), "small").unwrap();
    fs::write(src.join("d/large"), noise(1, 3 << 20)).unwrap();
    fs::write(src.join("d/medium"), noise(2, 50_000)).unwrap();
    symlink("small", src.join("link")).unwrap();
    (env, remote, src)
}

#[test]
fn what_was_moved_is_there_and_gone_here() {
    let (env, _, src) = in_memory();
    let before = contents(&src);
    let report = moving(&env, Place::Local(src.clone()), env.place("in")).unwrap();
    assert_eq!((report.files, report.moved, report.failed), (3, 6, 0));
    assert_eq!(fs::read_dir(&src).unwrap().count(), 0, "the source itself stays");
    let dst = env.path("dst");
    env.down("in", &dst).unwrap();
    assert_eq!(contents(&dst), before);
    // And back: what is in the vault goes when it is durable here.
    let report = moving(&env, env.place("in"), Place::Local(src.clone())).unwrap();
    assert_eq!((report.files, report.moved), (3, 6));
    assert_eq!(contents(&src), before);
    let mut left = Vec::new();
    let options = ops::ListOptions {
        place: env.place("in"),
        recursive: true,
        filter: Default::default(),
        links: Default::default(),
    };
    ops::list(&env.ctx(), &options, &mut |row| {
        left.push(row.path.to_string());
        Ok(())
    })
    .unwrap();
    assert!(left.is_empty(), "{left:?}");
    env.assert_whole(true);
}

/// A file that changes after it was read, in any way, keeps what it has then.
#[test]
fn a_source_that_changes_meanwhile_stays() {
    let change = |src: &Path, how: usize| {
        let file = src.join("d/medium");
        let meta = fs::metadata(&file).unwrap();
        match how {
            0 => fs::write(&file, "new content").unwrap(),
            1 => {
                // The same size and modification time: only the file system's own time tells.
                fs::write(&file, noise(99, 50_000)).unwrap();
                File::options().write(true).open(&file).unwrap().set_modified(meta.modified().unwrap()).unwrap();
            }
            2 => {
                fs::write(src.join("other"), noise(98, 50_000)).unwrap();
                let other = File::options().write(true).open(src.join("other")).unwrap();
                other.set_modified(meta.modified().unwrap()).unwrap();
                fs::rename(src.join("other"), &file).unwrap();
            }
            _ => {
                fs::remove_file(&file).unwrap();
                symlink("large", &file).unwrap();
            }
        }
    };
    for how in 0..4 {
        let (mut env, remote, src) = in_memory();
        let (at, started) = (src.clone(), fs::read(src.join("d/medium")).unwrap());
        // The commit is what is put into the log last: everything was read by then.
        env.custom = Some(DuringPut::new(&remote, "log/c", false, || ()));
        env.up(&env.path("src"), "first").unwrap(); // the writer's first record is no commit
        std::thread::sleep(std::time::Duration::from_millis(20)); // longer than a tick of the file system's clock
        env.custom = Some(DuringPut::new(&remote, "log/c", false, move || change(&at, how)));
        let report = moving(&env, Place::Local(src.clone()), env.place("in")).unwrap();
        assert_eq!(report.failed, 1, "{how}");
        assert!(report.commit.is_some());
        assert!(env.events.0.lock().unwrap().iter().any(|text| text.contains("d/medium: changed after it was read")));
        let left: Vec<PathBuf> = contents(&src).into_keys().collect();
        assert_eq!(left, [PathBuf::from("d/medium")], "{how}: what changed, and nothing else");
        env.custom = Some(remote);
        assert_eq!(env.cat("in/d/medium").unwrap(), started, "{how}: the vault has what was read");
        if how < 3 {
            let kept = fs::read(src.join("d/medium")).unwrap();
            assert_ne!(kept, started);
            moving(&env, Place::Local(src.clone()), env.place("in")).unwrap();
            assert_eq!(env.cat("in/d/medium").unwrap(), kept, "{how}: moved again");
            assert_eq!(contents(&src).len(), 0);
        }
    }
}

#[test]
fn nothing_goes_unless_the_commit_is_there() {
    for prefix in ["log/", "data/"] {
        let (mut env, remote, src) = in_memory();
        let before = snapshot(&src);
        env.custom = Some(DuringPut::new(&remote, prefix, true, || ()));
        moving(&env, Place::Local(src.clone()), env.place("in")).unwrap_err();
        assert_eq!(snapshot(&src), before, "{prefix}");
        env.custom = Some(remote);
        moving(&env, Place::Local(src.clone()), env.place("in")).unwrap();
        assert_eq!(contents(&src).len(), 0);
        assert_eq!(env.cat("in/d/large").unwrap(), noise(1, 3 << 20));
    }
}

/// Somebody else changes a file in the vault while it is moved out of it: just before the commit that removes it, so that
/// two commits meet. Their version stays.
#[test]
fn what_others_change_in_the_vault_meanwhile_stays() {
    let (mut env, remote, src) = in_memory();
    env.up(&src, "in").unwrap();
    let mut other = TestEnv::new();
    other.custom = Some(Arc::clone(&remote));
    other.yes = Some(true);
    let theirs = other.path("theirs");
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("medium"), "theirs").unwrap();
    let options = other.options(Place::Local(theirs.clone()), other.place("elsewhere"), false);
    ops::sync(&other.ctx(), &options).unwrap(); // a writer by now
    let act = move || {
        let (other, theirs) = (&other, &theirs);
        // On a thread of its own: this one drives the other run's calls.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let options = other.options(Place::Local(theirs.clone()), other.place("in/d"), false);
                ops::sync(&other.ctx(), &options).unwrap();
            });
        });
    };
    env.custom = Some(DuringPut::new(&remote, "log/c", false, act));
    let dst = env.path("dst");
    moving(&env, env.place("in"), Place::Local(dst.clone())).unwrap();
    env.custom = Some(remote);
    assert_eq!(fs::read(dst.join("d/medium")).unwrap(), noise(2, 50_000));
    assert_eq!(env.cat("in/d/medium").unwrap(), b"theirs", "what nobody has moved is still there");
    assert!(env.cat("in/small").is_err(), "what was moved is not");
    env.assert_whole(true);
}

/// A file that is in the vault already with the same size and time, but with other content, is not taken for the same.
#[test]
fn size_and_time_are_no_proof() {
    let (env, _, src) = in_memory();
    let file = src.join("small");
    env.up(&src, "in").unwrap();
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, "SMALL").unwrap();
    File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    moving(&env, Place::Local(src.clone()), env.place("in")).unwrap();
    assert_eq!(env.cat("in/small").unwrap(), b"SMALL");
    assert!(!file.exists());
}

/// Killed at any moment, every file is in one of the two places, and doing it again ends well.
#[test]
fn a_killed_move_loses_nothing() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let src = cli.path("src");
    for round in 0..8u64 {
        fs::create_dir_all(src.join("sub")).unwrap();
        (0..40).for_each(|n| fs::write(src.join(format!("sub/{round}-{n}")), noise(round * 100 + n, 40_000)).unwrap());
        let before = contents(&src);
        let (source, dest) = (src.to_str().unwrap(), format!("v:{round}"));
        let mut child = machine.command(["move", source, &dest]).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(round * 40));
        child.kill().unwrap();
        child.wait().unwrap();
        let left = contents(&src);
        let got = cli.path(&format!("got{round}"));
        if machine.run(["copy", &dest, got.to_str().unwrap()]).code != 0 {
            assert_eq!(left, before, "round {round}: without a commit nothing is gone");
        }
        let there = contents(&got);
        for (path, content) in &before {
            assert!(left.get(path) == Some(content) || there.get(path) == Some(content), "round {round}: {path:?}");
        }
        machine.ok(["move", source, &dest, "--delete-empty-src-dirs"]);
        assert_eq!(contents(&src).len(), 0);
        fs::remove_dir_all(&got).unwrap_or_default();
        machine.ok(["copy", &dest, got.to_str().unwrap()]);
        assert_eq!(contents(&got), before, "round {round}");
    }
}

#[test]
fn move_through_the_program() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let src = machine.home.join("src");
    fs::create_dir_all(src.join("d")).unwrap();
    fs::write(src.join("a.txt"), "a").unwrap();
    fs::write(src.join("d/b.bin"), "b").unwrap();
    machine.ok(["move", "src", "v:", "-n"]).says(&["would copy: a.txt"]);
    assert_eq!(contents(&src).len(), 2);
    machine.ok(["move", "src", "v:", "--include", "*.txt"]).says(&["removed from the source 1"]);
    assert_eq!(contents(&src).into_keys().collect::<Vec<_>>(), [PathBuf::from("d/b.bin")]);
    machine.ok(["move", "src/d/b.bin", "v:d"]);
    assert!(src.join("d").is_dir() && !src.join("d/b.bin").exists());
    machine.ok(["move", "src", "v:", "--delete-empty-src-dirs"]);
    assert!(src.is_dir() && !src.join("d").exists());
    machine.ok(["move", "v:d/b.bin", "dst"]);
    assert_eq!(fs::read(machine.home.join("dst/b.bin")).unwrap(), b"b");
    assert_eq!(machine.ok(["lsf", "-R", "v:"]).text(), "a.txt\nd/\n");
    machine.run(["move", "src", "dst"]).fails(2, &["both sides are local"]);
    machine.run(["move", "nowhere", "v:"]).fails(3, &["does not exist"]);
    machine.run(["move", "v:nowhere", "dst"]).fails(3, &["does not exist"]);
    fs::write(src.join("f"), "f").unwrap();
    symlink("f", src.join("l")).unwrap();
    machine.run(["move", "src/l", "v:"]).fails(2, &["symbolic link"]);
}

/// Removing one name of a file changes the file; that is no change of somebody else's.
#[test]
fn all_names_of_a_file_are_moved() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let src = cli.path("src");
    fs::create_dir_all(src.join("d")).unwrap();
    for name in ["a", "b", "c"] {
        fs::write(src.join(name), format!("content of {name}")).unwrap();
        for n in 0..3 {
            fs::hard_link(src.join(name), src.join(format!("d/{name}{n}"))).unwrap();
        }
    }
    // A further name that is not moved.
    fs::hard_link(src.join("c"), cli.path("outside")).unwrap();
    machine.ok(["move", src.to_str().unwrap(), "v:", "--delete-empty-src-dirs"]);
    assert!(contents(&src).is_empty(), "{:?}", contents(&src));
    assert_eq!(fs::read(cli.path("outside")).unwrap(), b"content of c");
    machine.ok(["copy", "v:", cli.path("back").to_str().unwrap()]);
    assert_eq!(contents(&cli.path("back")).len(), 12);
    let inode = |name: &str| fs::metadata(cli.path("back").join(name)).unwrap().ino();
    assert_eq!(inode("a"), inode("d/a2"));
}

/// Conflicts of one vault are none of another; those that wait at the destination are told.
#[test]
fn conflicts_stay_where_they_are() {
    let (cli, machine, _) = two_vaults();
    let second = cli.fresh("second").var("CRYPTSYNC_CONFIG_W_TYPE", "fs");
    let second = second.var("CRYPTSYNC_CONFIG_W_ROOT", cli.path("other").to_str().unwrap());
    let apart = cli.path("apart");
    let edit = |machine: &Machine, text: &str| {
        let dir = cli.path("edit");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("small"), text).unwrap();
        machine.run(["copy", dir.to_str().unwrap(), "v:a"])
    };
    second.ok(["lsf", "v:"]);
    crate::support::cli::copy_tree(&cli.path("vault"), &apart);
    assert_eq!(edit(&machine, "here").code, 0);
    assert_eq!(edit(&second.clone().at(&apart), "there, and longer").code, 0);
    for path in crate::support::cli::files(&apart) {
        let target = cli.path("vault").join(&path);
        if !target.exists() {
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(apart.join(&path), target).unwrap();
        }
    }
    let listed = machine.ok(["conflicts", "ls", "v:"]).text();
    assert!(listed.contains("small.conflict-"), "{listed}");
    // Into another vault both versions go, as files like any other.
    machine.ok(["copy", "v:a", "w:b"]);
    assert_eq!(machine.ok(["conflicts", "ls", "w:"]).text(), "");
    assert_eq!(machine.ok(["lsf", "w:b"]).text().matches("small").count(), 2);
    // Into the vault where one waits, the run is done and says so.
    let waits = machine.run(["copy", "w:b/d", "v:a/more"]);
    assert_eq!(waits.code, 0, "none below the destination: {}", waits.stderr);
    let waits = machine.run(["copy", "w:b/d", "v:a"]);
    assert_eq!(waits.code, 30, "{}", waits.stderr);
    waits.says(&["conflict copies", "small.conflict-"]);
    assert_eq!(machine.run(["copy", "v:a/d", "v:a/more", "-n"]).code, 0);
}

/// A second vault, `w:`, for the same machine.
fn two_vaults() -> (Cli, Machine, PathBuf) {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let other = machine.clone().at(&cli.path("other"));
    let words = cli.path("other-words");
    other.ok(["init", "v:", "--kdf", "64M,3,1", "--recovery-file", words.to_str().unwrap()]);
    let machine = machine
        .var("CRYPTSYNC_CONFIG_W_TYPE", "fs")
        .var("CRYPTSYNC_CONFIG_W_ROOT", cli.path("other").to_str().unwrap());
    let src = cli.path("src");
    fs::create_dir_all(src.join("d/empty")).unwrap();
    fs::write(src.join("small"), "small").unwrap();
    fs::write(src.join("d/large"), noise(5, 3 << 20)).unwrap();
    let sparse = File::create(src.join("d/sparse")).unwrap();
    sparse.set_len(8 << 20).unwrap();
    std::os::unix::fs::FileExt::write_at(&sparse, b"in the middle", 4 << 20).unwrap();
    (0..20).for_each(|n| fs::write(src.join(format!("d/{n}")), noise(n, 3_000 * n as usize)).unwrap());
    symlink("small", src.join("link")).unwrap();
    machine.ok(["sync", src.to_str().unwrap(), "v:a"]);
    (cli, machine, src)
}

#[test]
fn from_one_vault_to_another() {
    let (cli, machine, src) = two_vaults();
    let source = src.to_str().unwrap();
    machine.ok(["copy", "v:a", "w:b", "-n"]).says(&["would copy: d/large"]);
    machine.run(["check", "v:a", "w:b"]).fails(3, &["does not exist"]);
    machine.ok(["copy", "v:a", "w:b"]);
    machine.ok(["check", source, "w:b"]);
    machine.ok(["check", "v:a", "w:b"]);
    machine.ok(["verify", "w:", "--read-data"]);
    machine.ok(["copy", "w:b", cli.path("got").to_str().unwrap()]);
    assert_eq!(snapshot(&cli.path("got")), snapshot(&src), "with modes and times");
    let sparse = fs::metadata(cli.path("got/d/sparse")).unwrap();
    assert!(sparse.blocks() * 512 < 1 << 20, "holes stay holes: {} blocks", sparse.blocks());
    // What is the same is not sent again, and needs no commit.
    let commits = machine.ok(["log", "w:"]).text().lines().count();
    machine.ok(["sync", "v:a", "w:b"]).says(&["sent 0 files"]);
    assert_eq!(machine.ok(["log", "w:"]).text().lines().count(), commits);
    // Content that is there under another name is stored once.
    machine.ok(["copy", "v:a/d", "w:again", "--include", "large"]).says(&["deduplicated 3.00 MiB"]);
    // Filters, deletes, the brake, differences.
    fs::write(src.join("small"), "other").unwrap();
    fs::remove_file(src.join("d/large")).unwrap();
    machine.ok(["sync", source, "v:a"]);
    let differs = machine.run(["check", "v:a", "w:b"]);
    assert_eq!(differs.code, 1);
    differs.says(&["small: differs", "d/large: not in v:a"]);
    machine.ok(["copy", "v:a", "w:b", "--exclude", "small"]);
    assert_eq!(machine.ok(["cat", "w:b/small"]).text(), "small");
    machine.ok(["sync", "v:a", "w:b"]).says(&["deleted 1"]);
    machine.ok(["check", "v:a", "w:b"]);
    machine.ok(["mkdir", "v:nothing"]);
    machine.run(["sync", "v:nothing", "w:b"]).fails(7, &["the source is empty"]);
    machine.ok(["copy", "v:a/small", "w:one"]);
    assert_eq!(machine.ok(["lsf", "w:one"]).text(), "small\n");
    machine.ok(["check", "v:a/small", "w:one"]);
    machine.run(["copy", "v:nowhere", "w:b"]).fails(3, &["`v:nowhere` does not exist"]);
    // Moved: there, and gone here.
    machine.ok(["move", "v:a", "w:moved", "--delete-empty-src-dirs"]);
    machine.ok(["check", source, "w:moved"]);
    assert_eq!(machine.ok(["lsf", "-R", "v:a"]).text(), "");
    machine.ok(["verify", "w:", "--read-data"]);
}

#[test]
fn damage_in_the_source_goes_nowhere() {
    let (_cli, machine, _) = two_vaults();
    // One byte of each pack of data.
    for file in crate::support::cli::files(&machine.root.join("data")) {
        let path = machine.root.join("data").join(file);
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        fs::write(&path, bytes).unwrap();
    }
    let output = machine.run(["move", "v:a", "w:b"]);
    assert_eq!(output.code, 20, "{}", output.stderr);
    assert_eq!(machine.ok(["lsf", "w:"]).text(), "", "nothing was committed");
    assert!(machine.ok(["lsf", "-R", "v:a"]).text().lines().count() > 20, "and nothing was removed");
}

#[test]
fn inside_one_vault_nothing_is_read() {
    let (cli, machine, src) = two_vaults();
    // Without its packs of data the vault can't give any content.
    fs::rename(machine.root.join("data"), cli.path("data")).unwrap();
    machine.ok(["copy", "v:a", "v:b"]);
    machine.ok(["copy", "v:a/small", "v:c"]);
    machine.ok(["check", "v:a", "v:b"]);
    machine.ok(["sync", "v:a", "v:b"]).says(&["sent 0 files"]);
    machine.ok(["move", "v:b", "v:d", "--delete-empty-src-dirs"]);
    machine.ok(["check", "v:a", "v:d"]);
    assert_eq!(machine.ok(["lsf", "v:"]).text(), "a/\nb/\nc/\nd/\n", "the source itself stays");
    assert_eq!(machine.ok(["lsf", "-R", "v:b"]).text(), "");
    for args in [["sync", "v:a", "v:a/x"], ["sync", "v:a/d", "v:a"], ["move", "v:", "v:x"], ["moveto", "v:a", "v:a/x"]]
    {
        machine.run(args).fails(7, &["overlap"]);
    }
    machine.ok(["move", "v:a/small", "v:a"]).says(&["the same"]);
    machine.ok(["check", "v:a", "v:d"]);
    fs::rename(cli.path("data"), machine.root.join("data")).unwrap();
    machine.ok(["check", src.to_str().unwrap(), "v:d"]);
    machine.ok(["verify", "v:", "--read-data"]);
    // The same size and time, but other content: inside a vault that is known.
    machine.ok(["touch", "v:a/small", "-t", "2020-01-01T00:00:00"]);
    let (one, two) = (cli.path("one"), cli.path("two"));
    for (dir, content) in [(&one, "12345"), (&two, "54321")] {
        fs::create_dir(dir).unwrap();
        fs::write(dir.join("f"), content).unwrap();
        crate::support::age(dir);
        machine.ok(["sync", dir.to_str().unwrap(), &format!("v:{content}")]);
    }
    machine.ok(["copy", "v:12345", "v:54321"]);
    assert_eq!(machine.ok(["cat", "v:54321/f"]).text(), "12345");
}
