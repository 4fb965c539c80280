//! `--interactive`: a person is asked about each change, all before the first is made.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use super::{Answer, Ctx, OpsError, Person};
use crate::class::Class;

/// What a person has said so far.
pub(super) struct Consent<'a> {
    /// Who is asked; nobody is, and everything may be done, if `None`.
    person: Option<&'a dyn Person>,
    /// Answers that go for everything of a kind.
    said: RefCell<HashMap<&'static str, bool>>,
    /// Nothing more is wanted.
    quit: Cell<bool>,
}

impl<'a> Consent<'a> {
    /// `asks`: a person is asked.
    pub(super) fn new(ctx: &Ctx<'a>, asks: bool) -> Self {
        Self { person: asks.then_some(ctx.person), said: RefCell::default(), quit: Cell::new(false) }
    }

    /// Whether a person is asked.
    pub(super) fn asks(&self) -> bool {
        self.person.is_some()
    }

    /// Whether `action` may be done to `subject`.
    pub(super) fn allows(&self, action: &'static str, subject: &str) -> Result<bool, OpsError> {
        let Some(person) = self.person else { return Ok(true) };
        if self.quit.get() {
            return Ok(false);
        }
        if let Some(said) = self.said.borrow().get(action) {
            return Ok(*said);
        }
        let answer = person.choose(action, subject).ok_or_else(|| {
            OpsError::new(Class::Usage, "--interactive asks, and there is no terminal to ask at; nothing was done")
                .hint("leave out --interactive, or look first with --dry-run")
        })?;
        match answer {
            Answer::Yes => return Ok(true),
            Answer::No => {}
            Answer::AllOfThem | Answer::NoneOfThem => {
                self.said.borrow_mut().insert(action, answer == Answer::AllOfThem);
                return Ok(answer == Answer::AllOfThem);
            }
            Answer::Quit => self.quit.set(true),
        }
        Ok(false)
    }
}
