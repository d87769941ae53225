//! Curves: medians with their intervals over something that has a number.

use super::axis::Axis;
use super::html::{Column, Figure, table};
use super::lanes::Estimate;
use super::plot::{HALF, Mark, NUMBERS, Plot};
use super::quantity::quantity;
use super::role::Role;

/// A curve: places with their words, ascending, and what was measured there.
pub(super) struct Curve {
    pub(super) label: String,
    pub(super) role: Role,
    pub(super) points: Vec<(f64, String, Estimate)>,
}

/// The plot of some curves over `x`; nothing without a point.
pub(super) fn figure(title: String, x: &str, unit: &str, curves: &[Curve]) -> Option<Figure> {
    let points: Vec<_> = curves.iter().flat_map(|curve| &curve.points).collect();
    if points.is_empty() {
        return None;
    }
    let ticks: Vec<_> = points.iter().map(|(at, tick, _)| (*at, tick.clone())).collect();
    let ends = points.iter().flat_map(|(_, _, found)| [found.range().0, found.range().1]);
    Some(Figure {
        note: "Points are medians, bars their 95 % intervals.".to_owned(),
        legend: curves.iter().map(|curve| (curve.role, curve.label.clone())).collect(),
        svg: Plot {
            title: title.clone(),
            size: HALF,
            left: NUMBERS,
            x: Axis::at(&ticks, x),
            y: Axis::wide(&ends.collect::<Vec<_>>(), unit),
            marks: curves.iter().flat_map(marks).collect(),
        }
        .svg(),
        table: match curves {
            [curve] => of_one(x, curve, unit),
            several => of_several(x, several, unit),
        },
        title,
    })
}

fn marks(curve: &Curve) -> Vec<Mark> {
    let path = curve.points.iter().map(|(x, _, found)| (*x, found.median)).collect();
    let mut marks = vec![Mark::Thin(curve.role, path)];
    for (x, _, found) in &curve.points {
        let (low, high) = found.range();
        if low < high {
            marks.push(Mark::Line(curve.role, vec![(*x, low), (*x, high)]));
        }
        marks.push(Mark::Dot(curve.role, *x, found.median));
    }
    marks
}

fn of_one(x: &str, curve: &Curve, unit: &str) -> String {
    let columns = [
        Column::Text(x),
        Column::Number("median"),
        Column::Number("95 % interval"),
        Column::Number("samples"),
    ];
    let row = |(_, tick, found): &(f64, String, Estimate)| {
        let (median, interval) = (quantity(found.median, unit), found.interval_words(unit));
        vec![tick.clone(), median, interval, found.count.to_string()]
    };
    table(&columns, &curve.points.iter().map(row).collect::<Vec<_>>())
}

/// The names of curves without words that all have at the same place, such as those of parameters, and these words.
fn brief(curves: &[Curve]) -> (Vec<String>, Vec<String>) {
    let mut parts: Vec<Vec<&str>> =
        curves.iter().map(|curve| curve.label.split(", ").collect()).collect();
    let count = parts.first().map_or(0, Vec::len);
    let mut shared = Vec::new();
    for n in 0..count {
        let pair = |parts: &Vec<_>| parts.get(n).and_then(|part: &&str| part.split_once(' '));
        let Some(pairs) = parts.iter().map(pair).collect::<Option<Vec<_>>>() else { continue };
        let word = pairs[0].0;
        if pairs.iter().all(|(other, value)| *other == word && !value.contains(' ')) {
            shared.push(word.to_owned());
            parts.iter_mut().zip(pairs).for_each(|(parts, (_, value))| parts[n] = value);
        }
    }
    (parts.iter().map(|parts| parts.join(", ")).collect(), shared)
}

/// A row for each place, a column for each curve.
fn of_several(x: &str, curves: &[Curve], unit: &str) -> String {
    let mut places: Vec<(f64, &String)> = curves
        .iter()
        .flat_map(|curve| curve.points.iter().map(|(at, tick, _)| (*at, tick)))
        .collect();
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    places.dedup_by(|a, b| a.0 == b.0);
    let cell = |curve: &Curve, at: f64| {
        let found = curve.points.iter().find(|point| point.0 == at);
        found.map_or_else(String::new, |(_, _, found)| {
            let precision = found.interval.map(|_| found.precision_words());
            [quantity(found.median, unit), precision.unwrap_or_default()]
                .join(" ")
                .trim_end()
                .to_owned()
        })
    };
    let row = |(at, tick): &(f64, &String)| {
        std::iter::once((*tick).clone())
            .chain(curves.iter().map(|curve| cell(curve, *at)))
            .collect()
    };
    let (names, shared) = brief(curves);
    let first = [&[x.to_owned()][..], &shared].concat().join(" \\ ");
    let columns = names.iter().map(|name| Column::Number(name));
    let columns: Vec<Column> = std::iter::once(Column::Text(&first)).chain(columns).collect();
    table(&columns, &places.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_row_for_each_place_and_a_column_for_each_curve() {
        let at = |x: f64, value: f64| (x, x.to_string(), Estimate::of(&[value; 9]).unwrap());
        let curve = |label: &str, points: &[(f64, f64)]| Curve {
            label: label.to_owned(),
            role: Role::Series(0),
            points: points.iter().map(|(x, value)| at(*x, *value)).collect(),
        };
        let depths = [curve("depth 1", &[(1.0, 5.0), (2.0, 6.0)]), curve("depth 4", &[(2.0, 7.0)])];
        let table = of_several("size", &depths, "ms");
        for part in [
            "<th>size \\ depth</th><th class=\"n\">1</th><th class=\"n\">4</th>",
            "<tr><td>1</td><td class=\"n\">5\u{a0}ms ±\u{a0}0.0\u{a0}%</td><td class=\"n\"></td></tr>",
            "<tr><td>2</td><td class=\"n\">6\u{a0}ms ±\u{a0}0.0\u{a0}%</td><td class=\"n\">7",
        ] {
            assert!(table.contains(part), "{part}: {table}");
        }
        for (labels, expected, words) in [
            (["all at once", "all by turns"], ["all at once", "all by turns"], &[][..]),
            (["A, depth 1, via x", "B, depth 1, via y"], ["A, 1, x", "B, 1, y"], &["depth", "via"]),
            (["A", "B, depth 1"], ["A", "B, depth 1"], &[]),
        ] {
            let (names, shared) = brief(&labels.map(|label| curve(label, &[])));
            assert_eq!(
                (names, shared),
                (
                    expected.map(str::to_owned).into(),
                    words.iter().map(|word| (*word).to_owned()).collect()
                )
            );
        }
        assert_eq!(brief(&[]), (vec![], vec![]));
    }
}
