//! What copy and sync share: all but the deleting.

use std::ffi::OsString;

use super::comparing::{self, BackupFlags, CompareFlags, DeleteFlags, WalkFlags};
use super::create::{CreateFlags, ensure_vault};
use super::cutoff::CutoffFlags;
use super::filters::FilterFlags;
use super::relations::{RelationFlags, Relations};
use crate::class::Class;
use crate::cli::output::{CliError, JsonSummary, summary, write_object};
use crate::cli::places::{shown, shown_in_vault};
use crate::cli::settings::Settings;
use crate::cli::shell::Shell;
use crate::ops::{self, Place, Stopped, SyncOptions, SyncReport};

/// Source, destination and the common flags.
#[derive(Debug, clap::Args)]
pub(crate) struct TransferArgs {
    /// A directory or a file
    pub(crate) source: OsString,
    /// A directory; it is made if it is not there
    pub(crate) dest: OsString,
    /// Show what would be done and change nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Ask about each change before the first is made
    #[arg(short, long)]
    interactive: bool,
    /// Keep and restore owners, extended attributes (ACLs among them) and set-id bits
    #[arg(short = 'M', long)]
    pub(crate) metadata: bool,
    #[command(flatten)]
    pub(crate) compare: CompareFlags,
    #[command(flatten)]
    walk: WalkFlags,
    #[command(flatten)]
    delete: DeleteFlags,
    #[command(flatten)]
    backup: BackupFlags,
    #[command(flatten)]
    cutoff: CutoffFlags,
    #[command(flatten)]
    reports: RelationFlags,
    #[command(flatten)]
    pub(crate) filter: FilterFlags,
    #[command(flatten)]
    pub(crate) create: CreateFlags,
}

impl TransferArgs {
    /// The options of the op. Of the three verbs only sync deletes at the destination.
    pub(crate) fn options(&self, settings: &Settings, verb: &str, force: bool) -> Result<SyncOptions, CliError> {
        // What was there can be read, and is written into what is there now.
        let (source, dest) = (settings.place(&self.source)?, settings.any_place(&self.dest)?.now());
        one_pinned_vault(settings, &source, &dest)?;
        let mut rules = comparing::rules(settings, &self.compare, &self.walk, &self.delete, &self.backup)?;
        self.cutoff.apply(settings, &mut rules);
        rules.delete_excluded = self.filter.delete_excluded;
        rules.interactive = self.interactive && !self.dry_run;
        Ok(SyncOptions {
            operation: format!("{verb} {} -> {}", shown(&source), shown_in_vault(&dest)),
            source,
            dest,
            delete: verb == "sync",
            filter: self.filter.filter(settings)?.suffixing_links(self.walk.link_suffix(settings)),
            dry_run: self.dry_run,
            force,
            rules,
            metadata: self.metadata,
            traits: None,
            moving: None,
        })
    }

    pub(crate) fn run(&self, shell: &Shell, mut options: SyncOptions) -> Result<(), CliError> {
        shell.needs_terminal(options.rules.interactive)?;
        let relations = self.reports.open(&shell.settings, &shell.printer)?;
        options.rules.rows = relations.as_ref().map(Relations::sink);
        let result = self.carry_out(shell, &options);
        let written = relations.map_or(Ok(()), |relations| relations.finish(&shell.printer));
        result.and(written)
    }

    fn carry_out(&self, shell: &Shell, options: &SyncOptions) -> Result<(), CliError> {
        ensure_vault(shell, &options.dest, &self.create, options.dry_run)?;
        let progress = shell.progress(true);
        let result = shell.retrying(&progress, |ctx| ops::sync(ctx, options));
        let elapsed = progress.elapsed();
        drop(progress); // clears the terminal
        finish(shell, &result?, elapsed, options.dry_run)
    }
}

/// Shows the summary; entries that failed make the run a failure.
pub(crate) fn finish(
    shell: &Shell,
    report: &SyncReport,
    elapsed: std::time::Duration,
    dry_run: bool,
) -> Result<(), CliError> {
    if shell.printer.is_json() {
        write_object(&shell.printer, &JsonSummary::new(report, elapsed, dry_run))?;
    } else {
        summary(report, elapsed, dry_run).iter().for_each(|line| shell.printer.note(format_args!("{line}")));
    }
    if let Some(peak) = peak_memory() {
        shell.printer.detail(format_args!("peak memory {peak}"));
    }
    if let Some(stopped) = report.stopped {
        return Err(ended_early(stopped));
    }
    if report.failed > 0 && report.failed == report.immutable {
        let what = format!("{} files are different at the destination and were not written over", report.failed);
        return Err(CliError::new(Class::NoRetry, what).hint("--immutable forbids it"));
    }
    match report.failed {
        0 if report.conflicts > 0 => Err(conflicts_wait(report.conflicts)),
        0 => Ok(()),
        1 => Err(CliError::new(Class::Failed, "one entry could not be handled; it is named above")),
        n => Err(CliError::new(Class::Failed, format!("{n} entries could not be handled; they are named above"))),
    }
}

/// The run has done what it should; only its exit code says that somebody has to look.
fn conflicts_wait(count: u64) -> CliError {
    let what = if count == 1 { "one conflict waits".to_owned() } else { format!("{count} conflicts wait") };
    CliError::new(Class::Conflicts, format!("done, and {what} to be settled"))
        .hint("`cryptsync conflicts ls` lists them, `cryptsync conflicts show` shows both versions")
}

/// What was done until then is done.
fn ended_early(stopped: Stopped) -> CliError {
    match stopped {
        Stopped::MaxDelete => CliError::new(
            Class::Fatal,
            "nothing was deleted: it would be more than --max-delete or --max-delete-size allow",
        )
        .hint("everything else was done; look with --dry-run at what would be deleted"),
        Stopped::MaxTransfer => CliError::new(Class::MaxTransfer, "as much was transferred as --max-transfer allows")
            .hint("run it again to go on"),
        Stopped::MaxDuration => CliError::new(Class::MaxDuration, "the run took as long as --max-duration allows")
            .hint("run it again to go on"),
    }
}

/// `--vault-id`, `--checkpoint` and `--accept-rollback` speak of one vault, so they can't speak for two.
pub(crate) fn one_pinned_vault(settings: &Settings, source: &Place, dest: &Place) -> Result<(), CliError> {
    let two = matches!((source, dest), (Place::Vault(a, _), Place::Vault(b, _)) if a.name != b.name);
    let given = [
        ("--vault-id", settings.vault_id.is_some()),
        ("--checkpoint", settings.demands.checkpoint.is_some()),
        ("--accept-rollback", settings.demands.accept_rollback.is_some()),
    ];
    match given.iter().find(|(_, given)| *given && two) {
        None => Ok(()),
        Some((flag, _)) => Err(CliError::usage(format!("{flag} speaks of one vault, but two remotes are used"))
            .hint("use `vault_id` and `checkpoint` of each remote in the configuration file; accept a rollback with `status` first")),
    }
}

/// The most memory this process had, where the system tells (Linux).
fn peak_memory() -> Option<crate::units::ByteSize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"))?;
    Some(crate::units::ByteSize(kib.parse::<u64>().ok()? * 1024))
}
