//! `gc` through the command line: what is not needed goes, what is needed stays, and it says whom it waits for.

use std::fs;
use std::path::Path;

use crate::support::cli::{Cli, Machine, files, noise};

fn put(machine: &Machine, name: &str, content: &[u8]) {
    let source = machine.home.join("source");
    fs::create_dir_all(&source).unwrap();
    fs::write(source.join(name), content).unwrap();
    sync(machine);
}

fn sync(machine: &Machine) {
    let source = machine.home.join("source");
    machine.ok(["sync", "--force", source.to_str().unwrap(), "v:"]);
}

fn stored(root: &Path) -> u64 {
    let objects = files(root).into_iter().filter(|path| path.starts_with("data") || path.starts_with("meta"));
    objects.map(|path| fs::metadata(root.join(path)).unwrap().len()).sum()
}

fn report(machine: &Machine, args: &[&str]) -> serde_json::Value {
    let output = machine.ok(["gc", "--json", "v:"].iter().chain(args));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn nothing_to_do_is_said_and_nothing_is_written() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    put(&machine, "a", &noise(1, 2_000_000));
    let before = files(&machine.root);
    let dry = report(&machine, &["--dry-run"]);
    assert_eq!((&dry["condemned"]["objects"], &dry["kept_commits"]), (&0.into(), &1.into()));
    report(&machine, &["--grace", "0s"]);
    assert_eq!(files(&machine.root), before);
}

#[test]
fn what_a_dead_run_has_left_goes_once_all_have_seen_it() {
    let cli = Cli::with_vault();
    let (one, other) = (cli.machine("home"), cli.fresh("other"));
    put(&one, "a", &noise(1, 2_000_000));
    put(&other, "b", &noise(2, 2_000_000));
    // A pack that no commit names: a copy of one, under the name that its bytes have, of a vault that was set back.
    let orphan = {
        let mut bytes =
            fs::read(one.root.join(files(&one.root).iter().find(|p| p.starts_with("data")).unwrap())).unwrap();
        bytes[100] ^= 1;
        let id = cryptsync::crypto::object_id(&[&bytes]);
        let name = cryptsync::format::name::ObjectName::Data(id).to_string();
        fs::create_dir_all(one.root.join(&name).parent().unwrap()).unwrap();
        fs::write(one.root.join(&name), &bytes).unwrap();
        one.root.join(name)
    };
    let young = report(&one, &["--grace", "0s"]);
    assert_eq!(young["young"]["objects"], 1);
    assert!(orphan.exists());
    // The other machine writes too, and has not seen it.
    let asked = report(&one, &["--grace", "0s", "--orphan-age", "0s"]);
    assert_eq!((&asked["condemned"]["objects"], &asked["deleted"]["objects"]), (&1.into(), &0.into()));
    assert_eq!(asked["waiting"][0]["writers"].as_array().unwrap().len(), 1, "{asked}");
    assert!(orphan.exists());
    // It says so with its next command that writes, even if there is nothing to write.
    sync(&other);
    let done = report(&one, &["--grace", "0s"]);
    assert_eq!(done["deleted"]["objects"], 1, "{done}");
    assert!(!orphan.exists());
    one.ok(["verify", "--read-data", "v:"]);
    assert_eq!(other.ok(["cat", "v:b"]).stdout, noise(2, 2_000_000));
}

#[test]
fn grace_is_kept_and_silent_writers_are_ended() {
    let cli = Cli::with_vault();
    let (one, other) = (cli.machine("home"), cli.fresh("other"));
    put(&one, "a", &noise(1, 1_200_000));
    put(&other, "b", &noise(2, 1_200_000));
    let name = files(&one.root).into_iter().find(|path| path.starts_with("data")).unwrap();
    let mut bytes = fs::read(one.root.join(name)).unwrap();
    bytes[200] ^= 1;
    let id = cryptsync::crypto::object_id(&[&bytes]);
    let orphan = one.root.join(cryptsync::format::name::ObjectName::Data(id).to_string());
    fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    fs::write(&orphan, &bytes).unwrap();
    let asked = report(&one, &["--orphan-age", "0s"]);
    assert!(asked["waiting"][0]["until"].is_string(), "{asked}");
    let done = report(&one, &["--grace", "0s", "--expire", "0s"]);
    assert_eq!(done["expired"].as_array().unwrap().len(), 1, "{done}");
    assert!(!orphan.exists(), "{done}");
    // Who comes back goes on as another.
    put(&other, "c", &noise(3, 1_200_000));
    one.ok(["verify", "--read-data", "v:"]);
    assert!(stored(&one.root) > 3_000_000);
    assert_eq!(one.ok(["cat", "v:c"]).stdout, noise(3, 1_200_000));
}

#[test]
fn wrong_input_does_nothing() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    put(&machine, "a", b"x");
    let before = files(&machine.root);
    machine.run(["gc", "--max-unused", "101", "v:"]).fails(2, &["101", "0..=100"]);
    machine.run(["gc", "--grace", "soon", "v:"]).fails(2, &["soon"]);
    machine.run(["gc", "nowhere:"]).fails(2, &["nowhere"]);
    // A vault that was set back is not tidied up.
    let newest = before.iter().rfind(|path| path.to_str().unwrap().starts_with("log/c")).unwrap();
    fs::remove_file(machine.root.join(newest)).unwrap();
    machine.run(["gc", "v:"]).fails(21, &[]);
}
