//! A target that `lunlab up` holds for the tests.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use lunlab_tests::{Finished, Lunlab, Running, program, tools};
use rustix::process::Signal;

/// What `lunlab` may take to take a target down and end: it bounds each step of that itself.
const TAKING_DOWN: Duration = Duration::from_secs(60);

/// Longer than any suite: what bounds a machine is the tests on it.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A target, and the `lunlab` that holds it.
#[derive(Debug)]
pub(crate) struct Machine {
    running: Running,
    url: String,
}

/// How a machine ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    /// The kernel that ran, as it calls itself; none when it never did.
    pub(crate) release: Option<String>,
    /// What was wrong with it, for a person; none for a good end.
    pub(crate) problem: Option<String>,
}

impl Machine {
    /// Boots a spec; its ending when that did not give a target.
    pub(crate) fn boot(spec: &Path, kernel: Option<&str>, results: &Path) -> Result<Self, Ending> {
        // `lunlab` ends when the thread that started it does, however that happens.
        let mut words: Vec<OsString> =
            ["--pdeathsig".into(), "TERM".into(), program().into(), "up".into()].into();
        words.extend([spec.into(), "--results".into(), results.into()]);
        if let Some(kernel) = kernel {
            words.extend(["--kernel".into(), kernel.into()]);
        }
        let lunlab = Lunlab::command(words).program(tools::find("setpriv"));
        let running = lunlab.boots_nothing().within(DAY).start();
        match running.lines(1).and_then(|lines| lines.into_iter().next()) {
            Some(url) => Ok(Self { running, url }),
            None => Err(ending(&running.finish(), false)),
        }
    }

    /// The URL of its first LUN.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Whether it ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.running.process().ends_before(Instant::now())
    }

    /// Ends it as its user would.
    pub(crate) fn stop(self) -> Ending {
        let held = !self.has_ended();
        self.running.signal(Signal::TERM);
        if self.running.process().ends_before(Instant::now() + TAKING_DOWN) {
            return ending(&self.running.finish(), held);
        }
        let problem = format!("lunlab did not end within {} s", TAKING_DOWN.as_secs());
        Ending { release: None, problem: Some(problem) }
    }
}

/// Judges an end; it was a good one only if it was asked for.
fn ending(finished: &Finished, asked_for: bool) -> Ending {
    let release = summary(&finished.stderr, "kernel").and_then(|rest| rest.split(' ').next());
    let problem = (finished.signal().is_some() || finished.code() != 0 || !asked_for).then(|| {
        let verdict = summary(&finished.stderr, "verdict");
        verdict.map_or_else(|| finished.story(), str::to_owned)
    });
    Ending { release: release.map(str::to_owned), problem }
}

/// A line of `lunlab`'s summary.
fn summary<'a>(stderr: &'a str, label: &str) -> Option<&'a str> {
    let mut lines = stderr.lines().rev().filter_map(|line| line.strip_prefix(label));
    lines.find(|rest| rest.starts_with("  ")).map(str::trim)
}
