//! Addresses to visit: seeded, so that a run can be repeated.

use std::hash::{BuildHasher, RandomState};

use super::stamp::mix;

/// A splitmix64 generator: a counter through [`mix`]. Good enough to spread addresses.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Evenly from 0 to `bound` - 1, by the high half of a product; 0 for a bound of 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or_default()
    }
}

/// A seed no other process has.
pub(super) fn fresh_seed() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// The first, last and middle of `blocks` addresses, and random ones up to `count`: sorted, each once.
pub(super) fn spread(blocks: u64, count: u32, seed: u64) -> Vec<u64> {
    let Some(last) = blocks.checked_sub(1) else { return Vec::new() };
    let mut random = Random::new(seed);
    let drawn = std::iter::repeat_with(|| random.below(blocks));
    let mut lbas: Vec<_> =
        [0, last, last / 2].into_iter().chain(drawn).take(number(count)).collect();
    lbas.sort_unstable();
    lbas.dedup();
    lbas
}

/// A `u32` as a size; all targets of this program have at least 32 bits.
pub(super) fn number(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_ends_the_middle_and_no_address_twice() {
        let lbas = spread(131_072, 64, 1);
        assert_eq!((lbas.first(), lbas.last()), (Some(&0), Some(&131_071)));
        assert!(lbas.contains(&65_535) && lbas.is_sorted());
        assert!(lbas.len() > 60 && lbas.windows(2).all(|pair| pair[0] < pair[1]));
        assert_ne!(lbas, spread(131_072, 64, 2));
        assert_eq!(lbas, spread(131_072, 64, 1));
    }

    #[test]
    fn small_luns_and_counts_are_no_special_case() {
        assert_eq!(spread(0, 64, 1), [] as [u64; 0]);
        assert_eq!(spread(1, 64, 1), [0]);
        assert_eq!(spread(100, 2, 1), [0, 99]);
    }

    #[test]
    fn numbers_below_a_bound_reach_all_of_it_evenly() {
        let mut random = Random::new(7);
        let mut seen = [0_u32; 8];
        for _ in 0..8000 {
            seen[usize::try_from(random.below(8)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| (800..1200).contains(count)), "{seen:?}");
        assert_eq!(random.below(0), 0);
        assert!((0..1000).any(|_| random.below(u64::MAX) > u64::MAX / 2));
    }
}
