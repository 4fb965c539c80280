//! Completion in shells: scripts that ask this program at every press of the key, and the answers. Verbs and options come
//! from the definition; remotes and paths in vaults are looked up without asking anybody anything.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::{Arg, Command, ValueEnum};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter};

use super::env::{Env, Stream};
use super::topics;
use super::{args, run};
use crate::world::World;

/// Shells there is a script for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shell {
    /// Bash, 4.4 or newer
    Bash,
    /// Zsh
    Zsh,
    /// Fish
    Fish,
    /// PowerShell
    #[value(alias = "pwsh")]
    Powershell,
}

impl Shell {
    /// The script that the shell has to read.
    pub(super) fn script(self) -> &'static str {
        match self {
            Self::Bash => include_str!("cryptsync.bash"),
            Self::Zsh => include_str!("cryptsync.zsh"),
            Self::Fish => include_str!("cryptsync.fish"),
            Self::Powershell => include_str!("cryptsync.ps1"),
        }
    }
}

/// Answers a script, if it is one that asks: `cryptsync __complete WORDS`, the last of which is being typed. Each line is a
/// candidate, a tab, and what it means.
pub(super) fn answer(env: &mut Env) -> bool {
    if env.args.get(1).is_none_or(|verb| verb != QUESTION) {
        return false;
    }
    let around = Arc::new(Around { vars: env.vars.clone(), cwd: env.cwd.clone() });
    let words: Vec<OsString> = env.args.iter().take(1).chain(env.args.iter().skip(2)).cloned().collect();
    let last = words.len() - 1;
    let is_option = words[last].as_bytes().starts_with(b"-");
    let mut command = with_completers(args::command(), &around);
    let found = clap_complete::engine::complete(&mut command, words, last, Some(&env.cwd)).unwrap_or_default();
    // Options only for who has begun to write one.
    let fits = |candidate: &&CompletionCandidate| {
        !candidate.is_hide_set() && (is_option || !candidate.get_value().as_bytes().starts_with(b"-"))
    };
    for candidate in found.iter().filter(fits) {
        let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        let mut line = candidate.get_value().as_bytes().to_vec();
        line.push(b'\t');
        line.extend(help.lines().next().unwrap_or_default().bytes());
        line.push(b'\n');
        drop(env.stdout.io.write_all(&line)); // nobody left to tell
    }
    drop(env.stdout.io.flush());
    true
}

/// What answers depend on.
struct Around {
    vars: BTreeMap<OsString, OsString>,
    cwd: PathBuf,
}

/// The definition, with what is known of the values of arguments.
fn with_completers(command: Command, around: &Arc<Around>) -> Command {
    let verbs: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    let topics = topics::ALL.iter().map(|topic| topic.name.to_owned());
    let mut explained: Vec<String> = verbs.iter().cloned().chain(topics).collect();
    explained.sort();
    explained.dedup();
    let command = verbs.iter().fold(command, |command, verb| {
        command.mut_subcommand(verb, |below| match verb.as_str() {
            "help" => below.mut_arg("what", |arg| arg.add(ArgValueCompleter::new(Words(explained.clone())))),
            _ => with_completers(below, around),
        })
    });
    command.mut_args(|arg| match arg.get_id().as_str() {
        "remote" if arg.is_positional() => arg.add(ArgValueCompleter::new(Remotes(Arc::clone(around)))),
        id if arg.is_positional() && PATHS.contains(&id) => arg.add(ArgValueCompleter::new(Paths(Arc::clone(around)))),
        _ => files(arg),
    })
}

/// Options that take a file.
fn files(arg: Arg) -> Arg {
    let is_file = arg.get_value_names().is_some_and(|names| names.iter().any(|name| name == "FILE" || name == "DIR"));
    if is_file { arg.add(ArgValueCompleter::new(PathCompleter::any().stdio())) } else { arg }
}

/// A list of words.
struct Words(Vec<String>);

impl ValueCompleter for Words {
    fn complete(&self, current: &OsStr) -> Vec<CompletionCandidate> {
        let fits = |word: &&String| word.as_bytes().starts_with(current.as_bytes());
        self.0.iter().filter(fits).map(CompletionCandidate::new).collect()
    }
}

/// Remotes, each with its colon.
struct Remotes(Arc<Around>);

impl ValueCompleter for Remotes {
    fn complete(&self, current: &OsStr) -> Vec<CompletionCandidate> {
        let listed = self.0.ask(&["listremotes".into()]);
        let mut names: Vec<Vec<u8>> =
            listed.split(|b| *b == b'\n').filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect();
        names.push(b"local:".to_vec());
        names.retain(|name| name.starts_with(current.as_bytes()));
        names.dedup();
        names.into_iter().map(|name| CompletionCandidate::new(OsString::from_vec(name))).collect()
    }
}

/// Paths on this machine, remotes, and paths in their vaults.
struct Paths(Arc<Around>);

impl ValueCompleter for Paths {
    fn complete(&self, current: &OsStr) -> Vec<CompletionCandidate> {
        let typed = current.as_bytes();
        let colon = typed.iter().position(|b| *b == b':');
        let is_local = typed.contains(&b'/') && colon.is_none_or(|colon| typed[..colon].contains(&b'/'));
        match colon {
            Some(colon) if !is_local => self.in_vault(typed, colon),
            _ => {
                let mut found = if is_local { Vec::new() } else { Remotes(Arc::clone(&self.0)).complete(current) };
                found.extend(PathCompleter::any().current_dir(&self.0.cwd).complete(current));
                found
            }
        }
    }
}

impl Paths {
    fn in_vault(&self, typed: &[u8], colon: usize) -> Vec<CompletionCandidate> {
        let dir = typed.iter().rposition(|b| *b == b'/').unwrap_or(colon) + 1;
        let (dir, start) = typed.split_at(dir);
        let listed = self.0.ask(&["lsf".into(), "-0".into(), "--".into(), OsString::from_vec(dir.to_vec())]);
        let fits = |name: &&[u8]| !name.is_empty() && name.starts_with(start) && !name.iter().any(u8::is_ascii_control);
        let names = listed.split(|b| *b == 0).filter(fits).take(CANDIDATES_MAX);
        names.map(|name| CompletionCandidate::new(OsString::from_vec([dir, name].concat()))).collect()
    }
}

impl Around {
    /// What a verb writes to standard output, run without anybody to ask; nothing if it fails or takes too long.
    fn ask(&self, words: &[OsString]) -> Vec<u8> {
        let out = Kept::default();
        let stream = || Stream { io: Box::new(io::sink()) as Box<dyn Write + Send>, is_terminal: false };
        let env = Env {
            args: std::iter::once("cryptsync".into()).chain(words.iter().cloned()).collect(),
            vars: self.vars.clone(),
            cwd: self.cwd.clone(),
            stdin: Stream { io: Arc::new(Mutex::new(Box::new(io::empty()))), is_terminal: false },
            stdout: Stream { io: Box::new(out.clone()), is_terminal: false },
            stderr: stream(),
            terminal: None,
            host_name: "device".to_owned(),
            time_zone: jiff::tz::TimeZone::UTC,
            world: World::system(),
            owns_process: false,
        };
        let (done, wait) = mpsc::channel();
        std::thread::spawn(move || done.send(run::exit_code(env)));
        match wait.recv_timeout(PATIENCE) {
            Ok(0) => std::mem::take(&mut *out.0.lock().unwrap_or_else(PoisonError::into_inner)),
            _ => Vec::new(),
        }
    }
}

/// Output that is looked at afterwards.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The first argument of a script that asks.
const QUESTION: &str = "__complete";
/// Names of arguments that are paths.
const PATHS: [&str; 4] = ["path", "paths", "source", "dest"];
/// How long somebody who has pressed the key waits for a remote.
const PATIENCE: Duration = Duration::from_secs(4);
/// More than these nobody reads.
const CANDIDATES_MAX: usize = 1000;
