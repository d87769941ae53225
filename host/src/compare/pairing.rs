//! What was measured on both sides: the same workload with the same parameters, series by series.

use super::{Judgement, Limits, Measured, Row};
use crate::result::Benchmark;
use crate::result::locate::Found;
use crate::spec::CONTENTS;
use lunlab_bench::boot;
use lunlab_bench::statistics::{Design, ENOUGH, Ratio};
use lunlab_bench::unit::{Better, NANOSECONDS};
use serde_json::Value;
use std::collections::BTreeMap;

/// A guest's clock that is off by more than this part makes its times wrong.
const CLOCK_OFF: f64 = 0.05;

/// The percentiles of latencies that are compared.
const PERCENTILES: [&str; 2] = ["p50", "p99"];

/// What makes benchmarks the same.
#[derive(Clone, Debug)]
struct Key {
    workload: String,
    parameters: BTreeMap<String, Value>,
    /// Which of several in one run, from 1.
    occurrence: usize,
}

impl Key {
    /// A parameter; where it is a file whose contents are known, its path says nothing.
    fn value(&self, name: &str) -> Option<&Value> {
        let contents = self.parameters.contains_key(&format!("{name}{CONTENTS}"));
        self.parameters.get(name).filter(|_| !contents)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        (&self.workload, self.occurrence) == (&other.workload, other.occurrence)
            && differing(self, other).is_empty()
    }
}

/// A benchmark of one side: those of its runs that can be relied on, by the number of the run.
struct Measurements<'a> {
    runs: Vec<(usize, &'a Benchmark)>,
    /// How many runs have it at all.
    asked: usize,
    /// Why runs were passed over.
    problems: Vec<String>,
    /// How many of them failed.
    failed: usize,
}

/// Every benchmark of both sides, with its series where both have them.
pub(super) fn rows(a: &[&Found], b: &[&Found], design: Design, limits: &Limits) -> Vec<Row> {
    let (keys_a, keys_b) = (keys(a), keys(b));
    let only_b = keys_b.iter().filter(|key| !keys_a.contains(key));
    keys_a
        .iter()
        .chain(only_b)
        .flat_map(|key| {
            let compiled = compiled(key, a);
            let sides = (measurements(key, a, &compiled), measurements(key, b, &compiled));
            match missing(key, &sides, (&keys_a, &keys_b)) {
                Some(reason) => {
                    let lost = !sides.0.runs.is_empty() && !b.is_empty();
                    let failure = limits.lost(lost, &reason);
                    vec![Row { reason: Some(reason), failure, ..row(key, &sides) }]
                }
                None => compared(key, &sides, design, limits),
            }
        })
        .collect()
}

/// The benchmarks of a side, in the order of its runs.
fn keys(runs: &[&Found]) -> Vec<Key> {
    let mut keys = Vec::new();
    for run in runs {
        for (key, _) in keyed(&run.document.benchmarks) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    keys
}

fn keyed(benchmarks: &[Benchmark]) -> Vec<(Key, &Benchmark)> {
    let mut keyed: Vec<(Key, &Benchmark)> = Vec::new();
    for benchmark in benchmarks {
        let (workload, parameters) = (benchmark.workload.clone(), benchmark.parameters.clone());
        let mut key = Key { workload, parameters, occurrence: 1 };
        while keyed.iter().any(|(other, _)| *other == key) {
            key.occurrence += 1;
        }
        keyed.push((key, benchmark));
    }
    keyed
}

fn find<'a>(key: &Key, run: &'a Found) -> Option<&'a Benchmark> {
    let found = keyed(&run.document.benchmarks).into_iter().find(|(other, _)| other == key);
    found.map(|(_, benchmark)| benchmark)
}

/// How the first run that measured something had it compiled.
fn compiled(key: &Key, runs: &[&Found]) -> Option<String> {
    let mut found = runs.iter().filter_map(|run| find(key, run));
    found.find_map(|benchmark| benchmark.compiled.clone())
}

fn measurements<'a>(key: &Key, runs: &[&'a Found], compiled: &Option<String>) -> Measurements<'a> {
    let mut measurements =
        Measurements { runs: Vec::new(), asked: 0, problems: Vec::new(), failed: 0 };
    for (n, run) in runs.iter().enumerate() {
        let Some(benchmark) = find(key, run) else { continue };
        measurements.asked += 1;
        measurements.failed += usize::from(!benchmark.errors.is_empty());
        match problem(benchmark, compiled) {
            Some(problem) => measurements.problems.push(problem),
            None => measurements.runs.push((n, benchmark)),
        }
    }
    measurements.problems.sort();
    measurements.problems.dedup();
    measurements
}

/// Why a benchmark cannot be relied on, or not beside one that was compiled so.
fn problem(benchmark: &Benchmark, reference: &Option<String>) -> Option<String> {
    if let Some(reason) = &benchmark.skipped {
        return Some(format!("skipped: {reason}"));
    }
    if let Some(error) = benchmark.errors.first() {
        return Some(format!("failed: {error}"));
    }
    if let Some(ratio) = benchmark.conditions.clock_ratio
        && !((1.0 - CLOCK_OFF)..=(1.0 + CLOCK_OFF)).contains(&ratio)
    {
        return Some(format!("the guest's clock went {ratio:.2} times as fast as the host's"));
    }
    if quantities(benchmark).is_empty() {
        return Some("it has no samples".to_owned());
    }
    match (&benchmark.compiled, reference) {
        (Some(here), Some(there)) if here != there => {
            Some(format!("compiled as {here}, and in A as {there}"))
        }
        _ => None,
    }
}

/// Why there is nothing to compare, if there is nothing.
fn missing(
    key: &Key,
    (a, b): &(Measurements<'_>, Measurements<'_>),
    (keys_a, keys_b): (&[Key], &[Key]),
) -> Option<String> {
    let absent = |side: &str, keys: &[Key]| match other_parameters(key, keys) {
        Some(differs) => format!("{side} has other parameters: {differs}"),
        None => format!("{side} has none"),
    };
    let unusable =
        |side: &str, of: &Measurements<'_>| format!("{side}: {}", of.problems.join("; "));
    match (a, b) {
        (a, _) if a.asked == 0 => Some(absent("A", keys_a)),
        (_, b) if b.asked == 0 => Some(absent("B", keys_b)),
        (a, b) => [("A", a), ("B", b)]
            .into_iter()
            .find(|(_, side)| side.runs.is_empty())
            .map(|(name, side)| unusable(name, side)),
    }
}

/// How the most similar benchmark of that workload differs.
fn other_parameters(key: &Key, keys: &[Key]) -> Option<String> {
    let alike = keys.iter().filter(|other| other.workload == key.workload);
    let differing = |other: &&Key| differing(key, other).len();
    let nearest = alike.min_by_key(differing)?;
    let words = self::differing(key, nearest).into_iter().take(3);
    Some(words.collect::<Vec<_>>().join(", ")).filter(|words| !words.is_empty())
}

fn differing(key: &Key, other: &Key) -> Vec<String> {
    let names = key.parameters.keys().chain(other.parameters.keys());
    let mut names: Vec<&String> = names.collect();
    names.sort();
    names.dedup();
    let word = |key: &Key, name: &str| key.value(name).map_or("none".into(), Value::to_string);
    names
        .into_iter()
        .filter(|name| key.value(name) != other.value(name))
        .map(|name| match name.strip_suffix(CONTENTS) {
            Some(file) if key.value(name).is_some() && other.value(name).is_some() => {
                format!("{file} with other contents")
            }
            _ => format!("{name} {}, not {}", word(other, name), word(key, name)),
        })
        .collect()
}

fn compared(
    key: &Key,
    sides: &(Measurements<'_>, Measurements<'_>),
    design: Design,
    limits: &Limits,
) -> Vec<Row> {
    let mut names: Vec<(String, String)> = Vec::new();
    for (_, benchmark) in sides.0.runs.iter().chain(&sides.1.runs) {
        for Quantity { series, unit, .. } in quantities(benchmark) {
            if !names.contains(&(series.clone(), unit.clone())) {
                names.push((series, unit));
            }
        }
    }
    let row = |(series, unit): (String, String)| {
        let better = Better::of(&unit).map(Better::word);
        judged(Row { series, unit, better, ..row(key, sides) }, sides, design, limits)
    };
    let mut rows: Vec<Row> = names.into_iter().map(row).collect();
    let (a, b) = sides;
    let broke = a.failed == 0 && b.failed > 0;
    if let Some(first) = rows.first_mut() {
        let reason = format!("B: failed in {} of {} runs, and in none of A's", b.failed, b.asked);
        first.failure = first.failure.take().or_else(|| limits.lost(broke, &reason));
    }
    rows
}

/// A row with its ratio and what that amounts to.
fn judged(
    row: Row,
    (a, b): &(Measurements<'_>, Measurements<'_>),
    design: Design,
    limits: &Limits,
) -> Row {
    let (mut of_a, mut of_b) = (samples(a, &row), samples(b, &row));
    if design == Design::Pairs {
        // A run whose neighbour has nothing to show has no pair.
        let both: Vec<usize> = of_a.keys().filter(|n| of_b.contains_key(n)).copied().collect();
        if !both.is_empty() {
            of_a.retain(|n, _| both.contains(n));
            of_b.retain(|n, _| both.contains(n));
        }
    }
    let (of_a, of_b): (Vec<_>, Vec<_>) =
        (of_a.into_values().collect(), of_b.into_values().collect());
    let runs = (of_a.len(), of_b.len());
    let (of_a, of_b, design) =
        match row.workload == boot::WORKLOAD.name && runs.0.max(runs.1) < ENOUGH {
            // Each sample is a boot of its own, and shows how boots differ where there are not enough runs to.
            true => (one_by_one(of_a), one_by_one(of_b), Design::Apart),
            false => (of_a, of_b, design),
        };
    for (side, of) in [("A", &of_a), ("B", &of_b)] {
        if of.is_empty() {
            let reason = format!("{side} has no samples of it");
            let failure = limits.lost(side == "B", &reason);
            return Row { reason: Some(reason), failure, ..row };
        }
    }
    let Some(ratio) = Ratio::of(&of_a, &of_b, design) else {
        let reason = "a median is not above 0, so there is no ratio".to_owned();
        let wanted = Better::of(&row.unit) == Some(Better::Higher);
        let lost = wanted && Ratio::of(&of_a, &of_a, design).is_some();
        let failure = limits.lost(lost, "a median of B is not above 0");
        return Row { judgement: Judgement::CannotTell, reason: Some(reason), failure, ..row };
    };
    let measured = |value, runs, of: &[Vec<f64>]| {
        Some(Measured { value, runs, samples: of.iter().map(Vec::len).sum() })
    };
    let judgement = Judgement::of(ratio.interval, &row.unit, limits);
    let few = of_a.len().max(of_b.len()) < ENOUGH;
    Row {
        a: measured(ratio.a, runs.0, &of_a),
        b: measured(ratio.b, runs.1, &of_b),
        ratio: Some(ratio.ratio),
        interval: Some(ratio.interval),
        judgement,
        failure: limits.worse(ratio.interval, &row.unit),
        reason: (judgement == Judgement::CannotTell).then(|| too_wide(few).to_owned()),
        ..row
    }
}

fn one_by_one(runs: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    runs.into_iter().flatten().map(|sample| vec![sample]).collect()
}

fn too_wide(few: bool) -> &'static str {
    if few {
        "fewer than three runs a side: how much boots differ is not known"
    } else {
        "too noisy for so few runs"
    }
}

/// The samples of a row's series by the number of the run.
fn samples(side: &Measurements<'_>, row: &Row) -> BTreeMap<usize, Vec<f64>> {
    let of = |benchmark: &Benchmark| {
        let mut quantities = quantities(benchmark).into_iter();
        quantities.find(|each| each.series == row.series && each.unit == row.unit)
    };
    side.runs.iter().filter_map(|(n, benchmark)| Some((*n, of(benchmark)?.samples))).collect()
}

/// Something that was measured.
struct Quantity {
    series: String,
    unit: String,
    samples: Vec<f64>,
}

/// Every series with samples, and the percentiles of latencies, of which each run has one.
fn quantities(benchmark: &Benchmark) -> Vec<Quantity> {
    let series = benchmark.series.iter().map(|series| Quantity {
        series: series.name.clone(),
        unit: series.unit.clone(),
        samples: series.samples.clone(),
    });
    let latencies = PERCENTILES.iter().filter_map(|name| {
        let samples = vec![*benchmark.latency_ns.get(*name)?];
        Some(Quantity { series: format!("latency {name}"), unit: NANOSECONDS.into(), samples })
    });
    series.filter(|series| !series.samples.is_empty()).chain(latencies).collect()
}

/// A row of a benchmark with nothing compared yet.
fn row(key: &Key, (a, b): &(Measurements<'_>, Measurements<'_>)) -> Row {
    Row {
        workload: key.workload.clone(),
        parameters: key.parameters.clone(),
        occurrence: key.occurrence,
        series: String::new(),
        unit: String::new(),
        better: None,
        a: None,
        b: None,
        ratio: None,
        interval: None,
        judgement: Judgement::NotCompared,
        reason: None,
        failure: None,
        flags: [("A", a), ("B", b)]
            .into_iter()
            .flat_map(|(name, side)| flags(name, side))
            .collect(),
    }
}

fn flags(name: &str, side: &Measurements<'_>) -> Vec<String> {
    let passed_over = side.asked - side.runs.len();
    let mut flags = Vec::new();
    if passed_over > 0 && !side.runs.is_empty() {
        let problems = side.problems.join("; ");
        flags.push(format!("{name}: {passed_over} of {} runs left out: {problems}", side.asked));
    }
    let noisy: Vec<&Benchmark> = side.runs.iter().map(|(_, benchmark)| *benchmark).collect();
    let noisy: Vec<_> =
        noisy.into_iter().filter(|each| !each.conditions.noisy.is_empty()).collect();
    if let Some(first) = noisy.first() {
        let why = first.conditions.noisy.join("; ");
        flags.push(format!("{name}: {} of {} runs noisy: {why}", noisy.len(), side.runs.len()));
    }
    let cut = side.runs.iter().filter(|(_, benchmark)| !benchmark.done).count();
    if cut > 0 {
        flags.push(format!("{name}: {cut} of {} runs cut short", side.runs.len()));
    }
    flags
}
