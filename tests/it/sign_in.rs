//! Signing in from the command line: in a browser, on another machine, again; and tokens that services take away when they give
//! another.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::cli::{Cli, Machine, Output};
use crate::support::fakes::{CLIENT_ID, CLIENT_SECRET, Fake, FakeDropbox, FakePCloud, Rules};

const ROTATING: Rules = Rules { pkce: true, rotates: true, lasts: 3600, uses: 7 };

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn settings(url: &str) -> Vec<String> {
    vec![
        format!("client_id={CLIENT_ID}"),
        "root=some/vault".to_owned(),
        format!("endpoint={url}"),
        format!("auth_url={url}/authorize"),
        format!("token_url={url}/token"),
        format!("redirect_port={}", free_port()),
    ]
}

/// A run that waits for a browser, and the address that it shows.
struct Waiting {
    child: Child,
    address: String,
    said: BufReader<std::process::ChildStderr>,
}

impl Waiting {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.trim_start().starts_with("http") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "no address is shown");
        }
        Self { child, address: line.trim().to_owned(), said }
    }

    /// What the run says in the end, and what it printed.
    fn end(mut self) -> (i32, String, String) {
        let (mut said, mut printed) = (String::new(), String::new());
        self.said.read_to_string(&mut said).unwrap();
        self.child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        (self.child.wait().unwrap().code().unwrap(), said, printed)
    }
}

/// Visits an address: the head of the answer.
fn visit(address: &str) -> String {
    let (host, path) = address.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut socket = TcpStream::connect(host).unwrap();
    write!(socket, "GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        let length = socket.read(&mut piece).unwrap();
        assert!(length > 0, "no answer");
        answer.extend_from_slice(&piece[..length]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// A person who says yes.
fn say_yes(address: &str) {
    let answer = visit(address);
    assert!(answer.starts_with("HTTP/1.1 302"), "{answer}");
    let to = answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap();
    let answer = visit(to);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn create(machine: &Machine, url: &str, more: &[&str]) -> Command {
    let mut command = machine.command(["config", "create", "d", "dropbox"]);
    command.args(settings(url)).args(["--secrets", "file"]).args(more);
    command
}

/// A machine that has signed in, with a vault at `d:`.
fn signed(cli: &Cli, fake: &Fake<FakeDropbox>) -> Machine {
    let machine = cli.machine("home");
    let waiting = Waiting::start(create(&machine, &fake.url(), &["--auth-no-open-browser"]));
    say_yes(&waiting.address);
    let (code, said, _) = waiting.end();
    assert_eq!(code, 0, "{said}");
    let words = machine.home.join("words.txt");
    machine.ok(["init", "d:", "--kdf", "64M,3,1", "--recovery-file", words.to_str().unwrap()]);
    machine
}

#[test]
fn a_browser_signs_in_and_runs_renew_the_token_for_each_other() {
    let (fake, cli) = (FakeDropbox::with(ROTATING), Cli::new());
    let machine = signed(&cli, &fake);
    let file = machine.home.join(".config/cryptsync/config.yaml");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // Two at once, several times: one that used a refresh token again would end the sign-in for all.
    for round in 0..3 {
        thread::scope(|scope| {
            for name in ["one", "two"] {
                let (machine, src) = (&machine, cli.path(&format!("{name}-{round}")));
                fs::create_dir(&src).unwrap();
                fs::write(src.join("file"), format!("{name} {round}")).unwrap();
                scope.spawn(move || {
                    machine.ok(["copy", src.to_str().unwrap(), &format!("d:{name}")]);
                });
            }
        });
    }
    assert!(fake.service.accounts.renewals() > 0, "no token ended");
    assert_eq!(machine.ok(["cat", "d:two/file"]).text(), "two 2");
    let shown = machine.ok(["config", "redacted", "d"]).text();
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn a_sign_in_that_is_revoked_is_done_again() {
    let (fake, cli) = (FakeDropbox::start(), Cli::new());
    let machine = signed(&cli, &fake);
    fake.service.accounts.revoke();
    machine.run(["ls", "d:"]).fails(7, &["revoked", "cryptsync config reconnect d"]);
    let waiting = Waiting::start(machine.command(["config", "reconnect", "d:", "--auth-no-open-browser"]));
    // Any page can send a browser here; only the answer to this sign-in counts.
    let port: u16 = waiting.address.split_once("localhost%3A").unwrap().1[..5].trim_end_matches('%').parse().unwrap();
    let forged = visit(&format!("http://127.0.0.1:{port}/?code=stolen&state=guessed-by-somebody"));
    assert!(forged.starts_with("HTTP/1.1 400"), "{forged}");
    say_yes(&waiting.address);
    let (code, said, _) = waiting.end();
    assert_eq!(code, 0, "{said}");
    machine.ok(["ls", "d:"]);
}

#[test]
fn a_person_who_says_no_leaves_everything_as_it_was() {
    let (fake, cli) = (FakeDropbox::start(), Cli::new());
    let machine = cli.machine("home");
    let waiting = Waiting::start(create(&machine, &fake.url(), &["--auth-no-open-browser"]));
    let query = waiting.address.split_once('?').unwrap().1;
    let part = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)).unwrap();
    let port = part("redirect_uri=").split_once("%3A").unwrap().1.split_once("%3A").unwrap().1.trim_end_matches("%2F");
    let state = part("state=");
    visit(&format!("http://127.0.0.1:{port}/?error=access_denied&error_description=not+today&state={state}"));
    let (code, said, _) = waiting.end();
    assert!(code == 7 && said.contains("not today"), "{code}: {said}");
    assert!(!machine.home.join(".config/cryptsync/config.yaml").exists());
}

#[test]
fn a_machine_without_a_browser_takes_what_another_prints() {
    let (fake, cli) = (FakeDropbox::start(), Cli::new());
    let (with_browser, without) = (cli.machine("desk"), cli.machine("rack"));
    let mut command = with_browser.command(["authorize", "dropbox", "--auth-no-open-browser"]);
    command.args(settings(&fake.url()));
    let waiting = Waiting::start(command);
    say_yes(&waiting.address);
    let (code, said, token) = waiting.end();
    assert!(code == 0 && token.starts_with('{') && token.lines().count() == 1, "{said}{token}");
    let given = with_stdin(create(&without, &fake.url(), &["--paste"]), &token);
    assert_eq!(given.code, 0, "{}", given.stderr);
    without.run(["ls", "d:"]).fails(29, &["d:"]);
    with_stdin(create(&cli.machine("other"), &fake.url(), &["--paste"]), "no token").fails(2, &["authorize"]);
    with_stdin(create(&cli.machine("other"), &fake.url(), &["--paste"]), "\n").fails(2, &["authorize"]);
}

#[test]
fn the_browser_of_the_session_is_opened() {
    let (fake, cli) = (FakeDropbox::start(), Cli::new());
    let (bin, opened) = (cli.path("bin"), cli.path("opened"));
    fs::create_dir(&bin).unwrap();
    fs::write(
        bin.join("xdg-open"),
        format!("#!/bin/sh\nprintf %s \"$1\" >'{0}.new' && mv '{0}.new' '{0}'\n", opened.display()),
    )
    .unwrap();
    fs::set_permissions(bin.join("xdg-open"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let machine = cli.machine("home").var("PATH", &path).var("DISPLAY", ":9");
    let waiting = Waiting::start(create(&machine, &fake.url(), &[]));
    let start = Instant::now();
    while !opened.exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "no browser is opened");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(fs::read_to_string(&opened).unwrap(), waiting.address);
    say_yes(&waiting.address);
    assert_eq!(waiting.end().0, 0);
}

#[test]
fn what_the_service_tells_with_the_code_is_kept() {
    let (fake, cli) = (FakePCloud::start(), Cli::new());
    let machine = cli.machine("home");
    let mut command =
        machine.command(["config", "create", "p", "pcloud", "--secrets", "file", "--auth-no-open-browser"]);
    command.args(settings(&fake.url())).arg(format!("client_secret={CLIENT_SECRET}"));
    let waiting = Waiting::start(command);
    say_yes(&waiting.address);
    let (code, said, _) = waiting.end();
    assert_eq!(code, 0, "{said}");
    assert!(machine.ok(["config", "redacted", "p"]).text().contains("hostname: eapi.pcloud.com"));
}

#[test]
fn mistakes_are_told_before_anybody_is_sent_anywhere() {
    let cli = Cli::new();
    let machine = cli.machine("home");
    let create =
        |more: &[&str]| machine.run([&["config", "create", "d", "dropbox", "--secrets", "file"][..], more].concat());
    let nowhere = machine.clone().var("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
    let unkept = nowhere.run(["config", "create", "d", "dropbox", "client_id=x"]);
    unkept.fails(2, &["cannot keep the token of `d:` in the keyring", "config encryption set", "--secrets file"]);
    assert!(!unkept.stderr.contains("http"), "{}", unkept.stderr);
    create(&[]).fails(2, &["client_id", "https://www.dropbox.com/developers/apps"]);
    create(&["client_id=x", "redirect_port=0"]).fails(2, &["redirect_port"]);
    create(&["client_id=x", "auth_url=ftp://x"]).fails(2, &["auth_url"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("redirect_port={}", taken.local_addr().unwrap().port());
    create(&["client_id=x", &port]).fails(7, &["port", "redirect_port"]);
    machine.run(["config", "reconnect", "v"]).fails(2, &["needs no sign-in"]);
    machine.run(["authorize", "s3", "x"]).fails(2, &["needs no sign-in"]);
    machine.run(["authorize", "dorpbox", "x"]).fails(2, &["did you mean `dropbox`"]);
    let ls = machine.clone().var("CRYPTSYNC_CONFIG_X_TYPE", "drive").var("CRYPTSYNC_CONFIG_X_CLIENT_ID", "x");
    ls.run(["ls", "x:"]).fails(2, &["nobody has signed in", "config reconnect x"]);
}

fn with_stdin(mut command: Command, text: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Output { code: output.status.code().unwrap(), stdout: output.stdout, stderr }
}
