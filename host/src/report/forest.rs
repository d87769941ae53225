//! A comparison of two sides: each ratio with its interval, and what it amounts to.

use super::axis::{Axis, as_float};
use super::html::{Column, Figure, section, table};
use super::plot::{Mark, NUMBERS, Plot, WIDE, shortened, width};
use super::quantity::{number, quantity};
use super::role::Role;
use crate::error::Error;
use crate::result::telling::{Parameters, label, telling};
use serde::Deserialize;

/// What `lunlab compare --format json` prints, as far as a page shows it.
#[derive(Clone, Debug, Deserialize)]
pub struct Comparison {
    a: Runs,
    b: Runs,
    #[serde(default)]
    left_out: Vec<LeftOut>,
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

    /// Says where it is not one of these runs of A and of B.
    #[must_use]
    pub fn unlike(&self, a: &[&str], b: &[&str]) -> Option<String> {
        [("A", &self.a, a), ("B", &self.b, b)].into_iter().find_map(|(side, compared, given)| {
            let left_out = self.left_out.iter().filter(|run| run.side == side);
            let left_out = left_out.map(|run| run.run.as_str());
            let known: Vec<&str> =
                compared.runs.iter().map(String::as_str).chain(left_out).collect();
            let missing = known.iter().find(|run| !given.contains(run));
            let missing = missing.map(|run| format!("its {side} has {run}, which is not given"));
            let other = given.iter().find(|run| !known.contains(run));
            missing.or_else(|| other.map(|run| format!("its {side} does not have {run}")))
        })
    }
}

/// The runs of one side.
#[derive(Clone, Debug, Deserialize)]
struct Runs {
    runs: Vec<String>,
}

/// A run that was not compared.
#[derive(Clone, Debug, Deserialize)]
struct LeftOut {
    side: String,
    run: String,
}

/// One series on both sides.
#[derive(Clone, Debug, Deserialize)]
struct Row {
    workload: String,
    parameters: Parameters,
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

/// Room for the names of rows, at most.
const LEFT: u32 = 860;

/// Judgements from the one that matters most, in words, and how they look.
const JUDGEMENTS: [(&str, &str, &str); 6] = [
    ("worse", "worse", "bad"),
    ("better", "better", "good"),
    ("differs", "differs", "doubtful"),
    ("cannot-tell", "cannot tell", "doubtful"),
    ("same", "same", "good"),
    ("not-compared", "not compared", "doubtful"),
];

impl Comparison {
    fn count(&self, judgement: &str) -> usize {
        self.rows.iter().filter(|row| row.judgement == judgement).count()
    }

    /// What matters most of it, and how that looks.
    pub(super) fn headline(&self) -> (&'static str, &'static str) {
        let found = JUDGEMENTS.iter().find(|(judgement, ..)| self.count(judgement) > 0);
        found.map_or(("doubtful", "not compared"), |(_, words, class)| (class, words))
    }

    /// How many there are of each judgement.
    pub(super) fn counts(&self) -> String {
        let counts = JUDGEMENTS.iter().map(|(judgement, words, _)| (self.count(judgement), words));
        let some = counts.filter(|(count, _)| *count > 0);
        let words: Vec<String> = some.map(|(count, words)| format!("{count} {words}")).collect();
        if words.is_empty() { "Nothing was compared".to_owned() } else { words.join(", ") }
    }

    /// The rows with their names: with those parameters that tell them from others of their workload.
    fn named(&self) -> Vec<Named<'_>> {
        let all: Vec<_> =
            self.rows.iter().map(|row| (row.workload.as_str(), &row.parameters)).collect();
        let rows = self.rows.iter().zip(telling(&all));
        rows.map(|(row, telling)| Named { row, of: label(&row.workload, &telling) }).collect()
    }
}

/// A row and what it is of.
#[derive(Clone, Debug)]
struct Named<'a> {
    row: &'a Row,
    of: String,
}

impl Named<'_> {
    fn name(&self) -> String {
        let series = &self.row.series;
        if series.is_empty() { self.of.clone() } else { format!("{}: {series}", self.of) }
    }
}

/// The section.
pub(super) fn forest(comparison: &Comparison) -> String {
    let (compared, others): (Vec<_>, Vec<_>) =
        comparison.named().into_iter().partition(|named| named.row.ratio.is_some());
    let mut content: String = compared.chunks(ROWS).map(|rows| figure(rows).html()).collect();
    content.push_str(&remarks(&compared, &others, &comparison.notes));
    section("comparison", "B against A", &content)
}

fn figure(rows: &[Named]) -> Figure {
    Figure {
        title: "Ratio of B to A".to_owned(),
        note:
            "Points are ratios, bars their 95 % intervals; those that reach the edge go on beyond it. \
               Left of 0 % B has the smaller number: better for times, worse for rates."
                .to_owned(),
        legend: vec![
            (role("better"), "better".to_owned()),
            (role("worse"), "worse".to_owned()),
            (role("differs"), "differs".to_owned()),
            (role("same"), "same, or cannot tell".to_owned()),
        ],
        svg: plot(rows).svg(),
        table: numbers(rows),
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

fn percent(ratio: f64) -> f64 {
    (ratio - 1.0) * 100.0
}

/// Where the interval of a row is; the point itself where it has none.
fn interval(row: &Row) -> Option<(f64, f64, f64)> {
    let ratio = row.ratio?;
    let (low, high) = row.interval.unwrap_or((ratio, ratio));
    Some((percent(low), percent(ratio), percent(high)))
}

/// How far from 0 the plot goes: as far as all points and all intervals that say something. Those that say nothing may be
/// so wide that nothing else could be seen.
fn reach(rows: &[Named]) -> f64 {
    let far = |row: &Row| {
        let (low, middle, high) = interval(row)?;
        let says = row.judgement != "cannot-tell";
        let (within, all) = (middle.abs(), low.abs().max(high.abs()));
        Some((if says { all } else { within }, all)).filter(|(_, all)| all.is_finite())
    };
    let far = rows.iter().filter_map(|named| far(named.row));
    let (least, most) = far.fold((0.0f64, 0.0f64), |(a, b), (c, d)| (a.max(c), b.max(d)));
    most.min(least * 1.5).max(1.0)
}

fn plot(rows: &[Named]) -> Plot {
    let reach = reach(rows) * 1.1;
    let mut marks = vec![Mark::Upright(0.0, "the same".to_owned())];
    for (n, named) in rows.iter().enumerate() {
        let Some((low, middle, high)) = interval(named.row) else { continue };
        let (role, y) = (role(&named.row.judgement), -as_float(n));
        let ends = [low, high].map(|end| (end.clamp(-reach, reach), y));
        marks.push(Mark::Line(role, ends.into()));
        marks.push(Mark::Dot(role, middle, y));
    }
    let names: Vec<String> = rows.iter().map(|named| shortened(&named.name(), LEFT - 30)).collect();
    let widest = names.iter().map(|name| width(name)).max().unwrap_or(0);
    Plot {
        title: "Ratio of B to A with intervals".to_owned(),
        size: (WIDE.0, 180 + 46 * u32::try_from(rows.len()).unwrap_or(1)),
        left: (u32::try_from(widest).unwrap_or(0) + 30).clamp(NUMBERS, LEFT),
        x: Axis::around_zero(reach, "B against A", "%"),
        y: Axis::rows(&names),
        marks,
    }
}

fn numbers(rows: &[Named]) -> String {
    let columns = [
        Column::Text("what"),
        Column::Number("A"),
        Column::Number("B"),
        Column::Number("B / A"),
        Column::Number("95 % interval"),
        Column::Text("judgement"),
        Column::Text("because"),
    ];
    let side = |side: Option<Side>, unit: &str| {
        side.map_or_else(String::new, |side| quantity(side.value, unit))
    };
    let words = |judgement: &str| {
        let known = JUDGEMENTS.iter().find(|(known, ..)| *known == judgement);
        known.map_or_else(|| judgement.to_owned(), |(_, words, _)| (*words).to_owned())
    };
    let row = |named: &Named| {
        let row = named.row;
        let ends = row.interval.map(|(low, high)| format!("{} to {}", number(low), number(high)));
        vec![
            named.name(),
            side(row.a, &row.unit),
            side(row.b, &row.unit),
            row.ratio.map_or_else(String::new, number),
            ends.unwrap_or_default(),
            words(&row.judgement),
            row.reason.clone().unwrap_or_default(),
        ]
    };
    table(&columns, &rows.iter().map(row).collect::<Vec<_>>())
}

/// What could not be compared, and what to know of the rest; what holds of several series once.
fn remarks(compared: &[Named], others: &[Named], notes: &[String]) -> String {
    let reason = |row: &Row| row.reason.clone().unwrap_or_else(|| row.judgement.clone());
    let others = others.iter().map(|named| [named.name(), reason(named.row)]);
    let flags = compared
        .iter()
        .flat_map(|named| named.row.flags.iter().map(|flag| [named.of.clone(), flag.clone()]));
    let notes = notes.iter().map(|note| ["the runs".to_owned(), note.clone()]);
    let mut rows: Vec<Vec<String>> = Vec::new();
    for row in others.chain(flags).chain(notes) {
        if !rows.iter().any(|known| *known == row) {
            rows.push(row.into());
        }
    }
    table(&[Column::Text("of"), Column::Text("to bear in mind")], &rows)
}
