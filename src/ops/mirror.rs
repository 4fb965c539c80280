//! The copies of a mirror: what each lacks, and how it gets it. Needs no key.

use super::open::{Connection, connect};
use super::replicate::{copy, no_vault, refuse_other};
use super::{Ctx, OpsError, RemoteProfile, Service};
use crate::class::Class;
use crate::event::Event;
use crate::format::name::ObjectName;
use crate::vault::{Stock, damaged};

/// What a copy of a mirror has and got.
#[derive(Debug, Clone, Default)]
pub struct CopyReport {
    /// Its name.
    pub name: String,
    /// Objects that it has, and their bytes.
    pub objects: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Objects that it lacked or had damaged, and has now.
    pub healed: u64,
    /// Their bytes.
    pub healed_bytes: u64,
    /// Objects that it lacks, or has damaged, and no copy has whole.
    pub lost: Vec<String>,
}

/// How `heal` goes about it.
#[derive(Debug, Clone, Default)]
pub struct HealOptions {
    /// The copies that are healed; all if empty.
    pub only: Vec<String>,
    /// Read every byte of them, to find what is damaged as well as what is missing.
    pub read_data: bool,
    /// Count and change nothing.
    pub dry_run: bool,
}

/// Gives each copy of a mirror what it lacks, from the others.
///
/// # Errors
/// The remote is no mirror, its copies are of different vaults, or one of them fails.
pub fn heal(ctx: &Ctx<'_>, remote: &RemoteProfile, options: &HealOptions) -> Result<Vec<CopyReport>, OpsError> {
    let copies = Copies::of(ctx, remote)?;
    let mut reports = Vec::new();
    for (name, connection, stock) in &copies.all {
        let mut report = CopyReport {
            name: name.clone(),
            objects: stock.objects.len() as u64,
            bytes: stock.bytes(),
            ..CopyReport::default()
        };
        if options.only.is_empty() || options.only.contains(name) {
            let wanted = copies.wanted(ctx, connection, stock, options.read_data)?;
            if options.dry_run {
                report.healed = wanted.len() as u64;
                report.healed_bytes = wanted.iter().map(|(_, size)| size).sum();
            } else if !wanted.is_empty() {
                let done = copy(ctx, &copies.mirror, connection, &wanted)?;
                (report.healed, report.healed_bytes) = (done.objects, done.bytes);
                report.lost = done.damaged.iter().chain(&done.gone).map(ToString::to_string).collect();
            }
        }
        reports.push(report);
    }
    Ok(reports)
}

/// How many objects only this copy of a mirror has, listing all of them.
///
/// # Errors
/// As for [`heal`]; there is no such copy.
pub fn only_there(ctx: &Ctx<'_>, remote: &RemoteProfile, copy: &str) -> Result<u64, OpsError> {
    let copies = Copies::of(ctx, remote)?;
    let mut others = Stock::default();
    copies.all.iter().filter(|(name, ..)| name != copy).for_each(|(_, _, stock)| others.objects.extend(&stock.objects));
    let own = copies.all.iter().find(|(name, ..)| name == copy).map(|(_, _, stock)| others.lacks(stock).len() as u64);
    own.ok_or_else(|| OpsError::new(Class::Usage, format!("`{copy}:` is no copy of the mirror `{}:`", remote.name)))
}

struct Copies {
    all: Vec<(String, Connection, Stock)>,
    mirror: Connection,
}

impl Copies {
    fn of(ctx: &Ctx<'_>, remote: &RemoteProfile) -> Result<Self, OpsError> {
        let Service::Mirror(services) = &remote.service else {
            return Err(OpsError::new(Class::Usage, format!("`{}:` is no mirror", remote.name))
                .hint("a remote of type `mirror` has copies; `replicate` copies any vault once"));
        };
        let mut all = Vec::new();
        let mut vault = None;
        for (name, service) in services {
            let profile = RemoteProfile { name: name.clone(), service: service.clone(), ..remote.clone() };
            let connection = connect(ctx, &profile)?;
            let stock = Stock::take(&connection.io)?;
            vault = vault.or(stock.vaults().first().copied());
            if let Some(vault) = vault {
                refuse_other(&profile, &stock, vault)?;
            }
            all.push((name.clone(), connection, stock));
        }
        if vault.is_none() {
            return Err(no_vault(remote));
        }
        Ok(Self { all, mirror: connect(ctx, remote)? })
    }

    /// What a copy lacks of what all have together, or has damaged as far as that is known: where copies differ in size, all are
    /// looked at.
    fn wanted(
        &self,
        ctx: &Ctx<'_>,
        connection: &Connection,
        stock: &Stock,
        read_data: bool,
    ) -> Result<Vec<(ObjectName, u64)>, OpsError> {
        let (mut whole, mut sound) = (Stock::default(), stock.clone());
        for (name, size) in self.all.iter().flat_map(|(_, _, stock)| &stock.objects) {
            if whole.objects.insert(*name, *size).is_some_and(|other| other != *size) {
                sound.objects.remove(name);
            }
        }
        if read_data {
            let objects: Vec<(ObjectName, u64)> = stock.objects.iter().map(|(name, size)| (*name, *size)).collect();
            let told = |bytes| ctx.observer.event(Event::Progress(bytes));
            for name in damaged(&connection.io, &objects, ctx.engine.transfers, &told)? {
                sound.objects.remove(&name);
            }
        }
        Ok(sound.lacks(&whole))
    }
}
