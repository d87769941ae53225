//! Signals to PID 1, and the children it inherits.
//!
//! All signals are blocked in every thread and taken by one; PID 1 has no default actions to fall
//! back on.

use crate::command::{Command, Queue};
use nix::sys::signal::{SigSet, Signal};
use rustix::io::Errno;
use rustix::process::{WaitOptions, wait};

/// Blocks what [`run`] takes. Must come before the first thread, which inherits it.
///
/// # Errors
/// pthread_sigmask(3)'s.
pub fn block() -> nix::Result<SigSet> {
    let set: SigSet =
        [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGPWR].into_iter().collect();
    set.thread_block()?;
    Ok(set)
}

/// Reaps children and turns requests to end into commands, for ever.
pub fn run(set: &SigSet, queue: &Queue) {
    loop {
        match set.wait() {
            Ok(Signal::SIGCHLD) => reap(|| wait(WaitOptions::NOHANG).map(|child| child.is_some())),
            Ok(_) => queue.push(Command::Finish),
            Err(_) => {}
        }
    }
}

/// Takes children until none is left that has ended: one signal may stand for several.
fn reap(mut next: impl FnMut() -> Result<bool, Errno>) {
    while matches!(next(), Ok(true) | Err(Errno::INTR)) {}
}

#[cfg(test)]
mod tests {
    use super::reap;
    use rustix::io::Errno;

    #[test]
    fn one_signal_may_stand_for_several_children() {
        let mut answers = vec![Err(Errno::CHILD), Ok(true), Err(Errno::INTR), Ok(true)];
        reap(|| answers.pop().unwrap());
        assert!(answers.is_empty());
    }

    #[test]
    fn a_child_that_still_runs_ends_the_reaping() {
        let mut answers = vec![Ok(true), Ok(false), Ok(true)];
        reap(|| answers.pop().unwrap());
        assert_eq!(answers, [Ok(true)]);
    }
}
