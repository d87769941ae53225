//! The tests of all backstores, shared out to machines: each worker has a machine of its own, so
//! that a test that changes a LUN's state, or resets it, is alone on it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::baseline::Outcomes;
use crate::interruption::Interruption;
use crate::machine::{Ending, Machine};
use crate::outcome::{Outcome, Verdict};
use crate::progress::Progress;
use crate::tool::{self, Test};

/// After so many tests in a row without a result, each on a machine that was just booted, the
/// rest would have none either.
const HOPELESS: u32 = 3;

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Suite<'a> {
    pub(crate) source: Source,
    pub(crate) deadline: Duration,
    pub(crate) output: &'a Path,
    pub(crate) interruption: &'a Interruption,
    pub(crate) progress: Progress,
    pub(crate) backstores: Vec<Backstore>,
}

/// Where targets come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Specs, each called after a backstore, in a directory, and the kernel to boot.
    Boot { specs: PathBuf, kernel: Option<String> },
    /// Somebody else holds it.
    Given(String),
}

/// A backstore's tests: those to come, and what the others came to.
#[derive(Debug)]
pub(crate) struct Backstore {
    pub(crate) name: String,
    state: Mutex<State>,
}

/// What is known of a backstore.
#[derive(Debug, Default, Clone)]
pub(crate) struct State {
    to_come: VecDeque<String>,
    /// What was run came to this.
    pub(crate) outcomes: Outcomes,
    /// The kernel that ran.
    pub(crate) release: Option<String>,
    /// Ends of machines that were not good ones, and after which test.
    pub(crate) problems: Vec<String>,
    /// What kept it from going on, besides an interruption.
    pub(crate) given_up: Option<String>,
    /// From the first worker's begin to the last one's end.
    pub(crate) took: Option<(Instant, Instant)>,
}

impl State {
    /// Tests that were not run.
    pub(crate) fn left(&self) -> usize {
        self.to_come.len()
    }

    /// Whether a test was not run.
    pub(crate) fn is_to_come(&self, name: &str) -> bool {
        self.to_come.iter().any(|each| each == name)
    }
}

impl Backstore {
    pub(crate) fn new(name: &str, tests: &[String]) -> Self {
        let to_come = tests.iter().cloned().collect();
        let state = Mutex::new(State { to_come, ..State::default() });
        Self { name: name.to_owned(), state }
    }

    /// What is known of it now.
    pub(crate) fn state(&self) -> State {
        self.with(|state| state.clone())
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn next(&self) -> Option<String> {
        self.with(|state| if state.given_up.is_some() { None } else { state.to_come.pop_front() })
    }

    fn give_up(&self, name: Option<String>, reason: String) {
        self.with(|state| {
            state.to_come.extend(name);
            state.given_up.get_or_insert(reason);
        });
    }

    fn ended(&self, ending: Ending, after: &str) {
        self.with(|state| {
            state.release = ending.release.or(state.release.take());
            state.problems.extend(ending.problem.map(|problem| format!("{after}: {problem}")));
        });
    }
}

impl Suite<'_> {
    /// Runs all there is, with so many machines at once.
    pub(crate) fn run(&self, jobs: usize) {
        thread::scope(|scope| {
            for worker in 0..jobs {
                scope.spawn(move || self.work(worker));
            }
        });
    }

    /// Takes tests of one backstore until there are none, then helps with the next: workers begin
    /// with different ones.
    fn work(&self, worker: usize) {
        let n = self.backstores.len();
        for backstore in self.backstores.iter().cycle().skip(worker % n).take(n) {
            let begun = Instant::now();
            let mut worker = Worker { suite: self, backstore, machine: None, in_vain: 0 };
            worker.drain();
            worker.stop("the last test");
            backstore.with(|state| {
                let first = state.took.map_or(begun, |(first, _)| first.min(begun));
                state.took = Some((first, Instant::now()));
            });
        }
    }
}

/// One machine and the tests on it.
struct Worker<'a> {
    suite: &'a Suite<'a>,
    backstore: &'a Backstore,
    machine: Option<Machine>,
    /// Tests in a row that came to no result.
    in_vain: u32,
}

impl Worker<'_> {
    fn drain(&mut self) {
        while !self.suite.interruption.asked()
            && let Some(name) = self.backstore.next()
        {
            let url = match self.url() {
                Ok(url) => url,
                Err(reason) => return self.backstore.give_up(Some(name), reason),
            };
            match self.test(&name, &url) {
                Ok(Some(outcome)) => self.note(name, outcome),
                Ok(None) => return self.backstore.with(|state| state.to_come.push_front(name)),
                Err(error) => return self.backstore.give_up(Some(name), error.to_string()),
            }
            if self.in_vain == HOPELESS {
                let reason = format!("{HOPELESS} tests in a row came to no result");
                return self.backstore.give_up(None, reason);
            }
        }
    }

    /// Where the target is; it is booted when there is none.
    fn url(&mut self) -> Result<String, String> {
        let (specs, kernel) = match &self.suite.source {
            Source::Given(url) => return Ok(url.clone()),
            Source::Boot { specs, kernel } => (specs, kernel.as_deref()),
        };
        if let Some(machine) = &self.machine {
            return Ok(machine.url().to_owned());
        }
        let spec = specs.join(&self.backstore.name).with_extension("toml");
        let results = self.suite.output.join(&self.backstore.name).join("results");
        match Machine::boot(&spec, kernel, &results) {
            Ok(machine) => {
                let url = self.machine.insert(machine).url().to_owned();
                self.suite.progress.say(&format!("{}: {url}", self.backstore.name));
                Ok(url)
            }
            Err(Ending { problem, .. }) => {
                Err(problem.unwrap_or_else(|| "there is no target".to_owned()))
            }
        }
    }

    fn test(&self, name: &str, url: &str) -> std::io::Result<Option<Outcome>> {
        let directory = self.suite.output.join(&self.backstore.name).join(name);
        let urls = paths(name, url);
        let deadline = self.suite.deadline;
        let test = Test { name, urls: &urls, directory: &directory, deadline };
        tool::run(&test, self.suite.interruption)
    }

    /// A target on which a test did not come to a result, or that ended, is not used any more.
    fn note(&mut self, name: String, outcome: Outcome) {
        self.suite.progress.done(&self.backstore.name, &name, &outcome);
        let unsound = matches!(outcome.verdict, Verdict::Hang | Verdict::Error);
        self.in_vain = if outcome.verdict == Verdict::Error { self.in_vain + 1 } else { 0 };
        if unsound || self.machine.as_ref().is_some_and(Machine::has_ended) {
            self.stop(&name);
        }
        self.backstore.with(|state| state.outcomes.insert(name, outcome));
    }

    fn stop(&mut self, after: &str) {
        if let Some(machine) = self.machine.take() {
            let ending = machine.stop();
            if let Some(problem) = &ending.problem {
                self.suite.progress.say(&format!("{}, {after}: {problem}", self.backstore.name));
            }
            self.backstore.ended(ending, after);
        }
    }
}

/// The paths to the LUN that a test is for: one, but two for tests of several paths, and for those
/// of a LUN that cannot be written, one to LUN 1, which the specs map read-only.
fn paths(name: &str, url: &str) -> Vec<String> {
    let read_only = || url.rsplit_once('/').map(|(target, _)| format!("{target}/1"));
    match name.split('.').nth(1) {
        Some("MultipathIO") => vec![url.to_owned(); 2],
        Some("ReadOnly") => vec![read_only().unwrap_or_else(|| url.to_owned())],
        _ => vec![url.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::paths;

    #[test]
    fn each_test_gets_the_paths_it_is_about() {
        let paths = |name| paths(name, "iscsi://127.0.0.1:9/iqn.a:b/0");
        assert_eq!(paths("SCSI.Read10.Simple"), ["iscsi://127.0.0.1:9/iqn.a:b/0"]);
        assert_eq!(paths("SCSI.MultipathIO.Simple"), ["iscsi://127.0.0.1:9/iqn.a:b/0"; 2]);
        assert_eq!(paths("SCSI.ReadOnly.ReadOnlySBC"), ["iscsi://127.0.0.1:9/iqn.a:b/1"]);
    }
}
