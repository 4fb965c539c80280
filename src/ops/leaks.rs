//! `leaks`: what whoever runs the storage sees of a vault: found out as they would, without a key.

use super::open::connect;
use super::replicate::no_vault;
use super::{Ctx, OpsError, RemoteProfile};
use crate::crypto::PasswordEntry;
use crate::format::access::{AccessObject, Public};
use crate::format::name::{ObjectClass, ObjectName};
use crate::vault::{Stock, VaultError};

/// Objects of one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// How many.
    pub objects: u64,
    /// Their bytes together, sealed and padded.
    pub bytes: u64,
    /// The size of the smallest.
    pub smallest: u64,
    /// The size of the largest.
    pub largest: u64,
    /// How many sizes there are.
    pub sizes: u64,
}

/// What the storage shows of a vault to whoever runs it.
#[derive(Debug, Clone, Default)]
pub struct LeaksReport {
    /// Ids of the vaults there: they say nothing of who made them.
    pub vaults: Vec<String>,
    /// Objects by directory: `data`, `meta`, `index`, `log`, `access`, `genesis`.
    pub classes: Vec<(&'static str, Seen)>,
    /// How many writers there are at least: so many records say that they are the first of a log.
    pub writers: u64,
    /// The highest number of a record that one writer has reached.
    pub longest_log: u64,
    /// How far the log has come: commits that follow each other.
    pub lamport: u64,
    /// The number of access versions so far.
    pub access_version: u32,
    /// How often keys were changed, from 1.
    pub epoch: Option<u32>,
    /// How many slots for keys there are, dummies among them: the number of members is not higher.
    pub slots: Option<usize>,
    /// Of each password: Argon2id's memory (KiB), passes and lanes.
    pub passwords: Vec<(u32, u32, u32)>,
    /// Objects that are none of a vault's.
    pub foreign: u64,
}

/// Looks at a vault as its provider can.
///
/// # Errors
/// There is no vault; the remote's.
pub fn leaks(ctx: &Ctx<'_>, remote: &RemoteProfile) -> Result<LeaksReport, OpsError> {
    let connection = connect(ctx, remote)?;
    let stock = Stock::take(&connection.io)?;
    let vaults: Vec<String> = stock.vaults().iter().map(ToString::to_string).collect();
    if vaults.is_empty() {
        return Err(no_vault(remote));
    }
    let mut report = LeaksReport { vaults, foreign: stock.foreign.len() as u64, ..LeaksReport::default() };
    (report.access_version, report.lamport) = stock.claims();
    report.classes = by_class(&stock);
    for name in stock.objects.keys() {
        if let ObjectName::Record { seq, .. } = *name {
            report.longest_log = report.longest_log.max(seq);
            report.writers += u64::from(seq == 1);
        }
    }
    let newest = stock.objects.keys().filter(|name| matches!(name, ObjectName::Access { .. })).max();
    if let Some(newest) = newest {
        let bytes = connection.io.get(&newest.to_string())?;
        let public = AccessObject::split(&bytes).and_then(|parts| Public::decode(parts.public));
        let public = public.map_err(VaultError::from)?;
        report.epoch = Some(public.epoch);
        report.slots = Some(public.slots.len());
        let params = public.passwords.iter().filter_map(|entry| PasswordEntry::decode(entry).map(|entry| entry.params));
        report.passwords = params.map(|params| (params.m_kib, params.t, params.p)).collect();
    }
    Ok(report)
}

/// The objects of a remote, by class.
pub(super) fn by_class(stock: &Stock) -> Vec<(&'static str, Seen)> {
    let seen = |class: Option<ObjectClass>| {
        let of_class = stock.objects.iter().filter(|(name, _)| name.class() == class);
        let mut sizes: Vec<u64> = of_class.map(|(_, size)| *size).collect();
        sizes.sort_unstable();
        let (smallest, largest) = (sizes.first().copied().unwrap_or(0), sizes.last().copied().unwrap_or(0));
        let (objects, bytes) = (sizes.len() as u64, sizes.iter().sum());
        sizes.dedup();
        Seen { objects, bytes, smallest, largest, sizes: sizes.len() as u64 }
    };
    CLASSES.iter().map(|(class, word)| (*word, seen(*class))).collect()
}

const CLASSES: [(Option<ObjectClass>, &str); 6] = [
    (Some(ObjectClass::Data), "data"),
    (Some(ObjectClass::Meta), "meta"),
    (Some(ObjectClass::Index), "index"),
    (Some(ObjectClass::Log), "log"),
    (Some(ObjectClass::Access), "access"),
    (None, "genesis"),
];
