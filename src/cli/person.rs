//! The person at the terminal, or what stands in for one.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use super::env::Terminal;
use super::output::{CliError, Printer};
use super::password::PasswordSource;
use super::signals::Signals;
use crate::class::Class;
use crate::ops::{Answer, Person};
use crate::path::printable;

/// Answers the engine's questions.
pub(super) struct Answers {
    source: Option<PasswordSource>,
    /// Where a password comes from that replaces or joins one that there is.
    other: Mutex<Option<PasswordSource>>,
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
        Self {
            source,
            other: Mutex::default(),
            terminal,
            printer,
            signals,
            given: Mutex::default(),
            failure: Mutex::default(),
        }
    }

    /// Names the source of a further password.
    pub(super) fn set_other(&self, source: PasswordSource) {
        *self.other.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
    }

    /// Whether there is somebody to ask.
    pub(super) fn is_attended(&self) -> bool {
        self.terminal.is_some()
    }

    /// Shows text on the terminal and nowhere else. Nothing happens without one.
    pub(super) fn show(&self, text: &str) -> io::Result<()> {
        self.terminal.as_ref().map_or(Ok(()), |terminal| self.printer.suspend(|| terminal.show(text)))
    }

    /// Asks for a line at the terminal, shown while it is typed or not.
    ///
    /// # Errors
    /// There is no terminal, or the input ended.
    pub(super) fn ask(&self, prompt: &str, shown: bool) -> Result<Zeroizing<String>, CliError> {
        let terminal = self.terminal.as_ref().ok_or_else(|| CliError::usage("there is no terminal to ask at"))?;
        let ask = || match shown {
            true => terminal.line(prompt).map(Zeroizing::new),
            false => terminal.secret(prompt),
        };
        self.signals.while_prompting(|| self.printer.suspend(ask)).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => CliError::new(Class::Interrupted, "stopped while asking"),
            _ => CliError::usage("the input has ended").caused_by(error),
        })
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

    fn typed(&self, vault: &str, what: What) -> Result<Zeroizing<String>, CliError> {
        let Some(terminal) = &self.terminal else { return Err(what.is_missing(vault)) };
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
            let password = ask(format!("{} {vault}: ", what.prompt()))?;
            if password.is_empty() {
                self.printer.complain(format_args!("The password can't be empty."));
            } else if matches!(what, What::New | What::Other) && *password != *ask("The same again: ".to_owned())? {
                self.printer.complain(format_args!("The two are not the same."));
            } else {
                return Ok(password);
            }
        }
        Err(CliError::usage("no usable password was typed"))
    }

    fn answer(&self, vault: &str, what: What) -> io::Result<Zeroizing<String>> {
        let other = self.other.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match (&self.source, &*other) {
            // The source of the password that there is must not be taken for that of the next one.
            (_, Some(other)) if what == What::Other => other.read(true),
            (Some(source), _) if what != What::Other => self.sourced(source, what == What::New),
            _ => self.typed(vault, what),
        };
        drop(other);
        answer.map_err(|error| {
            let told = io::Error::other(error.chain.join(": "));
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            told
        })
    }
}

impl Answers {
    fn long_enough(&self, password: Zeroizing<String>) -> Zeroizing<String> {
        if password.chars().count() < SHORT {
            let warning = "warning: this password is shorter than 8 characters and may be guessed";
            self.printer.note(format_args!("{warning}"));
        }
        password
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Password,
    /// The first password of a new vault.
    New,
    /// A further password of a vault that there is.
    Other,
    Words,
}

impl What {
    fn prompt(self) -> &'static str {
        match self {
            Self::Password => "Password for",
            Self::New | Self::Other => "New password for",
            Self::Words => "Recovery words of",
        }
    }

    fn is_missing(self, vault: &str) -> CliError {
        match self {
            Self::Other => {
                CliError::usage(format!("a new password for {vault} is needed, and there is no terminal to ask at"))
                    .hint("give it by --new-password-file, --new-password-command or --new-password-fd")
            }
            _ => no_password(vault),
        }
    }
}

impl Person for Answers {
    fn password(&self, vault: &str) -> io::Result<Zeroizing<String>> {
        self.answer(vault, What::Password)
    }

    fn new_password(&self, vault: &str) -> io::Result<Zeroizing<String>> {
        Ok(self.long_enough(self.answer(vault, What::New)?))
    }

    fn changed_password(&self, vault: &str) -> io::Result<Zeroizing<String>> {
        Ok(self.long_enough(self.answer(vault, What::Other)?))
    }

    fn recovery_words(&self, vault: &str) -> io::Result<Zeroizing<String>> {
        self.answer(vault, What::Words)
    }

    fn tell(&self, what: &str) {
        self.printer.note(format_args!("{what}"));
    }

    fn confirm(&self, question: &str) -> Option<bool> {
        let terminal = self.terminal.as_ref()?;
        let lines: Vec<String> = question.split('\n').map(|line| printable(line.as_bytes())).collect();
        let prompt = format!("{} [y/N] ", lines.join("\n"));
        let line = self.signals.while_prompting(|| self.printer.suspend(|| terminal.line(&prompt)));
        Some(line.is_ok_and(|line| matches!(line.trim().to_lowercase().as_str(), "y" | "yes")))
    }

    fn choose(&self, action: &str, subject: &str) -> Option<Answer> {
        let question = format!(
            "\n{action} \"{}\"?\n\
             y) Yes, this is OK (default)\n\
             n) No, skip this\n\
             s) Skip all {action} operations with no more questions\n\
             !) Do all {action} operations with no more questions\n\
             q) Quit: do what was said yes to, and nothing else\n\
             y/n/s/!/q> ",
            printable(subject.as_bytes())
        );
        loop {
            let line = match self.ask(&question, true) {
                Ok(line) => line,
                Err(error) => {
                    *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return None;
                }
            };
            match line.trim().to_lowercase().as_str() {
                "" | "y" | "yes" => return Some(Answer::Yes),
                "n" | "no" => return Some(Answer::No),
                "s" => return Some(Answer::NoneOfThem),
                "!" => return Some(Answer::AllOfThem),
                "q" => return Some(Answer::Quit),
                _ => self.printer.complain(format_args!("The answers are y, n, s, ! and q.")),
            }
        }
    }
}

fn no_password(vault: &str) -> CliError {
    CliError::usage(format!("a password for {vault} is needed, and there is no terminal to ask at"))
        .hint("give it by --password-file, --password-command, --password-fd or the variable CRYPTSYNC_PASSWORD")
}

const TRIES: usize = 3;
const SHORT: usize = 8;
