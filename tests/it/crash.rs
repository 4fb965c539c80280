//! The program itself, killed and interrupted at any moment.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{noise, snapshot};

/// A machine of its own: home, configuration, vault.
pub struct Machine {
    pub dir: tempfile::TempDir,
}

impl Machine {
    pub fn with_vault() -> Self {
        let machine = Self { dir: tempfile::tempdir().unwrap() };
        let words = machine.path("words");
        let done = machine.run(&["init", "v:", "--kdf", "64M,3,1", "--recovery-file", words.to_str().unwrap()]);
        assert!(done.status.success(), "{}", text(&done));
        machine
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cryptsync"));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.path("home"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("CRYPTSYNC_PASSWORD", "correct horse")
            .env("CRYPTSYNC_CONFIG_V_TYPE", "fs")
            .env("CRYPTSYNC_CONFIG_V_ROOT", self.path("vault"))
            .env("CRYPTSYNC_MEMORY", "16M")
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    pub fn ok(&self, args: &[&str]) -> Output {
        let done = self.run(args);
        assert!(done.status.success(), "{args:?}: {}", text(&done));
        done
    }

    fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

pub fn text(output: &Output) -> String {
    format!("{} {}", output.status, String::from_utf8_lossy(&output.stderr))
}

/// Files of all sizes, `total` bytes in all.
fn make_tree(root: &Path, total: usize, seed: u64) {
    fs::create_dir_all(root).unwrap();
    let (mut made, mut number) = (0, seed * 100_000);
    while made < total {
        let len = [300, 5_000, 90_000, 400_000, 3_000_000][number as usize % 5].min(total - made);
        let dir = root.join(format!("dir{}", number % 7));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(format!("file{number}")), noise(number, len)).unwrap();
        (made, number) = (made + len, number + 1);
    }
}

fn kills(default: u64) -> u64 {
    std::env::var("CRYPTSYNC_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(default)
}

fn size_of(dir: &Path) -> u64 {
    let mut total = 0;
    let mut stack = vec![dir.to_path_buf()];
    while let Some(dir) = stack.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let meta = entry.metadata().unwrap();
            if meta.is_dir() {
                stack.push(entry.path());
            } else if !entry.file_name().to_string_lossy().starts_with(".tmp-") {
                total += meta.len();
            }
        }
    }
    total
}

fn wait(mut child: Child) -> (std::process::ExitStatus, String) {
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap(), said)
}

/// Killed while it works: the vault is whole, what was confirmed is there, and the next run ends what this one began.
#[test]
fn a_killed_sync_harms_nothing() {
    let machine = Machine::with_vault();
    let first = machine.path("first");
    make_tree(&first, 2_000_000, 0);
    machine.ok(&["sync", "first", "v:first"]);
    let confirmed = snapshot(&first);
    let rounds = kills(20);
    let mut killed = 0;
    let mut took = Duration::from_secs(2);
    let second = machine.path("second");
    for round in 0..rounds {
        // Each sixth round starts with something new to send; those between go on after a kill.
        if round % 6 == 0 {
            make_tree(&second, 10_000_000, round + 1);
        }
        let mut child = machine.start(&["sync", "second", "v:second", "--force"]);
        let random = u64::from_le_bytes(noise(round, 8).try_into().unwrap());
        let pause = took.mul_f64((random % 1000) as f64 / 1000.0);
        let began = Instant::now();
        std::thread::sleep(pause);
        child.kill().unwrap();
        let (status, said) = wait(child);
        match status.signal() {
            Some(_) => killed += 1,
            None => {
                assert!(status.success(), "round {round}: {said}");
                took = began.elapsed();
            }
        }
        machine.ok(&["verify", "v:"]);
        if round % 6 == 5 {
            let got = machine.path("got");
            machine.ok(&["sync", "v:first", "got"]);
            assert_eq!(snapshot(&got), confirmed, "round {round}");
            machine.ok(&["sync", "second", "v:second", "--force"]);
            machine.ok(&["check", "second", "v:second"]);
            machine.ok(&["verify", "v:", "--read-data"]);
        }
    }
    assert!(killed >= rounds / 4, "only {killed} of {rounds} runs were still at work when they were killed");
    machine.ok(&["sync", "second", "v:second", "--force"]);
    machine.ok(&["check", "second", "v:second"]);
    machine.ok(&["verify", "v:", "--read-data"]);
    let stored = size_of(&machine.path("vault"));
    let content = size_of(&first) + size_of(&second);
    // A pack that was stored but not yet noted when the kill came is sent again: a few for each kill at most.
    assert!(stored < content + content / 10 + killed * (8 << 20), "{stored} bytes stored for {content}");
}

/// Killed while it restores: what has its final name is whole, and a second run completes the rest.
#[test]
fn a_killed_restore_leaves_no_half_file() {
    let machine = Machine::with_vault();
    let src = machine.path("src");
    make_tree(&src, 8_000_000, 0);
    machine.ok(&["sync", "src", "v:"]);
    let began = Instant::now();
    machine.ok(&["copy", "v:", "whole"]);
    let took = began.elapsed();
    for round in 0..kills(5) {
        let dst = machine.path(&format!("dst{round}"));
        let name = dst.file_name().unwrap().to_str().unwrap();
        let mut child = machine.start(&["copy", "v:", name]);
        let random = u64::from_le_bytes(noise(round + 77, 8).try_into().unwrap());
        std::thread::sleep(took.mul_f64((random % 900) as f64 / 1000.0));
        child.kill().unwrap();
        wait(child);
        for dir in fs::read_dir(&dst).into_iter().flatten().flatten() {
            for file in fs::read_dir(dir.path()).unwrap().flatten() {
                if file.path().extension().is_some_and(|extension| extension == "partial") {
                    fs::remove_file(file.path()).unwrap(); // the one thing that may be left
                    continue;
                }
                let original = src.join(file.path().strip_prefix(&dst).unwrap());
                assert!(fs::read(file.path()).unwrap() == fs::read(&original).unwrap(), "{}", original.display());
            }
        }
        machine.ok(&["copy", "v:", name]);
        assert_eq!(snapshot(&dst), snapshot(&src), "round {round}");
        fs::remove_dir_all(&dst).unwrap();
    }
}

/// Sends Ctrl-C; the run ends with 130, within two seconds of a machine that has nothing else to do.
fn interrupt(machine: &Machine, child: Child) {
    let began = Instant::now();
    machine.ok(&["version"]);
    let patience = Duration::from_secs(2) + began.elapsed() * 20; // nothing, unless the machine is overloaded
    let asked = Instant::now();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let (status, said) = wait(child);
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(asked.elapsed() < patience, "{:?}", asked.elapsed());
}

/// Ctrl-C ends a run within two seconds, and what it has stored is not stored again.
#[test]
fn an_interrupted_sync_is_taken_up_again() {
    let machine = Machine::with_vault();
    let src = machine.path("src");
    make_tree(&src, 40_000_000, 0);
    let child = machine.start(&["sync", "src", "v:"]);
    let vault = machine.path("vault");
    let began = Instant::now();
    while size_of(&vault) < 12 << 20 && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(50));
    }
    interrupt(&machine, child);
    let first = size_of(&vault);
    machine.ok(&["sync", "src", "v:"]);
    let both = size_of(&vault);
    // Four packs of 2 MiB may have been on their way.
    assert!(both < 40_000_000 + (10 << 20), "{first}, then {both} bytes for 40 MB");
    assert!(both - first < 40_000_000 - (1 << 20), "{first}, then {both} bytes: everything was sent again");
    machine.ok(&["check", "src", "v:"]);
    machine.ok(&["verify", "v:", "--read-data"]);
}

/// Also while it waits for input that does not come.
#[test]
fn an_interrupted_stream_stores_nothing() {
    let machine = Machine::with_vault();
    for len in [0, 1000, 6_000_000] {
        let mut child = machine
            .command(&["rcat", "v:stream"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(&noise(3, len)).unwrap();
        std::thread::sleep(Duration::from_millis(1500));
        interrupt(&machine, child);
        drop(input);
        assert_eq!(machine.run(&["cat", "v:stream"]).status.code(), Some(3), "{len}: nothing was committed");
    }
    machine.ok(&["verify", "v:", "--read-data"]);
}

/// What a kill leaves in the vault's directory goes when it is old; what may be somebody's work stays.
#[test]
fn old_temporary_files_are_removed() {
    let machine = Machine::with_vault();
    make_tree(&machine.path("src"), 10_000, 0);
    let (old, young) = (machine.path("vault/log/.tmp-old"), machine.path("vault/log/.tmp-young"));
    for path in [&old, &young] {
        fs::write(path, "half").unwrap();
    }
    let week = std::time::SystemTime::now() - Duration::from_secs(7 * 86_400);
    fs::File::options().write(true).open(&old).unwrap().set_modified(week).unwrap();
    machine.ok(&["lsf", "v:"]);
    assert!(old.exists(), "reading changes nothing");
    machine.ok(&["sync", "src", "v:"]);
    assert!(!old.exists() && young.exists());
}
