//! What the machine is like before and after a workload: what disturbs a measurement shows here.

use lunlab_bench::machine;
use rustix::time::{ClockId, clock_gettime};

/// The gauges by name, read now. One that the machine does not have is left out.
#[must_use]
pub fn read() -> Vec<(&'static str, f64)> {
    let file = |path| std::fs::read_to_string(path).unwrap_or_default();
    let mut gauges = machine::gauges(&file("/proc/stat"), &file("/proc/cpuinfo"));
    // The last, to be as near to the workload's beginning as can be: it is held against the host's.
    gauges.push(("clock_ms", clock_ms()));
    gauges
}

/// The clock that programs in the guest measure with, in milliseconds.
fn clock_ms() -> f64 {
    let now = clock_gettime(ClockId::Monotonic);
    // A clock of days has no more milliseconds than a double holds exactly.
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
    let (seconds, nanoseconds) = (now.tv_sec as f64, now.tv_nsec as f64);
    seconds * 1e3 + nanoseconds / 1e6
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn the_clock_goes_on_and_calibration_takes_time() {
        let of = |gauges: &[(&str, f64)], name| gauges.iter().find(|(n, _)| *n == name).unwrap().1;
        let (first, second) = (read(), read());
        assert!(of(&second, "clock_ms") > of(&first, "clock_ms"));
        assert!(of(&first, "calibration_ns") > 0.0);
    }
}
