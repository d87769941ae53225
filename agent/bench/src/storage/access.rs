//! Which request comes next.

/// A request: which block of the region, and whether it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The block's number.
    pub block: u64,
    /// Read, or else write.
    pub read: bool,
}

/// Requests without end, the same for one seed.
#[derive(Clone, Debug)]
pub struct Access {
    blocks: u64,
    random: bool,
    read_percent: u64,
    state: u64,
    next: u64,
}

impl Access {
    /// Over a region of `blocks` blocks, one at least, of which so many percent are read.
    #[must_use]
    pub fn new(blocks: u64, random: bool, read_percent: u64, seed: u64) -> Self {
        Self { blocks: blocks.max(1), random, read_percent, state: seed, next: 0 }
    }

    /// The next request on a block that `busy` does not hold; what is in flight twice could not be
    /// checked.
    pub fn next(&mut self, busy: impl Fn(u64) -> bool) -> Request {
        let block = if self.random { self.below(self.blocks) } else { self.next };
        // Past those in flight, of which there are fewer than blocks or nothing could be chosen.
        let mut tries = self.blocks.min(4096);
        let mut block = block % self.blocks;
        while tries > 0 && busy(block) {
            block = (block + 1) % self.blocks;
            tries -= 1;
        }
        self.next = (block + 1) % self.blocks;
        let read = self.below(100) < self.read_percent;
        Request { block, read }
    }

    /// A number below `bound` (Lemire 2019, without the rejection: a region has far fewer blocks than 2^64).
    fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.word()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014).
    fn word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(mut access: Access, count: usize) -> Vec<u64> {
        (0..count).map(|_| access.next(|_| false).block).collect()
    }

    #[test]
    fn a_sequence_goes_round() {
        assert_eq!(blocks(Access::new(3, false, 100, 1), 7), [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn random_requests_reach_every_block_about_as_often() {
        let mut counts = [0_u32; 16];
        for block in blocks(Access::new(16, true, 100, 7), 16_000) {
            counts[usize::try_from(block).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn so_many_of_a_hundred_are_read() {
        for percent in [0, 30, 100] {
            let mut access = Access::new(100, true, percent, 3);
            let reads = (0..10_000).filter(|_| access.next(|_| false).read).count();
            let expected = usize::try_from(percent).unwrap() * 100;
            assert!(reads.abs_diff(expected) < 300, "{percent} %: {reads}");
        }
    }

    #[test]
    fn a_block_in_flight_is_not_chosen_again() {
        let mut access = Access::new(4, true, 50, 3);
        for _ in 0..100 {
            assert_eq!(access.next(|block| block != 2).block, 2);
        }
    }
}
