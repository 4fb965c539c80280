//! The keyring of the system: none, one that is locked, and a real one behind a bus of its own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Home, text};
use crate::support::cli::{PASSWORD, skipped};

/// A session bus with a Secret Service of its own.
pub(super) struct SecretService {
    bus: Child,
    daemon: Child,
    address: String,
}

impl SecretService {
    /// Starts one; `None` if there are no programs for it, which is said.
    fn start(dir: &Path) -> Option<Self> {
        // One of them takes no such option and fails, but it is there.
        let there = |program: &str| Command::new(program).arg("--version").output().is_ok();
        if !["dbus-daemon", "gnome-keyring-daemon", "dbus-send"].into_iter().all(there) {
            skipped("there is no Secret Service: install dbus and gnome-keyring");
            return None;
        }
        let clean = |program: &str| {
            let mut command = Command::new(program);
            command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", dir);
            command.env("XDG_RUNTIME_DIR", dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let socket = format!("--address=unix:path={}/bus", dir.display());
        let mut bus = clean("dbus-daemon");
        bus.args(["--session", "--nofork", "--print-address", &socket]).stdout(Stdio::piped());
        let mut bus = bus.spawn().unwrap();
        let mut address = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        let mut daemon = clean("gnome-keyring-daemon");
        daemon.args(["--foreground", "--unlock", "--components=secrets"]).env("DBUS_SESSION_BUS_ADDRESS", &address);
        let mut daemon = daemon.stdin(Stdio::piped()).spawn().unwrap();
        daemon.stdin.take().unwrap().write_all(b"keyring").unwrap();
        let service = Self { bus, daemon, address };
        let begun = Instant::now();
        let answers = || {
            let mut command = clean("dbus-send");
            command.env("DBUS_SESSION_BUS_ADDRESS", &service.address);
            command.args(["--session", "--print-reply", "--dest=org.freedesktop.secrets", "/org/freedesktop/secrets"]);
            command.args(["org.freedesktop.Secret.Service.ReadAlias", "string:default"]).stdout(Stdio::piped());
            command.output().is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains("/collection/"))
        };
        while !answers() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the Secret Service does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(service)
    }

    /// Locks everything that is in it.
    fn lock(&self) {
        let mut command = Command::new("dbus-send");
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.address).args(["--session", "--print-reply"]);
        command.args([
            "--dest=org.freedesktop.secrets",
            "/org/freedesktop/secrets",
            "org.freedesktop.Secret.Service.Lock",
        ]);
        let output = command.arg("array:objpath:/org/freedesktop/secrets/collection/login").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for SecretService {
    fn drop(&mut self) {
        for child in [&mut self.daemon, &mut self.bus] {
            child.kill().unwrap_or_default();
            child.wait().map(drop).unwrap_or_default();
        }
    }
}

pub(super) fn with_service() -> Option<(Home, SecretService)> {
    let mut home = Home::new();
    let dir = home.path("keyring");
    fs::create_dir(&dir).unwrap();
    let service = SecretService::start(&dir)?;
    home.machine = home.machine.var("DBUS_SESSION_BUS_ADDRESS", &service.address);
    Some((home, service))
}

#[test]
fn a_machine_without_a_keyring_says_what_to_do() {
    let home = Home::new();
    let (root, words) = (home.path("vault"), home.path("words"));
    let place = format!(":fs,root={}:", text(&root));
    let init = ["init", &place, "--kdf", "64M,3,1", "--recovery-file", text(&words)];
    home.run(&[&init[..], &["--keyring"]].concat())
        .fails(28, &["no keyring that can be reached", "leave out --keyring"]);
    assert!(!root.exists() && !words.exists(), "nothing was made");
    home.with(&[("CRYPTSYNC_KEYRING", "true")], &init).fails(28, &["no keyring"]);
    home.run(&[&init[..1], &[&format!(":fs,root={},keyring:", text(&root))], &init[2..]].concat())
        .fails(28, &["no keyring"]);
    home.ok(&init);
    assert!(
        home.ok(&["status", &place]).text().contains("device key:   in a file"),
        "{}",
        home.ok(&["status", &place]).text()
    );
    home.run(&["device", "store", &place, "keyring"]).fails(28, &["no keyring"]);
    assert_eq!(
        home.ok(&["device", "store", &place]).text(),
        "the key of this device is in a file that only you can read\n"
    );
    home.run(&["device", "add", &place, "--keyring"]).says(&["already"]);
}

#[test]
fn keys_and_secrets_in_a_real_keyring() {
    let Some((mut home, service)) = with_service() else { return };
    let place = format!(":fs,root={}:", text(&home.path("vault")));
    let words = home.path("words");
    home.ok(&["init", &place, "--keyring", "--kdf", "64M,3,1", "--recovery-file", text(&words)]);
    home.machine = home.machine.clone().without("CRYPTSYNC_PASSWORD");
    let password = ("CRYPTSYNC_PASSWORD", PASSWORD);
    home.ok(&["lsf", &place]);
    assert!(home.ok(&["status", &place]).text().contains("device key:   in the keyring"));
    assert!(home.ok(&["device", "list", &place]).text().contains("its key is in the keyring"));
    let key = || {
        let vaults = fs::read_dir(home.machine.state_dir()).unwrap();
        let keys = vaults.map(|entry| entry.unwrap().path().join("device.key")).find(|path| path.exists());
        fs::read_to_string(keys.unwrap()).unwrap()
    };
    let named = key();
    assert!(named.starts_with("keyring:device/"), "{named}");
    home.ok(&["device", "store", &place, "file"]);
    assert!(key().len() == 52 && home.run(&["lsf", &place]).code == 0);
    home.ok(&["device", "store", &place, "keyring"]);
    assert!(key().starts_with("keyring:") && key() != named);
    home.ok(&["lsf", &place]);

    // Secrets of remotes.
    home.ok(&["config", "create", "m", "memory", "user=me", "password=hidden"]);
    let text = home.text();
    assert!(text.contains("password: {keyring: m/password/") && !text.contains("hidden"), "{text}");
    home.run(&["lsf", "m:"]).fails(29, &[]);
    home.ok(&["config", "copy", "m", "n"]);
    home.ok(&["config", "rename", "m", "o"]);
    home.ok(&["config", "delete", "n"]);
    home.run(&["lsf", "o:"]).fails(29, &[]);
    home.write(&home.text().replace("m/password/", "x/password/"));
    home.run(&["lsf", "o:"]).fails(28, &["has nothing of that name", "config password o password"]);

    // Locked, with nobody at hand to unlock it: the password does as well.
    service.lock();
    home.run(&["lsf", &place]).fails(2, &["the password is needed instead", "--password-file"]);
    let opened = home.with(&[password], &["lsf", &place]);
    assert!(opened.code == 0 && opened.stderr.contains("keyring"), "{}", opened.stderr);
    drop(service);
    let opened = home.with(&[password], &["lsf", &place]);
    assert!(opened.code == 0 && opened.stderr.contains("no keyring that can be reached"), "{}", opened.stderr);
    home.with(&[password], &["device", "add", &place, "--device-name", "again"])
        .says(&["without a password from now on"]);
    home.ok(&["lsf", &place]);
    assert_eq!(key().len(), 52);
}
