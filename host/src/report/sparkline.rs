//! Histograms of one line, for terminals.

use super::axis::as_float;
use std::ops::RangeInclusive;

/// The least and the greatest number of columns that make a shape.
const COLUMNS: RangeInclusive<usize> = 8..=16;

/// Fewer samples have no shape.
const LEAST: usize = 8;

const HEIGHTS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// How samples were distributed from the least to the greatest, in so many columns at most; `None` where that has no shape.
#[must_use]
pub fn of_samples(samples: &[f64], room: usize) -> Option<String> {
    if samples.len() < LEAST {
        return None;
    }
    line(samples.iter().map(|sample| (*sample, 1.0)), room)
}

/// How latencies were distributed, over a logarithmic axis: upper ends of buckets and how many lay in each.
#[must_use]
pub fn of_buckets(buckets: &[(u64, u64)], room: usize) -> Option<String> {
    #[expect(clippy::cast_precision_loss, reason = "a column is wider than that")]
    let float = |whole: u64| whole as f64;
    line(buckets.iter().map(|(end, count)| (float(*end).max(1.0).log2(), float(*count))), room)
}

fn line(weighed: impl Iterator<Item = (f64, f64)> + Clone, room: usize) -> Option<String> {
    let count = room.min(*COLUMNS.end());
    let values = weighed.clone().map(|(value, _)| value);
    let (low, high) = (values.clone().reduce(f64::min)?, values.reduce(f64::max)?);
    if !(high - low).is_finite() || high <= low || !COLUMNS.contains(&count) {
        return None;
    }
    let mut columns = vec![0.0; count];
    for (value, weight) in weighed {
        let part = (value - low) / (high - low) * as_float(count);
        let column = (1..count).take_while(|n| as_float(*n) <= part).count();
        columns[column] += weight;
    }
    let most = columns.iter().copied().fold(0.0, f64::max);
    // Whatever is there at all is to be seen.
    let height =
        |part: f64| (1..HEIGHTS.len() - 1).take_while(|n| as_float(*n) < part * 8.0).count();
    let draw =
        |column: &f64| if *column > 0.0 { HEIGHTS[height(column / most) + 1] } else { HEIGHTS[0] };
    Some(columns.iter().map(draw).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_high_as_what_lies_in_them() {
        let mut samples = vec![0.0; 8];
        samples.extend([16.0; 4]);
        samples.push(8.0);
        assert_eq!(of_samples(&samples, 80).unwrap(), "█       ▁      ▄");
        assert_eq!(of_samples(&samples, 9).unwrap(), "█   ▁   ▄");
        assert_eq!(of_samples(&samples, 7), None);
        let buckets = [(1, 8), (1 << 8, 1), (1 << 16, 4)];
        assert_eq!(of_buckets(&buckets, 16).unwrap(), "█       ▁      ▄");
    }

    #[test]
    fn what_has_no_shape_has_no_line() {
        for samples in [&[][..], &[1.0; 20], &[1.0, 2.0], &[1e308, -1e308, 0., 0., 0., 0., 0., 0.]]
        {
            assert_eq!(of_samples(samples, 16), None, "{samples:?}");
        }
        assert_eq!(of_samples(&[f64::NAN; 9], 16), None);
        assert_eq!(of_buckets(&[(5, 9)], 16), None);
        assert!(of_buckets(&[(0, u64::MAX), (u64::MAX, 1)], 16).is_some());
    }
}
