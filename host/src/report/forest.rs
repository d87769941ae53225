//! A comparison of two sides: each ratio with its interval, and what it amounts to.

use super::axis::{Axis, as_float};
use super::html::{Column, Figure, section, table};
use super::lanes::shown;
use super::plot::{Mark, Plot, WIDE, shortened};
use super::quantity::{number, quantity};
use super::role::Role;
use crate::error::Error;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What `lunlab compare --format json` prints, as far as a page shows it.
#[derive(Clone, Debug, Deserialize)]
pub struct Comparison {
    rows: Vec<Row>,
    #[serde(default)]
    notes: Vec<String>,
}

impl Comparison {
    /// What [`crate::compare`] found.
    ///
    /// # Errors
    /// Only when it cannot be JSON, or not be read as such, which its types do not allow.
    pub fn of(found: &crate::compare::Comparison) -> Result<Self, Error> {
        let broken = |error| Error::internal(format!("show the comparison: {error}"));
        serde_json::to_value(found).and_then(serde_json::from_value).map_err(broken)
    }
}

/// One series on both sides.
#[derive(Clone, Debug, Deserialize)]
struct Row {
    workload: String,
    parameters: BTreeMap<String, Value>,
    series: String,
    unit: String,
    a: Option<Side>,
    b: Option<Side>,
    ratio: Option<f64>,
    interval: Option<(f64, f64)>,
    judgement: String,
    reason: Option<String>,
    #[serde(default)]
    flags: Vec<String>,
}

/// What one side comes to.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Side {
    value: f64,
}

/// Rows of one plot.
const ROWS: usize = 30;

/// Room for the names of rows.
const LEFT: u32 = 860;

/// The section.
pub(super) fn forest(comparison: &Comparison) -> String {
    let compared: Vec<&Row> = comparison.rows.iter().filter(|row| row.ratio.is_some()).collect();
    let mut content: String =
        compared.chunks(ROWS).map(|rows| figure(rows, &comparison.rows).html()).collect();
    content.push_str(&left_out(comparison));
    section("comparison", "B against A", &content)
}

fn figure(rows: &[&Row], all: &[Row]) -> Figure {
    Figure {
        title: "Ratio of B to A".to_owned(),
        note:
            "Points are ratios, bars their 95 % intervals. Left of 0 % B has the smaller number: \
               better for times, worse for rates."
                .to_owned(),
        legend: vec![
            (role("better"), "better".to_owned()),
            (role("worse"), "worse".to_owned()),
            (role("differs"), "differs".to_owned()),
            (role("same"), "same, or cannot tell".to_owned()),
        ],
        svg: plot(rows, all).svg(),
        table: numbers(rows, all),
    }
}

fn role(judgement: &str) -> Role {
    match judgement {
        "better" => Role::Series(2),
        "worse" => Role::Series(1),
        "differs" => Role::Series(0),
        _ => Role::Muted,
    }
}

/// A row's name: with those parameters that tell it from the others of its workload.
fn name(row: &Row, all: &[Row]) -> String {
    let others: Vec<&Row> = all.iter().filter(|other| other.workload == row.workload).collect();
    let varies = |(name, value): &(&String, &Value)| {
        others.iter().any(|other| other.parameters.get(*name) != Some(*value))
    };
    let told = row.parameters.iter().filter(varies);
    let told: String =
        told.map(|(name, value)| format!(", {name} {}", shown(name, value))).collect();
    let series = if row.series.is_empty() { String::new() } else { format!(": {}", row.series) };
    format!("{}{told}{series}", row.workload)
}

fn percent(ratio: f64) -> f64 {
    (ratio - 1.0) * 100.0
}

/// Where the interval of a row is; the point itself where it has none.
fn interval(row: &Row) -> Option<(f64, f64, f64)> {
    let ratio = row.ratio?;
    let (low, high) = row.interval.unwrap_or((ratio, ratio));
    Some((percent(low), percent(ratio), percent(high)))
}

fn plot(rows: &[&Row], all: &[Row]) -> Plot {
    let mut marks = vec![Mark::Upright(0.0, "the same".to_owned())];
    let mut reach = 1.0f64;
    for (n, row) in rows.iter().enumerate() {
        let Some((low, middle, high)) = interval(row) else { continue };
        let (role, y) = (role(&row.judgement), -as_float(n));
        marks.push(Mark::Line(role, vec![(low, y), (high, y)]));
        marks.push(Mark::Dot(role, middle, y));
        reach = [low, high]
            .into_iter()
            .map(f64::abs)
            .filter(|end| end.is_finite())
            .fold(reach, f64::max);
    }
    let names = rows.iter().map(|row| shortened(&name(row, all), LEFT - 30)).collect::<Vec<_>>();
    Plot {
        title: "Ratio of B to A with intervals".to_owned(),
        size: (WIDE.0, 180 + 46 * u32::try_from(rows.len()).unwrap_or(1)),
        left: LEFT,
        x: Axis::around_zero(reach * 1.1, "B against A", "%"),
        y: Axis::rows(&names),
        marks,
    }
}

fn numbers(rows: &[&Row], all: &[Row]) -> String {
    let columns = [
        Column::Text("what"),
        Column::Number("A"),
        Column::Number("B"),
        Column::Number("B / A"),
        Column::Number("95 % interval"),
        Column::Text("judgement"),
        Column::Text(""),
    ];
    let side = |side: Option<Side>, unit: &str| {
        side.map_or_else(String::new, |side| quantity(side.value, unit))
    };
    let row = |row: &&Row| {
        let ends = row.interval.map(|(low, high)| format!("{} to {}", number(low), number(high)));
        let remarks: Vec<&str> = row.reason.iter().chain(&row.flags).map(String::as_str).collect();
        vec![
            name(row, all),
            side(row.a, &row.unit),
            side(row.b, &row.unit),
            row.ratio.map_or_else(String::new, number),
            ends.unwrap_or_default(),
            row.judgement.clone(),
            remarks.join("; "),
        ]
    };
    table(&columns, &rows.iter().map(row).collect::<Vec<_>>())
}

/// What could not be compared, and what to know of the comparison.
fn left_out(comparison: &Comparison) -> String {
    let rows = comparison.rows.iter().filter(|row| row.ratio.is_none());
    let reason = |row: &Row| row.reason.clone().unwrap_or_else(|| row.judgement.clone());
    let rows = rows.map(|row| vec![name(row, &comparison.rows), reason(row)]);
    let notes = comparison.notes.iter().map(|note| vec!["note".to_owned(), note.clone()]);
    let all: Vec<_> = rows.chain(notes).collect();
    table(&[Column::Text("not compared"), Column::Text("why")], &all)
}
