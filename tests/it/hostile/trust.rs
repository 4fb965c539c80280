//! Which records count and what is said when the past changes: records that break one rule each, rollbacks, checkpoints.

use std::fs;
use std::path::PathBuf;

use cryptsync::format::record::{Attribute, Record, RecordKind};
use cryptsync::format::statement::Retirement;
use cryptsync::id::CommitId;

use super::forge::{Forge, Sealing};
use crate::support::cli::{Cli, Machine, Output, contents, copy_tree, replace_tree};

/// A vault with `a` in a first commit and `b` in a second.
fn two_commits() -> (Cli, Machine) {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    fs::create_dir(cli.path("src")).unwrap();
    put(&cli, &home, "a");
    put(&cli, &home, "b");
    (cli, home)
}

/// Writes a file and publishes it.
fn put(cli: &Cli, machine: &Machine, name: &str) {
    fs::write(cli.path("src").join(name), format!("text of {name}")).unwrap();
    machine.ok(["copy", cli.path("src").to_str().unwrap(), "v:"]);
}

fn status(machine: &Machine) -> serde_json::Value {
    serde_json::from_slice(&machine.ok(["status", "--json", "v:"]).stdout).unwrap()
}

fn log(machine: &Machine) -> Vec<serde_json::Value> {
    serde_json::from_slice(&machine.ok(["log", "--json", "v:"]).stdout).unwrap()
}

fn records(cli: &Cli) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(cli.path("vault/log")).unwrap().map(|e| e.unwrap().path()).collect();
    all.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with('c'));
    all.sort();
    all
}

/// What an alarm advises to accept.
fn advised(run: &Output) -> String {
    let (_, rest) = run.stderr.split_once("--accept-rollback ").expect("the advice names a commit");
    rest.split('`').next().unwrap().to_owned()
}

/// Makes a good record break a rule.
type Spoil = fn(&mut Record, &Forge);

#[test]
fn a_record_that_breaks_one_rule_is_left_out() {
    let rules: [(&str, Spoil); 6] = [
        ("place in time", |record, _| record.lamport += 1),
        ("previous commit", |record, forge| {
            let newest = forge.newest();
            (record.prev, record.parents, record.seq) = (Some(newest.id), Vec::new(), newest.record.seq + 1);
        }),
        ("previous commit", |record, forge| {
            let newest = forge.newest();
            record.writer_salt = newest.record.writer_salt;
            (record.prev, record.parents, record.seq) = (Some(newest.id), Vec::new(), newest.record.seq + 7);
        }),
        ("access version", |record, _| record.access_n = 1 + u32::from(record.access_n > 5)),
        ("malformed", |record, _| record.attributes = vec![Attribute { tag: Attribute::ADOPTED, value: vec![9, 9] }]),
        ("malformed", |record, _| record.attributes = vec![Attribute { tag: Attribute::RETIRED, value: vec![] }]),
    ];
    let (cli, home) = two_commits();
    for (i, (words, spoil)) in rules.into_iter().enumerate() {
        let good = cli.path(&format!("good {i}"));
        copy_tree(&cli.path("vault"), &good);
        let forge = Forge::new(&home);
        let mut record = forge.after(&forge.newest());
        spoil(&mut record, &forge);
        if words == "access version" {
            record.access = cryptsync::id::AccessId::new([9; 32]);
        }
        let id = forge.plant(record.clone());
        // What an honest record builds on it waits with it.
        let parents = vec![id];
        let child = Record { prev: None, seq: 1, parents, writer_salt: [78; 16], attributes: vec![], ..record.clone() };
        let child = forge.plant(Record {
            lamport: record.lamport + 1,
            access: forge.newest().record.access,
            access_n: forge.newest().record.access_n,
            ..child
        });
        for machine in [&home, &cli.fresh(&format!("fresh {i}"))] {
            let run = machine.ok(["lsf", "v:"]);
            assert_eq!(run.text(), "a\nb\n", "{words}");
            run.says(&["left out", &child.short()]);
            let quarantined = status(machine)["quarantined"].as_array().unwrap().clone();
            let of = |id: CommitId| quarantined.iter().find(|one| one["id"] == id.to_string()).unwrap();
            assert!(of(id)["why"].as_str().unwrap().contains(words), "{words}: {}", of(id));
            assert!(of(child)["why"].as_str().unwrap().contains("follows commit"), "{}", of(child));
            assert_eq!(of(id)["adoptable"], false);
            let verify = machine.ok(["verify", "--read-data", "v:"]).text();
            assert!(verify.contains(&format!("quarantined commit: {id}")), "{verify}");
        }
        // Writing goes on beside it.
        put(&cli, &home, "c");
        assert_eq!(home.ok(["lsf", "v:"]).text(), "a\nb\nc\n");
        fs::remove_file(cli.path("src/c")).unwrap();
        replace_tree(&good, &cli.path("vault"));
        fs::remove_dir_all(home.state_dir().join(&cli.vault_id).join("index")).unwrap();
        home.run(["lsf", "v:"]).fails(21, &["gone back"]);
        let advice = advised(&home.run(["lsf", "v:"]));
        home.ok(["lsf", "v:", "--accept-rollback", &advice]);
    }
}

#[test]
fn a_record_sealed_by_somebody_else_is_foreign() {
    let (cli, home) = two_commits();
    let forge = Forge::new(&home);
    let newest = forge.newest();
    let epoch = forge.vault.epoch();
    let record = forge.after(&newest);
    let sealing =
        |record, body: &[u8], spoil_signature| Sealing { record, body: body.to_vec(), epoch, spoil_signature };
    let mut planted = vec![
        forge.plant_with(sealing(record.clone(), b"", true)).0,
        forge.plant_with(sealing(record.clone(), b"another body", false)).0,
        forge
            .plant_with(sealing(Record { vault: cryptsync::id::VaultId::new([1; 32]), ..record.clone() }, b"", false))
            .0,
        forge.plant_with(sealing(Record { writer_sign: [5; 32], ..record.clone() }, b"", false)).0,
    ];
    // A good record under a name that claims another place.
    let (name, _) = forge.plant_with(sealing(record, b"", false));
    let claimed = name.replace("log/c00000000000", "log/c00000000009");
    fs::rename(home.root.join(&name), home.root.join(&claimed)).unwrap();
    planted.push(claimed);
    for machine in [&home, &cli.fresh("fresh")] {
        assert_eq!(machine.ok(["lsf", "v:"]).text(), "a\nb\n");
        let verify = machine.ok(["verify", "v:"]).text();
        let seen = status(machine);
        for name in &planted {
            assert!(verify.contains(&format!("foreign object: {name}\n")), "{name} is not in {verify}");
            assert!(seen["foreign"].as_array().unwrap().iter().any(|one| one == name));
        }
        assert_eq!(seen["quarantined"].as_array().unwrap().len(), 0);
    }
}

#[test]
fn the_same_record_twice_is_one_record() {
    let (cli, home) = two_commits();
    let forge = Forge::new(&home);
    let record = forge.after(&forge.newest());
    let first = forge.plant_with(Sealing { record: record.clone(), body: vec![], epoch: 1, spoil_signature: false });
    home.ok(["lsf", "v:"]);
    let second = forge.plant_with(Sealing { record, body: vec![], epoch: 1, spoil_signature: false });
    assert!(first.0 != second.0 && first.1 == second.1);
    for machine in [&home, &cli.fresh("fresh")] {
        assert_eq!(machine.ok(["lsf", "v:"]).text(), "a\nb\n");
        assert_eq!(status(machine)["heads"].as_array().unwrap().len(), 1);
    }
    // Neither object has to stay as long as the other is there.
    fs::remove_file(home.root.join(&first.0)).unwrap();
    home.ok(["lsf", "v:"]);
}

#[test]
fn what_is_newer_than_the_program_is_25() {
    let (cli, home) = two_commits();
    let forge = Forge::new(&home);
    let record = Record { attributes: vec![Attribute { tag: 1 << 40, value: vec![] }], ..forge.after(&forge.newest()) };
    forge.plant(record);
    for machine in [&home, &cli.fresh("fresh")] {
        machine.run(["lsf", "v:"]).fails(25, &["newer cryptsync"]);
    }
}

#[test]
fn b07_two_records_in_one_place_of_one_writer() {
    let (cli, home) = two_commits();
    let forge = Forge::new(&home);
    let newest = forge.newest();
    let twin = Record { time: cryptsync::world::Timestamp { secs: 5, nanos: 0 }, ..newest.record.clone() };
    let twin = forge.after(&newest).root.place.map_or(twin.clone(), |_| Record { operation: "twin".into(), ..twin });
    let root = forge.after(&newest).root;
    let id = forge.plant(Record { root, body_hash: cryptsync::crypto::hash(b""), ..twin });
    let before = contents(&cli.path("vault"));
    for machine in [&home, &cli.fresh("fresh")] {
        for args in [&["lsf", "v:"][..], &["status", "v:"], &["copy", cli.path("src").to_str().unwrap(), "v:"]] {
            let run = machine.run(args);
            run.fails(
                22,
                &["two different commits", &id.short(), &newest.id.short(), "writer retire", "nothing was changed"],
            );
        }
    }
    assert_eq!(before, contents(&cli.path("vault")));
}

#[test]
fn b07_an_admin_retires_a_writer_that_said_two_things() {
    let (cli, home) = two_commits();
    let other = cli.fresh("other");
    let forge = Forge::new(&home);
    let newest = forge.newest();
    let twin = Record { operation: "twin".into(), body_hash: cryptsync::crypto::hash(b""), ..newest.record.clone() };
    let twin = forge.plant(Record { root: forge.after(&newest).root, ..twin });
    home.run(["lsf", "v:"]).fails(22, &["writer retire REMOTE: ", &newest.writer.to_string()]);
    let prefix = &newest.writer.to_string()[..12];
    home.run(["writer", "retire", "v:", "zzzzzzzz"]).fails(22, &["two different commits"]);
    let before = contents(&cli.path("vault"));
    let dry = home.ok(["writer", "retire", "-n", "v:", prefix]);
    assert!(dry.text().contains(&twin.short()) && dry.text().contains(&newest.id.short()), "{}", dry.text());
    assert_eq!(before, contents(&cli.path("vault")));
    home.ok(["writer", "retire", "v:", prefix]).says(&["retired"]);
    // Both commits stay, for everybody, and what comes next is of another writer.
    for machine in [&home, &other] {
        let seen = status(machine);
        let writers = seen["writers"].as_array().unwrap();
        let state = |id: String| writers.iter().find(|one| one["id"] == id).map(|one| one["state"].clone());
        assert_eq!(state(newest.writer.to_string()), Some("retired".into()));
        assert_eq!(seen["quarantined"].as_array().unwrap().len(), 0);
        let ids: Vec<String> = log(machine).iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
        assert!(ids.contains(&twin.to_string()) && ids.contains(&newest.id.to_string()), "{ids:?}");
    }
    let own = status(&home)["writer"].as_str().unwrap().to_owned();
    assert_ne!(own, newest.writer.to_string());
    home.run(["writer", "retire", "v:", prefix]).fails(2, &["already"]);
}

#[test]
fn a_retired_writer_goes_on_as_another_and_what_it_wrote_late_can_be_adopted() {
    let (cli, home) = two_commits();
    let other = cli.fresh("other");
    put(&cli, &other, "c");
    let writer = Forge::new(&home).newest().writer.to_string();
    // It writes where the others can't see it yet.
    let apart = cli.path("apart");
    copy_tree(&cli.path("vault"), &apart);
    put(&cli, &other.clone().at(&apart), "late");
    let late = fs::read_dir(apart.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let late: Vec<PathBuf> =
        late.filter(|path| !cli.path("vault/log").join(path.file_name().unwrap()).exists()).collect();
    fs::remove_file(cli.path("src/late")).unwrap();
    home.ok(["writer", "retire", "v:", &writer]).says(&["retired"]);
    for path in &late {
        fs::copy(path, cli.path("vault/log").join(path.file_name().unwrap())).unwrap();
    }
    let run = home.ok(["lsf", "v:"]);
    assert_eq!(run.text(), "a\nb\nc\n");
    run.says(&["left out", "retired by commit"]);
    // The machine finds that it has ended, loses nothing, and writes on.
    put(&cli, &other, "d");
    assert_eq!(other.ok(["lsf", "v:"]).text(), "a\nb\nc\nd\n");
    assert_ne!(status(&other)["writer"].as_str().unwrap(), writer);
    let quarantined = status(&home)["quarantined"].clone();
    let id = quarantined[0]["id"].as_str().unwrap();
    assert_eq!((&quarantined[0]["adoptable"], quarantined.as_array().unwrap().len()), (&true.into(), late.len()));
    // Looking first; then for everybody.
    let dry = home.ok(["adopt", "-n", "v:", &id[..10]]);
    assert!(dry.text().contains(&id[..10]), "{}", dry.text());
    assert_eq!(status(&home)["quarantined"].as_array().unwrap().len(), 1);
    home.ok(["adopt", "v:", &id[..10]]).says(&["adopted by commit"]);
    for machine in [&home, &other, &cli.fresh("fresh")] {
        let seen = status(machine);
        assert_eq!(seen["quarantined"].as_array().unwrap().len(), 0);
        assert!(log(machine).iter().any(|commit| commit["id"] == id));
    }
    home.run(["adopt", "v:", &id[..10]]).fails(2, &["no quarantined commit"]);
    home.run(["adopt", "v:", "ab"]).fails(2, &[]);
}

#[test]
fn old_writers_can_be_retired_and_old_checkpoints_are_reached() {
    let (cli, home) = two_commits();
    let other = cli.fresh("other");
    put(&cli, &other, "c");
    let seen = status(&other);
    let (writer, checkpoint) = (seen["writer"].as_str().unwrap(), seen["checkpoint"].as_str().unwrap());
    // Much has happened since.
    for i in 0..14 {
        put(&cli, &home, &format!("more {i}"));
    }
    let late = cli.fresh("late");
    late.ok(["lsf", "v:", "--checkpoint", checkpoint]);
    late.ok(["writer", "retire", "v:", &writer[..10]]).says(&["is retired"]);
    put(&cli, &other, "d");
    for machine in [&home, &other, &late, &cli.fresh("fresh")] {
        let seen = status(machine);
        let of = |id: &str| seen["writers"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap().clone();
        assert_eq!(of(writer)["state"], "retired");
        assert_eq!(seen["quarantined"].as_array().unwrap().len(), 0);
        assert_eq!(machine.ok(["lsf", "v:"]).text().lines().count(), 18);
    }
}

#[test]
fn what_is_faulty_cannot_be_adopted() {
    let (_cli, home) = two_commits();
    let forge = Forge::new(&home);
    let mut record = forge.after(&forge.newest());
    record.lamport += 4;
    let id = forge.plant(record).to_string();
    home.run(["adopt", "v:", &id[..12]]).fails(23, &["can't be adopted", "place in time"]);
}

#[test]
fn a_commit_that_was_replaced_is_22() {
    let (cli, home) = two_commits();
    let forge = Forge::new(&home);
    let newest = forge.newest();
    let root = forge.after(&newest).root;
    drop(forge);
    let forge = Forge::new(&home);
    let twin = Record { operation: "another".into(), body_hash: cryptsync::crypto::hash(b""), root, ..newest.record };
    fs::remove_file(records(&cli).pop().unwrap()).unwrap();
    let id = forge.plant(twin);
    home.run(["lsf", "v:"]).fails(22, &["was replaced", &newest.id.short(), &id.short(), "--accept-rollback"]);
}

#[test]
fn b01_a_rollback_is_told_and_can_be_accepted() {
    let (cli, home) = two_commits();
    let old = cli.path("old");
    copy_tree(&cli.path("vault"), &old);
    let kept = status(&home)["head"]["id"].as_str().unwrap().to_owned();
    put(&cli, &home, "c");
    let lost = status(&home)["head"]["id"].as_str().unwrap().to_owned();
    let newer = records(&cli).pop().unwrap();
    let bytes = fs::read(&newer).unwrap();
    replace_tree(&old, &cli.path("vault"));
    let before = contents(&cli.path("vault"));
    let run = home.run(["lsf", "v:"]);
    run.fails(
        21,
        &["gone back", &lost[..10], "number", "made 20", "seen here 20", "set back", "nothing was changed", &kept],
    );
    assert_eq!(advised(&run), kept);
    home.run(["lsf", "v:", "--accept-rollback", &lost]).fails(21, &["can't be accepted"]);
    home.run(["lsf", "v:", "--accept-rollback", &kept[..20]]).fails(2, &["52 characters"]);
    assert_eq!(before, contents(&cli.path("vault")), "nothing is written before a person has decided");
    let accepted = home.ok(["lsf", "v:", "--accept-rollback", &kept]);
    assert_eq!(accepted.text(), "a\nb\n");
    accepted.says(&["given up", &lost[..10]]);
    assert_eq!(home.ok(["lsf", "v:"]).text(), "a\nb\n");
    assert_eq!(before, contents(&cli.path("vault")), "accepting is local");
    // The next commit says so, once.
    put(&cli, &home, "d");
    put(&cli, &home, "e");
    let told: Vec<_> = log(&home).into_iter().filter(|commit| commit.get("given_up").is_some()).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["given_up"], serde_json::json!([lost]));
    // What was lost is a head like any other when it comes back.
    fs::write(&newer, bytes).unwrap();
    let heads = status(&home)["heads"].as_array().unwrap().clone();
    assert!(heads.iter().any(|head| head["id"] == *lost), "{heads:?}");
    assert_eq!(heads.len(), 2);
}

#[test]
fn b01_everything_gone_back_to_nothing() {
    let cli = Cli::with_vault();
    let (home, empty) = (cli.machine("home"), cli.path("empty"));
    copy_tree(&cli.path("vault"), &empty);
    fs::create_dir(cli.path("src")).unwrap();
    put(&cli, &home, "a");
    replace_tree(&empty, &cli.path("vault"));
    let run = home.run(["lsf", "v:"]);
    run.fails(21, &["gone back", "nothing is left"]);
    assert_eq!(advised(&run), "empty");
    assert_eq!(home.ok(["lsf", "v:", "--accept-rollback", "empty"]).text(), "");
    put(&cli, &home, "b");
    assert_eq!(home.ok(["lsf", "v:"]).text(), "a\nb\n");
    // With nothing amiss it does nothing.
    assert_eq!(home.ok(["lsf", "v:", "--accept-rollback", "empty"]).text(), "a\nb\n");
    assert_eq!(home.ok(["lsf", "v:"]).text(), "a\nb\n");
}

#[test]
fn b02_one_writer_only() {
    let (cli, home) = two_commits();
    let other = cli.fresh("other");
    put(&cli, &other, "c");
    let lost = records(&cli).pop().unwrap();
    put(&cli, &home, "d"); // follows it
    let bytes = fs::read(&lost).unwrap();
    fs::remove_file(&lost).unwrap();
    // Who has seen it misses it; who comes anew finds that something follows it.
    home.run(["lsf", "v:"]).fails(21, &["only this writer's commits are missing"]);
    let late = cli.fresh("late");
    let run = late.run(["lsf", "v:"]);
    run.fails(24, &["is missing", "follows it", "--accept-rollback"]);
    // Going on without: what followed it is left out too, until it is back.
    let accepted = late.ok(["lsf", "v:", "--accept-rollback", &advised(&run)]);
    assert_eq!(accepted.text(), "a\nb\n");
    late.ok(["lsf", "v:"]).says(&["left out", "given up here"]);
    fs::write(&lost, bytes).unwrap();
    assert_eq!(late.ok(["lsf", "v:"]).text(), "a\nb\nc\nd\n");
    assert_eq!(home.ok(["lsf", "v:"]).text(), "a\nb\nc\nd\n");
}

#[test]
fn every_log_object_deleted_swapped_or_replaced() {
    let (cli, home) = two_commits();
    put(&cli, &home, "c");
    let good = cli.path("good");
    copy_tree(&cli.path("vault"), &good);
    let all = records(&cli);
    for (i, object) in all.iter().enumerate() {
        fs::remove_file(object).unwrap();
        home.run(["lsf", "v:"]).fails(21, &["gone back"]);
        let fresh = cli.fresh(&format!("deleted {i}"));
        let run = fresh.run(["lsf", "v:"]);
        // Only the newest can go without a trace, for who has seen nothing.
        if i + 1 == all.len() {
            assert_eq!(run.code, 0)
        } else {
            run.fails(24, &["missing"])
        }
        for (j, other) in all.iter().enumerate().filter(|(j, _)| *j != i) {
            fs::copy(good.join("log").join(other.file_name().unwrap()), object).unwrap();
            cli.fresh(&format!("replaced {i} {j}")).run(["lsf", "v:"]).fails(20, &["does not verify"]);
        }
        replace_tree(&good, &cli.path("vault"));
        assert_eq!(home.ok(["lsf", "v:"]).text(), "a\nb\nc\n");
    }
}

#[test]
fn checkpoints_old_new_foreign_and_garbled() {
    let (cli, home) = two_commits();
    let old = cli.path("old");
    copy_tree(&cli.path("vault"), &old);
    let first = status(&home)["checkpoint"].as_str().unwrap().to_owned();
    put(&cli, &home, "c");
    let second = status(&home)["checkpoint"].as_str().unwrap().to_owned();
    for checkpoint in [&first, &second, &format!("cs1.{}.empty", cli.vault_id)] {
        assert_eq!(home.ok(["lsf", "v:", "--checkpoint", checkpoint]).text(), "a\nb\nc\n");
    }
    // It pins the vault, so that a first contact needs nothing else.
    let fresh = cli.machine("fresh").var("CRYPTSYNC_CHECKPOINT", &second);
    assert_eq!(fresh.ok(["lsf", "v:"]).text(), "a\nb\nc\n");
    // An old state is refused by who has never seen more.
    replace_tree(&old, &cli.path("vault"));
    let late = cli.machine("late").var("CRYPTSYNC_CONFIG_V_CHECKPOINT", &second);
    let dest = cli.path("dest");
    for args in [
        &["lsf", "v:"][..],
        &["copy", "v:", dest.to_str().unwrap()],
        &["copy", cli.path("src").to_str().unwrap(), "v:"],
    ] {
        late.run(args).fails(21, &["checkpoint demands", "nothing was changed"]);
    }
    assert!(!dest.exists());
    assert_eq!(late.ok(["lsf", "v:", "--checkpoint", &first]).text(), "a\nb\n");
    // Another vault's, and none at all.
    let (_, commit) = second.rsplit_once('.').unwrap();
    let foreign = format!("cs1.{}.{commit}", cli.vault_id.chars().rev().collect::<String>());
    let run = home.run(["lsf", "v:", "--checkpoint", &foreign]);
    assert!([2, 23].contains(&run.code), "{}", run.stderr);
    let other = Cli::with_vault();
    let theirs = format!("cs1.{}.empty", other.vault_id);
    cli.machine("lost").run(["lsf", "v:", "--checkpoint", &theirs]).fails(23, &["expected here"]);
    cli.machine("both")
        .run(["lsf", "v:", "--checkpoint", &theirs, "--vault-id", &cli.vault_id])
        .fails(23, &["the checkpoint is of vault"]);
    for garbled in ["", "cs1.", "nonsense", &second[..second.len() - 1], &second.to_uppercase()] {
        home.run(["lsf", "v:", &format!("--checkpoint={garbled}")]).fails(2, &[]);
    }
    cli.machine("bad").var("CRYPTSYNC_CONFIG_V_CHECKPOINT", "cs1.x").run(["lsf", "v:"]).fails(2, &["checkpoint"]);
}

#[test]
fn b03_a_vault_that_stands_still_is_noticed_on_demand() {
    let (cli, home) = two_commits();
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    for machine in [&home, &cli.fresh("fresh")] {
        machine.run(["lsf", "v:", "--max-staleness", "1s"]).fails(21, &["--max-staleness", "nothing was changed"]);
        for age in ["0", "1h", "30d", "2w"] {
            assert_eq!(machine.ok(["lsf", "v:", "--max-staleness", age]).text(), "a\nb\n");
        }
    }
    home.run(["lsf", "v:", "--max-staleness", "soon"]).fails(2, &["30d"]);
    home.clone().var("CRYPTSYNC_CONFIG_V_MAX_STALENESS", "1s").run(["lsf", "v:"]).fails(21, &[]);
    home.clone().var("CRYPTSYNC_CONFIG_V_MAX_STALENESS", "x").run(["lsf", "v:"]).fails(2, &["max_staleness"]);
    // A commit of the future does not make anything fresh.
    let forge = Forge::new(&home);
    let mut record = forge.after(&forge.newest());
    record.time.secs += 40 * 365 * 86_400;
    forge.plant(record);
    home.run(["lsf", "v:", "--max-staleness", "1s"]).fails(21, &["--max-staleness"]);
}

#[test]
fn status_tells_all() {
    let (cli, home) = two_commits();
    let other = cli.fresh("other");
    put(&cli, &other, "c");
    let seen = status(&home);
    let writers = seen["writers"].as_array().unwrap();
    assert_eq!(writers.len(), 2);
    assert_eq!((&writers[0]["own"], &writers[1]["own"]), (&false.into(), &true.into()));
    assert_eq!((&writers[1]["seq"], &writers[1]["state"]), (&3.into(), &"live".into()));
    assert_eq!(seen["heads"].as_array().unwrap().len(), 1);
    assert!(seen["age_seconds"].as_u64().unwrap() < 3_600);
    assert_eq!(seen["head"]["kind"], "commit");
    let text = home.ok(["status", "v:"]).text();
    for words in ["checkpoint:", "writers:", "this machine", "age:", "conflicts:"] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    assert_eq!(RecordKind::Commit as u8, 1);
}

#[test]
fn d04_what_a_removed_device_wrote_late_waits_for_an_admin() {
    let (cli, home) = two_commits();
    let laptop = cli.fresh("laptop");
    laptop.ok(["device", "add", "v:", "--device-name", "laptop"]);
    let laptop = laptop.without("CRYPTSYNC_PASSWORD");
    put(&cli, &laptop, "c");
    // It writes where nobody can see it, and dates it as it likes; then it is removed.
    let apart = cli.path("apart");
    copy_tree(&cli.path("vault"), &apart);
    put(&cli, &laptop.clone().at(&apart), "late");
    fs::remove_file(cli.path("src/late")).unwrap();
    home.ok(["device", "remove", "v:", "laptop"]);
    for entry in fs::read_dir(apart.join("log")).unwrap() {
        let (from, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
        if !cli.path("vault/log").join(&name).exists() {
            fs::copy(from, cli.path("vault/log").join(name)).unwrap();
        }
    }
    for machine in [&home, &cli.fresh("fresh")] {
        let run = machine.ok(["lsf", "v:"]);
        assert_eq!(run.text(), "a\nb\nc\n");
        run.says(&["left out", "removed by access version"]);
    }
    put(&cli, &home, "d");
    let quarantined = status(&home)["quarantined"].clone();
    let id = quarantined[0]["id"].as_str().unwrap();
    assert_eq!((quarantined.as_array().unwrap().len(), &quarantined[0]["adoptable"]), (1, &true.into()));
    home.ok(["adopt", "v:", id]).says(&["adopted by commit"]);
    for machine in [&home, &cli.fresh("fresh again")] {
        assert_eq!(machine.ok(["lsf", "v:"]).text(), "a\nb\nc\nd\nlate\n");
        assert_eq!(machine.ok(["cat", "v:late"]).text(), "text of late");
    }
}

#[test]
fn d07_who_may_only_write_states_nothing() {
    let (cli, home) = two_commits();
    let laptop = cli.fresh("laptop");
    laptop.ok(["device", "add", "v:", "--device-name", "laptop", "--role", "writer"]);
    let laptop = laptop.without("CRYPTSYNC_PASSWORD");
    put(&cli, &laptop, "c");
    let writer = status(&home)["writer"].as_str().unwrap().to_owned();
    laptop.run(["writer", "retire", "v:", &writer[..10]]).fails(23, &["no admin's"]);
    // Nor does one that it signs all the same.
    let forge = Forge::new(&laptop);
    let retirement = Retirement { writer: writer.parse().unwrap(), kept: vec![] };
    let record = Record { attributes: vec![Attribute::retired(&[retirement])], ..forge.after(&forge.newest()) };
    forge.plant(record);
    put(&cli, &home, "d");
    assert_eq!(status(&home)["writer"], writer);
    assert_eq!(cli.fresh("fresh").ok(["lsf", "v:"]).text(), "a\nb\nc\nd\n");
    // A reader's record does not count.
    home.ok(["key", "role", "v:", "laptop", "reader"]);
    let forge = Forge::new(&laptop);
    let id = forge.plant(Record { writer_salt: [9; 16], ..forge.after(&forge.newest()) });
    let quarantined = status(&home)["quarantined"].clone();
    assert_eq!(quarantined[0]["id"], id.to_string());
    assert!(quarantined[0]["why"].as_str().unwrap().contains("not allowed to write"), "{quarantined}");
    assert_eq!(home.ok(["lsf", "v:"]).text(), "a\nb\nc\nd\n");
}
