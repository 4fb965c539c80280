//! `--interactive`: questions at a terminal, and what comes of the answers.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use crate::compare::write;
use crate::support::cli::{Cli, Machine, files};
use crate::support::pty::Pty;
use crate::support::rclone::Rclone;

fn four_files(dir: &Path) {
    for n in 1..=4 {
        write(&dir.join(format!("f{n}")), &"x".repeat(n), 10);
    }
}

/// Runs it in a terminal: each of `dialogue` is a question that is waited for and the answer to it.
fn asked(machine: &Machine, args: &[&str], dialogue: &[(&str, &str)]) -> (String, i32) {
    let mut terminal = Pty::start(machine, (80, 24), args);
    for (question, answer) in dialogue {
        terminal.wait_for(question);
        terminal.wait_for("y/n/s/!/q> ");
        terminal.send(&format!("{answer}\n"));
    }
    terminal.finish()
}

/// The same for a run that succeeds: what is in the vault then, in order.
fn left(machine: &Machine, args: &[&str], dialogue: &[(&str, &str)]) -> String {
    let (shown, code) = asked(machine, args, dialogue);
    assert_eq!(code, 0, "{shown}");
    let listed = machine.ok(["lsf", "-R", "v:"]).text();
    let mut lines: Vec<_> = listed.lines().collect();
    lines.sort_unstable();
    lines.join(" ")
}

fn names(dir: &Path) -> Vec<String> {
    files(dir).iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn the_answers_do_what_rclones_do() {
    let Some(rclone) = Rclone::find() else { return };
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let src = cli.path("src");
    four_files(&src);
    let from = src.to_str().unwrap();
    for (case, answers) in ["y n y n", "n s", "y !", "y n q", " n  y", "q", "s", "!"].into_iter().enumerate() {
        let answers: Vec<&str> = answers.split(' ').collect();
        let (theirs, dest) = (cli.path(&format!("theirs{case}")), format!("v:{case}"));
        let mut child = rclone
            .command(["copy", from, theirs.to_str().unwrap(), "-i", "--transfers=1", "--checkers=1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        answers.iter().for_each(|answer| writeln!(input, "{answer}").unwrap());
        let code = child.wait().unwrap().code().unwrap();
        let dialogue: Vec<_> = (1..).zip(&answers).map(|(n, answer)| (format!("copy \"f{n}\"?"), *answer)).collect();
        let dialogue: Vec<_> = dialogue.iter().map(|(question, answer)| (question.as_str(), *answer)).collect();
        let (shown, ours) = asked(&machine, &["copy", from, &dest, "-i"], &dialogue);
        assert_eq!(ours, code, "{answers:?} {shown}");
        let names = if theirs.exists() { names(&theirs) } else { Vec::new() };
        let listed = machine.run(["lsf", &dest]).text();
        assert_eq!(listed.lines().collect::<Vec<_>>(), names, "{answers:?} {shown}");
    }
}

#[test]
fn every_kind_of_change_is_asked_about() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let (src, dst) = (cli.path("src"), cli.path("dst"));
    write(&src.join("dir/new"), "new", 10);
    write(&src.join("no dir/lost"), "lost", 10);
    write(&src.join("touched"), "same", 20);
    write(&dst.join("touched"), "same", 10);
    write(&dst.join("old dir/gone"), "gone", 10);
    write(&dst.join("old dir/kept"), "kept", 10);
    let (from, to) = (src.to_str().unwrap(), dst.to_str().unwrap());
    machine.ok(["copy", to, "v:"]);
    let dialogue = [
        ("make directory \"dir\"?", "y"),
        ("make directory \"no dir\"?", "n"),
        ("remove directory \"old dir\"?", "y"),
        ("update modification time \"touched\"?", "n"),
        ("copy \"dir/new\"?", "y"),
        // Nothing goes into a directory that is not made.
        ("delete \"old dir/gone\"?", "y"),
        ("delete \"old dir/kept\"?", "n"),
    ];
    let (shown, code) = asked(&machine, &["sync", from, "v:", "-i"], &dialogue);
    assert_eq!(code, 0, "{shown}");
    assert_eq!(machine.ok(["lsf", "-R", "v:"]).text(), "dir/\nold dir/\ntouched\ndir/new\nold dir/kept\n");
    assert!(machine.ok(["lsl", "v:touched"]).text().contains("2001-09-09 01:46:50"), "the time is as it was");
    // What is moved out of a vault is asked about twice: when it is copied, and before it is removed.
    let out = cli.path("out");
    let dialogue = [
        ("make directory \"dir\"?", "y"),
        ("make directory \"old dir\"?", "y"),
        ("move \"touched\"?", "n"),
        ("move \"dir/new\"?", "y"),
        ("move \"old dir/kept\"?", "n"),
        ("delete \"v:dir/new\"?", "y"),
    ];
    let (shown, code) = asked(&machine, &["move", "v:", out.to_str().unwrap(), "-i"], &dialogue);
    assert_eq!(code, 0, "{shown}");
    assert_eq!(names(&out), ["new"]);
    assert_eq!(machine.ok(["lsf", "-R", "v:", "--files-only"]).text(), "touched\nold dir/kept\n");
}

#[test]
fn verbs_that_remove_ask_too() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let src = cli.path("src");
    four_files(&src);
    fs::create_dir_all(src.join("empty/below")).unwrap();
    machine.ok(["copy", src.to_str().unwrap(), "v:"]);
    let run = |args: &[&str], dialogue: &[(&str, &str)]| left(&machine, args, dialogue);
    assert_eq!(run(&["rm", "v:f1", "v:f2", "-i"], &[("f1", "n"), ("f2", "yes")]), "empty/ empty/below/ f1 f3 f4");
    assert_eq!(run(&["delete", "v:", "-i"], &[("f1", "y"), ("f3", "q")]), "empty/ empty/below/ f3 f4");
    assert_eq!(
        run(&["delete", "v:", "-i"], &[("f3", "what"), ("answers are", "n"), ("f4", "s")]),
        "empty/ empty/below/ f3 f4"
    );
    assert_eq!(run(&["rmdirs", "v:", "-i"], &[("empty/below", "n")]), "empty/ empty/below/ f3 f4");
    assert_eq!(run(&["rmdirs", "v:", "-i"], &[("empty/below", "y"), ("empty", "n")]), "empty/ f3 f4");
    assert_eq!(run(&["rmdir", "v:empty", "-i"], &[("remove directory", "n")]), "empty/ f3 f4");
    assert_eq!(run(&["purge", "v:empty", "-i"], &[("purge", "n")]), "empty/ f3 f4");
    assert_eq!(run(&["purge", "v:empty", "-i"], &[("purge", "!")]), "f3 f4");
}

#[test]
fn verbs_that_make_and_rename_ask_too() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let src = cli.path("src");
    four_files(&src);
    machine.ok(["copy", src.to_str().unwrap(), "v:d"]);
    let here = cli.path("here/below");
    let run = |args: &[&str], dialogue: &[(&str, &str)]| left(&machine, args, dialogue);
    let before = "d/ d/f1 d/f2 d/f3 d/f4";
    assert_eq!(run(&["mkdir", "v:new/below", "-i"], &[("make directory \"v:new/below\"?", "n")]), before);
    assert_eq!(run(&["mkdir", here.to_str().unwrap(), "-i"], &[("make directory", "n")]), before);
    assert!(!here.exists());
    run(&["mkdir", here.to_str().unwrap(), "-i"], &[("make directory", "y")]);
    assert!(here.is_dir());
    assert_eq!(run(&["touch", "v:new", "-i"], &[("touch \"v:new\"?", "n")]), before);
    assert_eq!(run(&["mv", "v:d/f1", "v:g", "-i"], &[("move \"v:d/f1 to g\"?", "n")]), before);
    assert_eq!(run(&["cp", "v:d/f1", "v:g", "-i"], &[("copy \"v:d/f1 to g\"?", "n")]), before);
    let whole = ["move", "v:d", "v:e", "-i", "--rclone-compat"];
    assert_eq!(run(&whole, &[("move directory \"v:d to e\"?", "n")]), before);
    assert_eq!(run(&["mkdir", "v:new", "-i"], &[("make directory", "y")]), format!("{before} new/"));
    assert_eq!(run(&["mkdir", "v:new", "-i"], &[]), format!("{before} new/"));
    let stamp = ["touch", "v:d", "-t", "200102", "-i"];
    run(&stamp, &[("f1", "n"), ("f2", "y"), ("f3", "n"), ("f4", "n")]);
    let times = machine.ok(["lsf", "v:d", "--format", "tp", "--time-format", "2006"]).text();
    assert_eq!(times.lines().filter(|line| line.starts_with("2020")).collect::<Vec<_>>(), ["2020;f2"]);
    assert_eq!(run(&whole, &[("move directory", "y")]), "e/ e/f1 e/f2 e/f3 e/f4 new/");
}

#[test]
fn without_a_terminal_nothing_is_asked_and_nothing_done() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let src = cli.path("src");
    four_files(&src);
    let from = src.to_str().unwrap();
    machine.ok(["copy", from, "v:a"]);
    for args in [
        &["copy", from, "v:b"][..],
        &["sync", from, "v:b"],
        &["move", from, "v:b"],
        &["delete", "v:a"],
        &["purge", "v:a"],
        &["rm", "v:a/f1"],
        &["rmdirs", "v:a"],
        &["rmdir", "v:a"],
        &["mkdir", "v:c"],
        &["touch", "v:a/f1"],
        &["mv", "v:a/f1", "v:c"],
        &["cp", "v:a/f1", "v:c"],
        &["conflicts", "discard", "v:a", "--all"],
    ] {
        let refused = machine.run([args, &["-i"]].concat());
        refused.fails(2, &["--interactive", "no terminal", "--dry-run"]);
    }
    assert_eq!((machine.ok(["lsf", "v:a"]).text().lines().count(), files(&src).len()), (4, 4));
    machine.ok(["copy", from, "v:b", "-i", "-n"]);
    machine.run(["lsf", "v:b"]).fails(3, &[]);
}
