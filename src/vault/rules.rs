//! The rules that the safety of garbage collection rests on, by name: so that a test can leave one out, and see that something
//! is lost then. In a release build there is nothing to leave out.

use std::sync::atomic::{AtomicU32, Ordering};

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Rule {
    /// An epoch is complete only when every open writer has claimed it.
    Claim = 1,
    /// Nothing condemned is relied on.
    Refuse = 2,
    /// What is needed again is copied out before anything is deleted.
    Rescue = 4,
    /// What an epoch forgets is forgotten only once every open writer has claimed it.
    Effect = 8,
    /// A run claims only what all other runs of its installation had seen when they began.
    Parallel = 16,
    /// A writer that has ended looks at all it relies on before it goes on as another.
    Again = 32,
    /// Packs of dead runs are taken over only if they are not condemned.
    Resume = 64,
    /// A small commit carries what is new in itself. Safety does not rest on it: without, small commits are like large ones.
    Bundle = 128,
}

/// The rules that are left out.
#[derive(Debug, Default)]
pub(super) struct Rules(AtomicU32);

impl Rules {
    /// Whether a rule is kept.
    pub(super) fn hold(&self, rule: Rule) -> bool {
        !cfg!(test) || self.0.load(Ordering::Relaxed) & rule as u32 == 0
    }

    /// Leaves a rule out from now on.
    #[cfg(test)]
    pub(super) fn leave_out(&self, rule: Rule) {
        self.0.fetch_or(rule as u32, Ordering::Relaxed);
    }
}
