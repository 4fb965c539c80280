//! What is told, how much of it, and where: levels, logs, figures, and the exit code of every kind of end.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use cryptsync::class::EXIT_CODES;
use serde_json::Value;

use super::support::cli::{Cli, Machine, PASSWORD, copy_tree, files, noise, replace_tree};
use super::support::rclone::Rclone;

fn with_source() -> (Cli, Machine) {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    fs::create_dir(machine.home.join("src")).unwrap();
    fs::write(machine.home.join("src/a"), b"one").unwrap();
    (cli, machine)
}

/// The lines of a text without date and time.
fn undated(text: &str) -> Vec<String> {
    text.lines().map(|line| line.get(20..).unwrap_or(line).to_owned()).collect()
}

#[test]
fn levels_are_rclones() {
    let (_cli, machine) = with_source();
    let told = |args: &[&str]| {
        fs::write(machine.home.join("src/a"), format!("{args:?}")).unwrap();
        machine.ok([&["copy", "src", "v:"][..], args].concat()).stderr
    };
    assert_eq!(told(&["-q"]), "");
    assert_eq!(told(&["--log-level", "error"]), "");
    assert!(told(&[]).contains("sent 1 file") && !told(&["--log-level=NOTICE"]).contains("replaced: a"));
    for args in [&["-v"][..], &["--log-level", "INFO"], &["-vv"], &["--log-level=debug"]] {
        assert!(told(args).contains("replaced: a"), "{args:?}");
    }
    let failed = machine.run(["ls", "v:nothing", "--log-level", "OFF"]);
    assert_eq!((failed.code, failed.stderr.as_str()), (3, ""));
    assert!(machine.run(["ls", "v:nothing", "-q"]).stderr.starts_with("error: "));
    machine.run(["ls", "v:", "--log-level", "LOUD"]).fails(2, &["`LOUD` is not a level", "NOTICE"]);
    machine.run(["ls", "v:", "--log-level", "INFO", "-v"]).fails(2, &["cannot be used with"]);
    machine.run(["ls", "v:", "-q", "-v"]).fails(2, &["cannot be used with"]);
    machine.run(["ls", "v:", "--log-format", "colour"]).fails(2, &["`colour` is no part of a log format"]);
    machine.run(["ls", "v:", "--stats-unit", "furlongs"]).fails(2, &["furlongs", "bits"]);
}

#[test]
fn a_log_file_gets_everything() {
    let (_cli, machine) = with_source();
    let log = machine.home.join("run.log");
    assert_eq!(machine.ok(["copy", "src", "v:", "-v", "--log-file", "run.log"]).stderr, "");
    let text = fs::read_to_string(&log).unwrap();
    assert!(undated(&text).contains(&"INFO  : a: Copied (new)".to_owned()), "{text}");
    assert!(text.lines().next().unwrap().starts_with("20") && text.contains("NOTICE: checked"), "{text}");
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
    let failed = machine.run(["ls", "v:nothing", "--log-file", "run.log"]);
    assert_eq!((failed.code, failed.stderr.as_str()), (3, ""));
    let more = fs::read_to_string(&log).unwrap();
    assert!(more.starts_with(&text) && undated(&more[text.len()..])[0].starts_with("ERROR : "), "{more}");
    for round in 0..3 {
        fs::write(machine.home.join("src/a"), format!("{round}")).unwrap();
        machine.ok([
            "copy",
            "src",
            "v:",
            "-v",
            "--log-file=run.log",
            "--log-file-max-size=100B",
            "--log-file-max-backups=2",
        ]);
    }
    let logs = files(&machine.home).into_iter().filter(|path| path.to_str().unwrap().starts_with("run")).count();
    assert_eq!(logs, 3);
    machine.run(["ls", "v:", "--log-file", "no/such/dir"]).fails(2, &["cannot open the log file no/such/dir"]);
    machine.run(["ls", "v:", "--log-file-max-backups", "2"]).fails(2, &["--log-file"]);
    machine.run(["ls", "v:", "--log-file", "x", "--syslog"]).fails(2, &["cannot be used with"]);
    machine.run(["ls", "v:", "--syslog", "--syslog-facility", "PIZZA"]).fails(2, &["`PIZZA` is no facility"]);
}

#[test]
fn a_json_log_is_an_object_a_line() {
    let (_cli, machine) = with_source();
    fs::write(machine.home.join("src/b"), noise(1, 400 << 10)).unwrap();
    let args = "copy src v: -v --use-json-log --stats 200ms --bwlimit 300k";
    let objects = |text: &str| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    let log = objects(&machine.ok(args.split(' ')).stderr);
    for record in &log {
        assert!(record["time"].is_string() && record["level"].is_string() && record["msg"].is_string(), "{record}");
    }
    let copied = log.iter().find(|record| record["object"] == "b").unwrap();
    assert_eq!((copied["msg"].as_str(), copied["size"].as_u64()), (Some("Copied (new)"), Some(400 << 10)));
    let figures: Vec<&Value> = log.iter().map(|record| &record["stats"]).filter(|stats| stats.is_object()).collect();
    assert!(figures.len() > 2, "{log:?}");
    let last = figures.last().unwrap();
    assert_eq!((last["transfers"].as_u64(), last["totalBytes"].as_u64()), (Some(2), Some((400 << 10) + 3)));
    let failed = machine.run(["ls", "v:nothing", "--use-json-log"]);
    let error = &objects(&failed.stderr)[0];
    assert_eq!((error["level"].as_str(), error["code"].as_u64()), (Some("error"), Some(3)));
    // Results are the business of --json, and both go together.
    let both = machine.ok(["size", "v:", "--json", "--use-json-log"]);
    assert_eq!(serde_json::from_str::<Value>(&both.text()).unwrap()["count"], 2);
    let listed = machine.run(["lsjson", "v:nothing", "--json", "--use-json-log"]);
    assert!(objects(&listed.stderr)[0]["msg"].is_string(), "{}", listed.stderr);
    let own = machine.run(["lsjson", "v:nothing", "--json", "--log-file", "own.log"]);
    assert_eq!(own.stderr, "");
    let message = &objects(&fs::read_to_string(machine.home.join("own.log")).unwrap())[0];
    assert_eq!(message["message_type"], "exit_error");
}

#[test]
fn records_read_like_rclones() {
    let Some(rclone) = Rclone::find() else { return };
    let (_cli, machine) = with_source();
    let there = machine.home.join("there");
    let lines =
        |text: &str, words: &str| undated(text).into_iter().filter(|line| line.contains(words)).collect::<Vec<_>>();
    let (src, dst) = (machine.home.join("src"), there.to_str().unwrap().to_owned());
    let src = src.to_str().unwrap().to_owned();
    for (content, words) in [("one", "Copied (new)"), ("two!", "Copied (replaced existing)")] {
        fs::write(machine.home.join("src/a"), content).unwrap();
        let dry = |text: &str| lines(text, "Skipped copy as --dry-run is set");
        let theirs = rclone.run(["copy", &src, &dst, "-n"]).stderr;
        let ours = machine.ok(["copy", "src", "v:", "-n", "--rclone-compat"]).stderr;
        if content == "one" {
            assert_eq!(dry(&ours), dry(&theirs), "{ours}\n{theirs}");
        }
        let theirs = rclone.run(["copy", &src, &dst, "-v"]).stderr;
        let ours = machine.ok(["copy", "src", "v:", "-v", "--rclone-compat"]).stderr;
        assert_eq!(lines(&ours, words), lines(&theirs, words), "{ours}\n{theirs}");
        assert_eq!(lines(&ours, words).len(), 1, "{ours}");
    }
    let (ours, theirs) = (
        machine.ok(["copy", "src", "v:again", "-v", "--use-json-log"]).stderr,
        rclone.run(["copy", &src, &format!("{dst}/again"), "-v", "--use-json-log"]).stderr,
    );
    let fields = |text: &str| {
        let record = text.lines().find(|line| line.contains("Copied (new)")).unwrap();
        serde_json::from_str::<serde_json::Map<String, Value>>(record).unwrap().keys().cloned().collect::<BTreeSet<_>>()
    };
    assert_eq!(fields(&ours), fields(&theirs));
}

#[test]
fn figures_without_a_terminal() {
    let (_cli, machine) = with_source();
    let mut round = 0;
    let mut told = |args: &str| {
        round += 1;
        fs::write(machine.home.join("src/a"), noise(round, 400 << 10)).unwrap();
        let line = format!("copy src v: --bwlimit 300k {args}");
        let output = machine.ok(line.split_whitespace());
        assert_eq!(output.text(), "", "progress never goes to standard output");
        output.stderr
    };
    assert!(!told("").contains("ETA"));
    assert!(told("--stats 200ms").contains("files, checked"));
    assert!(told("--stats 200ms --stats-one-line").contains(", ETA "));
    assert!(told("--stats 200ms --stats-one-line --stats-unit bits").contains("bit/s"));
    let dated = told("--stats 200ms --stats-one-line-date");
    assert!(dated.lines().any(|line| line.starts_with("20") && line.contains(" - ")), "{dated}");
    let block = told("-P --stats 200ms --stats-file-name-length 10");
    assert!(block.contains("Transferred:   \t") && block.contains("\nElapsed time: "), "{block}");
    assert!(!told("-P --stats 0").contains("ETA"));
    assert!(!told("-q --stats 200ms").contains("ETA"));
    assert!(!told("--stats 200ms --stats-log-level INFO").contains("files, checked"));
    assert!(told("--stats 200ms --stats-log-level INFO -v").contains("files, checked"));
    assert!(!told("--stats 200ms --rclone-compat").contains("ETA"), "as rclone, which tells them with -v only");
}

#[test]
fn no_secret_is_ever_told() {
    let cli = Cli::new();
    let machine = cli.machine("home");
    let mut told = String::new();
    for args in [
        "init v: --kdf 64M,3,1 --recovery-file words.txt -vv --use-json-log --log-file log",
        "mkdir v:d -vv --log-file log --ephemeral",
        "ls v: -vv --ephemeral --json",
        "key add password v: --new-password-file new -vv --use-json-log",
        "status v: -vv",
        "ls v:nothing -vv --log-file log",
    ] {
        fs::write(machine.home.join("new"), "another secret of mine").unwrap();
        let output = machine.run(args.split(' '));
        told += &(output.stderr.clone() + &output.text());
    }
    let wrong = machine.clone().var("CRYPTSYNC_PASSWORD", "wrong horse battery");
    told += &wrong.run(["ls", "v:", "--ephemeral", "-vv"]).stderr;
    told += &fs::read_to_string(machine.home.join("log")).unwrap();
    let words = fs::read_to_string(machine.home.join("words.txt")).unwrap();
    let words: Vec<&str> =
        words.split_whitespace().filter(|word| word.bytes().all(|b| b.is_ascii_lowercase())).collect();
    let pair = words.windows(2).find(|pair| told.contains(&pair.join(" ")));
    assert_eq!(pair, None);
    for secret in [PASSWORD, "another secret of mine", "wrong horse battery"] {
        assert!(!told.contains(secret), "{secret} is in:\n{told}");
    }
}

#[test]
fn every_way_to_end_has_its_code() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let before = cli.path("before");
    copy_tree(&machine.root, &before);
    let src = machine.home.join("src");
    fs::create_dir(&src).unwrap();
    (0..30).for_each(|n| fs::write(src.join(format!("f{n}")), noise(n, 300)).unwrap());
    fs::write(src.join("large"), noise(99, 3 << 20)).unwrap();
    let mut seen = BTreeSet::new();
    let mut ends = |machine: &Machine, args: &str, code: i32| {
        let output = machine.run(args.split(' '));
        assert_eq!(output.code, code, "{args}: {}", output.stderr);
        seen.insert(u8::try_from(code).unwrap());
    };
    ends(&machine, "copy src v:", 0);
    fs::write(src.join("f0"), "another").unwrap();
    ends(&machine, "check src v:", 1);
    ends(&machine, "ls v: --transfers none", 2);
    ends(&machine, "ls v:nothing", 3);
    ends(&machine, "conflicts show v:f1", 4);
    fs::write(src.join("larger"), noise(100, 20 << 20)).unwrap();
    ends(&machine, "copy src v: --timeout 1ms --low-level-retries 1 --retries 1", 5);
    fs::create_dir(machine.home.join("empty")).unwrap();
    ends(&machine, "sync empty v:", 7);
    ends(&machine, "copy empty v: --error-on-no-transfer", 9);
    ends(&machine, "copy src v: --error-on-no-transfer", 0);
    ends(&machine, &format!("ls v: --vault-id {}", "a".repeat(52)), 23);
    ends(&machine, "ls v:../x", 27);
    let pinned = machine.clone().var("CRYPTSYNC_VAULT_ID", &cli.vault_id);
    let wrong = pinned.clone().var("CRYPTSYNC_PASSWORD", "wrong horse battery");
    ends(&wrong, "ls v: --ephemeral --state-dir none", 28);
    ends(&pinned.at(&cli.path("elsewhere")), "ls v: --ephemeral --state-dir none", 29);
    let whole = cli.path("whole");
    copy_tree(&machine.root, &whole);
    for path in files(&machine.root).into_iter().filter(|path| path.starts_with("data")) {
        let path = machine.root.join(path);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&path, bytes).unwrap();
    }
    ends(&machine, "cat v:large", 20);
    fs::remove_dir_all(machine.root.join("data")).unwrap();
    ends(&machine, "cat v:large", 24);
    replace_tree(&before, &machine.root);
    ends(&machine, "ls v:", 21);
    let known: BTreeSet<u8> = EXIT_CODES.iter().map(|(class, _)| class.code()).chain([0]).collect();
    let missing: Vec<u8> = known.difference(&seen).copied().collect();
    // Driven by the tests of what they are about: comparison (6, 8, 10), forks and hostile vaults (22, 25, 26), conflicts (30), signals (130).
    assert_eq!(missing, [6, 8, 10, 22, 25, 26, 30, 130]);
}
