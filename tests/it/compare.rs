//! The flags of `copy`, `sync` and `move`, in every direction, held against the real rclone: the same resulting trees on both
//! sides, times of files included, and the same exit code.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::support::cli::{Cli, Machine, walk};
use crate::support::rclone::Rclone;

/// Everything below a directory that may not be there: files with content and time, directories by name.
fn shown_tree(root: &Path, times: bool) -> Vec<String> {
    let time = |time: SystemTime| {
        if times { format!("{:?}", time.duration_since(SystemTime::UNIX_EPOCH)) } else { String::new() }
    };
    let row = |(path, file): (PathBuf, Option<(Vec<u8>, SystemTime)>)| match file {
        None => format!("{}/", path.display()),
        Some((bytes, at)) => format!("{} {:?} {}", path.display(), String::from_utf8_lossy(&bytes), time(at)),
    };
    tree(root).into_iter().map(row).collect()
}

fn tree(root: &Path) -> BTreeMap<PathBuf, Option<(Vec<u8>, SystemTime)>> {
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
    /// Whether times of files are compared.
    times: bool,
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
        Some(Self { times: true, cli, machine, rclone, case: 0 })
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
            let tree = |root: &Path| shown_tree(root, self.times);
            let side =
                |name: &str, text: &str| tree(&if text.starts_with("v:") { out.join(name) } else { local.join(name) });
            assert_eq!(side("dst", &dst), tree(&at("theirs/dst")), "destination of {shown}");
            assert_eq!(side("src", &src), tree(&at("theirs/src")), "source of {shown}");
            for beside in fs::read_dir(at("theirs")).unwrap() {
                let name = beside.unwrap().file_name().into_string().unwrap();
                if name == "src" || name == "dst" {
                    continue;
                }
                if at("theirs").join(&name).is_file() {
                    let lines = |root: PathBuf| {
                        let text = fs::read_to_string(root.join(&name)).unwrap();
                        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
                        lines.sort();
                        lines
                    };
                    assert_eq!(lines(local.clone()), lines(at("theirs")), "{name} of {shown}");
                    continue;
                }
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
        &["--ignore-size", "-c"],
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
        &["-c", "--size-only", "--max-backlog", "5"],
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
    for flags in [
        &["--ignore-size"][..],
        &["--modify-window", "1.5s"],
        &["--modify-window", "1s"],
        &["-u", "--modify-window", "15s"],
    ] {
        bench.agrees(OUTSIDE, &relations, &[&["copy", "SRC", "DST"], flags].concat());
    }
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
    // rclone gives the file the time of the directory.
    bench.times = false;
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
        &["moveto", "SRC", "DST"],
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
fn what_is_replaced_is_kept_where_rclone_keeps_it() {
    let Some(mut bench) = Bench::new() else { return };
    for args in [
        &["sync", "SRC", "DST", "--backup-dir", "DST.old"][..],
        &["copy", "SRC", "DST", "--backup-dir", "DST.old"],
        &["move", "SRC", "DST", "--backup-dir", "DST.old/below"],
        &["sync", "SRC", "DST", "--suffix", ".bak"],
        &["copy", "SRC", "DST", "--suffix", ".bak"],
        &["sync", "SRC", "DST", "--suffix", "!", "--exclude", "*!"],
        &["sync", "SRC", "DST", "--backup-dir", "DST.old", "--suffix", "-1"],
        &["sync", "SRC", "DST", "--backup-dir", "DST.old", "--delete-before"],
        &["sync", "SRC", "DST", "--backup-dir", "DST/old"],
        &["sync", "SRC", "DST", "--backup-dir", "DST/old", "--exclude", "/old/**"],
        &["sync", "SRC", "DST", "--backup-dir", "DST"],
        &["copyto", "SRC/edited", "DST/edited", "--backup-dir", "DST.old"],
        &["copyto", "SRC/edited", "DST/edited", "--suffix", ".bak"],
        &["copyto", "SRC/edited", "DST/edited", "--backup-dir", "DST/dir"],
        &["copyto", "SRC/edited", "DST/edited", "--backup-dir", "DST"],
    ] {
        bench.agrees(ALL, &relations, args);
    }
    let extensions = |source: &Path, dest: &Path| {
        for name in ["a.txt", "b.tar.gz", "none", "v1.2.txt"] {
            write(&source.join(name), "new", 20);
            write(&dest.join(name), "old", 10);
        }
    };
    bench.agrees(ALL, &extensions, &["sync", "SRC", "DST", "--suffix", "-1", "--suffix-keep-extension"]);
}

#[test]
fn what_is_found_elsewhere_is_left_out() {
    let Some(mut bench) = Bench::new() else { return };
    let made = |source: &Path, dest: &Path| {
        relations(source, dest);
        for (name, content, time) in [("new", "new", 30), ("edited", "one", 20), ("grown", "other", 20)] {
            write(&dest.with_extension("one").join(name), content, time);
        }
        write(&dest.with_extension("two").join("dir/edited"), "one", 5);
    };
    for verb in ["copy", "sync", "move"] {
        bench.agrees(ALL, &made, &[verb, "SRC", "DST", "--compare-dest", "DST.one", "--compare-dest", "DST.two"]);
    }
    bench.agrees(ALL, &made, &["copyto", "SRC/new", "DST/new", "--compare-dest", "DST.one"]);
}

#[test]
fn reports_are_rclones() {
    let Some(mut bench) = Bench::new() else { return };
    let lists = ["match", "differ", "missing-on-src", "missing-on-dst", "error", "combined", "dest-after"];
    let flags: Vec<_> = lists.iter().map(|list| format!("--{list}=DST.{list}")).collect();
    for verb in ["copy", "sync", "move"] {
        // What a move finds at the destination rclone calls an error too.
        let flags = if verb == "move" { &flags[..4] } else { &flags[..] };
        for more in [&[][..], &["-u"], &["--ignore-existing"], &["--immutable"]] {
            let args: Vec<_> = flags.iter().map(String::as_str).collect();
            bench.agrees(&[Down], &relations, &[&[verb, "SRC", "DST"], &args[..], more].concat());
        }
    }
}

#[test]
fn what_is_elsewhere_in_the_vault_is_copied_from_there() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let (src, other) = (cli.path("src"), cli.path("other"));
    for name in ["a", "dir/b"] {
        write(&src.join(name), "content of some length", 20);
        write(&other.join(name), "content of some length", 20);
    }
    write(&src.join("c"), "content of some length", 30);
    write(&other.join("c"), "CONTENT OF SOME LENGTH", 30);
    machine.ok(["copy", other.to_str().unwrap(), "v:other"]);
    // What is taken from there is not read here.
    fs::write(src.join("a"), "CONTENT OF SOME LENGTH").unwrap();
    set_time(&src.join("a"), 20);
    machine.ok(["copy", src.to_str().unwrap(), "v:dst", "--copy-dest", "v:none", "--copy-dest", "v:other"]);
    assert_eq!(machine.ok(["cat", "v:dst/a"]).text(), "content of some length");
    assert_eq!(machine.ok(["cat", "v:dst/dir/b"]).text(), "content of some length");
    machine
        .run(["copy", src.to_str().unwrap(), "v:d", "--copy-dest", "/elsewhere"])
        .fails(7, &["--copy-dest", "vault"]);
    let both = ["copy", "a", "v:", "--copy-dest", "v:x", "--compare-dest", "v:y"];
    machine.run(both).fails(2, &["--copy-dest", "--compare-dest"]);
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
