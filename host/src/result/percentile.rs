//! Percentiles of a histogram.

/// Those that are given, in parts of ten thousand.
pub const PERCENTILES: [(&str, u64); 6] = [
    ("p50", 5_000),
    ("p90", 9_000),
    ("p99", 9_900),
    ("p99.9", 9_990),
    ("p99.99", 9_999),
    ("max", 10_000),
];

/// The end of the bucket in which that part, in ten thousandths, of the requests is reached; buckets
/// are upper ends, ascending, and counts.
#[must_use]
pub fn percentile(buckets: &[(u64, u64)], part: u64) -> Option<u64> {
    let total: u128 = buckets.iter().map(|(_, count)| u128::from(*count)).sum();
    let wanted = (total * u128::from(part)).div_ceil(10_000);
    let mut seen = 0;
    let reached = buckets.iter().find(|(_, count)| {
        seen += u128::from(*count);
        seen >= wanted
    });
    reached.map(|(end, _)| *end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_buckets_in_which_they_are_reached() {
        let buckets = [(10, 50), (20, 49), (1000, 1)];
        let found = PERCENTILES.map(|(_, part)| percentile(&buckets, part).unwrap());
        assert_eq!(found, [10, 20, 20, 1000, 1000, 1000]);
        assert_eq!(percentile(&[], 5_000), None);
    }
}
