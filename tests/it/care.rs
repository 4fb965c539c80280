//! A vault that has lost something: `verify` tells what, `repair` mends what can be mended, `rescue` takes the rest out.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::cli::{Cli, Machine, contents, files, noise, walk};

/// Three files in packs of their own class and an index segment: too much for a bundle.
fn filled(cli: &Cli) -> (Machine, PathBuf) {
    let home = cli.machine("home");
    let src = cli.path("src");
    fs::create_dir_all(src.join("dir")).unwrap();
    for (name, seed, len) in [("a", 1, 1_500_000), ("b", 2, 900_000), ("dir/c", 3, 300)] {
        fs::write(src.join(name), noise(seed, len)).unwrap();
    }
    home.ok(["sync", src.to_str().unwrap(), "v:"]);
    (home, src)
}

/// The objects of a class.
fn objects(root: &Path, class: &str) -> Vec<PathBuf> {
    files(&root.join(class)).into_iter().map(|path| root.join(class).join(path)).collect()
}

fn remove(root: &Path, class: &str) -> usize {
    let gone = objects(root, class);
    gone.iter().for_each(|path| fs::remove_file(path).unwrap());
    gone.len()
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    let mut perms = fs::metadata(path).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut perms, 0o644);
    fs::set_permissions(path, perms).unwrap();
    fs::write(path, bytes).unwrap();
}

fn json(machine: &Machine, args: &[&str]) -> (i32, Value) {
    let done = machine.run([&["--json"], args].concat());
    (done.code, serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", done.stderr)))
}

fn paths(report: &Value) -> Vec<String> {
    let files = report["files"].as_array().unwrap();
    files.iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect()
}

fn restored(machine: &Machine, to: &Path) {
    machine.ok(["sync", "--force", "v:", to.to_str().unwrap()]);
}

#[test]
fn lost_content_is_named_and_stored_again_by_who_has_it() {
    let cli = Cli::with_vault();
    let (home, src) = filled(&cli);
    assert!(remove(&home.root, "data") > 0);
    let (code, report) = json(&home, &["verify", "v:"]);
    assert_eq!(code, 24);
    assert_eq!(paths(&report), ["a", "b"], "{report}");
    assert_eq!(report["files"][0]["newest"], true);
    // All packs of content are gone, and that is unusual.
    let (code, would) = json(&home, &["repair", "-n", "v:"]);
    assert_eq!((code, paths(&would).len(), would["commit"].is_null()), (24, 2, true), "{would}");
    let before = contents(&home.root);
    let (code, done) = json(&home, &["repair", "--force", "v:"]);
    assert_eq!((code, done["marked"].as_u64()), (24, Some(2)), "{done}");
    let after = contents(&home.root);
    assert!(before.iter().all(|(name, bytes)| after.get(name) == Some(bytes)), "nothing is deleted or written over");
    // Again there is nothing to be done.
    let (code, again) = json(&home, &["repair", "--force", "v:"]);
    assert_eq!((code, again["marked"].as_u64(), again["commit"].is_null()), (24, Some(0), true), "{again}");
    // The files have neither another size nor another time.
    let stored = home.ok(["sync", src.to_str().unwrap(), "v:"]);
    assert!(stored.stderr.contains("2 files"), "{}", stored.stderr);
    home.ok(["verify", "--read-data", "--history", "v:"]);
    let (code, whole) = json(&home, &["repair", "v:"]);
    assert_eq!((code, whole["commit"].is_null()), (0, true), "{whole}");
    restored(&home, &cli.path("out"));
    assert_eq!(contents(&cli.path("out")), contents(&src));
}

/// Nobody has run `repair`: whoever stores the same content again finds out that the pack is gone, and the tree stays the same.
#[test]
fn a_missing_pack_is_noticed_by_who_stores_its_content_again() {
    let cli = Cli::with_vault();
    let (home, src) = filled(&cli);
    remove(&home.root, "data");
    let stored = home.ok(["sync", "--ignore-times", src.to_str().unwrap(), "v:"]);
    stored.says(&["the vault had lost were stored again"]);
    home.run(["verify", "v:"]).says(&["not whole"]);
    let (_, report) = json(&home, &["verify", "--read-data", "v:"]);
    assert_eq!(paths(&report), Vec::<String>::new(), "{report}");
    restored(&home, &cli.path("out"));
    assert_eq!(contents(&cli.path("out")), contents(&src));
    // The index still speaks of the packs that are gone, until somebody mends it.
    json(&home, &["repair", "--force", "v:"]);
    home.ok(["verify", "--read-data", "v:"]);
}

#[test]
fn a_lost_index_segment_is_made_again_from_the_copy_here() {
    let cli = Cli::with_vault();
    let (home, src) = filled(&cli);
    assert!(remove(&home.root, "index") > 0);
    assert_eq!(home.run(["verify", "v:"]).code, 24);
    let (code, done) = json(&home, &["repair", "v:"]);
    assert_eq!((code, done["segments_kept"].as_u64(), done["segments_lost"].as_u64()), (0, Some(1), Some(0)), "{done}");
    cli.fresh("other").ok(["verify", "--read-data", "--history", "v:"]);
    restored(&home, &cli.path("out"));
    assert_eq!(contents(&cli.path("out")), contents(&src));
}

#[test]
fn a_lost_index_segment_is_made_again_from_the_packs() {
    let cli = Cli::with_vault();
    let (home, src) = filled(&cli);
    let segments = objects(&home.root, "index");
    for damage in ["removed", "flipped", "cut"] {
        let saved = contents(&home.root);
        for segment in &segments {
            match damage {
                "removed" => fs::remove_file(segment).unwrap(),
                "flipped" => flip(segment),
                _ => fs::write(segment, &fs::read(segment).unwrap()[..5000]).unwrap(),
            }
        }
        let other = cli.fresh(&format!("other-{damage}"));
        let (code, done) = json(&other, &["repair", "v:"]);
        let told = (code, done["segments_lost"].as_u64(), done["packs_found"].as_u64().unwrap() >= 2);
        assert_eq!(told, (0, Some(1), true), "{damage}: {done}");
        let last = cli.fresh(&format!("last-{damage}"));
        last.ok(["verify", "--read-data", "--history", "v:"]);
        let out = cli.path(&format!("out-{damage}"));
        restored(&last, &out);
        assert_eq!(contents(&out), contents(&src), "{damage}");
        fs::remove_dir_all(&home.root).unwrap();
        for (path, bytes) in saved {
            let path = home.root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
}

/// The machine that has written the nodes has copies of them.
#[test]
fn lost_nodes_come_back_from_this_machine() {
    let cli = Cli::with_vault();
    let (home, _) = filled(&cli);
    let saved = contents(&home.root.join("meta"));
    assert!(remove(&home.root, "meta") > 0);
    let other = cli.fresh("other");
    assert_eq!(other.run(["verify", "v:"]).code, 24);
    // A machine without copies changes nothing about the tree.
    let (code, cannot) = json(&other, &["repair", "--force", "v:"]);
    assert!(code == 24 && cannot["trees"].as_array().is_some_and(|trees| !trees.is_empty()), "{cannot}");
    let (code, done) = json(&home, &["repair", "v:"]);
    assert_eq!((code, done["put_back"].as_array().unwrap().len()), (0, saved.len()), "{done}");
    assert_eq!(contents(&home.root.join("meta")), saved);
    cli.fresh("last").ok(["verify", "--read-data", "--history", "v:"]);
}

#[test]
fn damaged_packs_are_found_by_reading_and_taken_out_of_the_index() {
    let cli = Cli::with_vault();
    let (home, src) = filled(&cli);
    objects(&home.root, "data").iter().for_each(|path| flip(path));
    home.ok(["verify", "v:"]);
    let (code, report) = json(&home, &["verify", "--read-data", "v:"]);
    assert_eq!(code, 20);
    assert_eq!(paths(&report), ["a", "b"], "{report}");
    let (code, done) = json(&home, &["repair", "--read-data", "--force", "v:"]);
    assert_eq!((code, done["marked"].as_u64()), (20, Some(2)), "{done}");
    home.ok(["sync", src.to_str().unwrap(), "v:"]);
    assert_eq!(home.run(["verify", "--read-data", "--history", "v:"]).code, 0);
}

#[test]
fn most_of_a_vault_is_rarely_lost() {
    let cli = Cli::with_vault();
    let (home, _) = filled(&cli);
    for machine in [&home, &cli.fresh("other")] {
        let gone = ["data", "meta"].map(|class| {
            fs::rename(home.root.join(class), cli.path(class)).unwrap();
            cli.path(class)
        });
        // Another machine has no copies of nodes.
        let cache = machine.cache_dir();
        fs::remove_dir_all(&cache).unwrap_or_default();
        let before = contents(&home.root.join("index"));
        machine.run(["repair", "v:"]).fails(7, &["packs of `v:` are not there", "--force"]);
        assert_eq!(contents(&home.root.join("index")), before);
        for (from, to) in gone.iter().zip(["data", "meta"]) {
            fs::rename(from, home.root.join(to)).unwrap();
        }
    }
    cli.fresh("last").ok(["verify", "--read-data", "v:"]);
}

#[test]
fn older_commits_are_looked_at_too() {
    let cli = Cli::with_vault();
    let (home, src) = filled(&cli);
    let old = objects(&home.root, "data");
    fs::write(src.join("a"), noise(7, 1_500_000)).unwrap();
    fs::write(src.join("b"), noise(8, 900_000)).unwrap();
    home.ok(["sync", src.to_str().unwrap(), "v:"]);
    old.iter().for_each(|path| fs::remove_file(path).unwrap());
    let (_, newest) = json(&home, &["verify", "v:"]);
    assert_eq!(paths(&newest), Vec::<String>::new(), "{newest}");
    let (code, all) = json(&home, &["verify", "--history", "v:"]);
    assert_eq!((code, paths(&all)), (24, vec!["a".to_owned(), "b".to_owned()]), "{all}");
    assert_eq!((&all["files"][0]["newest"], all["files"][0]["commit_count"].as_u64()), (&Value::Bool(false), Some(1)));
}

#[test]
fn samples_go_on_where_the_last_one_ended() {
    let cli = Cli::with_vault();
    let (home, _) = filled(&cli);
    let all = json(&home, &["verify", "--read-data", "v:"]).1["objects_read"].as_u64().unwrap();
    let other = cli.fresh("other");
    let count = |args: &[&str]| json(&other, args).1["objects_read"].as_u64().unwrap();
    let victim = &objects(&home.root, "data")[0];
    flip(victim);
    let found = (0..all).filter(|_| other.run(["verify", "--sample=1", "v:"]).code == 20).count();
    assert_eq!(found, 1, "one object each time, and each once");
    assert_eq!(count(&["verify", "--read-data-subset", "100%", "v:"]), all);
    assert_eq!(
        (1..=3).map(|part| count(&["verify", "--read-data-subset", &format!("{part}/3"), "v:"])).sum::<u64>(),
        all
    );
    assert_eq!(count(&["verify", "--read-data-subset", "1", "v:"]), 1);
    for bad in ["0/3", "4/3", "x", "0%", "200%"] {
        other.run(["verify", "--read-data-subset", bad, "v:"]).fails(2, &["expected a percentage"]);
    }
}

#[test]
fn what_can_be_read_is_rescued() {
    let cli = Cli::with_vault();
    let (home, src) = filled(&cli);
    let before = contents(&src);
    let of = |names: &[&str]| {
        let named = before.iter().filter(|(path, _)| names.contains(&path.to_str().unwrap()));
        named.map(|(path, bytes)| (path.clone(), bytes.clone())).collect::<std::collections::BTreeMap<_, _>>()
    };
    let saved = contents(&home.root);
    let restore = || {
        fs::remove_dir_all(&home.root).unwrap();
        for (path, bytes) in &saved {
            let path = home.root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    };
    // Nothing is wrong.
    let other = cli.fresh("other");
    let out = |name: &str| cli.path(name);
    let dir = |name: &str| cli.path(name).to_str().unwrap().to_owned();
    other.ok(["rescue", "v:", &dir("whole")]);
    assert_eq!(contents(&out("whole")), before);
    // Without the index: hints are enough.
    remove(&home.root, "index");
    cli.fresh("no-index").ok(["rescue", "v:", &dir("out-index")]);
    assert_eq!(contents(&out("out-index")), before);
    restore();
    // Without content: what is kept with the tree is left, and the rest is named.
    remove(&home.root, "data");
    let damaged = contents(&home.root);
    let done = cli.fresh("no-data").run(["rescue", "v:", &dir("out-data")]);
    assert_eq!(done.code, 24, "{}", done.stderr);
    done.says(&["a:", "b:", "is missing"]);
    assert_eq!(contents(&out("out-data")), of(&["dir/c"]));
    assert_eq!(contents(&home.root), damaged, "nothing is written there");
    // What is there is not written over, and is not fetched again.
    fs::write(out("out-data").join("dir/c"), "mine").unwrap();
    assert_eq!(cli.machine("no-data").run(["rescue", "v:", &dir("out-data")]).code, 24);
    assert_eq!(fs::read(out("out-data").join("dir/c")).unwrap(), b"mine");
    restore();
}

#[test]
fn a_rescue_goes_without_the_newest_commits() {
    let cli = Cli::with_vault();
    let (home, src) = filled(&cli);
    let before = contents(&src);
    let log = objects(&home.root, "log");
    fs::write(src.join("late"), "late").unwrap();
    home.ok(["sync", src.to_str().unwrap(), "v:"]);
    let newest = objects(&home.root, "log").into_iter().find(|path| !log.contains(path)).unwrap();
    let held = fs::read(&newest).unwrap();
    fs::remove_file(&newest).unwrap();
    // This machine remembers it, and has a copy of it.
    home.run(["ls", "v:"]).fails(21, &["has gone back"]);
    let out = cli.path("remembered");
    let done = home.run(["rescue", "v:", out.to_str().unwrap()]);
    done.says(&["was seen here before, is missing"]);
    assert_eq!(fs::read(out.join("late")).unwrap(), b"late");
    // Another one knows nothing of it.
    let out = cli.path("old");
    cli.fresh("other").ok(["rescue", "v:", out.to_str().unwrap()]);
    assert_eq!(contents(&out), before);
    // One in the middle is missing: the newest tree is there all the same.
    fs::write(&newest, held).unwrap();
    let middle = log.iter().filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with('c')).max().unwrap();
    fs::remove_file(middle).unwrap();
    let other = cli.fresh("third");
    other.run(["ls", "v:"]).fails(24, &["is missing"]);
    let out = cli.path("middle");
    let done = other.run(["rescue", "v:", out.to_str().unwrap()]);
    done.says(&["is missing, which commit"]);
    assert_eq!(contents(&out), contents(&src));
}

#[test]
fn a_rescue_goes_without_parts_of_the_tree() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    let src = cli.path("src");
    fs::create_dir_all(&src).unwrap();
    // Several leaves.
    for number in 0..4500 {
        fs::write(src.join(format!("file-{number:04}-{}", "x".repeat(60))), noise(number, 400)).unwrap();
    }
    home.ok(["sync", src.to_str().unwrap(), "v:"]);
    fs::write(src.join("file-0700"), "one leaf is written again").unwrap();
    home.ok(["sync", src.to_str().unwrap(), "v:"]);
    // The first commit's nodes are gone; the second has a few of its own.
    let packs = objects(&home.root, "meta");
    assert!(!packs.is_empty());
    packs.iter().for_each(|path| fs::remove_file(path).unwrap());
    let other = cli.fresh("other");
    assert_eq!(other.run(["ls", "v:"]).code, 24);
    let (code, report) = json(&other, &["verify", "v:"]);
    assert_eq!(code, 24, "{report}");
    let out = cli.path("out");
    let done = other.run(["rescue", "v:", out.to_str().unwrap()]);
    assert_eq!(done.code, 24, "{}", done.stderr);
    done.says(&["can't be read"]);
    assert!(out.join("file-0700").exists(), "{}", done.stderr);
    let got = contents(&out);
    assert!(got.len() < 4501 && got.iter().all(|(path, bytes)| fs::read(src.join(path)).unwrap() == *bytes));
}

/// Each object in turn is removed, altered or cut short: nothing goes unnoticed, and nobody comes to harm.
#[test]
fn any_object_may_be_damaged() {
    let cli = Cli::with_vault();
    let (home, src) = filled(&cli);
    let before = contents(&src);
    for (number, path) in files(&home.root).into_iter().enumerate() {
        let object = home.root.join(&path);
        let held = fs::read(&object).unwrap();
        let damage = ["removed", "flipped", "cut"][number % 3];
        match damage {
            "removed" => fs::remove_file(&object).unwrap(),
            "flipped" => flip(&object),
            _ => fs::write(&object, &held[..held.len() / 2]).unwrap(),
        }
        let what = format!("{} {damage}", path.display());
        let other = cli.fresh("other");
        let code = other.run(["verify", "--read-data", "--history", "v:"]).code;
        // What a new machine can't know: that there was a newer commit.
        assert!(code != 0 || damage == "removed" && path.starts_with("log"), "{what} went unnoticed");
        let out = cli.path("out");
        let rescued = other.run(["rescue", "v:", out.to_str().unwrap()]);
        assert!([0, 20, 23, 24, 25, 28, 29].contains(&rescued.code), "{what}: {}", rescued.stderr);
        for (name, bytes) in contents(&out) {
            assert_eq!(before.get(&name), Some(&bytes), "{what}: {}", name.display());
        }
        fs::write(&object, &held).unwrap();
        fs::remove_dir_all(cli.path("other")).unwrap();
        fs::remove_dir_all(&out).unwrap_or_default();
    }
    cli.fresh("last").ok(["verify", "--read-data", "--history", "v:"]);
}

#[test]
fn a_recovery_drill_reads_files_and_is_remembered() {
    let cli = Cli::with_vault();
    let (home, _) = filled(&cli);
    let words = fs::read_to_string(home.home.join("words.txt")).unwrap();
    let drill = home.clone().var("CRYPTSYNC_PASSWORD", words.trim());
    let (_, before) = json(&home, &["doctor", "v:"]);
    assert!(before.to_string().contains("never tested"), "{before}");
    let (code, only) = json(&drill, &["recovery", "test", "-n", "--files", "2", "v:"]);
    assert_eq!((code, only["files"].as_u64(), &only["recorded"]), (0, Some(2), &Value::Bool(false)), "{only}");
    let (code, done) = json(&drill, &["recovery", "test", "v:"]);
    assert_eq!((code, done["files"].as_u64(), &done["recorded"]), (0, Some(3), &Value::Bool(true)), "{done}");
    assert_eq!(done["bytes"].as_u64(), Some(1_500_000 + 900_000 + 300));
    let (code, after) = json(&cli.fresh("other"), &["doctor", "v:"]);
    assert!(code == 0 && after.to_string().contains("tested 0 days ago"), "{after}");
    // The tree is what it was.
    home.ok(["verify", "--read-data", "v:"]);
    home.run(["recovery", "test", "v:"]).fails(28, &["not the recovery words"]);
    // A drill is one of the files too.
    remove(&home.root, "data");
    assert_eq!(drill.run(["recovery", "test", "v:"]).code, 24);
}

#[test]
fn the_doctor_looks_at_this_machine_and_the_vault() {
    let cli = Cli::with_vault();
    let (home, _) = filled(&cli);
    let text = home.ok(["doctor"]).text();
    assert!(text.contains("ok       state directory: ") && text.contains("ok       clock: "), "{text}");
    let text = home.ok(["doctor", "v:"]).text();
    for about in ["vault", "access", "heads", "writers", "tree"] {
        assert!(text.contains(&format!("ok       {about}: ")), "{about}: {text}");
    }
    assert!(text.contains("warning  recovery words: never tested"), "{text}");
    // A vault that is not there, and a configuration that is none.
    let nowhere = home.clone().at(&cli.path("nowhere"));
    let done = nowhere.run(["doctor", "v:"]);
    assert!(done.code == 1 && done.text().contains("bad      vault: "), "{}", done.text());
    let config = home.home.join("config.toml");
    fs::write(&config, "[broken").unwrap();
    let config = config.to_str().unwrap();
    home.run(["--config", config, "doctor"]).fails(2, &["config.toml:1:1"]);
    let (code, report) = json(&nowhere, &["doctor", "v:"]);
    assert_eq!((code, &report["healthy"]), (1, &Value::Bool(false)), "{report}");
}

#[test]
fn a_lost_state_costs_only_what_is_needed() {
    let cli = Cli::with_vault();
    let (home, src) = filled(&cli);
    let requests = |machine: &Machine| {
        let (_, report) = json(machine, &["sync", src.to_str().unwrap(), "v:"]);
        report["requests"].as_u64().unwrap()
    };
    let warm = requests(&home);
    fs::remove_dir_all(home.state_dir()).unwrap();
    fs::remove_dir_all(home.cache_dir()).unwrap();
    let home = home.var("CRYPTSYNC_VAULT_ID", &cli.vault_id);
    let read: u64 = walk(&home.root).iter().filter_map(|path| path.metadata().ok()).map(|meta| meta.len()).sum();
    let cold = requests(&home);
    assert!(warm <= 2 && cold <= 10, "{warm} requests with a state, {cold} without, of a vault of {read} bytes");
    let fetched: u64 =
        walk(&home.cache_dir()).iter().filter_map(|path| path.metadata().ok()).map(|meta| meta.len()).sum();
    assert!(fetched < 300_000, "{fetched} bytes of metadata");
    assert_eq!(requests(&home), warm);
    home.ok(["verify", "--read-data", "v:"]);
}
