//! What verbs cost, call by call: requests are the bill and the wait.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use cryptsync::ops::{self, Ctx, ListOptions};
use cryptsync::path::TreePath;
use cryptsync_backends::services::Memory;
use cryptsync_backends::testing::{Call, Recorder};
use cryptsync_backends::{Op, Remote};

use crate::support::{TestEnv, age, noise};

fn recorded() -> (TestEnv, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::over(Arc::new(Memory::new())));
    let mut env = TestEnv::new();
    env.custom = Some(Arc::clone(&recorder) as Arc<dyn Remote>);
    env.yes = Some(true);
    env.init().unwrap();
    (env, recorder)
}

/// The calls with what is random in them left out: `put log/`, `get meta/`.
fn said(calls: &[Call]) -> Vec<String> {
    calls
        .iter()
        .map(|call| {
            let verb = match call.op {
                Op::Get | Op::GetRange => "get",
                Op::PutNew => "put",
                Op::Stat => "stat",
                Op::List => "list",
                Op::Delete => "delete",
                Op::Barrier => "barrier",
            };
            let top = call.path.split_inclusive('/').next().unwrap_or_default();
            let kind = call.path.strip_prefix("log/").and_then(|name| name.chars().next()).unwrap_or_default();
            format!("{verb} {top}{}", if kind == '\0' { String::new() } else { kind.to_string() }).trim_end().to_owned()
        })
        .collect()
}

/// What a new writer does before anything else.
const JOIN: [&str; 3] = ["put log/c", "barrier", "list log/"];

/// So many small files in so many directories, and one of `large` bytes.
fn make(src: &Path, dirs: usize, files: usize, large: usize) {
    for dir in 0..dirs {
        let dir = src.join(format!("directory-{dir:03}"));
        fs::create_dir_all(&dir).unwrap();
        for file in 0..files {
            fs::write(dir.join(format!("file-with-a-longer-name-{file:04}")), noise(file as u64, 40)).unwrap();
        }
    }
    fs::write(src.join("directory-000/large"), noise(99, large)).unwrap();
    age(src);
}

fn list(env: &TestEnv, ctx: &Ctx<'_>, path: &str) -> usize {
    let mut rows = 0;
    let options =
        ListOptions { place: env.place(path), recursive: false, filter: Default::default(), links: Default::default() };
    ops::list(ctx, &options, &mut |_| {
        rows += 1;
        Ok(())
    })
    .unwrap();
    rows
}

fn cat(env: &TestEnv, ctx: &Ctx<'_>, path: &str) -> Vec<u8> {
    let mut out = Vec::new();
    ops::cat(ctx, &[env.place(path)], &ops::CatOptions::default(), &mut out).unwrap();
    out
}

#[test]
fn syncs_cost_what_they_must() {
    let (env, recorder) = recorded();
    let src = env.path("src");
    make(&src, 3, 20, 1000);
    recorder.take();
    env.up(&src, "docs").unwrap();
    assert_eq!(
        said(&recorder.take()),
        [&["list log/", "get log/k"][..], &JOIN, &["list log/", "put log/c", "barrier"]].concat(),
        "a small first sync"
    );
    env.up(&src, "docs").unwrap();
    assert_eq!(said(&recorder.take()), ["list log/"], "no change");

    fs::write(src.join("directory-001/new"), "x").unwrap();
    env.up(&src, "docs").unwrap();
    assert_eq!(said(&recorder.take()), ["list log/", "list log/", "put log/c", "barrier"], "one small file");
    list(&env, &env.ctx(), "docs/directory-001");
    assert_eq!(said(&recorder.take()), ["list log/"], "lsf, warm");
}

#[test]
fn packs_cost_what_they_must() {
    let (env, recorder) = recorded();
    let src = env.path("src");
    make(&src, 25, 100, 3_000_000);
    recorder.take();
    env.up(&src, "").unwrap();
    let first = said(&recorder.take());
    assert_eq!(first[..2], ["list log/", "get log/k"], "{first:?}");
    assert_eq!(first[first.len() - 5..], ["put index/", "barrier", "list log/", "put log/c", "barrier"], "{first:?}");
    assert_eq!(first[2..5], JOIN);
    let between = &first[5..first.len() - 5];
    assert!(between.iter().all(|call| call == "put data/" || call == "put meta/"), "{first:?}");
    assert!(between.len() <= 3, "{first:?}");

    env.up(&src, "").unwrap();
    assert_eq!(said(&recorder.take()), ["list log/"], "no change");

    fs::write(src.join("directory-007/file-with-a-longer-name-0003"), "changed").unwrap();
    env.up(&src, "").unwrap();
    let one = said(&recorder.take());
    assert_eq!(one, ["list log/", "list log/", "put log/c", "barrier"], "one small file of many");

    assert_eq!(list(&env, &env.ctx(), "directory-010"), 100);
    assert_eq!(said(&recorder.take()), ["list log/"], "lsf, warm");
    assert_eq!(cat(&env, &env.ctx(), "directory-000/large").len(), 3_000_000);
    let warm = said(&recorder.take());
    assert_eq!(warm[0], "list log/");
    assert!(warm[1..].iter().all(|call| call == "get data/"), "{warm:?}");
}

/// A machine that has nothing but the password, and a tree of two levels in packs.
#[test]
fn cold_reads_cost_little() {
    let (env, recorder) = recorded();
    let src = env.path("src");
    make(&src, 25, 100, 1_200_000);
    fs::write(src.join("directory-015/chunk"), noise(5, 200_000)).unwrap();
    age(&src);
    env.up(&src, "").unwrap();
    fs::write(src.join("directory-020/second"), "x").unwrap();
    env.up(&src, "").unwrap();
    recorder.take();

    assert_eq!(cat(&env, &env.ctx_at("cold1"), "directory-015/chunk"), noise(5, 200_000));
    let calls = said(&recorder.take());
    assert!(calls.len() <= 8, "cat: {calls:?}");
    assert!(!calls.iter().any(|call| call.contains("index/")), "hints are enough: {calls:?}");

    assert_eq!(list(&env, &env.ctx_at("cold2"), "directory-012"), 100);
    let calls = said(&recorder.take());
    assert!(calls.len() <= 7, "lsf: {calls:?}");

    // Known vault: no first contact.
    let mut remote = env.remote();
    remote.vault_id = Some(ops::status(&env.ctx(), &env.remote()).unwrap().vault_id);
    recorder.take();
    let mut out = Vec::new();
    let place = ops::Place::Vault(remote, TreePath::from_user(b"directory-015/chunk").unwrap());
    ops::cat(&env.ctx_at("cold3"), &[place], &ops::CatOptions::default(), &mut out).unwrap();
    let calls = said(&recorder.take());
    assert!(calls.len() <= 7, "cat with a pin: {calls:?}");
}
