//! When what was measured so far is written down, so that a run that is killed keeps it. Pure.

use std::time::{Duration, Instant};

/// Between two times while samples come in.
const EVERY: Duration = Duration::from_secs(1);

/// It may take one in so many parts of the time: what is measured shares the machine.
const SHARE: u32 = 100;

/// How much benchmarks have told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// How many of them are over.
    pub over: u32,
    /// Samples and all else.
    pub things: u64,
}

/// What was written down, and when more may be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    told: Told,
    next: Option<Instant>,
}

impl Kept {
    /// When it is time to write again; nothing as long as there is nothing new. The end of a benchmark does not wait.
    #[must_use]
    pub fn due(&self, told: Told, now: Instant) -> Option<Instant> {
        if told == self.told {
            return None;
        }
        let next = self.next.filter(|_| told.over == self.told.over);
        Some(next.unwrap_or(now))
    }

    /// It was written, which took from one instant to the other.
    pub fn wrote(&mut self, told: Told, (began, ended): (Instant, Instant)) {
        let took = ended.saturating_duration_since(began);
        *self = Self { told, next: Some(ended + EVERY.max(took.saturating_mul(SHARE))) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_wait_their_turn_and_the_end_of_a_benchmark_does_not() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let told = |over, things| Told { over, things };
        let mut kept = Kept::default();
        assert_eq!(kept.due(Told::default(), at(0)), None, "nothing was measured");
        assert_eq!(kept.due(told(0, 1), at(5)), Some(at(5)), "the first is kept at once");
        kept.wrote(told(0, 1), (at(5), at(7)));
        for (over, things, expected) in
            [(0, 1, None), (0, 2, Some(at(1007))), (1, 2, Some(at(10))), (1, 3, Some(at(10)))]
        {
            assert_eq!(kept.due(told(over, things), at(10)), expected, "{over} {things}");
        }
        kept.wrote(told(1, 3), (at(10), at(60)));
        assert_eq!(kept.due(told(1, 4), at(70)), Some(at(5060)), "what takes long comes seldom");
    }
}
