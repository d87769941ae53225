//! How time grows with size: series named by their sizes, such as `8 MB`, and the straight line
//! through them.

use super::axis::Axis;
use super::html::{Column, Figure, section, side_by_side, table};
use super::lanes::{Estimate, Group, Lane};
use super::plot::{HALF, Mark, NUMBERS, Plot, WIDE};
use super::quantity::{nanoseconds, number, percent, quantity};
use super::role::Role;

/// Two sizes are always on a line.
const LEAST: usize = 3;

/// Sizes and what their unit is in bytes; none where it is no size.
const UNITS: [(&str, f64); 10] = [
    ("B", 1.0),
    ("kB", 1e3),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("K", 1024.0),
    ("M", 1_048_576.0),
];

/// A series' name taken apart: what stands beside the size, and the size in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sized<'a> {
    before: &'a str,
    bytes: f64,
    /// The size as it is written.
    words: &'a str,
}

/// A straight line.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fit {
    /// What size 0 would take.
    offset: f64,
    /// What one of size more takes.
    slope: f64,
}

/// What was measured at a size.
struct Point {
    bytes: f64,
    words: String,
    found: Estimate,
}

/// The section.
pub(super) fn scaling(groups: &[Group], lanes: &[Lane]) -> String {
    let figures = groups.iter().flat_map(|group| of_group(group, &group.label, lanes));
    let (whole, parts): (Vec<_>, Vec<_>) = figures.partition(|(is_whole, _)| *is_whole);
    let [whole, parts] = [whole, parts]
        .map(|some| some.into_iter().map(|(_, figure)| figure).collect::<Vec<Figure>>());
    let content: String = whole.iter().map(Figure::html).collect();
    section("scaling", "Scaling", &(content + &side_by_side(&parts)))
}

/// The figures, and whether each is of the whole and not of a part that has a name.
fn of_group(group: &Group, label: &str, lanes: &[Lane]) -> Vec<(bool, Figure)> {
    let mut figures = Vec::new();
    let sized: Vec<_> = group
        .series()
        .into_iter()
        .filter(|(_, unit)| nanoseconds(unit).is_some())
        .filter_map(|name| Some((sized(name.0)?, name)))
        .collect();
    let mut kinds: Vec<(&str, &str)> =
        sized.iter().map(|(size, name)| (size.before, name.1)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let of: Vec<_> =
            sized.iter().filter(|(size, name)| (size.before, name.1) == kind).collect();
        let points = |lane: usize| {
            let point = |(size, name): &&(Sized, (&str, &str))| {
                let found = group.estimate(lane, *name)?;
                Some(Point { bytes: size.bytes, words: size.words.to_owned(), found })
            };
            of.iter().filter_map(point).collect::<Vec<_>>()
        };
        let points: Vec<Vec<Point>> = (0..lanes.len()).map(points).collect();
        let is_whole = kind.0.is_empty();
        let title = if is_whole { label.to_owned() } else { format!("{label}: {}", kind.0) };
        let figure = figure(&title, &points, lanes, (kind.1, is_whole));
        figures.extend(figure.map(|mut figure| {
            figure.note.push_str(&if is_whole { findings(group) } else { String::new() });
            (is_whole, figure)
        }));
    }
    figures
}

/// Takes `8 MB`, `parse 8 MB` or `8 MB parse` apart.
fn sized(name: &str) -> Option<Sized<'_>> {
    size_last(name).or_else(|| {
        let (number, rest) = name.split_once(' ')?;
        let (unit, what) = rest.split_once(' ')?;
        let words = &name[..number.len() + 1 + unit.len()];
        let size = size_last(words).filter(|size| size.before.is_empty())?;
        Some(Sized { before: what, words, ..size })
    })
}

fn size_last(name: &str) -> Option<Sized<'_>> {
    let digits = |c: char| c.is_ascii_digit() || c == '.';
    let unit_at = name.rfind(digits)? + 1;
    let number_at = name[..unit_at]
        .rfind(|c| !digits(c))
        .map_or(0, |at| at + name[at..].chars().next().map_or(1, char::len_utf8));
    let unit = name[unit_at..].trim();
    let (_, factor) = UNITS.iter().find(|(word, _)| *word == unit)?;
    let number: f64 = name[number_at..unit_at].parse().ok()?;
    let bytes = number * factor;
    bytes.is_finite().then_some(Sized {
        before: name[..number_at].trim_end(),
        bytes,
        words: &name[number_at..],
    })
}

/// The line of least squares; `None` unless there are two different sizes.
fn fit(points: &[Point]) -> Option<Fit> {
    let count = super::axis::as_float(points.len());
    let mean = |of: fn(&Point) -> f64| points.iter().map(|point| of(point) / count).sum::<f64>();
    let (x, y) = (mean(|point| point.bytes), mean(|point| point.found.median));
    let square: f64 = points.iter().map(|point| (point.bytes - x).powi(2)).sum();
    let product: f64 =
        points.iter().map(|point| (point.bytes - x) * (point.found.median - y)).sum();
    let slope = product / square;
    slope.is_finite().then_some(Fit { offset: y - slope * x, slope })
}

impl Fit {
    fn at(self, bytes: f64) -> f64 {
        self.offset + self.slope * bytes
    }

    /// Where it begins: at size 0, or where it has come up to no time at all.
    fn first(self) -> f64 {
        if self.offset < 0.0 && self.slope > 0.0 { -self.offset / self.slope } else { 0.0 }
    }

    /// What part of the variance of the medians it explains.
    fn explained(self, points: &[Point]) -> f64 {
        let count = super::axis::as_float(points.len());
        let mean = points.iter().map(|point| point.found.median / count).sum::<f64>();
        let residual: f64 =
            points.iter().map(|point| (point.found.median - self.at(point.bytes)).powi(2)).sum();
        let total: f64 = points.iter().map(|point| (point.found.median - mean).powi(2)).sum();
        1.0 - residual / total
    }
}

fn figure(
    title: &str,
    points: &[Vec<Point>],
    lanes: &[Lane],
    (unit, is_whole): (&str, bool),
) -> Option<Figure> {
    let enough = points.iter().any(|of| of.len() >= LEAST && fit(of).is_some());
    if !enough {
        return None;
    }
    let all: Vec<&Point> = points.iter().flatten().collect();
    let ticks =
        all.iter().map(|point| (point.bytes, point.words.clone())).chain([(0.0, "0".to_owned())]);
    let ends = all.iter().flat_map(|point| [point.found.range().0, point.found.range().1]);
    let mut marks = Vec::new();
    for (lane, of) in lanes.iter().zip(points) {
        marks.extend(lane_marks(lane.role, of));
    }
    Some(Figure {
        title: format!("{title}: time by size"),
        note: note(points, lanes, unit),
        legend: lanes.iter().map(|lane| (lane.role, lane.label.clone())).collect(),
        svg: Plot {
            title: format!("{title}: time by size"),
            size: if is_whole { WIDE } else { HALF },
            left: NUMBERS,
            x: Axis::at(&ticks.collect::<Vec<_>>(), "size"),
            y: Axis::linear(&ends.chain([0.0]).collect::<Vec<_>>(), "", unit),
            marks,
        }
        .svg(),
        table: numbers(points, lanes, unit),
    })
}

fn lane_marks(role: Role, points: &[Point]) -> Vec<Mark> {
    let mut marks = Vec::new();
    let most = points.iter().map(|point| point.bytes).fold(0.0, f64::max);
    if let Some(line) = fit(points) {
        let ends = [line.first(), most].map(|bytes| (bytes, line.at(bytes)));
        marks.push(Mark::Thin(role, ends.into()));
    }
    for Point { bytes, found, .. } in points {
        let (low, high) = found.range();
        if low < high {
            marks.push(Mark::Line(role, vec![(*bytes, low), (*bytes, high)]));
        }
        marks.push(Mark::Dot(role, *bytes, found.median));
    }
    marks
}

fn note(points: &[Vec<Point>], lanes: &[Lane], unit: &str) -> String {
    let mut note = String::from("Points are medians, the line is the one of least squares");
    for (lane, of) in lanes.iter().zip(points) {
        let Some(line) = fit(of) else { continue };
        let name = if lane.label.is_empty() { "it is" } else { &lane.label };
        let words = format!(
            "; {name} {} + {} for each MB, R² {}",
            quantity(line.offset, unit),
            quantity(line.slope * 1e6, unit),
            number(line.explained(of)),
        );
        note.push_str(&words);
    }
    note + "."
}

/// What the workload itself says of its fit.
fn findings(group: &Group) -> String {
    let findings = group.lanes.iter().flatten().flat_map(|benchmark| &benchmark.findings);
    let fits = findings.filter(|(name, _)| name.contains("fit") || name.contains("residual"));
    let words: Vec<String> = fits.map(|(name, found)| format!("{name}: {found}")).collect();
    if words.is_empty() {
        String::new()
    } else {
        format!(" By the workload, {}.", words.join("; "))
    }
}

fn numbers(points: &[Vec<Point>], lanes: &[Lane], unit: &str) -> String {
    let columns = [
        Column::Text("of"),
        Column::Number("size"),
        Column::Number("median"),
        Column::Number("95 % interval"),
        Column::Number("line"),
        Column::Number("off the line"),
        Column::Number("samples"),
    ];
    let mut rows = Vec::new();
    for (lane, of) in lanes.iter().zip(points) {
        let line = fit(of);
        for point in of {
            let at = line.map(|line| line.at(point.bytes));
            let off = at.map(|at| percent((point.found.median - at) / at));
            rows.push(vec![
                lane.label.clone(),
                point.words.clone(),
                quantity(point.found.median, unit),
                point.found.interval_words(unit),
                at.map_or_else(String::new, |at| quantity(at, unit)),
                off.unwrap_or_default(),
                point.found.count.to_string(),
            ]);
        }
    }
    table(&columns, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_series_are_sizes_or_are_not() {
        for (name, apart) in [
            ("8 MB", Some(("", 8e6, "8 MB"))),
            ("1MiB", Some(("", 1_048_576.0, "1MiB"))),
            ("parse 1.5 kB", Some(("parse", 1500.0, "1.5 kB"))),
            ("17 MB txids", Some(("txids", 17e6, "17 MB"))),
            ("17 peers of 2", None),
            ("größe 32 B", Some(("größe", 32.0, "32 B"))),
            ("ü8 MB", Some(("ü", 8e6, "8 MB"))),
            ("sha256", None),
            ("p99", None),
            ("1.2.3 MB", None),
            ("MB", None),
            ("", None),
        ] {
            let found = sized(name).map(|size| (size.before, size.bytes, size.words));
            assert_eq!(found, apart, "{name}");
        }
    }

    fn points(values: &[(f64, f64)]) -> Vec<Point> {
        let point = |(bytes, ms): &(f64, f64)| Point {
            bytes: *bytes,
            words: String::new(),
            found: Estimate::of(&[*ms]).unwrap(),
        };
        values.iter().map(point).collect()
    }

    #[test]
    fn the_line_of_least_squares_is_the_known_one() {
        let exact = points(&[(1e6, 5.0), (8e6, 19.0), (17e6, 37.0)]);
        let line = fit(&exact).unwrap();
        assert!((line.offset - 3.0).abs() < 1e-9 && (line.slope - 2e-6).abs() < 1e-15, "{line:?}");
        assert!((line.explained(&exact) - 1.0).abs() < 1e-9);
        // by hand: x 1 2 3, y 1 2 2: slope 1/2, offset 2/3, R² 3/4
        let near = points(&[(1.0, 1.0), (2.0, 2.0), (3.0, 2.0)]);
        let line = fit(&near).unwrap();
        assert!((line.slope - 0.5).abs() < 1e-12 && (line.offset - 2.0 / 3.0).abs() < 1e-12);
        assert!((line.explained(&near) - 0.75).abs() < 1e-12);
        assert_eq!(fit(&points(&[(5.0, 1.0), (5.0, 2.0)])), None);
        // What would take less than no time is not drawn.
        let below = Fit { offset: -3.0, slope: 2.0 };
        assert_eq!((below.first(), below.at(below.first()), line.first()), (1.5, 0.0, 0.0));
    }
}
