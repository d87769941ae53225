//! What a median could as well have been: resampling with a fixed seed, so that the same samples always give the same interval.

use super::sorted;

/// How often is resampled.
pub(super) const RESAMPLES: usize = 1000;

/// From so many samples on, the median of a resample is drawn by its rank's distribution.
const MANY: usize = 100;

/// The least number of samples whose median has an interval.
const LEAST: usize = 6;

/// Numbers that look random and are the same each time: `SplitMix64` (Steele, Lea and Flood, 2014).
pub(crate) struct Generator(u64);

impl Generator {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `count`, which is not 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        // The high half of the product; the bias is below one in 2^32 for all counts there are.
        let high = (u128::from(self.next()) * u128::from(count)) >> 64;
        usize::try_from(high).unwrap_or(0)
    }

    /// A number from 0 to below 1.
    pub(super) fn part(&mut self) -> f64 {
        let bits = u32::try_from(self.next() >> 32).unwrap_or(0);
        f64::from(bits) / 4_294_967_296.0
    }

    /// A number of the standard normal distribution, as nearly as twelve uniform ones make it.
    pub(super) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.part()).sum::<f64>() - 6.0
    }
}

/// Gives the median of a resample of samples that are sorted, and not none.
pub(super) fn resampled_median(sorted: &[f64], generator: &mut Generator) -> f64 {
    let count = sorted.len();
    let rank = if count < MANY {
        let mut ranks: [usize; MANY] = [0; MANY];
        let ranks = &mut ranks[..count];
        ranks.fill_with(|| generator.below(count));
        let (below, middle, _) = ranks.select_nth_unstable(count / 2);
        if count.is_multiple_of(2) {
            let other = below.iter().copied().max().unwrap_or(*middle);
            return f64::midpoint(sorted[other], sorted[*middle]);
        }
        *middle
    } else {
        // The median of n uniform numbers has a Beta distribution with mean 1/2 and variance
        // 1/(4(n + 2)), and with so many of them nearly a normal one.
        let deviation = 0.5 / (float(count) + 2.0).sqrt();
        at_part(count, generator.normal().mul_add(deviation, 0.5))
    };
    sorted[rank]
}

/// Gives the 95 % interval of the median by the percentiles of a bootstrap; `None` below six samples, or where one is no finite number.
#[must_use]
pub fn median_interval(samples: &[f64]) -> Option<(f64, f64)> {
    if samples.len() < LEAST || !samples.iter().all(|sample| sample.is_finite()) {
        return None;
    }
    let samples = sorted(samples.to_vec());
    let mut generator = Generator::new(1);
    let medians = (0..RESAMPLES).map(|_| resampled_median(&samples, &mut generator)).collect();
    Some(middle_95(&sorted(medians)))
}

/// Gives what encloses 95 % of values that are sorted, and not none.
pub(super) fn middle_95(sorted: &[f64]) -> (f64, f64) {
    (sorted[at_part(sorted.len(), 0.025)], sorted[at_part(sorted.len(), 0.975)])
}

/// The index that lies at a part of `count`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it saturates, and is bounded then"
)]
fn at_part(count: usize, part: f64) -> usize {
    ((part * float(count)) as usize).min(count.saturating_sub(1))
}

/// A count as a number.
pub(super) fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The first outputs for the seed 1234567, as published with the algorithm.
        let mut generator = Generator::new(1_234_567);
        let first = [generator.next(), generator.next()];
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn the_same_samples_have_the_same_interval_and_few_have_none() {
        let samples: Vec<f64> = (0..30).map(|n| f64::from(n * 7 % 30)).collect();
        assert_eq!(median_interval(&samples), median_interval(&samples));
        assert_eq!(median_interval(&samples[..5]), None);
        assert_eq!(median_interval(&[f64::NAN; 10]), None);
        assert_eq!(median_interval(&[3.0; 10]), Some((3.0, 3.0)));
    }

    #[test]
    fn the_interval_holds_the_true_median_about_95_times_in_100() {
        for count in [8, 20, 99, 100, 500] {
            let mut generator = Generator::new(7);
            let held = (0..300)
                .filter(|_| {
                    // Skewed, as latencies are; its median is 1.
                    let samples: Vec<f64> = (0..count).map(|_| generator.normal().exp()).collect();
                    let (low, high) = median_interval(&samples).unwrap();
                    low <= 1.0 && 1.0 <= high
                })
                .count();
            assert!((275..=297).contains(&held), "{count} samples: {held} of 300");
        }
    }
}
