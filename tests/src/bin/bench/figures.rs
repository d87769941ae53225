//! Samples, figures with their goals, and the table.

use serde_json::{Value, json};
use std::fmt;

/// Values of one quantity, in the order in which they were measured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Samples(Vec<f64>);

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl Samples {
    /// The middle value, or the mean of the two in the middle; NaN of nothing.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match (sorted.get(middle.wrapping_sub(1)), sorted.get(middle)) {
            (Some(low), Some(high)) if sorted.len().is_multiple_of(2) => (low + high) / 2.0,
            (_, Some(middle)) => *middle,
            _ => f64::NAN,
        }
    }

    /// The median of the distances from the median: half of the values are nearer to it.
    pub(crate) fn median_deviation(&self) -> f64 {
        let median = self.median();
        self.0.iter().map(|value| (value - median).abs()).collect::<Self>().median()
    }

    fn extreme(&self, choose: fn(f64, f64) -> f64) -> f64 {
        self.0.iter().copied().fold(f64::NAN, choose)
    }

    /// What `combine` makes of the values of the same round.
    pub(crate) fn paired_with(&self, other: &Self, combine: fn(f64, f64) -> f64) -> Self {
        self.0.iter().zip(&other.0).map(|(own, other)| combine(*own, *other)).collect()
    }
}

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    /// Its median no more than this.
    AtMost(f64),
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    name: String,
    unit: &'static str,
    samples: Samples,
    goal: Option<Goal>,
}

impl Figure {
    /// A quantity that was measured.
    pub(crate) fn new(name: impl Into<String>, unit: &'static str, samples: Samples) -> Self {
        Self { name: name.into(), unit, samples, goal: None }
    }

    /// A quantity of which there is one value.
    pub(crate) fn single(name: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self::new(name, unit, Samples(vec![value]))
    }

    /// What it should be.
    pub(crate) fn with_goal(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }

    fn verdict(&self) -> String {
        let Some(Goal::AtMost(limit)) = self.goal else { return String::new() };
        let median = self.samples.median();
        if median <= limit {
            return "reached".to_owned();
        }
        let percent = (median / limit - 1.0) * 100.0;
        let over = format!("{} {}", number(median - limit), self.unit);
        format!("MISSED by {} ({percent:.0} %)", over.trim_end())
    }

    fn cells(&self) -> [String; 7] {
        let several = self.samples.0.len() > 1;
        let spread = |value: f64| if several { number(value) } else { String::new() };
        [
            self.name.clone(),
            format!("{} {}", number(self.samples.median()), self.unit).trim_end().to_owned(),
            spread(self.samples.median_deviation()),
            spread(self.samples.extreme(f64::min)),
            spread(self.samples.extreme(f64::max)),
            match self.goal {
                Some(Goal::AtMost(limit)) => format!("<= {limit}"),
                None => String::new(),
            },
            self.verdict(),
        ]
    }

    fn to_json(&self) -> Value {
        let mut value = json!({
            "name": self.name,
            "unit": self.unit,
            "samples": self.samples.0,
            "median": self.samples.median(),
            "median_deviation": self.samples.median_deviation(),
        });
        if let Some(Goal::AtMost(limit)) = self.goal {
            value["at_most"] = json!(limit);
            value["reached"] = json!(self.samples.median() <= limit);
        }
        value
    }
}

/// Three digits that count.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// All that was measured, and on what.
pub(crate) struct Report {
    conditions: Vec<(&'static str, String)>,
    figures: Vec<Figure>,
    remarks: Vec<String>,
}

impl Report {
    /// Nothing was measured yet.
    pub(crate) fn new(conditions: Vec<(&'static str, String)>) -> Self {
        Self { conditions, figures: Vec::new(), remarks: Vec::new() }
    }

    /// Adds a line to the table.
    pub(crate) fn add(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    /// Adds a line below the table.
    pub(crate) fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }

    /// The report for other programs.
    pub(crate) fn to_json(&self) -> Value {
        let conditions =
            self.conditions.iter().map(|(name, text)| ((*name).to_owned(), json!(text)));
        json!({
            "conditions": Value::Object(conditions.collect()),
            "figures": self.figures.iter().map(Figure::to_json).collect::<Vec<_>>(),
            "remarks": self.remarks,
        })
    }
}

const HEAD: [&str; 7] = ["", "median", "MAD", "least", "most", "goal", ""];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, text) in &self.conditions {
            writeln!(f, "{name:<12} {text}")?;
        }
        writeln!(f)?;
        let mut rows = vec![HEAD.map(str::to_owned)];
        rows.extend(self.figures.iter().map(Figure::cells));
        let mut widths = [0; HEAD.len()];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in &rows {
            writeln!(f, "{}", line(row, &widths).trim_end())?;
        }
        self.remarks.iter().try_for_each(|remark| writeln!(f, "{remark}"))
    }
}

/// Names and verdicts begin where their column does, numbers end there.
fn line(row: &[String; HEAD.len()], widths: &[usize; HEAD.len()]) -> String {
    let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
        if column == 0 || column == HEAD.len() - 1 {
            format!("{cell:<width$}")
        } else {
            format!("{cell:>width$}")
        }
    });
    cells.collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use super::{Figure, Goal, Report, Samples};

    fn samples(values: &[f64]) -> Samples {
        values.iter().copied().collect()
    }

    #[test]
    fn one_wild_value_moves_neither_median_nor_deviation() {
        let values = samples(&[3.0, 1.0, 2.0, 900.0, 4.0]);
        assert_eq!((values.median(), values.median_deviation()), (3.0, 1.0));
        assert_eq!(samples(&[1.0, 2.0]).median(), 1.5);
        assert!(samples(&[]).median().is_nan());
    }

    #[test]
    fn values_of_one_round_are_compared_with_each_other() {
        let ratios = samples(&[3.0, 8.0]).paired_with(&samples(&[2.0, 4.0]), |a, b| a / b);
        assert_eq!(ratios, samples(&[1.5, 2.0]));
    }

    #[test]
    fn a_goal_is_reached_or_missed_by_so_much() {
        let figure = Figure::single("time", "ms", 55.0);
        let verdict = |limit| figure.clone().with_goal(Goal::AtMost(limit)).verdict();
        assert_eq!(verdict(55.0), "reached");
        assert_eq!(verdict(50.0), "MISSED by 5.00 ms (10 %)");
        assert_eq!(figure.verdict(), "");
    }

    #[test]
    fn the_table_is_aligned_and_the_document_has_every_sample() {
        let mut report = Report::new(vec![("cpu", "some".into())]);
        report.add(Figure::new("a", "ms", samples(&[1.0, 12.25])).with_goal(Goal::AtMost(5.0)));
        report.add(Figure::single("longer", "MB", 300.0));
        report.remark("remark");
        let expected = "\
cpu          some

         median   MAD  least  most  goal
a       6.62 ms  5.62   1.00  12.2  <= 5  MISSED by 1.62 ms (32 %)
longer   300 MB
remark
";
        assert_eq!(report.to_string(), expected);
        let document = report.to_json();
        assert_eq!(document["figures"][0]["samples"], serde_json::json!([1.0, 12.25]));
        assert_eq!(document["figures"][0]["reached"], false);
        assert_eq!(document["conditions"]["cpu"], "some");
    }
}
