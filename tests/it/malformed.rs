//! What people mistype: each mistake is told in one line that shows the place, with what to write instead, ends with exit code
//! 2, and nothing has been done.

use std::fs;

use super::support::cli::{Cli, Machine, Output, contents};

/// A machine with a vault, something to sync to it, and what is in the vault now.
struct Desk {
    cli: Cli,
    machine: Machine,
    before: std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>,
}

impl Desk {
    fn new() -> Self {
        let cli = Cli::with_vault();
        let machine = cli.machine("home");
        fs::create_dir(machine.home.join("src")).unwrap();
        fs::write(machine.home.join("src/file"), "x").unwrap();
        let before = contents(&cli.path("vault"));
        Self { cli, machine, before }
    }

    #[track_caller]
    fn refuses(&self, what: &str, output: &Output, words: &[&str]) {
        assert_eq!((output.code, &*output.text()), (2, ""), "{what}: {}", output.stderr);
        output.says(words);
        let lines: Vec<&str> = output.stderr.lines().collect();
        assert!(lines[0].starts_with("error: ") && lines.len() <= 2, "{what}: {}", output.stderr);
        assert!(lines.get(1).is_none_or(|line| line.starts_with("hint: ")), "{what}: {}", output.stderr);
        assert!(!output.stderr.contains("found in string"), "{what}: {}", output.stderr);
    }

    fn sync(&self, more: &[&str]) -> Output {
        self.machine.run([&["sync", "src", "v:"][..], more].concat())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(contents(&self.cli.path("vault")) == self.before, "something was stored");
            assert_eq!(fs::read_dir(self.machine.home.join("src")).unwrap().count(), 1);
        }
    }
}

#[test]
fn values_of_options() {
    let desk = Desk::new();
    fs::write(desk.machine.home.join("rules"), "+ a\n- b\nx y\n").unwrap();
    for (flag, value, words) in [
        ("--include", "a[b", &["--include", "`a[b`", "character 2", "`]`"][..]),
        ("--include", "{{a(}}", &["--include", "character 1", "unclosed group"]),
        ("--exclude", "a{b", &["--exclude", "character 2", "`}`"]),
        ("--exclude", "a***", &["--exclude", "character 2", "`**`"]),
        ("--filter", "xx", &["--filter", "`xx`", "`+ PATTERN`"]),
        ("--filter", "+", &["--filter", "`+ PATTERN`"]),
        ("--filter-from", "rules", &["rules, line 3", "`x y`", "`+ PATTERN`"]),
        ("--metadata-include", "a[", &["--metadata-include", "character 2"]),
        ("--exclude-if-present", "a/b", &["--exclude-if-present", "`a/b`"]),
        ("--hash-filter", "x", &["--hash-filter", "`x`", "`1/10`"]),
        ("--min-size", "1Q", &["--min-size", "`1Q`", "`64K`"]),
        ("--min-size", "10X5", &["--min-size", "`10X5`", "`64K`"]),
        ("--max-size", "", &["--max-size"]),
        ("--max-age", "5parsecs", &["--max-age", "`5parsecs`", "`parsecs` is no unit", "`1h30m`"]),
        ("--max-age", "1d2", &["--max-age", "`2` has no unit"]),
        ("--min-age", "2026-13-01", &["--min-age", "no such moment", "`2026-01-31`"]),
        ("--max-depth", "x", &["--max-depth", "'x'", "not a whole number"]),
        ("--max-delete", "1.5", &["--max-delete", "'1.5'", "not a whole number"]),
        ("--max-delete", "99999999999999999999999", &["--max-delete", "too large"]),
        ("--max-delete-size", "1q", &["--max-delete-size", "`1q`", "`64K`"]),
        ("--modify-window", "1z", &["--modify-window", "`z` is no unit"]),
        ("--bwlimit", "fast", &["--bwlimit", "`fast`", "`10M:1M`"]),
        ("--bwlimit", "08:61,1M", &["--bwlimit", "`08:61,1M`", "`08:00,512K`"]),
        ("--tpslimit", "many", &["--tpslimit", "`many`", "`0.5`"]),
        ("--timeout", "x", &["--timeout", "`x`", "`90s`"]),
        ("--stats", "1fortnight", &["--stats", "`fortnight` is no unit"]),
        ("--transfers", "0", &["--transfers", "1..=256"]),
        ("--memory", "x", &["--memory", "`x`", "`64K`"]),
        ("--zstd-level", "99", &["--zstd-level", "1..=19"]),
        ("--color", "pink", &["--color", "'pink'", "never"]),
        ("--log-level", "LOUD", &["--log-level", "`LOUD`", "NOTICE"]),
        ("--log-format", "foo", &["--log-format", "`foo`", "microseconds"]),
        ("--suffix", "a/b", &["--suffix", "no `/`"]),
        ("--checkpoint", "x", &["--checkpoint", "`cs1.`"]),
        ("--vault-id", "x", &["--vault-id", "`x`", "52 characters", "status"]),
        ("--accept-rollback", "x", &["--accept-rollback", "52 characters"]),
        ("--track-renames-strategy", "x", &["--track-renames-strategy", "hash, modtime, leaf, size"]),
        ("--bwlimt", "1M", &["'--bwlimt'", "`--bwlimit`"]),
    ] {
        let given = format!("{flag}={value}");
        desk.refuses(&given, &desk.sync(&[&given]), words);
    }
    desk.refuses("", &desk.sync(&["--min-size", "2M", "--max-size", "1M"]), &["--min-size", "--max-size"]);
}

#[test]
fn values_of_variables() {
    let desk = Desk::new();
    for (name, value, words) in [
        ("CRYPTSYNC_INCLUDE", "a[b", &["--include", "character 2"][..]),
        ("CRYPTSYNC_INCLUDE", "\"a", &["CRYPTSYNC_INCLUDE", "quotes"]),
        ("CRYPTSYNC_MIN_SIZE", "1Q", &["`1Q`", "CRYPTSYNC_MIN_SIZE"]),
        ("CRYPTSYNC_MAX_AGE", "5x", &["`5x`", "CRYPTSYNC_MAX_AGE"]),
        ("CRYPTSYNC_TRANSFERS", "many", &["not a whole number", "CRYPTSYNC_TRANSFERS"]),
        ("CRYPTSYNC_DRY_RUN", "perhaps", &["CRYPTSYNC_DRY_RUN", "`perhaps`", "`true` or `false`"]),
        ("CRYPTSYNC_VERBOSE", "x", &["CRYPTSYNC_VERBOSE", "write a number"]),
        ("CRYPTSYNC_CONFIG_V_PLAIN", "x", &["CRYPTSYNC_CONFIG_V_PLAIN", "`true` or `false`"]),
        ("CRYPTSYNC_CONFIG_V_TYPE", "fz", &["CRYPTSYNC_CONFIG_V_TYPE", "`fz`", "`fs`"]),
        ("CRYPTSYNC_CONFIG_V_ROTO", "/x", &["CRYPTSYNC_CONFIG_V_ROTO", "`CRYPTSYNC_CONFIG_V_ROOT`"]),
        ("CRYPTSYNC_FS_ROTO", "/x", &["CRYPTSYNC_FS_ROTO", "`CRYPTSYNC_FS_ROOT`"]),
    ] {
        let output = desk.machine.clone().var(name, value).run(["sync", "src", "v:"]);
        desk.refuses(&format!("{name}={value}"), &output, words);
    }
}

#[test]
fn places() {
    let desk = Desk::new();
    for (place, words) in [
        ("", &["empty", "`.`"][..]),
        (":", &["`:`, character 2", "name of a remote is missing"]),
        (":fs", &["`:fs`, character 4", "a colon is missing"]),
        (":fs,root='/x:", &["character 10", "never closed"]),
        (":fs,root='/x'y:", &["character 10", "behind a quote"]),
        (":fs,:x", &["`:fs,:…`, character 5", "name of a setting is missing"]),
        (":fs,ro ot=x:", &["character 7", "quote a value"]),
        (":fs,rot=/x:", &["character 5", "unknown setting `rot`", "`root`"]),
        (":fz:", &["no service `fz`", "`fs`"]),
        (":webdav,url=https://h/dav,user=u:", &["`:webdav,url=***`, character 13", "url='https://"]),
        ("vault:", &["`vault:`", "known remotes: `v:`"]),
        ("w:x", &["`w:`", "`v:`"]),
        ("a*b:c", &["`a*b:c`, character 1", "`./a*b:c`"]),
        ("v,plain=perhaps:", &["character 3", "`true` or `false`"]),
        ("v,vault_id=x:", &["`vault_id`"]),
    ] {
        desk.refuses(place, &desk.machine.run(["sync", "src", place]), words);
        desk.refuses(place, &desk.machine.run(["lsf", place]), words);
    }
}

#[test]
fn configurations() {
    let desk = Desk::new();
    let file = desk.machine.home.join("c.yaml");
    for (text, words) in [
        ("remotes:\n  a:\n    type: fs\n   root: /x\n", &["c.yaml:4:", "remotes:"][..]),
        ("remotes:\n  a: {type: fs\n", &["c.yaml:3:1"]),
        ("remotes:\n  a:\n\ttype: fs\n", &["c.yaml:3:"]),
        ("remotes:\n  - a\n", &["c.yaml:2:3", "a list is not expected"]),
        ("remots: {}\n", &["c.yaml:1:1", "unknown key `remots`", "`remotes`"]),
        ("remotes: {a: {typ: fs}}\n", &["c.yaml:1:15", "unknown setting `typ`", "`type`"]),
        ("remotes: {a: {type: fz}}\n", &["c.yaml:1:21", "no service `fz`", "`fs`"]),
        ("remotes: {a: {type: fs, rot: /x}}\n", &["c.yaml:1:25", "unknown setting `rot`", "`root`"]),
        ("remotes: {a: {type: fs, plain: perhaps}}\n", &["c.yaml:1:32", "`true` or `false`"]),
        ("remotes: {a: {type: fs, root: {x: y}}}\n", &["c.yaml:1:31", "one value"]),
        ("remotes: {a: {type: fs}, a: {type: fs}}\n", &["c.yaml:1:26", "twice"]),
        ("remotes: {a: {type: fs, root: /x, root: /y}}\n", &["c.yaml:1:35", "twice"]),
        ("remotes: {a: &x {type: fs}}\n", &["c.yaml:1:", "anchors"]),
        ("remotes: {a/b: {type: fs}}\n", &["c.yaml:1:11", "not the name of a remote"]),
        ("remotes: {a: {type: fs}}\n---\nx: y\n", &["c.yaml:2:1", "second document"]),
        ("just words\n", &["c.yaml:1:1", "`remotes:` is expected"]),
    ] {
        fs::write(&file, text).unwrap();
        let output = desk.machine.run(["--config", file.to_str().unwrap(), "sync", "src", "v:"]);
        desk.refuses(text, &output, words);
    }
    fs::write(&file, b"remotes: {}\n# \xff\n").unwrap();
    let output = desk.machine.run(["--config", file.to_str().unwrap(), "sync", "src", "v:"]);
    desk.refuses("latin", &output, &["c.yaml:2: ", "UTF-8"]);
}
