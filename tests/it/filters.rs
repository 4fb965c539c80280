//! Filters through the program: every flag, on both sides, in both directions, and what is wrong with them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::support::cli::{Cli, Machine, Output, contents};
use crate::support::rclone::Rclone;

fn write(root: &Path, files: &[(&str, usize)]) {
    for (name, size) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![b'x'; *size]).unwrap();
    }
}

fn names(text: &str) -> BTreeSet<String> {
    text.lines().map(str::to_owned).collect()
}

/// The same tree here and in a vault.
fn twice() -> (Cli, Machine, String) {
    let cli = Cli::with_vault();
    let (machine, src) = (cli.machine("home"), cli.path("src"));
    let files = [
        ("a.jpg", 10),
        ("b.txt", 2000),
        ("C.JPG", 5),
        ("dir/a.jpg", 3000),
        ("dir/sub/c.png", 1),
        ("dir/sub/deep/d.txt", 1024),
        ("skip/.nobackup", 0),
        ("skip/x", 1),
        ("skip/below/y", 1),
        ("x/dir/z.txt", 7),
        ("x/[b]!", 1),
    ];
    write(&src, &files);
    fs::create_dir_all(src.join("empty/below")).unwrap();
    let old = fs::File::options().write(true).open(src.join("b.txt")).unwrap();
    old.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_500_000_000)).unwrap();
    fs::write(machine.home.join("rules"), "# comment\n\n+ *.jpg\n; other\n  - sub/  \n+ *.txt\n- *\n").unwrap();
    fs::write(machine.home.join("names"), "/b.txt\ndir/a.jpg/\nnot/there\n#skip/x\n").unwrap();
    fs::write(machine.home.join("names0"), "b.txt\0x/[b]!\0").unwrap();
    fs::write(machine.home.join("empty"), "").unwrap();
    machine.ok(["sync", src.to_str().unwrap(), "v:t"]);
    (cli, machine, src.to_str().unwrap().to_owned())
}

const FLAGS: &[&[&str]] = &[
    &[],
    &["--include", "*.jpg"],
    &["--include", "*.{jpg,txt}", "--exclude", "dir/**"],
    &["--exclude", "/dir/**"],
    &["--exclude", "dir/"],
    &["--exclude", "/dir/sub/"],
    &["--include", "/dir/*.jpg"],
    &["--include", "dir/"],
    &["--include", "dir/*.txt"],
    &["--include", "[!a].txt"],
    &["--filter", "- *.jpg", "-f", "+ dir/**", "-f", "- *"],
    &["--filter", "- a*", "--filter", "!", "--filter", "- b*"],
    &["--filter-from", "rules"],
    &["--include-from", "empty"],
    &["--exclude-from", "empty"],
    &["--exclude", "{{.*\\.(jpg|png)}}"],
    &["--ignore-case", "--include", "*.jpg"],
    &["--include", "*.jpg", "--include", "x/\\[b\\]!"],
    &["--files-from", "names"],
    &["--files-from", "names", "--files-from0", "names0", "--no-traverse"],
    &["--files-from-raw", "names0"],
    &["--files-from", "empty"],
    &["--exclude-if-present", ".nobackup"],
    &["--exclude-if-present", ".nobackup", "--exclude-if-present", "c.png"],
    &["--exclude-if-present", "a.jpg"],
    &["--min-size", "1k"],
    &["--min-size", "1"],
    &["--max-size", "1023b", "--include", "*.{jpg,txt}"],
    &["--min-size", "2.5Ki", "--max-size", "1M"],
    &["--max-size", "off"],
    &["--max-age", "1d"],
    &["--min-age", "1000d"],
    &["--max-age", "2017-07-14"],
    &["--max-age", "2017-07-14T02:40:01Z"],
    &["--min-age", "2017-07-14T02:40:00Z"],
    &["--max-depth", "1"],
    &["--max-depth", "2"],
    &["--max-depth", "0"],
    &["--max-depth", "-1"],
    &["--hash-filter", "1/3"],
    &["--hash-filter", "2/3", "--exclude", "*.jpg"],
    &["--metadata-include", "mode=*"],
    &["--metadata-exclude", "mode=100644"],
    &["--metadata-filter", "- nothing=*"],
];

#[test]
fn every_flag_selects_what_it_does_for_rclone() {
    let Some(rclone) = Rclone::find() else { return };
    let (_cli, machine, src) = twice();
    for flags in FLAGS {
        for (verb, places) in [(&["lsf", "-R"][..], &["v:t", &src][..]), (&["lsf"], &["v:t"])] {
            let args = [verb, flags].concat();
            let mut command = rclone.command(args.iter().chain([&src.as_str()]));
            let theirs = command.current_dir(&machine.home).output().unwrap();
            assert!(theirs.status.success(), "{args:?}: {}", String::from_utf8_lossy(&theirs.stderr));
            let theirs = names(&String::from_utf8_lossy(&theirs.stdout));
            for place in places {
                let ours = machine.ok(args.iter().copied().chain(["--rclone-compat", *place]));
                assert_eq!(names(&ours.text()), theirs, "{args:?} {place}");
            }
        }
    }
}

#[test]
fn our_reading_where_it_differs() {
    let (_cli, machine, src) = twice();
    for (flags, expected) in [
        (&["--include", "/dir/"][..], &["dir/a.jpg", "dir/sub/c.png", "dir/sub/deep/d.txt"][..]),
        (&["--include", "dir/*.txt"], &["x/dir/z.txt"]),
        (&["--include", "[!a].txt"], &["b.txt", "dir/sub/deep/d.txt", "x/dir/z.txt"]),
        (&["--min-size", "2000"], &["b.txt", "dir/a.jpg"]),
        (&["--min-size", "2000B", "--max-depth", "1"], &["b.txt"]),
    ] {
        for place in ["v:t", &src] {
            let text = machine.ok(["lsf", "-R", "--files-only", place].iter().chain(flags)).text();
            assert_eq!(names(&text), expected.iter().map(ToString::to_string).collect(), "{flags:?}");
        }
    }
    fs::write(machine.home.join("found"), "./b.txt\n").unwrap();
    assert_eq!(machine.ok(["lsf", "v:t", "--files-from", "found"]).text(), "b.txt\n");
}

#[test]
fn verbs_that_filter_all_filter() {
    let (cli, machine, src) = twice();
    let jpg = ["--include", "*.jpg", "--min-size", "100"];
    let run = |args: &[&str]| machine.ok(args.iter().chain(&jpg)).text();
    assert_eq!(run(&["ls", "v:t"]), "     3000 dir/a.jpg\n");
    assert!(run(&["lsl", "v:t"]).ends_with(" dir/a.jpg\n"));
    assert!(run(&["size", "v:t"]).starts_with("Total objects: 1\n"));
    assert!(run(&["tree", "v:t", "--noindent"]).contains("\na.jpg\n"));
    assert!(run(&["lsjson", "-R", "--files-only", "v:t"]).contains("\"dir/a.jpg\""));
    assert_eq!(run(&["check", &src, "v:t", "--combined", "-"]), "= dir/a.jpg\n");
    let out = cli.path("out");
    run(&["copy", "v:t", out.to_str().unwrap()]);
    assert_eq!(contents(&out).into_keys().collect::<Vec<_>>(), [Path::new("dir/a.jpg")]);
    run(&["copy", &src, "v:again"]);
    assert_eq!(machine.ok(["ls", "v:again"]).text(), "     3000 dir/a.jpg\n");
    run(&["delete", "v:again"]);
    assert_eq!(machine.ok(["ls", "v:again"]).text(), "");
}

#[test]
fn what_is_left_out_at_the_destination_stays() {
    let (cli, machine, src) = twice();
    let other = cli.path("other");
    write(&other, &[("new.txt", 1)]);
    let other = other.to_str().unwrap();
    let flags = ["--exclude-if-present", ".nobackup", "--exclude", "*.jpg", "--min-size", "1b", "--force"];
    // Up: into the vault.
    machine.ok(["sync", other, "v:t"].iter().chain(&flags));
    let left = names(&machine.ok(["lsf", "-R", "--files-only", "v:t"]).text());
    let expected = ["C.JPG", "new.txt", "a.jpg", "dir/a.jpg", "skip/.nobackup", "skip/below/y", "skip/x"];
    assert_eq!(left, expected.iter().filter(|name| **name != "C.JPG").map(ToString::to_string).collect());
    // Down: out of it.
    machine.ok(["sync", other, "v:small"]);
    machine.ok(["sync", "v:small", &src].iter().chain(&flags));
    let left: Vec<_> = contents(Path::new(&src)).into_keys().collect();
    assert_eq!(left, expected[1..].iter().map(Path::new).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>());
    // Deeper than the limit, and not named in a list: neither is touched.
    write(Path::new(&src), &[("deep/er/file", 1)]);
    machine.ok(["sync", "v:small", &src, "--max-depth", "2", "--force"]);
    assert!(Path::new(&src).join("deep/er/file").exists() && !Path::new(&src).join("dir/a.jpg").exists());
    write(Path::new(&src), &[("unnamed", 1)]);
    fs::write(machine.home.join("list"), "new.txt\n").unwrap();
    machine.ok(["sync", "v:small", &src, "--files-from", "list", "--force"]);
    assert!(Path::new(&src).join("unnamed").exists());
}

#[test]
fn a_directory_with_a_marker_can_be_written_into() {
    let cli = Cli::with_vault();
    let (machine, src) = (cli.machine("home"), cli.path("src"));
    let (out, src_text) = (cli.path("out"), src.to_str().unwrap());
    write(&src, &[("d/f", 3), ("d/g", 3)]);
    write(&out, &[("d/.stop", 0), ("d/f", 1), ("d/own", 1)]);
    let out_text = out.to_str().unwrap();
    machine.ok(["sync", src_text, "v:src"]);
    machine.ok(["sync", out_text, "v:out"]);
    machine.ok(["sync", src_text, "v:out", "--exclude-if-present", ".stop", "--force"]);
    machine.ok(["sync", "v:src", out_text, "--exclude-if-present", ".stop", "--force"]);
    let expected = "        0 .stop\n        3 f\n        3 g\n        1 own\n";
    assert_eq!(machine.ok(["ls", "v:out/d"]).text(), expected);
    assert_eq!(contents(&out).len(), 4);
}

#[test]
fn lists_come_from_standard_input_too() {
    let (_cli, machine, _) = twice();
    let piped = |args: &[&str], input: &str| {
        let mut command = machine.command(args);
        let file = machine.home.join("piped");
        fs::write(&file, input).unwrap();
        command.stdin(Stdio::from(fs::File::open(file).unwrap()));
        Output::of(command)
    };
    assert_eq!(piped(&["lsf", "v:t", "--files-from", "-"], "b.txt\nno\n").text(), "b.txt\n");
    assert_eq!(
        piped(&["ls", "v:t", "--filter-from", "-"], "- *.jpg\n- *t\n- x\n- .*\n- x/\n- skip/\n").text().lines().count(),
        2
    );
    piped(&["lsf", "v:t", "--filter-from", "-", "--exclude-from", "-"], "").fails(2, &["can be read only once"]);
}

#[test]
fn what_is_wrong_is_named_and_nothing_is_done() {
    let (cli, machine, src) = twice();
    fs::write(machine.home.join("bad"), "+ *.jpg\n\n*.txt\n").unwrap();
    fs::write(machine.home.join("latin"), b"- a\n- caf\xe9\n").unwrap();
    fs::write(machine.home.join("up"), "a\n../b\n").unwrap();
    for (flags, words) in [
        (&["--filter", "*.jpg"][..], &["--filter: bad pattern `*.jpg`", "character 1", "`- PATTERN`"][..]),
        (&["--filter-from", "bad"], &["bad, line 3: bad pattern `*.txt`", "`+ PATTERN`"]),
        (&["--include", "a[b"], &["--include: bad pattern `a[b`, at character 2", "never closed"]),
        (&["--exclude-from", "latin"], &["latin, line 2", "caf\\xe9", "not UTF-8"]),
        (&["--exclude", "{{a(}}"], &["regular expression", "between `{{` and `}}`"]),
        (&["--exclude", "a**?***"], &["`**`"]),
        (&["--exclude", "\\d"], &["`{{\\d}}`"]),
        (&["--filter-from", "nope"], &["--filter-from: cannot read nope", "No such file"]),
        (&["--files-from", "."], &["--files-from: cannot read ."]),
        (&["--files-from", "up"], &["up, line 2: `../b`", "without `..`"]),
        (&["--files-from", "rules", "--include", "x"], &["--files-from", "other filters"]),
        (&["--min-size", "12q"], &["`12q` is not a size"]),
        (&["--max-size=-1"], &["--max-size"]),
        (&["--min-size", "2k", "--max-size", "1k"], &["--min-size is more than --max-size"]),
        (&["--min-age", "1x"], &["`x` is no unit"]),
        (&["--max-age", "2026-02-30"], &["no such moment"]),
        (&["--min-age", "2d", "--max-age", "1d"], &["--min-age is more than --max-age"]),
        (&["--max-depth", "two"], &["--max-depth", "two"]),
        (&["--hash-filter", "1:3"], &["`1:3` is not a part", "`K/N`"]),
        (&["--exclude-if-present", "a/b"], &["`a/b` is not the name of a file"]),
        (&["--metadata-filter", "x"], &["--metadata-filter: bad pattern `x`"]),
        (&["--dump", "headers"], &["filters"]),
    ] {
        let other = cli.path("never");
        for args in [["sync", &src, "v:t"], ["copy", "v:t", other.to_str().unwrap()], ["check", &src, "v:t"]] {
            machine.run(args.iter().chain(flags)).fails(2, words);
        }
        machine.run(["delete", "v:t"].iter().chain(flags)).fails(2, words);
        assert!(!other.exists());
    }
    assert_eq!(machine.ok(["size", "--json", "v:t"]).text(), "{\"count\":11,\"bytes\":6050,\"sizeless\":0}\n");
}

#[test]
fn filters_can_be_shown() {
    let (_cli, machine, _) = twice();
    let shown = machine.ok(["lsf", "v:t", "--dump", "filters", "--include", "*.jpg", "--max-depth", "3"]);
    shown.says(&["--- start filters ---\n", "Levels: 3\n", "+ (?s)", "- everything else\n", "--- end filters ---"]);
    assert!(!shown.text().contains("---"), "they are no data");
    machine.ok(["lsf", "v:t", "--dump-filters", "--rclone-compat", "-f", "- x/"]).says(&["Directory filter rules ---"]);
}
