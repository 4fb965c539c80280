//! File systems without locks, as some network ones are: the kernel answers `flock` as they do.

use std::collections::BTreeMap;
use std::fs;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

use crate::support::cli::{Cli, contents, skipped};

/// Runs something whose children have no `flock`: it fails for them with ENOLCK. `None` if this system can't do that.
fn without_flock<T: Send>(run: impl FnOnce() -> T + Send) -> Option<T> {
    let refused = SeccompAction::Errno(rustix::io::Errno::NOLCK.raw_os_error() as u32);
    let flock = if cfg!(target_arch = "aarch64") { 32 } else { 73 };
    let filter = SeccompFilter::new(
        BTreeMap::from([(flock, Vec::new())]),
        SeccompAction::Allow,
        refused,
        std::env::consts::ARCH.try_into().ok()?,
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    std::thread::scope(|scope| {
        let limited = scope.spawn(move || apply_filter(&program).is_ok().then(run));
        let ran = limited.join().unwrap();
        if ran.is_none() {
            skipped("this system does not let a test answer for the kernel (seccomp)");
        }
        ran
    })
}

#[test]
fn without_locks_nothing_is_written_but_by_ephemeral_runs() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    let src = cli.path("src");
    fs::create_dir(&src).unwrap();
    fs::write(src.join("a"), "a").unwrap();
    let src_text = src.to_str().unwrap();
    home.ok(["sync", src_text, "v:"]);
    fs::write(src.join("b"), "b").unwrap();
    let before = contents(&cli.path("vault"));
    let done = without_flock(|| {
        for args in [&["sync", src_text, "v:"][..], &["mkdir", "v:dir"], &["key", "rotate", "v:"], &["rm", "v:a"]] {
            home.run(args).fails(1, &["has no locks", "--state-dir", "--ephemeral"]);
        }
        assert!(contents(&cli.path("vault")) == before, "nothing was written");
        assert_eq!(home.ok(["cat", "v:a"]).text(), "a");
        home.ok(["verify", "v:"]);
        home.ok(["copy", "v:", cli.path("dest").to_str().unwrap()]);
        assert_eq!(contents(&cli.path("dest")).len(), 1);
        home.ok(["sync", "--ephemeral", src_text, "v:"]);
    });
    if done.is_some() {
        assert_eq!(home.ok(["lsf", "v:"]).text(), "a\nb\n");
        home.ok(["sync", src_text, "v:"]);
        home.ok(["verify", "--read-data", "v:"]);
    }
}
