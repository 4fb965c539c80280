//! From the process to a command and back to an exit code.

use std::ffi::OsStr;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Arc;

use super::args::{self, Cli, NotParsed, Verb};
use super::bug;
use super::commands;
use super::completion;
use super::env::Env;
use super::mistakes;
use super::moment;
use super::output::{CliError, Message, Printer};
use super::password::PasswordSource;
use super::person::Answers;
use super::settings::{self, Settings};
use super::shell::Shell;
use super::signals::{self, Signals};
use crate::class::Class;
use crate::ops::{Shaper, SumKind};

/// Runs the program.
pub fn run(env: Env) -> ExitCode {
    if env.owns_process {
        bug::report_panics(env.vars.contains_key(OsStr::new("RUST_BACKTRACE")));
    }
    let code = std::panic::catch_unwind(AssertUnwindSafe(|| exit_code(env)));
    ExitCode::from(code.unwrap_or(Class::Failed.code()))
}

/// The number that [`run`] ends with.
pub(super) fn exit_code(mut env: Env) -> u8 {
    if completion::answer(&mut env) {
        return 0;
    }
    match args::parse(&env.args, &env.vars) {
        Ok(cli) => start(cli, env),
        Err(NotParsed::Clap(error)) => show(&error, env),
        Err(NotParsed::Environment(error)) => {
            let json = args::wants_json(&env.args, &env.vars);
            let Env { mut stderr, .. } = env;
            let text = if json { Message::exit(&error).render() } else { error.to_string() };
            drop(writeln!(stderr.io, "{text}")); // there is nobody left to tell
            error.class.code()
        }
    }
}

/// Shows what clap has to say: help and the version are data, everything else is an error.
fn show(error: &clap::Error, mut env: Env) -> u8 {
    if let clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion = error.kind() {
        drop(write!(env.stdout.io, "{}", error.render()).and_then(|()| env.stdout.io.flush())); // nobody left to tell
        return 0;
    }
    let is_help = error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    let text = match args::wants_json(&env.args, &env.vars) {
        true => Message::exit(&mistakes::explain(error)).render(),
        false if is_help => error.render().to_string(),
        false => mistakes::explain(error).to_string(),
    };
    drop(writeln!(env.stderr.io, "{}", text.trim_end())); // nobody left to tell
    Class::Usage.code()
}

fn start(cli: Cli, env: Env) -> u8 {
    if let Verb::Version(_) | Verb::Help(_) | Verb::Completion(_) | Verb::Gendocs(_) = &cli.command {
        return tell(cli, env);
    }
    let color = settings::color(cli.global.color, &env);
    let resolved = Settings::resolve(&cli.global, &env)
        .and_then(|settings| Ok((settings, PasswordSource::choose(&cli.global.password, &env)?)));
    let resolved = resolved.and_then(|(settings, source)| match (&cli.command, &source) {
        (Verb::Rcat(_), Some(PasswordSource::Fd(0))) => {
            Err(CliError::usage("rcat stores standard input, so the password can't come from it too")
                .hint("use another descriptor: `--password-fd 3 3<FILE`"))
        }
        _ => Ok((settings, source)),
    });
    let (log, flags) = (cli.global.log.log(&cli.global, &env), &cli.global);
    let printer = Printer::new(env.stdout, env.stderr, color, settings::verbosity(flags)).with_json(flags.json);
    let printer = printer.with_stats(flags.log.form(flags.progress), flags.log.figures_level(flags));
    let (printer, resolved) = match log {
        Ok(log) => (printer.with_log(log), resolved),
        Err(error) => (printer, Err(error)),
    };
    let (printer, must_transfer) = (Arc::new(printer), flags.log.error_on_no_transfer);
    let signals = Arc::new(Signals::default());
    let result = resolved.and_then(|(settings, source)| {
        if env.owns_process {
            take_process(&signals, &printer, settings.shaper.clone())?;
        }
        let answers = Answers::new(source, env.terminal, Arc::clone(&printer), Arc::clone(&signals));
        let stdin = env.stdin.io;
        dispatch(
            &Shell { settings, printer: Arc::clone(&printer), answers, signals, world: env.world, stdin },
            cli.command,
        )
    });
    finish(&printer, result.and_then(|()| transferred(&printer, must_transfer)))
}

/// `--error-on-no-transfer`
fn transferred(printer: &Printer, must: bool) -> Result<(), CliError> {
    if must && printer.transferred() == 0 {
        return Err(CliError::new(Class::NothingTransferred, "nothing was transferred"));
    }
    Ok(())
}

/// Verbs about the program itself: they work whatever state the configuration is in.
fn tell(cli: Cli, env: Env) -> u8 {
    let color = settings::color(cli.global.color, &env);
    let printer = Printer::new(env.stdout, env.stderr, color, settings::verbosity(&cli.global));
    let printer = printer.with_json(cli.global.json);
    let result = match &cli.command {
        Verb::Help(args) => commands::help::run(&printer, args, &env.vars),
        Verb::Completion(args) => commands::completion::run(&printer, &env.cwd, args),
        Verb::Gendocs(args) => commands::gendocs::run(&printer, &env.cwd, args),
        Verb::Version(args) => commands::version::run(&printer, args),
        _ => Ok(()),
    };
    finish(&printer, result)
}

fn take_process(signals: &Arc<Signals>, printer: &Arc<Printer>, limit: Option<Arc<Shaper>>) -> Result<(), CliError> {
    let error = |what: &str, error| CliError::new(Class::Failed, what).caused_by(error);
    signals::forbid_core_dumps().map_err(|e| error("cannot forbid core dumps", e))?;
    signals::watch(Arc::clone(signals), Arc::clone(printer), limit).map_err(|e| error("cannot handle signals", e))
}

/// Runs a verb.
pub(super) fn dispatch(shell: &Shell, verb: Verb) -> Result<(), CliError> {
    // What is wrong with the configuration is said before anything is done, but for the verbs that help to put it right.
    if !matches!(verb, Verb::Authorize(_) | Verb::Config(_) | Verb::Version(_)) {
        shell.settings.config.check()?;
    }
    moment::refuse(&verb, &shell.settings)?;
    match verb {
        Verb::Init(args) => commands::init::run(shell, &args),
        Verb::Copy(args) => commands::copy::run(shell, &args),
        Verb::Sync(args) => commands::sync::run(shell, &args),
        Verb::Move(args) => commands::move_::run(shell, &args),
        Verb::Copyto(args) => commands::copyto::run(shell, &args),
        Verb::Moveto(args) => commands::moveto::run(shell, &args),
        Verb::Mv(args) => commands::mv::run(shell, &args),
        Verb::Cp(args) => commands::cp::run(shell, &args),
        Verb::Mkdir(args) => commands::mkdir::run(shell, &args),
        Verb::Rmdir(args) => commands::rmdir::run(shell, &args),
        Verb::Rmdirs(args) => commands::rmdirs::run(shell, &args),
        Verb::Rm(args) => commands::rm::run(shell, &args),
        Verb::Delete(args) => commands::delete::run(shell, &args),
        Verb::Purge(args) => commands::purge::run(shell, &args),
        Verb::Touch(args) => commands::touch::run(shell, &args),
        Verb::Dedupe(args) => commands::dedupe::run(shell, &args),
        Verb::Ls(args) => commands::ls::run(shell, &args),
        Verb::Lsf(args) => commands::lsf::run(shell, &args),
        Verb::Lsl(args) => commands::lsl::run(shell, &args),
        Verb::Lsd(args) => commands::lsd::run(shell, &args),
        Verb::Lsjson(args) => commands::lsjson::run(shell, &args),
        Verb::Tree(args) => commands::tree::run(shell, &args),
        Verb::Find(args) => commands::find::run(shell, &args),
        Verb::Stat(args) => commands::stat::run(shell, &args),
        Verb::Size(args) => commands::size::run(shell, &args),
        Verb::Ncdu(args) => commands::ncdu::run(shell, &args),
        Verb::Du(args) => commands::du::run(shell, &args),
        Verb::Cat(args) => commands::cat::run(shell, &args),
        Verb::Rcat(args) => commands::rcat::run(shell, &args),
        Verb::Check(args) => commands::check::run(shell, &args),
        Verb::Hashsum(args) => commands::hashsum::run(shell, &args),
        Verb::Md5sum(args) => commands::hashsum::run_with(shell, SumKind::Md5, &args),
        Verb::Sha1sum(args) => commands::hashsum::run_with(shell, SumKind::Sha1, &args),
        Verb::Sha256sum(args) => commands::hashsum::run_with(shell, SumKind::Sha256, &args),
        Verb::About(args) => commands::about::run(shell, &args),
        Verb::Verify(args) => commands::verify::run(shell, &args),
        Verb::Repair(args) => commands::repair::run(shell, &args),
        Verb::Rescue(args) => commands::rescue::run(shell, &args),
        Verb::Recovery(args) => commands::recovery::run(shell, &args),
        Verb::Doctor(args) => commands::doctor::run(shell, &args),
        Verb::Replicate(args) => commands::replicate::run(shell, &args),
        Verb::Cleanup(args) => commands::cleanup::run(shell, &args),
        Verb::Remote(args) => commands::remote::run(shell, &args),
        Verb::Log(args) => commands::log::run(shell, &args),
        Verb::Diff(args) => commands::diff::run(shell, &args),
        Verb::Leaks(args) => commands::leaks::run(shell, &args),
        Verb::Restore(args) => commands::restore::run(shell, &args),
        Verb::Undo(args) => commands::undo::run(shell, &args),
        Verb::Status(args) => commands::status::run(shell, &args),
        Verb::Policy(args) => commands::policy::run(shell, &args),
        Verb::Forget(args) => commands::forget::run(shell, &args),
        Verb::Pin(args) => commands::names::pin(shell, &args),
        Verb::Unpin(args) => commands::names::unpin(shell, &args),
        Verb::Tag(args) => commands::names::tag(shell, &args),
        Verb::Key(args) => commands::key::run(shell, &args),
        Verb::Device(args) => commands::device::run(shell, &args),
        Verb::Adopt(args) => commands::adopt::run(shell, &args),
        Verb::Gc(args) => commands::gc::run(shell, &args),
        Verb::Writer(args) => commands::writer::run(shell, &args),
        Verb::Conflicts(args) => commands::conflicts::run(shell, &args),
        Verb::Authorize(args) => commands::config::authorize(shell, &args),
        Verb::Config(args) => commands::config::run(shell, &args),
        Verb::Listremotes(args) => commands::listremotes::run(shell, &args),
        Verb::Version(_) | Verb::Help(_) | Verb::Completion(_) | Verb::Gendocs(_) => Ok(()), // `start` has seen to them
    }
}

/// Whoever stops reading our output has what they wanted: that is no failure.
fn finish(printer: &Printer, result: Result<(), CliError>) -> u8 {
    let result = result.and_then(|()| Ok(printer.flush()?));
    match result {
        Ok(()) => 0,
        Err(_) if printer.is_broken() => 0,
        Err(error) => {
            printer.error(&error);
            error.class.code()
        }
    }
}
