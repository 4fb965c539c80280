//! Small trees: made from a seed, written to a directory, read back, compared.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::rng::Rng;

/// Paths below the root and what is there. Directories of everything are there too.
pub type Tree = BTreeMap<String, Node>;

/// An entry of a tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub kind: Kind,
    /// Seconds and nanoseconds.
    pub mtime: (i64, u32),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    File { content: String, executable: bool },
    Dir,
    Link(String),
}

/// What a tree may hold.
#[derive(Clone, Copy)]
pub struct Style {
    pub links: bool,
    /// The moment that ages are counted from, in seconds.
    pub now: i64,
}

/// A tree of a few entries.
pub fn generate(rng: &mut Rng, style: Style) -> Tree {
    let mut tree = Tree::new();
    let mut dirs = vec![String::new()];
    for _ in 0..rng.below(5) {
        let path = join(&rng.pick(&dirs), rng.pick(DIRS));
        if path.matches('/').count() < 4 {
            tree.insert(path.clone(), Node { kind: Kind::Dir, mtime: time(rng, style) });
            dirs.push(path);
        }
    }
    for _ in 0..rng.below(9) {
        let path = join(&rng.pick(&dirs), rng.pick(FILES));
        tree.entry(path).or_insert_with(|| leaf(rng, style));
    }
    tree
}

/// Another tree that has much in common with this one.
pub fn variation(rng: &mut Rng, tree: &Tree, style: Style) -> Tree {
    let mut other = Tree::new();
    for (path, node) in tree {
        match rng.below(12) {
            0 | 1 => {}
            2 => drop(other.insert(path.clone(), Node { mtime: time(rng, style), ..node.clone() })),
            3 | 4 if node.kind != Kind::Dir => {
                // The same size and time, and other content, now and then.
                let mut fresh = leaf(rng, style);
                if let (Kind::File { content, .. }, Kind::File { content: new, .. }) = (&node.kind, &mut fresh.kind)
                    && rng.chance(50)
                {
                    *new = content.chars().map(|c| if c == 'a' { 'b' } else { 'a' }).collect();
                    fresh.mtime = if rng.chance(60) { node.mtime } else { fresh.mtime };
                }
                other.insert(path.clone(), fresh);
            }
            5 if rng.chance(12) => {
                let clash = if node.kind == Kind::Dir { leaf(rng, style) } else { dir(rng, style) };
                other.insert(path.clone(), clash);
            }
            6 if node.kind != Kind::Dir && rng.chance(50) => {
                let name = rng.pick(FILES);
                let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                other.insert(join(parent, name), node.clone());
            }
            7 => drop(other.insert(path.clone(), Node { mtime: nearly(rng, node.mtime), ..node.clone() })),
            _ => drop(other.insert(path.clone(), node.clone())),
        }
    }
    if rng.chance(60) {
        for (path, node) in generate(rng, style).into_iter().take(3) {
            other.entry(path).or_insert(node);
        }
    }
    whole(&mut other, rng, style);
    other
}

/// Makes every directory that is needed, and drops what is below a file.
fn whole(tree: &mut Tree, rng: &mut Rng, style: Style) {
    for path in tree.keys().cloned().collect::<Vec<_>>() {
        let above = path.match_indices('/').map(|(at, _)| path[..at].to_owned()).collect::<Vec<_>>();
        for parent in above {
            tree.entry(parent.clone()).or_insert_with(|| dir(rng, style));
            if tree[&parent].kind != Kind::Dir {
                tree.remove(&path);
                break;
            }
        }
    }
}

fn dir(rng: &mut Rng, style: Style) -> Node {
    Node { kind: Kind::Dir, mtime: time(rng, style) }
}

fn leaf(rng: &mut Rng, style: Style) -> Node {
    let mtime = time(rng, style);
    if style.links && rng.chance(25) {
        let target = rng.pick(&["a", "file.txt", "nowhere", "../a", "d"]);
        return Node { kind: Kind::Link(target.to_owned()), mtime };
    }
    let len = rng.pick(&[0, 1, 3, 3, 7, 100, 511, 513, 1024, 1500, 3000]);
    let content = match rng.below(3) {
        0 => "a".repeat(len),
        1 => "ab\n".repeat(len / 3),
        _ => (0..len).map(|_| rng.pick(&['a', 'b', 'c', '\n'])).collect(),
    };
    Node { kind: Kind::File { content, executable: rng.chance(15) }, mtime }
}

/// Times far from every limit that a filter may set.
fn time(rng: &mut Rng, style: Style) -> (i64, u32) {
    let ago = |secs: i64| style.now - secs;
    let secs = match rng.below(10) {
        0 => ago(1800),
        1 => ago(12 * 3600),
        2 => ago(3 * DAY),
        3 => ago(20 * DAY),
        4 => ago(200 * DAY),
        5 => 790_000_000,
        6 => 1_500_000_001,
        _ => 1_600_000_000 + rng.below(3) as i64,
    };
    (secs, rng.pick(&[0, 0, 0, 400_000_000, 123_456_789]))
}

fn nearly(rng: &mut Rng, (secs, nanos): (i64, u32)) -> (i64, u32) {
    match rng.below(3) {
        0 => (secs + 1, nanos),
        1 => (secs - 3600, nanos),
        _ => (secs, (nanos + 1000) % 1_000_000_000),
    }
}

fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

/// Writes a tree into a directory that is not there yet.
pub fn write(tree: &Tree, root: &Path) {
    fs::create_dir_all(root).unwrap();
    for (path, node) in tree {
        let at = root.join(path);
        match &node.kind {
            Kind::Dir => fs::create_dir(&at).unwrap(),
            Kind::Link(target) => symlink(target, &at).unwrap(),
            Kind::File { content, executable } => {
                fs::write(&at, content).unwrap();
                let mode = if *executable { 0o755 } else { 0o644 };
                fs::set_permissions(&at, fs::Permissions::from_mode(mode)).unwrap();
            }
        }
    }
    for (path, node) in tree.iter().rev() {
        let time = Timespec { tv_sec: node.mtime.0, tv_nsec: node.mtime.1.into() };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, root.join(path), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

/// Reads a tree; `None` if there is nothing at `root`.
pub fn read(root: &Path) -> Option<Tree> {
    root.symlink_metadata().ok()?;
    let mut tree = Tree::new();
    for path in crate::support::cli::walk(root).into_iter().skip(1) {
        let meta = path.symlink_metadata().unwrap();
        let kind = if meta.is_dir() {
            Kind::Dir
        } else if meta.is_symlink() {
            Kind::Link(fs::read_link(&path).unwrap().to_string_lossy().into_owned())
        } else {
            let content = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            Kind::File { content, executable: meta.mode() & 0o100 != 0 }
        };
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        tree.insert(name, Node { kind, mtime: (meta.mtime(), meta.mtime_nsec() as u32) });
    }
    Some(tree)
}

const DAY: i64 = 86_400;
const DIRS: &[&str] = &["d", "d", "sub", "dir one", "d.e", ".git", "Ä", "[x]", "D"];
const FILES: &[&str] = &[
    "a",
    "a",
    "b",
    "file.txt",
    "file.txt",
    "other.txt",
    "with space.txt",
    "ünï.txt",
    "[x].txt",
    "star*.md",
    "q?.md",
    "{b,r}.txt",
    ".hidden",
    "UP.TXT",
    "a.b.tar.gz",
    "x.jpg",
    "a.json",
    ".ignore",
    "~tilde",
    "#hash",
    "-dash",
    "d",
];
