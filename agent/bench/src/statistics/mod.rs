//! Order statistics of samples: they say what was typical however bad the worst was.

mod bootstrap;
mod ratio;

pub(crate) use bootstrap::Generator;
pub use bootstrap::median_interval;
pub use ratio::{ALLOWANCE, ALLOWANCE_OF_ONE, Design, ENOUGH, Ratio, Runs};

/// What one series of samples comes to. Every field but `count` has the unit of the samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// How many samples.
    pub count: usize,
    /// The middle: half of the samples are at most this.
    pub median: f64,
    /// The median of the samples' distances from their median, as it is: not scaled to a normal distribution's σ.
    pub mad: f64,
    /// The first quartile.
    pub p25: f64,
    /// The third quartile.
    pub p75: f64,
    /// The least sample.
    pub min: f64,
    /// The greatest sample.
    pub max: f64,
}

impl Summary {
    /// Summarises samples in any order; `None` when there are none, or one is not a finite number.
    pub fn of(samples: &[f64]) -> Option<Summary> {
        if !samples.iter().all(|sample| sample.is_finite()) {
            return None;
        }
        let sorted = sorted(samples.to_vec());
        let median = quarter(&sorted, 2)?;
        let distances = sorted.iter().map(|sample| (sample - median).abs()).collect();
        Some(Summary {
            count: sorted.len(),
            median,
            mad: quarter(&self::sorted(distances), 2)?,
            p25: quarter(&sorted, 1)?,
            p75: quarter(&sorted, 3)?,
            min: quarter(&sorted, 0)?,
            max: quarter(&sorted, 4)?,
        })
    }

    /// Gives the interquartile range, in the unit of the samples.
    pub fn iqr(&self) -> f64 {
        self.p75 - self.p25
    }

    /// Gives the spread: the interquartile range as a ratio of the median (0.05 is 5 %).
    ///
    /// Samples without any spread have 0; a spread about a median of 0 is infinite.
    pub fn spread(&self) -> f64 {
        let iqr = self.iqr();
        if iqr == 0.0 { 0.0 } else { iqr / self.median.abs() }
    }
}

/// Gives the median and its 95 % interval by order statistics: the least sample, the median, the greatest sample within; `None` below
/// six samples, of which no two enclose the median so surely.
///
/// It assumes nothing of the distribution, and is cheap: it says when to stop. The count of samples
/// below the median is binomial; ranks come from its normal approximation.
#[must_use]
pub fn order_interval(samples: &[f64]) -> Option<(f64, f64, f64)> {
    if samples.len() < 6 {
        return None;
    }
    let sorted = sorted(samples.to_vec());
    let count = sorted.len();
    // ranks from 1: (n - 1.96 √n) / 2 rounded down, and as far from the other end
    let below = (1..=count / 2)
        .take_while(|rank| {
            let distance = count.saturating_sub(2 * rank);
            // distance ≥ 1.96 √n, squared and in hundredths of hundredths
            distance * distance * 10_000 >= 38_416 * count
        })
        .last()
        .unwrap_or(1);
    let median = quarter(&sorted, 2)?;
    Some((*sorted.get(below - 1)?, median, *sorted.get(count - below)?))
}

fn sorted(mut samples: Vec<f64>) -> Vec<f64> {
    samples.sort_unstable_by(f64::total_cmp);
    samples
}

/// Gives the quantile `quarters / 4`, interpolated between the two samples next to it (type 7 of Hyndman and Fan, 1996).
fn quarter(sorted: &[f64], quarters: usize) -> Option<f64> {
    let position = sorted.len().checked_sub(1)? * quarters;
    let below = *sorted.get(position / 4)?;
    let weight = match position % 4 {
        0 => return Some(below),
        1 => 0.25,
        2 => 0.5,
        _ => 0.75,
    };
    let above = *sorted.get(position / 4 + 1)?;
    // Rounding may step outside of the two by one unit in the last place.
    Some((below * (1.0 - weight) + above * weight).clamp(below, above))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_samples_have_known_statistics() {
        let summary = Summary::of(&[7.0, 1.0, 3.0, 5.0, 100.0]).unwrap();
        let expected =
            Summary { count: 5, median: 5.0, mad: 2.0, p25: 3.0, p75: 7.0, min: 1.0, max: 100.0 };
        assert_eq!(summary, expected);
        assert_eq!(summary.iqr(), 4.0);
        assert_eq!(summary.spread(), 0.8);
    }

    #[test]
    fn an_even_count_has_its_median_between_the_two_in_the_middle() {
        let summary = Summary::of(&[4.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!((summary.p25, summary.median, summary.p75), (1.75, 2.5, 3.25));
    }

    #[test]
    fn one_sample_has_no_spread_and_none_has_no_summary() {
        let summary = Summary::of(&[0.0]).unwrap();
        assert_eq!((summary.median, summary.mad, summary.spread()), (0.0, 0.0, 0.0));
        assert_eq!(Summary::of(&[]), None);
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Summary::of(&[1.0, bad]), None);
        }
    }

    #[test]
    fn the_interval_by_order_has_the_published_ranks() {
        // Ranks of the sign test's interval: n = 20 gives 6 and 15 exactly; the approximation is
        // one rank wider at most.
        let samples: Vec<f64> = (1..=20).map(f64::from).collect();
        let (low, median, high) = order_interval(&samples).unwrap();
        assert!((5.0..=6.0).contains(&low) && (15.0..=16.0).contains(&high), "{low} {high}");
        assert_eq!(median, 10.5);
        assert_eq!(order_interval(&samples[..5]), None);
    }

    fn samples() -> impl Strategy<Value = Vec<f64>> {
        vec(-1e300..1e300f64, 1..60)
    }

    proptest! {
        #[test]
        fn the_fields_are_in_order(samples in samples()) {
            let s = Summary::of(&samples).unwrap();
            prop_assert!(s.min <= s.p25 && s.p25 <= s.median && s.median <= s.p75 && s.p75 <= s.max);
            prop_assert!(s.mad >= 0.0 && s.mad <= s.max - s.min);
        }

        #[test]
        fn order_does_not_matter(
            (samples, shuffled) in samples().prop_flat_map(|s| (Just(s.clone()), Just(s).prop_shuffle()))
        ) {
            prop_assert_eq!(Summary::of(&samples), Summary::of(&shuffled));
        }

        #[test]
        fn half_of_the_samples_are_on_each_side_of_the_median(samples in samples()) {
            let median = Summary::of(&samples).unwrap().median;
            let (below, above) = (
                samples.iter().filter(|s| **s < median).count(),
                samples.iter().filter(|s| **s > median).count(),
            );
            prop_assert!(below * 2 <= samples.len() && above * 2 <= samples.len());
        }

        #[test]
        fn moving_all_samples_moves_the_median_and_keeps_the_mad(samples in vec(-1000..1000i32, 1..40), by in -1000..1000i32) {
            let floats = |offset: i32| samples.iter().map(|s| f64::from(s + offset)).collect::<Vec<_>>();
            let (here, there) = (Summary::of(&floats(0)).unwrap(), Summary::of(&floats(by)).unwrap());
            prop_assert_eq!(here.median + f64::from(by), there.median);
            prop_assert_eq!(here.mad, there.mad);
        }
    }
}
