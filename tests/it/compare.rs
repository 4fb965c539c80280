//! The flags of `copy`, `sync` and `move`, in every direction, held against the real rclone: the same resulting trees on both
//! sides, times of files included, and the same exit code.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::support::cli::{Cli, Machine, walk};
use crate::support::rclone::Rclone;

/// Everything below a directory that may not be there: files with content and time, directories by name.
type Tree = BTreeMap<PathBuf, Option<(Vec<u8>, SystemTime)>>;

pub fn tree(root: &Path) -> Tree {
    let below = if root.exists() { walk(root) } else { Vec::new() };
    let rows = below.into_iter().filter(|path| path != root).map(|path| {
        let meta = path.symlink_metadata().unwrap();
        let content = (!meta.is_dir()).then(|| {
            let bytes = if meta.is_symlink() {
                [b"-> ", fs::read_link(&path).unwrap().into_os_string().as_encoded_bytes()].concat()
            } else {
                fs::read(&path).unwrap()
            };
            (bytes, if meta.is_symlink() { SystemTime::UNIX_EPOCH } else { meta.modified().unwrap() })
        });
        (path.strip_prefix(root).unwrap().to_owned(), content)
    });
    rows.collect()
}

/// Makes a file with a time, in seconds since 2001 or so.
pub fn write(path: &Path, content: &str, time: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    set_time(path, time);
}

pub fn set_time(path: &Path, time: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + time);
    File::open(path).unwrap().set_modified(time).unwrap();
}

/// Copies a tree with the times of its files.
fn copy(from: &Path, to: &Path) {
    for path in walk(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        let meta = path.symlink_metadata().unwrap();
        if meta.is_dir() {
            fs::create_dir_all(&target).unwrap();
        } else if meta.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path).unwrap(), &target).unwrap();
        } else {
            fs::copy(&path, &target).unwrap();
            File::open(&target).unwrap().set_modified(meta.modified().unwrap()).unwrap();
        }
    }
}

/// Two trees in all the relations that two files can have.
fn relations(source: &Path, dest: &Path) {
    for (name, here, there) in [
        ("same", ("same", 10), ("same", 10)),
        ("touched", ("touched", 20), ("touched", 10)),
        ("touched-there", ("touched", 10), ("touched", 20)),
        ("grown", ("a longer text", 20), ("a text", 10)),
        ("grown-there", ("a text", 10), ("a longer text", 20)),
        ("edited", ("one", 20), ("two", 10)),
        ("edited-there", ("one", 10), ("two", 20)),
        ("longer-at-once", ("a longer text", 10), ("a text", 10)),
        ("a second apart", ("one", 10), ("two", 11)),
        ("dir/same", ("same", 10), ("same", 10)),
        ("dir/edited", ("one", 20), ("two", 10)),
        ("empty", ("", 10), ("", 20)),
    ] {
        write(&source.join(name), here.0, here.1);
        write(&dest.join(name), there.0, there.1);
    }
    for name in ["new", "dir/new", "new dir/below/new"] {
        write(&source.join(name), "new", 30);
    }
    for name in ["gone", "dir/gone", "gone dir/below/gone"] {
        write(&dest.join(name), "gone", 30);
    }
    fs::create_dir_all(source.join("empty here/below")).unwrap();
    fs::create_dir_all(dest.join("empty there/below")).unwrap();
}

/// A vault and an rclone, for case after case.
pub struct Bench {
    cli: Cli,
    machine: Machine,
    rclone: Rclone,
    case: usize,
}

/// Where the two sides of a run are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Direction {
    Up,
    Down,
    Within,
}

impl Bench {
    pub fn new() -> Option<Self> {
        let rclone = Rclone::find()?;
        let cli = Cli::with_vault();
        let machine = cli.machine("home");
        Some(Self { cli, machine, rclone, case: 0 })
    }

    /// A command line for both, in some directions. In `args`, `SRC` and `DST` stand for the two sides, and `DST.x` is beside
    /// the destination.
    #[track_caller]
    pub fn agrees(&mut self, directions: &[Direction], make: &dyn Fn(&Path, &Path), args: &[&str]) {
        self.case += 1;
        let dir = self.cli.path(&format!("case{}", self.case));
        let at = |name: &str| dir.join(name);
        for name in ["src", "dst"] {
            fs::create_dir_all(at("made").join(name)).unwrap();
        }
        make(&at("made/src"), &at("made/dst"));
        copy(&at("made"), &at("theirs"));
        let put = |text: &str, src: &str, dst: &str| text.replace("SRC", src).replace("DST", dst);
        let (src, dst) = (at("theirs/src"), at("theirs/dst"));
        let typed: Vec<_> = args.iter().map(|a| put(a, src.to_str().unwrap(), dst.to_str().unwrap())).collect();
        let theirs = self.rclone.run(typed.iter().map(String::as_str).chain(["--retries=1"]));
        for direction in directions {
            let label = format!("{direction:?}");
            copy(&at("made"), &at(&label));
            let vault = format!("v:{}/{label}", self.case);
            let (local, stored) = (at(&label), |name: &str| format!("{vault}/{name}"));
            let here = |name: &str| local.join(name).to_str().unwrap().to_owned();
            let (src, dst) = match direction {
                Direction::Up => (here("src"), stored("dst")),
                Direction::Down => (stored("src"), here("dst")),
                Direction::Within => (stored("src"), stored("dst")),
            };
            self.machine.ok(["copy", "-q", local.to_str().unwrap(), &vault]);
            let typed: Vec<_> = args.iter().map(|arg| put(arg, &src, &dst)).collect();
            let ours = self.machine.run(typed.iter().map(String::as_str).chain(["--rclone-compat"]));
            let shown = format!("{typed:?}\nours: {}{}\ntheirs: {}", ours.text(), ours.stderr, theirs.stderr);
            assert_eq!(ours.code, theirs.code, "{shown}");
            let out = at(&format!("{label}-out"));
            self.machine.ok(["copy", "-q", &vault, out.to_str().unwrap()]);
            let side =
                |name: &str, text: &str| tree(&if text.starts_with("v:") { out.join(name) } else { local.join(name) });
            assert_eq!(side("dst", &dst), tree(&at("theirs/dst")), "destination of {shown}");
            assert_eq!(side("src", &src), tree(&at("theirs/src")), "source of {shown}");
            for beside in fs::read_dir(at("theirs")).unwrap() {
                let name = beside.unwrap().file_name().into_string().unwrap();
                assert_eq!(side(&name, &dst), tree(&at("theirs").join(&name)), "{name} of {shown}");
            }
        }
    }
}

use Direction::{Down, Up, Within};
/// Content decides inside one vault, so that files that differ behind the same size and time are not for it.
const ALL: &[Direction] = &[Up, Down, Within];
const OUTSIDE: &[Direction] = &[Up, Down];

#[test]
fn comparison_flags_do_what_rclones_do() {
    let Some(mut bench) = Bench::new() else { return };
    for flags in [
        &[][..],
        &["-c"],
        &["--size-only"],
        &["--size-only", "-c"],
        &["-u"],
        &["-u", "-c"],
        &["-u", "--size-only"],
        &["-I"],
        &["-I", "-u"],
        &["--ignore-existing"],
        &["--ignore-size"],
        &["--ignore-size", "-c"],
        &["--modify-window", "1.5s"],
        &["--modify-window", "1s"],
        &["-u", "--modify-window", "15s"],
        &["--refresh-times"],
        &["--no-update-modtime"],
    ] {
        bench.agrees(ALL, &relations, &[&["copy", "SRC", "DST"], flags].concat());
    }
}

#[test]
fn sync_deletes_as_rclone_does() {
    let Some(mut bench) = Bench::new() else { return };
    for flags in [
        &[][..],
        &["--create-empty-src-dirs"],
        &["-u"],
        &["--ignore-existing"],
        &["--immutable"],
        &["--immutable", "--ignore-errors"],
        &["--immutable", "--ignore-existing"],
        &["--delete-before"],
        &["--delete-before", "--immutable"],
        &["--delete-during"],
        &["--delete-after"],
        &["--max-delete", "3"],
        &["--max-delete", "-1"],
        &["--max-delete-size", "1M"],
        &["--track-renames"],
        &["--track-renames", "--track-renames-strategy", "modtime,leaf"],
        &["--inplace"],
        &["--partial-suffix", ".part"],
        &["--exclude", "gone"],
        &["--exclude", "gone", "--delete-excluded"],
        &["--exclude", "/dir/**"],
        &["-c", "--size-only", "--no-traverse", "--max-backlog", "5"],
    ] {
        bench.agrees(ALL, &relations, &[&["sync", "SRC", "DST"], flags].concat());
    }
}

#[test]
fn move_leaves_what_rclone_leaves() {
    let Some(mut bench) = Bench::new() else { return };
    for flags in [
        &[][..],
        &["--delete-empty-src-dirs"],
        &["-u"],
        &["-c"],
        &["--ignore-existing"],
        &["--immutable"],
        &["--size-only"],
        &["--exclude", "dir/**"],
        &["--create-empty-src-dirs", "--delete-empty-src-dirs"],
    ] {
        bench.agrees(ALL, &relations, &[&["move", "SRC", "DST"], flags].concat());
    }
}

/// Files that differ behind the same size and time.
fn hidden(source: &Path, dest: &Path) {
    write(&source.join("hidden"), "one", 10);
    write(&dest.join("hidden"), "two", 10);
}

#[test]
fn what_size_and_time_hide_content_shows() {
    let Some(mut bench) = Bench::new() else { return };
    for flags in [&[][..], &["-c"], &["--size-only"], &["-I"], &["-c", "--immutable"]] {
        for verb in ["copy", "sync", "move"] {
            bench.agrees(OUTSIDE, &hidden, &[&[verb, "SRC", "DST"], flags].concat());
        }
    }
}

/// A file on one side is a directory on the other.
fn clashing(source: &Path, dest: &Path) {
    write(&source.join("a/below"), "here", 10);
    write(&dest.join("a"), "there", 10);
    write(&source.join("b"), "here", 10);
    write(&dest.join("b/below"), "there", 10);
    write(&source.join("c"), "here", 10);
    write(&dest.join("gone"), "there", 10);
}

#[test]
fn files_and_directories_of_one_name_stay_apart() {
    let Some(mut bench) = Bench::new() else { return };
    for verb in ["copy", "sync", "move"] {
        bench.agrees(ALL, &clashing, &[verb, "SRC", "DST"]);
    }
}

#[test]
fn symbolic_links_are_passed_over_kept_or_followed() {
    let Some(mut bench) = Bench::new() else { return };
    let linked = |source: &Path, _: &Path| {
        write(&source.join("dir/file"), "file", 10);
        std::os::unix::fs::symlink("dir/file", source.join("link")).unwrap();
        std::os::unix::fs::symlink("dir", source.join("dir link")).unwrap();
    };
    for flags in [&[][..], &["--skip-links"], &["-L"], &["-l"], &["-x"], &["-L", "-x"]] {
        bench.agrees(&[Up], &linked, &[&["sync", "SRC", "DST"], flags].concat());
    }
    bench.agrees(ALL, &linked, &["sync", "SRC", "DST", "--skip-links"]);
    let dangling = |source: &Path, _: &Path| {
        write(&source.join("file"), "file", 10);
        std::os::unix::fs::symlink("nowhere", source.join("link")).unwrap();
    };
    bench.agrees(&[Up], &dangling, &["copy", "SRC", "DST"]);
}

#[test]
fn one_file_goes_where_rclone_takes_it() {
    let Some(mut bench) = Bench::new() else { return };
    for args in [
        &["copy", "SRC/new", "DST"][..],
        &["copy", "SRC/edited", "DST"],
        &["copy", "SRC/edited-there", "DST", "-u"],
        &["copy", "SRC/edited", "DST", "--ignore-existing"],
        &["copy", "SRC/edited", "DST", "--immutable"],
        &["copy", "SRC/new", "DST/not/there"],
        &["copy", "SRC/new", "DST", "--include", "*.txt"],
        &["sync", "SRC/new", "DST"],
        &["move", "SRC/new", "DST"],
        &["move", "SRC/same", "DST"],
        &["move", "SRC/edited", "DST", "--ignore-existing"],
    ] {
        bench.agrees(ALL, &relations, args);
    }
}

#[test]
fn a_source_that_is_not_there_is_the_same_failure() {
    let Some(mut bench) = Bench::new() else { return };
    for verb in ["copy", "sync", "move", "copyto"] {
        bench.agrees(ALL, &relations, &[verb, "SRC/not there", "DST"]);
        bench.agrees(ALL, &relations, &[verb, "SRC/not there/at all", "DST"]);
        bench.agrees(ALL, &relations, &[verb, "SRC/same/below", "DST"]);
    }
}

#[test]
fn copyto_and_moveto_name_the_target() {
    let Some(mut bench) = Bench::new() else { return };
    for args in [
        &["copyto", "SRC/new", "DST/named"][..],
        &["copyto", "SRC/new", "DST/not/there/named"],
        &["copyto", "SRC/new", "DST/edited"],
        &["copyto", "SRC/same", "DST/same"],
        &["copyto", "SRC/new", "DST/dir"],
        &["copyto", "SRC/edited", "DST/grown", "--ignore-existing"],
        &["copyto", "SRC/dir", "DST/named"],
        &["copyto", "SRC", "DST"],
        &["moveto", "SRC/new", "DST/named"],
        &["moveto", "SRC/edited", "DST/not/there"],
        &["moveto", "SRC/new", "DST/dir"],
        &["moveto", "SRC/dir", "DST/dir"],
        &["moveto", "SRC", "DST", "--delete-empty-src-dirs"],
    ] {
        bench.agrees(ALL, &relations, args);
    }
}

#[test]
fn what_overlaps_is_refused_as_rclone_refuses_it() {
    let Some(mut bench) = Bench::new() else { return };
    for args in [
        &["sync", "SRC", "SRC/dir"][..],
        &["sync", "SRC", "SRC"],
        &["sync", "SRC/dir", "SRC"],
        &["move", "SRC", "SRC/dir"],
        &["move", "SRC", "SRC"],
        &["copy", "SRC", "SRC"],
        &["copy", "SRC/new", "SRC"],
        &["copyto", "SRC/new", "SRC/new"],
        &["moveto", "SRC/new", "SRC/new"],
        &["copyto", "SRC/new", "SRC/newer"],
        &["copy", "SRC/dir", "SRC/other"],
    ] {
        bench.agrees(&[Within], &relations, args);
    }
}

#[test]
fn flags_that_exclude_each_other_are_refused() {
    let cli = Cli::new();
    let machine = cli.machine("home");
    for flags in [
        &["--delete-before", "--delete-after"][..],
        &["--delete-before", "--delete-during"],
        &["--delete-before", "--track-renames"],
        &["--links", "--copy-links"],
        &["--partial-suffix", "longer than sixteen"],
        &["--track-renames-strategy", "colour"],
        &["--modify-window", "soon"],
        &["--max-delete", "many"],
        &["--max-delete-size", "much"],
    ] {
        for verb in ["copy", "sync", "move", "copyto", "moveto"] {
            let run = machine.run([&[verb, "a", "v:"], flags].concat());
            run.fails(2, &[flags[0]]);
            assert_eq!(run.stderr.matches("error").count(), 1, "{}", run.stderr);
        }
    }
    assert!(!machine.root.exists(), "nothing was done");
}
