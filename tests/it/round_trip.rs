//! Trees into a vault and back.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use cryptsync::class::Class;
use cryptsync::ops;

use crate::support::{TestEnv, age, snapshot};

#[test]
fn a_tree_comes_back_as_it_was() {
    let env = TestEnv::with_vault();
    let src = env.path("src");
    fs::create_dir_all(src.join("a/b/c")).unwrap();
    fs::create_dir(src.join("empty")).unwrap();
    fs::write(src.join("zero"), b"").unwrap();
    fs::write(src.join("tiny"), b"hello").unwrap();
    fs::write(src.join("a/small"), vec![7u8; 10_000]).unwrap();
    fs::write(
        src.join("a/b/large"),
        (0..5_000_000u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect::<Vec<u8>>(),
    )
    .unwrap();
    symlink("../tiny", src.join("a/link")).unwrap();
    fs::set_permissions(src.join("a/small"), fs::Permissions::from_mode(0o640)).unwrap();
    let sparse = fs::File::create(src.join("sparse")).unwrap();
    sparse.set_len(50 << 20).unwrap();

    age(&src);
    let report = env.up(&src, "docs").unwrap();
    assert_eq!((report.files, report.failed), (5, 0));
    let dst = env.path("dst");
    env.down("docs", &dst).unwrap();
    assert_eq!(snapshot(&src), snapshot(&dst));
    assert_eq!(env.cat("docs/tiny").unwrap(), b"hello");

    let again = env.up(&src, "docs").unwrap();
    assert_eq!((again.files, again.commit, again.requests), (0, None, 1), "nothing to do: one listing");
}

#[test]
fn the_recovery_words_open_the_vault_on_a_new_machine() {
    let mut env = TestEnv::new();
    let report = env.init().unwrap();
    let src = env.path("src");
    fs::create_dir(&src).unwrap();
    fs::write(src.join("f"), b"content").unwrap();
    env.up(&src, "").unwrap();

    let read = |env: &TestEnv, home: &str| {
        let mut out = Vec::new();
        ops::cat(&env.ctx_at(home), &[env.place("f")], &ops::CatOptions::default(), &mut out).map(|()| out)
    };
    env.yes = Some(true); // the first contact is confirmed
    env.password = report.words.unwrap().to_uppercase();
    assert_eq!(read(&env, "new").unwrap(), b"content");
    env.password = env.password.to_lowercase().split(' ').rev().collect::<Vec<_>>().join(" ");
    let wrong = read(&env, "newer").unwrap_err();
    assert_eq!(wrong.class, Class::NoKey);
    assert!(wrong.chain[0].contains("recovery words"), "{wrong:?}");
}

#[test]
fn the_vault_is_no_destination_of_its_own() {
    let env = TestEnv::with_vault();
    fs::create_dir(env.path("src")).unwrap();
    fs::write(env.path("src/file"), b"1").unwrap();
    env.up(&env.path("src"), "docs").unwrap();
    fs::create_dir(env.path("around")).unwrap();
    symlink(env.path("vault"), env.path("around/link")).unwrap();
    let before = snapshot(&env.path("vault"));
    for dest in ["vault", "vault/new/dir", "around/link", "around/link/new", "."] {
        let error = env.down("docs", &env.path(dest)).unwrap_err();
        assert!(error.chain[0].contains("vault itself"), "{dest}: {error:?}");
    }
    assert_eq!(snapshot(&env.path("vault")), before);
    env.down("docs", &env.path("beside")).unwrap();
}

#[test]
fn what_is_too_deep_is_told_and_left_out() {
    let env = TestEnv::with_vault();
    let src = env.path("src");
    fs::create_dir(&src).unwrap();
    fs::write(src.join("file"), b"1").unwrap();
    fs::create_dir_all(src.join(["d"; 1024].join("/"))).unwrap();
    let report = env.up(&src, "a/b").unwrap();
    assert_eq!((report.files, report.failed), (1, 2), "{:?}", env.events.0.lock().unwrap());
    assert_eq!(env.cat("a/b/file").unwrap(), b"1");
}
