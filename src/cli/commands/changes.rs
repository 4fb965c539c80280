//! What the verbs that change a tree without a transfer share.

use std::time::Duration;

use crate::cli::output::{CliError, JsonSummary, brief, write_object};
use crate::cli::places::shown_in_vault;
use crate::cli::shell::Shell;
use crate::ops::{Ctx, EditOptions, OpsError, Place, SyncReport};

/// The flags of verbs that remove.
#[derive(Debug, clap::Args)]
pub(crate) struct RemoveFlags {
    #[command(flatten)]
    ask: AskFlags,
    /// Remove even if it is most of the vault
    #[arg(long)]
    pub(crate) force: bool,
}

/// The flags of every verb that changes a tree.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct AskFlags {
    /// Show what would be done and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Ask about each change before the first is made
    #[arg(short, long)]
    interactive: bool,
}

impl RemoveFlags {
    /// The options of the op.
    pub(crate) fn options(&self, shell: &Shell, verb: &str, places: &[Place]) -> Result<EditOptions, CliError> {
        Ok(EditOptions { force: self.force, ..self.ask.options(shell, verb, places)? })
    }
}

impl AskFlags {
    /// The options of the op. The history names the verb and what it was given.
    pub(crate) fn options(&self, shell: &Shell, verb: &str, places: &[Place]) -> Result<EditOptions, CliError> {
        let Self { dry_run, interactive } = *self;
        shell.needs_terminal(interactive && !dry_run)?;
        let names: Vec<String> = places.iter().map(shown_in_vault).collect();
        let operation = format!("{verb} {}", names.join(" "));
        Ok(EditOptions { dry_run, interactive, force: false, operation })
    }
}

/// Runs an op that changes a tree, and says what it did.
pub(crate) fn run(
    shell: &Shell,
    dry_run: bool,
    op: impl FnOnce(&Ctx<'_>) -> Result<SyncReport, OpsError>,
) -> Result<(), CliError> {
    let progress = shell.progress(false);
    let result = shell.observed(&progress, op);
    let elapsed = progress.elapsed();
    drop(progress); // its thread ends before the summary
    finish(shell, &result?, elapsed, dry_run)
}

fn finish(shell: &Shell, report: &SyncReport, elapsed: Duration, dry_run: bool) -> Result<(), CliError> {
    if shell.printer.is_json() {
        return Ok(write_object(&shell.printer, &JsonSummary::new(report, elapsed, dry_run))?);
    }
    shell.printer.note(format_args!("{}", brief(report, dry_run)));
    Ok(())
}
