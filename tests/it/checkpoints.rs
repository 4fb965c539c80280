//! Checkpoints: two at the same moment, and what becomes of the index.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cryptsync::crypto::{self, Class, SealContext};
use cryptsync::format::index::{Preload, SegmentReader};
use cryptsync::ops::{self, Ctx, Place};
use cryptsync::world::{Clock, Timestamp};
use cryptsync_backends::services::{Fs, Memory};
use cryptsync_backends::testing::{FaultPlan, Faulty, Recorder, When};
use cryptsync_backends::{ErrorKind, Op, Remote};
use futures::StreamExt;

use crate::long_log::copy_dir;
use crate::support::{Opened, TestEnv, noise};
use crate::writers::{Held, profile};

const DAY: i64 = 86_400;

#[derive(Debug)]
struct FixedClock(i64);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp { secs: self.0, nanos: 0 }
    }
}

fn at<'e>(env: &'e TestEnv, home: &str, day: i64) -> Ctx<'e> {
    let mut ctx = env.ctx_at(home);
    ctx.world.clock = Arc::new(FixedClock(1_800_000_000 + day * DAY));
    ctx
}

fn write(ctx: &Ctx<'_>, place: &Place, content: &[u8]) {
    assert!(ops::rcat(ctx, place, &mut &content[..]).unwrap().commit.is_some());
}

fn put(env: &TestEnv, files: &mut BTreeMap<String, Vec<u8>>, (home, day): (&str, i64), name: String) {
    let content = noise(files.len() as u64, 900);
    write(&at(env, home, day), &env.place(&name), &content);
    files.insert(name, content);
}

/// Everything in the vault, as a machine sees it. Who knows nothing pays for the password, so it asks once.
fn restored(env: &TestEnv, home: &str) -> BTreeMap<String, Vec<u8>> {
    let dest = tempfile::tempdir_in(env.dir.path()).unwrap();
    let options = env.options(env.place(""), Place::Local(dest.path().into()), false);
    ops::sync(&env.ctx_at(home), &options).unwrap();
    let found = crate::support::cli::contents(dest.path());
    found.into_iter().map(|(path, content)| (path.to_str().unwrap().to_owned(), content)).collect()
}

fn objects(remote: &Arc<dyn Remote>, prefix: &str) -> usize {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { remote.list(prefix).count().await })
}

/// Records that are in no history.
fn live(env: &TestEnv) -> usize {
    env.open().vault.view().live().len()
}

/// Both fold the same records, neither knowing of the other: two histories side by side, which the next checkpoint makes one.
#[test]
fn two_checkpoints_at_the_same_moment() {
    let recorder = Arc::new(Recorder::over(Arc::new(Memory::new())));
    let remote = Arc::clone(&recorder) as Arc<dyn Remote>;
    let mut env = TestEnv::new();
    env.custom = Some(Arc::clone(&remote));
    env.yes = Some(true);
    env.init().unwrap();
    let (mut files, mut mine_too) = (BTreeMap::new(), BTreeMap::new());
    put(&env, &mut files, ("other", 0), "first".into());
    for day in 0..2 {
        for n in 0.. {
            if live(&env) >= 64 {
                break;
            }
            let home = if n % 5 == 0 { "other" } else { "home" };
            put(&env, &mut files, (home, day), format!("{day}/{n}"));
        }
        let held = Arc::new(Held {
            inner: Arc::clone(&remote),
            prefix: "log/",
            waiting: AtomicBool::new(false),
            go: AtomicBool::new(false),
        });
        recorder.take();
        let mine =
            Place::Vault(profile(Arc::clone(&held) as Arc<dyn Remote>), path_of(&env.place(&format!("{day}/mine"))));
        std::thread::scope(|scope| {
            let run = scope.spawn(|| write(&at(&env, "home", day), &mine, b"mine"));
            while !held.waiting.load(Ordering::SeqCst) {
                assert!(!run.is_finished());
                std::thread::sleep(Duration::from_millis(5));
            }
            let packs = || {
                let calls = recorder.take();
                calls.iter().filter(|call| call.op == Op::PutNew && call.path.starts_with("meta/")).count()
            };
            let mine = packs();
            put(&env, &mut files, ("other", day), format!("{day}/theirs"));
            let theirs = packs();
            held.go.store(true, Ordering::SeqCst);
            run.join().unwrap();
            assert!(mine > 0 && theirs > 0, "both have folded: {mine}, {theirs}");
        });
        let cold = format!("cold{day}");
        recorder.take();
        let status = ops::status(&env.ctx_at(&cold), &env.remote()).unwrap();
        let calls = recorder.take().iter().filter(|call| call.op != Op::Barrier).count();
        assert!(calls <= 14, "{calls} requests with two histories");
        assert_eq!(status.heads.len(), 2);
        mine_too.insert(format!("{day}/mine"), b"mine".into());
        let all: BTreeMap<_, _> = files.clone().into_iter().chain(mine_too.clone()).collect();
        assert!(restored(&env, &cold) == all, "day {day}");
        for home in ["home", "other", &cold] {
            let log = ops::log(&env.ctx_at(home), &env.remote(), 10_000).unwrap();
            assert_eq!(log.len(), files.len() + day as usize + 1, "every commit once, {home}");
        }
        env.assert_whole(false);
    }
    env.assert_whole(true);
    let left = objects(&remote, "log/");
    assert!(left < 2 * 64 + 20, "{left} objects in the log after {} commits", files.len());
}

fn path_of(place: &Place) -> cryptsync::path::TreePath {
    match place {
        Place::Vault(_, path) => path.clone(),
        Place::Local(_) | Place::Plain(..) => unreachable!("a place in a vault"),
    }
}

/// How many index segments in force there are of each level.
fn levels(opened: &Opened, root: &Path) -> BTreeMap<u8, usize> {
    let mut levels = BTreeMap::new();
    for segment in opened.vault.view().segment_refs() {
        let id = segment.id.to_string();
        let bytes = fs::read(root.join("index").join(&id[..1]).join(&id)).unwrap();
        let context = SealContext { class: Class::Index, name: b"" };
        let plain = crypto::open(opened.vault.keys(), &context, &bytes).unwrap();
        *levels.entry(SegmentReader::open(plain, Preload::None).unwrap().level()).or_default() += 1;
    }
    levels
}

/// Commits with packs and segments of their own, so many that those are merged by the next checkpoint, which is due.
fn many_segments(env: &TestEnv, files: &mut BTreeMap<String, Vec<u8>>, day: i64) {
    // The first commit of all comes with a join.
    let there = live(env).max(1);
    for n in there..64 {
        let (name, len) = (format!("{day}/{n}"), if n % 6 == 1 { 800_000 } else { 600 });
        let content = noise(files.len() as u64, len);
        write(&at(env, "home", day), &env.place(&name), &content);
        files.insert(name, content);
    }
}

#[test]
fn segments_are_merged_by_level_and_all_blobs_are_found() {
    let env = TestEnv { yes: Some(true), ..TestEnv::with_vault() };
    let root = env.path("vault");
    let mut files = BTreeMap::new();
    for day in 0..2 {
        many_segments(&env, &mut files, day);
        let before = levels(&env.open(), &root);
        assert!(before[&0] >= 8, "{before:?}");
        write(&at(&env, "home", day), &env.place("fold"), &day.to_le_bytes());
        let after = levels(&env.open(), &root);
        assert!(after.get(&0).copied().unwrap_or(0) < 4, "{before:?} -> {after:?}");
        assert_eq!(after[&1], day as usize + 1, "{after:?}");
        // A machine that knows nothing finds every blob by the index alone.
        let index = env.open().vault.index().unwrap();
        assert!(index.packs().unwrap().len() >= 10);
        env.assert_whole(true);
        files.insert("fold".into(), day.to_le_bytes().into());
        assert!(restored(&env, &format!("cold{day}")) == files, "day {day}");
    }
    // What the first merge has made superfluous is gone, and nothing that anybody needs.
    let in_force = env.open().vault.view().segment_refs().len();
    let remote: Arc<dyn Remote> = Arc::new(Fs::open(root.clone()));
    let left = objects(&remote, "index/");
    assert!(left >= in_force && left < in_force + 16, "{left} segments for {in_force} in force");
}

#[test]
fn a_merge_of_segments_that_is_cut_short_loses_nothing() {
    let mut env = TestEnv { yes: Some(true), ..TestEnv::with_vault() };
    let (root, home) = (env.path("vault"), env.path("home"));
    let mut files = BTreeMap::new();
    many_segments(&env, &mut files, 0);
    files.insert("fold".into(), b"second".into());
    copy_dir(&root, &env.path("vault-before"));
    copy_dir(&home, &env.path("home-before"));
    let mut merged = 0;
    for nth in (1..).step_by(9) {
        copy_dir(&env.path("vault-before"), &root);
        copy_dir(&env.path("home-before"), &home);
        let plan = FaultPlan::seeded(nth).fail(When::any(nth).forever(), ErrorKind::PermissionDenied);
        let faulty = Arc::new(Faulty::over(Arc::new(Fs::open(root.clone())), plan));
        env.custom = Some(Arc::clone(&faulty) as Arc<dyn Remote>);
        let cut = ops::rcat(&at(&env, "home", 2), &env.place("fold"), &mut &b"second"[..]);
        env.custom = None;
        let done = faulty.calls() < nth;
        assert!(!done || cut.is_ok(), "{cut:?}");
        if cut.is_err() {
            write(&at(&env, "home", 2), &env.place("fold"), b"second");
        }
        let opened = env.open();
        let levels = levels(&opened, &root);
        merged += usize::from(levels.get(&1) == Some(&1));
        assert!(levels.get(&0).is_none_or(|count| *count < 8 + 8), "call {nth}: {levels:?}");
        env.assert_whole(false);
        assert!(restored(&env, &format!("cold{nth}")) == files, "call {nth}");
        if done {
            break;
        }
    }
    assert!(merged > 1, "{merged}");
}
