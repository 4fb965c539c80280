//! The flags that say what counts as the same, what may be written over and what may be deleted.

use std::ffi::OsString;
use std::time::Duration;

use crate::cli::output::CliError;
use crate::cli::settings::{Settings, parse_age};
use crate::ops::{Backup, By, Comparison, DeleteWhen, LINK_SUFFIX, Naming, Place, Replace, Symlinks, TransferRules};
use crate::units::TypedSize;

/// What counts as the same.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Comparison")]
pub(crate) struct CompareFlags {
    /// Compare by size and content; times tell nothing
    #[arg(short, long)]
    pub(crate) checksum: bool,
    /// Compare by size alone
    #[arg(long)]
    size_only: bool,
    /// Transfer every file, whatever its size and time
    #[arg(short = 'I', long)]
    ignore_times: bool,
    /// Let sizes tell nothing
    #[arg(long)]
    ignore_size: bool,
    /// Leave alone what is newer at the destination
    #[arg(short, long)]
    update: bool,
    /// Leave alone what is at the destination
    #[arg(long)]
    ignore_existing: bool,
    /// Make nothing new: leave out what is not at the destination
    #[arg(long, alias = "ignore-non-existing")]
    existing: bool,
    /// Fail instead of writing over a file that is different
    #[arg(long)]
    immutable: bool,
    /// Take times less than this far apart for the same
    #[arg(long, value_name = "DURATION", value_parser = parse_window, default_value = "1ns")]
    modify_window: Duration,
    /// Leave the time of files alone that are the same but for it
    #[arg(long)]
    no_update_modtime: bool,
    /// Leave the time of directories alone that are there already
    #[arg(long)]
    no_update_dir_modtime: bool,
    /// Has no effect: contents can always be compared, so that times are set without a transfer anyway
    #[arg(long)]
    refresh_times: bool,
}

/// What is walked, and how it is written.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Transfer")]
pub(crate) struct WalkFlags {
    /// With --rclone-compat: make directories that nothing is written into; otherwise they are made anyway
    #[arg(long)]
    create_empty_src_dirs: bool,
    /// Keep symbolic links as links, as is done anyway without --rclone-compat
    #[arg(short, long, conflicts_with_all = ["copy_links", "skip_links"])]
    links: bool,
    /// Follow symbolic links of this machine: store what they point to
    #[arg(short = 'L', long)]
    copy_links: bool,
    /// Pass over symbolic links without a word
    #[arg(long)]
    skip_links: bool,
    /// Leave out directories of other file systems
    #[arg(short = 'x', long)]
    one_file_system: bool,
    /// Has no effect: no file is ever written in its place
    #[arg(long)]
    inplace: bool,
    /// Has no effect: temporary names are this program's own business
    #[arg(long, value_name = "SUFFIX", value_parser = parse_partial_suffix)]
    partial_suffix: Option<String>,
}

impl WalkFlags {
    /// What filters see behind the name of a link: rclone's users have rules for it.
    pub(crate) fn link_suffix(&self, settings: &Settings) -> &'static str {
        if settings.rclone_compat && self.links { LINK_SUFFIX } else { "" }
    }
}

/// What may be deleted at the destination.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Deleting")]
pub(crate) struct DeleteFlags {
    /// With sync: delete even if something could not be read
    #[arg(long)]
    ignore_errors: bool,
    /// With sync: delete nothing, and fail, if that would be more files than this
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    max_delete: Option<i64>,
    /// With sync: delete nothing, and fail, if that would be more bytes than this
    #[arg(long, value_name = "SIZE")]
    max_delete_size: Option<TypedSize>,
    /// With sync: delete before anything is written, whatever comes of the writing
    #[arg(long, conflicts_with_all = ["delete_during", "delete_after", "track_renames"])]
    delete_before: bool,
    /// The same as --delete-before
    #[arg(long, conflicts_with = "delete_after")]
    delete_during: bool,
    /// With sync: delete when everything is written, as is done anyway
    #[arg(long)]
    delete_after: bool,
    /// Has no effect: what is in the vault under another name is not stored again
    #[arg(long)]
    track_renames: bool,
    /// Has no effect: hash, modtime, leaf, size
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = ["hash", "modtime", "leaf", "size"])]
    track_renames_strategy: Vec<String>,
}

/// What is kept of what is written over, and where content may be found.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Keeping and finding")]
pub(crate) struct BackupFlags {
    /// Keep what is written over or deleted in this directory
    ///
    /// It has to be where the destination is: in the same vault, or on the same file system, and must not overlap source or
    /// destination.
    #[arg(long, value_name = "PATH")]
    backup_dir: Option<OsString>,
    /// Keep what is written over or deleted under its name and this; with --backup-dir it is called so there
    #[arg(long, value_name = "SUFFIX", value_parser = parse_suffix, allow_hyphen_values = true)]
    suffix: Option<String>,
    /// Put the suffix before the extension
    #[arg(long)]
    suffix_keep_extension: bool,
    /// Leave out what is the same in this directory, which is where the destination is; may be repeated
    #[arg(long, value_name = "PATH", conflicts_with = "copy_dest")]
    compare_dest: Vec<OsString>,
    /// Take from this directory of the destination's vault what is the same there; may be repeated
    ///
    /// To a directory of this machine it comes from the vault, whatever is there.
    #[arg(long, value_name = "PATH")]
    copy_dest: Vec<OsString>,
}

impl BackupFlags {
    fn backup(&self, settings: &Settings) -> Result<Option<Backup>, CliError> {
        let suffix = self.suffix.as_ref().map(|suffix| suffix.as_bytes().to_vec()).unwrap_or_default();
        if self.backup_dir.is_none() && suffix.is_empty() {
            return Ok(None);
        }
        let dir = self.backup_dir.as_ref().map(|dir| settings.any_place(dir)).transpose()?.map(Place::now);
        let naming = Naming { suffix, before_extension: self.suffix_keep_extension };
        Ok(Some(Backup { dir, naming }))
    }

    fn elsewhere(&self, settings: &Settings) -> Result<Vec<Place>, CliError> {
        self.compare_dest.iter().chain(&self.copy_dest).map(|place| Ok(settings.any_place(place)?.now())).collect()
    }
}

fn parse_suffix(text: &str) -> Result<String, String> {
    if text.contains('/') { Err("a suffix has no `/`".into()) } else { Ok(text.to_owned()) }
}

/// The rules that all of them come to.
pub(crate) fn rules(
    settings: &Settings,
    compare: &CompareFlags,
    walk: &WalkFlags,
    delete: &DeleteFlags,
    backup: &BackupFlags,
) -> Result<TransferRules, CliError> {
    let compat = settings.rclone_compat;
    let before = delete.delete_before || delete.delete_during;
    let by = match (compare.size_only, compare.checksum) {
        (true, _) => By::Size,
        (false, true) => By::Content,
        (false, false) => By::Time,
    };
    let window = u64::try_from(compare.modify_window.as_nanos())
        .map_err(|_| CliError::usage("--modify-window is longer than 500 years"))?;
    let links = match (walk.copy_links, walk.skip_links) {
        (true, _) => Symlinks::Follow,
        (false, true) => Symlinks::SkipQuietly,
        (false, false) if compat && !walk.links => Symlinks::Skip,
        (false, false) => Symlinks::Keep,
    };
    Ok(TransferRules {
        compare: Comparison {
            by,
            ignore_times: compare.ignore_times,
            ignore_size: compare.ignore_size,
            update: compare.update,
            ignore_existing: compare.ignore_existing,
            only_existing: compare.existing,
            immutable: compare.immutable,
            window: window.max(1),
            update_times: !compare.no_update_modtime,
            update_dirs: !compare.no_update_dir_modtime,
            modes: !compat,
            times_prove: compat,
            touches_dirs: compat,
        },
        empty_dirs: !compat || walk.create_empty_src_dirs,
        replace: match (compat, delete.delete_before, delete.delete_during) {
            (false, ..) | (_, true, _) => Replace::Both,
            (.., true) => Replace::Files,
            _ => Replace::Neither,
        },
        brake: !compat,
        trusting: compat,
        links,
        one_file_system: walk.one_file_system,
        ignore_errors: delete.ignore_errors,
        delete: if before { DeleteWhen::Before } else { DeleteWhen::After },
        max_delete: delete.max_delete.and_then(|most| u64::try_from(most).ok()),
        max_delete_size: delete.max_delete_size.and_then(|most| most.bytes(compat)),
        backup: backup.backup(settings)?,
        elsewhere: backup.elsewhere(settings)?,
        copied: !backup.copy_dest.is_empty(),
        ..TransferRules::default()
    })
}

fn parse_window(text: &str) -> Result<Duration, String> {
    parse_age(text)
}

fn parse_partial_suffix(text: &str) -> Result<String, String> {
    if text.len() > 16 { Err("it may have 16 characters at most".into()) } else { Ok(text.to_owned()) }
}
