//! Where a password comes from when nobody types it. Never from the arguments: other users can see those.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use super::env::Env;
use super::output::CliError;
use super::words;

/// A source of a password that needs no person.
#[derive(PartialEq, Eq)]
pub(super) enum PasswordSource {
    /// `--password-fd`
    Fd(u32),
    /// `--password-file`
    File(PathBuf),
    /// `--password-command`, split into words.
    Command(Vec<String>),
    /// `CRYPTSYNC_PASSWORD`
    Value(Zeroizing<String>),
}

/// Never the password itself.
impl std::fmt::Debug for PasswordSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fd(_) => "Fd",
            Self::File(_) => "File",
            Self::Command(_) => "Command",
            Self::Value(_) => "Value",
        })
    }
}

/// The flags that name a source.
#[derive(Debug, Default, Clone, clap::Args)]
pub(super) struct PasswordFlags {
    /// Read the password from the standard output of a command
    ///
    /// The words are separated by spaces; quote a word that holds spaces with `"`, and write `""` for a quote within it.
    /// No shell is involved. While a new password is asked for, CRYPTSYNC_PASSWORD_CHANGE=1 is set.
    #[arg(long, value_name = "COMMAND", global = true, help_heading = HEADING)]
    pub(super) password_command: Option<String>,
    /// Read the password of a sealed configuration from the standard output of a command
    #[arg(long, value_name = "COMMAND", global = true, help_heading = HEADING)]
    pub(super) config_password_command: Option<String>,
    /// Read the password from a file
    #[arg(long, value_name = "FILE", global = true, help_heading = HEADING)]
    pub(super) password_file: Option<PathBuf>,
    /// Read the password from an open file descriptor
    #[arg(long, value_name = "N", global = true, help_heading = HEADING)]
    pub(super) password_fd: Option<u32>,
}

const HEADING: &str = "Password";

impl PasswordSource {
    /// The first of the sources that is given: flags before variables.
    pub(super) fn choose(flags: &PasswordFlags, env: &Env) -> Result<Option<Self>, CliError> {
        if let Some(fd) = flags.password_fd {
            return Ok(Some(Self::Fd(fd)));
        }
        if let Some(path) = &flags.password_file {
            return Ok(Some(Self::File(env.cwd.join(path))));
        }
        if let Some(command) = &flags.password_command {
            return Self::command("--password-command", command).map(Some);
        }
        let text = |name: &str| match env.var(name).map(|value| value.to_str()) {
            Some(None) => Err(CliError::usage(format!("the variable {name} is not UTF-8"))),
            Some(Some(value)) => Ok(Some(value)),
            None => Ok(None),
        };
        if let Some(value) = text("CRYPTSYNC_PASSWORD")? {
            return Ok(Some(Self::Value(Zeroizing::new(value.to_owned()))));
        }
        if let Some(path) = env.var("CRYPTSYNC_PASSWORD_FILE") {
            return Ok(Some(Self::File(env.cwd.join(path))));
        }
        let name = "CRYPTSYNC_PASSWORD_COMMAND";
        text(name)?.map(|command| Self::command(name, command)).transpose()
    }

    /// The source of the password of a sealed configuration.
    pub(super) fn for_config(command: Option<&str>, env: &Env) -> Result<Option<Self>, CliError> {
        if let Some(command) = command {
            return Self::command("--config-password-command", command).map(Some);
        }
        match env.var("CRYPTSYNC_CONFIG_PASS").map(|value| value.to_str()) {
            Some(None) => Err(CliError::usage("the variable CRYPTSYNC_CONFIG_PASS is not UTF-8")),
            Some(Some(value)) => Ok(Some(Self::Value(Zeroizing::new(value.to_owned())))),
            None => Ok(None),
        }
    }

    /// Reads the password; `new` says that it is for a vault to be made.
    pub(super) fn read(&self, new: bool) -> Result<Zeroizing<String>, CliError> {
        let (what, bytes) = match self {
            Self::Value(value) => return Ok(value.clone()),
            Self::File(path) => (format!("the password file `{}`", path.display()), read_bounded(File::open(path))),
            Self::Fd(fd) => {
                let path = Path::new("/dev/fd").join(fd.to_string());
                (format!("the password from file descriptor {fd}"), read_bounded(File::open(path)))
            }
            Self::Command(words) => (format!("the password from the command `{}`", words[0]), output_of(words, new)),
        };
        let bytes = bytes.map_err(|error| CliError::usage(format!("cannot read {what}")).caused_by(error))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| CliError::usage(format!("{what} is not UTF-8")))?;
        let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
        if text.is_empty() {
            return Err(CliError::usage(format!("{what} is empty")));
        }
        Ok(Zeroizing::new(text.to_owned()))
    }

    pub(super) fn command(origin: &str, text: &str) -> Result<Self, CliError> {
        match words::split(text, ' ') {
            Ok(words) if words.is_empty() => Err(CliError::usage(format!("{origin} names no command"))),
            Ok(words) => Ok(Self::Command(words)),
            Err(error) => Err(CliError::usage(format!("cannot split {origin} into words: {error}"))),
        }
    }
}

fn read_bounded(reader: io::Result<impl Read>) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(PASSWORD_MAX as usize + 1)); // never grows, so leaves no copies
    reader?.take(PASSWORD_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > PASSWORD_MAX {
        return Err(io::Error::other("it is longer than 4096 bytes"));
    }
    Ok(bytes)
}

fn output_of(words: &[String], new: bool) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped());
    if new {
        command.env("CRYPTSYNC_PASSWORD_CHANGE", "1");
    }
    let mut child = command.spawn()?;
    let bytes = read_bounded(child.stdout.take().ok_or_else(|| io::Error::other("it has no output")));
    let status = child.wait()?;
    if status.success() { bytes } else { Err(io::Error::other(format!("it ended with {status}"))) }
}

const PASSWORD_MAX: u64 = 4096;
