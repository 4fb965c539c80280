//! A writer who holds keys and means harm: everything is sealed and signed, but the tree is poison.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use cryptsync::format::entry::{Content, Entry, EntryKind};
use cryptsync::history::builder::TreeBuilder;
use cryptsync::id::{BlobId, VaultId};
use cryptsync::vault::{Asker, CommitInfo, OpenOptions, Published, RemoteIo, Session, SessionOptions, Vault};
use cryptsync::world::{Cancel, World};
use cryptsync_backends::services::Fs;

use crate::support::cli::{Cli, Machine, contents};

struct Nobody;

impl Asker for Nobody {
    fn password(&self, _: &str) -> io::Result<zeroize::Zeroizing<String>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn confirm_vault(&self, _: &str, _: &VaultId) -> Option<bool> {
        None
    }
}

/// Publishes a tree of these keys and entries, whatever they are.
fn publish(machine: &Machine, entries: &[(Vec<u8>, Entry)]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let remote = Arc::new(Fs::open(machine.root.clone()));
    let io = RemoteIo::new(remote, runtime.handle().clone(), Cancel::default());
    let options = OpenOptions {
        world: World::system(),
        state_dir: &machine.state_dir(),
        ephemeral: false,
        cache_dir: &machine.cache_dir(),
        vault_id: None,
        memory: 16 << 20,
        asker: &Nobody,
        demands: Default::default(),
    };
    let vault = Arc::new(Vault::open(io, &options).unwrap());
    let options = SessionOptions { pack_target: 1 << 20, packs: 4, uploads: 1, compression: None };
    let mut session = Session::begin(Arc::clone(&vault), options).unwrap();
    let base = vault.root().unwrap();
    let info = CommitInfo { operation: "nothing unusual".into() };
    let published = session.commit(base.as_ref(), &info, &mut |writer| {
        let mut tree = TreeBuilder::new(writer);
        for (key, entry) in entries {
            tree.push(key, entry, None)?;
        }
        tree.finish()
    });
    assert!(matches!(published.unwrap(), Published::Commit(_)));
}

fn key(dirs: &[&[u8]], name: &[u8]) -> Vec<u8> {
    let mut key: Vec<u8> = dirs.iter().flat_map(|dir| [&[0, 2], *dir].concat()).collect();
    key.extend([0, 1]);
    key.extend(name);
    key
}

fn entry(kind: EntryKind, size: u64, content: Content) -> Entry {
    Entry { kind, size, mtime: Default::default(), mode: Some(0o777), content, attributes: Vec::new() }
}

fn file() -> Entry {
    entry(EntryKind::File, 5, Content::Inline(b"owned"[..].into()))
}

#[test]
fn a14_no_path_leaves_its_root() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    let long = [b'n'; 256];
    let (outside, dest, src) = (cli.path("outside"), cli.path("outside/dest"), cli.path("src"));
    for dir in [&outside, &dest, &src] {
        fs::create_dir(dir).unwrap();
    }
    fs::write(outside.join("precious"), "precious").unwrap();
    let keys = [
        key(&[], b".."),
        key(&[b".."], b"precious"),
        key(&[b"a", b".."], b"precious"),
        key(&[], b"../precious"),
        key(&[], outside.join("precious").as_os_str().as_encoded_bytes()),
        key(&[], b"."),
        key(&[], b""),
        key(&[b""], b"x"),
        key(&[], b"a\0b"),
        key(&[], &long),
        b"\x00\x03x".to_vec(),
        b"plain".to_vec(),
    ];
    let before = contents(&outside);
    let (dest, src) = (dest.to_str().unwrap(), src.to_str().unwrap());
    for key in keys {
        publish(&home, &[(key.clone(), file())]);
        let runs: [&[&str]; 6] = [
            &["lsf", "-R", "v:"],
            &["ls", "v:"],
            &["cat", "v:"],
            &["copy", "v:", dest],
            &["sync", "v:", dest, "--force"],
            &["check", src, "v:"],
        ];
        for args in runs {
            let run = home.run(args);
            // What does not even begin like a key lies in no directory, so only `verify` comes across it.
            let refused = run.code == 27 || !key.starts_with(&[0]) && run.code == 0;
            assert!(refused && run.stdout.is_empty(), "{key:?} {args:?}: {} {}", run.code, run.stderr);
        }
        assert_eq!(home.run(["verify", "v:"]).code, 27, "{key:?}");
        assert_eq!(before, contents(&outside), "{key:?}");
    }
    // Whoever overwrites the poison is rid of it.
    fs::write(cli.path("src/good"), "good").unwrap();
    let cured = home.run(["sync", src, "v:", "--force"]);
    assert!([0, 27].contains(&cured.code), "{}", cured.stderr);
}

#[test]
fn a14_no_link_is_followed() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    let (outside, dest) = (cli.path("outside"), cli.path("dest"));
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "precious").unwrap();
    let before = contents(&outside);
    let target = outside.as_os_str().as_encoded_bytes();
    let link = entry(EntryKind::Symlink, 0, Content::Link(target.into()));
    // A link, and a file below it.
    publish(&home, &[(key(&[], b"a"), link.clone()), (key(&[b"a"], b"precious"), file())]);
    let dest_text = dest.to_str().unwrap();
    for verb in ["copy", "sync"] {
        let run = home.run([verb, "v:", dest_text]);
        assert!(run.code != 0, "{verb}: {}", run.stderr);
        assert_eq!(before, contents(&outside), "{verb}");
    }
    // A link that is there already, where the vault has a directory.
    fs::remove_dir_all(&dest).unwrap_or_default();
    fs::create_dir(&dest).unwrap();
    symlink(&outside, dest.join("a")).unwrap();
    let dir = entry(EntryKind::Dir, 0, Content::None);
    publish(&home, &[(key(&[], b"a"), dir), (key(&[b"a"], b"precious"), file())]);
    assert_ne!(home.run(["copy", "v:", dest_text]).code, 0);
    assert_eq!(before, contents(&outside));
    home.ok(["sync", "v:", dest_text]);
    assert_eq!(before, contents(&outside));
    assert_eq!(fs::read(dest.join("a/precious")).unwrap(), b"owned");
    // A link where the vault has a file: replaced, not written through.
    fs::remove_dir_all(&dest).unwrap();
    fs::create_dir(&dest).unwrap();
    symlink(outside.join("precious"), dest.join("f")).unwrap();
    publish(&home, &[(key(&[], b"f"), file())]);
    home.ok(["sync", "v:", dest_text]);
    assert_eq!(before, contents(&outside));
    assert!(!dest.join("f").symlink_metadata().unwrap().is_symlink());
}

#[test]
fn content_that_is_not_what_the_tree_says() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    fs::write(cli.path("small"), [7; 2_000]).unwrap();
    home.ok(["copy", cli.path("small").to_str().unwrap(), "v:"]);
    let missing = BlobId::new([9; 32]);
    for (content, size, code) in
        [(Content::Chunk(missing), 2_000, 24), (Content::List(missing), 1 << 60, 24), (Content::List(missing), 600, 24)]
    {
        publish(&home, &[(key(&[], b"f"), entry(EntryKind::File, size, content))]);
        home.run(["cat", "v:f"]).fails(code, &["missing"]);
        let dest = cli.path("dest");
        home.run(["copy", "v:", dest.to_str().unwrap()]).fails(code, &["missing"]);
        assert!(contents(&dest).is_empty());
        assert_eq!(home.run(["verify", "v:"]).code, code);
    }
}
