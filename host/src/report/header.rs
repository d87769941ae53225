//! The verdict, and what it is of.

use super::forest::Comparison;
use super::html::{Column, push, section, table, text};
use super::{Run, Side};
use crate::result::{Document, VerdictRecord};

/// The most lines of a finding that are shown; the JSON has all.
const LINES: usize = 40;

/// What stands on top: how two sides compare, where there are two, and the verdict of the runs.
pub(super) fn header(runs: &[Run], comparison: Option<&Comparison>) -> String {
    let worst = runs.iter().max_by_key(|run| run.document.verdict.exit_code);
    let Some(worst) = worst else { return String::new() };
    let mut html = String::from("<header>\n");
    for run in runs.iter().filter(|run| run.incomplete) {
        let name = if runs.len() > 1 { &run.label } else { "This run" };
        let line = format!("{name} is incomplete: it was cut short, and this is what it had.");
        push(&mut html, format_args!("<p class=\"banner\">{}</p>\n", text(&line)));
    }
    let of_runs = text(&reason(runs, worst));
    match comparison {
        Some(comparison) => {
            let (class, word) = comparison.headline();
            let headline = span(class, &word.to_uppercase());
            push(&mut html, format_args!("<h1>{headline} B against A</h1>\n"));
            let words = text(&format!("{}. {}", comparison.counts(), sides(runs)));
            push(&mut html, format_args!("<p class=\"reason\">{words}</p>\n"));
            push(&mut html, format_args!("<p class=\"runs\">{} {of_runs}</p>\n", badge(worst)));
        }
        None => {
            let kernel = text(&kernel(&worst.document));
            push(&mut html, format_args!("<h1>{} {kernel}</h1>\n", badge(worst)));
            push(&mut html, format_args!("<p class=\"reason\">{of_runs}</p>\n"));
        }
    }
    for line in worst.document.verdict.lines.iter().take(LINES) {
        push(&mut html, format_args!("<code>{}</code>\n", text(line)));
    }
    html + "</header>\n"
}

/// What the run is of, or each of several.
pub(super) fn runs(runs: &[Run]) -> String {
    match runs {
        [] => String::new(),
        [run] => facts(run),
        several => overview(several),
    }
}

/// What the sides are: `A: 6.1.0, 3 runs; B: 6.2.0, 3 runs`.
fn sides(runs: &[Run]) -> String {
    let side = |(name, side)| {
        let of: Vec<&Run> = runs.iter().filter(|run| run.side == Some(side)).collect();
        let mut kernels: Vec<String> = of.iter().map(|run| kernel(&run.document)).collect();
        kernels.dedup();
        let plural = if of.len() == 1 { "" } else { "s" };
        (!of.is_empty())
            .then(|| format!("{name}: {}, {} run{plural}", kernels.join(", "), of.len()))
    };
    let words: Vec<String> =
        [("A", Side::A), ("B", Side::B)].into_iter().filter_map(side).collect();
    words.join("; ")
}

/// The page's title.
pub(super) fn title(runs: &[Run]) -> String {
    match runs {
        [run] => format!("{}: {}", word(run), kernel(&run.document)),
        runs => format!("{} runs", runs.len()),
    }
}

fn word(run: &Run) -> String {
    let VerdictRecord { kind, .. } = &run.document.verdict;
    if kind.is_empty() { "INCOMPLETE".to_owned() } else { kind.to_uppercase() }
}

fn badge(run: &Run) -> String {
    let class = match (run.document.verdict.kind.as_str(), run.incomplete) {
        ("pass", false) => "good",
        ("" | "pass" | "interrupted" | "incomplete", _) => "doubtful",
        _ => "bad",
    };
    span(class, &word(run))
}

fn span(class: &str, word: &str) -> String {
    format!("<span class=\"verdict {class}\">{}</span>", text(word))
}

fn kernel(document: &Document) -> String {
    let release = document.kernel.as_ref().and_then(|kernel| kernel.release.clone());
    release.unwrap_or_else(|| document.run_id.clone())
}

fn reason(runs: &[Run], worst: &Run) -> String {
    let VerdictRecord { reason, also, .. } = &worst.document.verdict;
    let also = if also.is_empty() { String::new() } else { format!("; also {}", also.join(", ")) };
    let passed = runs.iter().filter(|run| run.document.verdict.kind == "pass").count();
    let of = match runs.len() {
        1 => String::new(),
        all if passed == all => format!("all {all} runs passed: "),
        all => format!("{passed} of {all} runs passed; the worst, {}: ", worst.label),
    };
    format!("{of}{reason}{also}")
}

fn facts(run: &Run) -> String {
    let document = &run.document;
    let mut facts: Vec<(&str, String)> = vec![("run", document.run_id.clone())];
    facts
        .push(("when", format!("{}, {:.1} s", document.started_at, document.duration_ms / 1000.0)));
    if let Some(kernel) = &document.kernel {
        let release = kernel.release.clone().unwrap_or_default();
        facts.push(("kernel", format!("{release} ({}), {}", kernel.image, kernel.boot_mode)));
    }
    if let Some(accelerator) = &document.accelerator {
        facts.push(("accelerator", format!("{}, {}", accelerator.name, accelerator.reason)));
    }
    if let Some(transport) = &document.transport {
        let passed_over = transport.passed_over.iter();
        let why = passed_over.map(|each| format!("not {}: {}", each.name, each.reason));
        let why = why.collect::<Vec<_>>().join("; ");
        let why = if why.is_empty() { &transport.reason } else { &why };
        facts.push(("transport", format!("{}, {why}", transport.name)));
    }
    if let Some(qemu) = &document.qemu {
        facts.push(("QEMU", qemu.version.clone()));
    }
    let host = &document.host;
    if !host.cpu_model.is_empty() {
        facts.push((
            "host",
            format!("{}, {} CPUs, Linux {}", host.cpu_model, host.cpu_count, host.kernel),
        ));
    }
    facts.push(("lunlab", document.lunlab_version.clone()));
    facts.extend(document.notes.iter().map(|note| ("note", note.clone())));
    let mut html = String::from("<dl>\n");
    for (name, fact) in facts.iter().filter(|(_, fact)| !fact.is_empty()) {
        push(&mut html, format_args!("<dt>{}</dt><dd>{}</dd>\n", text(name), text(fact)));
    }
    html + "</dl>\n"
}

fn overview(runs: &[Run]) -> String {
    let columns = [
        Column::Text(""),
        Column::Text("run"),
        Column::Text("verdict"),
        Column::Text("kernel"),
        Column::Text("accelerator"),
        Column::Text("started"),
        Column::Text("reason"),
    ];
    let row = |run: &Run| {
        let document = &run.document;
        let incomplete = if run.incomplete { ", incomplete" } else { "" };
        vec![
            run.label.clone(),
            document.run_id.clone(),
            format!("{}{incomplete}", word(run)),
            kernel(document),
            document.accelerator.as_ref().map_or_else(String::new, |found| found.name.clone()),
            document.started_at.clone(),
            document.verdict.reason.clone(),
        ]
    };
    section("runs", "Runs", &table(&columns, &runs.iter().map(row).collect::<Vec<_>>()))
}

/// What was checked.
pub(super) fn checks(runs: &[Run]) -> String {
    let columns =
        [Column::Text("check"), Column::Text("of"), Column::Text("holds"), Column::Text("found")];
    let row = |run: &Run, check: &crate::result::CheckResult| {
        let holds = if check.ok { "yes" } else { "no" };
        vec![
            check.name.clone(),
            if runs.len() > 1 { run.label.clone() } else { String::new() },
            holds.to_owned(),
            check.detail.clone(),
        ]
    };
    let rows =
        runs.iter().flat_map(|run| run.document.checks.iter().map(move |check| row(run, check)));
    section("checks", "Checks", &table(&columns, &rows.collect::<Vec<_>>()))
}
