//! What a person sees: the program in pseudo-terminals of all sizes, and with readers that go away.

use std::fs;
use std::process::Stdio;

use super::support::cli::{Cli, Machine, Output, noise};
use super::support::pty::{Pty, in_terminal};
use super::support::snapshot::{scrubbed, snapshot};

/// A vault, and a directory `src` with a file that takes some seconds at the rate of [`SLOW`].
fn with_work() -> (Cli, Machine) {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    fs::create_dir(machine.home.join("src")).unwrap();
    fs::write(machine.home.join("src/a file with a name that is long enough to be cut somewhere"), noise(1, 6 << 20))
        .unwrap();
    (cli, machine)
}

/// Little memory makes small packs, so that files wait for their turn.
const SLOW: [&str; 9] = ["copy", "src", "v:", "--bwlimit", "2M", "--memory", "8M", "--transfers", "1"];

/// What was drawn, block by block.
fn frames(shown: &str) -> Vec<String> {
    shown.replace("\r\n", "\n").split("\x1b[J").map(|frame| frame.split("\r\x1b[").next().unwrap().to_owned()).collect()
}

#[test]
fn progress_is_a_block_that_is_drawn_over() {
    let (_cli, machine) = with_work();
    let (shown, code) = in_terminal(&machine, (70, 24), [&SLOW[..], &["-P"]].concat());
    assert_eq!(code, 0, "{shown}");
    let frames = frames(&shown);
    assert!(frames.len() > 3, "{shown:?}");
    let frame = frames.iter().find(|frame| frame.contains("Transferring:")).unwrap();
    // What was sent so far depends on the moment, and so does the width of figures.
    let lines = frame.lines().filter(|line| !line.starts_with("Sent:"));
    let lines: Vec<String> = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    snapshot("progress", &scrubbed(&lines.join("\n")));
    assert!(!frames.last().unwrap().contains("Transferring"), "the block is gone at the end: {shown:?}");
    assert!(frames.last().unwrap().contains("sent 1 file"), "{shown:?}");
}

#[test]
fn a_small_window_is_never_overrun() {
    let (_cli, machine) = with_work();
    for args in [&[][..], &["-P"], &["-P", "--stats-one-line"]] {
        fs::write(machine.home.join("src/more"), noise(args.len() as u64 + 9, 6 << 20)).unwrap();
        let (shown, code) = in_terminal(&machine, (20, 5), [&SLOW[..], args].concat());
        assert_eq!(code, 0, "{shown}");
        let frames = frames(&shown);
        assert!(frames.len() > 2, "{shown:?}");
        for frame in &frames[..frames.len() - 1] {
            assert!(frame.lines().count() <= 4, "{frame:?}");
            frame.lines().for_each(|line| assert!(line.chars().count() < 20, "{line:?}"));
        }
    }
}

#[test]
fn progress_follows_the_window() {
    let (_cli, machine) = with_work();
    let mut terminal = Pty::start(&machine, (100, 24), [&SLOW[..], &["-P"]].concat());
    terminal.wait_for("Transferring:");
    terminal.wait_for("somewhere");
    terminal.resize((24, 24));
    terminal.wait_for("Elapsed time:"); // this one may still be as wide as before
    let (shown, code) = terminal.finish();
    assert_eq!(code, 0, "{shown}");
    let frames = frames(&shown);
    let narrow = frames[1..frames.len() - 1].iter().filter(|frame| frame.contains("Transferred:"));
    narrow.flat_map(|frame| frame.lines()).for_each(|line| assert!(line.chars().count() < 24, "{line:?}"));
}

#[test]
fn questions_stay_readable() {
    let (_cli, machine) = with_work();
    machine.ok(["copy", "src", "v:"]);
    fs::create_dir(machine.home.join("empty")).unwrap();
    let mut terminal = Pty::start(&machine, (80, 24), ["sync", "empty", "v:", "-P", "-vv"]);
    terminal.wait_for("Go on? [y/N] ");
    std::thread::sleep(std::time::Duration::from_millis(1200)); // the block would have been drawn twice
    assert_eq!(terminal.so_far(), "", "nothing is drawn over the question");
    terminal.send("n\n");
    let (shown, code) = terminal.finish();
    assert!(code == 7 && shown.contains("nothing was done"), "{shown:?}");
    // The first contact: the question has lines of its own.
    let fresh = machine.clone().var("XDG_STATE_HOME", "/nonexistent/of/nobody");
    let mut terminal = Pty::start(&fresh, (80, 24), ["ls", "v:", "--ephemeral"]);
    terminal.wait_for("fingerprint is\r\n  ");
    terminal.wait_for("[y/N] ");
    terminal.send("n\n");
    let (shown, code) = terminal.finish();
    assert!(code != 0 && shown.contains("was not confirmed"), "{shown:?}");
}

#[test]
fn a_dumb_terminal_gets_no_escapes() {
    let (_cli, machine) = with_work();
    let machine = machine.var("TERM", "dumb");
    let (shown, code) = in_terminal(&machine, (80, 24), [&SLOW[..], &["-P"]].concat());
    assert!(code == 0 && shown.contains("Transferred:") && !shown.contains('\x1b'), "{shown:?}");
    let (shown, code) = in_terminal(&machine, (80, 24), ["ls", "v:nothing"]);
    assert!(code == 3 && !shown.contains('\x1b'), "{shown:?}");
}

#[test]
fn colour_is_for_terminals_and_for_those_who_ask() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let coloured = |machine: &Machine, args: &[&str]| {
        in_terminal(machine, (80, 24), [&["ls", "v:nothing"][..], args].concat()).0.contains("\x1b[1;31merror:")
    };
    assert!(coloured(&machine, &[]));
    assert!(!coloured(&machine, &["--color", "NEVER"]));
    assert!(!coloured(&machine.clone().var("NO_COLOR", "1"), &[]));
    assert!(coloured(&machine.clone().var("NO_COLOR", "1"), &["--color=always"]));
    assert!(!coloured(&machine.clone().var("CLICOLOR", "0"), &[]));
    let piped = |machine: &Machine| machine.run(["ls", "v:nothing"]).stderr.contains('\x1b');
    assert!(!piped(&machine));
    assert!(piped(&machine.clone().var("CLICOLOR_FORCE", "1")));
    assert!(!piped(&machine.clone().var("CLICOLOR_FORCE", "0")));
    assert!(!piped(&machine.clone().var("CLICOLOR_FORCE", "1").var("NO_COLOR", "1")));
}

#[test]
fn tables_fit_and_names_move_no_cursor() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    fs::create_dir(machine.home.join("src")).unwrap();
    fs::write(machine.home.join("src/a\x1b[2Jb\tc"), b"x").unwrap();
    machine.ok(["copy", "src", "v:", "-q"]);
    for size in [(80, 24), (40, 24), (20, 5)] {
        for verb in [&["key", "list", "v:"][..], &["log", "v:"], &["writer", "list", "v:"]] {
            let (shown, code) = in_terminal(&machine, size, verb);
            assert_eq!(code, 0, "{shown}");
            shown.lines().for_each(|line| assert!(line.chars().count() <= usize::from(size.0), "{size:?} {line:?}"));
        }
    }
    assert!(in_terminal(&machine, (40, 24), ["key", "list", "v:"]).0.contains('…'));
    assert!(machine.ok(["key", "list", "v:"]).text().lines().any(|line| line.len() > 60), "a pipe gets all of it");
    let (shown, _) = in_terminal(&machine, (80, 24), ["ls", "v:"]);
    assert!(shown.contains("a\\x1b[2Jb\\x09c") && !shown.contains('\x1b'), "{shown:?}");
    assert!(machine.ok(["ls", "v:"]).text().contains("a\x1b[2Jb\tc"));
    let (shown, _) = in_terminal(&machine, (80, 24), ["ls", "v:", "-0"]);
    assert!(shown.contains("a\x1b[2Jb"), "{shown:?}");
}

#[test]
fn errors_and_help_look_like_this() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let told = |args: &[&str]| {
        let output = machine.run(args);
        assert_ne!(output.code, 0);
        format!("$ cryptsync {}\n{}[{}]\n\n", args.join(" "), scrubbed(&output.stderr), output.code)
    };
    let errors: String = [
        &["ls", "v:nothing"][..],
        &["cat", "v:nothing"],
        &["ls", "w:"],
        &["ls", "v:../x"],
        &["copy", "nowhere", "v:"],
        &["sync", ".", "v:", "--bwlimit", "fast"],
        &["ls", "v:", "--log-level", "LOUD"],
        &["ls", "v:", "--include", "a[b"],
    ]
    .iter()
    .map(|args| told(args))
    .collect();
    snapshot("errors", &errors);
    let (shown, code) = in_terminal(&machine, (60, 24), ["help", "exit-codes"]);
    assert_eq!(code, 0);
    snapshot("help", &scrubbed(&shown));
}

#[test]
fn readers_may_go_away_at_any_time() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    fs::create_dir_all(machine.home.join("src/d")).unwrap();
    fs::write(machine.home.join("src/d/a"), noise(1, 200 << 10)).unwrap();
    machine.ok(["copy", "src", "v:"]);
    let gone = |args: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = machine.command(args);
        let output =
            command.stdout(Stdio::from(writer)).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""), "{args:?}");
    };
    for line in [
        "ls v:",
        "lsl v:",
        "lsf v:",
        "lsf -R v:",
        "lsd v:",
        "lsjson v:",
        "tree v:",
        "stat v:d",
        "size v:",
        "du v:",
        "cat v:d/a",
        "log v:",
        "status v:",
        "verify v:",
        "key list v:",
        "key history v:",
        "device list v:",
        "writer list v:",
        "conflicts ls v:",
        "config show",
        "config file",
        "listremotes",
        "version",
        "help",
        "help sync",
        "help filters",
        "--help",
        "sync --help",
        "ls -h",
        "--version",
        "size v: --json",
        "ls v: --json",
        "check src v: --combined - -q",
    ] {
        gone(&line.split(' ').collect::<Vec<_>>());
    }
    // Nobody reads what is told either: the work is done all the same.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    fs::write(machine.home.join("src/b"), b"b").unwrap();
    let mut command = machine.command(["copy", "src", "v:", "-vv"]);
    assert!(command.stderr(Stdio::from(writer)).status().unwrap().success());
    assert_eq!(Output::of(machine.command(["cat", "v:b"])).text(), "b");
}
