//! A set of the steps of a plan: a bit for each.

/// Numbers that are in the set.
#[derive(Debug, Default, Clone)]
pub(super) struct Chosen {
    bits: Vec<u64>,
}

impl Chosen {
    pub(super) fn insert(&mut self, number: u64) {
        let at = (number / 64) as usize;
        if at >= self.bits.len() {
            self.bits.resize(at + 1, 0);
        }
        self.bits[at] |= 1 << (number % 64);
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        self.bits.get((number / 64) as usize).is_some_and(|bits| bits & (1 << (number % 64)) != 0)
    }

    /// What is in either.
    pub(super) fn union(mut self, other: &Self) -> Self {
        if self.bits.len() < other.bits.len() {
            self.bits.resize(other.bits.len(), 0);
        }
        self.bits.iter_mut().zip(&other.bits).for_each(|(bits, more)| *bits |= more);
        self
    }
}
