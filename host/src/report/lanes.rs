//! What is drawn in one colour: a side of a comparison, a run, or all runs together; and the
//! benchmarks of several runs put side by side.

use super::quantity::{percent, range};
use super::role::{Role, SERIES};
use super::{Run, Side};
use crate::result::telling::{Parameters, Telling, label, shown, telling};
use crate::result::{Benchmark, Series};
use lunlab_bench::statistics;

/// Runs that share a colour.
#[derive(Clone, Debug)]
pub(super) struct Lane<'a> {
    pub(super) label: String,
    pub(super) role: Role,
    pub(super) runs: Vec<&'a Run>,
}

/// The lanes of some runs: the two sides, or each run where there are few, or all in one.
pub(super) fn lanes(runs: &[Run]) -> Vec<Lane<'_>> {
    let lane = |(n, (label, runs))| Lane { label, role: Role::Series(n), runs };
    let side = |side| runs.iter().filter(|run| run.side == Some(side)).collect::<Vec<_>>();
    let split: Vec<(String, Vec<&Run>)> = if runs.iter().any(|run| run.side.is_some()) {
        vec![("A".to_owned(), side(Side::A)), ("B".to_owned(), side(Side::B))]
    } else if let [run] = runs {
        // Alone it needs no name.
        vec![(String::new(), vec![run])]
    } else if runs.len() <= SERIES {
        runs.iter().map(|run| (run.label.clone(), vec![run])).collect()
    } else {
        vec![(format!("all {} runs", runs.len()), runs.iter().collect())]
    };
    split.into_iter().enumerate().map(lane).collect()
}

/// A workload with certain parameters, and what each lane has of it.
#[derive(Clone, Debug)]
pub(super) struct Group<'a> {
    pub(super) workload: &'a str,
    pub(super) parameters: &'a Parameters,
    /// What tells it from the other groups of its workload.
    pub(super) telling: Telling<'a>,
    /// The workload and what tells: `randread, queue_depth 32`.
    pub(super) label: String,
    /// By lane; in the order of runs.
    pub(super) lanes: Vec<Vec<&'a Benchmark>>,
}

/// Benchmarks that measured the same thing, in the order in which they first appear.
pub(super) fn groups<'a>(lanes: &[Lane<'a>]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for (n, lane) in lanes.iter().enumerate() {
        for benchmark in lane.runs.iter().flat_map(|run| &run.document.benchmarks) {
            let same = |group: &&mut Group| {
                group.workload == benchmark.workload && *group.parameters == benchmark.parameters
            };
            if let Some(group) = groups.iter_mut().find(same) {
                group.lanes[n].push(benchmark);
                continue;
            }
            let mut of = vec![Vec::new(); lanes.len()];
            of[n].push(benchmark);
            groups.push(Group {
                workload: &benchmark.workload,
                parameters: &benchmark.parameters,
                telling: Vec::new(),
                label: String::new(),
                lanes: of,
            });
        }
    }
    let named: Vec<_> = groups.iter().map(|group| (group.workload, group.parameters)).collect();
    for (group, telling) in groups.iter_mut().zip(telling(&named)) {
        (group.label, group.telling) = (label(group.workload, &telling), telling);
    }
    groups
}

impl<'a> Group<'a> {
    /// The series that any lane has: names and units, in order.
    pub(super) fn series(&self) -> Vec<(&'a str, &'a str)> {
        let mut names: Vec<(&str, &str)> = Vec::new();
        for series in self.lanes.iter().flatten().flat_map(|benchmark| &benchmark.series) {
            let name = (series.name.as_str(), series.unit.as_str());
            if !names.contains(&name) && !series.samples.is_empty() {
                names.push(name);
            }
        }
        names
    }

    /// A lane's samples of a series, one run's after the other.
    pub(super) fn samples(&self, lane: usize, name: (&str, &str)) -> Vec<f64> {
        let is = |series: &&Series| (series.name.as_str(), series.unit.as_str()) == name;
        let benchmarks = self.lanes.get(lane).into_iter().flatten();
        let series = benchmarks.flat_map(|benchmark| benchmark.series.iter().filter(is));
        series.flat_map(|series| series.samples.iter().copied()).collect()
    }

    /// A lane's samples of a series, run by run.
    pub(super) fn traces(&self, lane: usize, name: (&str, &str)) -> Vec<Trace> {
        let benchmarks = self.lanes.get(lane).into_iter().flatten();
        let of = |benchmark: &&Benchmark| {
            let named = |series: &&Series| (series.name.as_str(), series.unit.as_str()) == name;
            let series = benchmark.series.iter().find(named)?;
            let firsts = benchmark.series.iter().filter_map(|series| series.at_ms.first());
            let first = firsts.copied().fold(f64::INFINITY, f64::min);
            let seconds = series.at_ms.iter().map(|at| (at - first) / 1e3);
            let all_timed = series.at_ms.len() == series.samples.len();
            Some(Trace {
                seconds: all_timed.then(|| seconds.collect()),
                samples: series.samples.clone(),
            })
        };
        benchmarks.filter_map(of).collect()
    }

    /// A lane's estimate of a series' median: the run's own where it is alone.
    pub(super) fn estimate(&self, lane: usize, name: (&str, &str)) -> Option<Estimate> {
        Estimate::of(&self.samples(lane, name))
    }
}

/// The samples of one run in their order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trace {
    /// When each came, since the first of its benchmark; `None` where that was not recorded.
    pub(super) seconds: Option<Vec<f64>>,
    pub(super) samples: Vec<f64>,
}

/// A median and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    pub(super) count: usize,
    pub(super) median: f64,
    /// The median's 95 % interval; `None` with too few samples.
    pub(super) interval: Option<(f64, f64)>,
    pub(super) mad: f64,
    pub(super) quartiles: (f64, f64),
    pub(super) extremes: (f64, f64),
}

impl Estimate {
    pub(super) fn of(samples: &[f64]) -> Option<Self> {
        let summary = statistics::Summary::of(samples)?;
        let interval = statistics::median_interval(samples);
        Some(Self {
            count: summary.count,
            median: summary.median,
            interval,
            mad: summary.mad,
            quartiles: (summary.p25, summary.p75),
            extremes: (summary.min, summary.max),
        })
    }

    /// The interval, or the median twice.
    pub(super) fn range(&self) -> (f64, f64) {
        self.interval.unwrap_or((self.median, self.median))
    }
}

/// Parameters on one line.
pub(super) fn parameters(parameters: &Parameters) -> String {
    let words: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{name} {}", shown(name, value))).collect();
    words.join(", ")
}

impl Estimate {
    /// The interval with its unit.
    pub(super) fn interval_words(&self, unit: &str) -> String {
        self.interval.map_or_else(|| "–".to_owned(), |ends| range(ends, unit))
    }

    /// Half of the interval as a part of the median.
    pub(super) fn precision_words(&self) -> String {
        self.interval.filter(|_| self.median != 0.0).map_or_else(
            || "–".to_owned(),
            |(low, high)| format!("± {}", percent((high - low) / 2.0 / self.median.abs())),
        )
    }
}
