//! The guest's clock, held against the host's. Pure.

use std::time::{Duration, Instant};

/// The most readings that are kept; with more, every other one goes.
const MANY: usize = 1024;

/// The shortest time over which two clocks can be told apart, for all the time a message takes.
const COMPARABLE: Duration = Duration::from_secs(1);

/// Readings of the guest's clock, which a kernel calibrates once for all of a run.
#[derive(Debug, Clone, Default)]
pub struct Clocks {
    readings: Vec<Reading>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    guest_ms: f64,
    heard: Instant,
}

impl Clocks {
    /// Takes what the guest's clock showed, heard of at `heard`.
    pub fn take(&mut self, guest_ms: f64, heard: Instant) {
        if !guest_ms.is_finite() {
            return;
        }
        if self.readings.len() == MANY {
            let mut n = 0;
            self.readings.retain(|_| {
                n += 1;
                n % 2 == 1
            });
        }
        self.readings.push(Reading { guest_ms, heard });
    }

    /// How many times as fast as the host's it went. A message can only be late: of the readings of
    /// the first third of the time, and of those of the last, the promptest counts.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        let (first, last) = (self.readings.first()?.heard, self.readings.last()?.heard);
        let third = last.saturating_duration_since(first) / 3;
        let since = |reading: &Reading| reading.heard.saturating_duration_since(first);
        let lateness = |reading: &&Reading| since(reading).as_secs_f64() * 1e3 - reading.guest_ms;
        let promptest = |readings: &mut dyn Iterator<Item = &Reading>| {
            readings.min_by(|a, b| lateness(a).total_cmp(&lateness(b))).copied()
        };
        let mut of_first = self.readings.iter().filter(|reading| since(reading) <= third);
        let mut of_last = self.readings.iter().filter(|reading| since(reading) >= third * 2);
        let (early, late) = (promptest(&mut of_first)?, promptest(&mut of_last)?);
        let elapsed = late.heard.saturating_duration_since(early.heard);
        (elapsed >= COMPARABLE)
            .then(|| (late.guest_ms - early.guest_ms) / (elapsed.as_secs_f64() * 1e3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ratio of clocks of which one shows so much after so many milliseconds of the other.
    fn ratio(readings: &[(f64, u64)]) -> Option<f64> {
        let start = Instant::now();
        let mut clocks = Clocks::default();
        for (guest_ms, heard) in readings {
            clocks.take(*guest_ms, start + Duration::from_millis(*heard));
        }
        clocks.ratio()
    }

    #[test]
    fn a_message_that_is_late_makes_no_clock_slow() {
        let late = [(1000.0, 10), (1200.0, 650), (1400.0, 405), (3000.0, 2500), (3100.0, 2105)];
        let near = ratio(&late).unwrap();
        assert!((near - 1.0).abs() < 0.005, "{near}");
    }

    #[test]
    fn a_clock_that_is_fast_or_slow_is_found_though_messages_are_late() {
        for truth in [0.9, 0.97, 1.05, 4.5] {
            let readings: Vec<(f64, u64)> = (0..5000_u64)
                .map(|n| (f64::from(u32::try_from(n).unwrap()) * truth, n + n * 7919 % 40))
                .collect();
            let told = ratio(&readings).unwrap();
            assert!((told / truth - 1.0).abs() < 0.015, "{told} of {truth}");
        }
    }

    #[test]
    fn clocks_are_not_compared_over_a_moment() {
        assert_eq!(ratio(&[]), None);
        assert_eq!(ratio(&[(0.0, 0)]), None);
        assert_eq!(ratio(&[(0.0, 0), (f64::NAN, 5000), (50.0, 100)]), None);
    }
}
