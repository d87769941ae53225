//! Everything measured, in one table; what could not be, and what makes it doubtful.

use super::html::{Column, section, table, text};
use super::lanes::{Estimate, Group, Lane, parameters};
use super::quantity::{percent, quantity};

/// The section.
pub(super) fn measured(groups: &[Group], lanes: &[Lane]) -> String {
    let content = medians(groups, lanes) + &counters(groups, lanes);
    section("measured", "Measured", &content)
}

fn medians(groups: &[Group], lanes: &[Lane]) -> String {
    let columns = [
        Column::Text("workload"),
        Column::Text("series"),
        Column::Text("of"),
        Column::Number("median"),
        Column::Number("95 % interval"),
        Column::Number("MAD"),
        Column::Number("spread"),
        Column::Number("samples"),
    ];
    let mut rows = Vec::new();
    for group in groups {
        for name in group.series() {
            for (n, lane) in lanes.iter().enumerate() {
                let Some(found) = group.estimate(n, name) else { continue };
                rows.push(row(group.label.clone(), name, &lane.label, &found));
            }
        }
    }
    table(&columns, &rows)
}

fn row(label: String, (name, unit): (&str, &str), lane: &str, found: &Estimate) -> Vec<String> {
    let (p25, p75) = found.quartiles;
    vec![
        label,
        name.to_owned(),
        lane.to_owned(),
        quantity(found.median, unit),
        found.precision_words(),
        quantity(found.mad, unit),
        percent((p75 - p25) / found.median.abs()),
        found.count.to_string(),
    ]
}

/// The most of those remarks of which there may be one for each benchmark.
const NOISY: usize = 8;

/// What could not run, went wrong, or was measured on a noisy machine.
pub(super) fn remarks(groups: &[Group], lanes: &[Lane]) -> String {
    let (mut grave, mut noisy) = (Vec::new(), Vec::new());
    for group in groups {
        for (lane, benchmarks) in lanes.iter().zip(&group.lanes) {
            let of = if lanes.len() > 1 { format!(" ({})", lane.label) } else { String::new() };
            let line = |word, why: &String| remark(word, &format!("{}{of}: {why}", group.label));
            for benchmark in benchmarks {
                grave.extend(benchmark.skipped.iter().map(|why| line("skipped", why)));
                grave.extend(benchmark.errors.iter().map(|why| line("error", why)));
                noisy.extend(benchmark.conditions.noisy.iter().map(|why| line("noisy", why)));
            }
        }
    }
    if let Some(more) = noisy.len().checked_sub(NOISY).filter(|more| *more > 0) {
        noisy.truncate(NOISY);
        noisy.push(remark("noisy", &format!("and {more} more; the raw results have them")));
    }
    let lines = grave.concat() + &noisy.concat();
    let list =
        if lines.is_empty() { lines } else { format!("<ul class=\"remarks\">\n{lines}</ul>\n") };
    section("remarks", "To bear in mind", &list)
}

fn remark(word: &str, line: &str) -> String {
    format!("<li><b class=\"{word}\">{word}</b> {}</li>\n", text(line))
}

fn counters(groups: &[Group], lanes: &[Lane]) -> String {
    let columns = [
        Column::Text("workload"),
        Column::Text("region"),
        Column::Text("counter"),
        Column::Text("of"),
        Column::Number("value"),
    ];
    let (mut rows, mut unknown) = (Vec::new(), Vec::new());
    for group in groups {
        for (lane, benchmarks) in lanes.iter().zip(&group.lanes) {
            for counter in benchmarks.iter().flat_map(|benchmark| &benchmark.counters) {
                let name = counter.name.clone();
                match (counter.value, &counter.problem) {
                    (Some(value), _) => rows.push(vec![
                        group.label.clone(),
                        counter.region.clone(),
                        name,
                        lane.label.clone(),
                        value.to_string(),
                    ]),
                    (None, why) => unknown.push((why.clone().unwrap_or_default(), name)),
                }
            }
        }
    }
    let table = table(&columns, &rows) + &not_counted(unknown);
    if table.is_empty() { table } else { format!("<h3>Counters</h3>\n{table}") }
}

/// What is not known of any region, for each reason once: mostly it is the machine that has no counters.
fn not_counted(mut unknown: Vec<(String, String)>) -> String {
    unknown.sort();
    unknown.dedup();
    let of_reason = |of: &[(String, String)]| {
        let names: Vec<&str> = of.iter().map(|(_, name)| name.as_str()).collect();
        vec![names.join(", "), of[0].0.clone()]
    };
    let rows: Vec<_> = unknown.chunk_by(|a, b| a.0 == b.0).map(of_reason).collect();
    table(&[Column::Text("not counted"), Column::Text("why")], &rows)
}

/// What each benchmark was run with.
pub(super) fn parameters_table(groups: &[Group]) -> String {
    let rows: Vec<Vec<String>> = groups
        .iter()
        .map(|group| vec![group.workload.to_owned(), parameters(group.parameters)])
        .collect();
    let columns = [Column::Text("workload"), Column::Text("parameters")];
    section("parameters", "Parameters", &table(&columns, &rows))
}
