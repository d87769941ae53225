//! How latencies were distributed, workload by workload.

use super::axis::{Axis, as_float};
use super::html::{Column, Figure, section, side_by_side, some_of, table};
use super::lanes::{Group, Lane};
use super::plot::{HALF, Mark, NUMBERS, Plot};
use super::quantity::quantity;
use super::sweep::swept;
use crate::result::{PERCENTILES, percentile};

/// Bars of a plot.
const BINS: usize = 40;

/// Upper ends of buckets in nanoseconds, ascending, and how many requests lay in each.
type Buckets = Vec<(u64, u64)>;

/// The section.
pub(super) fn latency(groups: &[Group], lanes: &[Lane]) -> String {
    let named = |(group, swept)| {
        let names = names(group).into_iter().enumerate();
        names.map(move |(rank, name)| ((swept, rank), (group, name)))
    };
    let (shown, left) = some_of(groups.iter().zip(swept(groups)).flat_map(named).collect());
    let of_one = |(group, name): &(&Group, &str)| {
        let merge = |benchmarks: &Vec<&crate::result::Benchmark>| merged(benchmarks, name);
        let buckets: Vec<Buckets> = group.lanes.iter().map(merge).collect();
        figure(&format!("{}: {name}", group.label), lanes, &buckets)
    };
    let figures: Vec<Figure> = shown.iter().filter_map(of_one).collect();
    section("latency", "Latency", &(side_by_side(&figures) + &left))
}

fn names<'a>(group: &Group<'a>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for histogram in group.lanes.iter().flatten().flat_map(|benchmark| &benchmark.histograms) {
        if !names.contains(&histogram.series.as_str()) {
            names.push(&histogram.series);
        }
    }
    names
}

/// The histograms of that name as one.
fn merged(benchmarks: &[&crate::result::Benchmark], name: &str) -> Buckets {
    let mut sum = std::collections::BTreeMap::<u64, u64>::new();
    let histograms = benchmarks.iter().flat_map(|benchmark| &benchmark.histograms);
    for (end, count) in histograms.filter(|each| each.series == name).flat_map(|h| &h.buckets) {
        let so_far = sum.entry(*end).or_default();
        *so_far = so_far.saturating_add(*count);
    }
    sum.into_iter().filter(|(_, count)| *count > 0).collect()
}

fn figure(title: &str, lanes: &[Lane], buckets: &[Buckets]) -> Option<Figure> {
    let ends: Vec<f64> = buckets.iter().flatten().map(|(end, _)| nanoseconds(*end)).collect();
    if ends.is_empty() {
        return None;
    }
    let x = Axis::times(&ends, "latency");
    let bins: Vec<Vec<f64>> = buckets.iter().map(|of| bins(of, &x)).collect();
    let most = bins.iter().flatten().copied().fold(0.0, f64::max);
    let alone = buckets.iter().filter(|of| !of.is_empty()).count() == 1;
    let mut marks = Vec::new();
    for ((lane, bins), of) in lanes.iter().zip(&bins).zip(buckets) {
        marks.extend(if alone { bars(lane, bins, &x) } else { steps(lane, bins, &x) });
        if alone {
            marks.extend(uprights(of));
        }
    }
    Some(Figure {
        title: title.to_owned(),
        note: note(lanes, buckets),
        legend: lanes.iter().map(|lane| (lane.role, lane.label.clone())).collect(),
        svg: Plot {
            title: format!("Latency of {title}"),
            size: HALF,
            left: NUMBERS,
            x,
            y: Axis::from_zero(most * 1.05, "% of requests", ""),
            marks,
        }
        .svg(),
        table: numbers(lanes, buckets),
    })
}

/// What part of the requests lies in each of [`BINS`] even stretches of the axis, in percent.
fn bins(buckets: &Buckets, x: &Axis) -> Vec<f64> {
    let mut bins = vec![0.0; BINS];
    let total: f64 = buckets.iter().map(|(_, count)| nanoseconds(*count)).sum();
    for (end, count) in buckets {
        let part = (x.place(nanoseconds(*end)) - x.range.start) / (x.range.end - x.range.start);
        let edges = (1..BINS).take_while(|n| as_float(*n) / as_float(BINS) <= part);
        bins[edges.count()] += nanoseconds(*count) / total * 100.0;
    }
    bins
}

/// The two ends of a bin, in nanoseconds.
fn ends(n: usize, x: &Axis) -> (f64, f64) {
    let edge = |n: usize| {
        let place = x.range.start + as_float(n) / as_float(BINS) * (x.range.end - x.range.start);
        10f64.powf(place)
    };
    (edge(n), edge(n + 1))
}

fn bars(lane: &Lane, bins: &[f64], x: &Axis) -> Vec<Mark> {
    let filled = bins.iter().enumerate().filter(|(_, height)| **height > 0.0);
    let bar = |(n, height): (usize, &f64)| {
        let (left, right) = ends(n, x);
        Mark::Bar(lane.role, (left * 1.003, *height), (right / 1.003, 0.0))
    };
    filled.map(bar).collect()
}

/// The outline of a histogram: several of them can be seen at once.
fn steps(lane: &Lane, bins: &[f64], x: &Axis) -> Vec<Mark> {
    if bins.iter().all(|height| *height == 0.0) {
        return Vec::new();
    }
    let step = |(n, height): (usize, &f64)| {
        let (left, right) = ends(n, x);
        [(left, *height), (right, *height)]
    };
    vec![Mark::Line(lane.role, bins.iter().enumerate().flat_map(step).collect())]
}

fn uprights(buckets: &Buckets) -> Vec<Mark> {
    let shown = PERCENTILES.iter().filter(|(name, _)| ["p50", "p99", "p99.9"].contains(name));
    let upright = |(name, part): &(&str, u64)| {
        Some(Mark::Upright(nanoseconds(percentile(buckets, *part)?), (*name).to_owned()))
    };
    shown.filter_map(upright).collect()
}

fn note(lanes: &[Lane], buckets: &[Buckets]) -> String {
    let count = |of: &Buckets| of.iter().map(|(_, count)| u128::from(*count)).sum::<u128>();
    let counts = lanes.iter().zip(buckets);
    let words = counts.map(|(lane, of)| format!("{} {} requests", lane.label, count(of)));
    words.map(|words| words.trim().to_owned()).collect::<Vec<_>>().join(", ") + "."
}

fn numbers(lanes: &[Lane], buckets: &[Buckets]) -> String {
    let mut columns = vec![Column::Text("of")];
    columns.extend(PERCENTILES.iter().map(|(name, _)| Column::Number(name)));
    let row = |(lane, buckets): (&Lane, &Buckets)| {
        let mut row = vec![lane.label.clone()];
        for (_, part) in PERCENTILES {
            row.push(quantity(nanoseconds(percentile(buckets, part)?), "ns"));
        }
        Some(row)
    };
    table(&columns, &lanes.iter().zip(buckets).filter_map(row).collect::<Vec<_>>())
}

#[expect(clippy::cast_precision_loss, reason = "what is drawn needs no 53 bits")]
fn nanoseconds(whole: u64) -> f64 {
    whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_every_request_once() {
        let buckets: Buckets = vec![(100, 1), (1_000, 5), (u64::MAX, u64::MAX / 2)];
        let ends: Vec<f64> = buckets.iter().map(|(end, _)| nanoseconds(*end)).collect();
        let bins = bins(&buckets, &Axis::times(&ends, ""));
        assert!((bins.iter().sum::<f64>() - 100.0).abs() < 1e-6, "{bins:?}");
    }
}
