//! The real rclone, which is the oracle for what its users expect.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

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

/// An rclone that answers many questions, over a socket of its own.
pub struct Server {
    child: Child,
    socket: PathBuf,
    _dir: tempfile::TempDir,
}

impl Rclone {
    /// Starts one.
    pub fn serve(&self) -> Server {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("rc");
        let addr = format!("unix://{}", socket.display());
        let mut command = self.command(["rcd", "--rc-no-auth", "--rc-addr", &addr]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Server { child, socket, _dir: dir };
        for _ in 0..600 {
            if UnixStream::connect(&server.socket).is_ok() {
                return server;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("rclone does not listen at {addr}");
    }
}

impl Server {
    /// Calls one of its functions. `Err` is what rclone refused, and why.
    pub fn call(&self, function: &str, input: &Value) -> Result<Value, String> {
        let body = input.to_string();
        let head = format!("POST /{function} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: ");
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        if head.contains(" 200 ") { Ok(body) } else { Err(body["error"].to_string()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
