//! Directories that can't hold what a vault can: names that fold, coarse times, no links, no modes. On real file systems
//! where this machine has them, and everywhere with what they can do laid down.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cryptsync::ops::{self, Place, SyncOptions, SyncReport, Traits};

use crate::support::cli::{Cli, contents, is_root, skipped};
use crate::support::{TestEnv, age, snapshot};

const SECOND: u64 = 1_000_000_000;

fn fat() -> Traits {
    Traits {
        folds_case: true,
        symlinks: false,
        hard_links: false,
        modes: false,
        xattrs: false,
        granularity: 2 * SECOND,
        earliest: 315_532_800,
        ..Traits::default()
    }
}

/// A sync with a local side that is what `traits` says.
fn sync(env: &TestEnv, source: Place, dest: Place, traits: &Traits) -> SyncReport {
    let options = SyncOptions { traits: Some(traits.clone()), ..env.options(source, dest, true) };
    ops::sync(&env.ctx(), &options).unwrap()
}

fn down(env: &TestEnv, from: &str, to: &Path, traits: &Traits) -> SyncReport {
    sync(env, env.place(from), Place::Local(to.into()), traits)
}

fn told(env: &TestEnv) -> String {
    std::mem::take(&mut *env.events.0.lock().unwrap()).join("\n")
}

fn set_time(path: &Path, secs: i64) {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
    let time = Timespec { tv_sec: secs, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Names that fold to one: the first is written, the others are told each time, and the vault keeps them all.
#[test]
fn a15_of_names_that_are_one_the_first_is_written() {
    let traits = Traits { folds_case: true, folds_forms: true, trims: true, ..Traits::default() };
    let env = TestEnv::with_vault();
    let src = env.path("src");
    fs::create_dir_all(src.join("Dir")).unwrap();
    fs::create_dir_all(src.join("dir")).unwrap();
    let names = ["A", "a", "\u{e9}", "e\u{301}", "dot", "dot.", "Dir/1", "dir/2", "dir/3", "other"];
    for name in names {
        fs::write(src.join(name), name).unwrap();
    }
    age(&src);
    env.up(&src, "d").unwrap();
    let dst = env.path("dst");
    for round in 0..2 {
        let report = down(&env, "d", &dst, &traits);
        assert_eq!((report.failed, report.deleted), (6, 0), "round {round}: {}", told(&env));
        let said = told(&env);
        for name in ["a: ", "dir: ", "dir/2: ", "dir/3: ", "dot.: ", "\u{e9}: "] {
            assert!(said.contains(name), "{name} in {said}");
        }
        let there: Vec<String> = contents(&dst).into_keys().map(|path| path.to_str().unwrap().to_owned()).collect();
        assert_eq!(there, ["A", "Dir/1", "dot", "e\u{301}", "other"]);
    }
    // Upwards, with and without a change, what could not be written stays; what is deleted there is deleted.
    let report = env.up(&dst, "d").unwrap();
    assert_eq!((report.deleted, report.failed, report.commit), (0, 0, None), "nothing to say");
    fs::remove_file(dst.join("other")).unwrap();
    fs::write(dst.join("A"), "changed").unwrap();
    let report = env.up(&dst, "d").unwrap();
    assert_eq!((report.deleted, report.files), (1, 1));
    for (name, content) in [("A", "changed"), ("a", "a"), ("dir/2", "dir/2"), ("dot.", "dot.")] {
        assert_eq!(env.cat(&format!("d/{name}")).unwrap(), content.as_bytes(), "{name}");
    }
    // Seen from further up and further down it is the same directory.
    env.up(&dst.join("Dir"), "d/Dir").unwrap();
    fs::create_dir(env.path("above")).unwrap();
    assert_eq!(env.cat("d/\u{e9}").unwrap(), "\u{e9}".as_bytes());
}

/// What a target rounds, drops or makes up is not brought back.
#[test]
fn a_vault_knows_better_than_a_target_without_modes_and_times() {
    let env = TestEnv::with_vault();
    let src = env.path("src");
    fs::create_dir_all(src.join("private")).unwrap();
    fs::write(src.join("private/key"), "secret").unwrap();
    fs::write(src.join("old"), "old").unwrap();
    symlink("private/key", src.join("link")).unwrap();
    fs::set_permissions(src.join("private"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(src.join("private/key"), fs::Permissions::from_mode(0o600)).unwrap();
    age(&src);
    set_time(&src.join("old"), -86_400);
    env.up(&src, "d").unwrap();
    let dst = env.path("dst");
    assert_eq!(down(&env, "d", &dst, &fat()).failed, 1, "the link");
    assert!(told(&env).contains("link: this file system holds no symbolic links"));
    // What FAT would have made of it:
    fs::set_permissions(dst.join("private"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(dst.join("private/key"), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["private/key", "private"] {
        let exact = fs::metadata(src.join(name)).unwrap().modified().unwrap();
        let secs = exact.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
        set_time(&dst.join(name), secs / 2 * 2);
    }
    set_time(&dst.join("old"), 315_532_800);

    let again = down(&env, "d", &dst, &fat());
    assert_eq!((again.files, again.updated, again.failed), (0, 0, 1), "{}", told(&env));
    let report = sync(&env, Place::Local(dst.clone()), env.place("d"), &fat());
    assert_eq!((report.deleted, report.commit), (0, None));
    // The run remembers by itself what the target can hold.
    let report = env.up(&dst, "d").unwrap();
    assert_eq!((report.files, report.updated, report.deleted), (0, 0, 0));
    // A change of content is one, and a new file has no mode of its own.
    fs::write(dst.join("private/key"), "changed").unwrap();
    fs::write(dst.join("new"), "new").unwrap();
    assert_eq!(env.up(&dst, "d").unwrap().files, 2);
    let back = env.path("back");
    env.down("d", &back).unwrap();
    let mode = |name: &str| fs::metadata(back.join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("private"), mode("private/key")), (0o700, 0o600));
    assert_eq!(fs::read_link(back.join("link")).unwrap(), PathBuf::from("private/key"));
    assert_eq!(fs::read(back.join("private/key")).unwrap(), b"changed");
}

/// An entry that failed is not gone either; once it is there it can be deleted like any other.
#[test]
fn what_could_not_be_written_is_not_deleted_from_the_vault() {
    let env = TestEnv::with_vault();
    let src = env.path("src");
    fs::create_dir(&src).unwrap();
    for name in ["a", "link"] {
        fs::write(src.join(name), name).unwrap();
    }
    fs::remove_file(src.join("link")).unwrap();
    symlink("a", src.join("link")).unwrap();
    age(&src);
    env.up(&src, "").unwrap();
    let dst = env.path("dst");
    let no_links = Traits { symlinks: false, ..Traits::default() };
    assert_eq!(down(&env, "", &dst, &no_links).failed, 1);
    assert_eq!(env.up(&dst, "").unwrap().deleted, 0);
    assert!(told(&env).contains("1 entries stay in the vault"));
    assert_eq!(env.down("", &dst).unwrap().failed, 0, "now it can");
    fs::remove_file(dst.join("link")).unwrap();
    assert_eq!(env.up(&dst, "").unwrap().deleted, 1);
}

/// A restore that did not end leaves a directory that lacks things nobody has deleted.
#[test]
fn an_unfinished_restore_deletes_nothing_when_it_is_stored_again() {
    let env = TestEnv::with_vault();
    let src = env.path("src");
    fs::create_dir(&src).unwrap();
    for number in 0..3 {
        fs::write(src.join(format!("file{number}")), vec![number; 3000]).unwrap();
    }
    age(&src);
    env.up(&src, "d").unwrap();
    let dst = env.path("dst");
    fs::create_dir(&dst).unwrap();
    for object in crate::support::cli::files(&env.path("vault/data")) {
        fs::rename(env.path("vault/data").join(&object), env.path("kept")).unwrap();
        assert!(env.down("d", &dst).is_err(), "content is missing");
        fs::rename(env.path("kept"), env.path("vault/data").join(&object)).unwrap();
    }
    if !told(&env).contains("can't be read from the vault") {
        // Everything was in a bundle, which is read with the log: stop it another way.
        let ctx = env.ctx();
        ctx.cancel.cancel();
        assert!(ops::sync(&ctx, &env.options(env.place("d"), Place::Local(dst.clone()), true)).is_err());
        return;
    }
    fs::write(dst.join("new"), "new").unwrap();
    let report = env.up(&dst, "d").unwrap();
    assert_eq!((report.files, report.deleted), (1, 0));
    assert!(told(&env).contains("nothing is deleted"));
    assert_eq!(env.down("d", &dst).unwrap().failed, 0);
    fs::remove_file(dst.join("file0")).unwrap();
    assert_eq!(env.up(&dst, "d").unwrap().deleted, 1);
}

/// Left by killed runs: known by their names, removed when nobody else can be using them, never stored.
#[test]
fn what_killed_runs_leave_is_removed_and_never_stored() {
    let env = TestEnv::with_vault();
    let src = env.path("src");
    fs::create_dir_all(src.join("sub")).unwrap();
    fs::write(src.join("sub/file"), "1").unwrap();
    let left = ["sub/file.0123456789abcdef-1f.partial", ".0123456789abcdef-0.partial"];
    fs::write(src.join(left[0]), "half").unwrap();
    fs::create_dir(src.join(left[1])).unwrap();
    fs::write(src.join(left[1]).join("probe"), "").unwrap();
    fs::write(src.join("mine.partial"), "mine").unwrap();
    age(&src);
    assert_eq!(env.up(&src, "d").unwrap().files, 2);
    let root = fs::File::open(&src).unwrap();
    rustix::fs::flock(&root, rustix::fs::FlockOperation::LockExclusive).unwrap();
    env.down("d", &src).unwrap();
    assert!(left.iter().all(|name| src.join(name).exists()), "somebody else is at work");
    drop(root);
    let copy = SyncOptions { delete: false, ..env.options(env.place("d"), Place::Local(src.clone()), true) };
    ops::sync(&env.ctx(), &copy).unwrap();
    assert!(left.iter().all(|name| !src.join(name).exists()));
    assert!(src.join("mine.partial").exists());
}

/// A directory that the filters leave alone is not written over, in either direction.
#[test]
fn what_filters_leave_alone_is_not_written_over() {
    let env = TestEnv::with_vault();
    let (src, dst) = (env.path("src"), env.path("dst"));
    fs::create_dir_all(src.join("data")).unwrap();
    fs::write(src.join("data/precious"), "1").unwrap();
    fs::create_dir(&dst).unwrap();
    fs::write(dst.join("data"), "a file of that name").unwrap();
    age(&src);
    age(&dst);
    let filter = || {
        let rules = vec![cryptsync::filter::Rule::Exclude("data/".into())];
        cryptsync::filter::Filter::from_rules(rules).unwrap()
    };
    let filtered = |source, dest| {
        let options = SyncOptions { filter: filter(), force: true, ..env.options(source, dest, true) };
        ops::sync(&env.ctx(), &options).unwrap()
    };
    env.up(&src, "v").unwrap();
    assert_eq!(filtered(Place::Local(dst.clone()), env.place("v")).failed, 1);
    assert!(told(&env).contains("data: is a directory that this run leaves alone, but a file is needed there"));
    assert_eq!(env.cat("v/data/precious").unwrap(), b"1");
    env.up(&dst, "f").unwrap();
    assert_eq!(filtered(env.place("f"), Place::Local(src.clone())).failed, 1);
    assert_eq!(fs::read(src.join("data/precious")).unwrap(), b"1");
}

/// Directories that may not be written, and not even be looked into, are filled first and closed last; those that are closed
/// already are opened while a run writes in them.
#[test]
fn closed_directories_are_filled_and_closed_again() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let src = cli.path("src");
    fs::create_dir_all(src.join("closed/inner/deep")).unwrap();
    fs::write(src.join("closed/inner/deep/file"), "1").unwrap();
    fs::write(src.join("closed/file"), "2").unwrap();
    age(&src);
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&src.join("closed/inner"), 0o500);
    mode(&src.join("closed"), 0o555);
    machine.ok(["sync", src.to_str().unwrap(), "v:"]);
    let theirs = if is_root() {
        let theirs = cli.fresh("theirs");
        let everything = crate::support::cli::walk(&cli.path("vault"));
        let nobody = Some(crate::support::cli::NOBODY);
        everything.iter().for_each(|path| std::os::unix::fs::chown(path, nobody, nobody).unwrap());
        theirs.used_by_nobody()
    } else {
        machine.clone()
    };
    let dst = theirs.home.join("dst");
    let to = dst.to_str().unwrap();
    theirs.ok(["sync", "v:", to]);
    let see = |name: &str| fs::metadata(dst.join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((see("closed"), see("closed/inner")), (0o555, 0o500));
    let before = snapshot(&dst);
    assert_eq!(before, snapshot(&src));
    // Something new in each, and something gone.
    mode(&src.join("closed"), 0o755);
    mode(&src.join("closed/inner"), 0o700);
    fs::remove_file(src.join("closed/file")).unwrap();
    fs::write(src.join("closed/inner/new"), "3").unwrap();
    fs::create_dir(src.join("closed/more")).unwrap();
    age(&src);
    mode(&src.join("closed/inner"), 0o500);
    mode(&src.join("closed"), 0o555);
    machine.ok(["sync", src.to_str().unwrap(), "v:"]);
    if is_root() {
        let nobody = Some(crate::support::cli::NOBODY);
        for path in crate::support::cli::walk(&cli.path("vault")) {
            std::os::unix::fs::chown(path, nobody, nobody).unwrap();
        }
    }
    theirs.ok(["sync", "v:", to]);
    assert_eq!(snapshot(&dst), snapshot(&src));
    mode(&src.join("closed"), 0o755); // so that the test can clean up
    mode(&src.join("closed/inner"), 0o755);
    mode(&dst.join("closed"), 0o755);
    mode(&dst.join("closed/inner"), 0o755);
}

#[test]
fn sockets_and_pipes_are_counted() {
    let env = TestEnv::with_vault();
    let src = env.path("src");
    fs::create_dir(&src).unwrap();
    fs::write(src.join("file"), "1").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(src.join("socket")).unwrap();
    let report = env.up(&src, "").unwrap();
    assert_eq!((report.files, report.failed), (1, 0));
    assert!(told(&env).contains("1 sockets, pipes or devices are left out"));
}

/// exFAT, by its driver in user space.
struct Mounted {
    dir: PathBuf,
    device: String,
}

impl Mounted {
    fn exfat(env: &Path) -> Option<Self> {
        let quiet = |program: &str, args: &[&str]| {
            let done = Command::new(program).args(args).stderr(Stdio::null()).stdin(Stdio::null()).output().ok()?;
            done.status.success().then(|| String::from_utf8(done.stdout).unwrap().trim().to_owned())
        };
        if !is_root() || !Path::new("/dev/fuse").exists() {
            return None;
        }
        let (image, dir) = (env.join("image"), env.join("mounted"));
        fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        fs::create_dir(&dir).unwrap();
        let (image, at) = (image.to_str().unwrap(), dir.to_str().unwrap());
        quiet("/usr/sbin/mkfs.exfat", &[image])?;
        let device = quiet("/usr/sbin/losetup", &["-f", "--show", image])?;
        let mounted = Self { dir: dir.clone(), device };
        quiet("/usr/sbin/mount.exfat-fuse", &[&mounted.device, at])?;
        Some(mounted)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        for (program, arg) in [("/usr/bin/umount", self.dir.to_str().unwrap()), ("/usr/sbin/losetup", "-d")] {
            let mut command = Command::new(program);
            command.arg(arg).stderr(Stdio::null());
            if arg == "-d" {
                command.arg(&self.device);
            }
            command.status().map(drop).unwrap_or_default();
        }
    }
}

#[test]
fn a_real_file_system_without_case_links_and_modes() {
    let cli = Cli::with_vault();
    let Some(stick) = Mounted::exfat(cli.dir.path()) else {
        return skipped("exfat-fuse can't be mounted here");
    };
    let machine = cli.machine("home");
    let src = cli.path("src");
    fs::create_dir_all(src.join("Docs")).unwrap();
    for (name, mode) in [("Docs/Readme", 0o640), ("Docs/README", 0o600), ("run", 0o755), ("\u{e9}t\u{e9}", 0o400)] {
        fs::write(src.join(name), name).unwrap();
        fs::set_permissions(src.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    symlink("run", src.join("link")).unwrap();
    fs::write(src.join("what?"), "a name it refuses").unwrap();
    age(&src);
    machine.ok(["sync", src.to_str().unwrap(), "v:"]);
    let stored = snapshot(&src);
    let to = stick.dir.to_str().unwrap();
    for _ in 0..2 {
        let done = machine.run(["sync", "v:", to]);
        done.fails(1, &["link: ", "Docs/Readme: ", "what?: ", "3 entries could not be handled"]);
        assert_eq!(contents(&stick.dir).len(), 3, "{:?}", contents(&stick.dir));
    }
    let head = machine.ok(["log", "v:", "--limit", "1"]).text();
    machine.ok(["sync", to, "v:"]);
    assert_eq!(machine.ok(["log", "v:", "--limit", "1"]).text(), head, "nothing is brought back");
    // A person changes the spelling of one name and the content of another.
    fs::rename(stick.dir.join("run"), stick.dir.join("RUN")).unwrap();
    fs::write(stick.dir.join("Docs/README"), "changed").unwrap();
    machine.ok(["sync", to, "v:"]);
    assert_eq!(machine.ok(["cat", "v:Docs/README"]).text(), "changed");
    assert_eq!(machine.ok(["cat", "v:Docs/Readme"]).text(), "Docs/Readme");
    let back = cli.path("back");
    machine.ok(["sync", "v:", back.to_str().unwrap()]);
    let differ: Vec<String> = snapshot(&back).into_iter().filter(|line| !stored.contains(line)).collect();
    assert_eq!(differ.len(), 1, "only what was changed: {differ:#?}");
    // And down again, over the other spelling.
    machine.run(["sync", "v:", to]).fails(1, &["3 entries"]);
    assert_eq!(fs::read(stick.dir.join("run")).unwrap(), b"run");
    assert_eq!(contents(&stick.dir).len(), 3);
}

/// A file system in memory, of a size that can be changed.
struct Small(PathBuf);

impl Small {
    fn mount(dir: &Path, size: &str) -> Option<Self> {
        fs::create_dir(dir).unwrap();
        let mount = |dir: &Path| {
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(dir).output()
        };
        (is_root() && mount(dir).is_ok_and(|done| done.status.success())).then(|| Self(dir.to_owned()))
    }

    fn grow(&self, size: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,size={size}")]).arg(&self.0).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        Command::new("umount").arg(&self.0).status().map(drop).unwrap_or_default();
    }
}

/// Every file is its old self, its new self, or not there; nothing temporary is left.
fn assert_no_halves(dir: &Path, whole: &Path) {
    let whole = contents(whole);
    for (path, content) in contents(dir) {
        assert_eq!(whole.get(&path), Some(&content), "{path:?}");
    }
}

#[test]
fn a_full_disk_stops_a_restore_and_a_larger_one_ends_it() {
    let cli = Cli::with_vault();
    let Some(disk) = Small::mount(&cli.path("disk"), "3m") else { return skipped("nothing can be mounted here") };
    let machine = cli.machine("home");
    let src = cli.path("src");
    fs::create_dir_all(src.join("sub")).unwrap();
    for number in 0..12 {
        let name = format!("{}file{number}", if number % 2 == 0 { "sub/" } else { "" });
        fs::write(src.join(name), crate::support::cli::noise(number, 500_000)).unwrap();
    }
    fs::hard_link(src.join("file1"), src.join("link")).unwrap();
    age(&src);
    machine.ok(["sync", src.to_str().unwrap(), "v:d"]);
    let to = disk.0.to_str().unwrap();
    let full = machine.run(["sync", "-M", "v:d", to]);
    full.fails(7, &["No space left", "can't be written"]);
    assert_no_halves(&disk.0, &src);
    // What is missing was not deleted by anybody.
    machine.ok(["sync", to, "v:d"]).says(&["nothing is deleted"]);
    disk.grow("32m");
    machine.ok(["sync", "-M", "v:d", to]);
    assert_eq!(snapshot(&disk.0), snapshot(&src));
    machine.ok(["sync", to, "v:d"]);
}

/// Killed at any moment while it restores to a stick: the next run removes what is left over and completes the rest.
#[test]
fn killed_restores_to_a_stick_are_completed() {
    let cli = Cli::with_vault();
    let Some(stick) = Mounted::exfat(cli.dir.path()) else {
        return skipped("exfat-fuse can't be mounted here");
    };
    let machine = cli.machine("home");
    let src = cli.path("src");
    fs::create_dir_all(src.join("Sub")).unwrap();
    for number in 0..40 {
        let name = format!("{}File{number}", if number % 2 == 0 { "Sub/" } else { "" });
        fs::write(src.join(name), crate::support::cli::noise(number, 5_000 * number as usize)).unwrap();
    }
    symlink("File1", src.join("link")).unwrap();
    age(&src);
    machine.ok(["sync", src.to_str().unwrap(), "v:d"]);
    let to = stick.dir.to_str().unwrap();
    for round in 0..6u64 {
        let mut child =
            machine.command(["sync", "v:d", to]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(40 * round + 20));
        child.kill().unwrap_or_default();
        child.wait().unwrap();
        let back = machine.run(["sync", to, "v:d"]);
        assert!([0, 7].contains(&back.code), "stored, or refused because it is empty: {}", back.stderr);
        assert_eq!(machine.ok(["lsf", "-R", "--files-only", "v:d"]).text().lines().count(), 41, "round {round}");
        for (path, content) in contents(&stick.dir) {
            let temporary = path.to_str().unwrap().ends_with(".partial");
            assert!(temporary || fs::read(src.join(&path)).unwrap() == content, "{path:?}");
        }
    }
    machine.run(["copy", "v:d", to]).fails(1, &["link: ", "one entry"]);
    let there = contents(&stick.dir);
    assert_eq!(there.len(), 40, "{:?}", there.keys());
    assert_no_halves(&stick.dir, &src);
}
