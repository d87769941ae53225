//! Sweeps: the same workload with one parameter differing.

use super::curve::{Curve, figure};
use super::html::{Figure, section, side_by_side};
use super::lanes::{Estimate, Group, Lane};
use super::role::{Role, SERIES};
use crate::result::Benchmark;
use crate::result::telling::{plain, shown};
use crate::spec::{parse_duration, parse_size};
use serde_json::Value;
use std::collections::BTreeSet;

/// Fewer values than this make no curve.
const LEAST: usize = 3;

/// Percentiles that each run has one of, and what their curves are called.
const PERCENTILES: [(&str, &str); 2] = [("p50", "latency p50"), ("p99", "latency p99")];

/// Benchmarks in which only one parameter differs.
struct Sweep<'a> {
    /// What the others are.
    others: Vec<(&'a str, &'a Value)>,
    /// Those of them that tell it from other sweeps.
    telling: Vec<String>,
    points: Vec<(f64, String, &'a Group<'a>)>,
}

/// The section.
pub(super) fn sweep(groups: &[Group], lanes: &[Lane]) -> String {
    let mut figures = Vec::new();
    let mut workloads: Vec<&str> = Vec::new();
    for group in groups {
        if !workloads.contains(&group.workload) {
            workloads.push(group.workload);
        }
    }
    for workload in workloads {
        let of: Vec<&Group> = groups.iter().filter(|group| group.workload == workload).collect();
        let varying = varying(&of);
        for parameter in &varying {
            let sweeps = sweeps(&of, parameter, &varying);
            for some in sweeps.chunks((SERIES / lanes.len()).max(1)) {
                figures.extend(of_parameter(workload, parameter, some, lanes));
            }
        }
    }
    section("sweeps", "Sweeps", &side_by_side(&figures))
}

/// Of each group, whether it is a point of a sweep.
pub(super) fn swept(groups: &[Group]) -> Vec<bool> {
    let of_workload = |workload: &str| {
        groups.iter().filter(|group| group.workload == workload).collect::<Vec<_>>()
    };
    let mut workloads: Vec<&str> = groups.iter().map(|group| group.workload).collect();
    workloads.dedup();
    let mut points = BTreeSet::new();
    for of in workloads.into_iter().map(of_workload) {
        let varying = varying(&of);
        for parameter in &varying {
            for sweep in sweeps(&of, parameter, &varying) {
                points.extend(sweep.points.iter().map(|point| point.2.label.clone()));
            }
        }
    }
    groups.iter().map(|group| points.contains(&group.label)).collect()
}

/// The parameters that are not the same in all of them.
fn varying<'a>(groups: &[&Group<'a>]) -> Vec<&'a str> {
    let Some(first) = groups.first() else { return Vec::new() };
    let differs = |(name, value): &(&String, &Value)| {
        groups.iter().any(|group| group.parameters.get(*name) != Some(*value))
    };
    first.parameters.iter().filter(differs).map(|(name, _)| name.as_str()).collect()
}

/// The groups by what their other parameters are; only those that vary in `parameter` enough.
fn sweeps<'a>(groups: &[&'a Group<'a>], parameter: &str, varying: &[&'a str]) -> Vec<Sweep<'a>> {
    let mut sweeps: Vec<Sweep> = Vec::new();
    for group in groups {
        let Some(value) = group.parameters.get(parameter) else { continue };
        let Some(x) = value_of(value) else { continue };
        let others = varying.iter().filter(|name| **name != parameter);
        let others = others.filter_map(|name| Some((*name, group.parameters.get(*name)?)));
        let others: Vec<_> = others.collect();
        let point = (x, shown(parameter, value), *group);
        if let Some(sweep) = sweeps.iter_mut().find(|sweep| sweep.others == others) {
            sweep.points.push(point);
            continue;
        }
        let telling = group.telling.iter().filter(|(name, _)| *name != parameter);
        let telling = telling.map(|(name, value)| format!("{name} {value}")).collect();
        sweeps.push(Sweep { others, telling, points: vec![point] });
    }
    sweeps.retain(|sweep| sweep.points.len() >= LEAST);
    for sweep in &mut sweeps {
        sweep.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    sweeps
}

/// A parameter's value as a number, where it is one: bytes of sizes, seconds of times.
fn value_of(value: &Value) -> Option<f64> {
    let text = plain(value);
    let bytes = || parse_size(&text).ok().and_then(|bytes| bytes.to_string().parse().ok());
    let seconds = || parse_duration(&text).ok().map(|time| time.as_secs_f64());
    let found = text.parse().ok().or_else(bytes).or_else(seconds);
    found.filter(|value: &f64| value.is_finite())
}

fn of_parameter(workload: &str, parameter: &str, sweeps: &[Sweep], lanes: &[Lane]) -> Vec<Figure> {
    let groups = || sweeps.iter().flat_map(|sweep| &sweep.points).map(|point| point.2);
    let mut series: Vec<(&str, &str)> = Vec::new();
    for name in groups().flat_map(Group::series) {
        if !series.contains(&name) {
            series.push(name);
        }
    }
    let is_sampled = |percentile: &str| series.iter().any(|(name, _)| *name == percentile);
    let others = PERCENTILES.iter().filter(|(percentile, _)| !is_sampled(percentile));
    let others: Vec<_> = others.map(|(_, name)| (*name, "ns")).collect();
    series.extend(others);
    // What all curves have in common stands above them.
    let is_common = |word: &&String| sweeps.iter().all(|sweep| sweep.telling.contains(word));
    let common = sweeps.first().map(|sweep| &sweep.telling).into_iter().flatten();
    let common: Vec<&String> = common.filter(is_common).collect();
    let above: String = common.iter().map(|word| format!(", {word}")).collect();
    let of_series = |name: (&str, &str)| {
        let title = format!("{workload}{above}: {} by {parameter}", name.0);
        figure(title, parameter, name.1, &curves(sweeps, &common, lanes, name))
    };
    series.into_iter().filter_map(of_series).collect()
}

fn curves(sweeps: &[Sweep], common: &[&String], lanes: &[Lane], name: (&str, &str)) -> Vec<Curve> {
    let mut curves = Vec::new();
    for sweep in sweeps {
        for (n, lane) in lanes.iter().enumerate() {
            let point = |(x, tick, group): &(f64, String, &Group)| {
                Some((*x, tick.clone(), estimate(group, n, name)?))
            };
            let points: Vec<_> = sweep.points.iter().filter_map(point).collect();
            let told = sweep.telling.iter().filter(|word| !common.contains(word));
            // One lane needs no name.
            let lane = (lanes.len() > 1).then_some(&lane.label);
            let words = lane.into_iter().chain(told);
            let label = words.map(String::as_str).collect::<Vec<_>>().join(", ");
            if points.len() >= LEAST {
                curves.push(Curve { label, role: Role::Series(curves.len()), points });
            }
        }
    }
    curves
}

/// What a lane has of a series, or of a percentile of which each run has one.
fn estimate(group: &Group, lane: usize, name: (&str, &str)) -> Option<Estimate> {
    group.estimate(lane, name).or_else(|| {
        let (percentile, _) = PERCENTILES.iter().find(|(_, called)| *called == name.0)?;
        let of_run = |run: &&Benchmark| run.latency_ns.get(*percentile).copied();
        Estimate::of(&group.lanes.get(lane)?.iter().filter_map(of_run).collect::<Vec<_>>())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbers_where_they_can_be() {
        for (value, number) in [
            (Value::from(4096), Some(4096.0)),
            (Value::from("64K"), Some(65536.0)),
            (Value::from("500ms"), Some(0.5)),
            (Value::from("read"), None),
            (Value::from("nan"), None),
        ] {
            assert_eq!(value_of(&value), number, "{value}");
        }
        assert_eq!(shown("block_size", &Value::from(4096)), "4K");
        assert_eq!(shown("queue_depth", &Value::from(1024)), "1024");
    }
}
