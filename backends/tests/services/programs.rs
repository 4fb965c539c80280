//! Programs on this machine that tests start: where they are, and what is said if one is not there.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that pip has installed into a directory of its own.
pub fn python(program: &Path) -> Command {
    let mut command = Command::new("python3");
    command.arg(program).env("PYTHONPATH", program.ancestors().nth(2).unwrap());
    command
}

/// A program that `tests/run` installs below `target/tools`.
pub fn tool(path: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tool = here.ancestors().map(|above| above.join("target/tools").join(path)).find(|tool| tool.is_file());
    if tool.is_none() {
        missing(&format!("target/tools/{path}"), "`tests/run` installs it");
    }
    tool
}

/// A program that may be anywhere.
#[expect(clippy::disallowed_methods, reason = "where programs are is told by the environment of the tests")]
pub fn on_path(name: &str, package: &str) -> Option<PathBuf> {
    let places = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&places).map(|place| place.join(name)).find(|path| path.is_file());
    if found.is_none() {
        missing(name, &format!("by hand: apt-get install {package}"));
    }
    found
}

pub fn installed(path: &str, package: &str) -> Option<PathBuf> {
    let there = Path::new(path).exists();
    if !there {
        missing(path, &format!("`tests/run` installs it as root; by hand: apt-get install {package}"));
    }
    there.then(|| path.into())
}

#[expect(clippy::print_stderr, reason = "whoever runs the tests has to know")]
pub fn missing(what: &str, how: &str) {
    eprintln!("skipped: there is no {what}; {how}");
}

/// The name of the user of this process.
pub fn me() -> String {
    let id = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(id.stdout).unwrap().trim().to_owned()
}
