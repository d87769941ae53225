//! What a benchmark is given and tells, as its result has it.

use super::record::MANY;
use crate::initiator::Measured;
use crate::result::{Benchmark, Counter, Histogram, Series, Summary};
use crate::spec::{Benchmark as Asked, Spec};
use lunlab_bench::unit;
use std::collections::BTreeMap;

/// One that has told nothing yet.
pub(super) fn unmeasured(spec: &Spec, asked: &Asked) -> Benchmark {
    let mut parameters = BTreeMap::new();
    if let Asked::IscsiRandread(asked) = asked {
        let lun = spec.lun_of(&asked.login).map(|seen| seen.number);
        parameters.insert("block_size".to_owned(), asked.block_size.into());
        parameters.insert("queue_depth".to_owned(), asked.queue_depth.into());
        parameters.insert("seconds".to_owned(), asked.seconds.into());
        parameters.insert("region".to_owned(), spec.region_bytes(asked).into());
        parameters.insert("lun".to_owned(), lun.into());
    }
    if let Asked::Measured(asked) = asked {
        parameters = asked.shown();
    }
    Benchmark { workload: asked.workload().to_owned(), parameters, ..Benchmark::default() }
}

pub(super) fn add_bucket(into: &mut Benchmark, series: &str, up_to_ns: u64, count: u64) {
    let total: usize = into.histograms.iter().map(|each| each.buckets.len()).sum();
    if total >= MANY {
        return;
    }
    let found = into.histograms.iter().position(|each| each.series == series);
    let index = found.unwrap_or(into.histograms.len());
    if found.is_none() {
        into.histograms.push(Histogram { series: series.to_owned(), buckets: Vec::new() });
    }
    if let Some(histogram) = into.histograms.get_mut(index) {
        histogram.buckets.push((up_to_ns, count));
    }
}

pub(super) fn add_counter(
    into: &mut Benchmark,
    region: &str,
    name: &str,
    value: u64,
    problem: &str,
) {
    if into.counters.len() < 1000 {
        let known = problem.is_empty();
        into.counters.push(Counter {
            region: region.to_owned(),
            name: name.to_owned(),
            value: known.then_some(value),
            problem: (!known).then(|| problem.to_owned()),
        });
    }
}

/// Takes a sample that arrived so many milliseconds after `lunlab` started.
pub(super) fn add_sample(
    into: &mut Benchmark,
    series: &str,
    unit: &str,
    (value, at_ms): (f64, f64),
) {
    let total: usize = into.series.iter().map(|each| each.samples.len()).sum();
    if total >= MANY {
        return;
    }
    if let Some(found) = into.series.iter_mut().find(|each| each.name == series) {
        found.samples.push(value);
        return found.at_ms.push(at_ms);
    }
    into.series.push(Series {
        name: series.to_owned(),
        unit: unit.to_owned(),
        samples: vec![value],
        at_ms: vec![at_ms],
        summary: None,
    });
}

pub(super) fn take_measured(into: &mut Benchmark, measured: &Measured) {
    let latency = &measured.latency;
    let nanoseconds = [
        ("min", latency.min_us),
        ("mean", latency.mean_us),
        ("p50", latency.p50_us),
        ("p90", latency.p90_us),
        ("p99", latency.p99_us),
        ("p99.9", latency.p999_us),
        ("p99.99", latency.p9999_us),
        ("max", latency.max_us),
    ]
    .map(|(name, us)| (name.to_owned(), us * 1000.0));
    into.metrics.extend(nanoseconds.iter().cloned());
    into.latency_ns.extend(nanoseconds);
    into.metrics.insert("iops".to_owned(), measured.iops);
    into.metrics.insert("mb_per_s".to_owned(), measured.mb_per_s);
}

/// Summaries of each series; for series without metrics of their own, their medians are.
pub(super) fn summarise(benchmark: &mut Benchmark) {
    for series in &mut benchmark.series {
        let Some(summary) = lunlab_bench::statistics::Summary::of(&series.samples) else {
            continue;
        };
        // Metrics are in nanoseconds where they are times.
        let scale = if series.unit == unit::MILLISECONDS { 1e6 } else { 1.0 };
        benchmark.metrics.entry(series.name.clone()).or_insert(summary.median * scale);
        series.summary = Some(Summary {
            median: summary.median,
            mad: summary.mad,
            spread: summary.spread(),
            p25: summary.p25,
            p75: summary.p75,
            interval: None,
        });
    }
}

/// The medians' intervals, which take the processor longer than all else of a summary.
pub(super) fn add_intervals(benchmark: &mut Benchmark) {
    for series in &mut benchmark.series {
        if let Some(summary) = &mut series.summary {
            summary.interval = lunlab_bench::statistics::median_interval(&series.samples);
        }
    }
}
