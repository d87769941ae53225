//! `lunlab run` without benchmarks, from outside, and its own timeline.

use crate::figures::{Figure, Report};
use crate::{Failure, Subject};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::Instant;

/// One run that passed.
pub(crate) struct Run {
    /// From before the process is started until it has been waited for.
    pub(crate) milliseconds: f64,
    /// QEMU's command line.
    pub(crate) argv: Vec<String>,
    /// The transport it took.
    pub(crate) transport: String,
    phases: Vec<(String, f64)>,
}

impl Run {
    /// From QEMU's start to a phase; NaN when it was not reached.
    pub(crate) fn spawn_to(&self, phase: &str) -> f64 {
        self.at(phase) - self.at("qemu-spawn")
    }

    fn at(&self, phase: &str) -> f64 {
        let found = self.phases.iter().find(|(name, _)| name == phase);
        found.map_or(f64::NAN, |(_, milliseconds)| *milliseconds)
    }
}

/// Runs it once; a run that does not pass measures nothing.
pub(crate) fn measure(subject: &Subject) -> Result<Run, Failure> {
    measure_spec(subject, subject.spec)
}

/// Runs another spec once.
pub(crate) fn measure_spec(subject: &Subject, text: &str) -> Result<Run, Failure> {
    let scratch = tempfile::tempdir()?;
    let spec = scratch.path().join("spec.toml");
    std::fs::write(&spec, text)?;
    let mut command = Command::new(&subject.lunlab);
    command
        .args(["run", "--format", "json", "--results"])
        .arg(scratch.path().join("results"))
        .arg(&spec)
        .stdin(Stdio::null());
    let begun = Instant::now();
    let output = command.output()?;
    let milliseconds = begun.elapsed().as_secs_f64() * 1000.0;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("lunlab run: {}: {words}", output.status).into());
    }
    read(&serde_json::from_slice(&output.stdout)?, milliseconds)
        .ok_or_else(|| "lunlab run: its result lacks argv, transport or timeline".into())
}

fn read(result: &Value, milliseconds: f64) -> Option<Run> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let argv = result["qemu"]["argv"].as_array()?.iter().map(text).collect::<Option<_>>()?;
    let transport = text(&result["transport"]["name"])?;
    let phase = |entry: &Value| Some((text(&entry["phase"])?, entry["ms"].as_f64()?));
    let mut phases: Vec<_> =
        result["timeline"].as_array()?.iter().map(phase).collect::<Option<_>>()?;
    phases.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    phases.push(("exit".to_owned(), milliseconds));
    Some(Run { milliseconds, argv, transport, phases })
}

/// Where the time goes: what passes between each phase and the one before.
pub(crate) fn report_phases(runs: &[Run], report: &mut Report) {
    let Some(first) = runs.first() else { return };
    let mut before = None;
    for (phase, _) in &first.phases {
        let since = |run: &Run| before.map_or(0.0, |before| run.at(before));
        let samples = runs.iter().map(|run| run.at(phase) - since(run)).collect();
        let name = match before {
            Some(before) => format!("  {before} .. {phase}"),
            None => format!("  start .. {phase}"),
        };
        report.add(Figure::new(name, "ms", samples));
        before = Some(phase);
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use serde_json::json;

    #[test]
    fn phases_are_in_the_order_of_time_and_the_exit_is_last() {
        let result = json!({
            "qemu": { "argv": ["qemu", "-s"] },
            "transport": { "name": "virtio-serial" },
            "timeline": [
                { "phase": "qemu-spawn", "ms": 20.0 },
                { "phase": "login", "ms": 900.0 },
                { "phase": "init", "ms": 500.5 },
            ],
        });
        let run = read(&result, 1000.0).unwrap();
        let names: Vec<_> = run.phases.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["qemu-spawn", "init", "login", "exit"]);
        assert_eq!(run.spawn_to("login"), 880.0);
        assert!(run.spawn_to("nothing").is_nan());
        assert!(read(&json!({ "timeline": 3 }), 1.0).is_none());
    }
}
