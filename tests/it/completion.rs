//! Completion, asked by the real shells as far as they are installed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rexpect::session::{Options, PtyReplSession, spawn_with_options};

use crate::support::cli::{Cli, Machine, skipped};

/// A vault with `docs/`, `down/` and a file with spaces, which the machine opens by its own key; and local files.
fn prepared(cli: &Cli) -> Machine {
    let machine = cli.machine("home");
    let tree = cli.path("tree");
    for (name, text) in [("docs/a.txt", "a"), ("docs/b c.txt", "b"), ("down/x", "x"), ("zebra.txt", "z")] {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    machine.ok(["sync", tree.to_str().unwrap(), "v:"]);
    fs::write(machine.home.join("local file.txt"), "x").unwrap();
    fs::create_dir(machine.home.join("localdir")).unwrap();
    for (name, text) in [("bash", "bash"), ("zsh", "zsh"), ("fish", "fish")] {
        machine.ok(["completion", text, &format!("script.{name}")]);
    }
    machine.without("CRYPTSYNC_PASSWORD")
}

fn path_with_program() -> String {
    let dir = Path::new(env!("CARGO_BIN_EXE_cryptsync")).parent().unwrap();
    format!("{}:/usr/bin:/bin", dir.display())
}

fn is_installed(shell: &str) -> bool {
    let found = Path::new("/usr/bin").join(shell).exists() || Path::new("/bin").join(shell).exists();
    if !found {
        skipped(&format!("{shell} is not installed"));
    }
    found
}

/// A shell with the machine's home and environment, and this program in its path.
fn shell(machine: &Machine, name: &str, args: &[&str]) -> Command {
    let known = machine.command(["x"]);
    let mut command = Command::new(name);
    command.args(args).env_clear().stdin(Stdio::null()).current_dir(&machine.home);
    command.envs(known.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", path_with_program()).env("TERM", "dumb").env("LC_ALL", "C.UTF-8");
    command
}

fn candidates(machine: &Machine, words: &[&str]) -> Vec<String> {
    let out = machine.ok([&["__complete"][..], words].concat()).text();
    out.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

#[test]
fn what_fits_is_found_without_a_question() {
    let cli = Cli::with_vault();
    let machine = prepared(&cli);
    assert_eq!(candidates(&machine, &["lsj"]), ["lsjson"]);
    assert_eq!(candidates(&machine, &["ls", "--exclu"]).first().map(String::as_str), Some("--exclude"));
    assert_eq!(candidates(&machine, &["ls", "--color", "n"]), ["never"]);
    assert_eq!(candidates(&machine, &["ls", "v"]), ["v:"]);
    assert_eq!(candidates(&machine, &["log", "l"]), ["local:"]);
    assert_eq!(candidates(&machine, &["ls", "loc"]), ["local:", "local file.txt", "localdir/"]);
    assert_eq!(candidates(&machine, &["ls", "v:do"]), ["v:docs/", "v:down/"]);
    assert_eq!(candidates(&machine, &["ls", "v:docs/"]), ["v:docs/a.txt", "v:docs/b c.txt"]);
    assert_eq!(candidates(&machine, &["key", "add", "pe"]), ["person"]);
    let mut topics = candidates(&machine, &["help", "conf"]);
    topics.sort();
    assert_eq!(topics, ["config", "configuration", "conflicts"]);
    assert_eq!(candidates(&machine, &["completion", "fi"]), ["fish"]);
    let nobody = cli.fresh("nobody").without("CRYPTSYNC_PASSWORD");
    assert_eq!(candidates(&nobody, &["ls", "v:do"]), [""; 0], "a vault that takes a password is left alone");
}

#[test]
fn scripts_go_where_they_are_wanted() {
    let cli = Cli::new();
    let machine = cli.machine("home");
    for name in ["bash", "zsh", "fish", "powershell"] {
        let shown = machine.ok(["completion", name]).text();
        assert!(shown.contains("__complete"), "{shown}");
        assert_eq!(machine.ok(["completion", name, "-"]).text(), shown);
        machine.ok(["completion", name, "file"]);
        assert_eq!(fs::read_to_string(machine.home.join("file")).unwrap(), shown);
    }
    machine.run(["completion", "tcsh"]).fails(2, &["tcsh", "bash", "powershell"]);
    fs::set_permissions(&machine.home, fs::Permissions::from_mode(0o755)).unwrap();
    machine.run(["completion", "bash", "no/such/dir"]).fails(1, &["no/such/dir"]);
}

/// A shell at a prompt `> `.
fn at_prompt(machine: &Machine, name: &str, args: &[&str]) -> PtyReplSession {
    let mut command = shell(machine, name, args);
    command.stdin(Stdio::inherit()).env("PS1", "> ").env("TERM", "xterm");
    let options = Options { timeout_ms: Some(20_000), ..Options::default() };
    let pty_session = spawn_with_options(command, options).unwrap();
    PtyReplSession::new(pty_session, "> ".to_owned()).quit_command(Some("exit".to_owned())).echo_on(false)
}

#[test]
fn bash_completes_words_with_colons() {
    let cli = Cli::with_vault();
    let machine = prepared(&cli);
    let mut bash = at_prompt(&machine, "bash", &["--norc", "--noprofile", "-i"]);
    bash.send("bind 'set enable-bracketed-paste off'; source script.bash; echo re''ady\n").unwrap();
    bash.flush().unwrap();
    bash.exp_string("ready\r\n").unwrap();
    for (typed, words) in [
        ("cryptsync lsj\t", "<cryptsync><lsjson>"),
        ("cryptsync ls v:doc\t", "<cryptsync><ls><v:docs/>"),
        ("cryptsync ls v:docs/b\t", "<cryptsync><ls><v:docs/b c.txt>"),
        ("cryptsync ls \"v:docs/b\t", "<cryptsync><ls><v:docs/b c.txt>"),
        ("cryptsync cat v:docs/b\\ \t", "<cryptsync><cat><v:docs/b c.txt>"),
        ("cryptsync copy local\\ \t", "<cryptsync><copy><local file.txt>"),
        ("cryptsync ls --color=ne\t", "<cryptsync><ls><--color=never>"),
        ("cryptsync copy localdir/ v:ze\t", "<cryptsync><copy><localdir/><v:zebra.txt>"),
    ] {
        press(&mut bash, typed);
        bash.exp_string(words).unwrap_or_else(|error| panic!("{typed:?}: {error}"));
    }
}

/// Presses keys, then runs what stands on the line as words of `printf`.
fn press(shell: &mut PtyReplSession, typed: &str) {
    shell.send(typed).unwrap();
    shell.flush().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    shell.send("\x01printf '<%s>' \x05\n").unwrap();
    shell.flush().unwrap();
}

#[test]
fn zsh_completes() {
    if !is_installed("zsh") {
        return;
    }
    let cli = Cli::with_vault();
    let machine = prepared(&cli);
    let mut zsh = at_prompt(&machine, "zsh", &["-f", "-i"]);
    let begin =
        "PS1='> '; unset zle_bracketed_paste; autoload -U compinit; compinit -u -D; source script.zsh; echo re''ady";
    zsh.send(begin).unwrap();
    zsh.send("\n").unwrap();
    zsh.flush().unwrap();
    zsh.exp_string("ready\r\n").unwrap();
    for (typed, words) in [
        ("cryptsync ls v:doc\t", "<cryptsync><ls><v:docs/>"),
        ("cryptsync ls v:docs/b\t", "<cryptsync><ls><v:docs/b c.txt>"),
        ("cryptsync lsj\t", "<cryptsync><lsjson>"),
    ] {
        press(&mut zsh, typed);
        zsh.exp_string(words).unwrap_or_else(|error| panic!("{typed:?}: {error}"));
    }
}

#[test]
fn fish_completes() {
    if !is_installed("fish") {
        return;
    }
    let cli = Cli::with_vault();
    let machine = prepared(&cli);
    let asked = |line: &str| {
        let text = format!("source script.fish; complete --do-complete '{line}'");
        let out = shell(&machine, "fish", &["--no-config", "-c", &text]).output().unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        text.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(asked("cryptsync lsj"), ["lsjson"]);
    assert_eq!(asked("cryptsync ls v:do"), ["v:docs/", "v:down/"]);
    assert_eq!(asked("cryptsync ls v:docs/b"), ["v:docs/b c.txt"]);
    assert_eq!(asked("cryptsync ls --color=ne"), ["--color=never"]);
    assert_eq!(asked("cryptsync log "), ["local:", "v:"]);
}
