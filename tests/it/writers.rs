//! Several writers of one vault at the same moment: processes of one machine, machines, runs that keep no state.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cryptsync::ops::{self, Place, RemoteProfile, Service};
use cryptsync::world::{Clock, Timestamp, World};
use cryptsync_backends::services::Memory;
use cryptsync_backends::testing::Recorder;
use cryptsync_backends::{Caps, Listed, Op, Put, Remote, RemotePath, Result, Stat};
use futures::stream::BoxStream;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::cli::{Cli, Machine, Output, contents, copy_tree, noise, replace_tree};
use crate::support::{TestEnv, snapshot};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A run that is at work.
struct Running(Child);

impl Running {
    fn start(machine: &Machine, args: &[&str]) -> Self {
        let mut command = machine.command(args);
        Self(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Waits for a success; conflicts that wait are one.
    fn done(self) {
        let output = self.0.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code().is_some_and(succeeded), "{}: {stderr}", output.status);
        assert!(!stderr.contains("a bug in cryptsync"), "{stderr}");
    }
}

fn succeeded(code: i32) -> bool {
    [0, 30].contains(&code)
}

fn writers(machine: &Machine) -> Vec<Value> {
    let listed: Value = serde_json::from_str(&machine.ok(["writer", "list", "--json", "v:"]).text()).unwrap();
    listed.as_array().unwrap().clone()
}

fn own(machine: &Machine) -> String {
    let all = writers(machine);
    let own: Vec<_> = all.iter().filter(|writer| writer["own"] == true).collect();
    assert!(own.len() == 1, "{all:?}");
    own[0]["id"].as_str().unwrap().to_owned()
}

fn log_objects(root: &Path) -> usize {
    fs::read_dir(root.join("log")).unwrap().count()
}

/// Everything below a path of the vault, as a machine sees it.
fn seen(cli: &Cli, machine: &Machine, path: &str) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let dest = tempfile::tempdir_in(cli.dir.path()).unwrap();
    let output = machine.run(["copy", path, text(dest.path())]);
    assert!(succeeded(output.code), "{}", output.stderr);
    contents(dest.path())
}

#[test]
fn two_processes_sync_different_directories_at_once() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    let dirs = ["a", "b"].map(|name| cli.path(name));
    dirs.iter().for_each(|dir| fs::create_dir(dir).unwrap());
    for round in 0..20 {
        for (dir, seed) in dirs.iter().zip([0, 100]) {
            let len = [500, 40_000, 1_500_000][round % 3];
            fs::write(dir.join(format!("file{round}")), noise(seed + round as u64, len)).unwrap();
        }
        let [a, b] = [("a", "v:a"), ("b", "v:b")]
            .map(|(dir, dest)| Running::start(&home, &["sync", text(&cli.path(dir)), dest]));
        a.done();
        b.done();
    }
    for (dir, path) in dirs.iter().zip(["v:a", "v:b"]) {
        assert!(seen(&cli, &home, path) == contents(dir), "{path}");
    }
    home.ok(["verify", "--read-data", "v:"]);
    assert_eq!(writers(&home).len(), 1, "one state directory is one writer");
    let status: Value = serde_json::from_str(&home.ok(["status", "--json", "v:"]).text()).unwrap();
    assert_eq!(status["unfinished_objects"], 0, "each run has published what it stored");
}

#[test]
fn two_processes_sync_the_same_directory_at_once() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    let src = cli.path("src");
    fs::create_dir(&src).unwrap();
    for round in 0..10 {
        fs::write(src.join(format!("file{}", round % 4)), noise(round, [300, 90_000, 1_200_000][round as usize % 3]))
            .unwrap();
        let runs: Vec<_> = (0..2).map(|_| Running::start(&home, &["sync", text(&src), "v:"])).collect();
        runs.into_iter().for_each(Running::done);
        assert!(seen(&cli, &home, "v:") == contents(&src), "round {round}: nothing twice, nothing lost");
    }
    home.ok(["verify", "--read-data", "v:"]);
}

#[test]
fn machines_and_containers_write_at_once() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    let others = [cli.fresh("second"), cli.fresh("third")];
    let container = cli.fresh("container").var("CRYPTSYNC_EPHEMERAL", "true");
    let machines: Vec<&Machine> = [&home, &others[0], &others[1], &container, &container, &container].into();
    for round in 0..4u64 {
        let mut runs = Vec::new();
        for (number, machine) in (0u64..).zip(&machines) {
            let src = cli.path(&format!("src{number}"));
            fs::create_dir_all(&src).unwrap();
            let len = [700, 30_000, 1_100_000][(round + number) as usize % 3];
            fs::write(src.join(format!("file{number}-{round}")), noise(round * 10 + number, len)).unwrap();
            runs.push(Running::start(machine, &["copy", text(&src), "v:shared"]));
        }
        runs.into_iter().for_each(Running::done);
    }
    let mut all = BTreeMap::new();
    (0..machines.len()).for_each(|number| all.extend(contents(&cli.path(&format!("src{number}")))));
    assert_eq!(all.len(), 24);
    for machine in [&home, &others[0], &others[1], &container] {
        assert!(seen(&cli, machine, "v:shared") == all, "{}", machine.home.display());
    }
    home.ok(["verify", "--read-data", "v:"]);
    let writers = writers(&home);
    let live = writers.iter().filter(|writer| writer["state"] == "live").count();
    let closed = writers.iter().filter(|writer| writer["state"] == "closed").count();
    assert_eq!((live, closed), (3, 12), "{writers:#?}");
    assert!(!container.state_dir().exists(), "an ephemeral run keeps nothing");
}

/// Holds up the first put below a prefix until told to go on.
#[derive(Debug)]
pub struct Held {
    pub inner: Arc<dyn Remote>,
    pub prefix: &'static str,
    pub waiting: AtomicBool,
    pub go: AtomicBool,
}

#[async_trait::async_trait]
impl Remote for Held {
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
        if path.as_str().starts_with(self.prefix) {
            self.waiting.store(true, Ordering::SeqCst);
            while !self.go.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
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

fn in_memory() -> (TestEnv, Arc<dyn Remote>) {
    let remote: Arc<dyn Remote> = Arc::new(Memory::new());
    let mut env = TestEnv::new();
    env.custom = Some(Arc::clone(&remote));
    env.yes = Some(true);
    env.init().unwrap();
    (env, remote)
}

pub fn profile(remote: Arc<dyn Remote>) -> RemoteProfile {
    RemoteProfile {
        name: "v".into(),
        service: Service::Custom(remote),
        vault_id: None,
        builtin: false,
        demands: Default::default(),
        witness: None,
        keyring: false,
        at: None,
    }
}

/// Whatever a run sends: another run of the same machine publishes meanwhile, and the first takes that in.
#[test]
fn no_lock_is_held_while_data_moves() {
    for prefix in ["data/", "meta/", "index/"] {
        let (env, remote) = in_memory();
        ops::rcat(&env.ctx(), &env.place("before"), &mut &b"before"[..]).unwrap();
        let src = env.path("src");
        fs::create_dir(&src).unwrap();
        fs::write(src.join("large"), noise(1, 3_000_000)).unwrap();
        let held = Arc::new(Held {
            inner: Arc::clone(&remote),
            prefix,
            waiting: AtomicBool::new(false),
            go: AtomicBool::new(false),
        });
        let slow = profile(Arc::clone(&held) as Arc<dyn Remote>);
        let options =
            env.options(Place::Local(src.clone()), Place::Vault(slow, env.place("src").path().unwrap()), true);
        std::thread::scope(|scope| {
            let run = scope.spawn(|| ops::sync(&env.ctx(), &options));
            while !held.waiting.load(Ordering::SeqCst) {
                assert!(!run.is_finished(), "{prefix} is put");
                std::thread::sleep(Duration::from_millis(5));
            }
            ops::rcat(&env.ctx(), &env.place("meanwhile"), &mut &b"meanwhile"[..]).unwrap();
            held.go.store(true, Ordering::SeqCst);
            assert!(run.join().unwrap().unwrap().commit.is_some());
        });
        assert_eq!(env.cat("meanwhile").unwrap(), b"meanwhile", "{prefix}");
        env.assert_same(&src, "src");
        assert_eq!(ops::log(&env.ctx(), &env.remote(), 10).unwrap().len(), 3);
        env.assert_whole(true);
    }
}

trait VaultPath {
    fn path(&self) -> Option<cryptsync::path::TreePath>;
}

impl VaultPath for Place {
    fn path(&self) -> Option<cryptsync::path::TreePath> {
        match self {
            Place::Vault(_, path) => Some(path.clone()),
            Place::Local(_) | Place::Plain(..) => None,
        }
    }
}

/// Others publish before each listing of the run, more often than it cares to start again.
#[test]
fn who_is_always_overtaken_publishes_all_the_same() {
    #[derive(Debug)]
    struct Busy {
        inner: Arc<dyn Remote>,
        lists: AtomicU64,
        others: Arc<Others>,
    }
    struct Others(Box<dyn Fn(u64) + Send + Sync>);
    impl std::fmt::Debug for Others {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Others")
        }
    }
    #[async_trait::async_trait]
    impl Remote for Busy {
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
            self.inner.put_new(path, body).await
        }
        async fn stat(&self, path: &RemotePath) -> Result<Stat> {
            self.inner.stat(path).await
        }
        fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed>> {
            let nth = self.lists.fetch_add(1, Ordering::SeqCst);
            // On a thread of its own: this one drives the other run's calls.
            std::thread::scope(|scope| scope.spawn(|| (self.others.0)(nth)).join().unwrap());
            self.inner.list(prefix)
        }
        async fn delete(&self, path: &RemotePath) -> Result<()> {
            self.inner.delete(path).await
        }
        async fn barrier(&self) -> Result<()> {
            self.inner.barrier().await
        }
    }
    for len in [2_000, 1_500_000] {
        let (env, remote) = in_memory();
        let mut other = TestEnv::new();
        other.custom = Some(Arc::clone(&remote));
        other.yes = Some(true);
        let other = Arc::new(other);
        let writer = Arc::clone(&other);
        let act = move |nth: u64| {
            let content = noise(nth, 3000);
            ops::rcat(&writer.ctx(), &writer.place(&format!("theirs/{nth}")), &mut &content[..]).unwrap();
        };
        let busy = Arc::new(Busy {
            inner: Arc::clone(&remote),
            lists: AtomicU64::new(0),
            others: Arc::new(Others(Box::new(act))),
        });
        let mine = Place::Vault(profile(Arc::clone(&busy) as Arc<dyn Remote>), env.place("mine").path().unwrap());
        assert!(ops::rcat(&env.ctx(), &mine, &mut &noise(99, len)[..]).unwrap().commit.is_some());
        let lists = busy.lists.load(Ordering::SeqCst);
        assert!((5..12).contains(&lists), "{lists} rounds");
        assert!(env.cat("mine").unwrap() == noise(99, len));
        for nth in 0..lists {
            assert!(env.cat(&format!("theirs/{nth}")).unwrap() == noise(nth, 3000), "{nth}");
        }
        env.assert_whole(true);
    }
}

/// Stopped for a while at any moment: what others have published meanwhile stays.
#[test]
fn a_suspended_run_wakes_up() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    let other = cli.fresh("other");
    let src = cli.path("src");
    fs::create_dir(&src).unwrap();
    for round in 0..4u64 {
        fs::write(src.join(format!("large{round}")), noise(round, 4_000_000)).unwrap();
        let run = Running::start(&home, &["sync", text(&src), "v:src"]);
        std::thread::sleep(Duration::from_millis(30 + 90 * round));
        run.signal(Signal::STOP);
        let mine = cli.path("note");
        fs::write(&mine, format!("note {round}")).unwrap();
        other.ok(["copy", text(&mine), &format!("v:other{round}")]);
        // Another run of the machine may have to wait for the suspended one, but for no longer than that.
        let same = Running::start(&home, &["copy", text(&mine), &format!("v:same{round}")]);
        std::thread::sleep(Duration::from_millis(150));
        run.signal(Signal::CONT);
        run.done();
        same.done();
        for who in ["other", "same"] {
            let note = other.ok(["cat", &format!("v:{who}{round}/note")]).text();
            assert_eq!(note, format!("note {round}"));
        }
        other.ok(["check", text(&src), "v:src"]);
    }
    other.ok(["verify", "--read-data", "v:"]);
}

/// A machine becomes a writer with its first change and not before.
#[test]
fn a_new_writer_joins_before_it_writes() {
    let recorder = Arc::new(Recorder::over(Arc::new(Memory::new())));
    let mut env = TestEnv::new();
    env.custom = Some(Arc::clone(&recorder) as Arc<dyn Remote>);
    env.yes = Some(true);
    env.init().unwrap();
    let src = env.path("src");
    fs::create_dir(&src).unwrap();
    let puts = || recorder.take().iter().filter(|call| call.op == Op::PutNew).count();
    fs::write(src.join("a"), "a").unwrap();
    puts();
    env.up(&src, "").unwrap();
    assert_eq!(puts(), 2, "join and commit");
    env.up(&src, "").unwrap();
    let options = env.options(Place::Local(src.clone()), env.place(""), true);
    ops::sync(&env.ctx_at("second"), &options).unwrap();
    assert_eq!(puts(), 0, "nobody joins for nothing");
    assert_eq!(ops::writers(&env.ctx(), &env.remote()).unwrap().len(), 1);
    fs::write(src.join("b"), "b").unwrap();
    ops::sync(&env.ctx_at("second"), &options).unwrap();
    assert_eq!(puts(), 2);
    let writers = ops::writers(&env.ctx(), &env.remote()).unwrap();
    assert_eq!(writers.iter().map(|writer| (writer.seq, writer.own)).collect::<Vec<_>>(), [(2, false), (2, true)]);
    assert_eq!(ops::log(&env.ctx(), &env.remote(), 10).unwrap().len(), 2, "joins are no changes");
}

#[test]
fn an_ephemeral_writer_takes_its_leave() {
    let (env, _) = in_memory();
    let src = env.path("src");
    fs::create_dir(&src).unwrap();
    fs::write(src.join("a"), "a").unwrap();
    let ephemeral = |home: &str| ops::Ctx { ephemeral: true, ..env.ctx_at(home) };
    let options = env.options(Place::Local(src.clone()), env.place(""), true);
    ops::sync(&ephemeral("one"), &options).unwrap();
    fs::write(src.join("b"), "b").unwrap();
    ops::sync(&ephemeral("one"), &options).unwrap();
    let states = || -> Vec<_> {
        let writers = ops::writers(&env.ctx(), &env.remote()).unwrap();
        writers.iter().map(|writer| (writer.seq, writer.state)).collect()
    };
    let closed = (2, ops::WriterState::Closed);
    assert_eq!(states(), [closed, closed], "join, and a commit that says it is the last");
    // A run that fails after joining closes too: its input ends in an error.
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
    }
    ops::rcat(&ephemeral("one"), &env.place("c"), &mut Broken).unwrap_err();
    assert_eq!(states(), [closed, closed, closed], "join and close");
    assert!(!env.path("one/state").exists(), "nothing is kept");
    env.assert_whole(true);
}

#[test]
fn a_copied_state_directory_is_another_writer() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    let put = |machine: &Machine, name: &str, content: &str| {
        let file = cli.path("file");
        fs::write(&file, content).unwrap();
        machine.ok(["copy", text(&file), &format!("v:{name}")]);
    };
    put(&home, "one", "1");
    let first = own(&home);
    let copy = cli.machine("copy");
    copy_tree(&home.home, &copy.home);
    put(&copy, "two", "2");
    assert_ne!(own(&copy), first, "a copy is somebody else");
    put(&home, "three", "3");
    assert_eq!(own(&home), first, "the original goes on");
    put(&copy, "four", "4");
    // Set back in place, while others have gone on.
    let old = cli.path("old");
    copy_tree(&home.state_dir(), &old);
    put(&home, "five", "5");
    replace_tree(&old, &home.state_dir());
    put(&home, "six", "6");
    assert_ne!(own(&home), first, "a number is never given twice");
    for (name, content) in [("one", "1"), ("two", "2"), ("three", "3"), ("four", "4"), ("five", "5"), ("six", "6")] {
        for machine in [&home, &copy] {
            assert_eq!(machine.ok(["cat", &format!("v:{name}/file")]).text(), content);
        }
    }
    home.ok(["verify", "--read-data", "v:"]);
}

#[test]
fn a_state_directory_that_can_only_be_read() {
    if !crate::support::cli::is_root() {
        return crate::support::cli::skipped("only root can run this as somebody else");
    }
    let cli = Cli::with_vault();
    for path in crate::support::cli::walk(&cli.path("vault")) {
        std::os::unix::fs::chown(&path, Some(crate::support::cli::NOBODY), None).unwrap();
    }
    let user = cli.fresh("user").used_by_nobody();
    let file = cli.path("file");
    fs::write(&file, "1").unwrap();
    user.ok(["copy", text(&file), "v:"]);
    let before = own(&user);
    let parents = [user.home.clone(), user.home.join(".local"), user.home.join(".local/state")];
    for path in parents.into_iter().chain(crate::support::cli::walk(&user.state_dir())) {
        std::os::unix::fs::lchown(&path, Some(0), Some(0)).unwrap();
        let mode = if path.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }
    let kept = contents(&user.state_dir());
    user.ok(["cat", "v:file"]).says(&["not remembered"]);
    fs::write(&file, "2").unwrap();
    user.ok(["copy", text(&file), "v:"]).says(&["not remembered"]);
    assert_eq!(user.ok(["cat", "v:file"]).text(), "2");
    let states = |id: &str| -> Vec<Value> {
        let all = writers(&user);
        all.iter().filter(|writer| (writer["id"] == *id) == (id == before)).map(|w| w["state"].clone()).collect()
    };
    assert_eq!(states(&before), ["live"]);
    let closed = writers(&user).iter().filter(|writer| writer["state"] == "closed").count();
    assert_eq!(closed, 1, "a run that can keep nothing is a writer of its own");
    assert!(contents(&user.state_dir()) == kept);
}

/// Two who create a vault at the same place at the same moment: never two vaults, each taken for the only one.
#[test]
fn two_inits_at_the_same_moment() {
    for round in 0..6 {
        let cli = Cli::new();
        let runs: Vec<(Machine, Running)> = (0..2)
            .map(|number| {
                let machine = cli.machine(&format!("home{number}"));
                let words = machine.home.join("words");
                let args = ["init", "v:", "--kdf", "64M,3,1", "--recovery-file", text(&words)];
                std::thread::sleep(Duration::from_millis(3 * round * number));
                let run = Running::start(&machine, &args);
                (machine, run)
            })
            .collect();
        let outputs: Vec<(Machine, Output)> = runs
            .into_iter()
            .map(|(machine, run)| {
                let output = run.0.wait_with_output().unwrap();
                let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
                (machine, Output { code: output.status.code().unwrap(), stdout: output.stdout, stderr })
            })
            .collect();
        let won = outputs.iter().filter(|(_, output)| output.code == 0).count();
        assert!(won <= 1, "round {round}: both have won");
        for (machine, output) in &outputs {
            if output.code == 0 {
                machine.ok(["lsf", "v:"]);
            } else {
                assert_eq!(output.code, 7, "{}", output.stderr);
                output.says(&["there is a vault already"]);
            }
        }
    }
}

/// A clock that is years off.
#[derive(Debug)]
struct Off(i64);

impl Clock for Off {
    fn now(&self) -> Timestamp {
        let now = World::system().clock.now();
        Timestamp { secs: now.secs + self.0, nanos: now.nanos }
    }
}

#[test]
fn clocks_that_are_years_off_do_not_turn_the_log_round() {
    let (env, _) = in_memory();
    let year = 365 * 86_400;
    for (name, off) in [("right", 0), ("ahead", 3 * year), ("behind", -20 * year), ("right", 0)] {
        let mut ctx = env.ctx_at(name);
        ctx.world.clock = Arc::new(Off(off));
        ops::rcat(&ctx, &env.place(name), &mut name.as_bytes()).unwrap();
    }
    let log = ops::log(&env.ctx(), &env.remote(), 10).unwrap();
    let now = World::system().clock.now();
    let times: Vec<i64> = log.iter().rev().map(|entry| entry.time.secs).collect();
    assert_eq!(times.len(), 4);
    assert!(times.is_sorted() && times.iter().all(|secs| (now.secs - 600..=now.secs).contains(secs)), "{times:?}");
    for name in ["right", "ahead", "behind"] {
        assert_eq!(env.cat(name).unwrap(), name.as_bytes());
    }
    // Nor does the clock of a reader: it shows what is there, and no time after its own now.
    for (home, off) in [("reader ahead", 30 * year), ("reader behind", -30 * year)] {
        let mut ctx = env.ctx_at(home);
        ctx.world.clock = Arc::new(Off(off));
        let entries = ops::log(&ctx, &env.remote(), 10).unwrap();
        let log = ops::log(&env.ctx(), &env.remote(), 10).unwrap();
        let ids = |log: &[ops::LogEntry]| log.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&entries), ids(&log), "{home}");
        assert!(entries.iter().all(|entry| entry.time.secs <= ctx.world.clock.now().secs), "{home}");
        let mut out = Vec::new();
        ops::cat(&ctx, &[env.place("behind")], &ops::CatOptions::default(), &mut out).unwrap();
        assert_eq!(out, b"behind");
        let status = ops::status(&ctx, &env.remote()).unwrap();
        assert!(status.quarantined.is_empty() && status.warnings.is_empty(), "{home}: {:?}", status.warnings);
        ops::rcat(&ctx, &env.place(home), &mut &b"written"[..]).unwrap();
        assert_eq!(env.cat(home).unwrap(), b"written");
    }
    env.assert_whole(true);
}

/// Two machines that are killed again and again while they write: what was confirmed is there, and both get done.
#[test]
fn killed_writers_harm_nobody() {
    let cli = Cli::with_vault();
    let machines = [cli.machine("home"), cli.fresh("other")];
    let srcs = [cli.path("src0"), cli.path("src1")];
    let mut killed = 0;
    let rounds = std::env::var("CRYPTSYNC_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(12u64);
    for round in 0..rounds {
        for (number, src) in (0u64..).zip(&srcs) {
            fs::create_dir_all(src).unwrap();
            let len = [400, 60_000, 2_500_000][(round + number) as usize % 3];
            fs::write(src.join(format!("file{round}")), noise(round * 2 + number, len)).unwrap();
        }
        let runs = [0, 1].map(|number| {
            let dest = format!("v:dir{number}");
            Running::start(&machines[number], &["sync", text(&srcs[number]), &dest])
        });
        let random = u64::from_le_bytes(noise(round, 8).try_into().unwrap());
        std::thread::sleep(Duration::from_millis(random % 400));
        for (number, mut run) in runs.into_iter().enumerate() {
            run.0.kill().unwrap();
            let output = run.0.wait_with_output().unwrap();
            if output.status.code() == Some(0) {
                machines[1 - number].ok(["check", "--one-way", text(&srcs[number]), &format!("v:dir{number}")]);
            } else {
                assert_eq!(output.status.code(), None, "{}", String::from_utf8_lossy(&output.stderr));
                killed += 1;
            }
        }
        machines[round as usize % 2].ok(["verify", "v:"]);
    }
    assert!(killed > 0);
    for number in [0, 1] {
        machines[number].ok(["sync", text(&srcs[number]), &format!("v:dir{number}")]);
        machines[1 - number].ok(["check", text(&srcs[number]), &format!("v:dir{number}")]);
    }
    machines[0].ok(["verify", "--read-data", "v:"]);
    assert!(log_objects(&cli.path("vault")) > 2);
}

/// A killed run's commit may come late: nothing is lost and nothing there twice.
#[test]
fn a_late_commit_and_those_of_others() {
    let (mut env, remote) = in_memory();
    let src = env.path("src");
    fs::create_dir(&src).unwrap();
    fs::write(src.join("a"), "1").unwrap();
    env.up(&src, "mine").unwrap();
    for (round, arrives) in [(2, false), (3, true)] {
        fs::write(src.join("a"), round.to_string()).unwrap();
        fs::write(src.join(format!("new{round}")), "new").unwrap();
        env.custom = Some(Arc::new(crate::faults::NoAnswer { inner: Arc::clone(&remote), arrives }));
        env.up(&src, "mine").unwrap_err();
        env.custom = Some(Arc::clone(&remote));
        ops::rcat(&env.ctx_at("other"), &env.place(&format!("theirs{round}")), &mut &b"theirs"[..]).unwrap();
        fs::write(src.join("later"), round.to_string()).unwrap();
        env.up(&src, "mine").unwrap();
        let dst = env.path("dst");
        env.force_down("mine", &dst).unwrap();
        assert_eq!(snapshot(&dst), snapshot(&src), "round {round}");
        assert_eq!(env.cat(&format!("theirs{round}")).unwrap(), b"theirs");
        env.assert_whole(true);
    }
    assert_eq!(ops::log(&env.ctx(), &env.remote(), 20).unwrap().len(), 7, "each change once");
}

/// The remote fills up while two processes write: neither breaks anything, and both get done when there is room.
#[test]
fn two_writers_on_a_full_disk() {
    let mut cli = Cli::new();
    let Some(disk) = crate::bad_input::Disk::mount(cli.path("vault"), "4m") else { return };
    let home = cli.machine("home");
    cli.vault_id = cli.init(&home);
    let srcs = [cli.path("src0"), cli.path("src1")];
    for (seed, src) in (0..).zip(&srcs) {
        fs::create_dir(src).unwrap();
        fs::write(src.join("small"), format!("small {seed}")).unwrap();
        fs::write(src.join("large"), noise(seed, 5 << 20)).unwrap();
    }
    let start = || [0, 1].map(|n| Running::start(&home, &["copy", text(&srcs[n]), &format!("v:dir{n}")]));
    for run in start() {
        let output = run.0.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    }
    home.ok(["verify", "--read-data", "v:"]);
    disk.grow("64m");
    start().into_iter().for_each(Running::done);
    for (n, src) in srcs.iter().enumerate() {
        assert!(seen(&cli, &home, &format!("v:dir{n}")) == contents(src));
    }
    home.ok(["verify", "--read-data", "v:"]);
}
