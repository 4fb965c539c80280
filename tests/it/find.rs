//! `find`: by name, kind, case and filters.

use std::fs;

use crate::support::cli::{Cli, Machine};

fn lines(machine: &Machine, args: &[&str]) -> Vec<String> {
    machine.ok([&["find"][..], args].concat()).text().lines().map(str::to_owned).collect()
}

fn prepared(cli: &Cli) -> Machine {
    let machine = cli.machine("home");
    let tree = cli.path("tree");
    for (name, len) in [
        ("README.md", 10),
        ("docs/readme.md", 20),
        ("docs/taxes/2024.pdf", 5000),
        ("docs/taxes/2025.pdf", 50),
        ("photos/taxes.jpg", 7),
        ("node_modules/x/readme.md", 1),
    ] {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![b'x'; len]).unwrap();
    }
    std::os::unix::fs::symlink("docs/taxes", tree.join("taxlink")).unwrap();
    machine.ok(["sync", tree.to_str().unwrap(), "v:"]);
    machine
}

#[test]
fn finds_names_and_paths() {
    let cli = Cli::with_vault();
    let machine = prepared(&cli);
    assert_eq!(lines(&machine, &["v:", "*.pdf"]), ["docs/taxes/2024.pdf", "docs/taxes/2025.pdf"]);
    assert_eq!(lines(&machine, &["v:docs", "*.pdf"]), ["taxes/2024.pdf", "taxes/2025.pdf"]);
    assert_eq!(
        lines(&machine, &["v:", "taxes/*.pdf", "README.md"]),
        ["README.md", "docs/taxes/2024.pdf", "docs/taxes/2025.pdf"]
    );
    assert_eq!(lines(&machine, &["v:", "tax*"]), ["taxlink", "docs/taxes", "photos/taxes.jpg"]);
    assert_eq!(lines(&machine, &["v:", "tax*", "--type", "dir"]), ["docs/taxes"]);
    assert_eq!(lines(&machine, &["v:", "tax*", "-t", "l"]), ["taxlink"]);
    assert_eq!(lines(&machine, &["v:", "tax*", "-t", "f"]), ["photos/taxes.jpg"]);
    assert_eq!(lines(&machine, &["v:", "readme.md"]), ["docs/readme.md", "node_modules/x/readme.md"]);
    let ignoring = lines(&machine, &["-i", "v:", "ReadMe.MD", "--exclude", "node_modules/**"]);
    assert_eq!(ignoring, ["README.md", "docs/readme.md"]);
    assert_eq!(lines(&machine, &["v:", "/README.md"]), ["README.md"]);
    assert_eq!(lines(&machine, &["v:", "nothing"]), [""; 0]);
    let tree = cli.path("tree");
    assert_eq!(lines(&machine, &[tree.to_str().unwrap(), "2025*"]), ["docs/taxes/2025.pdf"], "on this machine too");
    assert_eq!(machine.ok(["find", "-0", "v:", "*.jpg"]).stdout, b"photos/taxes.jpg\0");
    let long = lines(&machine, &["-l", "v:", "2024.pdf", "taxes"]);
    assert!(long[0].starts_with("drwx") && long[0].ends_with(" docs/taxes"), "{long:?}");
    assert!(long[1].starts_with("-rw") && long[1].contains(" 5000 "), "{long:?}");
}

#[test]
fn finds_as_json() {
    let cli = Cli::with_vault();
    let machine = prepared(&cli);
    let found = machine.ok(["find", "--json", "v:", "*.jpg", "photos"]).text();
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    let paths: Vec<&str> = found.as_array().unwrap().iter().map(|entry| entry["Path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["photos", "photos/taxes.jpg"]);
    assert_eq!(found[1]["Size"], 7);
}

#[test]
fn wrong_input_finds_nothing() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    machine.run(["find", "v:"]).fails(2, &["<PATTERN>"]);
    machine.run(["find", "v:", "a[b"]).fails(2, &["a[b"]);
    machine.run(["find", "v:", "x", "--type", "pipe"]).fails(2, &["pipe", "dir"]);
    machine.run(["find", "v:nowhere", "x"]).fails(3, &["v:nowhere"]);
}
