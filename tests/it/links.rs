//! Hard links between files of one tree.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use cryptsync::ops::{self, Place, SyncOptions, Traits};

use crate::support::{TestEnv, age, snapshot};

fn inode(root: &Path, name: &str) -> u64 {
    fs::metadata(root.join(name)).unwrap().ino()
}

/// A tree in which `a/one`, `a/two` and `b/three` are one file, and another has its other name outside.
fn tree(env: &TestEnv) -> std::path::PathBuf {
    let src = env.path("src");
    fs::create_dir_all(src.join("a")).unwrap();
    fs::create_dir_all(src.join("b/deep")).unwrap();
    fs::write(src.join("a/one"), vec![7; 3000]).unwrap();
    fs::hard_link(src.join("a/one"), src.join("a/two")).unwrap();
    fs::hard_link(src.join("a/one"), src.join("b/deep/three")).unwrap();
    fs::write(src.join("other"), "other").unwrap();
    fs::hard_link(src.join("other"), env.path("outside")).unwrap();
    age(&src);
    src
}

#[test]
fn links_within_a_tree_come_back() {
    let env = TestEnv::with_vault();
    let src = tree(&env);
    env.up(&src, "d").unwrap();
    assert_eq!(env.up(&src, "d").unwrap().commit, None);
    let dst = env.path("dst");
    let report = env.down("d", &dst).unwrap();
    assert_eq!((report.files, report.failed), (4, 0));
    assert_eq!(snapshot(&src), snapshot(&dst));
    assert_eq!(inode(&dst, "a/one"), inode(&dst, "a/two"));
    assert_eq!(inode(&dst, "a/one"), inode(&dst, "b/deep/three"));
    assert_eq!(fs::metadata(dst.join("other")).unwrap().nlink(), 1);
    let again = env.down("d", &dst).unwrap();
    assert_eq!((again.files, again.updated), (0, 0));
    assert_eq!(env.up(&dst, "d").unwrap().commit, None, "and back");
    // A part of the tree: the first name is elsewhere.
    let part = env.path("part");
    env.down("d/b", &part).unwrap();
    assert_eq!(fs::read(part.join("deep/three")).unwrap(), vec![7; 3000]);
    assert_eq!(env.down("d/b", &part).unwrap().files, 0);
}

#[test]
fn links_are_made_and_broken_as_the_vault_has_them() {
    let env = TestEnv::with_vault();
    let src = tree(&env);
    env.up(&src, "d").unwrap();
    let dst = env.path("dst");
    env.down("d", &dst).unwrap();
    // One of three becomes a file of its own.
    fs::remove_file(src.join("a/two")).unwrap();
    fs::write(src.join("a/two"), "another").unwrap();
    env.up(&src, "d").unwrap();
    assert_eq!(env.down("d", &dst).unwrap().files, 1);
    assert_eq!(fs::read(dst.join("a/two")).unwrap(), b"another");
    assert_eq!(fs::read(dst.join("a/one")).unwrap(), vec![7; 3000], "its old names are not touched");
    assert_eq!(inode(&dst, "a/one"), inode(&dst, "b/deep/three"));
    // All names change together.
    fs::write(src.join("a/one"), "all of them").unwrap();
    env.up(&src, "d").unwrap();
    env.down("d", &dst).unwrap();
    assert_eq!(fs::read(dst.join("b/deep/three")).unwrap(), b"all of them");
    assert_eq!(inode(&dst, "a/one"), inode(&dst, "b/deep/three"));
    // Same content, no longer one file: the destination's link goes.
    fs::copy(src.join("a/one"), src.join("b/deep/copy")).unwrap();
    fs::rename(src.join("b/deep/copy"), src.join("b/deep/three")).unwrap();
    age(&src);
    env.up(&src, "d").unwrap();
    env.down("d", &dst).unwrap();
    assert_ne!(inode(&dst, "a/one"), inode(&dst, "b/deep/three"));
    assert_eq!(snapshot(&src), snapshot(&dst));
    // And is made again, over files that are there.
    fs::remove_file(src.join("b/deep/three")).unwrap();
    fs::hard_link(src.join("a/one"), src.join("b/deep/three")).unwrap();
    env.up(&src, "d").unwrap();
    env.down("d", &dst).unwrap();
    assert_eq!(inode(&dst, "a/one"), inode(&dst, "b/deep/three"));
    // The first name goes: another one is the first.
    fs::hard_link(src.join("a/one"), src.join("z")).unwrap();
    fs::remove_file(src.join("a/one")).unwrap();
    env.up(&src, "d").unwrap();
    env.down("d", &dst).unwrap();
    assert_eq!(inode(&dst, "z"), inode(&dst, "b/deep/three"));
    assert_eq!(snapshot(&src), snapshot(&dst));
    assert_eq!(env.down("d", &dst).unwrap().files, 0);
}

#[test]
fn where_there_are_no_hard_links_files_are_files() {
    let env = TestEnv::with_vault();
    let src = tree(&env);
    env.up(&src, "d").unwrap();
    let dst = env.path("dst");
    let none = Traits { hard_links: false, ..Traits::default() };
    let sync = |source, dest| {
        let options = SyncOptions { traits: Some(none.clone()), ..env.options(source, dest, true) };
        ops::sync(&env.ctx(), &options).unwrap()
    };
    for name in ["a/one", "a/two", "b/deep/three"] {
        fs::create_dir_all(dst.join(name).parent().unwrap()).unwrap();
        fs::write(dst.join(name), vec![7; 3000]).unwrap();
    }
    sync(env.place("d"), Place::Local(dst.clone()));
    assert_eq!(sync(env.place("d"), Place::Local(dst.clone())).files, 0);
    let there = env.path("there");
    env.down("d", &there).unwrap();
    for name in ["a/two", "b/deep/three"] {
        // A copy that lost its links, on a file system that has none.
        fs::copy(there.join(name), there.join("copy")).unwrap();
        fs::rename(there.join("copy"), there.join(name)).unwrap();
        crate::support::age(&there.join(name));
    }
    for path in ["a/one", "a/two", "b/deep/three"] {
        let time = fs::metadata(src.join("a/one")).unwrap().modified().unwrap();
        fs::File::options().write(true).open(there.join(path)).unwrap().set_modified(time).unwrap();
    }
    sync(Place::Local(there.clone()), env.place("d"));
    let back = env.path("back");
    env.down("d", &back).unwrap();
    assert_eq!(inode(&back, "a/one"), inode(&back, "b/deep/three"), "the vault has kept them");
}
