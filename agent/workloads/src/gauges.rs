//! What the machine is like before and after a workload: what disturbs a measurement shows here.

use lunlab_bench::calibration;
use rustix::time::{ClockId, clock_gettime};

/// The gauges by name, read now. One that the machine does not have is left out.
#[must_use]
pub fn read() -> Vec<(&'static str, f64)> {
    let mut gauges = vec![("calibration_ns", calibration::nanoseconds())];
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    gauges.extend(steal_ms(&stat).map(|ms| ("steal_ms", ms)));
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    gauges.extend(mhz(&cpuinfo).map(|mhz| ("mhz", mhz)));
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

/// Milliseconds that the hypervisor gave to others, all processors together (proc_stat(5), in
/// hundredths of a second).
fn steal_ms(stat: &str) -> Option<f64> {
    let line = stat.lines().find(|line| line.starts_with("cpu "))?;
    let steal: u32 = line.split_ascii_whitespace().nth(8)?.parse().ok()?;
    Some(f64::from(steal) * 10.0)
}

/// The mean clock frequency of the processors as the kernel knows it.
fn mhz(cpuinfo: &str) -> Option<f64> {
    let values = cpuinfo.lines().filter(|line| line.starts_with("cpu MHz"));
    // Whole megahertz will do.
    let whole = |line: &str| line.rsplit(':').next()?.trim().split('.').next()?.parse::<u32>().ok();
    let values = values.filter_map(whole).map(f64::from);
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), mhz| (sum + mhz, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::{mhz, read, steal_ms};

    #[test]
    fn the_kernels_files_are_read() {
        let stat = "cpu  1 2 3 4 5 6 7 88 9 10\ncpu0 1 2 3 4 5 6 7 44 9 10\n";
        assert_eq!(steal_ms(stat), Some(880.0));
        assert_eq!(steal_ms("intr 1"), None);
        assert_eq!(mhz("cpu MHz\t\t: 2000.0\nx\ncpu MHz\t\t: 3000.0\n"), Some(2500.0));
        assert_eq!(mhz("nothing"), None);
    }

    #[test]
    fn the_clock_goes_on_and_calibration_takes_time() {
        let of = |gauges: &[(&str, f64)], name| gauges.iter().find(|(n, _)| *n == name).unwrap().1;
        let (first, second) = (read(), read());
        assert!(of(&second, "clock_ms") > of(&first, "clock_ms"));
        assert!(of(&first, "calibration_ns") > 0.0);
    }
}
