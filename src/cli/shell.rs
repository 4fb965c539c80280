//! What a command has to work with: settings, the printer, the person, and the way into `ops`.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::env::Input;
use super::network::Retries;
use super::output::{CliError, Printer, Progress, ProgressMode};
use super::person::Answers;
use super::settings::Settings;
use super::signals::Signals;
use crate::class::Class;
use crate::event::Observer;
use crate::ops::{Ctx, OpsError};
use crate::world::World;

/// One run of one command.
pub(super) struct Shell {
    pub(super) settings: Settings,
    pub(super) printer: Arc<Printer>,
    pub(super) answers: Answers,
    pub(super) signals: Arc<Signals>,
    pub(super) world: World,
    pub(super) stdin: Input,
}

impl Shell {
    /// Runs an op, with progress shown if `progress`.
    pub(super) fn call<T>(
        &self,
        progress: bool,
        op: impl FnOnce(&Ctx<'_>) -> Result<T, OpsError>,
    ) -> Result<T, CliError> {
        self.observed(&self.progress(progress), op)
    }

    /// Refuses what asks a person if there is none.
    pub(super) fn needs_terminal(&self, interactive: bool) -> Result<(), CliError> {
        if !interactive || self.answers.is_attended() {
            return Ok(());
        }
        Err(CliError::usage("--interactive asks, and there is no terminal to ask at")
            .hint("leave out --interactive, or look first with --dry-run"))
    }

    /// An observer that tells what happens, and shows progress if `live`.
    pub(super) fn progress(&self, live: bool) -> Progress {
        Progress::start(&self.printer, if live { self.settings.progress } else { ProgressMode::Off })
    }

    /// Runs an op that may be repeated, again and again while it fails for a passing reason, as `--retries` says.
    pub(super) fn retrying<T>(
        &self,
        observer: &dyn Observer,
        op: impl Fn(&Ctx<'_>) -> Result<T, OpsError>,
    ) -> Result<T, CliError> {
        let Retries { attempts, sleep } = self.settings.retries;
        for attempt in 1..attempts {
            match self.observed(observer, &op) {
                Err(error) if error.class == Class::Temporary => {
                    let why = error.chain.join(": ");
                    self.printer.complain(format_args!("attempt {attempt}/{attempts} failed: {why}"));
                }
                done => return done,
            }
            self.sleep(sleep)?;
        }
        self.observed(observer, op)
    }

    fn sleep(&self, mut left: Duration) -> Result<(), CliError> {
        while !left.is_zero() && !self.signals.cancel.is_cancelled() {
            let nap = left.min(NAP);
            std::thread::sleep(nap);
            left -= nap;
        }
        if self.signals.cancel.is_cancelled() { Err(CliError::new(Class::Interrupted, "stopped")) } else { Ok(()) }
    }

    fn tell_notes(&self) {
        for note in self.settings.notes.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            self.printer.note(format_args!("{note}"));
        }
    }

    /// Runs an op with an observer.
    pub(super) fn observed<T>(
        &self,
        observer: &dyn Observer,
        op: impl FnOnce(&Ctx<'_>) -> Result<T, OpsError>,
    ) -> Result<T, CliError> {
        self.tell_notes();
        let ctx = Ctx {
            world: self.world.clone(),
            observer,
            person: &self.answers,
            cancel: self.signals.cancel.clone(),
            state_dir: self.settings.dirs.state()?,
            ephemeral: self.settings.ephemeral,
            rclone_compat: self.settings.rclone_compat,
            cache_dir: self.settings.dirs.cache()?,
            engine: self.settings.engine.clone(),
        };
        let done = op(&ctx);
        self.tell_notes();
        done.map_err(|error| self.answers.take_failure().unwrap_or_else(|| error.into()))
    }
}

/// How long a signal waits at most.
const NAP: Duration = Duration::from_millis(100);
