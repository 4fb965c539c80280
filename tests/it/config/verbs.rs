//! `config create` and the other verbs that change the file.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::{Home, text};
use crate::support::cli::{NOBODY, is_root, skipped};

#[test]
fn a_remote_from_its_making_to_its_end() {
    let home = Home::new();
    let root = home.path("vault");
    let set = format!("root={}", text(&root));
    home.ok(&["config", "create", "nas", "fs", &set]).says(&["there is no vault at `nas:` yet", "added `nas:`"]);
    assert_eq!(home.text(), format!("remotes:\n  nas:\n    type: fs\n    root: {}\n", text(&root)));
    assert_eq!(fs::metadata(home.file()).unwrap().mode() & 0o777, 0o600);
    assert!(!root.exists(), "a probe writes nothing");
    home.ok(&["init", "nas:", "--kdf", "64M,3,1", "--recovery-file", text(&home.path("words"))]);
    home.ok(&["config", "update", "nas", "max_staleness=7d", "description", "my disk: one"])
        .says(&["there is a vault"]);
    assert_eq!(home.ok(&["listremotes", "--long"]).text(), "nas:  fs  my disk: one\n");
    assert_eq!(home.ok(&["listremotes", "--json", "--long"]).text().matches("my disk: one").count(), 1);
    assert_eq!(home.ok(&["lsf", "nas:"]).text(), "");
    home.ok(&["config", "update", "nas", "description="]);
    assert!(!home.text().contains("description"));
    home.ok(&["config", "copy", "nas", "twin"]);
    home.ok(&["config", "rename", "nas:", "disk"]);
    assert_eq!(home.ok(&["listremotes"]).text(), "disk:\ntwin:\n");
    assert_eq!(home.ok(&["config", "show", "disk"]).text().lines().nth(1), Some("  disk:"));
    let dump: serde_json::Value = serde_json::from_slice(&home.ok(&["config", "dump"]).stdout).unwrap();
    assert_eq!(dump["twin"]["root"], text(&root));
    home.ok(&["config", "delete", "twin"]);
    home.ok(&["config", "delete", "disk"]);
    assert_eq!(home.ok(&["listremotes"]).text(), "");
    assert!(root.join("vault").is_dir(), "what is stored stays");
}

#[test]
fn mistakes_change_nothing() {
    let home = Home::new();
    home.write("remotes:\n  nas: {type: fs, root: /mnt/v} # mine\n");
    let before = home.text();
    for (args, words) in [
        (&["create", "nas", "fs", "root=/x"][..], &["there is a remote `nas:` already", "config update nas"][..]),
        (&["create", "a:b", "fs", "root=/x"], &["`a:b` is not the name of a remote"]),
        (&["create", "-x", "fs"], &["-x"]),
        (&["create", "x", "fz", "root=/x"], &["no service `fz`", "did you mean `fs`?"]),
        (&["create", "x", "zzz"], &["no service `zzz`"]),
        (&["create", "x", "fs", "rot=/x"], &["unknown setting `rot`", "did you mean `root`?"]),
        (&["create", "x", "fs", "root"], &["the setting `root` has no value", "root=VALUE"]),
        (&["create", "x", "fs"], &["has no root", "add `root:`"]),
        (&["create", "x", "fs", "root=/dev/null/x"], &["is not a directory", "--no-probe"]),
        (&["create", "x", "fs", "root=/x", "plain=maybe"], &["`plain` is `maybe`", "`true` or `false`"]),
        (&["create", "x", "fs", "root=/x", "vault_id=short"], &["`vault_id`"]),
        (&["create", "x", "fs", "root=/x", "max_staleness=soon"], &["`max_staleness`", "is not a duration"]),
        (&["create", "x", "fs", "root=/x", "root=/y"], &["given twice"]),
        (&["update", "nos", "root=/x"], &["no remote `nos:`", "did you mean `nas:`?"]),
        (&["update", "nas", "colour=red"], &["unknown setting `colour`"]),
        (&["update", "nas", "root="], &["has no root"]),
        (&["update", "nas"], &["SETTING=VALUE"]),
        (&["delete", "nos"], &["did you mean `nas:`?"]),
        (&["rename", "nas", "b/c"], &["not the name of a remote"]),
        (&["rename", "nos", "x"], &["no remote `nos:`"]),
        (&["password", "nas", "root"], &["`root` is no secret"]),
        (&["reconnect", "nas"], &["needs no sign-in"]),
        (&["reconnect", "nos"], &["did you mean `nas:`?"]),
        (&["providers", "fz"], &["did you mean `fs`?"]),
        (&["show", "nos"], &["did you mean `nas:`?"]),
    ] {
        let output = home.run(&[&["config"], args].concat());
        output.fails(2, words);
        assert_eq!(home.text(), before, "{args:?}");
    }
    assert_eq!(fs::read_dir(home.file().parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    home.run(&["--config", "", "config", "create", "x", "fs", "root=/x"]).fails(2, &["in memory only"]);
    home.run(&["--config", "/dev/null", "config", "touch"]).fails(2, &["in memory only"]);
    home.ok(&["config", "create", "nas", "fs", "root=/mnt/v"]);
    assert_eq!(home.text(), before, "what is so already may be said again");
}

#[test]
fn a_place_that_can_not_be_written() {
    if !is_root() {
        return skipped("only root can make a directory that this user can't write");
    }
    let home = Home::new();
    let machine = home.machine.clone().used_by_nobody();
    let shut = home.path("shut");
    fs::create_dir(&shut).unwrap();
    let set = format!("root={}/v", text(&shut));
    machine.run(["config", "create", "x", "fs", &set]).fails(7, &["can't be written", "--no-probe"]);
    machine.ok(["config", "create", "x", "fs", &set, "--no-probe"]);
    assert_eq!(fs::metadata(home.file()).unwrap().uid(), NOBODY);
}

#[test]
fn the_file_keeps_its_mode_its_links_and_its_comments() {
    let home = Home::new();
    let real = home.path("dotfiles.yaml");
    fs::write(&real, "# mine\nremotes:\n  a: {type: fs, root: /a} # the first\n").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    fs::create_dir_all(home.file().parent().unwrap()).unwrap();
    symlink("../../../dotfiles.yaml", home.file()).unwrap();
    home.ok(&["config", "create", "b", "fs", "root=/b", "--no-probe"]);
    assert!(home.file().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().mode() & 0o777, 0o640);
    assert_eq!(
        fs::read_to_string(&real).unwrap(),
        "# mine\nremotes:\n  a: {type: fs, root: /a} # the first\n  b:\n    type: fs\n    root: /b\n"
    );
    let flow = "remotes: {a: {type: fs, root: /a}} # one line\n";
    fs::write(&real, flow).unwrap();
    home.ok(&["config", "create", "b", "fs", "root=/b", "--no-probe"]).says(&["comments could not be kept", ".old1"]);
    assert_eq!(fs::read_to_string(home.path("dotfiles.yaml.old1")).unwrap(), flow);
    assert_eq!(home.ok(&["listremotes"]).text(), "a:\nb:\n");
}

#[test]
fn writers_at_the_same_moment_lose_nothing() {
    let home = Home::new();
    let children: Vec<_> = (0..8)
        .map(|n| home.command(&["config", "create", &format!("r{n}"), "fs", "root=/x", "--no-probe"]).spawn().unwrap())
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(home.ok(&["listremotes"]).text().lines().count(), 8);
}

#[test]
fn what_is_looked_at() {
    let home = Home::new();
    let file = home.file();
    assert_eq!(home.ok(&["config", "file"]).text(), format!("{}\n", text(&file)));
    assert!(home.ok(&["config", "paths"]).text().contains(".local/state/cryptsync"));
    home.ok(&["config", "touch"]);
    assert_eq!((home.text().as_str(), fs::metadata(&file).unwrap().mode() & 0o777), ("", 0o600));
    home.write("remotes:\n");
    home.ok(&["config", "touch"]);
    assert_eq!(home.text(), "remotes:\n");
    let providers = home.ok(&["config", "providers"]).text();
    assert!(providers.contains("fs: a directory") && providers.contains("CRYPTSYNC_FS_ROOT"), "{providers}");
    assert!(!providers.contains("memory"), "what is there for tests is not shown");
    let json: serde_json::Value = serde_json::from_slice(&home.ok(&["config", "providers", "--json"]).stdout).unwrap();
    assert_eq!((&json[0]["name"], &json[0]["settings"][0]["required"]), (&"fs".into(), &true.into()));
    home.write("remotes: [\n");
    home.ok(&["config", "file"]);
    home.ok(&["version"]);
    home.run(&["ls", "."]).fails(2, &["config.yaml:", "hint: "]);
    home.run(&["config"]).fails(2, &["no terminal", "config create"]);
}
