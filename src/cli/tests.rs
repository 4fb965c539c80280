//! The command line from outside, in this process: arguments, variables and a terminal made up; streams kept.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use zeroize::Zeroizing;

use super::args::{self, Cli, NotParsed, Verb};
use super::env::{Env, Stream, Terminal};
use super::output::{CliError, Printer, Progress, ProgressMode, Verbosity};
use super::password::{PasswordFlags, PasswordSource};
use super::person::Answers;
use super::run::exit_code;
use super::settings::Settings;
use super::signals::Signals;
use crate::class::Class;
use crate::event::{Action, Event, Observer};
use crate::ops::{By, CatRange, Person, Place, Service};
use crate::path::TreePath;
use crate::world::World;

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn stream(&self) -> Stream<Box<dyn Write + Send>> {
        Stream { io: Box::new(self.clone()), is_terminal: false }
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Answers in turn and keeps what was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<&'static str>>,
    asked: Mutex<Vec<String>>,
}

impl Script {
    fn new(answers: &[&'static str]) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.iter().copied().collect()), asked: Mutex::default() })
    }
}

impl Terminal for Script {
    fn secret(&self, prompt: &str) -> io::Result<Zeroizing<String>> {
        self.line(prompt).map(Zeroizing::new)
    }

    fn line(&self, prompt: &str) -> io::Result<String> {
        self.asked.lock().unwrap().push(prompt.to_owned());
        let answer = self.answers.lock().unwrap().pop_front();
        answer.map(str::to_owned).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn show(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
}

fn env(args: &[&str], vars: &[(&str, &str)]) -> Env {
    let mut all: BTreeMap<OsString, OsString> = [("HOME".into(), "/nowhere/u".into())].into();
    all.extend(vars.iter().map(|(name, value)| (name.into(), value.into())));
    Env {
        args: std::iter::once("cryptsync").chain(args.iter().copied()).map(OsString::from).collect(),
        vars: all,
        cwd: PathBuf::from("/cwd"),
        stdin: Stream { io: Arc::new(Mutex::new(Box::new(io::empty()))), is_terminal: false },
        stdout: Buffer::default().stream(),
        stderr: Buffer::default().stream(),
        terminal: None,
        host_name: "box".to_owned(),
        time_zone: jiff::tz::TimeZone::UTC,
        world: World::system(),
        owns_process: false,
    }
}

fn run_with(mut env: Env) -> (u8, String, String) {
    let (out, err) = (Buffer::default(), Buffer::default());
    (env.stdout, env.stderr) = (out.stream(), err.stream());
    let code = exit_code(env);
    (code, out.text(), err.text())
}

fn run(args: &[&str], vars: &[(&str, &str)]) -> (u8, String, String) {
    run_with(env(args, vars))
}

fn resolve(args: &[&str], vars: &[(&str, &str)]) -> Result<(Verb, Settings), CliError> {
    let env = env(args, vars);
    let Cli { command, global } = match args::parse(&env.args, &env.vars) {
        Ok(cli) => cli,
        Err(NotParsed::Environment(error)) => return Err(error),
        Err(NotParsed::Clap(error)) => return Err(CliError::usage(error.to_string())),
    };
    Ok((command, Settings::resolve(&global, &env)?))
}

const NAS: (&str, &str) = ("CRYPTSYNC_CONFIG_NAS_ROOT", "/mnt/v");
const NAS_TYPE: (&str, &str) = ("CRYPTSYNC_CONFIG_NAS_TYPE", "fs");

#[test]
fn the_definition_is_sound() {
    args::command().debug_assert();
}

#[test]
fn help_and_version_are_data() {
    for args in [&["--help"][..], &["help", "sync"], &["lsf", "-h"], &["--version"], &["help", "config"]] {
        let (code, out, err) = run(args, &[]);
        assert!(code == 0 && !out.is_empty() && err.is_empty(), "{args:?}: {code} {err}");
    }
    let (_, out, _) = run(&["--help"], &[]);
    assert!(
        out.contains("Exit codes:\n    0  Success\n    1  ") && out.contains("  130  Stopped by a signal"),
        "{out}"
    );
    let (code, out, _) = run(&["version"], &[]);
    assert!(code == 0 && out.starts_with(&format!("cryptsync v{}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn every_verb_has_a_summary_and_examples() {
    let command = args::command();
    for verb in command.get_subcommands() {
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(about.len() > 10 && !about.ends_with('.'), "{}", verb.get_name());
        let takes_paths = verb.get_arguments().any(|arg| arg.is_positional());
        assert!(!takes_paths || verb.get_after_help().is_some(), "{} has no examples", verb.get_name());
    }
}

#[test]
fn mistakes_on_the_command_line_exit_with_2() {
    for args in [
        &["sync", "a"][..],
        &["frobnicate"],
        &["sync", "a", "b", "--transfers", "0"],
        &["cat", "x", "--head", "1", "--tail", "1"],
        &["cat", "x", "--offset", "1", "--tail", "1"],
        &["copy", "a", "b", "--memory", "lots"],
        &["copy", "-q", "-v", "a", "b"],
        &["ls", "nsa:"],
        &["ls", ":s3:bucket"],
        &["ls", "nas,opt=1:x"],
        &["ls", "a*b:c"],
        &["ls", ""],
        &["log", "nas:sub"],
        &["log", "nas"],
        &["init", "x", "--kdf", "262144,3,4"],
        &["lsf", "-F", "px", "."],
        &["ls", ".", "--include", "a[b"],
        &["ls", ".", "--config", "/nowhere/at/all"],
        &["ls", ".", "--vault-id", "short"],
        &["sync", "nas:", "local:", "--vault-id", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
        &["ls", ".", "--password-command", "\"a"],
    ] {
        let (code, out, err) = run(args, &[NAS, NAS_TYPE]);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
        assert!(err.starts_with("error: "), "{args:?}: {err}");
    }
    assert_eq!(run(&["ls", "nas:../x"], &[NAS, NAS_TYPE]).0, Class::UnsafePath.code());
}

#[test]
fn errors_say_what_to_do() {
    for (args, part) in [
        (&["ls", "nsa:x"][..], "hint: did you mean `nas:`?"),
        (
            &["ls", "other:x"],
            "hint: known remotes: `nas:`, `plain:`, `local:`; write `./other:…` for a local file of that name",
        ),
        (&["log", "nas"], "hint: did you mean `nas:`?"),
        (&["log", "nas:a"], "hint: write `nas:`"),
        (
            &["ls", ".", "--include", "a[b"],
            "error: --include: bad pattern `a[b`, at character 2: this `[` is never closed\nhint: ",
        ),
        (&["ls", "a*b:c"], "hint: write `./a*b:c` for a local file"),
        (&["log", "plain:"], "error: `plain:` is plain: it holds files of other programs, and no vault"),
        (&["rm", "plain:x"], "is on this machine"),
    ] {
        let plain = [
            ("CRYPTSYNC_CONFIG_PLAIN_TYPE", "fs"),
            ("CRYPTSYNC_CONFIG_PLAIN_PLAIN", "true"),
            ("CRYPTSYNC_CONFIG_PLAIN_ROOT", "/x"),
        ];
        let (_, _, err) = run(args, &[&[NAS, NAS_TYPE][..], &plain].concat());
        assert!(err.contains(part), "{args:?}: {err}");
    }
}

#[test]
fn paths() {
    let (_, settings) = resolve(&["version"], &[NAS, NAS_TYPE]).unwrap();
    let place = |text: &str| settings.place(text.as_ref()).unwrap();
    for (text, path) in [("a/b", "/cwd/a/b"), ("/x", "/x"), ("./a:b", "/cwd/./a:b"), ("a/b:c", "/cwd/a/b:c")] {
        assert!(matches!(place(text), Place::Local(p) if p == Path::new(path)), "{text}");
    }
    for (text, path) in [("nas:", ""), ("nas:/", ""), ("nas:/a//b/", "a/b"), ("nas:a:b", "a:b")] {
        let Place::Vault(remote, p) = place(text) else { panic!("{text}") };
        assert_eq!((remote.name.as_str(), p.as_bytes(), remote.builtin), ("nas", path.as_bytes(), false));
    }
    let Place::Vault(remote, _) = place("local:x") else { panic!() };
    let Service::Fs { root } = remote.service else { panic!("not a directory") };
    assert!(remote.builtin && root == Path::new("/nowhere/u/.local/share/cryptsync/local"));
}

#[test]
fn transfer_options() {
    let args = ["sync", "-n", "-c", "--force", "--exclude", "*.o", "--include", "*.c", "src", "nas:b/"];
    let (Verb::Sync(args), settings) = resolve(&args, &[NAS, NAS_TYPE]).unwrap() else { panic!() };
    let options = args.options(&settings).unwrap();
    assert!(options.delete && options.dry_run && options.rules.compare.by == By::Content && options.force);
    assert_eq!(options.operation, "sync /cwd/src -> b");
    let path = |text: &str| TreePath::from_bytes(text.as_bytes()).unwrap();
    assert!(options.filter.decide_file(&path("x.c")) && !options.filter.decide_file(&path("x.h")));
    let (Verb::Copy(args), settings) = resolve(&["copy", "nas:b", "x"], &[NAS, NAS_TYPE]).unwrap() else { panic!() };
    let options = args.options(&settings).unwrap();
    assert!(!options.delete && options.operation == "copy nas:b -> /cwd/x");
}

#[test]
fn options_of_other_verbs() {
    let range = |args: &[&str]| {
        let (Verb::Cat(args), settings) = resolve(&[&["cat", "x"], args].concat(), &[]).unwrap() else { panic!() };
        args.options(&settings).unwrap().1.range
    };
    assert_eq!(range(&[]), CatRange::Whole);
    assert_eq!(range(&["--head", "1K"]), CatRange::Head(1024));
    assert_eq!(range(&["--tail=5"]), CatRange::Tail(5));
    assert_eq!(range(&["--offset", "-3"]), CatRange::Offset(-3, None));
    assert_eq!(range(&["--count", "4"]), CatRange::Offset(0, Some(4)));

    let args = ["init", "nas:", "--kdf", "64M,3,1", "--recovery-file", "w"];
    let (Verb::Init(args), settings) = resolve(&args, &[NAS, NAS_TYPE]).unwrap() else { panic!() };
    let options = args.options(&settings).unwrap();
    assert_eq!((options.kdf, options.device_label.as_str()), ((65536, 3, 1), "box"));
    assert_eq!(options.recovery_file.as_deref(), Some(Path::new("/cwd/w")));

    let (Verb::Rcat(args), mut settings) = resolve(&["rcat", "nas:a"], &[NAS, NAS_TYPE]).unwrap() else { panic!() };
    assert!(args.options(&settings).is_ok());
    settings.stdin_is_terminal = true;
    assert_eq!(args.options(&settings).unwrap_err().class, Class::Usage);
}

#[test]
fn settings_come_from_flags_then_variables_then_defaults() {
    let vars = [
        ("CRYPTSYNC_MEMORY", "1G"),
        ("CRYPTSYNC_TRANSFERS", "7"),
        ("CRYPTSYNC_NO_COMPRESS", "true"),
        ("CRYPTSYNC_STATE_DIR", "s"),
        ("CRYPTSYNC_CHECKERS", ""),
        ("XDG_CACHE_HOME", "relative/is/ignored"),
    ];
    let (_, settings) = resolve(&["version", "--transfers", "9"], &vars).unwrap();
    assert_eq!((settings.engine.memory, settings.engine.transfers, settings.engine.checkers), (1 << 30, 9, 8));
    assert_eq!(settings.engine.compression, None);
    assert_eq!(settings.dirs.state().unwrap(), Path::new("/cwd/s"));
    assert_eq!(settings.dirs.cache().unwrap(), Path::new("/nowhere/u/.cache/cryptsync"));
    let (_, settings) = resolve(&["version", "--zstd-level", "9"], &vars).unwrap();
    assert_eq!(settings.engine.compression, Some(9), "a flag wins over the variable of one that conflicts with it");
}

#[test]
fn variables_reach_every_kind_of_flag() {
    let vars = [
        ("CRYPTSYNC_EXCLUDE", "*.o,\"{a,b}\""),
        ("CRYPTSYNC_DRY_RUN", "1"),
        ("CRYPTSYNC_VERBOSE", "1"),
        ("CRYPTSYNC_CONFIG", ""),
    ];
    let (Verb::Sync(args), settings) = resolve(&["sync", "--", "x", "y"], &vars).unwrap() else { panic!() };
    let options = args.options(&settings).unwrap();
    assert!(options.dry_run && !options.filter.decide_file(&TreePath::from_bytes(b"b").unwrap()));
    assert!(settings.config.path().is_none());
    for (variable, value) in [
        ("CRYPTSYNC_DRY_RUN", "maybe"),
        ("CRYPTSYNC_MEMORY", "lots"),
        ("CRYPTSYNC_VERBOSE", "x"),
        ("CRYPTSYNC_EXCLUDE", "\"a"),
    ] {
        let (code, _, err) = run(&["sync", "x", "y"], &[(variable, value)]);
        assert!(code == 2 && err.contains(variable), "{variable}: {err}");
    }
}

#[test]
fn the_configuration_can_be_shown() {
    let vars = [NAS, NAS_TYPE];
    assert_eq!(run(&["listremotes"], &vars), (0, "nas:\n".to_owned(), String::new()));
    assert_eq!(run(&["config", "file"], &vars).1, "/nowhere/u/.config/cryptsync/config.yaml\n");
    assert_eq!(run(&["config", "show"], &vars).1, "remotes:\n  nas:\n    type: fs\n    root: /mnt/v\n");
    assert_eq!(run(&["config", "file", "--config", "c.yaml"], &[]).1, "/cwd/c.yaml\n");
}

#[test]
fn password_sources_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p");
    std::fs::write(&file, "from file\r\n").unwrap();
    let path = file.to_str().unwrap();
    let vars = [("CRYPTSYNC_PASSWORD_COMMAND", "printf x"), ("CRYPTSYNC_PASSWORD_FILE", path)];
    let chosen = |flags: PasswordFlags, vars: &[(&str, &str)]| {
        let source = PasswordSource::choose(&flags, &env(&[], vars)).unwrap().unwrap();
        source.read(false).unwrap().to_string()
    };
    assert_eq!(chosen(PasswordFlags::default(), &vars), "from file");
    assert_eq!(chosen(PasswordFlags::default(), &vars[..1]), "x");
    assert_eq!(chosen(PasswordFlags::default(), &[&vars[..], &[("CRYPTSYNC_PASSWORD", "v\n")]].concat()), "v\n");
    let command = PasswordFlags { password_command: Some("printf \"a b\\n\\n\"".to_owned()), ..Default::default() };
    assert_eq!(chosen(command.clone(), &vars), "a b\n");
    assert_eq!(chosen(PasswordFlags { password_file: Some(file.clone()), ..command }, &vars), "from file");
    for bad in ["false", "true", "printf \\377", "/nowhere/at/all", "head -c 5000 /dev/zero"] {
        let flags = PasswordFlags { password_command: Some(bad.to_owned()), ..Default::default() };
        let source = PasswordSource::choose(&flags, &env(&[], &[])).unwrap().unwrap();
        assert_eq!(source.read(false).unwrap_err().class, Class::Usage, "{bad}");
    }
}

fn answers(script: Option<Arc<Script>>, err: &Buffer) -> Answers {
    let printer = Printer::new(Buffer::default().stream(), err.stream(), false, Verbosity::Normal);
    let terminal = script.map(|script| script as Arc<dyn Terminal>);
    Answers::new(None, terminal, Arc::new(printer), Arc::new(Signals::default()))
}

#[test]
fn new_passwords_are_typed_twice() {
    let (script, err) = (Script::new(&["", "one", "other", "short", "short"]), Buffer::default());
    let answers = self::answers(Some(Arc::clone(&script)), &err);
    assert_eq!(answers.new_password("nas").unwrap().as_str(), "short");
    let asked = script.asked.lock().unwrap().clone();
    let (new, again) = ("New password for nas: ", "The same again: ");
    assert_eq!(asked, [new, new, again, new, again]);
    let said = err.text();
    assert!(
        said.contains("can't be empty") && said.contains("not the same") && said.contains("shorter than 8"),
        "{said}"
    );
}

#[test]
fn without_a_terminal_or_a_source_the_ways_are_named() {
    let answers = answers(None, &Buffer::default());
    assert!(answers.password("nas:").is_err());
    let failure = answers.take_failure().unwrap();
    assert_eq!(failure.class, Class::Usage);
    for way in ["--password-file", "--password-command", "--password-fd", "CRYPTSYNC_PASSWORD"] {
        assert!(failure.to_string().contains(way), "{failure}");
    }
    assert_eq!(answers.confirm("Sure?"), None);
    let (code, _, err) = run(&["init", "local:"], &[("CRYPTSYNC_PASSWORD", "x")]);
    assert!(code == 2 && err.contains("--recovery-file"), "{err}");
}

#[test]
fn questions() {
    let said = |answer| answers(Some(Script::new(&[answer])), &Buffer::default()).confirm("Sure?");
    assert_eq!([said("y"), said("YES "), said(""), said("n")], [Some(true), Some(true), Some(false), Some(false)]);
    assert_eq!(answers(Some(Script::new(&[])), &Buffer::default()).confirm("Sure?"), Some(false));
}

#[test]
fn events_become_lines_on_stderr() {
    let told = |verbosity| {
        let (out, err) = (Buffer::default(), Buffer::default());
        let printer = Arc::new(Printer::new(out.stream(), err.stream(), false, verbosity));
        let path = TreePath::from_bytes(b"a/\x1bb").unwrap();
        let progress = Progress::start(&printer, ProgressMode::Lines(Duration::from_secs(3600)));
        progress.event(Event::Planned { files: 1, bytes: 2048, deletes: 0, checked: 1 });
        progress.event(Event::Started { path: &path, size: 2048 });
        progress.event(Event::Done { path: &path, action: Action::Copy, size: 2048 });
        progress.event(Event::Would { path: &path, action: Action::Delete, size: 9 });
        progress.event(Event::Failed { path: &path, reason: "permission denied" });
        progress.event(Event::Notice("careful"));
        drop(progress);
        assert_eq!(out.text(), "");
        err.text()
    };
    let failed = "error: a/\\x1bb: permission denied\n";
    assert_eq!(told(Verbosity::Quiet), failed);
    assert_eq!(told(Verbosity::Normal), format!("would delete: a/\\x1bb\n{failed}note: careful\n"));
    assert!(told(Verbosity::Verbose).starts_with("copied: a/\\x1bb (2.00 KiB)\nwould delete"));
}

#[test]
fn lines_of_progress_appear_at_the_interval() {
    let err = Buffer::default();
    let printer = Arc::new(Printer::new(Buffer::default().stream(), err.stream(), false, Verbosity::Normal));
    let progress = Progress::start(&printer, ProgressMode::Lines(Duration::from_millis(1)));
    progress.event(Event::Checked(5));
    while !err.text().contains("comparing, checked 5\n") {
        std::thread::yield_now();
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let err = Buffer::default();
    let mut env = env(&["version"], &[]);
    (env.stdout.io, env.stderr) = (Box::new(Closed), err.stream());
    assert_eq!((exit_code(env), err.text().as_str()), (0, ""));
    let mut env = self::env(&["version"], &[]);
    (env.stdout.io, env.stderr) = (Box::new(Full), err.stream());
    assert_eq!(exit_code(env), 1);
    assert!(err.text().starts_with("error: cannot write to standard output\n  caused by: "));
}
