//! Which objects a `verify` reads, and reading them: all, a fixed part, a random part, or those that were read longest ago.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Ctx, OpsError};
use crate::event::Event;
use crate::format::index::PackEntry;
use crate::format::name::ObjectName;
use crate::id::ObjectId;
use crate::units::ByteSize;
use crate::vault::{Vault, VaultError, verify_bytes, verify_pack};

/// How much is to be read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ReadData {
    /// Nothing: that objects are there, with their sizes, is enough.
    Nothing,
    /// Everything.
    All,
    /// Part `n` of `t`, always the same objects: all parts together are everything.
    Part {
        /// Which, from 1.
        part: u32,
        /// Of how many.
        of: u32,
    },
    /// So much, chosen at random.
    Random(Amount),
    /// So much, of what this machine has not read for the longest time.
    Oldest(Amount),
}

/// How much of all objects.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// Percent of the bytes.
    Percent(f64),
    /// Bytes.
    Bytes(u64),
}

/// Text that says no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a percentage (`5%`), a size (`10G`), or a part (`2/7`)")]
pub struct BadAmount;

impl std::str::FromStr for Amount {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        if let Some(percent) = text.strip_suffix('%') {
            let percent = percent.parse::<f64>().map_err(|_| BadAmount)?;
            return if percent > 0.0 && percent <= 100.0 { Ok(Self::Percent(percent)) } else { Err(BadAmount) };
        }
        let ByteSize(bytes) = text.parse().map_err(|_| BadAmount)?;
        if bytes > 0 { Ok(Self::Bytes(bytes)) } else { Err(BadAmount) }
    }
}

impl std::str::FromStr for ReadData {
    type Err = BadAmount;

    /// What `--read-data-subset` takes.
    fn from_str(text: &str) -> Result<Self, BadAmount> {
        let Some((part, of)) = text.split_once('/') else { return text.parse().map(Self::Random) };
        let (part, of) = (part.parse().map_err(|_| BadAmount)?, of.parse().map_err(|_| BadAmount)?);
        if (1..=of).contains(&part) { Ok(Self::Part { part, of }) } else { Err(BadAmount) }
    }
}

/// An object that may be read.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) name: ObjectName,
    pub(super) size: u64,
    /// Of a pack, what is known of it: it is opened and looked through.
    pub(super) pack: Option<PackEntry>,
}

/// An object that is not what it should be, or not there.
pub(super) type Bad = (ObjectId, VaultError);

/// Chooses from `all` by `read`.
pub(super) fn choose(
    ctx: &Ctx<'_>,
    vault: &Vault,
    mut all: Vec<Wanted>,
    read: ReadData,
) -> Result<Vec<Wanted>, OpsError> {
    let total: u64 = all.iter().map(|one| one.size).sum();
    let bytes = |amount| match amount {
        Amount::Bytes(bytes) => bytes,
        Amount::Percent(percent) => (total as f64 * percent / 100.0).ceil() as u64,
    };
    match read {
        ReadData::Nothing => all.clear(),
        ReadData::All => {}
        ReadData::Part { part, of } => all.retain(|one| number(&one.name.id()) % u64::from(of) == u64::from(part) - 1),
        ReadData::Random(amount) => {
            let mut salt = [0; 8];
            let failed = VaultError::local("cannot get random bytes");
            ctx.world.entropy.fill(&mut salt).map_err(failed)?;
            let salt = u64::from_le_bytes(salt);
            // Ids are hashes: mixed with a number of this run they come in another order each time.
            all.sort_unstable_by_key(|one| (number(&one.name.id()) ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            cut(&mut all, bytes(amount));
        }
        ReadData::Oldest(amount) => {
            let read = vault.state.when_verified()?;
            all.sort_unstable_by_key(|one| (read.get(&one.name.id()).copied(), one.name.id()));
            cut(&mut all, bytes(amount));
        }
    }
    Ok(all)
}

/// Reads them from the remote itself, several at once; tells what is bad, and how many bytes were read.
pub(super) fn read(ctx: &Ctx<'_>, vault: &Vault, wanted: &[Wanted]) -> Result<(Vec<Bad>, u64), OpsError> {
    let (files, bytes) = (wanted.len() as u64, wanted.iter().map(|one| one.size).sum());
    ctx.observer.event(Event::Planned { files, bytes, deletes: 0, checked: files });
    // A pack is held twice: sealed, and opened.
    let largest = wanted.iter().map(|one| one.size).max().unwrap_or(1).max(1);
    let fit = usize::try_from(ctx.engine.memory / 2 / largest).unwrap_or(usize::MAX);
    let threads = fit.clamp(1, ctx.engine.transfers.max(1)).min(wanted.len());
    let next = AtomicUsize::new(0);
    let found = Mutex::new((Vec::new(), 0));
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(one) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match vault.checkpoint().and_then(|()| read_one(vault, one)) {
                        Ok(bytes) => {
                            ctx.observer.event(Event::Progress(bytes));
                            found.lock().expect("pushing does not panic").1 += bytes;
                        }
                        Err(error) if error.is_lack() => {
                            found.lock().expect("pushing does not panic").0.push((one.name.id(), error));
                        }
                        Err(error) => {
                            next.store(wanted.len(), Ordering::Relaxed);
                            failure.lock().expect("swapping does not panic").get_or_insert(error);
                            return;
                        }
                    }
                }
            });
        }
    });
    if let Some(error) = failure.into_inner().expect("swapping does not panic") {
        return Err(error.into());
    }
    let (mut bad, bytes) = found.into_inner().expect("pushing does not panic");
    bad.sort_unstable_by_key(|(id, _)| *id);
    // Damaged ones too: the next sample is to go on.
    let ids: Vec<ObjectId> = wanted.iter().map(|one| one.name.id()).collect();
    vault.state.note_verified(&ids, ctx.world.clock.now())?;
    Ok((bad, bytes))
}

fn read_one(vault: &Vault, one: &Wanted) -> Result<u64, VaultError> {
    match &one.pack {
        Some(pack) => verify_pack(vault, pack),
        None => verify_bytes(&vault.objects.io, &one.name, one.size),
    }
}

/// Keeps the first ones, up to so many bytes; one at least.
fn cut(all: &mut Vec<Wanted>, bytes: u64) {
    let mut sum = 0;
    let keep = all.iter().take_while(|one| {
        let fits = sum < bytes;
        sum += one.size;
        fits
    });
    let keep = keep.count().max(1);
    all.truncate(keep);
}

fn number(id: &ObjectId) -> u64 {
    u64::from_le_bytes(id.as_bytes()[..8].try_into().expect("eight of 32"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        assert_eq!("2/7".parse(), Ok(ReadData::Part { part: 2, of: 7 }));
        assert_eq!("5%".parse(), Ok(ReadData::Random(Amount::Percent(5.0))));
        assert_eq!("10M".parse(), Ok(ReadData::Random(Amount::Bytes(10 << 20))));
        for bad in ["", "0/7", "8/7", "1/0", "/", "0%", "101%", "-5%", "nan%", "0", "x", "1/2/3"] {
            assert_eq!(bad.parse::<ReadData>(), Err(BadAmount), "{bad}");
        }
    }

    #[test]
    fn as_much_as_was_asked_for() {
        let one = |byte: u8| Wanted { name: ObjectName::Data(ObjectId::new([byte; 32])), size: 10, pack: None };
        for (bytes, kept) in [(1, 1), (10, 1), (11, 2), (1000, 4)] {
            let mut all: Vec<Wanted> = (0..4).map(one).collect();
            cut(&mut all, bytes);
            assert_eq!(all.len(), kept, "{bytes}");
        }
    }
}
