//! When a run begins no more files, and when it ends those that it has begun.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::world::{Clock, Timestamp};

/// The moment at which a run has taken long enough, if there is one.
pub struct Deadline {
    clock: Arc<dyn Clock>,
    until: Option<Timestamp>,
    cuts: bool,
    met: AtomicBool,
}

impl Deadline {
    /// `time` from now; never if `None`. `cuts`: files that are being transferred then are not finished.
    pub fn after(clock: &Arc<dyn Clock>, time: Option<Duration>, cuts: bool) -> Self {
        let until = time.map(|time| {
            let now = clock.now();
            let nanos = now.nanos + time.subsec_nanos();
            let secs = now.secs.saturating_add_unsigned(time.as_secs() + u64::from(nanos / 1_000_000_000));
            Timestamp { secs, nanos: nanos % 1_000_000_000 }
        });
        Self { clock: Arc::clone(clock), until, cuts, met: AtomicBool::new(false) }
    }

    /// Whether it is too late to begin another file, or to compare another.
    pub fn has_passed(&self) -> bool {
        let passed = self.until.is_some_and(|until| self.clock.now() >= until);
        if passed {
            self.met.store(true, Ordering::Relaxed);
        }
        passed
    }

    /// Whether it is too late even for a file that was begun.
    pub(super) fn cuts(&self) -> bool {
        self.cuts && self.has_passed()
    }

    /// Whether anything was left out because it was too late.
    pub fn was_met(&self) -> bool {
        self.met.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct At(Timestamp);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    fn deadline(time: Option<Duration>, cuts: bool) -> Deadline {
        let clock: Arc<dyn Clock> = Arc::new(At(Timestamp::new(100, 900_000_000).unwrap()));
        Deadline::after(&clock, time, cuts)
    }

    #[test]
    fn nanoseconds_carry_over() {
        let until = deadline(Some(Duration::from_millis(1200)), true).until.unwrap();
        assert_eq!((until.secs, until.nanos), (102, 100_000_000));
    }

    #[test]
    fn it_is_met_by_who_asks_too_late() {
        let (never, later, now) =
            (deadline(None, true), deadline(Some(Duration::from_secs(1)), true), deadline(Some(Duration::ZERO), false));
        assert!(!never.has_passed() && !later.cuts() && !later.was_met() && !now.was_met());
        assert!(!now.cuts() && now.has_passed() && now.was_met());
    }
}
