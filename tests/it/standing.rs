//! What the filters leave alone at a destination is not lost to what the source has of the same name.

use std::fs;
use std::os::unix::fs::symlink;

use super::support::cli::{Cli, Machine, copy_tree, files};

/// A file of that name stands where a directory is needed.
#[test]
fn a_file_that_is_left_alone_keeps_its_name() {
    let (cli, machine) = place();
    // From this machine to a vault, between directories of one, and from there to this machine.
    let local = cli.path("local").to_str().unwrap().to_owned();
    for (at, (from, to)) in
        [(src(&cli), "v:dst".to_owned()), ("v:src".to_owned(), "v:dst".to_owned()), ("v:src".to_owned(), local)]
            .into_iter()
            .enumerate()
    {
        for verb in ["copy", "sync", "move"] {
            let to = format!("{to}{at}{verb}");
            match to.starts_with("v:") {
                true => drop(machine.ok(["copy", cli.path("dst").to_str().unwrap(), &to])),
                false => copy_tree(&cli.path("dst"), to.as_ref()),
            }
            let ran = machine.run([verb, &from, &to, "--max-size", "5b"]);
            assert_eq!(ran.code, 1, "{verb} {to}: {}", ran.stderr);
            ran.says(&["d: is a file that this run leaves alone, but a directory is needed there"]);
            let list = machine.ok(["lsf", "-R", &to]).text();
            assert_eq!(list.lines().filter(|line| line.starts_with('d')).collect::<Vec<_>>(), ["d"], "{verb} {to}");
            assert!(list.contains("other"), "the rest is done: {list}");
            assert!(machine.ok(["lsf", "-R", &from]).text().contains("d/small"), "{verb} {to}: its source stays");
            // A move took it along.
            drop(machine.ok(["copy", &src(&cli), "v:src"]));
            fs::write(cli.path("src/other"), "abc").unwrap();
        }
    }
}

/// A link there is no file that could make way, where links are passed over.
#[test]
fn a_link_that_is_passed_over_keeps_its_name() {
    let (cli, machine) = place();
    let dst = cli.path("dst");
    fs::remove_file(dst.join("d")).unwrap();
    symlink("nowhere", dst.join("d")).unwrap();
    machine.ok(["copy", dst.to_str().unwrap(), "v:dst"]);
    for to in ["v:dst", dst.to_str().unwrap()] {
        let from = if to == "v:dst" { src(&cli) } else { "v:src".to_owned() };
        let ran = machine.run(["sync", "--skip-links", &from, to]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        ran.says(&["d: is a symbolic link that this run leaves alone, but a directory is needed there"]);
    }
    assert_eq!(fs::read_link(dst.join("d")).unwrap().to_str(), Some("nowhere"));
}

/// A link of the name that marks a directory marks none.
#[test]
fn only_files_mark_directories() {
    let (cli, machine) = place();
    let top = cli.path("src");
    symlink("../other", top.join("d/.skip")).unwrap();
    machine.ok(["sync", &src(&cli), "v:src"]);
    for place in [&src(&cli), "v:src"] {
        let list = machine.ok(["lsf", "-R", "--exclude-if-present", ".skip", place]).text();
        assert!(list.contains("d/small"), "{list}");
    }
    machine.ok(["copy", "-L", "--exclude-if-present", ".skip", &src(&cli), "v:followed"]);
    assert_eq!(machine.ok(["lsf", "-R", "v:followed"]).text(), "other\n", "it is a file if it is followed");
}

/// Verbs that read take links for files if they are told to, and follow those of this machine.
#[test]
fn links_are_shown_as_asked() {
    let (cli, machine) = place();
    symlink("other", cli.path("src/link")).unwrap();
    machine.ok(["sync", &src(&cli), "v:src"]);
    let (local, list) = (src(&cli), |args: &[&str]| machine.ok(args).text());
    for place in [&local, "v:src"] {
        for compat in ["--rclone-compat", "-v"] {
            assert_eq!(list(&["lsf", compat, "-l", "-F", "ps", "--files-only", place]), "link.rclonelink;5\nother;3\n");
            assert!(list(&["ls", compat, "-l", place]).contains("        5 link.rclonelink\n"));
            assert_eq!(list(&["lsf", compat, "-l", "--files-only", "--include", "link", place]), "");
            assert_eq!(
                list(&["lsf", compat, "-l", "--files-only", "--include", "*.rclonelink", place]),
                "link.rclonelink\n"
            );
            // The sum of `other`, which is where it leads.
            let sum = list(&["lsf", compat, "-l", "-F", "hp", "--files-only", "--include", "*.rclonelink", place]);
            assert_eq!(sum, "795f3202b17cb6bc3d4b771d8c6c9eaf;link.rclonelink\n");
            assert!(list(&["tree", compat, "-l", place]).contains(" link.rclonelink\n"));
            assert!(list(&["size", compat, "-l", "--json", place]).contains("\"count\":3,\"bytes\":11"));
        }
    }
    assert_eq!(list(&["lsf", "-L", "-F", "ps", "--files-only", &local]), "link;3\nother;3\n");
    assert_eq!(list(&["lsf", "-F", "ps", "--files-only", "v:src"]), "link;0\nother;3\n");
    machine.run(["tree", "-L", &local]).fails(2, &["follows no symbolic links"]);
    machine.run(["ls", "-L", "-l", &local]).fails(2, &["--links"]);
}

/// `check` tells of links by the names that they have as files.
#[test]
fn check_tells_of_links_as_asked() {
    let (cli, machine) = place();
    symlink("other", cli.path("src/link")).unwrap();
    let local = src(&cli);
    for dest in ["v:one", "w:one"] {
        machine.ok(["sync", &local, dest]);
    }
    fs::remove_file(cli.path("src/link")).unwrap();
    symlink("d/small", cli.path("src/link")).unwrap();
    machine.ok(["sync", &local, "v:two"]);
    let check = |flags: &[&str], from: &str, to: &str| {
        let ran = machine.run([&["check", "--combined", "-", from, to], flags].concat());
        (ran.code, ran.text())
    };
    for from in [&local, "v:two"] {
        for to in ["v:one", "w:one"] {
            for compat in ["--rclone-compat", "-v"] {
                let told = "= other\n* link.rclonelink\n= d/small\n";
                let (code, text) = check(&[compat, "-l"], from, to);
                let sorted = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
                assert_eq!((code, sorted(&text)), (1, sorted(told)), "{from} {to} {compat}");
            }
            let told = check(&["--rclone-compat"], from, to);
            assert!(told.0 == 0 && !told.1.contains("link"), "{told:?}");
        }
    }
    machine.ok(["copy", "-L", &local, "v:followed"]);
    let (code, text) = check(&["-L"], &local, "v:followed");
    assert!(code == 0 && text.contains("= link\n"), "{text}");
    // A file of its name is something else.
    fs::remove_file(cli.path("src/link")).unwrap();
    fs::write(cli.path("src/link"), "abc").unwrap();
    for from in [&local, "v:file"] {
        machine.ok(["sync", &local, "v:file"]);
        let (_, text) = check(&["-l"], from, "v:one");
        assert!(text.contains("+ link\n") && text.contains("- link.rclonelink\n"), "{text}");
    }
}

/// `src` with a directory `d`, in a vault too; `dst` with a large file of that name.
fn place() -> (Cli, Machine) {
    let cli = Cli::with_vault();
    let machine = cli.machine("home").var("CRYPTSYNC_CONFIG_W_TYPE", "fs");
    let machine = machine.var("CRYPTSYNC_CONFIG_W_ROOT", cli.path("second").to_str().unwrap());
    machine.ok(["init", "w:", "--kdf", "64M,3,1", "--recovery-file", cli.path("words").to_str().unwrap()]);
    fs::create_dir_all(cli.path("src/d")).unwrap();
    fs::write(cli.path("src/d/small"), "abc").unwrap();
    fs::write(cli.path("src/other"), "abc").unwrap();
    fs::create_dir(cli.path("dst")).unwrap();
    fs::write(cli.path("dst/d"), "larger than five bytes").unwrap();
    machine.ok(["sync", &src(&cli), "v:src"]);
    assert_eq!(files(&cli.path("src")).len(), 2);
    (cli, machine)
}

fn src(cli: &Cli) -> String {
    cli.path("src").to_str().unwrap().to_owned()
}
