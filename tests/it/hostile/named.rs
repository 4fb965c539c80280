//! Single attacks, by their row of the catalogue, against the program itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::cli::{Cli, Machine, Output, contents, copy_tree, files, noise, replace_tree, walk};

const SEGMENT: usize = 65_552;
const FIRST: usize = 76;

/// A vault with one file of `len` bytes that do not compress, as `large`.
fn with_large(len: usize) -> (Cli, Machine, Vec<u8>) {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    let large = noise(7, len);
    fs::create_dir(cli.path("src")).unwrap();
    fs::write(cli.path("src/large"), &large).unwrap();
    fs::write(cli.path("src/small"), "a small file").unwrap();
    home.ok(["copy", cli.path("src").to_str().unwrap(), "v:"]);
    (cli, home, large)
}

/// The objects of a class, largest first.
fn objects(cli: &Cli, class: &str) -> Vec<PathBuf> {
    let vault = cli.path("vault");
    let mut found: Vec<PathBuf> = files(&vault)
        .into_iter()
        .filter(|path| path.to_str().unwrap().starts_with(class))
        .map(|path| vault.join(path))
        .collect();
    found.sort_by_key(|path| (std::cmp::Reverse(path.metadata().unwrap().len()), path.clone()));
    found
}

fn newest_commit(cli: &Cli) -> PathBuf {
    objects(cli, "log/c").into_iter().max().unwrap()
}

/// The newest commit that a machine has made.
fn newest_genuine(cli: &Cli, home: &Machine) -> PathBuf {
    let db = home.state_dir().join(&cli.vault_id).join("state.sqlite");
    let db = rusqlite::Connection::open(db).unwrap();
    let name: String = db.query_row("SELECT max(name) FROM records", [], |row| row.get(0)).unwrap();
    cli.path("vault/log").join(name)
}

/// The name that fits an object's bytes.
fn hash_name(bytes: &[u8]) -> String {
    cryptsync::crypto::object_id(&[bytes]).to_string()
}

/// Runs of a machine that knows the vault and of one that does not.
fn both(cli: &Cli, home: &Machine, round: &str, args: &[&str]) -> [Output; 2] {
    [home.run(args), cli.fresh(&format!("fresh {round}")).run(args)]
}

#[test]
fn a01_a_flipped_bit_is_found() {
    let (cli, home, large) = with_large(3 << 20);
    for class in ["data/", "meta/", "index/", "log/c", "log/k"] {
        let object = objects(&cli, class).remove(0);
        let good = fs::read(&object).unwrap();
        let mut bad = good.clone();
        bad[good.len() / 2] ^= 1;
        fs::write(&object, bad).unwrap();
        for (i, run) in both(&cli, &home, &class.replace('/', "-"), &["cat", "v:large"]).into_iter().enumerate() {
            // The old machine has its own copies of all but the data. Hints make the index unnecessary for reading.
            match (class, i) {
                ("data/", _) | ("meta/" | "log/c" | "log/k", 1) => assert_eq!(run.code, 20, "{class} {}", run.stderr),
                _ => assert_eq!(run.code, 0, "{class} {}", run.stderr),
            }
            assert!(large.starts_with(&run.stdout) && (run.code != 0 || run.stdout == large), "{class}");
        }
        let verify = home.run(["verify", "--read-data", "v:"]);
        assert_eq!(verify.code, 20, "{class}: {}", verify.stderr);
        assert!(verify.text().contains(object.file_name().unwrap().to_str().unwrap()), "{class}: {}", verify.text());
        fs::write(&object, good).unwrap();
    }
}

#[test]
fn a02_cut_at_the_end_of_a_segment() {
    // One chunk: whatever is missing of it, nothing of it may be shown.
    let (cli, home, _) = with_large(1_100_000 / 4);
    let object = objects(&cli, "data/").into_iter().chain(objects(&cli, "log/c")).next().unwrap();
    let good = fs::read(&object).unwrap();
    let ends = (0..).map(|i| FIRST + SEGMENT * i).take_while(|end| *end < good.len());
    for end in ends.chain([0, 12]) {
        fs::write(&object, &good[..end]).unwrap();
        home.run(["cat", "v:large"]).fails(20, &["does not verify"]);
    }
    fs::write(&object, &good).unwrap();
    home.ok(["cat", "v:large"]);
}

#[test]
fn a03_segments_swapped_or_repeated() {
    let (cli, home, large) = with_large(3 << 20);
    let object = objects(&cli, "data/").remove(0);
    let good = fs::read(&object).unwrap();
    let segment = |i: usize| FIRST + SEGMENT * i..FIRST + SEGMENT * (i + 1);
    let mut swapped = good.clone();
    swapped[segment(1)].copy_from_slice(&good[segment(2)]);
    swapped[segment(2)].copy_from_slice(&good[segment(1)]);
    let mut repeated = good.clone();
    repeated[segment(2)].copy_from_slice(&good[segment(1)]);
    for bad in [swapped, repeated] {
        fs::write(&object, bad).unwrap();
        let run = home.run(["cat", "v:large"]);
        assert!(run.code == 20 && large.starts_with(&run.stdout) && run.stdout.len() < large.len(), "{}", run.stderr);
    }
}

#[test]
fn a04_objects_swapped() {
    let (cli, home, large) = with_large(3 << 20);
    let other = noise(8, 3 << 20);
    fs::write(cli.path("src/other"), &other).unwrap();
    home.ok(["copy", cli.path("src").to_str().unwrap(), "v:"]);
    for class in ["data/", "meta/", "log/c"] {
        let all = objects(&cli, class);
        let [a, b] = [&all[0], &all[1]];
        let (in_a, in_b) = (fs::read(a).unwrap(), fs::read(b).unwrap());
        fs::write(a, &in_b).unwrap();
        fs::write(b, &in_a).unwrap();
        for (i, run) in both(&cli, &home, &class.replace('/', "-"), &["cat", "v:large"]).iter().enumerate() {
            let cached = i == 0 && class != "data/";
            assert!(run.code == 20 || cached && run.code == 0, "{class}: {} {}", run.code, run.stderr);
            assert!(large.starts_with(&run.stdout), "{class}: somebody else's text");
        }
        fs::write(a, in_a).unwrap();
        fs::write(b, in_b).unwrap();
    }
    assert_eq!(home.ok(["cat", "v:other"]).stdout, other);
}

#[test]
fn a06_objects_of_another_vault_with_the_same_password() {
    let (cli, home, large) = with_large(1 << 20);
    let theirs = Cli::with_vault();
    fs::write(theirs.path("secret"), noise(9, 1 << 20)).unwrap();
    theirs.machine("home").ok(["copy", theirs.path("secret").to_str().unwrap(), "v:"]);
    // Packs, index and records: nothing of this vault refers to them, and its keys do not open them.
    for class in ["data/", "meta/", "index/", "log/c"] {
        for object in objects(&theirs, class) {
            let target = cli.path("vault").join(object.strip_prefix(theirs.path("vault")).unwrap());
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(object, target).unwrap();
        }
    }
    for run in both(&cli, &home, "records", &["lsf", "v:"]) {
        assert_eq!((run.code, run.text().as_str()), (0, "large\nsmall\n"), "{}", run.stderr);
    }
    assert_eq!(home.ok(["cat", "v:large"]).stdout, large);
    let verify = home.ok(["verify", "--read-data", "v:"]).text();
    for object in ["data/", "meta/", "index/", "log/c"].iter().flat_map(|class| objects(&theirs, class)) {
        let name = object.strip_prefix(theirs.path("vault")).unwrap().to_str().unwrap();
        assert!(verify.contains(&format!("foreign object: {name}")), "{name} is not in {verify}");
    }
    // The access version as well: it is not of this vault, whatever its number.
    let access = objects(&theirs, "log/k").remove(0);
    let target = cli.path("vault/log").join(access.file_name().unwrap());
    fs::copy(&access, &target).unwrap();
    for run in both(&cli, &home, "access", &["lsf", "v:"]) {
        assert_eq!((run.code, run.text().as_str()), (0, "large\nsmall\n"), "{}", run.stderr);
    }
    // And alone.
    for ours in objects(&cli, "log/k").into_iter().filter(|path| *path != target) {
        fs::remove_file(ours).unwrap();
    }
    for run in both(&cli, &home, "access alone", &["lsf", "v:"]) {
        run.fails(23, &[]);
    }
}

#[test]
fn a08_planted_objects_are_foreign() {
    let (cli, home, large) = with_large(1 << 20);
    let vault = cli.path("vault");
    let junk = noise(10, 5_000);
    let hash = hash_name(&junk);
    let tag = "a".repeat(16);
    let planted = [
        format!("data/{}/{hash}", &hash[..1]),
        format!("meta/{}/{hash}", &hash[..1]),
        format!("index/{}/{hash}", &hash[..1]),
        format!("log/c000000000001-{tag}-000000000001-{hash}"),
        format!("log/c999999999999-{tag}-999999999999-{hash}"),
        "log/README".to_owned(),
        "data/x/README".to_owned(),
        format!("vault/{hash}"),
    ];
    for name in &planted {
        fs::create_dir_all(vault.join(name).parent().unwrap()).unwrap();
        fs::write(vault.join(name), &junk).unwrap();
    }
    for run in both(&cli, &home, "planted", &["lsf", "v:"]) {
        assert_eq!((run.code, run.text().as_str()), (0, "large\nsmall\n"), "{}", run.stderr);
    }
    let verify = home.ok(["verify", "--read-data", "v:"]).text();
    for name in &planted {
        assert!(verify.contains(&format!("foreign object: {name}\n")), "{name} is not in {verify}");
    }
    // A machine that has no pin does not choose between two.
    let unpinned = cli.machine("unpinned").run(["lsf", "v:"]);
    unpinned.fails(23, &["2 vaults"]);
    // What does not fit its name, or is larger than any record: nobody with the keys has named it, so that it stops nobody.
    fs::write(vault.join(&planted[4]), noise(11, 5 << 20)).unwrap();
    let newest = newest_genuine(&cli, &home);
    let name = newest.file_name().unwrap().to_str().unwrap();
    let next = name.replace("-000000000002-", "-000000000003-");
    for other in [next, format!("c000000000009{}", &name[13..])] {
        fs::write(vault.join("log").join(other), noise(12, 5_000)).unwrap();
    }
    fs::copy(&newest, vault.join("log").join(format!("c999999999998{}", &name[13..]))).unwrap();
    for run in both(&cli, &home, "garbage", &["cat", "v:large"]) {
        assert!(run.code == 0 && run.stdout == large, "{}", run.stderr);
    }
    home.ok(["copy", cli.path("src").to_str().unwrap(), "v:again"]);
    assert_eq!(home.ok(["verify", "v:"]).text().matches("foreign object: log/").count(), 6);
    // A record that was there and is not what its name says is no guest but damage.
    let newest = newest_genuine(&cli, &home);
    let good = fs::read(&newest).unwrap();
    let name = newest.file_name().unwrap().to_str().unwrap();
    fs::write(&newest, noise(11, good.len())).unwrap();
    cli.fresh("liar").run(["lsf", "v:"]).fails(20, &[name]);
    fs::write(&newest, noise(11, 5 << 20)).unwrap();
    cli.fresh("big liar").run(["lsf", "v:"]).fails(26, &[name]);
    fs::write(&newest, good).unwrap();
    // A link, a directory and a pipe where an object could be.
    let other = format!("c000000000001-{tag}-000000000002-{hash}");
    std::os::unix::fs::symlink("/etc/passwd", vault.join("log").join(&other)).unwrap();
    fs::create_dir(vault.join("log").join(other.replace("2-", "3-"))).unwrap();
    home.ok(["lsf", "v:"]);
    home.ok(["verify", "v:"]);
}

#[test]
fn a09_nothing_unverified_is_shown_or_kept() {
    let (cli, home, large) = with_large(20 << 20);
    // Whichever pack has the end of the file: damage the last quarter of each.
    for object in objects(&cli, "data/") {
        let mut bytes = fs::read(&object).unwrap();
        let at = bytes.len() * 9 / 10;
        bytes[at] ^= 0x80;
        fs::write(&object, bytes).unwrap();
    }
    let dest = cli.path("dest");
    let copy = home.run(["copy", "v:", dest.to_str().unwrap()]);
    copy.fails(20, &["large"]);
    for (path, content) in contents(&dest) {
        assert_eq!(
            (path.to_str().unwrap(), &content[..]),
            ("small", &b"a small file"[..]),
            "only whole files are kept"
        );
    }
    let cat = home.run(["cat", "v:large"]);
    assert!(cat.code == 20 && large.starts_with(&cat.stdout) && cat.stdout.len() < large.len());
    assert!(!cat.stdout.is_empty(), "what came before was good");
    // A destination that has an older version keeps it.
    fs::write(dest.join("large"), "older").unwrap();
    home.run(["sync", "v:", dest.to_str().unwrap()]).fails(20, &["large"]);
    assert_eq!(fs::read(dest.join("large")).unwrap(), b"older");
}

#[test]
fn a12_a_dropped_pack_is_sent_again() {
    let (cli, home, large) = with_large(3 << 20);
    for object in objects(&cli, "data/") {
        fs::remove_file(object).unwrap();
    }
    home.run(["cat", "v:large"]).fails(24, &["missing"]);
    fs::create_dir(cli.path("again")).unwrap();
    fs::copy(cli.path("src/large"), cli.path("again/renamed")).unwrap();
    home.ok(["copy", cli.path("again").to_str().unwrap(), "v:"]);
    assert_eq!(home.ok(["cat", "v:renamed"]).stdout, large);
    // What is the same is whole again, too.
    assert_eq!(cli.fresh("fresh").ok(["cat", "v:large"]).stdout, large);
}

#[test]
fn a12_a_truncated_pack_is_sent_again() {
    let (cli, home, large) = with_large(3 << 20);
    for object in objects(&cli, "data/") {
        let bytes = fs::read(&object).unwrap();
        fs::write(&object, &bytes[..bytes.len() - SEGMENT]).unwrap();
    }
    fs::create_dir(cli.path("again")).unwrap();
    fs::copy(cli.path("src/large"), cli.path("again/renamed")).unwrap();
    home.ok(["copy", cli.path("again").to_str().unwrap(), "v:"]);
    assert_eq!(cli.fresh("fresh").ok(["cat", "v:renamed"]).stdout, large);
}

/// Replaces the access version by one with other password settings, under the name that fits it.
fn with_kdf(cli: &Cli, from: &Path, m_kib: u32, t: u32, p: u32) {
    replace_tree(from, &cli.path("vault"));
    let object = objects(cli, "log/k").remove(0);
    let mut bytes = fs::read(&object).unwrap();
    let old: Vec<u8> = [64u32 << 10, 3, 1].iter().flat_map(|number| number.to_le_bytes()).collect();
    let at = bytes.windows(12).position(|window| window == old).expect("the settings of the password are public");
    let new: Vec<u8> = [m_kib, t, p].iter().flat_map(|number| number.to_le_bytes()).collect();
    bytes[at..at + 12].copy_from_slice(&new);
    let name = object.file_name().unwrap().to_str().unwrap();
    let renamed = format!("{}-{}", name.split_once('-').unwrap().0, hash_name(&bytes));
    fs::remove_file(&object).unwrap();
    fs::write(object.with_file_name(renamed), bytes).unwrap();
}

#[test]
fn a13_c02_password_settings_are_judged_before_any_prompt() {
    let cli = Cli::with_vault();
    let good = cli.path("good");
    copy_tree(&cli.path("vault"), &good);
    // Too costly is a limit; too cheap is a downgrade.
    let cases = [
        (u32::MAX, 3, 1, 26),
        (64 << 10, u32::MAX, 1, 26),
        (64 << 10, 3, u32::MAX, 26),
        (8, 1, 1, 25),
        ((64 << 10) - 1, 3, 1, 25),
        (64 << 10, 2, 1, 25),
        (64 << 10, 3, 0, 25),
    ];
    for (i, (m_kib, t, p, code)) in cases.into_iter().enumerate() {
        with_kdf(&cli, &good, m_kib, t, p);
        let asked = cli.path("asked");
        let command = format!("touch {}", asked.display());
        let machine =
            cli.fresh(&format!("fresh-{i}")).without("CRYPTSYNC_PASSWORD").var("CRYPTSYNC_PASSWORD_COMMAND", &command);
        machine.run(["lsf", "v:"]).fails(code, &["password"]);
        assert!(!asked.exists(), "the password was asked for");
    }
    // Settings within the bounds, but not those that were signed: the password does not fit.
    with_kdf(&cli, &good, 64 << 10, 4, 1);
    cli.fresh("other").run(["lsf", "v:"]).fails(28, &[]);
    // The device of the owner does not need the password, but sees that the public part is another.
    cli.machine("home").run(["lsf", "v:"]).fails(23, &["not the one that was signed"]);
}

#[test]
fn b01_the_whole_vault_rolled_back() {
    let (cli, home, _) = with_large(1 << 20);
    let old = cli.path("old");
    copy_tree(&cli.path("vault"), &old);
    fs::write(cli.path("src/new"), "news").unwrap();
    home.ok(["copy", cli.path("src").to_str().unwrap(), "v:"]);
    replace_tree(&old, &cli.path("vault"));
    let before = contents(&cli.path("vault"));
    let (src, dest) = (cli.path("src"), cli.path("dest"));
    let (src, dest) = (src.to_str().unwrap(), dest.to_str().unwrap());
    let runs: [&[&str]; 8] = [
        &["lsf", "v:"],
        &["cat", "v:small"],
        &["copy", "v:", dest],
        &["sync", src, "v:"],
        &["check", src, "v:"],
        &["verify", "v:"],
        &["log", "v:"],
        &["status", "v:"],
    ];
    for args in runs {
        home.run(args).fails(21, &["gone back"]);
    }
    assert_eq!(before, contents(&cli.path("vault")), "nothing is written after a rollback");
    assert!(!cli.path("dest").exists());
    // By design, a machine that never saw more can't know.
    assert_eq!(cli.fresh("fresh").ok(["lsf", "v:"]).text(), "large\nsmall\n");
}

#[test]
fn b02_the_newest_commit_hidden() {
    let (cli, home, _) = with_large(1 << 20);
    fs::write(cli.path("src/new"), "news").unwrap();
    home.ok(["copy", cli.path("src").to_str().unwrap(), "v:"]);
    let third = cli.fresh("third");
    third.ok(["lsf", "v:"]);
    fs::remove_file(newest_commit(&cli)).unwrap();
    for machine in [&home, &third] {
        machine.run(["lsf", "v:"]).fails(21, &["gone back"]);
        machine.run(["copy", cli.path("src").to_str().unwrap(), "v:"]).fails(21, &["gone back"]);
    }
    assert_eq!(cli.fresh("fresh").ok(["lsf", "v:"]).text(), "large\nsmall\n");
    // A commit in the middle of the history is missed by everybody.
    let (cli, _, _) = with_large(1 << 20);
    let first = newest_commit(&cli);
    fs::write(cli.path("src/new"), "news").unwrap();
    cli.machine("home").ok(["copy", cli.path("src").to_str().unwrap(), "v:"]);
    fs::remove_file(first).unwrap();
    cli.fresh("late").run(["lsf", "v:"]).fails(24, &["missing"]);
}

#[test]
fn c06_two_vaults_swapped() {
    let (cli, home, _) = with_large(1 << 20);
    let other = cli.machine("home").at(&cli.path("other"));
    fs::remove_file(home.home.join("words.txt")).unwrap();
    cli.init(&other);
    fs::write(cli.path("b"), "of the other").unwrap();
    other.ok(["copy", cli.path("b").to_str().unwrap(), "v:"]);
    fs::rename(cli.path("vault"), cli.path("temp")).unwrap();
    fs::rename(cli.path("other"), cli.path("vault")).unwrap();
    fs::rename(cli.path("temp"), cli.path("other")).unwrap();
    for machine in [&home, &other, &home.clone().without("CRYPTSYNC_PASSWORD")] {
        machine.run(["lsf", "v:"]).fails(23, &["is expected here"]);
        machine.run(["copy", cli.path("src").to_str().unwrap(), "v:"]).fails(23, &[]);
    }
    // Named by id, too; and without any pin a person has to look.
    cli.fresh("fresh").run(["lsf", "v:"]).fails(23, &[]);
    cli.machine("unpinned").run(["lsf", "v:"]).fails(23, &["--vault-id"]);
}

#[test]
fn c13_secrets_are_nowhere_in_the_open() {
    let cli = Cli::new();
    let password = "canary-password-5f1e";
    let home = cli.machine("home").var("CRYPTSYNC_PASSWORD", password);
    let id = cli.init(&home);
    let words = fs::read_to_string(home.home.join("words.txt")).unwrap();
    fs::rename(home.home.join("words.txt"), cli.path("words")).unwrap();
    let words: Vec<String> = words.split_whitespace().collect::<Vec<_>>().windows(3).map(|w| w.join(" ")).collect();
    let src = cli.path("src");
    fs::create_dir(&src).unwrap();
    let secrets = ["canary-name-77aa", "canary-content-93bc", "canary-content-large-41d0"];
    fs::write(src.join(secrets[0]), secrets[1].repeat(10)).unwrap();
    fs::write(src.join("large"), secrets[2].repeat(200_000)).unwrap();
    let fresh = cli.machine("fresh").var("CRYPTSYNC_VAULT_ID", &id);
    let fresh = fresh.without("CRYPTSYNC_PASSWORD").var("CRYPTSYNC_PASSWORD_COMMAND", "cat secret");
    fs::write(fresh.home.join("secret"), password).unwrap();
    let mut said = String::new();
    let mut cat = home.command(["-vv", "copy", src.to_str().unwrap(), "v:"]);
    // The arguments of a running process are open to all users.
    let child = cat.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let line = fs::read(format!("/proc/{}/cmdline", child.id())).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&line).contains(password));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    said += &String::from_utf8_lossy(&output.stderr);
    for machine in [&home, &fresh] {
        for args in [&["-vv", "lsf", "v:"][..], &["-vv", "cat", "v:large"], &["-vv", "verify", "--read-data", "v:"]] {
            said += &machine.ok(args).stderr;
        }
    }
    fs::remove_file(fresh.home.join("secret")).unwrap();
    said += &home.clone().var("CRYPTSYNC_PASSWORD", "wrong-canary-44").run(["-vv", "status", "v:"]).stderr;
    let in_the_open = |text: &[u8], secret: &str| text.windows(secret.len()).any(|window| window == secret.as_bytes());
    for secret in [password, "wrong-canary-44", secrets[1], secrets[2]] {
        assert!(!said.contains(secret), "`{secret}` was said: {said}");
    }
    assert!(words.iter().all(|three| !said.contains(three)));
    // Neither does anything that stays behind hold them: the vault, the state, the cache.
    for root in [cli.path("vault"), home.home.clone(), fresh.home.clone()] {
        for path in walk(&root).iter().filter(|path| path.is_file()) {
            let bytes = fs::read(path).unwrap();
            for secret in secrets.iter().copied().chain([password]) {
                assert!(!in_the_open(&bytes, secret), "`{secret}` is in {}", path.display());
            }
            assert!(words.iter().all(|three| !in_the_open(&bytes, three)), "recovery words are in {}", path.display());
            assert!(!in_the_open(path.as_os_str().as_encoded_bytes(), secrets[0]));
        }
    }
    // What is kept is the owner's alone.
    for path in walk(&home.state_dir()).into_iter().chain(walk(&home.cache_dir())) {
        use std::os::unix::fs::PermissionsExt;
        let mode = path.metadata().unwrap().permissions().mode();
        let parent_is_ours = path != home.state_dir() && path != home.cache_dir();
        assert!(!parent_is_ours || mode & 0o077 == 0, "{} is open to others: {mode:o}", path.display());
    }
}

#[test]
fn a_cache_that_lies_is_not_believed() {
    let (cli, home, large) = with_large(3 << 20);
    home.ok(["cat", "v:large"]);
    for path in walk(&home.cache_dir()).iter().filter(|path| path.is_file()) {
        let mut bytes = fs::read(path).unwrap();
        bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
        fs::write(path, bytes).unwrap();
    }
    assert_eq!(home.ok(["cat", "v:large"]).stdout, large);
    for path in walk(&home.cache_dir()).iter().filter(|path| path.is_file()) {
        fs::write(path, b"").unwrap();
    }
    assert_eq!(home.ok(["cat", "v:large"]).stdout, large);
    for path in
        walk(&home.state_dir()).iter().filter(|path| path.is_file() && path.parent().unwrap().ends_with("index"))
    {
        fs::write(path, b"nonsense").unwrap();
    }
    fs::copy(cli.path("src/large"), cli.path("src/copy")).unwrap();
    home.ok(["copy", cli.path("src").to_str().unwrap(), "v:"]);
    assert_eq!(home.ok(["cat", "v:copy"]).stdout, large);
}

#[test]
fn a_pipe_in_place_of_an_object_does_not_hang() {
    let (cli, home, _) = with_large(3 << 20);
    let object = objects(&cli, "data/").remove(0);
    fs::remove_file(&object).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &object,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let mut child = home.command(["cat", "v:large"]).stdout(std::process::Stdio::null()).spawn().unwrap();
    for _ in 0..300 {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(!status.success());
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill().unwrap();
    panic!("a pipe makes reading wait for ever");
}
