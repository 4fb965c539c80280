//! docs/format.md read by somebody else: `tests/interop/decrypt.py` was written from it alone, with other libraries, and has
//! to find in a vault what was stored there, and nothing in one that was tampered with.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::golden::{copy_dir, golden, manifest};
use crate::support::cli::{Cli, Machine, Output, PASSWORD, skipped};
use crate::support::{age, noise};

/// The program, as somebody runs it who has a vault and a way to open it.
struct Reader<'a> {
    vault: &'a Path,
    secret: [&'a Path; 2],
}

impl<'a> Reader<'a> {
    fn by_password(vault: &'a Path, file: &'a Path) -> Self {
        Self { vault, secret: [Path::new("--password-file"), file] }
    }

    fn by_words(vault: &'a Path, file: &'a Path) -> Self {
        Self { vault, secret: [Path::new("--words-file"), file] }
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = python();
        command.arg(root().join("tests/interop/decrypt.py")).arg(self.vault).args(self.secret).args(args);
        Output::of(command)
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{args:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

fn python() -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", root().join("target/tools/interop")).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Whether the program can be run; if not, it is said how to get what it needs.
fn can_read() -> bool {
    let imports = "import sys, blake3, nacl.bindings, zstandard, mnemonic, kyber_py.ml_kem\n\
        import cryptography.hazmat.primitives.asymmetric.mlkem\nassert sys.version_info >= (3, 11)";
    let there = python().args(["-c", imports]).output().is_ok_and(|output| output.status.success());
    if !there {
        skipped(
            "no Python 3.11 with what the independent reader needs: \
             python3 -m pip install --target target/tools/interop --requirement tests/interop/requirements.txt",
        );
    }
    there
}

#[test]
fn somebody_else_reads_the_released_format() {
    if !can_read() {
        return;
    }
    let dir = golden("v1");
    let (vault, password, words) = (dir.join("vault"), dir.join("password"), dir.join("words"));
    let id = fs::read_to_string(dir.join("vault-id")).unwrap();
    let wanted = fs::read_to_string(dir.join("manifest")).unwrap();
    for reader in [Reader::by_password(&vault, &password), Reader::by_words(&vault, &words)] {
        assert_eq!(reader.ok(&["--vault-id", id.trim(), "manifest"]), wanted);
        assert_eq!(reader.ok(&["--ignore-hints", "manifest"]), wanted);
    }
    let other = reader_code(&Reader::by_password(&vault, &words));
    assert_eq!(other, 28, "the words are no password of an entry");
}

fn reader_code(reader: &Reader<'_>) -> i32 {
    let output = reader.run(&["manifest"]);
    assert!(output.code != 0 && output.stdout.is_empty(), "{}", output.stderr);
    output.code
}

/// A tree that has what is easily got wrong: depth, a large directory, holes, contents of every kind.
fn tree(src: &Path) {
    let mut dir = src.to_path_buf();
    for level in 0..40u64 {
        dir = dir.join(format!("level {level}"));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("file"), noise(level, level as usize * 50)).unwrap();
    }
    let many = src.join("many");
    fs::create_dir(&many).unwrap();
    for n in 0..1500u64 {
        let len = [0, 1, 512, 513, 3000][n as usize % 5];
        fs::write(many.join(format!("{n:05}")), noise(n, len)).unwrap();
    }
    let mut holes = fs::File::create(src.join("holes")).unwrap();
    holes.write_all(&noise(7, 3_000_000)).unwrap();
    holes.seek(SeekFrom::Start(12 << 20)).unwrap();
    holes.write_all(&noise(8, 6_000_000)).unwrap();
    holes.set_len(30 << 20).unwrap();
    fs::File::create(src.join("nothing but a hole")).unwrap().set_len(1 << 20).unwrap();
    std::os::unix::fs::symlink("many/00001", src.join("link")).unwrap();
}

#[test]
fn somebody_else_reads_a_vault_with_a_checkpoint() {
    if !can_read() {
        return;
    }
    let cli = Cli::with_vault();
    let (machine, src) = (cli.machine("home"), cli.path("src"));
    fs::create_dir(&src).unwrap();
    tree(&src);
    age(&src);
    machine.ok(["copy", src.to_str().unwrap(), "v:"]);
    for n in 0..66 {
        fs::write(src.join("busy"), format!("commit {n}")).unwrap();
        machine.ok(["copyto", src.join("busy").to_str().unwrap(), "v:busy"]);
    }
    // A new epoch, and somebody who joins in it.
    machine.ok(["key", "rotate", "v:"]);
    let second = cli.fresh("second");
    fs::write(src.join("joined"), noise(9, 70_000)).unwrap();
    second.ok(["copyto", src.join("joined").to_str().unwrap(), "v:joined"]);

    let (password, words) = (cli.path("password"), machine.home.join("words.txt"));
    fs::write(&password, PASSWORD).unwrap();
    let wanted = manifest(&src);
    let by_password = Reader::by_password(&machine.root, &password);
    let info = by_password.ok(&["info"]);
    let number = |name: &str| -> u64 {
        let value = info.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        value.trim().parse().unwrap()
    };
    assert!(info.contains(&cli.vault_id) && number("access ") == 2, "{info}");
    assert!(number("folded ") >= 60 && number("records ") >= 70, "there is no checkpoint: {info}");
    assert_eq!(by_password.ok(&["manifest"]), wanted);
    assert_eq!(Reader::by_words(&machine.root, &words).ok(&["--ignore-hints", "manifest"]), wanted);
    assert_eq!(by_password.run(&["cat", "holes"]).stdout, fs::read(src.join("holes")).unwrap());
    let listed = by_password.ok(&["ls"]);
    assert_eq!(listed.lines().count(), wanted.lines().count());
}

/// One flipped bit, or one object less: in any class but the index, which hints make unnecessary.
#[test]
fn somebody_else_refuses_what_was_tampered_with() {
    if !can_read() {
        return;
    }
    let (dir, scratch) = (golden("v1"), tempfile::tempdir().unwrap());
    let words = dir.join("words");
    for (class, codes) in
        [("vault", [20, 29]), ("log/k", [28, 28]), ("log/c", [20, 24]), ("data", [20, 24]), ("meta", [20, 24])]
    {
        for (how, code) in codes.into_iter().enumerate() {
            let vault = scratch.path().join(format!("{}{how}", class.replace('/', "-")));
            copy_dir(&dir.join("vault"), &vault);
            let victim = first_below(&vault, class);
            if how == 0 {
                let mut bytes = fs::read(&victim).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                fs::write(&victim, bytes).unwrap();
            } else {
                fs::remove_file(&victim).unwrap();
            }
            assert_eq!(reader_code(&Reader::by_words(&vault, &words)), code, "{class} {how}");
        }
    }
}

/// The object of this class that comes first by name: of records, the oldest.
fn first_below(vault: &Path, class: &str) -> PathBuf {
    let (mut found, mut stack) = (Vec::new(), vec![vault.to_path_buf()]);
    while let Some(dir) = stack.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(vault).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                stack.push(path);
            } else if name.starts_with(class) {
                found.push(path);
            }
        }
    }
    found.into_iter().min().unwrap()
}

/// Who ends a writer, adopts a commit or removes a key decides for every reader alike (section 10.1).
#[test]
fn somebody_else_counts_the_same_records() {
    if !can_read() {
        return;
    }
    let cli = Cli::with_vault();
    let (first, second) = (cli.machine("home"), cli.fresh("second"));
    let (words, file) = (first.home.join("words.txt"), cli.path("file"));
    fs::write(&file, "content").unwrap();
    let put =
        |machine: &Machine, name: &str| drop(machine.ok(["copyto", file.to_str().unwrap(), &format!("v:{name}")]));
    // The second machine writes to the vault as it was before the first one did `what`.
    let late = |name: &str, what: &[&str]| {
        let (before, now) = (cli.path(&format!("before {name}")), cli.path(&format!("now {name}")));
        copy_dir(&first.root, &before);
        first.ok(what);
        fs::rename(&first.root, &now).unwrap();
        fs::rename(&before, &first.root).unwrap();
        put(&second, name);
        copy_dir(&now, &first.root);
    };
    let agree = |names: &[&str]| {
        let listed = Reader::by_words(&first.root, &words).ok(&["ls"]);
        let theirs: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().last()).collect();
        let ours = first.ok(["lsf", "v:"]).text();
        assert_eq!((theirs, ours.lines().collect::<Vec<_>>()), (names.to_vec(), names.to_vec()));
    };
    let found = |args: &[&str], line: &dyn Fn(&str) -> bool, word: usize| {
        let output = first.ok(args);
        let text = format!("{}{}", output.text(), output.stderr);
        let line = text.lines().find(|l| line(l)).unwrap_or_else(|| panic!("{text}")).to_owned();
        line.split_whitespace().nth(word).unwrap().to_owned()
    };

    second.ok(["device", "add", "v:"]);
    put(&first, "a");
    put(&second, "b");
    agree(&["a", "b"]);
    let writer = found(&["writer", "list", "v:"], &|line| !line.contains("this one"), 0);
    late("c", &["writer", "retire", "v:", &writer]);
    agree(&["a", "b"]);
    let quarantined = found(&["status", "v:"], &|line| line.starts_with("quarantined commit:"), 2);
    first.ok(["adopt", "v:", &quarantined]);
    agree(&["a", "b", "c"]);
    let device = found(&["device", "list", "v:"], &|line| !line.contains("this one"), 0);
    late("d", &["device", "remove", "v:", &device]);
    agree(&["a", "b", "c"]);
}
