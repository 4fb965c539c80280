//! Where chunks end.
//!
//! The gear hash of a chunk starts at 0 at offset min−64; bytes up to `min` only warm it (it forgets what is older than 64
//! bytes). From `min` on a chunk ends behind the byte at which the hash has its top 20 bits zero, from `avg` on its top
//! 18: lengths gather around `avg` (the normalised chunking of Xia et al., "FastCDC", USENIX ATC 2016, by two masks).

use std::sync::Arc;

/// How content is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// By content.
    Gear {
        /// Shortest chunk, unless content ends.
        min: u32,
        /// Where the easier mask begins.
        avg: u32,
        /// Longest chunk.
        max: u32,
    },
    /// Every so many bytes.
    Fixed(u32),
}

/// Finds the ends of chunks.
#[derive(Clone)]
pub struct Cutter {
    policy: Policy,
    table: Arc<[u64; 256]>,
}

impl Cutter {
    /// A cutter with the vault's table.
    pub fn new(policy: Policy, table: [u64; 256]) -> Self {
        Self { policy, table: Arc::new(table) }
    }

    /// The longest chunk there can be.
    pub fn max(&self) -> usize {
        match self.policy {
            Policy::Gear { max, .. } => max as usize,
            Policy::Fixed(size) => size as usize,
        }
    }

    /// The length of the chunk that `data` starts with; `None` if that can't be told without more data. `data` holds the
    /// rest of the extent if `complete`. The chunk is known not to end within the first `searched` bytes: what a search
    /// over less data has told.
    pub fn cut(&self, data: &[u8], searched: usize, complete: bool) -> Option<usize> {
        let found = match self.policy {
            Policy::Fixed(size) => (data.len() >= size as usize).then_some(size as usize),
            Policy::Gear { min, avg, max } => {
                self.cut_gear(data, searched.max(min as usize), avg as usize, max as usize)
            }
        };
        found.or_else(|| (complete && !data.is_empty()).then_some(data.len()))
    }

    fn cut_gear(&self, data: &[u8], from: usize, avg: usize, max: usize) -> Option<usize> {
        if data.len() <= from {
            return None;
        }
        let data = &data[..data.len().min(max)];
        let mut hasher = gearhash::Hasher::new(&self.table);
        hasher.update(&data[from - WARM_UP..from]);
        let hard = data.len().min(avg).max(from);
        if let Some(found) = hasher.next_match(&data[from..hard], HARD_MASK) {
            return Some(from + found);
        }
        if let Some(found) = hasher.next_match(&data[hard..], EASY_MASK) {
            return Some(hard + found);
        }
        (data.len() == max).then_some(max)
    }
}

/// The hash forgets a byte after 64 more.
const WARM_UP: usize = 64;
const HARD_MASK: u64 = !0 << (64 - 20);
const EASY_MASK: u64 = !0 << (64 - 18);

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::chunk) const GEAR: Policy = Policy::Gear { min: 262_144, avg: 1_048_576, max: 4_194_304 };

    pub(in crate::chunk) fn random(seed: u64, len: usize) -> Vec<u8> {
        let mut state = seed;
        let mut next = move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        (0..len.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(len).collect()
    }

    pub(in crate::chunk) fn cutter(policy: Policy) -> Cutter {
        let bytes = random(1, 2048);
        Cutter::new(policy, std::array::from_fn(|i| u64::from_le_bytes(bytes[i * 8..i * 8 + 8].try_into().unwrap())))
    }

    fn lengths(cutter: &Cutter, mut data: &[u8]) -> Vec<usize> {
        let mut found = Vec::new();
        while let Some(len) = cutter.cut(data, 0, true) {
            found.push(len);
            data = &data[len..];
        }
        found
    }

    /// The rule of docs/format.md, written out byte by byte.
    fn reference(cutter: &Cutter, data: &[u8]) -> usize {
        let Policy::Gear { min, avg, max } = cutter.policy else { panic!("gear only") };
        let (min, avg, max) = (min as usize, avg as usize, max as usize);
        let mut hash = 0u64;
        for (i, byte) in data.iter().enumerate().skip(min - 64) {
            hash = (hash << 1).wrapping_add(cutter.table[*byte as usize]);
            let zero_bits = if i < avg { 20 } else { 18 };
            if (i >= min && hash >> (64 - zero_bits) == 0) || i + 1 == max {
                return i + 1;
            }
        }
        data.len()
    }

    /// Frozen: a change here is a change of the format, and would break deduplication in every vault there is.
    #[test]
    fn cuts_are_frozen() {
        assert_eq!(lengths(&cutter(GEAR), &random(2, 8 << 20)), FROZEN);
    }

    #[test]
    fn lengths_are_in_bounds_and_about_a_mebibyte() {
        let found = lengths(&cutter(GEAR), &random(3, 64 << 20));
        assert!(found[..found.len() - 1].iter().all(|len| (262_144..=4_194_304).contains(len)));
        let mean = (64 << 20) / found.len();
        assert!((700_000..1_300_000).contains(&mean), "{mean}");
    }

    #[test]
    fn an_insertion_stays_local() {
        let cutter = cutter(GEAR);
        let mut data = random(4, 24 << 20);
        let before = lengths(&cutter, &data);
        data.insert(9 << 20, 7);
        let after = lengths(&cutter, &data);
        let kept = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count()
            + before.iter().zip(&after).take_while(|(a, b)| a == b).count();
        assert!(kept + 4 >= before.len(), "{kept} of {}", before.len());
    }

    #[test]
    fn fixed_sizes() {
        assert_eq!(lengths(&cutter(Policy::Fixed(65_536)), &[0; 150_000]), [65_536, 65_536, 18_928]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn agrees_with_the_reference(seed: u64, len in 1usize..6 << 20, step in 100_000usize..1 << 20) {
            let cutter = cutter(GEAR);
            let data = random(seed, len);
            let cut = reference(&cutter, &data);
            prop_assert_eq!(cutter.cut(&data, 0, true), Some(cut));
            // In steps, each knowing what the one before has searched.
            let (mut searched, mut have) = (0, step.min(len));
            let found = loop {
                match cutter.cut(&data[..have], searched, have == len) {
                    None => (searched, have) = (have, (have + step).min(len)),
                    found => break found,
                }
            };
            prop_assert_eq!(found, Some(cut));
        }
    }

    const FROZEN: [usize; 10] =
        [1_104_253, 1_055_141, 334_497, 713_031, 1_178_588, 1_120_727, 453_701, 1_152_155, 665_927, 610_588];
}
