//! When each phase was reached, on the host's clock.

use std::time::Instant;

/// Phases in the order they were reached; milliseconds since `lunlab` started.
#[derive(Debug, Clone)]
pub struct Timeline {
    start: Instant,
    phases: Vec<(&'static str, f64)>,
    /// The instant at which the guest's clock began.
    kernel: Option<Instant>,
}

impl Timeline {
    /// Begins now, or at an earlier `start`.
    #[must_use]
    pub fn new(start: Instant) -> Self {
        Self { start, phases: Vec::new(), kernel: None }
    }

    /// Milliseconds from the start to an instant.
    #[must_use]
    pub fn since_start(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.start).as_secs_f64() * 1000.0
    }

    /// A phase reached at that instant; only its first time counts.
    pub fn reached(&mut self, phase: &'static str, at: Instant) {
        if self.at(phase).is_none() {
            self.phases.push((phase, self.since_start(at)));
        }
    }

    /// A phase the guest reached at that uptime, heard of at that instant.
    ///
    /// The first one ties the guest's clock to the host's, to within the way of a message; later
    /// ones are placed by when they were heard of.
    pub fn reached_in_guest(&mut self, phase: &'static str, uptime_us: u64, heard: Instant) {
        let uptime = std::time::Duration::from_micros(uptime_us);
        let kernel = match self.kernel {
            Some(kernel) => kernel,
            None => {
                let kernel = heard.checked_sub(uptime).unwrap_or(heard);
                self.kernel = Some(kernel);
                self.reached("kernel", kernel);
                kernel
            }
        };
        self.reached(phase, kernel.checked_add(uptime).unwrap_or(heard).min(heard));
    }

    /// When a phase was reached, in milliseconds.
    #[must_use]
    pub fn at(&self, phase: &str) -> Option<f64> {
        self.phases.iter().find(|(name, _)| *name == phase).map(|(_, ms)| *ms)
    }

    /// All phases by time.
    #[must_use]
    pub fn phases(&self) -> Vec<(&'static str, f64)> {
        let mut all = self.phases.clone();
        all.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::Timeline;
    use std::time::{Duration, Instant};

    #[test]
    fn the_guests_clock_is_tied_to_the_hosts() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timeline = Timeline::new(start);
        timeline.reached("qemu-spawn", at(50));
        // Three phases in one message: the last is the one that was just reached.
        timeline.reached_in_guest("channel", 1_500_000, at(2000));
        timeline.reached_in_guest("init", 1_200_000, at(2000));
        timeline.reached_in_guest("modules", 1_900_000, at(2410));
        timeline.reached("login", at(2600));
        timeline.reached("login", at(9999));
        let phases: Vec<String> =
            timeline.phases().into_iter().map(|(name, ms)| format!("{name} {ms:.0}")).collect();
        let expected = [
            "qemu-spawn 50",
            "kernel 500",
            "init 1700",
            "channel 2000",
            "modules 2400",
            "login 2600",
        ];
        assert_eq!(phases, expected);
    }

    #[test]
    fn nothing_is_reached_after_it_was_heard_of() {
        let start = Instant::now();
        let mut timeline = Timeline::new(start);
        timeline.reached_in_guest("channel", 1000, start + Duration::from_millis(10));
        // A guest whose clock runs fast.
        timeline.reached_in_guest("modules", 900_000_000, start + Duration::from_millis(20));
        assert_eq!(timeline.at("modules").map(f64::round), Some(20.0));
    }
}
