//! How latencies were distributed.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::workload::{Observer, Told};

/// What is told of latencies, each in a metric of its own.
pub const PARTS: [&str; 6] = ["p50", "p90", "p99", "p99.9", "p99.99", "max"];

/// Latencies of some requests, in nanoseconds: three digits of each, from 1 ns to 100 s; longer
/// ones count as that.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, 100_000_000_000, 3);
        Self(histogram.unwrap_or_else(|_| unreachable!("bounds that are constants")))
    }
}

impl Latencies {
    /// Counts one.
    pub fn add(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells every bucket that is not empty. Three digits are a few hundred buckets at most for
    /// latencies that lie within a factor of ten.
    pub fn tell(&self, series: &str, observer: &mut dyn Observer) {
        for bucket in self.0.iter_recorded() {
            let (up_to_ns, count) = (bucket.value_iterated_to(), bucket.count_at_value());
            observer.tell(Told::Bucket { series, up_to_ns, count });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_is_in_a_bucket_that_ends_at_it_or_a_thousandth_above() {
        let mut latencies = Latencies::default();
        assert!(latencies.is_empty());
        for microseconds in [10, 10, 250, 4000] {
            latencies.add(Duration::from_micros(microseconds));
        }
        let mut buckets = Vec::new();
        latencies.tell("read", &mut |told: Told<'_>| {
            let Told::Bucket { series: "read", up_to_ns, count } = told else { panic!("{told:?}") };
            buckets.push((up_to_ns, count));
        });
        for ((up_to, count), (ns, expected)) in
            buckets.iter().zip([(10_000_u64, 2), (250_000, 1), (4_000_000, 1)])
        {
            assert_eq!(*count, expected);
            assert!(*up_to >= ns && up_to - ns <= ns / 1000 + 1, "{up_to} for {ns}");
        }
        assert_eq!(buckets.len(), 3);
    }
}
