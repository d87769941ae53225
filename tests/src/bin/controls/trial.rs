//! One `lunlab ab`, and what it said.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::Failure;

/// The part by which the slower side's completion time is longer.
const SLOWER: f64 = 0.1;

/// By how much a ratio may be off and still be right.
const RIGHT: f64 = 0.03;

/// The two specs that are compared, in a directory of their own.
pub(crate) struct Experiment {
    lunlab: PathBuf,
    directory: TempDir,
    runs: usize,
    completion_ns: f64,
}

/// What one trial came to.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) judgement: String,
    ratio: f64,
    interval: (f64, f64),
    /// What the ratio is in truth: what is added to what A took.
    truth: f64,
}

impl Experiment {
    pub(crate) fn new(runs: usize, completion_ms: usize) -> Result<Self, Failure> {
        let directory = tempfile::tempdir()?;
        let completion_ns = f64::from(u32::try_from(completion_ms)?) * 1e6;
        for (name, factor) in [("same.toml", 1.0), ("slower.toml", 1.0 + SLOWER)] {
            let text = lunlab_tests::controls::spec(completion_ns * factor);
            std::fs::write(directory.path().join(name), text)?;
        }
        Ok(Self { lunlab: lunlab_tests::program(), directory, runs, completion_ns })
    }

    /// Compares the same with itself, or with the slower one.
    pub(crate) fn trial(&self, slower: bool) -> Result<Trial, Failure> {
        let at = |name: &str| self.directory.path().join(name);
        let output = Command::new(&self.lunlab)
            .args(["ab", "-q", "--format", "json", "-n", &self.runs.to_string(), "--results"])
            .arg(at("results"))
            .arg("--spec-b")
            .arg(at(if slower { "slower.toml" } else { "same.toml" }))
            .arg(at("same.toml"))
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        let document: Value = serde_json::from_slice(&output.stdout)?;
        let row = lunlab_tests::controls::row(&document).ok_or("no latency was compared")?;
        let number = |pointer: &str| row.pointer(pointer).and_then(Value::as_f64);
        let a = number("/a/value").ok_or("there is no A")?;
        let added = if slower { self.completion_ns * SLOWER } else { 0.0 };
        Ok(Trial {
            judgement: row["judgement"].as_str().unwrap_or_default().to_owned(),
            ratio: number("/ratio").ok_or("there is no ratio")?,
            interval: number("/interval/0").zip(number("/interval/1")).ok_or("no interval")?,
            truth: 1.0 + added / a,
        })
    }
}

impl Trial {
    /// Called worse, by what it is.
    pub(crate) fn is_worse_as_expected(&self) -> bool {
        self.judgement == "worse" && (self.ratio - self.truth).abs() <= RIGHT
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { judgement, ratio, interval: (low, high), truth } = self;
        write!(f, "{judgement}, {ratio:.3} ({low:.3} to {high:.3}), in truth {truth:.3}")
    }
}
