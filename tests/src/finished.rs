//! A `lunlab` that has ended, and what it left.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

/// A `lunlab` that has ended.
#[derive(Debug)]
pub struct Finished {
    status: ExitStatus,
    /// What it said on stdout.
    pub stdout: String,
    /// What it said on stderr.
    pub stderr: String,
    directory: Arc<TempDir>,
}

impl Finished {
    pub(crate) fn new(
        status: ExitStatus,
        stdout: String,
        stderr: String,
        directory: Arc<TempDir>,
    ) -> Self {
        Self { status, stdout, stderr, directory }
    }

    /// Its directory.
    #[must_use]
    pub fn directory(&self) -> &Arc<TempDir> {
        &self.directory
    }

    /// Its exit code.
    ///
    /// # Panics
    /// When a signal ended it.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("{}\n{}", self.status, self.story()))
    }

    /// The signal that ended it.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Asserts its exit code.
    ///
    /// # Panics
    /// When it is another; with all it said.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert!(self.code() == code, "exit {}, not {code}\n{}", self.code(), self.story());
        self
    }

    /// Asserts that stderr has this.
    ///
    /// # Panics
    /// When it has not.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "stderr has no {text:?}\n{}", self.story());
        self
    }

    /// Asserts that the summary on stdout has this.
    ///
    /// # Panics
    /// When it has not.
    #[track_caller]
    pub fn shows(&self, text: &str) -> &Self {
        assert!(self.stdout.contains(text), "stdout has no {text:?}\n{}", self.story());
        self
    }

    /// The directories of results: whole ones, and those of runs that were killed.
    #[must_use]
    pub fn results(&self) -> Vec<PathBuf> {
        results_in(self.directory.path())
    }

    /// The directory of its result.
    ///
    /// # Panics
    /// When there is not exactly one.
    #[must_use]
    #[track_caller]
    pub fn result_directory(&self) -> PathBuf {
        match self.results().as_slice() {
            [one] => one.clone(),
            other => panic!("one result was expected: {other:?}\n{}", self.story()),
        }
    }

    /// A file of its result.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    #[track_caller]
    pub fn result_file(&self, name: &str) -> String {
        let path = self.result_directory().join(name);
        fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}\n{}", path.display(), self.story()))
    }

    /// Its result document.
    ///
    /// # Panics
    /// When there is none, or it is not JSON.
    #[must_use]
    #[track_caller]
    pub fn result(&self) -> Value {
        serde_json::from_str(&self.result_file("result.json")).expect("result.json is JSON")
    }

    /// Asserts the verdict of its result document, which the exit code must agree with.
    ///
    /// # Panics
    /// When it is another; with all it said.
    #[track_caller]
    pub fn verdict(&self, kind: &str, code: i32) -> Verdict {
        self.exits(code);
        let verdict = Verdict::of(&self.result());
        assert!(
            verdict.kind == kind && verdict.exit_code == i64::from(code),
            "{verdict:#?}\n{}",
            self.story()
        );
        verdict
    }

    /// All there is to tell when something is wrong.
    #[must_use]
    pub fn story(&self) -> String {
        let console = console_tail(self.directory.path());
        let (stdout, stderr) = (&self.stdout, &self.stderr);
        format!("--- stdout\n{stdout}\n--- stderr\n{stderr}\n--- console\n{console}")
    }
}

/// The verdict of a result document.
#[derive(Debug)]
pub struct Verdict {
    /// Its word.
    pub kind: String,
    /// The exit code that goes with it.
    pub exit_code: i64,
    /// What else holds.
    pub also: Vec<String>,
    /// One sentence.
    pub reason: String,
    /// The lines that led to it, one below the other.
    pub lines: String,
}

impl Verdict {
    /// Of a document.
    ///
    /// # Panics
    /// When the document is not as it should be.
    #[must_use]
    #[track_caller]
    pub fn of(document: &Value) -> Self {
        let verdict = &document["verdict"];
        let text = |key: &str| verdict[key].as_str().expect(key).to_owned();
        let list = |key: &str| -> Vec<String> {
            let items = verdict[key].as_array().expect(key).iter();
            items.map(|item| item.as_str().expect(key).to_owned()).collect()
        };
        Self {
            kind: text("kind"),
            exit_code: verdict["exit_code"].as_i64().expect("exit_code"),
            also: list("also"),
            reason: text("reason"),
            lines: list("lines").join("\n"),
        }
    }
}

pub(crate) fn results_in(directory: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(directory.join("lunlab-results"));
    let paths = listed.into_iter().flatten().flatten().map(|entry| entry.path());
    let mut all: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
    all.sort();
    all
}

pub(crate) fn console_tail(directory: &Path) -> String {
    let logs = results_in(directory).into_iter().map(|result| result.join("console.log"));
    let tails = logs.map(|log| {
        let text = fs::read(&log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    });
    tails.collect::<Vec<_>>().join("\n...\n")
}
