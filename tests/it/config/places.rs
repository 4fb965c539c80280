//! Places on the command line, and what counts more than what.

use std::fs;

use super::{Home, text};

#[test]
fn a_remote_on_the_command_line_alone() {
    let home = Home::new();
    let root = home.path("my: vault, 'one'");
    let quoted = text(&root).replace('\'', "''");
    let place = format!(":fs,root='{quoted}':");
    home.ok(&["init", &place, "--kdf", "64M,3,1", "--recovery-file", text(&home.path("words"))]);
    fs::write(home.path("f"), "hello").unwrap();
    home.ok(&["copy", text(&home.path("f")), &format!("{place}dir")]);
    assert_eq!(home.ok(&["lsf", "-R", &format!(":local,root='{quoted}':/")]).text(), "dir/\ndir/f\n");
    home.write("remotes: {nas: {type: fs, root: /nowhere}}");
    assert_eq!(home.ok(&["cat", &format!("nas,root='{quoted}':dir/f")]).text(), "hello");
    let other = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    home.run(&["lsf", &format!(":fs,root='{quoted}',vault_id={other}:")]).fails(23, &[]);
    // Flags and variables for all remotes of a service, and their order.
    let flag = format!("--fs-root={}", text(&root));
    assert_eq!(home.ok(&["cat", ":fs:dir/f", &flag]).text(), "hello");
    let service = [("CRYPTSYNC_FS_ROOT", text(&root))];
    assert_eq!(home.with(&service, &["cat", ":fs:dir/f"]).text(), "hello");
    assert_eq!(home.with(&service, &["cat", "nas:dir/f"]).text(), "hello", "the service's variable before the file");
    let own = [("CRYPTSYNC_CONFIG_NAS_ROOT", text(&root)), ("CRYPTSYNC_FS_ROOT", "/wrong")];
    assert_eq!(home.with(&own, &["cat", "nas:dir/f"]).text(), "hello", "its own variable before the service's");
    home.with(&own, &["cat", "nas:dir/f", "--fs-root=/no"]).fails(29, &["nas"]);
    assert_eq!(home.with(&own, &["cat", &format!("nas,root='{quoted}':dir/f"), "--fs-root=/no"]).text(), "hello");
    // The vault that is demanded: with the remote, by a flag, by the remote's variable, by the flag's.
    let vars = [("CRYPTSYNC_CONFIG_NAS_ROOT", text(&root)), ("CRYPTSYNC_CONFIG_NAS_VAULT_ID", other)];
    home.with(&vars, &["lsf", "nas:"]).fails(23, &[]);
    let id = home.ok(&["status", "--json", &place]).text();
    let id = serde_json::from_str::<serde_json::Value>(&id).unwrap()["vault_id"].as_str().unwrap().to_owned();
    assert_eq!(home.with(&vars, &["lsf", "nas:", "--vault-id", &id]).text(), "dir/\n");
    assert_eq!(home.with(&vars, &["lsf", &format!("nas,vault_id={id}:"), "--vault-id", other]).text(), "dir/\n");
    let both = [vars[0], vars[1], ("CRYPTSYNC_VAULT_ID", &*id)];
    home.with(&both, &["lsf", "nas:"]).fails(23, &[]);
}

#[test]
fn bad_places_and_variables() {
    let home = Home::new();
    home.write("remotes: {nas: {type: fs, root: /nowhere}}");
    for (place, words) in [
        (":fs,root='/x:", &["character 10", "never closed", "hint: "][..]),
        (":fs,root=/x", &["a colon is missing"]),
        (":", &["name of a remote is missing"]),
        (",x:d", &["name of a remote is missing"]),
        (":fz:", &["no service `fz`", "did you mean `fs`?"]),
        (":fs,rot=/x:", &["character 5", "unknown setting `rot`", "did you mean `root`?"]),
        (":fs:", &["has no root"]),
        (":fs,root=/x,type=memory:", &["character 13", "type"]),
        ("nas,plain=perhaps:", &["character 5", "`true` or `false`"]),
        (":memory,user=me,plain:", &["plain"]),
        ("nas,checkpoint=x:", &["`checkpoint`"]),
        ("nsa,root=/x:", &["did you mean `nas:`?"]),
        (":memory,user=me,provider=oen:", &["character 17", "`one`, `two`", "did you mean `one`?"]),
        (":memory:", &["has no user"]),
        ("a\u{7f}b:c", &["\\x7f", "not the name of a remote"]),
    ] {
        home.run(&["lsf", place]).fails(2, words);
        home.run(&["sync", text(&home.machine.home), place]).fails(2, words);
    }
    assert!(!home.path("home/.local").exists(), "nothing was made");
    for (variable, value, words) in [
        ("CRYPTSYNC_CONFIG_NAS_ROTO", "/x", &["did you mean `CRYPTSYNC_CONFIG_NAS_ROOT`?"][..]),
        ("CRYPTSYNC_CONFIG_NAS_TYPE", "fz", &["CRYPTSYNC_CONFIG_NAS_TYPE", "no service `fz`", "did you mean `fs`?"]),
        ("CRYPTSYNC_CONFIG_NAS_PLAIN", "x", &["CRYPTSYNC_CONFIG_NAS_PLAIN", "`true` or `false`"]),
        ("CRYPTSYNC_FS_ROTO", "/x", &["did you mean `CRYPTSYNC_FS_ROOT`?"]),
        ("CRYPTSYNC_CONFIG_NAS_USER", "me", &["unknown setting `user`"]),
        ("CRYPTSYNC_CONFIG_X_ROOT", "/x", &["`x:` has no type"]),
    ] {
        let place = if variable.contains("_X_") { "x:" } else { "nas:" };
        home.with(&[(variable, value)], &["lsf", place]).fails(2, words);
    }
}
