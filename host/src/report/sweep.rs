//! Sweeps: the same workload with one parameter differing.

use super::axis::Axis;
use super::html::{Column, Figure, section, side_by_side, table};
use super::lanes::{Estimate, Group, Lane, plain, shown};
use super::plot::{HALF, Mark, NUMBERS, Plot};
use super::quantity::quantity;
use super::role::{Role, SERIES};
use crate::spec::{parse_duration, parse_size};
use serde_json::Value;

/// Fewer values than this make no curve.
const LEAST: usize = 3;

/// A parameter, what the others are, and the benchmarks in which only it differs.
struct Curve<'a> {
    label: String,
    points: Vec<(f64, String, &'a Group<'a>)>,
}

/// The section.
pub(super) fn sweep(groups: &[Group], lanes: &[Lane]) -> String {
    let mut figures = Vec::new();
    let mut workloads: Vec<&str> = groups.iter().map(|group| group.workload).collect();
    workloads.dedup();
    for workload in workloads {
        let of: Vec<&Group> = groups.iter().filter(|group| group.workload == workload).collect();
        for parameter in varying(&of) {
            let curves = curves(&of, parameter);
            for some in curves.chunks((SERIES / lanes.len()).max(1)) {
                figures.extend(of_parameter(workload, parameter, some, lanes));
            }
        }
    }
    section("sweeps", "Sweeps", &side_by_side(&figures))
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
fn curves<'a>(groups: &[&'a Group<'a>], parameter: &str) -> Vec<Curve<'a>> {
    let varying = varying(groups);
    let mut curves: Vec<Curve> = Vec::new();
    for group in groups {
        let Some(value) = group.parameters.get(parameter) else { continue };
        let Some(x) = value_of(value) else { continue };
        let others = varying.iter().filter(|name| **name != parameter);
        let others = others.filter_map(|name| Some((name, group.parameters.get(*name)?)));
        let label: Vec<String> =
            others.map(|(name, value)| format!("{name} {}", shown(name, value))).collect();
        let label = label.join(", ");
        let point = (x, shown(parameter, value), *group);
        match curves.iter_mut().find(|curve| curve.label == label) {
            Some(curve) => curve.points.push(point),
            None => curves.push(Curve { label, points: vec![point] }),
        }
    }
    curves.retain(|curve| curve.points.len() >= LEAST);
    for curve in &mut curves {
        curve.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    curves
}

/// A parameter's value as a number, where it is one: bytes of sizes, seconds of times.
fn value_of(value: &Value) -> Option<f64> {
    let text = plain(value);
    let bytes = || parse_size(&text).ok().and_then(|bytes| bytes.to_string().parse().ok());
    let seconds = || parse_duration(&text).ok().map(|time| time.as_secs_f64());
    let found = text.parse().ok().or_else(bytes).or_else(seconds);
    found.filter(|value: &f64| value.is_finite())
}

fn of_parameter(workload: &str, parameter: &str, curves: &[Curve], lanes: &[Lane]) -> Vec<Figure> {
    let mut series: Vec<(&str, &str)> = Vec::new();
    for name in curves.iter().flat_map(|curve| &curve.points).flat_map(|point| point.2.series()) {
        if !series.contains(&name) {
            series.push(name);
        }
    }
    let title = |name: &str| format!("{workload}: {name} by {parameter}");
    let figure = |name: (&str, &str)| figure(title(name.0), parameter, curves, lanes, name);
    series.into_iter().filter_map(figure).collect()
}

/// A line of the plot: a curve of a lane.
struct Line {
    label: String,
    role: Role,
    points: Vec<(f64, String, Estimate)>,
}

fn lines(curves: &[Curve], lanes: &[Lane], name: (&str, &str)) -> Vec<Line> {
    let mut lines = Vec::new();
    for curve in curves {
        for (n, lane) in lanes.iter().enumerate() {
            let point = |(x, tick, group): &(f64, String, &Group)| {
                Some((*x, tick.clone(), group.estimate(n, name)?))
            };
            let points: Vec<_> = curve.points.iter().filter_map(point).collect();
            let words = [lane.label.as_str(), curve.label.as_str()];
            let told = words.iter().filter(|word| !word.is_empty());
            let label = told.copied().collect::<Vec<_>>().join(", ");
            if points.len() >= LEAST {
                lines.push(Line { label, role: Role::Series(lines.len()), points });
            }
        }
    }
    lines
}

fn figure(
    title: String,
    parameter: &str,
    curves: &[Curve],
    lanes: &[Lane],
    name: (&str, &str),
) -> Option<Figure> {
    let lines = lines(curves, lanes, name);
    let points: Vec<_> = lines.iter().flat_map(|line| &line.points).collect();
    if points.is_empty() {
        return None;
    }
    let ticks: Vec<_> = points.iter().map(|(x, tick, _)| (*x, tick.clone())).collect();
    let ends = points.iter().flat_map(|(_, _, found)| [found.range().0, found.range().1]);
    Some(Figure {
        note: "Points are medians, bars their 95 % intervals.".to_owned(),
        legend: lines.iter().map(|line| (line.role, line.label.clone())).collect(),
        svg: Plot {
            title: title.clone(),
            size: HALF,
            left: NUMBERS,
            x: Axis::at(&ticks, parameter),
            y: Axis::linear(&ends.collect::<Vec<_>>(), "", name.1),
            marks: lines.iter().flat_map(marks).collect(),
        }
        .svg(),
        table: numbers(parameter, &lines, name.1),
        title,
    })
}

fn marks(line: &Line) -> Vec<Mark> {
    let path = line.points.iter().map(|(x, _, found)| (*x, found.median)).collect();
    let mut marks = vec![Mark::Thin(line.role, path)];
    for (x, _, found) in &line.points {
        let (low, high) = found.range();
        if low < high {
            marks.push(Mark::Line(line.role, vec![(*x, low), (*x, high)]));
        }
        marks.push(Mark::Dot(line.role, *x, found.median));
    }
    marks
}

fn numbers(parameter: &str, lines: &[Line], unit: &str) -> String {
    let columns = [
        Column::Text("of"),
        Column::Text("value"),
        Column::Number("median"),
        Column::Number("95 % interval"),
        Column::Number("samples"),
    ];
    let row = |line: &Line, (_, tick, found): &(f64, String, Estimate)| {
        vec![
            line.label.clone(),
            format!("{parameter} {tick}"),
            quantity(found.median, unit),
            found.interval_words(unit),
            found.count.to_string(),
        ]
    };
    let rows = lines.iter().flat_map(|line| line.points.iter().map(move |point| row(line, point)));
    table(&columns, &rows.collect::<Vec<_>>())
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
