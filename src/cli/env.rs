//! The process as a value: what the program was given. Tests make their own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use jiff::tz::TimeZone;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zeroize::Zeroizing;

use crate::world::World;

/// Everything ambient, captured once.
pub struct Env {
    /// The arguments, the program's name first.
    pub args: Vec<OsString>,
    /// The environment.
    pub vars: BTreeMap<OsString, OsString>,
    /// The working directory.
    pub cwd: PathBuf,
    /// Standard input.
    pub stdin: Stream<Input>,
    /// Standard output: data.
    pub stdout: Stream<Box<dyn Write + Send>>,
    /// Standard error: talk.
    pub stderr: Stream<Box<dyn Write + Send>>,
    /// The terminal, if there is a person at one.
    pub terminal: Option<Arc<dyn Terminal>>,
    /// The name of this machine.
    pub host_name: String,
    /// The time zone for times that people read.
    pub time_zone: TimeZone,
    /// Clock and entropy.
    pub world: World,
    /// Whether the process is ours, so that its limits may be set and its signals handled.
    pub owns_process: bool,
}

/// Standard input, read by whoever is told to.
pub type Input = Arc<Mutex<Box<dyn Read + Send>>>;

/// A standard stream.
pub struct Stream<T> {
    /// The stream.
    pub io: T,
    /// Whether a person is at the other end.
    pub is_terminal: bool,
}

/// The terminal of the process, whatever its standard streams are connected to.
pub trait Terminal: Send + Sync {
    /// Asks for a line that is not shown while typed.
    ///
    /// # Errors
    /// The terminal is gone, or the input ended.
    fn secret(&self, prompt: &str) -> io::Result<Zeroizing<String>>;
    /// Asks for a line.
    ///
    /// # Errors
    /// The terminal is gone, or the input ended.
    fn line(&self, prompt: &str) -> io::Result<String>;
    /// Shows text that belongs on no other stream, because it is secret.
    ///
    /// # Errors
    /// The terminal is gone.
    fn show(&self, text: &str) -> io::Result<()>;
}

impl Env {
    /// The real process.
    pub fn from_os() -> Self {
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let attended = stdin.is_terminal() || stderr.is_terminal();
        let tty = attended && OpenOptions::new().read(true).write(true).open(TTY).is_ok();
        let kernel_name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self {
            args: std::env::args_os().collect(),
            vars: std::env::vars_os().collect(),
            cwd: std::env::current_dir().unwrap_or_default(),
            stdin: Stream { is_terminal: stdin.is_terminal(), io: patient(&stdin) },
            stdout: Stream { is_terminal: stdout.is_terminal(), io: Box::new(stdout) },
            stderr: Stream { is_terminal: stderr.is_terminal(), io: Box::new(stderr) },
            terminal: tty.then(|| Arc::new(Tty) as Arc<dyn Terminal>),
            host_name: Some(kernel_name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or("device".into()),
            time_zone: TimeZone::system(),
            world: World::system(),
            owns_process: true,
        }
    }

    /// A variable that is set and not empty.
    pub(super) fn var(&self, name: &str) -> Option<&OsString> {
        self.vars.get(Path::new(name).as_os_str()).filter(|value| !value.is_empty())
    }
}

/// Standard input that says "interrupted" now and then while nothing comes, so that whoever reads can stop.
fn patient(stdin: &io::Stdin) -> Input {
    Arc::new(Mutex::new(match stdin.as_fd().try_clone_to_owned() {
        Ok(input) => Box::new(Patient(input.into())),
        Err(_) => Box::new(io::empty()), // it is closed
    }))
}

struct Patient(File);

impl Read for Patient {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut input = [PollFd::new(&self.0, PollFlags::IN)];
        match poll(&mut input, Some(&WAIT)) {
            Ok(0) => Err(io::ErrorKind::Interrupted.into()),
            Ok(_) => self.0.read(out),
            Err(errno) => Err(errno.into()),
        }
    }
}

struct Tty;

impl Terminal for Tty {
    fn secret(&self, prompt: &str) -> io::Result<Zeroizing<String>> {
        rpassword::prompt_password(prompt).map(Zeroizing::new)
    }

    fn line(&self, prompt: &str) -> io::Result<String> {
        self.show(prompt)?;
        let mut line = String::new();
        match BufReader::new(OpenOptions::new().read(true).open(TTY)?).take(LINE_MAX).read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
        }
    }

    fn show(&self, text: &str) -> io::Result<()> {
        let mut tty = OpenOptions::new().write(true).open(TTY)?;
        tty.write_all(text.as_bytes())?;
        tty.flush()
    }
}

const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
const TTY: &str = "/dev/tty";
const LINE_MAX: u64 = 4096;
