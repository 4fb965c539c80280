//! Trees into a vault and back.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

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
