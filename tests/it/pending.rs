//! A commit whose PUT was not seen through, and whose writer loses the right to write meanwhile.

use std::fs;

use rusqlite::{Connection, params};
use serde_json::Value;

use crate::support::cli::{Cli, Machine};

fn state(cli: &Cli, machine: &Machine) -> Connection {
    Connection::open(machine.state_dir().join(&cli.vault_id).join("state.sqlite")).unwrap()
}

/// Makes the newest commit of a machine one that was never sent.
fn unsend(cli: &Cli, machine: &Machine) {
    let db = state(cli, machine);
    let name: String =
        db.query_row("SELECT name FROM records ORDER BY seq DESC LIMIT 1", [], |row| row.get(0)).unwrap();
    let object = cli.path("vault/log").join(&name);
    let bytes = fs::read(&object).unwrap();
    fs::remove_file(object).unwrap();
    db.execute("DELETE FROM records WHERE name = ?1", [&name]).unwrap();
    db.execute("INSERT INTO pending VALUES (1, ?1, ?2)", params![format!("log/{name}"), bytes]).unwrap();
}

fn is_pending(cli: &Cli, machine: &Machine) -> bool {
    state(cli, machine).query_row("SELECT count(*) FROM pending", [], |row| row.get::<_, i64>(0)).unwrap() == 1
}

fn copy(cli: &Cli, machine: &Machine, name: &str) -> crate::support::cli::Output {
    let file = cli.path(name);
    fs::write(&file, format!("text of {name}")).unwrap();
    machine.run(["copy", file.to_str().unwrap(), "v:"])
}

fn status(machine: &Machine) -> Value {
    serde_json::from_str(&machine.ok(["status", "--json", "v:"]).text()).unwrap()
}

/// A vault of `home`, and a laptop with a commit that was not sent: `late`.
fn with_pending() -> (Cli, Machine, Machine) {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    assert_eq!(copy(&cli, &home, "first").code, 0);
    let laptop = cli.fresh("laptop");
    laptop.ok(["device", "add", "v:", "--device-name", "laptop", "--role", "writer"]);
    let laptop = laptop.without("CRYPTSYNC_PASSWORD");
    assert_eq!(copy(&cli, &laptop, "second").code, 0);
    assert_eq!(copy(&cli, &laptop, "late").code, 0);
    unsend(&cli, &laptop);
    (cli, home, laptop)
}

/// An admin lets the late commit count, and all machines see it.
fn adopted(cli: &Cli, home: &Machine, files: &str) {
    let waiting = status(home)["quarantined"].clone();
    assert_eq!(waiting.as_array().unwrap().len(), 1, "{waiting}");
    let id = waiting[0]["id"].as_str().unwrap();
    for args in [&["adopt", "v:", id, "--json", "-n"][..], &["adopt", "v:", id, "--json"]] {
        let report: Value = serde_json::from_str(&home.ok(args).text()).unwrap();
        assert_eq!((&report["adopted"][0]["id"], report["commit"].is_string()), (&waiting[0]["id"], args.len() == 4));
    }
    for machine in [home.clone(), cli.fresh("fresh")] {
        assert_eq!(machine.ok(["lsf", "v:"]).text(), files);
        assert_eq!(machine.ok(["cat", "v:late"]).text(), "text of late");
        machine.ok(["verify", "--read-data", "v:"]);
    }
}

#[test]
fn it_counts_if_only_the_keys_have_changed() {
    let (cli, home, laptop) = with_pending();
    home.ok(["key", "rotate", "v:"]);
    assert_eq!(laptop.ok(["lsf", "v:"]).text(), "first\nsecond\n");
    laptop.ok(["status", "v:"]).says(&["may not have arrived"]);
    assert!(is_pending(&cli, &laptop), "who reads sends nothing");
    assert_eq!(copy(&cli, &laptop, "new").code, 0);
    assert!(!is_pending(&cli, &laptop));
    assert_eq!(home.ok(["lsf", "v:"]).text(), "first\nlate\nnew\nsecond\n");
    home.ok(["verify", "--read-data", "v:"]);
}

#[test]
fn it_waits_while_its_writer_may_only_read() {
    let (cli, home, laptop) = with_pending();
    home.ok(["key", "role", "v:", "laptop", "reader"]);
    copy(&cli, &laptop, "new").fails(23, &["may read this vault", "kept on this machine"]);
    laptop.ok(["status", "v:"]).says(&["may not have arrived"]);
    assert!(is_pending(&cli, &laptop));
    // Somebody lets it write again: the old commit was cut off by the version in between, and waits for an admin.
    home.ok(["key", "role", "v:", "laptop", "writer"]);
    let run = copy(&cli, &laptop, "new");
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.says(&["left out", "removed by access version"]);
    assert!(!is_pending(&cli, &laptop));
    assert_eq!(home.ok(["lsf", "v:"]).text(), "first\nnew\nsecond\n");
    adopted(&cli, &home, "first\nlate\nnew\nsecond\n");
    assert_eq!(copy(&cli, &laptop, "more").code, 0);
}

#[test]
fn it_waits_while_its_writer_is_no_member() {
    let (cli, home, laptop) = with_pending();
    home.ok(["device", "remove", "v:", "laptop"]);
    copy(&cli, &laptop, "new").fails(28, &["removed"]);
    assert!(is_pending(&cli, &laptop));
    assert_eq!(home.ok(["lsf", "v:"]).text(), "first\nsecond\n");
    // The machine is let in again, with a new key.
    let password = cli.machine("laptop").var("CRYPTSYNC_VAULT_ID", &cli.vault_id);
    password.ok(["device", "add", "v:", "--device-name", "laptop"]);
    let run = copy(&cli, &laptop, "new");
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.says(&["left out"]);
    assert!(!is_pending(&cli, &laptop));
    adopted(&cli, &home, "first\nlate\nnew\nsecond\n");
}
