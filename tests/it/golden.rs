//! Vaults as released versions wrote them. Every later version opens each of them and reads exactly what was stored.
//!
//! `make_golden` writes a new one, once, when a format is released; a directory that is there is never made again.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cryptsync::ops;
use cryptsync::path::TreePath;
use cryptsync::transfer::{
    Comparison, Deadline, Kept, LocalContents, Plan, PlanOptions, Replace, Upload, VaultSide, Walk, base_root,
    commit_edits,
};
use cryptsync::vault::{CommitInfo, Published, Session, SessionOptions};
use cryptsync::world::Timestamp;

use crate::support::{TestEnv, noise};

/// Every format that was ever released, with its directory.
const RELEASED: &[&str] = &["v1"];

pub fn golden(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(version)
}

/// What is seen of a restored tree, a line each: the golden directory holds it as text.
pub fn manifest(root: &Path) -> String {
    let mut lines = BTreeMap::new();
    let mut stack = vec![root.to_path_buf()];
    while let Some(dir) = stack.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let what = if meta.is_symlink() {
                format!("link {}", fs::read_link(&path).unwrap().as_os_str().as_bytes().escape_ascii())
            } else {
                let time = format!("{:04o} {}.{:09}", meta.mode() & 0o7777, meta.mtime(), meta.mtime_nsec());
                if meta.is_dir() {
                    stack.push(path.clone());
                    format!("dir {time}")
                } else {
                    format!("file {time} {} {}", meta.len(), blake3::hash(&fs::read(&path).unwrap()))
                }
            };
            lines.insert(path.strip_prefix(root).unwrap().as_os_str().as_bytes().escape_ascii().to_string(), what);
        }
    }
    lines.iter().map(|(path, what)| format!("{path}\t{what}\n")).collect()
}

pub fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn every_released_format_is_read() {
    for version in RELEASED {
        let dir = golden(version);
        let mut env = TestEnv::new();
        env.password = fs::read_to_string(dir.join("password")).unwrap().trim_end().to_owned();
        env.yes = Some(true);
        copy_dir(&dir.join("vault"), &env.path("vault"));
        env.assert_whole(true);
        let restored = env.path("restored");
        assert_eq!(env.down("", &restored).unwrap().failed, 0);
        assert_eq!(manifest(&restored), fs::read_to_string(dir.join("manifest")).unwrap(), "{version}");
        let log = ops::log(&env.ctx(), &env.remote(), 10).unwrap();
        assert_eq!(log.len(), 3, "{version}");
        let status = ops::status(&env.ctx(), &env.remote()).unwrap();
        assert_eq!(status.vault_id, fs::read_to_string(dir.join("vault-id")).unwrap().trim_end(), "{version}");
        // The recovery words open it too, on a machine that knows nothing.
        env.password = fs::read_to_string(dir.join("words")).unwrap().trim_end().to_owned();
        let options = env.options(env.place("deep"), ops::Place::Local(env.path("by-words")), true);
        assert_eq!(ops::sync(&env.ctx_at("words-home"), &options).unwrap().failed, 0, "{version}");
        // It can be gone on with.
        fs::write(restored.join("new"), "new").unwrap();
        assert!(env.up(&restored, "").unwrap().commit.is_some(), "{version}");
        env.assert_whole(true);
    }
}

/// Bytes that compress to nearly nothing.
fn steps(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n / 5000) as u8 | 1).collect()
}

/// A sync that goes to packs however small it is.
fn up_in_packs(env: &TestEnv, src: &Path) {
    let opened = env.open();
    let vault = Arc::new(opened.vault);
    let base = base_root(&vault).unwrap();
    let (kept, suspects, root) = (Kept::default(), HashSet::new(), TreePath::root());
    let options = PlanOptions {
        delete: true,
        replace: Replace::Both,
        compare: &Comparison::default(),
        contents: &LocalContents::new(&vault, src, false, true, false),
        threads: 1,
        leaves: None,
        leaves_older: false,
        empty_dirs: true,
        keep_old: false,
        beside: false,
        elsewhere: None,
        rows: None,
        scan_start: Timestamp::default(),
        suspects: &suspects,
        prefix: &root,
        kept: &kept,
        local: None,
        observer: &env.events,
    };
    let walk = Walk::open(src, Arc::default(), true).unwrap();
    let side = VaultSide::open(&vault, base.as_ref(), &root, Arc::default(), true).unwrap();
    let mut plan = Plan::make(walk, side, &options).unwrap();
    let settings = SessionOptions { pack_target: 8 << 10, packs: 4, uploads: 1, compression: Some(3) };
    let mut session = Session::begin(Arc::clone(&vault), settings).unwrap();
    let deadline = Deadline::after(&env.ctx().world.clock, None, true);
    let upload = Upload {
        session: &session,
        root: src.to_owned(),
        single: None,
        follows: false,
        prefix: root.clone(),
        moving: false,
        deadline: &deadline,
        observer: &env.events,
        budget: 16 << 20,
        threads: (1, 1),
        traits: &cryptsync::transfer::Traits::default(),
        scan_start: vault.world.clock.now(),
        suspects: &suspects,
    };
    let mut uploaded = upload.run(&mut plan).unwrap();
    let info = CommitInfo { operation: "packs".into() };
    let published = commit_edits(&mut session, base.as_ref(), &[], &mut uploaded, true, &info).unwrap();
    assert!(matches!(published, Published::Commit(_)));
}

#[test]
#[ignore = "writes the golden vault of a new format"]
fn make_golden() {
    use std::ffi::OsStr;
    let dir = golden("v1");
    assert!(!dir.exists(), "golden vaults are made once");
    let env = TestEnv::new();
    let report = ops::init(
        &env.ctx(),
        &ops::InitOptions {
            remote: env.remote(),
            device_label: "golden".into(),
            kdf: (64 << 10, 3, 1),
            password_role: ops::Role::Admin,
            recovery_file: Some(env.path("words")),
        },
    )
    .unwrap();
    let src = env.path("src");
    fs::create_dir_all(src.join("empty")).unwrap();
    fs::create_dir_all(src.join("deep/er/and/deeper")).unwrap();
    fs::write(src.join("zero"), "").unwrap();
    fs::write(src.join("inline"), noise(1, 512)).unwrap();
    fs::write(src.join("chunk"), noise(2, 513)).unwrap();
    fs::write(src.join("deep/er/and/deeper/file"), "below").unwrap();
    fs::write(src.join(OsStr::from_bytes(b"\xff not utf-8\n")), "odd").unwrap();
    fs::write(src.join("\u{fc}ml\u{e4}ut"), "accents").unwrap();
    symlink("deep/er", src.join("link")).unwrap();
    symlink(OsStr::from_bytes(b"/nowhere/\xfe"), src.join("dangling")).unwrap();
    fs::set_permissions(src.join("chunk"), fs::Permissions::from_mode(0o750)).unwrap();
    fs::set_permissions(src.join("empty"), fs::Permissions::from_mode(0o1777)).unwrap();
    crate::support::age(&src);
    env.up(&src, "").unwrap(); // a bundle
    let mut list = steps(5 << 20); // a chunk list with a hole in it
    list.extend(vec![0; 2 << 20]);
    list.extend(steps(300_000));
    fs::write(src.join("list"), list).unwrap();
    fs::write(src.join("incompressible"), noise(3, 40_000)).unwrap();
    let sparse = fs::File::create(src.join("sparse")).unwrap();
    sparse.set_len(10 << 20).unwrap();
    for n in 0..220 {
        fs::write(src.join(format!("deep/er/{n:04}")), format!("{n:04}").repeat(125)).unwrap(); // a tree of two levels
    }
    crate::support::age(&src);
    up_in_packs(&env, &src);
    fs::remove_file(src.join("zero")).unwrap();
    env.up(&src, "").unwrap();
    env.assert_whole(true);

    let restored = env.path("restored");
    env.down("", &restored).unwrap();
    assert_eq!(manifest(&restored), manifest(&src));
    copy_dir(&env.path("vault"), &dir.join("vault"));
    fs::write(dir.join("manifest"), manifest(&restored)).unwrap();
    fs::write(dir.join("password"), format!("{}\n", env.password)).unwrap();
    fs::write(dir.join("vault-id"), format!("{}\n", report.vault_id)).unwrap();
    fs::copy(env.path("words"), dir.join("words")).unwrap();
}
