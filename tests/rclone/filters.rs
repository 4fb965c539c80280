//! Filter flags: every family, with patterns that have a chance to match.

use std::collections::BTreeMap;

use super::case::{Word, flag, valued};
use super::rng::Rng;
use super::tree::{Kind, Tree};

/// A few flags that go together, and the files they name.
pub fn generate(rng: &mut Rng, tree: &Tree, files: &mut BTreeMap<String, String>) -> Vec<Vec<Word>> {
    let mut flags = Vec::new();
    match rng.below(12) {
        0 | 1 => flags.extend(repeat(rng, |rng| valued("--include", pattern(rng, tree)))),
        2 | 3 => flags.extend(repeat(rng, |rng| valued("--exclude", pattern(rng, tree)))),
        4 | 5 => {
            flags.extend(repeat(rng, |rng| valued(if rng.chance(20) { "-f" } else { "--filter" }, rule(rng, tree))))
        }
        6 => {
            flags.push(file("--filter-from", "rules"));
            let rules: Vec<String> = (0..=rng.below(4)).map(|_| noisy(rng, tree)).collect();
            files.insert("rules".into(), rules.join("\n") + "\n");
        }
        7 => {
            let name = if rng.chance(50) { "--include-from" } else { "--exclude-from" };
            flags.push(file(name, "patterns"));
            let lines: Vec<String> = (0..=rng.below(3)).map(|_| pattern(rng, tree)).collect();
            files.insert("patterns".into(), format!("# a comment\n\n{}\n; another\n", lines.join("\n")));
        }
        8 => list(rng, tree, &mut flags, files),
        9 => {
            flags.push(valued("--include", pattern(rng, tree)));
            flags.push(valued("--exclude", pattern(rng, tree)));
        }
        10 => flags.push(valued("--exclude-if-present", rng.pick(&[".ignore", "a", "file.txt"]))),
        _ => {}
    }
    if flags.is_empty() || rng.chance(20) {
        limits(rng, &mut flags);
    }
    if rng.chance(12) {
        flags.push(flag("--ignore-case"));
    }
    flags
}

fn limits(rng: &mut Rng, flags: &mut Vec<Vec<Word>>) {
    let size = |rng: &mut Rng| rng.pick(&["0", "1", "1b", "3B", "100B", "512B", "1K", "1.5k", "2Ki", "1M"]);
    let age = |rng: &mut Rng| rng.pick(&["1h", "6h", "1d", "10d", "2w", "3M", "1y", "100000", "2020-09-01", "36h"]);
    for _ in 0..=rng.below(2) {
        let (name, value) = match rng.below(6) {
            0 => ("--min-size", size(rng)),
            1 => ("--max-size", size(rng)),
            2 => ("--min-age", age(rng)),
            3 => ("--max-age", age(rng)),
            4 => ("--hash-filter", rng.pick(&["0/2", "1/2", "1/3", "5/3", "0/1"])),
            _ => ("--max-depth", rng.pick(&["1", "2", "3"])),
        };
        if !flags.iter().any(|flag| flag[0] == Word::Text(name.to_owned())) {
            flags.push(valued(name, value));
        }
    }
}

fn list(rng: &mut Rng, tree: &Tree, flags: &mut Vec<Vec<Word>>, files: &mut BTreeMap<String, String>) {
    let names: Vec<&String> = tree.iter().filter(|(_, node)| node.kind != Kind::Dir).map(|(path, _)| path).collect();
    let mut lines: Vec<String> = names.into_iter().filter(|_| rng.chance(50)).cloned().collect();
    lines.extend(rng.chance(30).then(|| "not/there.txt".to_owned()));
    let name = rng.pick(&["--files-from", "--files-from", "--files-from-raw", "--files-from0"]);
    let text = match name {
        "--files-from" => {
            let lines: Vec<String> =
                lines.iter().map(|line| format!("{}{line}", rng.pick(&["", "", "/", "  "]))).collect();
            format!("# names\n{}\n\n; more\n", lines.join("\n"))
        }
        "--files-from0" => lines.iter().map(|line| format!("{line}\0")).collect(),
        _ => lines.iter().map(|line| format!("{line}\n")).collect(),
    };
    files.insert("list".into(), text);
    flags.push(file(name, "list"));
    if rng.chance(20) {
        flags.push(flag("--no-traverse"));
    }
}

fn repeat(rng: &mut Rng, mut one: impl FnMut(&mut Rng) -> Vec<Word>) -> Vec<Vec<Word>> {
    (0..=rng.below(3)).map(|_| one(rng)).collect()
}

fn rule(rng: &mut Rng, tree: &Tree) -> String {
    format!("{} {}", rng.pick(&["+", "-"]), pattern(rng, tree))
}

/// A line of a file of rules.
fn noisy(rng: &mut Rng, tree: &Tree) -> String {
    match rng.below(10) {
        0 => "# a comment".to_owned(),
        1 => String::new(),
        2 if rng.chance(30) => "!".to_owned(),
        _ => rule(rng, tree),
    }
}

fn pattern(rng: &mut Rng, tree: &Tree) -> String {
    let paths: Vec<&String> = tree.keys().collect();
    if paths.is_empty() || rng.chance(45) {
        return rng.pick(PATTERNS).to_owned();
    }
    let path = rng.pick(&paths).clone();
    let name = path.rsplit('/').next().unwrap().to_owned();
    let literal =
        |text: &str| text.chars().flat_map(|c| ESCAPED.contains(c).then_some('\\').into_iter().chain([c])).collect();
    let (path, name): (String, String) = (literal(&path), literal(&name));
    match rng.below(12) {
        0 => path,
        1 => format!("/{path}"),
        2 => name,
        3 => format!("{path}/**"),
        4 => format!("{name}/"),
        5 => format!("/{path}/"),
        6 => format!("{path}*"),
        7 => format!("/{path}/*"),
        8 => format!("{{{name},zzz}}"),
        9 => format!("**/{name}"),
        10 => format!("/{}", path.split('/').map(|_| "*").collect::<Vec<_>>().join("/")),
        _ => format!("{name}/**"),
    }
}

fn file(name: &str, file: &str) -> Vec<Word> {
    vec![Word::Text(name.to_owned()), Word::File(file.to_owned())]
}

const ESCAPED: &str = "*?[]{}\\";
const PATTERNS: &[&str] = &[
    "*",
    "**",
    "*.txt",
    "/*",
    "/*.txt",
    "/d/",
    "d/",
    "d/**",
    "/d/**",
    "sub/**",
    "d/*",
    "*/",
    "*/a",
    "?",
    "[ab]",
    "[a-c]*",
    "[^a]",
    "[[:alpha:]]",
    "*.{txt,md}",
    "{a,b,{d,sub}/**}",
    "{{^a$}}",
    "{{.*\\.(txt|md)}}",
    "/{{d.*}}/**",
    "A",
    "FILE.TXT",
    "*.TXT",
    ".*",
    ".*/**",
    "/d/*/**",
    "d/**/a",
    "**/a",
    "**.txt",
    "/**/file.txt",
    "\\[x\\].txt",
    "with*",
    "* *",
    "sub/",
    "/sub/*",
    "a*/**",
    "d*",
    "d*/",
];
