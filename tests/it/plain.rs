//! Plain files at a remote, into a vault and out of it, against real servers of this machine and with rclone at the same place.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::support::cli::{Cli, Machine, contents, noise};
use crate::support::programs::me;
use crate::support::pty::Pty;
use crate::support::rclone::Rclone;
use crate::support::servers::{ACCESS_KEY, BUCKET, SECRET_KEY, Server};

/// A service, for this program (`p:`) and for rclone.
struct Lab {
    cli: Cli,
    machine: Machine,
    rclone: Rclone,
    /// What rclone calls the place.
    place: String,
    /// Whether directories are real.
    dirs: bool,
    server: Server,
}

fn on_s3() -> Option<Lab> {
    let (server, rclone) = (Server::moto()?, Rclone::find()?);
    let place = format!(
        ":s3,provider=Other,region=us-east-1,endpoint='{}',access_key_id={ACCESS_KEY},secret_access_key={SECRET_KEY}:{BUCKET}/some/files",
        server.url()
    );
    let settings = [
        ("TYPE", "s3".to_owned()),
        ("ENDPOINT", server.url()),
        ("BUCKET", BUCKET.to_owned()),
        ("ROOT", "some/files".to_owned()),
        ("ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
    ];
    Some(lab(&settings, place, false, server, rclone))
}

fn on_sftp() -> Option<Lab> {
    let (server, rclone) = (Server::sshd()?, Rclone::find()?);
    let dir = server.dir.path();
    let key = fs::read_to_string(dir.join("host_key.pub")).unwrap();
    fs::write(dir.join("known"), format!("[127.0.0.1]:{} {key}", server.port)).unwrap();
    let (user_key, root) = (dir.join("user_key").display().to_string(), server.served().join("some/files"));
    let place = format!(
        ":sftp,host=127.0.0.1,port={},user={},key_file='{user_key}',shell_type=none:{}",
        server.port,
        me(),
        root.display()
    );
    let settings = [
        ("TYPE", "sftp".to_owned()),
        ("ROOT", root.display().to_string()),
        ("HOST", "127.0.0.1".to_owned()),
        ("PORT", server.port.to_string()),
        ("USER", me()),
        ("KEY_FILE", user_key),
        ("KNOWN_HOSTS_FILE", dir.join("known").display().to_string()),
    ];
    Some(lab(&settings, place, true, server, rclone))
}

fn lab(settings: &[(&str, String)], place: String, dirs: bool, server: Server, rclone: Rclone) -> Lab {
    let cli = Cli::with_vault();
    let machine = cli.machine("home").var("CRYPTSYNC_CONFIG_P_PLAIN", "true");
    let machine = settings
        .iter()
        .fold(machine, |machine, (name, value)| machine.var(&format!("CRYPTSYNC_CONFIG_P_{name}"), value));
    Lab { cli, machine, rclone, place, dirs, server }
}

impl Lab {
    fn ok(&self, args: &[&str]) -> String {
        self.machine.ok(args).text()
    }

    fn rclone(&self, args: &[&str]) -> String {
        let done = self.rclone.run(args);
        assert_eq!(done.code, 0, "{args:?}: {}", done.stderr);
        done.text()
    }

    /// Has rclone copy a directory of this machine there.
    fn upload(&self, dir: &Path) {
        self.rclone(&["sync", dir.to_str().unwrap(), &self.place]);
    }

    /// What rclone has of the place.
    fn download(&self) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
        let dir = tempfile::tempdir().unwrap();
        self.rclone(&["copy", &self.place, dir.path().to_str().unwrap()]);
        contents(dir.path())
    }

    /// Path, size and time of all files, by this program and by rclone.
    fn listings(&self, place: &str) -> (String, String) {
        let args = ["lsf", "-R", "--files-only", "--format", "pst", "--time-format", "2006-01-02 15:04:05"];
        let sorted = |text: String| {
            let mut lines: Vec<&str> = text.lines().collect();
            lines.sort_unstable();
            lines.join("\n")
        };
        let ours = sorted(self.ok(&[&args[..], &[place]].concat()));
        (ours, sorted(self.rclone(&[&args[..], &[&self.place]].concat())))
    }
}

/// Files of several sizes, with times in the past.
fn files(dir: &Path) {
    fs::create_dir_all(dir.join("deep/er")).unwrap();
    fs::write(dir.join("small"), "small").unwrap();
    fs::write(dir.join("empty"), "").unwrap();
    fs::write(dir.join("deep/large"), noise(1, 9 << 20)).unwrap();
    fs::write(dir.join("deep/er/medium"), noise(2, 70_000)).unwrap();
    fs::write(dir.join("deep/a name, with ümlauts & 100%"), "x").unwrap();
    for (n, name) in
        ["small", "empty", "deep/large", "deep/er/medium", "deep/a name, with ümlauts & 100%"].iter().enumerate()
    {
        age(&dir.join(name), 1_500_000_000 + 1000 * n as u64);
    }
}

fn age(path: &Path, secs: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::new(secs, 123_000_000);
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Brought in, changed by others, brought in again, checked, taken out, and read by rclone.
fn lives_with_rclone(lab: &Lab) {
    let src = lab.cli.path("src");
    files(&src);
    lab.upload(&src);
    let (ours, theirs) = lab.listings("p:");
    assert_eq!(ours, theirs);
    assert_eq!(lab.ok(&["cat", "p:small"]), "small");
    assert_eq!(lab.ok(&["cat", "--offset", "2", "--count", "2", "p:small"]), "al");
    assert!(lab.ok(&["size", "p:"]).contains("5"), "the number of files");
    assert_eq!(lab.ok(&["lsf", "p:"]), "deep/\nempty\nsmall\n");
    assert_eq!(lab.ok(&["lsf", "p:deep/er"]), "medium\n");

    lab.machine.ok(["sync", "p:", "v:docs"]).says(&["files"]);
    let (stored, _) = lab.listings("v:docs");
    assert_eq!(stored, theirs, "size and time are those of the source");
    lab.machine.ok(["sync", "p:", "v:docs"]).says(&["sent 0 files"]);
    lab.ok(&["check", "p:", "v:docs"]);
    lab.ok(&["check", "--download", "v:docs", "p:"]);

    // Others change what is there.
    fs::write(src.join("small"), "other").unwrap();
    age(&src.join("small"), 1_600_000_000);
    fs::remove_file(src.join("empty")).unwrap();
    fs::write(src.join("deep/new"), "new").unwrap();
    lab.upload(&src);
    let differs = lab.machine.run(["check", "p:", "v:docs"]);
    assert_eq!(differs.code, 1, "{}", differs.stderr);
    let dry = lab.machine.ok(["sync", "-n", "p:", "v:docs"]);
    dry.says(&["small", "deep/new", "empty"]);
    lab.machine.ok(["sync", "p:", "v:docs"]);
    lab.ok(&["check", "p:", "v:docs"]);
    let out = lab.cli.path("out");
    lab.ok(&["sync", "v:docs", out.to_str().unwrap()]);
    assert_eq!(contents(&out), contents(&src));

    // And out again, over what somebody else has made of it.
    fs::write(src.join("deep/er/medium"), noise(3, 70_000)).unwrap();
    fs::write(src.join("extra"), "extra").unwrap();
    lab.upload(&src);
    lab.machine.ok(["sync", "v:docs", "p:"]).says(&["sent 1 file", "deleted 1"]);
    let (ours, theirs) = lab.listings("v:docs");
    if lab.dirs {
        let seconds = |text: &str| text.lines().count();
        assert_eq!(seconds(&ours), seconds(&theirs));
    }
    assert_eq!(ours, theirs);
    assert_eq!(lab.download(), contents(&out));
    lab.machine.ok(["sync", "v:docs", "p:"]).says(&["sent 0 files"]);
    lab.ok(&["check", "v:docs", "p:"]);
}

#[test]
fn files_of_a_bucket_come_and_go() {
    let Some(lab) = on_s3() else { return };
    lives_with_rclone(&lab);
}

#[test]
fn files_of_another_machine_come_and_go() {
    let Some(lab) = on_sftp() else { return };
    lives_with_rclone(&lab);
    let left = fs::read_dir(lab.server.served().join("some/files")).unwrap();
    let partial = left.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("partial"));
    assert_eq!(partial.count(), 0, "nothing is left half written");
}

/// Moved in, and moved out.
fn moves(lab: &Lab) {
    let src = lab.cli.path("src");
    files(&src);
    lab.upload(&src);
    lab.machine.ok(["move", "--exclude", "small", "p:", "v:in", "--delete-empty-src-dirs"]);
    assert_eq!(lab.ok(&["lsf", "-R", "p:"]), "small\n");
    let (out, again) = (lab.cli.path("out"), lab.cli.path("again"));
    lab.ok(&["copy", "v:in", out.to_str().unwrap()]);
    fs::remove_file(src.join("small")).unwrap();
    assert_eq!(contents(&out), contents(&src));
    lab.machine.ok(["move", "v:in", "p:"]);
    assert_eq!(lab.ok(&["lsf", "-R", "--files-only", "v:in"]), "");
    lab.rclone(&["copy", &lab.place, again.to_str().unwrap(), "--exclude", "/small"]);
    assert_eq!(contents(&again), contents(&src));
    // One file, by another name.
    lab.machine.ok(["copyto", "p:deep/er/medium", "v:one/name"]);
    lab.machine.ok(["copyto", "v:one/name", "p:deep/other"]);
    lab.machine.ok(["moveto", "p:deep/other", "v:one/other"]);
    assert_eq!(lab.ok(&["lsf", "v:one"]), "name\nother\n");
    assert!(!lab.ok(&["lsf", "p:deep"]).contains("other"));
    assert_eq!(lab.machine.ok(["cat", "v:one/other"]).stdout, noise(2, 70_000));
}

#[test]
fn files_of_a_bucket_are_moved() {
    let Some(lab) = on_s3() else { return };
    moves(&lab);
}

#[test]
fn files_of_another_machine_are_moved() {
    let Some(lab) = on_sftp() else { return };
    moves(&lab);
}

#[test]
fn mistakes_are_told_and_nothing_is_done() {
    let Some(lab) = on_s3() else { return };
    let src = lab.cli.path("src");
    files(&src);
    lab.upload(&src);
    let fails = |args: &[&str], code: i32, words: &[&str]| lab.machine.run(args).fails(code, words);
    fails(&["init", "p:"], 2, &["`p:` is plain", "other verbs take a vault"]);
    fails(&["log", "p:"], 2, &["`p:` is plain"]);
    fails(&["rm", "p:small"], 2, &["takes a vault", "`p:` is plain"]);
    fails(&["sync", "p:", "p:other"], 2, &["neither side is a vault", "rclone"]);
    fails(&["sync", "p:", src.to_str().unwrap()], 2, &["neither side is a vault", "rclone"]);
    fails(&["sync", "p:nowhere", "v:docs"], 3, &["`p:nowhere` does not exist"]);
    fails(&["ls", "p:nowhere"], 3, &["`p:nowhere` does not exist"]);
    fails(&["copy", "--backup-dir", "p:old", "v:", "p:"], 2, &["--backup-dir", "plain"]);
    fails(&["ls", ":memory,plain:"], 2, &["plain", "memory"]);
    fails(&["ls", ":drive,plain:x"], 2, &["plain"]);
    // A vault at the same place.
    let vault = lab.machine.clone();
    let same = [("TYPE", "s3"), ("BUCKET", BUCKET), ("ROOT", "some"), ("ENDPOINT", &lab.server.url())];
    let vault = same.iter().fold(vault, |vault, (name, value)| vault.var(&format!("CRYPTSYNC_CONFIG_W_{name}"), value));
    vault.run(["sync", "p:", "w:docs"]).fails(7, &["are in one place"]);
    vault.run(["sync", "w:docs", "p:"]).fails(7, &["are in one place"]);
    // A source that is gone does not empty the vault.
    lab.ok(&["sync", "p:", "v:docs"]);
    lab.rclone(&["delete", &lab.place]);
    let emptied = lab.machine.run(["sync", "p:", "v:docs"]);
    assert_ne!(emptied.code, 0, "{}", emptied.stderr);
    assert_eq!(lab.ok(&["lsf", "-R", "--files-only", "v:docs"]).lines().count(), 5);
}

#[test]
fn what_can_not_be_held_is_told() {
    let Some(lab) = on_sftp() else { return };
    let src = lab.cli.path("src");
    fs::create_dir_all(src.join("dir")).unwrap();
    fs::write(src.join("file"), "file").unwrap();
    std::os::unix::fs::symlink("file", src.join("link")).unwrap();
    lab.ok(&["copy", src.to_str().unwrap(), "v:docs"]);
    let copied = lab.machine.run(["copy", "v:docs", "p:"]);
    assert_eq!(copied.code, 1, "{}", copied.stderr);
    copied.says(&["link", "symbolic links"]);
    lab.ok(&["copy", "--skip-links", "v:docs", "p:"]);
    assert_eq!(lab.ok(&["lsf", "p:"]), "dir/\nfile\n");
    // What the place could not hold is not gone from the vault.
    lab.ok(&["sync", "p:", "v:docs"]);
    assert!(lab.ok(&["lsf", "v:docs"]).contains("link"));
    // A link at the server is what it points to; one that leads nowhere is left out.
    let served = lab.server.served().join("some/files");
    std::os::unix::fs::symlink("file", served.join("linked")).unwrap();
    std::os::unix::fs::symlink("nowhere", served.join("dangling")).unwrap();
    lab.machine.ok(["sync", "p:", "v:more"]).says(&["dangling"]);
    assert_eq!(lab.ok(&["lsf", "v:more"]), "dir/\nfile\nlinked\n");
    // A name that is none.
    fs::write(served.join("bell\u{7}"), "x").unwrap();
    let odd = lab.machine.run(["sync", "p:", "v:more"]);
    assert_eq!(odd.code, 1, "{}", odd.stderr);
    odd.says(&["control character"]);
}

#[test]
fn what_somebody_changes_meanwhile_stays() {
    let Some(lab) = on_sftp() else { return };
    let (src, served) = (lab.cli.path("src"), lab.server.served().join("some/files"));
    fs::create_dir_all(&src).unwrap();
    for name in ["changed", "kept", "gone", "new"] {
        fs::write(src.join(name), "first").unwrap();
        age(&src.join(name), 1_500_000_000);
    }
    lab.ok(&["sync", src.to_str().unwrap(), "v:docs"]);
    lab.ok(&["sync", "v:docs", "p:", "--exclude", "new"]);
    fs::remove_file(src.join("gone")).unwrap();
    for name in ["changed", "kept", "new"] {
        fs::write(src.join(name), "second").unwrap();
    }
    lab.ok(&["sync", src.to_str().unwrap(), "v:docs"]);
    // The plan is made when the question is asked.
    let mut terminal = Pty::start(&lab.machine, (80, 24), ["sync", "-i", "v:docs", "p:"]);
    terminal.wait_for("y/n/s/!/q> ");
    for name in ["changed", "gone", "new"] {
        fs::write(served.join(name), "somebody's").unwrap();
    }
    terminal.send("!\n");
    terminal.wait_for("delete");
    terminal.wait_for("y/n/s/!/q> ");
    terminal.send("!\n");
    let (shown, code) = terminal.finish();
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("somebody has"), "{shown}");
    let found = contents(&served);
    let text = |name: &str| String::from_utf8_lossy(&found[Path::new(name)]).into_owned();
    assert_eq!(["changed", "gone", "new"].map(text), ["somebody's"; 3]);
    assert_eq!(text("kept"), "second");
}

/// The peak of a run's memory, in KiB.
fn peak(machine: &Machine, args: &[&str]) -> u64 {
    let child = machine.command(args).stderr(std::process::Stdio::null()).spawn().unwrap();
    let status = rustix::process::Pid::from_child(&child);
    let path = format!("/proc/{}/status", status.as_raw_nonzero());
    let mut child = child;
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
        most = most.max(line.trim().trim_end_matches(" kB").parse().unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success());
    most
}

#[test]
fn a_large_file_passes_through_little_memory() {
    let Some(lab) = on_sftp() else { return };
    let served = lab.server.served().join("some/files");
    fs::create_dir_all(&served).unwrap();
    fs::write(served.join("large"), noise(1, 8 << 20)).unwrap();
    fs::File::options().write(true).open(served.join("large")).unwrap().set_len(112 << 20).unwrap();
    let limits = ["--memory", "32M"];
    let up = peak(&lab.machine, &[&["copy", "p:", "v:docs"][..], &limits].concat());
    fs::remove_file(served.join("large")).unwrap();
    let down = peak(&lab.machine, &[&["copy", "v:docs", "p:"][..], &limits].concat());
    assert_eq!(fs::metadata(served.join("large")).unwrap().len(), 112 << 20);
    assert!(up < 105 << 10 && down < 105 << 10, "{up} KiB up, {down} KiB down");
}
