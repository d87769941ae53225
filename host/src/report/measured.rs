//! Everything measured, in one table; what could not be, and what makes it doubtful.

use super::html::{Column, push, section, table, text};
use super::lanes::{Estimate, Group, Lane, parameters};
use super::quantity::{percent, quantity};

/// The section.
pub(super) fn measured(groups: &[Group], lanes: &[Lane]) -> String {
    let mut content = remarks(groups, lanes);
    content.push_str(&medians(groups, lanes));
    content.push_str(&counters(groups, lanes));
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
                rows.push(row(group.label(groups), name, &lane.label, &found));
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

/// What could not run, went wrong, or was measured on a noisy machine.
fn remarks(groups: &[Group], lanes: &[Lane]) -> String {
    let mut html = String::new();
    for group in groups {
        let label = group.label(groups);
        for (lane, benchmarks) in lanes.iter().zip(&group.lanes) {
            for benchmark in benchmarks {
                let skipped = benchmark.skipped.iter().map(|why| ("skipped", why));
                let errors = benchmark.errors.iter().map(|why| ("error", why));
                let noisy = benchmark.conditions.noisy.iter().map(|why| ("noisy", why));
                for (word, why) in skipped.chain(errors).chain(noisy) {
                    let of =
                        if lanes.len() > 1 { format!(" ({})", lane.label) } else { String::new() };
                    let line = text(&format!("{label}{of}: {why}"));
                    push(
                        &mut html,
                        format_args!("<li><b class=\"{word}\">{word}</b> {line}</li>\n"),
                    );
                }
            }
        }
    }
    if html.is_empty() { html } else { format!("<ul class=\"remarks\">\n{html}</ul>\n") }
}

fn counters(groups: &[Group], lanes: &[Lane]) -> String {
    let columns = [
        Column::Text("workload"),
        Column::Text("region"),
        Column::Text("counter"),
        Column::Text("of"),
        Column::Number("value"),
        Column::Text("not known, for"),
    ];
    let mut rows = Vec::new();
    for group in groups {
        for (lane, benchmarks) in lanes.iter().zip(&group.lanes) {
            for counter in benchmarks.iter().flat_map(|benchmark| &benchmark.counters) {
                rows.push(vec![
                    group.label(groups),
                    counter.region.clone(),
                    counter.name.clone(),
                    lane.label.clone(),
                    counter.value.map(|value| value.to_string()).unwrap_or_default(),
                    counter.problem.clone().unwrap_or_default(),
                ]);
            }
        }
    }
    rows.dedup();
    let table = table(&columns, &rows);
    if table.is_empty() { table } else { format!("<h3>Counters</h3>\n{table}") }
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
