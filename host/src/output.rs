//! The only module that prints: results on stdout, progress and errors on stderr.

use crate::error::Error;
use crate::escape;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::termios::tcgetwinsize;
use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Errors and failures.
    Quiet,
    /// Phases as well.
    Normal,
    /// What is decided as well.
    Verbose,
}

/// A line on stdout; false when nobody reads it any more.
#[must_use]
pub fn line(text: &str) -> bool {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).is_ok()
}

/// Text on stdout as it is.
#[must_use]
pub fn text(text: &str) -> bool {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_ok()
}

/// How many columns stdout has, where it is a terminal: a person, not a program, reads it.
#[must_use]
pub fn columns() -> Option<usize> {
    let stdout = std::io::stdout();
    let size = stdout.is_terminal().then(|| tcgetwinsize(&stdout).ok())?;
    // One that does not know its size says 0.
    let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    Some(columns.unwrap_or(80))
}

/// A line on stderr.
pub fn progress(text: &str) {
    let _nobody_to_tell = writeln!(std::io::stderr().lock(), "{text}");
}

/// An error and its way out.
pub fn error(error: &Error) {
    progress(&format!("lunlab: {}", escape_lines(&error.to_string())));
    if let Some(hint) = error.hint() {
        progress(&format!("hint: {}", escape_lines(hint)));
    }
}

fn escape_lines(text: &str) -> String {
    text.lines().map(escape::terminal).collect::<Vec<_>>().join("\n")
}

/// Phases as they come: one live line on a terminal, plain lines elsewhere.
pub struct Phases {
    started: Instant,
    verbosity: Verbosity,
    live: Option<ProgressBar>,
    /// What stands before each phase.
    before: String,
    /// When a line about progress was last written where there is no live one.
    told: Cell<Instant>,
}

/// Between lines about progress where each stays.
const PROGRESS: Duration = Duration::from_secs(10);

impl Phases {
    /// Begins; times count from `started`.
    #[must_use]
    pub fn begin(started: Instant, verbosity: Verbosity) -> Self {
        // A terminal that cannot move its cursor has lines like a file.
        let moves = std::env::var_os("TERM").is_some_and(|name| !name.is_empty() && name != "dumb");
        let moves = moves && std::io::stderr().is_terminal();
        let live = (verbosity == Verbosity::Normal && moves).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4}  {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { started, verbosity, live, before: String::new(), told: Cell::new(Instant::now()) }
    }

    /// Begins one of several: on a live line its phases follow `before`, elsewhere they are left to those who ask for more.
    #[must_use]
    pub fn one_of_several(started: Instant, verbosity: Verbosity, before: String) -> Self {
        let phases = Self::begin(started, verbosity);
        match (&phases.live, verbosity) {
            (None, Verbosity::Normal) => Self { verbosity: Verbosity::Quiet, before, ..phases },
            _ => Self { before, ..phases },
        }
    }

    /// A phase.
    pub fn say(&self, text: &str) {
        let text = format!("{}{}", self.before, escape::terminal(text));
        match &self.live {
            Some(bar) => bar.set_message(text),
            None if self.verbosity >= Verbosity::Normal => {
                let seconds = self.started.elapsed().as_secs_f64();
                progress(&format!("[{seconds:7.3} s] {text}"));
            }
            None => {}
        }
    }

    /// How far something long is: always on a live line, now and then where lines stay.
    pub fn progress(&self, text: &str) {
        if self.live.is_some() || self.told.get().elapsed() >= PROGRESS {
            self.told.set(Instant::now());
            self.say(text);
        }
    }

    /// Something only those who ask for more want to know.
    pub fn detail(&self, text: &str) {
        if self.verbosity == Verbosity::Verbose {
            self.say(text);
        }
    }

    /// Clears the live line.
    pub fn end(&self) {
        if let Some(bar) = &self.live {
            bar.finish_and_clear();
        }
    }
}
