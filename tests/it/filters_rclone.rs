//! The filters against the real rclone's: made-up rules on a made-up tree, judged by both.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cryptsync::filter::{Definition, Filter, Rule, Stated};
use cryptsync::path::TreePath;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::rclone::{Rclone, Server};

/// Directories and files that patterns are made to hit and to miss narrowly.
fn tree(root: &Path) -> BTreeSet<String> {
    let names = ["a", "b", "ab", "A", "x.jpg", "[a]", "{b}", "a b", "é", "*", "-1", "a,b", "n\nl"];
    let mut files = BTreeSet::new();
    for (i, outer) in ["", "a/", "b/", "ab/", "A/", "d.d/", "[a]/"].iter().enumerate() {
        for (j, inner) in ["", "a/", "b/", "x/a/"].iter().enumerate() {
            for (k, name) in names.iter().enumerate() {
                let dir = format!("{outer}{inner}");
                if (i + j + k) % 3 != 0 || dir.is_empty() {
                    files.insert(format!("{dir}f{name}"));
                    files.insert(format!("{dir}{name}"));
                }
            }
        }
    }
    // Nothing is a directory and a file.
    let dirs: BTreeSet<String> = files.iter().flat_map(|file| parents(file)).collect();
    files.retain(|file| !dirs.contains(file));
    for file in &files {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    files
}

fn parents(file: &str) -> Vec<String> {
    let cuts = file.match_indices('/').map(|(at, _)| file[..at].to_owned());
    cuts.collect()
}

/// What a walk finds that asks the filter about each directory before it enters it.
fn walked(filter: &Filter, files: &BTreeSet<String>) -> BTreeSet<String> {
    let path = |text: &str| TreePath::from_bytes(text.as_bytes()).unwrap();
    let reached = |file: &&String| parents(file).iter().all(|dir| filter.enters(&path(dir)));
    files.iter().filter(reached).filter(|file| filter.takes_name(&path(file))).cloned().collect()
}

#[derive(Debug, Clone)]
struct Case {
    include: Vec<String>,
    exclude: Vec<String>,
    filter: Vec<String>,
    ignore_case: bool,
}

impl Case {
    fn ours(&self) -> Result<Filter, String> {
        let stated = |rules: &[String], rule: fn(String) -> Rule| -> Vec<Stated> {
            rules.iter().map(|text| Stated { rule: rule(text.clone()), place: String::new() }).collect()
        };
        let rules = [
            stated(&self.include, Rule::Include),
            stated(&self.exclude, Rule::Exclude),
            stated(&self.filter, Rule::Filter),
        ];
        let definition =
            Definition { compat: true, ignore_case: self.ignore_case, rules: rules.concat(), ..Definition::default() };
        definition.build().map_err(|bad| bad.to_string())
    }

    fn theirs(&self, server: &Server, root: &Path) -> Result<BTreeSet<String>, String> {
        let filter = json!({
            "IncludeRule": self.include, "ExcludeRule": self.exclude, "FilterRule": self.filter,
            "IgnoreCase": self.ignore_case,
        });
        let opt = json!({"recurse": true, "filesOnly": true, "noModTime": true, "noMimeType": true});
        let input = json!({"fs": root, "remote": "", "opt": opt, "_filter": filter});
        let answer: Value = server.call("operations/list", &input)?;
        let rows = answer["list"].as_array().unwrap();
        Ok(rows.iter().map(|row| row["Path"].as_str().unwrap().replace('␊', "\n")).collect())
    }
}

fn pattern() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => "(a|b|ab|A|x|f|fa|é|d\\.d|x\\.jpg|\\.|-1|a b)",
        6 => "(/|/|/a/|/b/|\\*|\\*|\\*\\*|\\?|/\\*\\*|\\*\\*/)",
        3 => "(\\[ab\\]|\\[!a\\]|\\[\\^a\\]|\\[a-c\\]|\\[a&&b\\]|\\[\\]a\\]|\\[\\[:alpha:\\]\\]|\\[\\\\\\*a\\]|\\[\\[a\\]\\])",
        3 => "(\\{a,b\\}|\\{a,\\{b,x\\}\\}|\\{a/\\*\\*,b\\}|\\{,f\\}a|\\{a\\})",
        2 => "(\\{\\{[ab]+\\}\\}|\\{\\{\\.\\*\\}\\}|\\{\\{f?\\\\w\\{1\\}\\}\\}|\\{\\{\\(\\?i\\)a\\}\\}|\\{\\{a\\|b\\}\\}|\\{\\{\\^a\\}\\})",
        2 => "(\\\\\\*|\\\\\\[a\\\\\\]|\\\\d|\\\\w|\\\\\\{b\\\\\\}|\\\\.|a,b|\\(|\\||\\+|\\$)",
        1 => "(\\[|\\]|\\{|\\}|\\{\\{|\\\\|\\*\\*\\*|//|!|&|~)",
    ];
    prop::collection::vec(piece, 1..5).prop_map(|pieces| pieces.concat())
}

fn case() -> impl Strategy<Value = Case> {
    let rule = prop_oneof![
        5 => pattern().prop_map(|pattern| format!("+ {pattern}")),
        6 => pattern().prop_map(|pattern| format!("- {pattern}")),
        1 => Just("- *".to_owned()),
        1 => Just("- **".to_owned()),
        1 => Just("!".to_owned()),
    ];
    let few = |max| prop::collection::vec(pattern(), 0..max);
    (few(3), few(3), prop::collection::vec(rule, 0..5), prop::bool::weighted(0.2))
        .prop_map(|(include, exclude, filter, ignore_case)| Case { include, exclude, filter, ignore_case })
}

#[test]
fn made_up_rules_decide_as_rclone_does() {
    let Some(rclone) = Rclone::find() else { return };
    let dir = tempfile::tempdir().unwrap();
    let files = tree(dir.path());
    let server = rclone.serve();
    let rounds = std::env::var("CRYPTSYNC_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
    let mut runner = TestRunner::new(Config { cases: 1500 * rounds, failure_persistence: None, ..Config::default() });
    let result = runner.run(&case(), |case| {
        let (ours, theirs) = (case.ours(), case.theirs(&server, dir.path()));
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => prop_assert_eq!(walked(&ours, &files), theirs),
            (Err(_), Err(_)) => {}
            (ours, theirs) => prop_assert!(false, "{ours:?}\n{theirs:?}"),
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
