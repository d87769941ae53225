//! A comparison as a person reads it.

use super::judgement::percent;
use super::{Comparison, Judgement, Row, Side};
use crate::escape::terminal;
use lunlab_bench::unit::NANOSECONDS;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The width of the table.
const WIDTH: usize = 100;

/// The width of what is put below a row.
const INDENT: usize = 2;

/// Everything, a line break at its end.
pub(super) fn table(comparison: &Comparison) -> String {
    let mut text = Text::default();
    text.side("A", &comparison.a);
    text.side("B", &comparison.b);
    for left in &comparison.left_out {
        text.wrapped(0, &format!("left out: {} {}: {}", left.side, left.run, left.reason));
    }
    for note in &comparison.notes {
        text.wrapped(0, &format!("note: {note}"));
    }
    let mut rows = comparison.rows.as_slice();
    while let Some(first) = rows.first() {
        let (group, others) =
            rows.split_at(rows.iter().take_while(|row| alike(first, row)).count());
        text.benchmark(group, &comparison.rows);
        rows = others;
    }
    text.conclusion(comparison);
    text.0
}

fn alike(a: &Row, b: &Row) -> bool {
    (&a.workload, &a.parameters, a.occurrence) == (&b.workload, &b.parameters, b.occurrence)
}

/// Lines; whatever came from a guest or a file is made harmless.
#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, line: &str) {
        // Writing to a string cannot fail.
        let _infallible = writeln!(self.0, "{}", terminal(line.trim_end()));
    }

    /// A sentence, broken between words where it is too long; its other lines further in.
    fn wrapped(&mut self, indent: usize, sentence: &str) {
        let mut line = " ".repeat(indent);
        let mut begun = false;
        for word in sentence.split_whitespace() {
            if begun && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.line(&line);
                line = " ".repeat(indent + INDENT);
                begun = false;
            }
            if begun {
                line.push(' ');
            }
            line.push_str(word);
            begun = true;
        }
        self.line(&line);
    }

    fn side(&mut self, name: &str, side: &Side) {
        let kernels =
            if side.kernels.is_empty() { "?".to_owned() } else { side.kernels.join(", ") };
        let count = match side.runs.len() {
            1 => "1 run".to_owned(),
            count => format!("{count} runs"),
        };
        let which = match side.runs.as_slice() {
            [] => String::new(),
            [one] => format!(": {one}"),
            [first, .., last] => format!(": {first} to {last}"),
        };
        self.wrapped(0, &format!("{name}  {kernels}, {count}{which}"));
    }

    fn benchmark(&mut self, rows: &[Row], all: &[Row]) {
        let Some(first) = rows.first() else { return };
        self.line("");
        self.wrapped(0, &title(first, all));
        if rows.iter().any(|row| row.ratio.is_some()) {
            let (a, b) = ("A", "B");
            self.line(&format!(
                "  {:<26} {a:>10} {b:>10} {:>8}  {:<17}",
                "", "B/A", "95 % interval"
            ));
        }
        for row in rows {
            self.row(row);
        }
        for flag in &first.flags {
            self.wrapped(INDENT, &format!("! {flag}"));
        }
    }

    fn row(&mut self, row: &Row) {
        let (unit, scale) = readable(row);
        let name = shortened(&format!("{} {unit}", row.series), 26);
        let word = row.judgement.word();
        if let (Some(a), Some(b), Some(ratio), Some((low, high))) =
            (row.a, row.b, row.ratio, row.interval)
        {
            let (a, b) = (significant(a.value / scale), significant(b.value / scale));
            let interval = format!("{} to {}", part(low), part(high));
            let ratio = part(ratio);
            self.line(&format!("  {name:<26} {a:>10} {b:>10} {ratio:>8}  {interval:<17} {word}"));
            if let Some(reason) = &row.reason {
                self.wrapped(INDENT * 2, reason);
            }
        } else {
            let reason = row.reason.as_deref().unwrap_or("nothing is known");
            self.wrapped(INDENT, &format!("{} {word}: {reason}", name.trim()));
        }
    }

    fn conclusion(&mut self, comparison: &Comparison) {
        self.line("");
        let words: Vec<String> = [
            Judgement::Worse,
            Judgement::Better,
            Judgement::Differs,
            Judgement::Same,
            Judgement::CannotTell,
            Judgement::NotCompared,
        ]
        .into_iter()
        .filter_map(|judgement| {
            let count = comparison.rows.iter().filter(|row| row.judgement == judgement).count();
            (count > 0).then(|| format!("{count} {}", judgement.word()))
        })
        .collect();
        let words = if words.is_empty() { "nothing measured".to_owned() } else { words.join(", ") };
        let limits = comparison.limits;
        let pairs = if comparison.interleaved { ", each run beside its neighbour" } else { "" };
        let margin = percent(limits.margin);
        self.wrapped(0, &format!("{words} (the same is within {margin}{pairs})"));
        if let Some(fail_on) = limits.fail_on {
            let fail_on = percent(fail_on);
            if !comparison.failed {
                let nothing = "nothing is worse by more than";
                let all = "B measured all that A did";
                self.wrapped(0, &format!("{nothing} {fail_on} for certain, and {all}"));
            }
            for row in &comparison.rows {
                let Some(failure) = &row.failure else { continue };
                let name = format!("{} {}", title(row, &comparison.rows), row.series);
                self.wrapped(0, &format!("failed: {} is {failure}", name.trim()));
            }
        }
    }
}

/// The workload, and those of its parameters that tell it from others of the table.
fn title(row: &Row, all: &[Row]) -> String {
    let others = || all.iter().filter(|other| other.workload == row.workload);
    let telling = |name: &String, value: &Value| {
        others().any(|other| other.parameters.get(name) != Some(value))
    };
    let shown: BTreeMap<_, _> =
        row.parameters.iter().filter(|(name, value)| telling(name, value)).collect();
    let mut title = row.workload.clone();
    for (name, value) in shown {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        title.push_str(&format!(" {name}={value}"));
    }
    if row.occurrence > 1 {
        title.push_str(&format!(" (number {})", row.occurrence));
    }
    title
}

fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// The unit a row is shown in, and how many of its own that is: nanoseconds soon have too many digits.
fn readable(row: &Row) -> (&str, f64) {
    let value = row.a.map_or(0.0, |a| a.value);
    match row.unit.as_str() {
        NANOSECONDS if value >= 1e9 => ("s", 1e9),
        NANOSECONDS if value >= 1e6 => ("ms", 1e6),
        NANOSECONDS if value >= 1e3 => ("us", 1e3),
        unit => (unit, 1.0),
    }
}

/// A ratio: three places behind the point, unless it is far from 1.
fn part(ratio: f64) -> String {
    if (1e-3..1e4).contains(&ratio) { format!("{ratio:.3}") } else { format!("{ratio:.1e}") }
}

/// A number with four significant digits, or whole.
fn significant(value: f64) -> String {
    match value {
        _ if !(1e-3..1e8).contains(&value) => format!("{value:.3e}"),
        _ if value >= 1000.0 => format!("{value:.0}"),
        _ if value >= 100.0 => format!("{value:.1}"),
        _ if value >= 10.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}
