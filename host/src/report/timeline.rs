//! The boot: when each phase was reached.

use super::axis::{Axis, as_float};
use super::html::{Column, Figure, section, table};
use super::lanes::{Estimate, Lane};
use super::plot::{Mark, Plot, WIDE};
use super::quantity::quantity;
use super::role::Role;

/// Phases that come after the measuring; they would squeeze the boot together.
const AFTER: [&str; 3] = ["finish", "torn-down", "done"];

/// The height of a lane's bar with its word.
const LANE: u32 = 34;

/// Room for the names of phases.
const LEFT: u32 = 250;

/// The section.
pub(super) fn timeline(lanes: &[Lane]) -> String {
    let all = phases(lanes, |_| true);
    let boot: Vec<&str> = phases(lanes, |phase| !AFTER.contains(&phase));
    if boot.is_empty() {
        return String::new();
    }
    let figure = Figure {
        title: "When each phase was reached".to_owned(),
        note: note(lanes),
        legend: lanes.iter().map(|lane| (lane.role, lane.label.clone())).collect(),
        svg: plot(&boot, lanes).svg(),
        table: numbers(&all, lanes),
    };
    section("boot", "Boot", &figure.html())
}

fn note(lanes: &[Lane]) -> String {
    let several = lanes.iter().any(|lane| lane.runs.len() > 1);
    let several = if several { " Dots are single runs, bars their medians." } else { "" };
    format!("A bar begins where the phase before it was reached.{several}")
}

fn phases<'a>(lanes: &[Lane<'a>], wanted: impl Fn(&str) -> bool) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for run in lanes.iter().flat_map(|lane| &lane.runs) {
        for phase in &run.document.timeline {
            if wanted(&phase.phase) && !names.contains(&phase.phase.as_str()) {
                names.push(&phase.phase);
            }
        }
    }
    let median = |phase: &str| {
        let all: Vec<f64> = lanes.iter().flat_map(|lane| reached(lane, phase)).collect();
        Estimate::of(&all).map_or(f64::INFINITY, |found| found.median)
    };
    names.sort_by(|a, b| median(a).total_cmp(&median(b)));
    names
}

/// When the runs of a lane reached a phase, in milliseconds.
fn reached(lane: &Lane, phase: &str) -> Vec<f64> {
    let phases = lane.runs.iter().flat_map(|run| &run.document.timeline);
    phases.filter(|reached| reached.phase == phase).map(|reached| reached.ms).collect()
}

fn plot(phases: &[&str], lanes: &[Lane]) -> Plot {
    let mut marks = Vec::new();
    let mut latest = 0.0f64;
    let high = 0.8 / as_float(lanes.len().max(1));
    for (n, lane) in lanes.iter().enumerate() {
        let mut before = 0.0;
        for (row, phase) in phases.iter().enumerate() {
            let at = reached(lane, phase);
            let Some(Estimate { median, .. }) = Estimate::of(&at) else { continue };
            let top = 0.4 - as_float(row) - high * as_float(n);
            let middle = top - high * 0.75 / 2.0;
            marks.push(Mark::Bar(lane.role, (before, top), (median, top - high * 0.75)));
            if at.len() > 1 {
                marks.extend(at.iter().map(|ms| Mark::Speck(Role::Ink, *ms, middle)));
            }
            let end = at.iter().copied().fold(median, f64::max);
            if median > before {
                marks.push(Mark::Word(end, middle, quantity(median - before, "ms")));
            }
            (before, latest) = (median, latest.max(end));
        }
    }
    let high_row = 22 + LANE * u32::try_from(lanes.len()).unwrap_or(1);
    let rows = u32::try_from(phases.len()).unwrap_or(u32::MAX).min(40);
    Plot {
        title: "Boot timeline".to_owned(),
        size: (WIDE.0, 140 + rows * high_row),
        left: LEFT,
        // room for the words beside the last bar
        x: Axis::from_zero(latest * 1.1, "since the start of lunlab", "ms"),
        y: Axis::rows(&phases.iter().map(|phase| (*phase).to_owned()).collect::<Vec<_>>()),
        marks,
    }
}

fn numbers(phases: &[&str], lanes: &[Lane]) -> String {
    let columns = [
        Column::Text("phase"),
        Column::Text("of"),
        Column::Number("reached"),
        Column::Number("95 % interval"),
        Column::Number("runs"),
    ];
    let mut rows = Vec::new();
    for phase in phases {
        for lane in lanes {
            let Some(found) = Estimate::of(&reached(lane, phase)) else { continue };
            rows.push(vec![
                (*phase).to_owned(),
                lane.label.clone(),
                quantity(found.median, "ms"),
                found.interval_words("ms"),
                found.count.to_string(),
            ]);
        }
    }
    table(&columns, &rows)
}
