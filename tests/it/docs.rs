//! The reference and the man pages are what the definition of the command line makes of them.

use std::fs;
use std::path::Path;

use crate::support::cli::{Cli, walk};

#[test]
fn the_reference_is_the_definition() {
    let cli = Cli::new();
    let dir = cli.path("out");
    cli.machine("home").ok(["gendocs", dir.to_str().unwrap()]);
    let made = fs::read_to_string(dir.join("cli.md")).unwrap();
    let committed = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md")).unwrap();
    let differs = made.lines().zip(committed.lines()).position(|(made, committed)| made != committed);
    assert!(
        made == committed,
        "docs/cli.md is not what the definitions in src/cli and the chapters in src/cli/topics make of it, from line {} on: \
         run `just docs` (`cargo run -- gendocs target/docs && cp target/docs/cli.md docs/cli.md`)",
        differs.unwrap_or(0) + 1
    );
}

#[test]
fn every_verb_has_a_man_page() {
    let cli = Cli::new();
    let machine = cli.machine("home");
    machine.ok(["gendocs", "out"]);
    let page = |name: &str| fs::read_to_string(machine.home.join(format!("out/man/{name}.1"))).unwrap();
    assert!(page("cryptsync").contains("Exit codes"));
    let sync = page("cryptsync-sync");
    for words in [".TH cryptsync-sync 1", "asks first, and is refused", "Examples:", "\\-\\-dry\\-run"] {
        assert!(sync.contains(words), "{words}\n{sync}");
    }
    page("cryptsync-key-add-person");
    assert!(!machine.home.join("out/man/cryptsync-gendocs.1").exists(), "it is for packagers");
    let topic = fs::read_to_string(machine.home.join("out/man/cryptsync-filters.7")).unwrap();
    assert!(topic.starts_with(".TH cryptsync-filters 7") && topic.contains("\\-\\-exclude"), "{topic}");
    assert!(walk(&machine.home.join("out/man")).len() > 40);
}

#[test]
fn help_explains_verbs_and_topics_at_any_width() {
    let cli = Cli::new();
    let machine = cli.machine("home");
    let list = machine.ok(["help"]).text();
    for words in ["\n  sync ", "\n  filters ", "\n  exit-codes ", "Topics of `cryptsync help`:"] {
        assert!(list.contains(words), "{words}\n{list}");
    }
    let topics: Vec<&str> =
        list.split("help`:").nth(1).unwrap().lines().filter_map(|l| l.split_whitespace().next()).collect();
    for columns in ["20", "40", "80", "132"] {
        let at = machine.clone().var("COLUMNS", columns);
        for topic in &topics {
            let text = at.ok(["help", topic]).text();
            assert!(text.lines().count() > 3 && !text.contains("<!--") && !text.contains("|---"), "{topic}: {text}");
        }
        let width = columns.parse::<usize>().unwrap().min(100);
        let text = at.ok(["help", "conflicts"]).text();
        let long = text.lines().find(|l| l.chars().count() > width && l.split_whitespace().count() > 1);
        assert!(long.is_none(), "{columns}: {long:?}");
    }
    let codes = machine.ok(["help", "exit-codes"]).text();
    assert!(codes.contains("\n  29 ") || codes.contains("\n  29  "), "{codes}");
    assert!(machine.ok(["help", "key", "add", "person"]).text().contains("cryptsync key add person"));
    assert!(machine.ok(["help", "sync"]).text().contains("Examples:"));
    machine.run(["help", "frobnicate"]).fails(2, &["error: ", "`frobnicate`", "hint: "]);
}

#[test]
fn help_needs_no_sound_configuration() {
    let cli = Cli::new();
    let machine = cli.machine("home").var("CRYPTSYNC_CONFIG", "/nowhere/at/all");
    machine.ok(["help", "paths"]);
    machine.ok(["version"]);
    machine.run(["ls", "v:"]).fails(2, &["/nowhere/at/all"]);
}
