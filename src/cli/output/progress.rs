//! Listens to the engine: counts, tells, and shows progress from a thread of its own. Never touches stdout.
//!
//! Events only count and remember; the thread draws twice a second on a terminal, and writes figures at each `--stats`
//! interval elsewhere. Dropping the [`Progress`] clears what was drawn.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::log::Record;
use super::messages::Message;
use super::printer::{Printer, Told, Verbosity};
use super::stats;
use super::status_line::Snapshot;
use super::width::shortened;
use crate::event::{Action, Event, Observer};
use crate::path::{TreePath, printable};
use crate::units::ByteSize;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProgressMode {
    /// Not at all.
    Off,
    /// A block that is redrawn on the terminal; a log that goes elsewhere gets figures at each interval.
    Live(Duration),
    /// Figures at each interval.
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
        let display = match mode {
            ProgressMode::Off => None,
            ProgressMode::Live(interval) => {
                Some(Display { live: true, lines: printer.logs_elsewhere().then_some(interval) })
            }
            ProgressMode::Lines(interval) => Some(Display { live: false, lines: Some(interval) }),
        };
        Self { ticker: display.map(|display| display.spawn(Arc::clone(&state))), state }
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
                self.state.count(action);
                let Words { done, recorded, .. } = words(action);
                self.state.tell(Verbosity::Verbose, path, size_of(action, size), || {
                    let message = Message::entry("verbose_status", path, done, size);
                    (format!("{done}: {}", with_size(path, action, size)), recorded.to_owned(), message)
                });
            }
            Event::Would { path, action, size } => {
                let Words { would, skipped, .. } = words(action);
                self.state.tell(Verbosity::Normal, path, size_of(action, size), || {
                    let size_told = size_of(action, size).map(|size| format!(" (size {size})")).unwrap_or_default();
                    let record = format!("Skipped {skipped} as --dry-run is set{size_told}");
                    let message = Message::entry("would", path, would, size);
                    (format!("would {would}: {}", with_size(path, action, size)), record, message)
                });
            }
            Event::Failed { path, reason } => {
                self.state.forget(path);
                add(&counters.failed, 1);
                self.state.tell(Verbosity::Quiet, path, None, || {
                    let told = printable(reason.as_bytes());
                    (format!("error: {}: {told}", shown(path)), told, Message::failed(path, reason))
                });
            }
            Event::Notice(text) if printer.is_json() => printer.note(format_args!("{text}")),
            Event::Notice(text) => printer.note(format_args!("note: {}", printable(text.as_bytes()))),
            Event::Info(text) => printer.detail(format_args!("{}", printable(text.as_bytes()))),
        }
    }
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

/// How what is done to an entry is told.
struct Words {
    /// To people, when it is done.
    done: &'static str,
    /// To people, when it would be done.
    would: &'static str,
    /// In a log, when it is done; rclone's words.
    recorded: &'static str,
    /// In a log, when it is left out; rclone's words.
    skipped: &'static str,
}

fn words(action: Action) -> Words {
    let [done, would, recorded, skipped] = match action {
        Action::Copy => ["copied", "copy", "Copied (new)", "copy"],
        Action::Replace => ["replaced", "replace", "Copied (replaced existing)", "copy"],
        Action::UpdateMeta => {
            ["updated", "update", "Updated modification time in destination", "update modification time"]
        }
        Action::MakeDir => ["made directory", "make directory", "Made directory", "make directory"],
        Action::Delete => ["deleted", "delete", "Deleted", "delete"],
        Action::Move => ["moved", "move", "Moved", "move"],
    };
    Words { done, would, recorded, skipped }
}

fn size_of(action: Action, size: u64) -> Option<u64> {
    matches!(action, Action::Copy | Action::Replace).then_some(size)
}

fn with_size(path: &TreePath, action: Action, size: u64) -> String {
    match size_of(action, size) {
        Some(size) => format!("{} ({})", shown(path), ByteSize(size)),
        None => shown(path),
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
    deleted: AtomicU64,
    moved: AtomicU64,
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

    fn count(&self, action: Action) {
        match action {
            Action::Copy | Action::Replace => {
                add(&self.counters.files, 1);
                self.printer.count_transfer();
            }
            Action::Delete => add(&self.counters.deleted, 1),
            Action::Move => add(&self.counters.moved, 1),
            Action::UpdateMeta | Action::MakeDir => {}
        }
    }

    /// Says what became of an entry; the words are made only if somebody listens: a sentence, a record, a message.
    fn tell<'a>(
        &self,
        level: Verbosity,
        path: &'a TreePath,
        size: Option<u64>,
        words: impl FnOnce() -> (String, String, Message<'a>),
    ) {
        if self.printer.says(level) {
            let (sentence, record, message) = words();
            self.printer.told(level, &Told { path, size, sentence, record, message });
        }
    }

    /// The oldest of the files on their way.
    fn files(&self) -> Vec<(String, u64)> {
        self.current().iter().take(CURRENT_MAX).map(|(path, size)| (shown(path), *size)).collect()
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
            deleted: get(&counters.deleted),
            moved: get(&counters.moved),
            elapsed: self.started.elapsed(),
            failed: get(&counters.failed),
            speed,
        }
    }
}

struct Display {
    live: bool,
    /// How often figures are written.
    lines: Option<Duration>,
}

impl Display {
    fn spawn(self, state: Arc<State>) -> (Sender<()>, JoinHandle<()>) {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut meter = Meter::default();
            let wait = if self.live { REDRAW } else { self.lines.unwrap_or(REDRAW) };
            let mut written = Instant::now();
            let mut speed = 0.0;
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(wait) {
                speed = meter.sample(state.counters.bytes.load(Ordering::Relaxed), wait);
                if self.live {
                    draw(&state, &state.snapshot(speed));
                }
                if self.lines.is_some_and(|interval| !self.live || written.elapsed() >= interval) {
                    write(&state, &state.snapshot(speed));
                    written = Instant::now();
                }
            }
            if self.live {
                state.printer.clear();
                if state.printer.stats().0.title {
                    state.printer.title("");
                }
            }
            if self.lines.is_some() && state.printer.has_records() {
                write(&state, &state.snapshot(speed)); // how it ended
            }
        });
        (stop, thread)
    }
}

/// The block on the terminal.
fn draw(state: &State, snapshot: &Snapshot) {
    let (form, _) = state.printer.stats();
    let files = state.files();
    let lines = match form {
        _ if form.one_line => vec![form.line(snapshot).trim_start().to_owned()],
        _ if form.block => form.lines(snapshot, &files),
        _ => {
            let file =
                |(name, size): &(String, u64)| format!("  {} ({})", shortened(name, form.name_length), ByteSize(*size));
            std::iter::once(snapshot.line()).chain(files.iter().map(file)).collect()
        }
    };
    state.printer.draw(&lines);
    if form.title {
        state.printer.title(form.line(snapshot).trim_start());
    }
}

/// Figures for those who have no terminal to draw on.
fn write(state: &State, snapshot: &Snapshot) {
    let printer = &state.printer;
    let (form, level) = printer.stats();
    let files = state.files();
    let date = if form.date { printer.date() } else { String::new() };
    if printer.has_records() {
        let text = if form.one_line || form.date {
            format!("{date}{}", form.line(snapshot))
        } else {
            format!("\n{}\n", form.lines(snapshot, &files).join("\n"))
        };
        printer.record_of(&Record { stats: Some(stats::fields(snapshot, &files)), ..Record::new(level, &text) });
    } else if printer.is_json() {
        printer.message(Verbosity::Normal, &Message::status(snapshot, snapshot.elapsed));
    } else if printer.says(level) {
        let line = match form {
            _ if form.one_line || form.date => format!("{date}{}", form.line(snapshot).trim_start()),
            _ if form.block => form.lines(snapshot, &files).join("\n"),
            _ => snapshot.line(),
        };
        printer.complain(format_args!("{line}")); // the level was looked at
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
const REDRAW: Duration = Duration::from_millis(500);
const SMOOTHING_SECS: f64 = 5.0;
