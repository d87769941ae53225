//! Two sides of results compared: what is better, worse, the same, and what nobody can tell.
//!
//! Pure: documents in, a [`Comparison`] out. `machine` says which runs stand beside each other at
//! all, `specs` in what they were asked otherwise, `pairing` finds what was measured on both sides, `judgement` judges it, `table` shows it.

mod judgement;
mod machine;
mod pairing;
mod specs;
mod table;

use crate::result::locate::Found;
use lunlab_bench::statistics::Design;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

pub use judgement::{Judgement, Limits};

/// The version of the document that `--format json` prints.
pub const SCHEMA: u32 = 1;

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: u32,
    /// One side: what the other is compared with.
    pub a: Side,
    /// The other.
    pub b: Side,
    /// Whether runs were made by turns, so that each is compared with the one beside it.
    pub interleaved: bool,
    /// What it was judged by.
    pub limits: Limits,
    /// What was compared, or could not be.
    pub rows: Vec<Row>,
    /// Runs that stand beside no other.
    pub left_out: Vec<LeftOut>,
    /// What the user should know of the runs.
    pub notes: Vec<String>,
    /// Whether something is worse by more than `--fail-on` allows, or B lacks what A measured.
    pub failed: bool,
}

/// One side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The releases of its kernels: one, as a rule.
    pub kernels: Vec<String>,
    /// The names of the runs that are compared, oldest first.
    pub runs: Vec<String>,
}

/// A run that is not compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// `A` or `B`.
    pub side: &'static str,
    /// Its name.
    pub run: String,
    /// Why.
    pub reason: String,
}

/// One series on both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The workload.
    pub workload: String,
    /// What it was run with.
    pub parameters: BTreeMap<String, Value>,
    /// Which of several that are the same in one run, from 1.
    pub occurrence: usize,
    /// What was sampled; empty where nothing was on both sides.
    pub series: String,
    /// In which unit.
    pub unit: String,
    /// Which way it is better: `lower` or `higher`; null where neither is.
    pub better: Option<&'static str>,
    /// One side.
    pub a: Option<Measured>,
    /// The other.
    pub b: Option<Measured>,
    /// `b / a`.
    pub ratio: Option<f64>,
    /// The ratio's 95 % interval.
    pub interval: Option<(f64, f64)>,
    /// What it amounts to.
    pub judgement: Judgement,
    /// Why nothing more can be said.
    pub reason: Option<String>,
    /// Why it is a failure by `--fail-on`; null where it is none.
    pub failure: Option<String>,
    /// What to bear in mind: noise, runs that had to be passed over.
    pub flags: Vec<String>,
}

/// What one side of a row comes to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// The trimmed mean of the runs' medians, in the unit of the row.
    pub value: f64,
    /// How many runs.
    pub runs: usize,
    /// How many samples they have together.
    pub samples: usize,
}

/// Compares two sides, each in the order in which its runs were made.
#[must_use]
pub fn compare(a: &[Found], b: &[Found], limits: Limits) -> Comparison {
    let mut left_out = Vec::new();
    let (kept_a, kept_b) = machine::beside(a, b, &mut left_out);
    let interleaved = interleaved(&kept_a, &kept_b);
    let design = if interleaved { Design::Pairs } else { Design::Apart };
    let rows = pairing::rows(&kept_a, &kept_b, design, &limits);
    let failed = rows.iter().any(|row| row.failure.is_some());
    Comparison {
        schema: SCHEMA,
        a: side(&kept_a),
        b: side(&kept_b),
        interleaved,
        limits,
        rows,
        left_out,
        notes: machine::notes(&kept_a, &kept_b),
        failed,
    }
}

impl Comparison {
    /// Whether anything could be compared.
    #[must_use]
    pub fn compared(&self) -> bool {
        self.rows.iter().any(|row| row.ratio.is_some())
    }

    /// As a person reads it: at most 100 columns.
    #[must_use]
    pub fn table(&self) -> String {
        table::table(self)
    }

    /// As a program reads it, with a line break at its end.
    ///
    /// # Errors
    /// Only when something in it cannot be JSON, which none of its types allows.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }
}

fn side(runs: &[&Found]) -> Side {
    let mut kernels: Vec<String> = runs
        .iter()
        .filter_map(|run| run.document.kernel.as_ref())
        .map(|kernel| kernel.release.clone().unwrap_or_else(|| kernel.image.clone()))
        .collect();
    kernels.sort();
    kernels.dedup();
    Side { kernels, runs: runs.iter().map(|run| run.document.run_id.clone()).collect() }
}

/// Whether each two runs that follow each other are of both sides: ABBA, or ABAB.
fn interleaved(a: &[&Found], b: &[&Found]) -> bool {
    if a.len() != b.len() || a.len() < 2 {
        return false;
    }
    let begun = |run: &Found| run.document.started_at.clone();
    let mut runs: Vec<(String, bool)> = a.iter().map(|run| (begun(run), false)).collect();
    runs.extend(b.iter().map(|run| (begun(run), true)));
    runs.sort();
    runs.chunks(2).all(|pair| pair[0].1 != pair[1].1 && pair[0].0 != pair[1].0)
}

#[cfg(test)]
mod tests;
