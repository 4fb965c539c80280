//! What needs no key: a copy of all sealed objects at another remote, and a look at whether they are whole. A machine that may not
//! read a vault can keep it alive.

use super::open::{Connection, connect};
use super::{Ctx, OpsError, RemoteProfile};
use crate::class::Class;
use crate::event::Event;
use crate::format::name::ObjectName;
use crate::id::VaultId;
use crate::vault::{Replica, Stock, VaultError, damaged};

/// What `replicate` did.
#[derive(Debug, Clone, Default)]
pub struct ReplicateReport {
    /// Objects of the source.
    pub objects: u64,
    /// Those of them that were copied, or would be.
    pub copied: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that the source has only damaged.
    pub damaged: Vec<String>,
    /// Why the source seems to be older than what the destination has.
    pub older: Option<String>,
}

/// What `verify --no-key` found.
#[derive(Debug, Clone, Default)]
pub struct ObjectsReport {
    /// Objects whose names are of the format.
    pub objects: u64,
    /// Their bytes, all of which were read.
    pub bytes: u64,
    /// Those that are not what their names say.
    pub damaged: Vec<String>,
    /// Other objects where those of a vault lie.
    pub foreign: Vec<String>,
    /// The vaults whose geneses are there: one, if all is well.
    pub vaults: Vec<String>,
}

/// Copies every object that the destination lacks. Nothing is deleted there but what is damaged and has a good copy in hand.
///
/// # Errors
/// There is no vault, or another one at the destination; a remote's.
pub fn replicate(
    ctx: &Ctx<'_>,
    from: &RemoteProfile,
    to: &RemoteProfile,
    dry_run: bool,
) -> Result<ReplicateReport, OpsError> {
    let (source, dest) = (connect(ctx, from)?, connect(ctx, to)?);
    if source.io.describe() == dest.io.describe() {
        let what = format!("`{}:` and `{}:` are the same place", from.name, to.name);
        return Err(OpsError::new(Class::Usage, what));
    }
    let mut report = ReplicateReport::default();
    for _ in 0..ROUNDS {
        let (stock, there) = (Stock::take(&source.io)?, Stock::take(&dest.io)?);
        let vault = only_vault(from, &stock)?;
        refuse_other(to, &there, vault)?;
        let stock = of_vault(stock, vault);
        report.objects = stock.objects.len() as u64;
        report.older = report.older.or_else(|| older(&stock, &there));
        let wanted = there.lacks(&stock);
        if dry_run {
            (report.copied, report.bytes) = (wanted.len() as u64, wanted.iter().map(|(_, size)| size).sum());
            return Ok(report);
        }
        let done = copy(ctx, &source, &dest, &wanted)?;
        report.copied += done.objects;
        report.bytes += done.bytes;
        report.damaged = done.damaged.iter().map(ToString::to_string).collect();
        if done.gone.is_empty() {
            return Ok(report);
        }
    }
    Err(OpsError::new(Class::Temporary, format!("objects keep vanishing from `{}:` while they are copied", from.name))
        .hint("somebody compacts it just now. What was copied stays; run it again later"))
}

/// Reads every object of a remote and holds it against its name.
///
/// # Errors
/// The remote's.
pub fn verify_objects(ctx: &Ctx<'_>, remote: &RemoteProfile) -> Result<ObjectsReport, OpsError> {
    let connection = connect(ctx, remote)?;
    let stock = Stock::take(&connection.io)?;
    if stock.vaults().is_empty() {
        return Err(no_vault(remote));
    }
    let objects: Vec<(ObjectName, u64)> = stock.objects.iter().map(|(name, size)| (*name, *size)).collect();
    let (bytes, at_once) = (stock.bytes(), ctx.engine.transfers);
    planned(ctx, &objects);
    let damaged = damaged(&connection.io, &objects, at_once, &|bytes| ctx.observer.event(Event::Progress(bytes)))?;
    Ok(ObjectsReport {
        objects: objects.len() as u64,
        bytes,
        damaged: damaged.iter().map(ToString::to_string).collect(),
        vaults: stock.vaults().iter().map(ToString::to_string).collect(),
        foreign: stock.foreign,
    })
}

/// Copies objects, as many at once as memory allows.
pub(super) fn copy(
    ctx: &Ctx<'_>,
    from: &Connection,
    to: &Connection,
    wanted: &[(ObjectName, u64)],
) -> Result<crate::vault::Replicated, VaultError> {
    planned(ctx, wanted);
    let largest = wanted.iter().map(|(_, size)| *size).max().unwrap_or(1).max(1);
    let at_once = usize::try_from(ctx.engine.memory / 2 / largest).unwrap_or(usize::MAX).clamp(1, ctx.engine.transfers);
    let told = |bytes| {
        ctx.observer.event(Event::Progress(bytes));
        ctx.observer.event(Event::Sent(bytes));
    };
    Replica { from: &from.io, to: &to.io, at_once, told: &told }.copy(wanted)
}

fn planned(ctx: &Ctx<'_>, wanted: &[(ObjectName, u64)]) {
    let (files, bytes) = (wanted.len() as u64, wanted.iter().map(|(_, size)| size).sum());
    ctx.observer.event(Event::Planned { files, bytes, deletes: 0, checked: files });
}

/// The vault that is there: the one that the configuration names, or the only one.
fn only_vault(remote: &RemoteProfile, stock: &Stock) -> Result<VaultId, OpsError> {
    let vaults = stock.vaults();
    match (&remote.vault_id, &vaults[..]) {
        (_, []) => Err(no_vault(remote)),
        (None, [vault]) => Ok(*vault),
        (None, _) => Err(OpsError::new(Class::Untrusted, format!("there are several vaults at `{}:`", remote.name))
            .hint("name the one that you know with `--vault-id`; `status` shows it on a machine that uses it")),
        (Some(text), _) => vaults
            .into_iter()
            .find(|vault| vault.to_string() == *text)
            .ok_or_else(|| OpsError::new(Class::Untrusted, format!("vault {text} is not at `{}:`", remote.name))),
    }
}

/// What is at a destination must be nothing or the same vault.
pub(super) fn refuse_other(to: &RemoteProfile, there: &Stock, vault: VaultId) -> Result<(), OpsError> {
    match there.vaults().into_iter().find(|other| *other != vault) {
        None => Ok(()),
        Some(other) => Err(OpsError::new(Class::Usage, format!("another vault is at `{}:` already: {other}", to.name))
            .hint("a copy needs a place of its own; nothing was written")),
    }
}

/// Without the geneses of other vaults.
fn of_vault(mut stock: Stock, vault: VaultId) -> Stock {
    stock.objects.retain(|name, _| !matches!(name, ObjectName::Genesis(id) if id.as_bytes() != vault.as_bytes()));
    stock
}

fn older(stock: &Stock, there: &Stock) -> Option<String> {
    let ((access, record), (access_there, record_there)) = (stock.claims(), there.claims());
    if record_there > record {
        return Some(format!("its newest record has Lamport time {record}, that of the copy {record_there}"));
    }
    (access_there > access)
        .then(|| format!("its newest access version is number {access}, that of the copy {access_there}"))
}

pub(super) fn no_vault(remote: &RemoteProfile) -> OpsError {
    OpsError::new(Class::NoVault, format!("there is no vault at `{}:`", remote.name))
}

/// So often the source is looked at again when objects vanish.
const ROUNDS: usize = 3;
