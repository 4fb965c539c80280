//! Listens to the engine: counts, tells, and shows progress from a thread of its own. Never touches stdout.
//!
//! Events only count and remember; the thread draws ten times a second on a terminal, or writes a line at each
//! `--stats` interval elsewhere. Dropping the [`Progress`] clears what was drawn.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::messages::Message;
use super::printer::{Printer, Verbosity};
use super::status_line::Snapshot;
use crate::event::{Action, Event, Observer};
use crate::path::TreePath;
use crate::units::ByteSize;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProgressMode {
    /// Not at all.
    Off,
    /// A block that is redrawn on the terminal.
    Live,
    /// A line at each interval.
    Lines(Duration),
}

/// The observer of one run.
pub(crate) struct Progress {
    state: Arc<State>,
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Begins to show progress.
    pub(crate) fn start(printer: &Arc<Printer>, mode: ProgressMode) -> Self {
        let state = Arc::new(State {
            printer: Arc::clone(printer),
            started: Instant::now(),
            counters: Counters::default(),
            current: Mutex::new(Vec::new()),
        });
        let ticker = match mode {
            ProgressMode::Off => None,
            ProgressMode::Live => Some(Display::Live(Live::new(printer)).spawn(Arc::clone(&state), REDRAW)),
            ProgressMode::Lines(interval) => Some(Display::Lines.spawn(Arc::clone(&state), interval)),
        };
        Self { state, ticker }
    }

    /// How long it has been.
    pub(crate) fn elapsed(&self) -> Duration {
        self.state.started.elapsed()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.ticker.take() {
            drop(stop);
            drop(thread.join()); // a display that failed is no reason to fail
        }
    }
}

impl Observer for Progress {
    fn event(&self, event: Event<'_>) {
        let (counters, printer) = (&self.state.counters, &self.state.printer);
        match event {
            Event::Planned { files, bytes, checked, .. } => {
                counters.checked.store(checked, Ordering::Relaxed);
                counters.files_total.store(files, Ordering::Relaxed);
                counters.bytes_total.store(bytes, Ordering::Relaxed);
                counters.planned.store(true, Ordering::Release);
            }
            Event::Checked(entries) => counters.checked.store(entries, Ordering::Relaxed),
            Event::Started { path, size } => self.state.current().push((path.clone(), size)),
            Event::Progress(bytes) => add(&counters.bytes, bytes),
            Event::Sent(bytes) => add(&counters.sent, bytes),
            Event::Done { path, action, size } => {
                self.state.forget(path);
                if matches!(action, Action::Copy | Action::Replace) {
                    add(&counters.files, 1);
                }
                if printer.is_json() {
                    printer.message(Verbosity::Verbose, &Message::entry("verbose_status", path, done(action), size));
                } else {
                    printer.detail(format_args!("{}: {}", done(action), with_size(path, action, size)));
                }
            }
            Event::Would { path, action, size } => {
                if printer.is_json() {
                    printer.message(Verbosity::Normal, &Message::entry("would", path, would(action), size));
                } else {
                    printer.note(format_args!("would {}: {}", would(action), with_size(path, action, size)));
                }
            }
            Event::Failed { path, reason } => {
                self.state.forget(path);
                add(&counters.failed, 1);
                if printer.is_json() {
                    printer.message(Verbosity::Quiet, &Message::failed(path, reason));
                } else {
                    let reason = crate::path::printable(reason.as_bytes());
                    printer.complain(format_args!("error: {}: {reason}", shown(path)));
                }
            }
            Event::Notice(text) if printer.is_json() => printer.note(format_args!("{text}")),
            Event::Notice(text) => printer.note(format_args!("note: {}", crate::path::printable(text.as_bytes()))),
            Event::Info(text) => printer.detail(format_args!("{}", crate::path::printable(text.as_bytes()))),
        }
    }
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

fn done(action: Action) -> &'static str {
    match action {
        Action::Copy => "copied",
        Action::Replace => "replaced",
        Action::UpdateMeta => "updated",
        Action::MakeDir => "made directory",
        Action::Delete => "deleted",
        Action::Move => "moved",
    }
}

fn would(action: Action) -> &'static str {
    match action {
        Action::Copy => "copy",
        Action::Replace => "replace",
        Action::UpdateMeta => "update",
        Action::MakeDir => "make directory",
        Action::Delete => "delete",
        Action::Move => "move",
    }
}

fn with_size(path: &TreePath, action: Action, size: u64) -> String {
    match action {
        Action::Copy | Action::Replace => format!("{} ({})", shown(path), ByteSize(size)),
        _ => shown(path),
    }
}

fn shown(path: &TreePath) -> String {
    if path.is_root() { "/".to_owned() } else { path.to_string() }
}

struct State {
    printer: Arc<Printer>,
    started: Instant,
    counters: Counters,
    current: Mutex<Vec<(TreePath, u64)>>,
}

#[derive(Default)]
struct Counters {
    planned: AtomicBool,
    files_total: AtomicU64,
    bytes_total: AtomicU64,
    checked: AtomicU64,
    files: AtomicU64,
    bytes: AtomicU64,
    sent: AtomicU64,
    failed: AtomicU64,
}

impl State {
    fn current(&self) -> MutexGuard<'_, Vec<(TreePath, u64)>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, path: &TreePath) {
        let mut current = self.current();
        if let Some(at) = current.iter().position(|(other, _)| other == path) {
            current.remove(at);
        }
    }

    fn snapshot(&self, speed: f64) -> Snapshot {
        let counters = &self.counters;
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let planned = counters.planned.load(Ordering::Acquire);
        Snapshot {
            planned: planned.then(|| (get(&counters.files_total), get(&counters.bytes_total))),
            checked: get(&counters.checked),
            files: get(&counters.files),
            bytes: get(&counters.bytes),
            sent: get(&counters.sent),
            failed: get(&counters.failed),
            speed,
        }
    }
}

enum Display {
    Live(Live),
    Lines,
}

impl Display {
    fn spawn(mut self, state: Arc<State>, interval: Duration) -> (Sender<()>, JoinHandle<()>) {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut meter = Meter::default();
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(interval) {
                let speed = meter.sample(state.counters.bytes.load(Ordering::Relaxed), interval);
                self.show(&state, &state.snapshot(speed));
            }
            self.clear(&state.printer);
        });
        (stop, thread)
    }

    fn show(&mut self, state: &State, snapshot: &Snapshot) {
        match self {
            Self::Live(live) => {
                let oldest = |(path, size): &(TreePath, u64)| format!("  {} ({})", shown(path), ByteSize(*size));
                let current: Vec<String> = state.current().iter().take(CURRENT_MAX).map(oldest).collect();
                live.draw(snapshot, &current);
            }
            Self::Lines if state.printer.is_json() => {
                state.printer.message(Verbosity::Normal, &Message::status(snapshot, state.started.elapsed()));
            }
            Self::Lines => state.printer.note(format_args!("{}", snapshot.line())),
        }
    }

    fn clear(&self, printer: &Printer) {
        if let Self::Live(live) = self {
            live.lines.iter().for_each(ProgressBar::finish_and_clear);
            drop(printer.bars().clear()); // a terminal that is gone needs no clearing
            printer.bars().set_draw_target(ProgressDrawTarget::hidden());
        }
    }
}

/// The block on the terminal: how far it is, and up to four of the files on their way. It grows and does not shrink.
struct Live {
    bars: MultiProgress,
    lines: Vec<ProgressBar>,
}

impl Live {
    fn new(printer: &Printer) -> Self {
        printer.bars().set_draw_target(ProgressDrawTarget::stderr());
        Self { bars: printer.bars().clone(), lines: Vec::new() }
    }

    fn draw(&mut self, snapshot: &Snapshot, current: &[String]) {
        let style = ProgressStyle::with_template("{wide_msg}").expect("the template is a constant that parses");
        while self.lines.len() <= current.len() {
            self.lines.push(self.bars.add(ProgressBar::new_spinner().with_style(style.clone())));
        }
        let files = current.iter().cloned().chain(std::iter::repeat(String::new()));
        for (line, text) in self.lines.iter().zip(std::iter::once(snapshot.line()).chain(files)) {
            line.set_message(text);
            line.tick();
        }
    }
}

/// Bytes per second, smoothed over some seconds.
#[derive(Default)]
struct Meter {
    bytes: u64,
    speed: Option<f64>,
}

impl Meter {
    fn sample(&mut self, bytes: u64, interval: Duration) -> f64 {
        let now = bytes.saturating_sub(self.bytes) as f64 / interval.as_secs_f64().max(1e-3);
        self.bytes = bytes;
        let weight = (interval.as_secs_f64() / SMOOTHING_SECS).min(1.0);
        let speed = self.speed.map_or(now, |before| before + (now - before) * weight);
        *self.speed.insert(speed)
    }
}

const CURRENT_MAX: usize = 4;
const REDRAW: Duration = Duration::from_millis(100);
const SMOOTHING_SECS: f64 = 5.0;
