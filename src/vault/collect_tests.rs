//! Garbage collection against the truth: seeded schedules of several machines over one storage that lists late and deletes late.
//!
//! Machines run two processes each; sessions, collections and everything else interleave action by action. They join, crash in
//! the middle of anything, are set back to an earlier state of their disk, are ended by others while they work, or exist for one
//! run only. What every commit held is noted beside; what no epoch in effect has forgotten must be readable at any time by
//! somebody who knows nothing. Each rule that safety rests on can be left out: then something must be lost.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use cryptsync_backends::services::Memory;
use cryptsync_backends::{Caps, ErrorKind, Listed, Op, Put, Remote, RemoteError, RemotePath, Result as Answer, Stat};
use futures::StreamExt;
use futures::stream::BoxStream;

use super::*;
use crate::crypto::KdfParams;
use crate::format::entry::{Content, Entry, EntryKind};
use crate::format::genesis::ChunkerPolicy;
use crate::format::key::TreeKey;
use crate::format::pack::FrameCoder;
use crate::history::cursor::Cursor;
use crate::history::editor::{Edit, apply_edits};
use crate::history::source::Root;
use crate::id::{BlobId, BlobKind, VaultId};
use crate::path::TreePath;
use crate::vault::create::NewVault;
use crate::vault::open::OpenOptions;
use crate::vault::publish::Published;
use crate::vault::{Asker, KeyPlace, RemoteIo, TreeWriter};
use crate::world::{Cancel, Clock, Entropy, World};

/// How late a listing may show an object, in steps.
const LAG: i64 = 3;

/// The storage all machines share, and what of it is under way.
#[derive(Debug, Default)]
struct Shared {
    objects: Memory,
    put_at: Mutex<BTreeMap<RemotePath, i64>>,
    doomed: Mutex<Vec<(i64, RemotePath)>>,
    now: AtomicI64,
    random: AtomicU64,
    /// Listings show everything, and deletions happen at once.
    calm: AtomicBool,
}

impl Shared {
    fn next(&self) -> u64 {
        let mut z = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&self, end: u64) -> u64 {
        self.next() % end
    }

    fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }
}

impl Clock for Shared {
    fn now(&self) -> Timestamp {
        Timestamp { secs: 1_800_000_000 + Self::now(self), nanos: 0 }
    }
}

impl Entropy for Shared {
    fn fill(&self, out: &mut [u8]) -> std::io::Result<()> {
        for part in out.chunks_mut(8) {
            part.copy_from_slice(&self.next().to_le_bytes()[..part.len()]);
        }
        Ok(())
    }
}

/// The storage as one process sees it; it may die after so many writes.
#[derive(Debug)]
struct Line {
    shared: Arc<Shared>,
    fuse: AtomicI64,
    prompt: bool,
}

impl Line {
    fn burn(&self, op: Op) -> Answer<()> {
        if self.fuse.fetch_sub(1, Ordering::Relaxed) <= 0 {
            return Err(RemoteError::new(ErrorKind::PermissionDenied, op, "dead"));
        }
        Ok(())
    }
}

#[async_trait]
impl Remote for Line {
    fn caps(&self) -> Caps {
        Caps { list_delay: std::time::Duration::from_secs(LAG as u64), ..self.shared.objects.caps() }
    }

    fn describe(&self) -> String {
        "shared".to_owned()
    }

    async fn get(&self, path: &RemotePath) -> Answer<Bytes> {
        self.shared.objects.get(path).await
    }

    async fn get_range(&self, path: &RemotePath, range: std::ops::Range<u64>) -> Answer<Bytes> {
        self.shared.objects.get_range(path, range).await
    }

    async fn put_new(&self, path: &RemotePath, body: Vec<Bytes>) -> Answer<Put> {
        self.burn(Op::PutNew)?;
        self.shared.put_at.lock().unwrap().entry(path.clone()).or_insert(self.shared.now());
        self.shared.objects.put_new(path, body).await
    }

    async fn stat(&self, path: &RemotePath) -> Answer<Stat> {
        self.shared.objects.stat(path).await
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Answer<Listed>> {
        let now = self.shared.now();
        let late = if self.prompt || self.shared.calm.load(Ordering::Relaxed) {
            0
        } else {
            self.shared.below(LAG as u64 + 1) as i64
        };
        let shown = move |listed: &Answer<Listed>| {
            let put_at = self.shared.put_at.lock().unwrap();
            listed.as_ref().map_or(true, |one| put_at.get(&one.path).is_none_or(|at| *at <= now - late))
        };
        self.shared.objects.list(prefix).filter(move |listed| futures::future::ready(shown(listed))).boxed()
    }

    async fn delete(&self, path: &RemotePath) -> Answer<()> {
        self.burn(Op::Delete)?;
        if !self.shared.calm.load(Ordering::Relaxed) && self.shared.chance(30) {
            let when = self.shared.now() + self.shared.below(12) as i64;
            self.shared.doomed.lock().unwrap().push((when, path.clone()));
            return Ok(());
        }
        self.shared.objects.delete(path).await
    }
}

struct Nobody;

impl Asker for Nobody {
    fn password(&self, _: &str) -> std::io::Result<zeroize::Zeroizing<String>> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
    fn confirm_vault(&self, _: &str, _: &VaultId) -> Option<bool> {
        None
    }
}

/// A vault that was made once, because that takes long: its objects, and the state of the machine that made it.
struct Template {
    objects: Vec<(RemotePath, Bytes)>,
    state: tempfile::TempDir,
    vault: VaultId,
    runtime: tokio::runtime::Runtime,
}

static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (memory, state) = (Arc::new(Memory::new()), scratch());
    let remote: Arc<dyn Remote> = Arc::clone(&memory) as _;
    let io = RemoteIo::new(remote, runtime.handle().clone(), Cancel::default());
    let new = NewVault {
        world: &World::system(),
        state_dir: state.path(),
        password: "correct horse",
        password_role: Role::Admin,
        kdf: KdfParams { m_kib: 64 << 10, t: 3, p: 1 },
        device_label: "first",
        key_place: KeyPlace::File,
        chunker: ChunkerPolicy::Fixed(64 << 10),
    };
    let vault = new.create(&io, &mut |_| Ok(())).unwrap().vault;
    let objects = runtime.block_on(async {
        let names: Vec<_> = memory.list("").map(|listed| listed.unwrap().path).collect().await;
        let mut objects = Vec::new();
        for name in names {
            let body = memory.get(&name).await.unwrap();
            objects.push((name, body));
        }
        objects
    });
    Template { objects, state, vault, runtime }
});

fn scratch() -> tempfile::TempDir {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { tempfile::tempdir_in(shm).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_dir(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// One machine: its state directory, the processes at work on it, and an earlier copy of its disk.
#[derive(Default)]
struct Machine {
    home: PathBuf,
    running: [Option<Running>; 2],
    earlier: Option<PathBuf>,
}

struct Running {
    vault: Arc<Vault>,
    session: Session,
    base: Option<Root>,
    edits: BTreeMap<u64, Option<BlobId>>,
    line: Arc<Line>,
}

struct Simulation {
    shared: Arc<Shared>,
    dir: tempfile::TempDir,
    machines: Vec<Machine>,
    /// What each commit held.
    truth: BTreeMap<CommitId, BTreeMap<String, BlobId>>,
    without: Option<Rule>,
    steps: u64,
    counts: Counts,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    commits: u64,
    epochs: u64,
    completed: u64,
    deleted: u64,
    refused: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.commits += other.commits;
        self.epochs += other.epochs;
        self.completed += other.completed;
        self.deleted += other.deleted;
        self.refused += other.refused;
    }
}

type Lost = String;

impl Simulation {
    fn new(seed: u64, without: Option<Rule>, steps: u64) -> Self {
        let shared = Arc::new(Shared {
            random: AtomicU64::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1),
            ..Shared::default()
        });
        for (path, body) in &TEMPLATE.objects {
            TEMPLATE.runtime.block_on(shared.objects.put_new(path, vec![body.clone()])).unwrap();
        }
        let mut simulation = Self {
            shared,
            dir: scratch(),
            machines: Vec::new(),
            truth: BTreeMap::new(),
            without,
            steps,
            counts: Counts::default(),
        };
        (0..2 + simulation.shared.below(2)).for_each(|_| simulation.add_machine());
        simulation
    }

    fn calm(&mut self) {
        self.shared.calm.store(true, Ordering::Relaxed);
    }

    fn add_machine(&mut self) {
        let home = self.dir.path().join(format!("m{}", self.machines.len()));
        copy_dir(TEMPLATE.state.path(), &home);
        self.machines.push(Machine { home, ..Machine::default() });
    }

    fn open(&self, home: &Path, ephemeral: bool, fuse: i64) -> Result<(Arc<Vault>, Arc<Line>), VaultError> {
        let line = Arc::new(Line { shared: Arc::clone(&self.shared), fuse: AtomicI64::new(fuse), prompt: false });
        let remote: Arc<dyn Remote> = Arc::clone(&line) as _;
        let vault = Vault::open(
            RemoteIo::new(remote, TEMPLATE.runtime.handle().clone(), Cancel::default()),
            &OpenOptions {
                world: World { clock: Arc::clone(&self.shared) as _, entropy: Arc::clone(&self.shared) as _ },
                state_dir: home,
                ephemeral,
                cache_dir: &home.join("cache"),
                vault_id: Some(TEMPLATE.vault),
                memory: 1 << 20,
                asker: &Nobody,
                demands: Default::default(),
            },
        )?;
        if let Some(rule) = self.without {
            vault.rules.leave_out(rule);
        }
        if self.shared.calm.load(Ordering::Relaxed) || self.shared.chance(70) {
            vault.rules.leave_out(Rule::Bundle);
        }
        Ok((Arc::new(vault), line))
    }

    fn begin(&self, home: &Path, ephemeral: bool) -> Result<Running, VaultError> {
        let (vault, line) = self.open(home, ephemeral, i64::MAX)?;
        vault.ensure_joined()?;
        let session = Session::begin(Arc::clone(&vault), OPTIONS)?;
        let base = vault.root()?;
        Ok(Running { vault, session, base, edits: BTreeMap::new(), line })
    }

    fn stage(&self, running: &mut Running) -> Result<(), VaultError> {
        let mut coder = FrameCoder::default();
        for _ in 0..=self.shared.below(2) {
            let file = self.shared.below(5);
            let content = match self.shared.below(10) {
                0..3 => None,
                _ => Some(running.session.store_chunk(&content_of(self.shared.below(8)), &mut coder)?),
            };
            running.edits.insert(file, content);
        }
        Ok(())
    }

    fn publish(&mut self, mut running: Running) -> Result<(), VaultError> {
        let edits: Vec<(TreeKey, Option<BlobId>)> =
            running.edits.iter().map(|(file, id)| (key_of(*file), *id)).collect();
        let base = running.base;
        let mut build = |writer: &TreeWriter<'_>| {
            let mut edits: Vec<_> = edits.iter().cloned().map(|(key, id)| edit(key, id)).collect();
            edits.sort_by(|a, b| a.key().cmp(b.key()));
            apply_edits(writer, base.as_ref(), edits.into_iter().map(Ok))
        };
        let info = CommitInfo { operation: "edit".into() };
        let published = running.session.commit(base.as_ref(), &info, &mut build)?;
        let Running { vault, session, .. } = running;
        drop(session);
        if let Published::Commit(id) = published {
            self.counts.commits += 1;
            let root = vault.record_of(&id)?.root();
            self.truth.insert(id, listing(&vault, &root)?);
        }
        vault.leave()
    }

    fn collect(&mut self, home: &Path) -> Result<(), VaultError> {
        let fuse = if self.shared.chance(25) { self.shared.below(7) as i64 } else { i64::MAX };
        let (vault, _) = self.open(home, false, fuse)?;
        let salt = self.shared.below(4);
        let forget = |commits: &[Commit]| -> Result<HashSet<CommitId>, VaultError> {
            let unwanted = |id: &&CommitId| u64::from(id.as_bytes()[7]) % 4 <= salt;
            Ok(commits.iter().map(|commit| &commit.id).filter(unwanted).copied().collect())
        };
        let options = CollectOptions {
            forget: &forget,
            grace: 0,
            orphans: self.shared.below(3) as i64 * 2,
            expire: None,
            max_unused: [0, 10, 100][self.shared.below(3) as usize],
            max_repack: u64::MAX,
            until: None,
            dry_run: false,
            session: OPTIONS,
        };
        let before = vault.epochs()?.all().count();
        let result = vault.collect(&options);
        self.counts.epochs += (vault.epochs()?.all().count() - before.min(vault.epochs()?.all().count())) as u64;
        let report = result?;
        self.counts.completed += report.completed;
        self.counts.deleted += report.deleted.0;
        Ok(())
    }

    /// What no epoch in effect forgets is all there, for somebody who knows nothing.
    fn check(&self, what: &str) -> Result<(), Lost> {
        let home = self.dir.path().join("fresh");
        copy_dir(TEMPLATE.state.path(), &home);
        let lost = self.look(&home).map_err(|error| format!("{what}: {error}: {error:?}"));
        std::fs::remove_dir_all(&home).unwrap();
        lost
    }

    fn look(&self, home: &Path) -> Result<(), VaultError> {
        let remote: Arc<dyn Remote> =
            Arc::new(Line { shared: Arc::clone(&self.shared), fuse: AtomicI64::new(0), prompt: true });
        let io = RemoteIo::new(remote, TEMPLATE.runtime.handle().clone(), Cancel::default());
        let vault = Vault::open(
            io,
            &OpenOptions {
                world: World { clock: Arc::clone(&self.shared) as _, entropy: Arc::clone(&self.shared) as _ },
                state_dir: home,
                ephemeral: false,
                cache_dir: &home.join("cache"),
                vault_id: Some(TEMPLATE.vault),
                memory: 1 << 20,
                asker: &Nobody,
                demands: Default::default(),
            },
        )?;
        let epochs = vault.epochs()?;
        let mut seen = HashSet::new();
        vault.root()?;
        for commit in vault.newest(usize::MAX, |_| true)? {
            let place = (commit.writer, commit.record.seq);
            let mut completed = epochs.all().filter(|one| one.completed);
            if completed.any(|one| one.epoch.forgotten.contains(&place.0, place.1)) {
                continue;
            }
            let Some(truth) = self.truth.get(&commit.id) else { continue };
            if *truth != listing(&vault, &commit.root())? {
                return Err(VaultError::Limit(format!("commit {} has another tree", commit.id.short())));
            }
            for id in truth.values().filter(|id| seen.insert(**id)) {
                vault.blob(BlobKind::Chunk, id, None)?;
            }
        }
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "a trace for whoever looks into a schedule")]
    fn step(&mut self) -> Result<(), Lost> {
        self.shared.now.fetch_add(1, Ordering::Relaxed);
        let now = self.shared.now();
        let due: Vec<RemotePath> = {
            let mut doomed = self.shared.doomed.lock().unwrap();
            let (due, rest) = doomed.drain(..).partition(|(when, _)| *when <= now);
            *doomed = rest;
            Vec::into_iter(due).map(|(_, path)| path).collect()
        };
        for path in due {
            TEMPLATE.runtime.block_on(self.shared.objects.delete(&path)).unwrap();
        }
        let at = self.shared.below(self.machines.len() as u64) as usize;
        let process = self.shared.below(2) as usize;
        let home = self.machines[at].home.clone();
        let action = self.shared.below(100);
        let done = match action {
            0..30 => match self.machines[at].running[process].take() {
                None => self.begin(&home, false).and_then(|mut running| {
                    self.stage(&mut running)?;
                    self.machines[at].running[process] = Some(running);
                    Ok(())
                }),
                Some(mut running) => {
                    self.stage(&mut running).map(|()| self.machines[at].running[process] = Some(running))
                }
            },
            30..58 => match self.machines[at].running[process].take() {
                Some(running) => self.publish(running),
                None => Ok(()),
            },
            58..64 => self.open(&home, false, i64::MAX).and_then(|(vault, _)| vault.acknowledge().map(drop)),
            64..86 => {
                let collected = self.collect(&home);
                self.check("after a collection")?;
                collected
            }
            86..90 => {
                // Dies in the middle of publishing.
                if let Some(running) = self.machines[at].running[process].take() {
                    running.line.fuse.store(self.shared.below(4) as i64, Ordering::Relaxed);
                    drop(self.publish(running));
                }
                Ok(())
            }
            90..93 => self.begin(&home, true).and_then(|mut running| {
                self.stage(&mut running)?;
                self.publish(running)
            }),
            93..95 if self.machines.len() < 4 => {
                self.add_machine();
                Ok(())
            }
            95..97 => self.set_back(at),
            97..100 => self.end_a_writer(&home),
            _ => Ok(()),
        };
        match done {
            // Another machine has moved on, or this one was found out: it may begin again.
            Err(VaultError::Alarm { class: Class::Equivocation, .. }) => Err("two at once".to_owned()),
            Err(error) => {
                if std::env::var_os("CRYPTSYNC_GC_TRACE").is_some() {
                    eprintln!("  step {now}: action {action} on {at}: {error}");
                }
                self.counts.refused += 1;
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// The machine's disk is as it was some time ago.
    fn set_back(&mut self, at: usize) -> Result<(), VaultError> {
        let machine = &mut self.machines[at];
        let state = machine.home.join(TEMPLATE.vault.to_string());
        let file = state.join("state.sqlite");
        machine.running = [None, None];
        let earlier = state.with_extension("earlier");
        match machine.earlier.take() {
            Some(earlier) if self.shared.chance(60) => {
                for leftover in ["state.sqlite-wal", "state.sqlite-shm"] {
                    std::fs::remove_file(state.join(leftover)).unwrap_or_default();
                }
                std::fs::copy(earlier, &file).unwrap();
            }
            _ => {
                std::fs::copy(&file, &earlier).unwrap();
                machine.earlier = Some(earlier);
            }
        }
        Ok(())
    }

    fn end_a_writer(&mut self, home: &Path) -> Result<(), VaultError> {
        let (vault, _) = self.open(home, false, i64::MAX)?;
        let own = vault.known_writer()?;
        let view = vault.view();
        let writers: Vec<WriterId> =
            view.writers().into_iter().filter(|id| Some(*id) != own && !view.retired().contains_key(id)).collect();
        if writers.is_empty() {
            return Ok(());
        }
        let writer = writers[self.shared.below(writers.len() as u64) as usize];
        vault.retire(&vault.ending(&writer.to_string())?, "end").map(drop)
    }

    fn run(mut self) -> (Counts, Result<(), Lost>) {
        for _ in 0..self.steps {
            match self.step() {
                Err(end) if end == "two at once" => return (self.counts, Ok(())),
                Err(lost) => return (self.counts, Err(lost)),
                Ok(()) => {}
            }
        }
        let end = self.check("in the end");
        (self.counts, end)
    }
}

fn content_of(number: u64) -> Vec<u8> {
    (0..700u64).flat_map(|n| (n.wrapping_mul(number * 2 + 1) as u16).to_le_bytes()).collect()
}

fn key_of(file: u64) -> TreeKey {
    TreeKey::from_path(&TreePath::from_bytes(format!("f{file}").as_bytes()).unwrap()).unwrap()
}

fn edit(key: TreeKey, id: Option<BlobId>) -> Edit {
    match id {
        None => Edit::Delete(key),
        Some(id) => {
            let entry = Entry {
                kind: EntryKind::File,
                size: 1400,
                mtime: Timestamp::default(),
                mode: Some(0o644),
                content: Content::Chunk(id),
                attributes: Vec::new(),
            };
            Edit::Put(key, entry)
        }
    }
}

fn listing(vault: &Vault, root: &Root) -> Result<BTreeMap<String, BlobId>, VaultError> {
    let mut found = BTreeMap::new();
    for one in Cursor::open(vault, root)? {
        let one = one?;
        if let Content::Chunk(id) = one.entry.content {
            found.insert(one.key.to_path().unwrap().to_string(), id);
        }
    }
    Ok(found)
}

const OPTIONS: SessionOptions = SessionOptions { pack_target: 4096, uploads: 1, packs: 3, compression: Some(1) };

/// Runs schedules until one loses something; how many it took, or none.
fn first_loss(without: Option<Rule>, seeds: std::ops::Range<u64>, steps: u64) -> (Counts, Option<(u64, Lost)>) {
    let mut counts = Counts::default();
    for seed in seeds {
        let (of_run, end) = Simulation::new(seed, without, steps).run();
        counts += of_run;
        if let Err(lost) = end {
            return (counts, Some((seed, lost)));
        }
    }
    (counts, None)
}

#[expect(clippy::disallowed_methods, reason = "how many schedules are run is for whoever runs them")]
fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

const RULES: [Rule; 7] =
    [Rule::Claim, Rule::Refuse, Rule::Rescue, Rule::Effect, Rule::Parallel, Rule::Again, Rule::Resume];

/// `CRYPTSYNC_GC_SEEDS` runs more, `CRYPTSYNC_GC_FROM` begins elsewhere.
#[test]
fn nothing_is_lost_in_any_schedule() {
    let first = from_environment("CRYPTSYNC_GC_FROM").unwrap_or(0);
    let count = from_environment("CRYPTSYNC_GC_SEEDS").unwrap_or(40);
    let threads = 2;
    let without = from_environment("CRYPTSYNC_GC_WITHOUT").map(|n| RULES[n as usize]);
    let results: Vec<_> = std::thread::scope(|scope| {
        let part = |n| first + count * n / threads..first + count * (n + 1) / threads;
        let running: Vec<_> = (0..threads).map(|n| scope.spawn(move || first_loss(without, part(n), 40))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut counts = Counts::default();
    for (of_part, lost) in results {
        assert!(lost.is_none(), "seed {}: {}", lost.as_ref().unwrap().0, lost.as_ref().unwrap().1);
        counts += of_part;
    }
    eprintln!("{count} schedules: {counts:?}");
    assert!(count < 40 || counts.completed > count / 10 && counts.deleted > 0, "{counts:?}");
}

/// What it takes for each rule to matter, step by step: with the rule nothing is lost, without it something is.
#[test]
fn each_rule_carries_weight() {
    for rule in [Rule::Claim, Rule::Refuse, Rule::Rescue, Rule::Parallel, Rule::Again, Rule::Resume] {
        for without in [None, Some(rule)] {
            let lost = Scenario::new(without).play(rule);
            assert_eq!(lost.is_err(), without.is_some(), "{rule:?} left out: {}: {lost:?}", without.is_some());
        }
    }
}

/// Machine `one` has stored a content in a pack of its own and deleted it again; `other` is another writer.
struct Scenario {
    simulation: Simulation,
    one: PathBuf,
    other: PathBuf,
}

impl Scenario {
    fn new(without: Option<Rule>) -> Self {
        let mut simulation = Simulation::new(1, without, 0);
        simulation.calm();
        let [one, other] = [0, 1].map(|at| simulation.machines[at].home.clone());
        let mut scenario = Self { simulation, one, other };
        let [one, other] = [&scenario.one, &scenario.other].map(Clone::clone);
        scenario.write(&one, &[(0, Some(3)), (1, Some(4))]);
        scenario.write(&one, &[(0, None)]);
        scenario.write(&other, &[(2, Some(5))]);
        scenario
    }

    fn begin(&self, home: &Path, edits: &[(u64, Option<u64>)]) -> Running {
        let mut running = self.simulation.begin(home, false).unwrap();
        let mut coder = FrameCoder::default();
        for (file, content) in edits {
            let id = content.map(|n| running.session.store_chunk(&content_of(n), &mut coder).unwrap());
            running.edits.insert(*file, id);
        }
        running
    }

    fn write(&mut self, home: &Path, edits: &[(u64, Option<u64>)]) {
        let running = self.begin(home, edits);
        self.publish(running).unwrap();
    }

    fn publish(&mut self, running: Running) -> Result<(), VaultError> {
        self.simulation.shared.now.fetch_add(100, Ordering::Relaxed);
        self.simulation.publish(running)
    }

    /// Condemns what is not needed, and completes what can be; with `wait`, nothing is completed.
    fn collect(&self, wait: bool) -> Result<(), Lost> {
        self.simulation.shared.now.fetch_add(100, Ordering::Relaxed);
        let (vault, _) = self.simulation.open(&self.one, false, i64::MAX).unwrap();
        let forget = |commits: &[Commit]| -> Result<HashSet<CommitId>, VaultError> {
            Ok(commits.iter().map(|commit| commit.id).collect())
        };
        let options = CollectOptions {
            forget: &forget,
            grace: if wait { 1_000_000 } else { 0 },
            orphans: 0,
            expire: None,
            max_unused: 0,
            max_repack: u64::MAX,
            until: None,
            dry_run: false,
            session: OPTIONS,
        };
        vault.collect(&options).map(drop).map_err(|error| error.to_string())
    }

    fn acknowledge(&self) {
        let (vault, _) = self.simulation.open(&self.other, false, i64::MAX).unwrap();
        assert!(vault.acknowledge().unwrap());
    }

    fn play(mut self, rule: Rule) -> Result<(), Lost> {
        let (one, other) = (self.one.clone(), self.other.clone());
        let again: &[(u64, Option<u64>)] = &[(7, Some(3))];
        match rule {
            Rule::Claim => {
                let running = self.begin(&other, again);
                self.collect(false)?;
                self.collect(false)?;
                self.publish(running).unwrap();
            }
            Rule::Refuse => {
                self.collect(true)?;
                self.acknowledge();
                let running = self.begin(&other, again);
                self.collect(false)?;
                self.publish(running).unwrap();
            }
            Rule::Rescue => {
                let running = self.begin(&other, again);
                self.collect(true)?;
                self.publish(running).unwrap();
                self.collect(false)?;
            }
            Rule::Parallel => {
                let first = self.begin(&other, again);
                self.collect(true)?;
                self.write(&other, &[(8, Some(6))]);
                self.collect(false)?;
                self.publish(first).unwrap();
            }
            Rule::Again => {
                let running = self.begin(&other, again);
                let (vault, _) = self.simulation.open(&one, false, i64::MAX).unwrap();
                let writer = running.vault.known_writer().unwrap().unwrap();
                vault.retire(&vault.ending(&writer.to_string()).unwrap(), "end").unwrap();
                self.collect(true)?;
                self.collect(false)?;
                let published = self.publish(running);
                assert_eq!(published.is_err(), self.simulation.without.is_none(), "{published:?}");
            }
            Rule::Resume => {
                let mut dead = self.begin(&other, &[(7, Some(11))]);
                drop(dead.session.stored_anew().unwrap());
                drop(dead);
                self.collect(true)?;
                self.acknowledge();
                let running = self.begin(&other, &[(7, Some(11))]);
                self.collect(false)?;
                self.publish(running).unwrap();
            }
            Rule::Effect | Rule::Bundle => {}
        }
        self.simulation.check("in the end")
    }
}
