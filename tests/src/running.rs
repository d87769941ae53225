//! A `lunlab` that runs.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::boots::Permit;
use crate::command::runtime;
use crate::finished::{Finished, console_tail, results_in};
use crate::{GRACE, Leftovers, Process, Watched};

/// A `lunlab` that runs; killed when dropped, and then its guardian does the rest.
#[derive(Debug)]
pub struct Running {
    watched: Watched,
    directory: Arc<TempDir>,
    terminal: Option<File>,
    /// Given back last, when the process is gone.
    _permit: Option<Arc<Permit>>,
}

impl Running {
    pub(crate) fn new(
        watched: Watched,
        directory: Arc<TempDir>,
        permit: Option<Arc<Permit>>,
        terminal: Option<File>,
    ) -> Self {
        Self { watched, directory, terminal, _permit: permit }
    }

    /// Its directory.
    #[must_use]
    pub fn directory(&self) -> &Arc<TempDir> {
        &self.directory
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> &Process {
        self.watched.process()
    }

    /// What it said on stderr until now.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.watched.stderr.text()
    }

    /// Waits until its stderr has this, a phase mostly: `the agent is connected`.
    ///
    /// # Panics
    /// When it ends before, or does not say so in time.
    pub fn wait_for(&self, text: &str) -> &Self {
        if !self.watched.stderr.wait(|all| all.contains(text), self.watched.deadline()) {
            panic!("lunlab never said {text:?}\n{}", self.story());
        }
        self
    }

    /// Waits until what it said on stderr after the first `mark` bytes has all these; gives that.
    ///
    /// # Panics
    /// As [`Running::wait_for`].
    #[must_use]
    #[track_caller]
    pub fn said_since(&self, mark: usize, parts: &[&str]) -> String {
        let since = |all: &str| all.get(mark..).unwrap_or_default().to_owned();
        let has_all = |all: &str| parts.iter().all(|part| since(all).contains(part));
        let said = self.watched.stderr.wait(has_all, self.watched.deadline());
        assert!(said, "lunlab never said {parts:?}\n{}", self.story());
        since(&self.stderr())
    }

    /// Waits until its stdout has so many lines; gives them.
    ///
    /// # Panics
    /// As [`Running::wait_for`].
    #[must_use]
    pub fn wait_for_lines(&self, n: usize) -> Vec<String> {
        let Some(lines) = self.lines(n) else {
            panic!("lunlab never printed {n} lines\n{}", self.story());
        };
        lines
    }

    /// Waits until its stdout has so many lines; none when it ends before, or does not print as
    /// many in time.
    #[must_use]
    pub fn lines(&self, n: usize) -> Option<Vec<String>> {
        let enough = |all: &str| all.matches('\n').count() >= n;
        let printed = self.watched.stdout.wait(enough, self.watched.deadline());
        printed.then(|| self.watched.stdout.text().lines().map(str::to_owned).collect())
    }

    /// The directory of its result, under the name it has while it runs.
    ///
    /// # Panics
    /// When there is not exactly one.
    #[must_use]
    pub fn incomplete(&self) -> PathBuf {
        match results_in(self.directory.path()).as_slice() {
            [one] => one.clone(),
            other => panic!("one result was expected: {other:?}\n{}", self.story()),
        }
    }

    /// Waits until what it keeps of its result so far is such.
    ///
    /// # Panics
    /// When it is not in time.
    pub fn wait_for_result(&self, is_such: impl Fn(&Value) -> bool) -> &Self {
        let directory = self.incomplete();
        let changes = init(CreateFlags::CLOEXEC).expect("inotify");
        add_watch(&changes, &directory, WatchFlags::MOVED_TO).expect("watch a directory");
        let mut changes = File::from(changes);
        loop {
            let json = fs::read(directory.join("result.json")).unwrap_or_default();
            if serde_json::from_slice(&json).is_ok_and(|document| is_such(&document)) {
                return self;
            }
            let left = self.watched.deadline().saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).expect("a short time");
            let mut readable = [PollFd::new(&changes, PollFlags::IN)];
            let moved = poll(&mut readable, Some(&left)).expect("poll");
            assert!(moved > 0, "no such result was kept\n{}", self.story());
            let _what_moved = changes.read(&mut [0; 4096]).expect("read what moved");
        }
    }

    /// What it has now, to be looked for when it is over.
    #[must_use]
    pub fn leftovers(&self) -> Leftovers {
        Leftovers::of(self.process().id, &runtime(self.directory.path()))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> &Self {
        self.process().signal(signal);
        self
    }

    /// Types on its terminal.
    ///
    /// # Panics
    /// When it has none.
    pub fn type_on_terminal(&mut self, keys: &[u8]) -> &Self {
        let terminal = self.terminal.as_mut().expect("it was started on a terminal");
        terminal.write_all(keys).expect("type on the terminal");
        self
    }

    /// Waits for its end, and that nothing it had then outlives it by more than [`GRACE`].
    ///
    /// # Panics
    /// When it does not end in time, or something is left.
    #[must_use]
    pub fn leaves_nothing(self) -> Finished {
        let leftovers = self.leftovers();
        let finished = self.finish();
        leftovers.assert_gone(Instant::now() + GRACE);
        finished
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in time.
    #[must_use]
    pub fn finish(mut self) -> Finished {
        let status: ExitStatus = self.watched.wait();
        let (stdout, stderr) = (self.watched.stdout.text(), self.watched.stderr.text());
        Finished::new(status, stdout, stderr, Arc::clone(&self.directory))
    }

    pub(crate) fn story(&self) -> String {
        let (stdout, stderr) = (self.watched.stdout.text(), self.watched.stderr.text());
        let console = console_tail(self.directory.path());
        format!("--- stdout\n{stdout}\n--- stderr\n{stderr}\n--- console\n{console}")
    }
}
