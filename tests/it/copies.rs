//! Copies of a vault: `replicate`, `verify --no-key`, witnesses, and mirrors with their copies. Nothing here but reading and writing
//! files needs a key.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::cli::{Cli, Machine, contents, noise, walk};

/// A machine without any key that knows two directories.
fn keyless(cli: &Cli, home: &str) -> Machine {
    with_copy(cli, &cli.machine(home).without("CRYPTSYNC_PASSWORD"))
}

/// The same machine with `w:`, a place for a copy.
fn with_copy(cli: &Cli, machine: &Machine) -> Machine {
    machine
        .clone()
        .var("CRYPTSYNC_CONFIG_W_TYPE", "fs")
        .var("CRYPTSYNC_CONFIG_W_ROOT", cli.path("copy").to_str().unwrap())
}

fn source(cli: &Cli) -> PathBuf {
    let dir = cli.path("src");
    fs::create_dir_all(dir.join("sub")).unwrap();
    for n in 0..40u32 {
        fs::write(dir.join(format!("sub/{n}")), n.to_string().repeat(3000)).unwrap();
    }
    fs::write(dir.join("noise"), noise(1, 3_000_000)).unwrap();
    dir
}

fn objects(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found: Vec<_> = walk(dir)
        .into_iter()
        .filter(|path| path.is_file())
        .map(|path| (path.strip_prefix(dir).unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect();
    found.sort();
    found
}

fn largest(dir: &Path) -> PathBuf {
    walk(dir).into_iter().filter(|path| path.is_file()).max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_copy_is_the_vault_itself_and_is_made_without_a_key() {
    let cli = Cli::with_vault();
    let (home, mule) = (with_copy(&cli, &cli.machine("home")), keyless(&cli, "mule"));
    let dir = source(&cli);
    home.ok(["sync", dir.to_str().unwrap(), "v:docs"]);

    let would = mule.ok(["replicate", "-n", "v:", "w:"]);
    assert!(would.text().starts_with("to copy: "), "{}", would.text());
    assert!(!cli.path("copy").exists());
    let told = mule.ok(["--json", "replicate", "v:", "w:"]).text();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["copied"], &told["older"]), (&told["objects"], &serde_json::Value::Null), "{told}");
    assert_eq!(objects(&cli.path("vault")), objects(&cli.path("copy")));
    assert!(mule.ok(["replicate", "v:", "w:"]).text().starts_with("copied: 0 of "));

    // Only what is new is copied; what was copied half is made whole.
    fs::write(dir.join("new"), "new").unwrap();
    home.ok(["sync", dir.to_str().unwrap(), "v:docs"]);
    let cut = largest(&cli.path("copy"));
    fs::OpenOptions::new().write(true).open(&cut).unwrap().set_len(1000).unwrap();
    mule.ok(["replicate", "v:", "w:"]);
    assert_eq!(objects(&cli.path("vault")), objects(&cli.path("copy")));

    let reader = with_copy(&cli, &cli.fresh("reader"));
    assert_eq!(reader.ok(["cat", "w:docs/new"]).text(), "new");
    reader.ok(["verify", "--read-data", "w:"]);
    // It is as good a vault to write to.
    fs::write(dir.join("newer"), "newer").unwrap();
    reader.ok(["sync", dir.to_str().unwrap(), "w:docs"]);
    mule.ok(["replicate", "w:", "v:"]);
    assert_eq!(home.ok(["cat", "v:docs/newer"]).text(), "newer");
}

#[test]
fn what_is_damaged_is_found_without_a_key_and_goes_nowhere() {
    let cli = Cli::with_vault();
    let (home, mule) = (with_copy(&cli, &cli.machine("home")), keyless(&cli, "mule"));
    home.ok(["sync", source(&cli).to_str().unwrap(), "v:"]);
    let report = mule.ok(["verify", "--no-key", "v:"]).text();
    assert!(report.contains("damaged:    0"), "{report}");
    mule.ok(["replicate", "v:", "w:"]);

    let bad = largest(&cli.path("vault"));
    let name = bad.strip_prefix(cli.path("vault")).unwrap().to_str().unwrap().to_owned();
    flip(&bad);
    let found = mule.run(["verify", "--no-key", "v:"]);
    assert_eq!(found.code, 20, "{}", found.stderr);
    assert!(found.text().contains(&format!("damaged: {name}")), "{}", found.text());
    // From the copy it comes back whole. Its size is right, so that only reading it tells.
    assert_eq!(mule.run(["verify", "--no-key", "w:"]).code, 0);
    fs::remove_dir_all(cli.path("copy/data")).unwrap();
    let refused = mule.run(["replicate", "v:", "w:"]);
    assert_eq!(refused.code, 20, "{}", refused.stderr);
    assert!(refused.text().contains(&format!("damaged: {name}")), "{}", refused.text());
    assert!(!cli.path("copy").join(&name).exists());
}

#[test]
fn a_copy_is_made_of_one_vault_at_a_place_of_its_own() {
    let cli = Cli::with_vault();
    let mule = keyless(&cli, "mule");
    let nothing = mule.run(["replicate", "w:", "v:"]);
    assert_eq!((nothing.code, nothing.stderr.contains("there is no vault at `w:`")), (29, true), "{}", nothing.stderr);
    assert_eq!(mule.run(["verify", "--no-key", "w:"]).code, 29);
    let same = mule.run(["replicate", "v:", "v:"]);
    assert_eq!((same.code, same.stderr.contains("the same place")), (2, true), "{}", same.stderr);
    let other = cli.machine("other").at(&cli.path("copy"));
    cli.init(&other);
    let before = objects(&cli.path("copy"));
    let refused = mule.run(["replicate", "v:", "w:"]);
    assert_eq!((refused.code, refused.stderr.contains("another vault")), (2, true), "{}", refused.stderr);
    assert_eq!(objects(&cli.path("copy")), before);
}

/// B03 of a storage that was set back, told to a machine that remembers nothing.
#[test]
fn a_witness_exposes_a_storage_that_was_set_back() {
    let cli = Cli::with_vault();
    let (home, mule) = (with_copy(&cli, &cli.machine("home")), keyless(&cli, "mule"));
    let dir = source(&cli);
    home.ok(["sync", dir.to_str().unwrap(), "v:"]);
    let old = objects(&cli.path("vault"));
    fs::write(dir.join("new"), "new").unwrap();
    home.ok(["sync", dir.to_str().unwrap(), "v:"]);
    mule.ok(["replicate", "v:", "w:"]);
    // A witness that has all, and one that lags behind, are fine.
    let fresh = with_copy(&cli, &cli.fresh("fresh"));
    fresh.ok(["--witness", "w:", "ls", "v:"]);
    fs::write(dir.join("newer"), "newer").unwrap();
    home.ok(["sync", dir.to_str().unwrap(), "v:"]);
    let fresh = with_copy(&cli, &cli.fresh("fresh2"));
    fresh.ok(["--witness", "w:", "ls", "v:"]);

    fs::remove_dir_all(cli.path("vault")).unwrap();
    for (name, bytes) in &old {
        let path = cli.path("vault").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let fresh = with_copy(&cli, &cli.fresh("fresh3"));
    fresh.ok(["ls", "v:"]);
    for run in [
        fresh.run(["--witness", "w:", "ls", "v:"]),
        fresh.clone().var("CRYPTSYNC_CONFIG_V_WITNESS", "w:").run(["ls", "v:"]),
        fresh.run(["--witness", "w:", "sync", dir.to_str().unwrap(), "v:"]),
    ] {
        assert_eq!(run.code, 21, "{}", run.stderr);
        assert!(run.stderr.contains("which the witness `w:` has"), "{}", run.stderr);
        assert!(run.stdout.is_empty());
    }
    let told = mule.run(["replicate", "v:", "w:"]);
    assert_eq!(told.code, 21, "{}", told.stderr);
    // The way back.
    mule.ok(["replicate", "w:", "v:"]);
    assert_eq!(fresh.ok(["--witness", "w:", "cat", "v:new"]).text(), "new");
    // One that is not there can't testify, and that is said.
    fs::remove_dir_all(cli.path("copy")).unwrap();
    fs::write(cli.path("copy"), "no directory").unwrap();
    let mute = fresh.run(["--witness", "w:", "ls", "v:"]);
    assert!(mute.code != 0 && mute.stderr.contains("the witness `w:` can't be heard"), "{}", mute.stderr);
}

/// A machine with two directories, a mirror `m:` of them, and a file of configuration.
fn mirrored(cli: &Cli) -> Machine {
    let home = cli.machine("home");
    for (name, dir) in [("a", "one"), ("b", "two"), ("c", "three")] {
        let root = format!("root={}", cli.path(dir).to_str().unwrap());
        home.ok(["config", "create", name, "fs", &root]);
    }
    home.ok(["config", "create", "m", "mirror", "upstreams=a: b:"]);
    home.ok(["init", "m:", "--kdf", "64M,3,1", "--recovery-file", cli.path("words").to_str().unwrap()]);
    home
}

#[test]
fn a_mirror_has_everything_twice_and_heals() {
    let cli = Cli::new();
    let home = mirrored(&cli);
    let dir = source(&cli);
    home.ok(["sync", dir.to_str().unwrap(), "m:docs"]);
    let (one, two) = (cli.path("one"), cli.path("two"));
    assert_eq!(objects(&one), objects(&two));
    let whole = objects(&one);

    // What one copy lacks, the other has; either may lack something.
    fs::remove_file(largest(&one)).unwrap();
    fs::remove_dir_all(two.join("log")).unwrap();
    home.ok(["check", dir.to_str().unwrap(), "m:docs"]);
    home.ok(["verify", "--read-data", "m:"]);
    let lacking = home.ok(["remote", "heal", "-n", "m:"]).text();
    assert!(lacking.contains("lacks"), "{lacking}");
    home.ok(["remote", "heal", "m:"]);
    assert_eq!((objects(&one), objects(&two)), (whole.clone(), whole.clone()));

    // Cut short is seen by the size, changed only by reading; both are made whole from the other.
    fs::OpenOptions::new().write(true).open(largest(&one)).unwrap().set_len(77).unwrap();
    home.ok(["remote", "heal", "m:"]);
    assert_eq!((objects(&one), objects(&two)), (whole.clone(), whole.clone()));
    flip(&largest(&two));
    home.ok(["remote", "heal", "m:"]);
    assert_ne!(objects(&two), whole);
    home.ok(["remote", "heal", "--read-data", "m:"]);
    assert_eq!((objects(&one), objects(&two)), (whole.clone(), whole));

    // Damaged everywhere is lost, and said.
    for copy in [&one, &two] {
        flip(&largest(copy));
    }
    let lost = home.run(["remote", "heal", "--read-data", "m:"]);
    assert_eq!(lost.code, 24, "{}", lost.stderr);
    assert!(lost.text().contains("lost: data/"), "{}", lost.text());
}

#[test]
fn what_is_damaged_at_one_copy_is_read_from_the_other() {
    let cli = Cli::new();
    let home = mirrored(&cli);
    let dir = source(&cli);
    home.ok(["sync", dir.to_str().unwrap(), "m:docs"]);
    let (one, two) = (cli.path("one"), cli.path("two"));
    let whole = objects(&one);
    // Whichever of them is asked first, every object of one is damaged somewhere in its middle, and no copy of it is at hand.
    for copy in [&one, &two] {
        for (name, bytes) in &whole {
            let mut bytes = bytes.clone();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(copy.join(name), bytes).unwrap();
        }
        fs::remove_dir_all(home.cache_dir()).unwrap();
        home.ok(["check", "--download", dir.to_str().unwrap(), "m:docs"]);
        let out = cli.path(if copy == &one { "out1" } else { "out2" });
        home.ok(["sync", "m:docs", out.to_str().unwrap()]);
        assert!(contents(&out) == contents(&dir));
        home.ok(["verify", "--read-data", "m:"]);
        for (name, bytes) in &whole {
            fs::write(copy.join(name), bytes).unwrap();
        }
    }
    // Damaged in both it is not given to anybody.
    for copy in [&one, &two] {
        flip(&largest(copy));
    }
    fs::remove_dir_all(home.cache_dir()).unwrap();
    home.run(["sync", "m:docs", cli.path("out3").to_str().unwrap()]).says(&["does not verify"]);
}

#[test]
fn copies_come_and_go() {
    let cli = Cli::new();
    let home = mirrored(&cli);
    let dir = source(&cli);
    home.ok(["sync", dir.to_str().unwrap(), "m:docs"]);
    home.ok(["remote", "add", "m:", "c:"]);
    assert_eq!(objects(&cli.path("one")), objects(&cli.path("three")));
    assert!(home.ok(["config", "show", "m"]).text().contains("a: b: c:"));
    fs::write(dir.join("new"), "new").unwrap();
    home.ok(["sync", dir.to_str().unwrap(), "m:docs"]);
    assert_eq!(objects(&cli.path("one")), objects(&cli.path("three")));

    // A copy that is dead stops writing, and says how to go on; reading goes on without it.
    fs::rename(cli.path("one"), cli.path("away")).unwrap();
    fs::write(cli.path("one"), "a file").unwrap();
    fs::write(dir.join("newer"), "newer").unwrap();
    let stopped = home.run(["sync", dir.to_str().unwrap(), "m:docs"]);
    assert_ne!(stopped.code, 0);
    assert!(stopped.stderr.contains("cryptsync remote remove"), "{}", stopped.stderr);
    let read = home.ok(["cat", "m:docs/new"]);
    assert_eq!(read.text(), "new");
    assert!(read.stderr.contains("the copy `a:` is left out"), "{}", read.stderr);
    let asked = home.run(["remote", "remove", "m:", "a:"]);
    assert!(asked.code != 0 && asked.stderr.contains("--force"), "{}", asked.stderr);
    home.ok(["remote", "remove", "--force", "m:", "a:"]);
    home.ok(["sync", dir.to_str().unwrap(), "m:docs"]);
    // It is back.
    fs::remove_file(cli.path("one")).unwrap();
    fs::rename(cli.path("away"), cli.path("one")).unwrap();
    home.ok(["remote", "add", "m:", "a:"]);
    assert_eq!(objects(&cli.path("one")), objects(&cli.path("two")));

    // What only one has keeps it in.
    let only = largest(&cli.path("two"));
    let name = only.strip_prefix(cli.path("two")).unwrap().to_owned();
    fs::remove_file(cli.path("one").join(&name)).unwrap();
    fs::remove_file(cli.path("three").join(&name)).unwrap();
    let kept = home.run(["remote", "remove", "m:", "b:"]);
    assert!(kept.code != 0 && kept.stderr.contains("remote drain m: b:"), "{}", kept.stderr);
    home.ok(["remote", "drain", "m:", "b:"]);
    home.ok(["remote", "remove", "m:", "b:"]);
    home.ok(["remote", "remove", "m:", "c:"]);
    home.ok(["check", dir.to_str().unwrap(), "m:docs"]);
    let last = home.run(["remote", "remove", "m:", "a:"]);
    assert_eq!((last.code, last.stderr.contains("the last copy")), (2, true), "{}", last.stderr);
}

#[test]
fn a_mirror_is_made_of_remotes_that_are_none() {
    let cli = Cli::new();
    let home = mirrored(&cli);
    for (upstreams, why) in [
        ("upstreams=a: a:", "it is there twice"),
        ("upstreams=a: m:", "it is a mirror itself"),
        ("upstreams=a: nowhere:", "nowhere"),
        ("upstreams=a: /tmp", "/tmp"),
    ] {
        let wrong = home.run(["config", "create", "n", "mirror", upstreams]);
        assert_eq!((wrong.code, wrong.stderr.contains(why)), (2, true), "{upstreams}: {}", wrong.stderr);
    }
    let none = home.run(["remote", "heal", "a:"]);
    assert_eq!((none.code, none.stderr.contains("is no mirror")), (2, true), "{}", none.stderr);
    // A copy of another vault is none.
    home.ok(["init", "c:", "--kdf", "64M,3,1", "--recovery-file", cli.path("other-words").to_str().unwrap()]);
    let other = home.run(["remote", "add", "m:", "c:"]);
    assert_eq!((other.code, other.stderr.contains("another vault")), (2, true), "{}", other.stderr);
    assert!(!home.ok(["config", "show", "m"]).text().contains("c:"));
}
