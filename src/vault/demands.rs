//! What a person demands of the state that the storage shows, beyond what this installation remembers: a checkpoint, a
//! greatest age, or that a rollback is accepted.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::class::Class;
use crate::id::{CommitId, VaultId};
use crate::world::Timestamp;

use super::error::VaultError;

/// What is demanded; by default nothing.
#[derive(Debug, Clone, Default)]
pub struct Demands {
    /// A commit that has to be there.
    pub checkpoint: Option<Checkpoint>,
    /// How long ago the newest commit may be.
    pub max_staleness: Option<Duration>,
    /// The newest commit of a state that is accepted, though more was seen before.
    pub accept_rollback: Option<Newest>,
    /// The writer that is about to be retired, or the beginning of its id: two of its records in one place stop nobody.
    pub retiring: Option<String>,
    /// Nothing: whatever can be read is read, and what is missing is told. For runs that write nothing.
    pub salvage: bool,
}

/// The newest commit of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newest {
    /// There is none.
    Empty,
    /// This one.
    Commit(CommitId),
}

/// A state of a vault, as one machine tells it to another: `cs1.<vault id>.<commit id>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The vault.
    pub vault: VaultId,
    /// Its newest commit then.
    pub newest: Newest,
}

/// Text that is neither the id of a commit nor `empty`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not the whole id of a commit, which has 52 characters, nor `empty`")]
pub struct BadNewest;

/// Text that is no checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not a checkpoint, which reads `cs1.`, the vault's id, a dot, and the id of a commit or `empty`")]
pub struct BadCheckpoint;

impl FromStr for Newest {
    type Err = BadNewest;

    fn from_str(text: &str) -> Result<Self, BadNewest> {
        match text {
            "empty" => Ok(Self::Empty),
            id => id.parse().map(Self::Commit).map_err(|_| BadNewest),
        }
    }
}

impl fmt::Display for Newest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::Commit(id) => id.fmt(f),
        }
    }
}

impl FromStr for Checkpoint {
    type Err = BadCheckpoint;

    fn from_str(text: &str) -> Result<Self, BadCheckpoint> {
        let (vault, newest) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.')).ok_or(BadCheckpoint)?;
        let vault = vault.parse().map_err(|_| BadCheckpoint)?;
        Ok(Self { vault, newest: newest.parse().map_err(|_| BadCheckpoint)? })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}.{}", self.vault, self.newest)
    }
}

impl Demands {
    /// Whether two records of this writer in one place are about to be dealt with.
    pub(super) fn tolerates(&self, writer: &crate::id::WriterId) -> bool {
        self.retiring.as_ref().is_some_and(|prefix| writer.to_string().starts_with(prefix))
    }

    /// Holds the age of the newest thing known against what is allowed. `claims` are the moments that commits and the
    /// access version claim; one that lies ahead of `now` proves nothing.
    pub(super) fn check_age(
        &self,
        location: &str,
        now: Timestamp,
        claims: impl Iterator<Item = Timestamp>,
    ) -> Result<(), VaultError> {
        let Some(most) = self.max_staleness.filter(|most| !most.is_zero()) else { return Ok(()) };
        let newest = claims.filter(|claim| claim.secs <= now.secs.saturating_add(CLOCKS_DIFFER)).max();
        let age = newest.map_or(u64::MAX, |newest| u64::try_from(now.secs - newest.secs).unwrap_or(0));
        if age <= most.as_secs() {
            return Ok(());
        }
        Err(VaultError::Alarm {
            class: Class::Rollback,
            what: match newest {
                Some(newest) => format!("nothing in the vault at {location} is newer than {}", newest.utc()),
                None => format!("everything in the vault at {location} claims to be of the future"),
            },
            details: vec![format!("that is more than the {} that `--max-staleness` allows", spoken(most.as_secs()))],
            hint: "nothing was changed. Either nobody has written since, or the storage keeps showing an old state: compare the checkpoint that `status` shows on another machine. `--max-staleness 0` demands nothing".into(),
        })
    }
}

/// The commit of a checkpoint does not count in what the storage shows.
pub(super) fn behind_checkpoint(location: &str, id: &CommitId, quarantined: bool) -> VaultError {
    VaultError::Alarm {
        class: Class::Rollback,
        what: format!("the vault at {location} does not contain commit {}, which the checkpoint demands", id.short()),
        details: vec![if quarantined {
            "the commit is there, but it is quarantined; `status` says why".into()
        } else {
            "the storage shows an older state, or it lists late".into()
        }],
        hint: "nothing was changed. Try again later; if this stays so, the storage was set back or somebody hides what is newer".into(),
    }
}

fn spoken(secs: u64) -> String {
    match secs {
        _ if secs.is_multiple_of(86_400) => format!("{} days", secs / 86_400),
        _ if secs.is_multiple_of(3_600) => format!("{} hours", secs / 3_600),
        _ => format!("{secs} seconds"),
    }
}

const PREFIX: &str = "cs1.";
/// Clocks of machines differ by minutes, seconds.
const CLOCKS_DIFFER: i64 = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_written_one_way() {
        let vault = VaultId::new([1; 32]);
        for newest in [Newest::Empty, Newest::Commit(CommitId::new([2; 32]))] {
            let checkpoint = Checkpoint { vault, newest };
            assert_eq!(checkpoint.to_string().parse(), Ok(checkpoint));
        }
        let good = Checkpoint { vault, newest: Newest::Empty }.to_string();
        let bad =
            [good.to_uppercase(), good.replace("cs1", "cs2"), good.replace(".empty", ""), good + "x", "cs1..".into()];
        assert!(bad.iter().all(|text| text.parse::<Checkpoint>() == Err(BadCheckpoint)));
    }

    #[test]
    fn the_future_does_not_make_anything_fresh() {
        let at = |secs| Timestamp { secs, nanos: 0 };
        let demands = Demands { max_staleness: Some(Duration::from_secs(86_400)), ..Demands::default() };
        let check = |claims: &[i64]| demands.check_age("v", at(1_000_000), claims.iter().map(|secs| at(*secs))).is_ok();
        assert!(check(&[1_000_000]) && check(&[913_600, 5]) && check(&[1_000_500]));
        assert!(!check(&[913_599]) && !check(&[]) && !check(&[5, 2_000_000]));
        assert!(Demands::default().check_age("v", at(1_000_000), [].into_iter()).is_ok());
    }
}
