//! A sealed environment for tests of the verbs: own directories, own answers.

pub mod cli;
#[expect(dead_code, unused_imports, reason = "some of it is for the tests of the services alone")]
#[path = "../../../backends/tests/services/fakes/mod.rs"]
pub mod fakes;
#[path = "../../../backends/tests/services/programs.rs"]
pub mod programs;
pub mod pty;
pub mod rclone;
pub mod screen;
#[path = "../../../backends/tests/services/servers.rs"]
pub mod servers;
pub mod snapshot;
#[expect(dead_code, reason = "a line that breaks is for the tests of the services alone")]
#[path = "../../../backends/tests/services/weather.rs"]
pub mod weather;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use cryptsync::event::{Event, Observer};
use cryptsync::ops::{
    self, Cancel, Ctx, EngineOptions, InitOptions, Network, OpsError, Person, Place, RemoteProfile, Service, Shaper,
    SyncOptions, SyncReport,
};
use cryptsync::path::TreePath;
use cryptsync::vault::{Asker, OpenOptions, RemoteIo, Vault};
use cryptsync::world::World;
use cryptsync_backends::Remote;
use cryptsync_backends::services::Fs;
use zeroize::Zeroizing;

/// A home, a remote, and somebody who answers.
pub struct TestEnv {
    pub dir: tempfile::TempDir,
    pub password: String,
    pub yes: Option<bool>,
    pub events: Events,
    /// Whether transfers have `-M`.
    pub metadata: bool,
    /// Stands in for the directory `vault`.
    pub custom: Option<Arc<dyn Remote>>,
    /// Bytes for buffers; packs are an eighth of it.
    pub memory: u64,
}

#[derive(Default)]
pub struct Events(pub Mutex<Vec<String>>);

impl Observer for Events {
    fn event(&self, event: Event<'_>) {
        if let Event::Failed { path, reason } = event {
            self.0.lock().unwrap().push(format!("{path}: {reason}"));
        }
        if let Event::Notice(text) = event {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }
}

impl Person for TestEnv {
    fn password(&self, _: &str) -> io::Result<Zeroizing<String>> {
        Ok(Zeroizing::new(self.password.clone()))
    }
    fn new_password(&self, _: &str) -> io::Result<Zeroizing<String>> {
        Ok(Zeroizing::new(self.password.clone()))
    }
    fn confirm(&self, _: &str) -> Option<bool> {
        self.yes
    }
}

impl TestEnv {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            dir,
            password: "correct horse".into(),
            yes: None,
            events: Events::default(),
            metadata: false,
            custom: None,
            memory: 128 << 20,
        }
    }

    pub fn with_vault() -> Self {
        let env = Self::new();
        env.init().unwrap();
        env
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn ctx(&self) -> Ctx<'_> {
        self.ctx_at("home")
    }

    /// A context with the state of another machine.
    pub fn ctx_at(&self, home: &str) -> Ctx<'_> {
        Ctx {
            world: World::system(),
            observer: &self.events,
            person: self,
            cancel: Cancel::default(),
            state_dir: self.path(home).join("state"),
            rclone_compat: false,
            ephemeral: false,
            cache_dir: self.path(home).join("cache"),
            engine: EngineOptions {
                pack_size: None,
                memory: self.memory,
                transfers: 4,
                checkers: 4,
                compression: Some(3),
                network: Network {
                    shaper: Arc::new(Shaper::new(Default::default, None)),
                    timeout: None,
                    connect_timeout: None,
                    attempts: 8,
                },
            },
        }
    }

    pub fn remote(&self) -> RemoteProfile {
        RemoteProfile {
            name: "v".into(),
            service: match &self.custom {
                Some(remote) => Service::Custom(Arc::clone(remote)),
                None => Service::Fs { root: self.path("vault") },
            },
            vault_id: None,
            builtin: false,
            demands: Default::default(),
            witness: None,
            keyring: false,
            at: None,
        }
    }

    pub fn place(&self, path: &str) -> Place {
        Place::Vault(self.remote(), TreePath::from_user(path.as_bytes()).unwrap())
    }

    pub fn init(&self) -> Result<ops::InitReport, OpsError> {
        let options = InitOptions {
            remote: self.remote(),
            device_label: "test".into(),
            kdf: (64 << 10, 3, 1),
            password_role: ops::Role::Admin,
            recovery_file: None,
        };
        ops::init(&self.ctx(), &options)
    }

    pub fn options(&self, source: Place, dest: Place, delete: bool) -> SyncOptions {
        SyncOptions {
            source,
            dest,
            delete,
            filter: Default::default(),
            dry_run: false,
            force: false,
            rules: Default::default(),
            metadata: self.metadata,
            traits: None,
            moving: None,
            operation: "test".into(),
        }
    }

    /// Like `up`, past the delete brake.
    pub fn force_up(&self, source: &Path, dest: &str) -> Result<SyncReport, OpsError> {
        let options = self.options(Place::Local(source.into()), self.place(dest), true);
        ops::sync(&self.ctx(), &SyncOptions { force: true, ..options })
    }

    /// Like `down`, past the delete brake.
    pub fn force_down(&self, source: &str, dest: &Path) -> Result<SyncReport, OpsError> {
        let options = self.options(self.place(source), Place::Local(dest.into()), true);
        ops::sync(&self.ctx(), &SyncOptions { force: true, ..options })
    }

    /// Opens the vault as a library would.
    pub fn open(&self) -> Opened {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let remote = self.custom.clone().unwrap_or_else(|| Arc::new(Fs::open(self.path("vault"))));
        let io = RemoteIo::new(remote, runtime.handle().clone(), Cancel::default());
        let ctx = self.ctx();
        let options = OpenOptions {
            world: World::system(),
            state_dir: &ctx.state_dir,
            ephemeral: false,
            cache_dir: &ctx.cache_dir,
            vault_id: None,
            memory: 16 << 20,
            asker: self,
            demands: Default::default(),
        };
        Opened { vault: Vault::open(io, &options).unwrap(), _runtime: runtime }
    }

    /// The id of the current tree, in words.
    pub fn root_id(&self) -> String {
        let opened = self.open();
        format!("{:?}", opened.vault.root().unwrap().expect("there is a commit").id)
    }

    /// `verify` finds nothing wrong.
    pub fn assert_whole(&self, read_data: bool) {
        let read = if read_data { ops::ReadData::All } else { ops::ReadData::Nothing };
        let options = ops::VerifyOptions { read, history: false };
        let report = ops::verify(&self.ctx(), &self.remote(), &options).unwrap();
        assert!(report.problems.is_empty(), "{:?}", report.problems);
    }

    /// `check` finds every file the same.
    pub fn assert_same(&self, local: &Path, path: &str) {
        let mut rows = Vec::new();
        let report = ops::check(
            &self.ctx(),
            &Place::Local(local.into()),
            &self.place(path),
            &ops::CheckOptions::default(),
            &mut |difference, path, why| {
                rows.push(format!("{difference:?} {path} {why}"));
                Ok(())
            },
        );
        let report = report.unwrap();
        assert_eq!((report.differ, report.only_source, report.only_dest, report.errors), (0, 0, 0, 0), "{rows:#?}");
    }

    pub fn up(&self, source: &Path, dest: &str) -> Result<SyncReport, OpsError> {
        ops::sync(&self.ctx(), &self.options(Place::Local(source.into()), self.place(dest), true))
    }

    pub fn down(&self, source: &str, dest: &Path) -> Result<SyncReport, OpsError> {
        ops::sync(&self.ctx(), &self.options(self.place(source), Place::Local(dest.into()), true))
    }

    pub fn cat(&self, path: &str) -> Result<Vec<u8>, OpsError> {
        let mut out = Vec::new();
        ops::cat(&self.ctx(), &[self.place(path)], &ops::CatOptions::default(), &mut out)?;
        Ok(out)
    }
}

impl Asker for TestEnv {
    fn password(&self, _: &str) -> io::Result<Zeroizing<String>> {
        Ok(Zeroizing::new(self.password.clone()))
    }
    fn confirm_vault(&self, _: &str, _: &cryptsync::id::VaultId) -> Option<bool> {
        Some(true)
    }
}

/// An open vault and what drives it.
pub struct Opened {
    pub vault: Vault,
    _runtime: tokio::runtime::Runtime,
}

/// Everything that can be seen of a tree: paths, kinds, modes, times, content.
pub fn snapshot(root: &Path) -> Vec<String> {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
    let mut out = Vec::new();
    let mut stack = vec![root.to_path_buf()];
    while let Some(dir) = stack.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().escape_ascii().to_string();
            let what = if meta.is_symlink() {
                format!("link {}", std::fs::read_link(&path).unwrap().as_os_str().as_bytes().escape_ascii())
            } else if meta.is_dir() {
                stack.push(path.clone());
                format!("dir {:o} {}.{}", meta.mode() & 0o7777, meta.mtime(), meta.mtime_nsec())
            } else {
                let content = blake3::hash(&std::fs::read(&path).unwrap());
                format!(
                    "file {:o} {}.{} {} {}",
                    meta.mode() & 0o7777,
                    meta.mtime(),
                    meta.mtime_nsec(),
                    meta.len(),
                    content
                )
            };
            out.push(format!("{name}: {what}"));
        }
    }
    out.sort();
    out
}

/// Pseudo-random bytes.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

/// Gives everything below `root` a time long ago, so that nothing counts as just changed.
pub fn age(root: &Path) {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
    let mut stack = vec![root.to_path_buf()];
    while let Some(path) = stack.pop() {
        let meta = path.symlink_metadata().unwrap();
        if meta.is_dir() {
            stack.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let time = Timespec { tv_sec: 1_600_000_000 + path.as_os_str().len() as i64, tv_nsec: 123_456_789 };
        utimensat(CWD, &path, &Timestamps { last_access: time, last_modification: time }, AtFlags::SYMLINK_NOFOLLOW)
            .unwrap();
    }
}
