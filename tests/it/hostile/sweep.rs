//! The umbrella test: every object of a vault, altered in every way there is, read by machines that have seen the vault
//! and by machines that have not.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use cryptsync::class::Class;
use cryptsync::filter::Filter;
use cryptsync::ops::{self, Ctx, Difference, ListOptions, OpsError, Place};

use crate::support::cli::{Cli, contents, copy_tree, files, noise};
use crate::support::{TestEnv, age};

/// 30 entries of every kind. `step` 0 is what the first commit holds.
fn fill(src: &Path, step: u32) {
    fs::create_dir_all(src.join("sub/deep/er")).unwrap();
    if step == 0 {
        fs::create_dir_all(src.join("nothing here")).unwrap();
        fs::write(src.join("empty"), b"").unwrap();
        for i in 0..12u8 {
            fs::write(src.join(format!("sub/inline-{i}")), vec![b'a' + i; 40 * usize::from(i) + 1]).unwrap();
        }
        for i in 0..10u8 {
            fs::write(src.join(format!("sub/deep/small-{i}")), noise(i.into(), 700 + 2_000 * usize::from(i))).unwrap();
        }
        symlink("../empty", src.join("sub/link")).unwrap();
    }
    if step == 1 {
        fs::write(src.join("large"), noise(100, 1_000_000)).unwrap();
        fs::write(src.join("sub/medium"), noise(101, 150_000)).unwrap();
        fs::write(src.join("sub/deep/er/text"), "the same line, again and again\n".repeat(4_000)).unwrap();
        let sparse = fs::File::create(src.join("sparse")).unwrap();
        sparse.set_len(1 << 20).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&sparse, b"island", 600_000).unwrap();
    }
    if step == 2 {
        fs::write(src.join("sub/late"), noise(102, 3_000)).unwrap();
        fs::write(src.join("sub/inline-3"), b"changed").unwrap();
    }
    age(src);
}

/// A vault of three commits (a bundle, packs with an index segment, a bundle) and what may be shown of it.
struct Target {
    env: TestEnv,
    /// What every file held after each commit.
    states: Vec<BTreeMap<PathBuf, Vec<u8>>>,
    /// The objects, as the provider has them.
    objects: BTreeMap<PathBuf, Vec<u8>>,
}

/// Which files a plain listing shows: path and size.
type Rows = Vec<(String, u64)>;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Reader {
    /// Has seen everything, with caches.
    Old,
    /// Has a key of the vault and nothing else.
    New,
}

impl Target {
    fn new() -> Self {
        let mut env = TestEnv::new();
        // In memory where there is such a place: the sweep makes thousands of databases.
        if let Ok(dir) = tempfile::tempdir_in("/dev/shm") {
            env.dir = dir;
        }
        env.init().unwrap();
        let src = env.path("src");
        let mut states = vec![BTreeMap::new()];
        for step in 0..3 {
            fill(&src, step);
            env.up(&src, "").unwrap();
            states.push(contents(&src));
        }
        let objects = contents(&env.path("vault"));
        for prefix in ["vault/", "log/k", "log/c", "data/", "meta/", "index/"] {
            let some = objects.keys().any(|path| path.to_str().unwrap().starts_with(prefix));
            assert!(some, "the vault has an object below {prefix}");
        }
        let target = Self { env, states, objects };
        // Fills the caches, too.
        target.read(Reader::Old, "nothing altered", 3, true);
        target.read(Reader::New, "nothing altered", 3, true);
        target
    }

    fn vault(&self) -> PathBuf {
        self.env.path("vault")
    }

    /// A context whose state is that of `reader`.
    fn ctx(&self, reader: Reader) -> Ctx<'_> {
        if reader == Reader::Old {
            return self.env.ctx();
        }
        let home = self.env.path("new");
        if home.exists() {
            fs::remove_dir_all(&home).unwrap();
        }
        // The key of a device instead of the password: what is derived from them is the same, and Argon2id is slow.
        for key in files(&self.env.path("home/state")).iter().filter(|path| path.ends_with("device.key")) {
            fs::create_dir_all(home.join("state").join(key.parent().unwrap())).unwrap();
            fs::copy(self.env.path("home/state").join(key), home.join("state").join(key)).unwrap();
        }
        fs::copy(self.env.path("home/state/known_vaults"), home.join("state/known_vaults")).unwrap();
        self.env.ctx_at("new")
    }

    /// Puts `bytes` (or nothing) at an object's name, reads in every way, and puts back what was there.
    /// `oldest` is the oldest state that a machine which knows nothing may be shown.
    fn with(&self, name: &Path, bytes: Option<&[u8]>, what: &str, oldest: usize, thorough: bool) {
        let path = self.vault().join(name);
        match bytes {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let what = format!("{}: {what}", name.display());
        self.read(Reader::Old, &what, 3, thorough);
        // File content is read in the same way by all: one look by the other machine will do.
        if thorough || !name.starts_with("data") {
            self.read(Reader::New, &what, oldest, thorough);
        }
        match self.objects.get(name) {
            Some(original) => fs::write(&path, original).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
    }

    fn read(&self, reader: Reader, what: &str, oldest: usize, thorough: bool) {
        let what = format!("{reader:?}: {what}");
        let before = fingerprint(&self.vault());
        let ctx = self.ctx(reader);
        let states = &self.states[oldest..];
        self.cat(&ctx, &what, states);
        if thorough {
            self.list(&ctx, &what, states);
            self.restore(&ctx, &what, states);
            self.check(&ctx, &what, states);
            self.verify(&ctx, &what);
        }
        assert_eq!(before, fingerprint(&self.vault()), "{what}: reading wrote to the remote");
    }

    fn cat(&self, ctx: &Ctx<'_>, what: &str, states: &[BTreeMap<PathBuf, Vec<u8>>]) {
        let mut out = Vec::new();
        let places = [self.env.place("large"), self.env.place("sub/deep"), self.env.place("sub/inline-3")];
        let done = ops::cat(ctx, &places, &ops::CatOptions::default(), &mut out);
        let matches = |wanted: &[u8]| if done.is_ok() { *wanted == out } else { wanted.starts_with(&out) };
        let fits = states.iter().any(|state| matches(&cat_of(state)));
        assert!(fits, "{what}: cat showed {} bytes that no commit has ({done:?})", out.len());
        documented(&done, &format!("{what}: cat"), states.len() > 1);
    }

    fn list(&self, ctx: &Ctx<'_>, what: &str, states: &[BTreeMap<PathBuf, Vec<u8>>]) {
        let mut rows: Rows = Vec::new();
        let options = ListOptions {
            place: self.env.place(""),
            recursive: true,
            filter: Filter::default(),
            links: Default::default(),
        };
        let done = ops::list(ctx, &options, &mut |row| {
            if row.kind == ops::ListedKind::File {
                rows.push((row.path.to_string(), row.size));
            }
            Ok(())
        });
        rows.sort();
        let fits = states.iter().any(|state| {
            let wanted = rows_of(state);
            if done.is_ok() { wanted == rows } else { rows.iter().all(|row| wanted.contains(row)) }
        });
        assert!(fits, "{what}: a list of what no commit has ({done:?}): {rows:?}");
        documented(&done, &format!("{what}: list"), false);
    }

    fn restore(&self, ctx: &Ctx<'_>, what: &str, states: &[BTreeMap<PathBuf, Vec<u8>>]) {
        let dest = self.env.path("restored");
        let done = ops::sync(ctx, &self.env.options(self.env.place(""), Place::Local(dest.clone()), false));
        let found = contents(&dest);
        let fits = states.iter().any(|state| {
            if done.is_ok() {
                *state == found
            } else {
                found.iter().all(|(path, content)| state.get(path) == Some(content))
            }
        });
        assert!(fits, "{what}: a restore of what no commit has ({done:?}): {:?}", found.keys());
        documented(&done, &format!("{what}: copy"), false);
        if dest.exists() {
            fs::remove_dir_all(dest).unwrap();
        }
    }

    fn check(&self, ctx: &Ctx<'_>, what: &str, states: &[BTreeMap<PathBuf, Vec<u8>>]) {
        let (place, src) = (self.env.place(""), Place::Local(self.env.path("src")));
        let mut same = 0;
        let mut row = |difference, _: &_, _: &str| {
            same += u64::from(difference == Difference::Same);
            Ok(())
        };
        let done = ops::check(ctx, &src, &place, &ops::CheckOptions::default(), &mut row);
        if let Ok(report) = &done
            && states.len() == 1
        {
            let wanted = self.states[3].len() as u64;
            assert_eq!((report.same, report.differ, report.only_source), (wanted, 0, 0), "{what}: check");
        }
        documented(&done, &format!("{what}: check"), false);
    }

    fn verify(&self, ctx: &Ctx<'_>, what: &str) {
        let options = ops::VerifyOptions { read: ops::ReadData::All, history: true };
        let done = ops::verify(ctx, &self.env.remote(), &options);
        documented(&done, &format!("{what}: verify"), false);
        let Ok(report) = done else { return };
        for (class, text) in &report.problems {
            assert!(class.code() >= 20, "{what}: verify says {class:?}: {text}");
        }
        // Exactly the altered vaults are not whole. (Hidden commits are nothing that a new machine can know.)
        let altered = contents(&self.vault()) != self.objects;
        let hidden = what.starts_with("New") && what.contains("hidden commit");
        assert!(hidden || altered != report.problems.is_empty(), "{what}: verify found {:?}", report.problems);
        assert_eq!(report.foreign, Vec::<String>::new(), "{what}");
    }
}

fn cat_of(state: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<u8> {
    let get = |name: &str| state.get(Path::new(name)).cloned().unwrap_or_default();
    let mut out = get("large");
    let small: Vec<_> = state.keys().filter(|path| path.parent() == Some(Path::new("sub/deep"))).collect();
    small.iter().for_each(|path| out.extend(&state[*path]));
    out.extend(get("sub/deep/er/text"));
    out.extend(get("sub/inline-3"));
    out
}

fn rows_of(state: &BTreeMap<PathBuf, Vec<u8>>) -> Rows {
    let files = state.iter().filter(|(path, _)| !path.ends_with("link"));
    files.map(|(path, content)| (path.to_str().unwrap().to_owned(), content.len() as u64)).collect()
}

/// Names, lengths, times: a write or a delete shows.
fn fingerprint(root: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    files(root)
        .iter()
        .map(|path| {
            let meta = root.join(path).metadata().unwrap();
            format!("{} {} {} {}", path.display(), meta.len(), meta.ino(), meta.mtime_nsec())
        })
        .collect()
}

/// Success, or one of the codes that say what is wrong with a vault.
fn documented<T>(done: &Result<T, OpsError>, what: &str, may_be_gone: bool) {
    let Err(error) = done else { return };
    let gone = may_be_gone && matches!(error.class, Class::DirNotFound | Class::FileNotFound);
    assert!(gone || (20..30).contains(&error.class.code()), "{what}: {error:?}");
}

/// The first and last bytes, every start of a segment, and what lies at a stride.
fn spots(len: usize, stride: usize) -> Vec<usize> {
    let segments = (0..).map(|i| 76 + 65_552 * i).take_while(|at| *at < len);
    let mut spots: Vec<usize> = segments.flat_map(|at| [at - 1, at]).chain((0..len).step_by(stride)).collect();
    spots.extend([0, 1, 4, 12, 44, len - 1]);
    spots.sort_unstable();
    spots.dedup();
    spots
}

fn is_commit(path: &Path) -> bool {
    path.to_str().unwrap().starts_with("log/c")
}

fn newest(target: &Target) -> PathBuf {
    target.objects.keys().filter(|path| is_commit(path)).max().unwrap().clone()
}

#[test]
fn a01_every_object_with_a_byte_flipped() {
    let target = Target::new();
    for (name, bytes) in &target.objects {
        let stride = (bytes.len() / 12).max(1_000);
        let spots = spots(bytes.len(), stride);
        for (i, at) in spots.iter().enumerate() {
            let mut altered = bytes.clone();
            altered[*at] ^= 1 << (at % 8);
            target.with(name, Some(&altered), &format!("flipped at {at}"), 3, i % 8 == 0);
        }
    }
}

#[test]
fn a02_every_object_cut_short() {
    let target = Target::new();
    for (name, bytes) in &target.objects {
        let stride = (bytes.len() / 8).max(1_000);
        for (i, len) in spots(bytes.len(), stride).into_iter().enumerate() {
            target.with(name, Some(&bytes[..len]), &format!("cut to {len}"), 3, i % 16 == 0);
        }
        let longer = [&bytes[..], b"x"].concat();
        target.with(name, Some(&longer), "one byte longer", 3, true);
    }
}

#[test]
fn every_object_deleted_and_replaced_by_others() {
    let target = Target::new();
    for (name, bytes) in &target.objects {
        let is_newest = *name == newest(&target);
        let what = if is_newest { "deleted, a hidden commit" } else { "deleted" };
        // What a machine that never saw the newest commit is shown without it is the commit before.
        target.with(name, None, what, if is_newest { 2 } else { 3 }, true);
        for (other, replacement) in &target.objects {
            if other != name && replacement != bytes {
                target.with(name, Some(replacement), &format!("replaced by {}", other.display()), 3, false);
            }
        }
    }
}

#[test]
fn the_program_with_altered_objects() {
    let target = Target::new();
    let mut cli = Cli::new();
    copy_tree(&target.vault(), &cli.path("vault"));
    let home = cli.machine("home");
    copy_tree(&target.env.path("home/state"), &home.state_dir());
    copy_tree(&target.env.path("home/cache"), &home.cache_dir());
    let genesis = target.objects.keys().find(|path| path.starts_with("vault")).unwrap();
    cli.vault_id = genesis.file_name().unwrap().to_str().unwrap().to_owned();
    // The place in `known_vaults` is another one.
    let home = home.var("CRYPTSYNC_PASSWORD", "correct horse").var("CRYPTSYNC_VAULT_ID", &cli.vault_id);
    let wanted = &target.states[3];
    for (round, (name, bytes)) in target.objects.iter().enumerate() {
        let mut altered = bytes.clone();
        altered[bytes.len() / 2] ^= 0x10;
        let path = cli.path("vault").join(name);
        for (kind, replacement) in [("flipped", &altered[..]), ("cut", &bytes[..bytes.len() / 2]), ("empty", b"")] {
            fs::write(&path, replacement).unwrap();
            let fresh = cli.fresh(&format!("fresh-{round}-{kind}")).var("CRYPTSYNC_PASSWORD", "correct horse");
            for machine in [&home, &fresh] {
                let what = format!("{} {kind}, {}", name.display(), machine.home.display());
                let cat = machine.run(["cat", "v:large"]);
                let large = &wanted[Path::new("large")];
                let good = match cat.code {
                    0 => cat.stdout == *large,
                    20..30 => large.starts_with(&cat.stdout),
                    _ => false,
                };
                assert!(good, "{what}: cat ended with {}: {}", cat.code, cat.stderr);
                let dest = machine.home.join("restored");
                let copy = machine.run(["copy", "v:", dest.to_str().unwrap()]);
                let found = contents(&dest);
                match copy.code {
                    0 => assert_eq!(found, *wanted, "{what}"),
                    20..30 => assert!(found.iter().all(|(path, content)| wanted.get(path) == Some(content)), "{what}"),
                    code => panic!("{what}: copy ended with {code}: {}", copy.stderr),
                }
                fs::remove_dir_all(&dest).unwrap_or_default();
                let verify = machine.run(["verify", "--read-data", "v:"]);
                let nothing_needed = name.starts_with("vault");
                assert!((20..30).contains(&verify.code), "{what} ({nothing_needed}): verify: {}", verify.stderr);
            }
        }
        fs::write(&path, bytes).unwrap();
    }
    home.ok(["verify", "--read-data", "v:"]);
}
