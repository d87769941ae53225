//! Latencies of a benchmark, from the histograms it told.

use crate::result::{Benchmark, PERCENTILES, percentile};
use std::collections::BTreeMap;

/// What all requests of a storage benchmark are, one way or the other.
const REQUESTS: [&str; 2] = ["read", "write"];

/// Fills in the percentiles: `read_p99` for each histogram, and `p99` for all requests together.
pub(super) fn conclude(benchmark: &mut Benchmark) {
    let mut all = BTreeMap::<u64, u64>::new();
    let mut found = Vec::new();
    for histogram in &mut benchmark.histograms {
        // A guest may tell buckets in any order.
        histogram.buckets.sort_unstable();
        found.extend(percentiles(&format!("{}_", histogram.series), &histogram.buckets));
        if REQUESTS.contains(&&*histogram.series) {
            for (end, count) in &histogram.buckets {
                let so_far = all.entry(*end).or_default();
                *so_far = so_far.saturating_add(*count);
            }
        }
    }
    found.extend(percentiles("", &all.into_iter().collect::<Vec<_>>()));
    for (name, ns) in found {
        // A workload that samples percentiles is checked by its medians.
        benchmark.metrics.entry(name.clone()).or_insert(ns);
        benchmark.latency_ns.insert(name, ns);
    }
}

fn percentiles(prefix: &str, buckets: &[(u64, u64)]) -> Vec<(String, f64)> {
    #[expect(clippy::cast_precision_loss, reason = "a time of months is exact")]
    let named = |(name, part): (&str, u64)| {
        Some((format!("{prefix}{name}"), percentile(buckets, part)? as f64))
    };
    PERCENTILES.into_iter().filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::conclude;
    use crate::result::{Benchmark, Histogram};

    #[test]
    fn each_kind_of_request_and_all_together_have_percentiles() {
        let histogram = |series: &str, buckets: &[(u64, u64)]| Histogram {
            series: series.to_owned(),
            buckets: buckets.to_vec(),
        };
        let mut benchmark = Benchmark {
            histograms: vec![
                histogram("read", &[(200, 1), (100, 99)]),
                histogram("write", &[(1000, 100)]),
                histogram("peer 1", &[(5000, 1)]),
            ],
            ..Benchmark::default()
        };
        conclude(&mut benchmark);
        for (name, expected) in [
            ("read_p50", 100.0),
            ("read_p99", 100.0),
            ("read_max", 200.0),
            ("write_p99.99", 1000.0),
            ("peer 1_p50", 5000.0),
            ("p50", 200.0),
            ("p90", 1000.0),
            ("max", 1000.0),
        ] {
            assert_eq!(benchmark.metrics.get(name), Some(&expected), "{name}");
            assert_eq!(benchmark.latency_ns.get(name), Some(&expected), "{name}");
        }
        let mut nothing = Benchmark::default();
        conclude(&mut nothing);
        assert!(nothing.metrics.is_empty(), "what was not measured has no number");
    }
}
