//! When things were done, as far as clocks can be believed.

use std::collections::HashMap;

use super::log::{View, parents};
use crate::id::CommitId;
use crate::world::Timestamp;

impl View {
    /// The effective time of every record: what its writer claims, but not before what it follows, and not after `now`. So
    /// a clock that is years off neither turns the order of the log round nor puts it into the future.
    pub fn effective_times(&self, now: Timestamp) -> HashMap<CommitId, Timestamp> {
        let mut times: HashMap<CommitId, Timestamp> = HashMap::new();
        for commit in self.newest_first().into_iter().rev() {
            let before = parents(&commit.record).filter_map(|parent| times.get(&parent).copied()).max();
            let time = before.map_or(commit.record.time, |before| before.max(commit.record.time));
            times.insert(commit.id, time.min(now));
        }
        times
    }
}
