//! `config import-rclone`, with a configuration that the real rclone has written.

use std::fs;
use std::path::PathBuf;

use super::{Home, text};
use crate::support::rclone::Rclone;

const CONF: &str = "\
[disk]
type = local

[short]
type = alias
remote = /mnt/backup

[far]
type = alias
remote = box:dir

[secret]
type = crypt
remote = disk:/x
password = abc

[all]
type = union
upstreams = a: b:

[box]
type = pikpak
user = me
";

#[test]
fn what_can_be_used_is_imported_and_the_rest_explained() {
    let home = Home::new();
    let Some(rclone) = Rclone::find() else { return };
    let conf = home.path("rclone.conf");
    fs::write(&conf, CONF).unwrap();
    let run = |args: &[&str]| {
        let output = rclone.run([&["--config", text(&conf)], args].concat());
        assert_eq!(output.code, 0, "{args:?}: {}", output.stderr);
        output.text()
    };
    let obscured = run(&["obscure", "correct: horse"]);
    run(&["config", "create", "mem", "memory"]);
    let made = fs::read_to_string(&conf).unwrap();
    let extra = format!("type = memory\nuser = me\npassword = {}\nencoding = x\n", obscured.trim());
    fs::write(&conf, made.replace("type = memory\n", &extra)).unwrap();
    run(&["config", "encryption", "set", "--password-command", "/bin/echo pw"]);
    assert!(fs::read_to_string(&conf).unwrap().contains("RCLONE_ENCRYPT_V0"));

    let import = ["config", "import-rclone", text(&conf), "--secrets", "file"];
    home.run(&import).fails(2, &["is sealed", "RCLONE_CONFIG_PASS"]);
    home.with(&[("RCLONE_CONFIG_PASS", "no")], &import).fails(28, &["does not open"]);
    let pass = [("RCLONE_CONFIG_PASS", "pw")];
    let dry = home.with(&pass, &[&import[..], &["-n"]].concat());
    assert!(dry.code == 0 && home.text().is_empty() && dry.text().contains("would be imported"), "{}", dry.text());
    let done = home.with(&pass, &import);
    assert_eq!(done.code, 0, "{}", done.stderr);
    for words in [
        "mem     memory  imported      `encoding` is left out",
        "disk    local   not imported  a path of this machine needs no remote; for a vault in it: `cryptsync config create disk fs root=DIR`",
        "root=/mnt/backup`",
        "write `box:dir` with the path behind it",
        "secret  crypt   not imported  a vault encrypts by itself",
        "several places are not one here",
        "this version has no service `pikpak`",
    ] {
        assert!(done.text().contains(words), "{words}:\n{}", done.text());
    }
    assert!(!done.text().contains("correct") && !done.stderr.contains("correct"), "secrets are not printed");
    assert_eq!(home.text(), "remotes:\n  mem:\n    type: memory\n    user: me\n    password: \"correct: horse\"\n");
    assert!(home.with(&pass, &import).text().contains("there is a remote of that name already"));
    let command = home.ok(&[&import[..], &["--rclone-password-command", "echo pw", "--remote", "box:"]].concat());
    assert_eq!(command.text().lines().count(), 1);
}

#[test]
fn where_rclone_looks_and_what_it_would_not_read() {
    let home = Home::new();
    home.run(&["config", "import-rclone"]).fails(2, &["rclone config file"]);
    let usual: PathBuf = home.machine.home.join(".config/rclone/rclone.conf");
    fs::create_dir_all(usual.parent().unwrap()).unwrap();
    for (conf, words) in [
        ("x = 1\n", &["rclone.conf:1: a `[name]` is expected"][..]),
        ("[a]\ntype = fs\nwhat\n", &["rclone.conf:3: `name = value` is expected"]),
        ("[a\n", &["rclone.conf:1: `]` is missing"]),
    ] {
        fs::write(&usual, conf).unwrap();
        home.run(&["config", "import-rclone"]).fails(2, words);
    }
    fs::write(&usual, "[a]\ntype = memory\nuser = me\npassword = in the clear\n").unwrap();
    assert!(home.ok(&["config", "import-rclone"]).text().contains("its password is not what rclone writes"));
    home.run(&["config", "import-rclone", "--remote", "b"]).fails(2, &["has no remote `b:`"]);
    home.run(&["config", "import-rclone", "/nowhere.conf"]).fails(2, &["/nowhere.conf"]);
    assert!(home.text().is_empty());
}

#[test]
fn a_sign_in_of_rclones_own_is_no_sign_in_here() {
    let home = Home::new();
    let conf = home.path("rclone.conf");
    let token =
        r#"{"access_token":"hush-a","token_type":"Bearer","refresh_token":"hush-r","expiry":"2026-01-01T00:00:00Z"}"#;
    let section = |name: &str, kind: &str, more: &str| format!("[{name}]\ntype = {kind}\n{more}token = {token}\n\n");
    let mut all = String::new();
    for kind in ["drive", "dropbox", "onedrive"] {
        all += &section(&format!("my{kind}"), kind, "");
        all += &section(&format!("own{kind}"), kind, "client_id = mine\nclient_secret = hush-s\n");
    }
    fs::write(&conf, all).unwrap();
    let done = home.ok(&["config", "import-rclone", text(&conf), "--secrets", "file"]);
    let told = done.text();
    for kind in ["drive", "dropbox", "onedrive"] {
        let line = told.lines().find(|line| line.starts_with(&format!("my{kind}"))).unwrap();
        for words in
            ["not imported", "an application of its own", &format!("config create my{kind} {kind} client_id=ID")]
        {
            assert!(line.contains(words), "{words}: {line}");
        }
        let line = told.lines().find(|line| line.starts_with(&format!("own{kind}"))).unwrap();
        assert!(line.contains(" imported"), "{line}");
    }
    assert!(!told.contains("hush") && !done.stderr.contains("hush"), "{told}{}", done.stderr);
    assert_eq!(home.ok(&["listremotes"]).text(), "owndrive:\nowndropbox:\nownonedrive:\n");
}
