//! What a command has to work with: settings, the printer, the person, and the way into `ops`.

use std::sync::{Arc, PoisonError};

use super::env::Input;
use super::output::{CliError, Printer, Progress, ProgressMode};
use super::person::Answers;
use super::settings::Settings;
use super::signals::Signals;
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

    /// An observer that tells what happens, and shows progress if `live`.
    pub(super) fn progress(&self, live: bool) -> Progress {
        Progress::start(&self.printer, if live { self.settings.progress } else { ProgressMode::Off })
    }

    /// Runs an op with an observer.
    pub(super) fn observed<T>(
        &self,
        observer: &dyn Observer,
        op: impl FnOnce(&Ctx<'_>) -> Result<T, OpsError>,
    ) -> Result<T, CliError> {
        for note in self.settings.notes.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            self.printer.note(format_args!("{note}"));
        }
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
        op(&ctx).map_err(|error| self.answers.take_failure().unwrap_or_else(|| error.into()))
    }
}
