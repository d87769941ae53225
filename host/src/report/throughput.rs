//! What was sampled over time: samples and their moving average.

use super::axis::{Axis, as_float};
use super::html::{Column, Figure, section, side_by_side, some_of, table};
use super::lanes::{Estimate, Group, Lane, Trace};
use super::numbered::is_numbered;
use super::plot::{HALF, Mark, NUMBERS, Plot};
use super::quantity::quantity;
use super::role::Role;
use super::sweep::swept;

/// With fewer samples there is nothing to see.
const LEAST: usize = 8;

/// More points than this are drawn as the least and the greatest of each stretch.
const POINTS: usize = 600;

/// The section.
pub(super) fn throughput(groups: &[Group], lanes: &[Lane]) -> String {
    let mut all = Vec::new();
    for (group, swept) in groups.iter().zip(swept(groups)) {
        let series = group.series().into_iter().filter(|name| is_worth_it(*name, group, lanes));
        all.extend(series.enumerate().map(|(rank, name)| ((swept, rank), (group, name))));
    }
    let (shown, left) = some_of(all);
    let of_one = |(group, name): &(&Group, _)| figure(group, &group.label, lanes, *name);
    let figures: Vec<Figure> = shown.iter().map(of_one).collect();
    section("over-time", "Over time", &(side_by_side(&figures) + &left))
}

/// Whether there is something to see that is not shown elsewhere.
fn is_worth_it(name: (&str, &str), group: &Group, lanes: &[Lane]) -> bool {
    let enough = (0..lanes.len()).any(|lane| group.samples(lane, name).len() >= LEAST);
    // Requests of one size have one curve, whether they or their bytes are counted.
    let again = name.0 == "mb_per_s" && group.series().iter().any(|(name, _)| *name == "iops");
    enough && !again && !is_numbered(name.0, group)
}

fn figure(group: &Group, label: &str, lanes: &[Lane], name: (&str, &str)) -> Figure {
    let traces: Vec<Vec<Trace>> = (0..lanes.len()).map(|lane| group.traces(lane, name)).collect();
    let samples: Vec<Vec<f64>> = (0..lanes.len()).map(|lane| group.samples(lane, name)).collect();
    let timed = traces.iter().flatten().all(|trace| trace.seconds.is_some());
    let lines: Vec<Vec<Points>> =
        traces.iter().map(|of| of.iter().map(|trace| points(trace, timed)).collect()).collect();
    let longest = lines.iter().flatten().map(Vec::len).max().unwrap_or(0);
    let end = lines.iter().flatten().flatten().map(|(x, _)| *x).fold(0.0, f64::max);
    let title = format!("{label}: {}", name.0);
    let of_lane = |(lane, lines): (&Lane, &Vec<Points>)| {
        lines.iter().flat_map(|points| marks(lane.role, points)).collect::<Vec<_>>()
    };
    Figure {
        note: note(longest, lines.iter().any(|lines| lines.len() > 1)),
        legend: lanes.iter().map(|lane| (lane.role, lane.label.clone())).collect(),
        svg: Plot {
            title: format!("{title} over time"),
            size: HALF,
            left: NUMBERS,
            x: match timed {
                true => Axis::with_room(end, "seconds since the first sample"),
                false => Axis::with_room(end, "sample"),
            },
            y: Axis::linear(&samples.concat(), "", name.1),
            marks: lanes.iter().zip(&lines).flat_map(of_lane).collect(),
        }
        .svg(),
        table: numbers(lanes, &samples, name.1),
        title,
    }
}

fn note(longest: usize, several: bool) -> String {
    let mut note =
        format!("Points are samples, the line is the average of {} in a row.", window(longest));
    if several {
        note.push_str(" Each run has its line.");
    }
    if longest > POINTS {
        note.push_str(" Points are the least and the greatest of each stretch.");
    }
    note
}

/// Places and values.
type Points = Vec<(f64, f64)>;

/// The samples by their times; by their numbers where not all times of a plot are known.
fn points(trace: &Trace, timed: bool) -> Points {
    let numbers = || (0..trace.samples.len()).map(|n| as_float(n) + 0.5).collect();
    let places = trace.seconds.clone().filter(|_| timed).unwrap_or_else(numbers);
    places.into_iter().zip(trace.samples.iter().copied()).collect()
}

fn marks(role: Role, points: &Points) -> Vec<Mark> {
    let stretch = points.len().div_ceil(POINTS / 2).max(1);
    let mut marks = Vec::new();
    for part in points.chunks(stretch) {
        let x = mean(part.iter().map(|(x, _)| *x));
        let y = || part.iter().map(|(_, y)| *y);
        let ends = [y().reduce(f64::min), y().reduce(f64::max)];
        let ends = if stretch == 1 { &ends[..1] } else { &ends[..] };
        marks.extend(ends.iter().flatten().map(|y| Mark::Speck(role, x, *y)));
    }
    marks.push(Mark::Line(role, moving_average(points, window(points.len()), stretch)));
    marks
}

/// How many samples a moving average takes in: a tenth of them, three at least.
fn window(samples: usize) -> usize {
    (samples / 10).max(3).min(samples.max(1))
}

/// The averages of `width` points in a row, of every `step`th such row.
fn moving_average(points: &[(f64, f64)], width: usize, step: usize) -> Points {
    let rows = points.windows(width.max(1)).step_by(step.max(1));
    rows.map(|row| (mean(row.iter().map(|(x, _)| *x)), mean(row.iter().map(|(_, y)| *y)))).collect()
}

/// Divided before it is added, so that no sum overflows.
fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = as_float(values.len().max(1));
    values.map(|value| value / count).sum()
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
    fn a_moving_average_is_the_mean_of_each_row_in_its_middle() {
        let points = [(0.0, 1.0), (1.0, 2.0), (2.0, 6.0), (5.0, 3.0), (6.0, 5.0)];
        assert_eq!(moving_average(&points, 4, 1), [(2.0, 3.0), (3.5, 4.0)]);
        assert_eq!(moving_average(&points, 2, 2), [(0.5, 1.5), (3.5, 4.5)]);
        assert_eq!(moving_average(&points, 6, 1), []);
    }

    #[test]
    fn samples_stand_at_their_times_or_all_at_their_numbers() {
        let trace = Trace { seconds: Some(vec![0.0, 2.5]), samples: vec![7.0, 8.0] };
        assert_eq!(points(&trace, true), [(0.0, 7.0), (2.5, 8.0)]);
        assert_eq!(points(&trace, false), [(0.5, 7.0), (1.5, 8.0)]);
        assert_eq!(points(&Trace { seconds: None, ..trace }, false)[1], (1.5, 8.0));
    }
}
