//! Any tree, any change to it: up, down and up again, it is what it was.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use cryptsync::event::{Event, Observer};
use cryptsync::filter::{Filter, Rule};
use cryptsync::ops::{self, Ctx, Place, SyncOptions};
use proptest::prelude::*;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use crate::support::{TestEnv, age, noise, snapshot};

#[derive(Debug, Clone)]
enum Step {
    /// Something at a path, in place of whatever is in its way.
    Put { path: Vec<Vec<u8>>, node: Node, mode: u32, mtime: (i64, i64) },
    /// A change to one of the entries there are.
    Change { which: usize, change: Change },
}

#[derive(Debug, Clone)]
enum Node {
    File { len: usize, fill: Fill },
    Dir,
    Link(Vec<u8>),
}

#[derive(Debug, Clone, Copy)]
enum Fill {
    Random(u64),
    Text(u64),
    Zeros,
    /// Holes with a little data in the middle.
    Sparse(u64),
}

#[derive(Debug, Clone)]
enum Change {
    Append(usize),
    Truncate(u8),
    EditMiddle(u64),
    Delete,
    Rename(Vec<Vec<u8>>),
    Touch(i64, i64),
    Mode(u32),
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let odd: Vec<Vec<u8>> = vec![
        b"\n".to_vec(),
        b"a\nb".to_vec(),
        b"\xff\xfe".to_vec(),
        b"-rf".to_vec(),
        b" ".to_vec(),
        b"*".to_vec(),
        b"a\\b".to_vec(),
        b"a:b".to_vec(),
        b"...".to_vec(),
        "\u{fc}\u{301}".into(),
        vec![b'x'; 255],
        vec![0xc3; 255],
    ];
    prop_oneof![
        8 => prop::sample::select(vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec(), b"ab".to_vec()]),
        1 => prop::sample::select(odd),
        1 => prop::collection::vec(1u8..=255, 1..12).prop_map(|mut name| {
            name.iter_mut().filter(|byte| **byte == b'/').for_each(|byte| *byte = b'_');
            if name == b"." || name == b".." { vec![b'_'] } else { name }
        }),
    ]
}

fn path() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop_oneof![
        12 => prop::collection::vec(name(), 1..4),
        1 => prop::collection::vec(prop::sample::select(vec![b"a".to_vec(), b"d".to_vec()]), 20..60),
    ]
}

fn node() -> impl Strategy<Value = Node> {
    let small = prop::sample::select(vec![0usize, 1, 511, 512, 513, 10_000]);
    let medium = prop::sample::select(vec![
        (128 << 10) - 1,
        128 << 10,
        (128 << 10) + 1,
        (256 << 10) - 1,
        256 << 10,
        (256 << 10) + 1,
        300_000,
    ]);
    let large = (1usize << 20)..(6 << 20);
    let len = prop_oneof![8 => small, 4 => medium, 1 => large];
    let fill = (any::<u64>(), 0..4).prop_map(|(seed, kind)| match kind {
        0 => Fill::Random(seed),
        1 => Fill::Text(seed),
        2 => Fill::Zeros,
        _ => Fill::Sparse(seed),
    });
    let target = prop_oneof![prop::sample::select(vec![
        b"a".to_vec(),
        b"../a".to_vec(),
        b"/etc/passwd".to_vec(),
        b"nowhere".to_vec(),
        b".".to_vec(),
        b"\xff\n".to_vec(),
        vec![b'y'; 4000],
    ]),];
    prop_oneof![
        6 => (len, fill).prop_map(|(len, fill)| Node::File { len, fill }),
        3 => Just(Node::Dir),
        2 => target.prop_map(Node::Link),
    ]
}

fn mtime() -> impl Strategy<Value = (i64, i64)> {
    let secs = prop_oneof![
        6 => 1_000_000_000i64..1_700_000_000,
        1 => -2_000_000_000i64..0,
        1 => 4_000_000_000i64..15_000_000_000,
        1 => Just(0i64),
    ];
    (secs, prop_oneof![Just(0i64), 0i64..1_000_000_000, Just(999_999_999i64)])
}

fn mode() -> impl Strategy<Value = u32> {
    let mut modes = vec![0o644, 0o755, 0o600, 0o777, 0o1777, 0o2755, 0o4711];
    if rustix::process::geteuid().is_root() {
        modes.extend([0o000, 0o555, 0o400, 0o111]); // others could not look into their own directories
    }
    prop::sample::select(modes)
}

fn put() -> impl Strategy<Value = Step> {
    (path(), node(), mode(), mtime()).prop_map(|(path, node, mode, mtime)| Step::Put { path, node, mode, mtime })
}

fn change() -> impl Strategy<Value = Step> {
    let change = prop_oneof![
        2 => prop::sample::select(vec![1usize, 512, 200_000]).prop_map(Change::Append),
        2 => any::<u8>().prop_map(Change::Truncate),
        2 => any::<u64>().prop_map(Change::EditMiddle),
        2 => Just(Change::Delete),
        2 => path().prop_map(Change::Rename),
        1 => mtime().prop_map(|(secs, nanos)| Change::Touch(secs, nanos)),
        1 => mode().prop_map(Change::Mode),
    ];
    (any::<usize>(), change).prop_map(|(which, change)| Step::Change { which, change })
}

fn write_file(path: &Path, len: usize, fill: Fill) {
    match fill {
        Fill::Random(seed) => fs::write(path, noise(seed, len)).unwrap(),
        Fill::Text(seed) => {
            let words: Vec<u8> =
                (0u64..).flat_map(|n| format!("{} line {n}\n", seed % 97).into_bytes()).take(len).collect();
            fs::write(path, words).unwrap();
        }
        Fill::Zeros => fs::write(path, vec![0; len]).unwrap(),
        Fill::Sparse(seed) => {
            let mut file = File::create(path).unwrap();
            file.set_len(len as u64).unwrap();
            if len > 600_000 {
                file.seek(SeekFrom::Start(seed % (len as u64 - 5000))).unwrap();
                file.write_all(&noise(seed, 5000)).unwrap();
            }
        }
    }
}

fn set_mtime(path: &Path, (secs, nanos): (i64, i64)) {
    let time = Timespec { tv_sec: secs, tv_nsec: nanos as _ };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn remove(path: &Path) {
    match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

/// The path below `root`, with everything on the way to it made a directory and nothing at it.
fn clear(root: &Path, path: &[Vec<u8>]) -> PathBuf {
    let mut at = root.to_path_buf();
    for name in &path[..path.len() - 1] {
        at.push(OsStr::from_bytes(name));
        if !at.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
            remove(&at);
            fs::create_dir(&at).unwrap();
        }
    }
    at.push(OsStr::from_bytes(path.last().unwrap()));
    remove(&at);
    at
}

fn everything(root: &Path) -> Vec<PathBuf> {
    let (mut all, mut stack) = (Vec::new(), vec![root.to_path_buf()]);
    while let Some(dir) = stack.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                stack.push(path.clone());
            }
            all.push(path);
        }
    }
    all.sort();
    all
}

fn apply(root: &Path, step: &Step) {
    match step {
        Step::Put { path, node, mode, mtime } => {
            let at = clear(root, path);
            match node {
                Node::File { len, fill } => write_file(&at, *len, *fill),
                Node::Dir => fs::create_dir(&at).unwrap(),
                Node::Link(target) => symlink(OsStr::from_bytes(target), &at).unwrap(),
            }
            if !matches!(node, Node::Link(_)) {
                fs::set_permissions(&at, Permissions::from_mode(*mode)).unwrap();
            }
            set_mtime(&at, *mtime);
        }
        Step::Change { which, change } => {
            let all = everything(root);
            let Some(at) = all.get(which % all.len().max(1)) else { return };
            let meta = at.symlink_metadata().unwrap();
            match change {
                Change::Append(len) if meta.is_file() => {
                    OpenOptions::new().append(true).open(at).unwrap().write_all(&noise(7, *len)).unwrap();
                }
                Change::Truncate(part) if meta.is_file() => {
                    let len = meta.len() * u64::from(*part) / 256;
                    OpenOptions::new().write(true).open(at).unwrap().set_len(len).unwrap();
                }
                Change::EditMiddle(seed) if meta.is_file() => {
                    let mut file = OpenOptions::new().write(true).open(at).unwrap();
                    file.seek(SeekFrom::Start(meta.len() / 2)).unwrap();
                    file.write_all(&noise(*seed, 100)).unwrap();
                }
                Change::Delete => remove(at),
                Change::Rename(to) => {
                    let to_path = to.iter().fold(root.to_path_buf(), |p, name| p.join(OsStr::from_bytes(name)));
                    if !to_path.starts_with(at) && !at.starts_with(&to_path) && !blocked(root, to, at) {
                        let to = clear(root, to);
                        fs::rename(at, to).unwrap();
                    }
                }
                Change::Touch(secs, nanos) => set_mtime(at, (*secs, *nanos)),
                Change::Mode(mode) if !meta.is_symlink() => {
                    fs::set_permissions(at, Permissions::from_mode(*mode)).unwrap();
                }
                _ => {}
            }
        }
    }
}

/// Whether clearing the way to `to` would remove `at`.
fn blocked(root: &Path, to: &[Vec<u8>], at: &Path) -> bool {
    let mut on_the_way = root.to_path_buf();
    to.iter().any(|name| {
        on_the_way.push(OsString::from_vec(name.clone()));
        at == on_the_way
    })
}

fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 60, ..default }
}

/// Set-id bits are part of the trees here.
fn whole() -> TestEnv {
    TestEnv { metadata: true, ..TestEnv::with_vault() }
}

proptest! {
    #![proptest_config(config(12))]

    #[test]
    fn any_tree_and_any_change_comes_back(
        tree in prop::collection::vec(put(), 0..14),
        changes in prop::collection::vec(prop_oneof![3 => change(), 1 => put()], 1..10),
    ) {
        let env = whole();
        let (src, dst) = (env.path("src"), env.path("dst"));
        fs::create_dir(&src).unwrap();
        tree.iter().for_each(|step| apply(&src, step));
        let before = snapshot(&src);
        prop_assert_eq!(env.force_up(&src, "x/y").unwrap().failed, 0);
        prop_assert_eq!(&env.force_up(&src, "x/y").unwrap().commit, &None, "nothing has changed");
        prop_assert_eq!(env.force_down("x/y", &dst).unwrap().failed, 0);
        prop_assert_eq!(&snapshot(&dst), &before);
        prop_assert_eq!(&snapshot(&src), &before, "the source is only read");

        changes.iter().for_each(|step| apply(&src, step));
        let after = snapshot(&src);
        let up = env.force_up(&src, "x/y").unwrap();
        prop_assert_eq!(up.failed, 0, "{:?}", env.events.0.lock().unwrap());
        prop_assert_eq!(&env.force_up(&src, "x/y").unwrap().commit, &None, "nothing has changed");
        let down = env.force_down("x/y", &dst).unwrap();
        prop_assert_eq!(down.failed, 0, "{:?}", env.events.0.lock().unwrap());
        prop_assert_eq!(&snapshot(&dst), &after);
        env.assert_whole(true);
        env.assert_same(&src, "x/y");
        let fresh = env.path("fresh");
        env.force_down("x/y", &fresh).unwrap();
        prop_assert_eq!(&snapshot(&fresh), &after, "the vault alone is enough");
    }
}

proptest! {
    #![proptest_config(config(4))]

    /// However a tree came about, it has one root.
    #[test]
    fn a_root_depends_on_the_tree_alone(
        tree in prop::collection::vec(put(), 1..12),
        detour in prop::collection::vec(prop_oneof![change(), put()], 1..12),
    ) {
        let env = whole();
        let (src, other) = (env.path("src"), env.path("other"));
        for dir in [&src, &other] {
            fs::create_dir(dir).unwrap();
            tree.iter().for_each(|step| apply(dir, step));
        }
        // Directories made on the way have the time they were made at: give both trees the same.
        for dir in [&src, &other] {
            for path in everything(dir) {
                if path.symlink_metadata().unwrap().is_dir() {
                    set_mtime(&path, (1_500_000_000, 5));
                }
            }
        }
        prop_assert_eq!(snapshot(&src), snapshot(&other));
        env.force_up(&src, "").unwrap();
        let first = env.root_id();
        detour.iter().for_each(|step| apply(&other, step));
        let commit = env.force_up(&other, "").unwrap().commit;
        prop_assert_eq!(env.root_id() == first, commit.is_none());
        env.force_up(&src, "").unwrap();
        // Times of links are stored, but nobody copies a link for its time alone.
        if !everything(&src).iter().any(|path| path.is_symlink()) {
            prop_assert_eq!(env.root_id(), first);
        }
        env.assert_whole(true);
    }
}

fn exclude(pattern: &str) -> Filter {
    Filter::from_rules(vec![Rule::Exclude(pattern.into())]).unwrap()
}

fn filtered(env: &TestEnv, source: Place, dest: Place, pattern: &str) -> ops::SyncReport {
    let options = SyncOptions { filter: exclude(pattern), force: true, ..env.options(source, dest, true) };
    ops::sync(&env.ctx(), &options).unwrap()
}

fn names(root: &Path) -> Vec<String> {
    everything(root).iter().map(|path| path.strip_prefix(root).unwrap().display().to_string()).collect()
}

#[test]
fn a_filtered_sync_leaves_what_is_excluded_alone() {
    let env = whole();
    let (src, dst) = (env.path("src"), env.path("dst"));
    for (root, files) in
        [(&src, &["a/x.c", "a/x.o", "only/y.o", "k.c"][..]), (&dst, &["a/old.o", "gone/z.o", "gone/z.c"])]
    {
        for file in files {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), file).unwrap();
        }
    }
    env.up(&dst, "v").unwrap(); // so that the vault has old.o, gone/z.o and gone/z.c
    filtered(&env, Place::Local(src.clone()), env.place("v"), "*.o");
    let got = env.path("got");
    env.down("v", &got).unwrap();
    assert_eq!(names(&got), ["a", "a/old.o", "a/x.c", "gone", "gone/z.o", "k.c", "only"], "up");
    env.assert_whole(true);

    // Down again: what is excluded stays here, and does not come from there.
    filtered(&env, env.place("v"), Place::Local(src.clone()), "*.o");
    assert_eq!(names(&src), ["a", "a/x.c", "a/x.o", "gone", "k.c", "only", "only/y.o"], "down");
    assert_eq!(fs::read(src.join("a/x.o")).unwrap(), b"a/x.o");
}

/// A directory that holds something excluded can't become a file.
#[test]
fn what_is_excluded_is_not_lost_under_a_file() {
    let env = whole();
    let (src, dst) = (env.path("src"), env.path("dst"));
    for root in [&src, &dst] {
        fs::create_dir(root).unwrap();
        fs::create_dir(root.join("a")).unwrap();
        fs::write(root.join("a/keep.o"), "keep").unwrap();
        fs::write(root.join("a/go.c"), "go").unwrap();
    }
    env.up(&src, "v").unwrap();
    fs::remove_dir_all(src.join("a")).unwrap();
    fs::write(src.join("a"), "now a file").unwrap();
    let report = filtered(&env, Place::Local(src.clone()), env.place("v"), "*.o");
    assert_eq!(report.failed, 1);
    let got = env.path("got");
    env.down("v", &got).unwrap();
    assert_eq!(fs::read(got.join("a/keep.o")).unwrap(), b"keep");
    env.assert_whole(true);

    env.force_up(&src, "v").unwrap();
    let report = filtered(&env, env.place("v"), Place::Local(dst.clone()), "*.o");
    assert_eq!(report.failed, 1);
    assert_eq!(fs::read(dst.join("a/keep.o")).unwrap(), b"keep");
    assert_eq!(env.force_down("v", &dst).unwrap().failed, 0);
    assert_eq!(fs::read(dst.join("a")).unwrap(), b"now a file");
}

/// Takes one file away at the moment it is about to be read.
struct Vanish(PathBuf);

impl Observer for Vanish {
    fn event(&self, event: Event<'_>) {
        if let Event::Started { path, .. } = event
            && path.as_bytes() == b"vanishes"
        {
            fs::remove_file(&self.0).unwrap();
        }
    }
}

/// Nothing is deleted when a file failed, so nothing may take the place of a directory either.
#[test]
fn a_failed_file_leaves_a_whole_tree() {
    let env = whole();
    let src = env.path("src");
    fs::create_dir_all(src.join("a/sub")).unwrap();
    fs::write(src.join("a/sub/child"), "child").unwrap();
    fs::write(src.join("b"), "b").unwrap();
    age(&src);
    env.up(&src, "").unwrap();
    fs::remove_dir_all(src.join("a")).unwrap();
    fs::write(src.join("a"), "now a file").unwrap();
    fs::remove_file(src.join("b")).unwrap();
    fs::create_dir(src.join("b")).unwrap();
    fs::write(src.join("b/child"), "child").unwrap();
    fs::write(src.join("vanishes"), "x").unwrap();
    let observer = Vanish(src.join("vanishes"));
    let ctx = Ctx { observer: &observer, ..env.ctx() };
    let options = SyncOptions { force: true, ..env.options(Place::Local(src.clone()), env.place(""), true) };
    let report = ops::sync(&ctx, &options).unwrap();
    assert!(report.failed >= 1);
    let got = env.path("got");
    assert_eq!(env.down("", &got).unwrap().failed, 0, "{:?}", env.events.0.lock().unwrap());
    assert_eq!(names(&got), ["a", "a/sub", "a/sub/child", "b", "b/child"]);
    env.assert_whole(true);
    assert_eq!(env.force_up(&src, "").unwrap().failed, 0);
    env.force_down("", &got).unwrap();
    assert_eq!(snapshot(&got), snapshot(&src));
}
