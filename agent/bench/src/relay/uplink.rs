//! What an uplink can do at best, and what time costs a miner.

/// Bytes that a token bucket lets pass at once. Ten full frames: less, and a late timer costs throughput.
pub const BURST: u32 = 16 * 1024;

/// An uplink that so many bits go through in a second, but for a burst of [`BURST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// Bits a second.
    pub rate: u64,
}

impl Uplink {
    /// The arithmetic bound: seconds for so many bytes, without what TCP, IP and Ethernet put around them.
    #[must_use]
    pub fn seconds(self, bytes: u64) -> f64 {
        bytes as f64 * 8.0 / self.rate as f64
    }

    /// Before this nobody can have so many bytes, the bucket having been full.
    #[must_use]
    pub fn earliest(self, bytes: u64) -> f64 {
        self.seconds(bytes.saturating_sub(u64::from(BURST)))
    }

    /// The first of these arrivals, in seconds, that was sooner than can be, and the time it should have taken. Peer by peer, with the
    /// bytes that each was sent.
    #[must_use]
    pub fn undercut(self, arrivals: &[f64], bytes: &[u64]) -> Option<(f64, f64)> {
        let mut arrivals = arrivals.to_vec();
        arrivals.sort_by(f64::total_cmp);
        let mut bytes = bytes.to_vec();
        bytes.sort_unstable();
        // Whoever came first had at least what the least copies sum up to.
        let sums = bytes.iter().scan(0, |sum: &mut u64, each| {
            *sum = sum.saturating_add(*each);
            Some(*sum)
        });
        let pairs = arrivals.into_iter().zip(sums.map(|sum| self.earliest(sum)));
        pairs.into_iter().find(|(arrival, earliest)| arrival < earliest)
    }
}

/// How many of a miner's blocks lose against another that is found meanwhile: 1 - exp(-t/600), blocks being found each 600 s.
#[must_use]
pub fn orphan_rate(seconds: f64) -> f64 {
    -(-seconds / 600.0).exp_m1()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orphan_rates_are_those_of_a_home_line() {
        for (seconds, percent) in [(66.8, 10.5), (501.7, 56.7), (0.0, 0.0)] {
            let rate = orphan_rate(seconds) * 100.0;
            assert!((rate - percent).abs() < 0.05, "{seconds}: {rate}");
        }
    }

    #[test]
    fn eight_copies_of_a_megabyte_take_a_minute() {
        let uplink = Uplink { rate: 1_000_000 };
        assert!((uplink.seconds(8_000_000) - 64.0).abs() < 1e-9);
        assert!((uplink.earliest(1_016_384) - 8.0).abs() < 1e-9);
        assert!(uplink.earliest(10_000).abs() < 1e-9);
    }

    #[test]
    fn what_came_too_soon_is_found_whoever_it_was() {
        let uplink = Uplink { rate: 8_000_000 };
        let burst = u64::from(BURST);
        let bytes = [2_000_000 + burst, 1_000_000];
        assert_eq!(uplink.undercut(&[3.1, 1.1], &bytes), None);
        assert_eq!(uplink.undercut(&[0.9, 3.1], &bytes), Some((0.9, uplink.earliest(1_000_000))));
        assert_eq!(uplink.undercut(&[1.1, 2.9], &bytes), Some((2.9, 3.0)));
    }
}
