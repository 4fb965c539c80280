//! `ncdu` in a real pseudo-terminal, as a person sees it.

use std::fs;
use std::path::Path;

use crate::support::cli::{Cli, Machine};
use crate::support::screen::Screen;

fn prepared(cli: &Cli) -> Machine {
    let machine = cli.machine("home");
    let tree = cli.path("tree");
    for (name, len) in [
        ("big/one.bin", 60_000),
        ("big/two.bin", 40_000),
        ("small/a.txt", 100),
        ("odd\x1b[2Jname.txt", 3000),
        ("漢字.txt", 2000),
    ] {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![b'x'; len]).unwrap();
    }
    machine.ok(["sync", tree.to_str().unwrap(), "v:"]);
    machine
}

fn start(machine: &Machine, args: &[&str], rows: u16, columns: u16) -> Screen {
    let mut command = machine.command([&["ncdu"][..], args].concat());
    command.stdin(std::process::Stdio::inherit()).env("TERM", "xterm-256color");
    Screen::start(command, rows, columns)
}

#[track_caller]
fn ends_in_order(screen: &mut Screen, code: i32) {
    assert_eq!(screen.end(), code, "{}", screen.text());
    assert_eq!(screen.modes(), (false, false), "the terminal is given back");
}

#[test]
fn shows_sizes_and_goes_around() {
    let cli = Cli::with_vault();
    let machine = prepared(&cli);
    for (rows, columns) in [(24, 80), (10, 40)] {
        let mut screen = start(&machine, &["v:"], rows, columns);
        screen.wait_for("/small");
        assert_eq!(screen.modes(), (true, true));
        assert!(screen.marked().ends_with("/big") && screen.marked().starts_with("97.7 KiB"), "{}", screen.text());
        assert!(
            screen.text().contains("odd\\x1b[2Jname.txt") && screen.text().contains("漢字.txt"),
            "{}",
            screen.text()
        );
        screen.send("\r");
        screen.wait_for("one.bin");
        screen.send("j");
        screen.wait_for("39.1 KiB");
        screen.send("\x1b[D"); // left
        screen.wait_for("/small");
        assert!(screen.marked().ends_with("/big"), "{}", screen.text());
        screen.send("\x1b[B?"); // down
        screen.wait_for("download");
        screen.send("xY");
        screen.wait_for("v:odd");
        screen.send("xq");
        ends_in_order(&mut screen, 0);
    }
}

#[test]
fn deletes_after_a_question_and_downloads() {
    let cli = Cli::with_vault();
    let machine = prepared(&cli);
    let mut screen = start(&machine, &["v:"], 24, 80);
    screen.wait_for("/small");
    screen.send("dn");
    screen.send("ld"); // into `big`, its largest file
    screen.wait_for("Delete one.bin?");
    screen.send("y");
    screen.wait_for("Press a key to go back.");
    screen.send(" ");
    screen.wait_for("ncdu: v:big");
    assert!(!screen.text().contains("one.bin"), "{}", screen.text());
    screen.send("h");
    screen.wait_for("/small");
    screen.send("y");
    screen.wait_for("Download big into");
    screen.send("\x7f\x7f\x7fgot\r");
    screen.wait_for("Press a key to go back.");
    screen.send(" ");
    screen.wait_for("/small");
    screen.send("q");
    ends_in_order(&mut screen, 0);
    assert_eq!(fs::read(machine.home.join("got/two.bin")).unwrap().len(), 40_000);
    assert!(!Path::new(&machine.home.join("got/one.bin")).exists());
    let listed = machine.ok(["lsf", "-R", "v:"]).text();
    assert!(listed.contains("big/two.bin") && !listed.contains("one.bin"), "{listed}");
    let log = machine.ok(["log", "--limit", "1", "v:"]).text();
    assert!(log.contains("rm -r") && log.contains("big/one.bin"), "{log}");
}

#[test]
fn gives_the_terminal_back_whatever_happens() {
    let cli = Cli::with_vault();
    let machine = prepared(&cli);
    let mut screen = start(&machine, &["v:"], 24, 80);
    screen.wait_for("/small");
    screen.send("\x03");
    ends_in_order(&mut screen, 130);
    let mut screen = start(&machine, &["v:"], 24, 80);
    screen.wait_for("/small");
    screen.terminate();
    ends_in_order(&mut screen, 130);
    // The second signal ends it where it is, and may come before or after it has ended by itself.
    let mut screen = start(&machine, &["v:"], 24, 80);
    screen.wait_for("/small");
    screen.terminate();
    screen.terminate();
    ends_in_order(&mut screen, 130);
}

#[test]
fn asks_for_the_password_before_it_takes_the_terminal() {
    let cli = Cli::with_vault();
    prepared(&cli);
    let other = cli.fresh("other").without("CRYPTSYNC_PASSWORD");
    let mut screen = start(&other, &["v:"], 24, 80);
    screen.wait_for("assword");
    screen.send(&format!("{}\r", crate::support::cli::PASSWORD));
    screen.wait_for("/small");
    screen.send("q");
    ends_in_order(&mut screen, 0);
}

#[test]
fn wrong_input() {
    let cli = Cli::with_vault();
    let machine = prepared(&cli);
    machine.run(["ncdu", "v:"]).fails(2, &["needs a terminal", "cryptsync du"]);
    for (place, code, words) in
        [("v:nowhere", 3, "v:nowhere"), ("v:small/a.txt", 3, "is not a directory"), ("/tmp", 2, "ncdu(1)")]
    {
        let mut screen = start(&machine, &[place], 24, 80);
        assert_eq!(screen.end(), code, "{}", screen.text());
        assert!(screen.text().contains(words), "{}", screen.text());
    }
}
