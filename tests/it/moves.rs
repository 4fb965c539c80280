//! A move that goes wrong loses nothing: what has not arrived stays where it was.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::support::cli::{Cli, Machine, contents, files, noise};

/// The content of one file can't be read from the vault: the source keeps all that was not written, and what was is whole.
#[test]
fn a_download_that_fails_leaves_the_source() {
    let (cli, machine) = place();
    fs::write(cli.path("src/large"), noise(1, 300_000)).unwrap();
    machine.ok(["copy", text(&cli, "src").as_str(), "v:src"]);
    let before = machine.ok(["lsf", "-R", "v:src"]).text();
    let packs: Vec<_> =
        files(&machine.root).into_iter().map(|path| machine.root.join(path)).filter(|path| is_large(path)).collect();
    assert!(!packs.is_empty());
    for pack in &packs {
        fs::rename(pack, pack.with_extension("away")).unwrap();
    }
    let ran = machine.run(["move", "v:src", &text(&cli, "out")]);
    assert_ne!(ran.code, 0, "{}", ran.stderr);
    for pack in &packs {
        fs::rename(pack.with_extension("away"), pack).unwrap();
    }
    let after = machine.ok(["lsf", "-R", "v:src"]).text();
    assert!(after.contains("large") && after.lines().all(|line| before.contains(line)), "{after}");
    machine.ok(["move", "v:src", &text(&cli, "out")]);
    assert_eq!(contents(&cli.path("out")), contents(&cli.path("src")));
}

/// One file can't be written: it alone stays in the vault.
#[test]
fn what_can_not_be_written_stays_in_the_vault() {
    for compat in ["--rclone-compat", "-v"] {
        let (cli, machine) = place();
        machine.ok(["copy", text(&cli, "src").as_str(), "v:src"]);
        fs::create_dir(cli.path("out")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, cli.path("out/d"), rustix::fs::Mode::RWXU).unwrap();
        let ran = machine.run(["move", compat, "v:src", &text(&cli, "out")]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert_eq!(fs::read(cli.path("out/a")).unwrap(), b"abc");
        assert_eq!(machine.ok(["lsf", "-R", "--files-only", "v:src"]).text(), "d/b\n", "{compat}");
    }
}

/// A link that is followed goes, what it points to stays.
#[test]
fn a_followed_link_goes_and_its_target_stays() {
    for compat in ["--rclone-compat", "-v"] {
        let (cli, machine) = place();
        fs::write(cli.path("single"), "outside").unwrap();
        fs::create_dir(cli.path("beside")).unwrap();
        fs::write(cli.path("beside/file"), "below").unwrap();
        symlink("../single", cli.path("src/link")).unwrap();
        symlink("../beside", cli.path("src/linked")).unwrap();
        let ran = machine.run(["move", compat, "-L", text(&cli, "src").as_str(), "v:dst"]);
        assert_eq!(machine.ok(["cat", "v:dst/link"]).text(), "outside", "{}", ran.stderr);
        assert_eq!(machine.ok(["cat", "v:dst/linked/file"]).text(), "below");
        assert!(cli.path("src/link").symlink_metadata().is_err(), "{compat}: {}", ran.stderr);
        assert_eq!(fs::read(cli.path("single")).unwrap(), b"outside");
        assert!(files(&cli.path("src")).iter().all(|path| path.starts_with("linked")), "{compat}");
    }
}

/// What is replaced can't be kept where a file is in the way: nothing is replaced, and nothing removed from the source.
#[test]
fn a_backup_below_a_file_moves_nothing() {
    let (cli, machine) = place();
    fs::create_dir(cli.path("old")).unwrap();
    fs::write(cli.path("old/a"), "older").unwrap();
    machine.ok(["copy", text(&cli, "old").as_str(), "v:dst"]);
    machine.ok(["copy", text(&cli, "old").as_str(), "v:bak"]);
    machine.ok(["copy", text(&cli, "src").as_str(), "v:src"]);
    for from in [text(&cli, "src"), "v:src".to_owned()] {
        let ran = machine.run(["move", "--backup-dir", "v:bak/a/below", &from, "v:dst"]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        ran.says(&["bak/a", "is a file"]);
        assert_eq!(machine.ok(["lsf", "-R", "--files-only", &from]).text(), "a\nd/b\n", "{from}");
        assert_eq!(machine.ok(["cat", "v:dst/a"]).text(), "older");
    }
    let (old, below) = (text(&cli, "old"), cli.path("src/a/below"));
    let ran = machine.run(["move", "--backup-dir", below.to_str().unwrap(), "v:src", &old]);
    assert_ne!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(fs::read(cli.path("old/a")).unwrap(), b"older");
    assert!(machine.ok(["lsf", "-R", "--files-only", "v:src"]).text().starts_with("a\n"));
}

fn is_large(path: &Path) -> bool {
    path.metadata().unwrap().len() > 200_000
}

fn text(cli: &Cli, name: &str) -> String {
    cli.path(name).to_str().unwrap().to_owned()
}

/// `src` with two files.
fn place() -> (Cli, Machine) {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    fs::create_dir_all(cli.path("src/d")).unwrap();
    fs::write(cli.path("src/a"), "abc").unwrap();
    fs::write(cli.path("src/d/b"), "abcd").unwrap();
    (cli, machine)
}
