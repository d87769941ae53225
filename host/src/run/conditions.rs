//! What the machine was like while something was measured, and whether that disturbed it. Pure.

use crate::result::{Conditions, Gauge};
use std::time::Instant;

/// The gauge that is held against the host's clock: milliseconds of the guest's monotonic clock.
pub const CLOCK: &str = "clock_ms";

/// By how much of itself the calibration loop may differ before and after.
const CALIBRATION: f64 = 0.05;

/// How much of the time may have been stolen.
const STEAL: f64 = 0.01;

/// By how much the guest's clock may go faster or slower than the host's.
const CLOCKS: f64 = 0.02;

/// The most gauges of a benchmark.
const MANY: usize = 32;

/// Readings of one benchmark so far.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    gauges: Vec<Gauge>,
    heard: [Option<Instant>; 2],
}

impl Readings {
    /// Takes a reading, heard of at `at`.
    pub fn take(&mut self, name: &str, after: bool, value: f64, at: Instant) {
        self.heard[usize::from(after)] = Some(at);
        let found = self.gauges.iter().position(|gauge| gauge.name == name);
        let index = found.unwrap_or(self.gauges.len());
        if index == MANY || !value.is_finite() {
            return;
        }
        if found.is_none() {
            self.gauges.push(Gauge { name: name.to_owned(), ..Gauge::default() });
        }
        if let Some(gauge) = self.gauges.get_mut(index) {
            *if after { &mut gauge.after } else { &mut gauge.before } = Some(value);
        }
    }

    /// What they say together, in a run in which the guest's clock went so many times as fast as the
    /// host's: that matters where the guest's has been read.
    #[must_use]
    pub fn conclude(self, clock_ratio: Option<f64>) -> Conditions {
        let host_ms = match self.heard {
            [Some(before), Some(after)] => {
                Some(after.saturating_duration_since(before).as_secs_f64() * 1e3)
            }
            _ => None,
        };
        let clock_ratio = clock_ratio.filter(|_| both(&self.gauges, CLOCK).is_some());
        let noisy = reasons(&self.gauges, clock_ratio, host_ms);
        Conditions { gauges: self.gauges, clock_ratio, noisy }
    }
}

fn both(gauges: &[Gauge], name: &str) -> Option<(f64, f64)> {
    let gauge = gauges.iter().find(|gauge| gauge.name == name)?;
    Some((gauge.before?, gauge.after?))
}

/// Why the numbers are not to be relied on.
fn reasons(gauges: &[Gauge], clock_ratio: Option<f64>, host_ms: Option<f64>) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Some((before, after)) =
        both(gauges, "calibration_ns").filter(|(before, _)| *before > 0.0)
        && (after / before - 1.0).abs() > CALIBRATION
    {
        let percent = (after / before - 1.0) * 100.0;
        reasons.push(format!("the same loop took {percent:+.0} % after it"));
    }
    let clock = both(gauges, CLOCK).map(|(before, after)| after - before);
    // What the host measures itself has no other clock.
    if let (Some((before, after)), Some(elapsed)) = (both(gauges, "steal_ms"), clock.or(host_ms))
        && elapsed > 0.0
        && (after - before) / elapsed > STEAL
    {
        let percent = (after - before) / elapsed * 100.0;
        reasons.push(format!("{percent:.0} % of a processor's time was stolen"));
    }
    if let Some(ratio) = clock_ratio.filter(|ratio| (ratio - 1.0).abs() > CLOCKS) {
        reasons.push(format!("the guest's clock went {ratio:.2} times as fast as the host's"));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// What the readings of a benchmark of a second come to.
    fn concluded(clock_ratio: f64, gauges: &[(&str, f64, f64)]) -> Conditions {
        let start = Instant::now();
        let mut readings = Readings::default();
        for (name, before, after) in gauges {
            readings.take(name, false, *before, start);
            readings.take(name, true, *after, start + Duration::from_millis(1000));
        }
        readings.conclude(Some(clock_ratio))
    }

    #[test]
    fn a_quiet_machine_gives_no_reason() {
        let quiet =
            [("calibration_ns", 100.0, 103.0), ("steal_ms", 0.0, 5.0), (CLOCK, 7.0, 1010.0)];
        let conditions = concluded(1.003, &quiet);
        assert_eq!(conditions.noisy, [""; 0]);
        assert_eq!(conditions.clock_ratio, Some(1.003));
        assert_eq!(conditions.gauges.len(), 3);
    }

    #[test]
    fn each_disturbance_is_named() {
        let clock = (CLOCK, 0.0, 1000.0);
        for (ratio, gauges, words) in [
            (1.0, [("calibration_ns", 100.0, 110.0), clock], "took +10 % after it"),
            (1.0, [("calibration_ns", 100.0, 90.0), clock], "took -10 % after it"),
            (1.0, [("steal_ms", 10.0, 60.0), clock], "5 % of a processor's time"),
            (1.0, [("steal_ms", 10.0, 60.0), ("mhz", 1.0, 1.0)], "5 % of a processor's time"),
            (4.5, [("mhz", 1.0, 1.0), clock], "4.50 times as fast as the host's"),
        ] {
            let noisy = concluded(ratio, &gauges).noisy;
            assert!(noisy.len() == 1 && noisy[0].contains(words), "{noisy:?}");
        }
    }

    #[test]
    fn what_was_read_once_says_nothing_and_what_the_host_timed_has_no_other_clock() {
        let mut readings = Readings::default();
        readings.take(CLOCK, false, 1.0, Instant::now());
        readings.take("calibration_ns", false, f64::NAN, Instant::now());
        let conditions = readings.conclude(Some(4.5));
        assert_eq!((conditions.clock_ratio, conditions.noisy.len()), (None, 0));
        assert_eq!(conditions.gauges.len(), 1);
        assert_eq!(concluded(4.5, &[("calibration_ns", 1.0, 1.0)]).clock_ratio, None);
    }
}
