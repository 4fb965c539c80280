//! The person at the terminal, or what stands in for one.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use super::env::Terminal;
use super::output::{CliError, Printer};
use super::password::PasswordSource;
use super::signals::Signals;
use crate::class::Class;
use crate::ops::Person;
use crate::path::printable;

/// Answers the engine's questions.
pub(super) struct Answers {
    source: Option<PasswordSource>,
    terminal: Option<Arc<dyn Terminal>>,
    printer: Arc<Printer>,
    signals: Arc<Signals>,
    /// What the source gave: a file descriptor can be read only once.
    given: Mutex<Option<Zeroizing<String>>>,
    failure: Mutex<Option<CliError>>,
}

impl Answers {
    pub(super) fn new(
        source: Option<PasswordSource>,
        terminal: Option<Arc<dyn Terminal>>,
        printer: Arc<Printer>,
        signals: Arc<Signals>,
    ) -> Self {
        Self { source, terminal, printer, signals, given: Mutex::default(), failure: Mutex::default() }
    }

    /// Whether there is somebody to ask.
    pub(super) fn is_attended(&self) -> bool {
        self.terminal.is_some()
    }

    /// Shows text on the terminal and nowhere else. Nothing happens without one.
    pub(super) fn show(&self, text: &str) -> io::Result<()> {
        self.terminal.as_ref().map_or(Ok(()), |terminal| self.printer.suspend(|| terminal.show(text)))
    }

    /// Why an answer could not be given, with its class and hint, which do not fit through [`Person`].
    pub(super) fn take_failure(&self) -> Option<CliError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn sourced(&self, source: &PasswordSource, new: bool) -> Result<Zeroizing<String>, CliError> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(password) = &*given {
            return Ok(password.clone());
        }
        let password = source.read(new)?;
        *given = Some(password.clone());
        Ok(password)
    }

    fn typed(&self, vault: &str, new: bool) -> Result<Zeroizing<String>, CliError> {
        let Some(terminal) = &self.terminal else { return Err(no_password(vault)) };
        let ask = |prompt: String| {
            let answer = self.signals.while_prompting(|| self.printer.suspend(|| terminal.secret(&prompt)));
            answer.map_err(|error| match error.kind() {
                io::ErrorKind::Interrupted => {
                    CliError::new(Class::Interrupted, "stopped while asking for the password")
                }
                _ => CliError::usage("no password was typed").caused_by(error),
            })
        };
        let vault = printable(vault.as_bytes());
        for _ in 0..TRIES {
            let password =
                ask(if new { format!("New password for {vault}: ") } else { format!("Password for {vault}: ") })?;
            if password.is_empty() {
                self.printer.complain(format_args!("The password can't be empty."));
            } else if new && *password != *ask("The same again: ".to_owned())? {
                self.printer.complain(format_args!("The two are not the same."));
            } else {
                return Ok(password);
            }
        }
        Err(CliError::usage("no usable password was typed"))
    }

    fn answer(&self, vault: &str, new: bool) -> io::Result<Zeroizing<String>> {
        let answer = match &self.source {
            Some(source) => self.sourced(source, new),
            None => self.typed(vault, new),
        };
        answer.map_err(|error| {
            let told = io::Error::other(error.chain.join(": "));
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            told
        })
    }
}

impl Person for Answers {
    fn password(&self, vault: &str) -> io::Result<Zeroizing<String>> {
        self.answer(vault, false)
    }

    fn new_password(&self, vault: &str) -> io::Result<Zeroizing<String>> {
        let password = self.answer(vault, true)?;
        if password.chars().count() < SHORT {
            let warning = "warning: this password is shorter than 8 characters and may be guessed";
            self.printer.note(format_args!("{warning}"));
        }
        Ok(password)
    }

    fn confirm(&self, question: &str) -> Option<bool> {
        let terminal = self.terminal.as_ref()?;
        let prompt = format!("{} [y/N] ", printable(question.as_bytes()));
        let line = self.signals.while_prompting(|| self.printer.suspend(|| terminal.line(&prompt)));
        Some(line.is_ok_and(|line| matches!(line.trim().to_lowercase().as_str(), "y" | "yes")))
    }
}

fn no_password(vault: &str) -> CliError {
    CliError::usage(format!("a password for {vault} is needed, and there is no terminal to ask at"))
        .hint("give it by --password-file, --password-command, --password-fd or the variable CRYPTSYNC_PASSWORD")
}

const TRIES: usize = 3;
const SHORT: usize = 8;
