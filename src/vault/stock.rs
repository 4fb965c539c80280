//! What lies at a remote, by name and size alone: no key is needed, and nothing is believed.

use std::collections::BTreeMap;

use super::error::VaultError;
use super::io::RemoteIo;
use crate::format::name::{DATA_PREFIX, INDEX_PREFIX, LOG_PREFIX, META_PREFIX, ObjectClass, ObjectName, VAULT_PREFIX};
use crate::id::VaultId;

/// The objects of a remote.
#[derive(Debug, Default, Clone)]
pub struct Stock {
    /// Those whose names are of this format, and their sizes in bytes.
    pub objects: BTreeMap<ObjectName, u64>,
    /// The names of the others.
    pub foreign: Vec<String>,
}

impl Stock {
    /// Lists a remote. The log comes first: what a record refers to was there before it.
    ///
    /// # Errors
    /// The remote's, or cancelled.
    pub fn take(io: &RemoteIo) -> Result<Self, VaultError> {
        let mut stock = Self::default();
        for prefix in [LOG_PREFIX, INDEX_PREFIX, META_PREFIX, DATA_PREFIX, VAULT_PREFIX] {
            io.list(prefix, &mut |listed| {
                match listed.path.as_str().parse::<ObjectName>() {
                    Ok(name) => drop(stock.objects.insert(name, listed.size)),
                    Err(_) => stock.foreign.push(listed.path.as_str().to_owned()),
                }
                Ok(())
            })?;
        }
        Ok(stock)
    }

    /// The vaults whose geneses are there.
    pub fn vaults(&self) -> Vec<VaultId> {
        let geneses = self.objects.keys().filter(|name| matches!(name, ObjectName::Genesis(_)));
        geneses.map(|name| VaultId::new(*name.id().as_bytes())).collect()
    }

    /// How far the log claims to have come: the highest number of an access version, the highest Lamport time of a record.
    /// Anybody who can write there can claim more.
    pub fn claims(&self) -> (u32, u64) {
        let mut claims = (0, 0);
        for name in self.objects.keys() {
            match *name {
                ObjectName::Access { n, .. } => claims.0 = claims.0.max(n),
                ObjectName::Record { lamport, .. } => claims.1 = claims.1.max(lamport),
                _ => {}
            }
        }
        claims
    }

    /// What `other` has and this one has not, or of another size, in the order in which it may appear to readers: content before
    /// what refers to it, the log in its own order, and the genesis, by which a vault is found, last.
    pub fn lacks(&self, other: &Self) -> Vec<(ObjectName, u64)> {
        let missing = other.objects.iter().filter(|(name, size)| self.objects.get(name) != Some(size));
        let mut missing: Vec<(ObjectName, u64)> = missing.map(|(name, size)| (*name, *size)).collect();
        missing.sort_by_key(|(name, _)| stage(name));
        missing
    }

    /// All bytes.
    pub fn bytes(&self) -> u64 {
        self.objects.values().sum()
    }
}

/// The place of an object in the order of writes; within a stage it does not matter, but for the log.
pub(super) fn stage(name: &ObjectName) -> u8 {
    match name.class() {
        Some(ObjectClass::Data) => 0,
        Some(ObjectClass::Meta) => 1,
        Some(ObjectClass::Index) => 2,
        Some(ObjectClass::Access) => 3,
        Some(ObjectClass::Log) => 4,
        None => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{NameTag, ObjectId};

    fn record(lamport: u64) -> ObjectName {
        ObjectName::Record { lamport, tag: NameTag::new([0; 10]), seq: 1, id: ObjectId::new([lamport as u8; 32]) }
    }

    #[test]
    fn what_refers_comes_after_what_it_refers_to() {
        let id = ObjectId::new([9; 32]);
        let names =
            [ObjectName::Genesis(id), record(7), record(3), ObjectName::Access { n: 2, id }, ObjectName::Data(id)];
        let all = Stock { objects: names.into_iter().map(|name| (name, 5)).collect(), foreign: Vec::new() };
        let order: Vec<ObjectName> = Stock::default().lacks(&all).into_iter().map(|(name, _)| name).collect();
        assert_eq!(order, [names[4], names[3], names[2], names[1], names[0]]);
        assert_eq!(all.claims(), (2, 7));
        assert_eq!(all.vaults(), [VaultId::new([9; 32])]);
        let mut cut = all.clone();
        cut.objects.insert(record(3), 4);
        assert_eq!(cut.lacks(&all), [(record(3), 5)]);
        assert!(all.lacks(&all).is_empty());
    }
}
