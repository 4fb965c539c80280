//! The real program, in a sealed environment: own homes, an empty environment, no terminal.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub const PASSWORD: &str = "correct horse battery";
pub const NOBODY: u32 = 65534;

/// A directory with a vault in `vault`, seen by machines whose homes are beside it.
pub struct Cli {
    pub dir: tempfile::TempDir,
    /// The id of the vault, if one was made.
    pub vault_id: String,
}

/// One home of one user.
#[derive(Clone)]
pub struct Machine {
    pub home: PathBuf,
    /// What `v:` is.
    pub root: PathBuf,
    vars: Vec<(String, String)>,
    uid: Option<u32>,
}

/// What a run came to.
pub struct Output {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Cli {
    /// An empty place.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Other users of a test must be able to reach what is below.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { dir, vault_id: String::new() }
    }

    /// A place with a vault, made by the machine `home`.
    pub fn with_vault() -> Self {
        let mut cli = Self::new();
        cli.vault_id = cli.init(&cli.machine("home"));
        cli
    }

    /// Makes a vault at the machine's `v:` and tells its id.
    pub fn init(&self, machine: &Machine) -> String {
        let words = machine.home.join("words.txt");
        fs::create_dir_all(&machine.home).unwrap();
        let (words, name) = (words.to_str().unwrap(), machine.home.file_name().unwrap().to_str().unwrap());
        let made = machine.run(["init", "v:", "--kdf", "64M,3,1", "--recovery-file", words, "--device-name", name]);
        assert_eq!(made.code, 0, "{}", made.stderr);
        let text = made.text();
        let id = text.lines().find_map(|line| line.strip_prefix("vault id:")).unwrap();
        id.trim().to_owned()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A machine with its own home, whose `v:` is the directory `vault`.
    pub fn machine(&self, home: &str) -> Machine {
        let (home, root) = (self.path(home), self.path("vault"));
        fs::create_dir_all(&home).unwrap();
        Machine { home, root, vars: Vec::new(), uid: None }.var("CRYPTSYNC_PASSWORD", PASSWORD)
    }

    /// A machine that knows nothing but the password and the id of the vault.
    pub fn fresh(&self, home: &str) -> Machine {
        assert!(!self.path(home).exists(), "a fresh machine has an empty home");
        self.machine(home).var("CRYPTSYNC_VAULT_ID", &self.vault_id)
    }
}

impl Machine {
    #[must_use]
    pub fn var(mut self, name: &str, value: &str) -> Self {
        self.vars.retain(|(known, _)| known != name);
        self.vars.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.vars.retain(|(known, _)| known != name);
        self
    }

    /// The same machine with another place for `v:`.
    #[must_use]
    pub fn at(mut self, root: &Path) -> Self {
        self.root = root.to_owned();
        self
    }

    /// The same machine, used by nobody. The home becomes theirs.
    #[must_use]
    pub fn used_by_nobody(mut self) -> Self {
        for dir in walk(&self.home) {
            std::os::unix::fs::lchown(&dir, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        self.uid = Some(NOBODY);
        self
    }

    /// The program with arguments, ready to be run.
    pub fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cryptsync"));
        command.args(args).env_clear().stdin(Stdio::null()).current_dir(&self.home);
        command.env("HOME", &self.home).env("TZ", "UTC").env("RUST_BACKTRACE", "1");
        command.env("CRYPTSYNC_CONFIG_V_TYPE", "fs").env("CRYPTSYNC_CONFIG_V_ROOT", &self.root);
        command.envs(self.vars.iter().map(|(name, value)| (name, value)));
        if let Some(uid) = self.uid {
            command.uid(uid).gid(uid);
        }
        command
    }

    /// Runs it. A panic is a failure whatever the test says.
    pub fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Output {
        Output::of(self.command(args))
    }

    /// Runs it and expects success.
    pub fn ok<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Output {
        let output = self.run(args);
        assert_eq!(output.code, 0, "{}", output.stderr);
        output
    }

    pub fn state_dir(&self) -> PathBuf {
        self.home.join(".local/state/cryptsync")
    }

    pub fn cache_dir(&self) -> PathBuf {
        self.home.join(".cache/cryptsync")
    }
}

impl Output {
    pub fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let code = output.status.code();
        assert!(
            code.is_some_and(|code| code != 101) && !stderr.contains("a bug in cryptsync"),
            "{command:?}: {code:?}\n{stderr}"
        );
        Self { code: code.unwrap(), stdout: output.stdout, stderr }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Expects a failure with this code, an explanation that has these words, and no data.
    #[track_caller]
    pub fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}{}", self.text(), self.stderr);
        assert_eq!(self.text(), "", "no data with a failure");
        self.says(words);
    }

    #[track_caller]
    pub fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not in:\n{}", self.stderr);
        }
    }
}

/// Everything below `root` and itself, parents first; links are not followed.
pub fn walk(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.to_path_buf()];
    let mut at = 0;
    while at < found.len() {
        if found[at].symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
            let mut below: Vec<PathBuf> =
                fs::read_dir(&found[at]).unwrap().map(|entry| entry.unwrap().path()).collect();
            below.sort();
            found.extend(below);
        }
        at += 1;
    }
    found
}

/// The files below `root`, as paths relative to it.
pub fn files(root: &Path) -> Vec<PathBuf> {
    let all = walk(root).into_iter().filter(|path| path.symlink_metadata().is_ok_and(|meta| !meta.is_dir()));
    all.map(|path| path.strip_prefix(root).unwrap().to_path_buf()).collect()
}

/// The files below `root`, which may not be there, with their content.
pub fn contents(root: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    if !root.exists() {
        return Default::default();
    }
    files(root)
        .into_iter()
        .map(|path| {
            let full = root.join(&path);
            let is_link = full.symlink_metadata().unwrap().is_symlink();
            let content = if is_link {
                fs::read_link(&full).unwrap().into_os_string().into_encoded_bytes()
            } else {
                fs::read(&full).unwrap()
            };
            (path, content)
        })
        .collect()
}

/// Copies a tree of directories and files.
pub fn copy_tree(from: &Path, to: &Path) {
    for path in walk(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        let meta = path.symlink_metadata().unwrap();
        if meta.is_dir() {
            fs::create_dir_all(&target).unwrap();
            fs::set_permissions(&target, meta.permissions()).unwrap();
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Replaces one tree by a copy of another.
pub fn replace_tree(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    copy_tree(from, to);
}

/// Bytes that no compression makes smaller, the same for the same seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

/// Whether this test runs as root, which some need.
pub fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// Says that a test could not do its work here.
#[expect(clippy::print_stderr, reason = "whoever runs the tests has to know")]
pub fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}
