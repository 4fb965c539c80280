//! The two streams: data to stdout, talk to stderr. Nothing else in the program prints.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufWriter, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{MultiProgress, ProgressDrawTarget};

use super::error::CliError;
use super::messages::Message;
use crate::cli::env::Stream;
use crate::path::printable;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// `-q`: errors only.
    Quiet,
    Normal,
    /// `-v`: a line for each file.
    Verbose,
    /// `-vv`
    Debug,
}

/// All output of the program.
pub(crate) struct Printer {
    out: Mutex<Out>,
    out_is_terminal: bool,
    err: Mutex<Box<dyn Write + Send>>,
    bars: MultiProgress,
    color: bool,
    verbosity: Verbosity,
    json: bool,
}

struct Out {
    stream: BufWriter<Box<dyn Write + Send>>,
    broken: bool,
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
            err: Mutex::new(err.io),
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
            color,
            verbosity,
            json: false,
        }
    }

    /// The same printer, writing JSON if `json`.
    #[must_use]
    pub(crate) fn with_json(self, json: bool) -> Self {
        Self { json, ..self }
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

    /// Says something unless `-q`.
    pub(crate) fn note(&self, text: fmt::Arguments<'_>) {
        if self.verbosity >= Verbosity::Normal {
            self.say("note", text);
        }
    }

    /// Says something with `-v`.
    pub(crate) fn detail(&self, text: fmt::Arguments<'_>) {
        if self.verbosity >= Verbosity::Verbose {
            self.say("detail", text);
        }
    }

    /// Says something in any case: what `-q` leaves.
    pub(crate) fn complain(&self, text: fmt::Arguments<'_>) {
        self.say("error", text);
    }

    /// Says something that programs are to understand, if it is said at this level at all.
    pub(crate) fn message(&self, least: Verbosity, message: &Message<'_>) {
        if self.verbosity >= least {
            self.talk(&message.render());
        }
    }

    fn say(&self, kind: &str, text: fmt::Arguments<'_>) {
        let text = text.to_string();
        if self.json { self.talk(&Message::text(kind, &text).render()) } else { self.talk(&text) }
    }

    /// Shows the error that ends the run.
    pub(crate) fn error(&self, error: &CliError) {
        drop(self.flush()); // a failure to write data is what is being shown, or is about to be
        self.talk(&if self.json { Message::exit(error).render() } else { error.render(self.color) });
    }

    /// Hides the bars while `f` talks to a person.
    pub(crate) fn suspend<T>(&self, f: impl FnOnce() -> T) -> T {
        self.bars.suspend(f)
    }

    /// Where bars are drawn.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    fn talk(&self, text: &str) {
        self.bars.suspend(|| {
            let mut err = lock(&self.err);
            drop(writeln!(err, "{text}").and_then(|()| err.flush())); // there is nobody left to tell
        });
    }
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
