//! How far it is, for whoever waits.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::outcome::{Outcome, Verdict};

/// How often it is told where that is no terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// How far it is; told on standard error.
#[derive(Debug)]
pub(crate) struct Progress {
    total: usize,
    begun: Instant,
    terminal: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    done: usize,
    told: Instant,
}

impl Progress {
    pub(crate) fn new(total: usize) -> Self {
        let begun = Instant::now();
        let state = Mutex::new(State { done: 0, told: begun });
        Self { total, begun, terminal: std::io::stderr().is_terminal(), state }
    }

    /// One test is done.
    pub(crate) fn done(&self, backstore: &str, name: &str, outcome: &Outcome) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done += 1;
        if matches!(outcome.verdict, Verdict::Hang | Verdict::Error) {
            self.print(&format!("{backstore}: {name}: {outcome}"), true);
        }
        let last = state.done == self.total;
        if self.terminal || last || state.told.elapsed() >= PAUSE {
            state.told = Instant::now();
            let left = time_left(self.begun.elapsed(), state.done, self.total);
            let (done, total) = (state.done, self.total);
            let text = format!("{done} of {total}, {} left: {backstore} {name}", human(left));
            self.print(&text, last);
        }
    }

    /// Something out of the ordinary.
    pub(crate) fn say(&self, text: &str) {
        let _one_at_a_time = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.print(text, true);
    }

    fn print(&self, text: &str, stays: bool) {
        let mut stderr = std::io::stderr();
        let _nobody_reads = if self.terminal {
            // Back to the first column, and what is still there is erased.
            write!(stderr, "\r\x1b[K{text}{}", if stays { "\n" } else { "" })
        } else {
            writeln!(stderr, "{text}")
        };
    }
}

/// What is left when the rest goes as what was done went.
fn time_left(elapsed: Duration, done: usize, total: usize) -> Duration {
    let (Ok(done), Ok(left)) = (u32::try_from(done), u32::try_from(total.saturating_sub(done)))
    else {
        return Duration::ZERO;
    };
    elapsed.checked_div(done).unwrap_or_default().saturating_mul(left)
}

/// `75 s`, `3 min`.
fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 100 { format!("{seconds} s") } else { format!("{} min", seconds.div_ceil(60)) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{human, time_left};

    #[test]
    fn the_rest_takes_as_long_as_what_was_done() {
        let left = |seconds, done, total| time_left(Duration::from_secs(seconds), done, total);
        assert_eq!(left(30, 10, 40), Duration::from_secs(90));
        assert_eq!(left(30, 40, 40), Duration::ZERO);
        assert_eq!(left(30, 0, 40), Duration::ZERO);
        assert_eq!(left(30, 41, 40), Duration::ZERO);
    }

    #[test]
    fn time_is_told_as_a_person_tells_it() {
        assert_eq!(human(Duration::from_millis(99_999)), "99 s");
        assert_eq!(human(Duration::from_secs(121)), "3 min");
    }
}
