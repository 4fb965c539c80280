//! Plain files at a remote, connected; and what a transfer may take them to be able to hold.

use std::sync::Arc;

use super::open::Driver;
use super::{Ctx, OpsError, Service, SyncOptions};
use crate::class::Class;
use crate::format::entry::EntryKind;
use crate::path::TreePath;
use crate::transfer::{By, FilesTree, Item, Local, Shadow, Traits, stat_file};
use crate::vault::FilesIo;

/// A configured remote that holds files of other programs and no vault.
#[derive(Debug, Clone)]
pub struct PlainProfile {
    /// The name before the colon.
    pub name: String,
    /// The service.
    pub service: Service,
}

/// A connected place of plain files, with the runtime that drives it.
pub(super) struct Plain {
    pub(super) io: FilesIo,
    _runtime: Driver,
}

impl Plain {
    /// Connects. Nothing is sent yet.
    pub(super) fn connect(ctx: &Ctx<'_>, profile: &PlainProfile) -> Result<Self, OpsError> {
        let runtime = Driver::start(ctx)?;
        let files = ctx.engine.network.patient_files(profile.service.files(&profile.name, &ctx.engine.network)?);
        // A third of the budget, for all that reads at once and one piece ahead of each.
        let readers = (ctx.engine.checkers.max(ctx.engine.transfers) as u64).max(1) * 2;
        let piece = (ctx.engine.memory / 3 / readers).clamp(PIECE_MIN, PIECE_MAX);
        let io = FilesIo::new(Arc::new(files), runtime.get().handle().clone(), ctx.cancel.clone(), piece);
        Ok(Self { io, _runtime: runtime })
    }

    /// The files below `dir`, or the one that it is.
    pub(super) fn tree<'a>(&'a self, dir: &'a TreePath, single: bool) -> FilesTree<'a> {
        FilesTree { io: &self.io, dir, single }
    }

    /// The one file that a place is; `None` if it is a directory or nothing.
    pub(super) fn single(&self, ctx: &Ctx<'_>, path: &TreePath) -> Result<Option<Item>, OpsError> {
        if path.is_root() {
            return Ok(None);
        }
        let found = stat_file(self.tree(path, true), path, ctx.world.clock.now())?;
        Ok(found.filter(|item| item.entry.kind == EntryKind::File))
    }

    /// Whether there is a directory.
    pub(super) fn is_there(&self, path: &TreePath) -> Result<bool, OpsError> {
        Ok(self.io.listed(&self.io.begin_list(path, false))?.is_some())
    }

    /// What such a place shows of what a vault holds, and what it does not.
    pub(super) fn as_side(&self, is_source: bool, prefix: &TreePath) -> Local {
        let caps = self.io.caps();
        // A source's times are those of writing at worst; of a destination's that keeps none nothing can be said.
        let untold = if is_source { SECOND } else { u64::MAX };
        let seconds_only = caps.keeps_times == Some(SECOND);
        let traits = Traits {
            symlinks: false,
            hard_links: false,
            modes: false,
            xattrs: false,
            granularity: caps.keeps_times.unwrap_or(untold),
            earliest: if seconds_only { 0 } else { i64::MIN },
            latest: if seconds_only { i64::from(u32::MAX) } else { i64::MAX },
            ..Traits::default()
        };
        // Directories are as the vault has them.
        Local {
            is_source,
            traits,
            metadata: false,
            links: false,
            incomplete: true,
            shadow: Shadow::new(prefix, Default::default()),
        }
    }
}

/// Looks whether plain files can be listed, if they are of a service that can hold such.
///
/// # Errors
/// They can't be.
pub fn probe_plain(ctx: &Ctx<'_>, profile: &PlainProfile) -> Result<(), OpsError> {
    if matches!(profile.service, Service::Fs { .. }) {
        return Ok(());
    }
    Plain::connect(ctx, profile)?.is_there(&TreePath::root()).map(drop)
}

/// Whether a run looks at times, which may cost a request for each file.
pub(super) fn needs_times(options: &SyncOptions, is_source: bool) -> bool {
    let compare = &options.rules.compare;
    is_source || compare.by == By::Time || compare.update
}

/// Why a path can't be used: nothing is there.
pub(super) fn not_there(profile: &PlainProfile, path: &TreePath) -> OpsError {
    OpsError::new(Class::DirNotFound, format!("`{}:{path}` does not exist", profile.name))
        .hint(format!("`cryptsync lsf {}:` shows what is there", profile.name))
        .about(path.as_bytes())
}

/// Refuses a verb, or a setting of one, that plain files have no use for.
pub(super) fn refuse(profile: &PlainProfile, what: &str) -> OpsError {
    let text = format!("{what} takes a vault, and `{}:` is plain: it holds files of other programs", profile.name);
    OpsError::new(Class::Usage, text).hint(
        "copy, sync, move, check, ls, lsf, lsjson, size, cat and the sums take plain remotes; rclone does the rest",
    )
}

const SECOND: u64 = 1_000_000_000;
const PIECE_MIN: u64 = 256 << 10;
const PIECE_MAX: u64 = 8 << 20;
