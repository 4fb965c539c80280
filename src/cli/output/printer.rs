//! The two streams: data to stdout, talk to stderr or a log. Nothing else in the program prints.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufWriter, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::CliError;
use super::log::{Log, Record};
use super::messages::Message;
use super::screen::{Block, Shared};
use super::stats::StatsForm;
use super::table::{Align, fitted};
use super::width;
use crate::class::Class;
use crate::cli::env::Stream;
use crate::path::{TreePath, printable};

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// `--log-level OFF`: nothing; only the exit code tells.
    Silent,
    /// `-q`: errors only. rclone's ERROR.
    Quiet,
    /// rclone's NOTICE.
    Normal,
    /// `-v`: a line for each file. rclone's INFO.
    Verbose,
    /// `-vv`
    Debug,
}

/// All output of the program.
pub(crate) struct Printer {
    out: Mutex<Out>,
    out_is_terminal: bool,
    err: Mutex<Talk>,
    err_is_terminal: bool,
    color: bool,
    verbosity: Verbosity,
    json: bool,
    log: Option<Log>,
    stats: StatsForm,
    stats_level: Verbosity,
    transferred: AtomicU64,
}

struct Out {
    stream: BufWriter<Box<dyn Write + Send>>,
    broken: bool,
}

struct Talk {
    stream: Shared,
    block: Block,
}

impl Talk {
    fn new(err: Stream<Box<dyn Write + Send>>) -> Self {
        let stream: Shared = Arc::new(Mutex::new(err.io));
        Self { block: Block::new(&stream, err.is_terminal, width::of_stderr), stream }
    }

    fn write(&self, text: &str) {
        let mut stream = lock(&self.stream);
        drop(stream.write_all(text.as_bytes()).and_then(|()| stream.flush())); // nobody left to tell
    }
}

/// What was done to an entry, would be done, or could not be.
pub(crate) struct Told<'a> {
    pub(crate) path: &'a TreePath,
    pub(crate) size: Option<u64>,
    /// For people.
    pub(crate) sentence: String,
    /// For a log, after the name.
    pub(crate) record: String,
    /// For programs.
    pub(crate) message: Message<'a>,
}

impl Printer {
    pub(crate) fn new(
        out: Stream<Box<dyn Write + Send>>,
        err: Stream<Box<dyn Write + Send>>,
        color: bool,
        verbosity: Verbosity,
    ) -> Self {
        Self {
            out_is_terminal: out.is_terminal,
            out: Mutex::new(Out { stream: BufWriter::with_capacity(OUT_BUFFER, out.io), broken: false }),
            err_is_terminal: err.is_terminal,
            err: Mutex::new(Talk::new(err)),
            color,
            verbosity,
            json: false,
            log: None,
            stats: StatsForm::default(),
            stats_level: Verbosity::Normal,
            transferred: AtomicU64::new(0),
        }
    }

    /// The same printer, writing JSON if `json`.
    #[must_use]
    pub(crate) fn with_json(self, json: bool) -> Self {
        Self { json, ..self }
    }

    /// The same printer, whose talk goes to a log.
    #[must_use]
    pub(crate) fn with_log(self, log: Log) -> Self {
        Self { log: Some(log), ..self }
    }

    /// The same printer, showing figures in this form and from this level on.
    #[must_use]
    pub(crate) fn with_stats(self, stats: StatsForm, stats_level: Verbosity) -> Self {
        Self { stats, stats_level, ..self }
    }

    /// Whether everything is written as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether stdout goes to a person.
    pub(crate) fn out_is_terminal(&self) -> bool {
        self.out_is_terminal
    }

    /// One line of data.
    pub(crate) fn data(&self, text: &str) -> io::Result<()> {
        self.record(text.as_bytes(), b"\n")
    }

    /// Rows of data in columns; for a person as wide as the window.
    pub(crate) fn table<const N: usize>(&self, align: [Align; N], rows: &[[String; N]]) -> io::Result<()> {
        let columns = self.out_is_terminal.then(width::of_stdout);
        fitted(align, rows, columns).iter().try_for_each(|line| self.data(line))
    }

    /// One line of a table; for a person as wide as the window.
    pub(crate) fn row(&self, text: &str) -> io::Result<()> {
        if self.out_is_terminal { self.data(&width::cut(text, width::of_stdout())) } else { self.data(text) }
    }

    /// One record of data: bytes and what ends them. On a terminal it shows at once.
    pub(crate) fn record(&self, bytes: &[u8], end: &[u8]) -> io::Result<()> {
        let mut writer = self.raw();
        writer.write_all(bytes)?;
        writer.write_all(end)?;
        if self.out_is_terminal { writer.flush() } else { Ok(()) }
    }

    /// Stdout as a stream of bytes, for `cat`.
    pub(crate) fn raw(&self) -> DataWriter<'_> {
        DataWriter(lock(&self.out))
    }

    /// A name as stdout takes it: as it is for a pipe, escaped for a person.
    pub(crate) fn name<'a>(&self, name: &'a [u8]) -> Cow<'a, [u8]> {
        if self.out_is_terminal { Cow::Owned(printable(name).into_bytes()) } else { Cow::Borrowed(name) }
    }

    pub(crate) fn flush(&self) -> io::Result<()> {
        self.raw().flush()
    }

    /// Whether whoever reads stdout has gone away, like `head` does when it has enough.
    pub(crate) fn is_broken(&self) -> bool {
        lock(&self.out).broken
    }

    /// Whether something of this level is said at all.
    pub(crate) fn says(&self, level: Verbosity) -> bool {
        self.verbosity >= level
    }

    /// Says something unless `-q`.
    pub(crate) fn note(&self, text: fmt::Arguments<'_>) {
        self.say(Verbosity::Normal, "note", text);
    }

    /// Says something with `-v`.
    pub(crate) fn detail(&self, text: fmt::Arguments<'_>) {
        self.say(Verbosity::Verbose, "detail", text);
    }

    /// Says something in any case: what `-q` leaves.
    pub(crate) fn complain(&self, text: fmt::Arguments<'_>) {
        self.say(Verbosity::Quiet, "error", text);
    }

    /// Says something that programs are to understand, if it is said at this level at all.
    pub(crate) fn message(&self, level: Verbosity, message: &Message<'_>) {
        if self.says(level) {
            self.put(level, &message.render());
        }
    }

    /// Says what became of an entry, in the words of whoever listens.
    pub(crate) fn told(&self, level: Verbosity, told: &Told<'_>) {
        if !self.says(level) {
            return;
        }
        match self.records() {
            Some(log) => {
                let object = told.path.to_string();
                let record = Record::new(level, &told.record);
                self.put(level, &log.render(&Record { object: Some(&object), size: told.size, ..record }));
            }
            None if self.json => self.put(level, &told.message.render()),
            None => self.put(level, &told.sentence),
        }
    }

    /// Writes a record, where talk has that form.
    pub(super) fn record_of(&self, record: &Record<'_>) {
        if let Some(log) = self.records().filter(|_| self.says(record.level)) {
            self.put(record.level, &log.render(record));
        }
    }

    fn say(&self, level: Verbosity, kind: &str, text: fmt::Arguments<'_>) {
        if !self.says(level) {
            return;
        }
        let text = text.to_string();
        match self.records() {
            Some(log) => self.put(level, &log.render(&Record::new(level, label_off(&text)))),
            None if self.json => self.put(level, &Message::text(kind, &text).render()),
            None => self.put(level, &text),
        }
    }

    /// Shows the error that ends the run.
    pub(crate) fn error(&self, error: &CliError) {
        drop(self.flush()); // a failure to write data is what is being shown, or is about to be
        if self.verbosity == Verbosity::Silent {
            return;
        }
        // A run that did what it should is no error, whatever it has found.
        let level = if error.class == Class::Conflicts { Verbosity::Normal } else { Verbosity::Quiet };
        match self.records() {
            Some(log) => {
                let text = printable(error.chain.join(": ").as_bytes());
                let record = Record::new(level, &text);
                self.put(
                    level,
                    &log.render(&Record { code: Some(error.class.code()), hint: error.advice(), ..record }),
                );
            }
            None if self.json => self.put(level, &Message::exit(error).render()),
            None => self.put(level, &error.render(self.color)),
        }
        if self.err_is_terminal && self.logs_elsewhere() {
            self.talk(&error.render(self.color)); // whoever sits there should not have to look for a file
        }
    }

    /// Hides what is drawn while `f` talks to a person. Whoever else has something to say waits.
    pub(crate) fn suspend<T>(&self, f: impl FnOnce() -> T) -> T {
        lock(&self.err).block.suspend(f)
    }

    /// Draws lines at the bottom of the terminal, in place of those drawn before.
    pub(super) fn draw(&self, lines: &[String]) {
        lock(&self.err).block.draw(lines);
    }

    /// Takes away what is drawn.
    pub(super) fn clear(&self) {
        lock(&self.err).block.clear();
    }

    /// Gives the terminal's window a title.
    pub(super) fn title(&self, title: &str) {
        lock(&self.err).write(&format!("\x1b]0;{title}\x07"));
    }

    /// In which form figures are shown.
    pub(super) fn stats(&self) -> (StatsForm, Verbosity) {
        (self.stats, self.stats_level)
    }

    /// Whether what is logged is not seen at the terminal.
    pub(super) fn logs_elsewhere(&self) -> bool {
        self.log.as_ref().is_some_and(Log::is_elsewhere)
    }

    /// Whether talk has the form of records.
    pub(super) fn has_records(&self) -> bool {
        self.records().is_some()
    }

    /// The date and time as the one-line figures have it.
    pub(super) fn date(&self) -> String {
        self.log.as_ref().map(|log| log.now().strftime("%Y/%m/%d %H:%M:%S - ").to_string()).unwrap_or_default()
    }

    /// Counts a file that was transferred.
    pub(super) fn count_transfer(&self) {
        self.transferred.fetch_add(1, Ordering::Relaxed);
    }

    /// How many files were transferred.
    pub(crate) fn transferred(&self) -> u64 {
        self.transferred.load(Ordering::Relaxed)
    }

    fn records(&self) -> Option<&Log> {
        self.log.as_ref().filter(|log| log.has_records())
    }

    fn put(&self, level: Verbosity, line: &str) {
        if !self.log.as_ref().is_some_and(|log| log.write(level, line)) {
            self.talk(line);
        }
    }

    fn talk(&self, text: &str) {
        let err = lock(&self.err);
        err.block.suspend(|| err.write(&format!("{text}\n")));
    }
}

/// A record has a level already.
fn label_off(text: &str) -> &str {
    ["error: ", "note: "].iter().find_map(|label| text.strip_prefix(label)).unwrap_or(text)
}

/// Writes data and remembers whether the reader has gone away.
pub(crate) struct DataWriter<'a>(MutexGuard<'a, Out>);

impl DataWriter<'_> {
    fn noting<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            self.0.broken |= error.kind() == io::ErrorKind::BrokenPipe;
        }
        result
    }
}

impl Write for DataWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.0.stream.write(bytes);
        self.noting(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.0.stream.flush();
        self.noting(result)
    }
}

/// A panic while printing leaves nothing half done that matters.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const OUT_BUFFER: usize = 64 * 1024;
