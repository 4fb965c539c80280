//! `recovery test`: whether the 24 words alone are enough, tried as a machine would that has nothing else.

use super::open::{AskPerson, Secret, connect, open, options};
use super::{Ctx, OpsError, RemoteProfile};
use crate::event::Event;
use crate::format::access::MemberKind;
use crate::format::entry::EntryKind;
use crate::history::cursor::{Cursor, Found};
use crate::vault::{OpenOptions, Part, Vault, VaultError, identify};
use crate::world::Timestamp;

/// What a test of the recovery words found.
#[derive(Debug, Clone)]
pub struct RecoveryReport {
    /// The vault that they open.
    pub vault_id: String,
    /// The access version.
    pub version: u32,
    /// Commits that were read with them.
    pub commits: u64,
    /// Files that were read and verified, chosen at random.
    pub files: u64,
    /// Their bytes, as far as they were read.
    pub bytes: u64,
    /// Whether the vault remembers when this was.
    pub recorded: bool,
}

/// How to test.
#[derive(Debug, Clone, Copy)]
pub struct DrillOptions {
    /// How many files are read.
    pub files: usize,
    /// Whether the date is recorded in the vault.
    pub record: bool,
}

/// Opens the vault with the recovery words alone, in a scratch home, reads some files, and records the date in the vault.
///
/// # Errors
/// The words are wrong, or something can't be read.
pub fn test_recovery(ctx: &Ctx<'_>, remote: &RemoteProfile, how: DrillOptions) -> Result<RecoveryReport, OpsError> {
    let connection = connect(ctx, remote)?;
    let asker = AskPerson { person: ctx.person, name: &remote.name, secret: Secret::Words, anyway: true };
    let vault_id = identify(&connection.io, &options(ctx, remote, &asker)?)?;
    let scratch = tempfile::tempdir().map_err(VaultError::local("cannot create a scratch directory"))?;
    let (state_dir, cache_dir) = (&*scratch.path().join("state"), &*scratch.path().join("cache"));
    let blank = OpenOptions { state_dir, cache_dir, vault_id: Some(vault_id), ..options(ctx, remote, &asker)? };
    let vault = Vault::open(connection.io.clone(), &blank)?;
    let access = vault.access();
    if access.me.kind != MemberKind::Recovery {
        return Err(VaultError::NoKey("this is a password, and not the recovery words".into()).into());
    }
    let commits = vault.view().newest_first().len() as u64;
    let (mut files, mut bytes) = (0, 0);
    for found in sample(ctx, &vault, how.files)? {
        let range = 0..found.entry.size.min(READ_MAX);
        vault.read_content(&found.entry, found.place.as_ref(), range, &mut |part| {
            bytes += match part {
                Part::Data(data) => data.len() as u64,
                Part::Hole(len) => len,
            };
            vault.checkpoint()
        })?;
        files += 1;
    }
    let mut report =
        RecoveryReport { vault_id: vault.id.to_string(), version: access.n, commits, files, bytes, recorded: false };
    if how.record {
        report.recorded = record(ctx, remote, bytes)?;
    }
    Ok(report)
}

/// Files of the newest tree, each as likely as any other.
fn sample(ctx: &Ctx<'_>, vault: &Vault, count: usize) -> Result<Vec<Found>, OpsError> {
    let Some(root) = vault.root()? else { return Ok(Vec::new()) };
    let mut chosen: Vec<Found> = Vec::new();
    let mut seen = 0;
    for found in Cursor::open(vault, &root)? {
        let found = found?;
        if found.entry.kind != EntryKind::File || found.entry.size == 0 {
            continue;
        }
        seen += 1;
        if chosen.len() < count {
            chosen.push(found);
            continue;
        }
        let mut random = [0; 8];
        ctx.world.entropy.fill(&mut random).map_err(VaultError::local("cannot get random bytes"))?;
        let at = usize::try_from(u64::from_le_bytes(random) % seen).unwrap_or(usize::MAX);
        if let Some(place) = chosen.get_mut(at) {
            *place = found;
        }
    }
    Ok(chosen)
}

/// Records the date with the key that this machine uses daily. Whoever may only read tests for themselves.
fn record(ctx: &Ctx<'_>, remote: &RemoteProfile, bytes: u64) -> Result<bool, OpsError> {
    let recorded = open(ctx, remote).and_then(|opened| Ok(opened.vault.record_drill(bytes).map(drop)?));
    match recorded {
        Ok(()) => Ok(true),
        Err(error) => {
            let why = error.chain.join(": ");
            let notice = format!("the words are good, but the date is not recorded in the vault: {why}");
            ctx.observer.event(Event::Notice(&notice));
            Ok(false)
        }
    }
}

/// When the recovery words were last tested.
pub(super) fn tested(vault: &Vault) -> Result<Option<Timestamp>, OpsError> {
    Ok(vault.recovery_tested()?)
}

/// Of one file so much is read.
const READ_MAX: u64 = 64 << 20;
