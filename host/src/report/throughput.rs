//! What was sampled, in the order in which it was: samples and their moving average.

use super::axis::{Axis, as_float};
use super::html::{Column, Figure, section, side_by_side, table};
use super::lanes::{Estimate, Group, Lane};
use super::plot::{HALF, Mark, NUMBERS, Plot};
use super::quantity::quantity;
use super::role::Role;

/// With fewer samples there is nothing to see.
const LEAST: usize = 4;

/// More points than this are drawn as the least and the greatest of each stretch.
const POINTS: usize = 600;

/// The section.
pub(super) fn throughput(groups: &[Group], lanes: &[Lane]) -> String {
    let figures: Vec<Figure> =
        groups.iter().flat_map(|group| of_group(group, groups, lanes)).collect();
    section("over-time", "Over time", &side_by_side(&figures))
}

fn of_group(group: &Group, all: &[Group], lanes: &[Lane]) -> Vec<Figure> {
    let enough = |name: &(&str, &str)| {
        (0..lanes.len()).any(|lane| group.samples(lane, *name).len() >= LEAST)
    };
    let series = group.series().into_iter().filter(enough);
    series.map(|name| figure(group, &group.label(all), lanes, name)).collect()
}

fn figure(group: &Group, label: &str, lanes: &[Lane], name: (&str, &str)) -> Figure {
    let samples: Vec<Vec<f64>> = (0..lanes.len()).map(|lane| group.samples(lane, name)).collect();
    let title = format!("{label}: {}", name.0);
    let longest = samples.iter().map(Vec::len).max().unwrap_or(0);
    let width = window(longest);
    let thinned = if longest > POINTS {
        " Points are the least and the greatest of each stretch."
    } else {
        ""
    };
    let most = as_float(longest);
    Figure {
        note: format!("Points are samples, the line is the average of {width} in a row.{thinned}"),
        legend: lanes.iter().map(|lane| (lane.role, lane.label.clone())).collect(),
        svg: Plot {
            title: format!("{title} over time"),
            size: HALF,
            left: NUMBERS,
            x: Axis::from_zero(most, "sample", ""),
            y: Axis::linear(&samples.concat(), "", name.1),
            marks: lanes.iter().zip(&samples).flat_map(|(lane, of)| marks(lane.role, of)).collect(),
        }
        .svg(),
        table: numbers(lanes, &samples, name.1),
        title,
    }
}

fn marks(role: Role, samples: &[f64]) -> Vec<Mark> {
    let stretch = samples.len().div_ceil(POINTS / 2).max(1);
    let mut marks = Vec::new();
    for (n, part) in samples.chunks(stretch).enumerate() {
        let x = as_float(n * stretch) + as_float(part.len()) / 2.0;
        let ends = [part.iter().copied().reduce(f64::min), part.iter().copied().reduce(f64::max)];
        let ends = if stretch == 1 { &ends[..1] } else { &ends[..] };
        marks.extend(ends.iter().flatten().map(|y| Mark::Speck(role, x, *y)));
    }
    let width = window(samples.len());
    let middle = as_float(width) / 2.0;
    let averages = moving_average(samples, width, stretch);
    let points = averages.into_iter().map(|(n, y)| (as_float(n) + middle, y));
    marks.push(Mark::Line(role, points.collect()));
    marks
}

/// How many samples a moving average takes in: a tenth of them, three at least.
fn window(samples: usize) -> usize {
    (samples / 10).max(3).min(samples.max(1))
}

/// The averages of `width` samples in a row, and where those begin; of every `step`th such row.
fn moving_average(samples: &[f64], width: usize, step: usize) -> Vec<(usize, f64)> {
    let rows = samples.windows(width.max(1)).enumerate().step_by(step.max(1));
    let few = as_float(width.max(1));
    rows.map(|(n, row)| (n, row.iter().map(|each| each / few).sum())).collect()
}

fn numbers(lanes: &[Lane], samples: &[Vec<f64>], unit: &str) -> String {
    let columns = [
        Column::Text("of"),
        Column::Number("median"),
        Column::Number("95 % interval"),
        Column::Number("least"),
        Column::Number("greatest"),
        Column::Number("samples"),
    ];
    let row = |(lane, samples): (&Lane, &Vec<f64>)| {
        let found = Estimate::of(samples)?;
        Some(vec![
            lane.label.clone(),
            quantity(found.median, unit),
            found.interval_words(unit),
            quantity(found.extremes.0, unit),
            quantity(found.extremes.1, unit),
            found.count.to_string(),
        ])
    };
    table(&columns, &lanes.iter().zip(samples).filter_map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moving_average_is_the_mean_of_each_row() {
        let samples = [1.0, 2.0, 6.0, 3.0, 5.0];
        assert_eq!(moving_average(&samples, 4, 1), [(0, 3.0), (1, 4.0)]);
        assert_eq!(moving_average(&samples, 2, 2), [(0, 1.5), (2, 4.5)]);
        assert_eq!(moving_average(&samples, 6, 1), []);
    }
}
