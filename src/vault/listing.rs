//! What lies below `log/`, by name alone: hints of where to look, never a judgement.

use std::collections::BTreeMap;

use super::error::VaultError;
use super::io::RemoteIo;
use crate::crypto::VaultKeys;
use crate::format::name::{LOG_PREFIX, ObjectName};
use crate::id::ObjectId;

/// The names below `log/`, as the storage tells them.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) access: BTreeMap<u32, Vec<(ObjectName, u64)>>,
    /// By name: in order of Lamport time.
    pub(super) records: BTreeMap<ObjectName, u64>,
    pub(super) foreign: Vec<String>,
}

impl Listing {
    /// One request (a page for each thousand objects).
    pub(super) fn read(io: &RemoteIo) -> Result<Self, VaultError> {
        let mut listing = Self::default();
        io.list(LOG_PREFIX, &mut |listed| {
            match listed.path.as_str().parse::<ObjectName>() {
                Ok(name @ ObjectName::Access { n, .. }) => {
                    listing.access.entry(n).or_default().push((name, listed.size))
                }
                Ok(name @ ObjectName::Record { .. }) => drop(listing.records.insert(name, listed.size)),
                _ => listing.foreign.push(listed.path.as_str().to_owned()),
            }
            Ok(())
        })?;
        Ok(listing)
    }

    /// Leaves only those records whose names somebody with the keys has given; the others are foreign, whatever they hold, and are
    /// never fetched.
    pub(super) fn keep_genuine(&mut self, keys: &VaultKeys) {
        let is_genuine = |name: &ObjectName| match *name {
            ObjectName::Record { lamport, seq, id, .. } => record_name(keys, lamport, seq, id) == *name,
            _ => false,
        };
        let foreign = self.records.extract_if(.., |name, _| !is_genuine(name));
        self.foreign.extend(foreign.map(|(name, _)| name.to_string()));
    }

    /// Adds an access version that is known to be there.
    pub(super) fn add(&mut self, name: ObjectName, size: u64) {
        let ObjectName::Access { n, .. } = name else { return };
        let known = self.access.entry(n).or_default();
        if !known.iter().any(|(listed, _)| *listed == name) {
            known.push((name, size));
        }
    }
}

/// The name of a log record.
pub(super) fn record_name(keys: &VaultKeys, lamport: u64, seq: u64, id: ObjectId) -> ObjectName {
    ObjectName::Record { lamport, tag: keys.name_tag(lamport, seq, &id), seq, id }
}
