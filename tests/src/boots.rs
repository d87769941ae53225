//! How many machines run at once: `$LUNLAB_TEST_JOBS`, two by default.

use std::sync::{Condvar, Mutex, PoisonError};

static TAKEN: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

/// Leave to run machines, given back when dropped.
#[derive(Debug)]
pub struct Permit(usize);

/// How many machines may run at once.
#[must_use]
pub fn limit() -> usize {
    let asked = std::env::var("LUNLAB_TEST_JOBS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(2).max(1)
}

/// Waits for leave to run one machine.
#[must_use]
pub fn one() -> Permit {
    take(1)
}

/// Waits until no other machine runs and keeps all others waiting: for tests that measure, or
/// that run several machines at once (each with [`crate::Lunlab::under`]).
#[must_use]
pub fn all() -> Permit {
    take(limit())
}

fn take(n: usize) -> Permit {
    let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut taken = FREED
        .wait_while(taken, |taken| *taken + n > limit())
        .unwrap_or_else(PoisonError::into_inner);
    *taken += n;
    Permit(n)
}

impl Drop for Permit {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= self.0;
        FREED.notify_all();
    }
}
