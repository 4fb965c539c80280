//! Ctrl-C: the first press asks everybody to stop, the second ends the process at once. SIGTERM counts as Ctrl-C, and
//! SIGUSR2 lifts `--bwlimit` or puts it back.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};

use super::output::Printer;
use crate::class::Class;
use crate::ops::{Cancel, Shaper};

/// What a signal means at the moment.
#[derive(Debug, Default)]
pub(super) struct Signals {
    pub(super) cancel: Cancel,
    /// A person is being asked: there is nothing to finish first.
    prompting: AtomicBool,
    /// The other screen of the terminal is shown: words would only spoil it.
    other_screen: AtomicBool,
}

impl Signals {
    /// Runs `ask`; a signal meanwhile ends the process at once.
    pub(super) fn while_prompting<T>(&self, ask: impl FnOnce() -> T) -> T {
        self.prompting.store(true, Ordering::SeqCst);
        let answer = ask();
        self.prompting.store(false, Ordering::SeqCst);
        answer
    }

    /// From now on the other screen of the terminal is shown, or it is not any more.
    pub(super) fn shows_other_screen(&self, shown: bool) {
        self.other_screen.store(shown, Ordering::SeqCst);
    }

    fn arrived(&self, printer: &Printer, terminal: Option<&Saved>) {
        let other_screen = self.other_screen.load(Ordering::SeqCst);
        if self.prompting.load(Ordering::SeqCst) || self.cancel.is_cancelled() {
            quit(terminal, other_screen);
        }
        self.cancel.cancel();
        if other_screen {
            return;
        }
        printer.complain(format_args!("stopping, press again to quit at once"));
    }
}

/// Handles signals on a thread of its own until the process ends.
pub(super) fn watch(signals: Arc<Signals>, printer: Arc<Printer>, limit: Option<Arc<Shaper>>) -> io::Result<()> {
    let terminal = Saved::current();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut toggle = signal(SignalKind::user_defined2())?;
    drop(_entered);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = toggle.recv() => {
                        toggled(limit.as_deref(), &printer, signals.prompting.load(Ordering::SeqCst));
                        continue;
                    }
                }
                signals.arrived(&printer, terminal.as_ref());
            }
        });
    })?;
    Ok(())
}

/// Without a limit there is nothing to lift, and no reason to end either.
/// Who is being asked something is not told, because that would wait, and the next signal with it.
fn toggled(limit: Option<&Shaper>, printer: &Printer, prompting: bool) {
    let Some(limit) = limit else { return };
    let now = if limit.toggle() { "holds again" } else { "is lifted" };
    if !prompting {
        printer.note(format_args!("the limit of --bwlimit {now}"));
    }
}

/// No core dumps: they would hold keys.
pub(super) fn forbid_core_dumps() -> io::Result<()> {
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}

/// The terminal as it was, to be restored if a prompt is cut short.
struct Saved(File, Termios);

impl Saved {
    fn current() -> Option<Self> {
        let tty = File::open("/dev/tty").ok()?;
        let modes = tcgetattr(&tty).ok()?;
        Some(Self(tty, modes))
    }
}

fn quit(terminal: Option<&Saved>, other_screen: bool) -> ! {
    if let Some(Saved(tty, modes)) = terminal {
        let restored = tcsetattr(tty, OptionalActions::Now, modes);
        let leave: &[u8] = if other_screen { LEAVE_SCREEN } else { b"" };
        let text = [leave, SHOW_CURSOR].concat();
        drop(restored.map_err(io::Error::from).and_then(|()| io::stderr().write_all(&text))); // nothing more to do
    }
    #[expect(clippy::exit, reason = "the person has asked twice; threads may hold any lock by now")]
    std::process::exit(i32::from(Class::Interrupted.code()))
}

const LEAVE_SCREEN: &[u8] = b"\x1b[?1049l";
const SHOW_CURSOR: &[u8] = b"\x1b[?25h\n";
