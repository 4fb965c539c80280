//! The real rclone, which is the oracle for what its users expect.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::cli::{Output, skipped};

/// An rclone with no configuration and an empty environment.
pub struct Rclone {
    program: PathBuf,
    home: tempfile::TempDir,
}

impl Rclone {
    /// What `CRYPTSYNC_TEST_RCLONE` names, or what `tests/run` has installed. `None` if there is none, which is said.
    ///
    /// # Panics
    /// `CRYPTSYNC_TEST_RCLONE` names nothing.
    pub fn find() -> Option<Self> {
        let named = std::env::var_os("CRYPTSYNC_TEST_RCLONE").map(PathBuf::from);
        if let Some(program) = &named {
            assert!(program.is_file(), "CRYPTSYNC_TEST_RCLONE: there is no {}", program.display());
        }
        let program = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(INSTALLED));
        if !program.is_file() {
            skipped("there is no rclone to compare with: tests/run installs one, CRYPTSYNC_TEST_RCLONE names another");
            return None;
        }
        Some(Self { program, home: tempfile::tempdir().unwrap() })
    }

    /// rclone with arguments, ready to be run.
    pub fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).env_clear().stdin(Stdio::null()).current_dir(self.home.path());
        command.env("HOME", self.home.path()).env("TZ", "UTC").env("RCLONE_CONFIG", "/dev/null");
        command
    }

    /// Runs it.
    pub fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Output {
        let output = self.command(args).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Output { code: output.status.code().unwrap(), stdout: output.stdout, stderr }
    }
}

const INSTALLED: &str = "target/tools/rclone/bin/rclone";
