//! The pattern language as rclone documents it, and the safety of pruning.

use proptest::prelude::*;

use super::{BadFilter, Definition, Facts, Filter, Names, Rule, Stated};
use crate::path::TreePath;
use crate::world::Timestamp;

fn filter(rules: &[&str]) -> Filter {
    let rules = rules.iter().map(|rule| match rule.split_at(2) {
        ("+ ", glob) => Rule::Include(glob.to_owned()),
        ("- ", glob) => Rule::Exclude(glob.to_owned()),
        ("= ", rule) => Rule::Filter(rule.to_owned()),
        _ => panic!("{rule}"),
    });
    Filter::from_rules(rules.collect()).unwrap_or_else(|error| panic!("{error}"))
}

fn path(bytes: &[u8]) -> TreePath {
    TreePath::from_bytes(bytes).unwrap()
}

/// Rules, paths in scope, paths out of scope.
type Row = (&'static [&'static str], &'static [&'static str], &'static [&'static str]);

const TABLE: &[Row] = &[
    (&[], &["a", "a/b"], &[]),
    (&["+ *.jpg"], &["a.jpg", "dir/sub/b.jpg", ".jpg"], &["a.png", "a.jpg/x", "a.jpg2"]),
    (&["+ /*.jpg"], &["a.jpg"], &["dir/a.jpg"]),
    (&["+ a/*.jpg"], &["a/1.jpg", "x/a/1.jpg"], &["xa/1.jpg", "a/b/2.jpg"]),
    (&["+ file"], &["file", "dir/file"], &["afile", "file/x", "files"]),
    (&["+ /dir/**"], &["dir/a", "dir/sub/b"], &["dir", "x/dir/a", "dirt"]),
    (&["+ dir/**"], &["dir/a", "x/dir/a/b"], &["dir", "adir/a"]),
    (&["+ dir/"], &["dir/a", "x/dir/a/b"], &["dir", "b"]),
    (&["- dir/"], &["dir", "b", "adir/x"], &["dir/a", "x/dir/a/b"]),
    (&["- /dir/"], &["x/dir/a"], &["dir/a"]),
    (&["- dir/*"], &["dir/sub/b", "dir"], &["dir/a", "x/dir/a"]),
    (&["- dir"], &["dir/a"], &["dir", "x/dir"]),
    (&["- *"], &[], &["a", "a/b"]),
    (&["- **"], &[], &["a", "a/b"]),
    (&["- /*"], &["a/b"], &["a"]),
    (&["+ a**"], &["a", "a.jpg", "a/b/c", "x/ab/c"], &["b", "ba"]),
    (&["+ /a/**/3.jpg"], &["a/b/c/3.jpg", "a/b/3.jpg"], &["a/3.jpg", "x/a/b/3.jpg"]),
    (&["+ ?.txt"], &["x.txt", "é.txt", "d/x.txt"], &["xy.txt", ".txt"]),
    (&["+ ??.txt"], &["xy.txt"], &["é.txt"]),
    (&["+ [ab].txt"], &["a.txt", "d/b.txt"], &["c.txt", "ab.txt"]),
    (&["+ [!a-c].txt"], &["d.txt", "é.txt"], &["a.txt", "c.txt"]),
    (&["+ [^a-c].txt"], &["d.txt"], &["a.txt"]),
    (&["+ x[!a]y"], &["xby"], &["xay", "x/y"]),
    (&["+ [[:alpha:]_].txt"], &["c.txt", "_.txt"], &["1.txt"]),
    (&["+ []x-]", "+ [\\]]b"], &["]", "x", "-", "]b"], &["y", "b"]),
    (&["+ *.{jpg,png}"], &["a.jpg", "d/b.png"], &["a.gif", "a."]),
    (&["+ {a,dir/{a,sub/b}}.jpg"], &["a.jpg", "dir/sub/b.jpg"], &["sub.jpg", "b.jpg"]),
    (&["+ a{,b}c"], &["ac", "abc"], &["acc"]),
    (&["+ co,mma"], &["co,mma"], &["co"]),
    (&["+ \\*.jpg"], &["*.jpg"], &["a.jpg"]),
    (&["+ we\\{ird\\}.txt", "+ br\\[1\\]"], &["we{ird}.txt", "br[1]"], &["weird.txt", "br1"]),
    (&["+ {{.*\\d+\\.jpg}}"], &["file2.jpg", "a/b/2.jpg"], &["a.jpg"]),
    (&["+ {{[a-z]{1}}}.jpg"], &["a.jpg"], &["ab.jpg"]),
    (&["+ a.b+(c)|^$"], &["a.b+(c)|^$"], &["axb+(c)|^$"]),
    (&["+ *.jpg", "- secret17.jpg"], &["secret17.jpg", "a.jpg"], &["a.txt"]),
    (&["- secret17.jpg", "+ *.jpg"], &["secret17.jpg", "a.jpg"], &["a.txt"]), // includes come first in any case
    (&["- *.jpg", "- a/**"], &["b.png"], &["x.jpg", "a/b.png"]),
    (&["+ new**"], &["new\nline"], &["old"]),
    (&["= - *.jpg", "= + a*"], &["a.png", "b.png"], &["a.jpg"]), // a filter leaves nothing else out
    (&["= + a*", "= - **"], &["a", "x/a"], &["b"]),
    (&["= - a", "= !", "= - b"], &["a"], &["b"]),
    (&["+ a", "= !"], &[], &["a", "b"]), // and clearing does not take back that an include was given
    (&["= + *.c", "- *.c", "+ x.c"], &["x.c"], &["a.c", "a.h"]),
];

#[test]
fn decides_as_documented() {
    for (rules, inside, outside) in TABLE {
        let filter = filter(rules);
        for text in *inside {
            assert!(filter.decide_file(&path(text.as_bytes())), "{rules:?} should take in `{text}`");
        }
        for text in *outside {
            assert!(!filter.decide_file(&path(text.as_bytes())), "{rules:?} should leave out `{text}`");
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_one_character_each() {
    assert!(filter(&["+ bad??.txt"]).decide_file(&path(b"bad\xff\xfe.txt")));
    assert!(!filter(&["- *.txt"]).decide_file(&path(b"\xff.txt")));
}

fn defined(definition: Definition, path_text: &str, size: u64, secs: i64) -> bool {
    let facts = Facts { size, mtime: Timestamp { secs, nanos: 0 }, metadata: &|| vec!["mode=100644".to_owned()] };
    definition.build().unwrap().takes(&path(path_text.as_bytes()), &facts)
}

fn stated(rules: &[&str]) -> Vec<Stated> {
    rules.iter().map(|rule| Stated { rule: Rule::Filter((*rule).to_owned()), place: "--filter".to_owned() }).collect()
}

#[test]
fn sizes_times_and_metadata() {
    let sizes = || Definition { min_size: Some(10), max_size: Some(20), ..Definition::default() };
    let sized = [9, 10, 20, 21].map(|size| defined(sizes(), "a", size, 0));
    assert_eq!(sized, [false, true, true, false]);
    let at = |secs| Some(Timestamp { secs, nanos: 0 });
    let times = || Definition { not_before: at(10), not_after: at(20), ..Definition::default() };
    assert_eq!([9, 10, 20, 21].map(|secs| defined(times(), "a", 0, secs)), [false, true, true, false]);
    for (rules, inside) in
        [(&["- mode=100644"][..], false), (&["+ mode=1006*", "- *"], true), (&["- uid=*"], true), (&["- *"], false)]
    {
        assert_eq!(defined(Definition { metadata: stated(rules), ..Definition::default() }, "a", 0, 0), inside);
    }
    for empty in [Definition { max_size: Some(1), ..sizes() }, Definition { not_after: at(9), ..times() }] {
        assert!(matches!(empty.build(), Err(BadFilter::Empty(_))));
    }
}

#[test]
fn depth_case_and_names() {
    let depth = Definition { max_depth: Some(2), ..Definition::default() }.build().unwrap();
    assert!(depth.decide_file(&path(b"a/b")) && depth.decide_dir(&path(b"a/b")) && !depth.descends(&path(b"a/b")));
    assert!(!depth.decide_file(&path(b"a/b/c")) && !depth.decide_dir(&path(b"a/b/c")) && depth.descends(&path(b"a")));
    assert!(Definition { max_depth: Some(0), ..Definition::default() }.build().unwrap().is_everything());
    for compat in [false, true] {
        let rules = stated(&["- /Ab/*.JPG"]);
        let filter = Definition { compat, ignore_case: true, rules, ..Definition::default() }.build().unwrap();
        assert!(!filter.decide_file(&path(b"aB/x.jpg")) && filter.decide_file(&path(b"x.jpg")));
    }
    let names = || Some(Names::new([path(b"a/b")]));
    let filter = Definition { names: names(), ..Definition::default() }.build().unwrap();
    assert!(
        filter.decide_file(&path(b"a/b")) && !filter.decide_file(&path(b"a/c")) && !filter.decide_file(&path(b"a"))
    );
    assert!(filter.decide_dir(&path(b"a")) && !filter.decide_dir(&path(b"a/b")) && !filter.is_everything());
    let both = Definition { names: names(), rules: stated(&["- x"]), ..Definition::default() };
    assert_eq!(both.build().unwrap_err(), BadFilter::NotAlone);
}

#[test]
fn what_is_deleted_with_the_excluded_is_limited_by_depth_alone() {
    let filter = Definition { max_depth: Some(1), rules: stated(&["- *"]), ..Definition::default() }.build().unwrap();
    assert!(!filter.of_destination(false).decide_file(&path(b"a")));
    let all = filter.of_destination(true);
    assert!(all.decide_file(&path(b"a")) && !all.decide_file(&path(b"a/b")));
}

#[test]
fn rules_say_where_they_were_given() {
    for (rule, at) in [("*.jpg", 1), ("+*.jpg", 1), ("", 1), ("- a[", 4), ("+ x}", 4), ("!x", 1)] {
        for compat in [false, true] {
            let definition = Definition { compat, rules: stated(&[rule]), ..Definition::default() };
            let BadFilter::Pattern(error) = definition.build().unwrap_err() else { panic!("{rule}") };
            assert_eq!((error.place.as_str(), error.at, error.pattern.as_str()), ("--filter", at, rule), "{error}");
        }
    }
}

#[test]
fn skips_directories_that_hold_nothing_in_scope() {
    for (rules, walked, skipped) in [
        (&["- dir/"][..], &["", "a", "adir"][..], &["dir", "x/dir", "dir/sub"][..]),
        (&["- *"], &[""], &["a"]),
        (&["- /a/*"], &["a", "a/b"], &[]),
        (&["+ /a/b/*.jpg"], &["", "a", "a/b"], &["b", "a/c", "a/b/c"]),
        (&["+ /a*/**"], &["", "a", "ab/c/d"], &["b"]),
        (&["+ /*.jpg"], &[""], &["a"]),
        (&["+ *.jpg"], &["", "a/b/c"], &[]),
        (&["+ /{a,b}/c"], &["a", "b"], &["c", "a/c"]),
        (&["+ /{a/b,c}/d"], &["a", "z"], &[]),
        (&["+ /a/x", "- dir/"], &["", "a"], &["dir", "b"]),
    ] {
        let filter = filter(rules);
        for dir in walked {
            assert!(filter.decide_dir(&path(dir.as_bytes())), "{rules:?} should walk `{dir}`");
        }
        for dir in skipped {
            assert!(!filter.decide_dir(&path(dir.as_bytes())), "{rules:?} should skip `{dir}`");
        }
    }
}

#[test]
fn bad_patterns_say_what_to_write() {
    for (glob, at, fix) in [
        ("", 1, "`**`"),
        ("a***", 2, "`**`"),
        ("ab[c", 3, r"`\[`"),
        ("/ab[c", 4, r"`\[`"),
        ("ab]c", 3, r"`\]`"),
        ("ab{c", 3, r"`\{`"),
        ("ab{c,{d}", 3, r"`\{`"),
        ("ab}c", 3, r"`\}`"),
        ("a{{b", 2, "`}}`"),
        ("{{a(}}", 1, "between `{{` and `}}`"),
        ("[z-a]", 2, "swap"),
        ("[a--b]", 2, "swap"),
        ("[[:alfa:]]", 2, "alpha"),
        ("x\\", 2, r"`\\`"),
        (r"file\d", 5, r"`{{\d}}`"),
    ] {
        let BadFilter::Pattern(error) = Filter::from_rules(vec![Rule::Exclude(glob.to_owned())]).unwrap_err() else {
            panic!("{glob}");
        };
        assert_eq!(error.at, at, "{error}");
        assert!(error.to_string().contains(&format!("`{glob}`")) && error.fix.contains(fix), "{error}");
    }
}

proptest! {
    #[test]
    fn pruning_loses_nothing(
        globs in prop::collection::vec((any::<bool>(), "/?([ab*?]|\\*\\*|/|\\{a,b/?\\}|\\[!a\\]){1,6}"), 1..4),
        file in "[abc](/?[abc]){0,5}",
    ) {
        let rules = globs.into_iter().map(|(keep, glob)| if keep { Rule::Include(glob) } else { Rule::Exclude(glob) });
        let Ok(filter) = Filter::from_rules(rules.collect()) else { return Ok(()) };
        let file = path(file.as_bytes());
        if filter.decide_file(&file) {
            for dir in std::iter::successors(file.parent(), TreePath::parent) {
                prop_assert!(filter.decide_dir(&dir), "{dir} was skipped, {file} is in scope");
            }
        }
    }

    #[test]
    fn no_pattern_panics(glob in "\\PC{0,12}", odd in "[\\[\\]{}*?\\\\!^:,/a-]{0,10}") {
        for glob in [glob, odd] {
            drop(Filter::from_rules(vec![Rule::Include(glob)]));
        }
    }
}
